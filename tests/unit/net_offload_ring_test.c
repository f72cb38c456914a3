/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Offloads through a ring, both directions: every kind of frame, in every ring format, in buffers of
 * every shape, against checksums and fields that are worked out here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "net_frame.h"
#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define HDR ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define REGION (1u << 18)
#define RING_SIZE 64
#define POOL_SIZE 1023
#define SEGMENT 1400
#define FRAME_MAX 60000

static struct rte_mempool *pool;

/* --- Frames -------------------------------------------------------------------------------- */

struct shape {
	uint8_t tags;      /**< VLAN tags */
	uint8_t version;   /**< of IP */
	uint8_t extension; /**< bytes of IPv4 options or IPv6 extension headers */
	uint8_t protocol;
	uint8_t l4_len;
};

static const struct shape shapes[] = {
	{ 0, 4, 0, IPPROTO_TCP, 20 },
	{ 0, 4, 8, IPPROTO_TCP, 32 },
	{ 1, 4, 0, IPPROTO_TCP, 60 },
	{ 0, 6, 0, IPPROTO_TCP, 20 },
	{ 0, 6, 8, IPPROTO_TCP, 20 },
	{ 2, 6, 0, IPPROTO_TCP, 32 },
	{ 0, 4, 0, IPPROTO_UDP, 8 },
	{ 2, 4, 40, IPPROTO_UDP, 8 },
	{ 0, 6, 0, IPPROTO_UDP, 8 },
	{ 1, 6, 24, IPPROTO_UDP, 8 },
};

struct frame {
	struct shape shape;
	uint32_t len;
	uint16_t l2_len, l3_len, l4_at, csum_at;
	uint8_t data[FRAME_MAX];
};

static struct frame frame;

static void
put16(uint32_t at, uint16_t value)
{
	frame.data[at] = value >> 8;
	frame.data[at + 1] = value & 0xff;
}

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The Internet checksum's sum (RFC 1071), byte by byte. */
static uint32_t
sum_bytes(uint32_t sum, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum;
}

static uint32_t
sum_pseudo(const struct frame *f)
{
	const uint8_t *l3 = f->data + f->l2_len;
	uint32_t addresses = f->shape.version == 4 ? 12 : 8;

	return sum_bytes(f->shape.protocol + f->len - f->l4_at, l3 + addresses,
		f->shape.version == 4 ? 8 : 32);
}

/* What the field holds when all is done. */
static uint16_t
finished_checksum(const struct frame *f)
{
	uint8_t copy[FRAME_MAX];
	uint16_t sum;

	memcpy(copy, f->data, f->len);
	copy[f->csum_at] = copy[f->csum_at + 1] = 0;
	sum = ~sum_bytes(sum_pseudo(f), copy + f->l4_at, f->len - f->l4_at);
	return sum == 0 ? UINT16_MAX : sum;
}

static uint16_t
finished_ip_checksum(const struct frame *f)
{
	uint8_t copy[60];

	memcpy(copy, f->data + f->l2_len, f->l3_len);
	copy[10] = copy[11] = 0;
	return (uint16_t)~sum_bytes(0, copy, f->l3_len);
}

static void
build_ip(const struct shape *s, uint32_t l4_bytes)
{
	uint8_t *l3 = frame.data + frame.l2_len;

	if (s->version == 4) {
		l3[0] = 0x40 | (20 + s->extension) / 4;
		put16(frame.l2_len + 2, frame.l3_len + l4_bytes);
		l3[9] = s->protocol;
		memset(l3 + 20, 1, s->extension);
		put16(frame.l2_len + 10, finished_ip_checksum(&frame));
		return;
	}
	l3[0] = 0x60;
	put16(frame.l2_len + 4, s->extension + l4_bytes);
	l3[6] = s->extension == 0 ? s->protocol : IPPROTO_DSTOPTS;
	if (s->extension != 0) {
		l3[40] = s->protocol;
		l3[41] = s->extension / 8 - 1;
		l3[42] = 1; /* PadN */
		l3[43] = s->extension - 4;
	}
}

/* A frame as one end passes it to the other: the checksum field holds the pseudo header's sum. */
static void
build_frame(const struct shape *s, uint32_t payload)
{
	frame.shape = *s;
	frame.l2_len = RTE_ETHER_HDR_LEN + 4 * s->tags;
	frame.l3_len = (s->version == 4 ? 20 : 40) + s->extension;
	frame.l4_at = frame.l2_len + frame.l3_len;
	frame.csum_at = frame.l4_at + (s->protocol == IPPROTO_TCP ? 16 : 6);
	frame.len = frame.l4_at + s->l4_len + payload;
	for (uint32_t i = 0; i < frame.len; i++)
		frame.data[i] = i * 13 + (i >> 8);
	for (uint8_t i = 0; i < s->tags; i++) {
		put16(12 + 4 * i, i == 0 && s->tags == 2 ? 0x88a8 : 0x8100);
		put16(14 + 4 * i, 100 + i);
	}
	put16(frame.l2_len - 2, s->version == 4 ? 0x0800 : 0x86dd);
	build_ip(s, s->l4_len + payload);
	if (s->protocol == IPPROTO_TCP)
		frame.data[frame.l4_at + 12] = s->l4_len / 4 << 4;
	put16(frame.csum_at, sum_pseudo(&frame));
}

static uint8_t
gso_type(const struct shape *s)
{
	if (s->protocol == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP;
	return s->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/* --- Rings and buffers --------------------------------------------------------------------- */

static struct {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	uint64_t buffer; /**< so that the end of a region is in its first 100 bytes */
} rig;

static void
rig_start(uint64_t features, uint64_t mbuf_flags)
{
	uint64_t gpa;

	features |= F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC);
	guest_memory_init(&rig.memory, 4, REGION);
	ring_driver_init(&rig.driver, &rig.memory, features, RING_SIZE);
	gpa = guest_memory_region(&rig.memory, 1) - 70;
	guest_memory_alloc(&rig.memory, gpa - rig.memory.next, 1);
	rig.buffer = guest_memory_alloc(&rig.memory, HDR + FRAME_MAX, 1);
	/* Indirect tables cross the next end. */
	gpa = guest_memory_region(&rig.memory, 2) - 24;
	guest_memory_alloc(&rig.memory, gpa - rig.memory.next, 1);
	ring_driver_attach(&rig.driver, &rig.vr, "offload");
	rig.vr.mbuf_flags = mbuf_flags;
	vhost_vring_start(&rig.vr, rig.memory.table);
}

static void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

/* How the bytes of a buffer are spread over descriptors. */
struct spread {
	const char *name;
	enum ring_driver_how how;
	uint16_t first; /**< bytes of the first descriptor; 0: all */
	uint16_t next;  /**< of each other one; 0: all that is left */
	bool crossing;  /**< regions */
};

static const struct spread spreads[] = {
	{ "one descriptor", RING_DRIVER_DIRECT, 0, 0, false },
	{ "one descriptor across regions", RING_DRIVER_DIRECT, 0, 0, true },
	{ "header apart", RING_DRIVER_DIRECT, HDR, 0, true },
	{ "header in pieces", RING_DRIVER_DIRECT, 5, 1501, true },
	{ "odd pieces in a table", RING_DRIVER_INDIRECT, HDR + 37, 1301, true },
	{ "table behind a descriptor", RING_DRIVER_MIXED, HDR + 1, 2999, true },
};

static uint64_t
place(const struct spread *s)
{
	return s->crossing ? rig.buffer : rig.buffer + 128;
}

static void
offer(const struct spread *s, uint32_t len, bool writable, uint32_t token)
{
	struct ring_driver_seg segs[RING_DRIVER_SEGS_MAX];
	uint64_t gpa = place(s);
	uint16_t n = 0;

	while (len > 0) {
		uint32_t want = n == 0 ? s->first : s->next;

		assert_true(n < RTE_DIM(segs));
		segs[n].gpa = gpa;
		segs[n].len = want == 0 ? len : RTE_MIN(want, len);
		gpa += segs[n].len;
		len -= segs[n++].len;
	}
	assert_true(ring_driver_add(&rig.driver, segs, n, writable, s->how, token));
	ring_driver_publish(&rig.driver);
}

/* --- From the guest ------------------------------------------------------------------------ */

static const uint64_t ring_formats[] = {
	0,
	F(VIRTIO_F_IN_ORDER),
	F(VIRTIO_F_RING_PACKED),
	F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER),
};

static const uint64_t mbuf_kinds[] = {
	0,
	RTE_VHOST_USER_EXTBUF_SUPPORT,
	RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT,
};

/* What an application that sends frames on as they are finds in the mbuf. */
static void
check_transmit_fields(const struct rte_mbuf *m, bool gso)
{
	const struct shape *s = &frame.shape;
	uint64_t flags = s->version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;

	flags |= s->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (gso) {
		flags |= s->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG;
		flags |= s->version == 4 ? RTE_MBUF_F_TX_IP_CKSUM : 0;
		assert_int_equal(m->l4_len, s->l4_len);
		assert_int_equal(m->tso_segsz, SEGMENT);
	}
	assert_int_equal(m->ol_flags & ~RTE_MBUF_F_EXTERNAL, flags);
	assert_int_equal(m->l2_len, frame.l2_len);
	assert_int_equal(m->l3_len, frame.l3_len);
}

static void
check_receive_fields(const struct rte_mbuf *m, bool gso)
{
	uint32_t l4 = frame.shape.protocol == IPPROTO_TCP ? RTE_PTYPE_L4_TCP : RTE_PTYPE_L4_UDP;
	uint32_t l3 = frame.shape.version == 4 ? RTE_PTYPE_L3_IPV4 : RTE_PTYPE_L3_IPV6;

	assert_int_equal(m->ol_flags & ~RTE_MBUF_F_EXTERNAL,
		RTE_MBUF_F_RX_L4_CKSUM_NONE | (gso ? RTE_MBUF_F_RX_LRO : 0));
	assert_int_equal(m->packet_type & RTE_PTYPE_L4_MASK, l4);
	/* The kinds of IPv4, and those of IPv6, have a bit in common. */
	assert_int_equal(m->packet_type & l3, l3);
	if (gso)
		assert_int_equal(m->tso_segsz, SEGMENT);
}

static void
check_contents(const struct rte_mbuf *m)
{
	uint8_t copy[FRAME_MAX];
	const char *why;

	assert_int_equal(rte_mbuf_check(m, 1, &why), 0);
	assert_int_equal(m->pkt_len, frame.len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, frame.len, copy), frame.data, frame.len);
	if (m->pkt_len <= RTE_MBUF_DEFAULT_DATAROOM ||
		(rig.vr.mbuf_flags & RTE_VHOST_USER_EXTBUF_SUPPORT) != 0)
		assert_int_equal(m->nb_segs, 1);
}

static void
send_one(const struct spread *spread, bool gso)
{
	bool compliant = (rig.vr.mbuf_flags & RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS) != 0;
	struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	struct rte_mbuf *m;
	uint32_t token, len;

	hdr.csum_start = frame.l4_at;
	hdr.csum_offset = frame.csum_at - frame.l4_at;
	if (gso) {
		hdr.gso_type = gso_type(&frame.shape);
		hdr.gso_size = SEGMENT;
		hdr.hdr_len = frame.l4_at + frame.shape.l4_len;
	}
	guest_memory_write(&rig.memory, place(spread), &hdr, HDR);
	guest_memory_write(&rig.memory, place(spread) + HDR, frame.data, frame.len);
	offer(spread, HDR + frame.len, false, 7);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 1);
	check_contents(m);
	if (compliant)
		check_receive_fields(m, gso);
	else
		check_transmit_fields(m, gso);
	rte_pktmbuf_free(m);
	assert_true(ring_driver_take(&rig.driver, &token, &len));
	assert_int_equal(token, 7);
}

static void
send_all(uint64_t features, uint64_t mbuf_flags)
{
	rig_start(features | F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) |
			F(VIRTIO_NET_F_HOST_TSO6) | F(VIRTIO_NET_F_HOST_UFO),
		mbuf_flags);
	for (size_t i = 0; i < RTE_DIM(shapes); i++) {
		for (size_t k = 0; k < RTE_DIM(spreads); k++) {
			build_frame(&shapes[i], 201);
			send_one(&spreads[k], false);
			build_frame(&shapes[i], 31001);
			send_one(&spreads[k], true);
		}
		/* Each table takes memory that is not taken back: keep where they cross. */
		rig.memory.next = guest_memory_region(&rig.memory, 2) - 24;
	}
	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
		assert_int_equal(rig.vr.stats.drops[i], 0);
	rig_stop();
}

static void
offloads_from_the_guest_become_transmit_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(ring_formats); i++) {
		for (size_t k = 0; k < RTE_DIM(mbuf_kinds); k++)
			send_all(ring_formats[i], mbuf_kinds[k]);
	}
}

static void
offloads_from_the_guest_become_receive_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(ring_formats); i++) {
		for (size_t k = 0; k < RTE_DIM(mbuf_kinds); k++)
			send_all(ring_formats[i],
				mbuf_kinds[k] | RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	}
}

/* --- To the guest -------------------------------------------------------------------------- */

/* What a guest agreed to get unfinished. */
static const struct {
	uint64_t features;
	bool csum, tso;
} guests[] = {
	{ 0, false, false },
	{ F(VIRTIO_NET_F_GUEST_CSUM), true, false },
	{ F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) |
			F(VIRTIO_NET_F_GUEST_UFO),
		true, true },
};

/* The frame in pieces of @a piece bytes, with transmit flags. */
static struct rte_mbuf *
make_mbuf(uint32_t piece, bool gso)
{
	const struct shape *s = &frame.shape;
	struct rte_mbuf *first = NULL, **link = &first;
	uint16_t n = 0;

	for (uint32_t at = 0; at < frame.len; at += piece, link = &(*link)->next, n++) {
		uint32_t len = RTE_MIN(piece, frame.len - at);

		*link = rte_pktmbuf_alloc(pool);
		assert_non_null(*link);
		memcpy(rte_pktmbuf_append(*link, len), frame.data + at, len);
	}
	first->nb_segs = n;
	first->pkt_len = frame.len;
	first->l2_len = frame.l2_len;
	first->l3_len = frame.l3_len;
	first->l4_len = s->l4_len;
	first->ol_flags = s->version == 4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM :
					    RTE_MBUF_F_TX_IPV6;
	first->ol_flags |= s->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM :
							RTE_MBUF_F_TX_UDP_CKSUM;
	if (gso) {
		first->tso_segsz = SEGMENT;
		first->ol_flags |= s->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_SEG :
								RTE_MBUF_F_TX_UDP_SEG;
	}
	return first;
}

static struct virtio_net_hdr_v1
expected_header(bool csum, bool gso, uint16_t buffers)
{
	struct virtio_net_hdr_v1 hdr = { .num_buffers = buffers };

	if (csum) {
		hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.csum_start = frame.l4_at;
		hdr.csum_offset = frame.csum_at - frame.l4_at;
	}
	if (gso) {
		hdr.gso_type = gso_type(&frame.shape);
		hdr.gso_size = SEGMENT;
		hdr.hdr_len = frame.l4_at + frame.shape.l4_len;
	}
	return hdr;
}

/* Has the guest's buffer the frame behind the header, finished as it agreed? */
static void
check_delivered(uint64_t gpa, bool csum, bool gso, uint16_t buffers)
{
	const struct virtio_net_hdr_v1 hdr = expected_header(csum, gso, buffers);
	uint8_t got[HDR + FRAME_MAX];

	guest_memory_read(&rig.memory, gpa, got, HDR + frame.len);
	assert_memory_equal(got, &hdr, HDR);
	if (frame.shape.version == 4)
		put16(frame.l2_len + 10, finished_ip_checksum(&frame));
	if (!csum)
		put16(frame.csum_at, finished_checksum(&frame));
	assert_int_equal(get16(got + HDR + frame.csum_at), get16(frame.data + frame.csum_at));
	assert_memory_equal(got + HDR, frame.data, frame.len);
}

/* A frame whose checksums are wrong until somebody does them. */
static void
build_for_receive(const struct shape *s, uint32_t payload)
{
	build_frame(s, payload);
	if (s->version == 4)
		put16(frame.l2_len + 10, 0xdead);
}

/* Pass on a frame that others may hold as well: for them it stays as it is. */
static void
enqueue_shared(struct rte_mbuf *m)
{
	const uint64_t flags = m->ol_flags;
	uint8_t copy[FRAME_MAX];

	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
	assert_memory_equal(rte_pktmbuf_read(m, 0, frame.len, copy), frame.data, frame.len);
	assert_true(m->ol_flags == flags);
	rte_pktmbuf_free(m);
}

static void
receive_one(const struct spread *spread, size_t guest, uint32_t piece, bool gso)
{
	struct rte_mbuf *m = make_mbuf(piece, gso);
	uint32_t token, len;

	offer(spread, HDR + frame.len, true, 3);
	enqueue_shared(m);
	assert_true(ring_driver_take(&rig.driver, &token, &len));
	assert_int_equal(token, 3);
	assert_int_equal(len, HDR + frame.len);
	check_delivered(place(spread), guests[guest].csum, gso, 1);
}

static void
receive_all(uint64_t features, size_t guest)
{
	rig_start(features | guests[guest].features, 0);
	for (size_t i = 0; i < RTE_DIM(shapes); i++) {
		for (size_t k = 0; k < RTE_DIM(spreads); k++) {
			build_for_receive(&shapes[i], 201);
			receive_one(&spreads[k], guest, 2000, false);
			/* Header fields and checksums cut in two. */
			build_for_receive(&shapes[i], 202);
			receive_one(&spreads[k], guest, 41, false);
			build_for_receive(&shapes[i], 3001);
			receive_one(&spreads[k], guest, 997, false);
			if (guests[guest].tso) {
				build_for_receive(&shapes[i], 30011);
				receive_one(&spreads[k], guest, 2048, true);
			}
		}
		rig.memory.next = guest_memory_region(&rig.memory, 2) - 24;
	}
	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
		assert_int_equal(rig.vr.stats.drops[i], 0);
	rig_stop();
}

static void
frames_to_the_guest_are_finished_as_it_agreed(void **state)
{
	static const uint64_t formats[] = { 0, F(VIRTIO_NET_F_MRG_RXBUF), F(VIRTIO_F_RING_PACKED),
		F(VIRTIO_F_RING_PACKED) | F(VIRTIO_NET_F_MRG_RXBUF) };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		for (size_t guest = 0; guest < RTE_DIM(guests); guest++)
			receive_all(formats[i], guest);
	}
}

/* Buffers of 1700 bytes, which together are the frame; the header is in the first alone. */
static void
merge_one(size_t guest, bool gso)
{
	const uint32_t each = 1700, whole = HDR + frame.len;
	const uint16_t n = (whole + each - 1) / each;
	struct rte_mbuf *m = make_mbuf(1999, gso);
	uint32_t token, len;

	for (uint16_t i = 0; i < n; i++) {
		struct ring_driver_seg seg = { rig.buffer + i * each, each };

		assert_true(ring_driver_add(&rig.driver, &seg, 1, true, RING_DRIVER_DIRECT, i));
	}
	ring_driver_publish(&rig.driver);
	enqueue_shared(m);
	for (uint16_t i = 0; i < n; i++) {
		assert_true(ring_driver_take(&rig.driver, &token, &len));
		assert_int_equal(token, i);
		assert_int_equal(len, RTE_MIN(each, whole - i * each));
	}
	check_delivered(rig.buffer, guests[guest].csum, gso, n);
}

static void
merged_buffers_are_counted_in_the_header(void **state)
{
	static const uint64_t formats[] = { 0, F(VIRTIO_F_RING_PACKED) };

	(void)state;
	for (size_t i = 0; i < 2 * RTE_DIM(guests); i++) {
		size_t guest = i / 2;

		rig_start(formats[i % 2] | F(VIRTIO_NET_F_MRG_RXBUF) | guests[guest].features, 0);
		for (size_t k = 0; k < RTE_DIM(shapes); k++) {
			build_for_receive(&shapes[k], 9001);
			merge_one(guest, false);
			if (guests[guest].tso) {
				build_for_receive(&shapes[k], 50001);
				merge_one(guest, true);
			}
		}
		rig_stop();
	}
}

static void
what_a_guest_did_not_agree_to_is_dropped_and_counted(void **state)
{
	(void)state;
	for (size_t guest = 0; guest < 2; guest++) {
		rig_start(guests[guest].features, 0);
		offer(&spreads[0], HDR + FRAME_MAX, true, 0);
		for (size_t i = 0; i < RTE_DIM(shapes); i++) {
			struct rte_mbuf *m;

			build_for_receive(&shapes[i], 3000);
			m = make_mbuf(2048, true);
			assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_OFFLOAD], RTE_DIM(shapes));
		assert_int_equal(rig.vr.stats.packets, 0);
		rig_stop();
	}
}

/* Frames that were dropped are among those dealt with, and in no other counter. */
static void
only_what_was_delivered_is_counted_by_size(void **state)
{
	static const uint64_t formats[] = { 0, F(VIRTIO_F_RING_PACKED) };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct rte_mbuf *pkts[8];
		uint64_t counted = 0;

		rig_start(formats[i], 0);
		rig.vr.flags |= VHOST_VRING_STATS;
		for (uint32_t k = 0; k < 4; k++)
			offer(&spreads[1], HDR + 3100, true, k);
		/* Every other frame asks for what the guest did not agree to. */
		for (size_t k = 0; k < RTE_DIM(pkts); k++) {
			build_for_receive(&shapes[0], 3000);
			pkts[k] = make_mbuf(2048, k % 2 == 0);
			memset(rte_pktmbuf_mtod(pkts[k], void *), 0xff, RTE_ETHER_ADDR_LEN);
		}
		assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, RTE_DIM(pkts)), RTE_DIM(pkts));
		rte_pktmbuf_free_bulk(pkts, RTE_DIM(pkts));
		for (int k = 0; k < VHOST_VRING_SIZE_BINS; k++)
			counted += rig.vr.stats.size_bins[k];
		assert_int_equal(rig.vr.stats.packets, 4);
		assert_int_equal(counted, 4);
		assert_int_equal(rig.vr.stats.broadcast, 4);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_OFFLOAD], 4);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_NO_BUFFER], 0);
		rig_stop();
	}
}

/* --- External buffers ---------------------------------------------------------------------- */

static uint16_t
send_plain(uint32_t len, struct rte_mbuf **m)
{
	const struct spread one = { .how = RING_DRIVER_DIRECT, .crossing = true };
	const uint8_t zero[HDR] = { 0 };
	uint32_t token, used;
	uint16_t n;

	guest_memory_write(&rig.memory, place(&one), zero, HDR);
	offer(&one, HDR + len, false, 1);
	n = vhost_net_dequeue(&rig.vr, pool, m, 1);
	assert_true(ring_driver_take(&rig.driver, &token, &used));
	return n;
}

static void
only_what_exceeds_an_mbuf_gets_an_external_buffer(void **state)
{
	static const struct {
		uint64_t flags;
		uint32_t len;
		uint16_t segs; /**< 0: dropped */
		bool external;
	} cases[] = {
		{ 0, RTE_MBUF_DEFAULT_DATAROOM, 1, false },
		{ 0, RTE_MBUF_DEFAULT_DATAROOM + 1, 2, false },
		{ RTE_VHOST_USER_LINEARBUF_SUPPORT, RTE_MBUF_DEFAULT_DATAROOM, 1, false },
		{ RTE_VHOST_USER_LINEARBUF_SUPPORT, RTE_MBUF_DEFAULT_DATAROOM + 1, 0, false },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, RTE_MBUF_DEFAULT_DATAROOM, 1, false },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, RTE_MBUF_DEFAULT_DATAROOM + 1, 1, true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, UINT16_MAX - 60, 1, true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, UINT16_MAX - 61, 1, true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, UINT16_MAX - 1, 1, true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, UINT16_MAX, 1, true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT, UINT16_MAX + 1, 32, false },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT, UINT16_MAX, 1,
			true },
		{ RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT, UINT16_MAX + 1,
			0, false },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m;
		const char *why;

		rig_start(0, cases[i].flags);
		if (cases[i].segs == 0) {
			assert_int_equal(send_plain(cases[i].len, &m), 0);
			assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], 1);
		} else {
			assert_int_equal(send_plain(cases[i].len, &m), 1);
			assert_int_equal(rte_mbuf_check(m, 1, &why), 0);
			assert_int_equal(m->nb_segs, cases[i].segs);
			assert_int_equal(RTE_MBUF_HAS_EXTBUF(m) != 0, cases[i].external);
			/* Where headers are read as what they are. */
			assert_int_equal(rte_pktmbuf_mtod(m, uintptr_t) %
					__alignof__(struct rte_ether_hdr),
				0);
			rte_pktmbuf_free(m);
		}
		rig_stop();
	}
}

static void
external_buffers_are_given_back(void **state)
{
	struct rte_malloc_socket_stats before, after;
	struct rte_mbuf *m, *clone;

	(void)state;
	rig_start(F(VIRTIO_NET_F_CSUM), RTE_VHOST_USER_EXTBUF_SUPPORT);
	assert_int_equal(rte_malloc_get_socket_stats(0, &before), 0);
	assert_int_equal(send_plain(20000, &m), 1);
	/* The last one who has it frees it. */
	clone = rte_pktmbuf_clone(m, pool);
	rte_pktmbuf_free(m);
	assert_non_null(rte_pktmbuf_mtod(clone, uint8_t *));
	rte_pktmbuf_free(clone);

	/* A frame that is refused after it was copied. */
	struct virtio_net_hdr_v1 hdr = { .flags = 1, .csum_start = 60000 };
	const struct spread one = { .how = RING_DRIVER_DIRECT, .crossing = true };

	guest_memory_write(&rig.memory, place(&one), &hdr, HDR);
	offer(&one, HDR + 20000, false, 1);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 0);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_OFFLOAD], 1);
	assert_int_equal(rte_malloc_get_socket_stats(0, &after), 0);
	assert_int_equal(after.alloc_count, before.alloc_count);
	assert_int_equal(after.heap_allocsz_bytes, before.heap_allocsz_bytes);
	rig_stop();
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(POOL_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offloads_from_the_guest_become_transmit_fields),
		cmocka_unit_test(offloads_from_the_guest_become_receive_fields),
		cmocka_unit_test(frames_to_the_guest_are_finished_as_it_agreed),
		cmocka_unit_test(merged_buffers_are_counted_in_the_header),
		cmocka_unit_test(what_a_guest_did_not_agree_to_is_dropped_and_counted),
		cmocka_unit_test(only_what_was_delivered_is_counted_by_size),
		cmocka_unit_test(only_what_exceeds_an_mbuf_gets_an_external_buffer),
		cmocka_unit_test(external_buffers_are_given_back),
	};

	return cmocka_run_group_tests_name("net_offload_ring", tests, setup, NULL);
}
