/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"
#include "memory.h"
#include "memory_guard.h"
#include "peer_fd.h"
#include "vhost_user_wire.h"
#include "vring_private.h"

/* A table has room behind its regions for where in its file each begins, which applications do not see. */
static struct rte_vhost_memory *
make_table(uint32_t nregions)
{
	struct rte_vhost_memory *mem = malloc(
		sizeof(*mem) + nregions * (sizeof(mem->regions[0]) + sizeof(uint64_t)));

	if (mem != NULL)
		mem->nregions = nregions;
	return mem;
}

static uint64_t *
file_offsets(const struct rte_vhost_memory *mem)
{
	return (uint64_t *)(uintptr_t)&mem->regions[mem->nregions];
}

static void
copy_regions(struct rte_vhost_memory *mem, uint32_t at, const struct rte_vhost_memory *from,
	uint32_t first, uint32_t n)
{
	if (n == 0)
		return;
	memcpy(&mem->regions[at], &from->regions[first], n * sizeof(mem->regions[0]));
	memcpy(&file_offsets(mem)[at], &file_offsets(from)[first], n * sizeof(uint64_t));
}

/* Do [a, a + a_len) and [b, b + b_len) share an address? Neither range wraps. */
static bool
overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static bool
range_wraps(uint64_t start, uint64_t len)
{
	return start + len < start;
}

/*
 * Together, regions have no more than the largest machines have memory; what all front ends may take
 * of our address space is counted in budget.c. No end may reach 2^64, so that everybody may add start
 * and size without a second thought.
 */
static int
check_region(const struct rte_vhost_memory *old, const struct vhost_user_region *region)
{
	uint64_t total = region->size;

	if (region->size == 0 || region->size > VHOST_MEMORY_SIZE_MAX ||
		range_wraps(region->gpa, region->size) || range_wraps(region->fe_va, region->size))
		return -EINVAL;
	if (old == NULL)
		return 0;
	if (old->nregions >= VHOST_MEMORY_SLOTS_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < old->nregions; i++) {
		const struct rte_vhost_mem_region *r = &old->regions[i];

		if (overlap(region->gpa, region->size, r->guest_phys_addr, r->size) ||
			overlap(region->fe_va, region->size, r->guest_user_addr, r->size))
			return -EINVAL;
		total += r->size;
	}
	return total > VHOST_MEMORY_SIZE_MAX ? -EINVAL : 0;
}

/*
 * A mapping begins and ends where pages of the file do. A hugetlbfs file says so in its block size.
 */
static uint64_t
file_page_size(const struct statx *st)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t block = st->stx_blksize;

	return block > page && (block & (block - 1)) == 0 ? block : page;
}

/*
 * That fails only where it leaves a process with more mappings than it may have. What stays is a hole
 * in the address space, and memory that its owner cannot free.
 */
static void
unmap(void *addr, uint64_t len)
{
	if (munmap(addr, len) != 0)
		VRING_LOG(ERR, "%" PRIu64 " bytes of guest memory stay mapped: %s", len,
			strerror(errno));
}

int
vhost_memory_map(int fd, uint64_t offset, uint64_t size, struct vhost_mapping *mapping)
{
	struct statx st;
	uint64_t page, start, len;
	void *addr;
	int ret;

	/* The file offset is a signed number to the kernel. */
	if (size == 0 || offset > INT64_MAX || size > INT64_MAX - offset)
		return -EINVAL;
	ret = vhost_peer_fd_stat(fd, &st);
	if (ret != 0)
		return ret;
	if (!vhost_peer_fd_is_memory(fd, &st))
		return -EMEDIUMTYPE;
	/* Beyond the end of a file there is nothing but SIGBUS. */
	if (S_ISREG(st.stx_mode) && offset + size > st.stx_size)
		return -EINVAL;
	page = file_page_size(&st);
	start = offset & ~(page - 1);
	len = (offset + size - start + page - 1) & ~(page - 1);

	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
	if (addr == MAP_FAILED)
		return -errno;
	ret = vhost_guard_add(addr, len);
	if (ret != 0) {
		unmap(addr, len);
		return ret;
	}
	/* A core dump is for debugging this process, not for what a guest keeps in its memory. */
	madvise(addr, len, MADV_DONTDUMP);
	*mapping = (struct vhost_mapping){
		.addr = addr,
		.len = len,
		.at = (uint8_t *)addr + (offset - start),
	};
	return 0;
}

const char *
vhost_memory_error(int err, const char *geometry)
{
	switch (err) {
	case -EINVAL:
		return geometry;
	case -EMEDIUMTYPE:
		return "its file is no memfd, nor on tmpfs, hugetlbfs, DAX or a block device, so whoever "
		       "serves it could hold up this process; to trust that, set " VHOST_ANY_MEMORY_ENV
		       "=1 in its environment";
	default:
		return strerror(-err);
	}
}

void
vhost_memory_unmap(void *addr, uint64_t len)
{
	if (addr == NULL)
		return;
	vhost_guard_remove(addr);
	unmap(addr, len);
}

static int
map_region(const struct vhost_user_region *region, int fd, struct rte_vhost_mem_region *out)
{
	struct vhost_mapping mapping;
	int ret = vhost_memory_map(fd, region->mmap_offset, region->size, &mapping);

	if (ret != 0)
		return ret;
	*out = (struct rte_vhost_mem_region){
		.guest_phys_addr = region->gpa,
		.guest_user_addr = region->fe_va,
		.host_user_addr = (uintptr_t)mapping.at,
		.size = region->size,
		.mmap_addr = mapping.addr,
		.mmap_size = mapping.len,
		.fd = fd,
	};
	return 0;
}

int
vhost_memory_add(const struct rte_vhost_memory *old, const struct vhost_user_region *region, int fd,
	struct rte_vhost_memory **table)
{
	const uint32_t n = old == NULL ? 0 : old->nregions;
	struct rte_vhost_memory *mem;
	uint32_t at = 0;
	int ret = check_region(old, region);

	if (ret != 0)
		return ret;
	mem = make_table(n + 1);
	if (mem == NULL)
		return -ENOMEM;
	while (at < n && old->regions[at].guest_phys_addr < region->gpa)
		at++;
	ret = map_region(region, fd, &mem->regions[at]);
	if (ret != 0) {
		free(mem);
		return ret;
	}
	file_offsets(mem)[at] = region->mmap_offset;
	copy_regions(mem, 0, old, 0, at);
	copy_regions(mem, at + 1, old, at, n - at);
	*table = mem;
	return 0;
}

/* Which region is at these addresses, or -1. */
static int
find_region(const struct rte_vhost_memory *mem, const struct vhost_user_region *region)
{
	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		if (r->guest_phys_addr == region->gpa && r->guest_user_addr == region->fe_va &&
			r->size == region->size)
			return (int)i;
	}
	return -1;
}

int
vhost_memory_remove(const struct rte_vhost_memory *old, const struct vhost_user_region *region,
	struct rte_vhost_memory **table)
{
	const int at = find_region(old, region);
	struct rte_vhost_memory *mem;

	if (at < 0)
		return -ENOENT;
	mem = make_table(old->nregions - 1);
	if (mem == NULL)
		return -ENOMEM;
	copy_regions(mem, 0, old, 0, at);
	copy_regions(mem, at, old, at + 1, mem->nregions - at);
	*table = mem;
	return 0;
}

static bool
is_same_file(int fd, int other)
{
	struct statx st, other_st;

	return vhost_peer_fd_stat(fd, &st) == 0 && vhost_peer_fd_stat(other, &other_st) == 0 &&
		st.stx_ino == other_st.stx_ino && st.stx_dev_major == other_st.stx_dev_major &&
		st.stx_dev_minor == other_st.stx_dev_minor;
}

const struct rte_vhost_mem_region *
vhost_memory_same(const struct rte_vhost_memory *mem, const struct vhost_user_region *region,
	int fd)
{
	const int at = find_region(mem, region);

	if (at < 0 || file_offsets(mem)[at] != region->mmap_offset ||
		!is_same_file(fd, mem->regions[at].fd))
		return NULL;
	return &mem->regions[at];
}

void
vhost_memory_keep(struct rte_vhost_memory *mem, const struct rte_vhost_memory *old)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		struct rte_vhost_mem_region *r = &mem->regions[i];
		const struct vhost_user_region region = {
			.gpa = r->guest_phys_addr,
			.size = r->size,
			.fe_va = r->guest_user_addr,
			.mmap_offset = file_offsets(mem)[i],
		};
		const struct rte_vhost_mem_region *kept = vhost_memory_same(old, &region, r->fd);

		if (kept == NULL)
			continue;
		vhost_memory_unmap(r->mmap_addr, r->mmap_size);
		vhost_aside_close(r->fd);
		*r = *kept;
	}
}

static bool
has_mapping(const struct rte_vhost_memory *mem, const void *mmap_addr)
{
	if (mem == NULL)
		return false;
	for (uint32_t i = 0; i < mem->nregions; i++)
		if (mem->regions[i].mmap_addr == mmap_addr)
			return true;
	return false;
}

bool
vhost_memory_has_all(const struct rte_vhost_memory *mem, const struct rte_vhost_memory *old)
{
	for (uint32_t i = 0; old != NULL && i < old->nregions; i++)
		if (!has_mapping(mem, old->regions[i].mmap_addr))
			return false;
	return true;
}

void
vhost_memory_unmap_missing(struct rte_vhost_memory *old, const struct rte_vhost_memory *now)
{
	if (old == NULL)
		return;
	for (uint32_t i = 0; i < old->nregions; i++) {
		struct rte_vhost_mem_region *r = &old->regions[i];

		if (has_mapping(now, r->mmap_addr))
			continue;
		vhost_memory_unmap(r->mmap_addr, r->mmap_size);
		vhost_aside_close(r->fd);
	}
	free(old);
}

bool
vhost_memory_lost(const struct rte_vhost_memory *mem)
{
	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++)
		if (vhost_guard_lost(mem->regions[i].mmap_addr))
			return true;
	return false;
}

void *
vhost_memory_from_fe_va(const struct rte_vhost_memory *mem, uint64_t fe_va, uint64_t len)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];
		const uint64_t offset = fe_va - r->guest_user_addr;

		if (offset < r->size)
			return len <= r->size - offset ?
				(void *)(uintptr_t)(r->host_user_addr + offset) :
				NULL;
	}
	return NULL;
}

const struct rte_vhost_mem_region *
vhost_memory_search(const struct rte_vhost_memory *mem, uint64_t gpa)
{
	uint32_t low = 0, high = mem->nregions;

	/* The last region that begins at or below the address is the only one to have it. */
	while (low < high) {
		const uint32_t mid = (low + high) / 2;

		if (mem->regions[mid].guest_phys_addr <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || gpa - mem->regions[low - 1].guest_phys_addr >= mem->regions[low - 1].size)
		return NULL;
	return &mem->regions[low - 1];
}

uint64_t
vhost_memory_to_gpa(const struct rte_vhost_memory *mem, const void *hva)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];
		const uint64_t offset = (uintptr_t)hva - r->host_user_addr;

		if (offset < r->size)
			return r->guest_phys_addr + offset;
	}
	return UINT64_MAX;
}
