/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_eal.h>

#include "log.h"
#include "pci.h"

/* Ports in BAR 0, in the byte order of the machine (virtio 1.2, 4.1.4.10). */

/* Smaller rings would leave a gap where legacy devices expect none. */
#define SIZE_MIN 4

static uint32_t
get(struct virtio_pci *pci, uint32_t reg, uint32_t len)
{
	uint32_t value = 0;

	rte_pci_ioport_read(&pci->legacy, &value, len, reg);
	return value;
}

static void
put(struct virtio_pci *pci, uint32_t reg, uint32_t value, uint32_t len)
{
	rte_pci_ioport_write(&pci->legacy, &value, len, reg);
}

static void
select_queue(struct virtio_pci *pci, uint16_t index)
{
	put(pci, VIRTIO_PCI_QUEUE_SEL, index, sizeof(index));
}

static uint64_t
legacy_features(struct virtio_pci *pci)
{
	return get(pci, VIRTIO_PCI_HOST_FEATURES, sizeof(uint32_t));
}

static void
legacy_set_features(struct virtio_pci *pci, uint64_t features)
{
	put(pci, VIRTIO_PCI_GUEST_FEATURES, (uint32_t)features, sizeof(uint32_t));
}

static uint8_t
legacy_status(struct virtio_pci *pci)
{
	return (uint8_t)get(pci, VIRTIO_PCI_STATUS, 1);
}

static void
legacy_set_status(struct virtio_pci *pci, uint8_t status)
{
	put(pci, VIRTIO_PCI_STATUS, status, 1);
}

static uint8_t
legacy_isr(struct virtio_pci *pci)
{
	return (uint8_t)get(pci, VIRTIO_PCI_ISR, 1);
}

/* Read twice until both are the same: these devices do not tell that it changed in between. */
static void
legacy_read_config(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	const uint32_t base = VIRTIO_PCI_CONFIG_OFF(pci->msix) + offset;
	uint8_t *out = buf;
	bool changed = true;

	for (unsigned int try = 0; try < 10 && changed; try++) {
		changed = try == 0;
		for (uint32_t i = 0; i < len; i++) {
			const uint8_t now = (uint8_t)get(pci, base + i, 1);

			changed |= now != out[i];
			out[i] = now;
		}
	}
}

static void
legacy_write_config(struct virtio_pci *pci, uint32_t offset, const void *buf, uint32_t len)
{
	const uint8_t *in = buf;

	for (uint32_t i = 0; i < len; i++)
		put(pci, VIRTIO_PCI_CONFIG_OFF(pci->msix) + offset + i, in[i], 1);
}

static uint16_t
legacy_queue_size(struct virtio_pci *pci, uint16_t index)
{
	select_queue(pci, index);
	return (uint16_t)get(pci, VIRTIO_PCI_QUEUE_NUM, sizeof(uint16_t));
}

/* The whole ring follows from where it begins, which has to be a page of the first 2^32 of them. */
static int
legacy_queue_setup(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
	volatile uint16_t **doorbell)
{
	const uint64_t page = ring->descriptors >> VIRTIO_PCI_QUEUE_ADDR_SHIFT;

	*doorbell = NULL;
	if (page > UINT32_MAX || ring->size < SIZE_MIN) {
		VIRTIO_LOG(ERR,
			"%s: queue %u of %u entries is at I/O address %#" PRIx64
			", which a legacy device cannot be told: use --iova-mode=pa, or a modern "
			"device",
			pci->dev.name, ring->index, ring->size, ring->descriptors);
		return -EIO;
	}
	select_queue(pci, ring->index);
	put(pci, VIRTIO_PCI_QUEUE_PFN, (uint32_t)page, sizeof(uint32_t));
	if (get(pci, VIRTIO_PCI_QUEUE_PFN, sizeof(uint32_t)) == page)
		return 0;
	VIRTIO_LOG(ERR, "%s: the device does not take the address of queue %u", pci->dev.name,
		ring->index);
	return -EIO;
}

/* Its address was all that it took. */
static void
legacy_queue_enable(struct virtio_pci *pci, uint16_t index)
{
	(void)pci;
	(void)index;
}

static void
legacy_notify(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell)
{
	(void)doorbell;
	put(pci, VIRTIO_PCI_QUEUE_NOTIFY, index, sizeof(index));
}

static uint16_t
legacy_queue_vector(struct virtio_pci *pci, uint16_t index, uint16_t vector)
{
	select_queue(pci, index);
	put(pci, VIRTIO_MSI_QUEUE_VECTOR, vector, sizeof(vector));
	return (uint16_t)get(pci, VIRTIO_MSI_QUEUE_VECTOR, sizeof(vector));
}

static uint16_t
legacy_config_vector(struct virtio_pci *pci, uint16_t vector)
{
	put(pci, VIRTIO_MSI_CONFIG_VECTOR, vector, sizeof(vector));
	return (uint16_t)get(pci, VIRTIO_MSI_CONFIG_VECTOR, sizeof(vector));
}

static const struct virtio_pci_registers legacy_registers = {
	.name = "legacy",
	.features = legacy_features,
	.set_features = legacy_set_features,
	.status = legacy_status,
	.set_status = legacy_set_status,
	.isr = legacy_isr,
	.read_config = legacy_read_config,
	.write_config = legacy_write_config,
	.queue_size = legacy_queue_size,
	.queue_setup = legacy_queue_setup,
	.queue_vector = legacy_queue_vector,
	.config_vector = legacy_config_vector,
	.queue_enable = legacy_queue_enable,
	.notify = legacy_notify,
};

void
virtio_pci_legacy_ring(struct rte_pci_ioport *ports, const struct virtio_queue *q)
{
	rte_pci_ioport_write(ports, &q->index, sizeof(q->index), VIRTIO_PCI_QUEUE_NOTIFY);
}

void
virtio_pci_legacy_notify(struct virtio_queue *q)
{
	virtio_pci_legacy_ring(&virtio_pci_of(q->dev)->legacy, q);
}

static bool ports_refused;

/*
 * Without VFIO, ports are reached by instructions that take a permission on x86. A thread has it
 * from the one that created it: so all have it only if it is there before them.
 */
void
virtio_pci_legacy_init(void)
{
#ifdef RTE_ARCH_X86
	ports_refused = rte_eal_iopl_init() != 0;
#endif
}

int
virtio_pci_legacy_map(struct rte_pci_device *bus, struct rte_pci_ioport *ports)
{
	if (ports_refused && bus->kdrv != RTE_PCI_KDRV_VFIO) {
		VIRTIO_LOG(ERR,
			"%s: the ports of a legacy device need root (CAP_SYS_RAWIO) without VFIO",
			bus->name);
		return -EPERM;
	}
	if (rte_pci_ioport_map(bus, 0, ports) != 0) {
		VIRTIO_LOG(ERR,
			"%s: the device has no virtio 1 registers, and its BAR 0 cannot be used as "
			"the ports of a legacy one",
			bus->name);
		return -ENODEV;
	}
	return 0;
}

int
virtio_pci_legacy_open(struct virtio_pci *pci)
{
	const int ret = virtio_pci_legacy_map(pci->bus, &pci->legacy);

	if (ret < 0)
		return ret;
	pci->is_legacy = true;
	pci->regs = &legacy_registers;
	pci->dev.ring_align = VIRTIO_PCI_VRING_ALIGN;
	pci->dev.ring_sizes_fixed = true;
	return 0;
}

void
virtio_pci_legacy_close(struct virtio_pci *pci)
{
	if (pci->regs == &legacy_registers)
		rte_pci_ioport_unmap(&pci->legacy);
}
