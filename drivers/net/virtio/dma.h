/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Memory that driver and device share beside frames: in one piece for both of them.
 */

#ifndef VIRTIO_DMA_H
#define VIRTIO_DMA_H

#include <stddef.h>
#include <stdint.h>

#include <rte_memzone.h>

struct virtio_device;

struct virtio_dma {
	void *mem;
	uint64_t addr;                  /**< mem as the device knows it */
	const struct rte_memzone *zone; /**< of mem, unless it is of the heap */
};

/**
 * Allocate zeroed memory for @a dev.
 * @param name
 *   Unique for the device and short, beginning with what the memory is for.
 * @param align
 *   A power of two.
 * @return 0; -ENOMEM with nothing allocated
 */
int virtio_dma_alloc(struct virtio_dma *dma, const struct virtio_device *dev, const char *name,
	size_t bytes, size_t align, int node);

/** Undo virtio_dma_alloc(), or nothing if it was not called on zeroed @a dma, or failed. */
void virtio_dma_free(struct virtio_dma *dma);

/** What the device knows an address within the memory by. */
static inline uint64_t
virtio_dma_address(const struct virtio_dma *dma, const void *part)
{
	return dma->addr + (uint64_t)((const char *)part - (const char *)dma->mem);
}

#endif /* VIRTIO_DMA_H */
