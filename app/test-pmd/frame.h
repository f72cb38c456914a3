/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_FRAME_H
#define TESTPMD_FRAME_H

/**
 * @file
 * Frames that are generated rather than forwarded: Ethernet, IPv4, UDP and a counting payload,
 * checksums right, over as many segments as the txpkts say.
 */

#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#define FRAME_HDR_LEN \
	(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
/* An IPv4 packet holds no more. */
#define FRAME_MAX_LEN (RTE_ETHER_HDR_LEN + UINT16_MAX)

/** Who sends to whom; addresses and ports in host byte order. */
struct frame_flow {
	struct rte_ether_addr dst, src;
	uint32_t ip_src, ip_dst;
	uint16_t udp_src, udp_dst;
};

/** One frame, ready to be copied into mbufs. */
struct frame_template {
	uint32_t length;
	unsigned int segments;
	const uint16_t *lengths; /* of the segments; their sum is length */
	uint8_t data[];
};

/**
 * Write a whole frame.
 *
 * @param length
 *   From FRAME_HDR_LEN to FRAME_MAX_LEN bytes, all of which are written.
 */
void frame_write(uint8_t *data, uint32_t length, const struct frame_flow *flow);

/**
 * A template of that flow, for the data path of a socket.
 *
 * @param lengths
 *   Kept, not copied: must live as long as the template.
 * @return
 *   To be given to frame_template_free(), or NULL when there is no memory.
 */
struct frame_template *frame_template_new(const struct frame_flow *flow, const uint16_t *lengths,
	unsigned int segments, int socket);

void frame_template_free(struct frame_template *template);

/**
 * Make up to count frames of a template.
 *
 * @return
 *   How many there was memory for.
 */
uint16_t frame_make(const struct frame_template *template, struct rte_mempool *pool,
	struct rte_mbuf **pkts, uint16_t count);

/**
 * The checksum after one 32-bit word under it changed (RFC 1624, equation 3).
 *
 * @param checksum, from, to
 *   As they stand in the packet, in network byte order.
 */
static inline uint16_t
frame_checksum_update32(uint16_t checksum, uint32_t from, uint32_t to)
{
	uint32_t sum = (uint16_t)~checksum;

	sum += (uint16_t)~from;
	sum += (uint16_t) ~(from >> 16);
	sum += (uint16_t)to;
	sum += to >> 16;
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

/**
 * Send a frame that frame_write() wrote to another IPv4 address, in host byte order, with its
 * checksums right.
 */
static inline void
frame_redirect(uint8_t *data, uint32_t ip_dst)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(data + sizeof(struct rte_ether_hdr));
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	rte_be32_t dst = rte_cpu_to_be_32(ip_dst);

	ip->hdr_checksum = frame_checksum_update32(ip->hdr_checksum, ip->dst_addr, dst);
	udp->dgram_cksum = frame_checksum_update32(udp->dgram_cksum, ip->dst_addr, dst);
	/* Zero would say that there is none. */
	if (udp->dgram_cksum == 0)
		udp->dgram_cksum = UINT16_MAX;
	ip->dst_addr = dst;
}

#endif /* TESTPMD_FRAME_H */
