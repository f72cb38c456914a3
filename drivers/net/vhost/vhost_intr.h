/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Receive interrupts: sleeping until the guest kicks.
 *
 * What signals a kick is an eventfd that belongs to the front end: it changes with every front end,
 * may change while one is there, and need not even be an eventfd. An application, on the other
 * hand, puts one descriptor for each queue into its epoll set and expects it to last. So that
 * descriptor is an epoll instance of our own, and the front end's kick fd is a member of it,
 * edge-triggered: every kick makes the outer descriptor readable, and the kick fd itself is never
 * read (a read could block for as long as a front end wishes).
 */

#ifndef VHOST_INTR_H
#define VHOST_INTR_H

#include "vhost_port.h"

/** Make port->intr and dev->intr_handle for all receive queues, if the application wants them. */
int vhost_port_intr_setup(struct vhost_port *port);
void vhost_port_intr_free(struct vhost_port *port);

/** Follow the kick fd of receive queue @a queue on device @a vid. Under port->lock. */
void vhost_port_intr_attach(struct vhost_port *port, uint16_t queue, int vid);

/** Let go of the kick fd. Under port->lock. */
void vhost_port_intr_detach(struct vhost_port *port, uint16_t queue);

/**
 * Tell the guest whether the user of @a q wants kicks: for transmission never. Called by the burst
 * that is first on a new ring, inside the gate, for device @a vid.
 * @return false if that cannot be done now
 */
bool vhost_port_intr_arm(const struct vhost_queue *q, int vid);

int vhost_port_intr_enable(struct rte_eth_dev *dev, uint16_t queue);
int vhost_port_intr_disable(struct rte_eth_dev *dev, uint16_t queue);

/** What a sleeping lcore can watch instead of a descriptor: where the guest's next frame shows. */
int vhost_port_monitor_addr(void *queue, struct rte_power_monitor_cond *cond);

#endif /* VHOST_INTR_H */
