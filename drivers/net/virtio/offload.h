/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the virtio-net header says and what mbufs say about checksums and segmentation, each in
 * the words of the other (virtio 1.2, 5.1.6.2 and 5.1.6.4).
 */

#ifndef VIRTIO_OFFLOAD_H
#define VIRTIO_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/virtio_net.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

struct virtio_queue;

#define VIRTIO_TX_OFFLOAD_MASK (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)

/** What says that a frame has another one in it. It asks for nothing. */
#define VIRTIO_TX_TUNNEL_MASK \
	(RTE_MBUF_F_TX_OUTER_IPV4 | RTE_MBUF_F_TX_OUTER_IPV6 | RTE_MBUF_F_TX_TUNNEL_MASK)

/** Where the IP header lies that lengths and flags are of: the innermost one. */
static inline uint16_t
virtio_tx_l3_at(const struct rte_mbuf *m)
{
	/* Of frames that have none, nobody has to set the lengths of outer headers. */
	const uint16_t outer = m->ol_flags & VIRTIO_TX_TUNNEL_MASK ?
		m->outer_l2_len + m->outer_l3_len :
		0;

	return outer + m->l2_len;
}

/** Describe a frame to the device. */
static inline void
virtio_tx_header(const struct rte_mbuf *m, struct virtio_net_hdr_v1 *hdr)
{
	const uint64_t flags = m->ol_flags & VIRTIO_TX_OFFLOAD_MASK;

	memset(hdr, 0, sizeof(struct virtio_net_hdr));
	if (flags == 0)
		return;
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = virtio_tx_l3_at(m) + m->l3_len;
	hdr->csum_offset = (flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM ?
		offsetof(struct rte_udp_hdr, dgram_cksum) :
		offsetof(struct rte_tcp_hdr, cksum);
	if (flags & RTE_MBUF_F_TX_TCP_SEG) {
		hdr->csum_offset = offsetof(struct rte_tcp_hdr, cksum);
		hdr->gso_type = m->ol_flags & RTE_MBUF_F_TX_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
								   VIRTIO_NET_HDR_GSO_TCPV4;
		hdr->gso_size = m->tso_segsz;
		hdr->hdr_len = m->l2_len + m->l3_len + m->l4_len;
	}
}

/**
 * A frame whose checksum was left to us: see whose it is. If it is of a frame within the frame, there are no
 * flags that tell applications of it which do not look there, and who sends the frame on would send a wrong
 * one: it is made here.
 * @param start where what it is of begins
 * @param offset of the checksum, from there on
 * @param whole all of the frame is there; if not, virtio_rx_merged() is called when it is
 * @return flags
 */
uint64_t virtio_rx_left_checksum(struct virtio_queue *q, struct rte_mbuf *m, uint16_t start,
	uint16_t offset, bool whole);

/** A frame of several buffers is whole: make the checksum that was put off, which is one. */
void virtio_rx_merged(struct virtio_queue *q, struct rte_mbuf *m);

/**
 * Take over what the device says of a frame, which is at least as long as its first buffer. The header was
 * copied out of shared memory.
 */
static inline void
virtio_rx_header(struct virtio_queue *q, struct rte_mbuf *m, const struct virtio_net_hdr_v1 *hdr,
	bool whole)
{
	uint64_t flags = 0;

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		flags |= virtio_rx_left_checksum(q, m, hdr->csum_start, hdr->csum_offset, whole);
	else if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE && hdr->gso_size != 0) {
		flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = hdr->gso_size;
	}
	m->ol_flags |= flags;
}

/**
 * tx_pkt_prepare of the port: put the pseudo header's checksum where the device goes on from, and do what
 * no device does: tags, and the checksum of an IPv4 header.
 * Refuses, with rte_errno set, a frame that offloads what the device does not do.
 */
uint16_t virtio_tx_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n);

#endif /* VIRTIO_OFFLOAD_H */
