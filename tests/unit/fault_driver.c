/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <dev_driver.h>

#include "fault_driver.h"

/* In which doorbells lie, and the group of the device. */
static int device_fd;
static uint64_t offered;
static int (*started)(int vid);

static int
get_queue_num(struct rte_vdpa_device *dev, uint32_t *num)
{
	(void)dev;
	*num = 1;
	return 0;
}

static int
get_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = offered;
	return 0;
}

static int
get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = UINT64_MAX;
	return 0;
}

/* A driver that cannot give a doorbell away goes on with the kick. */
static int
dev_conf(int vid)
{
	rte_vhost_host_notifier_ctrl(vid, RTE_VHOST_QUEUE_ALL, true);
	return started(vid);
}

static int
dev_close(int vid)
{
	rte_vhost_host_notifier_ctrl(vid, RTE_VHOST_QUEUE_ALL, false);
	return 0;
}

static int
set_vring_state(int vid, int vring, int state)
{
	struct rte_vhost_vring where;

	(void)state;
	return rte_vhost_get_vhost_vring(vid, (uint16_t)vring, &where);
}

static int
set_features(int vid)
{
	(void)vid;
	return 0;
}

static int
get_device_fd(int vid)
{
	(void)vid;
	return device_fd;
}

static int
get_notify_area(int vid, int ring, uint64_t *offset, uint64_t *size)
{
	(void)vid;
	*offset = (uint64_t)ring * 4096;
	*size = 4096;
	return 0;
}

static int
get_config(int vid, uint8_t *config, uint32_t size)
{
	(void)vid;
	memset(config, 0, size);
	return 0;
}

static int
set_config(int vid, uint8_t *config, uint32_t offset, uint32_t size, uint32_t flags)
{
	(void)vid;
	(void)config;
	(void)offset;
	(void)size;
	(void)flags;
	return 0;
}

static int
migration_done(int vid)
{
	(void)vid;
	return 0;
}

static int
get_stats_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names, unsigned int size)
{
	(void)dev;
	if (size > 0)
		strcpy(names[0].name, "nothing");
	return 1;
}

static int
get_stats(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *stats, unsigned int n)
{
	(void)dev;
	(void)qid;
	if (n > 0)
		stats[0] = (struct rte_vdpa_stat){ 0 };
	return n > 0;
}

static struct rte_vdpa_dev_ops driver = {
	.get_queue_num = get_queue_num,
	.get_features = get_features,
	.get_protocol_features = get_protocol_features,
	.dev_conf = dev_conf,
	.dev_close = dev_close,
	.set_vring_state = set_vring_state,
	.set_features = set_features,
	.get_vfio_device_fd = get_device_fd,
	.get_notify_area = get_notify_area,
	.get_config = get_config,
	.set_config = set_config,
	.migration_done = migration_done,
	.get_stats_names = get_stats_names,
	.get_stats = get_stats,
};

static struct rte_device generic_device = { .name = FAULT_DEVICE };

int
fault_driver_init(void)
{
	device_fd = memfd_create("fault-device", MFD_CLOEXEC);
	return device_fd < 0 ? -1 : 0;
}

struct rte_vdpa_device *
fault_driver_register(uint64_t features, int (*on_start)(int vid))
{
	offered = features;
	started = on_start;
	return rte_vdpa_register_device(&generic_device, &driver);
}
