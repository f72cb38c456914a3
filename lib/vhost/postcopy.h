/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Post-copy migration: a guest runs here before all of its memory has come. Whoever touches a page
 * that is still on its way waits until the front end has put it into the shared file and says so.
 *
 * That is what userfaultfd(2) does: guest memory is registered with a descriptor that the front end
 * holds as well, where it reads of faults and wakes those that wait.
 */

#ifndef VHOST_POSTCOPY_H
#define VHOST_POSTCOPY_H

#include <stdbool.h>

#include "rte_vhost.h"

/**
 * Make a descriptor that shared memory can be registered with.
 * @param[out] user_only faults of system calls are not handled: what the kernel grants to anybody
 * @return the descriptor, or -errno: EPERM the kernel does not permit it; EINVAL or ENOSYS it cannot
 */
int vhost_postcopy_open(bool *user_only);

/** Have pages of all regions that are not there waited for. @return 0, or -errno */
int vhost_postcopy_register(int fd, const struct rte_vhost_memory *mem);

/** Undo it: whoever waits goes on. */
void vhost_postcopy_unregister(int fd, const struct rte_vhost_memory *mem);

struct vhost_postcopy_watch;

/**
 * See to it that nobody waits for what a front end that is gone will not bring. Who serves its
 * connection may itself be waiting for a page, so a thread of its own looks whether the connection
 * ends, and undoes the registration then.
 *
 * @param fd userfaultfd that @a mem was registered with; stays the caller's until the watch ends
 * @param connection its socket
 * @return the watch, or NULL with errno set
 */
struct vhost_postcopy_watch *vhost_postcopy_watch(int fd, int connection,
	const struct rte_vhost_memory *mem);

/** End it; NULL is ignored. */
void vhost_postcopy_unwatch(struct vhost_postcopy_watch *watch);

#endif /* VHOST_POSTCOPY_H */
