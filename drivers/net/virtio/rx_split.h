/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Receiving from a split ring, but for how used entries are looked at: that is what scalar and
 * vector functions differ in.
 */

#ifndef VIRTIO_RX_SPLIT_H
#define VIRTIO_RX_SPLIT_H

#include <rte_mempool.h>

#include "ring_split.h"
#include "rx_build.h"

/**
 * Post batches of fresh buffers while there is room for one. The mbufs go from the pool straight
 * into the place where they are looked up. Only the address of a descriptor changes.
 * @return buffers posted
 */
static __rte_always_inline uint16_t
virtio_split_rx_refill(struct virtio_queue *q)
{
	const uint16_t before = q->avail_idx;

	while (q->free >= q->batch) {
		const uint16_t slot = q->head & q->mask;
		const uint16_t n = RTE_MIN(q->batch, (uint16_t)(q->size - slot));
		struct rte_mbuf **mbufs = &q->mbufs[slot];

		if (unlikely(rte_mempool_get_bulk(q->pool, (void **)mbufs, n) < 0)) {
			q->count.no_mbuf++;
			break;
		}
		for (uint16_t i = 0; i < n; i++)
			q->desc[slot + i].addr = virtio_rx_address(q, mbufs[i]);
		q->head += n;
		q->free -= n;
		q->avail_idx += n;
	}
	if (q->avail_idx != before)
		virtio_split_publish(q);
	return q->avail_idx - before;
}

/** Take n used buffers one by one, in whatever order they are: the slow way, and the one that judges. */
uint16_t virtio_split_rx_harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens,
	uint16_t n, uint32_t min_len);

/**
 * Look at @a n used entries from @a slot on, which do not pass the ring's end: take their lengths,
 * and the mbufs of their slots. @return 0 if ids are those of the slots and no length is out of
 * [min_len, min_len + span]
 */
typedef uint32_t (*virtio_split_rx_look_t)(const struct virtio_queue *q, uint16_t slot,
	struct rte_mbuf **pkts, uint32_t *lens, uint16_t n, uint32_t min_len, uint32_t span);

/** The same without vectors, for any @a n. */
static __rte_always_inline uint32_t
virtio_split_rx_look(const struct virtio_queue *q, uint16_t slot, struct rte_mbuf **pkts,
	uint32_t *lens, uint16_t n, uint32_t min_len, uint32_t span)
{
	uint32_t wrong = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct vring_used_elem e = virtio_split_used(q, slot + i);

		wrong |= (e.id ^ (slot + i)) | (uint32_t)(e.len - min_len > span);
		pkts[i] = q->mbufs[slot + i];
		lens[i] = e.len;
		rte_prefetch0(pkts[i]);
	}
	return wrong;
}

/*
 * Take up to n used buffers out of the ring. Buffers in ring order need no lookup: the check that
 * they are is the check that their ids are valid, for all of them at once.
 */
static __rte_always_inline uint16_t
virtio_split_rx_harvest(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len, virtio_split_rx_look_t look)
{
	const uint32_t span = q->buf_len - min_len;
	const uint16_t slot = q->used_idx & q->mask;
	const uint16_t part = RTE_MIN(n, (uint16_t)(q->size - slot));
	uint32_t wrong = q->early;

	wrong |= look(q, slot, pkts, lens, part, min_len, span);
	if (part < n)
		wrong |= look(q, 0, &pkts[part], &lens[part], n - part, min_len, span);
	if (unlikely(wrong))
		return virtio_split_rx_harvest_any(q, pkts, lens, n, min_len);
	q->used_idx += n;
	q->tail += n;
	q->free += n;
	return n;
}

static __rte_always_inline uint16_t
virtio_split_receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n,
	const unsigned int variant, virtio_split_rx_look_t look, virtio_rx_init_t init)
{
	uint32_t lens[VIRTIO_RX_BURST_MAX];
	const uint16_t ready = virtio_split_ready(q);
	const uint32_t min_len = variant & VIRTIO_RX_MERGE ? 1 : q->hdr_len;
	uint16_t posted;

	if (unlikely(ready > (uint16_t)(q->avail_idx - q->used_idx))) {
		virtio_queue_fail(q, "more buffers than it has", ready);
		return 0;
	}
	n = RTE_MIN(n, (uint16_t)VIRTIO_RX_BURST_MAX);
	n = RTE_MIN(n, ready);
	if (likely(n > 0)) {
		n = virtio_split_rx_harvest(q, pkts, lens, n, min_len, look);
		n = virtio_rx_build(q, pkts, lens, n, variant, init);
	}
	posted = virtio_split_rx_refill(q);
	if (posted > 0)
		virtio_split_kick(q, q->avail_idx - posted);
	return n;
}

#endif /* VIRTIO_RX_SPLIT_H */
