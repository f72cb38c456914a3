/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "event_loop.h"
#include "unit_eal.h"

static int
setup(void **state)
{
	*state = event_loop_create("unit-loop");
	return *state == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	event_loop_destroy(*state);
	return 0;
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* Returns once everything that was ready before the call has been dealt with. */
static void
settle(struct event_loop *loop)
{
	for (int i = 0; i < 8; i++)
		event_loop_run(loop, nothing, NULL);
}

struct counter {
	struct event_loop *loop;
	struct event_source *source;
	struct event_source *other;
	sem_t called;
	int fd;
	int calls;
	bool in_loop;
};

static struct counter
counter(struct event_loop *loop)
{
	struct counter c = { .loop = loop, .fd = eventfd(0, EFD_NONBLOCK) };

	sem_init(&c.called, 0, 0);
	return c;
}

static void
count(void *arg)
{
	struct counter *c = arg;
	eventfd_t value;

	c->in_loop = event_loop_is_current(c->loop);
	c->calls++;
	eventfd_read(c->fd, &value);
	sem_post(&c->called);
}

static void
ready_descriptor_is_served_in_the_loops_thread(void **state)
{
	struct counter c = counter(*state);

	c.source = event_loop_add_fd(*state, c.fd, count, &c);
	assert_non_null(c.source);
	for (int i = 1; i <= 100; i++) {
		eventfd_write(c.fd, 1);
		sem_wait(&c.called);
		assert_int_equal(c.calls, i);
	}
	assert_true(c.in_loop);
	assert_false(event_loop_is_current(*state));
	event_source_remove(c.source);
	close(c.fd);
}

static void
hang_up_is_an_event(void **state)
{
	struct counter c = counter(*state);
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	c.source = event_loop_add_fd(*state, fds[0], count, &c);
	close(fds[1]);
	sem_wait(&c.called);
	event_source_remove(c.source);
	close(fds[0]);
	close(c.fd);
}

static void
descriptor_that_cannot_be_watched_is_refused(void **state)
{
	errno = 0;
	assert_null(event_loop_add_fd(*state, -1, count, NULL));
	assert_int_equal(errno, EBADF);
}

static void
removed_descriptor_is_not_served(void **state)
{
	struct counter c = counter(*state);

	c.source = event_loop_add_fd(*state, c.fd, count, &c);
	event_source_remove(c.source);
	eventfd_write(c.fd, 1);
	settle(*state);
	assert_int_equal(c.calls, 0);
	event_source_remove(NULL);
	close(c.fd);
}

static void
remove_both(void *arg)
{
	struct counter *c = arg;

	count(c);
	event_source_remove(c->source);
	event_source_remove(c->other);
}

static void
callback_may_remove_itself_and_others(void **state)
{
	struct counter a = counter(*state);
	struct counter b = counter(*state);

	a.source = b.other = event_loop_add_fd(*state, a.fd, remove_both, &a);
	b.source = a.other = event_loop_add_fd(*state, b.fd, remove_both, &b);
	/* Both are ready at once: whichever is served first takes the other away. */
	eventfd_write(a.fd, 1);
	eventfd_write(b.fd, 1);
	settle(*state);
	assert_int_equal(a.calls + b.calls, 1);
	eventfd_write(a.fd, 1);
	eventfd_write(b.fd, 1);
	settle(*state);
	assert_int_equal(a.calls + b.calls, 1);
	close(a.fd);
	close(b.fd);
}

struct slow {
	sem_t inside;
	sem_t go_on;
	int fd;
	int finished;
};

static void
slow_callback(void *arg)
{
	struct slow *s = arg;
	eventfd_t value;

	eventfd_read(s->fd, &value);
	sem_post(&s->inside);
	sem_wait(&s->go_on);
	__atomic_store_n(&s->finished, 1, __ATOMIC_RELEASE);
}

static void *
let_go(void *arg)
{
	struct slow *s = arg;

	sem_post(&s->go_on);
	return NULL;
}

static void
removal_waits_for_a_callback_that_runs(void **state)
{
	for (int i = 0; i < 200; i++) {
		struct slow *s = calloc(1, sizeof(*s));
		struct event_source *source;
		pthread_t thread;

		sem_init(&s->inside, 0, 0);
		sem_init(&s->go_on, 0, 0);
		s->fd = eventfd(0, EFD_NONBLOCK);
		source = event_loop_add_fd(*state, s->fd, slow_callback, s);
		eventfd_write(s->fd, 1);
		sem_wait(&s->inside);
		pthread_create(&thread, NULL, let_go, s);
		event_source_remove(source);
		assert_int_equal(__atomic_load_n(&s->finished, __ATOMIC_ACQUIRE), 1);
		pthread_join(thread, NULL);
		close(s->fd);
		free(s);
	}
}

static void *
add_and_remove(void *arg)
{
	struct event_loop *loop = arg;

	for (int i = 0; i < 500; i++) {
		struct counter *c = malloc(sizeof(*c));

		*c = counter(loop);
		c->source = event_loop_add_fd(loop, c->fd, count, c);
		eventfd_write(c->fd, 1);
		if (i % 2 == 0)
			sem_wait(&c->called);
		event_source_remove(c->source);
		close(c->fd);
		free(c);
	}
	return NULL;
}

static void
threads_may_add_and_remove_at_once(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_and_remove, *state), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void
timer_fires_once_for_each_time_it_is_armed(void **state)
{
	struct counter c = counter(*state);

	c.source = event_loop_add_timer(*state, count, &c);
	assert_non_null(c.source);
	for (int i = 1; i <= 3; i++) {
		event_timer_arm(c.source, (uint32_t)i - 1);
		sem_wait(&c.called);
		settle(*state);
		assert_int_equal(c.calls, i);
	}
	event_source_remove(c.source);
	close(c.fd);
}

static void
count_and_arm(void *arg)
{
	struct counter *c = arg;

	count(c);
	if (c->calls < 5)
		event_timer_arm(c->source, 0);
}

static void
timer_may_arm_itself(void **state)
{
	struct counter c = counter(*state);

	c.source = event_loop_add_timer(*state, count_and_arm, &c);
	event_timer_arm(c.source, 0);
	for (int i = 0; i < 5; i++)
		sem_wait(&c.called);
	settle(*state);
	assert_int_equal(c.calls, 5);
	event_source_remove(c.source);
	close(c.fd);
}

static void
timer_that_is_not_due_does_not_fire(void **state)
{
	struct counter c = counter(*state);
	struct counter soon = counter(*state);

	c.source = event_loop_add_timer(*state, count, &c);
	soon.source = event_loop_add_timer(*state, count, &soon);
	event_timer_arm(c.source, 3600 * 1000);
	event_timer_arm(soon.source, 20);
	sem_wait(&soon.called);
	assert_int_equal(c.calls, 0);
	event_source_remove(c.source);
	event_source_remove(soon.source);
	close(c.fd);
	close(soon.fd);
}

/* What thousands of sockets need, each of which may have to try again. */
#define MANY_TIMERS 5000

static void
timers_fire_when_due_and_use_no_descriptors(void **state)
{
	static struct counter c[MANY_TIMERS];
	int fd = dup(0);

	close(fd);
	for (int i = 0; i < MANY_TIMERS; i++) {
		c[i] = (struct counter){ .loop = *state, .fd = -1 };
		sem_init(&c[i].called, 0, 0);
		c[i].source = event_loop_add_timer(*state, count, &c[i]);
		assert_non_null(c[i].source);
		/* Out of order, and each armed twice: the second time counts. */
		event_timer_arm(c[i].source, 3600 * 1000);
		event_timer_arm(c[i].source, (uint32_t)(i * 7 % 50));
	}
	assert_int_equal(dup(0), fd);
	close(fd);
	/* Removed, an armed timer does not fire. */
	for (int i = 0; i < MANY_TIMERS; i += 2)
		event_source_remove(c[i].source);
	for (int i = 1; i < MANY_TIMERS; i += 2)
		sem_wait(&c[i].called);
	settle(*state);
	for (int i = 1; i < MANY_TIMERS; i += 2) {
		assert_int_equal(c[i].calls, 1);
		event_source_remove(c[i].source);
	}
}

static void
descriptors_are_served_while_a_timer_is_always_due(void **state)
{
	struct counter busy = counter(*state), c = counter(*state);

	busy.source = event_loop_add_timer(*state, count_and_arm, &busy);
	/* Never reaches five: it arms itself for as long as it is there. */
	busy.calls = INT_MIN;
	event_timer_arm(busy.source, 0);
	c.source = event_loop_add_fd(*state, c.fd, count, &c);
	eventfd_write(c.fd, 1);
	sem_wait(&c.called);
	sem_wait(&busy.called);
	event_source_remove(busy.source);
	event_source_remove(c.source);
	close(busy.fd);
	close(c.fd);
}

struct errand {
	struct event_loop *loop;
	int depth;
	bool in_loop;
};

static void
nested(void *arg)
{
	struct errand *e = arg;

	e->in_loop = event_loop_is_current(e->loop);
	if (++e->depth < 3)
		event_loop_run(e->loop, nested, e);
}

static void
function_is_run_in_the_loop_and_waited_for(void **state)
{
	struct errand e = { .loop = *state };

	event_loop_run(*state, nested, &e);
	assert_int_equal(e.depth, 3);
	assert_true(e.in_loop);
}

static void
loop_may_be_destroyed_with_sources_in_it(void **state)
{
	struct event_loop *loop = event_loop_create("unit-second");
	struct counter c = counter(loop);
	int before = dup(0);

	(void)state;
	close(before);
	assert_non_null(loop);
	assert_non_null(event_loop_add_fd(loop, c.fd, count, &c));
	assert_non_null(event_loop_add_timer(loop, count, &c));
	event_loop_destroy(loop);
	assert_int_equal(close(c.fd), 0);
	event_loop_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_descriptor_is_served_in_the_loops_thread),
		cmocka_unit_test(hang_up_is_an_event),
		cmocka_unit_test(descriptor_that_cannot_be_watched_is_refused),
		cmocka_unit_test(removed_descriptor_is_not_served),
		cmocka_unit_test(callback_may_remove_itself_and_others),
		cmocka_unit_test(removal_waits_for_a_callback_that_runs),
		cmocka_unit_test(threads_may_add_and_remove_at_once),
		cmocka_unit_test(timer_fires_once_for_each_time_it_is_armed),
		cmocka_unit_test(timer_may_arm_itself),
		cmocka_unit_test(timer_that_is_not_due_does_not_fire),
		cmocka_unit_test(timers_fire_when_due_and_use_no_descriptors),
		cmocka_unit_test(descriptors_are_served_while_a_timer_is_always_due),
		cmocka_unit_test(function_is_run_in_the_loop_and_waited_for),
		cmocka_unit_test(loop_may_be_destroyed_with_sources_in_it),
	};
	struct CMUnitTest with_loop[RTE_DIM(tests)];

	if (unit_eal_setup(NULL) != 0)
		return 1;
	for (size_t i = 0; i < RTE_DIM(tests); i++) {
		with_loop[i] = tests[i];
		with_loop[i].setup_func = setup;
		with_loop[i].teardown_func = teardown;
	}
	return cmocka_run_group_tests_name("event_loop", with_loop, NULL, NULL);
}
