/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <rte_common.h>

#include "guest_memory.h"

#define GUARD 4096u

void
guest_memory_init(struct guest_memory *g, uint32_t nregions, uint64_t region_size)
{
	g->table = calloc(1, sizeof(*g->table) + nregions * sizeof(g->table->regions[0]));
	assert_non_null(g->table);
	assert_int_equal(region_size % GUARD, 0);
	g->table->nregions = nregions;
	g->region_size = region_size;
	for (uint32_t i = 0; i < nregions; i++) {
		struct rte_vhost_mem_region *r = &g->table->regions[i];
		size_t size = region_size + 2 * GUARD;
		uint8_t *at = mmap(NULL, size, PROT_NONE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		assert_ptr_not_equal(at, MAP_FAILED);
		assert_int_equal(mprotect(at + GUARD, region_size, PROT_READ | PROT_WRITE), 0);
		r->mmap_addr = at;
		r->mmap_size = size;
		r->host_user_addr = (uintptr_t)at + GUARD;
		r->guest_phys_addr = GUEST_MEMORY_BASE + (uint64_t)i * region_size;
		r->size = region_size;
		r->fd = -1;
	}
	guest_memory_reset(g);
}

void
guest_memory_fini(struct guest_memory *g)
{
	for (uint32_t i = 0; i < g->table->nregions; i++)
		munmap(g->table->regions[i].mmap_addr, g->table->regions[i].mmap_size);
	free(g->table);
	g->table = NULL;
}

void
guest_memory_reset(struct guest_memory *g)
{
	g->next = GUEST_MEMORY_BASE;
	g->floor = UINT64_MAX;
}

void
guest_memory_keep(struct guest_memory *g)
{
	g->floor = g->next;
}

uint64_t
guest_memory_round(const struct guest_memory *g)
{
	return guest_memory_region(g, g->table->nregions) - g->floor;
}

uint64_t
guest_memory_region(const struct guest_memory *g, uint32_t i)
{
	return GUEST_MEMORY_BASE + (uint64_t)i * g->region_size;
}

uint64_t
guest_memory_alloc(struct guest_memory *g, uint64_t len, uint64_t align)
{
	uint64_t end = guest_memory_region(g, g->table->nregions);
	uint64_t before = g->next;
	uint64_t gpa = RTE_ALIGN_MUL_CEIL(before, align);

	if (gpa + len > end) {
		g->handed += end - before;
		before = g->floor;
		gpa = RTE_ALIGN_MUL_CEIL(before, align);
	}
	assert_true(gpa < end && gpa + len <= end);
	g->next = gpa + len;
	g->handed += g->next - before;
	return gpa;
}

void *
guest_memory_alloc_whole(struct guest_memory *g, uint64_t len, uint64_t align, uint64_t *gpa)
{
	uint64_t left = g->region_size - (g->next - GUEST_MEMORY_BASE) % g->region_size;

	assert_true(len <= g->region_size);
	if (left < len + align)
		guest_memory_alloc(g, left, 1);
	*gpa = guest_memory_alloc(g, len, align);
	return guest_memory_at(g, *gpa);
}

void *
guest_memory_at(const struct guest_memory *g, uint64_t gpa)
{
	uint64_t i = (gpa - GUEST_MEMORY_BASE) / g->region_size;

	assert_true(gpa >= GUEST_MEMORY_BASE && i < g->table->nregions);
	return (void *)(uintptr_t)(g->table->regions[i].host_user_addr +
		(gpa - GUEST_MEMORY_BASE) % g->region_size);
}

static uint64_t
until_region_end(const struct guest_memory *g, uint64_t gpa, uint64_t len)
{
	uint64_t left = g->region_size - (gpa - GUEST_MEMORY_BASE) % g->region_size;

	return left < len ? left : len;
}

void
guest_memory_write(const struct guest_memory *g, uint64_t gpa, const void *src, uint64_t len)
{
	const uint8_t *from = src;

	while (len > 0) {
		uint64_t n = until_region_end(g, gpa, len);

		memcpy(guest_memory_at(g, gpa), from, n);
		from += n;
		gpa += n;
		len -= n;
	}
}

void
guest_memory_read(const struct guest_memory *g, uint64_t gpa, void *dst, uint64_t len)
{
	uint8_t *to = dst;

	while (len > 0) {
		uint64_t n = until_region_end(g, gpa, len);

		memcpy(to, guest_memory_at(g, gpa), n);
		to += n;
		gpa += n;
		len -= n;
	}
}
