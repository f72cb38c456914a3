/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The "hardware" of vdpa_sim: a virtio network device in software that knows rings, guest memory,
 * doorbells and interrupts, but neither a connection nor a front end.
 *
 * A thread of its own reads and writes the rings. It polls while there is work, and sleeps on
 * kicks when there is none. Rings are numbered as in virtio-net: pair N has its receive ring (into
 * which the device delivers) at 2N and its transmit ring at 2N + 1.
 *
 * What a guest transmits goes back into the receive ring of the same pair, or, when the device has
 * been connected to a port, out of it. Looping back loses nothing: while the receive ring has no room, frames
 * wait, at first in the device (a burst), then in the transmit ring. A port behaves like a wire: what it
 * does not take after a few tries is dropped and counted; what it receives and the guest has no room for
 * waits in the device and then in the port.
 *
 * Control. The device is changed only while it stands still, between sim_hw_freeze() and
 * sim_hw_thaw(); functions that need that say so. Freezing takes as long as one round over all rings.
 */

#ifndef SIM_HW_H
#define SIM_HW_H

#include <stdbool.h>
#include <stdint.h>

#include "vring.h"

struct rte_mempool;
struct sim_hw;
struct sim_port;

struct sim_hw_conf {
	const char *name; /**< of the device; copied */
	uint16_t pairs;
	uint16_t mtu;   /**< frames up to this fit one mbuf */
	bool doorbells; /**< have doorbell pages, and never sleep while a ring runs */
	bool port;      /**< mbufs are for a port as well: more, and freed by any thread */
	int numa_node;
};

/** Where a ring lies, where it goes on, and how guest and device wake each other. */
struct sim_hw_ring {
	struct vhost_vring_layout layout;
	uint16_t avail; /**< as vhost_vring_set_base() has it */
	uint16_t used;
	int kickfd; /**< eventfd, -1: the ring is polled */
	int callfd; /**< eventfd, -1: the guest polls */
};

/** A doorbell: a page of a file that the guest may write to, anything, at its beginning. */
struct sim_hw_doorbell {
	int fd;
	uint64_t offset;
	uint64_t size;
};

/**
 * Build a device without rings and start its thread.
 * @return 0; -ENOMEM no memory for the mbufs, -errno otherwise; told in the log
 */
int sim_hw_create(const struct sim_hw_conf *conf, struct sim_hw **hw);

/** Stop the thread and free everything. NULL is ignored. */
void sim_hw_destroy(struct sim_hw *hw);

/** Let the device stand still: its thread touches neither rings nor the port. Does not nest. */
void sim_hw_freeze(struct sim_hw *hw);
void sim_hw_thaw(struct sim_hw *hw);

/** Frames for a port to receive into come from here. */
struct rte_mempool *sim_hw_pool(struct sim_hw *hw);

/** Connect the pairs to a started port, which stays the caller's. Frozen. */
int sim_hw_connect(struct sim_hw *hw, const struct sim_port *port);

/**
 * Say what was negotiated: virtio features, and guest memory, which must stay until sim_hw_reset().
 * No ring runs. Frozen.
 */
void sim_hw_set_guest(struct sim_hw *hw, uint64_t features, const struct rte_vhost_memory *mem);

/** Mark what is written to guest memory in @a log from now on, NULL for no more. Frozen. */
void sim_hw_set_log(struct sim_hw *hw, const struct vhost_dirty_log *log);

/**
 * Start a ring that does not run. The descriptors stay the caller's. Frozen.
 * @return 0; -EINVAL impossible layout or position; -errno of a descriptor that cannot be waited for
 */
int sim_hw_ring_start(struct sim_hw *hw, uint16_t qid, const struct sim_hw_ring *ring);

/** Stop a ring and tell where it would go on. Frozen. @return false if it did not run */
bool sim_hw_ring_stop(struct sim_hw *hw, uint16_t qid, uint16_t *avail, uint16_t *used);

/** Forget the guest: its memory, its log, and frames that wait. No ring runs. Frozen. */
void sim_hw_reset(struct sim_hw *hw);

/** @return 0; -ENOTSUP the device has no doorbells; -EINVAL no such ring */
int sim_hw_doorbell(const struct sim_hw *hw, uint16_t qid, struct sim_hw_doorbell *doorbell);

/** Counters that each ring has, and the name of each. */
unsigned int sim_hw_counters(void);
const char *sim_hw_counter_name(unsigned int id);

/** Value of one counter; ring and counter exist. Any time, from any thread. */
uint64_t sim_hw_counter(const struct sim_hw *hw, uint16_t qid, unsigned int id);

/** Set the counters of one ring to zero. Frozen. */
void sim_hw_reset_counters(struct sim_hw *hw, uint16_t qid);

#endif /* SIM_HW_H */
