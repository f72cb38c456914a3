/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "aside.h"
#include "device_queue.h"
#include "peer_fd.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of what concerns one ring.
 */

int
vhost_user_set_vring_num(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint32_t size = msg->payload.state.num;

	if (size == 0 || size > VHOST_VRING_SIZE_MAX)
		return vhost_device_error(dev, -EPROTO,
			"ring %u of %u entries: 1 to %d is possible", q->index, size,
			VHOST_VRING_SIZE_MAX);
	vhost_device_lock(dev);
	q->size = (uint16_t)size;
	q->placed = false;
	vhost_device_unlock(dev);
	return 0;
}

/*
 * A running ring stays where it is. Its addresses come again all the same when the logging of its
 * used ring is turned on or off.
 */
int
vhost_user_set_vring_addr(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_vring_addr addr = msg->payload.addr;
	const bool moved = !q->has_addr || addr.desc_user_addr != q->addr.desc_user_addr ||
		addr.avail_user_addr != q->addr.avail_user_addr ||
		addr.used_user_addr != q->addr.used_user_addr;

	if (q->live && moved)
		return vhost_device_error(dev, -EBUSY, "ring %u cannot move while it runs",
			q->index);
	/* A vDPA driver reads where the used ring is logged when it takes the ring up. */
	if (dev->vdpa != NULL && addr.log_guest_addr != q->addr.log_guest_addr)
		vhost_device_suspend_queue(dev, q);
	vhost_device_lock(dev);
	q->addr = addr;
	q->has_addr = true;
	q->placed = q->placed && !moved;
	q->scattered = false;
	if (q->placed) {
		vhost_vring_claim(&q->vring);
		/* Behind an IOMMU, the ring knows better. */
		if (!vhost_device_has_iommu(dev))
			q->vring.log_gpa = addr.log_guest_addr;
		vhost_vring_release(&q->vring);
	}
	vhost_device_unlock(dev);
	q->suspended = false;
	return 0;
}

/*
 * A stopped ring has no buffers in flight, so used entries go on where available ones do. Packed
 * rings: position and wrap counter of both come in one word; front ends are known to fill in only
 * the available half.
 */
int
vhost_user_set_vring_base(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint32_t base = msg->payload.state.num;

	if (!vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED) && base > UINT16_MAX)
		return vhost_device_error(dev, -EPROTO,
			"ring %u: position %u has more than 16 bits", q->index, base);
	vhost_device_lock(dev);
	q->avail_base = q->used_base = (uint16_t)base;
	vhost_device_unlock(dev);
	return 0;
}

/* Stop the ring and tell where it stopped. */
int
vhost_user_get_vring_base(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	/* After a reset, nobody but the ring knows what it was. */
	const bool packed = dev->has_features ?
		vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED) :
		(q->vring.flags & VHOST_VRING_PACKED) != 0;

	q->has_kick = false;
	/* A vDPA driver tells where its rings stopped when it closes the device. */
	if (dev->vdpa != NULL && q->live) {
		vhost_device_suspend(dev);
		vhost_device_resume(dev);
	}
	vhost_device_update(dev);
	vhost_device_lock(dev);
	vhost_aside_close(q->kickfd);
	q->kickfd = -1;
	/* A ring that was disabled has stopped before, and did not know that this would come. */
	vhost_queue_forget_inflight(dev, q);
	vhost_device_unlock(dev);

	msg->payload.state.index = q->index;
	msg->payload.state.num = packed ? (uint32_t)q->used_base << 16 | q->avail_base :
					  q->avail_base;
	msg->header.size = sizeof(msg->payload.state);
	return VHOST_USER_REPLY;
}

/* Give the place of an old descriptor to a new one. */
static void
replace_fd(struct vhost_device *dev, int *place, int fd)
{
	int old;

	vhost_device_lock(dev);
	old = *place;
	*place = fd;
	vhost_device_unlock(dev);
	vhost_aside_close(old);
}

/*
 * Take the descriptor of a notification. Rings write to it from the data path, and drivers watch it, so
 * it has to be an eventfd, which never blocks: a pipe could, or end the process with SIGPIPE.
 */
static int
take_notifier(struct vhost_device *dev, const struct vhost_queue *q, struct vhost_user_message *msg,
	int *fd)
{
	const int flags = msg->nfds > 0 ? fcntl(msg->fds[0], F_GETFL) : 0;

	*fd = -1;
	if (msg->nfds > 0 &&
		(flags < 0 || !vhost_peer_fd_is_eventfd(msg->fds[0]) ||
			fcntl(msg->fds[0], F_SETFL, flags | O_NONBLOCK) != 0))
		return vhost_device_error(dev, -EPROTO, "ring %u: the descriptor is no eventfd",
			q->index);
	*fd = vhost_user_take_fd(msg);
	return 0;
}

/* The kick is what starts a ring, so another one starts it anew. */
int
vhost_user_set_vring_kick(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	int fd, ret;

	ret = take_notifier(dev, q, msg, &fd);
	if (ret != 0)
		return ret;
	vhost_device_suspend_queue(dev, q);
	replace_fd(dev, &q->kickfd, fd);
	q->has_kick = true;
	q->suspended = false;
	/* An application with rings of its own may take this one up before it is answered. */
	return vhost_device_ready_queue(dev, q);
}

int
vhost_user_set_vring_call(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	/* An application with rings of its own has asked for the descriptor, and may keep it. */
	const bool tell = !dev->builtin_net && dev->vdpa == NULL;
	int fd, ret;

	ret = take_notifier(dev, q, msg, &fd);
	if (ret != 0)
		return ret;
	if (tell)
		vhost_device_tell_ring(dev, q, false);
	/* Software rings change over between two bursts, a vDPA driver takes the ring up again. */
	if (dev->vdpa != NULL)
		vhost_device_suspend_queue(dev, q);
	else
		vhost_vring_set_callfd(&q->vring, fd);
	replace_fd(dev, &q->callfd, fd);
	if (tell)
		vhost_device_tell_ring(dev, q, true);
	q->suspended = false;
	return 0;
}

int
vhost_user_set_vring_err(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	int fd, ret;

	ret = take_notifier(dev, q, msg, &fd);
	if (ret != 0)
		return ret;
	vhost_vring_set_errfd(&q->vring, fd);
	replace_fd(dev, &q->errfd, fd);
	return 0;
}

int
vhost_user_set_vring_enable(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint32_t enable = msg->payload.state.num;

	if (enable > 1)
		return vhost_device_error(dev, -EPROTO, "ring %u: %u is neither 0 nor 1", q->index,
			enable);
	q->enabled = enable == 1;
	return 0;
}
