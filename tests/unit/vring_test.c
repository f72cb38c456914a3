/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define EVENT F(VIRTIO_RING_F_EVENT_IDX)
#define SIZE 8

static struct rte_mempool *pool;

static struct {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	uint64_t frame;
	int callfd;
} rig;

static void
rig_start(uint64_t features, uint16_t base)
{
	guest_memory_init(&rig.memory, 1, 1 << 16);
	ring_driver_init(&rig.driver, &rig.memory, features | F(VIRTIO_F_VERSION_1), SIZE);
	rig.frame = guest_memory_alloc(&rig.memory, 128, 64);
	vhost_vring_init(&rig.vr, "unit");
	vhost_vring_set_features(&rig.vr, features | F(VIRTIO_F_VERSION_1));
	assert_int_equal(vhost_vring_set_layout(&rig.vr, &rig.driver.layout), 0);
	assert_int_equal(vhost_vring_set_base(&rig.vr, base, base), 0);
	rig.callfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(rig.callfd >= 0);
	vhost_vring_set_callfd(&rig.vr, rig.callfd);
	vhost_vring_start(&rig.vr, rig.memory.table);
}

static void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	close(rig.callfd);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

/* Interrupts since the last look. */
static uint64_t
interrupts(void)
{
	uint64_t n = 0;

	return read(rig.callfd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Let @a n frames go through the ring. */
static void
pass(uint16_t n)
{
	struct ring_driver_seg seg = { rig.frame, 12 + 64 };
	struct rte_mbuf *pkts[SIZE];
	uint32_t token, len;

	for (uint16_t i = 0; i < n; i++)
		assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT, i));
	ring_driver_publish(&rig.driver);
	assert_int_equal(vhost_vring_available(&rig.vr), n);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, n), n);
	rte_pktmbuf_free_bulk(pkts, n);
	for (uint16_t i = 0; i < n; i++)
		assert_true(ring_driver_take(&rig.driver, &token, &len));
	assert_int_equal(vhost_vring_available(&rig.vr), 0);
}

static void
sizes_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint64_t features;
		uint16_t size;
		int ret;
	} cases[] = {
		{ 0, 0, -EINVAL },
		{ 0, 1, 0 },
		{ 0, 3, -EINVAL },
		{ 0, 32768, 0 },
		{ 0, 32769, -EINVAL },
		{ 0, 65535, -EINVAL },
		{ PACKED, 0, -EINVAL },
		{ PACKED, 1, 0 },
		{ PACKED, 3, 0 },
		{ PACKED, 32767, 0 },
		{ PACKED, 32768, 0 },
		{ PACKED, 32769, -EINVAL },
	};
	static uint8_t area[64] __rte_aligned(16);
	struct vhost_vring vr;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_vring_layout layout = { area, area, area, 0, cases[i].size };

		vhost_vring_init(&vr, "unit");
		vhost_vring_set_features(&vr, cases[i].features);
		assert_int_equal(vhost_vring_set_layout(&vr, &layout), cases[i].ret);
	}
}

static void
misaligned_areas_are_refused(void **state)
{
	static uint8_t area[64] __rte_aligned(16);
	static const struct {
		uint64_t features;
		int desc, driver, device, ret;
	} cases[] = {
		{ 0, 0, 2, 4, 0 },
		{ 0, 8, 0, 0, -EINVAL },
		{ 0, 0, 1, 0, -EINVAL },
		{ 0, 0, 0, 2, -EINVAL },
		{ PACKED, 0, 4, 4, 0 },
		{ PACKED, 4, 0, 0, -EINVAL },
		{ PACKED, 0, 2, 0, -EINVAL },
		{ PACKED, 0, 0, 2, -EINVAL },
	};
	struct vhost_vring vr;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_vring_layout layout = { area + cases[i].desc, area + cases[i].driver,
			area + cases[i].device, 0, 8 };

		vhost_vring_init(&vr, "unit");
		vhost_vring_set_features(&vr, cases[i].features);
		assert_int_equal(vhost_vring_set_layout(&vr, &layout), cases[i].ret);
	}
}

static void
areas_have_the_sizes_of_the_specification(void **state)
{
	uint64_t desc, driver, device;

	(void)state;
	vhost_vring_area_sizes(0, 256, &desc, &driver, &device);
	assert_int_equal(desc, 16 * 256);
	assert_int_equal(driver, 4 + 2 * 256);
	assert_int_equal(device, 4 + 8 * 256);
	vhost_vring_area_sizes(EVENT, 256, &desc, &driver, &device);
	assert_int_equal(driver, 6 + 2 * 256);
	assert_int_equal(device, 6 + 8 * 256);
	vhost_vring_area_sizes(EVENT | PACKED, 256, &desc, &driver, &device);
	assert_int_equal(desc, 16 * 256);
	assert_int_equal(driver, 4);
	assert_int_equal(device, 4);
}

static void
a_base_is_given_back_as_it_was_set(void **state)
{
	static const struct {
		uint64_t features;
		uint16_t avail, used;
		int ret;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 0, 65535, 65530, 0 },
		{ PACKED, 0x8000, 0x8000, 0 },
		{ PACKED, 7, 0x8000 | 6, 0 },
		{ PACKED, SIZE, 0, -EINVAL },
		{ PACKED, 0, 0x8000 | SIZE, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint16_t avail, used;

		rig_start(cases[i].features, 0);
		vhost_vring_stop(&rig.vr);
		assert_int_equal(vhost_vring_set_base(&rig.vr, cases[i].avail, cases[i].used),
			cases[i].ret);
		if (cases[i].ret == 0) {
			vhost_vring_get_base(&rig.vr, &avail, &used);
			assert_int_equal(avail, cases[i].avail);
			assert_int_equal(used, cases[i].used);
		}
		rig_stop();
	}
}

static void
a_base_moves_with_what_goes_through(void **state)
{
	uint16_t avail, used;

	(void)state;
	rig_start(0, 0);
	pass(5);
	pass(5);
	vhost_vring_get_base(&rig.vr, &avail, &used);
	assert_int_equal(avail, 10);
	assert_int_equal(used, 10);
	rig_stop();

	rig_start(PACKED, 0x8000);
	pass(5);
	vhost_vring_get_base(&rig.vr, &avail, &used);
	assert_int_equal(avail, 0x8000 | 5);
	pass(5);
	vhost_vring_get_base(&rig.vr, &avail, &used);
	assert_int_equal(avail, 2);
	assert_int_equal(used, 2);
	rig_stop();
}

static void
a_stopped_ring_refuses_bursts(void **state)
{
	struct rte_mbuf *pkts[1];
	struct ring_driver_seg seg = { rig.frame, 12 + 64 };

	(void)state;
	rig_start(0, 0);
	seg.gpa = rig.frame;
	assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT, 0));
	ring_driver_publish(&rig.driver);
	vhost_vring_stop(&rig.vr);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 0);
	assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 0), 0);
	assert_int_equal(vhost_vring_available(&rig.vr), 0);
	assert_int_equal(vhost_vring_call(&rig.vr), 0);
	vhost_vring_start(&rig.vr, rig.memory.table);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 1);
	rte_pktmbuf_free(pkts[0]);
	rig_stop();
}

/* What a driver had made available when the ring last ran, another driver has not. */
static void
a_ring_that_starts_again_looks_at_what_is_available(void **state)
{
	struct rte_mbuf *pkts[SIZE];

	(void)state;
	for (uint16_t n = 1; n <= SIZE; n++) {
		rig_start(0, 0);
		pass(n);
		vhost_vring_stop(&rig.vr);
		((struct vring_avail *)rig.driver.layout.driver)->idx = 0;
		assert_int_equal(vhost_vring_set_base(&rig.vr, 0, 0), 0);
		vhost_vring_start(&rig.vr, rig.memory.table);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, n), 0);
		assert_false(rig.vr.broken);
		rig_stop();
	}
}

static void
a_claimed_ring_and_one_without_memory_refuse_bursts(void **state)
{
	struct rte_mbuf *pkts[1];
	struct ring_driver_seg seg;

	(void)state;
	rig_start(0, 0);
	seg = (struct ring_driver_seg){ rig.frame, 12 + 64 };
	assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT, 0));
	ring_driver_publish(&rig.driver);
	pkts[0] = rte_pktmbuf_alloc(pool);
	assert_non_null(pkts[0]);
	vhost_vring_claim(&rig.vr);
	assert_false(vhost_vring_try_claim(&rig.vr));
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 0);
	assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 1), 0);
	assert_false(vhost_vring_try_claim(&rig.vr));
	vhost_vring_release(&rig.vr);
	vhost_vring_set_memory(&rig.vr, NULL);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 0);
	assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 1), 0);
	rte_pktmbuf_free(pkts[0]);
	vhost_vring_set_memory(&rig.vr, rig.memory.table);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 1);
	rte_pktmbuf_free(pkts[0]);
	rig_stop();
}

/* What was read ahead of its turn belongs to the old memory. */
static void
frames_are_looked_up_in_the_memory_of_their_turn(void **state)
{
	struct ring_driver_seg seg;
	struct rte_mbuf *pkts[2];
	uint8_t old[12 + 64] = { 0 }, now[12 + 64] = { 0 };

	(void)state;
	rig_start(0, 0);
	memset(old + 12, 1, 64);
	memset(now + 12, 2, 64);
	guest_memory_write(&rig.memory, rig.frame, old, sizeof(old));
	seg = (struct ring_driver_seg){ rig.frame, 12 + 64 };
	for (uint32_t i = 0; i < 2; i++)
		assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT, i));
	ring_driver_publish(&rig.driver);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 1);
	assert_int_equal(*rte_pktmbuf_mtod(pkts[0], uint8_t *), 1);

	struct guest_memory other;

	guest_memory_init(&other, 1, 1 << 16);
	guest_memory_write(&other, rig.frame, now, sizeof(now));
	vhost_vring_set_memory(&rig.vr, other.table);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts + 1, 1), 1);
	assert_int_equal(*rte_pktmbuf_mtod(pkts[1], uint8_t *), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	rig_stop();
	guest_memory_fini(&other);
}

static void
a_split_driver_without_event_index_says_yes_or_no(void **state)
{
	struct vring_avail *avail;

	(void)state;
	rig_start(0, 0);
	avail = rig.driver.layout.driver;
	pass(1);
	assert_int_equal(interrupts(), 1);
	pass(3);
	assert_int_equal(interrupts(), 1);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	pass(2);
	assert_int_equal(interrupts(), 0);
	assert_int_equal(rig.vr.stats.calls, 2);
	assert_int_equal(rig.vr.stats.calls_suppressed, 1);
	rig_stop();
}

static void
a_split_driver_with_event_index_names_the_entry(void **state)
{
	uint16_t *used_event;

	(void)state;
	rig_start(EVENT, 65533);
	rig.driver.avail_idx = rig.driver.used_idx = 65533;
	((struct vring_used *)rig.driver.layout.device)->idx = 65533;
	((struct vring_avail *)rig.driver.layout.driver)->idx = 65533;
	used_event = &((struct vring_avail *)rig.driver.layout.driver)->ring[SIZE];

	/* The first one always: nobody knows what the driver has seen. */
	*used_event = 1000;
	pass(1);
	assert_int_equal(interrupts(), 1);
	/* 65534 and 65535 become used; the driver waits for entry 0. */
	*used_event = 0;
	pass(2);
	assert_int_equal(interrupts(), 0);
	pass(1);
	assert_int_equal(interrupts(), 1);
	/* Waits for entry 4, in the middle of what comes. */
	*used_event = 4;
	pass(3);
	assert_int_equal(interrupts(), 0);
	pass(4);
	assert_int_equal(interrupts(), 1);
	/* What was passed long ago asks for nothing. */
	pass(4);
	assert_int_equal(interrupts(), 0);
	rig_stop();
}

/* The index went round while nobody could be called: where it stood before says nothing now. */
static void
a_driver_that_wants_calls_again_gets_the_first(void **state)
{
	uint16_t *used_event;

	(void)state;
	rig_start(EVENT, 0);
	used_event = &((struct vring_avail *)rig.driver.layout.driver)->ring[SIZE];
	pass(1);
	assert_int_equal(interrupts(), 1);
	vhost_vring_set_callfd(&rig.vr, -1);
	for (uint32_t n = 1; n < 65534; n += RTE_MIN((uint32_t)SIZE, 65534 - n))
		pass(RTE_MIN((uint32_t)SIZE, 65534 - n));
	assert_int_equal(rig.vr.used_idx, 65534);

	*used_event = 65534;
	vhost_vring_set_callfd(&rig.vr, rig.callfd);
	/* One past where it was called last, as far as 16 bits can tell. */
	pass(4);
	assert_int_equal(rig.vr.used_idx, 2);
	assert_int_equal(interrupts(), 1);
	rig_stop();
}

/* What it was told before the ring stopped, nobody knows any more. */
static void
a_driver_whose_ring_starts_again_gets_the_first(void **state)
{
	uint16_t avail, used;

	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		rig_start(EVENT | (packed ? PACKED : 0), packed ? 0x8000 : 0);
		if (packed)
			*(struct vring_packed_desc_event *)rig.driver.layout.driver =
				(struct vring_packed_desc_event){ .off_wrap = 0x8000 | (SIZE - 1),
					.flags = VRING_PACKED_EVENT_FLAG_DESC };
		else
			((struct vring_avail *)rig.driver.layout.driver)->ring[SIZE] = 1000;
		pass(1);
		assert_int_equal(interrupts(), 1);
		pass(1);
		assert_int_equal(interrupts(), 0);
		vhost_vring_stop(&rig.vr);
		vhost_vring_get_base(&rig.vr, &avail, &used);
		assert_int_equal(vhost_vring_set_base(&rig.vr, avail, used), 0);
		vhost_vring_start(&rig.vr, rig.memory.table);
		pass(1);
		assert_int_equal(interrupts(), 1);
		rig_stop();
	}
}

static void
a_packed_driver_says_yes_no_or_where(void **state)
{
	struct vring_packed_desc_event *event;

	(void)state;
	rig_start(PACKED | EVENT, 0x8000);
	event = rig.driver.layout.driver;
	pass(1);
	assert_int_equal(interrupts(), 1);
	event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	pass(1);
	assert_int_equal(interrupts(), 0);

	/* At 2. Waits for position 4 of this round. */
	event->flags = VRING_PACKED_EVENT_FLAG_DESC;
	event->off_wrap = 4 | 1 << 15;
	pass(2);
	assert_int_equal(interrupts(), 0);
	pass(1);
	assert_int_equal(interrupts(), 1);
	/* At 5. Waits for position 1 of the next round, which the second burst reaches. */
	event->off_wrap = 1;
	pass(4);
	assert_int_equal(interrupts(), 0);
	pass(1);
	assert_int_equal(interrupts(), 1);
	/* At 2 of the second round. A whole ring at once passes any position. */
	event->off_wrap = 2;
	pass(SIZE);
	assert_int_equal(interrupts(), 1);
	/* Position 1 of the round before was passed then. */
	event->off_wrap = 1 | 1 << 15;
	pass(1);
	assert_int_equal(interrupts(), 0);
	/* Outside of the ring there is nothing to wait for: rather one too many. */
	event->off_wrap = SIZE;
	pass(1);
	assert_int_equal(interrupts(), 1);
	rig_stop();
}

static void
without_event_index_a_packed_position_means_yes(void **state)
{
	struct vring_packed_desc_event *event;

	(void)state;
	rig_start(PACKED, 0x8000);
	event = rig.driver.layout.driver;
	pass(1);
	assert_int_equal(interrupts(), 1);
	event->flags = VRING_PACKED_EVENT_FLAG_DESC;
	event->off_wrap = 7 | 1 << 15;
	pass(1);
	assert_int_equal(interrupts(), 1);
	rig_stop();
}

static void
kicks_are_asked_for_where_the_driver_looks(void **state)
{
	(void)state;
	rig_start(0, 0);
	struct vring_used *used = rig.driver.layout.device;

	vhost_vring_enable_kicks(&rig.vr, false);
	assert_int_equal(used->flags, VRING_USED_F_NO_NOTIFY);
	vhost_vring_enable_kicks(&rig.vr, true);
	assert_int_equal(used->flags, 0);
	rig_stop();

	rig_start(EVENT, 0);
	used = rig.driver.layout.device;
	pass(3);
	vhost_vring_enable_kicks(&rig.vr, true);
	uint16_t avail_event;

	memcpy(&avail_event, &used->ring[SIZE], sizeof(avail_event));
	assert_int_equal(avail_event, 3);
	assert_int_equal(used->flags, 0);
	rig_stop();

	rig_start(PACKED, 0x8000);
	struct vring_packed_desc_event *event = rig.driver.layout.device;

	vhost_vring_enable_kicks(&rig.vr, false);
	assert_int_equal(event->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	vhost_vring_enable_kicks(&rig.vr, true);
	assert_int_equal(event->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
	rig_stop();

	rig_start(PACKED | EVENT, 0x8000);
	event = rig.driver.layout.device;
	pass(5);
	vhost_vring_enable_kicks(&rig.vr, true);
	assert_int_equal(event->flags, VRING_PACKED_EVENT_FLAG_DESC);
	assert_int_equal(event->off_wrap, 5 | 1 << 15);
	pass(5);
	vhost_vring_enable_kicks(&rig.vr, true);
	assert_int_equal(event->off_wrap, 2);
	rig_stop();
}

/* A migrating guest has to take them along: they are the last that a sleeping device wrote. */
static void
kicks_that_are_asked_for_are_in_the_dirty_log(void **state)
{
	static const uint64_t features[] = { 0, EVENT, PACKED, PACKED | EVENT };
	static uint8_t bitmap[(GUEST_MEMORY_BASE >> 15) + 4096];
	const struct vhost_dirty_log log = { bitmap, sizeof(bitmap) };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(features); i++) {
		for (int enable = 0; enable < 2; enable++) {
			uint64_t page, first = GUEST_MEMORY_BASE >> 12;

			rig_start(features[i] | F(VHOST_F_LOG_ALL), 0);
			page = rig.driver.layout.log_gpa >> 12;
			memset(bitmap, 0, sizeof(bitmap));
			vhost_vring_set_log(&rig.vr, &log);
			vhost_vring_enable_kicks(&rig.vr, enable);
			for (uint64_t k = first; k < first + 16; k++)
				assert_int_equal(bitmap[k / 8] >> (k % 8) & 1, k == page);
			rig_stop();
		}
	}
}

static void
an_explicit_call_obeys_the_driver(void **state)
{
	struct vring_avail *avail;

	(void)state;
	rig_start(0, 0);
	avail = rig.driver.layout.driver;
	assert_int_equal(vhost_vring_call(&rig.vr), 1);
	assert_int_equal(interrupts(), 1);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_int_equal(vhost_vring_call(&rig.vr), 0);
	assert_int_equal(interrupts(), 0);
	avail->flags = 0;
	vhost_vring_set_callfd(&rig.vr, -1);
	assert_int_equal(vhost_vring_call(&rig.vr), 0);
	rig_stop();
}

/* Of a driver that wants indices, only the caller knows which it has passed. */
static void
an_explicit_call_is_not_held_back_by_indices(void **state)
{
	(void)state;
	rig_start(F(VIRTIO_RING_F_EVENT_IDX), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vhost_vring_call(&rig.vr), 1);
		assert_int_equal(interrupts(), 1);
	}
	rig_stop();
}

static void
a_header_of_ten_bytes_is_written_whatever_was_there(void **state)
{
	struct ring_driver_seg seg = { .len = 10 + 64 };
	uint8_t buffer[10 + 64], frame[64], none[10] = { 0 };
	struct rte_mbuf *m;

	(void)state;
	rig_start(0, 0);
	vhost_vring_stop(&rig.vr);
	vhost_vring_set_features(&rig.vr, 0);
	vhost_vring_start(&rig.vr, rig.memory.table);
	seg.gpa = rig.frame;
	memset(buffer, 0xff, sizeof(buffer));
	memset(frame, 0x55, sizeof(frame));
	for (int i = 0; i < 2; i++) {
		m = rte_pktmbuf_alloc(pool);
		memcpy(rte_pktmbuf_append(m, sizeof(frame)), frame, sizeof(frame));
		if (i == 0)
			guest_memory_write(&rig.memory, rig.frame, buffer, sizeof(buffer));
		assert_true(ring_driver_add(&rig.driver, &seg, 1, true, RING_DRIVER_DIRECT, i));
		ring_driver_publish(&rig.driver);
		assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
		rte_pktmbuf_free(m);
		guest_memory_read(&rig.memory, rig.frame, buffer, sizeof(buffer));
		assert_memory_equal(buffer, none, sizeof(none));
		assert_memory_equal(buffer + sizeof(none), frame, sizeof(frame));
	}
	rig_stop();
}

/* Each byte of it, with the others as they should be: a header is not written where it is there. */
static void
a_header_of_twelve_bytes_is_written_where_a_byte_differs(void **state)
{
	struct ring_driver_seg seg = { .len = 12 + 64 };
	const uint8_t good[12] = { [10] = 1 };
	uint8_t buffer[12 + 64];
	uint32_t token, len;

	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		rig_start(packed ? PACKED : 0, packed ? 0x8000 : 0);
		seg.gpa = rig.frame;
		for (uint32_t i = 0; i <= sizeof(good); i++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			memset(rte_pktmbuf_append(m, 64), (int)i, 64);
			memcpy(buffer, good, sizeof(good));
			if (i < sizeof(good))
				buffer[i] ^= 0x10;
			guest_memory_write(&rig.memory, rig.frame, buffer, sizeof(good));
			assert_true(
				ring_driver_add(&rig.driver, &seg, 1, true, RING_DRIVER_DIRECT, i));
			ring_driver_publish(&rig.driver);
			assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
			rte_pktmbuf_free(m);
			assert_true(ring_driver_take(&rig.driver, &token, &len));
			guest_memory_read(&rig.memory, rig.frame, buffer, sizeof(buffer));
			assert_memory_equal(buffer, good, sizeof(good));
			assert_int_equal(buffer[sizeof(good)], i);
		}
		rig_stop();
	}
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(255, RTE_MBUF_DEFAULT_BUF_SIZE);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(misaligned_areas_are_refused),
		cmocka_unit_test(areas_have_the_sizes_of_the_specification),
		cmocka_unit_test(a_base_is_given_back_as_it_was_set),
		cmocka_unit_test(a_base_moves_with_what_goes_through),
		cmocka_unit_test(a_stopped_ring_refuses_bursts),
		cmocka_unit_test(a_ring_that_starts_again_looks_at_what_is_available),
		cmocka_unit_test(a_claimed_ring_and_one_without_memory_refuse_bursts),
		cmocka_unit_test(frames_are_looked_up_in_the_memory_of_their_turn),
		cmocka_unit_test(a_split_driver_without_event_index_says_yes_or_no),
		cmocka_unit_test(a_split_driver_with_event_index_names_the_entry),
		cmocka_unit_test(a_driver_that_wants_calls_again_gets_the_first),
		cmocka_unit_test(a_driver_whose_ring_starts_again_gets_the_first),
		cmocka_unit_test(a_packed_driver_says_yes_no_or_where),
		cmocka_unit_test(without_event_index_a_packed_position_means_yes),
		cmocka_unit_test(kicks_are_asked_for_where_the_driver_looks),
		cmocka_unit_test(kicks_that_are_asked_for_are_in_the_dirty_log),
		cmocka_unit_test(an_explicit_call_obeys_the_driver),
		cmocka_unit_test(an_explicit_call_is_not_held_back_by_indices),
		cmocka_unit_test(a_header_of_ten_bytes_is_written_whatever_was_there),
		cmocka_unit_test(a_header_of_twelve_bytes_is_written_where_a_byte_differs),
	};

	return cmocka_run_group_tests_name("vring", tests, setup, NULL);
}
