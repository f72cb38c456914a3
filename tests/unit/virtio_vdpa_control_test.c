/* SPDX-License-Identifier: BSD-3-Clause */

/* Commands to a vDPA device of the kernel. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "user.h"
#include "vdpa_control.h"

#define SLOW_MS 40

/* It gets no more commands, and nobody can say that it refused these. */
static void
a_device_that_did_not_answer_is_not_asked_again(void **state)
{
	static struct virtio_user u = { .dev.name = "test" };
	const uint8_t on = 1;
	struct vdpa_control c;

	(void)state;
	assert_int_equal(vdpa_control_open(&u, &c), 0);
	virtio_control_ring_init(&c.ring, c.mem, 0, VIRTIO_CONTROL_RING_SIZE, 0);
	c.ready = true;
	c.ring.dead = true;
	assert_int_equal(vdpa_control_command(&u, &c, VIRTIO_NET_CTRL_RX,
				 VIRTIO_NET_CTRL_RX_PROMISC, &on, sizeof(on)),
		-ETIMEDOUT);
	vdpa_control_close(&c);
}

struct slow_device {
	struct vdpa_control *control;
	bool quit;
};

/* Carries out what it is told, and takes its time with each command. */
static void *
answer_slowly(void *arg)
{
	const struct slow_device *d = arg;
	uint8_t *mem = d->control->mem;
	const struct virtio_control_ring_areas at = virtio_control_ring_areas(&d->control->ring);
	const struct vring_desc *descs = (const struct vring_desc *)(mem + at.descriptors);
	const struct vring_avail *avail = (const struct vring_avail *)(mem + at.driver);
	struct vring_used *used = (struct vring_used *)(mem + at.device);
	const uint16_t mask = VIRTIO_CONTROL_RING_SIZE - 1;

	for (uint16_t idx = 0;; idx++) {
		struct pollfd kick = { .fd = d->control->kickfd, .events = POLLIN };
		eventfd_t kicks;
		uint16_t at_desc;

		poll(&kick, 1, -1);
		eventfd_read(kick.fd, &kicks);
		if (__atomic_load_n(&d->quit, __ATOMIC_ACQUIRE))
			return NULL;
		usleep(SLOW_MS * 1000);
		at_desc = avail->ring[idx & mask];
		used->ring[idx & mask].id = at_desc;
		while (descs[at_desc].flags & VRING_DESC_F_NEXT)
			at_desc = descs[at_desc].next;
		mem[descs[at_desc].addr] = VIRTIO_NET_OK;
		__atomic_store_n(&used->idx, idx + 1, __ATOMIC_RELEASE);
	}
}

/* All its filters are set again with the lock held: DPDK's memory, too, is held up by that. */
static void
a_device_that_takes_too_long_with_all_commands_is_left(void **state)
{
	static struct virtio_user u = { .dev.name = "test", .patience_ms = 4 * SLOW_MS };
	struct vdpa_control c;
	struct slow_device d = { .control = &c };
	pthread_t thread;

	(void)state;
	u.dev.features = VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) |
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
	assert_int_equal(vdpa_control_open(&u, &c), 0);
	virtio_control_ring_init(&c.ring, c.mem, 0, VIRTIO_CONTROL_RING_SIZE, 0);
	c.ready = true;
	memset(c.vlans, 0xff, sizeof(c.vlans[0]));
	assert_int_equal(pthread_create(&thread, NULL, answer_slowly, &d), 0);
	virtio_user_give_time(&u);
	assert_int_equal(vdpa_control_restore(&u, &c), -ETIMEDOUT);
	__atomic_store_n(&d.quit, true, __ATOMIC_RELEASE);
	eventfd_write(c.kickfd, 1);
	pthread_join(thread, NULL);
	vdpa_control_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_did_not_answer_is_not_asked_again),
		cmocka_unit_test(a_device_that_takes_too_long_with_all_commands_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
