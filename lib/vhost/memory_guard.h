/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Guest memory that its owner takes away.
 *
 * What a front end shares is a file, and whoever holds a file may shorten it at any time, whatever
 * it said about its size; a file of hugepages may also find that none are left. Who then touches the
 * mapping gets SIGBUS, and the process with all of its other connections would end. So mappings of
 * guest memory are registered here, and a SIGBUS in one of them puts zeroed memory of our own in
 * the place of the whole mapping: what touched it goes on, with contents as hostile as ever, and
 * the connection is closed by who waits on vhost_guard_fd().
 *
 * The signal's former handler gets every SIGBUS that is not for us. An application that installs
 * one later should pass on to the one it replaces what it does not know.
 */

#ifndef VHOST_MEMORY_GUARD_H
#define VHOST_MEMORY_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Guard a mapping, from its creation until vhost_guard_remove(). Any thread.
 *
 * @param addr as returned by mmap(2)
 * @param len bytes mapped: whole pages of the file
 * @return 0, or -ENOMEM
 */
int vhost_guard_add(void *addr, size_t len);

/** To be called before munmap(2). Any thread; ignored for what is not guarded. */
void vhost_guard_remove(void *addr);

/** True if guarded mapping @a addr was taken away. */
bool vhost_guard_lost(const void *addr);

/**
 * An eventfd that becomes readable when a mapping was taken away, made by the first call. Any thread.
 * @return it; -1 with errno set if there is none, to be asked for again later
 */
int vhost_guard_fd(void);

#endif /* VHOST_MEMORY_GUARD_H */
