/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The dirty log by itself, and what the data path marks in it: every page of guest memory that
 * changed, found by comparing all of it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dirty_log.h"
#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PAGE 4096u
#define BYTES 8u
#define BITS (8 * BYTES)

static void
expect_pages(uint64_t gpa, uint64_t len, uint64_t pages)
{
	uint8_t guarded[BYTES + 2] = { 0 };
	struct vhost_dirty_log log = { guarded + 1, BYTES };
	uint64_t bits;

	vhost_dirty_log_mark(&log, gpa, len);
	memcpy(&bits, guarded + 1, sizeof(bits));
	assert_int_equal(bits, pages);
	assert_int_equal(guarded[0], 0);
	assert_int_equal(guarded[BYTES + 1], 0);
}

static void
pages_that_a_range_touches_are_marked(void **state)
{
	(void)state;
	expect_pages(0, 1, 0x1);
	expect_pages(PAGE - 1, 1, 0x1);
	expect_pages(PAGE - 1, 2, 0x3);
	expect_pages(PAGE, PAGE, 0x2);
	expect_pages(3 * PAGE + 5, 2 * PAGE, 0x38);
	expect_pages(63 * PAGE, PAGE, UINT64_C(1) << 63);
	expect_pages(0, 64 * PAGE, UINT64_MAX);
	expect_pages(7 * PAGE, 0, 0);
}

static void
what_lies_behind_the_bitmap_is_ignored(void **state)
{
	(void)state;
	expect_pages(64 * PAGE, 1, 0);
	expect_pages(63 * PAGE, 10 * PAGE, UINT64_C(1) << 63);
	expect_pages(UINT64_MAX, 1, 0);
	expect_pages(UINT64_MAX - 5, 100, 0);
	expect_pages(0, UINT64_MAX, UINT64_MAX);
	expect_pages(PAGE, UINT64_MAX, UINT64_MAX - 1);
}

static void
without_a_bitmap_nothing_is_marked(void **state)
{
	struct vhost_dirty_log none = { NULL, 0 };
	uint8_t byte = 0;
	struct vhost_dirty_log empty = { &byte, 0 };

	(void)state;
	vhost_dirty_log_mark(&none, 0, 100);
	vhost_dirty_log_mark(&empty, 0, 100);
	assert_int_equal(byte, 0);
}

static void
marks_stay_until_they_are_taken(void **state)
{
	uint64_t bits = 0;
	struct vhost_dirty_log log = { (uint8_t *)&bits, sizeof(bits) };

	(void)state;
	vhost_dirty_log_mark(&log, 0, 1);
	vhost_dirty_log_mark(&log, 5 * PAGE, 1);
	vhost_dirty_log_mark(&log, 0, 1);
	assert_int_equal(bits, 0x21);
}

#define REGIONS 4
#define REGION_SIZE (1u << 18)
#define ROUNDS 40

static struct rte_mempool *pool;
static uint8_t before[REGIONS * REGION_SIZE], bitmap[(GUEST_MEMORY_BASE >> 15) + 4096];

static void
compare_memory(const struct guest_memory *g)
{
	for (uint64_t offset = 0; offset < sizeof(before); offset += PAGE) {
		uint64_t gpa = GUEST_MEMORY_BASE + offset, page = gpa / PAGE;

		if (memcmp(before + offset, guest_memory_at(g, gpa), PAGE) != 0 &&
			(bitmap[page / 8] & 1u << (page % 8)) == 0)
			fail_msg("page at %#" PRIx64 " was written and not marked", gpa);
	}
}

/* Frames of many sizes into buffers all over memory, or out of them, a burst at a time. */
static void
check_marks(uint64_t features, bool enqueue)
{
	uint16_t base = features & F(VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	struct vhost_dirty_log log = { bitmap, sizeof(bitmap) };
	struct rte_mbuf *pkts[8];
	uint32_t token, len;

	features |= F(VIRTIO_F_VERSION_1) | F(VHOST_F_LOG_ALL) | F(VIRTIO_NET_F_MRG_RXBUF);
	guest_memory_init(&memory, REGIONS, REGION_SIZE);
	ring_driver_init(&driver, &memory, features, 32);
	guest_memory_keep(&memory);
	vhost_vring_init(&vr, "unit");
	vhost_vring_set_features(&vr, features);
	assert_int_equal(vhost_vring_set_layout(&vr, &driver.layout), 0);
	assert_int_equal(vhost_vring_set_base(&vr, base, base), 0);
	vhost_vring_set_log(&vr, &log);
	vhost_vring_start(&vr, memory.table);

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t size = 60 + 293 * round % 9000;

		for (uint32_t i = 0; i < 24; i++) {
			struct ring_driver_seg seg = { .len = enqueue ? 2500 : 12 + size };

			seg.gpa = guest_memory_alloc(&memory, seg.len + 1200, 1);
			assert_true(
				ring_driver_add(&driver, &seg, 1, enqueue, RING_DRIVER_DIRECT, i));
		}
		ring_driver_publish(&driver);
		for (uint32_t r = 0; r < REGIONS; r++)
			memcpy(before + r * REGION_SIZE,
				guest_memory_at(&memory, guest_memory_region(&memory, r)),
				REGION_SIZE);
		memset(bitmap, 0, sizeof(bitmap));

		if (enqueue) {
			for (uint32_t i = 0; i < RTE_DIM(pkts); i++) {
				pkts[i] = rte_pktmbuf_alloc(pool);
				memset(rte_pktmbuf_append(pkts[i], size), round + 1, size);
			}
			assert_in_range(vhost_net_enqueue(&vr, pkts, RTE_DIM(pkts)), 1,
				RTE_DIM(pkts));
			rte_pktmbuf_free_bulk(pkts, RTE_DIM(pkts));
			compare_memory(&memory);
			/* The rest of the buffers, so that the next round finds the ring empty. */
			for (uint16_t n = 1; n != 0;) {
				pkts[0] = rte_pktmbuf_alloc(pool);
				rte_pktmbuf_append(pkts[0], 60);
				n = vhost_net_enqueue(&vr, pkts, 1);
				rte_pktmbuf_free(pkts[0]);
			}
		} else {
			uint16_t n;

			while ((n = vhost_net_dequeue(&vr, pool, pkts, RTE_DIM(pkts))) > 0)
				rte_pktmbuf_free_bulk(pkts, n);
			compare_memory(&memory);
		}
		while (ring_driver_take(&driver, &token, &len))
			;
		assert_int_equal(driver.free, 32);
	}
	vhost_vring_stop(&vr);
	ring_driver_fini(&driver);
	guest_memory_fini(&memory);
}

static void
every_page_that_a_burst_writes_is_marked(void **state)
{
	(void)state;
	check_marks(0, true);
	check_marks(0, false);
	check_marks(F(VIRTIO_F_IN_ORDER), true);
	check_marks(F(VIRTIO_F_IN_ORDER), false);
	check_marks(F(VIRTIO_F_RING_PACKED), true);
	check_marks(F(VIRTIO_F_RING_PACKED), false);
	check_marks(F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER), false);
}

static int
setup(void **state)
{
	if (unit_eal_setup(state) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("dirty_log", 511, 0, 0, 10240, 0);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_that_a_range_touches_are_marked),
		cmocka_unit_test(what_lies_behind_the_bitmap_is_ignored),
		cmocka_unit_test(without_a_bitmap_nothing_is_marked),
		cmocka_unit_test(marks_stay_until_they_are_taken),
		cmocka_unit_test(every_page_that_a_burst_writes_is_marked),
	};

	return cmocka_run_group_tests_name("dirty_log", tests, setup, NULL);
}
