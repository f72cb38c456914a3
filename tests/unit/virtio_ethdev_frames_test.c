/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a port does with frames, and tells of them, on rings whose device is the test: offloads, counters,
 * descriptors, and how a queue is watched.
 */

#include "virtio_ethdev_rig.h"

#include <rte_power_intrinsics.h>

static uint64_t
xstat(const char *name)
{
	uint64_t id, value;

	assert_int_equal(rte_eth_xstats_get_id_by_name(port, name, &id), 0);
	assert_int_equal(rte_eth_xstats_get_by_id(port, &id, &value, 1), 1);
	return value;
}

static void
frames_are_counted_by_size(void **state)
{
	static const uint16_t sizes[] = { 60, 64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024,
		1518, 1519, 1600 };
	static const struct {
		const char *name;
		unsigned int frames;
	} expected[] = {
		{ "tx_q1_size_below_64_packets", 1 },
		{ "tx_q1_size_64_packets", 1 },
		{ "tx_q1_size_65_127_packets", 2 },
		{ "tx_q1_size_128_255_packets", 2 },
		{ "tx_q1_size_256_511_packets", 2 },
		{ "tx_q1_size_512_1023_packets", 2 },
		{ "tx_q1_size_1024_1518_packets", 2 },
		{ "tx_q1_size_above_1518_packets", 2 },
		/* The announcement, which the driver sends. */
		{ "tx_q0_packets", 1 },
		{ "tx_q0_size_below_64_packets", 0 },
		{ "tx_q0_size_64_packets", 1 },
	};

	(void)state;
	configure(0, 0);
	rte_eth_xstats_reset(port);
	virtio_device_announce(&device);
	/* The ring has room for 64 frames and the device takes none: the others are not counted. */
	for (unsigned int i = 0; i < 64; i++) {
		struct rte_mbuf *m = frame(i < RTE_DIM(sizes) ? sizes[i] : 100);

		assert_int_equal(rte_eth_tx_burst(port, 1, &m, 1), 1);
	}
	for (unsigned int i = 0; i < 3; i++) {
		struct rte_mbuf *m = frame(100);

		assert_int_equal(rte_eth_tx_burst(port, 1, &m, 1), 0);
		rte_pktmbuf_free(m);
	}
	for (unsigned int i = 0; i < RTE_DIM(expected); i++)
		assert_int_equal(xstat(expected[i].name),
			expected[i].frames +
				(strstr(expected[i].name, "q1_size_65_127") ? 64 - RTE_DIM(sizes) :
									      0));
}

static void
tags_are_inserted_by_prepare(void **state)
{
	struct rte_mbuf *m;
	const struct rte_vlan_hdr *tag;

	(void)state;
	configure(0, 0);
	m = frame(60);
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = 0x123;
	assert_int_equal(rte_eth_tx_prepare(port, 0, &m, 1), 1);
	assert_int_equal(m->pkt_len, 64);
	tag = rte_pktmbuf_mtod_offset(m, const struct rte_vlan_hdr *, RTE_ETHER_HDR_LEN);
	assert_int_equal(rte_be_to_cpu_16(tag->vlan_tci), 0x123);
	assert_false(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	rte_pktmbuf_free(m);

	/* An mbuf of somebody else's too must not be changed. */
	m = frame(60);
	rte_mbuf_refcnt_update(m, 1);
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	assert_int_equal(rte_eth_tx_prepare(port, 0, &m, 1), 0);
	assert_int_equal(m->pkt_len, 60);
	rte_mbuf_refcnt_update(m, -1);
	rte_pktmbuf_free(m);
}

/* --- frames as the device sees them --- */

static bool
is_packed(void)
{
	return virtio_has(&device, VIRTIO_F_RING_PACKED);
}

static void
attach(struct reference_ring *ring, unsigned int index)
{
	reference_init(ring, device.queues[index], is_packed(), false);
}

/* Have the device write a frame of 60 bytes, with a tag, into queue 0. */
static void
deliver(struct reference_ring *ring, const struct virtio_net_hdr_v1 *hdr)
{
	struct reference_chain chain;
	uint8_t buf[12 + 60] = { 0 };

	memcpy(buf, hdr, 12);
	memcpy(buf + 12 + 2 * RTE_ETHER_ADDR_LEN, "\x81\x00\x01\x23\x08", 5);
	assert_true(reference_pop(ring, &chain));
	reference_scatter(&chain, buf, sizeof(buf));
	reference_push(ring, chain.id, sizeof(buf), chain.descs, 0);
}

static struct rte_mbuf *
receive(struct reference_ring *ring, const struct virtio_net_hdr_v1 *hdr)
{
	struct rte_mbuf *m;

	deliver(ring, hdr);
	assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 1);
	return m;
}

static void
assert_receives(struct reference_ring *ring, bool stripped)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct rte_mbuf *m = receive(ring, &hdr);

	assert_int_equal(m->pkt_len, stripped ? 56 : 60);
	assert_int_equal(m->vlan_tci, stripped ? 0x123 : 0);
	assert_int_equal(m->ol_flags,
		stripped ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, char *, 2 * RTE_ETHER_ADDR_LEN),
		stripped ? "\x08" : "\x81", 1);
	rte_pktmbuf_free(m);
}

static void
assert_burst_mode(uint16_t id, const char *name)
{
	struct rte_eth_burst_mode mode;

	assert_int_equal(rte_eth_rx_burst_mode_get(port, id, &mode), 0);
	assert_string_equal(mode.info, name);
}

static void
tags_are_stripped_as_asked_at_any_time(void **state)
{
	struct reference_ring ring;
	struct rte_eth_rxq_info info;

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(RTE_ETH_RX_OFFLOAD_VLAN_STRIP, 0);
		attach(&ring, 0);
		assert_receives(&ring, true);
		assert_burst_mode(0, packed ? "packed, offloads" : "split, offloads");
		assert_int_equal(rte_eth_dev_set_vlan_offload(port, 0), 0);
		assert_receives(&ring, false);
		assert_burst_mode(0, packed ? "packed" : "split");
		assert_int_equal(rte_eth_dev_rx_queue_stop(port, 1), 0);
		assert_int_equal(rte_eth_dev_set_vlan_offload(port, RTE_ETH_VLAN_STRIP_OFFLOAD), 0);
		assert_receives(&ring, true);
		assert_burst_mode(3, packed ? "packed, offloads" : "split, offloads");
		assert_int_equal(rte_eth_rx_queue_info_get(port, 2, &info), 0);
		assert_true(info.conf.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
		/* One that the application stopped stays so. */
		assert_false(device.queues[2]->running);

		assert_int_equal(rte_eth_dev_stop(port), 0);
		assert_int_equal(rte_eth_dev_set_vlan_offload(port, 0), 0);
		assert_int_equal(rte_eth_dev_start(port), 0);
		attach(&ring, 0);
		assert_receives(&ring, false);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

/* The queues that it had, if there are as many. */
static void
queues_do_what_their_port_is_configured_for_last(void **state)
{
	struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_STRIP };
	struct rte_mempool *own = rte_pktmbuf_pool_create("other", 15, 0, 0, 512, 0);
	struct reference_ring ring;
	struct reference_chain chain;
	struct rte_mbuf *m[2];

	(void)state;
	assert_non_null(own);
	configure_both(0, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	attach(&ring, 0);
	assert_receives(&ring, true);

	/* That all frames are of one pool is not promised any more. */
	attach(&ring, 1);
	m[0] = frame(60);
	m[1] = rte_pktmbuf_alloc(own);
	assert_non_null(m[1]);
	assert_non_null(rte_pktmbuf_append(m[1], 60));
	assert_int_equal(rte_eth_tx_burst(port, 0, m, 2), 2);
	while (reference_pop(&ring, &chain))
		reference_push(&ring, chain.id, 0, chain.descs, 0);
	assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 2);
	assert_int_equal(rte_mempool_avail_count(own), 15);

	conf.rxmode.offloads = 0;
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	attach(&ring, 0);
	assert_receives(&ring, false);
	rte_mempool_free(own);
}

#define RX_CSUM F(VIRTIO_NET_F_GUEST_CSUM)
#define RX_LRO (F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6))

static void
headers_of_received_frames_become_flags(void **state)
{
	static const struct {
		struct virtio_net_hdr_v1 hdr;
		uint64_t flags;
		uint16_t segment;
	} cases[] = {
		{ { .num_buffers = 1 }, 0, 0 },
		/* Nobody can tell what that would be the checksum of. */
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .num_buffers = 1 }, 0, 0 },
		{ { .flags = VIRTIO_NET_HDR_F_DATA_VALID, .num_buffers = 1 },
			RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0 },
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			  .gso_size = 1400,
			  .num_buffers = 1 },
			RTE_MBUF_F_RX_LRO, 1400 },
		{ { .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .num_buffers = 1 }, 0, 0 },
	};
	struct reference_ring ring;

	(void)state;
	for (unsigned int lro = 0; lro < 2; lro++) {
		device.offered = FEATURES | RX_CSUM | (lro ? RX_LRO : 0);
		configure(lro ? RTE_ETH_RX_OFFLOAD_TCP_LRO : RTE_ETH_RX_OFFLOAD_TCP_CKSUM, 0);
		attach(&ring, 0);
		assert_burst_mode(0, lro ? "split, mergeable, offloads" : "split, offloads");
		for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
			struct rte_mbuf *m = receive(&ring, &cases[i].hdr);

			assert_int_equal(m->ol_flags, cases[i].flags);
			if (cases[i].segment != 0)
				assert_int_equal(m->tso_segsz, cases[i].segment);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

/* Ethernet, IPv4, UDP, VXLAN, and Ethernet again. */
#define OUTER 50

#define LONG 3000 /* more than one mbuf holds */

static void
put_ipv4(uint8_t *at, uint8_t protocol, uint16_t len)
{
	const struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16(len),
		.next_proto_id = protocol,
		.src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
		.dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2)),
	};

	memcpy(at, &ip, sizeof(ip));
}

/* Ethernet and IPv4, `tagged` or not, with the pseudo header's sum where TCP or UDP has its checksum. */
static void
put_unfinished(uint8_t *frame, uint32_t len, bool tagged, uint8_t protocol)
{
	uint8_t *ip = frame + RTE_ETHER_HDR_LEN + (tagged ? RTE_VLAN_HLEN : 0);
	const uint16_t field = protocol == IPPROTO_TCP ? 16 : 6;
	uint16_t sum;

	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, "\x81\x00\x01\x23", 4);
	memcpy(ip - 2, "\x08\x00", 2);
	put_ipv4(ip, protocol, (uint16_t)(len - (uint32_t)(ip - frame)));
	sum = rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)ip, 0);
	memcpy(ip + 20 + field, &sum, sizeof(sum));
}

static void
put_tunnel(uint8_t *frame, uint32_t len)
{
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, "\x08\x00", 2);
	put_ipv4(frame + RTE_ETHER_HDR_LEN, IPPROTO_UDP, (uint16_t)(len - RTE_ETHER_HDR_LEN));
	memcpy(frame + RTE_ETHER_HDR_LEN + 20 + 2, "\x12\xb5", 2);
}

/* Have the device write a frame, into as many buffers as it takes. */
static struct rte_mbuf *
receive_frame(struct reference_ring *ring, struct virtio_net_hdr_v1 hdr, const uint8_t *frame,
	uint32_t len)
{
	struct reference_chain chain[2];
	uint8_t buf[sizeof(hdr) + LONG];
	uint32_t at = 0, all = sizeof(hdr) + len, n = 0;
	uint32_t part[2];
	struct rte_mbuf *m = NULL;
	uint16_t got = 0;

	memcpy(buf + sizeof(hdr), frame, len);
	for (; at < all; at += part[n++]) {
		assert_true(n < 2 && reference_pop(ring, &chain[n]));
		part[n] = RTE_MIN(all - at, chain[n].pieces[0].len);
	}
	hdr.num_buffers = (uint16_t)n;
	memcpy(buf, &hdr, sizeof(hdr));
	for (uint32_t i = 0, from = 0; i < n; from += part[i++]) {
		reference_scatter(&chain[i], buf + from, part[i]);
		reference_push(ring, chain[i].id, part[i], chain[i].descs, 0);
		assert_int_equal(got, 0);
		got = rte_eth_rx_burst(port, 0, &m, 1);
	}
	assert_int_equal(got, 1);
	assert_int_equal(m->pkt_len, len);
	return m;
}

/* Of a frame within the frame there is no flag: what is in there is made whole, whoever gets it. */
static void
a_checksum_left_to_us_is_told_or_made(void **state)
{
	static const struct {
		uint32_t len, inner;
		bool tagged;
		uint8_t protocol;
		uint16_t start, offset; /* where they are not as they should */
		bool told, made;
	} cases[] = {
		{ 100, 0, false, IPPROTO_TCP, .told = true },
		{ 100, 0, false, IPPROTO_UDP, .told = true },
		{ 101, 0, true, IPPROTO_TCP, .told = true },
		{ 200, OUTER, false, IPPROTO_TCP, .made = true },
		{ 201, OUTER, true, IPPROTO_UDP, .made = true },
		{ LONG, OUTER, false, IPPROTO_TCP, .made = true },
		{ LONG - 1, OUTER, true, IPPROTO_UDP, .made = true },
		{ LONG, 0, false, IPPROTO_TCP, .told = true },
		{ 200, OUTER, false, IPPROTO_TCP, .start = 199, .offset = 1 },
		{ 200, OUTER, false, IPPROTO_TCP, .start = 65535, .offset = 65535 },
		{ LONG, OUTER, false, IPPROTO_TCP, .start = 84, .offset = 65535 },
	};
	struct reference_ring ring;

	(void)state;
	for (unsigned int i = 0; i < 2 * RTE_DIM(cases); i++) {
		const bool packed = i >= RTE_DIM(cases);
		const unsigned int c = i % RTE_DIM(cases);
		const uint32_t ip = cases[c].inner + RTE_ETHER_HDR_LEN + (cases[c].tagged ? 4 : 0);
		struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
		uint8_t data[LONG];
		uint8_t got[LONG];
		struct rte_mbuf *m;
		uint32_t at = 0;

		for (uint32_t j = 0; j < sizeof(data); j++)
			data[j] = (uint8_t)(j * 7 + c);
		if (cases[c].inner != 0)
			put_tunnel(data, cases[c].len);
		put_unfinished(data + cases[c].inner, cases[c].len - cases[c].inner,
			cases[c].tagged, cases[c].protocol);
		hdr.csum_start = (uint16_t)(ip + 20);
		hdr.csum_offset = cases[c].protocol == IPPROTO_TCP ? 16 : 6;
		if (cases[c].start != 0) {
			hdr.csum_start = cases[c].start;
			hdr.csum_offset = cases[c].offset;
		}
		device.offered = FEATURES | RX_CSUM | RX_LRO |
			(packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(RTE_ETH_RX_OFFLOAD_TCP_LRO, 0);
		attach(&ring, 0);
		m = receive_frame(&ring, hdr, data, cases[c].len);
		assert_int_equal(m->ol_flags, cases[c].told ? RTE_MBUF_F_RX_L4_CKSUM_NONE : 0);
		for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
			memcpy(got + at, rte_pktmbuf_mtod(s, const void *), s->data_len);
			at += s->data_len;
		}
		if (cases[c].made)
			assert_int_equal(rte_ipv4_udptcp_cksum_verify((const struct rte_ipv4_hdr
										      *)(got + ip),
						 got + ip + 20),
				0);
		else
			assert_memory_equal(got, data, cases[c].len);
		rte_pktmbuf_free(m);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

#define TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

#define VXLAN (RTE_MBUF_F_TX_OUTER_IPV4 | RTE_MBUF_F_TX_TUNNEL_VXLAN)

static struct rte_mbuf *
frame_to_finish(uint64_t flags)
{
	const uint16_t at = flags & VXLAN ? OUTER + 14 : 14;
	struct rte_mbuf *m = frame(200);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, at);
	struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, at);

	m->ol_flags = flags;
	/* Lengths of headers outside mean something only to frames that have them. */
	m->outer_l2_len = 14;
	m->outer_l3_len = 20;
	m->l2_len = flags & VXLAN ? 8 + 8 + 14 : 14;
	m->l3_len = flags & RTE_MBUF_F_TX_IPV6 ? 40 : 20;
	m->l4_len = 20;
	m->tso_segsz = flags & RTE_MBUF_F_TX_TCP_SEG ? 64 : 0;
	if (flags & RTE_MBUF_F_TX_IPV6)
		*ip6 = (struct rte_ipv6_hdr){ .vtc_flow = 0x60,
			.payload_len = 0x9200,
			.proto = 6,
			.src_addr = { 1 },
			.dst_addr = { 2 } };
	else
		*ip = (struct rte_ipv4_hdr){ .version_ihl = 0x45,
			.total_length = 0xba00,
			.next_proto_id = 6,
			.src_addr = 0x0100000a,
			.dst_addr = 0x0200000a };
	return m;
}

/* Sums of headers and pseudo headers by hand, in the order in which they lie in the frame. */
static void
frames_to_finish_are_prepared_and_described(void **state)
{
	static const struct {
		uint64_t flags;
		uint16_t sum_at;
		uint8_t sum[2];
		struct virtio_net_hdr hdr;
	} cases[] = {
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM, 50, { 0x14, 0xaf },
			{ 1, 0, 0, 0, 34, 16 } },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM, 40, { 0x14, 0xaf },
			{ 1, 0, 0, 0, 34, 6 } },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG, 50,
			{ 0x14, 0xaf }, { 1, VIRTIO_NET_HDR_GSO_TCPV4, 54, 64, 34, 16 } },
		{ RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG, 70,
			{ 0x03, 0x98 }, { 1, VIRTIO_NET_HDR_GSO_TCPV6, 74, 64, 54, 16 } },
		/* What takes segmentation of IPv4 from an application. */
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG, 50,
			{ 0x14, 0xaf }, { 1, VIRTIO_NET_HDR_GSO_TCPV4, 54, 64, 34, 16 } },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 24, { 0xa6, 0x3c }, { 0 } },
		/* Frames in frames: those that ask for nothing, and what they carry. */
		{ RTE_MBUF_F_TX_IPV4 | VXLAN, OUTER + 50, { 0 }, { 0 } },
		{ RTE_MBUF_F_TX_OUTER_IPV6 | RTE_MBUF_F_TX_TUNNEL_IP, 0, { 0 }, { 0 } },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | VXLAN, OUTER + 50, { 0x14, 0xaf },
			{ 1, 0, 0, 0, OUTER + 34, 16 } },
		{ RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM | VXLAN, OUTER + 60, { 0x03, 0x98 },
			{ 1, 0, 0, 0, OUTER + 54, 6 } },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | VXLAN, OUTER + 24, { 0xa6, 0x3c },
			{ 0 } },
	};
	static const uint8_t ip_sum[] = { 0xa6, 0x3c };
	struct reference_ring ring;
	struct reference_chain chain;
	uint8_t buf[256];

	(void)state;
	device.offered |= F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) |
		F(VIRTIO_NET_F_HOST_TSO6);
	configure_both(0, TX_OFFLOADS, 0);
	attach(&ring, 1);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m = frame_to_finish(cases[i].flags);

		assert_int_equal(rte_eth_tx_prepare(port, 0, &m, 1), 1);
		assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
		assert_true(reference_pop(&ring, &chain));
		assert_int_equal(reference_gather(&chain, buf, sizeof(buf)), 12 + 200);
		assert_memory_equal(buf, &cases[i].hdr, sizeof(cases[i].hdr));
		assert_memory_equal(buf + 12 + cases[i].sum_at, cases[i].sum, 2);
		if (cases[i].flags & RTE_MBUF_F_TX_IP_CKSUM)
			assert_memory_equal(buf + 12 + 24 + (cases[i].flags & VXLAN ? OUTER : 0),
				ip_sum, sizeof(ip_sum));
	}
}

/* What is taken off a frame's front or end may leave segments that have nothing in them. */
static void
segments_without_data_are_no_descriptors(void **state)
{
	static const uint16_t shapes[][5] = { { 0, 20, 0, 0, 30 }, { 20, 0, 30, 0, 0 },
		{ 50, 0, 0, 0, 0 }, { 0, 0, 0, 0, 50 }, { 10, 10, 10, 10, 10 } };
	static const uint64_t ways[] = { FEATURES, FEATURES & ~F(VIRTIO_RING_F_INDIRECT_DESC),
		FEATURES | F(VIRTIO_F_RING_PACKED),
		(FEATURES | F(VIRTIO_F_RING_PACKED)) & ~F(VIRTIO_RING_F_INDIRECT_DESC) };
	struct reference_ring ring;
	struct reference_chain chain;
	uint8_t buf[100];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(ways) * RTE_DIM(shapes) * 2; i++) {
		const uint16_t *shape = shapes[i / 2 % RTE_DIM(shapes)];
		const bool shared = i & 1; /* so that the header cannot go in front of it */
		struct rte_mbuf *m = NULL;

		device.offered = ways[i / 2 / RTE_DIM(shapes)];
		configure_both(0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, 0);
		attach(&ring, 1);
		for (unsigned int s = 0; s < 5; s++) {
			struct rte_mbuf *next = frame(shape[s]);

			if (m == NULL)
				m = next;
			else
				assert_int_equal(rte_pktmbuf_chain(m, next), 0);
		}
		if (shared)
			rte_pktmbuf_refcnt_update(m, 1);
		assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
		assert_true(reference_pop(&ring, &chain));
		for (unsigned int p = 0; p < chain.n; p++)
			assert_true(chain.pieces[p].len > 0);
		assert_int_equal(reference_gather(&chain, buf, sizeof(buf)),
			sizeof(struct virtio_net_hdr_v1) + 50);
		reference_push(&ring, chain.id, 0, chain.descs, 0);
		assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 1);
		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 63), RTE_ETH_TX_DESC_DONE);
		if (shared)
			rte_pktmbuf_free(m);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

static void
frames_that_the_device_cannot_finish_are_refused(void **state)
{
	const uint64_t tcp = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	const uint64_t ip = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	const uint64_t never[] = {
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM,
		tcp | RTE_MBUF_F_TX_OUTER_IP_CKSUM,
		VXLAN | RTE_MBUF_F_TX_OUTER_IP_CKSUM,
		VXLAN | RTE_MBUF_F_TX_OUTER_UDP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_SEG,
		tcp | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TUNNEL_VXLAN,
		tcp | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_OUTER_IPV4,
		tcp | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_OUTER_IPV6,
	};
	struct rte_mbuf *pkts[2] = { frame_to_finish(tcp), frame_to_finish(tcp) };

	(void)state;
	device.offered |= F(VIRTIO_NET_F_CSUM);
	configure_both(0, RTE_ETH_TX_OFFLOAD_TCP_CKSUM, 0);
	pkts[1]->l3_len = 200;
	assert_int_equal(rte_eth_tx_prepare(port, 0, pkts, 2), 1);
	assert_int_equal(rte_errno, EINVAL);
	rte_pktmbuf_free_bulk(pkts, 2);
	for (unsigned int i = 0; i < RTE_DIM(never); i++) {
		pkts[0] = frame_to_finish(never[i]);
		assert_int_equal(rte_eth_tx_prepare(port, 0, pkts, 1), 0);
		assert_int_equal(rte_errno, ENOTSUP);
		rte_pktmbuf_free(pkts[0]);
	}

	/* Checksums are agreed on, segmentation is not. */
	pkts[0] = frame_to_finish(tcp | RTE_MBUF_F_TX_TCP_SEG);
	assert_int_equal(rte_eth_tx_prepare(port, 0, pkts, 1), 0);
	assert_int_equal(rte_errno, ENOTSUP);
	rte_pktmbuf_free(pkts[0]);

	pkts[0] = frame_to_finish(ip);
	pkts[0]->l3_len = 16;
	pkts[1] = frame_to_finish(ip);
	pkts[1]->l3_len = 200;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(rte_eth_tx_prepare(port, 0, &pkts[i], 1), 0);
		assert_int_equal(rte_errno, EINVAL);
	}
	rte_pktmbuf_free_bulk(pkts, 2);

	/* Nor are checksums, where no offload takes them. */
	assert_int_equal(rte_eth_dev_stop(port), 0);
	configure_both(0, 0, 0);
	pkts[0] = frame_to_finish(tcp);
	assert_int_equal(rte_eth_tx_prepare(port, 0, pkts, 1), 0);
	assert_int_equal(rte_errno, ENOTSUP);
	rte_pktmbuf_free(pkts[0]);
}

static void
descriptors_tell_how_far_the_device_is(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct reference_chain chain;
	struct reference_ring rx, tx;
	struct rte_mbuf *m;

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(0, 0);
		attach(&rx, 0);
		attach(&tx, 1);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 0), RTE_ETH_RX_DESC_AVAIL);
		deliver(&rx, &hdr);
		deliver(&rx, &hdr);
		assert_int_equal(rte_eth_rx_queue_count(port, 0), 2);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 1), RTE_ETH_RX_DESC_DONE);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 2), RTE_ETH_RX_DESC_AVAIL);
		assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 1);
		rte_pktmbuf_free(m);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 1), RTE_ETH_RX_DESC_AVAIL);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 62), RTE_ETH_RX_DESC_AVAIL);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 63),
			RTE_ETH_RX_DESC_UNAVAIL);
		assert_int_equal(rte_eth_rx_descriptor_status(port, 0, 64), -EINVAL);

		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 63), RTE_ETH_TX_DESC_DONE);
		for (unsigned int i = 0; i < 64; i++) {
			m = frame(60);
			assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
		}
		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 0), RTE_ETH_TX_DESC_FULL);
		for (unsigned int i = 0; i < 3; i++) {
			assert_true(reference_pop(&tx, &chain));
			reference_push(&tx, chain.id, 0, chain.descs, 0);
		}
		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 2), RTE_ETH_TX_DESC_DONE);
		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 3), RTE_ETH_TX_DESC_FULL);
		assert_int_equal(rte_eth_tx_descriptor_status(port, 0, 64), -EINVAL);
		assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 3);
		assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 0);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

/* Have the device take three frames of three segments and one more, and give them back. */
static void
transmit_and_return(struct reference_ring *ring, bool batched)
{
	struct reference_chain chain;
	uint16_t descs = 0;

	for (unsigned int i = 0; i < 4; i++) {
		struct rte_mbuf *m = frame(60);

		for (unsigned int seg = 1; seg < 3 && i < 3; seg++)
			assert_int_equal(rte_pktmbuf_chain(m, frame(60)), 0);
		assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
		assert_true(reference_pop(ring, &chain));
		descs += chain.descs;
		if (!batched)
			reference_push(ring, chain.id, 0, chain.descs, 0);
	}
	if (batched)
		reference_push(ring, chain.id, 0, descs, 3);
}

static void
cleanup_frees_as_many_frames_as_asked_for(void **state)
{
	struct reference_ring ring;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		const bool ordered = i & 2;

		device.offered = FEATURES & ~F(VIRTIO_RING_F_INDIRECT_DESC);
		device.offered |= (i & 1 ? F(VIRTIO_F_RING_PACKED) : 0) |
			(ordered ? F(VIRTIO_F_IN_ORDER) : 0);
		configure_both(0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, 0);
		attach(&ring, 1);
		assert_int_equal(virtio_has(&device, VIRTIO_F_IN_ORDER), ordered);
		/* Around the ring, so that what is left is left in every place of it. */
		for (unsigned int round = 0; round < 20; round++) {
			const unsigned int before = rte_mempool_avail_count(pool);

			transmit_and_return(&ring, ordered);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 1), 1);
			assert_int_equal(rte_mempool_avail_count(pool), before - 7);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 2), 2);
			assert_int_equal(rte_mempool_avail_count(pool), before - 1);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 2), 1);
			transmit_and_return(&ring, ordered);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 3), 3);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 1);
			assert_int_equal(rte_mempool_avail_count(pool), before);
			transmit_and_return(&ring, ordered);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, UINT32_MAX), 4);
			assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), 0);
		}
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

static void
monitored_address_wakes_with_the_first_buffer(void **state)
{
	struct rte_power_monitor_cond cond;
	struct reference_ring ring;
	struct rte_mbuf *m;
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(0, 0);
		attach(&ring, 0);
		/* Twice around: flags of packed rings mean something else in every other lap. */
		for (unsigned int i = 0; i < 130; i++) {
			assert_int_equal(rte_eth_get_monitor_addr(port, 0, &cond), 0);
			assert_int_equal(cond.size, 2);
			assert_int_equal(cond.fn(*(volatile uint16_t *)cond.addr, cond.opaque), 0);
			deliver(&ring, &hdr);
			assert_int_equal(cond.fn(*(volatile uint16_t *)cond.addr, cond.opaque), -1);
			assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 1);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

static void
a_queue_that_is_not_set_up_is_not_looked_at(void **state)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_power_monitor_cond cond;

	(void)state;
	/* What ethdev kept of another number of queues is set up. */
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_dev_configure(port, 2, 2, &conf), 0);
	assert_int_equal(rte_eth_get_monitor_addr(port, 1, &cond), -EINVAL);
	assert_int_equal(rte_eth_tx_done_cleanup(port, 1, 0), -EINVAL);
	configure(0, 0);
	assert_int_equal(rte_eth_get_monitor_addr(port, 1, &cond), 0);
}

static void
a_queue_can_be_stopped_and_started(void **state)
{
	struct rte_mbuf *m = frame(64);

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_tx_queue_stop(port, 2), 0);
	assert_int_equal(rte_eth_tx_burst(port, 2, &m, 1), 0);
	assert_int_equal(rte_eth_dev_tx_queue_start(port, 2), 0);
	assert_int_equal(rte_eth_tx_burst(port, 2, &m, 1), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(frames_are_counted_by_size, forget),
		cmocka_unit_test_teardown(tags_are_inserted_by_prepare, forget),
		cmocka_unit_test_teardown(tags_are_stripped_as_asked_at_any_time, forget),
		cmocka_unit_test_teardown(queues_do_what_their_port_is_configured_for_last, forget),
		cmocka_unit_test_teardown(headers_of_received_frames_become_flags, forget),
		cmocka_unit_test_teardown(a_checksum_left_to_us_is_told_or_made, forget),
		cmocka_unit_test_teardown(frames_to_finish_are_prepared_and_described, forget),
		cmocka_unit_test_teardown(segments_without_data_are_no_descriptors, forget),
		cmocka_unit_test_teardown(frames_that_the_device_cannot_finish_are_refused, forget),
		cmocka_unit_test_teardown(descriptors_tell_how_far_the_device_is, forget),
		cmocka_unit_test_teardown(cleanup_frees_as_many_frames_as_asked_for, forget),
		cmocka_unit_test_teardown(monitored_address_wakes_with_the_first_buffer, forget),
		cmocka_unit_test_teardown(a_queue_that_is_not_set_up_is_not_looked_at, forget),
		cmocka_unit_test_teardown(a_queue_can_be_stopped_and_started, forget),
	};

	return cmocka_run_group_tests(tests, make_port, NULL);
}
