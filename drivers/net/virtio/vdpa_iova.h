/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a vhost-vdpa device can reach of this process: the mappings that the kernel was told to
 * make in its IOMMU. Frames and rings have their own addresses as I/O addresses.
 *
 * The kernel undoes a mapping only as a whole. Memory that DPDK may give back is given back page
 * by page, and so is mapped page by page; everything else is mapped in pieces as large as there are.
 */

#ifndef VIRTIO_VDPA_IOVA_H
#define VIRTIO_VDPA_IOVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virtio_user;

struct vdpa_range {
	uint64_t addr;
	uint64_t size;
};

struct vdpa_ranges {
	uint32_t n;
	uint32_t room;
	struct vdpa_range *range;
};

struct vdpa_iova {
	int fd;
	uint64_t features; /**< VHOST_BACKEND_F_* that are in use, 1 << each */
	uint64_t first;    /**< addresses that the device can put out */
	uint64_t last;
	struct vdpa_ranges mapped; /**< DPDK's memory, by address */
	struct vdpa_ranges wanted;
};

/** Begin with no mapping; everything else of it must be set. */
void vdpa_iova_init(struct vdpa_iova *v);

/** Forget all mappings, which went with the descriptor, and free memory. */
void vdpa_iova_release(struct vdpa_iova *v);

/**
 * Have all of DPDK's memory mapped, but for what is about to go with this @a change, which may be NULL,
 * and nothing else of it. DPDK's memory lock must be held.
 * @return 0; -ERANGE memory that the device cannot reach; -ENOMEM it may not be locked; or another
 *   negative errno. A line in the log says why.
 */
int vdpa_iova_update(const struct virtio_user *u, struct vdpa_iova *v,
	const struct virtio_backend_change *change);

/** Undo all mappings of DPDK's memory; what fails is gone anyway. */
void vdpa_iova_clear(struct vdpa_iova *v);

/**
 * Find @a size bytes of addresses that the device can put out and no DPDK memory ever has.
 * @return false, after a line in the log, if there are none
 */
bool vdpa_iova_hole(const struct virtio_user *u, const struct vdpa_iova *v, uint64_t size,
	uint64_t *iova);

/** Map memory of this process for one address space. */
int vdpa_iova_map(const struct virtio_user *u, const struct vdpa_iova *v, uint32_t asid,
	uint64_t iova, uint64_t size, const void *memory);

/** Undo vdpa_iova_map(); what fails is gone anyway. */
void vdpa_iova_unmap(const struct vdpa_iova *v, uint32_t asid, uint64_t iova, uint64_t size);

#endif /* VIRTIO_VDPA_IOVA_H */
