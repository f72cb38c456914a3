/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <rte_vdpa_cksum.h>

#include "net_offload.h"

/** A checksum is known by where it stands in its header: that is all virtio tells. */
static const struct l4_kind {
	uint16_t csum_offset;
	uint8_t protocol;
	uint64_t tx_flag;
	uint32_t packet_type;
} l4_kinds[] = {
	{ offsetof(struct rte_tcp_hdr, cksum), IPPROTO_TCP, RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_PTYPE_L4_TCP },
	{ offsetof(struct rte_udp_hdr, dgram_cksum), IPPROTO_UDP, RTE_MBUF_F_TX_UDP_CKSUM,
		RTE_PTYPE_L4_UDP },
	{ offsetof(struct rte_sctp_hdr, cksum), IPPROTO_SCTP, RTE_MBUF_F_TX_SCTP_CKSUM,
		RTE_PTYPE_L4_SCTP },
};

/** Segmentation: what the header calls it, and the mbuf; and what the guest must have agreed to. */
static const struct gso_kind {
	uint8_t type;
	uint8_t protocol;
	uint8_t ip_version; /**< 0: either */
	uint8_t guest_feature;
	uint64_t tx_flag;
} gso_kinds[] = {
	{ VIRTIO_NET_HDR_GSO_TCPV4, IPPROTO_TCP, 4, VIRTIO_NET_F_GUEST_TSO4,
		RTE_MBUF_F_TX_TCP_SEG },
	{ VIRTIO_NET_HDR_GSO_TCPV6, IPPROTO_TCP, 6, VIRTIO_NET_F_GUEST_TSO6,
		RTE_MBUF_F_TX_TCP_SEG },
	{ VIRTIO_NET_HDR_GSO_UDP, IPPROTO_UDP, 0, VIRTIO_NET_F_GUEST_UFO, RTE_MBUF_F_TX_UDP_SEG },
};

/** Where the layers of a frame begin. The transport header's place is the virtio header's word. */
struct frame_layers {
	uint16_t l2_len;
	uint16_t l3_len;
	uint8_t l4_len; /**< only where segmentation is asked for */
	bool ipv6;
	const struct l4_kind *l4;
};

/** Copy @a len bytes at @a offset out of a frame of any number of segments. */
static bool
peek(const struct rte_mbuf *m, uint32_t offset, void *dst, uint32_t len)
{
	const void *at = rte_pktmbuf_read(m, offset, len, dst);

	if (at == NULL)
		return false;
	if (at != dst)
		memcpy(dst, at, len);
	return true;
}

static void
poke(struct rte_mbuf *m, uint32_t offset, const uint8_t *src, uint32_t len)
{
	for (; m != NULL && len > 0; m = m->next) {
		for (; offset < m->data_len && len > 0; len--)
			*rte_pktmbuf_mtod_offset(m, uint8_t *, offset++) = *src++;
		offset -= RTE_MIN(offset, (uint32_t)m->data_len);
	}
}

/** The checksum that a sum stands for. */
static uint16_t
finish_sum(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	/* UDP reads zero as "no checksum"; for the others both mean the same. */
	return sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum;
}

/** Finish a checksum that so far covers the pseudo header; the frame holds it whole. */
static void
finish_checksum(struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	const uint16_t sum = finish_sum(vdpa_raw_cksum_from(m, start));

	poke(m, start + offset, (const uint8_t *)&sum, sizeof(sum));
}

/** Find the layers of a frame whose transport header begins at @a l4_start. */
static bool
find_layers(const struct rte_mbuf *m, uint16_t l4_start, uint16_t csum_offset,
	struct frame_layers *layers)
{
	uint16_t offset = offsetof(struct rte_ether_hdr, ether_type);
	rte_be16_t type;
	uint8_t protocol;

	for (int tags = 0;; tags++) {
		if (!peek(m, offset, &type, sizeof(type)))
			return false;
		offset += sizeof(type);
		if (tags == 2 ||
			(type != RTE_BE16(RTE_ETHER_TYPE_VLAN) &&
				type != RTE_BE16(RTE_ETHER_TYPE_QINQ)))
			break;
		offset += sizeof(rte_be16_t);
	}

	layers->ipv6 = type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
	if (!layers->ipv6 && type != RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return false;

	uint16_t least = layers->ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	if (l4_start < offset + least || l4_start - offset >= 1 << RTE_MBUF_L3_LEN_BITS)
		return false;
	layers->l2_len = offset;
	layers->l3_len = l4_start - offset;
	layers->l4_len = 0;

	/* Behind IPv6 extension headers the protocol is not looked for: the offset must do. */
	if (!peek(m,
		    offset +
			    (layers->ipv6 ? offsetof(struct rte_ipv6_hdr, proto) :
					    offsetof(struct rte_ipv4_hdr, next_proto_id)),
		    &protocol, sizeof(protocol)))
		return false;
	for (size_t i = 0; i < RTE_DIM(l4_kinds); i++) {
		if (l4_kinds[i].csum_offset == csum_offset &&
			(l4_kinds[i].protocol == protocol ||
				layers->l3_len > sizeof(struct rte_ipv6_hdr))) {
			layers->l4 = &l4_kinds[i];
			return true;
		}
	}
	return false;
}

static const struct gso_kind *
gso_from_header(const struct virtio_net_hdr *hdr)
{
	uint8_t type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	for (size_t i = 0; i < RTE_DIM(gso_kinds); i++) {
		if (gso_kinds[i].type == type)
			return &gso_kinds[i];
	}
	return NULL;
}

/** Length of the transport header, or 0 if it is none. */
static uint8_t
l4_header_len(const struct rte_mbuf *m, const struct frame_layers *layers)
{
	uint8_t data_off;

	if (layers->l4->protocol == IPPROTO_UDP)
		return sizeof(struct rte_udp_hdr);
	if (!peek(m, layers->l2_len + layers->l3_len + offsetof(struct rte_tcp_hdr, data_off),
		    &data_off, sizeof(data_off)))
		return 0;
	data_off = (data_off >> 4) * 4;
	return data_off < sizeof(struct rte_tcp_hdr) ? 0 : data_off;
}

/** Can the frame be cut up so: is it of that kind, and has it all the headers to copy? */
static bool
gso_fits(const struct rte_mbuf *m, const struct gso_kind *gso, struct frame_layers *layers)
{
	if (gso->protocol != layers->l4->protocol ||
		(gso->ip_version != 0 && gso->ip_version != (layers->ipv6 ? 6 : 4)))
		return false;
	layers->l4_len = l4_header_len(m, layers);
	return layers->l4_len != 0 &&
		(uint32_t)layers->l2_len + layers->l3_len + layers->l4_len <= m->pkt_len;
}

/** Describe the frame as one that is to be sent, with everything yet to be done to it. */
static void
mark_for_transmit(struct rte_mbuf *m, const struct frame_layers *layers, const struct gso_kind *gso,
	uint16_t gso_size)
{
	m->tx_offload = 0;
	m->l2_len = layers->l2_len;
	m->l3_len = layers->l3_len;
	m->ol_flags |= layers->l4->tx_flag |
		(layers->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	if (gso != NULL) {
		m->l4_len = layers->l4_len;
		m->tso_segsz = gso_size;
		m->ol_flags |= gso->tx_flag | (layers->ipv6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
	}
}

/**
 * Describe the frame as one that was received. Where its layers begin is there for who finishes the
 * checksum, and need not look for it again.
 */
static void
mark_as_received(struct rte_mbuf *m, const struct frame_layers *layers, const struct gso_kind *gso,
	uint16_t gso_size)
{
	m->packet_type = RTE_PTYPE_L2_ETHER | layers->l4->packet_type |
		(layers->ipv6 ? RTE_PTYPE_L3_IPV6_EXT_UNKNOWN : RTE_PTYPE_L3_IPV4_EXT_UNKNOWN);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	m->tx_offload = 0;
	m->l2_len = layers->l2_len;
	m->l3_len = layers->l3_len;
	if (gso != NULL) {
		m->tso_segsz = gso_size;
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
	}
}

bool
net_offload_from_header(const struct vhost_vring *vr, const struct virtio_net_hdr *hdr,
	struct rte_mbuf *m)
{
	bool compliant = (vr->mbuf_flags & RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS) != 0;
	const struct gso_kind *gso = NULL;
	struct frame_layers layers;

	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		gso = gso_from_header(hdr);
		/* Segments need checksums of their own: one offload is not to be had alone. */
		if (gso == NULL || hdr->gso_size == 0 ||
			(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
			return false;
	}
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
		if (compliant && (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return true;
	}
	if ((uint32_t)hdr->csum_start + hdr->csum_offset + sizeof(uint16_t) > m->pkt_len)
		return false;

	if (!find_layers(m, hdr->csum_start, hdr->csum_offset, &layers)) {
		/* No mbuf flag can say it: do it, unless the frame would have to be cut up too. */
		if (gso != NULL)
			return false;
		finish_checksum(m, hdr->csum_start, hdr->csum_offset);
		if (compliant)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return true;
	}
	if (gso != NULL && !gso_fits(m, gso, &layers))
		return false;
	if (compliant)
		mark_as_received(m, &layers, gso, hdr->gso_size);
	else
		mark_for_transmit(m, &layers, gso, hdr->gso_size);
	return true;
}

/** An IPv4 header checksum is no virtio offload: it is always done here. */
static bool
ipv4_checksum(const struct rte_mbuf *m, uint32_t l3_start, struct net_offload_sum *sum)
{
	const uint32_t at = offsetof(struct rte_ipv4_hdr, hdr_checksum);
	uint8_t header[15 * sizeof(uint32_t)];

	if (m->l3_len < sizeof(struct rte_ipv4_hdr) || m->l3_len > sizeof(header) ||
		!peek(m, l3_start, header, m->l3_len))
		return false;
	memset(header + at, 0, sizeof(sum->value));
	sum->at = l3_start + at;
	sum->value = ~rte_raw_cksum(header, m->l3_len);
	return true;
}

static const struct gso_kind *
wanted_segmentation(uint64_t ol_flags)
{
	uint8_t ip_version = (ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? 6 : 4;

	for (size_t i = 0; i < RTE_DIM(gso_kinds); i++) {
		if ((ol_flags & gso_kinds[i].tx_flag) != 0 &&
			(gso_kinds[i].ip_version == 0 || gso_kinds[i].ip_version == ip_version))
			return &gso_kinds[i];
	}
	return NULL;
}

/** Segmentation includes the checksum, whether its flag is there or not. */
static const struct l4_kind *
wanted_checksum(uint64_t ol_flags, const struct gso_kind *gso)
{
	for (size_t i = 0; i < RTE_DIM(l4_kinds); i++) {
		if (gso != NULL ? l4_kinds[i].protocol == gso->protocol :
				  l4_kinds[i].tx_flag == (ol_flags & RTE_MBUF_F_TX_L4_MASK))
			return &l4_kinds[i];
	}
	return NULL;
}

/**
 * Virtio has a checksum go on from the sum of the pseudo header, with all of the length even if the frame is
 * to be segmented. Applications need not have written it: mbufs ask them for flags and lengths only.
 * @return that sum; or @a written, which they did write, where no such sum goes in or can be told
 */
static uint16_t
begin_checksum(const struct rte_mbuf *m, uint32_t l3_start, const struct l4_kind *l4,
	uint16_t written)
{
	union {
		struct rte_ipv4_hdr v4;
		struct rte_ipv6_hdr v6;
	} ip;

	if (l4->protocol == IPPROTO_SCTP)
		return written;
	if ((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0 && peek(m, l3_start, &ip, sizeof(ip.v4)))
		return rte_ipv4_phdr_cksum(&ip.v4, 0);
	if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 && m->l3_len >= sizeof(ip.v6) &&
		peek(m, l3_start, &ip, sizeof(ip.v6))) {
		/* Extension headers count as a part of the network layer, but not to who wrote this. */
		ip.v6.payload_len = rte_cpu_to_be_16(
			rte_be_to_cpu_16(ip.v6.payload_len) - (m->l3_len - sizeof(ip.v6)));
		ip.v6.proto = l4->protocol;
		return rte_ipv6_phdr_cksum(&ip.v6, 0);
	}
	return written;
}

bool
net_offload_to_header(const struct vhost_vring *vr, const struct rte_mbuf *m,
	struct net_offload *out)
{
	uint64_t ol_flags = m->ol_flags;
	const struct gso_kind *gso = wanted_segmentation(ol_flags);
	const struct l4_kind *l4 = wanted_checksum(ol_flags, gso);
	struct net_offload_sum *sum = out->sums;
	struct virtio_net_hdr *hdr = &out->hdr;
	uint32_t l3_start = m->l2_len;
	uint16_t written;

	if ((ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) != 0)
		l3_start += m->outer_l2_len + m->outer_l3_len;
	if ((ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0 && !ipv4_checksum(m, l3_start, sum++))
		return false;
	if (l4 == NULL)
		return true;

	uint32_t start = l3_start + m->l3_len;

	sum->at = start + l4->csum_offset;
	if (!peek(m, sum->at, &written, sizeof(written)))
		return false;
	sum->value = begin_checksum(m, l3_start, l4, written);
	if ((vr->features & 1ULL << VIRTIO_NET_F_GUEST_CSUM) == 0) {
		/* SCTP's is no sum that could be finished here. */
		if (gso != NULL || l4->protocol == IPPROTO_SCTP)
			return false;
		/* What was written is in the sum: take it out again. */
		sum->value = finish_sum(
			(uint32_t)vdpa_raw_cksum_from(m, start) + (uint16_t)~written + sum->value);
		return true;
	}
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = start;
	hdr->csum_offset = l4->csum_offset;

	if (gso != NULL) {
		if ((vr->features & 1ULL << gso->guest_feature) == 0)
			return false;
		hdr->gso_type = gso->type;
		hdr->gso_size = m->tso_segsz;
		hdr->hdr_len = start + m->l4_len;
	}
	return true;
}
