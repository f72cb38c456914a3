/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Where a port meets librte_vhost: front ends that come and go, and what follows from it.
 */

#ifndef VHOST_EVENTS_H
#define VHOST_EVENTS_H

#include "vhost_port.h"

/**
 * Make the socket of port->args and serve front ends on it. From here on events arrive. What fails is
 * logged in one line.
 * @return 0, or a negative errno with nothing left behind
 */
int vhost_port_serve(struct vhost_port *port);

/** Drop the front end and remove the socket. Returns when no event is or will be under way. */
void vhost_port_unserve(struct vhost_port *port);

/** Let queues at the front end's rings, now or when one comes. */
void vhost_port_start_queues(struct vhost_port *port);

/** Returns when no burst is inside any queue. */
void vhost_port_stop_queues(struct vhost_port *port);

#endif /* VHOST_EVENTS_H */
