/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Guest memory: the regions a front end shares, mapped here.
 *
 * A table of regions is immutable once it is published. Changing guest memory builds a new table
 * and swaps it in while every ring that reads the old one is claimed (see vring.h), so the data
 * path translates addresses without a lock and without counting references.
 *
 * Three address spaces meet here: guest physical (gpa, in descriptors), front-end virtual (fe_va,
 * in SET_VRING_ADDR), and ours (hva).
 */

#ifndef VHOST_MEMORY_H
#define VHOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "rte_vhost.h"

/** Regions one device may have: what GET_MAX_MEM_SLOTS answers. */
#define VHOST_MEMORY_SLOTS_MAX 509

/** Bytes that the regions of one device may have together. */
#define VHOST_MEMORY_SIZE_MAX (UINT64_C(1) << 44)

struct vhost_user_region;

/**
 * Map one more region and return a new table that has it besides those of @a old.
 *
 * @param old table to extend, or NULL for the first region; left as it is
 * @param region as received: size, offset and overlap with present regions are checked here
 * @param fd memory to map; owned by the new table on success, still the caller's on failure
 * @param[out] table the new table, regions sorted by guest physical address
 * @return 0; -EINVAL bad geometry or overlap; -ENOSPC no slot left; -ENOMEM; or from mmap(2)
 */
int vhost_memory_add(const struct rte_vhost_memory *old, const struct vhost_user_region *region,
	int fd, struct rte_vhost_memory **table);

/**
 * Return a new table without one region of @a old. The mapping itself stays until
 * vhost_memory_unmap_missing() is called, when no ring reads @a old any more.
 *
 * @return 0; -ENOENT no region has that guest address, front-end address and size; -ENOMEM
 */
int vhost_memory_remove(const struct rte_vhost_memory *old, const struct vhost_user_region *region,
	struct rte_vhost_memory **table);

/** The region of @a mem that is this very part of this very file at the same addresses, or NULL. */
const struct rte_vhost_mem_region *vhost_memory_same(const struct rte_vhost_memory *mem,
	const struct vhost_user_region *region, int fd);

/**
 * Have the regions of a new table that are in the old one (may be NULL) as well lie where they lie
 * there: who uses those may go on. What the new table had for them is unmapped and closed.
 */
void vhost_memory_keep(struct rte_vhost_memory *mem, const struct rte_vhost_memory *old);

/** Does nothing go that is mapped, if @a mem comes after @a old (may be NULL)? */
bool vhost_memory_has_all(const struct rte_vhost_memory *mem, const struct rte_vhost_memory *old);

/** Unmap and close what @a old has and @a now (may be NULL) does not, then free @a old. */
void vhost_memory_unmap_missing(struct rte_vhost_memory *old, const struct rte_vhost_memory *now);

/** Part of a file, mapped in whole pages of it. */
struct vhost_mapping {
	void *addr;   /**< where the mapping begins */
	uint64_t len; /**< bytes of it */
	uint8_t *at;  /**< where the part begins that was asked for */
};

/**
 * Map a part of a file that somebody else owns, to read and write, guarded against its being taken
 * away (memory_guard.h). The descriptor stays the caller's.
 *
 * @return 0; -EINVAL no size, or beyond the end of the file; -EMEDIUMTYPE no file for that (peer_fd.h); or
 *   from statx(2) or mmap(2)
 */
int vhost_memory_map(int fd, uint64_t offset, uint64_t size, struct vhost_mapping *mapping);

/** What went wrong with that, for the log. @param geometry what -EINVAL is about */
const char *vhost_memory_error(int err, const char *geometry);

/** Undo it; NULL is ignored. */
void vhost_memory_unmap(void *addr, uint64_t len);

/** True if the front end took away a file that is mapped here: see memory_guard.h. */
bool vhost_memory_lost(const struct rte_vhost_memory *mem);

/** Front-end virtual address to ours; NULL unless [fe_va, fe_va + len) lies within one region. */
void *vhost_memory_from_fe_va(const struct rte_vhost_memory *mem, uint64_t fe_va, uint64_t len);

/** Tables of more regions than these are searched by halves. */
#define VHOST_MEMORY_FEW 8

/** As vhost_memory_find(), for tables of many regions. */
const struct rte_vhost_mem_region *vhost_memory_search(const struct rte_vhost_memory *mem,
	uint64_t gpa);

/** The region that a guest physical address lies in, or NULL. */
static __rte_always_inline const struct rte_vhost_mem_region *
vhost_memory_find(const struct rte_vhost_memory *mem, uint64_t gpa)
{
	if (unlikely(mem->nregions > VHOST_MEMORY_FEW))
		return vhost_memory_search(mem, gpa);
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		/* One unsigned comparison covers both bounds. */
		if (likely(gpa - r->guest_phys_addr < r->size))
			return r;
	}
	return NULL;
}

/** Guest physical address of an address of ours, or UINT64_MAX when it is in no region. */
uint64_t vhost_memory_to_gpa(const struct rte_vhost_memory *mem, const void *hva);

/**
 * Guest physical address to ours.
 *
 * @param[in,out] len bytes wanted; on return the bytes of them that are contiguous here
 * @return our address, or NULL with *len = 0 when @a gpa is in no region
 */
static __rte_always_inline void *
vhost_memory_from_gpa(const struct rte_vhost_memory *mem, uint64_t gpa, uint64_t *len)
{
	const struct rte_vhost_mem_region *r = vhost_memory_find(mem, gpa);
	uint64_t offset;

	if (unlikely(r == NULL)) {
		*len = 0;
		return NULL;
	}
	offset = gpa - r->guest_phys_addr;
	if (unlikely(*len > r->size - offset))
		*len = r->size - offset;
	return (void *)(uintptr_t)(r->host_user_addr + offset);
}

#endif /* VHOST_MEMORY_H */
