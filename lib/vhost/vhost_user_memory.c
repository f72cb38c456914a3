/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "budget.h"
#include "memory.h"
#include "peer_fd.h"
#include "vhost_log.h"
#include "vhost_user_dispatch.h"

/* Bytes of a dirty log: a bit for each page of as much address space as there can be. */
#define LOG_SIZE_MAX (UINT64_C(1) << 32)

/*
 * Handlers of what concerns guest memory, and the log of what is written to it.
 *
 * What stays of a table keeps its place, so that those go on who use no more than that: rings, and an
 * application that hears of what is new. Anybody else (a vDPA device, an application behind an IOMMU that
 * drives rings itself, one with a copy of a table of which something goes) is stopped while the table
 * changes, and started again with the new one.
 */

static bool
may_change_in_use(const struct vhost_device *dev)
{
	return dev->vdpa == NULL && dev->mem != NULL && dev->postcopy.fd < 0 &&
		(dev->builtin_net || !vhost_device_has_iommu(dev));
}

/* Rings behind an IOMMU: without memory for tables they wait. */
static void
remap(struct vhost_device *dev)
{
	if (vhost_device_has_iommu(dev) && vhost_device_remap(dev) != 0)
		VHOST_LOG(ERR, "%s: no memory for the tables of the IOMMU", dev->name);
}

static void
replace_memory(struct vhost_device *dev, struct rte_vhost_memory *mem)
{
	struct rte_vhost_memory *old = dev->mem;

	vhost_device_suspend(dev);
	vhost_device_lock(dev);
	dev->mem = mem;
	vhost_device_unlock(dev);
	remap(dev);
	vhost_memory_unmap_missing(old, mem);
	vhost_device_resume(dev);
}

/* The same, but that those go on who can. @return as vhost_device_update() */
static int
change_memory(struct vhost_device *dev, struct rte_vhost_memory *mem)
{
	struct rte_vhost_memory *old = dev->mem;

	if (mem != NULL && may_change_in_use(dev) && vhost_device_change_memory(dev, mem)) {
		remap(dev);
		vhost_memory_unmap_missing(old, mem);
	} else {
		replace_memory(dev, mem);
	}
	return vhost_device_ready_queues(dev);
}

/* Bytes that regions say they have. */
static uint64_t
region_bytes(const struct rte_vhost_memory *mem)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++)
		bytes += mem->regions[i].size;
	return bytes;
}

/* Bytes that are mapped for regions. */
static uint64_t
mapped_bytes(const struct rte_vhost_memory *mem)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++)
		bytes += mem->regions[i].mmap_size;
	return bytes;
}

/*
 * A table with one more region than @a old; @a bytes are new with it, @a replaced will go. What is no
 * region at all is vhost_memory_add()'s to refuse.
 */
static int
add_region(struct vhost_device *dev, const struct rte_vhost_memory *old,
	const struct vhost_user_region *r, int fd, uint64_t bytes, uint64_t replaced,
	struct rte_vhost_memory **table)
{
	int ret = r->size <= VHOST_MEMORY_SIZE_MAX ? vhost_budget_map(dev, bytes, replaced) : 0;

	if (ret != 0)
		return ret;
	ret = vhost_memory_add(old, r, fd, table);
	if (ret == 0)
		return 0;
	/* Geometry is the front end's word; all else may be this host's trouble. */
	return vhost_device_error(dev, ret == -EINVAL ? -EPROTO : ret,
		"cannot map region gpa 0x%" PRIx64 " size 0x%" PRIx64 " offset 0x%" PRIx64
		" front-end address 0x%" PRIx64 ": %s",
		r->gpa, r->size, r->mmap_offset, r->fe_va,
		vhost_memory_error(ret, "size, offset or overlap is impossible"));
}

/*
 * The front end can serve faults in what it was told the addresses of: use it. QEMU says so once for
 * each queue pair.
 */
static int
use_held_memory(struct vhost_device *dev)
{
	struct rte_vhost_memory *mem;
	const int ret = vhost_user_postcopy_go(dev, &mem);

	if (ret != 0 || mem == NULL)
		return ret;
	VHOST_LOG(INFO, "%s: guest memory has %u regions, which are on their way", dev->name,
		mem->nregions);
	return change_memory(dev, mem);
}

/*
 * In post-copy migration, the table is not used before the front end can serve faults in it, for which
 * it has to know where regions lie here.
 */
static int
hold_table(struct vhost_device *dev, struct rte_vhost_memory *mem, struct vhost_user_message *msg)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		struct vhost_user_region region;

		memcpy(&region, &msg->payload.mem_table.regions[i], sizeof(region));
		region.fe_va = (uintptr_t)vhost_memory_from_fe_va(mem, region.fe_va, region.size);
		memcpy(&msg->payload.mem_table.regions[i], &region, sizeof(region));
	}
	vhost_memory_unmap_missing(dev->postcopy.mem, dev->mem);
	dev->postcopy.mem = mem;
	return VHOST_USER_REPLY;
}

int
vhost_user_set_mem_table(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint32_t nregions = msg->payload.mem_table.nregions;
	const struct rte_vhost_memory *replaced = dev->postcopy.listening ? dev->postcopy.mem :
									    dev->mem;
	struct rte_vhost_memory *mem = NULL;

	(void)q;
	if (vhost_user_postcopy_is_go(dev, msg))
		return use_held_memory(dev);
	if (msg->header.size < offsetof(struct vhost_user_mem_table, regions) +
				nregions * sizeof(struct vhost_user_region) ||
		nregions == 0)
		return vhost_device_error(dev, -EPROTO, "%u regions in %u bytes of payload",
			nregions, msg->header.size);

	for (uint32_t i = 0; i < nregions; i++) {
		struct vhost_user_region region;
		struct rte_vhost_memory *grown;
		int ret;

		/* On the wire, regions are not aligned. */
		memcpy(&region, &msg->payload.mem_table.regions[i], sizeof(region));
		ret = add_region(dev, mem, &region, msg->fds[i], region_bytes(mem) + region.size,
			mapped_bytes(replaced), &grown);
		if (ret != 0) {
			vhost_memory_unmap_missing(mem, NULL);
			return ret;
		}
		msg->fds[i] = -1;
		vhost_memory_unmap_missing(mem, grown);
		mem = grown;
	}
	dev->mem_repeats = 0;
	dev->memory_shrank = false;
	if (dev->postcopy.listening)
		return hold_table(dev, mem, msg);
	if (dev->postcopy.fd < 0)
		vhost_memory_keep(mem, dev->mem);
	/* Front ends tell of a whole table anew where a part of it might have changed. */
	if (dev->mem != NULL && dev->mem->nregions == mem->nregions &&
		vhost_memory_has_all(mem, dev->mem)) {
		vhost_memory_unmap_missing(mem, dev->mem);
		return 0;
	}
	VHOST_LOG(INFO, "%s: guest memory has %u regions", dev->name, mem->nregions);
	return change_memory(dev, mem);
}

int
vhost_user_get_max_mem_slots(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)dev;
	(void)q;
	msg->payload.u64 = VHOST_MEMORY_SLOTS_MAX;
	msg->header.size = sizeof(msg->payload.u64);
	return VHOST_USER_REPLY;
}

/* Tell the front end where a region lies here, since that is what faults are about. */
static int
reply_region(const struct vhost_device *dev, struct vhost_user_message *msg)
{
	const struct rte_vhost_memory *mem = dev->postcopy.mem != NULL ? dev->postcopy.mem :
									 dev->mem;
	const struct vhost_user_region region = msg->payload.mem_reg.region;

	msg->payload.mem_reg.region.fe_va = (uintptr_t)vhost_memory_from_fe_va(mem, region.fe_va,
		region.size);
	return VHOST_USER_REPLY;
}

static int
hold_region(struct vhost_device *dev, struct vhost_user_message *msg)
{
	const struct vhost_user_region region = msg->payload.mem_reg.region;
	struct rte_vhost_memory *old = dev->postcopy.mem != NULL ? dev->postcopy.mem : dev->mem;
	struct rte_vhost_memory *mem;
	int ret;

	if (vhost_memory_same(old, &region, msg->fds[0]) == NULL) {
		ret = add_region(dev, old, &region, msg->fds[0], region.size, 0, &mem);
		if (ret != 0)
			return ret;
		vhost_user_take_fd(msg);
		vhost_memory_unmap_missing(dev->postcopy.mem, mem);
		dev->postcopy.mem = mem;
	}
	return reply_region(dev, msg);
}

/*
 * QEMU 7.2 tells every region once for each queue pair, and takes it away as often. What
 * is there already is no error then; how often it was told again is how often it may be taken
 * away again.
 */
int
vhost_user_add_mem_reg(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_region region = msg->payload.mem_reg.region;
	struct rte_vhost_memory *mem;
	int ret;

	(void)q;
	if (vhost_user_postcopy_is_go(dev, msg))
		return use_held_memory(dev);
	if (msg->nfds != 1 || msg->header.size != sizeof(struct vhost_user_mem_reg))
		return vhost_device_error(dev, -EPROTO, "%u bytes of payload with %d descriptors",
			msg->header.size, msg->nfds);
	if (dev->postcopy.listening)
		return hold_region(dev, msg);
	if (vhost_memory_same(dev->mem, &region, msg->fds[0]) != NULL) {
		dev->mem_repeats++;
		return 0;
	}
	ret = add_region(dev, dev->mem, &region, msg->fds[0], region.size, 0, &mem);
	if (ret != 0)
		return ret;
	vhost_user_take_fd(msg);
	return change_memory(dev, mem);
}

/* A descriptor may come along, for the sake of front ends that always send one. */
int
vhost_user_rem_mem_reg(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_region region = msg->payload.mem_reg.region;
	struct rte_vhost_memory *mem;
	int ret;

	(void)q;
	if (dev->postcopy.mem != NULL)
		return vhost_device_error(dev, -EBUSY,
			"other regions are held back until the front end serves their faults");
	ret = vhost_memory_remove(dev->mem, &region, &mem);
	if (ret == -ENOENT && dev->mem_repeats > 0) {
		dev->mem_repeats--;
		return 0;
	}
	if (ret != 0)
		return vhost_device_error(dev, ret,
			"cannot remove region gpa 0x%" PRIx64 " size 0x%" PRIx64 ": %s", region.gpa,
			region.size, strerror(-ret));
	dev->memory_shrank = true;
	return change_memory(dev, mem);
}

/* The old log stays until no ring marks it any more. */
int
vhost_user_set_log_base(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_log log = msg->payload.log;
	void *const old_map = dev->log_map;
	const uint64_t old_size = dev->log_map_size;
	struct vhost_mapping map = { 0 };
	int fd, ret = -EINVAL;

	(void)q;
	if (log.mmap_size <= LOG_SIZE_MAX) {
		ret = vhost_budget_map(dev, log.mmap_size, old_size);
		if (ret != 0)
			return ret;
		ret = -EINVAL;
	}
	fd = vhost_user_take_fd(msg);
	if (log.mmap_size <= LOG_SIZE_MAX)
		ret = vhost_memory_map(fd, log.mmap_offset, log.mmap_size, &map);
	vhost_aside_close(fd);
	if (ret != 0)
		return vhost_device_error(dev, ret == -EINVAL ? -EPROTO : ret,
			"cannot map the log of %" PRIu64 " bytes at %" PRIu64 ": %s", log.mmap_size,
			log.mmap_offset,
			vhost_memory_error(ret, "it is empty, too large, or larger than its file"));

	vhost_device_lock(dev);
	dev->log_map = map.addr;
	dev->log_map_size = map.len;
	dev->log = (struct vhost_dirty_log){
		.base = map.at,
		.size = log.mmap_size,
	};
	vhost_device_unlock(dev);
	vhost_device_set_logging(dev, dev->features);
	vhost_memory_unmap(old_map, old_size);

	msg->header.size = 0;
	return VHOST_USER_REPLY;
}

/* An eventfd that says the log has news, which nobody waits for: rings just mark it. */
int
vhost_user_set_log_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)dev;
	(void)q;
	(void)msg;
	return 0;
}
