/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The dirty log by itself, and what the data path marks in it: every page of guest memory that
 * changed, found by comparing all of it, and no page that the device had no business to write.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* --- What bursts mark ---------------------------------------------------------------------- */

#define REGIONS 4
#define REGION_SIZE (1u << 16)
#define PAGES (REGIONS * REGION_SIZE / PAGE)
#define FIRST_PAGE (GUEST_MEMORY_BASE / PAGE)
#define RING_SIZE 32
#define ROUNDS 300

static struct rte_mempool *pool;
static uint64_t seed;

/* A buffer that the device has. */
struct buffer {
	struct ring_driver_seg segs[4];
	uint16_t n;
};

static struct {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	struct buffer buffers[RING_SIZE];
	uint8_t bitmaps[2][FIRST_PAGE / 8 + PAGES / 8];
	int log; /**< which of them is in use, or -1 */
	uint8_t before[PAGES][PAGE];
	bool written[PAGES]; /**< the device may have */
} rig;

static uint32_t
below(uint32_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static uint8_t *
page_at(uint32_t page)
{
	return guest_memory_at(&rig.memory, GUEST_MEMORY_BASE + page * PAGE);
}

static void
may_write(uint64_t gpa, uint64_t len)
{
	for (uint64_t at = gpa; at < gpa + len; at += PAGE - at % PAGE)
		rig.written[(at - GUEST_MEMORY_BASE) / PAGE] = true;
}

static bool
is_packed(void)
{
	return (rig.driver.features & F(VIRTIO_F_RING_PACKED)) != 0;
}

/* Everything that is the device's to write: its part of the ring, and the buffers it has. */
static void
remember(bool enqueue)
{
	uint64_t desc, driver, device;

	memset(rig.bitmaps, 0, sizeof(rig.bitmaps));
	memset(rig.written, 0, sizeof(rig.written));
	vhost_vring_area_sizes(rig.driver.features, RING_SIZE, &desc, &driver, &device);
	may_write(rig.driver.layout.log_gpa, device);
	if (is_packed())
		may_write(GUEST_MEMORY_BASE, desc);
	for (uint16_t i = 0; enqueue && i < RING_SIZE; i++) {
		for (uint16_t k = 0; k < rig.buffers[i].n; k++)
			may_write(rig.buffers[i].segs[k].gpa, rig.buffers[i].segs[k].len);
	}
	for (uint32_t page = 0; page < PAGES; page++)
		memcpy(rig.before[page], page_at(page), PAGE);
}

static bool
is_marked(int log, uint32_t page)
{
	uint64_t bit = FIRST_PAGE + page;

	return (rig.bitmaps[log][bit / 8] & 1u << bit % 8) != 0;
}

static void
compare(void)
{
	for (uint32_t page = 0; page < PAGES; page++) {
		bool changed = memcmp(rig.before[page], page_at(page), PAGE) != 0;

		if (changed && rig.log >= 0 && !is_marked(rig.log, page))
			fail_msg("page %u was written and is not marked", page);
		for (int log = 0; log < 2; log++) {
			if (!is_marked(log, page))
				continue;
			if (log != rig.log)
				fail_msg("page %u is marked in a log that was taken away", page);
			if (!rig.written[page])
				fail_msg("page %u is marked, and nobody may write it", page);
		}
	}
}

/* Buffers of any shape, anywhere; the first bytes of each are in its first descriptor. */
static void
offer_some(bool enqueue)
{
	for (uint32_t n = below(12); n > 0; n--) {
		enum ring_driver_how how = below(3);
		struct buffer b = { .n = 1 + below(RTE_DIM(b.segs)) };
		uint32_t token = 0;

		for (uint16_t i = 0; i < b.n; i++) {
			b.segs[i].len = i == 0 ? 12 + below(200) : below(3000);
			/* Every buffer has room for a small frame, so that all come back. */
			if (i + 1 == b.n)
				b.segs[i].len += 320;
			b.segs[i].gpa = guest_memory_alloc(&rig.memory, b.segs[i].len + 1, 1);
		}
		if (rig.driver.free < b.n)
			break;
		while (rig.buffers[token].n != 0)
			token++;
		/* Of a read buffer the header is plain. */
		for (uint32_t i = 0; i < 12 && !enqueue; i++)
			*(uint8_t *)guest_memory_at(&rig.memory, b.segs[0].gpa + i) = 0;
		if (how == RING_DRIVER_MIXED && b.n == 1)
			how = RING_DRIVER_DIRECT;
		assert_true(ring_driver_add(&rig.driver, b.segs, b.n, enqueue, how, token));
		rig.buffers[token] = b;
	}
	ring_driver_publish(&rig.driver);
}

static void
burst(bool enqueue)
{
	struct rte_mbuf *pkts[8];
	uint16_t n = 1 + below(RTE_DIM(pkts));

	if (!enqueue) {
		n = vhost_net_dequeue(&rig.vr, pool, pkts, n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = 14 + below(below(4) == 0 ? 9000 : 300);

		pkts[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(pkts[i]);
		memset(rte_pktmbuf_append(pkts[i], len), below(256), len);
	}
	vhost_net_enqueue(&rig.vr, pkts, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

/* Set the log, move it, take it away. */
static void
change_log(void)
{
	rig.log = (int)below(3) - 1;
	if (rig.log < 0) {
		vhost_vring_set_log(&rig.vr, NULL);
		return;
	}
	vhost_vring_set_log(&rig.vr,
		&(struct vhost_dirty_log){ rig.bitmaps[rig.log], sizeof(rig.bitmaps[0]) });
}

static void
take_back(void)
{
	uint32_t token, len;

	while (ring_driver_take(&rig.driver, &token, &len))
		rig.buffers[token].n = 0;
}

static void
check_marks(uint64_t features, bool enqueue)
{
	features |= F(VIRTIO_F_VERSION_1) | F(VHOST_F_LOG_ALL) | F(VIRTIO_RING_F_INDIRECT_DESC);
	memset(rig.buffers, 0, sizeof(rig.buffers));
	guest_memory_init(&rig.memory, REGIONS, REGION_SIZE);
	ring_driver_init(&rig.driver, &rig.memory, features, RING_SIZE);
	guest_memory_keep(&rig.memory);
	ring_driver_attach(&rig.driver, &rig.vr, "unit");
	rig.log = -1;
	vhost_vring_start(&rig.vr, rig.memory.table);

	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* Memory goes round: buffers that stay long would be handed out twice. */
		if (round % 8 == 0) {
			while (rig.driver.free < RING_SIZE) {
				uint16_t had = rig.driver.free;

				burst(enqueue);
				take_back();
				if (rig.driver.free == had && !enqueue)
					fail_msg("buffers do not come back");
			}
			change_log();
		}
		offer_some(enqueue);
		remember(enqueue);
		if (below(4) == 0)
			vhost_vring_enable_kicks(&rig.vr, below(2));
		burst(enqueue);
		compare();
		take_back();
	}
	assert_false(rig.vr.broken);
	vhost_vring_stop(&rig.vr);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

static void
bursts_mark_what_they_write_and_nothing_else(void **state)
{
	static const uint64_t features[] = {
		0,
		F(VIRTIO_RING_F_EVENT_IDX),
		F(VIRTIO_F_IN_ORDER),
		F(VIRTIO_NET_F_MRG_RXBUF),
		F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_F_IN_ORDER),
		F(VIRTIO_F_RING_PACKED),
		F(VIRTIO_F_RING_PACKED) | F(VIRTIO_RING_F_EVENT_IDX),
		F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER),
		F(VIRTIO_F_RING_PACKED) | F(VIRTIO_NET_F_MRG_RXBUF),
	};
	const char *given = getenv("UNIT_SEED");

	(void)state;
	seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("seed %" PRIu64 "\n", seed);
	for (size_t i = 0; i < RTE_DIM(features); i++) {
		check_marks(features[i], true);
		check_marks(features[i], false);
	}
}

/* Give back every buffer of a ring of @a size in bursts, and look which pages of it are marked then. */
static void
check_ring_pages(uint64_t features, uint16_t size)
{
	struct ring_driver_seg seg = { .len = 12 + 64 };
	struct rte_mbuf *pkts[32];
	uint64_t desc, driver, device, first, len;

	features |= F(VIRTIO_F_VERSION_1) | F(VHOST_F_LOG_ALL);
	guest_memory_init(&rig.memory, REGIONS, REGION_SIZE);
	ring_driver_init(&rig.driver, &rig.memory, features, size);
	seg.gpa = guest_memory_alloc(&rig.memory, seg.len, 64);
	ring_driver_attach(&rig.driver, &rig.vr, "unit");
	vhost_vring_area_sizes(features, size, &desc, &driver, &device);
	first = is_packed() ? GUEST_MEMORY_BASE : rig.driver.layout.log_gpa;
	len = is_packed() ? desc : device;
	vhost_vring_set_log(&rig.vr,
		&(struct vhost_dirty_log){ rig.bitmaps[0], sizeof(rig.bitmaps[0]) });
	vhost_vring_start(&rig.vr, rig.memory.table);
	for (uint16_t i = 0; i < size; i++)
		assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT, i));
	ring_driver_publish(&rig.driver);
	for (uint16_t done = 0, n; done < size; done += n) {
		memset(rig.bitmaps, 0, sizeof(rig.bitmaps));
		n = vhost_net_dequeue(&rig.vr, pool, pkts, 32);
		assert_true(n > 0);
		rte_pktmbuf_free_bulk(pkts, n);
		for (uint64_t at = first - first % PAGE; at < first + len; at += PAGE) {
			const uint64_t from = RTE_MAX(at, first),
				       to = RTE_MIN(at + PAGE, first + len);
			uint64_t element = is_packed() ? 16 : 8;
			uint64_t begin = first + (is_packed() ? 0 : 4) + done * element;
			bool expected = begin < to && begin + n * element > from;

			/* The index stands before the elements. */
			expected |= !is_packed() && at <= first;
			assert_int_equal(is_marked(0, (uint32_t)((at - GUEST_MEMORY_BASE) / PAGE)),
				expected);
		}
	}
	vhost_vring_stop(&rig.vr);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

static void
pages_of_the_ring_are_marked_as_it_comes_to_them(void **state)
{
	(void)state;
	check_ring_pages(0, 2048);
	check_ring_pages(F(VIRTIO_RING_F_EVENT_IDX), 2048);
	check_ring_pages(F(VIRTIO_F_RING_PACKED), 1024);
	/* All of it at once. */
	check_ring_pages(0, 32);
	check_ring_pages(F(VIRTIO_F_RING_PACKED), 32);
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(511, 10240);
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
		cmocka_unit_test(bursts_mark_what_they_write_and_nothing_else),
		cmocka_unit_test(pages_of_the_ring_are_marked_as_it_comes_to_them),
	};

	return cmocka_run_group_tests_name("dirty_log", tests, setup, NULL);
}
