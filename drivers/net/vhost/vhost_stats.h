/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Statistics of a port: what its queues count themselves, which survives front ends, and the
 * extended ones that librte_vhost keeps for each vring of a connection, summed up over connections.
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

/** Count the vrings of @a vid from now on. Under port->use. */
void vhost_port_stats_attach(struct vhost_port *port, int vid);

/** Take over what the vrings have counted: their device is about to go. Under port->use. */
void vhost_port_stats_detach(struct vhost_port *port);

/** Forget names and totals: the number of queues changes. Under port->use. */
void vhost_port_stats_free(struct vhost_port *port);

#endif /* VHOST_STATS_H */
