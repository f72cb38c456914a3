/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The front end and a hostile back end, beside its rings: one behind a vhost-user socket that says what
 * the input has, or a device of the kernel's vDPA bus whose answers to ioctls, whose configuration and
 * whose control queue are the input's. Time is the target's: waiting costs nothing.
 *
 * Besides what the sanitizers find: nobody is waited for longer than was promised, and no descriptor
 * is lost.
 */

#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_ids.h>

#include <rte_eal_memconfig.h>

#include "clock.h"
#include "control_device.h"
#include "transport.h"
#include "user.h"
#include "vhost_ioctl.h"
#include "vhost_user_wire.h"

#define QUEUE_SIZE 64
#define CONFIG_BYTES 64
#define QUEUES 2

/* A device file that can be mapped, and takes all that is written to it. */
#define DEVICE "/dev/zero"

/* What one step may wait for: several commands to a device that answers each in the last moment. */
#define PATIENCE_US (8 * UINT64_C(6000000))

static struct fuzz_input *input;
static int listener;
static struct virtio_user *user;
static struct virtio_queue *queues[QUEUES];

/* --- a device of the kernel's --- */

int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

static uint8_t kernel_status;

/* A byte of the input from this one on is a failure. */
#define FAILS 0xf0

static bool
fails(void)
{
	static const int errors[] = { EINVAL, EFAULT, ENODEV, EOPNOTSUPP, ENOTTY, ENOMEM, EPERM,
		EBUSY };
	const uint8_t how = fuzz_u8(input);

	if (how < FAILS)
		return false;
	errno = errors[how % RTE_DIM(errors)];
	return true;
}

static void
tell_config(struct vhost_vdpa_config *config)
{
	fuzz_check(config->len <= sizeof(struct virtio_net_config));
	fuzz_bytes(input, config->buf, config->len);
}

static void
answer_request(unsigned long request, void *arg)
{
	struct vhost_vring_state *vring = arg;
	struct vhost_vdpa_iova_range *range = arg;

	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID:
		*(uint32_t *)arg = fuzz_u8(input) < FAILS ? VIRTIO_ID_NET : VIRTIO_ID_BLOCK;
		break;
	case VHOST_GET_FEATURES:
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = fuzz_u64(input);
		break;
	case VHOST_VDPA_GET_IOVA_RANGE:
		range->first = fuzz_u8(input) < FAILS ? 0 : fuzz_u64(input);
		range->last = fuzz_u8(input) < FAILS ? UINT64_MAX : fuzz_u64(input);
		break;
	case VHOST_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = fuzz_u8(input) < FAILS ? QUEUE_SIZE : fuzz_u16(input);
		break;
	case VHOST_VDPA_GET_VRING_SIZE:
		vring->num = fuzz_u8(input) < FAILS ? QUEUE_SIZE : fuzz_u32(input);
		break;
	case VHOST_VDPA_GET_VQS_COUNT:
		*(uint32_t *)arg = fuzz_u8(input);
		break;
	case VHOST_VDPA_GET_CONFIG:
		tell_config(arg);
		break;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = fuzz_u8(input) < FAILS ? kernel_status : fuzz_u8(input);
		break;
	case VHOST_VDPA_SET_STATUS:
		kernel_status = *(uint8_t *)arg;
		break;
	case VHOST_VDPA_GET_AS_NUM:
		*(unsigned int *)arg = fuzz_u8(input);
		break;
	case VHOST_VDPA_GET_VRING_GROUP:
		vring->num = fuzz_u8(input);
		break;
	default:
		break;
	}
}

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	fuzz_check(fd >= 0);
	if (fails())
		return -1;
	answer_request(request, arg);
	return 0;
}

ssize_t __real_write(int fd, const void *buf, size_t len);

/* Messages about memory go to the device; what else is written is somebody else's. */
ssize_t
__wrap_write(int fd, const void *buf, size_t len)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || len != sizeof(struct vhost_msg_v2))
		return __real_write(fd, buf, len);
	return fails() ? -1 : (ssize_t)len;
}

/* --- a peer behind a socket --- */

/* What it has to say next, perhaps with a descriptor that nobody asked for. */
static void
say(int peer)
{
	struct vhost_user_message msg = { 0 };
	const uint8_t how = fuzz_u8(input);

	msg.header.request = fuzz_u8(input);
	msg.header.flags = how & 1 ? fuzz_u32(input) : VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	msg.header.size = how & 2 ? fuzz_u16(input) % sizeof(msg.payload) : sizeof(uint64_t);
	fuzz_bytes(input, &msg.payload, RTE_MIN(msg.header.size, 64u));
	if (how & 4) {
		msg.fds[0] = peer;
		msg.nfds = 1;
	}
	if (how & 8)
		fuzz_check(send(peer, &msg, fuzz_u8(input), MSG_DONTWAIT | MSG_NOSIGNAL) <= 256);
	else
		vhost_user_send(peer, &msg);
}

/* One that does not read has who writes to it wait, for a bounded time but a real one. */
static void
hear(int peer)
{
	char words[4096];

	while (recv(peer, words, sizeof(words), MSG_DONTWAIT) > 0)
		;
}

static void
say_some(int peer)
{
	for (uint8_t n = peer < 0 ? 0 : fuzz_u8(input) % 8; n > 0; n--)
		say(peer);
}

/* --- what is asked of either --- */

static int
share_memory(void)
{
	int ret;

	rte_mcfg_mem_read_lock();
	ret = user->backend->share_memory(user, NULL);
	rte_mcfg_mem_read_unlock();
	return ret;
}

static int
greet(void)
{
	const int ret = user->backend->greet(user);

	fuzz_check(ret < 0 || (user->backend_pairs > 0 && user->backend_pairs <= VIRTIO_PAIRS_MAX));
	/* Who is not understood is left, whatever the reason. */
	return ret < 0 ? -EPROTO : 0;
}

static int
set_features(void)
{
	user->dev.features = fuzz_u64(input) & user->backend_features;
	return user->backend->set_features(user, user->dev.features);
}

static int
set_status(void)
{
	static const uint8_t usual[] = { 0, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
			VIRTIO_CONFIG_S_DRIVER_OK };
	int ret;

	rte_mcfg_mem_read_lock();
	ret = user->backend->set_status(user, usual[fuzz_u8(input) % RTE_DIM(usual)]);
	rte_mcfg_mem_read_unlock();
	return ret;
}

static int
read_config(void)
{
	uint8_t config[CONFIG_BYTES];

	return user->backend->read_config(user, 0, config, fuzz_u8(input) % (CONFIG_BYTES + 1));
}

/* Commands that the port gives, and others: all of them end, and one that is refused is no reason to. */
static int
control(void)
{
	static const uint8_t classes[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_MAC,
		VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_MQ,
		VIRTIO_NET_CTRL_GUEST_OFFLOADS, UINT8_MAX };
	static uint8_t bytes[VIRTIO_CONTROL_DATA_MAX + 1];
	const uint8_t class = classes[fuzz_u8(input) % RTE_DIM(classes)];
	const uint8_t cmd = fuzz_u8(input) % 4;
	const uint16_t len = fuzz_u16(input) % (sizeof(bytes) + 1);

	fuzz_bytes(input, bytes, RTE_MIN(len, 32u));
	virtio_user_control(user, class, cmd, bytes, len);
	return 0;
}

static int
restore(void)
{
	if (user->backend->restore != NULL)
		user->backend->restore(user);
	return 0;
}

static int
check(void)
{
	if (user->backend->check != NULL)
		user->backend->check(user);
	return 0;
}

static struct virtio_queue *
some_queue(void)
{
	return queues[fuzz_u8(input) % QUEUES];
}

static int
setup_ring(void)
{
	return user->backend->setup_ring(user, some_queue());
}

static int
stop_ring(void)
{
	return user->backend->stop_ring(user, some_queue());
}

static int
enable_ring(void)
{
	struct virtio_queue *q = some_queue();

	return user->backend->enable_ring(user, q, fuzz_u8(input) & 1);
}

static int
set_mtu(void)
{
	return user->backend->set_mtu(user, fuzz_u16(input));
}

static int
tell_mac(void)
{
	const struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, fuzz_u8(input) } };

	virtio_user_tell_mac(user, &mac);
	return 0;
}

static int
run_or_not(void)
{
	user->running = fuzz_u8(input) & 1;
	return 0;
}

/* So that seeds can have more answers than are asked for. */
static int
nothing(void)
{
	return 0;
}

static int
ask(uint8_t what)
{
	static int (*const steps[])(void) = {
		nothing,
		greet,
		set_features,
		share_memory,
		setup_ring,
		stop_ring,
		enable_ring,
		set_status,
		read_config,
		set_mtu,
		control,
		restore,
		run_or_not,
		check,
		tell_mac,
	};
	const int ret = steps[what % RTE_DIM(steps)]();

	return ret == -ENOTSUP ? 0 : ret;
}

static void
meet(bool by_socket)
{
	uint64_t before;
	uint8_t what = 1;
	int peer = -1, ret;

	kernel_status = 0;
	fuzz_check(user->backend->connect(user) == 0);
	if (by_socket) {
		peer = accept(listener, NULL, NULL);
		fuzz_check(peer >= 0);
	}
	do {
		before = fuzz_now_us;
		user->deadline_ms = (int64_t)(before / 1000) + VIRTIO_USER_PATIENCE_MS;
		say_some(peer);
		ret = ask(what);
		if (peer >= 0)
			hear(peer);
		fuzz_check(fuzz_now_us - before < PATIENCE_US);
		what = fuzz_u8(input);
	} while (ret == 0 && input->left > 0);
	user->running = false;
	user->backend->disconnect(user);
	if (peer >= 0)
		close(peer);
}

/* --- what is around them --- */

static void
no_doorbell(struct virtio_queue *q)
{
	fuzz_check(q->index < QUEUES);
}

static int
backend_config(struct virtio_device *dev, uint32_t offset, void *buf, uint32_t len)
{
	fuzz_check(dev == &user->dev);
	return user->backend->read_config(user, offset, buf, len);
}

static const struct virtio_transport_ops no_transport = {
	.name = "fuzz",
	.read_config = backend_config,
	.notify = no_doorbell,
};

static void
control_acts(void)
{
	control_device_act(input);
}

static void
remove_socket(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/fuzz-virtio-%d", getpid());
	unlink(path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)argc;
	(void)argv;
	fuzz_eal_init();
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/fuzz-virtio-%d", getpid());
	fuzz_check(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	fuzz_check(listen(listener, 4) == 0);
	for (uint16_t i = 0; i < QUEUES; i++) {
		queues[i] = aligned_alloc(64, sizeof(*queues[i]));
		fuzz_check(queues[i] != NULL);
	}
	fuzz_meanwhile = control_acts;
	return atexit(remove_socket);
}

static void
make_user(bool by_socket)
{
	user = calloc(1, sizeof(*user));
	fuzz_check(user != NULL);
	user->memory = calloc(1, sizeof(*user->memory));
	fuzz_check(user->memory != NULL);
	user->dev.name = "fuzz";
	user->dev.transport = &no_transport;
	user->dev.max_pairs = user->dev.pairs = QUEUES / 2;
	for (uint16_t i = 0; i < QUEUES; i++) {
		memset(queues[i], 0, sizeof(*queues[i]));
		queues[i]->index = i;
		queues[i]->dev = &user->dev;
		queues[i]->kickfd = queues[i]->callfd = listener;
		queues[i]->size = QUEUE_SIZE;
		user->dev.queues[i] = queues[i];
	}
	if (by_socket) {
		user->backend = &virtio_backend_vhost_user;
		snprintf(user->args.path, sizeof(user->args.path), "/tmp/fuzz-virtio-%d", getpid());
	} else {
		user->backend = &virtio_backend_vhost_vdpa;
		snprintf(user->args.path, sizeof(user->args.path), DEVICE);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { .at = bytes, .left = size };
	int before = dup(listener), after;
	bool by_socket;

	fuzz_check(before >= 0);
	close(before);
	input = &in;
	fuzz_now_us = 0;
	control_device_begin();
	by_socket = fuzz_u8(input) & 1;
	make_user(by_socket);
	fuzz_check(user->backend->open(user) == 0);
	/* A device may come back, another one than it was. */
	do
		meet(by_socket);
	while (input->left > 0);
	control_device_begin();
	user->backend->close(user);
	free(user->memory);
	free(user);
	/* The lowest descriptor that is free is the one that was. */
	after = dup(listener);
	close(after);
	fuzz_check(after == before);
	return 0;
}
