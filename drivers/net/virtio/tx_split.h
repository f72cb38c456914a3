/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Transmitting on a split ring, but for how used entries are looked at: that is
 * what scalar and vector functions differ in.
 */

#ifndef VIRTIO_TX_SPLIT_H
#define VIRTIO_TX_SPLIT_H

#include "ring_split.h"
#include "tx_build.h"

/** Free @a n frames of several descriptors, or that came back out of order: one by one. */
void virtio_split_tx_reclaim_any(struct virtio_queue *q, uint16_t n);

/**
 * A frame that is not simple, as a chain in the ring itself or in a table. It may run short of
 * either while the ring has room enough for simple ones, and then takes back what came back.
 * @return descriptors used, 0 if there is no room now
 */
uint16_t virtio_split_tx_put_complex(struct virtio_queue *q, struct rte_mbuf *m, bool chain);

/**
 * Look at @a n used entries from @a slot on, which do not pass the ring's end. @return 0 if they
 * name descriptors from @a id on in their order, which do not pass it either
 */
typedef uint32_t (*virtio_split_tx_look_t)(const struct virtio_queue *q, uint16_t slot, uint16_t id,
	uint16_t n);

/** The same without vectors. */
static __rte_always_inline uint32_t
virtio_split_tx_look(const struct virtio_queue *q, uint16_t slot, uint16_t id, uint16_t n)
{
	uint32_t wrong = 0;

	for (uint16_t i = 0; i < n; i++)
		wrong |= virtio_split_used(q, slot + i).id ^ (uint32_t)(id + i);
	return wrong;
}

/* A device that returns in order need not tell which; of another one, see that it did so. */
static __rte_always_inline bool
virtio_split_tx_in_order(const struct virtio_queue *q, uint16_t n, virtio_split_tx_look_t look)
{
	uint32_t wrong = q->complex | q->early;

	/* Until a chain shifted them, used entries and descriptors go side by side. */
	for (uint16_t i = 0, part; i < n && !(q->flags & VIRTIO_QUEUE_IN_ORDER); i += part) {
		const uint16_t slot = (uint16_t)(q->used_idx + i) & q->mask;
		const uint16_t id = (uint16_t)(q->tail + i) & q->mask;

		part = RTE_MIN(n - i, q->size - RTE_MAX(slot, id));
		wrong |= look(q, slot, id, part);
	}
	return wrong == 0;
}

/* Free what came back, @a limit frames at most. */
static __rte_always_inline void
virtio_split_reclaim(struct virtio_queue *q, virtio_split_tx_look_t look, uint16_t limit)
{
	const uint16_t ready = virtio_split_ready(q);
	const uint16_t n = RTE_MIN(ready, limit);
	const uint16_t slot = q->tail & q->mask;
	uint16_t part;

	if (n == 0)
		return;
	if (unlikely(ready > (uint16_t)(q->avail_idx - q->used_idx))) {
		virtio_queue_fail(q, "more buffers than it has", ready);
		return;
	}
	if (unlikely(!virtio_split_tx_in_order(q, n, look))) {
		virtio_split_tx_reclaim_any(q, n);
		return;
	}
	part = RTE_MIN(n, (uint16_t)(q->size - slot));
	virtio_tx_free_simple(q, &q->mbufs[slot], part);
	virtio_tx_free_simple(q, &q->mbufs[0], n - part);
	q->used_idx += n;
	q->tail += n;
	q->free += n;
}

/*
 * Chains of several descriptors shift descriptors against available entries, so that these have
 * to be written; without them, entries name the descriptors in their order for good.
 */
static __rte_always_inline uint16_t
virtio_split_transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n,
	const unsigned int variant, virtio_split_tx_look_t look)
{
	const uint16_t before = q->avail_idx;
	uint64_t bytes = 0;
	uint16_t i = 0;

	if (q->free < q->batch || q->free < n)
		virtio_split_reclaim(q, look, UINT16_MAX);

	while (i < n && q->free > 0) {
		struct rte_mbuf *m = pkts[i];
		const uint16_t slot = q->head & q->mask;
		uint16_t descs = 1;

		if (likely(virtio_tx_is_simple(m, q->hdr_len))) {
			q->desc[slot].addr = virtio_tx_prepend(q, m, variant);
			q->desc[slot].len = q->hdr_len + m->data_len;
			q->desc[slot].flags = 0;
			q->mbufs[slot] = m;
		} else if (unlikely(virtio_tx_unsendable(q, m))) {
			virtio_queue_drop(q, m);
			i++;
			continue;
		} else {
			descs = virtio_split_tx_put_complex(q, m, variant & VIRTIO_TX_CHAIN);
			if (descs == 0)
				break;
		}
		if (variant & VIRTIO_TX_CHAIN)
			q->avail->ring[q->avail_idx & q->mask] = slot;
		bytes += m->pkt_len;
		q->head += descs;
		q->free -= descs;
		q->avail_idx++;
		i++;
	}
	if (q->avail_idx != before) {
		virtio_split_publish(q);
		virtio_split_kick(q, before);
		/* Behind the doorbell, which may take long, next to where sizes are counted. */
		q->count.packets += (uint16_t)(q->avail_idx - before);
		q->count.bytes += bytes;
	}
	return i;
}

#endif /* VIRTIO_TX_SPLIT_H */
