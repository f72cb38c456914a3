/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_io.h>

#include "log.h"
#include "pci.h"

/* Structures of configuration that change while they are read are read again, not forever. */
#define CONFIG_TRIES 100

#define REG(pci, field) ((pci)->modern.common.addr + offsetof(struct virtio_pci_common_cfg, field))

static void
write_address(struct virtio_pci *pci, size_t lo, uint64_t addr)
{
	volatile uint8_t *reg = pci->modern.common.addr + lo;

	rte_write32((uint32_t)addr, reg);
	rte_write32((uint32_t)(addr >> 32), reg + sizeof(uint32_t));
}

static void
select_queue(struct virtio_pci *pci, uint16_t index)
{
	rte_write16(index, REG(pci, queue_select));
}

static uint64_t
modern_features(struct virtio_pci *pci)
{
	uint64_t features;

	rte_write32(1, REG(pci, device_feature_select));
	features = (uint64_t)rte_read32(REG(pci, device_feature)) << 32;
	rte_write32(0, REG(pci, device_feature_select));
	return features | rte_read32(REG(pci, device_feature));
}

static void
modern_set_features(struct virtio_pci *pci, uint64_t features)
{
	rte_write32(0, REG(pci, guest_feature_select));
	rte_write32((uint32_t)features, REG(pci, guest_feature));
	rte_write32(1, REG(pci, guest_feature_select));
	rte_write32((uint32_t)(features >> 32), REG(pci, guest_feature));
}

static uint8_t
modern_status(struct virtio_pci *pci)
{
	return rte_read8(REG(pci, device_status));
}

static void
modern_set_status(struct virtio_pci *pci, uint8_t status)
{
	rte_write8(status, REG(pci, device_status));
}

static uint8_t
modern_isr(struct virtio_pci *pci)
{
	return rte_read8(pci->modern.isr.addr);
}

static void
modern_read_config(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	const struct virtio_pci_window *w = &pci->modern.device;
	uint8_t *out = buf;
	uint8_t before;

	for (unsigned int try = 0; try < CONFIG_TRIES; try++) {
		before = rte_read8(REG(pci, config_generation));
		for (uint32_t i = 0; i < len; i++)
			out[i] = w->addr != NULL && offset + i < w->len ?
				rte_read8(w->addr + offset + i) :
				0;
		if (rte_read8(REG(pci, config_generation)) == before)
			return;
	}
}

static void
modern_write_config(struct virtio_pci *pci, uint32_t offset, const void *buf, uint32_t len)
{
	const struct virtio_pci_window *w = &pci->modern.device;
	const uint8_t *in = buf;

	for (uint32_t i = 0; i < len && w->addr != NULL && offset + i < w->len; i++)
		rte_write8(in[i], w->addr + offset + i);
}

static uint16_t
modern_queue_size(struct virtio_pci *pci, uint16_t index)
{
	if (index >= rte_read16(REG(pci, num_queues)))
		return 0;
	select_queue(pci, index);
	return rte_read16(REG(pci, queue_size));
}

/* A queue's doorbell, or NULL if the device places it outside of the structure for it. */
static volatile uint16_t *
doorbell_of(struct virtio_pci *pci)
{
	const struct virtio_pci_window *w = &pci->modern.notify;
	const uint64_t offset = (uint64_t)rte_read16(REG(pci, queue_notify_off)) *
		pci->modern.notify_multiplier;

	if (offset % sizeof(uint16_t) != 0 || offset + sizeof(uint16_t) > w->len)
		return NULL;
	return (volatile uint16_t *)(w->addr + offset);
}

static int
modern_queue_setup(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
	volatile uint16_t **doorbell)
{
	select_queue(pci, ring->index);
	rte_write16(ring->size, REG(pci, queue_size));
	write_address(pci, offsetof(struct virtio_pci_common_cfg, queue_desc_lo),
		ring->descriptors);
	write_address(pci, offsetof(struct virtio_pci_common_cfg, queue_avail_lo), ring->driver);
	write_address(pci, offsetof(struct virtio_pci_common_cfg, queue_used_lo), ring->device);
	*doorbell = doorbell_of(pci);
	if (*doorbell == NULL) {
		VIRTIO_LOG(ERR,
			"%s: queue %u: the device places its doorbell outside of the %u bytes "
			"that it has for doorbells",
			pci->dev.name, ring->index, pci->modern.notify.len);
		return -EIO;
	}
	return 0;
}

static uint16_t
modern_queue_vector(struct virtio_pci *pci, uint16_t index, uint16_t vector)
{
	select_queue(pci, index);
	rte_write16(vector, REG(pci, queue_msix_vector));
	return rte_read16(REG(pci, queue_msix_vector));
}

static uint16_t
modern_config_vector(struct virtio_pci *pci, uint16_t vector)
{
	rte_write16(vector, REG(pci, msix_config));
	return rte_read16(REG(pci, msix_config));
}

static void
modern_queue_enable(struct virtio_pci *pci, uint16_t index)
{
	select_queue(pci, index);
	rte_write16(1, REG(pci, queue_enable));
}

static void
modern_notify(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell)
{
	(void)pci;
	rte_write16(index, doorbell);
}

static const struct virtio_pci_registers modern_registers = {
	.name = "modern",
	.features = modern_features,
	.set_features = modern_set_features,
	.status = modern_status,
	.set_status = modern_set_status,
	.isr = modern_isr,
	.read_config = modern_read_config,
	.write_config = modern_write_config,
	.queue_size = modern_queue_size,
	.queue_setup = modern_queue_setup,
	.queue_vector = modern_queue_vector,
	.config_vector = modern_config_vector,
	.queue_enable = modern_queue_enable,
	.notify = modern_notify,
};

void
virtio_pci_modern_notify(struct virtio_queue *q)
{
	/* With the barrier that makes the ring's memory come before the doorbell on a bus. */
	rte_write16(q->index, q->doorbell);
}

int
virtio_pci_modern_open(struct virtio_pci *pci)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES] = { 0 };
	struct virtio_pci_bar bars[VIRTIO_PCI_BARS];
	const char *wrong = NULL;
	int ret;

	if (rte_pci_read_config(pci->bus, config, sizeof(config), 0) < (int)sizeof(config)) {
		VIRTIO_LOG(ERR, "%s: cannot read its %zu bytes of PCI configuration", pci->dev.name,
			sizeof(config));
		return -EIO;
	}
	for (unsigned int i = 0; i < VIRTIO_PCI_BARS; i++)
		bars[i] = (struct virtio_pci_bar){
			.addr = pci->bus->mem_resource[i].addr,
			.len = pci->bus->mem_resource[i].len,
		};
	ret = virtio_pci_layout_find(config, bars, &pci->modern, &wrong);
	if (ret == -EPROTO)
		VIRTIO_LOG(ERR, "%s: the device has %s", pci->dev.name, wrong);
	if (ret == 0)
		pci->regs = &modern_registers;
	return ret;
}
