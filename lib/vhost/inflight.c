/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>

#include "inflight.h"
#include "packed.h"

#define VERSION 1

/* Parts begin on cache lines of their own. */
#define PART_ALIGN 64

static_assert(sizeof(struct rte_vhost_inflight_desc_split) == 16 &&
		offsetof(struct rte_vhost_inflight_info_split, desc) == 16,
	"as the vhost-user document lays it out");
static_assert(sizeof(struct rte_vhost_inflight_desc_packed) == 32 &&
		offsetof(struct rte_vhost_inflight_info_packed, desc) == 32,
	"as the vhost-user document lays it out");
static_assert(offsetof(struct rte_vhost_inflight_info_packed, used_idx) == 16 &&
		offsetof(struct rte_vhost_inflight_info_packed, old_used_wrap_counter) == 21,
	"positions are the parts of union vhost_inflight_used");

/* A field that the front end can change at any time: looked at once, or written whole. */
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define WRITE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

uint64_t
vhost_inflight_size(bool packed, uint16_t size)
{
	const uint64_t bytes = packed ? sizeof(struct rte_vhost_inflight_info_packed) +
			size * sizeof(struct rte_vhost_inflight_desc_packed) :
					sizeof(struct rte_vhost_inflight_info_split) +
			size * sizeof(struct rte_vhost_inflight_desc_split);

	return RTE_ALIGN_CEIL(bytes, PART_ALIGN);
}

/* --- The list of what is to be done again -------------------------------------------------- */

static int
newest_first(const void *a, const void *b)
{
	const struct rte_vhost_resubmit_desc *x = a, *y = b;

	if (x->counter != y->counter)
		return x->counter < y->counter ? 1 : -1;
	return x->index < y->index ? 1 : -1;
}

static int
begin_list(struct vhost_inflight *fl)
{
	fl->counter = 0;
	fl->resubmit.resubmit_num = 0;
	fl->resubmit.resubmit_list = calloc(fl->size, sizeof(fl->resubmit.resubmit_list[0]));
	return fl->resubmit.resubmit_list == NULL ? -ENOMEM : 0;
}

static void
add_to_list(struct vhost_inflight *fl, uint16_t index, uint64_t counter)
{
	fl->resubmit.resubmit_list[fl->resubmit.resubmit_num++] =
		(struct rte_vhost_resubmit_desc){ .index = index, .counter = counter };
}

static void
end_list(struct vhost_inflight *fl)
{
	if (fl->resubmit.resubmit_num == 0)
		return;
	qsort(fl->resubmit.resubmit_list, fl->resubmit.resubmit_num,
		sizeof(fl->resubmit.resubmit_list[0]), newest_first);
	fl->counter = fl->resubmit.resubmit_list[0].counter + 1;
}

void
vhost_inflight_fini(struct vhost_inflight *fl)
{
	free(fl->resubmit.resubmit_list);
	*fl = (struct vhost_inflight){ 0 };
}

/* Feature word and version begin both kinds of parts. */
void
vhost_inflight_forget(struct vhost_inflight *fl)
{
	if (fl->region != NULL)
		WRITE(fl->split->version, 0);
}

/* --- Split rings --------------------------------------------------------------------------- */

static void
init_split(struct vhost_inflight *fl, uint16_t used_idx)
{
	memset(fl->split, 0, vhost_inflight_size(false, fl->size));
	fl->split->desc_num = fl->size;
	fl->split->used_idx = used_idx;
	WRITE(fl->split->version, VERSION);
}

int
vhost_inflight_recover_split(struct vhost_inflight *fl, uint16_t used_idx)
{
	struct rte_vhost_inflight_info_split *info = fl->split;
	const uint16_t version = READ(info->version);
	uint16_t batch, head;

	if (version != 0 && version != VERSION)
		return -EINVAL;
	if (version == 0)
		init_split(fl, used_idx);
	if (begin_list(fl) != 0)
		return -ENOMEM;

	/* What was made visible last may not have been noted as given back. */
	batch = used_idx - READ(info->used_idx);
	head = READ(info->last_inflight_io);
	for (uint16_t i = 0; i < RTE_MIN(batch, fl->size) && head < fl->size; i++) {
		WRITE(info->desc[head].inflight, 0);
		head = READ(info->desc[head].next);
	}
	WRITE(info->used_idx, used_idx);

	for (uint16_t i = 0; i < fl->size; i++)
		if (READ(info->desc[i].inflight) == 1)
			add_to_list(fl, i, READ(info->desc[i].counter));
	end_list(fl);
	return 0;
}

int
vhost_inflight_take_split(struct vhost_inflight *fl, uint16_t idx)
{
	if (idx >= fl->size)
		return -1;
	fl->split->desc[idx].counter = fl->counter++;
	WRITE(fl->split->desc[idx].inflight, 1);
	return 0;
}

int
vhost_inflight_give_split(struct vhost_inflight *fl, uint16_t idx)
{
	if (idx >= fl->size)
		return -1;
	WRITE(fl->split->desc[idx].next, READ(fl->split->last_inflight_io));
	WRITE(fl->split->last_inflight_io, idx);
	return 0;
}

int
vhost_inflight_given_split(struct vhost_inflight *fl, uint16_t used_idx, uint16_t idx)
{
	if (idx >= fl->size)
		return -1;
	WRITE(fl->split->desc[idx].inflight, 0);
	WRITE(fl->split->used_idx, used_idx);
	return 0;
}

/* --- Packed rings -------------------------------------------------------------------------- */

static void
init_packed(struct vhost_inflight *fl, uint16_t base)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	const uint16_t idx = base & ((1u << PACKED_WRAP_BIT) - 1);
	const uint8_t wrap = base >> PACKED_WRAP_BIT;

	memset(info, 0, vhost_inflight_size(true, fl->size));
	info->desc_num = fl->size;
	for (uint16_t i = 0; i < fl->size; i++)
		info->desc[i].next = i + 1;
	vhost_inflight_set_used(info,
		(union vhost_inflight_used){ .idx = idx,
			.old_idx = idx,
			.wrap = wrap,
			.old_wrap = wrap });
	WRITE(info->version, VERSION);
}

/* Make a region that nobody has used yet ready, or look whether another one can be gone on with. */
static int
open_packed(struct vhost_inflight *fl, uint16_t base, union vhost_inflight_used *used)
{
	const uint16_t version = READ(fl->packed->version);

	if (version != 0 && version != VERSION)
		return -EINVAL;
	if (version == 0)
		init_packed(fl, base);
	*used = vhost_inflight_used(fl->packed);
	return used->idx < fl->size && used->old_idx < fl->size && used->wrap <= 1 &&
			used->old_wrap <= 1 ?
		0 :
		-EINVAL;
}

/* Did the driver get to see what was being given back? Then the first place is not its any more. */
static bool
was_published(const struct vring_packed_desc *ring, union vhost_inflight_used used)
{
	return (used.idx != used.old_idx || used.wrap != used.old_wrap) &&
		!packed_flags_available(READ(ring[used.old_idx].flags), used.old_wrap);
}

/* Decide what holds: the new position if it was published, or else the old one. */
static union vhost_inflight_used
settle(const struct vring_packed_desc *ring, union vhost_inflight_used used)
{
	if (was_published(ring, used)) {
		used.old_idx = used.idx;
		used.old_wrap = used.wrap;
	} else {
		used.idx = used.old_idx;
		used.wrap = used.old_wrap;
	}
	return used;
}

static uint16_t
base_of(union vhost_inflight_used used)
{
	return used.old_idx | (uint16_t)(used.old_wrap << PACKED_WRAP_BIT);
}

int
vhost_inflight_recover_packed(struct vhost_inflight *fl, const struct vring_packed_desc *ring,
	uint16_t *base)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	union vhost_inflight_used used;
	uint16_t entry;
	int ret = open_packed(fl, *base, &used);

	if (ret != 0)
		return ret;
	if (begin_list(fl) != 0)
		return -ENOMEM;
	entry = was_published(ring, used) ? READ(info->free_head) : READ(info->old_free_head);
	WRITE(info->old_free_head, entry);
	WRITE(info->free_head, entry);
	used = settle(ring, used);
	vhost_inflight_set_used(info, used);
	*base = base_of(used);

	/* What is free is not in flight, whatever was about to be noted. */
	for (uint16_t i = 0; i < fl->size && entry < fl->size; i++) {
		WRITE(info->desc[entry].inflight, 0);
		entry = READ(info->desc[entry].next);
	}
	for (uint16_t i = 0; i < fl->size; i++)
		if (READ(info->desc[i].inflight) == 1)
			add_to_list(fl, i, READ(info->desc[i].counter));
	end_list(fl);
	return 0;
}

int
vhost_inflight_rewind_packed(struct vhost_inflight *fl, struct vring_packed_desc *ring,
	uint16_t *base)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	union vhost_inflight_used used;
	int ret = open_packed(fl, *base, &used);
	bool published;

	if (ret != 0)
		return ret;
	published = was_published(ring, used);
	for (uint16_t i = 0; i < fl->size; i++) {
		struct rte_vhost_inflight_desc_packed *kept = &info->desc[i];

		if (READ(kept->inflight) != 1)
			continue;
		if (!published) {
			ring[i].len = READ(kept->len);
			ring[i].id = READ(kept->id);
			WRITE(ring[i].flags, READ(kept->flags));
		}
		WRITE(kept->inflight, 0);
	}
	used = settle(ring, used);
	vhost_inflight_set_used(info, used);
	*base = base_of(used);
	return 0;
}

int
vhost_inflight_base_packed(const struct vhost_inflight *fl, uint16_t *base)
{
	const union vhost_inflight_used used = vhost_inflight_used(fl->packed);

	if (used.old_idx >= fl->size || used.old_wrap > 1)
		return -1;
	*base = base_of(used);
	return 0;
}

int
vhost_inflight_take_packed(struct vhost_inflight *fl, const struct vring_packed_desc *ring,
	uint16_t head, uint16_t last, uint16_t *entry)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	const uint16_t first = READ(info->old_free_head);
	uint16_t num, at = first, end = first;

	if (head >= fl->size || last >= fl->size || first >= fl->size)
		return -1;
	num = (last >= head ? last - head : last + fl->size - head) + 1;
	for (uint16_t i = 0; i < num; i++) {
		const struct vring_packed_desc *d = &ring[(head + i) % fl->size];

		if (at >= fl->size)
			return -1;
		end = at;
		info->desc[at].addr = READ(d->addr);
		info->desc[at].len = READ(d->len);
		info->desc[at].id = READ(d->id);
		info->desc[at].flags = READ(d->flags);
		at = READ(info->desc[at].next);
	}
	info->desc[first].last = end;
	info->desc[first].num = num;
	info->desc[first].counter = fl->counter++;
	WRITE(info->desc[first].inflight, 1);
	/* From here on it is the region's; before, it was a free entry that held something. */
	WRITE(info->free_head, at);
	WRITE(info->old_free_head, at);
	*entry = first;
	return 0;
}

int
vhost_inflight_give_packed(struct vhost_inflight *fl, uint16_t head)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	union vhost_inflight_used used = vhost_inflight_used(info);
	uint32_t idx = used.idx;
	uint16_t last, num;

	if (head >= fl->size || idx >= fl->size)
		return -1;
	last = READ(info->desc[head].last);
	num = READ(info->desc[head].num);
	if (last >= fl->size || num == 0 || num > fl->size)
		return -1;
	idx += num;
	if (idx >= fl->size) {
		idx -= fl->size;
		used.wrap = !used.wrap;
	}
	used.idx = (uint16_t)idx;
	WRITE(info->desc[last].next, READ(info->free_head));
	WRITE(info->free_head, head);
	vhost_inflight_set_used(info, used);
	return 0;
}

int
vhost_inflight_given_packed(struct vhost_inflight *fl, uint16_t head)
{
	struct rte_vhost_inflight_info_packed *info = fl->packed;
	union vhost_inflight_used used = vhost_inflight_used(info);

	if (head >= fl->size)
		return -1;
	WRITE(info->desc[head].inflight, 0);
	WRITE(info->old_free_head, READ(info->free_head));
	used.old_idx = used.idx;
	used.old_wrap = used.wrap;
	vhost_inflight_set_used(info, used);
	return 0;
}
