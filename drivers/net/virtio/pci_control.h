/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The control queue of a device on PCI: memory and doorbell for the ring of control commands.
 */

#ifndef VIRTIO_PCI_CONTROL_H
#define VIRTIO_PCI_CONTROL_H

#include <pthread.h>

#include "control_ring.h"
#include "dma.h"

/** How long a device may take over a command. */
#define VIRTIO_PCI_CONTROL_MS 5000

struct virtio_pci;

struct virtio_pci_control {
	pthread_mutex_t lock; /**< commands come from whatever thread */
	struct virtio_control_ring ring;
	struct virtio_dma dma;
	volatile uint16_t *doorbell;
	uint16_t index;
	bool ready; /**< the device has the ring */
};

/**
 * Hand the device a new ring, as virtqueue number @a index, for the @a features that were agreed on.
 * @return 0, or a negative errno after a line in the log: -ERANGE no ring of ours has such a size
 */
int virtio_pci_control_setup(struct virtio_pci *pci, uint16_t index, uint64_t features);

/** The device was reset, and does not have the ring any more. */
void virtio_pci_control_stop(struct virtio_pci *pci);

/** Free the ring's memory; it is not the device's any more. */
void virtio_pci_control_free(struct virtio_pci *pci);

/**
 * Have the device carry out a command.
 * @return 0; -ENOTSUP no control queue; -EIO the device refused; -ETIMEDOUT or -EPROTO it did not
 *   answer, or wrongly: logged, and no further command is sent until the port is started anew
 */
int virtio_pci_control_run(struct virtio_pci *pci, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len);

#endif /* VIRTIO_PCI_CONTROL_H */
