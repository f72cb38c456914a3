/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>

#include "recorder.h"

/* --- Every order of messages --------------------------------------------------------------- */

enum step {
	FEATURES,
	MEMORY,
	NUM0,
	ADDR0,
	KICK0,
	NUM1,
	ADDR1,
	KICK1, /* without protocol features */
	ENABLE0,
	ENABLE1,
	STATUS, /* with them */
	STEPS,
};
#define STEPS_WITHOUT_PROTOCOL ENABLE0

static int
take(struct frontend *fe, enum step step, bool protocol)
{
	switch (step) {
	case FEATURES:
		return fe_set_features(fe, F_V1 | (protocol ? F_PROTOCOL : 0));
	case MEMORY:
		return fe_set_memory(fe);
	case NUM0:
	case NUM1:
		return fe_set_state(fe, VHOST_USER_SET_VRING_NUM, step == NUM1, FE_RING_SIZE);
	case ADDR0:
	case ADDR1:
		return fe_set_addr(fe, step == ADDR1);
	case KICK0:
	case KICK1:
		return fe_set_kick(fe, step == KICK1);
	case ENABLE0:
	case ENABLE1:
		return recorder_enable(fe, step == ENABLE1, true);
	default:
		return recorder_status(fe, DRIVER_OK);
	}
}

static void
run_in_order(const enum step *order, int n, bool protocol, bool with_vdpa)
{
	const struct vhost_device_config cfg = recorder_config(with_vdpa);
	struct frontend fe;

	recorder_begin(&fe, &cfg);
	if (protocol)
		assert_int_equal(recorder_negotiate_status(&fe), 0);
	for (int i = 0; i < n; i++) {
		assert_false(told.running);
		assert_int_equal(take(&fe, order[i], protocol), 0);
	}
	assert_true(told.running);
	assert_int_equal(told.configured, with_vdpa);
	assert_int_equal(told.new_device, 1);
	assert_int_equal(told.conf, with_vdpa);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(told.ring_up[i], 1);
		assert_int_equal(told.ring_down[i], 0);
		assert_int_equal(told.vring_up[i], with_vdpa);
	}
	recorder_end(&fe);
	assert_int_equal(told.destroy_device, 1);
	assert_int_equal(told.close, with_vdpa);
	assert_int_equal(told.cleanup, with_vdpa);
}

static void
shuffle(enum step *order, int n)
{
	for (int i = 0; i < n; i++) {
		const int k = i + (int)(random() % (n - i));
		const enum step swap = order[i];

		order[i] = order[k];
		order[k] = swap;
	}
}

static void
device_starts_once_whatever_the_order(void **state)
{
	const unsigned int before = unit_open_fds();

	(void)state;
	srandom(7);
	for (int round = 0; round < 1200; round++) {
		const bool protocol = round & 1, with_vdpa = round & 2;
		const int n = protocol ? STEPS : STEPS_WITHOUT_PROTOCOL;
		enum step order[STEPS];

		for (int i = 0; i < n; i++)
			order[i] = (enum step)i;
		shuffle(order, n);
		run_in_order(order, n, protocol, with_vdpa);
	}
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 0);
}

/* --- Random walks against a model ---------------------------------------------------------- */

#define WALK_RINGS 4

/* What the front end said, and what must follow from it. */
struct model {
	bool features, memory;
	uint8_t status;
	bool num[WALK_RINGS], addr[WALK_RINGS], kick[WALK_RINGS], enabled[WALK_RINGS];
	bool running;
};

static bool
model_ready(const struct model *m, int i)
{
	return m->features && m->memory && m->num[i] && m->addr[i] && m->kick[i];
}

static void
model_settle(struct model *m)
{
	bool run = m->status & VIRTIO_CONFIG_S_DRIVER_OK;

	for (int i = 0; i < 2; i++)
		run = run && model_ready(m, i) && (m->running || m->enabled[i]);
	m->running = run;
}

static void
model_reset(struct model *m)
{
	const bool memory = m->memory;

	memset(m, 0, sizeof(*m));
	m->memory = memory;
}

static void
walk_step(struct frontend *fe, struct model *m)
{
	const int i = (int)(random() % WALK_RINGS);
	const bool on = random() % 4 != 0;

	switch (random() % 11) {
	case 0:
		if (!m->features)
			assert_int_equal(fe_set_features(fe, F_V1 | F_PROTOCOL), 0);
		m->features = true;
		break;
	case 1:
		assert_int_equal(fe_set_memory(fe), 0);
		m->memory = true;
		break;
	case 2:
		if (!told.ring[i])
			assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, i,
						 FE_RING_SIZE),
				0);
		m->num[i] = true;
		break;
	case 3:
		assert_int_equal(fe_set_addr(fe, i), 0);
		m->addr[i] = true;
		break;
	case 4:
	case 5:
		assert_int_equal(fe_set_kick(fe, i), 0);
		m->kick[i] = true;
		break;
	case 6:
		assert_int_equal(fe_set_call(fe, i), 0);
		break;
	case 7:
	case 8:
		assert_int_equal(recorder_enable(fe, i, on), 0);
		m->enabled[i] = on;
		break;
	case 9:
		if (random() % 3 == 0) {
			fe_get_base(fe, i);
			m->kick[i] = false;
		} else {
			assert_int_equal(recorder_status(fe, DRIVER_OK), 0);
			m->status = DRIVER_OK;
		}
		break;
	default:
		if (random() % 8 == 0) {
			assert_int_equal(recorder_status(fe, 0), 0);
			model_reset(m);
		}
	}
	model_settle(m);
}

static void
walk(bool with_vdpa, unsigned int seed)
{
	const struct vhost_device_config cfg = recorder_config(with_vdpa);
	struct model m = { 0 };
	struct frontend fe;

	srandom(seed);
	recorder_begin(&fe, &cfg);
	assert_int_equal(recorder_negotiate_status(&fe), 0);
	for (int step = 0; step < 400; step++) {
		walk_step(&fe, &m);
		assert_int_equal(told.running, m.running);
		assert_int_equal(told.configured, m.running && with_vdpa);
		for (int i = 0; i < WALK_RINGS; i++) {
			const bool up = model_ready(&m, i) && m.enabled[i];
			const struct vhost_queue *q = vhost_device_find_queue(fe.dev, i);

			assert_int_equal(told.ring[i], up);
			assert_int_equal(told.vring[i], up && with_vdpa);
			/* A ring in the hands of a vDPA device is not the data path's. */
			assert_int_equal(q != NULL && q->vring.running, up && !with_vdpa);
		}
	}
	recorder_end(&fe);
}

static void
what_is_told_follows_from_what_was_said(void **state)
{
	const unsigned int before = unit_open_fds();

	(void)state;
	for (unsigned int seed = 1; seed <= 60; seed++)
		walk(seed & 1, seed);
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_starts_once_whatever_the_order),
		cmocka_unit_test(what_is_told_follows_from_what_was_said),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("device_random", tests, recorder_setup,
		recorder_teardown);
}
