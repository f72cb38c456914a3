/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The public API of a connected device: what was negotiated, its memory, its rings' addresses.
 * Any thread may ask at any time, also from within a callback.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>
#include <linux/virtio_config.h>

#include "dirty_log.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_user_backend.h"
#include "vhost_user_socket.h"

/* Lock the device of a number, or NULL: there is none, or it went while we waited. */
static struct vhost_device *
lock_device(int vid)
{
	struct vhost_device *dev = vhost_device_get(vid);

	if (dev == NULL)
		return NULL;
	vhost_device_lock(dev);
	if (vhost_device_get(vid) == NULL) {
		vhost_device_unlock(dev);
		return NULL;
	}
	return dev;
}

/* The same for a device and one of its rings. */
static struct vhost_queue *
lock_queue(int vid, uint16_t index, struct vhost_device **dev)
{
	struct vhost_queue *q;

	*dev = lock_device(vid);
	if (*dev == NULL)
		return NULL;
	q = vhost_device_find_queue(*dev, index);
	if (q == NULL)
		vhost_device_unlock(*dev);
	return q;
}

int
rte_vhost_get_negotiated_features(int vid, uint64_t *features)
{
	struct vhost_device *dev = features == NULL ? NULL : lock_device(vid);

	if (dev == NULL)
		return -1;
	*features = dev->features;
	vhost_device_unlock(dev);
	return 0;
}

int
rte_vhost_get_negotiated_protocol_features(int vid, uint64_t *protocol_features)
{
	struct vhost_device *dev = protocol_features == NULL ? NULL : lock_device(vid);

	if (dev == NULL)
		return -1;
	*protocol_features = dev->protocol_features;
	vhost_device_unlock(dev);
	return 0;
}

int
rte_vhost_get_mtu(int vid, uint16_t *mtu)
{
	struct vhost_device *dev = mtu == NULL ? NULL : lock_device(vid);
	int ret = 0;

	if (dev == NULL)
		return -ENODEV;
	if (!dev->running)
		ret = -EAGAIN;
	else if (!vhost_device_has_feature(dev, VIRTIO_NET_F_MTU))
		ret = -ENOTSUP;
	else
		*mtu = dev->mtu;
	vhost_device_unlock(dev);
	return ret;
}

/* Where guest memory is, since that is what gets copied. */
int
rte_vhost_get_numa_node(int vid)
{
	struct vhost_device *dev = lock_device(vid);
	int node = -1;

	if (dev == NULL)
		return -1;
	const void *addr = dev->mem != NULL && dev->mem->nregions > 0 ?
		(void *)(uintptr_t)dev->mem->regions[0].host_user_addr :
		dev;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR) != 0) {
		VHOST_LOG(DEBUG, "%s: NUMA node unknown: %s", dev->name, strerror(errno));
		node = -1;
	}
	vhost_device_unlock(dev);
	return node;
}

uint16_t
rte_vhost_get_vring_num(int vid)
{
	struct vhost_device *dev = lock_device(vid);
	uint16_t n;

	if (dev == NULL)
		return 0;
	n = dev->nr_queues;
	vhost_device_unlock(dev);
	return n;
}

int
rte_vhost_get_ifname(int vid, char *buf, size_t len)
{
	struct vhost_device *dev = buf == NULL || len == 0 ? NULL : lock_device(vid);

	if (dev == NULL)
		return -1;
	snprintf(buf, len, "%s", dev->path);
	vhost_device_unlock(dev);
	return 0;
}

int
rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem)
{
	struct vhost_device *dev = mem == NULL ? NULL : lock_device(vid);
	size_t size;
	int ret = -1;

	if (dev == NULL)
		return -1;
	if (dev->mem != NULL) {
		size = sizeof(**mem) + dev->mem->nregions * sizeof((*mem)->regions[0]);
		*mem = malloc(size);
		if (*mem != NULL) {
			memcpy(*mem, dev->mem, size);
			dev->memory_lent = true;
			ret = 0;
		}
	}
	vhost_device_unlock(dev);
	return ret;
}

int
rte_vhost_get_vhost_vring(int vid, uint16_t vring_idx, struct rte_vhost_vring *vring)
{
	struct vhost_device *dev;
	struct vhost_queue *q = vring == NULL ? NULL : lock_queue(vid, vring_idx, &dev);

	if (q == NULL)
		return -1;
	*vring = (struct rte_vhost_vring){
		.callfd = q->callfd,
		.kickfd = q->kickfd,
		.size = q->size,
	};
	if (q->placed) {
		vring->desc = q->vring.desc;
		vring->avail = q->vring.avail;
		vring->used = q->vring.used;
		vring->log_guest_addr = q->vring.log_gpa;
	}
	vhost_device_unlock(dev);
	return 0;
}

int
rte_vhost_get_vring_base(int vid, uint16_t queue_id, uint16_t *last_avail_idx,
	uint16_t *last_used_idx)
{
	struct vhost_device *dev;
	struct vhost_queue *q;

	if (last_avail_idx == NULL || last_used_idx == NULL)
		return -1;
	q = lock_queue(vid, queue_id, &dev);
	if (q == NULL)
		return -1;
	if (q->vring.running) {
		vhost_vring_claim(&q->vring);
		vhost_vring_get_base(&q->vring, last_avail_idx, last_used_idx);
		vhost_vring_release(&q->vring);
	} else {
		*last_avail_idx = q->avail_base;
		*last_used_idx = q->used_base;
	}
	vhost_device_unlock(dev);
	return 0;
}

/*
 * For whoever drives the ring in place of the software data path: a vDPA driver, or an application
 * with a data path of its own, in whose hands a running ring's positions mean nothing to us but
 * what the front end is told when it stops.
 */
int
rte_vhost_set_vring_base(int vid, uint16_t queue_id, uint16_t last_avail_idx,
	uint16_t last_used_idx)
{
	struct vhost_device *dev;
	struct vhost_queue *q = lock_queue(vid, queue_id, &dev);
	int ret = 0;

	if (q == NULL)
		return -1;
	if (q->vring.running) {
		vhost_vring_claim(&q->vring);
		ret = vhost_vring_set_base(&q->vring, last_avail_idx, last_used_idx) == 0 ? 0 : -1;
		vhost_vring_release(&q->vring);
	} else {
		q->avail_base = last_avail_idx;
		q->used_base = last_used_idx;
	}
	vhost_device_unlock(dev);
	return ret;
}

int
rte_vhost_get_log_base(int vid, uint64_t *log_base, uint64_t *log_size)
{
	struct vhost_device *dev = log_base == NULL || log_size == NULL ? NULL : lock_device(vid);

	if (dev == NULL)
		return -1;
	*log_base = (uintptr_t)dev->log.base;
	*log_size = dev->log.size;
	vhost_device_unlock(dev);
	return 0;
}

void
rte_vhost_log_write(int vid, uint64_t addr, uint64_t len)
{
	struct vhost_device *dev = lock_device(vid);

	if (dev == NULL)
		return;
	if (vhost_device_has_feature(dev, VHOST_F_LOG_ALL))
		vhost_dirty_log_mark(&dev->log, addr, len);
	vhost_device_unlock(dev);
}

void
rte_vhost_log_used_vring(int vid, uint16_t vring_idx, uint64_t offset, uint64_t len)
{
	struct vhost_device *dev;
	struct vhost_queue *q = lock_queue(vid, vring_idx, &dev);

	if (q == NULL)
		return;
	if (vhost_device_has_feature(dev, VHOST_F_LOG_ALL) && q->vring.log_gpa != 0)
		vhost_dirty_log_mark(&dev->log, q->vring.log_gpa + offset, len);
	vhost_device_unlock(dev);
}

struct rte_vdpa_device *
rte_vhost_get_vdpa_device(int vid)
{
	struct vhost_device *dev = lock_device(vid);
	struct rte_vdpa_device *vdpa;

	if (dev == NULL)
		return NULL;
	vdpa = dev->vdpa;
	vhost_device_unlock(dev);
	return vdpa;
}

int
rte_vhost_extern_callback_register(int vid, struct rte_vhost_user_extern_ops const *const ops,
	void *ctx)
{
	struct vhost_device *dev = ops == NULL ? NULL : lock_device(vid);

	(void)ctx;
	if (dev == NULL)
		return -1;
	dev->extern_ops = *ops;
	vhost_device_unlock(dev);
	return 0;
}

int
rte_vhost_backend_config_change(int vid, bool need_reply)
{
	struct vhost_user_message msg = { .header.request = VHOST_USER_BACKEND_CONFIG_CHANGE };
	struct vhost_device *dev = vhost_device_get(vid);

	if (dev == NULL)
		return -ENODEV;
	/*
	 * The front end reads the configuration before it answers: not from under the event loop.
	 */
	if (need_reply && !event_loop_is_current(vhost_user_event_loop()))
		msg.header.flags = VHOST_USER_FLAG_NEED_REPLY;
	return vhost_user_backend_request(dev, &msg);
}

int
rte_vhost_slave_config_change(int vid, bool need_reply)
{
	return rte_vhost_backend_config_change(vid, need_reply);
}
