/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Transmitting on a packed ring, but for how returned descriptors are looked at:
 * that is what scalar and vector functions differ in.
 */

#ifndef VIRTIO_TX_PACKED_H
#define VIRTIO_TX_PACKED_H

#include "ring_packed.h"
#include "tx_build.h"

/**
 * Free the frame that the device returned by @a id, and all before it if it keeps the order,
 * whatever they are, but @a limit at most. @return how many, 0 if there is none
 */
uint16_t virtio_packed_tx_reclaim_any(struct virtio_queue *q, uint16_t id, uint16_t limit);

/** How many descriptors a device that keeps the order returns by naming @a id, 0 if it may not. */
static __rte_always_inline uint16_t
virtio_packed_tx_named(const struct virtio_queue *q, uint16_t id)
{
	const uint32_t ahead = id < q->size ? virtio_packed_ahead(q, id) : UINT16_MAX;

	return ahead < (uint32_t)(q->size - q->free) ? (uint16_t)(ahead + 1) : 0;
}

/**
 * Look at descriptors from @a pos on, @a n at most, which do not pass the ring's end and carry
 * @a used_flags if they are back. @return how many in a row are back and named by their position
 */
typedef uint16_t (*virtio_packed_tx_look_t)(const struct virtio_queue *q, uint16_t pos,
	uint16_t used_flags, uint16_t n);

/** The same without vectors. */
static __rte_always_inline uint16_t
virtio_packed_tx_look(const struct virtio_queue *q, uint16_t pos, uint16_t used_flags, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		const union virtio_packed_word w = virtio_packed_load(q, pos + i);

		if ((w.flags & VIRTIO_PACKED_PHASE) != used_flags || w.id != pos + i)
			break;
	}
	return i;
}

/* Return @a n simple frames that are the oldest in the ring. */
static __rte_always_inline void
virtio_packed_tx_release(struct virtio_queue *q, uint16_t n)
{
	const uint16_t part = RTE_MIN(n, (uint16_t)(q->size - q->tail));

	virtio_tx_free_simple(q, &q->mbufs[q->tail], part);
	virtio_tx_free_simple(q, &q->mbufs[0], n - part);
	virtio_packed_advance_used(q, n);
	virtio_packed_advance_tail(q, n);
}

/* Free what came back, @a limit frames at most. @return how many */
static __rte_always_inline uint16_t
virtio_packed_reclaim(struct virtio_queue *q, virtio_packed_tx_look_t look, uint16_t limit)
{
	uint16_t left = limit;

	while (q->free < q->size && left > 0) {
		const uint16_t used_flags = virtio_packed_used_flags(q->used_wrap);
		const union virtio_packed_word w = virtio_packed_load(q, q->used_idx);
		uint16_t run = 0;

		if ((w.flags & VIRTIO_PACKED_PHASE) != used_flags)
			break;
		if (likely(q->complex == 0 && q->early == 0)) {
			run = look(q, q->used_idx, used_flags,
				RTE_MIN(left, q->size - RTE_MAX(q->used_idx, q->free)));
			if (run == 0 && (q->flags & VIRTIO_QUEUE_IN_ORDER))
				run = virtio_packed_tx_named(q, w.id);
		}
		if (likely(run > 0 && run <= left)) {
			virtio_packed_tx_release(q, run);
		} else {
			run = virtio_packed_tx_reclaim_any(q, w.id, left);
			if (unlikely(run == 0)) {
				virtio_queue_fail(q, "a descriptor that it does not have", w.id);
				break;
			}
		}
		left -= run;
	}
	return limit - left;
}

/**
 * The descriptors of one burst. All but the first are written as they come; the device does not
 * look past the first one, which is written last.
 */
struct virtio_packed_tx_burst {
	uint64_t first; /**< second half of the first descriptor */
	uint16_t pos;   /**< where it goes */
	uint16_t descs; /**< written, and the first one */
};

/** Put one descriptor at the head of the ring. */
static __rte_always_inline void
virtio_packed_tx_put(struct virtio_queue *q, struct virtio_packed_tx_burst *b, uint64_t addr,
	uint32_t len, uint16_t id, uint16_t flags)
{
	const uint16_t pos = q->head;
	const union virtio_packed_word w = {
		.len = len,
		.id = id,
		.flags = flags | virtio_packed_avail_flags(q->head_wrap),
	};

	if (b->descs++ == 0) {
		b->first = w.word;
		__atomic_store_n(&q->packed[pos].addr, addr, __ATOMIC_RELAXED);
	} else {
		virtio_packed_store(q, pos, addr, len, id, w.flags);
	}
	virtio_packed_advance_head(q, 1);
}

/**
 * A frame that is not simple, as a chain or in a table; makes room as virtio_split_tx_put_complex().
 * @return false if there is no room now
 */
bool virtio_packed_tx_put_complex(struct virtio_queue *q, struct virtio_packed_tx_burst *b,
	struct rte_mbuf *m);

static __rte_always_inline uint16_t
virtio_packed_transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n,
	const unsigned int variant, virtio_packed_tx_look_t look)
{
	struct virtio_packed_tx_burst b = { .pos = q->head };
	uint64_t bytes = 0;
	uint16_t sent = 0, i = 0;

	if (q->free < q->batch || q->free < n)
		virtio_packed_reclaim(q, look, UINT16_MAX);

	while (i < n && q->free > 0) {
		struct rte_mbuf *m = pkts[i];

		if (likely(virtio_tx_is_simple(m, q->hdr_len))) {
			q->mbufs[q->head] = m;
			virtio_packed_tx_put(q, &b, virtio_tx_prepend(q, m, variant),
				q->hdr_len + m->data_len, q->head, 0);
		} else if (unlikely(virtio_tx_unsendable(q, m))) {
			virtio_queue_drop(q, m);
			i++;
			continue;
		} else if (!virtio_packed_tx_put_complex(q, &b, m)) {
			break;
		}
		bytes += m->pkt_len;
		sent++;
		i++;
	}
	if (b.descs > 0) {
		/* Pairs with the device's acquire of the flags: it now sees the whole burst. */
		__atomic_store_n((virtio_word64 *)&q->packed[b.pos].len, b.first, __ATOMIC_RELEASE);
		virtio_packed_kick(q, b.descs);
		/* As in virtio_split_transmit(). */
		q->count.packets += sent;
		q->count.bytes += bytes;
	}
	return i;
}

#endif /* VIRTIO_TX_PACKED_H */
