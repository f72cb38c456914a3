/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the bursts in both directions share: one template of inline functions, from which
 * net_enqueue.c and net_dequeue.c make a function for each useful combination. Both files are compiled
 * once for each instruction set in VHOST_ISAS, and net.c chooses when a ring starts.
 *
 * A burst works in batches. First it gathers: it reads descriptors, translates addresses and starts
 * fetching buffers, so that the cache misses of a whole batch overlap. Then it copies frame by frame
 * and writes used entries, and at the end it publishes all of them with one store.
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

/** Functions of one instruction set, by mode. */
extern const vhost_vring_enqueue_t net_enqueue_base[NET_BURST_MODES],
	net_enqueue_avx2[NET_BURST_MODES], net_enqueue_avx512[NET_BURST_MODES];
extern const vhost_vring_dequeue_t net_dequeue_base[NET_BURST_MODES],
	net_dequeue_avx2[NET_BURST_MODES], net_dequeue_avx512[NET_BURST_MODES];

/** Chains gathered for one batch. */
struct net_batch {
	uint8_t *at[VHOST_NET_BATCH]; /**< the one plain buffer of a chain; NULL: not so simple */
	uint32_t len[VHOST_NET_BATCH];
	uint16_t id[VHOST_NET_BATCH];
	uint16_t n;
};

/** Start fetching a frame's first lines: header and the beginning of its data. */
static __rte_always_inline void
net_prefetch(const uint8_t *at, uint16_t direction, uint32_t hdr_len)
{
	if (direction == VRING_DESC_F_WRITE) {
		rte_prefetch0_write(at);
		rte_prefetch0_write(at + hdr_len);
	} else {
		rte_prefetch0(at + hdr_len);
	}
}

/** A plain buffer for this direction, translated; NULL if it is anything else. */
static __rte_always_inline uint8_t *
net_plain_buffer(struct vhost_vring *vr, struct vring_region *hint, const struct vring_desc_copy *d,
	uint16_t direction)
{
	uint8_t *at = NULL;

	if (likely((d->flags & (VRING_DESC_F_CHAINED | VRING_DESC_F_WRITE)) == direction))
		at = vring_translate(vr, hint, d->addr, d->len);
	if (likely(at != NULL))
		net_prefetch(at, direction, vr->net_hdr_len);
	return at;
}

static __rte_always_inline void
net_gather_split(struct vhost_vring *vr, struct net_batch *b, uint16_t want, uint16_t direction)
{
	struct vring_region hint = vring_region_hint(vr);
	uint16_t n = split_available(vr, want);

	n = RTE_MIN(n, want);
	b->n = n;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t head = split_head(vr, vr->avail_idx + i);

		if (unlikely(head >= vr->size)) {
			/* What came before it is good; it is told about when it comes first. */
			b->n = i;
			if (i == 0)
				vring_set_broken(vr, "available chain begins outside of the table");
			return;
		}

		struct vring_desc_copy d = vring_desc_read(vr->desc, head, false);

		b->id[i] = head;
		b->len[i] = d.len;
		b->at[i] = net_plain_buffer(vr, &hint, &d, direction);
	}
}

/** Stops before a chain of several descriptors: where the next one begins is not known yet. */
static __rte_always_inline void
net_gather_packed(struct vhost_vring *vr, struct net_batch *b, uint16_t want, uint16_t direction)
{
	struct vring_region hint = vring_region_hint(vr);
	uint16_t pos = vr->avail_idx;
	bool wrap = vr->avail_wrap;
	uint16_t i;

	for (i = 0; i < want; i++) {
		uint64_t word = packed_load_word(vr, pos);
		uint16_t flags = word >> PACKED_FLAGS_SHIFT;

		if (!packed_flags_available(flags, wrap) || (flags & VRING_DESC_F_NEXT) != 0)
			break;

		struct vring_desc_copy d = vring_desc_from_words(vring_desc_addr(vr->packed_desc,
									 pos),
			word, true);

		b->id[i] = d.link;
		b->len[i] = d.len;
		b->at[i] = net_plain_buffer(vr, &hint, &d, direction);
		packed_advance(vr, &pos, &wrap, 1);
	}
	b->n = i;
}

static __rte_always_inline void
net_gather(struct vhost_vring *vr, struct net_batch *b, uint16_t want, uint16_t direction,
	const unsigned int mode)
{
	want = RTE_MIN(want, VHOST_NET_BATCH);
	if (mode & NET_BURST_PACKED)
		net_gather_packed(vr, b, want, direction);
	else
		net_gather_split(vr, b, want, direction);
}

/** Move the avail position over @a n chains of one slot each. */
static __rte_always_inline void
net_take(struct vhost_vring *vr, uint16_t n, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED)
		packed_advance(vr, &vr->avail_idx, &vr->avail_wrap, n);
	else
		vr->avail_idx += n;
}

/** What a burst has given back so far. */
struct net_given {
	struct packed_used packed;
	uint16_t split;
	uint16_t last; /**< split, in order: the head that stands for the whole batch */
};

static __rte_always_inline struct net_given
net_given_begin(const struct vhost_vring *vr, const unsigned int mode)
{
	struct net_given given = { .split = vr->used_idx };

	if (mode & NET_BURST_PACKED)
		given.packed = packed_used_begin(vr);
	return given;
}

static __rte_always_inline void
net_give(struct vhost_vring *vr, struct net_given *given, const struct net_used *used,
	uint16_t direction, const unsigned int mode)
{
	if (mode & NET_BURST_PACKED) {
		if ((mode & NET_BURST_TRACKED) && !(mode & NET_BURST_IN_ORDER))
			packed_used_keep(vr, &given->packed);
		if (mode & NET_BURST_IN_ORDER)
			packed_used_extend(vr, &given->packed, used->id, used->slots);
		else
			packed_used_write(vr, &given->packed, used->id, used->len, used->slots,
				direction);
		return;
	}
	if (mode & NET_BURST_IN_ORDER)
		given->last = used->id;
	else
		split_used_write(vr, given->split, used->id, used->len);
	given->split++;
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
	if (given->split == vr->used_idx)
		return false;
	if (mode & NET_BURST_IN_ORDER)
		split_used_write(vr, vr->used_idx, given->last, 0);
	split_publish(vr, given->split);
	return true;
}

#endif /* VHOST_NET_BURST_H */
