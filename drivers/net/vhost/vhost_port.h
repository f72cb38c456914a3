/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A port and its queues, as the parts of the driver share them.
 *
 * Guest and port look at a queue pair from opposite ends: vring 2n is what the guest receives
 * from, so queue n transmits into it; vring 2n + 1 is what the guest transmits on, so queue n
 * receives from it.
 *
 * Threads. Ethdev operations come from the application, events from a thread of librte_vhost,
 * and bursts take no lock: they pass the gate of their queue. Locks order the rest, two because
 * librte_vhost may tell that a ring was enabled while it holds what its own calls wait for:
 *
 *	port->use   is held around calls that name a device. A device does not go while it is held.
 *	port->lock  guards the state of the port. It is taken after port->use, if both are, and no
 *	            call that could wait for a ring is made with it.
 *	port->stats guards stats_vid and totals. It is taken after any other. With it the library is
 *	            asked for statistics, for which DPDK 22.11's waits for the ring, so the event of a
 *	            ring does not take it. Ours does not wait: there a callback may ask for them.
 *
 * So the event of a ring takes port->lock alone, those of a device take both, and neither waits
 * for a thread that waits for librte_vhost. No callback of the application is made with a lock.
 *
 * Lifetime. A port is found by events through its socket path from registration to
 * unregistration, and rte_vhost_driver_unregister() waits for events to end: an event never
 * sees a port that is gone.
 */

#ifndef VHOST_PORT_H
#define VHOST_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <ethdev_driver.h>
#include <rte_vhost.h>

#include "vhost_devargs.h"
#include "vhost_gate.h"

#define VHOST_VRINGS_MAX (2 * RTE_MAX_QUEUES_PER_PORT)
#define VHOST_NO_DEVICE (-1)

/** What a burst does to frames besides moving them. */
enum vhost_fixup {
	VHOST_FIXUP_VLAN = 1 << 0,  /**< receive: strip the tag; transmit: insert it */
	VHOST_FIXUP_CKSUM = 1 << 1, /**< receive: complete TCP and UDP checksums */
	VHOST_FIXUP_KICKS = 1 << 2, /**< once: tell the guest whether to kick */
};

struct vhost_counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors;
};

struct __rte_cache_aligned vhost_queue {
	/* The line that a burst works on. */
	struct vhost_gate gate;
	uint16_t vring;
	uint16_t port_id;
	uint8_t fixups;              /**< enum vhost_fixup */
	struct rte_mempool *pool;    /**< receive: where frames go */
	struct vhost_counters count; /**< frames taken; only the queue's user writes it */

	struct vhost_counters base __rte_cache_aligned; /**< count when it was last reset */
	struct vhost_port *port;
};

/** Receive interrupts of one queue: see vhost_intr.h. */
struct vhost_intr {
	int epfd;   /**< what the application waits on; stays the same while the kick fd changes */
	int wakefd; /**< eventfd in epfd, to wake the application from here */
	int kickfd; /**< own duplicate of the front end's kick fd in epfd, or -1 */
	bool on;    /**< the application asked for interrupts; guarded by port->use */
};

/** What basic statistics have from librte_vhost. */
struct vhost_told {
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors; /**< frames dropped */
	uint64_t no_mbuf;
};

/**
 * Statistics of librte_vhost for one vring, carried over from one connection to the next: less what they
 * were at the last reset, hence sums that may wrap on the way.
 */
struct vhost_vring_totals {
	unsigned int n;
	struct rte_vhost_stat_name *names;
	struct rte_vhost_stat *room; /**< for librte_vhost to tell them */
	uint64_t *now;          /**< what the connection had when last looked at; 0 without one */
	uint64_t *totals;       /**< of the connections that have ended */
	struct vhost_told base; /**< when basic statistics were last reset */
};

struct vhost_port {
	LIST_ENTRY(vhost_port) next;
	struct rte_eth_dev *dev;
	struct vhost_devargs args;
	pthread_mutex_t use;
	pthread_mutex_t lock;
	pthread_mutex_t stats;
	bool started;
	bool told_excess;  /**< that a front end uses more rings than the port can have queues */
	int vid;           /**< device that runs, or VHOST_NO_DEVICE */
	int stats_vid;     /**< device whose vring statistics count, also while it does not run */
	uint64_t features; /**< virtio features of vid */

	uint16_t nb_intr;
	struct vhost_intr *intr;

	struct vhost_vring_totals
		*totals; /**< one for each vring that a queue may be configured for */
	uint16_t nb_totals;

	/* One bit for each vring: enabled now, and as last reported to the application. */
	uint64_t enabled[VHOST_VRINGS_MAX / 64];
	uint64_t reported[VHOST_VRINGS_MAX / 64];

	/* Those enabled by a front end that comes while another one has the port. */
	int coming_vid;
	uint64_t coming[VHOST_VRINGS_MAX / 64];
};

static inline struct vhost_port *
vhost_port_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

#endif /* VHOST_PORT_H */
