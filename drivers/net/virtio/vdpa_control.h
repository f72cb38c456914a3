/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The control queue of a vhost-vdpa device. Its commands reach virtio-user first; what the device
 * has to know is relayed on the device's own control queue, and remembered, so that a device that
 * was reset or has come back is told again: filters here, queue pairs and RSS by the port itself.
 *
 * A device that can keeps the control queue in an address space of its own: then it has no way to
 * reach, with a command's answer, what only frames may be written to.
 */

#ifndef VIRTIO_VDPA_CONTROL_H
#define VIRTIO_VDPA_CONTROL_H

#include "control_ring.h"
#include "vdpa_iova.h"

#define VDPA_SHADOWS 4
#define VDPA_VLANS 4096

/** The last command of its kind; data is NULL if there was none. */
struct vdpa_shadow {
	uint32_t len;
	void *data;
};

struct vdpa_control {
	struct virtio_control_ring ring;
	void *mem;
	uint64_t iova;
	uint32_t asid;
	uint32_t index;
	int kickfd;
	bool mapped;
	bool ready; /**< the device has the ring, and runs */

	struct vdpa_shadow shadow[VDPA_SHADOWS];
	uint64_t vlans[VDPA_VLANS / 64];
};

int vdpa_control_open(const struct virtio_user *u, struct vdpa_control *c);
void vdpa_control_close(struct vdpa_control *c);

/** Give the device its control queue, which has number @a index. It does not run yet. */
int vdpa_control_setup(const struct virtio_user *u, struct vdpa_control *c,
	const struct vdpa_iova *v, uint32_t index, uint16_t size_max);

/** The device was reset. */
void vdpa_control_reset(struct vdpa_control *c, const struct vdpa_iova *v);

/**
 * Carry out a command, now or as soon as there is a device to do it.
 * @return 0; -EIO it refused; -ETIMEDOUT or -EPROTO it is out of its mind; after a line in the log
 */
int vdpa_control_command(const struct virtio_user *u, struct vdpa_control *c, uint8_t class,
	uint8_t cmd, const void *data, uint32_t len);

/**
 * Tell a device that runs again all that it was told before and can still be told. How many queues
 * are in use, and how frames are spread over them, it must have been told already.
 */
int vdpa_control_restore(const struct virtio_user *u, struct vdpa_control *c);

#endif /* VIRTIO_VDPA_CONTROL_H */
