/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "budget.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of the in-flight region: memory that is made here, and kept by the front end for the next
 * back end.
 */

/* A device has one region: the next one takes its place, while no ring uses it. */
static void
replace_region(struct vhost_device *dev, const struct vhost_inflight_region *region)
{
	const struct vhost_inflight_region old = dev->inflight;

	vhost_device_suspend(dev);
	vhost_device_lock(dev);
	dev->inflight = *region;
	vhost_device_unlock(dev);
	vhost_device_resume(dev);
	vhost_memory_unmap(old.map.addr, old.map.len);
}

/* Bytes of the region that a message describes, or -EPROTO. */
static int64_t
region_size(struct vhost_device *dev, const struct vhost_user_inflight *inflight)
{
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);

	if (inflight->num_queues == 0 || inflight->num_queues > dev->max_queues ||
		inflight->queue_size == 0 || inflight->queue_size > VHOST_VRING_SIZE_MAX)
		return vhost_device_error(dev, -EPROTO,
			"in-flight region of %u rings with %u entries: 1 to %u with 1 to %u are "
			"possible",
			inflight->num_queues, inflight->queue_size, dev->max_queues,
			VHOST_VRING_SIZE_MAX);
	return (int64_t)(inflight->num_queues * vhost_inflight_size(packed, inflight->queue_size));
}

static int
map_region(struct vhost_device *dev, int fd, const struct vhost_user_inflight *inflight,
	struct vhost_inflight_region *region)
{
	int ret = vhost_budget_inflight(dev, inflight->mmap_size);

	if (ret == 0)
		ret = vhost_budget_map(dev, inflight->mmap_size, dev->inflight.map.len);
	if (ret != 0)
		return ret;
	ret = vhost_memory_map(fd, inflight->mmap_offset, inflight->mmap_size, &region->map);
	if (ret != 0)
		return vhost_device_error(dev, ret == -EINVAL ? -EPROTO : ret,
			"cannot map the in-flight region of %" PRIu64 " bytes at %" PRIu64 ": %s",
			inflight->mmap_size, inflight->mmap_offset,
			vhost_memory_error(ret, "it is empty, or larger than its file"));
	if ((uintptr_t)region->map.at % sizeof(uint64_t) != 0) {
		vhost_memory_unmap(region->map.addr, region->map.len);
		return vhost_device_error(dev, -EPROTO,
			"in-flight region at %" PRIu64 " of its file is not aligned",
			inflight->mmap_offset);
	}
	region->size = inflight->mmap_size;
	region->queues = inflight->num_queues;
	region->queue_size = inflight->queue_size;
	return 0;
}

/* The front end gets the memory, the device has it mapped; there is no third reference to it. */
int
vhost_user_get_inflight_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	struct vhost_user_inflight inflight = msg->payload.inflight;
	const int64_t size = region_size(dev, &inflight);
	struct vhost_inflight_region region;
	int fd, ret;

	(void)q;
	if (size < 0)
		return (int)size;
	fd = memfd_create("vhost-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return vhost_device_error(dev, -errno, "no memory for the in-flight region: %s",
			strerror(errno));
	if (ftruncate(fd, size) != 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		ret = vhost_device_error(dev, -errno, "no memory for the in-flight region: %s",
			strerror(errno));
		goto close;
	}
	inflight.mmap_size = (uint64_t)size;
	inflight.mmap_offset = 0;
	ret = map_region(dev, fd, &inflight, &region);
	if (ret != 0)
		goto close;
	replace_region(dev, &region);
	msg->payload.inflight = inflight;
	msg->fds[0] = fd;
	msg->nfds = 1;
	return VHOST_USER_REPLY;

close:
	close(fd);
	return ret;
}

int
vhost_user_set_inflight_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_inflight inflight = msg->payload.inflight;
	const int64_t size = region_size(dev, &inflight);
	struct vhost_inflight_region region;
	int ret;

	(void)q;
	if (size < 0)
		return (int)size;
	if (inflight.mmap_size < (uint64_t)size)
		return vhost_device_error(dev, -EPROTO,
			"in-flight region of %" PRIu64
			" bytes, %u rings of %u entries need %" PRId64,
			inflight.mmap_size, inflight.num_queues, inflight.queue_size, size);
	ret = map_region(dev, msg->fds[0], &inflight, &region);
	if (ret == 0)
		replace_region(dev, &region);
	return ret;
}
