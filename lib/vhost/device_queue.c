/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>

#include <linux/virtio_config.h>

#include "device_queue.h"
#include "peer_event.h"
#include "vhost_log.h"

/* Where a packed ring begins: at its first entry, in round 1. */
#define PACKED_BASE (1u << 15)

/* --- Where it lies ------------------------------------------------------------------------- */

bool
vhost_queue_lies_within(const struct vhost_device *dev, const struct vhost_queue *q, uint64_t first,
	uint64_t last)
{
	const uint64_t at[] = { q->addr.desc_user_addr, q->addr.avail_user_addr,
		q->addr.used_user_addr };
	uint64_t len[RTE_DIM(at)];
	bool within = false;

	vhost_vring_area_sizes(dev->features, q->size, &len[0], &len[1], &len[2]);
	for (size_t i = 0; i < RTE_DIM(at); i++)
		within |= at[i] <= last && at[i] + (len[i] - 1) >= first;
	return within;
}

bool
vhost_queue_lies_in(const struct vhost_device *dev, const struct vhost_queue *q,
	const struct rte_vhost_memory *mem)
{
	const uint8_t *at[] = { (void *)q->vring.desc, (void *)q->vring.avail,
		(void *)q->vring.used };
	uint64_t len[RTE_DIM(at)];

	vhost_vring_area_sizes(dev->features, q->size, &len[0], &len[1], &len[2]);
	for (size_t i = 0; i < RTE_DIM(at); i++) {
		const uint64_t first = vhost_memory_to_gpa(mem, at[i]);

		/* What a region holds of an area, it holds all of. */
		if (first == UINT64_MAX ||
			vhost_memory_to_gpa(mem, at[i] + (len[i] - 1)) != first + (len[i] - 1))
			return false;
	}
	return true;
}

/* The mapping that a ring cannot do without is missing. */
static void
miss(struct vhost_queue *q, uint64_t iova, bool written)
{
	q->vring.miss = (struct vhost_vring_miss){ .addr = iova,
		.access = written ? VHOST_ACCESS_WO : VHOST_ACCESS_RO,
		.kind = VHOST_VRING_MISS_UNMAPPED };
}

/* A part of a ring, in the front end's words. */
struct area {
	const char *name;
	uint64_t addr;
	uint64_t size;
	bool written;
};

/*
 * What the device sees as one piece lies in several: neither bursts nor who drives a ring itself can
 * follow it there. Told once for the addresses that the front end gave, as the guest behind it can map
 * and unmap as often as it likes.
 */
static void
refuse_scattered(const struct vhost_device *dev, struct vhost_queue *q, const struct area *a,
	uint64_t iova)
{
	if (q->scattered)
		return;
	q->scattered = true;
	VHOST_LOG(ERR,
		"%s: ring %u cannot start: its %s area at 0x%" PRIx64 ", size 0x%" PRIx64
		", is mapped, but not to one piece of guest memory: what is at 0x%" PRIx64
		" does not follow what is before it",
		dev->name, q->index, a->name, a->addr, a->size, iova);
}

/* Our address of an area that the IOMMU translates, or NULL: then a miss or the log tells why. */
static void *
translate_area(const struct vhost_device *dev, struct vhost_queue *q, const struct area *a)
{
	const struct rte_vhost_memory *table = a->written ? dev->tables.writable :
							    dev->tables.readable;
	uint64_t fe_va = 0, piece;
	void *at = NULL;

	/* Mappings of unequal access are several even where they lie side by side. */
	for (uint64_t done = 0; done < a->size; done += piece) {
		const uint64_t iova = a->addr + done;
		const struct rte_vhost_mem_region *r = table == NULL ?
			NULL :
			vhost_memory_find(table, iova);
		uint64_t offset;

		if (r == NULL) {
			miss(q, iova, a->written);
			return NULL;
		}
		offset = iova - r->guest_phys_addr;
		piece = RTE_MIN(r->size - offset, a->size - done);
		if (done == 0)
			fe_va = r->guest_user_addr + offset;
		at = vhost_memory_from_fe_va(dev->mem, fe_va, done + piece);
		if (at == NULL || iova < a->addr || r->guest_user_addr + offset != fe_va + done) {
			refuse_scattered(dev, q, a, iova);
			return NULL;
		}
	}
	return at;
}

/* Our address of an area, or NULL. */
static void *
place_area(const struct vhost_device *dev, struct vhost_queue *q, const struct area *a)
{
	return vhost_device_has_iommu(dev) ? translate_area(dev, q, a) :
					     vhost_memory_from_fe_va(dev->mem, a->addr, a->size);
}

int
vhost_queue_place(struct vhost_device *dev, struct vhost_queue *q)
{
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);
	struct vhost_vring_layout layout = { .size = q->size, .log_gpa = q->addr.log_guest_addr };
	/* Of what keeps a ring from starting, one thing at a time is asked for, or told. */
	struct area areas[] = {
		{ .name = "device", .addr = q->addr.used_user_addr, .written = true },
		{ .name = "driver", .addr = q->addr.avail_user_addr },
		{ .name = "descriptor", .addr = q->addr.desc_user_addr, .written = packed },
	};
	void **const places[] = { &layout.device, &layout.driver, &layout.desc };
	int ret;

	vhost_vring_area_sizes(dev->features, q->size, &areas[2].size, &areas[1].size,
		&areas[0].size);
	q->vring.miss.kind = VHOST_VRING_MISS_NONE;
	for (size_t i = 0; i < RTE_DIM(areas); i++) {
		*places[i] = place_area(dev, q, &areas[i]);
		if (*places[i] == NULL)
			return vhost_device_error(dev, -EFAULT,
				"ring %u of %u entries does not lie in guest memory", q->index,
				q->size);
	}
	/* The front end's word for it is an address that the IOMMU translates. */
	if (vhost_device_has_iommu(dev))
		layout.log_gpa = vhost_memory_to_gpa(dev->mem, layout.device);

	vhost_device_lock(dev);
	vhost_vring_set_features(&q->vring, dev->features);
	ret = vhost_vring_set_layout(&q->vring, &layout);
	q->placed = ret == 0;
	vhost_device_unlock(dev);
	if (ret != 0)
		return vhost_device_error(dev, ret,
			"ring %u has %u entries or addresses that no ring may have", q->index,
			q->size);
	return 0;
}

/*
 * A split ring says itself how far the device came. Where that is not what the front end says
 * (a back end before us died), the driver's view counts: entries from there on are not used yet.
 */
static void
check_split_base(struct vhost_device *dev, struct vhost_queue *q)
{
	uint16_t used;

	if (vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED))
		return;
	used = __atomic_load_n(&q->vring.used->idx, __ATOMIC_ACQUIRE);
	if (used == q->used_base && used == q->avail_base)
		return;
	VHOST_LOG(WARNING,
		"%s: ring %u: front end says to go on at %u, the ring at %u: going on at %u",
		dev->name, q->index, q->avail_base, used, used);
	q->avail_base = q->used_base = used;
}

/* --- Where it goes on ---------------------------------------------------------------------- */

/* The part of the in-flight region that belongs to a ring; NULL if there is none. */
static void *
inflight_part(const struct vhost_device *dev, const struct vhost_queue *q, uint16_t size)
{
	const struct vhost_inflight_region *region = &dev->inflight;
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);
	const uint64_t part = vhost_inflight_size(packed, region->queue_size);

	if (region->map.addr == NULL || q->index >= region->queues || size > region->queue_size ||
		(q->index + 1) * part > region->size)
		return NULL;
	return region->map.at + q->index * part;
}

/* Find out where a back end before us left the ring, and what it left to be done. */
static int
recover_queue(struct vhost_device *dev, struct vhost_queue *q, struct vhost_inflight *fl)
{
	uint16_t base = q->used_base;
	int ret;

	if (!vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED)) {
		ret = vhost_inflight_recover_split(fl, q->used_base);
		/* The library's data path takes again what it did not give back. */
		if (ret == 0 && !dev->builtin_net)
			q->avail_base = q->used_base + fl->resubmit.resubmit_num;
		return ret;
	}
	ret = dev->builtin_net ? vhost_inflight_rewind_packed(fl, q->vring.packed_desc, &base) :
				 vhost_inflight_recover_packed(fl, q->vring.packed_desc, &base);
	if (ret != 0)
		return ret;
	if (base != q->used_base)
		VHOST_LOG(WARNING,
			"%s: ring %u: front end says to go on at %u, the in-flight region at %u: "
			"going on at %u",
			dev->name, q->index, q->used_base & 0x7fff, base & 0x7fff, base & 0x7fff);
	q->avail_base = q->used_base = base;
	return 0;
}

/* From here on, what the ring has in flight is tracked, if there is a region for that. */
static int
track_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_inflight fl = { .size = q->size };
	int ret;

	if (dev->inflight.map.addr == NULL || q->index >= dev->inflight.queues)
		return 0;
	fl.region = inflight_part(dev, q, q->size);
	if (fl.region == NULL)
		return vhost_device_error(dev, -EINVAL,
			"ring %u has %u entries, the in-flight region has room for %u", q->index,
			q->size, dev->inflight.queue_size);
	ret = recover_queue(dev, q, &fl);
	if (ret != 0) {
		vhost_inflight_fini(&fl);
		return vhost_device_error(dev, ret, "ring %u: the in-flight region %s", q->index,
			ret == -ENOMEM ? "takes more memory than there is" :
					 "is damaged, or of an unknown version");
	}
	if (fl.resubmit.resubmit_num > 0)
		VHOST_LOG(INFO, "%s: ring %u: %u buffers were left in flight", dev->name, q->index,
			fl.resubmit.resubmit_num);
	vhost_vring_claim(&q->vring);
	q->inflight = fl;
	vhost_vring_release(&q->vring);
	return 0;
}

static void
untrack_queue(struct vhost_queue *q)
{
	struct vhost_inflight fl;

	vhost_vring_claim(&q->vring);
	fl = q->inflight;
	q->inflight = (struct vhost_inflight){ 0 };
	q->based = false;
	vhost_vring_set_inflight(&q->vring, NULL);
	vhost_vring_release(&q->vring);
	vhost_inflight_fini(&fl);
}

void
vhost_queue_forget_inflight(const struct vhost_device *dev, const struct vhost_queue *q)
{
	struct vhost_inflight fl = { .region = inflight_part(dev, q, 0) };

	if (dev->builtin_net)
		vhost_inflight_forget(&fl);
}

/* A back end before us may have died between giving something back and telling of it. */
static void
call_for_the_dead(struct vhost_device *dev, struct vhost_queue *q)
{
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);

	if (q->callfd >= 0 && q->used_base != (packed ? PACKED_BASE : 0))
		vhost_peer_event_raise(q->callfd);
}

/* What a ring looks addresses up in: the guest receives on even ones, which are written. */
struct vhost_vring_memory
vhost_queue_memory(const struct vhost_device *dev, const struct vhost_queue *q)
{
	if (!vhost_device_has_iommu(dev))
		return (struct vhost_vring_memory){ dev->mem, dev->mem, dev->mem };
	return (struct vhost_vring_memory){
		.data = q->index & 1 ? dev->tables.readable : dev->tables.writable,
		.tables = dev->tables.readable,
		.guest = dev->mem,
	};
}

void
vhost_queue_let_in(const struct vhost_device *dev, struct vhost_queue *q)
{
	const struct vhost_vring_memory mem = vhost_queue_memory(dev, q);

	q->vring.miss_fd = dev->miss_fd;
	if (vhost_device_has_iommu(dev))
		vhost_vring_start_iommu(&q->vring, &mem);
	else
		vhost_vring_start(&q->vring, dev->mem);
}

void
vhost_queue_wake(const struct vhost_queue *q)
{
	if (q->kickfd >= 0)
		vhost_peer_event_raise(q->kickfd);
}

int
vhost_queue_find_base(struct vhost_device *dev, struct vhost_queue *q)
{
	int ret;

	if (q->based)
		return 0;
	check_split_base(dev, q);
	ret = track_queue(dev, q);
	if (ret != 0)
		return ret;
	vhost_vring_claim(&q->vring);
	q->based = true;
	vhost_vring_release(&q->vring);
	return 0;
}

int
vhost_queue_start(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_vring *vr = &q->vring;
	const int ret = vhost_queue_find_base(dev, q);

	if (ret != 0)
		return ret;
	if (dev->builtin_net && vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED))
		vhost_vring_set_inflight(vr, q->inflight.packed);
	if (vhost_vring_set_base(vr, q->avail_base, q->used_base) != 0)
		return vhost_device_error(dev, -EINVAL, "ring %u of %u entries cannot start at %u",
			q->index, q->size, q->avail_base & 0x7fff);
	vhost_vring_set_callfd(vr, q->callfd);
	vhost_vring_set_log(vr, vhost_device_has_feature(dev, VHOST_F_LOG_ALL) ? &dev->log : NULL);
	vhost_queue_let_in(dev, q);
	call_for_the_dead(dev, q);
	if (q->kicks != VHOST_KICKS_AS_IS) {
		vhost_vring_claim(vr);
		vhost_vring_enable_kicks(vr, q->kicks == VHOST_KICKS_ON);
		vhost_vring_release(vr);
	}
	return 0;
}

void
vhost_queue_stop(struct vhost_queue *q)
{
	if (q->vring.running) {
		vhost_vring_stop(&q->vring);
		vhost_vring_get_base(&q->vring, &q->avail_base, &q->used_base);
	}
	if (q->based)
		untrack_queue(q);
}
