/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The half of receiving that no ring format matters to: buffers that came back from the device,
 * with their lengths, become frames.
 */

#ifndef VIRTIO_RX_BUILD_H
#define VIRTIO_RX_BUILD_H

#include <rte_ether.h>
#include <rte_prefetch.h>

#include "offload.h"
#include "queue.h"

/** Buffers that one burst takes out of a ring at most. */
#define VIRTIO_RX_BURST_MAX 128

enum virtio_rx_variant {
	VIRTIO_RX_PLAIN = 0,
	VIRTIO_RX_MERGE = 1 << 0,   /**< a frame may span buffers */
	VIRTIO_RX_OFFLOAD = 1 << 1, /**< the header may say something, and tags may be stripped */
};

/** Where the device writes into @a m. */
static __rte_always_inline uint64_t
virtio_rx_address(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	return virtio_queue_buffer(q, m) + q->buf_off;
}

/** The header in front of a received frame, read once: the device can still write to it. */
static __rte_always_inline struct virtio_net_hdr_v1
virtio_rx_read_header(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	/* A header of 10 bytes ends on a boundary of 16 and begins on none. */
	typedef virtio_word32 __attribute__((aligned(2))) word;

	const volatile word *src = (const volatile word *)((const char *)m->buf_addr + q->buf_off);
	union {
		uint32_t words[sizeof(struct virtio_net_hdr_v1) / sizeof(uint32_t)];
		struct virtio_net_hdr_v1 hdr;
	} u;

	for (unsigned int i = 0; i < RTE_DIM(u.words); i++)
		u.words[i] = src[i];
	return u.hdr;
}

/** Buffers that a frame is in, read once, where nothing else of its header is of interest. */
static __rte_always_inline uint16_t
virtio_rx_read_buffers(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	return *(const volatile virtio_word16 *)((const char *)m->buf_addr + q->buf_off +
		offsetof(struct virtio_net_hdr_v1, num_buffers));
}

/** Fetch a header: most of what it costs is that its line comes from the device's cache. */
static __rte_always_inline void
virtio_rx_prefetch_header(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	rte_prefetch0((const char *)m->buf_addr + q->buf_off);
}

/** Make @a m a frame, or the first part of one, of @a len bytes. A fresh mbuf has no next. */
static __rte_always_inline void
virtio_rx_init(const struct virtio_queue *q, struct rte_mbuf *m, uint32_t len)
{
	*(virtio_word64 *)&m->data_off = q->rearm;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
	m->vlan_tci = 0;
	m->hash.rss = 0;
}

/** virtio_rx_init(), or what does the same with vectors. */
typedef void (*virtio_rx_init_t)(const struct virtio_queue *q, struct rte_mbuf *m, uint32_t len);

/** Append a further buffer, which begins with data where the first one has the header. */
static inline void
virtio_rx_append(struct virtio_queue *q, struct rte_mbuf *m, uint32_t len)
{
	virtio_rx_init(q, m, len);
	m->data_off -= q->hdr_len;
	q->merge_last->next = m;
	q->merge_last = m;
	q->merging->nb_segs++;
	q->merging->pkt_len += len;
	q->merge_missing--;
}

/** What the device says is a frame, and cannot be one. @return frames, which is none */
static __rte_noinline uint16_t
virtio_rx_drop(struct virtio_queue *q, struct rte_mbuf *m)
{
	q->count.errors++;
	virtio_rx_give_back(q, m);
	return 0;
}

/**
 * The frame is whole. Applications, and what follows here, look at its Ethernet header without
 * asking whether it is there. @return frames: one, or none if @a m is none
 */
static __rte_always_inline uint16_t
virtio_rx_finish(struct virtio_queue *q, struct rte_mbuf *m, unsigned int variant)
{
	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return virtio_rx_drop(q, m);
	q->count.bytes += m->pkt_len;
	if ((variant & VIRTIO_RX_OFFLOAD) && (q->flags & VIRTIO_QUEUE_VLAN_STRIP) &&
		m->data_len >= RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		rte_vlan_strip(m);
	return 1;
}

/** A frame that the device described wrongly: it and what is behind it in the burst are lost. */
static __rte_noinline void
virtio_rx_discard(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, const char *what,
	uint32_t value)
{
	virtio_rx_give_back(q, q->merging);
	q->merging = NULL;
	for (uint16_t i = 0; i < n; i++)
		virtio_rx_give_back(q, pkts[i]);
	virtio_queue_fail(q, what, value);
}

/** Frames that may span buffers or carry a header of interest. @return frames, in pkts[] */
static __rte_always_inline uint16_t
virtio_rx_build_general(struct virtio_queue *q, struct rte_mbuf **pkts, const uint32_t *lens,
	uint16_t n, const unsigned int variant, virtio_rx_init_t init)
{
	uint16_t out = 0;

	for (uint16_t i = 0; i < n; i++)
		virtio_rx_prefetch_header(q, pkts[i]);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct virtio_net_hdr_v1 hdr;
		uint16_t buffers = 1;

		if ((variant & VIRTIO_RX_MERGE) && unlikely(q->merging != NULL)) {
			virtio_rx_append(q, m, lens[i]);
			if (q->merge_missing > 0)
				continue;
			pkts[out] = q->merging;
			if ((variant & VIRTIO_RX_OFFLOAD) && unlikely(q->merge_csum_start != 0))
				virtio_rx_merged(q, q->merging);
			out += virtio_rx_finish(q, q->merging, variant);
			q->merging = NULL;
			continue;
		}
		init(q, m, lens[i] - q->hdr_len);
		if (variant & VIRTIO_RX_OFFLOAD) {
			hdr = virtio_rx_read_header(q, m);
			if (variant & VIRTIO_RX_MERGE)
				buffers = hdr.num_buffers;
		} else {
			buffers = virtio_rx_read_buffers(q, m);
		}
		if (unlikely(lens[i] < q->hdr_len || buffers > q->size)) {
			virtio_rx_discard(q, &pkts[i], n - i,
				"a frame in more buffers than the ring has, or without header",
				buffers);
			break;
		}
		if (variant & VIRTIO_RX_OFFLOAD)
			virtio_rx_header(q, m, &hdr, buffers <= 1);
		if (likely(buffers <= 1)) {
			pkts[out] = m;
			out += virtio_rx_finish(q, m, variant);
			continue;
		}
		q->merging = m;
		q->merge_last = m;
		q->merge_missing = buffers - 1;
	}
	q->count.packets += out;
	return out;
}

/** Drop what is too short among frames, and count the others. @return frames, in pkts[] */
static __rte_noinline uint16_t
virtio_rx_drop_runts(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t out = 0;

	for (uint16_t i = 0; i < n; i++) {
		pkts[out] = pkts[i];
		out += virtio_rx_finish(q, pkts[i], VIRTIO_RX_PLAIN);
	}
	return out;
}

/** One frame per buffer, header of no interest. */
static __rte_always_inline uint16_t
virtio_rx_build_plain(struct virtio_queue *q, struct rte_mbuf **pkts, const uint32_t *lens,
	uint16_t n, virtio_rx_init_t init)
{
	const uint32_t hdr_len = q->hdr_len;
	uint64_t bytes = 0;
	uint32_t runts = 0;

	for (uint16_t i = 0; i < n; i++) {
		const uint32_t len = lens[i] - hdr_len;

		init(q, pkts[i], len);
		bytes += len;
		runts |= len < RTE_ETHER_HDR_LEN;
	}
	if (unlikely(runts))
		n = virtio_rx_drop_runts(q, pkts, n);
	else
		q->count.bytes += bytes;
	q->count.packets += n;
	return n;
}

static __rte_always_inline uint16_t
virtio_rx_build(struct virtio_queue *q, struct rte_mbuf **pkts, const uint32_t *lens, uint16_t n,
	const unsigned int variant, virtio_rx_init_t init)
{
	if (variant == VIRTIO_RX_PLAIN)
		return virtio_rx_build_plain(q, pkts, lens, n, init);
	return virtio_rx_build_general(q, pkts, lens, n, variant, init);
}

#endif /* VIRTIO_RX_BUILD_H */
