/* SPDX-License-Identifier: BSD-3-Clause */
#include "checksum.h"

#include <netinet/in.h>
#include <stdbool.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define TX_FLAGS \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG | \
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

/* A frame's headers, all in its first segment. */
struct headers {
	uint8_t *start;
	struct rte_ipv4_hdr *ip4; /* one of these two */
	struct rte_ipv6_hdr *ip6;
	uint32_t l2_len, l3_len;
	uint32_t l4_len;  /* header and payload, as IP has it */
	uint8_t protocol; /* 0 when there is no whole layer 4 in the frame */
};

static int
parse_ip4(struct headers *h, uint32_t here, uint32_t whole)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(h->start + h->l2_len);
	uint32_t total;

	if (here < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return -1;
	h->l3_len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	total = rte_be_to_cpu_16(ip->total_length);
	if (h->l3_len < sizeof(*ip) || h->l3_len > here || total < h->l3_len || total > whole)
		return -1;
	h->ip4 = ip;
	h->l4_len = total - h->l3_len;
	/* A fragment has a part of the checksummed data. */
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) == 0)
		h->protocol = ip->next_proto_id;
	return 0;
}

static int
parse_ip6(struct headers *h, uint32_t here, uint32_t whole)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(h->start + h->l2_len);
	uint32_t payload;

	if (here < sizeof(*ip) || rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6)
		return -1;
	payload = rte_be_to_cpu_16(ip->payload_len);
	if (sizeof(*ip) + payload > whole)
		return -1;
	h->ip6 = ip;
	h->l3_len = sizeof(*ip);
	h->l4_len = payload;
	h->protocol = ip->proto;
	return 0;
}

static int
parse(struct headers *h, struct rte_mbuf *pkt)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(pkt, const struct rte_ether_hdr *);
	uint32_t offset = sizeof(*ether);
	rte_be16_t type;

	*h = (struct headers){ .start = rte_pktmbuf_mtod(pkt, uint8_t *) };
	if (pkt->data_len < offset)
		return -1;
	type = ether->ether_type;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		offset += sizeof(struct rte_vlan_hdr);
		if (pkt->data_len < offset)
			return -1;
		type = ((const struct rte_vlan_hdr *)(h->start + sizeof(*ether)))->eth_proto;
	}
	h->l2_len = offset;
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return parse_ip4(h, pkt->data_len - offset, pkt->pkt_len - offset);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return parse_ip6(h, pkt->data_len - offset, pkt->pkt_len - offset);
	return -1;
}

static uint16_t
pseudo_checksum(const struct headers *h, uint64_t flags)
{
	return h->ip4 != NULL ? rte_ipv4_phdr_cksum(h->ip4, flags) :
				rte_ipv6_phdr_cksum(h->ip6, flags);
}

/*
 * DPDK's own sum over segments drops the carry of one that begins at an odd byte (22.11), so
 * each is folded before its bytes are swapped into place here.
 */
static uint32_t
segments_sum(const struct rte_mbuf *segment, uint32_t offset, uint32_t length)
{
	uint32_t sum = 0;
	bool odd = false;

	for (; segment != NULL && length != 0; segment = segment->next) {
		uint32_t here;
		uint16_t part;

		if (offset >= segment->data_len) {
			offset -= segment->data_len;
			continue;
		}
		here = RTE_MIN(segment->data_len - offset, length);
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(segment, const void *, offset), here);
		sum += odd ? rte_bswap16(part) : part;
		odd ^= (here & 1) != 0;
		length -= here;
		offset = 0;
	}
	return sum;
}

static uint16_t
l4_checksum(const struct headers *h, const struct rte_mbuf *pkt)
{
	uint32_t sum = segments_sum(pkt, h->l2_len + h->l3_len, h->l4_len) + pseudo_checksum(h, 0);
	uint16_t checksum;

	/* Even 65535 segments' sums fit in 32 bits, and the second fold's carry is the last. */
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	checksum = (uint16_t)~sum;
	/* In UDP, zero says that there is none; the other zero says the same sum. */
	return checksum == 0 && h->protocol == IPPROTO_UDP ? UINT16_MAX : checksum;
}

static uint64_t
set_udp(const struct headers *h, struct rte_mbuf *pkt, const struct checksum_offload *offload)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(h->start + h->l2_len + h->l3_len);

	if (h->l4_len < sizeof(*udp) || pkt->data_len < h->l2_len + h->l3_len + sizeof(*udp))
		return 0;
	/* Its sender chose to have none. */
	if (udp->dgram_cksum == 0)
		return 0;
	if ((offload->device & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0) {
		udp->dgram_cksum = pseudo_checksum(h, RTE_MBUF_F_TX_UDP_CKSUM);
		return RTE_MBUF_F_TX_UDP_CKSUM;
	}
	udp->dgram_cksum = 0;
	udp->dgram_cksum = l4_checksum(h, pkt);
	return 0;
}

static uint64_t
set_tcp(const struct headers *h, struct rte_mbuf *pkt, const struct checksum_offload *offload)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(h->start + h->l2_len + h->l3_len);
	uint64_t flags = 0;
	uint32_t header;

	if (h->l4_len < sizeof(*tcp) || pkt->data_len < h->l2_len + h->l3_len + sizeof(*tcp))
		return 0;
	header = (uint32_t)(tcp->data_off >> 4) * 4;
	if (offload->tso_segsz != 0 && header >= sizeof(*tcp) && header <= h->l4_len &&
		h->l4_len - header > offload->tso_segsz) {
		pkt->tso_segsz = offload->tso_segsz;
		pkt->l4_len = header;
		flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	} else if ((offload->device & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0) {
		flags = RTE_MBUF_F_TX_TCP_CKSUM;
	}
	tcp->cksum = 0;
	tcp->cksum = flags != 0 ? pseudo_checksum(h, flags) : l4_checksum(h, pkt);
	return flags;
}

/* A segmented frame's IPv4 checksum is the device's: there will be several. */
static uint64_t
set_ip4(struct rte_ipv4_hdr *ip, uint64_t flags, const struct checksum_offload *offload)
{
	ip->hdr_checksum = 0;
	if ((flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ||
		(offload->device & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0)
		return RTE_MBUF_F_TX_IP_CKSUM;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return 0;
}

uint64_t
checksum_set(struct rte_mbuf *pkt, const struct checksum_offload *offload)
{
	struct headers h;
	uint64_t flags = 0;

	/* What the receiving device said of the old checksums does not hold for the new. */
	pkt->ol_flags &= ~(TX_FLAGS | RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	if (parse(&h, pkt) < 0)
		return 0;
	if (h.protocol == IPPROTO_UDP)
		flags = set_udp(&h, pkt, offload);
	else if (h.protocol == IPPROTO_TCP)
		flags = set_tcp(&h, pkt, offload);
	if (h.ip4 != NULL)
		flags |= set_ip4(h.ip4, flags, offload);
	if (flags == 0)
		return 0;
	flags |= h.ip4 != NULL ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	pkt->l2_len = h.l2_len;
	pkt->l3_len = h.l3_len;
	pkt->ol_flags |= flags;
	return flags;
}
