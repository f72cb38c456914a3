/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Statistics of a port: what its queues count themselves, which survives front ends, and the
 * extended ones that librte_vhost keeps for each vring of a connection, summed up over connections.
 *
 * librte_vhost takes frames that it cannot deliver, and a burst does not tell them from others. It
 * counts them, though: so what was sent is what the library says, not what a queue has handed over.
 */

#ifndef VHOST_STATS_H
#define VHOST_STATS_H

#include "vhost_port.h"

int vhost_port_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
int vhost_port_stats_reset(struct rte_eth_dev *dev);
int vhost_port_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n);
int vhost_port_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
	unsigned int n);
int vhost_port_xstats_reset(struct rte_eth_dev *dev);

/** Count the vrings of @a vid from now on; those of another device do not count any more. */
void vhost_port_stats_attach(struct vhost_port *port, int vid);

/** Take over what the vrings of @a vid have counted, if they count: it is about to go. */
void vhost_port_stats_detach(struct vhost_port *port, int vid);

/** The number of queues has changed. */
void vhost_port_stats_configure(struct vhost_port *port);

/** Basic statistics of @a q begin at zero: it is new. */
void vhost_port_stats_begin(const struct vhost_queue *q);

/** Forget names and totals. */
void vhost_port_stats_free(struct vhost_port *port);

#endif /* VHOST_STATS_H */
