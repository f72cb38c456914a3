/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_mempool.h>

#include "sim_rig.h"
#include "unit_eal.h"

static unsigned int
open_descriptors(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static const uint64_t formats[] = {
	SPLIT,
	SPLIT | MERGE,
	SPLIT | EVENT,
	SPLIT | EVENT | IN_ORDER | MERGE,
	PACKED,
	PACKED | EVENT | MERGE,
	PACKED | EVENT | IN_ORDER,
};

static void
what_a_pair_transmits_it_receives(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		uint64_t bytes = 0;

		rig_start(formats[i], PAIRS, false);
		exchange(PAIRS, 5000, SIZE);
		for (uint64_t n = 0; n < 5000; n++)
			bytes += frame_len(n);
		for (uint16_t qid = 0; qid < 2 * PAIRS; qid++) {
			assert_int_equal(counter(qid, "packets"), 5000);
			assert_int_equal(counter(qid, "bytes"), bytes);
			assert_int_equal(drops(qid), 0);
		}
		rig_stop(PAIRS);
	}
}

static void
a_sleeping_device_is_woken_by_a_kick(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct pair *p = &rig.pairs[0];

		rig_start(formats[i], 1, false);
		post_buffers(p, SIZE);
		for (uint64_t n = 1; n <= 300; n++) {
			wait_for_sleep(&p->tx);
			exchange(1, n, 1);
		}
		assert_true(counter(1, "kicks") > 0);
		assert_true(p->tx.kicks > 0);
		assert_int_equal(counter(0, "packets"), 300);
		rig_stop(1);
	}
}

/** Send until the ring is full and the device has taken what it can hold. */
static void
send_without_receiving(struct pair *p)
{
	while (p->tx.done < SIZE + HELD) {
		want_call(&p->tx);
		if (send_frames(p, SIZE) == 0)
			wait_for_call(1);
	}
}

static void
frames_wait_until_there_is_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct pair *p = &rig.pairs[0];

		rig_start(formats[i], 1, false);
		send_without_receiving(p);
		assert_int_equal(counter(1, "packets"), HELD);
		assert_int_equal(counter(0, "packets"), 0);
		/* One by one, each time when the device sleeps for want of room. */
		for (uint64_t n = 1; n <= 10; n++) {
			wait_for_sleep(&p->rx);
			want_call(&p->rx);
			post_buffers(p, 1);
			while (receive_frames(p) == 0)
				wait_for_call(1);
			assert_int_equal(p->rx.done, n);
		}
		exchange(1, 1000, SIZE);
		assert_int_equal(drops(0) + drops(1), 0);
		rig_stop(1);
	}
}

static void
a_stopped_ring_goes_on_where_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct end *ends[] = { &rig.pairs[0].rx, &rig.pairs[0].tx };

		rig_start(formats[i], 1, false);
		for (uint64_t n = 1; n <= 50; n++) {
			struct sim_hw_ring ring = { 0 };
			struct end *e = ends[n % 2];

			exchange(1, 20 * n, 7);
			send_frames(&rig.pairs[0], 3);
			sim_hw_freeze(rig.hw);
			assert_true(sim_hw_ring_stop(rig.hw, e->qid, &ring.avail, &ring.used));
			assert_false(sim_hw_ring_stop(rig.hw, e->qid, NULL, NULL));
			ring.layout = e->driver.layout;
			ring.kickfd = e->kickfd;
			ring.callfd = e->callfd;
			assert_int_equal(sim_hw_ring_start(rig.hw, e->qid, &ring), 0);
			sim_hw_thaw(rig.hw);
		}
		exchange(1, 2000, SIZE);
		assert_int_equal(drops(0) + drops(1), 0);
		rig_stop(1);
	}
}

static void
a_reset_discards_what_waits(void **state)
{
	(void)state;
	rig_start(SPLIT, 1, false);
	send_without_receiving(&rig.pairs[0]);
	sim_hw_freeze(rig.hw);
	sim_hw_ring_stop(rig.hw, 0, NULL, NULL);
	sim_hw_ring_stop(rig.hw, 1, NULL, NULL);
	sim_hw_reset(rig.hw);
	sim_hw_thaw(rig.hw);
	assert_int_equal(counter(0, "drop_reset"), HELD);
	assert_int_equal(rte_mempool_in_use_count(sim_hw_pool(rig.hw)), 0);
	rig_stop(1);
}

static void
a_ring_without_a_kick_is_polled(void **state)
{
	struct sim_hw_ring ring = { .kickfd = -1 };
	struct end *e = &rig.pairs[0].tx;

	(void)state;
	rig_start(SPLIT, 1, false);
	sim_hw_freeze(rig.hw);
	sim_hw_ring_stop(rig.hw, 1, &ring.avail, &ring.used);
	ring.layout = e->driver.layout;
	ring.callfd = e->callfd;
	assert_int_equal(sim_hw_ring_start(rig.hw, 1, &ring), 0);
	sim_hw_thaw(rig.hw);
	for (uint64_t n = 1; n <= 100; n++)
		exchange(1, n, 1);
	assert_int_equal(counter(1, "kicks"), 0);
	rig_stop(1);
}

static void
counters_are_reset_by_ring(void **state)
{
	(void)state;
	rig_start(PACKED, 2, false);
	exchange(2, 100, 10);
	sim_hw_freeze(rig.hw);
	sim_hw_reset_counters(rig.hw, 2);
	sim_hw_thaw(rig.hw);
	for (unsigned int id = 0; id < sim_hw_counters(); id++)
		assert_int_equal(sim_hw_counter(rig.hw, 2, id), 0);
	assert_int_equal(counter(0, "packets"), 100);
	assert_int_equal(counter(3, "packets"), 100);
	rig_stop(2);
}

static void
suppressed_interrupts_are_not_raised(void **state)
{
	struct vring_avail *avail;
	struct pair *p = &rig.pairs[0];

	(void)state;
	rig_start(SPLIT, 1, false);
	avail = p->rx.driver.layout.driver;
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	post_buffers(p, SIZE);
	while (p->rx.done < 40) {
		if (p->tx.done < 40)
			send_frames(p, 1);
		receive_frames(p);
	}
	assert_int_equal(counter(0, "calls"), 0);
	assert_true(counter(0, "calls_suppressed") > 0);
	assert_true(counter(1, "calls") > 0);
	rig_stop(1);
}

/** Map the doorbell of a ring, as a front end does for its guest. */
static void
map_doorbell(struct end *e)
{
	struct sim_hw_doorbell doorbell;

	assert_int_equal(sim_hw_doorbell(rig.hw, e->qid, &doorbell), 0);
	assert_int_equal(doorbell.offset, e->qid * doorbell.size);
	assert_int_equal(doorbell.size, sysconf(_SC_PAGESIZE));
	e->doorbell = mmap(NULL, doorbell.size, PROT_READ | PROT_WRITE, MAP_SHARED, doorbell.fd,
		doorbell.offset);
	assert_ptr_not_equal(e->doorbell, MAP_FAILED);
}

static void
a_doorbell_is_heard(void **state)
{
	struct sim_hw_doorbell doorbell;
	struct end *e = &rig.pairs[1].tx;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		rig_start(formats[i], 2, true);
		map_doorbell(e);
		for (uint64_t n = 1; n <= 20; n++) {
			wait_for_sleep(e);
			exchange(2, n, 1);
			assert_int_equal(e->kicks, n);
			while (counter(3, "kicks") < n)
				sched_yield();
		}
		assert_int_equal(counter(3, "kicks"), 20);
		assert_int_equal(counter(1, "kicks"), 0);
		munmap(e->doorbell, sysconf(_SC_PAGESIZE));
		rig_stop(2);
	}

	/* Who was given the file cannot take it away from under the device. */
	rig_start(SPLIT, 2, true);
	assert_int_equal(sim_hw_doorbell(rig.hw, 3, &doorbell), 0);
	assert_int_equal(ftruncate(doorbell.fd, 0), -1);
	assert_int_equal(sim_hw_doorbell(rig.hw, 4, &doorbell), -EINVAL);
	rig_stop(2);
	rig_start(SPLIT, 1, false);
	assert_int_equal(sim_hw_doorbell(rig.hw, 0, &doorbell), -ENOTSUP);
	rig_stop(1);
}

static bool
is_dirty(const uint8_t *log, uint64_t gpa)
{
	return log[gpa >> 12 >> 3] & 1u << ((gpa >> 12) & 7);
}

static void
what_is_written_is_logged(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		static uint8_t bitmap[(GUEST_MEMORY_BASE + 4 * REGION) >> 12 >> 3];
		const struct vhost_dirty_log log = { bitmap, sizeof(bitmap) };
		const struct end *rx = &rig.pairs[0].rx, *tx = &rig.pairs[0].tx;

		memset(bitmap, 0, sizeof(bitmap));
		rig_start(formats[i], 1, false);
		exchange(1, 10, 1);
		assert_false(is_dirty(bitmap, rx->buffers[0]));
		sim_hw_freeze(rig.hw);
		sim_hw_set_log(rig.hw, &log);
		sim_hw_thaw(rig.hw);
		exchange(1, 1000, SIZE);
		for (uint32_t b = 0; b < SIZE; b++)
			assert_true(is_dirty(bitmap, rx->buffers[b]));
		assert_false(is_dirty(bitmap, tx->buffers[SIZE / 2]));

		sim_hw_freeze(rig.hw);
		sim_hw_set_log(rig.hw, NULL);
		memset(bitmap, 0, sizeof(bitmap));
		sim_hw_thaw(rig.hw);
		exchange(1, 1100, SIZE);
		for (size_t b = 0; b < sizeof(bitmap); b++)
			assert_int_equal(bitmap[b], 0);
		rig_stop(1);
	}
}

static void
impossible_rings_are_refused_and_leave_nothing_behind(void **state)
{
	const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct end *e = &rig.pairs[0].tx;
	struct sim_hw_ring good = { 0 }, bad;
	unsigned int open_before;

	(void)state;
	rig_start(PACKED, 1, false);
	sim_hw_freeze(rig.hw);
	sim_hw_ring_stop(rig.hw, 1, &good.avail, &good.used);
	good.layout = e->driver.layout;
	good.kickfd = e->kickfd;
	good.callfd = e->callfd;
	open_before = open_descriptors();
	for (int i = 0; i < 10; i++) {
		bad = good;
		bad.layout.size = 0;
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &bad), -EINVAL);
		bad = good;
		bad.layout.desc = (uint8_t *)bad.layout.desc + 1;
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &bad), -EINVAL);
		bad = good;
		bad.avail = SIZE;
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &bad), -EINVAL);
		bad = good;
		bad.kickfd = file;
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &bad), -EPERM);
		bad = good;
		bad.callfd = 1023;
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &bad), -EBADF);
		assert_int_equal(sim_hw_ring_start(rig.hw, 1, &good), 0);
		assert_true(sim_hw_ring_stop(rig.hw, 1, NULL, NULL));
	}
	assert_int_equal(open_descriptors(), open_before);
	assert_int_equal(sim_hw_ring_start(rig.hw, 1, &good), 0);
	sim_hw_thaw(rig.hw);
	exchange(1, 100, 10);
	rig_stop(1);
	close(file);
}

static void
creation_and_destruction_leave_nothing_behind(void **state)
{
	const unsigned int open_before = open_descriptors();

	(void)state;
	for (int i = 0; i < 20; i++) {
		rig_start(SPLIT, 2, i % 2 == 0);
		exchange(2, 10, 5);
		rig_stop(2);
	}
	assert_int_equal(open_descriptors(), open_before);
}

static void
too_little_memory_is_told(void **state)
{
	const struct sim_hw_conf conf = {
		.name = "sim",
		.pairs = 128,
		.mtu = 9600,
		.port = true,
		.numa_node = SOCKET_ID_ANY,
	};
	struct sim_hw *hw;

	(void)state;
	assert_int_equal(sim_hw_create(&conf, &hw), -ENOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_pair_transmits_it_receives),
		cmocka_unit_test(a_sleeping_device_is_woken_by_a_kick),
		cmocka_unit_test(frames_wait_until_there_is_room),
		cmocka_unit_test(a_stopped_ring_goes_on_where_it_was),
		cmocka_unit_test(a_reset_discards_what_waits),
		cmocka_unit_test(a_ring_without_a_kick_is_polled),
		cmocka_unit_test(counters_are_reset_by_ring),
		cmocka_unit_test(suppressed_interrupts_are_not_raised),
		cmocka_unit_test(a_doorbell_is_heard),
		cmocka_unit_test(what_is_written_is_logged),
		cmocka_unit_test(impossible_rings_are_refused_and_leave_nothing_behind),
		cmocka_unit_test(creation_and_destruction_leave_nothing_behind),
		cmocka_unit_test(too_little_memory_is_told),
	};

	return cmocka_run_group_tests(tests, unit_eal_setup, NULL);
}
