/* SPDX-License-Identifier: BSD-3-Clause */

#include "clock.h"

uint64_t fuzz_now_us;
void (*fuzz_meanwhile)(void);

static void
sleep_for(uint64_t us)
{
	fuzz_now_us += us;
	if (fuzz_meanwhile != NULL)
		fuzz_meanwhile();
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = (time_t)(fuzz_now_us / 1000000),
		.tv_nsec = (long)(fuzz_now_us % 1000000) * 1000 };
	return 0;
}

int
__wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	sleep_for((uint64_t)ts->tv_sec * 1000000 + (uint64_t)ts->tv_nsec / 1000 + 1);
	return 0;
}

/* Everything that the peer has to say was said, and it has read all that it was told. */
int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	(void)n;
	if (fds->events == POLLOUT)
		return 1;
	sleep_for((uint64_t)ms * 1000);
	return 0;
}

void
__wrap_rte_delay_us_sleep(unsigned int us)
{
	sleep_for(us);
}
