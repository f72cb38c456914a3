/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A virtio-user port on a vDPA device of the kernel that the test answers for, where it is as no device of
 * the lab is.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "virtio_user_rig.h"

#include "user.h"
#include "vdpa_control.h"

/* A device file that takes all that is written to it. */
#define DEVICE "/dev/null"

#define VHOST_REQUESTS 0xaf

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static struct {
	pthread_mutex_t lock; /* the port has a thread of its own */
	uint8_t status;
	int told; /* of changes of the configuration; -1: nobody is */
	struct virtio_net_config config;
} hw = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = -1 };

static void
set_status(uint8_t status)
{
	hw.status = status;
	/* As VDUSE has it: with a reset, whoever was told of changes is forgotten. */
	if (status == 0)
		hw.told = -1;
}

static int
answer(unsigned long request, void *arg)
{
	struct vhost_vdpa_config *config = arg;

	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID:
		*(uint32_t *)arg = VIRTIO_ID_NET;
		break;
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) |
			BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_RING_F_INDIRECT_DESC);
		break;
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
		break;
	case VHOST_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = 256;
		break;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = hw.status;
		break;
	case VHOST_VDPA_SET_STATUS:
		set_status(*(uint8_t *)arg);
		break;
	case VHOST_VDPA_GET_CONFIG:
		memcpy(config->buf, (const uint8_t *)&hw.config + config->off, config->len);
		break;
	case VHOST_VDPA_SET_CONFIG_CALL:
		hw.told = *(int *)arg;
		break;
	case VHOST_VDPA_GET_IOVA_RANGE:
	case VHOST_VDPA_GET_VQS_COUNT:
		errno = ENOTTY;
		return -1;
	default:
		break;
	}
	return 0;
}

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) != VHOST_REQUESTS)
		return __real_ioctl(fd, request, arg);
	pthread_mutex_lock(&hw.lock);
	ret = answer(request, arg);
	pthread_mutex_unlock(&hw.lock);
	return ret;
}

/* Change the link, and tell who wants to know. @return false if nobody does */
static bool
set_link(bool up)
{
	bool told;

	pthread_mutex_lock(&hw.lock);
	hw.config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	told = hw.told >= 0 && eventfd_write(hw.told, 1) == 0;
	pthread_mutex_unlock(&hw.lock);
	return told;
}

static void
a_change_is_heard_of_after_every_start(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	set_link(true);
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(start(1, 0), 0);
		assert_true(wait_link(true));
		assert_true(set_link(false));
		assert_true(wait_link(false));
		assert_true(set_link(true));
		assert_true(wait_link(true));
		assert_int_equal(rte_eth_dev_stop(port()), 0);
	}
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

/* It gets no more commands, and nobody can say that it refused these. */
static void
a_device_that_did_not_answer_is_not_asked_again(void **state)
{
	static struct virtio_user u = { .dev.name = "test" };
	const uint8_t on = 1;
	struct vdpa_control c;

	(void)state;
	assert_int_equal(vdpa_control_open(&u, &c), 0);
	virtio_control_ring_init(&c.ring, c.mem, 0, VIRTIO_CONTROL_RING_SIZE, false);
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
		usleep(SCRIPTED_SLOW_MS * 1000);
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
	static struct virtio_user u = { .dev.name = "test", .patience_ms = 4 * SCRIPTED_SLOW_MS };
	struct vdpa_control c;
	struct slow_device d = { .control = &c };
	pthread_t thread;

	(void)state;
	u.dev.features = BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_VLAN);
	assert_int_equal(vdpa_control_open(&u, &c), 0);
	virtio_control_ring_init(&c.ring, c.mem, 0, VIRTIO_CONTROL_RING_SIZE, false);
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
		cmocka_unit_test(a_change_is_heard_of_after_every_start),
		cmocka_unit_test(a_device_that_did_not_answer_is_not_asked_again),
		cmocka_unit_test(a_device_that_takes_too_long_with_all_commands_is_left),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}
