/* SPDX-License-Identifier: BSD-3-Clause */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ethdev.h>
#include <rte_tcp.h>

#include "checksum.h"
#include "frame.h"

#define LENGTH 200
#define IP_AT sizeof(struct rte_ether_hdr)
#define L4_AT (IP_AT + sizeof(struct rte_ipv4_hdr))

static const struct checksum_offload NONE;
static const struct checksum_offload ALL = {
	.device = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM,
};
static const struct checksum_offload TSO = { .tso_segsz = 50 };

struct packet {
	uint8_t data[LENGTH + 64];
	struct rte_mbuf mbuf, tail;
};

static struct rte_ipv4_hdr *
ip_of(struct packet *p)
{
	return (struct rte_ipv4_hdr *)(p->data + IP_AT);
}

static struct rte_udp_hdr *
udp_of(struct packet *p)
{
	return (struct rte_udp_hdr *)(p->data + L4_AT);
}

static struct rte_tcp_hdr *
tcp_of(struct packet *p)
{
	return (struct rte_tcp_hdr *)(p->data + L4_AT);
}

/* A UDP frame with right checksums; cut in two where cut is not 0. */
static void
make_udp(struct packet *p, uint32_t cut)
{
	struct frame_flow flow = { .ip_src = 0x0a000001, .ip_dst = 0x0a000002, .udp_dst = 9 };

	memset(p, 0, sizeof(*p));
	frame_write(p->data, LENGTH, &flow);
	p->mbuf = (struct rte_mbuf){ .buf_addr = p->data,
		.data_len = LENGTH,
		.pkt_len = LENGTH,
		.nb_segs = 1 };
	if (cut == 0)
		return;
	p->tail = (struct rte_mbuf){ .buf_addr = p->data + cut,
		.data_len = (uint16_t)(LENGTH - cut),
		.nb_segs = 1 };
	p->mbuf.data_len = (uint16_t)cut;
	p->mbuf.next = &p->tail;
	p->mbuf.nb_segs = 2;
}

static void
make_tcp(struct packet *p)
{
	make_udp(p, 0);
	ip_of(p)->next_proto_id = IPPROTO_TCP;
	ip_of(p)->hdr_checksum = 0;
	ip_of(p)->hdr_checksum = rte_ipv4_cksum(ip_of(p));
	memset(tcp_of(p), 0, sizeof(struct rte_tcp_hdr));
	tcp_of(p)->data_off = sizeof(struct rte_tcp_hdr) / 4 << 4;
	tcp_of(p)->cksum = rte_ipv4_udptcp_cksum(ip_of(p), tcp_of(p));
}

static void
wrong_checksums_are_set_right(void **state)
{
	static const uint32_t cuts[] = { 0, L4_AT + sizeof(struct rte_udp_hdr), 101, LENGTH - 1 };
	struct packet p, right;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cuts); i++) {
		make_udp(&right, cuts[i]);
		make_udp(&p, cuts[i]);
		ip_of(&p)->hdr_checksum ^= 0x1234;
		udp_of(&p)->dgram_cksum ^= 0x4321;
		assert_int_equal(checksum_set(&p.mbuf, &NONE), 0);
		assert_memory_equal(p.data, right.data, LENGTH);
	}
	make_tcp(&right);
	make_tcp(&p);
	ip_of(&p)->hdr_checksum = 0;
	tcp_of(&p)->cksum = 0xdead;
	assert_int_equal(checksum_set(&p.mbuf, &NONE), 0);
	assert_memory_equal(p.data, right.data, LENGTH);
}

static void
a_device_is_told_what_it_needs(void **state)
{
	struct packet p;

	(void)state;
	make_udp(&p, 0);
	p.mbuf.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(checksum_set(&p.mbuf, &ALL),
		RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
	assert_int_equal(p.mbuf.ol_flags,
		RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
	assert_int_equal(p.mbuf.l2_len, IP_AT);
	assert_int_equal(p.mbuf.l3_len, 20);
	assert_int_equal(ip_of(&p)->hdr_checksum, 0);
	assert_int_equal(udp_of(&p)->dgram_cksum,
		rte_ipv4_phdr_cksum(ip_of(&p), RTE_MBUF_F_TX_UDP_CKSUM));
}

static void
long_tcp_segments_are_cut_by_the_device(void **state)
{
	struct packet p;

	(void)state;
	make_tcp(&p);
	assert_int_equal(checksum_set(&p.mbuf, &TSO),
		RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM |
			RTE_MBUF_F_TX_IPV4);
	assert_int_equal(p.mbuf.tso_segsz, 50);
	assert_int_equal(p.mbuf.l4_len, sizeof(struct rte_tcp_hdr));
	/* The pseudo header's length is left out: each segment has its own. */
	assert_int_equal(tcp_of(&p)->cksum, rte_ipv4_phdr_cksum(ip_of(&p), RTE_MBUF_F_TX_TCP_SEG));

	make_tcp(&p);
	ip_of(&p)->total_length = rte_cpu_to_be_16(20 + 20 + 50);
	assert_int_equal(checksum_set(&p.mbuf, &TSO), 0);
}

static void
udp_without_a_checksum_stays_so(void **state)
{
	struct packet p;

	(void)state;
	make_udp(&p, 0);
	udp_of(&p)->dgram_cksum = 0;
	assert_int_equal(checksum_set(&p.mbuf, &NONE), 0);
	assert_int_equal(udp_of(&p)->dgram_cksum, 0);
	assert_int_equal(checksum_set(&p.mbuf, &ALL), RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
}

static void
fragments_only_have_their_ip_checksum_set(void **state)
{
	struct packet p;
	uint16_t udp;

	(void)state;
	make_udp(&p, 0);
	ip_of(&p)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_MF_FLAG);
	udp = udp_of(&p)->dgram_cksum ^= 0x1111;
	assert_int_equal(checksum_set(&p.mbuf, &NONE), 0);
	assert_int_equal(udp_of(&p)->dgram_cksum, udp);
	assert_int_equal(rte_raw_cksum(ip_of(&p), sizeof(struct rte_ipv4_hdr)), 0xffff);
}

static void
tagged_and_ipv6_frames_are_known(void **state)
{
	struct packet p;
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(p.data + IP_AT + 4);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip6 + 1);

	(void)state;
	make_udp(&p, 0);
	memset(p.data + 12, 0, sizeof(p.data) - 12);
	memcpy(p.data + 12, "\x81\x00\x00\x05\x86\xdd", 6);
	ip6->vtc_flow = RTE_BE32(0x60000000);
	ip6->proto = IPPROTO_UDP;
	ip6->payload_len = RTE_BE16(100);
	udp->dgram_len = RTE_BE16(100);
	udp->dgram_cksum = 0xabcd;
	assert_int_equal(checksum_set(&p.mbuf, &NONE), 0);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify(ip6, udp), 0);
	assert_int_equal(checksum_set(&p.mbuf, &ALL), RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV6);
	assert_int_equal(p.mbuf.l2_len, 18);
	assert_int_equal(p.mbuf.l3_len, 40);
}

/* What does not hold what it says is not touched, and nothing behind it is read. */
static void
frames_cut_anywhere_are_left_alone(void **state)
{
	struct packet whole;

	(void)state;
	make_tcp(&whole);
	tcp_of(&whole)->cksum ^= 1;
	for (uint32_t length = 0; length < LENGTH; length++) {
		uint8_t *data = malloc(length + 1);
		struct rte_mbuf mbuf = { .buf_addr = data,
			.data_len = (uint16_t)length,
			.pkt_len = length,
			.nb_segs = 1 };

		assert_non_null(data);
		memcpy(data, whole.data, length);
		assert_int_equal(checksum_set(&mbuf, &ALL), 0);
		assert_int_equal(checksum_set(&mbuf, &NONE), 0);
		assert_memory_equal(data, whole.data, length);
		free(data);
	}
}

static void
any_bytes_are_survived(void **state)
{
	const struct checksum_offload *offloads[] = { &NONE, &ALL, &TSO };

	(void)state;
	srand(1);
	for (unsigned int i = 0; i < 300000; i++) {
		uint32_t length = (uint32_t)rand() % 100;
		uint8_t *data = malloc(length + 1);
		struct rte_mbuf mbuf = { .buf_addr = data,
			.data_len = (uint16_t)length,
			.pkt_len = length,
			.nb_segs = 1 };

		assert_non_null(data);
		for (uint32_t b = 0; b < length; b++)
			data[b] = (uint8_t)rand();
		if (length > IP_AT + 10) {
			memcpy(data + 12, rand() % 4 != 0 ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
			data[IP_AT + 2] = 0;
			data[IP_AT + 9] = rand() % 2 != 0 ? IPPROTO_TCP : IPPROTO_UDP;
		}
		checksum_set(&mbuf, offloads[i % RTE_DIM(offloads)]);
		assert_int_equal(mbuf.pkt_len, length);
		free(data);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_checksums_are_set_right),
		cmocka_unit_test(a_device_is_told_what_it_needs),
		cmocka_unit_test(long_tcp_segments_are_cut_by_the_device),
		cmocka_unit_test(udp_without_a_checksum_stays_so),
		cmocka_unit_test(fragments_only_have_their_ip_checksum_set),
		cmocka_unit_test(tagged_and_ipv6_frames_are_known),
		cmocka_unit_test(frames_cut_anywhere_are_left_alone),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
