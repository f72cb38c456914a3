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

typedef uint64_t net_vec16 __attribute__((vector_size(16), aligned(1), __may_alias__));
typedef uint64_t net_vec32 __attribute__((vector_size(32), aligned(1), __may_alias__));
typedef uint64_t net_vec64 __attribute__((vector_size(64), aligned(1), __may_alias__));

#define NET_COPY_ENDS(type, dst, src, len) \
	do { \
		type head_ = *(const type *)(src); \
		type tail_ = *(const type *)((src) + (len) - sizeof(type)); \
		*(type *)(dst) = head_; \
		*(type *)((dst) + (len) - sizeof(type)) = tail_; \
	} while (0)

/** Less than 16 bytes: no Ethernet frame that was padded is so short. */
static __rte_noinline void
net_copy_tiny(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	memcpy(dst, src, len);
}

static __rte_always_inline void
net_copy(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	if (len <= 64) {
		if (likely(len > 32))
			NET_COPY_ENDS(net_vec32, dst, src, len);
		else if (len >= 16)
			NET_COPY_ENDS(net_vec16, dst, src, len);
		else
			net_copy_tiny(dst, src, len);
		return;
	}

	uint32_t i = 0;

	for (; i + 128 < len; i += 128) {
		net_vec64 a = *(const net_vec64 *)(src + i);
		net_vec64 b = *(const net_vec64 *)(src + i + 64);

		*(net_vec64 *)(dst + i) = a;
		*(net_vec64 *)(dst + i + 64) = b;
	}
	/* 1 to 128 bytes are left, of 65 at least. */
	if (len - i > 64)
		*(net_vec64 *)(dst + i) = *(const net_vec64 *)(src + i);
	*(net_vec64 *)(dst + len - 64) = *(const net_vec64 *)(src + len - 64);
}

#endif /* VHOST_NET_COPY_H */
