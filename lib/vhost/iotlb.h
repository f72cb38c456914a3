/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What is known of a front end's IOMMU: which addresses of the device (IOVA) stand for which of the
 * front end's (fe_va), and whether they may be read and written. The front end tells of mappings
 * when it is asked for them, and when they go; in between they are kept here.
 *
 * It is a cache: it has a bounded number of entries, and one that is dropped will be asked for again.
 *
 * Rings read tables of the same shape as the table of guest memory, with an IOVA where that one has a
 * guest physical address: one of all that may be read, one of all that may be written. They are
 * immutable, and replaced as guest memory is: see memory.h. So a ring behind an IOMMU runs the code
 * of any other ring.
 */

#ifndef VHOST_IOTLB_H
#define VHOST_IOTLB_H

#include <stdbool.h>
#include <stdint.h>

#include "rte_vhost.h"

/** Entries of one device. */
#define VHOST_IOTLB_ENTRIES_MAX 2048

/** A mapping. */
struct vhost_iotlb_entry {
	uint64_t iova;
	uint64_t size;  /**< bytes */
	uint64_t fe_va; /**< front-end virtual address */
	uint8_t access; /**< VHOST_ACCESS_RO, VHOST_ACCESS_WO, VHOST_ACCESS_RW */
};

struct vhost_iotlb {
	struct vhost_iotlb_entry *entries; /**< by IOVA, none overlaps another; NULL while n is 0 */
	uint32_t n;
	uint32_t victim; /**< which one goes next when there is no room */
};

/** What rings look addresses up in; both are NULL before the first entry. */
struct vhost_iotlb_tables {
	struct rte_vhost_memory *readable;
	struct rte_vhost_memory *writable;
};

/**
 * Take a mapping in; it replaces what was known of its addresses.
 *
 * @return 0; -EINVAL no size, no such access, a range that wraps, or one that does not lie within one
 *   region of @a mem; -ENOMEM
 */
int vhost_iotlb_insert(struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem,
	const struct vhost_iotlb_entry *entry);

/** Forget what is known of [iova, iova + size), to the end of all addresses if that wraps. */
void vhost_iotlb_remove(struct vhost_iotlb *tlb, uint64_t iova, uint64_t size);

/** Forget all of it. */
void vhost_iotlb_clear(struct vhost_iotlb *tlb);

/** Make tables for rings: of the entries that lie in @a mem. @return 0, or -ENOMEM */
int vhost_iotlb_make_tables(const struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem,
	struct vhost_iotlb_tables *tables);

/** Free tables that no ring reads any more. */
void vhost_iotlb_free_tables(struct vhost_iotlb_tables *tables);

#endif /* VHOST_IOTLB_H */
