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
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

/* What the device was told, a letter each. */
enum heard {
	RESET = 'r',
	STATUS = 's',
	DRIVER_OK = 'd',
	SUSPEND = 'S',
	BEGIN = '(',
	END = ')',
	MAP = '+',
	UNMAP = '-'
};

static struct {
	pthread_mutex_t lock; /* the port has a thread of its own */
	int fd;
	uint32_t class;
	uint64_t backend_features; /* that it has */
	uint64_t backend_agreed;
	uint64_t features;       /* that were set last */
	uint8_t refuses;         /* bits of the status that it does not take */
	int class_error;         /* of the question for its class; 0: it answers */
	int suspend_error;       /* 0: it can be suspended */
	uint8_t message_version; /* of messages of the IOTLB; 0: there were different ones */
	char heard[4096];
	size_t n_heard;
	uint8_t status;
	int told; /* of changes of the configuration; -1: nobody is */
	struct virtio_net_config config;
} hw = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = -1 };

static void
note(enum heard what)
{
	if (hw.n_heard < sizeof(hw.heard) - 1)
		hw.heard[hw.n_heard++] = (char)what;
}

static void
set_status(uint8_t status)
{
	note(status == 0 ? RESET : status & VIRTIO_CONFIG_S_DRIVER_OK ? DRIVER_OK : STATUS);
	hw.status = status & ~hw.refuses;
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
		errno = hw.class_error;
		*(uint32_t *)arg = hw.class;
		return hw.class_error == 0 ? 0 : -1;
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) |
			BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_RING_F_INDIRECT_DESC);
		break;
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = hw.backend_features;
		break;
	case VHOST_SET_BACKEND_FEATURES:
		hw.backend_agreed = *(uint64_t *)arg;
		break;
	case VHOST_SET_FEATURES:
		hw.features = *(uint64_t *)arg;
		break;
	case VHOST_VDPA_SUSPEND:
		note(SUSPEND);
		errno = hw.suspend_error;
		return hw.suspend_error == 0 ? 0 : -1;
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
	hw.fd = fd;
	ret = answer(request, arg);
	pthread_mutex_unlock(&hw.lock);
	return ret;
}

static void
hear_message(uint8_t version, const struct vhost_iotlb_msg *iotlb)
{
	static const char letters[] = {
		[VHOST_IOTLB_UPDATE] = MAP,
		[VHOST_IOTLB_INVALIDATE] = UNMAP,
		[VHOST_IOTLB_BATCH_BEGIN] = BEGIN,
		[VHOST_IOTLB_BATCH_END] = END,
	};

	assert_true(iotlb->type < RTE_DIM(letters) && letters[iotlb->type] != 0);
	hw.message_version = version;
	note(letters[iotlb->type]);
}

ssize_t
__wrap_write(int fd, const void *buf, size_t len)
{
	const struct vhost_msg_v2 *v2 = buf;
	const struct vhost_msg *v1 = buf;

	pthread_mutex_lock(&hw.lock);
	if (fd == hw.fd && len == sizeof(*v2) && v2->type == VHOST_IOTLB_MSG_V2)
		hear_message(2, &v2->iotlb);
	else if (fd == hw.fd && len == sizeof(*v1) && v1->type == VHOST_IOTLB_MSG)
		hear_message(1, &v1->iotlb);
	pthread_mutex_unlock(&hw.lock);
	return __real_write(fd, buf, len);
}

/* A sound device, about which nothing was said yet. */
static void
new_device(uint64_t backend_features)
{
	pthread_mutex_lock(&hw.lock);
	hw.class = VIRTIO_ID_NET;
	hw.backend_features = backend_features;
	hw.backend_agreed = 0;
	hw.refuses = 0;
	hw.class_error = 0;
	hw.suspend_error = 0;
	hw.message_version = 0;
	hw.n_heard = 0;
	memset(hw.heard, 0, sizeof(hw.heard));
	hw.config.status = VIRTIO_NET_S_LINK_UP;
	pthread_mutex_unlock(&hw.lock);
}

/* What was heard from now on is told by heard(). */
static void
forget(void)
{
	pthread_mutex_lock(&hw.lock);
	hw.n_heard = 0;
	memset(hw.heard, 0, sizeof(hw.heard));
	pthread_mutex_unlock(&hw.lock);
}

static const char *
heard(void)
{
	static char copy[sizeof(hw.heard)];

	pthread_mutex_lock(&hw.lock);
	memcpy(copy, hw.heard, sizeof(copy));
	pthread_mutex_unlock(&hw.lock);
	return copy;
}

/* --- what the driver says of it --- */

static char *log_text;
static size_t log_size;
static FILE *log_stream;

static void
log_start(void)
{
	log_stream = open_memstream(&log_text, &log_size);
	assert_non_null(log_stream);
	rte_openlog_stream(log_stream);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_ERR);
}

/* The line, as often as it may be, and no other. */
static void
assert_logged(const char *line)
{
	const char *at;

	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_EMERG);
	rte_openlog_stream(NULL);
	fclose(log_stream);
	for (at = log_text; strncmp(at, line, strlen(line)) == 0; at += strlen(line))
		;
	if (at == log_text || *at != '\0')
		fail_msg("expected '%s', got '%s'", line, log_text);
	free(log_text);
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
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
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

static void
a_device_of_another_class_is_refused(void **state)
{
	static const uint32_t classes[] = { VIRTIO_ID_BLOCK, VIRTIO_ID_CRYPTO, 0, UINT32_MAX };
	const unsigned int fds = unit_open_fds();
	char line[128];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(classes); i++) {
		new_device(0);
		hw.class = classes[i];
		log_start();
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), -ENOTSUP);
		snprintf(line, sizeof(line),
			"net_virtio_user0: " DEVICE
			" is a virtio device of type %u, and not a network device (1)\n",
			classes[i]);
		assert_logged(line);
		/* It was asked, and nothing else. */
		assert_string_equal(heard(), "");
	}
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_device_file_that_is_none_of_vhost_vdpa_is_refused(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	new_device(0);
	hw.class_error = ENOTTY;
	log_start();
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), -ENOTSUP);
	assert_logged("net_virtio_user0: " DEVICE
		      " is no vhost-vdpa device: Inappropriate ioctl for device\n");
	assert_string_equal(heard(), "");
	assert_int_equal(unit_open_fds(), fds);
}

/* It says so by a status without the bit that was set. */
static void
a_device_that_refuses_the_features_is_not_started(void **state)
{
	const unsigned int fds = unit_open_fds();
	char line[128];

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	hw.refuses = VIRTIO_CONFIG_S_FEATURES_OK;
	forget();
	log_start();
	assert_int_equal(start(1, 0), -EREMOTEIO);
	assert_true(hw.features & BIT(VIRTIO_F_VERSION_1));
	snprintf(line, sizeof(line), "net_virtio_user0: " DEVICE " refuses features %#lx\n",
		(unsigned long)hw.features);
	assert_logged(line);
	/* It was given none of our memory, and not told to begin. */
	assert_null(strchr(heard(), MAP));
	assert_null(strchr(heard(), DRIVER_OK));
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_device_that_fails_while_it_starts_is_told_of(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	hw.refuses = VIRTIO_CONFIG_S_DRIVER_OK;
	log_start();
	assert_int_equal(start(1, 0), -EREMOTEIO);
	assert_logged("net_virtio_user0: " DEVICE " has status 0xb where 0xf was set\n");
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

/* Ranges are mapped one by one, or between the two ends of a batch: where the kernel has those. */
static void
memory_is_mapped_in_batches_where_the_kernel_takes_them(void **state)
{
	const uint64_t v2 = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	const uint64_t batch = BIT(VHOST_BACKEND_F_IOTLB_BATCH);
	const struct {
		uint64_t has;
		const char *pattern; /* of what is heard of memory; '+' is one or more */
		uint8_t version;
	} cases[] = {
		{ 0, "+", 1 },
		{ v2, "+", 2 },
		{ batch, "(+)", 1 },
		{ v2 | batch, "(+)", 2 },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		const char *at, *want = cases[i].pattern;

		/* What nobody knows here is not agreed on, whatever the kernel has. */
		new_device(cases[i].has | BIT(63));
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(hw.backend_agreed, cases[i].has);
		forget();
		assert_int_equal(start(1, 0), 0);
		/* From the features on, until it runs. */
		for (at = heard(); *at == STATUS; at++)
			;
		for (; *want != '\0'; want++) {
			assert_int_equal(*at, *want);
			for (at++; *want == MAP && *at == MAP; at++)
				;
		}
		assert_int_equal(*at, DRIVER_OK);
		assert_int_equal(hw.message_version, cases[i].version);
		forget();
		assert_int_equal(rte_eth_dev_stop(port()), 0);
		/* The reset comes first: a device that runs has all of its memory. */
		at = heard();
		assert_int_equal(*at++, RESET);
		if (cases[i].has & batch) {
			assert_int_equal(at[0], BEGIN);
			assert_int_equal(at[strlen(at) - 1], END);
			at++;
		}
		assert_true(strspn(at, "-") > 0);
		remove_port();
	}
}

/* Once, before the reset, and whatever it answers: the reset is what counts. */
static void
a_device_is_suspended_before_its_reset_where_it_can_be(void **state)
{
	const uint64_t suspend = BIT(VHOST_BACKEND_F_SUSPEND);
	const struct {
		uint64_t has;
		int error;
		const char *begin;
	} cases[] = {
		{ 0, 0, "r" },
		{ suspend, 0, "Sr" },
		{ suspend, EOPNOTSUPP, "Sr" },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) | cases[i].has);
		hw.suspend_error = cases[i].error;
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(start(1, 0), 0);
		assert_null(strchr(heard(), SUSPEND));
		forget();
		assert_int_equal(rte_eth_dev_stop(port()), 0);
		assert_memory_equal(heard(), cases[i].begin, strlen(cases[i].begin));
		assert_null(strchr(heard() + 1, SUSPEND));
		remove_port();
	}
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
		cmocka_unit_test(a_device_of_another_class_is_refused),
		cmocka_unit_test(a_device_file_that_is_none_of_vhost_vdpa_is_refused),
		cmocka_unit_test(a_device_that_refuses_the_features_is_not_started),
		cmocka_unit_test(a_device_that_fails_while_it_starts_is_told_of),
		cmocka_unit_test(memory_is_mapped_in_batches_where_the_kernel_takes_them),
		cmocka_unit_test(a_device_is_suspended_before_its_reset_where_it_can_be),
		cmocka_unit_test(a_device_that_did_not_answer_is_not_asked_again),
		cmocka_unit_test(a_device_that_takes_too_long_with_all_commands_is_left),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}
