/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Time that is the target's own: whoever waits moves it on, and waits no longer than that takes. What is
 * linked with it is given --wrap for each of these functions: see meson.build.
 */

#ifndef FUZZ_CLOCK_H
#define FUZZ_CLOCK_H

#include <poll.h>
#include <time.h>

#include "fuzz.h"

/** Since the target set it to 0. */
extern uint64_t fuzz_now_us;

/** Called whenever the driver sleeps: what the other side does meanwhile. May be NULL. */
extern void (*fuzz_meanwhile)(void);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
void __wrap_rte_delay_us_sleep(unsigned int us);

#endif /* FUZZ_CLOCK_H */
