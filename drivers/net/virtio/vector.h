/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Vectors of 64-bit lanes, of VIRTIO_VECTOR_BYTES each, as the file that includes this one is
 * compiled for: vector_avx512.c, vector_avx2.c and vector_neon.c are the same functions in three
 * widths. The compiler's vector types do the work; a processor's intrinsics are used where it has
 * an instruction for what would take several.
 *
 * A vector is read from shared memory in one access, but not in one that the architecture promises
 * to be indivisible beyond a lane. Nothing here relies on more.
 */

#ifndef VIRTIO_VECTOR_H
#define VIRTIO_VECTOR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#if VIRTIO_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

#define VECTOR_LANES (VIRTIO_VECTOR_BYTES / 8)

typedef uint64_t vector __attribute__((vector_size(VIRTIO_VECTOR_BYTES)));
/** The same in memory: used entries are at multiples of 8 less 4. */
typedef uint64_t vector_memory
	__attribute__((vector_size(VIRTIO_VECTOR_BYTES), aligned(4), may_alias));
/** 32 bits of each lane. */
typedef uint32_t vector_half
	__attribute__((vector_size(VIRTIO_VECTOR_BYTES / 2), aligned(4), may_alias));

/** 0, 1, 2 and so on. */
static __rte_always_inline vector
vector_count(void)
{
#if VIRTIO_VECTOR_BYTES == 64
	return (vector){ 0, 1, 2, 3, 4, 5, 6, 7 };
#elif VIRTIO_VECTOR_BYTES == 32
	return (vector){ 0, 1, 2, 3 };
#else
	return (vector){ 0, 1 };
#endif
}

/** Read once, whatever the compiler would rather do. */
static __rte_always_inline vector
vector_load(const void *at)
{
	return *(const volatile vector_memory *)at;
}

/** The odd lanes of two vectors in a row. */
static __rte_always_inline vector
vector_odd(vector a, vector b)
{
#if VIRTIO_VECTOR_BYTES == 64
	return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#elif VIRTIO_VECTOR_BYTES == 32
	return __builtin_shufflevector(a, b, 1, 3, 5, 7);
#else
	return __builtin_shufflevector(a, b, 1, 3);
#endif
}

/** True if any bit is set. */
static __rte_always_inline bool
vector_any(vector v)
{
#if VIRTIO_VECTOR_BYTES == 64
	return _mm512_test_epi64_mask((__m512i)v, (__m512i)v) != 0;
#elif VIRTIO_VECTOR_BYTES == 32
	return !_mm256_testz_si256((__m256i)v, (__m256i)v);
#else
	return (v[0] | v[1]) != 0;
#endif
}

/** The lower half of each lane to memory. */
static __rte_always_inline void
vector_store_low(uint32_t *to, vector v)
{
	*(vector_half *)to = __builtin_convertvector(v, vector_half);
}

/** 32 bytes of an mbuf from data_off on, as 32-bit words: all that is written of most. */
typedef uint32_t vector_mbuf __attribute__((vector_size(32)));
typedef uint32_t vector_mbuf_memory __attribute__((vector_size(32), aligned(16), may_alias));

#define VECTOR_MBUF_AT(field, at) \
	static_assert(offsetof(struct rte_mbuf, field) == \
			offsetof(struct rte_mbuf, data_off) + (at), \
		#field " is elsewhere")
VECTOR_MBUF_AT(ol_flags, 8);
VECTOR_MBUF_AT(packet_type, 16);
VECTOR_MBUF_AT(pkt_len, 20);
VECTOR_MBUF_AT(data_len, 24);
VECTOR_MBUF_AT(vlan_tci, 26);
VECTOR_MBUF_AT(hash, 28);
static_assert(offsetof(struct rte_mbuf, data_off) % 16 == 0, "vectors in mbufs are aligned");

#endif /* VIRTIO_VECTOR_H */
