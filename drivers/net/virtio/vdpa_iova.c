/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/vhost.h>

#include <rte_eal_memconfig.h>
#include <rte_memory.h>

#include "log.h"
#include "user.h"
#include "vdpa_iova.h"

#define BACKEND(name) (UINT64_C(1) << VHOST_BACKEND_F_##name)

/*
 * Holes are looked for from here on: above what programs are linked to and what no IOMMU likes
 * to map, below what DPDK's memory and interrupts of PCI devices have.
 */
#define HOLE_BEGIN UINT64_C(0x100000)

void
vdpa_iova_init(struct vdpa_iova *v)
{
	v->mapped = (struct vdpa_ranges){ 0 };
	v->wanted = (struct vdpa_ranges){ 0 };
}

void
vdpa_iova_release(struct vdpa_iova *v)
{
	free(v->mapped.range);
	free(v->wanted.range);
	vdpa_iova_init(v);
}

/* The kernel takes messages of two kinds by write(2), one at a time. */
static int
message(const struct vdpa_iova *v, uint32_t asid, const struct vhost_iotlb_msg *iotlb)
{
	struct vhost_msg_v2 v2 = { .type = VHOST_IOTLB_MSG_V2, .asid = asid, .iotlb = *iotlb };
	struct vhost_msg v1 = { .type = VHOST_IOTLB_MSG, .iotlb = *iotlb };
	ssize_t ret;

	if (v->features & BACKEND(IOTLB_MSG_V2))
		ret = write(v->fd, &v2, sizeof(v2));
	else
		ret = write(v->fd, &v1, sizeof(v1));
	return ret < 0 ? -errno : 0;
}

static int
map(const struct vdpa_iova *v, uint32_t asid, uint64_t iova, uint64_t size, uint64_t addr)
{
	const struct vhost_iotlb_msg iotlb = {
		.type = VHOST_IOTLB_UPDATE,
		.perm = VHOST_ACCESS_RW,
		.iova = iova,
		.size = size,
		.uaddr = addr,
	};

	return message(v, asid, &iotlb);
}

static int
unmap(const struct vdpa_iova *v, uint32_t asid, uint64_t iova, uint64_t size)
{
	const struct vhost_iotlb_msg iotlb = {
		.type = VHOST_IOTLB_INVALIDATE,
		.iova = iova,
		.size = size,
	};

	return message(v, asid, &iotlb);
}

/* Between these two the kernel may put off the work until it knows all of it. */
static int
batch(const struct vdpa_iova *v, uint32_t asid, uint8_t type)
{
	const struct vhost_iotlb_msg iotlb = { .type = type };

	return v->features & BACKEND(IOTLB_BATCH) ? message(v, asid, &iotlb) : 0;
}

/* Bytes that this process has locked for devices by now. */
static uint64_t
pinned(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long kb = 0;
	char line[128];

	if (status == NULL)
		return 0;
	while (fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "VmPin: %lu", &kb) == 1)
			break;
	fclose(status);
	return (uint64_t)kb << 10;
}

/* The kernel says "bad address" for whatever it dislikes: find out what that is likely to be. */
static int
explain(const struct virtio_user *u, const struct vdpa_iova *v, const struct vdpa_range *r,
	int error)
{
	const uint64_t have = pinned();
	uint64_t all = 0;
	struct rlimit limit;

	for (uint32_t i = 0; i < v->wanted.n; i++)
		all += v->wanted.range[i].size;
	all = RTE_MAX(all, have + r->size);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < have + r->size) {
		VIRTIO_LOG(ERR,
			"%s: %s needs %" PRIu64 " kB of locked memory, and the limit is %" PRIu64
			" kB: raise it (ulimit -l, --ulimit memlock=-1 of a container, "
			"LimitMEMLOCK= of a service), or start with less memory (-m)",
			u->dev.name, u->args.path, all >> 10, (uint64_t)limit.rlim_cur >> 10);
		return -ENOMEM;
	}
	VIRTIO_LOG(ERR, "%s: cannot map memory at %#" PRIx64 ", %" PRIu64 " kB, for %s: %s%s",
		u->dev.name, r->addr, r->size >> 10, u->args.path, strerror(-error),
		error == -EFAULT ?
			": it may be in more pieces than the kernel takes (max_iotlb_entries of "
			"module vhost_vdpa): use hugepages, or larger ones" :
			"");
	return error;
}

static int
append(struct vdpa_ranges *ranges, uint64_t addr, uint64_t size)
{
	if (ranges->n == ranges->room) {
		const uint32_t room = RTE_MAX(64, 2 * ranges->room);
		struct vdpa_range *range = realloc(ranges->range, room * sizeof(*range));

		if (range == NULL)
			return -ENOMEM;
		ranges->range = range;
		ranges->room = room;
	}
	ranges->range[ranges->n++] = (struct vdpa_range){ .addr = addr, .size = size };
	return 0;
}

struct walk {
	struct vdpa_ranges *ranges;
	const struct virtio_backend_change *change;
	bool growing; /* the last range may still grow */
};

static int
add_segment(const struct rte_memseg_list *list, const struct rte_memseg *ms, void *arg)
{
	struct walk *w = arg;
	const bool stays = ms->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE;
	struct vdpa_range *last = w->ranges->n > 0 ? &w->ranges->range[w->ranges->n - 1] : NULL;

	/* Memory that the application brought is nobody's to share but its own. */
	if (list->external || virtio_backend_goes(w->change, ms->addr_64))
		return 0;
	if (w->growing && stays && last->addr + last->size == ms->addr_64) {
		last->size += ms->len;
		return 0;
	}
	w->growing = stays;
	return append(w->ranges, ms->addr_64, ms->len);
}

/* Memory that never changes is one list of segments without flags. */
static int
add_list(const struct rte_memseg_list *list, void *arg)
{
	struct walk *w = arg;

	return list->external || list->len == 0 ? 0 : append(w->ranges, list->addr_64, list->len);
}

static int
by_address(const void *a, const void *b)
{
	const struct vdpa_range *left = a, *right = b;

	return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static int
collect(struct vdpa_iova *v, const struct virtio_backend_change *change)
{
	struct walk w = { .ranges = &v->wanted, .change = change };
	int ret;

	v->wanted.n = 0;
	if (!rte_eal_has_hugepages())
		ret = rte_memseg_list_walk_thread_unsafe(add_list, &w);
	else
		ret = rte_memseg_walk_thread_unsafe(add_segment, &w);
	if (ret == 0 && v->wanted.n > 1)
		qsort(v->wanted.range, v->wanted.n, sizeof(*v->wanted.range), by_address);
	return ret;
}

static int
check_reach(const struct virtio_user *u, const struct vdpa_iova *v)
{
	for (uint32_t i = 0; i < v->wanted.n; i++) {
		const struct vdpa_range *r = &v->wanted.range[i];

		if (r->addr >= v->first && r->addr + r->size - 1 <= v->last)
			continue;
		VIRTIO_LOG(ERR,
			"%s: memory at %#" PRIx64 "..%#" PRIx64 " is out of reach for %s, which "
			"has addresses %#" PRIx64 "..%#" PRIx64
			": start with a --base-virtaddr=ADDRESS that fits",
			u->dev.name, r->addr, r->addr + r->size - 1, u->args.path, v->first,
			v->last);
		return -ERANGE;
	}
	return 0;
}

/* Undo what is mapped and not in the list any more. Both lists are sorted. */
static void
undo_old(struct vdpa_iova *v)
{
	const struct vdpa_ranges *old = &v->mapped, *new = &v->wanted;

	for (uint32_t i = 0, j = 0; i < old->n; i++) {
		const struct vdpa_range *r = &old->range[i];

		while (j < new->n &&new->range[j].addr < r->addr)
			j++;
		if (j == new->n || new->range[j].addr != r->addr || new->range[j].size != r->size)
			(void)unmap(v, 0, r->addr, r->size);
	}
}

static int
make_new(const struct virtio_user *u, struct vdpa_iova *v)
{
	const struct vdpa_ranges *old = &v->mapped, *new = &v->wanted;
	int ret = 0;

	for (uint32_t i = 0, j = 0; j < new->n &&ret == 0; j++) {
		const struct vdpa_range *r = &new->range[j];

		while (i < old->n && old->range[i].addr < r->addr)
			i++;
		if (i < old->n && old->range[i].addr == r->addr && old->range[i].size == r->size)
			continue;
		ret = map(v, 0, r->addr, r->size, r->addr);
		if (ret < 0)
			ret = explain(u, v, r, ret);
	}
	return ret;
}

static void
take_over(struct vdpa_iova *v)
{
	const struct vdpa_ranges old = v->mapped;

	v->mapped = v->wanted;
	v->wanted = old;
}

int
vdpa_iova_update(const struct virtio_user *u, struct vdpa_iova *v,
	const struct virtio_backend_change *change)
{
	int ret = collect(v, change);
	int end;

	if (ret < 0)
		VIRTIO_LOG(ERR, "%s: no memory to list DPDK's memory", u->dev.name);
	if (ret == 0)
		ret = check_reach(u, v);
	if (ret < 0)
		return ret;
	ret = batch(v, 0, VHOST_IOTLB_BATCH_BEGIN);
	if (ret == 0) {
		undo_old(v);
		ret = make_new(u, v);
		end = batch(v, 0, VHOST_IOTLB_BATCH_END);
		/* Even if only a part is mapped: what is not mapped cannot be undone wrongly. */
		take_over(v);
		if (ret < 0 || end == 0)
			return ret;
		ret = end;
	}
	VIRTIO_LOG(ERR, "%s: cannot change what is mapped for %s: %s", u->dev.name, u->args.path,
		strerror(-ret));
	return ret;
}

void
vdpa_iova_clear(struct vdpa_iova *v)
{
	v->wanted.n = 0;
	(void)batch(v, 0, VHOST_IOTLB_BATCH_BEGIN);
	undo_old(v);
	(void)batch(v, 0, VHOST_IOTLB_BATCH_END);
	take_over(v);
}

struct hole {
	uint64_t begin;
	uint64_t size;
	bool moved;
};

/* Whatever DPDK has reserved addresses for may have memory one day. */
static int
step_over(const struct rte_memseg_list *list, void *arg)
{
	struct hole *hole = arg;

	if (hole->begin < list->addr_64 + list->len && list->addr_64 < hole->begin + hole->size) {
		hole->begin = RTE_ALIGN_CEIL(list->addr_64 + list->len, hole->size);
		hole->moved = true;
	}
	return 0;
}

bool
vdpa_iova_hole(const struct virtio_user *u, const struct vdpa_iova *v, uint64_t size,
	uint64_t *iova)
{
	struct hole hole = { .size = size };

	hole.begin = RTE_ALIGN_CEIL(RTE_MAX(v->first, HOLE_BEGIN), size);
	do {
		hole.moved = false;
		rte_memseg_list_walk_thread_unsafe(step_over, &hole);
	} while (hole.moved);
	if (hole.begin >= v->first && hole.begin + size - 1 <= v->last) {
		*iova = hole.begin;
		return true;
	}
	VIRTIO_LOG(ERR,
		"%s: no addresses are left for the control queue of %s, which has %#" PRIx64
		"..%#" PRIx64 ": start with a higher --base-virtaddr=ADDRESS",
		u->dev.name, u->args.path, v->first, v->last);
	return false;
}

int
vdpa_iova_map(const struct virtio_user *u, const struct vdpa_iova *v, uint32_t asid, uint64_t iova,
	uint64_t size, const void *memory)
{
	const struct vdpa_range range = { .addr = (uintptr_t)memory, .size = size };
	int ret = batch(v, asid, VHOST_IOTLB_BATCH_BEGIN);
	int end;

	if (ret == 0) {
		ret = map(v, asid, iova, size, range.addr);
		end = batch(v, asid, VHOST_IOTLB_BATCH_END);
		if (ret == 0)
			ret = end;
	}
	return ret < 0 ? explain(u, v, &range, ret) : 0;
}

void
vdpa_iova_unmap(const struct vdpa_iova *v, uint32_t asid, uint64_t iova, uint64_t size)
{
	(void)batch(v, asid, VHOST_IOTLB_BATCH_BEGIN);
	(void)unmap(v, asid, iova, size);
	(void)batch(v, asid, VHOST_IOTLB_BATCH_END);
}
