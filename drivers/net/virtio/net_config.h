/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a device's configuration (virtio 1.2, 5.1.4) says of the port, whatever carries the device.
 * None of it is believed: what cannot be is left alone, and said in the log.
 */

#ifndef VIRTIO_NET_CONFIG_H
#define VIRTIO_NET_CONFIG_H

#include "device.h"

/** Read a field of struct virtio_net_config. @return 0 or a negative errno */
#define VIRTIO_NET_CONFIG_READ(dev, field, value) \
	(dev)->transport->read_config(dev, offsetof(struct virtio_net_config, field), value, \
		sizeof(*(value)))

/**
 * Features of the control queue that @a features, some of a device's, may have: none without a
 * control queue.
 */
uint64_t virtio_net_control_features(uint64_t features);

/** Learn speed and duplex, which may change whenever the configuration does. */
void virtio_net_config_learn_speed(struct virtio_device *dev, uint64_t features);

/**
 * Learn address, largest MTU, speed, filters, and from dev->offered how frames are spread; takes
 * VIRTIO_NET_F_RSS from dev->offered if the device's is not of use.
 *
 * @param features
 *   what the device has; 0 if it is not there
 */
void virtio_net_config_learn(struct virtio_device *dev, uint64_t features);

#endif /* VIRTIO_NET_CONFIG_H */
