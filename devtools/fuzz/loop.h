/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The event loop of the library without its thread: events are looked for when the target says so, by
 * the target's own thread, so that an input always does the same. Nor is there a thread for what
 * goes on aside (aside.h): that is done at once, or later, when the target says so. What is linked
 * with it is given --wrap for each of these functions: see meson.build.
 */

#ifndef FUZZ_LOOP_H
#define FUZZ_LOOP_H

#include "aside.h"
#include "event_loop.h"
#include "fuzz.h"

/** Call whoever waits for a descriptor that has something, until none has. */
void fuzz_loop_run(void);

/** Each timer that is armed is due now. */
void fuzz_loop_time_passes(void);

/** From now on, the end of what goes on aside waits for fuzz_loop_settle(), or not any more. */
void fuzz_loop_defer(bool defers);

/** All that went on aside ends. */
void fuzz_loop_settle(void);

struct event_loop *__wrap_event_loop_create(const char *name);
void __wrap_event_loop_destroy(struct event_loop *loop);
struct event_source *__wrap_event_loop_add_fd(struct event_loop *loop, int fd, event_fn fn,
	void *arg);
struct event_source *__wrap_event_loop_add_timer(struct event_loop *loop, event_fn fn, void *arg);
void __wrap_event_timer_arm(struct event_source *timer, uint32_t delay_ms);
void __wrap_event_source_remove(struct event_source *source);
void __wrap_event_loop_run(struct event_loop *loop, event_fn fn, void *arg);
bool __wrap_event_loop_is_current(const struct event_loop *loop);
struct vhost_aside *__wrap_vhost_aside_enter(struct vhost_aside *aside);
int __wrap_vhost_aside_run(void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif /* FUZZ_LOOP_H */
