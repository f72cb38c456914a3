/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "vhost_intr.h"
#include "vhost_offload.h"
#include "vhost_port.h"
#include "vhost_rxtx.h"

/*
 * A librte_vhost may move fewer frames a call than it is given, but not fewer than this while
 * the ring has more: a call that moves less has seen the end of the ring.
 */
#define LIB_BURST 32

static __rte_always_inline uint16_t
dequeue(struct vhost_queue *q, int vid, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t total = 0, got;

	do {
		got = rte_vhost_dequeue_burst(vid, q->vring, q->pool, pkts + total, n - total);
		total += got;
	} while (unlikely(got >= LIB_BURST && total < n));
	return total;
}

static __rte_always_inline uint16_t
enqueue(struct vhost_queue *q, int vid, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t total = 0, put;

	do {
		put = rte_vhost_enqueue_burst(vid, q->vring, pkts + total, n - total);
		total += put;
	} while (unlikely(put >= LIB_BURST && total < n));
	return total;
}

/* The first burst on a new ring. Fixups are set by whoever attaches the ring, hence the atomic. */
static void
settle_kicks(struct vhost_queue *q, int vid)
{
	if ((q->fixups & VHOST_FIXUP_KICKS) && vhost_port_intr_arm(q, vid))
		__atomic_fetch_and(&q->fixups, (uint8_t)~VHOST_FIXUP_KICKS, __ATOMIC_RELAXED);
}

static __rte_noinline void
fix_received(struct vhost_queue *q, int vid, struct rte_mbuf **pkts, uint16_t n)
{
	settle_kicks(q, vid);
	vhost_offload_rx(pkts, n, q->fixups);
}

uint16_t
vhost_port_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_queue *q = queue;
	int vid = vhost_gate_enter(&q->gate);
	const uint16_t port_id = q->port_id;
	uint64_t bytes = 0;
	uint16_t got;

	if (unlikely(vid == VHOST_GATE_CLOSED))
		return 0;
	got = dequeue(q, vid, pkts, n);
	for (uint16_t i = 0; i < got; i++) {
		struct rte_mbuf *m = pkts[i];

		m->port = port_id;
		bytes += m->pkt_len;
	}
	q->count.packets += got;
	q->count.bytes += bytes;
	if (unlikely(q->fixups != 0))
		fix_received(q, vid, pkts, got);
	vhost_gate_leave(&q->gate);
	return got;
}

/*
 * Free what was sent, and count its bytes on the way. Nearly always all frames are lone, direct mbufs of
 * one mempool that nobody else holds; then they go back as they are, and of each mbuf only the
 * cache line that the copy has just read is looked at.
 */
static __rte_always_inline void
free_sent(struct vhost_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mempool *pool = pkts[0]->pool;
	uint64_t bytes = 0, special = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		bytes += m->pkt_len;
		special |= m->ol_flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
		special |= (rte_mbuf_refcnt_read(m) ^ 1) | (m->nb_segs ^ 1) | (m->pool != pool);
	}
	q->count.packets += n;
	q->count.bytes += bytes;
	if (likely(special == 0))
		rte_mempool_put_bulk(pool, (void *const *)pkts, n);
	else
		rte_pktmbuf_free_bulk(pkts, n);
}

static __rte_always_inline uint16_t
transmit(struct vhost_queue *q, int vid, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = enqueue(q, vid, pkts, n);

	if (likely(sent != 0))
		free_sent(q, pkts, sent);
	return sent;
}

/* A frame that cannot be treated as it asks is dropped when its turn comes, and counted. */
static __rte_noinline uint16_t
transmit_fixed(struct vhost_queue *q, int vid, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0;

	settle_kicks(q, vid);
	while (sent < n) {
		uint16_t ready = sent;

		while (ready < n && vhost_offload_tx(pkts[ready], q->fixups) == 0)
			ready++;
		if (ready > sent)
			sent += transmit(q, vid, pkts + sent, ready - sent);
		if (sent < ready || sent == n)
			break;
		rte_pktmbuf_free(pkts[sent++]);
		q->count.errors++;
	}
	return sent;
}

uint16_t
vhost_port_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_queue *q = queue;
	int vid = vhost_gate_enter(&q->gate);
	uint16_t sent;

	if (unlikely(vid == VHOST_GATE_CLOSED))
		return 0;
	if (likely(q->fixups == 0))
		sent = transmit(q, vid, pkts, n);
	else
		sent = transmit_fixed(q, vid, pkts, n);
	vhost_gate_leave(&q->gate);
	return sent;
}
