/* SPDX-License-Identifier: BSD-3-Clause */

#include "rx_split.h"
#include "datapath.h"

uint16_t
virtio_split_rx_fill(struct virtio_queue *q)
{
	virtio_split_rx_refill(q);
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

static struct rte_mbuf *
take(struct virtio_queue *q, uint16_t id)
{
	struct rte_mbuf *m = q->mbufs[id];

	q->mbufs[id] = NULL;
	q->used_idx++;
	q->early++;
	advance_tail(q);
	return m;
}

uint16_t
virtio_split_rx_harvest_any(struct virtio_queue *q, struct rte_mbuf **pkts, uint32_t *lens,
	uint16_t n, uint32_t min_len)
{
	uint16_t taken = 0;

	while (taken < n) {
		const struct vring_used_elem e = virtio_split_used(q, q->used_idx);
		const uint16_t ahead = (uint16_t)(e.id - q->tail) & q->mask;
		uint16_t filled = q->flags & VIRTIO_QUEUE_IN_ORDER ? ahead : 0;

		if (unlikely(e.id >= q->size || ahead >= q->size - q->free ||
			    q->mbufs[e.id] == NULL || filled >= virtio_split_ready(q))) {
			virtio_queue_fail(q, "a descriptor that it does not have", e.id);
			break;
		}
		if (unlikely(e.len < min_len || e.len > q->buf_len)) {
			virtio_queue_fail(q, "a length that is not the buffer's", e.len);
			break;
		}
		/* One that keeps the order names the last of several, and has filled the others. */
		for (; filled > 0 && taken < n; filled--) {
			lens[taken] = q->buf_len;
			pkts[taken++] = take(q, q->tail & q->mask);
		}
		if (taken == n) {
			/* The entry is ours, and says from here on what it said before. */
			q->used->ring[q->used_idx & q->mask] = e;
			break;
		}
		lens[taken] = e.len;
		pkts[taken++] = take(q, (uint16_t)e.id);
	}
	return taken;
}

static __rte_always_inline uint16_t
receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	return virtio_split_receive(q, pkts, n, variant, virtio_split_rx_look, virtio_rx_init);
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
