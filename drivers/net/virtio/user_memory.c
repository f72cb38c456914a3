/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_eal_memconfig.h>
#include <rte_memory.h>

#include "log.h"
#include "user.h"

struct walk {
	const char *name;
	struct virtio_backend_memory *mem;
	const char *gone;
	size_t gone_len;
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
	if (list->external || ms->addr_64 - (uintptr_t)w->gone < w->gone_len)
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
virtio_user_memory_collect(const char *name, struct virtio_backend_memory *mem, const void *gone,
	size_t gone_len)
{
	struct walk w = { .name = name, .mem = mem, .gone = gone, .gone_len = gone_len };

	mem->n = 0;
	return rte_memseg_walk_thread_unsafe(add_segment, &w);
}
