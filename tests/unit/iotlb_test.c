/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IOTLB by itself, against a model that knows of each page what it is mapped to.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost_types.h>

#include <cmocka.h>

#include <rte_common.h>

#include "iotlb.h"
#include "memory.h"

#define PAGE UINT64_C(4096)
#define PAGES 64
#define FE UINT64_C(0x7f0000000000)
#define HOST UINT64_C(0x500000000000)
#define REGION_PAGES 256

/* Two regions that follow each other for the front end, and do not for us. */
static struct rte_vhost_memory *
two_regions(void)
{
	struct rte_vhost_memory *mem = calloc(1, sizeof(*mem) + 2 * sizeof(mem->regions[0]));

	assert_non_null(mem);
	mem->nregions = 2;
	for (uint64_t i = 0; i < 2; i++)
		mem->regions[i] = (struct rte_vhost_mem_region){
			.guest_phys_addr = i * REGION_PAGES * PAGE,
			.guest_user_addr = FE + i * REGION_PAGES * PAGE,
			.host_user_addr = HOST + (i << 40),
			.size = REGION_PAGES * PAGE,
			.fd = -1,
		};
	return mem;
}

static struct vhost_iotlb_entry
entry(uint64_t page, uint64_t n, uint64_t fe_page, uint8_t access)
{
	return (struct vhost_iotlb_entry){ .iova = page * PAGE,
		.size = n * PAGE,
		.fe_va = FE + fe_page * PAGE,
		.access = access };
}

static uint64_t
lookup(const struct rte_vhost_memory *table, uint64_t iova)
{
	uint64_t len = 1;

	return (uintptr_t)vhost_memory_from_gpa(table, iova, &len);
}

/* What is mapped, by page; fe_page 0 and access 0 are nothing. */
struct model {
	uint64_t fe_page;
	uint8_t access;
};

static void
assert_same(const struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem,
	const struct model *model)
{
	struct vhost_iotlb_tables tables;

	assert_int_equal(vhost_iotlb_make_tables(tlb, mem, &tables), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		const uint64_t offset = (uint64_t)rand() % PAGE;
		const uint64_t at = model[i].fe_page < REGION_PAGES ?
			HOST + model[i].fe_page * PAGE :
			HOST + (UINT64_C(1) << 40) + (model[i].fe_page - REGION_PAGES) * PAGE;

		assert_int_equal(lookup(tables.readable, i * PAGE + offset),
			model[i].access & VHOST_ACCESS_RO ? at + offset : 0);
		assert_int_equal(lookup(tables.writable, i * PAGE + offset),
			model[i].access & VHOST_ACCESS_WO ? at + offset : 0);
	}
	vhost_iotlb_free_tables(&tables);
}

static void
cache_knows_what_it_was_told(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	struct model model[PAGES] = { 0 };
	struct vhost_iotlb tlb = { 0 };

	(void)state;
	srand(1);
	for (int round = 0; round < 5000; round++) {
		const uint64_t first = (uint64_t)rand() % PAGES;
		const uint64_t n = 1 + (uint64_t)rand() % RTE_MIN(8, (int)(PAGES - first));
		/* Often such that neighbours go on where this one ends. */
		const uint64_t fe = rand() % 2 ? first + 100 : (uint64_t)rand() % 500;
		const uint8_t access = (uint8_t)(1 + rand() % 3);
		const struct vhost_iotlb_entry e = entry(first, n, fe, access);
		int ret = 0;

		if (rand() % 3 == 0) {
			vhost_iotlb_remove(&tlb, first * PAGE, n * PAGE);
			memset(&model[first], 0, n * sizeof(model[0]));
		} else {
			ret = vhost_iotlb_insert(&tlb, mem, &e);
			/* Not across the border of two regions. */
			assert_int_equal(ret,
				fe < REGION_PAGES && fe + n > REGION_PAGES ? -EINVAL : 0);
			for (uint64_t i = 0; ret == 0 && i < n; i++)
				model[first + i] = (struct model){ fe + i, access };
		}
		for (uint32_t i = 1; i < tlb.n; i++)
			assert_true(tlb.entries[i - 1].iova + tlb.entries[i - 1].size <=
				tlb.entries[i].iova);
		assert_same(&tlb, mem, model);
	}
	vhost_iotlb_clear(&tlb);
	assert_int_equal(tlb.n, 0);
	free(mem);
}

static void
neighbours_become_one(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	struct vhost_iotlb tlb = { 0 };
	struct vhost_iotlb_entry e;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		/* 0, 99, 1, 98 and so on. */
		const uint64_t page = i % 2 ? 99 - i / 2 : i / 2;

		e = entry(page, 1, page, VHOST_ACCESS_RW);
		assert_int_equal(vhost_iotlb_insert(&tlb, mem, &e), 0);
	}
	assert_int_equal(tlb.n, 1);
	assert_int_equal(tlb.entries[0].size, 100 * PAGE);
	/* A hole in the middle. */
	vhost_iotlb_remove(&tlb, 50 * PAGE, PAGE);
	assert_int_equal(tlb.n, 2);
	assert_int_equal(tlb.entries[1].iova, 51 * PAGE);
	assert_int_equal(tlb.entries[1].fe_va, FE + 51 * PAGE);
	/* Taken away to its very end, nothing is left of it. */
	vhost_iotlb_remove(&tlb, 51 * PAGE, 49 * PAGE);
	assert_int_equal(tlb.n, 1);
	vhost_iotlb_remove(&tlb, 0, 50 * PAGE);
	assert_int_equal(tlb.n, 0);
	vhost_iotlb_clear(&tlb);
	free(mem);
}

/* Where only the front end sees one range, there would be no place for both together. */
static void
neighbours_in_two_regions_stay_two(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	struct vhost_iotlb_tables tables;
	struct vhost_iotlb tlb = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		const struct vhost_iotlb_entry e = entry(i, 1, REGION_PAGES - 1 + i,
			VHOST_ACCESS_RW);

		assert_int_equal(vhost_iotlb_insert(&tlb, mem, &e), 0);
	}
	assert_int_equal(vhost_iotlb_make_tables(&tlb, mem, &tables), 0);
	assert_int_equal(lookup(tables.writable, 0), HOST + (REGION_PAGES - 1) * PAGE);
	assert_int_equal(lookup(tables.writable, PAGE), HOST + (UINT64_C(1) << 40));
	vhost_iotlb_free_tables(&tables);
	vhost_iotlb_clear(&tlb);
	free(mem);
}

static void
cache_is_bounded(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	struct vhost_iotlb_tables tables;
	struct vhost_iotlb tlb = { 0 };
	struct vhost_iotlb_entry e;

	(void)state;
	/* Pages that never go on where another ends. */
	for (uint64_t i = 0; i < 3 * VHOST_IOTLB_ENTRIES_MAX; i++) {
		e = entry(2 * i, 1, i % REGION_PAGES, VHOST_ACCESS_RW);
		assert_int_equal(vhost_iotlb_insert(&tlb, mem, &e), 0);
		assert_true(tlb.n <= VHOST_IOTLB_ENTRIES_MAX);
		/* What was told last is known. */
		assert_true(tlb.entries != NULL && tlb.n > 0);
	}
	assert_int_equal(tlb.n, VHOST_IOTLB_ENTRIES_MAX);
	assert_int_equal(vhost_iotlb_make_tables(&tlb, mem, &tables), 0);
	assert_int_not_equal(lookup(tables.readable, e.iova), 0);
	vhost_iotlb_free_tables(&tables);
	/* A hole in the middle of an entry takes no room that is not there. */
	vhost_iotlb_remove(&tlb, 0, 0);
	assert_int_equal(tlb.n, 0);
	e = entry(0, 100, 0, VHOST_ACCESS_RW);
	assert_int_equal(vhost_iotlb_insert(&tlb, mem, &e), 0);
	for (uint64_t i = 0; tlb.n < VHOST_IOTLB_ENTRIES_MAX; i++) {
		e = entry(1000 + 2 * i, 1, i % REGION_PAGES, VHOST_ACCESS_RW);
		assert_int_equal(vhost_iotlb_insert(&tlb, mem, &e), 0);
	}
	vhost_iotlb_remove(&tlb, 50 * PAGE, PAGE);
	assert_int_equal(tlb.n, VHOST_IOTLB_ENTRIES_MAX);
	assert_int_equal(tlb.entries[0].size, 50 * PAGE);
	vhost_iotlb_clear(&tlb);
	free(mem);
}

static void
impossible_mappings_are_refused(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	const struct vhost_iotlb_entry bad[] = {
		{ .iova = 0, .size = 0, .fe_va = FE, .access = VHOST_ACCESS_RW },
		{ .iova = UINT64_MAX, .size = 2, .fe_va = FE, .access = VHOST_ACCESS_RW },
		{ .iova = 0, .size = UINT64_MAX, .fe_va = FE, .access = VHOST_ACCESS_RW },
		{ .iova = 0, .size = 1, .fe_va = FE - 1, .access = VHOST_ACCESS_RW },
		{ .iova = 0, .size = 1, .fe_va = UINT64_MAX, .access = VHOST_ACCESS_RW },
		{ .iova = 0, .size = 1, .fe_va = FE, .access = 0 },
		{ .iova = 0, .size = 1, .fe_va = FE, .access = 4 },
		{ .iova = 0,
			.size = 2 * REGION_PAGES * PAGE + 1,
			.fe_va = FE,
			.access = VHOST_ACCESS_RW },
	};
	const struct vhost_iotlb_entry last = { .iova = UINT64_MAX - PAGE + 1,
		.size = PAGE,
		.fe_va = FE,
		.access = VHOST_ACCESS_RW };
	struct vhost_iotlb_tables tables;
	struct vhost_iotlb tlb = { 0 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(vhost_iotlb_insert(&tlb, mem, &bad[i]), -EINVAL);
	assert_int_equal(vhost_iotlb_insert(&tlb, NULL, &last), -EINVAL);
	/* The last page there is can be mapped, looked up, and taken away. */
	assert_int_equal(vhost_iotlb_insert(&tlb, mem, &last), 0);
	assert_int_equal(vhost_iotlb_make_tables(&tlb, mem, &tables), 0);
	assert_int_equal(lookup(tables.readable, UINT64_MAX), HOST + PAGE - 1);
	vhost_iotlb_free_tables(&tables);
	vhost_iotlb_remove(&tlb, UINT64_MAX - 1, UINT64_MAX);
	assert_int_equal(tlb.n, 1);
	assert_int_equal(tlb.entries[0].size, PAGE - 2);
	vhost_iotlb_clear(&tlb);
	free(mem);
}

static void
mappings_of_memory_that_is_gone_are_not_used(void **state)
{
	struct rte_vhost_memory *mem = two_regions();
	const struct vhost_iotlb_entry a = entry(0, 1, 0, VHOST_ACCESS_RW);
	const struct vhost_iotlb_entry b = entry(1, 1, REGION_PAGES, VHOST_ACCESS_RW);
	struct vhost_iotlb_tables tables;
	struct vhost_iotlb tlb = { 0 };

	(void)state;
	assert_int_equal(vhost_iotlb_insert(&tlb, mem, &a), 0);
	assert_int_equal(vhost_iotlb_insert(&tlb, mem, &b), 0);
	mem->nregions = 1;
	assert_int_equal(vhost_iotlb_make_tables(&tlb, mem, &tables), 0);
	assert_int_equal(lookup(tables.readable, 0), HOST);
	assert_int_equal(lookup(tables.readable, PAGE), 0);
	vhost_iotlb_free_tables(&tables);
	assert_int_equal(vhost_iotlb_make_tables(&tlb, NULL, &tables), 0);
	assert_int_equal(lookup(tables.writable, 0), 0);
	vhost_iotlb_free_tables(&tables);
	vhost_iotlb_clear(&tlb);
	free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache_knows_what_it_was_told),
		cmocka_unit_test(neighbours_become_one),
		cmocka_unit_test(neighbours_in_two_regions_stay_two),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(impossible_mappings_are_refused),
		cmocka_unit_test(mappings_of_memory_that_is_gone_are_not_used),
	};

	return cmocka_run_group_tests_name("iotlb", tests, NULL, NULL);
}
