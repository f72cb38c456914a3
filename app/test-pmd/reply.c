/* SPDX-License-Identifier: BSD-3-Clause */
#include "reply.h"

#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_ip.h>
#include <rte_vdpa_compat.h>

/* Before a host answers for it, an address has to be a host's. */
#define IPV4_IS_MULTICAST(ip) (((ip) >> 28) == 0xe || (ip) == UINT32_MAX)

static bool
reply_to_arp(uint8_t *at, uint32_t length, struct rte_ether_hdr *ether,
	const struct rte_ether_addr *self)
{
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)at;
	uint32_t asked;

	if (length < sizeof(*arp) || arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
		arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(asked))
		return false;
	asked = arp->arp_data.arp_tip;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	arp->arp_data.arp_sha = *self;
	arp->arp_data.arp_sip = asked;
	ether->dst_addr = ether->src_addr;
	ether->src_addr = *self;
	return true;
}

static bool
reply_to_echo(uint8_t *at, uint32_t length, struct rte_ether_hdr *ether)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;
	struct rte_ether_addr asker = ether->src_addr;
	struct rte_icmp_hdr *icmp;
	uint32_t header, sum;
	rte_be32_t source;

	if (length < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	header = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	if (header < sizeof(*ip) || length < header + sizeof(*icmp) ||
		ip->next_proto_id != IPPROTO_ICMP ||
		(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
		IPV4_IS_MULTICAST(rte_be_to_cpu_32(ip->dst_addr)))
		return false;
	icmp = (struct rte_icmp_hdr *)(at + header);
	if (icmp->icmp_type != RTE_ICMP_TYPE_ECHO_REQUEST || icmp->icmp_code != 0)
		return false;
	icmp->icmp_type = RTE_ICMP_TYPE_ECHO_REPLY;
	/* One's complement: what the sum over the message lost, its complement gains. */
	sum = icmp->icmp_cksum + (uint32_t)RTE_BE16(RTE_ICMP_TYPE_ECHO_REQUEST << 8);
	icmp->icmp_cksum = (uint16_t)(sum + (sum >> 16));
	source = ip->src_addr;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = source;
	ether->src_addr = ether->dst_addr;
	ether->dst_addr = asker;
	return true;
}

bool
reply_make(uint8_t *frame, uint32_t length, const struct rte_ether_addr *self)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)frame;
	uint32_t offset = sizeof(*ether);
	rte_be16_t type;

	if (length < offset)
		return false;
	type = ether->ether_type;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *vlan = (const struct rte_vlan_hdr *)(frame + offset);

		offset += sizeof(*vlan);
		if (length < offset)
			return false;
		type = vlan->eth_proto;
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return reply_to_arp(frame + offset, length - offset, ether, self);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return reply_to_echo(frame + offset, length - offset, ether);
	return false;
}
