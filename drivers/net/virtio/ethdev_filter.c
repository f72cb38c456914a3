/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include "control_queue.h"
#include "ethdev.h"
#include "log.h"

/* Further addresses of the port, in the order of its list, which has holes. */
static uint16_t
collect(const struct rte_eth_dev *eth, uint32_t without, struct rte_ether_addr *unicast)
{
	const struct virtio_device *dev = virtio_ethdev_device(eth);
	uint16_t n = 0;

	for (uint32_t i = 1; i < dev->max_macs; i++)
		if (i != without && !rte_is_zero_ether_addr(&eth->data->mac_addrs[i]))
			unicast[n++] = eth->data->mac_addrs[i];
	return n;
}

static int
send_table(struct virtio_device *dev, const struct rte_ether_addr *unicast, uint16_t n)
{
	return virtio_control_mac_table(dev, unicast, n, dev->multicast, dev->multicast_count);
}

int
virtio_ethdev_mac_add(struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index,
	uint32_t pool)
{
	struct rte_ether_addr unicast[VIRTIO_MACS_MAX];
	uint16_t n = collect(eth, index, unicast);

	(void)pool;
	/* The first one is not of the table: it has a command of its own. */
	if (index > 0)
		unicast[n++] = *mac;
	return send_table(virtio_ethdev_device(eth), unicast, n);
}

void
virtio_ethdev_mac_remove(struct rte_eth_dev *eth, uint32_t index)
{
	struct rte_ether_addr unicast[VIRTIO_MACS_MAX];
	const uint16_t n = collect(eth, index, unicast);
	const int ret = send_table(virtio_ethdev_device(eth), unicast, n);

	if (ret < 0)
		VIRTIO_LOG(ERR, "%s: the device still takes frames for a removed address: %s",
			virtio_ethdev_device(eth)->name, strerror(-ret));
}

int
virtio_ethdev_multicast_set(struct rte_eth_dev *eth, struct rte_ether_addr *list, uint32_t n)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	struct rte_ether_addr unicast[VIRTIO_MACS_MAX];
	int ret;

	if (dev->max_macs == 1)
		return -ENOTSUP;
	if (n > VIRTIO_MACS_MAX) {
		VIRTIO_LOG(ERR, "%s: %u multicast addresses are more than %u", dev->name, n,
			VIRTIO_MACS_MAX);
		return -ENOSPC;
	}
	ret = virtio_control_mac_table(dev, unicast, collect(eth, 0, unicast), list, (uint16_t)n);
	if (ret < 0)
		return ret;
	if (n > 0)
		memcpy(dev->multicast, list, n * sizeof(*list));
	dev->multicast_count = (uint16_t)n;
	return 0;
}

int
virtio_ethdev_vlan_filter(struct rte_eth_dev *eth, uint16_t vlan, int on)
{
	return virtio_control_vlan(virtio_ethdev_device(eth), vlan, on);
}

/* ethdev remembers them, but sends them only once. */
static int
restore_vlans(struct rte_eth_dev *eth)
{
	const struct rte_vlan_filter_conf *conf = &eth->data->vlan_filter_conf;
	int ret = 0;

	for (uint16_t vlan = 0; vlan <= RTE_ETHER_MAX_VLAN_ID && ret == 0; vlan++)
		if (conf->ids[vlan / 64] & UINT64_C(1) << vlan % 64)
			ret = virtio_control_vlan(virtio_ethdev_device(eth), vlan, true);
	return ret;
}

int
virtio_ethdev_filters_restore(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	struct rte_ether_addr unicast[VIRTIO_MACS_MAX];
	int ret = 0;

	if (eth->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER)
		ret = restore_vlans(eth);
	if (ret == 0 && dev->multicast_count > 0)
		ret = send_table(dev, unicast, collect(eth, 0, unicast));
	return ret;
}
