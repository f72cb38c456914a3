/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Where a virtio 1 device on PCI has its registers (virtio 1.2, 4.1.4): read out of the vendor
 * capabilities of its configuration space, none of which is believed.
 */

#ifndef VIRTIO_PCI_LAYOUT_H
#define VIRTIO_PCI_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_PCI_BARS 6
#define VIRTIO_PCI_CONFIG_BYTES 256

/** A BAR as far as it is mapped; addr is NULL if it is not. */
struct virtio_pci_bar {
	uint8_t *addr;
	uint64_t len;
};

/** One structure of registers within a BAR. */
struct virtio_pci_window {
	volatile uint8_t *addr; /**< NULL: the device has none */
	uint32_t len;
	uint32_t offset; /**< of addr in its BAR */
	uint8_t bar;
};

struct virtio_pci_layout {
	struct virtio_pci_window common;
	struct virtio_pci_window notify;
	struct virtio_pci_window isr;
	struct virtio_pci_window device;
	uint32_t notify_multiplier;
};

/**
 * Find the structures.
 *
 * @param config
 *   Configuration space, VIRTIO_PCI_CONFIG_BYTES of it.
 * @param[out] wrong
 *   With -EPROTO, what is wrong with the device, as the rest of a sentence.
 * @return
 *   - 0: @a layout has common, notify and isr, and device if the device has one
 *   - -ENOENT: no capability of virtio's at all: a legacy device
 *   - -EPROTO: some, but not those that it takes
 */
int virtio_pci_layout_find(const uint8_t *config, const struct virtio_pci_bar *bars,
	struct virtio_pci_layout *layout, const char **wrong);

/** Whether MSI-X is enabled, says the same configuration space. */
bool virtio_pci_layout_msix(const uint8_t *config);

#endif /* VIRTIO_PCI_LAYOUT_H */
