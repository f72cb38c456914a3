/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Split virtqueues (virtio 1.2, 2.7): how the bursts see what is available and give back what is
 * used. The driver writes descriptor table and avail ring, the device the used ring.
 */

#ifndef VHOST_SPLIT_H
#define VHOST_SPLIT_H

#include <string.h>

#include <rte_branch_prediction.h>

#include "vring.h"
#include "vring_private.h"

/** Should the driver be interrupted for what was given back since it was last asked? */
bool split_wants_call(struct vhost_vring *vr);

void split_enable_kicks(struct vhost_vring *vr, bool enable);
uint16_t split_count_available(const struct vhost_vring *vr);
/** Log the used elements in [first, end) and the index. */
void split_log_used(const struct vhost_vring *vr, uint16_t first, uint16_t end);

static __rte_always_inline uint16_t
split_head(const struct vhost_vring *vr, uint16_t idx)
{
	return __atomic_load_n(&vr->avail->ring[idx & (vr->size - 1)], __ATOMIC_RELAXED);
}

/** Look at the driver's index; @return chains that wait, 0 if the index is nonsense. */
static __rte_always_inline uint16_t
split_refresh(struct vhost_vring *vr)
{
	/*
	 * Acquire: avail ring and descriptors are read after the index that covers them. Pairs
	 * with the driver's release of avail->idx.
	 */
	uint16_t seen = __atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE);

	if (unlikely((uint16_t)(seen - vr->avail_idx) > vr->size)) {
		vring_set_broken(vr, "available index further ahead than the ring is long");
		return 0;
	}
	vr->avail_seen = seen;
	return seen - vr->avail_idx;
}

/** Chains that wait, looking at the driver's index only when fewer than @a want are known. */
static __rte_always_inline uint16_t
split_available(struct vhost_vring *vr, uint16_t want)
{
	uint16_t n = vr->avail_seen - vr->avail_idx;

	return n >= want ? n : split_refresh(vr);
}

/** Write a used element of @a ring; the driver sees it after split_publish(). */
static __rte_always_inline void
split_used_write(struct vring_used_elem *elem, uint16_t head, uint32_t len)
{
	uint64_t word = (uint64_t)len << 32 | head;
	uint64_t old;

	/*
	 * Where chains go round in the same order the very element is often there already. Not
	 * writing it leaves the line shared instead of pulling it out of the driver's cache.
	 */
	memcpy(&old, elem, sizeof(old));
	if (old != word)
		memcpy(elem, &word, sizeof(word));
}

/** Give back everything before @a idx. */
static __rte_always_inline void
split_publish(struct vhost_vring *vr, uint16_t idx)
{
	uint16_t first = vr->used_idx;

	vr->used_idx = idx;
	/*
	 * Release: buffers and used elements are written before the index that covers them. Pairs
	 * with the driver's acquire of used->idx.
	 */
	__atomic_store_n(&vr->used->idx, idx, __ATOMIC_RELEASE);
	if (unlikely(vr->flags & VHOST_VRING_LOG))
		split_log_used(vr, first, idx);
}

#endif /* VHOST_SPLIT_H */
