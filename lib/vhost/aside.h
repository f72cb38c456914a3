/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a front end may hold up is done aside: in a thread that serves nobody else.
 *
 * A descriptor that a front end sent is an open file of a kind that it chose, and that it goes on
 * sharing. To read it, to write to it, even to close it may take as long as the front end likes:
 * the file system may be one that it serves itself, and a lock of the kernel that all of these take
 * (of a pipe, of an epoll set that watches the file) may be held by a thread of the front end, which
 * copies to memory whose pages do not come. That a descriptor is not to block does not help then,
 * and can be undone by whoever shares it. So no thread that serves several front ends does any of
 * that, but for files whose kind is known (peer_fd.h).
 *
 * Each socket has one of these, so front ends of one socket wait for each other at most. Code on
 * behalf of a socket runs between vhost_aside_enter() and another one that undoes it; outside, there
 * is nobody to wait for, and everything is done at once by the caller.
 */

#ifndef VHOST_ASIDE_H
#define VHOST_ASIDE_H

#include <pthread.h>
#include <stdbool.h>

struct vhost_aside;

/** Call @a fn(arg) in the event loop, and wait for its end. */
typedef void (*vhost_aside_in_loop)(void (*fn)(void *arg), void *arg);

/** @param in_loop how done functions of vhost_aside_run() are called. @return NULL: no memory */
struct vhost_aside *vhost_aside_create(vhost_aside_in_loop in_loop);

/** Nobody enters it any more. It is freed when its threads have ended. NULL is ignored. */
void vhost_aside_release(struct vhost_aside *aside);

/** Keep it, until another vhost_aside_release(). @return the same; NULL stays NULL */
struct vhost_aside *vhost_aside_get(struct vhost_aside *aside);

/** From now on, this thread works for another socket, or for none (NULL). @return for which before */
struct vhost_aside *vhost_aside_enter(struct vhost_aside *aside);

/** Whether this thread works for a socket now. */
bool vhost_aside_is_entered(void);

/** Close a descriptor that came from a front end; -1 is ignored. If there is no thread, close it here. */
void vhost_aside_close(int fd);

/** Descriptors of the socket that this thread works for which are waiting to be closed. */
unsigned int vhost_aside_pending(void);

/**
 * Call @a work(arg) in a thread of its own, and then @a done(arg), unless that is NULL, in the event
 * loop, with this entered. Outside of any socket, both at once.
 *
 * @return 0; -EBUSY so much of the socket is held up already; -ENOMEM or -EAGAIN no thread
 */
int vhost_aside_run(void (*work)(void *arg), void (*done)(void *arg), void *arg);

/** Wait until nothing is done aside, for any socket: for tests. */
void vhost_aside_settle(void);

/**
 * Start a thread that no signal is for, but those about what it does itself.
 *
 * @param[out] thread NULL: it is detached
 * @return 0, or an errno as pthread_create(3) gives
 */
int vhost_thread_start(pthread_t *thread, void *(*fn)(void *arg), void *arg);

#endif /* VHOST_ASIDE_H */
