/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The in-flight region, by which a back end that was killed tells its successor what it had in
 * hand. The front end keeps it; the layout is that of the vhost-user document, "Inflight I/O
 * tracking". rte_vhost_inflight.h tells how an application with a data path of its own uses it.
 *
 * The network data path of this library finishes what it takes within the burst, so it owes nothing
 * between two bursts. Of a split ring, the used index is all it takes to go on. Of a packed ring,
 * which has no index, the region holds the position; and since a burst writes all of its used
 * descriptors before the one that makes them visible, the region also keeps what the driver had
 * written in their places. A successor puts that back if the burst was not published, and goes on
 * as if it had not begun (vhost_inflight_rewind_packed()).
 *
 * A process that is killed has stored all that stands before the point where it was, in the order of
 * the program: release stores keep the compiler, and weaker processors, to that order.
 *
 * The region is shared with the front end: hostile like everything else. What is read is read once
 * and bounded; at worst the front end's own ring goes on in the wrong place.
 */

#ifndef VHOST_INFLIGHT_H
#define VHOST_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "rte_vhost.h"

/** Where the part of the region that belongs to one ring lies. */
struct vhost_inflight {
	union {
		struct rte_vhost_inflight_info_split *split;
		struct rte_vhost_inflight_info_packed *packed;
		void *region; /**< NULL: nothing is tracked */
	};
	uint64_t counter; /**< for the next chain that is taken */
	uint16_t size;    /**< entries of the ring, for which there is room in the region */
	struct rte_vhost_resubmit_info resubmit;
};

/** Bytes of a region's part for a ring of @a size entries. */
uint64_t vhost_inflight_size(bool packed, uint16_t size);

/**
 * Go on with a split ring: note what the predecessor gave back, and list what it did not.
 *
 * @param used_idx index of the used ring
 * @return 0; -EINVAL the region is of a version that is not known; -ENOMEM
 */
int vhost_inflight_recover_split(struct vhost_inflight *fl, uint16_t used_idx);

/**
 * Go on with a packed ring: as above, and where it stands.
 *
 * @param[in,out] base
 *   Position as vhost_vring_set_base() takes it: where a region begins that was not used yet; on
 *   return where the ring goes on.
 * @return 0; -EINVAL the region is of a version that is not known, or damaged; -ENOMEM
 */
int vhost_inflight_recover_packed(struct vhost_inflight *fl, const struct vring_packed_desc *ring,
	uint16_t *base);

/** Instead of it, for rings of the network data path: undo a burst that was not published. */
int vhost_inflight_rewind_packed(struct vhost_inflight *fl, struct vring_packed_desc *ring,
	uint16_t *base);

/** Whoever goes on with the ring is told where, and need not believe the region. */
void vhost_inflight_forget(struct vhost_inflight *fl);

/** Free the list; the region is used no more. */
void vhost_inflight_fini(struct vhost_inflight *fl);

/* What rte_vhost_inflight.h promises; 0 or -1. */
int vhost_inflight_take_split(struct vhost_inflight *fl, uint16_t idx);
int vhost_inflight_take_packed(struct vhost_inflight *fl, const struct vring_packed_desc *ring,
	uint16_t head, uint16_t last, uint16_t *entry);
int vhost_inflight_give_split(struct vhost_inflight *fl, uint16_t idx);
int vhost_inflight_give_packed(struct vhost_inflight *fl, uint16_t head);
int vhost_inflight_given_split(struct vhost_inflight *fl, uint16_t used_idx, uint16_t idx);
int vhost_inflight_given_packed(struct vhost_inflight *fl, uint16_t head);
int vhost_inflight_base_packed(const struct vhost_inflight *fl, uint16_t *base);

/** Positions and wrap counters of a packed region, which are one aligned word: stored as one. */
union vhost_inflight_used {
	struct {
		uint16_t idx;
		uint16_t old_idx;
		uint8_t wrap;
		uint8_t old_wrap;
		uint8_t rest[2];
	};
	uint64_t word;
};

typedef uint64_t __attribute__((__may_alias__)) vhost_inflight_word;

static inline union vhost_inflight_used
vhost_inflight_used(const struct rte_vhost_inflight_info_packed *info)
{
	return (union vhost_inflight_used){
		.word = __atomic_load_n((const vhost_inflight_word *)(const void *)&info->used_idx,
			__ATOMIC_RELAXED)
	};
}

/** Release: all that was noted before is there when this is. */
static inline void
vhost_inflight_set_used(struct rte_vhost_inflight_info_packed *info, union vhost_inflight_used used)
{
	__atomic_store_n((vhost_inflight_word *)(void *)&info->used_idx, used.word,
		__ATOMIC_RELEASE);
}

#endif /* VHOST_INFLIGHT_H */
