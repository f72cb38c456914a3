/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a driver reads from and writes to a packed ring (virtio 1.2, 2.8), each access once.
 */

#ifndef VIRTIO_RING_PACKED_H
#define VIRTIO_RING_PACKED_H

#include <rte_atomic.h>

#include "queue.h"

#define VIRTIO_PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VIRTIO_PACKED_USED (1u << VRING_PACKED_DESC_F_USED)
#define VIRTIO_PACKED_PHASE (VIRTIO_PACKED_AVAIL | VIRTIO_PACKED_USED)

/** The second half of a descriptor: what the device writes when it returns a buffer. */
union virtio_packed_word {
	uint64_t word;
	struct {
		uint32_t len;
		uint16_t id;
		uint16_t flags;
	};
};

/** Flags that make a descriptor available in the lap that @a wrap stands for. */
static __rte_always_inline uint16_t
virtio_packed_avail_flags(bool wrap)
{
	return wrap ? VIRTIO_PACKED_AVAIL : VIRTIO_PACKED_USED;
}

/** What a descriptor that the device returned carries in VIRTIO_PACKED_PHASE in that lap. */
static __rte_always_inline uint16_t
virtio_packed_used_flags(bool wrap)
{
	return wrap ? VIRTIO_PACKED_PHASE : 0;
}

/**
 * Length, id and flags at @a pos in one load, so that they belong together. Pairs with the
 * device's release of the flags: if they say used, the buffer can be read.
 */
static __rte_always_inline union virtio_packed_word
virtio_packed_load(const struct virtio_queue *q, uint16_t pos)
{
	union virtio_packed_word w;

	w.word = __atomic_load_n((const virtio_word64 *)&q->packed[pos].len, __ATOMIC_ACQUIRE);
	return w;
}

/** Write a descriptor that the device may take as soon as it sees it. */
static __rte_always_inline void
virtio_packed_store(struct virtio_queue *q, uint16_t pos, uint64_t addr, uint32_t len, uint16_t id,
	uint16_t flags)
{
	const union virtio_packed_word w = { .len = len, .id = id, .flags = flags };

	__atomic_store_n(&q->packed[pos].addr, addr, __ATOMIC_RELAXED);
	/* Pairs with the device's acquire of the flags. */
	__atomic_store_n((virtio_word64 *)&q->packed[pos].len, w.word, __ATOMIC_RELEASE);
}

/** Where the next descriptor goes after @a n more. */
static __rte_always_inline void
virtio_packed_advance_head(struct virtio_queue *q, uint16_t n)
{
	uint32_t head = (uint32_t)q->head + n;

	if (head >= q->size) {
		head -= q->size;
		q->head_wrap = !q->head_wrap;
	}
	q->head = (uint16_t)head;
	q->free -= n;
}

/** Where the device puts the next buffer it returns, after one of @a n descriptors. */
static __rte_always_inline void
virtio_packed_advance_used(struct virtio_queue *q, uint16_t n)
{
	uint32_t used = (uint32_t)q->used_idx + n;

	if (used >= q->size) {
		used -= q->size;
		q->used_wrap = !q->used_wrap;
	}
	q->used_idx = (uint16_t)used;
}

static __rte_always_inline void
virtio_packed_advance_tail(struct virtio_queue *q, uint16_t n)
{
	uint32_t tail = (uint32_t)q->tail + n;

	q->tail = (uint16_t)(tail >= q->size ? tail - q->size : tail);
	q->free += n;
}

/**
 * Of several buffers that were returned at once by the last one's @a id, some are still in the ring:
 * leave it as if these were what was returned. The descriptor is ours until it is made available again.
 */
static inline void
virtio_packed_leave_used(struct virtio_queue *q, uint16_t id, uint32_t len)
{
	const union virtio_packed_word w = {
		.len = len,
		.id = id,
		.flags = virtio_packed_used_flags(q->used_wrap),
	};

	__atomic_store_n((virtio_word64 *)&q->packed[q->used_idx].len, w.word, __ATOMIC_RELAXED);
}

/** How far @a id is into what is in the ring: less than size - free if it is in it. */
static __rte_always_inline uint32_t
virtio_packed_ahead(const struct virtio_queue *q, uint16_t id)
{
	return id >= q->tail ? (uint32_t)id - q->tail : (uint32_t)id + q->size - q->tail;
}

/** How far a position of the lap that @a wrap stands for is behind the next one to come back. */
static __rte_always_inline uint32_t
virtio_packed_past_used(const struct virtio_queue *q, uint16_t pos, bool wrap)
{
	return (uint32_t)pos - q->used_idx + (wrap != q->used_wrap ? q->size : 0);
}

/**
 * Ring the doorbell if the device asked for it for any of the last @a n descriptors.
 *
 * One that asked, and went on without asking anew, as QEMU's virtio-net does when a packet had to wait
 * for its back end, has left its request behind: in a lap that the ring cannot reach before it is full.
 * Such a request is for the next descriptor, or nobody would ever wake the device.
 */
static __rte_always_inline void
virtio_packed_kick(struct virtio_queue *q, uint16_t n)
{
	union {
		uint32_t word;
		struct vring_packed_desc_event event;
	} u;

	/* Ordered against the device's request as in virtio_split_kick(). */
	rte_smp_mb();
	u.word = __atomic_load_n((const virtio_word32 *)q->device_event, __ATOMIC_RELAXED);
	if (likely(u.event.flags == VRING_PACKED_EVENT_FLAG_DISABLE))
		return;
	if (u.event.flags == VRING_PACKED_EVENT_FLAG_DESC) {
		const bool wrap = u.event.off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR;
		const uint16_t pos = u.event.off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
		const uint32_t asked = virtio_packed_past_used(q, pos, wrap);
		const uint32_t end = virtio_packed_past_used(q, q->head, q->head_wrap);

		if (asked < q->size && asked - (end - n) >= n)
			return;
	}
	virtio_queue_notify(q);
}

#endif /* VIRTIO_RING_PACKED_H */
