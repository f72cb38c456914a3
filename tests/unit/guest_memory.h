/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Memory of a guest that exists only for a test: regions whose guest physical addresses follow each
 * other without a gap while their mappings here do not, each between pages that must not be touched.
 * So an access that runs out of a region ends the test, and a buffer at a region's end is cut in two.
 */

#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdint.h>

#include "rte_vhost.h"

#define GUEST_MEMORY_BASE UINT64_C(0x10000000)

struct guest_memory {
	struct rte_vhost_memory *table;
	uint64_t region_size;
	uint64_t next;   /**< first address not handed out */
	uint64_t floor;  /**< handing out goes on here when the end is reached */
	uint64_t handed; /**< bytes that were handed out, ever */
};

void guest_memory_init(struct guest_memory *g, uint32_t nregions, uint64_t region_size);
void guest_memory_fini(struct guest_memory *g);

/** Take all of it back. */
void guest_memory_reset(struct guest_memory *g);

/** What is handed out from now on is taken back, oldest first, when the end is reached. */
void guest_memory_keep(struct guest_memory *g);

/** Bytes that go round. Who keeps what was handed out this many bytes ago has lost it. */
uint64_t guest_memory_round(const struct guest_memory *g);

/** Hand out @a len bytes, which may cross regions. */
uint64_t guest_memory_alloc(struct guest_memory *g, uint64_t len, uint64_t align);

/** Hand out @a len bytes within one region and give our address of them. */
void *guest_memory_alloc_whole(struct guest_memory *g, uint64_t len, uint64_t align, uint64_t *gpa);

/** First address of region @a i. */
uint64_t guest_memory_region(const struct guest_memory *g, uint32_t i);

/** Our address of the byte at @a gpa; the test fails when there is none. */
void *guest_memory_at(const struct guest_memory *g, uint64_t gpa);

void guest_memory_write(const struct guest_memory *g, uint64_t gpa, const void *src, uint64_t len);
void guest_memory_read(const struct guest_memory *g, uint64_t gpa, void *dst, uint64_t len);

#endif /* GUEST_MEMORY_H */
