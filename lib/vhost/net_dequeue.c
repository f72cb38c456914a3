/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames from the guest. See net_burst.h for how a burst goes, and for being compiled several times.
 */

#include <linux/virtio_net.h>

#include <rte_mempool.h>

#include "net_burst.h"
#include "net_copy.h"
#include "net_offload.h"

/** Take @a n raw mbufs, or as many as there are. */
static __rte_always_inline uint16_t
take_mbufs(struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	if (likely(rte_mempool_get_bulk(pool, (void **)pkts, n) == 0))
		return n;

	uint16_t got = 0;

	while (got < n && rte_mempool_get(pool, (void **)&pkts[got]) == 0)
		got++;
	return got;
}

/**
 * Make a raw mbuf one that holds @a len bytes. Offload lengths and the fields behind them stay as
 * they are: no flag says that they hold anything.
 */
static __rte_always_inline void
fresh_mbuf(struct rte_mbuf *m, uint32_t len)
{
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->refcnt = 1;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	/* A pool of external buffers marks its mbufs once and for all. */
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
	m->vlan_tci = 0;
}

/** The frame of a plain buffer at @a at; false if it takes the careful way. */
static __rte_always_inline bool
copy_plain(struct vhost_vring *vr, struct rte_mbuf *m, const uint8_t *at, uint32_t buf_len,
	uint32_t hdr_len, const unsigned int mode)
{
	uint32_t len = buf_len - hdr_len;

	/* A region may have as many bytes as a guest's word can tell: no sum of it fits 32 bits. */
	if (unlikely(at == NULL || buf_len < hdr_len + NET_FRAME_MIN ||
		    (uint64_t)len + RTE_PKTMBUF_HEADROOM > m->buf_len))
		return false;
	fresh_mbuf(m, len);
	net_copy(rte_pktmbuf_mtod(m, uint8_t *), at + hdr_len, len);
	if (mode & NET_BURST_OFFLOAD) {
		struct virtio_net_hdr hdr;

		memcpy(&hdr, at, sizeof(hdr));
		if ((hdr.flags | hdr.gso_type) != 0)
			return net_offload_from_header(vr, &hdr, m);
	}
	return true;
}

/** A chain of any shape at the avail position, which moves over it. */
static __rte_noinline bool
dequeue_careful(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf *m, uint16_t id,
	struct net_used *used)
{
	bool packed = (vr->flags & VHOST_VRING_PACKED) != 0;
	struct vring_chain c;

	if (packed)
		vring_chain_begin_packed(&c, vr, vr->avail_idx, 0);
	else
		vring_chain_begin_split(&c, vr, id, 0);

	bool got = net_frame_read(vr, &c, pool, m);

	if (unlikely(vr->broken))
		return false;
	used->id = c.id;
	used->slots = c.slots;
	if (packed)
		packed_take(vr, c.slots);
	else
		vr->avail_idx++;
	return got;
}

/** Totals of a burst. */
struct dequeued {
	uint16_t frames;
	uint16_t chains;
	uint64_t bytes;
};

/** One chain of several descriptors, which gathering a packed ring stops before. */
static __rte_always_inline void
dequeue_one(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkts,
	struct net_given *given, struct dequeued *sum, const unsigned int mode)
{
	uint16_t flags = packed_load_word(vr->packed_desc, vr->avail_idx) >> PACKED_FLAGS_SHIFT;
	struct net_used used;

	if (!packed_flags_available(flags, vr->avail_wrap) || take_mbufs(pool, pkts, 1) == 0)
		return;
	if (dequeue_careful(vr, pool, *pkts, 0, &used)) {
		sum->frames++;
		sum->bytes += (*pkts)->pkt_len;
	} else {
		rte_mempool_put(pool, *pkts);
	}
	if (vr->broken)
		return;
	sum->chains++;
	net_give(given, used.id, 0, used.slots, 0, mode);
}

static __rte_always_inline void
dequeue_batch(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
	struct net_given *given, struct dequeued *sum, const unsigned int mode)
{
	struct vhost_vring_batch *b = &vr->ahead;
	const uint32_t hdr_len = vr->net_hdr_len;
	uint16_t got = 0, plain = 0, i;
	bool moved = false;

	n = RTE_MIN(n, VHOST_VRING_BATCH);
	net_gather(vr, n, false, 0, mode);
	/* Of a ring that is broken by now, what was gathered earlier is of no use either. */
	if (unlikely(vr->broken))
		return;
	n = RTE_MIN(n, b->n);
	if (n == 0) {
		if (mode & NET_BURST_PACKED)
			dequeue_one(vr, pool, pkts, given, sum, mode);
		return;
	}
	n = take_mbufs(pool, pkts, n);

	for (i = 0; i < n && !moved; i++) {
		uint16_t entry = b->first + i, slots = 1;
		uint16_t id = b->id[entry];
		struct rte_mbuf *m = pkts[got];
		bool good;

		if (i + 1 < n && b->at[entry + 1] != NULL)
			net_prefetch_rest(b->at[entry + 1] + hdr_len, b->len[entry + 1]);
		good = copy_plain(vr, m, b->at[entry], b->len[entry], hdr_len, mode);

		if (likely(good)) {
			plain++;
		} else {
			struct net_used used;

			net_take(vr, plain, mode);
			plain = 0;
			good = dequeue_careful(vr, pool, m, id, &used);
			if (unlikely(vr->broken))
				break;
			id = used.id;
			slots = used.slots;
			/* Not what it was when it was gathered: what follows lies elsewhere. */
			moved = (mode & NET_BURST_PACKED) && slots != 1;
		}
		if (likely(good)) {
			sum->bytes += m->pkt_len;
			got++;
		}
		net_give(given, id, 0, slots, 0, mode);
	}
	net_take(vr, plain, mode);
	net_forget(b, moved ? b->n : i);
	sum->frames += got;
	sum->chains += i;
	if (unlikely(got < n))
		rte_mempool_put_bulk(pool, (void **)&pkts[got], n - got);
}

static NET_BURST_TEMPLATE uint16_t
dequeue_burst(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
	const unsigned int mode)
{
	struct net_given given = net_given_begin(vr, mode);
	struct dequeued sum = { 0 };

	/* As many chains as frames are asked for, good or bad: a guest cannot keep us here. */
	for (uint16_t before = 0; sum.chains < n; before = sum.chains) {
		dequeue_batch(vr, pool, &pkts[sum.frames], n - sum.chains, &given, &sum, mode);
		if (sum.chains == before)
			break;
	}
	if (!net_publish(vr, &given, mode))
		return 0;
	vring_call_if_wanted(vr);
	net_look_ahead(vr, sum.chains, 0, mode);
	vr->stats.packets += sum.frames;
	vr->stats.bytes += sum.bytes;
	return sum.frames;
}

#define DEQUEUE(name, mode) \
	static uint16_t name(struct vhost_vring *vr, struct rte_mempool *pool, \
		struct rte_mbuf **pkts, uint16_t n) \
	{ \
		return dequeue_burst(vr, pool, pkts, n, mode); \
	}

DEQUEUE(split_plain, 0)
DEQUEUE(split_in_order, NET_BURST_IN_ORDER)
DEQUEUE(split_offload, NET_BURST_OFFLOAD)
DEQUEUE(split_in_order_offload, NET_BURST_IN_ORDER | NET_BURST_OFFLOAD)
DEQUEUE(packed_plain, NET_BURST_PACKED)
DEQUEUE(packed_in_order, NET_BURST_PACKED | NET_BURST_IN_ORDER)
DEQUEUE(packed_offload, NET_BURST_PACKED | NET_BURST_OFFLOAD)
DEQUEUE(packed_in_order_offload, NET_BURST_PACKED | NET_BURST_IN_ORDER | NET_BURST_OFFLOAD)
#define PACKED_TRACKED (NET_BURST_PACKED | NET_BURST_TRACKED)
DEQUEUE(tracked_plain, PACKED_TRACKED)
DEQUEUE(tracked_in_order, PACKED_TRACKED | NET_BURST_IN_ORDER)
DEQUEUE(tracked_offload, PACKED_TRACKED | NET_BURST_OFFLOAD)
DEQUEUE(tracked_in_order_offload, PACKED_TRACKED | NET_BURST_IN_ORDER | NET_BURST_OFFLOAD)

const vhost_vring_dequeue_t NET_BURST_NAME(net_dequeue)[NET_BURST_MODES] = {
	[0] = split_plain,
	[NET_BURST_IN_ORDER] = split_in_order,
	[NET_BURST_OFFLOAD] = split_offload,
	[NET_BURST_IN_ORDER | NET_BURST_OFFLOAD] = split_in_order_offload,
	[NET_BURST_PACKED] = packed_plain,
	[NET_BURST_PACKED | NET_BURST_IN_ORDER] = packed_in_order,
	[NET_BURST_PACKED | NET_BURST_OFFLOAD] = packed_offload,
	[NET_BURST_PACKED | NET_BURST_IN_ORDER | NET_BURST_OFFLOAD] = packed_in_order_offload,
	[PACKED_TRACKED] = tracked_plain,
	[PACKED_TRACKED | NET_BURST_IN_ORDER] = tracked_in_order,
	[PACKED_TRACKED | NET_BURST_OFFLOAD] = tracked_offload,
	[PACKED_TRACKED | NET_BURST_IN_ORDER | NET_BURST_OFFLOAD] = tracked_in_order_offload,
};
