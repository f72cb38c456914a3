/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef _RTE_VHOST_INFLIGHT_H_
#define _RTE_VHOST_INFLIGHT_H_

/**
 * @file
 * Buffers in flight: taken from a virtqueue, and not given back yet.
 *
 * A device that works on many requests at a time, a disk for one, loses track of them when its
 * process dies. So it notes in a memory region that the front end keeps, and hands to the next back
 * end, what it has taken; the next one finds there what is still owed to the driver. The region is
 * spoken of with protocol feature INFLIGHT_SHMFD, and laid out as the vhost-user document says
 * ("Inflight I/O tracking").
 *
 * For applications that serve virtqueues themselves. What they call, in this order, for split ones:
 *
 *	take the head of a chain     rte_vhost_set_inflight_desc_split()
 *	write the used element       rte_vhost_set_last_inflight_io_split()
 *	advance the used index       rte_vhost_clr_inflight_desc_split()
 *
 * and for packed ones:
 *
 *	take a chain                 rte_vhost_set_inflight_desc_packed()
 *	before the used descriptor   rte_vhost_set_last_inflight_io_packed()
 *	after it is written          rte_vhost_clr_inflight_desc_packed()
 *
 * One buffer at a time: who advances the used index over several, and dies before all of them are
 * cleared, leaves some that are listed again though they were given back.
 *
 * When a device starts (new_device), rte_vhost_get_vhost_ring_inflight() gives what its predecessor
 * left behind: to be completed first, the oldest first. The library's own network data path needs
 * none of this.
 *
 * **Threads.** For a virtqueue, these functions wait for one another and for whoever else is at
 * work on it; so any thread may call them. What they store, a process that is killed right after
 * the call has stored.
 *
 * **Return values.** All return 0, or -1 if there is no such vid or virtqueue, if it does not run,
 * if it is of the other format, or if a number lies outside of it. Those that store something
 * return 0 and do nothing when the front end did not negotiate INFLIGHT_SHMFD.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A descriptor of a split virtqueue, as the region keeps it. The index is that of the table. */
struct rte_vhost_inflight_desc_split {
	uint8_t inflight;   /**< 1: head of a chain that was taken and not given back */
	uint8_t padding[5]; /**< not used */
	uint16_t next;      /**< next head in the list of those that were given back last */
	uint64_t counter;   /**< of a head: when it was taken, in the order of taking */
};

/** The part of the region that belongs to a split virtqueue. */
struct rte_vhost_inflight_info_split {
	uint64_t features;         /**< of the region: 0 */
	uint16_t version;          /**< of the layout: 1; 0 before its first use */
	uint16_t desc_num;         /**< entries of @a desc */
	uint16_t last_inflight_io; /**< first in the list of heads that were given back last */
	uint16_t used_idx;         /**< index of the used ring when it was last noted */
	struct rte_vhost_inflight_desc_split desc[]; /**< one for each descriptor */
};

/** A descriptor of a packed virtqueue that was taken. Its index is the region's choice. */
struct rte_vhost_inflight_desc_packed {
	uint8_t inflight; /**< 1: head of a chain that was taken and not given back */
	uint8_t padding;  /**< not used */
	uint16_t next;    /**< next one of the chain, or of the list of free entries */
	uint16_t last;    /**< of a head: last one of its chain */
	uint16_t num;     /**< of a head: descriptors in its chain */
	uint64_t counter; /**< of a head: when it was taken, in the order of taking */
	uint16_t id;      /**< as the driver wrote it: buffer id */
	uint16_t flags;   /**< as the driver wrote it */
	uint32_t len;     /**< as the driver wrote it: bytes */
	uint64_t addr;    /**< as the driver wrote it: guest physical address */
};

/** The part of the region that belongs to a packed virtqueue. Fields old_* hold for certain. */
struct rte_vhost_inflight_info_packed {
	uint64_t features;             /**< of the region: 0 */
	uint16_t version;              /**< of the layout: 1; 0 before its first use */
	uint16_t desc_num;             /**< entries of @a desc */
	uint16_t free_head;            /**< first free entry; @a desc_num when none is */
	uint16_t old_free_head;        /**< likewise, before what is being given back */
	uint16_t used_idx;             /**< position behind what is being given back */
	uint16_t old_used_idx;         /**< position before it */
	uint8_t used_wrap_counter;     /**< wrap counter that goes with @a used_idx */
	uint8_t old_used_wrap_counter; /**< wrap counter that goes with @a old_used_idx */
	uint8_t padding[7];            /**< not used */
	struct rte_vhost_inflight_desc_packed desc[]; /**< as many as the virtqueue has */
};

/** A chain that the predecessor took and did not give back. */
struct rte_vhost_resubmit_desc {
	uint16_t index;   /**< entry of the region: for split virtqueues the head of the chain */
	uint64_t counter; /**< when it was taken */
};

/** All of them. */
struct rte_vhost_resubmit_info {
	struct rte_vhost_resubmit_desc *resubmit_list; /**< the oldest, to be done first, is last */
	uint16_t resubmit_num;                         /**< entries of it */
};

/** What is known of a virtqueue's buffers in flight. */
struct rte_vhost_ring_inflight {
	union {
		struct rte_vhost_inflight_info_split *inflight_split;   /**< split */
		struct rte_vhost_inflight_info_packed *inflight_packed; /**< packed */
	};
	struct rte_vhost_resubmit_info *resubmit_inflight; /**< left by the predecessor */
};

/**
 * Get the region of a virtqueue and what the predecessor left in flight.
 *
 * The region is shared with the front end, whose word is not to be trusted: read a field once and
 * check it. The list is the library's own copy.
 *
 * @param vid
 *   Device.
 * @param vring_idx
 *   Virtqueue.
 * @param[out] vring
 *   Valid until the device stops; the list may be shortened by the application. Of a split
 *   virtqueue, rte_vhost_get_vring_base() already stands behind what is in the list.
 * @return
 *   As above; -1 also if there is no region for the virtqueue.
 */
int rte_vhost_get_vhost_ring_inflight(int vid, uint16_t vring_idx,
	struct rte_vhost_ring_inflight *vring);

/**
 * Note that a chain was taken.
 *
 * @param vid device
 * @param vring_idx split virtqueue
 * @param idx head of the chain
 * @return as above
 */
int rte_vhost_set_inflight_desc_split(int vid, uint16_t vring_idx, uint16_t idx);

/**
 * Note that a chain was taken, with a copy of its descriptors in the ring.
 *
 * @param vid device
 * @param vring_idx packed virtqueue
 * @param head position of the first descriptor
 * @param last position of the last one: of the same chain, behind the first going round
 * @param[out] inflight_entry entry that names the chain from now on
 * @return as above; -1 also if more is in flight than a ring holds
 */
int rte_vhost_set_inflight_desc_packed(int vid, uint16_t vring_idx, uint16_t head, uint16_t last,
	uint16_t *inflight_entry);

/**
 * Note that a chain's used element is written, and about to be made visible.
 *
 * @param vid device
 * @param vring_idx split virtqueue
 * @param idx head of the chain
 * @return as above
 */
int rte_vhost_set_last_inflight_io_split(int vid, uint16_t vring_idx, uint16_t idx);

/**
 * Note that a chain is about to be given back.
 *
 * @param vid device
 * @param vring_idx packed virtqueue
 * @param head entry, from rte_vhost_set_inflight_desc_packed() or the resubmission list
 * @return as above; -1 also if nothing sane is in the region any more
 */
int rte_vhost_set_last_inflight_io_packed(int vid, uint16_t vring_idx, uint16_t head);

/**
 * Note that a chain was given back.
 *
 * @param vid device
 * @param vring_idx split virtqueue
 * @param last_used_idx index of the used ring now
 * @param idx head of the chain
 * @return as above
 */
int rte_vhost_clr_inflight_desc_split(int vid, uint16_t vring_idx, uint16_t last_used_idx,
	uint16_t idx);

/**
 * Note that a chain was given back.
 *
 * @param vid device
 * @param vring_idx packed virtqueue
 * @param head entry of the chain
 * @return as above
 */
int rte_vhost_clr_inflight_desc_packed(int vid, uint16_t vring_idx, uint16_t head);

/**
 * Tell where the predecessor stopped, which of a packed virtqueue only the region knows. Taking goes
 * on at the same place, plus what is in the resubmission list.
 *
 * @param vid device
 * @param queue_id packed virtqueue
 * @param[out] last_avail_idx as rte_vhost_get_vring_base()
 * @param[out] last_used_idx as rte_vhost_get_vring_base()
 * @return as above; -1 also if there is no region for the virtqueue
 */
int rte_vhost_get_vring_base_from_inflight(int vid, uint16_t queue_id, uint16_t *last_avail_idx,
	uint16_t *last_used_idx);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_VHOST_INFLIGHT_H_ */
