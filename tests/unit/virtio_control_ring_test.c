/* SPDX-License-Identifier: BSD-3-Clause */

/* The driver's control virtqueue against a device that keeps the rules, and one that does not. */

#include "virtio_reference_device.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <linux/virtio_net.h>

#include "control_ring.h"

#define PATIENCE_MS 20000
#define COMMANDS 300

struct device {
	struct virtio_control_ring ring;
	struct virtio_queue areas;
	struct reference_ring seen;
	uint8_t *mem;
	unsigned int left; /* commands to answer; the one with number in its data is expected */
	uint8_t answer;
	pthread_t thread;
};

static void
make(struct device *d, uint16_t size, bool packed)
{
	struct virtio_control_ring_areas areas;

	*d = (struct device){ .mem = aligned_alloc(4096, VIRTIO_CONTROL_RING_BYTES) };
	assert_non_null(d->mem);
	virtio_control_ring_init(&d->ring, d->mem, (uintptr_t)d->mem, size,
		packed ? UINT64_C(1) << VIRTIO_F_RING_PACKED : 0);
	areas = virtio_control_ring_areas(&d->ring);
	d->areas.size = size;
	d->areas.desc = (struct vring_desc *)(uintptr_t)areas.descriptors;
	d->areas.avail = (struct vring_avail *)(uintptr_t)areas.driver;
	d->areas.used = (struct vring_used *)(uintptr_t)areas.device;
	reference_init(&d->seen, &d->areas, packed, false);
}

/* Data of command number i: as many bytes, so that there are commands without any. */
static void
fill(uint8_t *data, unsigned int i)
{
	memset(data, (int)(i & 0xff), i);
}

static void
serve_one(struct device *d, unsigned int i)
{
	uint8_t expected[COMMANDS];
	struct reference_chain c;

	while (!reference_pop(&d->seen, &c))
		sched_yield();
	assert_int_equal(c.n, i == 0 ? 2 : 3);
	assert_int_equal(c.pieces[0].len, sizeof(struct virtio_net_ctrl_hdr));
	assert_int_equal(c.pieces[0].addr[0], i & 0xff);
	assert_int_equal(c.pieces[0].addr[1], 7);
	if (i > 0) {
		fill(expected, i);
		assert_int_equal(c.pieces[1].len, i);
		assert_false(c.pieces[1].write);
		assert_memory_equal(c.pieces[1].addr, expected, i);
	}
	assert_true(c.pieces[c.n - 1].write);
	assert_int_equal(c.pieces[c.n - 1].len, 1);
	*c.pieces[c.n - 1].addr = d->answer;
	reference_push(&d->seen, c.id, 1, c.descs, 0);
}

static void *
serve(void *arg)
{
	struct device *d = arg;

	for (unsigned int i = 0; i < d->left; i++)
		serve_one(d, i);
	return NULL;
}

static int
command(struct device *d, unsigned int i)
{
	uint8_t data[COMMANDS];
	int ret;

	fill(data, i);
	ret = virtio_control_ring_put(&d->ring, i & 0xff, 7, data, i);
	return ret < 0 ? ret : virtio_control_ring_wait(&d->ring, PATIENCE_MS);
}

static void
converse(uint16_t size, bool packed, uint8_t answer, int expected)
{
	struct device d;

	make(&d, size, packed);
	d.left = COMMANDS;
	d.answer = answer;
	assert_int_equal(pthread_create(&d.thread, NULL, serve, &d), 0);
	for (unsigned int i = 0; i < COMMANDS; i++)
		assert_int_equal(command(&d, i), expected);
	pthread_join(d.thread, NULL);
	free(d.mem);
}

static void
every_command_is_answered(void **state)
{
	(void)state;
	for (uint16_t size = VIRTIO_CONTROL_RING_SIZE_MIN; size <= VIRTIO_CONTROL_RING_SIZE;
		size *= 2) {
		converse(size, false, VIRTIO_NET_OK, 0);
		converse(size, true, VIRTIO_NET_OK, 0);
	}
}

/* Who is not asked for interrupts by a flag is not by an index either (virtio 1.2, 2.7.7.1 and 2.7.10). */
static void
no_interrupt_is_asked_for(void **state)
{
	const uint64_t event_idx = UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
	const uint64_t packed = UINT64_C(1) << VIRTIO_F_RING_PACKED;
	const uint16_t size = 16;
	struct virtio_control_ring_areas areas;
	const struct vring_packed_desc_event *event;
	const struct vring_avail *avail;
	struct device d;

	(void)state;
	make(&d, size, 0);
	areas = virtio_control_ring_areas(&d.ring);
	avail = (const struct vring_avail *)(uintptr_t)areas.driver;
	event = (const struct vring_packed_desc_event *)(uintptr_t)areas.driver;
	assert_int_equal(avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
	virtio_control_ring_init(&d.ring, d.mem, (uintptr_t)d.mem, size, event_idx);
	assert_int_equal(avail->flags, 0);
	for (uint16_t used = 0; used < 10 * size; used++)
		assert_false(vring_need_event(avail->ring[size], used + 1, used));
	virtio_control_ring_init(&d.ring, d.mem, (uintptr_t)d.mem, size, packed | event_idx);
	assert_int_equal(event->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	free(d.mem);
}

static void
refusals_are_told(void **state)
{
	(void)state;
	converse(64, false, VIRTIO_NET_ERR, -EIO);
	converse(64, true, VIRTIO_NET_ERR, -EIO);
	/* Nothing that the specification knows, and so no consent. */
	converse(64, false, 0x42, -EIO);
}

static void
silence_is_bounded_and_the_last_word(void **state)
{
	struct device d;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		make(&d, 64, packed);
		assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, NULL, 0), 0);
		assert_int_equal(virtio_control_ring_wait(&d.ring, 10), -ETIMEDOUT);
		/* It answers too late: nobody listens any more. */
		serve_one(&d, 0);
		assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, NULL, 0), -EIO);
		free(d.mem);
	}
}

static void
a_wrong_answer_is_the_last_word(void **state)
{
	struct device d;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		struct reference_chain c;

		make(&d, 64, packed);
		assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, NULL, 0), 0);
		assert_true(reference_pop(&d.seen, &c));
		c.id = 9;
		reference_push(&d.seen, c.id, 1, c.descs, 0);
		assert_int_equal(virtio_control_ring_wait(&d.ring, PATIENCE_MS), -EPROTO);
		assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, NULL, 0), -EIO);
		free(d.mem);
	}
	/* More answers than commands. */
	make(&d, 64, false);
	assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, NULL, 0), 0);
	d.areas.used->idx = 2;
	assert_int_equal(virtio_control_ring_wait(&d.ring, PATIENCE_MS), -EPROTO);
	free(d.mem);
}

static void
too_much_data_is_refused(void **state)
{
	static const uint8_t data[VIRTIO_CONTROL_DATA_MAX + 1];
	struct device d;

	(void)state;
	make(&d, 64, false);
	assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, data, sizeof(data)), -EINVAL);
	assert_int_equal(virtio_control_ring_put(&d.ring, 0, 7, data, sizeof(data) - 1), 0);
	free(d.mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_answered),
		cmocka_unit_test(no_interrupt_is_asked_for),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(silence_is_bounded_and_the_last_word),
		cmocka_unit_test(a_wrong_answer_is_the_last_word),
		cmocka_unit_test(too_much_data_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
