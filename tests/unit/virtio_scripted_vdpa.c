/* SPDX-License-Identifier: BSD-3-Clause */

#include "virtio_scripted_vdpa.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "control_ring.h"
#include "transport.h"
#include "vhost_ioctl.h"

#define VHOST_REQUESTS 0xaf

int __real_getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit);
int __wrap_getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

struct scripted_vdpa hw = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = -1 };

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
	hw.old_status = hw.status;
	hw.status = status & ~hw.refuses;
	/* As VDUSE has it: with a reset, whoever was told of changes is forgotten. */
	if (status == 0)
		hw.told = -1;
}

static int
result(int error)
{
	errno = error;
	return error == 0 ? 0 : -1;
}

/* What status the device has while it may be at its reset. */
static uint8_t
get_status(void)
{
	if (hw.status == 0 && hw.lingers > 0 && hw.old_status != 0) {
		hw.lingers--;
		return hw.old_status;
	}
	if (hw.status == 0 && hw.old_status != 0)
		note(IS_RESET);
	hw.old_status = 0;
	return hw.status;
}

/* Questions and orders that are about a queue. */
static int
answer_for_queue(unsigned long request, struct vhost_vring_state *vring)
{
	switch (request) {
	case VHOST_VDPA_GET_VRING_SIZE:
		if (hw.sizes == NULL)
			return result(ENOTTY);
		vring->num = hw.sizes[vring->index];
		break;
	case VHOST_VDPA_GET_VRING_GROUP:
		vring->num = vring->index == 2 ? hw.control_group : 0;
		break;
	case VHOST_VDPA_SET_GROUP_ASID:
		return result(hw.asid_error);
	case VHOST_SET_VRING_NUM:
		if (vring->index < RTE_DIM(hw.num))
			hw.num[vring->index] = *vring;
		break;
	default:
		break;
	}
	return 0;
}

static int
answer(unsigned long request, void *arg)
{
	struct vhost_vdpa_config *config = arg;

	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID:
		*(uint32_t *)arg = hw.class;
		return result(hw.class_error);
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = hw.offers;
		break;
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = hw.backend_features;
		break;
	case VHOST_SET_BACKEND_FEATURES:
		hw.backend_agreed = *(uint64_t *)arg;
		break;
	case VHOST_SET_FEATURES:
		hw.features = *(uint64_t *)arg;
		return result(hw.features_error);
	case VHOST_VDPA_SUSPEND:
		note(SUSPEND);
		return result(hw.suspend_error);
	case VHOST_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = hw.entries;
		break;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = get_status();
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
		return result(ENOTTY);
	case VHOST_VDPA_GET_VQS_COUNT:
		*(uint32_t *)arg = hw.queues;
		return result(hw.queues == 0 ? ENOTTY : 0);
	case VHOST_VDPA_GET_AS_NUM:
		*(unsigned int *)arg = hw.spaces;
		return result(hw.spaces == 0 ? ENOTTY : 0);
	default:
		return answer_for_queue(request, arg);
	}
	return 0;
}

/* Memory may be locked without limit. */
int
__wrap_getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit)
{
	if (resource != RLIMIT_MEMLOCK)
		return __real_getrlimit64(resource, limit);
	limit->rlim_cur = RLIM64_INFINITY;
	return 0;
}

int
__wrap_open64(const char *path, int flags, ...)
{
	if (hw.open_error != 0 && strcmp(path, DEVICE) == 0)
		return result(hw.open_error);
	return __real_open64(path, flags, 0600);
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

static int
hear_message(uint8_t version, uint32_t asid, const struct vhost_iotlb_msg *iotlb)
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
	if (iotlb->type != VHOST_IOTLB_UPDATE)
		return 0;
	if (iotlb->size == VIRTIO_CONTROL_RING_BYTES)
		hw.control_asid = asid;
	else
		assert_int_equal(asid, 0);
	return result(hw.map_error);
}

ssize_t
__wrap_write(int fd, const void *buf, size_t len)
{
	const struct vhost_msg_v2 *v2 = buf;
	const struct vhost_msg *v1 = buf;
	int ret = 0;

	pthread_mutex_lock(&hw.lock);
	if (fd == hw.fd && len == sizeof(*v2) && v2->type == VHOST_IOTLB_MSG_V2)
		ret = hear_message(2, v2->asid, &v2->iotlb);
	else if (fd == hw.fd && len == sizeof(*v1) && v1->type == VHOST_IOTLB_MSG)
		ret = hear_message(1, 0, &v1->iotlb);
	pthread_mutex_unlock(&hw.lock);
	return ret < 0 ? ret : __real_write(fd, buf, len);
}

void
new_device(uint64_t backend_features)
{
	pthread_mutex_lock(&hw.lock);
	hw.class = VIRTIO_ID_NET;
	hw.backend_features = backend_features;
	hw.backend_agreed = 0;
	hw.offers = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
		VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	hw.features_error = 0;
	hw.open_error = 0;
	hw.map_error = 0;
	hw.lingers = 0;
	hw.entries = 256;
	hw.sizes = NULL;
	hw.queues = 0;
	hw.spaces = 0;
	hw.control_group = 0;
	hw.asid_error = 0;
	hw.refuses = 0;
	hw.class_error = 0;
	hw.suspend_error = 0;
	hw.message_version = 0;
	memset(&hw.config, 0, sizeof(hw.config));
	hw.n_heard = 0;
	memset(hw.heard, 0, sizeof(hw.heard));
	hw.config.status = VIRTIO_NET_S_LINK_UP;
	pthread_mutex_unlock(&hw.lock);
}

void
forget(void)
{
	pthread_mutex_lock(&hw.lock);
	hw.n_heard = 0;
	memset(hw.heard, 0, sizeof(hw.heard));
	pthread_mutex_unlock(&hw.lock);
}

const char *
heard(void)
{
	static char copy[sizeof(hw.heard)];

	pthread_mutex_lock(&hw.lock);
	memcpy(copy, hw.heard, sizeof(copy));
	pthread_mutex_unlock(&hw.lock);
	return copy;
}

bool
set_link(bool up)
{
	bool told;

	pthread_mutex_lock(&hw.lock);
	hw.config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	told = hw.told >= 0 && eventfd_write(hw.told, 1) == 0;
	pthread_mutex_unlock(&hw.lock);
	return told;
}
