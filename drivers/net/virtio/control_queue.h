/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The commands of the control queue (virtio 1.2, 5.1.6.5), for whatever transport carries them.
 * Each returns 0, -ENOTSUP when the features that were agreed on do not have it, or a negative
 * errno when the device refused.
 */

#ifndef VIRTIO_CONTROL_QUEUE_H
#define VIRTIO_CONTROL_QUEUE_H

#include "device.h"

int virtio_control_promiscuous(struct virtio_device *dev, bool on);
int virtio_control_allmulticast(struct virtio_device *dev, bool on);
int virtio_control_mac(struct virtio_device *dev, const struct rte_ether_addr *mac);
int virtio_control_vlan(struct virtio_device *dev, uint16_t vlan, bool on);

/** Addresses beside the port's own that the device takes frames for, in place of those before. */
int virtio_control_mac_table(struct virtio_device *dev, const struct rte_ether_addr *unicast,
	uint16_t unicast_count, const struct rte_ether_addr *multicast, uint16_t multicast_count);

/** A command of class VIRTIO_NET_CTRL_MQ. */
struct virtio_control_mq {
	uint8_t cmd;
	uint32_t len;
	uint32_t data[80];
};

/** The command that virtio_control_pairs() sends, for who sends it in another way. */
int virtio_control_mq_fill(const struct virtio_device *dev, uint16_t pairs,
	struct virtio_control_mq *mq);

/** Use so many pairs, and with VIRTIO_NET_F_RSS spread frames as dev->rss says. */
int virtio_control_pairs(struct virtio_device *dev, uint16_t pairs);
int virtio_control_rss(struct virtio_device *dev, uint16_t pairs);

/** The network was told where we are, as the device had asked for. */
int virtio_control_announced(struct virtio_device *dev);

#endif /* VIRTIO_CONTROL_QUEUE_H */
