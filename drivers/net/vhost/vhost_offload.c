/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <rte_vdpa_cksum.h>

#include "vhost_offload.h"
#include "vhost_port.h"

/*
 * Finish a checksum whose field holds the sum of the pseudo header, as virtio defines a partial
 * checksum: sum from the transport header to the end of the frame. Where it belongs librte_vhost has found
 * out, from what the guest said.
 */
static void
complete_rx_cksum(struct rte_mbuf *m)
{
	const uint32_t l4 = m->packet_type & RTE_PTYPE_L4_MASK, l4_offset = m->l2_len + m->l3_len;
	uint32_t field_offset = l4_offset;
	uint16_t cksum;

	if (l4 == RTE_PTYPE_L4_UDP)
		field_offset += offsetof(struct rte_udp_hdr, dgram_cksum);
	else if (l4 == RTE_PTYPE_L4_TCP)
		field_offset += offsetof(struct rte_tcp_hdr, cksum);
	else
		return;
	if (field_offset + sizeof(cksum) > rte_pktmbuf_data_len(m))
		return;
	cksum = (uint16_t)~vdpa_raw_cksum_from(m, l4_offset);
	/* In UDP a zero means that there is no checksum; its other form means the same number. */
	if (l4 == RTE_PTYPE_L4_UDP && cksum == 0)
		cksum = 0xffff;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, field_offset), &cksum, sizeof(cksum));
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
	if ((fixups & VHOST_FIXUP_VLAN) && (m->ol_flags & RTE_MBUF_F_TX_VLAN))
		return rte_vlan_insert(&m);
	return 0;
}
