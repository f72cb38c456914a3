/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Copying a frame: inline, by size class, with loads as wide as the instruction set that the file
 * is compiled for has them. The two ends of a frame are copied with loads that overlap, so that no
 * byte outside of it is touched and no loop runs for the odd rest.
 */

#ifndef VHOST_NET_COPY_H
#define VHOST_NET_COPY_H

#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

/** @a n bytes as one value that may stand anywhere and alias anything. */
#define NET_VEC(n) __attribute__((vector_size(n), aligned(1), __may_alias__))
typedef uint64_t net_vec16 NET_VEC(16);
#if defined(__AVX512F__)
typedef uint64_t net_vec32 NET_VEC(32);
typedef uint64_t net_vec NET_VEC(64);
#elif defined(__AVX2__)
typedef uint64_t net_vec32 NET_VEC(32);
typedef net_vec32 net_vec;
#else
typedef net_vec16 net_vec;
#endif

/** Less than 16 bytes: no Ethernet frame that was padded is so short. */
static __rte_noinline void
net_copy_tiny(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	memcpy(dst, src, len);
}

static __rte_always_inline void
net_copy16(uint8_t *dst, const uint8_t *src)
{
	*(net_vec16 *)dst = *(const net_vec16 *)src;
}

static __rte_always_inline void
net_copy32(uint8_t *dst, const uint8_t *src)
{
#if defined(__AVX2__)
	*(net_vec32 *)dst = *(const net_vec32 *)src;
#else
	net_copy16(dst, src);
	net_copy16(dst + 16, src + 16);
#endif
}

static __rte_always_inline void
net_copy64(uint8_t *dst, const uint8_t *src)
{
	for (uint32_t i = 0; i < 64; i += sizeof(net_vec))
		*(net_vec *)(dst + i) = *(const net_vec *)(src + i);
}

/** Copy @a len bytes that do not overlap. */
static __rte_always_inline void
net_copy(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	if (len <= 64) {
		if (likely(len >= 32)) {
			net_copy32(dst, src);
			net_copy32(dst + len - 32, src + len - 32);
		} else if (len >= 16) {
			net_copy16(dst, src);
			net_copy16(dst + len - 16, src + len - 16);
		} else {
			net_copy_tiny(dst, src, len);
		}
		return;
	}

	uint32_t i = 0;

	for (; i + 128 < len; i += 128) {
		net_copy64(dst + i, src + i);
		net_copy64(dst + i + 64, src + i + 64);
	}
	/* 1 to 128 bytes are left, and 65 there were: the last 64 may overlap what was copied. */
	if (len - i > 64)
		net_copy64(dst + i, src + i);
	net_copy64(dst + len - 64, src + len - 64);
}

#endif /* VHOST_NET_COPY_H */
