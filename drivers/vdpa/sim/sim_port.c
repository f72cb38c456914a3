/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "sim_log.h"
#include "sim_port.h"

#define DESCRIPTORS (SIM_PORT_MBUFS_PER_PAIR / 2)
#define BURST 32
/** Frames of one queue that are dropped at most before the first is taken as new. */
#define STALE_MAX 4096

static int
take(struct sim_port *port, uint16_t id)
{
	struct rte_eth_dev_owner other;
	int ret = rte_eth_dev_owner_set(id, &port->owner);

	if (ret == 0) {
		port->id = id;
		port->claimed = true;
		return 0;
	}
	if (rte_eth_dev_owner_get(id, &other) != 0)
		other.name[0] = '\0';
	SIM_LOG(ERR, "%s: cannot have port '%s', which '%s' owns: %s", port->device, port->name,
		other.name, rte_strerror(-ret));
	return -EBUSY;
}

static int
port_appeared(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret_param)
{
	struct sim_port *port = arg;

	(void)type;
	(void)ret_param;
	/* It is not valid before this returns, so the public functions do not know its name. */
	if (!port->claimed && strcmp(rte_eth_devices[id].data->name, port->name) == 0)
		take(port, id);
	return 0;
}

int
sim_port_claim(struct sim_port *port, const char *device, const char *name)
{
	uint16_t id;
	int ret;

	*port = (struct sim_port){ .device = device, .name = name };
	ret = rte_eth_dev_owner_new(&port->owner.id);
	if (ret != 0)
		return ret;
	snprintf(port->owner.name, sizeof(port->owner.name), "%s", device);
	/* First watch, then look: a port that appears in between is not missed. */
	ret = rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, port_appeared, port);
	if (ret != 0) {
		SIM_LOG(ERR, "%s: cannot watch for port '%s': %s", device, name,
			rte_strerror(-ret));
		*port = (struct sim_port){ 0 };
		return ret;
	}
	if (rte_eth_dev_get_port_by_name(name, &id) == 0 && !port->claimed)
		ret = take(port, id);
	if (ret != 0)
		sim_port_release(port);
	else if (!port->claimed)
		SIM_LOG(NOTICE, "%s: waits for port '%s', which does not exist yet", device, name);
	return ret;
}

static int
setup_queues(struct sim_port *port, uint16_t pairs, struct rte_mempool *pool)
{
	const int socket = rte_eth_dev_socket_id(port->id);
	uint16_t rxd = DESCRIPTORS, txd = DESCRIPTORS;
	int ret;

	ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rxd, &txd);
	for (uint16_t q = 0; ret == 0 && q < pairs; q++) {
		ret = rte_eth_rx_queue_setup(port->id, q, rxd, socket, NULL, pool);
		if (ret == 0)
			ret = rte_eth_tx_queue_setup(port->id, q, txd, socket, NULL);
	}
	return ret;
}

static int
configure(struct sim_port *port, uint16_t pairs, uint16_t mtu, const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = mtu,
		.intr_conf.rxq = 1,
	};
	int ret;

	if (pairs > 1 && info->flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	ret = rte_eth_dev_configure(port->id, pairs, pairs, &conf);
	if (ret != 0) {
		/* A driver that has no receive interrupts may say so here. */
		conf.intr_conf.rxq = 0;
		ret = rte_eth_dev_configure(port->id, pairs, pairs, &conf);
	}
	return ret;
}

/** Ports that have no such switch receive everything, or just what they can. */
static int
unless_unsupported(int ret)
{
	return ret == -ENOTSUP ? 0 : ret;
}

static int
bring_up(struct sim_port *port, uint16_t pairs, uint16_t mtu, struct rte_mempool *pool,
	const struct rte_eth_dev_info *info)
{
	const char *what = "configure";
	int ret;

	ret = configure(port, pairs, mtu, info);
	if (ret == 0) {
		what = "set up the queues of";
		ret = setup_queues(port, pairs, pool);
	}
	if (ret == 0) {
		what = "set the MTU of";
		ret = unless_unsupported(rte_eth_dev_set_mtu(port->id, mtu));
	}
	if (ret == 0) {
		what = "start";
		ret = rte_eth_dev_start(port->id);
	}
	if (ret == 0) {
		what = "set promiscuous";
		ret = unless_unsupported(rte_eth_promiscuous_enable(port->id));
		if (ret != 0)
			rte_eth_dev_stop(port->id);
	}
	if (ret != 0)
		SIM_LOG(ERR, "%s: cannot %s port '%s' (%u queue pairs, MTU %u): %s", port->device,
			what, port->name, pairs, mtu, rte_strerror(-ret));
	return ret;
}

static void
drop_stale(struct sim_port *port, uint16_t pairs)
{
	struct rte_mbuf *pkts[BURST];

	for (uint16_t q = 0; q < pairs; q++) {
		uint16_t n, total = 0;

		do {
			n = rte_eth_rx_burst(port->id, q, pkts, BURST);
			rte_pktmbuf_free_bulk(pkts, n);
			total += n;
		} while (n > 0 && total < STALE_MAX);
	}
}

int
sim_port_start(struct sim_port *port, uint16_t pairs, uint16_t mtu, struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	uint16_t id;
	int ret;

	if (rte_eth_dev_get_port_by_name(port->name, &id) != 0) {
		SIM_LOG(ERR, "%s: port '%s' does not exist: bring it with --vdev or --allow",
			port->device, port->name);
		port->claimed = port->started = false;
		return -ENODEV;
	}
	if (!port->claimed && (ret = take(port, id)) != 0)
		return ret;
	if (port->started) {
		drop_stale(port, pairs);
		return 0;
	}

	ret = rte_eth_dev_info_get(id, &info);
	if (ret != 0) {
		SIM_LOG(ERR, "%s: port '%s' tells nothing about itself: %s", port->device,
			port->name, rte_strerror(-ret));
		return ret;
	}
	if (pairs > info.max_rx_queues || pairs > info.max_tx_queues) {
		SIM_LOG(ERR,
			"%s: port '%s' has %u receive and %u transmit queues, %u of each are needed: "
			"lower 'queues=', or give the port more",
			port->device, port->name, info.max_rx_queues, info.max_tx_queues, pairs);
		return -ENOTSUP;
	}
	ret = bring_up(port, pairs, mtu, pool, &info);
	port->started = ret == 0;
	return ret;
}

int
sim_port_rx_fd(const struct sim_port *port, uint16_t q)
{
	/* Asking a port that has no interrupts would put an error into the log. */
	if (rte_eth_devices[port->id].intr_handle == NULL)
		return -1;
	return rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, q);
}

bool
sim_port_link_up(const struct sim_port *port)
{
	struct rte_eth_link link;

	return port->started && rte_eth_link_get_nowait(port->id, &link) == 0 &&
		link.link_status == RTE_ETH_LINK_UP;
}

void
sim_port_release(struct sim_port *port)
{
	if (port->name == NULL)
		return;
	/* Busy only while the callback runs, in another thread. */
	while (rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, port_appeared,
		       port) == -EAGAIN)
		rte_pause();
	if (port->claimed && rte_eth_dev_is_valid_port(port->id)) {
		if (port->started)
			rte_eth_dev_stop(port->id);
		rte_eth_dev_owner_unset(port->id, port->owner.id);
	}
	*port = (struct sim_port){ 0 };
}
