/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_eal_memconfig.h>
#include <rte_memory.h>

#include "log.h"
#include "user.h"

struct walk {
	const char *name;
	struct virtio_backend_memory *mem;
	const struct virtio_backend_change *change;
};

/*
 * Grow a region of the same file so that it includes the segment, holes between them and all: a
 * file is mapped where it is mapped, so that addresses and offsets keep their distance.
 */
static bool
merge(struct virtio_backend_memory *mem, int fd, uint64_t addr, uint64_t size, uint64_t offset)
{
	for (uint32_t i = mem->n; i-- > 0;) {
		struct virtio_backend_region *r = &mem->regions[i];
		const uint64_t end = RTE_MAX(r->addr + r->size, addr + size);

		if (r->fd != fd || r->addr - r->offset != addr - offset)
			continue;
		if (addr < r->addr) {
			r->addr = addr;
			r->offset = offset;
		}
		r->size = end - r->addr;
		return true;
	}
	return false;
}

static int
add_segment(const struct rte_memseg_list *list, const struct rte_memseg *ms, void *arg)
{
	const struct walk *w = arg;
	struct virtio_backend_memory *mem = w->mem;
	size_t offset;
	int fd;

	/* Memory that the application brought is nobody's to share but its own. */
	if (list->external || virtio_backend_goes(w->change, ms->addr_64))
		return 0;
	fd = rte_memseg_get_fd_thread_unsafe(ms);
	if (fd < 0 || rte_memseg_get_fd_offset_thread_unsafe(ms, &offset) < 0) {
		VIRTIO_LOG(ERR,
			"%s: memory at %p has no file descriptor to share it by: use "
			"hugepages (with --in-memory: of a kernel that has memfd), or --no-huge",
			w->name, ms->addr);
		return -ENOTSUP;
	}
	if (merge(mem, fd, ms->addr_64, ms->len, offset))
		return 0;
	if (mem->n == VIRTIO_BACKEND_REGIONS_MAX) {
		VIRTIO_LOG(ERR,
			"%s: DPDK's memory is in more than %u files: start with "
			"--single-file-segments",
			w->name, VIRTIO_BACKEND_REGIONS_MAX);
		return -ENOSPC;
	}
	mem->regions[mem->n++] = (struct virtio_backend_region){
		.addr = ms->addr_64,
		.size = ms->len,
		.offset = offset,
		.fd = fd,
	};
	return 0;
}

int
virtio_user_memory_collect(const char *name, struct virtio_backend_memory *mem,
	const struct virtio_backend_change *change)
{
	struct walk w = { .name = name, .mem = mem, .change = change };

	mem->n = 0;
	return rte_memseg_walk_thread_unsafe(add_segment, &w);
}

static bool
same_mapping(const struct virtio_backend_region *a, const struct virtio_backend_region *b)
{
	return a->fd == b->fd && a->addr - a->offset == b->addr - b->offset;
}

static bool
overlap(const struct virtio_backend_region *a, const struct virtio_backend_region *b)
{
	return a->addr < b->addr + b->size && b->addr < a->addr + a->size;
}

/*
 * Take over what of @a had is in use still, or in part: what is gone from its end is a hole as good
 * as those in its midst. @return false if something else is there now
 */
static bool
keep(struct virtio_backend_memory *next, const struct virtio_backend_memory *had,
	const struct virtio_backend_memory *mem)
{
	next->n = 0;
	for (uint32_t i = 0; i < had->n; i++) {
		const struct virtio_backend_region *p = &had->regions[i];
		const struct virtio_backend_region *r = mem->regions, *end = r + mem->n;

		while (r < end && !overlap(p, r))
			r++;
		if (r == end)
			continue;
		if (!same_mapping(p, r))
			return false;
		next->regions[next->n++] = *p;
	}
	return true;
}

/* The first part of @a r, from @a at on, that none of the first @a n regions has. */
static struct virtio_backend_region
first_gap(const struct virtio_backend_memory *mem, uint32_t n,
	const struct virtio_backend_region *r, uint64_t at)
{
	uint64_t end = r->addr + r->size;
	bool moved;

	do {
		moved = false;
		for (uint32_t i = 0; i < n; i++) {
			const struct virtio_backend_region *p = &mem->regions[i];

			if (p->addr <= at && p->addr + p->size > at) {
				at = p->addr + p->size;
				moved = true;
			}
		}
	} while (moved);
	for (uint32_t i = 0; i < n; i++)
		if (mem->regions[i].addr > at)
			end = RTE_MIN(end, mem->regions[i].addr);
	return (struct virtio_backend_region){
		.addr = at,
		.size = end > at ? end - at : 0,
		.offset = r->offset + (at - r->addr),
		.fd = r->fd,
	};
}

bool
virtio_user_memory_go_on(struct virtio_backend_memory *next,
	const struct virtio_backend_memory *had, const struct virtio_backend_memory *mem,
	uint64_t most)
{
	uint32_t kept;

	if (!keep(next, had, mem))
		return false;
	kept = next->n;
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct virtio_backend_region *r = &mem->regions[i];
		struct virtio_backend_region gap = first_gap(next, kept, r, r->addr);

		while (gap.size > 0) {
			if (next->n == RTE_MIN(most, VIRTIO_BACKEND_REGIONS_MAX))
				return false;
			next->regions[next->n++] = gap;
			gap = first_gap(next, kept, r, gap.addr + gap.size);
		}
	}
	return next->n <= most;
}
