/* SPDX-License-Identifier: BSD-3-Clause */

#include "datapath.h"
#include "ring_packed.h"
#include "tx_build.h"

/* Return @a n simple frames that are the oldest in the ring. */
static __rte_always_inline void
release_run(struct virtio_queue *q, uint16_t n)
{
	const uint16_t part = RTE_MIN(n, (uint16_t)(q->size - q->tail));

	virtio_tx_free_simple(q, &q->mbufs[q->tail], part);
	virtio_tx_free_simple(q, &q->mbufs[0], n - part);
	virtio_packed_advance_used(q, n);
	virtio_packed_advance_tail(q, n);
}

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

/* One returned descriptor stands for all frames up to the one that it names. */
static __rte_always_inline bool
reclaim_in_order(struct virtio_queue *q, uint16_t id)
{
	if (unlikely(!is_ours(q, id)))
		return false;
	if (likely(q->complex == 0)) {
		release_run(q, (uint16_t)(virtio_packed_ahead(q, id) + 1));
		return true;
	}
	while (q->tail != id)
		take_back(q, q->tail);
	take_back(q, id);
	return true;
}

/* How many returned descriptors from here on are simple frames in ring order. */
static __rte_always_inline uint16_t
run_in_order(const struct virtio_queue *q)
{
	const uint16_t used_flags = virtio_packed_used_flags(q->used_wrap);
	const uint16_t n = q->size - RTE_MAX(q->used_idx, q->free);
	uint16_t i;

	if (unlikely(q->complex > 0 || q->early > 0))
		return 0;
	for (i = 0; i < n; i++) {
		const union virtio_packed_word w = virtio_packed_load(q, q->used_idx + i);

		if ((w.flags & VIRTIO_PACKED_PHASE) != used_flags || w.id != q->used_idx + i)
			break;
	}
	return i;
}

static __rte_always_inline void
reclaim(struct virtio_queue *q)
{
	while (q->free < q->size) {
		const union virtio_packed_word w = virtio_packed_load(q, q->used_idx);
		bool good = true;
		uint16_t run = 0;

		if ((w.flags & VIRTIO_PACKED_PHASE) != virtio_packed_used_flags(q->used_wrap))
			return;
		if (q->flags & VIRTIO_QUEUE_IN_ORDER)
			good = reclaim_in_order(q, w.id);
		else if ((run = run_in_order(q)) > 0)
			release_run(q, run);
		else if ((good = is_ours(q, w.id)))
			take_back(q, w.id);
		if (unlikely(!good)) {
			virtio_queue_fail(q, "a descriptor that it does not have", w.id);
			return;
		}
	}
}

void
virtio_packed_tx_reclaim(struct virtio_queue *q)
{
	reclaim(q);
}

/*
 * The descriptors of one burst. All but the first are written as they come; the device does not
 * look past the first one, which is written last.
 */
struct burst {
	uint64_t first; /* second half of the first descriptor */
	uint16_t pos;   /* where it goes */
	uint16_t descs; /* written, and the first one */
};

static __rte_always_inline void
put(struct virtio_queue *q, struct burst *b, uint64_t addr, uint32_t len, uint16_t id,
	uint16_t flags)
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

/* Put a chain into an indirect table, which takes one descriptor of the ring. */
static void
put_table(struct virtio_queue *q, struct burst *b, const struct rte_mbuf *m,
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
	put(q, b, (uintptr_t)t->packed + q->table_shift, n * sizeof(struct vring_packed_desc),
		q->head, VRING_DESC_F_INDIRECT);
}

static void
put_chain(struct virtio_queue *q, struct burst *b, const struct rte_mbuf *m,
	struct virtio_tx_table *t)
{
	struct virtio_tx_chain c = virtio_tx_chain_begin(q, m, &t->hdr);
	const uint16_t id = q->head;

	for (;;) {
		put(q, b, c.addr, c.len, id, c.left > 0 ? VRING_DESC_F_NEXT : 0);
		if (c.left == 0)
			break;
		q->mbufs[q->head] = NULL;
		virtio_tx_chain_next(q, &c);
	}
}

/* A frame that is not simple. @return false if there is no room now */
static __rte_noinline bool
put_complex(struct virtio_queue *q, struct burst *b, struct rte_mbuf *m)
{
	struct virtio_tx_table *t = &q->tables[q->table_head & q->table_mask];
	const uint16_t id = q->head;
	const uint16_t before = b->descs;

	if (!virtio_tx_table_free(q))
		return false;
	if (q->flags & VIRTIO_QUEUE_INDIRECT)
		put_table(q, b, m, t);
	else if (virtio_tx_chain_max(m) <= q->free)
		put_chain(q, b, m, t);
	else
		return false;
	q->mbufs[id] = m;
	virtio_tx_span_set(q, id, b->descs - before, true);
	return true;
}

static __rte_always_inline uint16_t
transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const unsigned int variant)
{
	struct burst b = { .pos = q->head };
	uint64_t bytes = 0;
	uint16_t sent = 0, i;

	if (q->free < q->batch || q->free < n)
		reclaim(q);

	for (i = 0; i < n && q->free > 0; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(virtio_tx_is_simple(m, q->hdr_len))) {
			q->mbufs[q->head] = m;
			put(q, &b, virtio_tx_prepend(q, m, variant), q->hdr_len + m->data_len,
				q->head, 0);
		} else if (unlikely(virtio_tx_unsendable(q, m))) {
			virtio_tx_free_any(m);
			q->count.errors++;
			continue;
		} else if (!put_complex(q, &b, m)) {
			break;
		}
		bytes += m->pkt_len;
		sent++;
	}
	if (b.descs > 0) {
		/* Pairs with the device's acquire of the flags: it now sees the whole burst. */
		__atomic_store_n((virtio_word64 *)&q->packed[b.pos].len, b.first, __ATOMIC_RELEASE);
		q->count.packets += sent;
		q->count.bytes += bytes;
		virtio_packed_kick(q, b.descs);
	}
	return i;
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
