/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a driver reads from and writes to a split ring (virtio 1.2, 2.7), each access once.
 */

#ifndef VIRTIO_RING_SPLIT_H
#define VIRTIO_RING_SPLIT_H

#include <rte_atomic.h>

#include "queue.h"

/** Used entries that wait. Pairs with the device's release of used->idx: they can be read now. */
static __rte_always_inline uint16_t
virtio_split_ready(const struct virtio_queue *q)
{
	return (uint16_t)(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) - q->used_idx);
}

/** Used entry at @a idx, read in one go. */
static __rte_always_inline struct vring_used_elem
virtio_split_used(const struct virtio_queue *q, uint16_t idx)
{
	union {
		uint64_t word;
		struct vring_used_elem elem;
	} u;

	/* The array is 8 bytes aligned less 4. */
	typedef uint64_t __attribute__((aligned(4), may_alias)) unaligned_u64;

	u.word = *(const volatile unaligned_u64 *)&q->used->ring[idx & q->mask];
	return u.elem;
}

/** Where the device says after which buffer it wants the doorbell: behind the used entries. */
static __rte_always_inline virtio_word16 *
virtio_split_avail_event(const struct virtio_queue *q)
{
	return (virtio_word16 *)&q->used->ring[q->size];
}

/** Show the device what was put into the ring. Pairs with its acquire of avail->idx. */
static __rte_always_inline void
virtio_split_publish(struct virtio_queue *q)
{
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

/** Ring the doorbell if the device asked for it for any buffer published since @a before. */
static __rte_always_inline void
virtio_split_kick(struct virtio_queue *q, uint16_t before)
{
	bool wanted;

	/*
	 * The device asks for a doorbell and then looks at avail->idx again; we publish and then
	 * look whether it asks. With both in that order, one of the two sees the other.
	 */
	rte_smp_mb();
	if (q->flags & VIRTIO_QUEUE_EVENT_IDX)
		wanted = vring_need_event(__atomic_load_n(virtio_split_avail_event(q),
						  __ATOMIC_RELAXED),
			q->avail_idx, before);
	else
		wanted = !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) &
			VRING_USED_F_NO_NOTIFY);
	if (unlikely(wanted))
		virtio_queue_notify(q);
}

#endif /* VIRTIO_RING_SPLIT_H */
