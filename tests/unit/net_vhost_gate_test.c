/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vhost_gate.h"

#define ROUNDS 2000

static void
close_gate(struct vhost_gate *gate)
{
	vhost_gate_shut(gate);
	vhost_gates_barrier();
	vhost_gate_drain(gate);
}

static void
a_new_gate_is_closed(void **state)
{
	struct vhost_gate gate;

	(void)state;
	vhost_gate_init(&gate);
	assert_false(vhost_gate_is_open(&gate));
	assert_int_equal(vhost_gate_enter(&gate), VHOST_GATE_CLOSED);
	/* Nobody is inside: this returns. */
	close_gate(&gate);
}

static void
who_enters_learns_the_device(void **state)
{
	struct vhost_gate gate;

	(void)state;
	vhost_gate_init(&gate);
	vhost_gate_open(&gate, 7);
	assert_int_equal(vhost_gate_enter(&gate), 7);
	vhost_gate_leave(&gate);
	close_gate(&gate);
	assert_int_equal(vhost_gate_enter(&gate), VHOST_GATE_CLOSED);
	vhost_gate_open(&gate, 0);
	assert_int_equal(vhost_gate_enter(&gate), 0);
	vhost_gate_leave(&gate);
}

/* Devices that are marked gone once the gate is closed, and a user who must never see such a one. */

struct crossing {
	struct vhost_gate gate;
	int alive[ROUNDS];
	bool stop;
	unsigned long entered;
	unsigned long dead_seen;
};

static void *
burst_thread(void *arg)
{
	struct crossing *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		int vid = vhost_gate_enter(&c->gate);

		if (vid == VHOST_GATE_CLOSED)
			continue;
		if (__atomic_load_n(&c->alive[vid], __ATOMIC_RELAXED) != 1)
			c->dead_seen++;
		__atomic_fetch_add(&c->entered, 1, __ATOMIC_RELAXED);
		if (__atomic_load_n(&c->alive[vid], __ATOMIC_RELAXED) != 1)
			c->dead_seen++;
		vhost_gate_leave(&c->gate);
	}
	return NULL;
}

static void
cross_often(bool fenced)
{
	struct crossing *c = calloc(1, sizeof(*c));
	pthread_t thread;

	assert_non_null(c);
	vhost_gate_init(&c->gate);
	c->gate.fenced = c->gate.fenced || fenced;
	assert_int_equal(pthread_create(&thread, NULL, burst_thread, c), 0);
	for (int vid = 0; vid < ROUNDS; vid++) {
		unsigned long before = __atomic_load_n(&c->entered, __ATOMIC_RELAXED);

		__atomic_store_n(&c->alive[vid], 1, __ATOMIC_RELAXED);
		vhost_gate_open(&c->gate, vid);
		while (__atomic_load_n(&c->entered, __ATOMIC_RELAXED) == before)
			sched_yield();
		close_gate(&c->gate);
		__atomic_store_n(&c->alive[vid], 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(c->dead_seen, 0);
	assert_true(c->entered >= ROUNDS);
	free(c);
}

static void
a_closed_gate_has_nobody_inside(void **state)
{
	(void)state;
	cross_often(false);
}

static void
a_closed_gate_has_nobody_inside_without_membarrier(void **state)
{
	(void)state;
	cross_often(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_gate_is_closed),
		cmocka_unit_test(who_enters_learns_the_device),
		cmocka_unit_test(a_closed_gate_has_nobody_inside),
		cmocka_unit_test(a_closed_gate_has_nobody_inside_without_membarrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
