/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Device arguments of a virtio device on PCI.
 */

#ifndef VIRTIO_PCI_ARGS_H
#define VIRTIO_PCI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct rte_devargs;

struct virtio_pci_args {
	bool vdpa; /**< the device is for a vDPA driver */
	bool vectorized;
	uint32_t speed; /**< Mbit/s, or RTE_ETH_SPEED_NUM_UNKNOWN */
};

/** RTE_PMD_REGISTER_PARAM_STRING of the driver. */
#define VIRTIO_PCI_PARAMS "vdpa=<0|1> speed=<int> vectorized=<0|1>"

/**
 * Parse the arguments of the device called @a name, if it has any. Those of a device with vdpa=1
 * are its driver's, and not looked at.
 * @return 0; -EINVAL, after one line about the first thing that is wrong; -ENOMEM
 */
int virtio_pci_args_parse(const char *name, const struct rte_devargs *devargs,
	struct virtio_pci_args *args);

#endif /* VIRTIO_PCI_ARGS_H */
