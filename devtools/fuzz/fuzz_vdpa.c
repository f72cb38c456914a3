/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A vDPA driver each of whose operations may fail whenever it is called, or be missing, and which
 * calls the library from them, behind a front end that says anything, and beside an application
 * that asks about the device, by telemetry as well, or loses it.
 *
 * Besides what the sanitizers and frontend.h find: a driver is called as vdpa_driver.h promises. A device
 * is stopped as often as it was started, a ring taken back as often as given, nothing but dev_cleanup()
 * comes after the connection has ended.
 */

#include <unistd.h>

#include <linux/virtio_ring.h>

#include <dev_driver.h>

#include <rte_telemetry.h>

#include "frontend.h"
#include "loop.h"
#include "vdpa.h"

#define RINGS_MAX 8
/* Bytes in front of what the front end says: what the driver does, over and over. */
#define ANSWERS 96
#define COUNTERS 3
#define COMMANDS_MAX 8
#define NAME "fuzz_vdpa"
#define CONFIG_MAX VHOST_USER_CONFIG_MAX

static struct {
	uint8_t answers[ANSWERS];
	struct fuzz_input in; /**< what is left of them in this round */
	int vid;              /**< -1: none yet */
	bool runs;
	bool ring_given[VHOST_QUEUES_MAX];
	struct rte_vdpa_device *dev; /**< NULL: it has left */
} rig;

static struct {
	const char *name;
	telemetry_cb call;
} commands[COMMANDS_MAX];
static unsigned int ncommands;

static struct fuzz_input *
answers(void)
{
	if (rig.in.left < 8)
		rig.in = (struct fuzz_input){ rig.answers, ANSWERS };
	return &rig.in;
}

/* Each operation begins with it, and may fail. */
static int
asked(void)
{
	static const int failures[] = { -EIO, -ENOMEM, -1, 1 };
	const uint8_t answer = fuzz_u8(answers());

	return answer < 0xc0 ? 0 : failures[answer % RTE_DIM(failures)];
}

/* The driver knows one connection. */
static int
called(int vid)
{
	fuzz_check(rig.vid == -1 || rig.vid == vid);
	rig.vid = vid;
	return asked();
}

static int
tell_rings(struct rte_vdpa_device *dev, uint32_t *rings)
{
	const int ret = asked();

	(void)dev;
	*rings = RINGS_MAX - fuzz_u8(answers()) % (RINGS_MAX + 1);
	return ret;
}

/* All of them, if the input has nothing to say. */
static int
tell_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	const int ret = asked();

	(void)dev;
	*features = ~fuzz_u64(answers());
	return ret;
}

static int
tell_type(struct rte_vdpa_device *dev, uint32_t *type)
{
	const int ret = asked();

	(void)dev;
	*type = fuzz_u8(answers()) & 1 ? RTE_VHOST_VDPA_DEVICE_TYPE_BLK :
					 RTE_VHOST_VDPA_DEVICE_TYPE_NET;
	return ret;
}

static int
tell_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names, unsigned int size)
{
	const int ret = asked();

	(void)dev;
	for (unsigned int i = 0; i < RTE_MIN(size, (unsigned int)COUNTERS); i++)
		snprintf(names[i].name, sizeof(names[i].name), "counter_%u", i);
	if (ret != 0)
		return ret;
	return (int)(names == NULL ? COUNTERS : RTE_MIN(size, (unsigned int)COUNTERS));
}

static int
tell_counters(struct rte_vdpa_device *dev, int ring, struct rte_vdpa_stat *stats, unsigned int n)
{
	const int ret = asked();

	(void)dev;
	(void)ring;
	n = RTE_MIN(n, (unsigned int)COUNTERS);
	for (unsigned int i = 0; i < n; i++)
		stats[i] = (struct rte_vdpa_stat){ i + fuzz_u8(answers()), fuzz_u8(answers()) };
	return ret != 0 ? ret : (int)n;
}

static int
reset_counters(struct rte_vdpa_device *dev, int ring)
{
	(void)dev;
	(void)ring;
	return asked();
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

static const struct rte_vdpa_dev_ops driver = {
	.get_queue_num = tell_rings,
	.get_features = tell_features,
	.get_protocol_features = tell_features,
	.dev_conf = start,
	.dev_close = stop,
	.dev_cleanup = clean_up,
	.set_vring_state = set_ring,
	.set_features = change_features,
	.migration_done = called,
	.get_vfio_group_fd = tell_fd,
	.get_vfio_device_fd = tell_fd,
	.get_notify_area = tell_area,
	.get_stats_names = tell_names,
	.get_stats = tell_counters,
	.reset_stats = reset_counters,
	.get_config = read_config,
	.set_config = write_config,
	.get_dev_type = tell_type,
};

/* Operations that a driver need not have, and that one lacks for which the bit is set. */
static struct rte_vdpa_dev_ops
driver_without(uint8_t bits)
{
	struct rte_vdpa_dev_ops ops = driver;

	if (bits & 1)
		ops.dev_cleanup = NULL;
	if (bits & 2)
		ops.migration_done = NULL;
	if (bits & 4)
		ops.get_vfio_device_fd = NULL;
	if (bits & 8)
		ops.get_config = NULL;
	if (bits & 16)
		ops.set_config = NULL;
	if (bits & 32) {
		ops.get_notify_area = NULL;
		ops.get_stats_names = NULL;
		ops.get_stats = NULL;
		ops.reset_stats = NULL;
		ops.get_dev_type = NULL;
	}
	return ops;
}

/* What the library has telemetry call. Of others, it would have to free what is within what they tell. */
int __wrap_rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn, const char *help);

int
__wrap_rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn, const char *help)
{
	(void)help;
	if (strncmp(cmd, "/vdpa/", 6) != 0)
		return 0;
	fuzz_check(ncommands < COMMANDS_MAX);
	commands[ncommands].name = cmd;
	commands[ncommands++].call = fn;
	return 0;
}

static void
ask_by_telemetry(struct fuzz_input *in)
{
	static const char *const params[] = { NAME, NAME ",0", NAME ",1", NAME ",99", "nobody",
		NULL };
	const uint8_t which = fuzz_u8(in) % ncommands;
	struct rte_tel_data *data = rte_tel_data_alloc();

	fuzz_check(data != NULL);
	commands[which].call(commands[which].name, params[fuzz_u8(in) % RTE_DIM(params)], data);
	rte_tel_data_free(data);
}

static void
ask_for_counters(struct fuzz_input *in)
{
	const uint8_t ring = fuzz_u8(in), n = fuzz_u8(in) % (2 * COUNTERS);
	struct rte_vdpa_stat stats[2 * COUNTERS];
	struct rte_vdpa_stat_name names[2 * COUNTERS];

	fuzz_check(rte_vdpa_get_stats(rig.dev, ring, stats, n) <= (int)RTE_MAX(n, 1));
	fuzz_check(rte_vdpa_get_stats_names(rig.dev, names, n) <= (int)RTE_MAX(n, 1));
	rte_vdpa_get_stats_names(rig.dev, NULL, 0);
	rte_vdpa_reset_stats(rig.dev, ring);
}

static void
leave(void)
{
	if (rig.dev != NULL)
		fuzz_check(rte_vdpa_unregister_device(rig.dev) == 0);
	rig.dev = NULL;
}

/* An application's thread, between two messages. Who asks of a device that has left gets an error. */
static void
ask(struct fuzz_input *in)
{
	uint64_t features;
	uint32_t rings;

	switch (fuzz_u8(in) % 4) {
	case 0:
		ask_by_telemetry(in);
		break;
	case 1:
		ask_for_counters(in);
		break;
	case 2:
		rte_vdpa_get_features(rig.dev, &features);
		rte_vdpa_get_protocol_features(rig.dev, &features);
		rte_vdpa_get_queue_num(rig.dev, &rings);
		break;
	default:
		leave();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rte_device device = { .name = NAME };
	struct fuzz_input in = { data, size };
	const uint8_t kind = fuzz_u8(&in);
	struct rte_vdpa_dev_ops ops = driver_without(kind >> 2);
	struct vhost_device_config config = {
		.path = "/fuzz/vdpa",
		.features = vhost_user_net_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = 1 + kind % 4,
	};

	fuzz_bytes(&in, rig.answers, ANSWERS);
	rig.in.left = 0;
	rig.vid = -1;
	rig.dev = config.vdpa = rte_vdpa_register_device(&device, &ops);
	if (rig.dev != NULL)
		fuzz_frontend_run(&in, &config);
	fuzz_check(!rig.runs);
	fuzz_check(rig.vid == -1 || ops.dev_cleanup == NULL);
	leave();
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_frontend_init();
	fuzz_frontend_ask = ask;
	vdpa_on_release(fuzz_frontend_release);
	return 0;
}
