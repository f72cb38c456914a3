/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Packed virtqueues (virtio 1.2, 2.8): one ring of descriptors that both sides write. A descriptor
 * says by two flags, compared with a wrap counter that turns over at each end of the ring, whether
 * it is the device's (available) or the driver's (used) turn.
 *
 * A burst gives back several chains at once: the used descriptor that the driver is waiting for,
 * the first, is written after all the others (struct packed_used).
 */

#ifndef VHOST_PACKED_H
#define VHOST_PACKED_H

#include <rte_atomic.h>
#include <rte_branch_prediction.h>

#include "vring.h"
#include "vring_desc.h"
#include "vring_private.h"

#define PACKED_DESC_F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_DESC_F_USED (1u << VRING_PACKED_DESC_F_USED)

/** Bit of vhost-user ring bases and of event offsets that carries the wrap counter. */
#define PACKED_WRAP_BIT 15

/** Where the flags stand in a descriptor's second word. */
#define PACKED_FLAGS_SHIFT 48

/** Should the driver be interrupted for what was given back since it was last asked? */
bool packed_wants_call(struct vhost_vring *vr);

void packed_enable_kicks(struct vhost_vring *vr, bool enable);
uint16_t packed_count_available(const struct vhost_vring *vr);
/** Log the used descriptors from @a first to the ring's used position. */
void packed_log_used(const struct vhost_vring *vr, uint16_t first);

static __rte_always_inline bool
packed_flags_available(uint16_t flags, bool wrap)
{
	/* Available: the avail bit is the wrap counter, the used bit its opposite. */
	uint16_t want = wrap ? PACKED_DESC_F_AVAIL : PACKED_DESC_F_USED;

	return (flags & (PACKED_DESC_F_AVAIL | PACKED_DESC_F_USED)) == want;
}

/** Second word of the descriptor at @a pos, whose flags say whether all of it may be used. */
static __rte_always_inline uint64_t
packed_load_word(const struct vring_packed_desc *ring, uint16_t pos)
{
	/*
	 * Acquire: the rest of the descriptor and of its chain are read after the flags. Pairs
	 * with the driver's release of the flags of a chain's first descriptor.
	 */
	return __atomic_load_n(vring_desc_word(ring, pos), __ATOMIC_ACQUIRE);
}

/** A place in the ring, and the wrap counter that belongs to it. */
struct packed_position {
	uint16_t idx;
	bool wrap;
};

/** Step over @a slots descriptors of a ring of @a size; a second round at the most. */
static __rte_always_inline void
packed_advance(struct packed_position *pos, uint16_t slots, uint16_t size)
{
	uint32_t next = (uint32_t)pos->idx + slots;

	while (unlikely(next >= size)) {
		next -= size;
		pos->wrap = !pos->wrap;
	}
	pos->idx = (uint16_t)next;
}

static __rte_always_inline struct packed_position
packed_avail_position(const struct vhost_vring *vr)
{
	return (struct packed_position){ .idx = vr->avail_idx, .wrap = vr->avail_wrap };
}

/** Move the avail position over @a slots descriptors. */
static __rte_always_inline void
packed_take(struct vhost_vring *vr, uint16_t slots)
{
	struct packed_position pos = packed_avail_position(vr);

	packed_advance(&pos, slots, vr->size);
	vr->avail_idx = pos.idx;
	vr->avail_wrap = pos.wrap;
}

/** What a burst gives back, and the driver cannot see yet. */
struct packed_used {
	struct vring_packed_desc *ring;
	/** Of the in-flight region, where there is one. */
	struct rte_vhost_inflight_desc_packed *kept;
	uint64_t word; /**< what will be stored at the first position */
	struct packed_position next;
	struct packed_position first;
	uint16_t size;
	bool any;
};

static __rte_always_inline struct packed_used
packed_used_begin(const struct vhost_vring *vr, bool tracked)
{
	struct packed_position at = { .idx = vr->used_idx, .wrap = vr->used_wrap };

	return (struct packed_used){ .ring = vr->packed_desc,
		.kept = tracked ? vr->inflight->desc : NULL,
		.next = at,
		.first = at,
		.size = vr->size };
}

/** A used descriptor's second word. */
static __rte_always_inline uint64_t
packed_used_word(bool wrap, uint16_t id, uint32_t len, uint16_t flags)
{
	if (wrap)
		flags |= PACKED_DESC_F_AVAIL | PACKED_DESC_F_USED;
	return (uint64_t)flags << PACKED_FLAGS_SHIFT | (uint64_t)id << 32 | len;
}

/** Give back a chain of @a slots descriptors; @a flags is VRING_DESC_F_WRITE if @a len counts. */
static __rte_always_inline void
packed_used_write(struct packed_used *used, uint16_t id, uint32_t len, uint16_t slots,
	uint16_t flags)
{
	uint64_t word = packed_used_word(used->next.wrap, id, len, flags);

	if (used->any) {
		/* Not looked at by the driver before it has seen the first one. */
		__atomic_store_n(vring_desc_word(used->ring, used->next.idx), word,
			__ATOMIC_RELAXED);
	} else {
		used->word = word;
		used->any = true;
	}
	packed_advance(&used->next, slots, used->size);
}

/**
 * Add a chain to the batch that one used descriptor stands for (virtio 1.2, 2.8.9: in order): it
 * carries the id of the last chain, at the place of the first. For buffers that were only read.
 */
static __rte_always_inline void
packed_used_extend(struct packed_used *used, uint16_t id, uint16_t slots)
{
	used->word = packed_used_word(used->first.wrap, id, 0, 0);
	used->any = true;
	packed_advance(&used->next, slots, used->size);
}

/** Make all of it visible to the driver. */
static __rte_always_inline void
packed_publish(struct vhost_vring *vr, const struct packed_used *used)
{
	if (!used->any)
		return;
	/*
	 * Release: buffers and the other used descriptors are written before this one. Pairs with
	 * the driver's acquire of a descriptor's flags.
	 */
	__atomic_store_n(vring_desc_word(used->ring, used->first.idx), used->word,
		__ATOMIC_RELEASE);
	vr->used_idx = used->next.idx;
	vr->used_wrap = used->next.wrap;
	if (unlikely(vr->flags & VHOST_VRING_LOG))
		packed_log_used(vr, used->first.idx);
}

/**
 * Keep what the driver wrote where the next used descriptor will be written, for a ring with an
 * in-flight region. The first one of a burst needs no keeping: writing it is what publishes.
 */
static __rte_always_inline void
packed_used_keep(const struct packed_used *used)
{
	struct rte_vhost_inflight_desc_packed *kept = &used->kept[used->next.idx];
	uint64_t word;

	if (!used->any)
		return;
	word = __atomic_load_n(vring_desc_word(used->ring, used->next.idx), __ATOMIC_RELAXED);
	kept->len = (uint32_t)word;
	kept->id = (uint16_t)(word >> 32);
	kept->flags = (uint16_t)(word >> PACKED_FLAGS_SHIFT);
	__atomic_store_n(&kept->inflight, 1, __ATOMIC_RELEASE);
	/* It is kept before it is overwritten: whenever this ends, one of both is there. */
	rte_atomic_thread_fence(__ATOMIC_RELEASE);
}

/** As packed_publish(), noting in the region what is about to happen, and what has: packed.c. */
void packed_publish_tracked(struct vhost_vring *vr, const struct packed_used *used);

#endif /* VHOST_PACKED_H */
