/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef _RTE_ETH_VHOST_H_
#define _RTE_ETH_VHOST_H_

/**
 * @file
 * What a net_vhost port offers beyond the ethdev API.
 *
 * A net_vhost port is a vhost-user back end: the front end (a virtual machine or a container)
 * decides how many queues there are and enables and disables them while the port runs. An
 * application that wants to follow registers a callback for RTE_ETH_EVENT_QUEUE_STATE with
 * rte_eth_dev_callback_register(), and asks in it, or later, what has changed. An application
 * that wants more of the vhost API asks for the number of the device behind the port.
 */

#ifdef __cplusplus
extern "C" {
#endif

#include <stdbool.h>
#include <stdint.h>

#include <rte_vhost.h>

/** One queue that the front end has enabled or disabled. */
struct rte_eth_vhost_queue_event {
	uint16_t queue_id; /**< ethdev queue number; it may lie past those that are configured */
	bool rx;     /**< receive queue of the port (what the guest transmits on), or transmit */
	bool enable; /**< the state that the queue is in now */
};

/**
 * Take one queue whose state differs from what was last reported.
 *
 * One callback may stand for many changes: call this until it fails. A queue that changed and
 * changed back in between is not reported. A front end that leaves takes all its queues
 * along; that is seen as RTE_ETH_EVENT_INTR_LSC and leaves nothing to report here.
 *
 * Thread-safe, and may be called from within the callback.
 *
 * @param port_id
 *   Port of this driver.
 * @param[out] event
 *   Filled on success.
 * @return
 *   - 0: *event* holds a change, now reported.
 *   - -1: nothing to report, or no port of this driver has that number, or *event* is NULL.
 */
int rte_eth_vhost_get_queue_event(uint16_t port_id, struct rte_eth_vhost_queue_event *event);

/**
 * Number of the vhost device that is behind a port now, for calls of rte_vhost.h.
 *
 * The number is good until the front end leaves, which the application learns from
 * RTE_ETH_EVENT_INTR_LSC; a call with an old number fails. Bursts belong to the port: do not
 * mix rte_vhost_enqueue_burst() or rte_vhost_dequeue_burst() on its queues with them.
 *
 * Thread-safe.
 *
 * @param port_id
 *   Port of this driver.
 * @return
 *   - 0 or more: the device number.
 *   - -1: no front end is there, or no port of this driver has that number.
 */
int rte_eth_vhost_get_vid_from_port_id(uint16_t port_id);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_ETH_VHOST_H_ */
