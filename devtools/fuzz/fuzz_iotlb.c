/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The cache of what a front end's IOMMU maps: any updates and invalidations, against a model that
 * knows of each unit of a small address space what it is mapped to. What the cache says is what it was
 * told last; it may have forgotten, but only where the model allows for it, which is never here,
 * because it has more entries than there are units.
 */

#include <linux/vhost_types.h>

#include "fuzz.h"
#include "iotlb.h"
#include "memory.h"

/* Addresses are multiples of a unit from 0 on, or from the last ones there are. */
#define UNIT 256u
#define UNITS 128u
#define REGIONS 3u
#define REGION_UNITS 64u
#define FE UINT64_C(0x700000000000)

struct model {
	uint64_t fe_va;
	uint8_t access;
};

static struct rte_vhost_memory *memory;
static uint8_t *pages;

static uint64_t
iova_of(uint32_t unit, bool high)
{
	return high ? UINT64_MAX - UNIT * (uint64_t)(UNITS - unit) + 1 : UNIT * (uint64_t)unit;
}

static void
compare(const struct vhost_iotlb *tlb, const struct model *model, bool high)
{
	struct vhost_iotlb_tables tables;

	fuzz_check(vhost_iotlb_make_tables(tlb, memory, &tables) == 0);
	for (uint32_t i = 0; i < UNITS; i++) {
		const struct rte_vhost_memory *const lists[] = { tables.readable, tables.writable };

		for (uint8_t k = 0; k < 2; k++) {
			uint64_t len = 1;
			const void *at = vhost_memory_from_gpa(lists[k], iova_of(i, high), &len);
			const bool mapped = model[i].access & (1 << k);

			fuzz_check((at != NULL) == mapped);
			fuzz_check(!mapped ||
				at == vhost_memory_from_fe_va(memory, model[i].fe_va, 1));
		}
	}
	vhost_iotlb_free_tables(&tables);
}

static void
step(struct fuzz_input *in, struct vhost_iotlb *tlb, struct model *model, bool high)
{
	const uint8_t what = fuzz_u8(in);
	const uint32_t first = fuzz_u8(in) % UNITS;
	const uint32_t n = RTE_MIN(1 + fuzz_u8(in) % UNITS, UNITS - first);
	const uint32_t fe_unit = fuzz_u8(in) % (REGIONS * REGION_UNITS);
	const struct vhost_iotlb_entry e = { .iova = iova_of(first, high),
		.size = (uint64_t)n * UNIT,
		.fe_va = FE + (uint64_t)fe_unit * UNIT,
		.access = what >> 2 & 7 };
	const bool fits = fe_unit % REGION_UNITS + n <= REGION_UNITS;

	if ((what & 3) == 0) {
		vhost_iotlb_remove(tlb, e.iova, e.size);
		memset(&model[first], 0, n * sizeof(*model));
		return;
	}
	if (vhost_iotlb_insert(tlb, memory, &e) != 0) {
		fuzz_check(!fits || e.access == 0 || e.access > 3);
		return;
	}
	fuzz_check(fits && e.access >= 1 && e.access <= 3);
	for (uint32_t i = 0; i < n; i++)
		model[first + i] = (struct model){ e.fe_va + (uint64_t)i * UNIT, e.access };
}

/* Any numbers at all: nothing is said of the result, but that it is in order. */
static void
wild_step(struct fuzz_input *in, struct vhost_iotlb *tlb)
{
	struct vhost_iotlb_entry e;

	fuzz_bytes(in, &e, sizeof(e));
	vhost_iotlb_insert(tlb, memory, &e);
	vhost_iotlb_remove(tlb, fuzz_u64(in), fuzz_u64(in));
	for (uint32_t i = 1; i < tlb->n; i++)
		fuzz_check(tlb->entries[i - 1].iova + (tlb->entries[i - 1].size - 1) <
			tlb->entries[i].iova);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const uint8_t kind = fuzz_u8(&in);
	struct model model[UNITS] = { 0 };
	struct vhost_iotlb tlb = { 0 };

	while (in.left > 0) {
		if (kind & 2)
			wild_step(&in, &tlb);
		else
			step(&in, &tlb, model, kind & 1);
		fuzz_check(tlb.n <= VHOST_IOTLB_ENTRIES_MAX);
	}
	if ((kind & 2) == 0)
		compare(&tlb, model, kind & 1);
	vhost_iotlb_clear(&tlb);
	return 0;
}

/* Regions that follow each other for the front end, and do not for us. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pages = malloc(2 * REGIONS * REGION_UNITS * UNIT);
	memory = calloc(1, sizeof(*memory) + REGIONS * sizeof(memory->regions[0]));
	fuzz_check(pages != NULL && memory != NULL);
	memory->nregions = REGIONS;
	for (uint32_t i = 0; i < REGIONS; i++)
		memory->regions[i] = (struct rte_vhost_mem_region){
			.guest_phys_addr = (uint64_t)i * REGION_UNITS * UNIT,
			.guest_user_addr = FE + (uint64_t)i * REGION_UNITS * UNIT,
			.host_user_addr = (uintptr_t)pages + (uint64_t)2 * i * REGION_UNITS * UNIT,
			.size = REGION_UNITS * UNIT,
			.fd = -1,
		};
	return 0;
}
