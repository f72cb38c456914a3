/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net_offload.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PAYLOAD 200

static struct rte_mempool *pool;
static struct vhost_vring vr;

/* What a test frame is made of. */
struct shape {
	uint8_t tags; /**< VLAN tags */
	bool ipv6;
	uint8_t protocol;
	uint8_t l4_len;
};

static const struct shape tcp4 = { 0, false, IPPROTO_TCP, 20 };
static const struct shape tcp6 = { 0, true, IPPROTO_TCP, 32 };
static const struct shape udp4 = { 0, false, IPPROTO_UDP, 8 };
static const struct shape tagged_udp6 = { 2, true, IPPROTO_UDP, 8 };

static uint16_t
l2_len(const struct shape *s)
{
	return RTE_ETHER_HDR_LEN + s->tags * RTE_VLAN_HLEN;
}

static uint16_t
l3_len(const struct shape *s)
{
	return s->ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
}

static uint16_t
l4_start(const struct shape *s)
{
	return l2_len(s) + l3_len(s);
}

static uint16_t
csum_offset(const struct shape *s)
{
	return s->protocol == IPPROTO_TCP ? 16 : 6;
}

/* Sum over the pseudo header: what both virtio and mbufs have in the field to begin with. */
static uint16_t
pseudo(const struct rte_mbuf *m, const struct shape *s)
{
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, l2_len(s));

	return s->ipv6 ? rte_ipv6_phdr_cksum(l3, 0) : rte_ipv4_phdr_cksum(l3, 0);
}

static rte_be16_t *
checksum_field(const struct rte_mbuf *m, const struct shape *s)
{
	return rte_pktmbuf_mtod_offset(m, rte_be16_t *, l4_start(s) + csum_offset(s));
}

static struct rte_mbuf *
make_frame(const struct shape *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t len = l4_start(s) + s->l4_len + PAYLOAD;
	uint8_t *data;
	rte_be16_t *type;

	assert_non_null(m);
	data = (uint8_t *)rte_pktmbuf_append(m, len);
	for (uint32_t i = 0; i < len; i++)
		data[i] = i * 7;
	type = (rte_be16_t *)(data + 12);
	for (uint8_t i = 0; i < s->tags; i++) {
		*type = i == 0 && s->tags == 2 ? RTE_BE16(RTE_ETHER_TYPE_QINQ) :
						 RTE_BE16(RTE_ETHER_TYPE_VLAN);
		type += 2;
	}
	*type = s->ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	if (s->ipv6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(data + l2_len(s));

		ip->proto = s->protocol;
		ip->payload_len = rte_cpu_to_be_16(s->l4_len + PAYLOAD);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(data + l2_len(s));

		ip->version_ihl = 0x45;
		ip->next_proto_id = s->protocol;
		ip->total_length = rte_cpu_to_be_16(l3_len(s) + s->l4_len + PAYLOAD);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (s->protocol == IPPROTO_TCP)
		data[l4_start(s) + 12] = s->l4_len / 4 << 4;
	*checksum_field(m, s) = pseudo(m, s);
	return m;
}

static struct virtio_net_hdr
header(const struct shape *s)
{
	return (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = l4_start(s),
		.csum_offset = csum_offset(s) };
}

static struct virtio_net_hdr
gso_header(const struct shape *s, uint8_t type)
{
	struct virtio_net_hdr hdr = header(s);

	hdr.gso_type = type;
	hdr.gso_size = 1000;
	return hdr;
}

static bool
checksum_is_good(const struct rte_mbuf *m, const struct shape *s)
{
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, l2_len(s));
	const void *l4 = rte_pktmbuf_mtod_offset(m, const void *, l4_start(s));

	return (s->ipv6 ? rte_ipv6_udptcp_cksum_verify(l3, l4) :
			  rte_ipv4_udptcp_cksum_verify(l3, l4)) == 0;
}

static void
use(uint64_t features, uint64_t mbuf_flags)
{
	vhost_vring_init(&vr, "unit");
	vhost_vring_set_features(&vr, features);
	vr.mbuf_flags = mbuf_flags;
}

static void
a_plain_header_leaves_the_frame_alone(void **state)
{
	struct virtio_net_hdr hdr = { .csum_start = 60000, .gso_size = 7 };
	struct rte_mbuf *m = make_frame(&tcp4);

	(void)state;
	use(0, 0);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
}

static void
a_checksum_to_be_done_becomes_transmit_flags(void **state)
{
	static const struct {
		const struct shape *shape;
		uint64_t flags;
	} cases[] = {
		{ &tcp4, RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 },
		{ &tcp6, RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6 },
		{ &udp4, RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4 },
		{ &tagged_udp6, RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV6 },
	};

	(void)state;
	use(0, 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m = make_frame(cases[i].shape);
		struct virtio_net_hdr hdr = header(cases[i].shape);

		assert_true(net_offload_from_header(&vr, &hdr, m));
		assert_int_equal(m->ol_flags, cases[i].flags);
		assert_int_equal(m->l2_len, l2_len(cases[i].shape));
		assert_int_equal(m->l3_len, l3_len(cases[i].shape));
		rte_pktmbuf_free(m);
	}
}

static void
segmentation_to_be_done_becomes_transmit_flags(void **state)
{
	struct virtio_net_hdr hdr = gso_header(&tcp4, VIRTIO_NET_HDR_GSO_TCPV4);
	struct rte_mbuf *m = make_frame(&tcp4);

	(void)state;
	use(0, 0);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags,
		RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 |
			RTE_MBUF_F_TX_IP_CKSUM);
	assert_int_equal(m->tso_segsz, 1000);
	assert_int_equal(m->l4_len, 20);
	rte_pktmbuf_free(m);

	m = make_frame(&tcp6);
	hdr = gso_header(&tcp6, VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags,
		RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6);
	assert_int_equal(m->l4_len, 32);
	rte_pktmbuf_free(m);

	m = make_frame(&udp4);
	hdr = gso_header(&udp4, VIRTIO_NET_HDR_GSO_UDP);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags,
		RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4 |
			RTE_MBUF_F_TX_IP_CKSUM);
	rte_pktmbuf_free(m);
}

static void
compliant_applications_get_receive_flags(void **state)
{
	struct virtio_net_hdr hdr = header(&tcp4);
	struct rte_mbuf *m = make_frame(&tcp4);

	(void)state;
	use(0, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE);
	assert_int_equal(m->packet_type & RTE_PTYPE_L4_MASK, RTE_PTYPE_L4_TCP);
	rte_pktmbuf_free(m);

	m = make_frame(&tcp6);
	hdr = gso_header(&tcp6, VIRTIO_NET_HDR_GSO_TCPV6);
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_LRO);
	assert_int_equal(m->tso_segsz, 1000);
	rte_pktmbuf_free(m);

	m = make_frame(&udp4);
	hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	rte_pktmbuf_free(m);
}

static void
a_checksum_that_no_flag_can_tell_of_is_done(void **state)
{
	static const uint64_t flags[] = { 0, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		struct rte_mbuf *m = make_frame(&udp4);
		struct virtio_net_hdr hdr = header(&udp4);

		/* An Ethernet type that nobody knows, with what is UDP over IPv4 behind it. */
		*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 12) = RTE_BE16(0x88b5);
		use(0, flags[i]);
		assert_true(net_offload_from_header(&vr, &hdr, m));
		assert_int_equal(m->ol_flags, flags[i] == 0 ? 0 : RTE_MBUF_F_RX_L4_CKSUM_GOOD);
		assert_true(checksum_is_good(m, &udp4));
		rte_pktmbuf_free(m);
	}
}

/* A frame whose layers an mbuf has no fields for, or that are not what they seem to be at first. */
static void
check_no_layers(struct rte_mbuf *m, uint16_t start, uint16_t offset)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1000,
		.csum_start = start,
		.csum_offset = offset };

	use(0, 0);
	assert_false(net_offload_from_header(&vr, &hdr, m));
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_false(net_offload_from_header(&vr, &hdr, m));
	hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	assert_true(net_offload_from_header(&vr, &hdr, m));
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
}

static void
a_checksum_is_done_where_no_field_holds_the_layers(void **state)
{
	static const struct shape tagged = { 3, false, IPPROTO_TCP, 20 };
	struct rte_mbuf *m;

	(void)state;
	check_no_layers(make_frame(&tagged), l4_start(&tagged), 16);
	/* A field of 9 bits has the length of the network layer. */
	m = make_frame(&tcp6);
	assert_non_null(rte_pktmbuf_append(m, 600));
	rte_pktmbuf_mtod(m, uint8_t *)[l2_len(&tcp6) + 512 + 12] = 5 << 4;
	check_no_layers(m, l2_len(&tcp6) + 512, 16);
	/* No TCP, whose checksum would stand there. */
	m = make_frame(&tcp4);
	rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->next_proto_id = IPPROTO_ICMP;
	check_no_layers(m, l4_start(&tcp4), 16);
}

static void
headers_that_contradict_the_frame_are_refused(void **state)
{
	struct rte_mbuf *m = make_frame(&tcp4);
	uint32_t len = m->pkt_len;
	struct virtio_net_hdr cases[] = {
		/* A checksum outside of the frame. */
		{ .flags = 1, .csum_start = len - 1, .csum_offset = 0 },
		{ .flags = 1, .csum_start = 65535, .csum_offset = 65535 },
		{ .flags = 1, .csum_start = len - 17, .csum_offset = 16 },
		/* Segmentation without a size, without checksums, of no known kind. */
		{ .flags = 1, .gso_type = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 0, .gso_type = 1, .gso_size = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 2, .gso_size = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1,
			.gso_type = 0x80,
			.gso_size = 1,
			.csum_start = 34,
			.csum_offset = 16 },
		/* Of another kind than the frame is. */
		{ .flags = 1, .gso_type = 4, .gso_size = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 3, .gso_size = 1, .csum_start = 34, .csum_offset = 16 },
		/* Where no TCP header can be. */
		{ .flags = 1, .gso_type = 1, .gso_size = 1, .csum_start = 20, .csum_offset = 16 },
	};

	(void)state;
	use(0, 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		m->ol_flags = 0;
		assert_false(net_offload_from_header(&vr, &cases[i], m));
	}
	/* A TCP header that is shorter than any. */
	for (uint8_t words = 0; words < 6; words++) {
		struct virtio_net_hdr hdr = gso_header(&tcp4, VIRTIO_NET_HDR_GSO_TCPV4);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, l4_start(&tcp4) + 12) = words << 4;
		m->ol_flags = 0;
		assert_int_equal(net_offload_from_header(&vr, &hdr, m), words == 5);
	}
	rte_pktmbuf_free(m);
}

/* Whoever cuts the frame up copies all of its headers to each piece. */
static void
a_header_longer_than_the_frame_cannot_be_segmented(void **state)
{
	static const uint64_t flags[] = { 0, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		struct virtio_net_hdr hdr = gso_header(&tcp4, VIRTIO_NET_HDR_GSO_TCPV4);
		struct rte_mbuf *m = make_frame(&tcp4);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, l4_start(&tcp4) + 12) = 15 << 4;
		use(0, flags[i]);
		rte_pktmbuf_trim(m, m->pkt_len - l4_start(&tcp4) - 60);
		assert_true(net_offload_from_header(&vr, &hdr, m));
		rte_pktmbuf_trim(m, 1);
		m->ol_flags = 0;
		assert_false(net_offload_from_header(&vr, &hdr, m));
		assert_int_equal(m->ol_flags, 0);
		rte_pktmbuf_free(m);
	}
}

static void
ask_for(struct rte_mbuf *m, const struct shape *s, uint64_t flags)
{
	m->ol_flags = flags | (s->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	m->l2_len = l2_len(s);
	m->l3_len = l3_len(s);
	m->l4_len = s->l4_len;
	m->tso_segsz = 1400;
	/* Nobody has to prepare the field. */
	*checksum_field(m, s) = 0xdead;
}

/* Have @a m be what the guest gets: with the sums that its copy of the frame has. */
static bool
to_guest(struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	struct net_offload out = NET_OFFLOAD_NONE;

	if (!net_offload_to_header(&vr, m, &out))
		return false;
	*hdr = out.hdr;
	assert_int_equal(rte_pktmbuf_linearize(m), 0);
	for (const struct net_offload_sum *sum = out.sums; sum->at != UINT32_MAX; sum++) {
		assert_true(sum->at + sizeof(sum->value) <= m->pkt_len);
		memcpy(rte_pktmbuf_mtod_offset(m, void *, sum->at), &sum->value,
			sizeof(sum->value));
	}
	return true;
}

static void
a_guest_that_agreed_is_left_the_checksum(void **state)
{
	static const struct {
		const struct shape *shape;
		uint64_t flag;
	} cases[] = {
		{ &tcp4, RTE_MBUF_F_TX_TCP_CKSUM },
		{ &tcp6, RTE_MBUF_F_TX_TCP_CKSUM },
		{ &udp4, RTE_MBUF_F_TX_UDP_CKSUM },
		{ &tagged_udp6, RTE_MBUF_F_TX_UDP_CKSUM },
	};

	(void)state;
	use(F(VIRTIO_NET_F_GUEST_CSUM), 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m = make_frame(cases[i].shape);
		struct virtio_net_hdr hdr = { 0 }, expected = header(cases[i].shape);

		ask_for(m, cases[i].shape, cases[i].flag);
		assert_true(to_guest(m, &hdr));
		assert_memory_equal(&hdr, &expected, sizeof(hdr));
		assert_int_equal(*checksum_field(m, cases[i].shape), pseudo(m, cases[i].shape));
		rte_pktmbuf_free(m);
	}
}

static void
a_guest_that_did_not_agree_gets_a_finished_frame(void **state)
{
	static const struct shape *shapes[] = { &tcp4, &tcp6, &udp4, &tagged_udp6 };

	(void)state;
	use(0, 0);
	for (size_t i = 0; i < RTE_DIM(shapes); i++) {
		struct virtio_net_hdr hdr = { 0 }, none = { 0 };
		struct rte_mbuf *m = make_frame(shapes[i]);

		ask_for(m, shapes[i],
			shapes[i]->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM :
							     RTE_MBUF_F_TX_UDP_CKSUM);
		/* A second time, as when the frame found no buffer, whatever the field has now. */
		for (int k = 0; k < 2; k++) {
			assert_true(to_guest(m, &hdr));
			assert_memory_equal(&hdr, &none, sizeof(hdr));
			assert_true(checksum_is_good(m, shapes[i]));
		}
		rte_pktmbuf_free(m);
	}
}

/* In UDP, zero says that there is none. */
static void
a_checksum_of_zero_is_written_as_ones(void **state)
{
	const uint32_t sum_at = 40, payload_at = 42;
	uint16_t word = 0, sum = 0;

	(void)state;
	use(0, 0);
	/* With what was missing to all ones in its payload, a frame's sum is all ones, which is zero. */
	for (int i = 0; i < 2; i++) {
		struct rte_mbuf *m = make_frame(&udp4);
		struct virtio_net_hdr hdr = { 0 };

		memcpy(rte_pktmbuf_mtod_offset(m, void *, payload_at), &word, sizeof(word));
		ask_for(m, &udp4, RTE_MBUF_F_TX_UDP_CKSUM);
		assert_true(to_guest(m, &hdr));
		assert_true(checksum_is_good(m, &udp4));
		memcpy(&sum, rte_pktmbuf_mtod_offset(m, void *, sum_at), sizeof(sum));
		word = sum;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(sum, UINT16_MAX);
}

static void
a_checksum_is_finished_over_segments(void **state)
{
	struct virtio_net_hdr hdr = { 0 };
	struct rte_mbuf *whole = make_frame(&udp4), *first = NULL, **link = &first;
	uint16_t n = 0;

	(void)state;
	use(0, 0);
	/* Pieces of 41 bytes: the checksum field, at 40, is cut in two. */
	for (uint32_t at = 0; at < whole->pkt_len; at += 41, link = &(*link)->next, n++) {
		uint32_t len = RTE_MIN(41u, whole->pkt_len - at);

		*link = rte_pktmbuf_alloc(pool);
		memcpy(rte_pktmbuf_append(*link, len), rte_pktmbuf_mtod_offset(whole, void *, at),
			len);
	}
	first->nb_segs = n;
	first->pkt_len = whole->pkt_len;
	ask_for(first, &udp4, RTE_MBUF_F_TX_UDP_CKSUM);
	assert_true(to_guest(first, &hdr));
	assert_true(checksum_is_good(first, &udp4));
	rte_pktmbuf_free(first);
	rte_pktmbuf_free(whole);
}

static void
segmentation_is_left_to_a_guest_that_agreed(void **state)
{
	struct virtio_net_hdr hdr = { 0 }, expected = header(&tcp4);
	struct rte_mbuf *m = make_frame(&tcp4);

	(void)state;
	expected.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	expected.gso_size = 1400;
	expected.hdr_len = l4_start(&tcp4) + 20;
	ask_for(m, &tcp4, RTE_MBUF_F_TX_TCP_SEG);
	use(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4), 0);
	assert_true(to_guest(m, &hdr));
	assert_memory_equal(&hdr, &expected, sizeof(hdr));
	assert_int_equal(*checksum_field(m, &tcp4), pseudo(m, &tcp4));

	/* Others cannot be given such a frame. */
	use(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO6), 0);
	assert_false(to_guest(m, &hdr));
	use(F(VIRTIO_NET_F_GUEST_TSO4), 0);
	assert_false(to_guest(m, &hdr));
	rte_pktmbuf_free(m);
}

static void
an_ipv4_checksum_is_always_done(void **state)
{
	struct virtio_net_hdr hdr = { 0 };
	struct rte_mbuf *m = make_frame(&tcp4);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	uint16_t good = ip->hdr_checksum;

	(void)state;
	use(F(VIRTIO_NET_F_GUEST_CSUM), 0);
	ask_for(m, &tcp4, RTE_MBUF_F_TX_IP_CKSUM);
	ip->hdr_checksum = 0x1234;
	assert_true(to_guest(m, &hdr));
	assert_int_equal(ip->hdr_checksum, good);
	assert_int_equal(hdr.flags, 0);
	rte_pktmbuf_free(m);
}

static void
flags_that_contradict_the_frame_are_refused(void **state)
{
	struct virtio_net_hdr hdr = { 0 };
	struct rte_mbuf *m = make_frame(&tcp4);

	(void)state;
	use(F(VIRTIO_NET_F_GUEST_CSUM), 0);
	ask_for(m, &tcp4, RTE_MBUF_F_TX_TCP_CKSUM);
	rte_pktmbuf_trim(m, m->pkt_len - l4_start(&tcp4) - 17);
	assert_false(to_guest(m, &hdr));
	rte_pktmbuf_free(m);

	/* The frame has as many bytes, but no IPv4 header has. */
	m = make_frame(&tcp4);
	assert_non_null(rte_pktmbuf_append(m, 1 << RTE_MBUF_L3_LEN_BITS));
	for (uint16_t len = 0; len < 1 << RTE_MBUF_L3_LEN_BITS; len++) {
		ask_for(m, &tcp4, RTE_MBUF_F_TX_IP_CKSUM);
		m->l3_len = len;
		assert_int_equal(to_guest(m, &hdr), len >= 20 && len <= 60);
	}
	rte_pktmbuf_free(m);
}

static int
setup(void **state)
{
	if (unit_eal_setup(state) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("offload", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_header_leaves_the_frame_alone),
		cmocka_unit_test(a_checksum_to_be_done_becomes_transmit_flags),
		cmocka_unit_test(segmentation_to_be_done_becomes_transmit_flags),
		cmocka_unit_test(compliant_applications_get_receive_flags),
		cmocka_unit_test(a_checksum_that_no_flag_can_tell_of_is_done),
		cmocka_unit_test(a_checksum_is_done_where_no_field_holds_the_layers),
		cmocka_unit_test(headers_that_contradict_the_frame_are_refused),
		cmocka_unit_test(a_header_longer_than_the_frame_cannot_be_segmented),
		cmocka_unit_test(a_guest_that_agreed_is_left_the_checksum),
		cmocka_unit_test(a_guest_that_did_not_agree_gets_a_finished_frame),
		cmocka_unit_test(a_checksum_of_zero_is_written_as_ones),
		cmocka_unit_test(a_checksum_is_finished_over_segments),
		cmocka_unit_test(segmentation_is_left_to_a_guest_that_agreed),
		cmocka_unit_test(an_ipv4_checksum_is_always_done),
		cmocka_unit_test(flags_that_contradict_the_frame_are_refused),
	};

	return cmocka_run_group_tests_name("net_offload", tests, setup, NULL);
}
