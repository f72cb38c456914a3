/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Receiving from a packed ring, but for how returned descriptors are looked at: that is what
 * scalar and vector functions differ in.
 */

#ifndef VIRTIO_RX_PACKED_H
#define VIRTIO_RX_PACKED_H

#include <rte_mempool.h>

#include "ring_packed.h"
#include "rx_build.h"

/**
 * Post batches of fresh buffers while there is room for one. The first descriptor of a batch is
 * written last: the device finds it unavailable and stops there, until the whole batch is there.
 * @return buffers posted
 */
static __rte_always_inline uint16_t
virtio_packed_rx_refill(struct virtio_queue *q)
{
	uint16_t posted = 0;

	while (q->free >= q->batch) {
		const uint16_t pos = q->head;
		const uint16_t n = RTE_MIN(q->batch, (uint16_t)(q->size - pos));
		const uint16_t flags = virtio_packed_avail_flags(q->head_wrap) | VRING_DESC_F_WRITE;
		struct rte_mbuf **mbufs = &q->mbufs[pos];

		if (unlikely(rte_mempool_get_bulk(q->pool, (void **)mbufs, n) < 0)) {
			q->count.no_mbuf++;
			break;
		}
		for (uint16_t i = n; i-- > 0;)
			virtio_packed_store(q, pos + i, virtio_rx_address(q, mbufs[i]), q->buf_len,
				pos + i, flags);
		virtio_packed_advance_head(q, n);
		posted += n;
	}
	return posted;
}

/**
 * Take up to n returned buffers one by one, in whatever order they are: the slow way, and the one
 * that judges. @return buffers taken
 */
uint16_t virtio_packed_rx_harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts,
	uint32_t *lens, uint16_t n, uint32_t min_len);

/** What a look at returned descriptors tells. */
struct virtio_packed_rx_seen {
	uint16_t n;     /**< returned */
	uint32_t wrong; /**< 0 if their ids are their positions and all lengths in range */
};

/**
 * Look at descriptors from @a pos on, @a n at most, which do not pass the ring's end and carry
 * @a used_flags if they are back: take their lengths, and the mbufs of their positions. Lengths
 * must be in [min_len, min_len + span].
 */
typedef struct virtio_packed_rx_seen (*virtio_packed_rx_look_t)(const struct virtio_queue *q,
	uint16_t pos, uint16_t used_flags, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len, uint32_t span);

/** The same without vectors. */
static __rte_always_inline struct virtio_packed_rx_seen
virtio_packed_rx_look(const struct virtio_queue *q, uint16_t pos, uint16_t used_flags,
	struct rte_mbuf **pkts, uint32_t *lens, uint16_t n, uint32_t min_len, uint32_t span)
{
	struct virtio_packed_rx_seen seen = { 0 };

	while (seen.n < n) {
		const uint16_t at = pos + seen.n;
		const union virtio_packed_word w = virtio_packed_load(q, at);

		if ((w.flags & VIRTIO_PACKED_PHASE) != used_flags)
			break;
		seen.wrong |= (uint32_t)(w.id ^ at) | (uint32_t)(w.len - min_len > span);
		pkts[seen.n] = q->mbufs[at];
		lens[seen.n] = w.len;
		rte_prefetch0(q->mbufs[at]);
		seen.n++;
	}
	return seen;
}

/*
 * Take up to n used buffers out of the ring, no further than its end. Buffers in ring order need
 * no lookup: the check that they are is the check that their ids are valid.
 */
static __rte_always_inline uint16_t
virtio_packed_rx_harvest(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len, virtio_packed_rx_look_t look)
{
	const uint16_t pos = q->used_idx;
	struct virtio_packed_rx_seen seen;

	if (unlikely(q->early > 0))
		return virtio_packed_rx_harvest_any(q, pkts, lens, n, min_len);
	n = RTE_MIN(n, (uint16_t)(q->size - RTE_MAX(pos, q->free)));
	seen = look(q, pos, virtio_packed_used_flags(q->used_wrap), pkts, lens, n, min_len,
		q->buf_len - min_len);
	if (unlikely(seen.wrong))
		return virtio_packed_rx_harvest_any(q, pkts, lens, n, min_len);
	virtio_packed_advance_used(q, seen.n);
	virtio_packed_advance_tail(q, seen.n);
	return seen.n;
}

static __rte_always_inline uint16_t
virtio_packed_receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n,
	const unsigned int variant, virtio_packed_rx_look_t look, virtio_rx_init_t init)
{
	uint32_t lens[VIRTIO_RX_BURST_MAX];
	const uint32_t min_len = variant & VIRTIO_RX_MERGE ? 1 : q->hdr_len;
	uint16_t posted;

	n = RTE_MIN(n, (uint16_t)VIRTIO_RX_BURST_MAX);
	n = virtio_packed_rx_harvest(q, pkts, lens, n, min_len, look);
	if (n > 0)
		n = virtio_rx_build(q, pkts, lens, n, variant, init);
	posted = virtio_packed_rx_refill(q);
	if (posted > 0)
		virtio_packed_kick(q, posted);
	return n;
}

#endif /* VIRTIO_RX_PACKED_H */
