/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What of receiving is done with vectors: looking at what the device returned, several entries at
 * once, and writing what an mbuf says of a frame in one go. Everything else is as without vectors.
 */

#ifndef VIRTIO_RX_VECTOR_H
#define VIRTIO_RX_VECTOR_H

#include "rx_packed.h"
#include "rx_split.h"
#include "vector.h"

/*
 * A lane's top bit is set if the length in it is below min_len or above min_len + span: lengths
 * have 32 bits, and so the difference that is negative tells.
 */
static __rte_always_inline vector
vector_bad_length(vector len, uint32_t min_len, uint32_t span)
{
	return (len - min_len) | ((uint64_t)min_len + span - len);
}

#define VECTOR_TOP_BIT (UINT64_C(1) << 63)

static __rte_always_inline void
vector_take_mbufs(struct rte_mbuf **pkts, struct rte_mbuf *const *mbufs)
{
	for (unsigned int i = 0; i < VECTOR_LANES; i++) {
		pkts[i] = mbufs[i];
		rte_prefetch0(mbufs[i]);
	}
}

/** virtio_split_rx_look() with vectors. */
static __rte_always_inline uint32_t
vector_split_look(const struct virtio_queue *q, uint16_t slot, struct rte_mbuf **pkts,
	uint32_t *lens, uint16_t n, uint32_t min_len, uint32_t span)
{
	const uint16_t whole = n & ~(VECTOR_LANES - 1u);
	vector expected = vector_count() + slot;
	vector wrong_id = { 0 }, wrong_len = { 0 };

	for (uint16_t i = 0; i < whole; i += VECTOR_LANES) {
		const vector e = vector_load(&q->used->ring[slot + i]);
		const vector len = e >> 32;

		wrong_id |= (e & UINT32_MAX) ^ expected;
		wrong_len |= vector_bad_length(len, min_len, span);
		vector_store_low(&lens[i], len);
		vector_take_mbufs(&pkts[i], &q->mbufs[slot + i]);
		expected += VECTOR_LANES;
	}
	return vector_any(wrong_id | (wrong_len & VECTOR_TOP_BIT)) |
		virtio_split_rx_look(q, slot + whole, &pkts[whole], &lens[whole], n - whole,
			min_len, span);
}

/** Second halves of as many descriptors as there are lanes. */
static __rte_always_inline vector
vector_packed_load(const struct virtio_queue *q, uint16_t pos)
{
	const struct vring_packed_desc *d = &q->packed[pos];

	return vector_odd(vector_load(d), vector_load(d + VECTOR_LANES / 2));
}

/** virtio_packed_rx_look() with vectors. */
static __rte_always_inline struct virtio_packed_rx_seen
vector_packed_look(const struct virtio_queue *q, uint16_t pos, uint16_t used_flags,
	struct rte_mbuf **pkts, uint32_t *lens, uint16_t n, uint32_t min_len, uint32_t span)
{
	const uint64_t phase = (uint64_t)VIRTIO_PACKED_PHASE << 48;
	const uint64_t used = (uint64_t)used_flags << 48;
	vector expected = vector_count() + pos;
	vector wrong_id = { 0 }, wrong_len = { 0 };
	struct virtio_packed_rx_seen rest;
	uint16_t i;

	for (i = 0; i + VECTOR_LANES <= n; i += VECTOR_LANES) {
		vector w = vector_packed_load(q, pos + i);
		vector len;

		if (vector_any((w ^ used) & phase))
			break;
		/* Pairs with the device's release of the flags, and so ids and lengths are read now. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		w = vector_packed_load(q, pos + i);
		len = w & UINT32_MAX;
		wrong_id |= (w >> 32 & UINT16_MAX) ^ expected;
		wrong_len |= vector_bad_length(len, min_len, span);
		vector_store_low(&lens[i], len);
		vector_take_mbufs(&pkts[i], &q->mbufs[pos + i]);
		expected += VECTOR_LANES;
	}
	/* Those that do not fill a vector, or of which not all are back. */
	rest = virtio_packed_rx_look(q, pos + i, used_flags, &pkts[i], &lens[i], n - i, min_len,
		span);
	return (struct virtio_packed_rx_seen){
		.n = i + rest.n,
		.wrong = rest.wrong | vector_any(wrong_id | (wrong_len & VECTOR_TOP_BIT)),
	};
}

/** virtio_rx_init() in one store. */
static __rte_always_inline void
vector_rx_init(const struct virtio_queue *q, struct rte_mbuf *m, uint32_t len)
{
	const vector_mbuf base = { (uint32_t)q->rearm, (uint32_t)(q->rearm >> 32) };
	const vector_mbuf where = { 0, 0, 0, 0, 0, UINT32_MAX, UINT16_MAX, 0 };

	*(vector_mbuf_memory *)&m->data_off = base | (((vector_mbuf){ 0 } + len) & where);
}

#endif /* VIRTIO_RX_VECTOR_H */
