/* SPDX-License-Identifier: BSD-3-Clause */

#include "vhost_notify.h"

/*
 * The public entries to the data path. A burst finds its ring with one load from a static array,
 * and learns from the ring alone whether it may run: a ring that is stopped, or whose connection is
 * gone, gives an empty burst.
 */

static __rte_always_inline struct vhost_queue *
queue_of(int vid, uint16_t queue_id)
{
	if (unlikely((unsigned int)vid >= RTE_MAX_VHOST_DEVICE || queue_id >= VHOST_QUEUES_MAX))
		return NULL;
	/* Acquire: the ring's memory is initialised before its address is written. */
	return __atomic_load_n(&vhost_devices[vid].queues[queue_id], __ATOMIC_ACQUIRE);
}

uint16_t
rte_vhost_enqueue_burst(int vid, uint16_t queue_id, struct rte_mbuf **pkts, uint16_t count)
{
	struct vhost_queue *q = queue_of(vid, queue_id);
	uint16_t n;

	/* The guest receives on even rings (virtio 1.2, 5.1.2). */
	if (unlikely(q == NULL || (queue_id & 1) != 0))
		return 0;
	n = vhost_net_enqueue(&q->vring, pkts, count);
	if (unlikely(vhost_notify_wanted(&vhost_devices[vid])))
		vhost_notify_settle(&vhost_devices[vid], q);
	return n;
}

uint16_t
rte_vhost_dequeue_burst(int vid, uint16_t queue_id, struct rte_mempool *mbuf_pool,
	struct rte_mbuf **pkts, uint16_t count)
{
	struct vhost_queue *q = queue_of(vid, queue_id);
	uint16_t n;

	if (unlikely(q == NULL || (queue_id & 1) == 0))
		return 0;
	n = vhost_net_dequeue(&q->vring, mbuf_pool, pkts, count);
	if (unlikely(vhost_notify_wanted(&vhost_devices[vid])))
		vhost_notify_settle(&vhost_devices[vid], q);
	return n;
}
