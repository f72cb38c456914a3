/* SPDX-License-Identifier: BSD-3-Clause */

#include "rx_packed.h"
#include "datapath.h"

uint16_t
virtio_packed_rx_fill(struct virtio_queue *q)
{
	virtio_packed_rx_refill(q);
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

static struct rte_mbuf *
take(struct virtio_queue *q, uint16_t id)
{
	struct rte_mbuf *m = q->mbufs[id];

	q->mbufs[id] = NULL;
	virtio_packed_advance_used(q, 1);
	q->early++;
	advance_tail(q);
	return m;
}

uint16_t
virtio_packed_rx_harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens,
	uint16_t n, uint32_t min_len)
{
	uint16_t taken = 0;

	while (taken < n && q->free < q->size) {
		const union virtio_packed_word w = virtio_packed_load(q, q->used_idx);
		uint32_t filled = 0;

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
		/* One that keeps the order names the last of several, and has filled the others. */
		if (q->flags & VIRTIO_QUEUE_IN_ORDER)
			filled = virtio_packed_ahead(q, w.id);
		for (; filled > 0 && taken < n; filled--) {
			lens[taken] = q->buf_len;
			pkts[taken++] = take(q, q->tail);
		}
		if (taken == n) {
			virtio_packed_leave_used(q, w.id, w.len);
			break;
		}
		lens[taken] = w.len;
		pkts[taken++] = take(q, w.id);
	}
	return taken;
}

static __rte_always_inline uint16_t
receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	return virtio_packed_receive(q, pkts, n, variant, virtio_packed_rx_look, virtio_rx_init);
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
