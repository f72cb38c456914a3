/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <rte_vdpa_compat.h>

#include "event_loop.h"

struct event_source {
	struct event_loop *loop;
	event_fn fn;
	void *arg;
	int fd;       /* -1: a timer */
	bool armed;   /* timer: in the list of timers */
	uint64_t due; /* timer: in nanoseconds of CLOCK_MONOTONIC */
	bool removed;
	TAILQ_ENTRY(event_source) next;
	TAILQ_ENTRY(event_source) next_timer;
};

TAILQ_HEAD(source_list, event_source);

/* A function that another thread wants run here; lives on that thread's stack. */
struct errand {
	event_fn fn;
	void *arg;
	bool done;
	TAILQ_ENTRY(errand) next;
};

/*
 * The thread takes one event at a time from epoll. So a source that was removed can still be in
 * the thread's hands once (between epoll_wait() and the lock), where its `removed` is seen, but
 * never a second time: the thread frees removed sources before it asks for the next event.
 *
 * Timers cost no descriptor, so that a process may have thousands of sockets with one each. Most are
 * armed with one and the same delay: they are kept sorted, and a place is searched for from the end.
 */
struct event_loop {
	int epoll;
	int wake; /* eventfd: errands or an earlier timer are waiting, or the loop is to stop */
	rte_thread_t thread;
	pthread_mutex_t lock; /* all below; not held while a callback runs */
	pthread_cond_t progress;
	struct source_list sources;
	struct source_list removed;
	struct source_list timers; /* those that are armed, the first due first */
	TAILQ_HEAD(, errand) errands;
	struct event_source *running;
	uint64_t turns; /* callbacks begun: tells apart two sources at one address */
	bool stop;
};

static __thread struct event_loop *current_loop;

bool
event_loop_is_current(const struct event_loop *loop)
{
	return current_loop == loop;
}

static void
free_all(struct source_list *list)
{
	struct event_source *source;

	while ((source = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, source, next);
		free(source);
	}
}

/* Called and returns with the lock held. */
static void
run_errands(struct event_loop *loop)
{
	struct errand *errand;

	while ((errand = TAILQ_FIRST(&loop->errands)) != NULL) {
		TAILQ_REMOVE(&loop->errands, errand, next);
		pthread_mutex_unlock(&loop->lock);
		errand->fn(errand->arg);
		pthread_mutex_lock(&loop->lock);
		errand->done = true;
		pthread_cond_broadcast(&loop->progress);
	}
}

/* Called and returns with the lock held. */
static void
run_source(struct event_loop *loop, struct event_source *source)
{
	if (source->removed)
		return;
	loop->running = source;
	loop->turns++;
	pthread_mutex_unlock(&loop->lock);
	source->fn(source->arg);
	pthread_mutex_lock(&loop->lock);
	loop->running = NULL;
	pthread_cond_broadcast(&loop->progress);
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
disarm(struct event_source *timer)
{
	if (timer->armed)
		TAILQ_REMOVE(&timer->loop->timers, timer, next_timer);
	timer->armed = false;
}

/* Run the first timer if it is due; with the lock held. */
static void
run_timer(struct event_loop *loop)
{
	struct event_source *timer = TAILQ_FIRST(&loop->timers);

	if (timer == NULL || timer->due > now())
		return;
	disarm(timer);
	run_source(loop, timer);
}

/* Milliseconds until the first timer is due, rounded up; -1 if there is none. */
static int
time_to_wait(const struct event_loop *loop)
{
	const struct event_source *timer = TAILQ_FIRST(&loop->timers);
	uint64_t at;

	if (timer == NULL)
		return -1;
	at = now();
	return timer->due <= at ?
		0 :
		(int)RTE_MIN((timer->due - at + 999999) / 1000000, (uint64_t)INT_MAX);
}

/* One timer and one event at a time, so that neither kind keeps the other from its turn. */
static uint32_t
loop_main(void *arg)
{
	struct event_loop *loop = arg;
	struct epoll_event event;
	eventfd_t woken;

	current_loop = loop;
	pthread_mutex_lock(&loop->lock);
	while (!loop->stop) {
		int n, timeout;

		run_timer(loop);
		free_all(&loop->removed);
		timeout = time_to_wait(loop);
		pthread_mutex_unlock(&loop->lock);
		n = epoll_wait(loop->epoll, &event, 1, timeout);
		pthread_mutex_lock(&loop->lock);
		if (n <= 0)
			continue;
		if (event.data.ptr != NULL) {
			run_source(loop, event.data.ptr);
			continue;
		}
		eventfd_read(loop->wake, &woken);
		run_errands(loop);
	}
	pthread_mutex_unlock(&loop->lock);
	return 0;
}

struct event_loop *
event_loop_create(const char *name)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	struct event_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (loop == NULL)
		return NULL;
	TAILQ_INIT(&loop->sources);
	TAILQ_INIT(&loop->removed);
	TAILQ_INIT(&loop->timers);
	TAILQ_INIT(&loop->errands);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->progress, NULL);

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->wake < 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
		ret = -errno;
		goto fail;
	}
	ret = rte_vdpa_thread_create_control(&loop->thread, name, loop_main, loop);
	if (ret != 0)
		goto fail;
	return loop;

fail:
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->wake >= 0)
		close(loop->wake);
	pthread_cond_destroy(&loop->progress);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	errno = -ret;
	return NULL;
}

void
event_loop_destroy(struct event_loop *loop)
{
	if (loop == NULL)
		return;
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	pthread_mutex_unlock(&loop->lock);
	eventfd_write(loop->wake, 1);
	rte_thread_join(loop->thread, NULL);

	free_all(&loop->removed);
	free_all(&loop->sources);
	close(loop->wake);
	close(loop->epoll);
	pthread_cond_destroy(&loop->progress);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static struct event_source *
add_source(struct event_loop *loop, int fd, event_fn fn, void *arg)
{
	struct event_source *source = calloc(1, sizeof(*source));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (source == NULL)
		return NULL;
	source->loop = loop;
	source->fn = fn;
	source->arg = arg;
	source->fd = fd;

	pthread_mutex_lock(&loop->lock);
	if (fd >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		pthread_mutex_unlock(&loop->lock);
		free(source);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&loop->sources, source, next);
	pthread_mutex_unlock(&loop->lock);
	return source;
}

struct event_source *
event_loop_add_fd(struct event_loop *loop, int fd, event_fn fn, void *arg)
{
	if (fd < 0) {
		errno = EBADF;
		return NULL;
	}
	return add_source(loop, fd, fn, arg);
}

struct event_source *
event_loop_add_timer(struct event_loop *loop, event_fn fn, void *arg)
{
	return add_source(loop, -1, fn, arg);
}

void
event_timer_arm(struct event_source *timer, uint32_t delay_ms)
{
	struct event_loop *loop = timer->loop;
	struct event_source *before;

	/* Under the lock, so that the callback sees what was written before. */
	pthread_mutex_lock(&loop->lock);
	/* Its own callback may do this while another thread removes it. */
	if (timer->removed) {
		pthread_mutex_unlock(&loop->lock);
		return;
	}
	disarm(timer);
	timer->due = now() + (uint64_t)delay_ms * 1000000;
	timer->armed = true;
	before = TAILQ_LAST(&loop->timers, source_list);
	while (before != NULL && before->due > timer->due)
		before = TAILQ_PREV(before, source_list, next_timer);
	if (before != NULL) {
		TAILQ_INSERT_AFTER(&loop->timers, before, timer, next_timer);
	} else {
		TAILQ_INSERT_HEAD(&loop->timers, timer, next_timer);
		if (!event_loop_is_current(loop))
			eventfd_write(loop->wake, 1);
	}
	pthread_mutex_unlock(&loop->lock);
}

void
event_source_remove(struct event_source *source)
{
	struct event_loop *loop;
	uint64_t turn;

	if (source == NULL)
		return;
	loop = source->loop;
	pthread_mutex_lock(&loop->lock);
	source->removed = true;
	if (source->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	else
		disarm(source);
	TAILQ_REMOVE(&loop->sources, source, next);
	TAILQ_INSERT_TAIL(&loop->removed, source, next);
	turn = loop->turns;
	while (!event_loop_is_current(loop) && loop->running == source && loop->turns == turn)
		pthread_cond_wait(&loop->progress, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void
event_loop_run(struct event_loop *loop, event_fn fn, void *arg)
{
	struct errand errand = { .fn = fn, .arg = arg };

	if (event_loop_is_current(loop)) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&loop->lock);
	TAILQ_INSERT_TAIL(&loop->errands, &errand, next);
	eventfd_write(loop->wake, 1);
	while (!errand.done)
		pthread_cond_wait(&loop->progress, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}
