/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <rte_cycles.h>

#include "log.h"
#include "net_config.h"
#include "transport.h"
#include "user.h"
#include "vdpa_control.h"
#include "vdpa_iova.h"
#include "vhost_ioctl.h"

/* No event tells that a device is to be removed, and the kernel waits until we let go of it. */
#define LOOK_MS 1000

/* A device that was there and could not be used is not likely to be better a second later. */
#define RETRY_MAX_MS 60000

/* How long a device may take to reset itself. */
#define RESET_MS 1000

/*
 * The virtio specification asks for 4 bytes. But an entry that lies across two pages of an IOMMU is
 * written to a wrong place by emulated devices (QEMU, up to 7.2 at least); rings of up to 510
 * entries that begin with a page have none.
 */
#define RING_ALIGN 4096

#define BACKEND(name) (UINT64_C(1) << VHOST_BACKEND_F_##name)
#define BACKEND_FEATURES \
	(BACKEND(IOTLB_MSG_V2) | BACKEND(IOTLB_BATCH) | BACKEND(IOTLB_ASID) | BACKEND(SUSPEND))

/*
 * Addresses are those of an IOMMU: who does not say so is refused. That memory is as well ordered
 * for the device as for another processor is so where stores are not reordered.
 */
#define PLATFORM VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM)
#ifdef RTE_ARCH_X86
#define PLATFORM_FEATURES (PLATFORM | VIRTIO_FEATURE(VIRTIO_F_ORDER_PLATFORM))
#else
#define PLATFORM_FEATURES PLATFORM
#endif

struct vhost_vdpa {
	int fd;
	int configfd;   /* the device's configuration changed */
	char sysfs[64]; /* is there while the device is */
	uint64_t negotiated;
	uint16_t pairs; /* that the device has in all */
	uint16_t queue_size;
	uint16_t control_size;
	uint8_t status;
	bool bells_told;
	bool failed; /* to be let go of */
	struct vdpa_iova iova;
	struct vdpa_control control;
};

static struct vhost_vdpa *
state(const struct virtio_user *u)
{
	return u->backend_state;
}

/* It follows all pairs that the device has; without multi-queue, the only one. */
static uint32_t
control_index(const struct vhost_vdpa *v, uint64_t features)
{
	return 2u * (features & VIRTIO_NET_PAIRS_FEATURES ? v->pairs : 1);
}

static int
vdpa_open(struct virtio_user *u)
{
	struct vhost_vdpa *v = calloc(1, sizeof(*v));
	int ret;

	if (v == NULL)
		return -ENOMEM;
	v->fd = -1;
	v->configfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = vdpa_control_open(u, &v->control);
	if (ret == 0 && v->configfd >= 0) {
		u->backend_state = v;
		return 0;
	}
	if (ret == 0)
		vdpa_control_close(&v->control);
	if (v->configfd >= 0)
		close(v->configfd);
	free(v);
	return -ENOMEM;
}

static void
vdpa_close(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);

	vdpa_control_close(&v->control);
	close(v->configfd);
	free(v);
	u->backend_state = NULL;
}

static int
vdpa_connect(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	struct stat st;
	int fd = vhost_open(u);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
		VIRTIO_LOG(ERR, "%s: %s is not a device", u->dev.name, u->args.path);
		close(fd);
		return -ENOTSUP;
	}
	snprintf(v->sysfs, sizeof(v->sysfs), "/sys/dev/char/%u:%u", major(st.st_rdev),
		minor(st.st_rdev));
	/* Where there is no sysfs, nobody can tell. */
	if (access(v->sysfs, F_OK) < 0)
		v->sysfs[0] = '\0';
	v->fd = fd;
	v->status = 0;
	v->failed = false;
	v->bells_told = false;
	vdpa_iova_init(&v->iova);
	v->iova.fd = fd;
	return 0;
}

static void
vdpa_disconnect(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);

	if (v->fd < 0)
		return;
	/* Doorbells that are mapped keep the device open. */
	for (unsigned int i = 0; i < RTE_DIM(u->dev.queues); i++)
		if (u->dev.queues[i] != NULL)
			virtio_user_unmap_doorbell(u->dev.queues[i]);
	close(v->fd);
	v->fd = -1;
	vdpa_iova_release(&v->iova);
	v->control.mapped = false;
	v->control.ready = false;
}

static void
vdpa_give_up(struct virtio_user *u)
{
	state(u)->failed = true;
	eventfd_write(state(u)->configfd, 1);
}

static struct pollfd
vdpa_watch(const struct virtio_user *u)
{
	const struct vhost_vdpa *v = state(u);

	return (struct pollfd){ .fd = v->fd < 0 ? -1 : v->configfd, .events = POLLIN };
}

/* The argument of an ioctl that reads or writes a device's configuration. */
union config_arg {
	struct vhost_vdpa_config config;
	uint8_t bytes[sizeof(struct vhost_vdpa_config) + sizeof(struct virtio_net_config)];
};

static int
read_config(const struct virtio_user *u, uint32_t offset, void *buf, uint32_t len)
{
	union config_arg arg = { .config = { .off = offset, .len = len } };
	int ret;

	if (len > sizeof(struct virtio_net_config))
		return -EINVAL;
	ret = VHOST_CALL(u, state(u)->fd, VHOST_VDPA_GET_CONFIG, &arg);
	memcpy(buf, arg.config.buf, len);
	return ret;
}

#define READ_CONFIG(u, field, value) \
	read_config(u, offsetof(struct virtio_net_config, field), value, sizeof(*(value)))

static int
check_class(const struct virtio_user *u)
{
	uint32_t id;

	if (ioctl(state(u)->fd, VHOST_VDPA_GET_DEVICE_ID, &id) < 0) {
		VIRTIO_LOG(ERR, "%s: %s is no vhost-vdpa device: %s", u->dev.name, u->args.path,
			strerror(errno));
		return -ENOTSUP;
	}
	if (id == VIRTIO_ID_NET)
		return 0;
	VIRTIO_LOG(ERR, "%s: %s is a virtio device of type %u, and not a network device (%u)",
		u->dev.name, u->args.path, id, VIRTIO_ID_NET);
	return -ENOTSUP;
}

/* What the kernel can do with IOTLB messages; older ones do not even have the question. */
static int
agree_with_kernel(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	struct vhost_vdpa_iova_range range = { .first = 0, .last = UINT64_MAX };
	uint64_t features = 0;
	int ret = 0;

	if (ioctl(v->fd, VHOST_GET_BACKEND_FEATURES, &features) < 0)
		features = 0;
	features &= BACKEND_FEATURES;
	/* Address spaces are told in messages of the second kind. */
	if (!(features & BACKEND(IOTLB_MSG_V2)))
		features &= ~BACKEND(IOTLB_ASID);
	if (features != 0)
		ret = VHOST_CALL(u, v->fd, VHOST_SET_BACKEND_FEATURES, &features);
	if (ioctl(v->fd, VHOST_VDPA_GET_IOVA_RANGE, &range) < 0 && errno != ENOTTY)
		VIRTIO_LOG(WARNING, "%s: %s does not tell its range of addresses: %s", u->dev.name,
			u->args.path, strerror(errno));
	v->iova.features = features;
	v->iova.first = range.first;
	v->iova.last = range.last;
	VIRTIO_LOG(INFO, "%s: %s has addresses %#" PRIx64 "..%#" PRIx64 "%s%s%s%s", u->dev.name,
		u->args.path, v->iova.first, v->iova.last,
		features & BACKEND(IOTLB_MSG_V2) ? ", IOTLB v2" : "",
		features & BACKEND(IOTLB_BATCH) ? ", batches" : "",
		features & BACKEND(IOTLB_ASID) ? ", address spaces" : "",
		features & BACKEND(SUSPEND) ? ", suspend" : "");
	return ret;
}

static int
learn_pairs(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	uint32_t queues = UINT32_MAX;
	int ret = 0;

	v->pairs = 1;
	if (u->backend_features & VIRTIO_NET_PAIRS_FEATURES)
		ret = READ_CONFIG(u, max_virtqueue_pairs, &v->pairs);
	/* Since Linux 6.0. What a device claims may be more than its driver has taken on. */
	if (ret == 0 && ioctl(v->fd, VHOST_VDPA_GET_VQS_COUNT, &queues) == 0 &&
		queues / 2 < v->pairs)
		v->pairs = (uint16_t)(queues / 2);
	if (ret == 0 && v->pairs == 0) {
		VIRTIO_LOG(ERR, "%s: %s has no queues", u->dev.name, u->args.path);
		ret = -ENOTSUP;
	}
	u->backend_pairs = 1;
	if (u->backend_features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ))
		u->backend_pairs = RTE_MIN(v->pairs, VIRTIO_PAIRS_MAX);
	return ret;
}

/* Since Linux 6.11, a queue may say that it has fewer entries than queues of the device have at most. */
static uint16_t
limit_of(const struct vhost_vdpa *v, uint32_t index, uint16_t most)
{
	struct vhost_vring_state size = { .index = index };

	if (ioctl(v->fd, VHOST_VDPA_GET_VRING_SIZE, &size) == 0)
		most = (uint16_t)RTE_MIN(size.num, most);
	return (uint16_t)rte_align32prevpow2(most);
}

static int
learn_sizes(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	const uint16_t pairs = RTE_MIN(u->backend_pairs, u->args.queues);
	uint16_t most;
	int ret;

	ret = VHOST_CALL(u, v->fd, VHOST_VDPA_GET_VRING_NUM, &most);
	if (ret < 0)
		return ret;
	v->queue_size = most;
	for (uint32_t i = 0; i < 2u * pairs; i++)
		v->queue_size = limit_of(v, i, v->queue_size);
	v->control_size = limit_of(v, control_index(v, u->backend_features), most);
	if (v->queue_size < VIRTIO_QUEUE_SIZE_MIN) {
		VIRTIO_LOG(ERR, "%s: queues of %s have %u entries, which is too few", u->dev.name,
			u->args.path, v->queue_size);
		return -ENOTSUP;
	}
	u->backend_queue_size = v->queue_size;
	return 0;
}

static int
set_status(const struct virtio_user *u, uint8_t status)
{
	int ret = VHOST_CALL(u, state(u)->fd, VHOST_VDPA_SET_STATUS, &status);

	if (ret == 0)
		state(u)->status = status;
	return ret;
}

/* Until its status reads 0, a device may still be at work on what it was given. */
static int
await_reset(struct virtio_user *u)
{
	uint8_t now = 0;
	int ret = set_status(u, 0);

	for (unsigned int ms = 0; ret == 0 && ms < RESET_MS; ms++) {
		ret = VHOST_CALL(u, state(u)->fd, VHOST_VDPA_GET_STATUS, &now);
		if (ret < 0 || now == 0)
			return ret;
		rte_delay_us_sleep(1000);
	}
	if (ret == 0) {
		VIRTIO_LOG(ERR, "%s: %s did not reset itself within %u ms", u->dev.name,
			u->args.path, RESET_MS);
		ret = -ETIMEDOUT;
	}
	return ret;
}

/* Mappings do not survive a reset in every device, so they are made anew with each start. */
static int
reset(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	int ret = await_reset(u);

	vdpa_iova_clear(&v->iova);
	vdpa_control_reset(&v->control, &v->iova);
	return ret;
}

/* To be told of changes. There are devices (VDUSE) that forget whom to tell with each reset. */
static int
watch_config(const struct virtio_user *u)
{
	return VHOST_CALL(u, state(u)->fd, VHOST_VDPA_SET_CONFIG_CALL, &state(u)->configfd);
}

static int
vdpa_greet(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	int ret;

	u->link = true;
	ret = check_class(u);
	if (ret == 0)
		ret = vhost_own(u, v->fd);
	if (ret == 0)
		ret = agree_with_kernel(u);
	if (ret == 0)
		ret = await_reset(u);
	if (ret == 0)
		ret = learn_pairs(u);
	if (ret == 0)
		ret = learn_sizes(u);
	if (ret == 0)
		ret = watch_config(u);
	return ret;
}

/* There are devices that want more than they are asked for, such as packed rings only. */
static void
tell_refusal(const struct virtio_user *u, const char *how)
{
	const uint64_t features = state(u)->negotiated, rest = u->backend_features & ~features;

	VIRTIO_LOG(ERR, "%s: %s refuses features %#" PRIx64 ": %s; it has %#" PRIx64 " besides%s",
		u->dev.name, u->args.path, features, how, rest,
		rest & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) ?
			": it may take packed rings only (packed_vq=1)" :
			"");
}

static int
vdpa_set_features(struct virtio_user *u, uint64_t features)
{
	int error;

	features |= u->backend_features & PLATFORM_FEATURES;
	state(u)->negotiated = features;
	if (ioctl(state(u)->fd, VHOST_SET_FEATURES, &features) == 0)
		return 0;
	error = errno;
	tell_refusal(u, strerror(error));
	return -error;
}

static int
vdpa_share_memory(struct virtio_user *u, const struct virtio_backend_change *change)
{
	return vdpa_iova_update(u, &state(u)->iova, change);
}

static void
map_doorbell(struct virtio_user *u, struct virtio_queue *q)
{
	struct vhost_vdpa *v = state(u);
	const long page = sysconf(_SC_PAGESIZE);
	void *bell;

	if (q->doorbell == NULL) {
		bell = mmap(NULL, (size_t)page, PROT_WRITE, MAP_SHARED, v->fd, q->index * page);
		q->doorbell = bell == MAP_FAILED ? NULL : bell;
	}
	if (!v->bells_told)
		VIRTIO_LOG(NOTICE, "%s: doorbells of %s: %s", u->dev.name, u->args.path,
			q->doorbell != NULL ? "mapped" : "eventfds, as it has none to map");
	v->bells_told = true;
}

static int
vdpa_setup_ring(struct virtio_user *u, struct virtio_queue *q)
{
	struct vhost_vdpa *v = state(u);
	const struct vhost_ring ring = vhost_ring_of(q);
	struct vhost_vring_state enable = { .index = q->index, .num = 1 };
	int ret;

	if (q->size > v->queue_size) {
		VIRTIO_LOG(ERR, "%s: queue %u has %u entries, and %s takes %u: use queue_size=%u",
			u->dev.name, q->index, q->size, u->args.path, v->queue_size, v->queue_size);
		return -ENOTSUP;
	}
	ret = vhost_setup_ring(u, v->fd, &ring);
	/* All that is used is enabled before the device runs; later, there is the control queue. */
	if (ret == 0)
		ret = VHOST_CALL(u, v->fd, VHOST_VDPA_SET_VRING_ENABLE, &enable);
	if (ret == 0)
		map_doorbell(u, q);
	return ret;
}

static int
vdpa_stop_ring(struct virtio_user *u, const struct virtio_queue *q)
{
	/* Once for all rings: the device finishes what it has begun. The reset that follows ends it. */
	if (q->index == 0 && state(u)->iova.features & BACKEND(SUSPEND))
		(void)ioctl(state(u)->fd, VHOST_VDPA_SUSPEND);
	return 0;
}

static int
vdpa_enable_ring(struct virtio_user *u, const struct virtio_queue *q, bool enable)
{
	/* A device has no way to stop a single ring; the frames in it wait. */
	(void)u;
	(void)q;
	(void)enable;
	return 0;
}

static int
start_control(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);

	if (!(v->negotiated & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ)))
		return 0;
	return vdpa_control_setup(u, &v->control, &v->iova, control_index(v, v->negotiated),
		v->control_size);
}

/* The device has its say about each step of the handshake. */
static int
check_status(const struct virtio_user *u, uint8_t status)
{
	uint8_t now = 0;
	int ret = VHOST_CALL(u, state(u)->fd, VHOST_VDPA_GET_STATUS, &now);

	if (ret < 0 || now == status)
		return ret;
	if (status & ~now & VIRTIO_CONFIG_S_FEATURES_OK)
		tell_refusal(u, "FEATURES_OK was set, and is not");
	else
		VIRTIO_LOG(ERR, "%s: %s has status %#x where %#x was set", u->dev.name,
			u->args.path, now, status);
	return -EREMOTEIO;
}

static int
vdpa_command(struct virtio_user *u, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	return vdpa_control_command(u, &state(u)->control, class, cmd, data, len);
}

/* The device wants the network to learn where the port is now; it is told that this was done. */
static void
announce(struct virtio_user *u)
{
	virtio_device_announce(&u->dev);
	(void)vdpa_command(u, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0);
}

static void
watch_link(struct virtio_user *u)
{
	uint16_t status;

	if (!virtio_has(&u->dev, VIRTIO_NET_F_STATUS) || READ_CONFIG(u, status, &status) < 0)
		return;
	__atomic_store_n(&u->link, (status & VIRTIO_NET_S_LINK_UP) != 0, __ATOMIC_SEQ_CST);
	if (!virtio_has(&u->dev, VIRTIO_NET_F_GUEST_ANNOUNCE) || !(status & VIRTIO_NET_S_ANNOUNCE))
		return;
	if (u->running)
		announce(u);
	else
		/* Look again when frames can be sent. */
		eventfd_write(state(u)->configfd, 1);
}

static int
vdpa_set_status(struct virtio_user *u, uint8_t status)
{
	struct vhost_vdpa *v = state(u);
	int ret = 0;

	if (status == 0)
		return reset(u);
	/* A first word to a device that an earlier attempt left in some state. */
	if (v->status & ~status)
		ret = reset(u);
	if (ret == 0 && status & VIRTIO_CONFIG_S_DRIVER_OK)
		ret = watch_config(u);
	if (ret == 0 && status & VIRTIO_CONFIG_S_DRIVER_OK)
		ret = start_control(u);
	if (ret == 0)
		ret = set_status(u, status);
	if (ret == 0)
		ret = check_status(u, status);
	if (ret < 0 || !(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return ret;
	watch_link(u);
	/* What the kernel took to pin memory is not the device's, which has commands to come. */
	virtio_user_give_time(u);
	/* Buffers were made available while nobody looked. */
	for (uint16_t i = 0; i < 2 * u->dev.pairs; i++)
		u->dev.transport->notify(u->dev.queues[i]);
	return 0;
}

static int
vdpa_check(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);
	uint8_t status = 0;
	uint64_t events;

	if (v->failed)
		return -EIO;
	if (v->sysfs[0] != '\0' && access(v->sysfs, F_OK) < 0)
		return -ENODEV;
	if (read(v->configfd, &events, sizeof(events)) < 0)
		return 0;
	if (ioctl(v->fd, VHOST_VDPA_GET_STATUS, &status) < 0)
		return -errno;
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		VIRTIO_LOG(ERR, "%s: %s failed and asks for a reset", u->dev.name, u->args.path);
		return -EREMOTEIO;
	}
	virtio_net_config_learn_speed(&u->dev, u->backend_features);
	if (u->running)
		watch_link(u);
	return 0;
}

static int
vdpa_read_config(struct virtio_user *u, uint32_t offset, void *buf, uint32_t len)
{
	return read_config(u, offset, buf, len);
}

static int
vdpa_write_config(struct virtio_user *u, uint32_t offset, const void *buf, uint32_t len)
{
	union config_arg arg = { .config = { .off = offset, .len = len } };

	if (len > sizeof(struct virtio_net_config))
		return -EINVAL;
	memcpy(arg.config.buf, buf, len);
	return ioctl(state(u)->fd, VHOST_VDPA_SET_CONFIG, &arg) < 0 ? -ENOTSUP : 0;
}

static int
vdpa_set_mtu(struct virtio_user *u, uint16_t mtu)
{
	/* Virtio has no way to tell a device. */
	(void)u;
	(void)mtu;
	return -ENOTSUP;
}

static int
vdpa_restore(struct virtio_user *u)
{
	struct vhost_vdpa *v = state(u);

	return v->control.ready ? vdpa_control_restore(u, &v->control) : 0;
}

const struct virtio_backend_ops virtio_backend_vhost_vdpa = {
	.name = "vhost-vdpa",
	.look_ms = LOOK_MS,
	.retry_max_ms = RETRY_MAX_MS,
	.split_sizes = true,
	.ring_align = RING_ALIGN,
	.absent = vhost_absent,
	.open = vdpa_open,
	.close = vdpa_close,
	.connect = vdpa_connect,
	.disconnect = vdpa_disconnect,
	.give_up = vdpa_give_up,
	.watch = vdpa_watch,
	.check = vdpa_check,
	.greet = vdpa_greet,
	.set_features = vdpa_set_features,
	.share_memory = vdpa_share_memory,
	.setup_ring = vdpa_setup_ring,
	.stop_ring = vdpa_stop_ring,
	.enable_ring = vdpa_enable_ring,
	.set_status = vdpa_set_status,
	.read_config = vdpa_read_config,
	.write_config = vdpa_write_config,
	.set_mtu = vdpa_set_mtu,
	.control = vdpa_command,
	.restore = vdpa_restore,
};
