/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "config.h"
#include "console.h"
#include "forward.h"
#include "port.h"
#include "stats.h"
#include "stats_json.h"

enum source { SOURCE_STDIN, SOURCE_SIGNAL, SOURCE_TIMER, SOURCE_PORTS, SOURCE_DONE, SOURCES };

static struct {
	int signal_fd;
	int timer_fd;
	bool ending;
} session = { .signal_fd = -1, .timer_fd = -1 };

int
session_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* A reader of our output may go away; writes then fail, and that is all. */
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0) {
		session.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
		session.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	}
	if (session.signal_fd >= 0 && session.timer_fd >= 0)
		return 0;
	fprintf(stderr, "No descriptors for signals and timers: %s\n", strerror(errno));
	session_free();
	return -1;
}

void
session_free(void)
{
	if (session.signal_fd >= 0)
		close(session.signal_fd);
	if (session.timer_fd >= 0)
		close(session.timer_fd);
	session.signal_fd = session.timer_fd = -1;
}

void
session_set_period(uint32_t seconds)
{
	struct itimerspec when = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_sec = seconds,
	};

	config.stats_period = seconds;
	timerfd_settime(session.timer_fd, 0, &when, NULL);
}

static void
take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(session.signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	printf("\nSignal %u received, preparing to exit...\n", info.ssi_signo);
	session.ending = true;
}

static void
take_input(bool console)
{
	char chars[256];
	ssize_t count = read(STDIN_FILENO, chars, sizeof(chars));

	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (count <= 0) {
		session.ending = true;
		return;
	}
	if (!console) {
		session.ending = memchr(chars, '\n', (size_t)count) != NULL;
		return;
	}
	console_feed(chars, (size_t)count);
	session.ending = console_quitting();
}

static void
take_timer(void)
{
	uint64_t expirations;

	if (read(session.timer_fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	stats_period_show();
	stats_json_append();
	fflush(stdout);
}

static void
take_done(bool console)
{
	uint64_t count;

	if (read(fwd_done_fd(), &count, sizeof(count)) != sizeof(count))
		return;
	if (fwd_running())
		fwd_stop();
	if (!console)
		session.ending = true;
}

void
session_run(bool console)
{
	struct pollfd fds[SOURCES] = {
		[SOURCE_STDIN] = { .fd = STDIN_FILENO, .events = POLLIN },
		[SOURCE_SIGNAL] = { .fd = session.signal_fd, .events = POLLIN },
		[SOURCE_TIMER] = { .fd = session.timer_fd, .events = POLLIN },
		[SOURCE_PORTS] = { .fd = port_event_fd(), .events = POLLIN },
		[SOURCE_DONE] = { .fd = fwd_done_fd(), .events = POLLIN },
	};

	if (!console && (config.stats_period != 0 || config.seq_count != 0))
		fds[SOURCE_STDIN].fd = -1;
	while (!session.ending) {
		if (poll(fds, SOURCES, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (fds[SOURCE_SIGNAL].revents != 0)
			take_signal();
		if (fds[SOURCE_PORTS].revents != 0)
			port_events_handle();
		if (fds[SOURCE_DONE].revents != 0)
			take_done(console);
		if (fds[SOURCE_TIMER].revents != 0)
			take_timer();
		if (fds[SOURCE_STDIN].revents != 0 && !session.ending)
			take_input(console);
	}
}
