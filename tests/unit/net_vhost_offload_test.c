/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "unit_eal.h"
#include "vhost_offload.h"
#include "vhost_port.h"

#define L4_OFFSET (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr))
#define TCI 0x2123

static struct rte_mempool *pool;

static int
setup(void **state)
{
	if (unit_eal_setup(state) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("offload", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static int
every_mbuf_is_back(void **state)
{
	(void)state;
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

/* An IPv4 frame with payload of len bytes after a UDP or TCP header, its checksum partial. */
static struct rte_mbuf *
make_frame(uint8_t proto, uint16_t len)
{
	uint16_t l4_len = proto == IPPROTO_UDP ? sizeof(struct rte_udp_hdr) :
						 sizeof(struct rte_tcp_hdr);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	uint16_t pseudo;

	assert_non_null(m);
	eth = (void *)rte_pktmbuf_append(m, L4_OFFSET + l4_len + len);
	assert_non_null(eth);
	memset(eth, 0x5a, rte_pktmbuf_data_len(m));
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip = (void *)(eth + 1);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(sizeof(*ip) + l4_len + len),
		.time_to_live = 64,
		.next_proto_id = proto,
		.src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 1)),
		.dst_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 2)),
	};
	pseudo = rte_ipv4_phdr_cksum(ip, 0);
	if (proto == IPPROTO_UDP) {
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = pseudo;
	} else {
		((struct rte_tcp_hdr *)(ip + 1))->data_off = 5 << 4;
		((struct rte_tcp_hdr *)(ip + 1))->cksum = pseudo;
	}
	m->packet_type = proto == IPPROTO_UDP ? RTE_PTYPE_L4_UDP : RTE_PTYPE_L4_TCP;
	m->l2_len = sizeof(*eth);
	m->l3_len = sizeof(*ip);
	return m;
}

static void
check_cksum(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *,
		sizeof(struct rte_ether_hdr));

	assert_int_equal(rte_ipv4_udptcp_cksum_verify(ip, ip + 1), 0);
}

static void
received_partial_checksums_are_completed(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

	(void)state;
	for (size_t p = 0; p < RTE_DIM(protocols); p++)
		for (uint16_t len = 0; len < 1400; len += 117) {
			struct rte_mbuf *m = make_frame(protocols[p], len);

			m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_RSS_HASH;
			vhost_offload_rx(&m, 1, VHOST_FIXUP_CKSUM);
			check_cksum(m);
			assert_int_equal(m->ol_flags,
				RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH);
			rte_pktmbuf_free(m);
		}
}

/* In two segments, the second of which begins at each place behind the headers. */
static void
partial_checksums_are_completed_over_segments(void **state)
{
	const uint16_t headers = L4_OFFSET + sizeof(struct rte_udp_hdr);

	(void)state;
	for (uint16_t at = headers; at < headers + 100; at++) {
		struct rte_mbuf *m = make_frame(IPPROTO_UDP, 100), *rest = rte_pktmbuf_alloc(pool);
		const uint16_t len = m->pkt_len - at;

		assert_non_null(rest);
		memcpy(rte_pktmbuf_append(rest, len), rte_pktmbuf_mtod_offset(m, void *, at), len);
		rte_pktmbuf_trim(m, len);
		assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		vhost_offload_rx(&m, 1, VHOST_FIXUP_CKSUM);
		assert_int_equal(rte_pktmbuf_linearize(m), 0);
		check_cksum(m);
		rte_pktmbuf_free(m);
	}
}

static void
other_received_frames_stay_as_they_are(void **state)
{
	static const uint64_t flags[] = { 0, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
		RTE_MBUF_F_RX_L4_CKSUM_BAD };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		struct rte_mbuf *m = make_frame(IPPROTO_UDP, 100);
		uint16_t before, after;

		rte_raw_cksum_mbuf(m, 0, m->pkt_len, &before);
		m->ol_flags = flags[i];
		vhost_offload_rx(&m, 1, VHOST_FIXUP_CKSUM | VHOST_FIXUP_VLAN);
		rte_raw_cksum_mbuf(m, 0, m->pkt_len, &after);
		assert_int_equal(before, after);
		assert_int_equal(m->ol_flags, flags[i]);
		rte_pktmbuf_free(m);
	}
}

/* Every length from nothing to a whole header, with flags that promise a checksum in it. */
static void
short_received_frames_do_no_harm(void **state)
{
	(void)state;
	for (uint16_t len = 0; len < L4_OFFSET + sizeof(struct rte_tcp_hdr); len++) {
		struct rte_mbuf *m = make_frame(IPPROTO_TCP, 0);

		rte_pktmbuf_trim(m, m->pkt_len - len);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		vhost_offload_rx(&m, 1, VHOST_FIXUP_CKSUM | VHOST_FIXUP_VLAN);
		assert_int_equal(m->pkt_len, len);
		rte_pktmbuf_free(m);
	}
}

static void
vlan_tags_go_in_and_out(void **state)
{
	struct rte_mbuf *m = make_frame(IPPROTO_UDP, 10);
	uint32_t len = m->pkt_len;

	(void)state;
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = TCI;
	assert_int_equal(vhost_offload_tx(m, VHOST_FIXUP_VLAN), 0);
	assert_int_equal(m->pkt_len, len + sizeof(struct rte_vlan_hdr));
	assert_int_equal(m->ol_flags, 0);
	/* Once more, as after a full ring: it has its tag. */
	assert_int_equal(vhost_offload_tx(m, VHOST_FIXUP_VLAN), 0);
	assert_int_equal(m->pkt_len, len + sizeof(struct rte_vlan_hdr));

	m->vlan_tci = 0;
	vhost_offload_rx(&m, 1, VHOST_FIXUP_VLAN);
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->vlan_tci, TCI);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	rte_pktmbuf_free(m);
}

static void
frames_that_cannot_be_treated_are_refused(void **state)
{
	struct rte_mbuf *m = make_frame(IPPROTO_UDP, 10);

	(void)state;
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	rte_mbuf_refcnt_update(m, 1);
	assert_int_equal(vhost_offload_tx(m, VHOST_FIXUP_VLAN), -EINVAL);
	rte_mbuf_refcnt_update(m, -1);

	assert_non_null(rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m)));
	assert_int_equal(vhost_offload_tx(m, VHOST_FIXUP_VLAN), -ENOSPC);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_VLAN);
	rte_pktmbuf_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(received_partial_checksums_are_completed,
			every_mbuf_is_back),
		cmocka_unit_test_teardown(partial_checksums_are_completed_over_segments,
			every_mbuf_is_back),
		cmocka_unit_test_teardown(other_received_frames_stay_as_they_are,
			every_mbuf_is_back),
		cmocka_unit_test_teardown(short_received_frames_do_no_harm, every_mbuf_is_back),
		cmocka_unit_test_teardown(vlan_tags_go_in_and_out, every_mbuf_is_back),
		cmocka_unit_test_teardown(frames_that_cannot_be_treated_are_refused,
			every_mbuf_is_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
