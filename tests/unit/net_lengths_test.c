/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Buffers of nearly 4 GiB, in a region that has as much: an honest address with a length to which
 * nothing can be added in 32 bits. Every variant of the data path, on every instruction set, drops
 * such a frame from the guest and goes on with the next, and may use such a buffer to receive into.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_vect.h>

#include "inflight.h"
#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define REGION (UINT64_C(5) << 30)
#define SIZE 256
#define POOL_SIZE 511
#define FRAME_LEN 100
/* The lengths that are tried end with UINT32_MAX. */
#define FIRST_LEN UINT32_C(0xffffff80)
#define LENS (UINT32_MAX - FIRST_LEN + 1)
#define GOOD LENS /* token of the good frame behind them */

static struct rte_mempool *pool;
static struct guest_memory memory;
static struct rte_vhost_inflight_info_packed *inflight;
static uint64_t buffer; /* with more than 4 GiB behind it */

/* How a guest lays the buffer out. */
static const struct {
	const char *name;
	uint16_t segs;
	enum ring_driver_how how;
} shapes[] = {
	{ "one descriptor", 1, RING_DRIVER_DIRECT },
	{ "behind another", 2, RING_DRIVER_DIRECT },
	{ "in a table", 1, RING_DRIVER_INDIRECT },
};

static const struct {
	const char *name;
	uint64_t features;
	bool tracked;
} variants[] = {
	{ "split", 0 },
	{ "split, in order", F(VIRTIO_F_IN_ORDER) },
	{ "split, offload", F(VIRTIO_NET_F_CSUM) },
	{ "split, in order, offload", F(VIRTIO_F_IN_ORDER) | F(VIRTIO_NET_F_CSUM) },
	{ "packed", PACKED },
	{ "packed, in order", PACKED | F(VIRTIO_F_IN_ORDER) },
	{ "packed, offload", PACKED | F(VIRTIO_NET_F_CSUM) },
	{ "packed, in order, offload", PACKED | F(VIRTIO_F_IN_ORDER) | F(VIRTIO_NET_F_CSUM) },
	{ "tracked", PACKED, true },
	{ "tracked, in order", PACKED | F(VIRTIO_F_IN_ORDER), true },
	{ "tracked, offload", PACKED | F(VIRTIO_NET_F_CSUM), true },
	{ "tracked, in order, offload", PACKED | F(VIRTIO_F_IN_ORDER) | F(VIRTIO_NET_F_CSUM),
		true },
};

/* A header of 10 bytes, of 12 bytes because frames may be merged, and of 12 bytes of virtio 1. */
static const uint64_t headers[] = { 0, F(VIRTIO_NET_F_MRG_RXBUF), F(VIRTIO_F_VERSION_1) };

struct rig {
	struct ring_driver driver;
	struct vhost_vring vr;
};

static void
rig_start(struct rig *rig, uint64_t features, bool tracked)
{
	guest_memory_reset(&memory);
	ring_driver_init(&rig->driver, &memory, features | F(VIRTIO_RING_F_INDIRECT_DESC), SIZE);
	guest_memory_keep(&memory);
	buffer = guest_memory_alloc(&memory, 4096, 64);
	memset(guest_memory_at(&memory, buffer), 0, 4096);
	ring_driver_attach(&rig->driver, &rig->vr, "lengths");
	if (tracked) {
		memset(inflight, 0, vhost_inflight_size(true, SIZE));
		vhost_vring_set_inflight(&rig->vr, inflight);
	}
	vhost_vring_start(&rig->vr, memory.table);
}

static void
rig_stop(struct rig *rig)
{
	vhost_vring_stop(&rig->vr);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
	ring_driver_fini(&rig->driver);
}

static void
offer(struct rig *rig, uint32_t len, size_t shape, bool writable, uint32_t token)
{
	const struct ring_driver_seg segs[] = { { buffer, rig->vr.net_hdr_len }, { buffer, len } };
	const uint16_t n = shapes[shape].segs;

	assert_true(ring_driver_add(&rig->driver, &segs[RTE_DIM(segs) - n], n, writable,
		shapes[shape].how, token));
}

/* All buffers come back, in the order in which they were offered. */
static void
expect_back(struct rig *rig, uint32_t first, uint32_t end)
{
	uint32_t token, len;

	for (uint32_t i = first; i < end; i++) {
		assert_true(ring_driver_take(&rig->driver, &token, &len));
		assert_int_equal(token, i);
	}
	assert_false(ring_driver_take(&rig->driver, &token, &len));
}

static void
check_dequeue(uint64_t features, bool tracked, size_t shape)
{
	static struct rig rig;
	const uint32_t half = LENS / 2;
	struct rte_mbuf *pkts[SIZE];

	rig_start(&rig, features, tracked);
	/* In two parts, for rings whose chains take two descriptors each. */
	for (uint32_t i = 0; i < half; i++)
		offer(&rig, FIRST_LEN + i, shape, false, i);
	ring_driver_publish(&rig.driver);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, half), 0);
	expect_back(&rig, 0, half);

	for (uint32_t i = half; i < LENS; i++)
		offer(&rig, FIRST_LEN + i, shape, false, i);
	offer(&rig, rig.vr.net_hdr_len + FRAME_LEN, 0, false, GOOD);
	ring_driver_publish(&rig.driver);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, SIZE), 1);
	assert_int_equal(pkts[0]->pkt_len, FRAME_LEN);
	rte_pktmbuf_free(pkts[0]);
	expect_back(&rig, half, GOOD + 1);

	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], LENS);
	assert_int_equal(rig.vr.stats.packets, 1);
	rig_stop(&rig);
}

static void
check_enqueue(uint64_t features, bool tracked, size_t shape)
{
	static struct rig rig;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t token, len;

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, FRAME_LEN), 0x5a, FRAME_LEN);
	rig_start(&rig, features, tracked);
	for (uint32_t i = 0; i < LENS; i++) {
		offer(&rig, FIRST_LEN + i, shape, true, i);
		ring_driver_publish(&rig.driver);
		assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
		assert_true(ring_driver_take(&rig.driver, &token, &len));
		assert_int_equal(token, i);
		assert_int_equal(len, rig.vr.net_hdr_len + FRAME_LEN);
	}
	assert_int_equal(rig.vr.stats.packets, LENS);
	rte_pktmbuf_free(m);
	rig_stop(&rig);
}

static void
for_each_variant(uint16_t bits, void (*check)(uint64_t, bool, size_t))
{
	const uint16_t before = rte_vect_get_max_simd_bitwidth();

	if (rte_vect_set_max_simd_bitwidth(bits) != 0)
		skip();
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		for (size_t h = 0; h < RTE_DIM(headers); h++) {
			for (size_t s = 0; s < RTE_DIM(shapes); s++) {
				print_message("%s, header %zu, %s\n", variants[v].name, h,
					shapes[s].name);
				check(variants[v].features | headers[h], variants[v].tracked, s);
			}
		}
	}
	rte_vect_set_max_simd_bitwidth(before);
}

static void
frames_as_long_as_a_word_can_tell_are_dropped(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_128, check_dequeue);
}

static void
frames_as_long_as_a_word_can_tell_are_dropped_avx2(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_256, check_dequeue);
}

static void
frames_as_long_as_a_word_can_tell_are_dropped_avx512(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_512, check_dequeue);
}

static void
buffers_as_long_as_a_word_can_tell_receive(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_128, check_enqueue);
}

static void
buffers_as_long_as_a_word_can_tell_receive_avx2(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_256, check_enqueue);
}

static void
buffers_as_long_as_a_word_can_tell_receive_avx512(void **state)
{
	(void)state;
	for_each_variant(RTE_VECT_SIMD_512, check_enqueue);
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(POOL_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE);
	inflight = calloc(1, vhost_inflight_size(true, SIZE));
	guest_memory_init(&memory, 1, REGION);
	return pool == NULL || inflight == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	guest_memory_fini(&memory);
	free(inflight);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_as_long_as_a_word_can_tell_are_dropped),
		cmocka_unit_test(frames_as_long_as_a_word_can_tell_are_dropped_avx2),
		cmocka_unit_test(frames_as_long_as_a_word_can_tell_are_dropped_avx512),
		cmocka_unit_test(buffers_as_long_as_a_word_can_tell_receive),
		cmocka_unit_test(buffers_as_long_as_a_word_can_tell_receive_avx2),
		cmocka_unit_test(buffers_as_long_as_a_word_can_tell_receive_avx512),
	};

	return cmocka_run_group_tests_name("net_lengths", tests, setup, teardown);
}
