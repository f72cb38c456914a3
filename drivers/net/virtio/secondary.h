/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A port in a secondary process: what of it every such process has for itself.
 *
 * All else is in shared memory and the primary's to change. The device there is whatever the primary's
 * transport is; here it is a doorbell.
 */

#ifndef VIRTIO_SECONDARY_H
#define VIRTIO_SECONDARY_H

#include <ethdev_driver.h>

#include "device.h"

/** A port's process_private. */
struct virtio_secondary {
	/** Ring a queue's doorbell. Called by bursts. */
	void (*notify)(struct virtio_secondary *s, struct virtio_queue *q);

	/** Let go of what this process has of the device, and of @a s. */
	void (*close)(struct virtio_secondary *s, struct rte_eth_dev *eth);
};

/**
 * See that the port of the primary process is one of this very driver, and join it. First of all.
 * @return 0, or a negative errno after one line of why
 */
int virtio_secondary_check(const struct rte_eth_dev *eth);

/** Make @a eth the port, with @a s, which it takes over. */
void virtio_secondary_finish(struct rte_eth_dev *eth, struct virtio_secondary *s);

/** The primary has set up the port by this name, which this process may have. */
void virtio_secondary_refresh(const char *name);

void virtio_secondary_notify(struct virtio_queue *q);
void virtio_secondary_tell_failure(const struct virtio_queue *q);

/** tx_done_cleanup of the port. */
int virtio_secondary_tx_done_cleanup(void *queue, uint32_t count);

/* user_secondary.c, pci_secondary.c: from a port of that name in the primary to one in here. */
int virtio_user_attach(struct rte_eth_dev *eth);
int virtio_pci_attach(struct rte_eth_dev *eth);

#endif /* VIRTIO_SECONDARY_H */
