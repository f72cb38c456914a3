/* SPDX-License-Identifier: BSD-3-Clause */

#include "tx_packed.h"
#include "datapath.h"

/* Take back the frame whose first descriptor is @a id. */
static void
take_back(struct virtio_queue *q, uint16_t id)
{
	const uint16_t span = q->span[id] & VIRTIO_SPAN_MASK;

	virtio_tx_free_any(q->mbufs[id]);
	q->mbufs[id] = NULL;
	virtio_packed_advance_used(q, RTE_MAX(span, 1));
	q->early++;
	while (q->free < q->size && q->mbufs[q->tail] == NULL) {
		virtio_packed_advance_tail(q, virtio_tx_span_release(q, q->tail));
		q->early--;
	}
}

static bool
is_ours(const struct virtio_queue *q, uint16_t id)
{
	return id < q->size && virtio_packed_ahead(q, id) < (uint32_t)(q->size - q->free) &&
		q->mbufs[id] != NULL;
}

uint16_t
virtio_packed_tx_reclaim_any(struct virtio_queue *q, uint16_t id, uint16_t limit)
{
	uint16_t n = 1;

	if (!is_ours(q, id))
		return 0;
	/* A device that keeps the order names the last of several. */
	for (; (q->flags & VIRTIO_QUEUE_IN_ORDER) && q->tail != id; n++) {
		take_back(q, q->tail);
		if (n == limit) {
			virtio_packed_leave_used(q, id, 0);
			return n;
		}
	}
	take_back(q, id);
	return n;
}

uint16_t
virtio_packed_tx_reclaim(struct virtio_queue *q, uint16_t limit)
{
	return virtio_packed_reclaim(q, virtio_packed_tx_look, limit);
}

/* Put a chain into an indirect table, which takes one descriptor of the ring. */
static void
put_table(struct virtio_queue *q, struct virtio_packed_tx_burst *b, const struct rte_mbuf *m,
	struct virtio_tx_table *t)
{
	struct virtio_tx_chain c = virtio_tx_chain_begin(q, m, &t->hdr);
	uint16_t n = 0;

	for (;;) {
		t->packed[n++] = (struct vring_packed_desc){ .addr = c.addr, .len = c.len };
		if (c.left == 0)
			break;
		virtio_tx_chain_next(q, &c);
	}
	virtio_packed_tx_put(q, b, (uintptr_t)t->packed + q->table_shift,
		n * sizeof(struct vring_packed_desc), q->head, VRING_DESC_F_INDIRECT);
}

static void
put_chain(struct virtio_queue *q, struct virtio_packed_tx_burst *b, const struct rte_mbuf *m,
	struct virtio_tx_table *t)
{
	struct virtio_tx_chain c = virtio_tx_chain_begin(q, m, &t->hdr);
	const uint16_t id = q->head;

	for (;;) {
		virtio_packed_tx_put(q, b, c.addr, c.len, id, c.left > 0 ? VRING_DESC_F_NEXT : 0);
		if (c.left == 0)
			break;
		q->mbufs[q->head] = NULL;
		virtio_tx_chain_next(q, &c);
	}
}

bool
virtio_packed_tx_put_complex(struct virtio_queue *q, struct virtio_packed_tx_burst *b,
	struct rte_mbuf *m)
{
	struct virtio_tx_table *t = &q->tables[q->table_head & q->table_mask];
	const uint16_t id = q->head;
	const uint16_t before = b->descs;
	const bool chain = !(q->flags & VIRTIO_QUEUE_INDIRECT);

	/* Ends at the burst's first descriptor, which is still as it was one lap before. */
	if (!virtio_tx_has_room(q, m, chain))
		virtio_packed_tx_reclaim(q, UINT16_MAX);
	if (!virtio_tx_has_room(q, m, chain))
		return false;
	if (chain)
		put_chain(q, b, m, t);
	else
		put_table(q, b, m, t);
	q->mbufs[id] = m;
	virtio_tx_span_set(q, id, b->descs - before, true);
	return true;
}

static __rte_always_inline uint16_t
transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	return virtio_packed_transmit(q, pkts, n, variant, virtio_packed_tx_look);
}

uint16_t
virtio_packed_tx(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return transmit(q, pkts, n, VIRTIO_TX_PLAIN);
}

uint16_t
virtio_packed_tx_offload(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	return transmit(q, pkts, n, VIRTIO_TX_OFFLOAD);
}
