/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The half of transmitting that no ring format matters to: which frames go as one descriptor,
 * what their header says, and how mbufs go back to their pools.
 */

#ifndef VIRTIO_TX_BUILD_H
#define VIRTIO_TX_BUILD_H

#include <rte_mempool.h>

#include "offload.h"
#include "queue.h"

enum virtio_tx_variant {
	VIRTIO_TX_PLAIN = 0,
	VIRTIO_TX_OFFLOAD = 1 << 0, /**< the header may ask something of the device */
	VIRTIO_TX_CHAIN = 1 << 1, /**< frames of more than one descriptor lie in the ring itself */
};

/**
 * True if nobody else can see the mbuf's headroom and the header fits into it, in front of the
 * frame's only segment. Such a frame is one descriptor.
 */
static __rte_always_inline bool
virtio_tx_is_simple(const struct rte_mbuf *m, uint16_t hdr_len)
{
	const uint64_t alone = UINT64_C(1) << 16 | UINT64_C(1) << 32; /* refcnt 1, nb_segs 1 */
	const uint64_t rearm = *(const virtio_word64 *)&m->data_off;

	return (rearm & UINT64_C(0xffffffff0000)) == alone && m->data_off >= hdr_len &&
		RTE_MBUF_DIRECT(m);
}

/** Put the header in front of a simple frame. @return its address for the device */
static __rte_always_inline uint64_t
virtio_tx_prepend(const struct virtio_queue *q, const struct rte_mbuf *m,
	const unsigned int variant)
{
	uint8_t *hdr = (uint8_t *)m->buf_addr + m->data_off - q->hdr_len;

	if ((variant & VIRTIO_TX_OFFLOAD) && (m->ol_flags & VIRTIO_TX_OFFLOAD_MASK)) {
		struct virtio_net_hdr_v1 full = { 0 };

		virtio_tx_header(m, &full);
		memcpy(hdr, &full, q->hdr_len);
	} else {
		/* 10 and 12 bytes alike: two stores that may overlap. */
		memset(hdr, 0, sizeof(uint64_t));
		memset(hdr + q->hdr_len - sizeof(uint32_t), 0, sizeof(uint32_t));
	}
	return virtio_queue_buffer(q, m) + m->data_off - q->hdr_len;
}

/**
 * Return mbufs that were simple when they were sent, and so still have no other owner. Out of line:
 * a mempool's inline functions are large, and one call for a run of frames costs nothing.
 */
void virtio_tx_free_simple(const struct virtio_queue *q, struct rte_mbuf **mbufs, uint16_t n);

/** Free one frame of any kind. */
void virtio_tx_free_any(struct rte_mbuf *m);

/**
 * What of a frame each descriptor of its chain carries, in order: perhaps the header, then the
 * segments. The header goes with the first segment where it can.
 */
struct virtio_tx_chain {
	const struct rte_mbuf *next;
	uint64_t addr;
	uint32_t len;
	uint16_t left; /**< descriptors still to come after this one */
};

/** Descriptors that a frame needs at most. */
static inline uint16_t
virtio_tx_chain_max(const struct rte_mbuf *m)
{
	return m->nb_segs + 1;
}

/** A segment without data is no descriptor: there are devices that break at an empty one. */
static inline void
virtio_tx_chain_skip_empty(struct virtio_tx_chain *c)
{
	while (c->left > 0 && unlikely(c->next->data_len == 0)) {
		c->next = c->next->next;
		c->left--;
	}
}

/** Begin a chain with its first descriptor. @a hdr is used when the headroom is not ours. */
static inline struct virtio_tx_chain
virtio_tx_chain_begin(const struct virtio_queue *q, const struct rte_mbuf *m,
	struct virtio_net_hdr_v1 *hdr)
{
	const bool prepend = rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
		m->data_off >= q->hdr_len;
	struct virtio_net_hdr_v1 full = { 0 };
	struct virtio_tx_chain c;

	virtio_tx_header(m, &full);
	if (prepend) {
		uint8_t *in_place = (uint8_t *)m->buf_addr + m->data_off - q->hdr_len;

		memcpy(in_place, &full, q->hdr_len);
		c = (struct virtio_tx_chain){
			.next = m->next,
			.addr = virtio_queue_buffer(q, m) + m->data_off - q->hdr_len,
			.len = q->hdr_len + m->data_len,
			.left = m->nb_segs - 1,
		};
	} else {
		*hdr = full;
		c = (struct virtio_tx_chain){
			.next = m,
			.addr = (uintptr_t)hdr + q->table_shift,
			.len = q->hdr_len,
			.left = m->nb_segs,
		};
	}
	virtio_tx_chain_skip_empty(&c);
	return c;
}

/** Go to the next descriptor; the caller saw that some are left. */
static inline void
virtio_tx_chain_next(const struct virtio_queue *q, struct virtio_tx_chain *c)
{
	c->addr = virtio_queue_buffer(q, c->next) + c->next->data_off;
	c->len = c->next->data_len;
	c->next = c->next->next;
	c->left--;
	virtio_tx_chain_skip_empty(c);
}

/** Free tables, and so frames that may still be given one. */
static inline bool
virtio_tx_table_free(const struct virtio_queue *q)
{
	return (uint16_t)(q->table_head - q->table_tail) <= q->table_mask;
}

/** Whether a frame that is not simple can go now, as a chain in the ring or in a table. */
static inline bool
virtio_tx_has_room(const struct virtio_queue *q, const struct rte_mbuf *m, bool chain)
{
	return virtio_tx_table_free(q) && (!chain || virtio_tx_chain_max(m) <= q->free);
}

/** Forget the span of a frame whose turn has come. @return descriptors that it took */
static inline uint16_t
virtio_tx_span_release(struct virtio_queue *q, uint16_t slot)
{
	const uint16_t span = q->span[slot];

	if (span == 0)
		return 1;
	if (span & VIRTIO_SPAN_TABLE)
		q->table_tail++;
	q->span[slot] = 0;
	q->complex--;
	return span & VIRTIO_SPAN_MASK;
}

/** Remember a frame that is not simple. */
static inline void
virtio_tx_span_set(struct virtio_queue *q, uint16_t slot, uint16_t descs, bool table)
{
	q->span[slot] = descs | (table ? VIRTIO_SPAN_TABLE : 0);
	q->complex++;
	q->table_head += table;
}

/** A frame that no device can be given: it is dropped and counted. */
static inline bool
virtio_tx_unsendable(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	return m->nb_segs > q->nb_segs_max;
}

#endif /* VIRTIO_TX_BUILD_H */
