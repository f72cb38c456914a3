/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost_types.h>

#include "iotlb.h"
#include "memory.h"

static uint64_t
last_of(const struct vhost_iotlb_entry *e)
{
	return e->iova + (e->size - 1);
}

/* Index of the first entry that ends at or behind an address: all before it end below. */
static uint32_t
lower_bound(const struct vhost_iotlb *tlb, uint64_t iova)
{
	uint32_t low = 0, high = tlb->n;

	while (low < high) {
		const uint32_t mid = (low + high) / 2;

		if (last_of(&tlb->entries[mid]) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
drop(struct vhost_iotlb *tlb, uint32_t first, uint32_t end)
{
	memmove(&tlb->entries[first], &tlb->entries[end], (tlb->n - end) * sizeof(tlb->entries[0]));
	tlb->n -= end - first;
}

/* Make room at an index for one more entry. The caller knows that there is some. */
static void
open_gap(struct vhost_iotlb *tlb, uint32_t at)
{
	memmove(&tlb->entries[at + 1], &tlb->entries[at], (tlb->n - at) * sizeof(tlb->entries[0]));
	tlb->n++;
}

/* What is left of an entry from an address on. */
static struct vhost_iotlb_entry
rest_of(const struct vhost_iotlb_entry *e, uint64_t iova)
{
	const uint64_t skip = iova - e->iova;

	return (struct vhost_iotlb_entry){ .iova = iova,
		.size = e->size - skip,
		.fe_va = e->fe_va + skip,
		.access = e->access };
}

void
vhost_iotlb_remove(struct vhost_iotlb *tlb, uint64_t iova, uint64_t size)
{
	const uint64_t last = size == 0 || iova + (size - 1) < iova ? UINT64_MAX :
								      iova + (size - 1);
	uint32_t first = lower_bound(tlb, iova), end;
	struct vhost_iotlb_entry *e;

	if (tlb->n == 0)
		return;
	if (first < tlb->n && tlb->entries[first].iova < iova) {
		e = &tlb->entries[first];
		/* What lies behind a hole in the middle stays if there is room: else it is dropped. */
		if (last_of(e) > last && tlb->n < VHOST_IOTLB_ENTRIES_MAX) {
			const struct vhost_iotlb_entry behind = rest_of(e, last + 1);

			open_gap(tlb, first + 1);
			tlb->entries[first + 1] = behind;
		}
		e->size = iova - e->iova;
		first++;
	}
	for (end = first; end < tlb->n && last_of(&tlb->entries[end]) <= last; end++)
		;
	if (end < tlb->n && tlb->entries[end].iova <= last)
		tlb->entries[end] = rest_of(&tlb->entries[end], last + 1);
	drop(tlb, first, end);
}

static bool
lies_in(const struct rte_vhost_memory *mem, const struct vhost_iotlb_entry *e)
{
	return mem != NULL && vhost_memory_from_fe_va(mem, e->fe_va, e->size) != NULL;
}

/* Can two entries be one? */
static bool
continues(const struct rte_vhost_memory *mem, const struct vhost_iotlb_entry *a,
	const struct vhost_iotlb_entry *b)
{
	struct vhost_iotlb_entry both = *a;

	both.size += b->size;
	return a->iova + a->size == b->iova && a->fe_va + a->size == b->fe_va &&
		a->access == b->access && both.size > a->size && lies_in(mem, &both);
}

int
vhost_iotlb_insert(struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem,
	const struct vhost_iotlb_entry *entry)
{
	uint32_t at;

	if (entry->size == 0 || entry->iova + (entry->size - 1) < entry->iova ||
		entry->access < VHOST_ACCESS_RO || entry->access > VHOST_ACCESS_RW ||
		!lies_in(mem, entry))
		return -EINVAL;
	if (tlb->entries == NULL)
		tlb->entries = malloc(VHOST_IOTLB_ENTRIES_MAX * sizeof(tlb->entries[0]));
	if (tlb->entries == NULL)
		return -ENOMEM;

	vhost_iotlb_remove(tlb, entry->iova, entry->size);
	at = lower_bound(tlb, entry->iova);
	if (at > 0 && continues(mem, &tlb->entries[at - 1], entry)) {
		at--;
		tlb->entries[at].size += entry->size;
	} else {
		if (tlb->n == VHOST_IOTLB_ENTRIES_MAX) {
			tlb->victim = (tlb->victim + 1) % tlb->n;
			drop(tlb, tlb->victim, tlb->victim + 1);
			at -= tlb->victim < at;
		}
		open_gap(tlb, at);
		tlb->entries[at] = *entry;
	}
	if (at + 1 < tlb->n && continues(mem, &tlb->entries[at], &tlb->entries[at + 1])) {
		tlb->entries[at].size += tlb->entries[at + 1].size;
		drop(tlb, at + 1, at + 2);
	}
	return 0;
}

void
vhost_iotlb_clear(struct vhost_iotlb *tlb)
{
	free(tlb->entries);
	*tlb = (struct vhost_iotlb){ 0 };
}

static int
make_table(const struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem, uint8_t access,
	struct rte_vhost_memory **table)
{
	struct rte_vhost_memory *t;

	t = malloc(sizeof(*t) + tlb->n * sizeof(t->regions[0]));
	if (t == NULL)
		return -ENOMEM;
	t->nregions = 0;
	for (uint32_t i = 0; i < tlb->n; i++) {
		const struct vhost_iotlb_entry *e = &tlb->entries[i];

		if ((e->access & access) == 0 || !lies_in(mem, e))
			continue;
		t->regions[t->nregions++] = (struct rte_vhost_mem_region){
			.guest_phys_addr = e->iova,
			.guest_user_addr = e->fe_va,
			.host_user_addr = (uintptr_t)vhost_memory_from_fe_va(mem, e->fe_va,
				e->size),
			.size = e->size,
			.fd = -1,
		};
	}
	*table = t;
	return 0;
}

int
vhost_iotlb_make_tables(const struct vhost_iotlb *tlb, const struct rte_vhost_memory *mem,
	struct vhost_iotlb_tables *tables)
{
	int ret;

	*tables = (struct vhost_iotlb_tables){ NULL, NULL };
	ret = make_table(tlb, mem, VHOST_ACCESS_RO, &tables->readable);
	if (ret == 0)
		ret = make_table(tlb, mem, VHOST_ACCESS_WO, &tables->writable);
	if (ret != 0)
		vhost_iotlb_free_tables(tables);
	return ret;
}

void
vhost_iotlb_free_tables(struct vhost_iotlb_tables *tables)
{
	free(tables->readable);
	free(tables->writable);
	*tables = (struct vhost_iotlb_tables){ NULL, NULL };
}
