/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <sys/queue.h>

#include "loop.h"

#define SOURCES_MAX 16
#define JOBS_MAX 16
/* Far more than an input has bytes: whoever is called over and over does not read. */
#define TURNS_MAX 100000

struct event_source {
	TAILQ_ENTRY(event_source) next;
	event_fn fn;
	void *arg;
	int fd; /* -1: a timer */
	bool armed;
};

static TAILQ_HEAD(, event_source) sources = TAILQ_HEAD_INITIALIZER(sources);

static struct job {
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
} jobs[JOBS_MAX];
static unsigned int njobs;
static bool defer;

/* The first source that has something, or NULL. */
static struct event_source *
find_ready(void)
{
	struct event_source *source, *polled[SOURCES_MAX];
	struct pollfd fds[SOURCES_MAX];
	nfds_t n = 0;

	TAILQ_FOREACH(source, &sources, next) {
		if (source->fd < 0)
			continue;
		fuzz_check(n < SOURCES_MAX);
		polled[n] = source;
		fds[n++] = (struct pollfd){ .fd = source->fd, .events = POLLIN };
	}
	if (poll(fds, n, 0) <= 0)
		return NULL;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents != 0)
			return polled[i];
	return NULL;
}

void
fuzz_loop_run(void)
{
	struct event_source *source;
	unsigned int turns = 0;

	/* Who is called may remove any of them. */
	while ((source = find_ready()) != NULL) {
		fuzz_check(turns++ < TURNS_MAX);
		source->fn(source->arg);
	}
}

static struct event_source *
find_armed(void)
{
	struct event_source *source;

	TAILQ_FOREACH(source, &sources, next)
		if (source->armed)
			return source;
	return NULL;
}

/* A timer may arm itself again. */
void
fuzz_loop_time_passes(void)
{
	struct event_source *source;
	unsigned int turns = 0;

	while (turns++ < SOURCES_MAX && (source = find_armed()) != NULL) {
		source->armed = false;
		source->fn(source->arg);
	}
}

void
fuzz_loop_defer(bool defers)
{
	defer = defers;
}

void
fuzz_loop_settle(void)
{
	while (njobs > 0) {
		const struct job job = jobs[0];

		memmove(jobs, jobs + 1, --njobs * sizeof(jobs[0]));
		job.work(job.arg);
		job.done(job.arg);
	}
}

struct event_loop *
__wrap_event_loop_create(const char *name)
{
	(void)name;
	/* Nobody looks into it. */
	return (struct event_loop *)&sources;
}

void
__wrap_event_loop_destroy(struct event_loop *loop)
{
	(void)loop;
}

struct event_source *
__wrap_event_loop_add_fd(struct event_loop *loop, int fd, event_fn fn, void *arg)
{
	struct event_source *source = calloc(1, sizeof(*source));

	(void)loop;
	fuzz_check(source != NULL);
	*source = (struct event_source){ .fn = fn, .arg = arg, .fd = fd };
	TAILQ_INSERT_TAIL(&sources, source, next);
	return source;
}

struct event_source *
__wrap_event_loop_add_timer(struct event_loop *loop, event_fn fn, void *arg)
{
	return __wrap_event_loop_add_fd(loop, -1, fn, arg);
}

void
__wrap_event_timer_arm(struct event_source *timer, uint32_t delay_ms)
{
	(void)delay_ms;
	timer->armed = true;
}

void
__wrap_event_source_remove(struct event_source *source)
{
	if (source == NULL)
		return;
	TAILQ_REMOVE(&sources, source, next);
	free(source);
}

void
__wrap_event_loop_run(struct event_loop *loop, event_fn fn, void *arg)
{
	(void)loop;
	fn(arg);
}

bool
__wrap_event_loop_is_current(const struct event_loop *loop)
{
	(void)loop;
	return true;
}

/* As if there were no sockets: descriptors are closed at once, and nothing waits for a peer. */
struct vhost_aside *
__wrap_vhost_aside_enter(struct vhost_aside *aside)
{
	(void)aside;
	return NULL;
}

int
__wrap_vhost_aside_run(void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	/* Nobody is told of the end of what has no done(). */
	if (defer && done != NULL) {
		if (njobs == JOBS_MAX)
			return -EBUSY;
		jobs[njobs++] = (struct job){ .work = work, .done = done, .arg = arg };
		return 0;
	}
	work(arg);
	if (done != NULL)
		done(arg);
	return 0;
}
