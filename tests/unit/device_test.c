/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <dev_driver.h>
#include <rte_log.h>

#include "frontend.h"
#include "vdpa_driver.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_PROTOCOL FEATURE(VHOST_USER_FEATURE_PROTOCOL)
#define F_LOG FEATURE(VHOST_F_LOG_ALL)
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)
#define F_PACKED FEATURE(VIRTIO_F_RING_PACKED)
#define DRIVER_OK 0xf

/* --- What application and driver were told ------------------------------------------------- */

static struct told {
	int new_device, destroy_device;
	int new_connection, destroy_connection;
	int features_changed;
	int ring_up[FE_RINGS], ring_down[FE_RINGS];
	bool running;
	bool ring[FE_RINGS];

	int conf, close, cleanup, set_features;
	int vring_up[FE_RINGS], vring_down[FE_RINGS];
	bool configured;
	bool vring[FE_RINGS];
} told;

static int new_device_result, new_connection_result, conf_result;

static int
on_new_device(int vid)
{
	(void)vid;
	assert_false(told.running);
	told.new_device++;
	told.running = new_device_result == 0;
	return new_device_result;
}

static void
on_destroy_device(int vid)
{
	(void)vid;
	assert_true(told.running);
	told.running = false;
	told.destroy_device++;
}

static int
on_vring_state_changed(int vid, uint16_t index, int enable)
{
	(void)vid;
	assert_int_equal(told.ring[index], !enable);
	told.ring[index] = enable;
	(enable ? told.ring_up : told.ring_down)[index]++;
	return 0;
}

static int
on_features_changed(int vid, uint64_t features)
{
	uint64_t now;

	assert_int_equal(rte_vhost_get_negotiated_features(vid, &now), 0);
	assert_int_equal(now, features);
	told.features_changed++;
	return 0;
}

static int
on_new_connection(int vid)
{
	(void)vid;
	told.new_connection++;
	return new_connection_result;
}

static void
on_destroy_connection(int vid)
{
	(void)vid;
	assert_false(told.running);
	told.destroy_connection++;
}

static const struct rte_vhost_device_ops ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state_changed,
	.features_changed = on_features_changed,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

static int
queue_num(struct rte_vdpa_device *dev, uint32_t *num)
{
	(void)dev;
	*num = 4;
	return 0;
}

static int
no_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = F_V1 | F_PROTOCOL | F_PACKED | F_LOG;
	return 0;
}

/* A driver reads the rings it was told of; one that is not up has nothing for it. */
static int
on_conf(int vid)
{
	struct rte_vhost_vring vring;
	struct rte_vhost_memory *mem;

	assert_false(told.configured);
	assert_int_equal(rte_vhost_get_mem_table(vid, &mem), 0);
	assert_int_equal(mem->nregions, 1);
	free(mem);
	for (uint16_t i = 0; i < rte_vhost_get_vring_num(vid); i++) {
		if (!told.vring[i])
			continue;
		assert_int_equal(rte_vhost_get_vhost_vring(vid, i, &vring), 0);
		assert_non_null(vring.desc);
		assert_int_equal(vring.size, FE_RING_SIZE);
		assert_true(vring.kickfd >= 0);
	}
	told.conf++;
	told.configured = conf_result == 0;
	return conf_result;
}

static int
on_close(int vid)
{
	assert_true(told.configured);
	told.configured = false;
	told.close++;
	for (uint16_t i = 0; i < rte_vhost_get_vring_num(vid); i++)
		if (told.vring[i])
			assert_int_equal(rte_vhost_set_vring_base(vid, i, 1000 + i, 1000 + i), 0);
	return 0;
}

static int
on_cleanup(int vid)
{
	(void)vid;
	assert_false(told.configured);
	told.cleanup++;
	return 0;
}

static int
on_set_vring_state(int vid, int index, int state)
{
	struct rte_vhost_vring vring;

	assert_int_equal(told.vring[index], !state);
	told.vring[index] = state;
	(state ? told.vring_up : told.vring_down)[index]++;
	assert_int_equal(rte_vhost_get_vhost_vring(vid, (uint16_t)index, &vring), 0);
	assert_non_null(vring.desc);
	return 0;
}

static int
on_set_features(int vid)
{
	(void)vid;
	assert_true(told.configured);
	told.set_features++;
	return 0;
}

static struct rte_vdpa_dev_ops vdpa_ops = {
	.get_queue_num = queue_num,
	.get_features = no_features,
	.get_protocol_features = no_features,
	.dev_conf = on_conf,
	.dev_close = on_close,
	.dev_cleanup = on_cleanup,
	.set_vring_state = on_set_vring_state,
	.set_features = on_set_features,
};

/* --- Set-up -------------------------------------------------------------------------------- */

static struct rte_vdpa_device *vdpa;

static struct vhost_device_config
config(bool with_vdpa)
{
	return (struct vhost_device_config){
		.path = "/unit/device",
		.features = vhost_user_net_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = with_vdpa ? 4 : VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
		.ops = ops,
		.vdpa = with_vdpa ? vdpa : NULL,
	};
}

static void
begin(struct frontend *fe, const struct vhost_device_config *cfg)
{
	memset(&told, 0, sizeof(told));
	fe_init(fe, -1, vhost_device_create(cfg));
	assert_non_null(fe->dev);
	assert_int_equal(told.new_connection, 1);
}

static void
end(struct frontend *fe)
{
	vhost_device_destroy(fe->dev);
	assert_false(told.running);
	assert_false(told.configured);
	for (int i = 0; i < (int)FE_RINGS; i++) {
		assert_false(told.ring[i]);
		assert_false(told.vring[i]);
	}
	assert_int_equal(told.destroy_connection, 1);
	fe_fini(fe);
}

static int
negotiate_status(struct frontend *fe)
{
	return fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, FEATURE(VHOST_USER_PF_STATUS));
}

static int
enable(struct frontend *fe, uint32_t index, bool on)
{
	return fe_set_state(fe, VHOST_USER_SET_VRING_ENABLE, index, on);
}

static int
status(struct frontend *fe, uint8_t value)
{
	return fe_set_u64(fe, VHOST_USER_SET_STATUS, value);
}

/* --- Every order of messages --------------------------------------------------------------- */

enum step {
	FEATURES, MEMORY, NUM0, ADDR0, KICK0, NUM1, ADDR1, KICK1, /* without protocol features */
	ENABLE0, ENABLE1, STATUS,                                /* with them */
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
		return enable(fe, step == ENABLE1, true);
	default:
		return status(fe, DRIVER_OK);
	}
}

static void
run_in_order(const enum step *order, int n, bool protocol, bool with_vdpa)
{
	const struct vhost_device_config cfg = config(with_vdpa);
	struct frontend fe;

	begin(&fe, &cfg);
	if (protocol)
		assert_int_equal(negotiate_status(&fe), 0);
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
	end(&fe);
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
	const int before = fe_next_fd();

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
	assert_int_equal(fe_next_fd(), before);
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
				FE_RING_SIZE), 0);
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
		assert_int_equal(enable(fe, i, on), 0);
		m->enabled[i] = on;
		break;
	case 9:
		if (random() % 3 == 0) {
			fe_get_base(fe, i);
			m->kick[i] = false;
		} else {
			assert_int_equal(status(fe, DRIVER_OK), 0);
			m->status = DRIVER_OK;
		}
		break;
	default:
		if (random() % 8 == 0) {
			assert_int_equal(status(fe, 0), 0);
			model_reset(m);
		}
	}
	model_settle(m);
}

static void
walk(bool with_vdpa, unsigned int seed)
{
	const struct vhost_device_config cfg = config(with_vdpa);
	struct model m = { 0 };
	struct frontend fe;

	srandom(seed);
	begin(&fe, &cfg);
	assert_int_equal(negotiate_status(&fe), 0);
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
	end(&fe);
}

static void
what_is_told_follows_from_what_was_said(void **state)
{
	const int before = fe_next_fd();

	(void)state;
	for (unsigned int seed = 1; seed <= 60; seed++)
		walk(seed & 1, seed);
	assert_int_equal(fe_next_fd(), before);
	assert_int_equal(fe_mappings(), 0);
}

/* --- Single behaviours --------------------------------------------------------------------- */

static void
bring_up(struct frontend *fe, bool with_vdpa, uint64_t features)
{
	const struct vhost_device_config cfg = config(with_vdpa);

	begin(fe, &cfg);
	assert_int_equal(fe_set_features(fe, features), 0);
	fe->packed = features & F_PACKED;
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	if (features & F_PROTOCOL) {
		assert_int_equal(enable(fe, 0, true), 0);
		assert_int_equal(enable(fe, 1, true), 0);
	}
	assert_true(told.running);
}

static void
later_queue_pairs_join_a_running_device(void **state)
{
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		bring_up(&fe, with_vdpa, F_V1 | F_PROTOCOL);
		assert_int_equal(fe_setup_ring(&fe, 2), 0);
		assert_int_equal(fe_setup_ring(&fe, 3), 0);
		assert_false(told.ring[2]);
		assert_int_equal(enable(&fe, 2, true), 0);
		assert_int_equal(enable(&fe, 3, true), 0);
		assert_true(told.ring[2] && told.ring[3]);
		assert_int_equal(told.vring_up[3], with_vdpa);
		assert_int_equal(enable(&fe, 2, false), 0);
		assert_false(told.ring[2]);
		assert_int_equal(told.new_device, 1);
		assert_int_equal(told.destroy_device, 0);
		assert_int_equal(told.conf, with_vdpa);
		end(&fe);
	}
}

static void
disabled_first_ring_does_not_stop_the_device(void **state)
{
	struct frontend fe;

	(void)state;
	bring_up(&fe, false, F_V1 | F_PROTOCOL);
	assert_int_equal(enable(&fe, 0, false), 0);
	assert_true(told.running);
	assert_false(told.ring[0]);
	assert_int_equal(enable(&fe, 0, true), 0);
	assert_int_equal(told.ring_up[0], 2);
	assert_int_equal(told.new_device, 1);
	end(&fe);
}

static void
stopped_device_goes_on_where_it_was(void **state)
{
	struct frontend fe;
	uint16_t avail, used;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		bring_up(&fe, false, F_V1 | (packed ? F_PACKED : 0));
		assert_int_equal(fe_get_base(&fe, 0), packed ? 0x80008000 : 0);
		assert_int_equal(fe_get_base(&fe, 1), packed ? 0x80008000 : 0);
		assert_false(told.running);

		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, 100), 0);
		fe_used(&fe, 0)->idx = 100;
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(fe_set_kick(&fe, 1), 0);
		assert_true(told.running);
		assert_int_equal(rte_vhost_get_vring_base(fe.dev->vid, 0, &avail, &used), 0);
		assert_int_equal(avail, 100);
		assert_int_equal(used, 100);
		assert_int_equal(fe_get_base(&fe, 0), packed ? 100 << 16 | 100 : 100);
		end(&fe);
	}
}

static void
split_ring_is_believed_over_a_stale_base(void **state)
{
	struct frontend fe;

	(void)state;
	bring_up(&fe, false, F_V1);
	fe_get_base(&fe, 0);
	fe_used(&fe, 0)->idx = 77;
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, 70), 0);
	assert_int_equal(fe_set_kick(&fe, 0), 0);
	assert_int_equal(fe_get_base(&fe, 0), 77);
	end(&fe);
}

static void
packed_base_outside_of_the_ring_ends_the_connection(void **state)
{
	struct frontend fe;

	(void)state;
	bring_up(&fe, false, F_V1 | F_PACKED);
	fe_get_base(&fe, 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_kick(&fe, 0), -EINVAL);
	end(&fe);
}

static void
vdpa_driver_says_where_rings_stopped(void **state)
{
	struct frontend fe;

	(void)state;
	bring_up(&fe, true, F_V1);
	assert_int_equal(fe_setup_ring(&fe, 2), 0);
	assert_true(told.vring[2]);
	/* Any ring: the driver tells when it closes the device, which then goes on without. */
	assert_int_equal(fe_get_base(&fe, 2), 1002);
	assert_int_equal(told.close, 1);
	assert_int_equal(told.conf, 2);
	assert_int_equal(fe_get_base(&fe, 0), 1000);
	assert_int_equal(fe_get_base(&fe, 1), 1001);
	assert_int_equal(told.close, 2);
	assert_int_equal(told.conf, 2);
	end(&fe);
}

static void
new_call_descriptor_reaches_whoever_interrupts(void **state)
{
	struct frontend fe;
	struct rte_vhost_vring before, after;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &before), 0);
		assert_int_equal(fe_set_call(&fe, 0), 0);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &after), 0);
		assert_true(after.callfd >= 0 && after.callfd != before.callfd);
		assert_int_equal(told.vring_up[0], with_vdpa ? 2 : 0);
		assert_int_equal(told.new_device, 1);
		if (!with_vdpa)
			assert_int_equal(fe.dev->queues[0]->vring.callfd, after.callfd);
		/* None: the driver polls. */
		assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, -1), 0);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &after), 0);
		assert_int_equal(after.callfd, -1);
		end(&fe);
	}
}

static void
memory_changes_only_while_nobody_uses_it(void **state)
{
	struct frontend fe;
	void *desc;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		bring_up(&fe, with_vdpa, F_V1);
		desc = fe.dev->queues[0]->vring.desc;
		assert_int_equal(fe_set_memory(&fe), 0);
		assert_int_equal(told.destroy_device, 1);
		assert_int_equal(told.new_device, 2);
		assert_int_equal(told.close, with_vdpa);
		assert_int_equal(told.conf, 2 * with_vdpa);
		assert_ptr_equal(fe.dev->queues[0]->vring.desc,
			(void *)(uintptr_t)fe.dev->mem->regions[0].host_user_addr);
		assert_int_equal(fe_mappings(), 2);
		(void)desc;
		end(&fe);
	}
}

static void
logging_comes_and_goes_while_the_device_runs(void **state)
{
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
		assert_int_equal(told.features_changed, 1);
		assert_int_equal(told.set_features, with_vdpa);
		assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
		assert_int_equal(told.features_changed, 1);
		assert_int_equal(fe_set_features(&fe, F_V1), 0);
		assert_int_equal(told.features_changed, 2);
		assert_true(told.running);
		assert_int_equal(told.new_device, 1);
		assert_int_equal(told.ring_up[0], 1);
		end(&fe);
	}
}

static void
application_may_refuse_a_device(void **state)
{
	struct frontend fe;
	const struct vhost_device_config cfg = config(true);

	(void)state;
	begin(&fe, &cfg);
	new_device_result = -1;
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	/* Asked once, and not again for each message that follows. */
	assert_int_equal(fe_setup_ring(&fe, 2), 0);
	assert_int_equal(told.new_device, 1);
	assert_int_equal(told.conf, 1);
	assert_int_equal(told.close, 1);
	/* But when the device would start anew. */
	new_device_result = 0;
	fe_get_base(&fe, 0);
	assert_int_equal(fe_set_kick(&fe, 0), 0);
	assert_true(told.running);
	end(&fe);
}

static void
application_may_refuse_a_connection(void **state)
{
	const struct vhost_device_config cfg = config(false);

	(void)state;
	memset(&told, 0, sizeof(told));
	new_connection_result = -1;
	assert_null(vhost_device_create(&cfg));
	assert_int_equal(told.new_connection, 1);
	assert_int_equal(told.destroy_connection, 0);
	assert_int_equal(rte_vhost_get_vring_num(0), 0);
	new_connection_result = 0;
}

static void
driver_that_cannot_start_ends_the_connection(void **state)
{
	struct frontend fe;
	const struct vhost_device_config cfg = config(true);

	(void)state;
	begin(&fe, &cfg);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	conf_result = -1;
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 1, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_addr(&fe, 1), 0);
	assert_int_equal(fe_set_kick(&fe, 1), -EIO);
	assert_int_equal(told.new_device, 0);
	conf_result = 0;
	end(&fe);
}

static void
reset_stops_and_forgets(void **state)
{
	const uint32_t requests[] = { VHOST_USER_RESET_OWNER, VHOST_USER_RESET_DEVICE };
	struct frontend fe;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(requests); i++) {
		struct vhost_user_message msg = fe_message(requests[i], 0);

		bring_up(&fe, false, F_V1);
		assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
			FEATURE(VHOST_USER_PF_RESET_DEVICE)), 0);
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_false(told.running);
		assert_false(told.ring[0]);
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(fe_set_kick(&fe, 1), 0);
		assert_false(told.ring[0]);
		assert_int_equal(fe_set_features(&fe, F_V1), 0);
		assert_int_equal(fe_setup_ring(&fe, 0), 0);
		assert_int_equal(fe_setup_ring(&fe, 1), 0);
		assert_true(told.running);
		end(&fe);
	}
}

static void
application_with_rings_of_its_own_waits_for_all_of_them(void **state)
{
	struct vhost_device_config cfg = config(false);
	struct frontend fe;

	(void)state;
	cfg.builtin_net = false;
	begin(&fe, &cfg);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(fe_set_call(&fe, i), 0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_false(told.running);
		assert_int_equal(fe_setup_ring(&fe, i), 0);
	}
	assert_true(told.running);
	end(&fe);
}

static void
every_queue_pair_can_be_used(void **state)
{
	const struct vhost_device_config cfg = config(false);
	struct vhost_user_message msg;
	struct frontend fe;

	(void)state;
	begin(&fe, &cfg);
	for (uint32_t i = 0; i < VHOST_QUEUES_MAX; i++)
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, i, 32768), 0);
	assert_int_equal(rte_vhost_get_vring_num(fe.dev->vid), VHOST_QUEUES_MAX);
	msg = fe_message(VHOST_USER_SET_VRING_NUM, sizeof(struct vhost_vring_state));
	msg.payload.state.index = VHOST_QUEUES_MAX;
	msg.payload.state.num = 256;
	assert_int_equal(fe_send(&fe, &msg), -EPROTO);
	end(&fe);
}

static void
numbers_run_out_and_come_back(void **state)
{
	const struct vhost_device_config cfg = config(false);
	static struct vhost_device *devices[RTE_MAX_VHOST_DEVICE];

	(void)state;
	memset(&told, 0, sizeof(told));
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE; i++) {
		devices[i] = vhost_device_create(&cfg);
		assert_non_null(devices[i]);
		assert_int_equal(devices[i]->vid, i);
	}
	assert_null(vhost_device_create(&cfg));
	vhost_device_destroy(devices[500]);
	assert_ptr_equal(vhost_device_create(&cfg), devices[500]);
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE; i++)
		vhost_device_destroy(devices[i]);
}

static void
late_use_of_a_number_finds_nothing(void **state)
{
	struct rte_vhost_vring vring;
	struct rte_vhost_memory *mem;
	struct frontend fe;
	struct rte_mbuf *pkts[1];
	uint64_t u64;
	uint16_t u16;
	char name[8];
	int vid;

	(void)state;
	bring_up(&fe, false, F_V1);
	vid = fe.dev->vid;
	end(&fe);
	for (; vid != -2; vid = vid > 0 ? -1 : -2) {
		assert_int_equal(rte_vhost_enqueue_burst(vid, 0, pkts, 1), 0);
		assert_int_equal(rte_vhost_dequeue_burst(vid, 1, NULL, pkts, 1), 0);
		assert_int_equal(rte_vhost_get_vring_num(vid), 0);
		assert_int_equal(rte_vhost_get_mtu(vid, &u16), -ENODEV);
		assert_int_equal(rte_vhost_get_mem_table(vid, &mem), -1);
		assert_int_equal(rte_vhost_get_vhost_vring(vid, 0, &vring), -1);
		assert_int_equal(rte_vhost_get_vring_base(vid, 0, &u16, &u16), -1);
		assert_int_equal(rte_vhost_set_vring_base(vid, 0, 0, 0), -1);
		assert_int_equal(rte_vhost_get_negotiated_features(vid, &u64), -1);
		assert_int_equal(rte_vhost_get_negotiated_protocol_features(vid, &u64), -1);
		assert_int_equal(rte_vhost_get_ifname(vid, name, sizeof(name)), -1);
		assert_int_equal(rte_vhost_get_numa_node(vid), -1);
		assert_int_equal(rte_vhost_get_log_base(vid, &u64, &u64), -1);
		assert_int_equal(rte_vhost_vring_call(vid, 0), -1);
		assert_int_equal(rte_vhost_enable_guest_notification(vid, 0, 1), -1);
		assert_int_equal(rte_vhost_avail_entries(vid, 0), 0);
		assert_int_equal(rte_vhost_rx_queue_count(vid, 1), 0);
		assert_int_equal(rte_vhost_vring_stats_get(vid, 0, NULL, 0), -1);
		assert_null(rte_vhost_get_vdpa_device(vid));
		rte_vhost_log_write(vid, 0, 1);
		rte_vhost_log_used_vring(vid, 0, 0, 1);
	}
}

static void
statistics_have_names(void **state)
{
	struct vhost_device_config cfg = config(false);
	struct rte_vhost_stat_name names[64];
	struct rte_vhost_stat stats[64];
	struct frontend fe;
	int n;

	(void)state;
	begin(&fe, &cfg);
	assert_int_equal(fe_set_call(&fe, 3), 0);
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, NULL, 0), -1);
	end(&fe);

	cfg.flags = RTE_VHOST_USER_NET_STATS_ENABLE;
	begin(&fe, &cfg);
	assert_int_equal(fe_set_call(&fe, 3), 0);
	n = rte_vhost_vring_stats_get_names(fe.dev->vid, 3, NULL, 0);
	assert_true(n > 0 && n <= (int)RTE_DIM(names));
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, names, 1), n);
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, names, n), n);
	assert_string_equal(names[0].name, "rx_q1_good_packets");
	fe.dev->queues[3]->vring.stats.bytes = 4711;
	fe.dev->queues[3]->vring.stats.broken = 2;
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 3, stats, n), n);
	for (int i = 0; i < n; i++) {
		assert_int_equal(stats[i].id, i);
		assert_int_equal(stats[i].value, strstr(names[i].name, "good_bytes") ? 4711 :
			i == n - 1 ? 2 : 0);
	}
	assert_int_equal(rte_vhost_vring_stats_reset(fe.dev->vid, 3), 0);
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 3, stats, n), n);
	assert_int_equal(stats[1].value, 0);
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 2, stats, n), -1);
	end(&fe);
}

static int
group_setup(void **state)
{
	static struct rte_device device = { .name = "unit_vdpa" };

	(void)state;
	vdpa = rte_vdpa_register_device(&device, &vdpa_ops);
	return vdpa != NULL ? 0 : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	return rte_vdpa_unregister_device(vdpa);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_starts_once_whatever_the_order),
		cmocka_unit_test(what_is_told_follows_from_what_was_said),
		cmocka_unit_test(later_queue_pairs_join_a_running_device),
		cmocka_unit_test(disabled_first_ring_does_not_stop_the_device),
		cmocka_unit_test(stopped_device_goes_on_where_it_was),
		cmocka_unit_test(split_ring_is_believed_over_a_stale_base),
		cmocka_unit_test(packed_base_outside_of_the_ring_ends_the_connection),
		cmocka_unit_test(vdpa_driver_says_where_rings_stopped),
		cmocka_unit_test(new_call_descriptor_reaches_whoever_interrupts),
		cmocka_unit_test(memory_changes_only_while_nobody_uses_it),
		cmocka_unit_test(logging_comes_and_goes_while_the_device_runs),
		cmocka_unit_test(application_may_refuse_a_device),
		cmocka_unit_test(application_may_refuse_a_connection),
		cmocka_unit_test(driver_that_cannot_start_ends_the_connection),
		cmocka_unit_test(reset_stops_and_forgets),
		cmocka_unit_test(application_with_rings_of_its_own_waits_for_all_of_them),
		cmocka_unit_test(every_queue_pair_can_be_used),
		cmocka_unit_test(numbers_run_out_and_come_back),
		cmocka_unit_test(late_use_of_a_number_finds_nothing),
		cmocka_unit_test(statistics_have_names),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("device", tests, group_setup, group_teardown);
}
