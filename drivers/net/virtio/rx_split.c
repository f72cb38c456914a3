/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_mempool.h>

#include "datapath.h"
#include "ring_split.h"
#include "rx_build.h"

/*
 * Post batches of fresh buffers while there is room for one. The mbufs go from the pool straight
 * into the place where they are looked up. Only the address of a descriptor changes.
 */
static __rte_always_inline uint16_t
refill(struct virtio_queue *q)
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

uint16_t
virtio_split_rx_fill(struct virtio_queue *q)
{
	refill(q);
	return q->size - q->free;
}

/* Move the first descriptor that is not back over those that came back before their turn. */
static void
advance_tail(struct virtio_queue *q)
{
	while (q->free < q->size && q->mbufs[q->tail & q->mask] == NULL) {
		q->tail++;
		q->free++;
		q->early--;
	}
}

/* Take buffers one by one, in whatever order they are. The slow way, and the one that judges. */
static __rte_noinline uint16_t
harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct vring_used_elem e = virtio_split_used(q, q->used_idx);
		const uint16_t ahead = (uint16_t)(e.id - q->tail) & q->mask;

		if (unlikely(e.id >= q->size || ahead >= q->size - q->free ||
			    q->mbufs[e.id] == NULL)) {
			virtio_queue_fail(q, "a descriptor that it does not have", e.id);
			return i;
		}
		if (unlikely(e.len < min_len || e.len > q->buf_len)) {
			virtio_queue_fail(q, "a length that is not the buffer's", e.len);
			return i;
		}
		pkts[i] = q->mbufs[e.id];
		lens[i] = e.len;
		q->mbufs[e.id] = NULL;
		q->used_idx++;
		q->early++;
		advance_tail(q);
	}
	return n;
}

/*
 * Take up to n used buffers out of the ring. Buffers in ring order need no lookup: the check that
 * they are is the check that their ids are valid, for all of them at once.
 */
static __rte_always_inline uint16_t
harvest(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n, uint16_t ready,
	uint32_t min_len)
{
	const uint32_t span = q->buf_len - min_len;
	const uint16_t mask = q->mask;
	uint32_t wrong = q->early;

	n = RTE_MIN(n, ready);
	for (uint16_t i = 0; i < n; i++) {
		const uint16_t slot = (uint16_t)(q->used_idx + i) & mask;
		const struct vring_used_elem e = virtio_split_used(q, slot);

		wrong |= (e.id ^ slot) | (uint32_t)(e.len - min_len > span);
		pkts[i] = q->mbufs[slot];
		lens[i] = e.len;
		rte_prefetch0(pkts[i]);
	}
	if (unlikely(wrong))
		return harvest_any(q, pkts, lens, n, min_len);
	q->used_idx += n;
	q->tail += n;
	q->free += n;
	return n;
}

static __rte_always_inline uint16_t
receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
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
	if (likely(ready > 0)) {
		n = harvest(q, pkts, lens, n, ready, min_len);
		n = virtio_rx_build(q, pkts, lens, n, variant);
	} else {
		n = 0;
	}
	posted = refill(q);
	if (posted > 0)
		virtio_split_kick(q, q->avail_idx - posted);
	return n;
}

uint16_t
virtio_split_rx(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_PLAIN);
}

uint16_t
virtio_split_rx_merge(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_MERGE);
}

uint16_t
virtio_split_rx_offload(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_OFFLOAD);
}

uint16_t
virtio_split_rx_full(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_MERGE | VIRTIO_RX_OFFLOAD);
}
