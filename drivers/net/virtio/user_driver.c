/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>

#include "ethdev.h"
#include "log.h"
#include "secondary.h"
#include "user.h"

RTE_LOG_REGISTER_SUFFIX(virtio_logtype, driver, NOTICE);

/* Its arguments are the primary's. */
static int
probe_in_secondary(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct rte_eth_dev *eth = rte_eth_dev_attach_secondary(name);
	int ret;

	if (eth == NULL) {
		VIRTIO_LOG(ERR, "%s: the primary process has no such port, and others make none",
			name);
		return -ENODEV;
	}
	eth->device = &vdev->device;
	ret = virtio_user_attach(eth);
	if (ret < 0)
		rte_eth_dev_release_port(eth);
	return ret;
}

static int
probe(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct virtio_user_args args;
	struct rte_eth_dev *eth;
	struct virtio_user *u;
	int ret;

	VIRTIO_LOG(NOTICE, "%s: driver net_virtio_user of dpdk-vdpa " VDPA_VERSION, name);
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return probe_in_secondary(vdev);
	ret = virtio_user_args_parse(name, rte_vdev_device_args(vdev), &args);
	if (ret < 0)
		return ret;
	ret = virtio_queue_init();
	if (ret < 0)
		return ret;
	eth = rte_eth_vdev_allocate(vdev, sizeof(*u));
	if (eth == NULL) {
		VIRTIO_LOG(ERR, "%s: no memory for a port", name);
		return -ENOMEM;
	}
	u = eth->data->dev_private;
	u->args = args;
	u->dev.name = name;
	u->dev.eth = eth;
	u->dev.vectorized = args.vectorized;
	ret = virtio_user_create(u);
	if (ret < 0) {
		rte_eth_dev_release_port(eth);
		return ret;
	}
	virtio_ethdev_init(eth, &u->dev);
	virtio_process_offer(&u->dev);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

static int
remove_device(struct rte_vdev_device *vdev)
{
	return virtio_ethdev_remove(rte_vdev_device_name(vdev));
}

static struct rte_vdev_driver driver = {
	.probe = probe,
	.remove = remove_device,
};

RTE_PMD_REGISTER_VDEV(net_virtio_user, driver);
RTE_PMD_REGISTER_ALIAS(net_virtio_user, virtio_user);
RTE_PMD_REGISTER_PARAM_STRING(net_virtio_user, VIRTIO_USER_PARAMS);
