/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One epoll thread that calls functions when descriptors become ready and when timers expire.
 * All vhost-user connections of a process are served by one loop.
 *
 * Removal is safe anywhere. From inside a callback (the loop's own thread) it takes effect at
 * once: no further call is made for that source. From another thread it returns only when no
 * callback of that source is running any more, so the caller may free what the callback uses.
 */

#ifndef VHOST_EVENT_LOOP_H
#define VHOST_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_loop;
struct event_source;

typedef void (*event_fn)(void *arg);

/**
 * Start a loop with a thread of the given name (15 characters). NULL with errno set if it fails.
 */
struct event_loop *event_loop_create(const char *name);

/** Stop the thread and free the loop; sources still there are removed, their fds not closed. */
void event_loop_destroy(struct event_loop *loop);

/** Call @a fn whenever @a fd is readable, has an error or was hung up. NULL with errno set. */
struct event_source *event_loop_add_fd(struct event_loop *loop, int fd, event_fn fn, void *arg);

/**
 * A timer, which uses no descriptor. Once armed, it calls @a fn once after @a delay_ms milliseconds, in
 * the loop's thread; armed again before that, only after the new delay. It stays valid until it is
 * removed. NULL with errno set.
 */
struct event_source *event_loop_add_timer(struct event_loop *loop, event_fn fn, void *arg);
void event_timer_arm(struct event_source *timer, uint32_t delay_ms);

/** Remove a source, as described above; the descriptor stays the caller's. NULL is ignored. */
void event_source_remove(struct event_source *source);

/** Run @a fn in the loop's thread and wait for its end; from that thread, just call it. */
void event_loop_run(struct event_loop *loop, event_fn fn, void *arg);

/** True in the loop's own thread. */
bool event_loop_is_current(const struct event_loop *loop);

#endif /* VHOST_EVENT_LOOP_H */
