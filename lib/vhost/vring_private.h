/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the modules of the software data path share among themselves.
 */

#ifndef VRING_PRIVATE_H
#define VRING_PRIVATE_H

#include <rte_branch_prediction.h>
#include <rte_vdpa_compat.h>

#include "dirty_log.h"
#include "vring.h"

extern int vhost_data_logtype;
#define VRING_LOG(level, ...) VDPA_LOG(vhost_data_logtype, level, __VA_ARGS__)

/** Refuse bursts from now on; told once. */
void vring_set_broken(struct vhost_vring *vr, const char *why);

/** Log what was written at an address of ours in guest memory. */
void vring_log_hva(const struct vhost_vring *vr, const void *hva, uint64_t len);

/** Log what was written to an address that a descriptor names, and that is ours at @a hva. */
static __rte_always_inline void
vring_log_written(const struct vhost_vring *vr, uint64_t addr, const void *hva, uint64_t len)
{
	if (vr->flags & VHOST_VRING_IOMMU)
		vring_log_hva(vr, hva, len);
	else
		vhost_dirty_log_mark(&vr->log, addr, len);
}

/**
 * A chain names an address that leads nowhere. Behind an IOMMU a mapping may come, and the ring waits
 * for it; unless the address may be read, but not written.
 *
 * @return true if the ring waits: nothing of the chain has happened
 */
bool vring_wait_for_mapping(struct vhost_vring *vr, uint64_t addr, bool write);

/** Tell the owner of a miss, unless it has not heard of the last one yet. With the claim. */
void vring_tell_miss(struct vhost_vring *vr, uint64_t addr, uint8_t access, uint8_t kind);

/** Behind an IOMMU, after a burst: tell if what comes next is not mapped, before it is waited for. */
void vring_look_ahead(struct vhost_vring *vr);

/** The region tried first, kept in registers through a burst. */
struct vring_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t hva;
};

static __rte_always_inline struct vring_region
vring_region_hint(const struct vhost_vring *vr)
{
	const struct rte_vhost_mem_region *r = vr->region;

	if (unlikely(r == NULL))
		return (struct vring_region){ 0 };
	return (struct vring_region){ .gpa = r->guest_phys_addr,
		.size = r->size,
		.hva = r->host_user_addr };
}

/** The lookup behind vring_translate(); makes the region found the ring's hint. */
uint8_t *vring_translate_miss(struct vhost_vring *vr, uint64_t gpa, uint32_t len);

/**
 * Our address of [gpa, gpa + len), or NULL when the careful way must be taken: the range is not
 * contiguous here, or what is written must be logged.
 */
static __rte_always_inline uint8_t *
vring_translate(struct vhost_vring *vr, struct vring_region *hint, uint64_t gpa, uint32_t len)
{
	uint64_t offset = gpa - hint->gpa;

	if (likely(offset < hint->size && len <= hint->size - offset))
		return (uint8_t *)(uintptr_t)(hint->hva + offset);

	uint8_t *at = vring_translate_miss(vr, gpa, len);

	*hint = vring_region_hint(vr);
	return at;
}

/** Interrupt the driver if it wants that, after a burst that gave something back. */
void vring_call_if_wanted(struct vhost_vring *vr);

/** Choose the burst functions for the ring's flags and this CPU: net.c. */
void vhost_net_choose(struct vhost_vring *vr);

#endif /* VRING_PRIVATE_H */
