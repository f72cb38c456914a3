/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include "control_queue.h"
#include "log.h"
#include "transport.h"

/* Before the first start nothing is agreed on yet: what is offered will be. */
static bool
can(const struct virtio_device *dev, unsigned int bit)
{
	const uint64_t features = dev->features != 0 ? dev->features : dev->offered;

	return (features >> VIRTIO_NET_F_CTRL_VQ) & (features >> bit) & 1;
}

static int
rx_mode(struct virtio_device *dev, uint8_t cmd, bool on)
{
	const uint8_t data = on;

	if (!can(dev, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_RX, cmd, &data, sizeof(data));
}

int
virtio_control_promiscuous(struct virtio_device *dev, bool on)
{
	return rx_mode(dev, VIRTIO_NET_CTRL_RX_PROMISC, on);
}

int
virtio_control_allmulticast(struct virtio_device *dev, bool on)
{
	return rx_mode(dev, VIRTIO_NET_CTRL_RX_ALLMULTI, on);
}

int
virtio_control_mac(struct virtio_device *dev, const struct rte_ether_addr *mac)
{
	if (!can(dev, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac,
		sizeof(*mac));
}

int
virtio_control_pairs(struct virtio_device *dev, uint16_t pairs)
{
	const struct virtio_net_ctrl_mq data = { .virtqueue_pairs = pairs };

	if (!can(dev, VIRTIO_NET_F_MQ))
		return pairs == 1 ? 0 : -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		&data, sizeof(data));
}
