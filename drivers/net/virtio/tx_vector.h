/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What of transmitting is done with vectors: looking at what came back. Asking of several frames
 * at once whether they are simple, and writing descriptors whole, was tried and gained nothing:
 * the time goes into the lines of mbufs and headers, which are as many.
 */

#ifndef VIRTIO_TX_VECTOR_H
#define VIRTIO_TX_VECTOR_H

#include "tx_packed.h"
#include "tx_split.h"
#include "vector.h"

/** virtio_split_tx_look() with vectors. */
static __rte_always_inline uint32_t
vector_split_tx_look(const struct virtio_queue *q, uint16_t slot, uint16_t id, uint16_t n)
{
	const uint16_t whole = n & ~(VECTOR_LANES - 1u);
	vector expected = vector_count() + id;
	vector wrong = { 0 };

	for (uint16_t i = 0; i < whole; i += VECTOR_LANES) {
		wrong |= (vector_load(&q->used->ring[slot + i]) & UINT32_MAX) ^ expected;
		expected += VECTOR_LANES;
	}
	return vector_any(wrong) | virtio_split_tx_look(q, slot + whole, id + whole, n - whole);
}

/** virtio_packed_tx_look() with vectors. */
static __rte_always_inline uint16_t
vector_packed_tx_look(const struct virtio_queue *q, uint16_t pos, uint16_t used_flags, uint16_t n)
{
	const uint64_t seen = (uint64_t)VIRTIO_PACKED_PHASE << 48;
	const uint64_t used = (uint64_t)used_flags << 48;
	vector expected = vector_count() + pos;
	uint16_t i;

	for (i = 0; i + VECTOR_LANES <= n; i += VECTOR_LANES) {
		if (vector_any((vector_packed_load(q, pos + i) ^ used) & seen))
			break;
		/* Pairs with the device's release of the flags, and so ids are read now. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (vector_any((vector_packed_load(q, pos + i) >> 32 & UINT16_MAX) ^ expected))
			break;
		expected += VECTOR_LANES;
	}
	return i + virtio_packed_tx_look(q, pos + i, used_flags, n - i);
}

#endif /* VIRTIO_TX_VECTOR_H */
