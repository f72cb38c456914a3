/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What carries a virtio device: the operations that ethdev and the queues need of it. Every call
 * is made by the control path, one at a time for each device, but for those that say otherwise.
 * Results are 0 or a negative errno unless told otherwise, and a failure was logged by whom it befell.
 */

#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include "device.h"

struct virtio_transport_ops {
	const char *name;

	/**
	 * Bring up the device with dev->pairs pairs of dev->queues and as much of dev->wanted as it
	 * has. Succeeds also when the device is away now: it is brought up when it comes.
	 */
	int (*start)(struct virtio_device *dev);

	/** The device stops touching the rings; bursts are kept out. */
	void (*stop)(struct virtio_device *dev);

	/** Let go of the device and of everything that start() and probing took. */
	void (*close)(struct virtio_device *dev);

	/** Learn anew what a stopped device offers. Optional. */
	int (*reset)(struct virtio_device *dev);

	/**
	 * Read what the device is configured as. Fails without a line in the log if it has no
	 * configuration.
	 */
	int (*read_config)(struct virtio_device *dev, uint32_t offset, void *buf, uint32_t len);

	/** Entries that a queue can have, 0 if there is no such queue. Optional: dev->queue_size. */
	uint16_t (*queue_limit)(struct virtio_device *dev, uint16_t index);

	/** Give a queue what the transport needs in it, and take that back. */
	int (*queue_setup)(struct virtio_queue *q);
	void (*queue_release)(struct virtio_queue *q);

	/** Start or stop one ring; q->stopped remembers which when the device is away. */
	int (*queue_enable)(struct virtio_device *dev, uint16_t index, bool enable);

	/** Carry out one control command (virtio 1.2, 5.1.6.5). -EIO if the device said no. */
	int (*control)(struct virtio_device *dev, uint8_t class, uint8_t cmd, const void *data,
		uint32_t len);

	/** Tell the device of the port's MTU, now and whenever it comes up. */
	int (*set_mtu)(struct virtio_device *dev, uint16_t mtu);

	/**
	 * The port's address is another one, and there is no command to say so. -EIO if the device
	 * has an address of its own, and keeps it. Optional.
	 */
	int (*set_mac)(struct virtio_device *dev, const struct rte_ether_addr *mac);

	/** Whether the device is gone for good. Optional: it is not, or comes back. */
	bool (*is_removed)(struct virtio_device *dev);

	/** Whether there is a link now: the device runs, and says so. In whichever thread. */
	bool (*has_link)(struct virtio_device *dev);

	/** Look at the link, and tell if it changed. Optional: the transport does so by itself. */
	void (*link_update)(struct virtio_device *dev);

	/** Ring a queue's doorbell. Called by bursts. */
	void (*notify)(struct virtio_queue *q);

	/**
	 * A descriptor that rings a queue's doorbell when it is written to as an eventfd, for other
	 * processes: the same as long as the device is there. -1: the device has no such queue.
	 * Optional. Not locked.
	 */
	int (*doorbell_fd)(struct virtio_device *dev, uint16_t index);

	/** A burst found the device breaking the rules. Called by bursts; q->failure says how. */
	void (*queue_failed)(struct virtio_queue *q);
};

#endif /* VIRTIO_TRANSPORT_H */
