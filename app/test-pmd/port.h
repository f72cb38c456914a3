/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_PORT_H
#define TESTPMD_PORT_H

/**
 * @file
 * The Ethernet ports: configured, started, stopped, closed, and attached and detached while the
 * program runs. Main thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "config.h"

struct port {
	bool present;
	bool started;
	bool closed;   /* the port id is gone, its device is still there */
	bool lsc, rmv; /* events the device was asked for */
	int socket;
	uint16_t rxq, txq;
	uint16_t rxd, txd;
	uint64_t rx_offloads, tx_offloads;
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	char device[RTE_DEV_NAME_MAX_LEN];

	/* What the csum engine leaves to the device (RTE_ETH_TX_OFFLOAD_*), and its TSO segment. */
	uint64_t csum_hw;
	uint16_t tso_segsz;

	/* Since when and from where 'show port stats' computes rates. */
	struct rte_eth_stats shown;
	uint64_t shown_at;
};

/** Take in every port that nothing else owns; nothing is started. 0, or -1 after a line on why. */
int ports_init(void);

/** Configure and start all of them; 0, or -1 when one failed. */
int ports_start(void);

/** Stop and close all of them. */
void ports_close(void);

unsigned int port_count(void);

/** A port that is there, or NULL. */
struct port *port_find(uint16_t id);

#define FOREACH_PORT(id) \
	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) \
		if (port_find(id) != NULL)

/* These print what went wrong and return -1, or print nothing and return 0. */
int port_start(uint16_t id);
int port_stop(uint16_t id);
int port_close(uint16_t id);
int port_detach(uint16_t id);
int port_attach(const char *devargs);
int port_detach_device(const char *name);

/** The port of a device name, or -1. */
int port_of_device(const char *name);

/** A descriptor that becomes readable when a device announced its removal or a link changed. */
int port_event_fd(void);

/** From any thread: a device is pulled out, or asked back; its port is to be given up. */
void port_device_pulled(const char *device);

/** React to what the descriptor announced. */
void port_events_handle(void);

/** Print the frames that come and go: so many lines about each, 0 for none. */
void ports_set_verbose(uint16_t level);

#endif /* TESTPMD_PORT_H */
