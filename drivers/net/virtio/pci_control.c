/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include "log.h"
#include "pci.h"

/* The ring fits into pages of its own, as legacy devices want it. */
#define ALIGNMENT 4096

static int
ring_size(struct virtio_pci *pci, uint16_t index)
{
	const uint16_t limit = pci->regs->queue_size(pci, index);

	if (limit < VIRTIO_CONTROL_RING_SIZE_MIN ||
		(limit > VIRTIO_CONTROL_RING_SIZE && pci->dev.ring_sizes_fixed)) {
		VIRTIO_LOG(WARNING,
			"%s: the device has a control queue, number %u, of %u entries, and %u to "
			"%u can be used: the port does without",
			pci->dev.name, index, limit, VIRTIO_CONTROL_RING_SIZE_MIN,
			VIRTIO_CONTROL_RING_SIZE);
		return -ERANGE;
	}
	return (int)rte_align32prevpow2(RTE_MIN(limit, VIRTIO_CONTROL_RING_SIZE));
}

int
virtio_pci_control_setup(struct virtio_pci *pci, uint16_t index, uint64_t features)
{
	struct virtio_pci_control *control = &pci->control;
	struct virtio_control_ring_areas areas;
	struct virtio_pci_ring ring;
	const int size = ring_size(pci, index);
	int ret;

	if (size < 0)
		return size;
	if (control->dma.mem == NULL &&
		virtio_dma_alloc(&control->dma, &pci->dev, "vqctl", VIRTIO_CONTROL_RING_BYTES,
			ALIGNMENT, pci->dev.eth->data->numa_node) < 0) {
		VIRTIO_LOG(ERR, "%s: no memory for a control queue", pci->dev.name);
		return -ENOMEM;
	}
	pthread_mutex_lock(&control->lock);
	virtio_control_ring_init(&control->ring, control->dma.mem, control->dma.addr,
		(uint16_t)size, features);
	areas = virtio_control_ring_areas(&control->ring);
	ring = (struct virtio_pci_ring){
		.index = index,
		.size = (uint16_t)size,
		.descriptors = areas.descriptors,
		.driver = areas.driver,
		.device = areas.device,
	};
	ret = pci->regs->queue_setup(pci, &ring, &control->doorbell);
	if (ret == 0)
		pci->regs->queue_enable(pci, index);
	control->index = index;
	control->ready = ret == 0;
	pthread_mutex_unlock(&control->lock);
	return ret;
}

void
virtio_pci_control_stop(struct virtio_pci *pci)
{
	pthread_mutex_lock(&pci->control.lock);
	pci->control.ready = false;
	pthread_mutex_unlock(&pci->control.lock);
}

void
virtio_pci_control_free(struct virtio_pci *pci)
{
	virtio_dma_free(&pci->control.dma);
}

static void
tell(const struct virtio_pci *pci, uint8_t class, uint8_t cmd, int error)
{
	if (error == -ETIMEDOUT)
		VIRTIO_LOG(ERR,
			"%s: the device did not answer control command %u.%u within %u ms: no "
			"further ones until the port is started anew",
			pci->dev.name, class, cmd, VIRTIO_PCI_CONTROL_MS);
	else if (error == -EIO)
		VIRTIO_LOG(ERR, "%s: the device refused control command %u.%u", pci->dev.name,
			class, cmd);
	else
		VIRTIO_LOG(ERR,
			"%s: the device answered control command %u.%u with a descriptor that it "
			"was not given: no further ones until the port is started anew",
			pci->dev.name, class, cmd);
}

int
virtio_pci_control_run(struct virtio_pci *pci, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len)
{
	struct virtio_pci_control *control = &pci->control;
	int ret = -ENOTSUP;

	pthread_mutex_lock(&control->lock);
	if (control->ready)
		ret = control->ring.dead ?
			-ETIMEDOUT :
			virtio_control_ring_put(&control->ring, class, cmd, data, len);
	if (ret == 0) {
		pci->regs->notify(pci, control->index, control->doorbell);
		ret = virtio_control_ring_wait(&control->ring, VIRTIO_PCI_CONTROL_MS);
		if (ret < 0)
			tell(pci, class, cmd, ret);
	}
	pthread_mutex_unlock(&control->lock);
	return ret;
}
