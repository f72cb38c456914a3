/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One descriptor, read once. Both ring formats have 16 bytes: an address, then a word with the
 * length in its lower half and two 16-bit fields above, flags and next (split) or id and flags
 * (packed). Two aligned loads take it all; the guest cannot change one field between the checking of
 * another and its use.
 */

#ifndef VRING_DESC_H
#define VRING_DESC_H

#include <stdint.h>

#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#if RTE_BYTE_ORDER != RTE_LITTLE_ENDIAN
#error "rings are little-endian and are read here as they lie in memory"
#endif

struct vring_desc_copy {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t link; /**< split: next; packed: buffer id */
};

/** A word made of several fields that have types of their own. */
typedef uint64_t __attribute__((__may_alias__)) vring_word;

/** Any of these makes a descriptor more than a plain device-readable or -writable buffer. */
#define VRING_DESC_F_CHAINED (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)

static __rte_always_inline struct vring_desc_copy
vring_desc_from_words(uint64_t addr, uint64_t word, bool packed)
{
	struct vring_desc_copy d = { .addr = addr, .len = (uint32_t)word };

	if (packed) {
		d.link = (uint16_t)(word >> 32);
		d.flags = (uint16_t)(word >> 48);
	} else {
		d.flags = (uint16_t)(word >> 32);
		d.link = (uint16_t)(word >> 48);
	}
	return d;
}

/** The address field of descriptor @a i of @a table; ordered by the acquire that made it ours. */
static __rte_always_inline uint64_t
vring_desc_addr(const void *table, uint32_t i)
{
	return __atomic_load_n((const vring_word *)table + 2 * (size_t)i, __ATOMIC_RELAXED);
}

/** The second word of descriptor @a i. */
static __rte_always_inline vring_word *
vring_desc_word(const void *table, uint32_t i)
{
	return (vring_word *)(uintptr_t)table + 2 * (size_t)i + 1;
}

static __rte_always_inline struct vring_desc_copy
vring_desc_read(const void *table, uint32_t i, bool packed)
{
	const vring_word *at = (const vring_word *)table + 2 * (size_t)i;

	return vring_desc_from_words(__atomic_load_n(at, __ATOMIC_RELAXED),
		__atomic_load_n(at + 1, __ATOMIC_RELAXED), packed);
}

#endif /* VRING_DESC_H */
