/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <ethdev_pci.h>
#include <rte_kvargs.h>

#include "ethdev.h"
#include "log.h"
#include "pci.h"
#include "pci_args.h"
#include "secondary.h"

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_NET_TRANSITIONAL 0x1000
#define DEVICE_NET_MODERN 0x1041

static int
make_port(struct rte_eth_dev *eth)
{
	struct virtio_pci *pci = eth->data->dev_private;
	int ret;

	pci->dev.name = eth->device->name;
	pci->dev.eth = eth;
	pci->bus = RTE_DEV_TO_PCI(eth->device);
	ret = virtio_pci_create(pci);
	if (ret == 0) {
		virtio_ethdev_init(eth, &pci->dev);
		eth->data->dev_flags |= RTE_ETH_DEV_INTR_RMV;
		virtio_process_offer(&pci->dev);
		if (!(pci->dev.offered & VIRTIO_FEATURE(VIRTIO_NET_F_STATUS)))
			eth->data->dev_flags &= ~RTE_ETH_DEV_INTR_LSC;
	}
	return ret;
}

/* A device that the primary leaves alone is none of this process's either: positive, as above. */
static int
probe_in_secondary(struct rte_pci_device *bus)
{
	struct rte_eth_dev *eth = rte_eth_dev_pci_allocate(bus, 0);
	int ret;

	if (eth == NULL) {
		VIRTIO_LOG(NOTICE, "%s: the primary process does not use it", bus->name);
		return 1;
	}
	ret = virtio_pci_attach(eth);
	if (ret < 0)
		rte_eth_dev_release_port(eth);
	return ret;
}

static int
probe(struct rte_pci_driver *driver, struct rte_pci_device *bus)
{
	struct virtio_pci_args args;
	struct rte_eth_dev *eth;
	int ret;

	(void)driver;
	ret = virtio_pci_args_parse(bus->name, bus->device.devargs, &args);
	if (ret < 0)
		return ret;
	/* Positive: no error, and other drivers are asked. */
	if (args.vdpa)
		return 1;
	VIRTIO_LOG(NOTICE, "%s: driver net_virtio of dpdk-vdpa " VDPA_VERSION, bus->name);
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return probe_in_secondary(bus);
	ret = virtio_queue_init();
	if (ret == 0)
		ret = rte_pci_map_device(bus);
	if (ret != 0)
		return ret;
	eth = rte_eth_dev_pci_allocate(bus, sizeof(struct virtio_pci));
	if (eth == NULL) {
		VIRTIO_LOG(ERR, "%s: no memory for a port", bus->name);
		ret = -ENOMEM;
		goto fail;
	}
	((struct virtio_pci *)eth->data->dev_private)->dev.speed = args.speed;
	((struct virtio_pci *)eth->data->dev_private)->dev.vectorized = args.vectorized;
	ret = make_port(eth);
	if (ret < 0) {
		rte_eth_dev_release_port(eth);
		goto fail;
	}
	rte_eth_dev_probing_finish(eth);
	return 0;

fail:
	rte_pci_unmap_device(bus);
	return ret;
}

static int
remove_device(struct rte_pci_device *bus)
{
	return virtio_ethdev_remove(bus->name);
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(VENDOR_VIRTIO, DEVICE_NET_TRANSITIONAL) },
	{ RTE_PCI_DEVICE(VENDOR_VIRTIO, DEVICE_NET_MODERN) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver driver = {
	.id_table = ids,
	.probe = probe,
	.remove = remove_device,
};

RTE_INIT(get_port_permission)
{
	virtio_pci_legacy_init();
}

RTE_PMD_REGISTER_PCI(net_virtio, driver);
RTE_PMD_REGISTER_PCI_TABLE(net_virtio, ids);
RTE_PMD_REGISTER_KMOD_DEP(net_virtio, "* igb_uio | uio_pci_generic | vfio-pci");
RTE_PMD_REGISTER_PARAM_STRING(net_virtio, VIRTIO_PCI_PARAMS);
