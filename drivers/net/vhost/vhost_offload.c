/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "vhost_offload.h"
#include "vhost_port.h"

/* Sum of the frame from @a start to its end, of any number of segments of any lengths. */
static uint16_t
sum_from(const struct rte_mbuf *m, uint32_t start)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL; m = m->next) {
		uint32_t skip = RTE_MIN(start, (uint32_t)m->data_len);
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, void *, skip),
			m->data_len - skip);

		/* What begins at an odd place has its bytes in each other's places. */
		sum += done % 2 != 0 ? rte_bswap16(part) : part;
		done += m->data_len - skip;
		start -= skip;
	}
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum;
}

/* Have the field of a checksum hold the sum of the pseudo header: mbufs ask applications for flags only. */
static void
start_cksum(struct rte_mbuf *m, uint32_t field_offset)
{
	const void *ip = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);
	uint16_t cksum;

	if ((m->ol_flags & RTE_MBUF_F_TX_IPV4) && m->l3_len >= sizeof(struct rte_ipv4_hdr))
		cksum = rte_ipv4_phdr_cksum(ip, 0);
	else if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) && m->l3_len == sizeof(struct rte_ipv6_hdr))
		cksum = rte_ipv6_phdr_cksum(ip, 0);
	else
		return;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, field_offset), &cksum, sizeof(cksum));
}

/*
 * Finish a checksum whose field holds the sum of the pseudo header, as virtio defines a partial
 * checksum: sum from the transport header to the end of the frame.
 */
static int
complete_cksum(struct rte_mbuf *m, uint32_t l4_offset, bool udp, bool start)
{
	uint32_t field_offset = l4_offset +
		(udp ? offsetof(struct rte_udp_hdr, dgram_cksum) :
		       offsetof(struct rte_tcp_hdr, cksum));
	uint16_t cksum;

	if (field_offset + sizeof(cksum) > rte_pktmbuf_data_len(m))
		return -EINVAL;
	if (start)
		start_cksum(m, field_offset);
	cksum = (uint16_t)~sum_from(m, l4_offset);
	/* In UDP a zero means that there is no checksum; its other form means the same number. */
	if (udp && cksum == 0)
		cksum = 0xffff;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, field_offset), &cksum, sizeof(cksum));
	return 0;
}

/* Where the checksum belongs librte_vhost has found out, from what the guest said. */
static void
complete_rx_cksum(struct rte_mbuf *m)
{
	uint32_t l4 = m->packet_type & RTE_PTYPE_L4_MASK;

	if (l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP)
		return;
	if (complete_cksum(m, m->l2_len + m->l3_len, l4 == RTE_PTYPE_L4_UDP, false) != 0)
		return;
	m->ol_flags = (m->ol_flags & ~RTE_MBUF_F_RX_L4_CKSUM_MASK) | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

void
vhost_offload_rx(struct rte_mbuf **pkts, uint16_t n, uint8_t fixups)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if ((fixups & VHOST_FIXUP_CKSUM) &&
			(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
			complete_rx_cksum(m);
		/* A guest may send less than the headers that rte_vlan_strip() moves about. */
		if ((fixups & VHOST_FIXUP_VLAN) &&
			rte_pktmbuf_data_len(m) >=
				sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr))
			rte_vlan_strip(m);
	}
}

int
vhost_offload_tx(struct rte_mbuf *m, uint8_t fixups)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	int ret;

	if ((fixups & VHOST_FIXUP_CKSUM) &&
		(l4 == RTE_MBUF_F_TX_TCP_CKSUM || l4 == RTE_MBUF_F_TX_UDP_CKSUM)) {
		/* Others who hold the frame still expect the partial checksum. */
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) > 1)
			return -EINVAL;
		ret = complete_cksum(m, m->l2_len + m->l3_len, l4 == RTE_MBUF_F_TX_UDP_CKSUM, true);
		if (ret != 0)
			return ret;
		m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
	}
	if ((fixups & VHOST_FIXUP_VLAN) && (m->ol_flags & RTE_MBUF_F_TX_VLAN))
		return rte_vlan_insert(&m);
	return 0;
}
