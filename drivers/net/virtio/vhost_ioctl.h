/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the kernel's vhost devices have in common: /dev/vhost-net and /dev/vhost-vdpa-N are spoken to
 * with the same ioctls. All return 0 or a negative errno after a line in the log, unless told
 * otherwise.
 */

#ifndef VIRTIO_VHOST_IOCTL_H
#define VIRTIO_VHOST_IOCTL_H

#include <stdint.h>

#include <linux/vhost.h>

/* Linux 6.11: entries that a virtqueue has at most; struct vhost_vring_state. */
#ifndef VHOST_VDPA_GET_VRING_SIZE
#define VHOST_VDPA_GET_VRING_SIZE _IOWR(VHOST_VIRTIO, 0x82, struct vhost_vring_state)
#endif

struct virtio_queue;
struct virtio_user;

/**
 * Open the device that the arguments name.
 * @return a descriptor; -EAGAIN, silently, if it is not there, or taken; or a negative errno
 */
int vhost_open(const struct virtio_user *u);

/** Why it was -EAGAIN. */
const char *vhost_absent(const struct virtio_user *u);

/** An ioctl whose argument lies in memory. Use VHOST_CALL(), which knows its name. */
int vhost_call(const struct virtio_user *u, int fd, unsigned long request, const char *name,
	void *arg);
#define VHOST_CALL(u, fd, request, arg) vhost_call(u, fd, request, #request, arg)

/** Become the owner, which everything else needs, and learn what the kernel offers. */
int vhost_own(struct virtio_user *u, int fd);

/** Where a ring lies, as the kernel finds it. */
struct vhost_ring {
	uint32_t index;
	uint16_t size;
	uint64_t descriptors;
	uint64_t driver;
	uint64_t device;
	int kickfd;
	int callfd; /**< -1 for none */
};

struct vhost_ring vhost_ring_of(const struct virtio_queue *q);

/** Hand over a ring in which nothing is available yet, but where it begins. */
int vhost_setup_ring(const struct virtio_user *u, int fd, const struct vhost_ring *ring);

#endif /* VIRTIO_VHOST_IOCTL_H */
