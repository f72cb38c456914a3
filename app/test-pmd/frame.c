/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <string.h>

#include <rte_malloc.h>

/* Frames are taken from the pool so many segments at a time. */
#define ALLOC_MAX 256

#define FRAME_TTL 64

void
frame_write(uint8_t *data, uint32_t length, const struct frame_flow *flow)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)data;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	uint16_t ip_len = (uint16_t)(length - sizeof(*eth));

	*eth = (struct rte_ether_hdr){
		.dst_addr = flow->dst,
		.src_addr = flow->src,
		.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
	};
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(ip_len),
		.time_to_live = FRAME_TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(flow->ip_src),
		.dst_addr = rte_cpu_to_be_32(flow->ip_dst),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(flow->udp_src),
		.dst_port = rte_cpu_to_be_16(flow->udp_dst),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(ip_len - sizeof(*ip))),
	};
	for (uint32_t i = FRAME_HDR_LEN; i < length; i++)
		data[i] = (uint8_t)(i - FRAME_HDR_LEN);
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
}

struct frame_template *
frame_template_new(const struct frame_flow *flow, const uint16_t *lengths, unsigned int segments,
	int socket)
{
	struct frame_template *template;
	uint32_t length = 0;

	for (unsigned int i = 0; i < segments; i++)
		length += lengths[i];
	template = rte_zmalloc_socket("frame_template", sizeof(*template) + length,
		RTE_CACHE_LINE_SIZE, socket);
	if (template == NULL)
		return NULL;
	template->length = length;
	template->segments = segments;
	template->lengths = lengths;
	frame_write(template->data, length, flow);
	return template;
}

void
frame_template_free(struct frame_template *template)
{
	rte_free(template);
}

static void
fill(const struct frame_template *template, struct rte_mbuf **segments)
{
	struct rte_mbuf *first = segments[0];
	const uint8_t *data = template->data;

	for (unsigned int i = 0; i < template->segments; i++) {
		uint16_t length = template->lengths[i];

		rte_memcpy(rte_pktmbuf_mtod(segments[i], void *), data, length);
		segments[i]->data_len = length;
		segments[i]->next = i + 1 < template->segments ? segments[i + 1] : NULL;
		data += length;
	}
	first->nb_segs = (uint16_t) template->segments;
	first->pkt_len = template->length;
	first->l2_len = sizeof(struct rte_ether_hdr);
	first->l3_len = sizeof(struct rte_ipv4_hdr);
}

uint16_t
frame_make(const struct frame_template *template, struct rte_mempool *pool, struct rte_mbuf **pkts,
	uint16_t count)
{
	struct rte_mbuf *segments[ALLOC_MAX];
	const unsigned int each = template->segments;
	uint16_t made = 0;

	while (made < count) {
		unsigned int frames = RTE_MIN(ALLOC_MAX / each, (unsigned int)(count - made));

		if (rte_pktmbuf_alloc_bulk(pool, segments, frames * each) != 0)
			break;
		for (unsigned int i = 0; i < frames; i++) {
			fill(template, &segments[i * each]);
			pkts[made++] = segments[i * each];
		}
	}
	return made;
}
