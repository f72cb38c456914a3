/* SPDX-License-Identifier: BSD-3-Clause */

#include "datapath.h"
#include "ring_split.h"
#include "tx_build.h"

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

/* Frames of several descriptors, or out of order: one by one. */
static __rte_noinline void
reclaim_any(struct virtio_queue *q, uint16_t n)
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

/* A device that returns in order need not tell which; of another one, see that it did so. */
static __rte_always_inline bool
returned_in_order(const struct virtio_queue *q, uint16_t n)
{
	uint32_t wrong = q->complex | q->early;

	if (!(q->flags & VIRTIO_QUEUE_IN_ORDER))
		for (uint16_t i = 0; i < n; i++)
			wrong |= virtio_split_used(q, q->used_idx + i).id ^
				((uint16_t)(q->tail + i) & q->mask);
	return wrong == 0;
}

static __rte_always_inline void
reclaim(struct virtio_queue *q)
{
	const uint16_t n = virtio_split_ready(q);
	const uint16_t slot = q->tail & q->mask;
	uint16_t part;

	if (n == 0)
		return;
	if (unlikely(n > (uint16_t)(q->avail_idx - q->used_idx))) {
		virtio_queue_fail(q, "more buffers than it has", n);
		return;
	}
	if (unlikely(!returned_in_order(q, n))) {
		reclaim_any(q, n);
		return;
	}
	part = RTE_MIN(n, (uint16_t)(q->size - slot));
	virtio_tx_free_simple(q, &q->mbufs[slot], part);
	virtio_tx_free_simple(q, &q->mbufs[0], n - part);
	q->used_idx += n;
	q->tail += n;
	q->free += n;
}

void
virtio_split_tx_reclaim(struct virtio_queue *q)
{
	reclaim(q);
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

/* A frame that is not simple. @return descriptors used, 0 if there is no room now */
static __rte_noinline uint16_t
put_complex(struct virtio_queue *q, struct rte_mbuf *m, const unsigned int variant)
{
	struct virtio_tx_table *t = &q->tables[q->table_head & q->table_mask];
	const uint16_t slot = q->head & q->mask;
	uint16_t descs;

	if (!virtio_tx_table_free(q))
		return 0;
	if (!(variant & VIRTIO_TX_CHAIN))
		descs = put_table(q, m, t);
	else if (virtio_tx_chain_max(m) <= q->free)
		descs = put_chain(q, m, t);
	else
		return 0;
	q->mbufs[slot] = m;
	virtio_tx_span_set(q, slot, descs, true);
	return descs;
}

/*
 * Chains of several descriptors shift descriptors against available entries, so that these have
 * to be written; without them, entries name the descriptors in their order for good.
 */
static __rte_always_inline uint16_t
transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	const uint16_t before = q->avail_idx;
	uint64_t bytes = 0;
	uint16_t i;

	if (q->free < q->batch || q->free < n)
		reclaim(q);

	for (i = 0; i < n && q->free > 0; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint16_t slot = q->head & q->mask;
		uint16_t descs = 1;

		if (likely(virtio_tx_is_simple(m, q->hdr_len))) {
			q->desc[slot].addr = virtio_tx_prepend(q, m, variant);
			q->desc[slot].len = q->hdr_len + m->data_len;
			q->desc[slot].flags = 0;
			q->mbufs[slot] = m;
		} else if (unlikely(virtio_tx_unsendable(q, m))) {
			virtio_tx_free_any(m);
			q->count.errors++;
			continue;
		} else {
			descs = put_complex(q, m, variant);
			if (descs == 0)
				break;
		}
		if (variant & VIRTIO_TX_CHAIN)
			q->avail->ring[q->avail_idx & q->mask] = slot;
		bytes += m->pkt_len;
		q->head += descs;
		q->free -= descs;
		q->avail_idx++;
	}
	if (q->avail_idx != before) {
		virtio_split_publish(q);
		q->count.packets += (uint16_t)(q->avail_idx - before);
		q->count.bytes += bytes;
		virtio_split_kick(q, before);
	}
	return i;
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
