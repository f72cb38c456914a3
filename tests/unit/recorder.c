/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <dev_driver.h>

#include "recorder.h"
#include "vdpa_driver.h"
#include "vhost_user_dispatch.h"

/* --- What application and driver were told ------------------------------------------------- */

struct told told;

int new_device_result, new_connection_result, conf_result, vring_up_result;
int set_features_result;

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

	if (state && vring_up_result != 0)
		return vring_up_result;
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
	return set_features_result;
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

struct vhost_device_config
recorder_config(bool with_vdpa)
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

void
recorder_begin(struct frontend *fe, const struct vhost_device_config *cfg)
{
	memset(&told, 0, sizeof(told));
	fe_init(fe, -1, vhost_device_create(cfg));
	assert_non_null(fe->dev);
	assert_int_equal(vhost_device_announce(fe->dev), 0);
	assert_int_equal(told.new_connection, 1);
}

void
recorder_bring_up(struct frontend *fe, bool with_vdpa, uint64_t features)
{
	const struct vhost_device_config cfg = recorder_config(with_vdpa);

	recorder_begin(fe, &cfg);
	assert_int_equal(fe_set_features(fe, features), 0);
	fe->packed = features & F_PACKED;
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	if (features & F_PROTOCOL) {
		assert_int_equal(recorder_enable(fe, 0, true), 0);
		assert_int_equal(recorder_enable(fe, 1, true), 0);
	}
	assert_true(told.running);
}

void
recorder_end(struct frontend *fe)
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

int
recorder_negotiate_status(struct frontend *fe)
{
	return fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, FEATURE(VHOST_USER_PF_STATUS));
}

int
recorder_enable(struct frontend *fe, uint32_t index, bool on)
{
	return fe_set_state(fe, VHOST_USER_SET_VRING_ENABLE, index, on);
}

int
recorder_status(struct frontend *fe, uint8_t value)
{
	return fe_set_u64(fe, VHOST_USER_SET_STATUS, value);
}

int
recorder_setup(void **state)
{
	static struct rte_device device = { .name = "unit_vdpa" };

	(void)state;
	vdpa = rte_vdpa_register_device(&device, &vdpa_ops);
	return vdpa != NULL ? 0 : -1;
}

int
recorder_teardown(void **state)
{
	(void)state;
	return rte_vdpa_unregister_device(vdpa);
}
