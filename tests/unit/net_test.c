/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The software data path against a driver of the test's own: random shapes, sizes, amounts, every
 * frame compared byte for byte. UNIT_SEED=N repeats a run; the seed is printed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_vect.h>

#include "net_frame.h"
#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define SPLIT F(VIRTIO_F_VERSION_1)
#define PACKED (SPLIT | F(VIRTIO_F_RING_PACKED))
#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)
#define IN_ORDER F(VIRTIO_F_IN_ORDER)
#define INDIRECT F(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT F(VIRTIO_RING_F_EVENT_IDX)
#define OFFLOAD (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4))
#define LEGACY 0

#define SEGS_MAX 40
#define FRAMES 4096
#define FRAME_MAX_COMMON 9000
#define POOL_SIZE 8191
#define ROUNDS 100

static struct rte_mempool *pool;
static uint64_t seed, rng;

static uint64_t
next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* 0 to n - 1. */
static uint32_t
below(uint32_t n)
{
	return (next_random() >> 16) % n;
}

/* The contents of frame number @a token, which nothing else has. */
static void
fill_frame(uint8_t *frame, uint32_t len, uint32_t token)
{
	uint64_t x = ((uint64_t)token + 1) * 0x9e3779b97f4a7c15;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		frame[i] = x >> 56;
	}
}

static uint32_t
frame_len(uint32_t max)
{
	static const uint32_t common[] = { 14, 15, 59, 60, 64, 65, 127, 128, 129, 192, 256, 1514,
		1518, 1920, 1921, 2048 };
	uint32_t len = below(3) ? common[below(RTE_DIM(common))] : 14 + below(max - 13);

	if (below(200) == 0)
		len = max;
	return RTE_MIN(len, max);
}

struct ring_case {
	const char *name;
	uint64_t features;
	uint16_t size;
	uint32_t max; /**< frame size */
};

/* One ring, its driver, and what went in and has to come out. */
struct rig {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	uint32_t sent, received, taken;
	uint32_t lens[FRAMES];
	uint64_t handed[FRAMES]; /**< memory.handed when the frame was added */
	uint8_t frame[NET_FRAME_MAX + 64];
	uint8_t expected[NET_FRAME_MAX + 64];
};

static struct rig rig;

static void
rig_start(const struct ring_case *c)
{
	guest_memory_init(&rig.memory, 6, 1 << 20);
	ring_driver_init(&rig.driver, &rig.memory, c->features, c->size);
	guest_memory_keep(&rig.memory);
	ring_driver_attach(&rig.driver, &rig.vr, c->name);
	rig.vr.flags |= VHOST_VRING_STATS;
	vhost_vring_start(&rig.vr, rig.memory.table);
	rig.sent = rig.received = rig.taken = 0;
}

static void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++) {
		if (i != VHOST_VRING_DROP_NO_BUFFER)
			assert_int_equal(rig.vr.stats.drops[i], 0);
	}
	assert_int_equal(rig.vr.stats.broken, 0);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

/* Cut @a len bytes at @a gpa into segments, some of them empty. */
static uint16_t
cut(uint64_t gpa, uint32_t len, uint16_t max, struct ring_driver_seg *segs)
{
	uint16_t want = below(3) == 0 ? 1 + below(max) : 1, n = 0;

	while (n + 1 < want && len > 0) {
		uint32_t part = below(5) == 0 ? 0 : 1 + below(below(2) ? len : RTE_MIN(len, 16u));

		segs[n++] = (struct ring_driver_seg){ .gpa = gpa, .len = part };
		gpa += part;
		len -= part;
	}
	segs[n++] = (struct ring_driver_seg){ .gpa = gpa, .len = len };
	return n;
}

static enum ring_driver_how
any_how(uint64_t features)
{
	return features & INDIRECT ? (enum ring_driver_how)below(3) : RING_DRIVER_DIRECT;
}

/* Add a buffer anywhere, in any shape. Small rings get few segments, or nothing would fit. */
static bool
add_buffer(const struct ring_case *c, uint64_t gpa, uint32_t len, bool writable, uint32_t token)
{
	struct ring_driver_seg segs[SEGS_MAX];
	uint16_t n = cut(gpa, len, RTE_MIN(c->size / 2 + 1, SEGS_MAX), segs);
	enum ring_driver_how how = any_how(c->features);

	if (n == 1 && how == RING_DRIVER_MIXED)
		how = RING_DRIVER_DIRECT;
	return ring_driver_add(&rig.driver, segs, n, writable, how, token);
}

/* No buffer that the device may still have was handed out again. */
static void
check_memory(uint32_t oldest)
{
	assert_true(oldest == rig.sent ||
		rig.memory.handed - rig.handed[oldest % FRAMES] < guest_memory_round(&rig.memory));
}

static bool
room_for(uint32_t oldest, uint32_t newest, uint32_t max)
{
	return oldest == newest ||
		rig.memory.handed - rig.handed[oldest % FRAMES] + 2 * max + 65536 <
		guest_memory_round(&rig.memory);
}

/* The driver sends up to @a n frames. */
static void
send_frames(const struct ring_case *c, uint32_t n)
{
	uint8_t hdr_len = rig.vr.net_hdr_len;

	while (n-- > 0 && rig.sent - rig.taken < FRAMES && room_for(rig.taken, rig.sent, c->max)) {
		uint32_t len = frame_len(c->max);
		uint64_t before = rig.memory.handed;
		uint64_t gpa = guest_memory_alloc(&rig.memory, hdr_len + len, 1 + below(64));

		memset(rig.frame, 0, hdr_len);
		fill_frame(rig.frame + hdr_len, len, rig.sent);
		guest_memory_write(&rig.memory, gpa, rig.frame, hdr_len + len);
		rig.handed[rig.sent % FRAMES] = before;
		rig.lens[rig.sent % FRAMES] = len;
		if (!add_buffer(c, gpa, hdr_len + len, false, rig.sent))
			break;
		rig.sent++;
		if (below(4) == 0)
			ring_driver_publish(&rig.driver);
	}
	ring_driver_publish(&rig.driver);
}

static void
expect_frame(const struct rte_mbuf *m, uint32_t token)
{
	uint32_t len = rig.lens[token % FRAMES];
	const uint8_t *data;

	assert_int_equal(m->pkt_len, len);
	fill_frame(rig.expected, len, token);
	data = rte_pktmbuf_read(m, 0, len, rig.frame);
	assert_non_null(data);
	assert_memory_equal(data, rig.expected, len);
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(m->packet_type, 0);
	assert_int_equal(m->port, RTE_MBUF_PORT_INVALID);
}

static void
receive_frames(uint16_t n)
{
	struct rte_mbuf *pkts[128];
	uint16_t got = vhost_net_dequeue(&rig.vr, pool, pkts, n);

	assert_true(got <= n);
	for (uint16_t i = 0; i < got; i++)
		expect_frame(pkts[i], rig.received++);
	rte_pktmbuf_free_bulk(pkts, got);
	check_memory(rig.taken);
}

static void
take_sent(void)
{
	uint32_t token, len;

	while (ring_driver_take(&rig.driver, &token, &len)) {
		assert_int_equal(token, rig.taken);
		assert_int_equal(len, 0);
		rig.taken++;
	}
	assert_int_equal(rig.taken, rig.received);
}

static void
check_dequeue(const struct ring_case *c)
{
	uint32_t rounds = c->size < 16 ? 10 * ROUNDS : ROUNDS;
	uint64_t bytes = 0, counted = 0;

	rig_start(c);
	while (rounds-- > 0) {
		uint32_t first = rig.sent;

		send_frames(c, below(c->size < 300 ? c->size + 2 : 300));
		for (uint32_t i = first; i != rig.sent; i++)
			bytes += rig.lens[i % FRAMES];
		for (uint32_t calls = below(4); calls > 0; calls--)
			receive_frames(below(129));
		if (below(4) != 0)
			take_sent();
	}
	while (rig.received != rig.sent)
		receive_frames(64);
	take_sent();
	assert_int_equal(rig.driver.free, c->size);
	assert_true(rig.sent >= ROUNDS / 2);
	assert_int_equal(rig.vr.stats.packets, rig.sent);
	assert_int_equal(rig.vr.stats.bytes, bytes);
	for (int i = 0; i < VHOST_VRING_SIZE_BINS; i++)
		counted += rig.vr.stats.size_bins[i];
	assert_int_equal(counted, rig.sent);
	rig_stop();
}

/* A frame in as many segments as it happens to be. */
static struct rte_mbuf *
make_frame(uint32_t len, uint32_t token)
{
	struct rte_mbuf *first = NULL, **link = &first;
	uint32_t done = 0;

	fill_frame(rig.frame, len, token);
	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t n = RTE_MIN(len - done, rte_pktmbuf_tailroom(m));

		if (below(8) == 0)
			n = below(n + 1);
		memcpy(rte_pktmbuf_append(m, n), rig.frame + done, n);
		done += n;
		*link = m;
		link = &m->next;
		if (m != first)
			first->nb_segs++;
	} while (done < len);
	first->pkt_len = len;
	return first;
}

/* Receive buffers by token: where each is. */
static struct {
	uint64_t gpa;
	uint32_t len;
} posted[FRAMES];

static void
post_buffers(const struct ring_case *c, uint32_t n)
{
	bool merge = (c->features & MERGE) != 0;
	uint8_t hdr_len = rig.vr.net_hdr_len;

	while (n-- > 0 && rig.sent - rig.taken < FRAMES && room_for(rig.taken, rig.sent, c->max)) {
		uint32_t len = merge ? 64 + below(4096) : hdr_len + c->max + below(64);
		uint64_t before = rig.memory.handed;
		uint64_t gpa = guest_memory_alloc(&rig.memory, len, 1 + below(64));

		rig.handed[rig.sent % FRAMES] = before;
		posted[rig.sent % FRAMES].gpa = gpa;
		posted[rig.sent % FRAMES].len = len;
		if (!add_buffer(c, gpa, len, true, rig.sent))
			break;
		rig.sent++;
	}
	ring_driver_publish(&rig.driver);
}

/* One frame as the driver finds it: a header, then the rest of as many buffers as that says. */
static bool
take_frame(const struct ring_case *c, uint32_t token)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = 0 };
	uint8_t hdr_len = rig.vr.net_hdr_len;
	uint32_t buffer, len, got = 0;
	uint16_t n = 1;

	for (uint16_t i = 0; i < n; i++) {
		if (!ring_driver_take(&rig.driver, &buffer, &len)) {
			assert_int_equal(i, 0);
			return false;
		}
		assert_int_equal(buffer, rig.taken);
		assert_true(len <= posted[buffer % FRAMES].len);
		guest_memory_read(&rig.memory, posted[buffer % FRAMES].gpa, rig.frame + got, len);
		got += len;
		rig.taken++;
		if (i == 0) {
			assert_true(len >= hdr_len);
			memcpy(&hdr, rig.frame, hdr_len);
			if (c->features & MERGE)
				n = hdr.num_buffers;
			assert_true(n > 0);
		}
	}
	assert_int_equal(hdr.num_buffers, hdr_len == sizeof(hdr) ? n : 0);
	assert_int_equal(hdr.hdr.flags, 0);
	assert_int_equal(hdr.hdr.gso_type, 0);
	assert_int_equal(got, hdr_len + rig.lens[token % FRAMES]);
	fill_frame(rig.expected, got - hdr_len, token);
	assert_memory_equal(rig.frame + hdr_len, rig.expected, got - hdr_len);
	return true;
}

/* Frames on their way to the guest: those refused are offered again. */
static struct {
	struct rte_mbuf *pkts[128];
	uint32_t first, n;
} backlog;

static void
deliver(const struct ring_case *c, uint16_t n)
{
	while (backlog.n < n) {
		uint32_t token = backlog.first + backlog.n;
		uint32_t len = frame_len(c->max);

		rig.lens[token % FRAMES] = len;
		backlog.pkts[backlog.n++] = make_frame(len, token);
	}

	uint16_t done = vhost_net_enqueue(&rig.vr, backlog.pkts, n);

	assert_true(done <= n);
	rte_pktmbuf_free_bulk(backlog.pkts, done);
	backlog.n -= done;
	backlog.first += done;
	memmove(backlog.pkts, backlog.pkts + done, backlog.n * sizeof(backlog.pkts[0]));
}

static void
check_enqueue(const struct ring_case *c)
{
	uint32_t rounds = c->size < 16 ? 10 * ROUNDS : ROUNDS;

	rig_start(c);
	backlog.first = backlog.n = 0;
	while (rounds-- > 0) {
		post_buffers(c, below(c->size < 300 ? c->size + 2 : 300));
		for (uint32_t calls = below(4); calls > 0; calls--)
			deliver(c, below(c->max > FRAME_MAX_COMMON ? 8 : 65));
		check_memory(rig.taken);
		if (below(4) != 0) {
			while (take_frame(c, rig.received))
				rig.received++;
			assert_int_equal(rig.received, backlog.first);
		}
	}
	while (take_frame(c, rig.received))
		rig.received++;
	assert_int_equal(rig.received, backlog.first);
	assert_true(rig.received >= ROUNDS / 2);
	assert_int_equal(rig.vr.stats.packets, rig.received);
	rte_pktmbuf_free_bulk(backlog.pkts, backlog.n);
	rig_stop();
}

static const struct ring_case cases[] = {
	{ "split, legacy header", LEGACY, 256, 1518 },
	{ "split", SPLIT, 256, 1518 },
	{ "split of 2", SPLIT, 2, 1518 },
	{ "split of 32768", SPLIT | INDIRECT, 32768, 256 },
	{ "split, mergeable", SPLIT | MERGE, 256, FRAME_MAX_COMMON },
	{ "split, mergeable, legacy", LEGACY | MERGE, 128, FRAME_MAX_COMMON },
	{ "split, mergeable, largest", SPLIT | MERGE | INDIRECT, 512, NET_FRAME_MAX },
	{ "split, indirect", SPLIT | INDIRECT, 256, FRAME_MAX_COMMON },
	{ "split, indirect, event index", SPLIT | INDIRECT | EVENT, 64, 1518 },
	{ "split, in order", SPLIT | IN_ORDER, 256, 1518 },
	{ "split, in order, mergeable, indirect", SPLIT | IN_ORDER | MERGE | INDIRECT, 256,
		FRAME_MAX_COMMON },
	{ "split, offloads agreed", SPLIT | OFFLOAD, 256, 1518 },
	{ "split, in order, offloads agreed", SPLIT | OFFLOAD | IN_ORDER, 256, 1518 },
	{ "packed", PACKED, 256, 1518 },
	{ "packed of 1", PACKED | INDIRECT, 1, 1518 },
	{ "packed of 7", PACKED, 7, 1518 },
	{ "packed of 300", PACKED, 300, 1518 },
	{ "packed of 32768", PACKED | INDIRECT, 32768, 256 },
	{ "packed, mergeable", PACKED | MERGE, 256, FRAME_MAX_COMMON },
	{ "packed, mergeable, largest", PACKED | MERGE | INDIRECT, 500, NET_FRAME_MAX },
	{ "packed, indirect", PACKED | INDIRECT, 256, FRAME_MAX_COMMON },
	{ "packed, in order", PACKED | IN_ORDER, 256, 1518 },
	{ "packed, in order, mergeable, indirect", PACKED | IN_ORDER | MERGE | INDIRECT, 250,
		FRAME_MAX_COMMON },
	{ "packed, offloads agreed", PACKED | OFFLOAD, 256, 1518 },
	{ "packed, in order, offloads agreed", PACKED | OFFLOAD | IN_ORDER | EVENT, 256, 1518 },
};

static void
for_each_case(void (*check)(const struct ring_case *))
{
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		print_message("%s, seed %" PRIu64 "\n", cases[i].name, seed);
		rng = (seed + i) * 0x9e3779b97f4a7c15 | 1;
		check(&cases[i]);
	}
}

/* Whole-machine setting: the widest vectors that a ring may be started with. */
static void
with_vectors(uint16_t bits, void (*check)(const struct ring_case *))
{
	uint16_t before = rte_vect_get_max_simd_bitwidth();

	if (rte_vect_set_max_simd_bitwidth(bits) != 0) {
		print_message("EAL does not let us choose the width of vectors\n");
		skip();
	}
	for_each_case(check);
	rte_vect_set_max_simd_bitwidth(before);
}

static void
frames_from_the_guest_arrive_unchanged(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_128, check_dequeue);
}

static void
frames_from_the_guest_arrive_unchanged_avx2(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_256, check_dequeue);
}

static void
frames_from_the_guest_arrive_unchanged_avx512(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_512, check_dequeue);
}

static void
frames_to_the_guest_arrive_unchanged(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_128, check_enqueue);
}

static void
frames_to_the_guest_arrive_unchanged_avx2(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_256, check_enqueue);
}

static void
frames_to_the_guest_arrive_unchanged_avx512(void **state)
{
	(void)state;
	with_vectors(RTE_VECT_SIMD_512, check_enqueue);
}

static int
setup(void **state)
{
	const char *given = getenv("UNIT_SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	if (unit_eal_setup(state) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("net_test", POOL_SIZE, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_from_the_guest_arrive_unchanged),
		cmocka_unit_test(frames_from_the_guest_arrive_unchanged_avx2),
		cmocka_unit_test(frames_from_the_guest_arrive_unchanged_avx512),
		cmocka_unit_test(frames_to_the_guest_arrive_unchanged),
		cmocka_unit_test(frames_to_the_guest_arrive_unchanged_avx2),
		cmocka_unit_test(frames_to_the_guest_arrive_unchanged_avx512),
	};

	return cmocka_run_group_tests_name("net", tests, setup, NULL);
}
