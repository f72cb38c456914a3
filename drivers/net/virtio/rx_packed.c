/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_mempool.h>

#include "datapath.h"
#include "ring_packed.h"
#include "rx_build.h"

/*
 * Post batches of fresh buffers while there is room for one. The first descriptor of a batch is
 * written last: the device finds it unavailable and stops there, until the whole batch is there.
 */
static __rte_always_inline uint16_t
refill(struct virtio_queue *q)
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

uint16_t
virtio_packed_rx_fill(struct virtio_queue *q)
{
	refill(q);
	return q->size - q->free;
}

/* Move the first descriptor that is not back over those that came back before their turn. */
static void
advance_tail(struct virtio_queue *q)
{
	while (q->free < q->size && q->mbufs[q->tail] == NULL) {
		virtio_packed_advance_tail(q, 1);
		q->early--;
	}
}

/* Take buffers one by one, in whatever order they are. The slow way, and the one that judges. */
static __rte_noinline uint16_t
harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len)
{
	uint16_t taken = 0;

	while (taken < n && q->free < q->size) {
		const union virtio_packed_word w = virtio_packed_load(q, q->used_idx);

		if ((w.flags & VIRTIO_PACKED_PHASE) != virtio_packed_used_flags(q->used_wrap))
			break;
		if (unlikely(w.id >= q->size ||
			    virtio_packed_ahead(q, w.id) >= (uint32_t)(q->size - q->free) ||
			    q->mbufs[w.id] == NULL)) {
			virtio_queue_fail(q, "a descriptor that it does not have", w.id);
			break;
		}
		if (unlikely(w.len < min_len || w.len > q->buf_len)) {
			virtio_queue_fail(q, "a length that is not the buffer's", w.len);
			break;
		}
		pkts[taken] = q->mbufs[w.id];
		lens[taken] = w.len;
		taken++;
		q->mbufs[w.id] = NULL;
		virtio_packed_advance_used(q, 1);
		q->early++;
		advance_tail(q);
	}
	return taken;
}

/*
 * Take up to n used buffers out of the ring, no further than its end. Buffers in ring order need
 * no lookup: the check that they are is the check that their ids are valid.
 */
static __rte_always_inline uint16_t
harvest(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens, uint16_t n,
	uint32_t min_len)
{
	const uint16_t used_flags = virtio_packed_used_flags(q->used_wrap);
	const uint32_t span = q->buf_len - min_len;
	const uint16_t pos = q->used_idx;
	uint32_t wrong = 0;
	uint16_t i;

	if (unlikely(q->early > 0))
		return harvest_any(q, pkts, lens, n, min_len);
	n = RTE_MIN(n, (uint16_t)(q->size - RTE_MAX(pos, q->free)));
	for (i = 0; i < n; i++) {
		const union virtio_packed_word w = virtio_packed_load(q, pos + i);

		if ((w.flags & VIRTIO_PACKED_PHASE) != used_flags)
			break;
		wrong |= (uint32_t)(w.id ^ (pos + i)) | (uint32_t)(w.len - min_len > span);
		pkts[i] = q->mbufs[pos + i];
		lens[i] = w.len;
		rte_prefetch0(pkts[i]);
	}
	if (unlikely(wrong))
		return harvest_any(q, pkts, lens, i, min_len);
	virtio_packed_advance_used(q, i);
	virtio_packed_advance_tail(q, i);
	return i;
}

static __rte_always_inline uint16_t
receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	uint32_t lens[VIRTIO_RX_BURST_MAX];
	const uint32_t min_len = variant & VIRTIO_RX_MERGE ? 1 : q->hdr_len;
	uint16_t posted;

	n = harvest(q, pkts, lens, RTE_MIN(n, (uint16_t)VIRTIO_RX_BURST_MAX), min_len);
	if (n > 0)
		n = virtio_rx_build(q, pkts, lens, n, variant);
	posted = refill(q);
	if (posted > 0)
		virtio_packed_kick(q, posted);
	return n;
}

uint16_t
virtio_packed_rx(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_PLAIN);
}

uint16_t
virtio_packed_rx_merge(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_MERGE);
}

uint16_t
virtio_packed_rx_offload(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_OFFLOAD);
}

uint16_t
virtio_packed_rx_full(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return receive(q, pkts, n, VIRTIO_RX_MERGE | VIRTIO_RX_OFFLOAD);
}
