/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_log.h>

#include "dirty_log.h"
#include "memory.h"
#include "packed.h"
#include "peer_event.h"
#include "split.h"
#include "vring.h"
#include "vring_private.h"

RTE_LOG_REGISTER_SUFFIX(vhost_data_logtype, data, INFO);

#define FEATURE(bit) (UINT64_C(1) << (bit))

/** Any of these features makes the ring behave so. */
static const struct {
	uint64_t features;
	uint16_t flag;
} feature_flags[] = {
	{ FEATURE(VIRTIO_F_RING_PACKED), VHOST_VRING_PACKED },
	{ FEATURE(VIRTIO_RING_F_EVENT_IDX), VHOST_VRING_EVENT_IDX },
	{ FEATURE(VIRTIO_F_IN_ORDER), VHOST_VRING_IN_ORDER },
	{ FEATURE(VIRTIO_NET_F_MRG_RXBUF), VHOST_VRING_MERGEABLE },
	{ FEATURE(VIRTIO_RING_F_INDIRECT_DESC), VHOST_VRING_INDIRECT },
	{ FEATURE(VHOST_F_LOG_ALL), VHOST_VRING_LOG },
	{ FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
			FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_UFO) |
			FEATURE(VIRTIO_NET_F_GSO),
		VHOST_VRING_HOST_OFFLOAD },
};

/** What was read and translated ahead of its turn is to be read and translated again. */
static void
forget_ahead(struct vhost_vring *vr)
{
	vr->ahead.first = 0;
	vr->ahead.n = 0;
}

void
vhost_vring_init(struct vhost_vring *vr, const char *name)
{
	memset(vr, 0, sizeof(*vr));
	vr->name = name;
	vr->callfd = vr->miss_fd = vr->errfd = -1;
	vhost_vring_set_features(vr, 0);
}

void
vhost_vring_set_features(struct vhost_vring *vr, uint64_t features)
{
	uint16_t flags = vr->flags &
		(VHOST_VRING_STATS | VHOST_VRING_CALLS_OWED | VHOST_VRING_ANNOUNCE);

	for (size_t i = 0; i < RTE_DIM(feature_flags); i++) {
		if ((features & feature_flags[i].features) != 0)
			flags |= feature_flags[i].flag;
	}
	vr->features = features;
	vr->flags = flags;
	forget_ahead(vr);
	/* virtio 1.2, 5.1.6: num_buffers is in the header with either of these. */
	vr->net_hdr_len =
		(features & (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))) != 0 ?
		sizeof(struct virtio_net_hdr_mrg_rxbuf) :
		sizeof(struct virtio_net_hdr);
}

void
vhost_vring_area_sizes(uint64_t features, uint16_t size, uint64_t *desc, uint64_t *driver,
	uint64_t *device)
{
	*desc = (uint64_t)size * sizeof(struct vring_desc);
	if ((features & FEATURE(VIRTIO_F_RING_PACKED)) != 0) {
		*driver = sizeof(struct vring_packed_desc_event);
		*device = sizeof(struct vring_packed_desc_event);
		return;
	}

	uint64_t event = (features & FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0 ? sizeof(uint16_t) : 0;

	*driver = sizeof(struct vring_avail) + size * sizeof(uint16_t) + event;
	*device = sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + event;
}

int
vhost_vring_set_layout(struct vhost_vring *vr, const struct vhost_vring_layout *layout)
{
	bool packed = (vr->flags & VHOST_VRING_PACKED) != 0;
	uint16_t size = layout->size;

	if (size == 0 || size > VHOST_VRING_SIZE_MAX || (!packed && !rte_is_power_of_2(size)))
		return -EINVAL;
	if ((uintptr_t)layout->desc % VRING_DESC_ALIGN_SIZE != 0 ||
		(uintptr_t)layout->driver % (packed ? 4 : VRING_AVAIL_ALIGN_SIZE) != 0 ||
		(uintptr_t)layout->device % VRING_USED_ALIGN_SIZE != 0)
		return -EINVAL;

	vr->desc = layout->desc;
	vr->avail = layout->driver;
	vr->used = layout->device;
	vr->log_gpa = layout->log_gpa;
	vr->size = size;
	return 0;
}

int
vhost_vring_set_base(struct vhost_vring *vr, uint16_t avail, uint16_t used)
{
	const uint16_t pos = (1u << PACKED_WRAP_BIT) - 1;

	if ((vr->flags & VHOST_VRING_PACKED) == 0) {
		vr->avail_idx = avail;
		vr->used_idx = used;
		return 0;
	}
	if ((avail & pos) >= vr->size || (used & pos) >= vr->size)
		return -EINVAL;
	vr->avail_idx = avail & pos;
	vr->avail_wrap = avail >> PACKED_WRAP_BIT;
	vr->used_idx = used & pos;
	vr->used_wrap = used >> PACKED_WRAP_BIT;
	return 0;
}

void
vhost_vring_set_inflight(struct vhost_vring *vr, struct rte_vhost_inflight_info_packed *info)
{
	vr->inflight = info;
}

void
vhost_vring_get_base(const struct vhost_vring *vr, uint16_t *avail, uint16_t *used)
{
	*avail = vr->avail_idx;
	*used = vr->used_idx;
	if ((vr->flags & VHOST_VRING_PACKED) != 0) {
		*avail |= vr->avail_wrap << PACKED_WRAP_BIT;
		*used |= vr->used_wrap << PACKED_WRAP_BIT;
	}
}

void
vhost_vring_claim(struct vhost_vring *vr)
{
	while (!vhost_vring_try_claim(vr))
		rte_pause();
}

/* With the claim. */
static void
use_tables(struct vhost_vring *vr, const struct vhost_vring_memory *mem)
{
	vr->mem = mem->data;
	vr->tables = mem->tables;
	vr->guest = mem->guest;
	vr->region = NULL;
	forget_ahead(vr);
	__atomic_store_n(&vr->miss.kind, VHOST_VRING_MISS_NONE, __ATOMIC_RELEASE);
}

static void
start(struct vhost_vring *vr, const struct vhost_vring_memory *mem, uint16_t iommu)
{
	vhost_vring_claim(vr);
	use_tables(vr, mem);
	vr->flags = (vr->flags & ~VHOST_VRING_IOMMU) | iommu;
	vr->avail_seen = vr->avail_idx;
	vr->call_valid = false;
	vr->broken = VHOST_VRING_GOES;
	vhost_net_choose(vr);
	vr->running = true;
	vhost_vring_release(vr);
}

void
vhost_vring_start(struct vhost_vring *vr, const struct rte_vhost_memory *mem)
{
	start(vr, &(struct vhost_vring_memory){ mem, mem, mem }, 0);
}

void
vhost_vring_start_iommu(struct vhost_vring *vr, const struct vhost_vring_memory *mem)
{
	start(vr, mem, VHOST_VRING_IOMMU);
}

void
vhost_vring_stop(struct vhost_vring *vr)
{
	vhost_vring_claim(vr);
	vr->running = false;
	vhost_vring_release(vr);
}

void
vhost_vring_set_callfd(struct vhost_vring *vr, int callfd)
{
	vhost_vring_claim(vr);
	vr->callfd = callfd;
	/* Where the ring stood when somebody could be called last may be rounds of the index ago. */
	vr->call_valid = false;
	vhost_vring_release(vr);
}

void
vhost_vring_set_errfd(struct vhost_vring *vr, int errfd)
{
	vhost_vring_claim(vr);
	vr->errfd = errfd;
	vhost_vring_release(vr);
}

void
vhost_vring_set_memory(struct vhost_vring *vr, const struct rte_vhost_memory *mem)
{
	vhost_vring_set_tables(vr, &(struct vhost_vring_memory){ mem, mem, mem });
}

void
vhost_vring_set_tables(struct vhost_vring *vr, const struct vhost_vring_memory *mem)
{
	vhost_vring_claim(vr);
	use_tables(vr, mem);
	if (vr->broken == VHOST_VRING_WAITS)
		vr->broken = VHOST_VRING_GOES;
	vhost_vring_release(vr);
}

void
vhost_vring_announce(struct vhost_vring *vr, const uint8_t mac[6])
{
	vhost_vring_claim(vr);
	memcpy(vr->announce_mac, mac, sizeof(vr->announce_mac));
	vr->flags |= VHOST_VRING_ANNOUNCE;
	vhost_vring_release(vr);
}

void
vhost_vring_set_log(struct vhost_vring *vr, const struct vhost_dirty_log *log)
{
	vhost_vring_claim(vr);
	vr->log = log != NULL ? *log : (struct vhost_dirty_log){ 0 };
	forget_ahead(vr);
	vhost_vring_release(vr);
}

void
vring_set_broken(struct vhost_vring *vr, const char *why)
{
	if (vr->broken)
		return;
	vr->broken = VHOST_VRING_BROKEN;
	vr->stats.broken++;
	VRING_LOG(ERR,
		"%s: broken ring: %s (avail %u, used %u, size %u); idle until it is started again",
		vr->name, why, vr->avail_idx, vr->used_idx, vr->size);
	/* Once for each start of the ring, as the line above: no guest can make it many. */
	if (vr->errfd >= 0)
		vhost_peer_event_raise(vr->errfd);
}

uint8_t *
vring_translate_miss(struct vhost_vring *vr, uint64_t gpa, uint32_t len)
{
	if ((vr->flags & VHOST_VRING_LOG) != 0)
		return NULL;

	const struct rte_vhost_mem_region *r = vhost_memory_find(vr->mem, gpa);

	if (r == NULL)
		return NULL;
	vr->region = r;
	gpa -= r->guest_phys_addr;
	return len <= r->size - gpa ? (uint8_t *)(uintptr_t)(r->host_user_addr + gpa) : NULL;
}

/* One miss is told at a time. */
void
vring_tell_miss(struct vhost_vring *vr, uint64_t addr, uint8_t access, uint8_t kind)
{
	const uint64_t one = 1;

	if (__atomic_load_n(&vr->miss.kind, __ATOMIC_ACQUIRE) != VHOST_VRING_MISS_NONE)
		return;
	vr->miss.addr = addr;
	vr->miss.access = access;
	/* Release: address and access are there when the kind is. Pairs with the owner's acquire. */
	__atomic_store_n(&vr->miss.kind, kind, __ATOMIC_RELEASE);
	/* A full counter is a doorbell that rings already. */
	if (vr->miss_fd >= 0 && write(vr->miss_fd, &one, sizeof(one)) < 0)
		VRING_LOG(DEBUG, "%s: doorbell for missing mappings: %s", vr->name,
			strerror(errno));
}

bool
vhost_vring_heard_miss(struct vhost_vring *vr)
{
	bool waited;

	vhost_vring_claim(vr);
	waited = vr->broken == VHOST_VRING_WAITS;
	vr->miss.kind = VHOST_VRING_MISS_NONE;
	if (waited)
		vr->broken = VHOST_VRING_GOES;
	vhost_vring_release(vr);
	return waited;
}

bool
vring_wait_for_mapping(struct vhost_vring *vr, uint64_t addr, bool write)
{
	if ((vr->flags & VHOST_VRING_IOMMU) == 0 || vr->broken != VHOST_VRING_GOES)
		return false;
	if (write && vhost_memory_find(vr->tables, addr) != NULL) {
		vring_tell_miss(vr, addr, VHOST_ACCESS_WO, VHOST_VRING_MISS_DENIED);
		return false;
	}
	vring_tell_miss(vr, addr, write ? VHOST_ACCESS_WO : VHOST_ACCESS_RO,
		VHOST_VRING_MISS_UNMAPPED);
	vr->stats.iotlb_misses++;
	vr->broken = VHOST_VRING_WAITS;
	return true;
}

void
vring_log_hva(const struct vhost_vring *vr, const void *hva, uint64_t len)
{
	const uint64_t gpa = vhost_memory_to_gpa(vr->guest, hva);

	if (gpa != UINT64_MAX)
		vhost_dirty_log_mark(&vr->log, gpa, len);
}

int
vhost_vring_raise(struct vhost_vring *vr)
{
	if (vr->callfd < 0)
		return 0;
	if (vhost_peer_event_raise(vr->callfd) != 0) {
		vr->stats.calls_failed++;
		return 0;
	}
	vr->stats.calls++;
	return 1;
}

static int
raise_call(struct vhost_vring *vr)
{
	if ((vr->flags & VHOST_VRING_CALLS_OWED) != 0)
		vr->stats.calls_owed++;
	else if (vhost_vring_raise(vr) == 0)
		return 0;
	vr->unsettled++;
	return 1;
}

uint32_t
vhost_vring_take_unsettled(struct vhost_vring *vr)
{
	uint32_t n;

	/* Seldom is there any, and then it is the caller's own. */
	if (__atomic_load_n(&vr->unsettled, __ATOMIC_RELAXED) == 0)
		return 0;
	vhost_vring_claim(vr);
	n = vr->unsettled;
	vr->unsettled = 0;
	vhost_vring_release(vr);
	return n;
}

void
vring_call_if_wanted(struct vhost_vring *vr)
{
	bool packed = (vr->flags & VHOST_VRING_PACKED) != 0;

	if (vr->callfd < 0)
		return;
	if (packed ? packed_wants_call(vr) : split_wants_call(vr))
		raise_call(vr);
	else
		vr->stats.calls_suppressed++;
}

int
vhost_vring_call(struct vhost_vring *vr)
{
	if (!vr->running)
		return 0;
	/* Whose used index this is, and where it stood before, only the caller knows. */
	if ((vr->flags & VHOST_VRING_EVENT_IDX) != 0)
		return raise_call(vr);

	const uint32_t before = vr->unsettled;

	vring_call_if_wanted(vr);
	return vr->unsettled != before;
}

void
vhost_vring_enable_kicks(struct vhost_vring *vr, bool enable)
{
	if (!vr->running || vr->mem == NULL)
		return;
	if ((vr->flags & VHOST_VRING_PACKED) != 0)
		packed_enable_kicks(vr, enable);
	else
		split_enable_kicks(vr, enable);
}

uint16_t
vhost_vring_available(const struct vhost_vring *vr)
{
	if (!vr->running || vr->broken)
		return 0;
	return (vr->flags & VHOST_VRING_PACKED) != 0 ? packed_count_available(vr) :
						       split_count_available(vr);
}
