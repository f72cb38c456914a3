/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>

#include "device.h"
#include "dma.h"

int
virtio_dma_alloc(struct virtio_dma *dma, const struct virtio_device *dev, const char *name,
	size_t bytes, size_t align, int node)
{
	char full[RTE_MEMZONE_NAMESIZE];

	if (!dev->by_iova) {
		*dma = (struct virtio_dma){
			.mem = rte_zmalloc_socket(name, bytes, (unsigned int)align, node),
		};
		dma->addr = (uintptr_t)dma->mem;
		return dma->mem != NULL ? 0 : -ENOMEM;
	}
	snprintf(full, sizeof(full), "%s.%s", name, dev->name);
	*dma = (struct virtio_dma){
		.zone = rte_memzone_reserve_aligned(full, bytes, node, RTE_MEMZONE_IOVA_CONTIG,
			(unsigned int)align),
	};
	if (dma->zone == NULL)
		return -ENOMEM;
	dma->mem = dma->zone->addr;
	dma->addr = dma->zone->iova;
	memset(dma->mem, 0, bytes);
	return 0;
}

void
virtio_dma_free(struct virtio_dma *dma)
{
	if (dma->zone != NULL)
		rte_memzone_free(dma->zone);
	else
		rte_free(dma->mem);
	*dma = (struct virtio_dma){ 0 };
}
