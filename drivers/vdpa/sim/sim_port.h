/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The outside of a vdpa_sim with `mode=port`: an ethdev that the device has for itself.
 *
 * The ethdev is named before it need exist, since EAL probes devices in the order in which they
 * stand on the command line. It is claimed as soon as it appears, so that the application does not
 * find it among its own ports, and configured when a guest first needs it, or at once if it was there
 * first.
 */

#ifndef SIM_PORT_H
#define SIM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

struct sim_port {
	const char *device; /**< the vDPA device, for the log */
	const char *name;   /**< the ethdev */
	struct rte_eth_dev_owner owner;
	uint16_t id;
	bool claimed;
	bool started;
};

/** mbufs that the queues of one pair may keep besides what passes through. */
#define SIM_PORT_MBUFS_PER_PAIR (2 * 256)

/**
 * Want an ethdev: claim it now if it exists, else when it appears.
 *
 * @param device, name the vDPA device and the ethdev; kept by reference
 * @return 0; -EBUSY somebody else owns the ethdev; another negative errno
 */
int sim_port_claim(struct sim_port *port, const char *device, const char *name);

/**
 * Configure and start the ethdev, promiscuous, unless that was done before. Frames that it
 * received while nobody listened are dropped.
 *
 * @return 0; -ENODEV it does not exist (yet); -ENOTSUP it has too few queues; another negative errno
 */
int sim_port_start(struct sim_port *port, uint16_t pairs, uint16_t mtu, struct rte_mempool *pool);

/** A descriptor that becomes readable when queue @a q has frames, or -1: it must be polled. */
int sim_port_rx_fd(const struct sim_port *port, uint16_t q);

bool sim_port_link_up(const struct sim_port *port);

/** Stop the ethdev and give it back. No-op on one that is all zero. */
void sim_port_release(struct sim_port *port);

#endif /* SIM_PORT_H */
