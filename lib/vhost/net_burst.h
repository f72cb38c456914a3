/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the bursts in both directions share: one template of inline functions, from which
 * net_enqueue.c and net_dequeue.c make a function for each useful combination. Both files are compiled
 * once for each instruction set in VHOST_ISAS, and net.c chooses when a ring starts.
 *
 * A burst works in batches. First it gathers: it reads descriptors, translates addresses and starts
 * fetching buffers, so that the cache misses of a whole batch overlap. Then it copies frame by frame
 * and writes used entries, and at the end it publishes all of them with one store. Last it gathers
 * for the next burst what the driver is known to have made available already.
 *
 * What counts on two cores is how often a cache line changes sides, and how many do so at a time.
 * So nothing is written that has the value already, and what will be written is fetched for it.
 */

#ifndef VHOST_NET_BURST_H
#define VHOST_NET_BURST_H

#include <rte_prefetch.h>

#include "net_frame.h"
#include "packed.h"
#include "split.h"
#include "vring_private.h"

/** Names of the instruction set that a file is compiled for: VHOST_ISA is set by the build. */
#define NET_BURST_PASTE(name, isa) name##_##isa
#define NET_BURST_EXPAND(name, isa) NET_BURST_PASTE(name, isa)
#define NET_BURST_NAME(name) NET_BURST_EXPAND(name, VHOST_ISA)

/** What a variant is made for; constants in the template. */
enum net_burst_mode {
	NET_BURST_PACKED = 1 << 0,
	NET_BURST_IN_ORDER = 1 << 1, /**< dequeue: give back a batch with one used entry */
	NET_BURST_OFFLOAD = 1 << 2,  /**< dequeue: look at the header */
	NET_BURST_TRACKED = 1 << 3, /**< packed: keep what is overwritten in the in-flight region */
	NET_BURST_MODES = 1 << 4,
};

/** The burst itself: a function for each mode, or one for all, with which compilers are done sooner. */
#ifdef VHOST_BURST_ONCE
#define NET_BURST_TEMPLATE __rte_noinline
#else
#define NET_BURST_TEMPLATE __rte_always_inline
#endif

/** Functions of one instruction set, by mode. */
extern const vhost_vring_enqueue_t net_enqueue_base[NET_BURST_MODES],
	net_enqueue_avx2[NET_BURST_MODES], net_enqueue_avx512[NET_BURST_MODES];
extern const vhost_vring_dequeue_t net_dequeue_base[NET_BURST_MODES],
	net_dequeue_avx2[NET_BURST_MODES], net_dequeue_avx512[NET_BURST_MODES];

/**
 * Start fetching a frame's first lines.
 *
 * Data is fetched for writing in both directions: the buffer that a frame was taken out of comes
 * back to receive one, and then its line is here already. A header is fetched for reading, as it is
 * seldom written: see write_plain_header().
 */
static __rte_always_inline void
net_prefetch(const uint8_t *at, uint32_t hdr_len, uint16_t direction)
{
	if (direction == VRING_DESC_F_WRITE)
		rte_prefetch0(at);
	rte_prefetch0_write(at + hdr_len);
}

/** Bytes of a frame that are worth fetching early; the length that a guest tells has no bound. */
#define NET_PREFETCH_MAX 1536

/** Start fetching what is behind the first line of @a len bytes of data. */
static __rte_always_inline void
net_prefetch_rest(const uint8_t *data, uint32_t len)
{
	len = RTE_MIN(len, NET_PREFETCH_MAX);
	for (uint32_t i = RTE_CACHE_LINE_SIZE; i < len; i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0_write(data + i);
}

/** Put a chain's first descriptor behind those that are gathered. */
static __rte_always_inline void
net_append(struct vhost_vring *vr, struct vhost_vring_batch *b, uint16_t to, uint16_t id,
	const struct vring_desc_copy *d, struct vring_region *hint, uint32_t hdr_len,
	uint16_t direction)
{
	uint8_t *at = NULL;

	if (likely((d->flags & (VRING_DESC_F_CHAINED | VRING_DESC_F_WRITE)) == direction))
		at = vring_translate(vr, hint, d->addr, d->len);
	if (likely(at != NULL))
		net_prefetch(at, hdr_len, direction);
	b->at[to] = at;
	b->len[to] = d->len;
	b->id[to] = id;
}

static __rte_always_inline void
net_gather_split(struct vhost_vring *vr, uint16_t want, bool ahead, uint16_t direction)
{
	uint16_t known = ahead ? vr->avail_seen - vr->avail_idx : split_available(vr, want);
	struct vring_region hint = vring_region_hint(vr);
	struct vhost_vring_batch *b = &vr->ahead;
	const uint16_t *heads = vr->avail->ring;
	const void *table = vr->desc;
	const uint32_t hdr_len = vr->net_hdr_len;
	const uint16_t size = vr->size;
	uint16_t idx = vr->avail_idx + b->n;
	uint16_t to = b->first + b->n;
	uint16_t end = b->first + RTE_MIN(known, want);

	for (; to < end; to++, idx++) {
		uint16_t head = __atomic_load_n(&heads[idx & (size - 1)], __ATOMIC_RELAXED);

		if (unlikely(head >= size)) {
			/* What comes before it is good. */
			if (to == b->first)
				vring_set_broken(vr, "available chain begins outside of the table");
			break;
		}

		struct vring_desc_copy d = vring_desc_read(table, head, false);

		net_append(vr, b, to, head, &d, &hint, hdr_len, direction);
	}
	b->n = to - b->first;
}

/** Stops before a chain of several descriptors: where the one after it begins is not known yet. */
static __rte_always_inline void
net_gather_packed(struct vhost_vring *vr, uint16_t want, uint16_t direction)
{
	struct vring_region hint = vring_region_hint(vr);
	struct vhost_vring_batch *b = &vr->ahead;
	struct packed_position pos = packed_avail_position(vr);
	const struct vring_packed_desc *ring = vr->packed_desc;
	const uint32_t hdr_len = vr->net_hdr_len;
	const uint16_t size = vr->size;
	uint16_t to = b->first + b->n;
	uint16_t end = b->first + want;

	packed_advance(&pos, b->n, size);
	for (; to < end; to++) {
		uint64_t word = packed_load_word(ring, pos.idx);
		uint16_t flags = word >> PACKED_FLAGS_SHIFT;

		if (!packed_flags_available(flags, pos.wrap) || (flags & VRING_DESC_F_NEXT) != 0)
			break;

		struct vring_desc_copy d = vring_desc_from_words(vring_desc_addr(ring, pos.idx),
			word, true);

		net_append(vr, b, to, d.link, &d, &hint, hdr_len, direction);
		packed_advance(&pos, 1, size);
	}
	b->n = to - b->first;
}

/** Have @a want chains gathered, or as many as there are; ahead: as many as cost no waiting. */
static __rte_always_inline void
net_gather(struct vhost_vring *vr, uint16_t want, bool ahead, uint16_t direction,
	const unsigned int mode)
{
	struct vhost_vring_batch *b = &vr->ahead;

	if (b->n >= want)
		return;
	if (unlikely(b->first != 0)) {
		memmove(b->at, b->at + b->first, b->n * sizeof(b->at[0]));
		memmove(b->len, b->len + b->first, b->n * sizeof(b->len[0]));
		memmove(b->id, b->id + b->first, b->n * sizeof(b->id[0]));
		b->first = 0;
	}
	if (mode & NET_BURST_PACKED)
		net_gather_packed(vr, want, direction);
	else
		net_gather_split(vr, want, ahead, direction);
}

/** The first @a n gathered chains are done with. */
static __rte_always_inline void
net_forget(struct vhost_vring_batch *b, uint16_t n)
{
	if (likely(n >= b->n)) {
		b->first = 0;
		b->n = 0;
	} else {
		b->first += n;
		b->n -= n;
	}
}

/** Move the avail position over @a n chains of one slot each. */
static __rte_always_inline void
net_take(struct vhost_vring *vr, uint16_t n, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED)
		packed_take(vr, n);
	else
		vr->avail_idx += n;
}

/** What a burst has given back so far. */
struct net_given {
	struct packed_used packed;
	struct vring_used_elem *ring; /**< split */
	uint16_t mask;
	uint16_t idx;
	uint16_t last; /**< split, in order: the head that stands for the whole batch */
};

static __rte_always_inline struct net_given
net_given_begin(const struct vhost_vring *vr, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED)
		return (struct net_given){ .packed = packed_used_begin(vr,
						   mode & NET_BURST_TRACKED) };
	return (struct net_given){ .ring = vr->used->ring,
		.mask = vr->size - 1,
		.idx = vr->used_idx };
}

static __rte_always_inline void
net_give(struct net_given *given, uint16_t id, uint32_t len, uint16_t slots, uint16_t direction,
	const unsigned int mode)
{
	if (mode & NET_BURST_PACKED) {
		if ((mode & NET_BURST_TRACKED) && !(mode & NET_BURST_IN_ORDER))
			packed_used_keep(&given->packed);
		if (mode & NET_BURST_IN_ORDER)
			packed_used_extend(&given->packed, id, slots);
		else
			packed_used_write(&given->packed, id, len, slots, direction);
		return;
	}
	if (mode & NET_BURST_IN_ORDER)
		given->last = id;
	else
		split_used_write(&given->ring[given->idx & given->mask], id, len);
	given->idx++;
}

/** @return true if the driver got something back */
static __rte_always_inline bool
net_publish(struct vhost_vring *vr, struct net_given *given, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED) {
		if (mode & NET_BURST_TRACKED)
			packed_publish_tracked(vr, &given->packed);
		else
			packed_publish(vr, &given->packed);
		return given->packed.any;
	}
	if (given->idx == vr->used_idx)
		return false;
	if (mode & NET_BURST_IN_ORDER)
		split_used_write(&given->ring[vr->used_idx & given->mask], given->last, 0);
	split_publish(vr, given->idx);
	return true;
}

/** Descriptors in a cache line. */
#define NET_DESCS_PER_LINE (RTE_CACHE_LINE_SIZE / sizeof(struct vring_desc))

/** Start fetching the descriptors behind those that are gathered. */
static __rte_always_inline void
net_prefetch_descs(const struct vhost_vring *vr, uint16_t n, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED) {
		struct packed_position pos = packed_avail_position(vr);

		packed_advance(&pos, vr->ahead.n, vr->size);
		for (uint16_t i = 0; i < n; i += NET_DESCS_PER_LINE) {
			rte_prefetch0_write(&vr->packed_desc[pos.idx]);
			packed_advance(&pos, NET_DESCS_PER_LINE, vr->size);
		}
		return;
	}

	uint16_t idx = vr->avail_idx + vr->ahead.n;
	uint16_t known = vr->avail_seen - idx;

	if (known < n)
		rte_prefetch0(&vr->avail->idx);
	n = RTE_MIN(known, n);
	for (uint16_t i = 0; i < n; i += NET_DESCS_PER_LINE)
		rte_prefetch0(&vr->desc[split_head(vr, idx + i) & (vr->size - 1)]);
}

/**
 * Prepare the burst that comes after one of @a n chains.
 *
 * Buffers to receive into wait in the ring long before their turn. Those to transmit are written
 * just now, and a driver that is not in order goes through its descriptors also to take buffers back:
 * looking at them early would pull their lines out of its cache for nothing.
 */
static __rte_always_inline void
net_look_ahead(struct vhost_vring *vr, uint16_t n, uint16_t direction, const unsigned int mode)
{
	if (direction == 0 && !(mode & NET_BURST_IN_ORDER))
		return;
	n = RTE_MIN(n, VHOST_VRING_BATCH);
	net_gather(vr, n, true, direction, mode);
	net_prefetch_descs(vr, n, mode);
}

#endif /* VHOST_NET_BURST_H */
