/* SPDX-License-Identifier: BSD-3-Clause */

/* A driver with everything that can be told about one, and a second with nothing but a name. */

#include <bus_pci_driver.h>
#include <bus_vdev_driver.h>
#include <dev_driver.h>

extern const struct rte_pci_id sample_ids[];

const struct rte_pci_id sample_ids[] = {
	{ RTE_PCI_DEVICE(0x1af4, 0x1041) },
	{
		.class_id = RTE_CLASS_ANY_ID,
		.vendor_id = 0x1af4,
		.device_id = 0x1041,
		.subsystem_vendor_id = 0x8086,
		.subsystem_device_id = 0x001a,
	},
	{ .vendor_id = 0 },
};

RTE_PMD_EXPORT_NAME(net_sample, 0);
RTE_PMD_REGISTER_PCI_TABLE(net_sample, sample_ids);
RTE_PMD_REGISTER_KMOD_DEP(net_sample, "* vfio-pci");
RTE_PMD_REGISTER_PARAM_STRING(net_sample, "path=<text> mode=\"a|b\"");
RTE_PMD_EXPORT_NAME(net_plain, 1);
