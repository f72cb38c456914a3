/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_errno.h>
#include <rte_ether.h>

#include "offload.h"
#include "queue.h"

/* Sum of the pseudo header as the device expects it: with the length even when it segments. */
static uint16_t
pseudo_sum(struct rte_mbuf *m)
{
	const uint64_t flags = m->ol_flags & ~RTE_MBUF_F_TX_TCP_SEG;
	const void *ip = rte_pktmbuf_mtod_offset(m, void *, virtio_tx_l3_at(m));

	return flags & RTE_MBUF_F_TX_IPV6 ? rte_ipv6_phdr_cksum(ip, flags) :
					    rte_ipv4_phdr_cksum(ip, flags);
}

/*
 * Who has a frame segmented asks for the header's checksum as well, as mbufs have it. To a virtio device it
 * is none of the offloads, and who takes the frame checks it before it is segmented, if it ever is.
 */
static int
set_ipv4_checksum(struct rte_mbuf *m)
{
	const uint16_t at = virtio_tx_l3_at(m);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, at);

	if (m->l3_len < sizeof(*ip) || at + m->l3_len > rte_pktmbuf_data_len(m))
		return -EINVAL;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, m->l3_len);
	m->ol_flags &= ~RTE_MBUF_F_TX_IP_CKSUM;
	return 0;
}

#define TX_PREPARED \
	(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_VLAN | \
		VIRTIO_TX_TUNNEL_MASK | VIRTIO_TX_OFFLOAD_MASK)
#define TX_REFUSED (RTE_MBUF_F_TX_OFFLOAD_MASK ^ TX_PREPARED)

static int
prepare_one(const struct virtio_queue *q, struct rte_mbuf **pkt)
{
	struct rte_mbuf *m = *pkt;
	const uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const bool tcp = l4 == RTE_MBUF_F_TX_TCP_CKSUM || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
	const size_t field = tcp ? offsetof(struct rte_tcp_hdr, cksum) :
				   offsetof(struct rte_udp_hdr, dgram_cksum);
	size_t at;
	int ret;

	if ((m->ol_flags & TX_REFUSED) || m->nb_segs > q->nb_segs_max)
		return -ENOTSUP;
	/* There is no word for outer headers, and so nobody would change them from segment to segment. */
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) && (m->ol_flags & VIRTIO_TX_TUNNEL_MASK))
		return -ENOTSUP;
	/* No virtio device inserts tags. */
	if (m->ol_flags & RTE_MBUF_F_TX_VLAN) {
		ret = rte_vlan_insert(pkt);
		if (ret < 0)
			return ret;
		m = *pkt;
	}
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		ret = set_ipv4_checksum(m);
		if (ret < 0)
			return ret;
	}
	if ((m->ol_flags & VIRTIO_TX_OFFLOAD_MASK) == 0)
		return 0;
	if (l4 == RTE_MBUF_F_TX_SCTP_CKSUM || q->burst_id == 0)
		return -ENOTSUP;
	at = virtio_tx_l3_at(m) + m->l3_len + field;
	if (at + sizeof(uint16_t) > rte_pktmbuf_data_len(m))
		return -EINVAL;
	*rte_pktmbuf_mtod_offset(m, uint16_t *, at) = pseudo_sum(m);
	return 0;
}

uint16_t
virtio_tx_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	const struct virtio_queue *q = queue;

	for (uint16_t i = 0; i < n; i++) {
		const int ret = prepare_one(q, &pkts[i]);

		if (ret != 0) {
			rte_errno = -ret;
			return i;
		}
	}
	return n;
}
