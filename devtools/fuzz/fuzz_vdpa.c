/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A vDPA driver each of whose operations may fail whenever it is called, and which calls the
 * library from them, behind a front end that says anything.
 *
 * Besides what the sanitizers and frontend.h find: a driver is called as vdpa_driver.h promises. A device
 * is stopped as often as it was started, a ring taken back as often as given, nothing but dev_cleanup()
 * comes after the connection has ended.
 */

#include <unistd.h>

#include <linux/virtio_ring.h>

#include <dev_driver.h>

#include "frontend.h"
#include "vdpa_driver.h"

#define RINGS_MAX 8
/* Bytes in front of what the front end says: what the driver does, over and over. */
#define ANSWERS 64
#define CONFIG_MAX VHOST_USER_CONFIG_MAX

static struct {
	uint8_t answers[ANSWERS];
	struct fuzz_input in; /**< what is left of them in this round */
	int vid;              /**< -1: none yet */
	bool runs;
	bool ring_given[VHOST_QUEUES_MAX];
	struct rte_vdpa_device *dev;
} rig;

static struct fuzz_input *
answers(void)
{
	if (rig.in.left < 8)
		rig.in = (struct fuzz_input){ rig.answers, ANSWERS };
	return &rig.in;
}

/* Each operation begins with it: the driver knows one connection, and may fail. */
static int
called(int vid)
{
	static const int failures[] = { -EIO, -ENOMEM, -1, 1 };
	const uint8_t answer = fuzz_u8(answers());

	fuzz_check(rig.vid == -1 || rig.vid == vid);
	rig.vid = vid;
	return answer < 0xc0 ? 0 : failures[answer % RTE_DIM(failures)];
}

/* A device may be asked before there is a connection. */
static int
tell_rings(struct rte_vdpa_device *dev, uint32_t *rings)
{
	(void)dev;
	*rings = 1;
	return 0;
}

static int
tell_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = 0;
	return 0;
}

static void
change_doorbells(int vid, bool enable)
{
	const uint16_t ring = fuzz_u8(answers()) % RINGS_MAX;

	/* Each that is given may have to be taken away again. */
	fuzz_frontend_answer(answers(), VHOST_USER_BACKEND_VRING_HOST_NOTIFIER,
		2 * VHOST_QUEUES_MAX);
	rte_vhost_host_notifier_ctrl(vid, ring == 0 ? RTE_VHOST_QUEUE_ALL : ring - 1, enable);
}

/* Used entries that a device wrote somewhere else, with anything in them. */
static void
relay(int vid, uint16_t index)
{
	static uint8_t shadow[32768] __rte_aligned(4096);
	struct rte_vhost_vring at;
	struct vring ring;

	if (rte_vhost_get_vhost_vring(vid, index, &at) != 0 || at.size > 1024)
		return;
	vring_init(&ring, at.size, shadow, 4096);
	fuzz_bytes(answers(), &ring.used->idx, sizeof(ring.used->idx));
	for (unsigned int i = 0; i < 4 && i < at.size; i++)
		fuzz_bytes(answers(), &ring.used->ring[i], sizeof(ring.used->ring[i]));
	fuzz_check(rte_vdpa_relay_vring_used(vid, index, &ring) <= (int)at.size);
}

/* What drivers read of a ring, and write back. */
static void
look_at(int vid, uint16_t index)
{
	struct rte_vhost_vring ring;
	uint16_t avail, used;

	if (rte_vhost_get_vhost_vring(vid, index, &ring) == 0 && ring.desc != NULL)
		fuzz_check(ring.size > 0);
	if (rte_vhost_get_vring_base(vid, index, &avail, &used) == 0)
		rte_vhost_set_vring_base(vid, index, avail + fuzz_u8(answers()), used);
	rte_vhost_log_used_vring(vid, index, 0, fuzz_u16(answers()));
	rte_vhost_vring_call(vid, index);
}

static int
start(int vid)
{
	struct rte_vhost_memory *mem = NULL;
	uint64_t base, size;
	const int ret = called(vid);

	fuzz_check(!rig.runs);
	fuzz_check(rte_vhost_get_mem_table(vid, &mem) == 0);
	fuzz_check(mem->nregions > 0);
	free(mem);
	rte_vhost_get_log_base(vid, &base, &size);
	for (uint16_t i = 0; i < RTE_MIN(rte_vhost_get_vring_num(vid), RINGS_MAX); i++)
		look_at(vid, i);
	change_doorbells(vid, true);
	rig.runs = ret == 0;
	return ret;
}

static int
stop(int vid)
{
	fuzz_check(rig.runs);
	for (uint16_t i = 0; i < RTE_MIN(rte_vhost_get_vring_num(vid), RINGS_MAX); i++) {
		relay(vid, i);
		look_at(vid, i);
	}
	change_doorbells(vid, false);
	rig.runs = false;
	return called(vid);
}

static int
clean_up(int vid)
{
	const int ret = called(vid);

	fuzz_check(!rig.runs);
	for (unsigned int i = 0; i < VHOST_QUEUES_MAX; i++)
		fuzz_check(!rig.ring_given[i]);
	rig.vid = -1;
	return ret;
}

static int
set_ring(int vid, int index, int state)
{
	const int ret = called(vid);

	fuzz_check(index >= 0 && index < VHOST_QUEUES_MAX);
	fuzz_check(rig.ring_given[index] == !state);
	look_at(vid, (uint16_t)index);
	/* One that was not taken up is not taken back. One that cannot be stopped counts as stopped. */
	rig.ring_given[index] = state && ret == 0;
	return ret;
}

static int
change_features(int vid)
{
	uint64_t features;

	fuzz_check(rig.runs);
	fuzz_check(rte_vhost_get_negotiated_features(vid, &features) == 0);
	return called(vid);
}

static int
tell_fd(int vid)
{
	return called(vid) == 0 ? STDERR_FILENO : -1;
}

static int
tell_area(int vid, int ring, uint64_t *offset, uint64_t *size)
{
	*offset = (uint64_t)ring * 4096;
	*size = 4096;
	return called(vid);
}

static int
read_config(int vid, uint8_t *config, uint32_t size)
{
	fuzz_check(size <= CONFIG_MAX);
	memset(config, 0x5a, size);
	return called(vid);
}

static int
write_config(int vid, uint8_t *config, uint32_t offset, uint32_t size, uint32_t flags)
{
	static uint8_t space[2 * CONFIG_MAX];

	(void)flags;
	fuzz_check(offset <= CONFIG_MAX && size <= CONFIG_MAX);
	memcpy(space + offset, config, size);
	return called(vid);
}

static struct rte_vdpa_dev_ops driver = {
	.get_queue_num = tell_rings,
	.get_features = tell_features,
	.get_protocol_features = tell_features,
	.dev_conf = start,
	.dev_close = stop,
	.dev_cleanup = clean_up,
	.set_vring_state = set_ring,
	.set_features = change_features,
	.migration_done = called,
	.get_vfio_device_fd = tell_fd,
	.get_notify_area = tell_area,
	.get_config = read_config,
	.set_config = write_config,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const uint8_t kind = fuzz_u8(&in);
	const struct vhost_device_config config = {
		.path = "/fuzz/vdpa",
		.features = vhost_user_net_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = 1 + kind % 4,
		.vdpa = rig.dev,
	};

	fuzz_bytes(&in, rig.answers, ANSWERS);
	rig.in.left = 0;
	rig.vid = -1;
	fuzz_frontend_run(&in, &config);
	fuzz_check(rig.vid == -1);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct rte_device device = { .name = "fuzz_vdpa" };

	(void)argc;
	(void)argv;
	fuzz_frontend_init();
	rig.dev = rte_vdpa_register_device(&device, &driver);
	fuzz_check(rig.dev != NULL);
	return 0;
}
