/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "user.h"
#include "vhost_ioctl.h"

/* An error of the kernel's own that leaves it all the same, and has no name out here. */
#define KERNEL_ENOTSUPP 524

int
vhost_open(const struct virtio_user *u)
{
	static const struct {
		int error;
		const char *remedy;
	} remedies[] = {
		{ EACCES,
			": let this user read and write it (chown, an udev rule, or the "
			"container's --device and --group-add)" },
		{ EPERM, ": the container's device rules do not allow it (--device)" },
		{ ENXIO, ": its device is gone" },
		{ EMFILE, VIRTIO_EMFILE_REMEDY },
		{ ENODEV, ": its module is not loaded (modprobe)" },
		{ KERNEL_ENOTSUPP,
			": there is no IOMMU for it (intel_iommu=on on the kernel's command line, and "
			"VT-d or AMD-Vi in the firmware)" },
	};
	int fd = open(u->args.path, O_RDWR | O_CLOEXEC);
	const char *remedy = "";

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == EBUSY)
		return -EAGAIN;
	for (unsigned int i = 0; i < RTE_DIM(remedies); i++)
		if (remedies[i].error == errno)
			remedy = remedies[i].remedy;
	fd = -errno;
	VIRTIO_LOG(ERR, "%s: cannot open %s: %s%s", u->dev.name, u->args.path, strerror(-fd),
		remedy);
	return fd;
}

const char *
vhost_absent(const struct virtio_user *u)
{
	return access(u->args.path, F_OK) == 0 ?
		"another program has it open" :
		"it does not exist: load its module, or make the device with 'vdpa dev add'";
}

int
vhost_call(const struct virtio_user *u, int fd, unsigned long request, const char *name, void *arg)
{
	int error;

	if (ioctl(fd, request, arg) >= 0)
		return 0;
	error = errno;
	VIRTIO_LOG(ERR, "%s: %s on %s: %s", u->dev.name, name, u->args.path, strerror(error));
	return -error;
}

int
vhost_own(struct virtio_user *u, int fd)
{
	int ret = VHOST_CALL(u, fd, VHOST_SET_OWNER, NULL);

	if (ret == 0)
		ret = VHOST_CALL(u, fd, VHOST_GET_FEATURES, &u->backend_features);
	return ret;
}

struct vhost_ring
vhost_ring_of(const struct virtio_queue *q)
{
	return (struct vhost_ring){
		.index = q->index,
		.size = q->size,
		.descriptors = (uintptr_t)q->desc,
		.driver = (uintptr_t)q->avail,
		.device = (uintptr_t)q->used,
		.kickfd = q->kickfd,
		.callfd = q->callfd,
	};
}

int
vhost_setup_ring(const struct virtio_user *u, int fd, const struct vhost_ring *ring)
{
	struct vhost_vring_state num = { .index = ring->index, .num = ring->size };
	struct vhost_vring_state base = { .index = ring->index };
	struct vhost_vring_file call = { .index = ring->index, .fd = ring->callfd };
	struct vhost_vring_file kick = { .index = ring->index, .fd = ring->kickfd };
	struct vhost_vring_addr addr = {
		.index = ring->index,
		.desc_user_addr = ring->descriptors,
		.avail_user_addr = ring->driver,
		.used_user_addr = ring->device,
	};
	int ret;

	ret = VHOST_CALL(u, fd, VHOST_SET_VRING_NUM, &num);
	/* A packed ring begins in its first lap, which kernels before 6.4 had no words for: there
	 * the reset that went before is what sets it. */
	if (ret == 0 && virtio_has(&u->dev, VIRTIO_F_RING_PACKED)) {
		base.num = 1u << 15 | 1u << 31;
		(void)ioctl(fd, VHOST_SET_VRING_BASE, &base);
	} else if (ret == 0) {
		ret = VHOST_CALL(u, fd, VHOST_SET_VRING_BASE, &base);
	}
	if (ret == 0)
		ret = VHOST_CALL(u, fd, VHOST_SET_VRING_ADDR, &addr);
	if (ret == 0)
		ret = VHOST_CALL(u, fd, VHOST_SET_VRING_CALL, &call);
	if (ret == 0)
		ret = VHOST_CALL(u, fd, VHOST_SET_VRING_KICK, &kick);
	return ret;
}
