/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What vDPA drivers may call that concerns a connection: doorbells for the guest, and help for devices that
 * cannot log what they write.
 */

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>

#include "device.h"
#include "dirty_log.h"
#include "memory.h"
#include "vdpa_driver.h"
#include "vhost_log.h"
#include "vhost_user_backend.h"
#include "vring_chain.h"

/* --- Doorbells ----------------------------------------------------------------------------- */

static bool
front_end_maps_doorbells(const struct vhost_device *dev)
{
	static const unsigned int needed[] = {
		VHOST_USER_PF_BACKEND_REQ,
		VHOST_USER_PF_BACKEND_SEND_FD,
		VHOST_USER_PF_HOST_NOTIFIER,
	};

	for (size_t i = 0; i < RTE_DIM(needed); i++) {
		if (!vhost_device_has_protocol_feature(dev, needed[i]))
			return false;
	}
	/* A legacy guest notifies through one register for all queues. */
	return vhost_device_has_feature(dev, VIRTIO_F_VERSION_1);
}

static int
send_notifier(struct vhost_device *dev, uint16_t qid, bool enable)
{
	struct vhost_user_message msg = {
		.header.request = VHOST_USER_BACKEND_VRING_HOST_NOTIFIER,
		.header.size = sizeof(msg.payload.area),
		.payload.area.u64 = qid,
	};
	uint64_t offset, size;
	int ret;

	if (enable) {
		ret = dev->vdpa->ops->get_notify_area(dev->vid, qid, &offset, &size);
		if (ret != 0)
			return ret;
		msg.payload.area.offset = offset;
		msg.payload.area.size = size;
		msg.fds[0] = dev->vdpa->ops->get_vfio_device_fd(dev->vid);
		if (msg.fds[0] < 0)
			return -ENOTSUP;
		msg.nfds = 1;
	} else {
		msg.payload.area.u64 |= VHOST_USER_VRING_NOFD;
	}
	return vhost_user_backend_request(dev, &msg);
}

int
rte_vhost_host_notifier_ctrl(int vid, uint16_t qid, bool enable)
{
	struct vhost_device *dev = vhost_device_get(vid);
	uint16_t first = qid, end = qid + 1, done;
	int ret = 0;

	if (dev == NULL || dev->vdpa == NULL)
		return -EINVAL;
	if (qid == RTE_VHOST_QUEUE_ALL) {
		first = 0;
		end = dev->nr_queues;
	} else if (qid >= dev->nr_queues) {
		return -EINVAL;
	}
	if (dev->vdpa->ops->get_vfio_device_fd == NULL || dev->vdpa->ops->get_notify_area == NULL ||
		!front_end_maps_doorbells(dev))
		return -ENOTSUP;

	for (done = first; ret == 0 && done < end; done++)
		ret = send_notifier(dev, done, enable);
	if (ret != 0 && enable) {
		VHOST_LOG(WARNING, "%s: cannot give the doorbell of ring %u to the front end: %s",
			dev->name, done - 1, strerror(-ret));
		while (done-- > first)
			send_notifier(dev, done, false);
	}
	return ret;
}

/* --- The used ring of a device that does not log ------------------------------------------- */

/**
 * Mark what the device says that it wrote: the first @a written bytes of a chain that may be written.
 * False if there is no such chain, whether something of it was marked already or not.
 */
static bool
log_chain(const struct vhost_device *dev, const struct vhost_vring *vr, uint32_t head,
	uint32_t written)
{
	struct vring_desc_copy desc;
	struct vring_chain c;

	if (head >= vr->size)
		return false;
	vring_chain_begin_split(&c, vr, (uint16_t)head, 0);
	/* The ring itself has nothing to look into: it does not run here. */
	c.tables = dev->mem;
	while (vring_chain_next(&c, &desc)) {
		const uint32_t n = RTE_MIN(desc.len, written);

		if ((desc.flags & VRING_DESC_F_WRITE) == 0)
			continue;
		vhost_dirty_log_mark(&dev->log, desc.addr, n);
		written -= n;
	}
	return c.error == VHOST_VRING_DROP_MAX;
}

/** A used entry, each of its fields read once. */
static struct vring_used_elem
read_used(const struct vring *ring, uint16_t slot)
{
	const struct vring_used_elem *elem = &ring->used->ring[slot];

	return (struct vring_used_elem){
		.id = __atomic_load_n(&elem->id, __ATOMIC_RELAXED),
		.len = __atomic_load_n(&elem->len, __ATOMIC_RELAXED),
	};
}

/** Carry over what the device used, with the device's lock held; @return entries, or -1. */
static int
relay_used(const struct vhost_device *dev, const struct vhost_queue *q, const struct vring *from)
{
	const struct vhost_vring *to = &q->vring;
	const uint16_t mask = to->size - 1;
	/* The guest's to change at any time; what it gains is a relay that fails. */
	const uint16_t begin = __atomic_load_n(&to->used->idx, __ATOMIC_RELAXED);
	/* Acquire: the device writes an entry, and what the entry is about, before the index. */
	const uint16_t end = __atomic_load_n(&from->used->idx, __ATOMIC_ACQUIRE);

	if ((uint16_t)(end - begin) > to->size) {
		VHOST_LOG(ERR, "%s: relay of ring %u: the device is at %u, the guest at %u",
			dev->name, q->index, end, begin);
		return -1;
	}
	for (uint16_t i = begin; i != end; i++) {
		const struct vring_used_elem elem = read_used(from, i & mask);

		if (!log_chain(dev, to, elem.id, elem.len)) {
			VHOST_LOG(ERR,
				"%s: relay of ring %u: no sane buffer begins at descriptor %u",
				dev->name, q->index, elem.id);
			return -1;
		}
		to->used->ring[i & mask] = elem;
	}
	/* Release: the guest finds entries behind the index. */
	__atomic_store_n(&to->used->idx, end, __ATOMIC_RELEASE);
	/* Each entry is to be carried over, whatever the guest wants to be interrupted for. */
	if (vhost_device_has_feature(dev, VIRTIO_RING_F_EVENT_IDX) && from->avail != NULL)
		__atomic_store_n(&from->avail->ring[to->size], end, __ATOMIC_RELAXED);
	return (uint16_t)(end - begin);
}

int
rte_vdpa_relay_vring_used(int vid, uint16_t qid, void *vring_m)
{
	struct vhost_device *dev = vhost_device_get(vid);
	const struct vhost_queue *q;
	int ret = -1;

	if (dev == NULL || vring_m == NULL)
		return -1;
	vhost_device_lock(dev);
	q = vhost_device_find_queue(dev, qid);
	if (q != NULL && q->placed && !vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED))
		ret = relay_used(dev, q, vring_m);
	vhost_device_unlock(dev);
	return ret;
}
