/* SPDX-License-Identifier: BSD-3-Clause */

#include "tx_split.h"
#include "datapath.h"

/* Give back the frame in @a slot, and every one behind it that came back before its turn. */
static void
advance_tail(struct virtio_queue *q)
{
	while (q->free < q->size && q->mbufs[q->tail & q->mask] == NULL) {
		const uint16_t descs = virtio_tx_span_release(q, q->tail & q->mask);

		q->tail += descs;
		q->free += descs;
		q->early--;
	}
}

static void
take_back(struct virtio_queue *q, uint16_t slot)
{
	virtio_tx_free_any(q->mbufs[slot]);
	q->mbufs[slot] = NULL;
	q->used_idx++;
	q->early++;
	advance_tail(q);
}

void
virtio_split_tx_reclaim_any(struct virtio_queue *q, uint16_t n)
{
	const bool in_order = q->flags & VIRTIO_QUEUE_IN_ORDER;

	for (; n > 0; n--) {
		uint32_t id = q->tail & q->mask;

		if (!in_order) {
			id = virtio_split_used(q, q->used_idx).id;
			if (unlikely(id >= q->size || q->mbufs[id] == NULL ||
				    ((id - q->tail) & q->mask) >= (uint32_t)(q->size - q->free))) {
				virtio_queue_fail(q, "a descriptor that it does not have", id);
				return;
			}
		}
		take_back(q, (uint16_t)id);
	}
}

uint16_t
virtio_split_tx_reclaim(struct virtio_queue *q, uint16_t limit)
{
	const uint16_t before = q->used_idx;

	virtio_split_reclaim(q, virtio_split_tx_look, limit);
	return q->used_idx - before;
}

/* Put a chain into an indirect table, which takes one descriptor of the ring. */
static uint16_t
put_table(struct virtio_queue *q, const struct rte_mbuf *m, struct virtio_tx_table *t)
{
	struct virtio_tx_chain c = virtio_tx_chain_begin(q, m, &t->hdr);
	const uint16_t slot = q->head & q->mask;
	uint16_t n = 0;

	for (;;) {
		t->split[n] = (struct vring_desc){
			.addr = c.addr,
			.len = c.len,
			.flags = c.left > 0 ? VRING_DESC_F_NEXT : 0,
			.next = n + 1,
		};
		n++;
		if (c.left == 0)
			break;
		virtio_tx_chain_next(q, &c);
	}
	q->desc[slot].addr = (uintptr_t)t->split + q->table_shift;
	q->desc[slot].len = n * sizeof(struct vring_desc);
	q->desc[slot].flags = VRING_DESC_F_INDIRECT;
	return 1;
}

/* Put a chain into the ring. next of each descriptor is in place and stays. */
static uint16_t
put_chain(struct virtio_queue *q, const struct rte_mbuf *m, struct virtio_tx_table *t)
{
	struct virtio_tx_chain c = virtio_tx_chain_begin(q, m, &t->hdr);
	uint16_t n = 0;

	for (;;) {
		const uint16_t slot = (q->head + n++) & q->mask;

		q->desc[slot].addr = c.addr;
		q->desc[slot].len = c.len;
		q->desc[slot].flags = c.left > 0 ? VRING_DESC_F_NEXT : 0;
		if (c.left == 0)
			return n;
		virtio_tx_chain_next(q, &c);
		q->mbufs[(q->head + n) & q->mask] = NULL;
	}
}

uint16_t
virtio_split_tx_put_complex(struct virtio_queue *q, struct rte_mbuf *m, bool chain)
{
	struct virtio_tx_table *t = &q->tables[q->table_head & q->table_mask];
	const uint16_t slot = q->head & q->mask;
	uint16_t descs;

	/* The burst's frames are not the device's yet, and so it gives none of them back here. */
	if (!virtio_tx_has_room(q, m, chain))
		virtio_split_tx_reclaim(q, UINT16_MAX);
	if (!virtio_tx_has_room(q, m, chain))
		return 0;
	descs = chain ? put_chain(q, m, t) : put_table(q, m, t);
	q->mbufs[slot] = m;
	virtio_tx_span_set(q, slot, descs, true);
	return descs;
}

static __rte_always_inline uint16_t
transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	return virtio_split_transmit(q, pkts, n, variant, virtio_split_tx_look);
}

uint16_t
virtio_split_tx(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return transmit(q, pkts, n, VIRTIO_TX_PLAIN);
}

uint16_t
virtio_split_tx_offload(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return transmit(q, pkts, n, VIRTIO_TX_OFFLOAD);
}

uint16_t
virtio_split_tx_chain(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return transmit(q, pkts, n, VIRTIO_TX_OFFLOAD | VIRTIO_TX_CHAIN);
}
