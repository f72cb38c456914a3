/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_net.h>
#include <rte_vdpa_cksum.h>

#include "device.h"
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

/* What the device does not do, and so what it must not be asked for, follows from what was agreed on. */
static bool
device_finishes(const struct virtio_device *dev, const struct rte_mbuf *m)
{
	const uint64_t features = __atomic_load_n(&dev->features, __ATOMIC_RELAXED);
	uint64_t needed = VIRTIO_FEATURE(VIRTIO_NET_F_CSUM);

	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_SCTP_CKSUM)
		return false;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		needed |= m->ol_flags & RTE_MBUF_F_TX_IPV6 ?
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) :
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4);
	return (needed & ~features) == 0;
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
	uint16_t sum;
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
	if (!device_finishes(q->dev, m))
		return -ENOTSUP;
	at = virtio_tx_l3_at(m) + m->l3_len + field;
	if (at + sizeof(sum) > rte_pktmbuf_data_len(m))
		return -EINVAL;
	sum = pseudo_sum(m);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &sum, sizeof(sum));
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

/* Where nobody can tell what is wrong with it, the frame goes as it came: who checks it, finds out. */
static void
make_checksum(struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	const uint32_t field = start + offset;
	uint16_t sum;

	if (field + sizeof(sum) > rte_pktmbuf_data_len(m) || start >= rte_pktmbuf_pkt_len(m))
		return;
	sum = vdpa_raw_cksum_from(m, start);
	/* Of the two zeros, the one that does not say "none" with UDP. */
	if (sum != UINT16_MAX)
		sum = (uint16_t)~sum;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, field), &sum, sizeof(sum));
}

/*
 * Where the transport header begins that flags of a frame are of, UINT32_MAX if that takes more than a
 * glance at its first bytes.
 */
static uint32_t
l4_at(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);

	if (m->data_len < sizeof(*eth) + sizeof(*ip))
		return UINT32_MAX;
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return sizeof(*eth) + rte_ipv4_hdr_len(ip);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return sizeof(*eth) + sizeof(struct rte_ipv6_hdr);
	return UINT32_MAX;
}

/* The same for frames with tags and the like. */
static uint64_t
deep_checksum(struct virtio_queue *q, struct rte_mbuf *m, uint16_t start, uint16_t offset,
	bool whole)
{
	const uint32_t layers = RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK;
	struct rte_net_hdr_lens lens = { 0 };
	const uint32_t l4 = rte_net_get_ptype(m, &lens, layers) & RTE_PTYPE_L4_MASK;

	if ((l4 == RTE_PTYPE_L4_TCP || l4 == RTE_PTYPE_L4_UDP) &&
		start == lens.l2_len + lens.l3_len)
		return RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (start < RTE_ETHER_HDR_LEN)
		return 0;
	if (whole) {
		make_checksum(m, start, offset);
	} else {
		q->merge_csum_start = start;
		q->merge_csum_offset = offset;
	}
	return 0;
}

uint64_t
virtio_rx_left_checksum(struct virtio_queue *q, struct rte_mbuf *m, uint16_t start, uint16_t offset,
	bool whole)
{
	/* As mbufs have it: what the sender left out never met a wire where it could break. */
	if (likely(start == l4_at(m)))
		return RTE_MBUF_F_RX_L4_CKSUM_NONE;
	return deep_checksum(q, m, start, offset, whole);
}

void
virtio_rx_merged(struct virtio_queue *q, struct rte_mbuf *m)
{
	make_checksum(m, q->merge_csum_start, q->merge_csum_offset);
	q->merge_csum_start = 0;
}
