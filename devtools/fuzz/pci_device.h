/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A hostile device on PCI, under the driver's own code for registers or in place of it, and what else
 * the driver finds in place of DPDK: its memory, its PCI bus and its interrupts. What is linked with it
 * is given --wrap for each of these functions: see meson.build.
 */

#ifndef FUZZ_PCI_DEVICE_H
#define FUZZ_PCI_DEVICE_H

#include <rte_memzone.h>

#include "control_device.h"
#include "pci.h"

/** Pairs that it has, and entries of each queue. */
#define PCI_DEVICE_PAIRS 4
#define PCI_DEVICE_QUEUE_SIZE 64

/** To be called once. */
void pci_device_init(void);

/** Become a device as the input says, for @a pci, which is zero but for what the caller set. */
void pci_device_begin(struct fuzz_input *in, struct virtio_pci *pci);

/** From now on it tells what comes next in the input instead of the truth, or not any more. */
void pci_device_lie(bool lies);

/** Write over some of its registers and configuration. */
void pci_device_scribble(void);

/** What it does while the driver sleeps. */
void pci_device_act(void);

/** Raise the interrupt for changes of its configuration, if the driver wants it. */
void pci_device_interrupt(void);

/** Write what the input has to a random place of an area. */
void fuzz_scribble(struct fuzz_input *in, void *area, size_t size);

const struct rte_memzone *__wrap_rte_memzone_reserve_aligned(const char *name, size_t len, int node,
	unsigned int flags, unsigned int align);
int __wrap_rte_memzone_free(const struct rte_memzone *zone);
int __wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at);
void __wrap_rte_pci_unmap_device(struct rte_pci_device *dev);
int __wrap_rte_pci_ioport_map(struct rte_pci_device *dev, int bar, struct rte_pci_ioport *p);
int __wrap_rte_pci_ioport_unmap(struct rte_pci_ioport *p);
void __wrap_rte_pci_ioport_read(struct rte_pci_ioport *p, void *buf, size_t len, off_t at);
void __wrap_rte_pci_ioport_write(struct rte_pci_ioport *p, const void *buf, size_t len, off_t at);
int __wrap_rte_intr_callback_register(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg);
int __wrap_rte_intr_callback_unregister_sync(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg);
int __wrap_rte_intr_enable(const struct rte_intr_handle *handle);
int __wrap_rte_intr_disable(const struct rte_intr_handle *handle);
int __wrap_rte_intr_ack(const struct rte_intr_handle *handle);
int __wrap_virtio_pci_modern_open(struct virtio_pci *pci);

#endif /* FUZZ_PCI_DEVICE_H */
