/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_show.h"

#include <stdio.h>

#include <rte_errno.h>

#include "port.h"

static void
show_link(uint16_t id)
{
	struct rte_eth_link link = { 0 };

	if (rte_eth_link_get_nowait(id, &link) != 0)
		return;
	printf("Link status: %s\n", link.link_status == RTE_ETH_LINK_UP ? "up" : "down");
	printf("Link speed: %s\n", rte_eth_link_speed_to_str(link.link_speed));
	printf("Link duplex: %s\n",
		link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX ? "full-duplex" : "half-duplex");
	printf("Autoneg status: %s\n", link.link_autoneg == RTE_ETH_LINK_AUTONEG ? "On" : "Off");
}

static void
show_mode(const char *what, int state)
{
	/* Negative for a device that does not know the mode. */
	printf("%s mode: %s\n", what, state > 0 ? "enabled" : "disabled");
}

static void
show_offloads(const char *what, uint64_t offloads, const char *(*name)(uint64_t))
{
	printf("%s offloads:", what);
	for (; offloads != 0; offloads &= offloads - 1)
		printf(" %s", name(offloads & -offloads));
	printf("\n");
}

static void
show_queues(const char *what, const struct rte_eth_desc_lim *lim, uint16_t now, uint16_t most)
{
	printf("Current number of %s queues: %u\n", what, now);
	printf("Max possible %s queues: %u\n", what, most);
	printf("Max possible number of %sDs per queue: %u\n", what, lim->nb_max);
	printf("Min possible number of %sDs per queue: %u\n", what, lim->nb_min);
	printf("%sDs number alignment: %u\n", what, lim->nb_align);
}

static void
show_limits(const struct port *port, const struct rte_eth_dev_info *info)
{
	printf("Maximum number of MAC addresses: %u\n", info->max_mac_addrs);
	printf("Redirection table size: %u\n", info->reta_size);
	printf("Minimum size of RX buffer: %u\n", info->min_rx_bufsize);
	printf("Maximum configurable length of RX packet: %u\n", info->max_rx_pktlen);
	printf("Maximum configurable size of LRO aggregated packet: %u\n", info->max_lro_pkt_size);
	show_queues("RX", &info->rx_desc_lim, info->nb_rx_queues, info->max_rx_queues);
	show_queues("TX", &info->tx_desc_lim, info->nb_tx_queues, info->max_tx_queues);
	printf("Max segment number per packet: %u\n", info->tx_desc_lim.nb_seg_max);
	printf("Max segment number per MTU/TSO: %u\n", info->tx_desc_lim.nb_mtu_seg_max);
	show_offloads("RX", port->rx_offloads, rte_eth_dev_rx_offload_name);
	show_offloads("TX", port->tx_offloads, rte_eth_dev_tx_offload_name);
}

void
port_show_info(uint16_t id)
{
	struct port *port = port_find(id);
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	char firmware[64];
	uint16_t mtu;
	int ret = rte_eth_dev_info_get(id, &info);

	if (ret != 0) {
		printf("Port %u: the device does not describe itself (%s)\n", id,
			rte_strerror(-ret));
		return;
	}
	printf("\n********************* Infos for port %-2u *********************\n", id);
	if (rte_eth_macaddr_get(id, &mac) == 0)
		printf("MAC address: " RTE_ETHER_ADDR_PRT_FMT "\n", RTE_ETHER_ADDR_BYTES(&mac));
	printf("Device name: %s\n", port->device);
	printf("Driver name: %s\n", info.driver_name);
	printf("Firmware-version: %s\n",
		rte_eth_dev_fw_version_get(id, firmware, sizeof(firmware)) == 0 ? firmware :
										  "not available");
	printf("Connect to socket: %d\n", RTE_MAX(port->socket, 0));
	printf("State: %s\n", port->started ? "started" : "stopped");
	show_link(id);
	if (rte_eth_dev_get_mtu(id, &mtu) == 0)
		printf("MTU: %u\n", mtu);
	show_mode("Promiscuous", rte_eth_promiscuous_get(id));
	show_mode("Allmulticast", rte_eth_allmulticast_get(id));
	show_limits(port, &info);
}

void
port_show_summary_header(void)
{
	printf("Number of available ports: %u\n", port_count());
	printf("Port MAC Address       Name         Driver         Status   Link\n");
}

void
port_show_summary(uint16_t id)
{
	struct port *port = port_find(id);
	struct rte_eth_link link = { 0 };
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac = { 0 };

	if (rte_eth_dev_info_get(id, &info) != 0)
		return;
	rte_eth_macaddr_get(id, &mac);
	if (rte_eth_link_get_nowait(id, &link) != 0)
		link.link_status = RTE_ETH_LINK_DOWN;
	printf("%-4u " RTE_ETHER_ADDR_PRT_FMT " %-12s %-14s %-8s %s\n", id,
		RTE_ETHER_ADDR_BYTES(&mac), port->device, info.driver_name,
		link.link_status == RTE_ETH_LINK_UP ? "up" : "down",
		rte_eth_link_speed_to_str(link.link_speed));
}

/* What a driver calls the functions that move its frames; some have no name for them. */
static void
show_burst_mode(int ret, const struct rte_eth_burst_mode *mode)
{
	if (ret != 0)
		return;
	printf("Burst mode: %s%s\n", mode->info,
		mode->flags & RTE_ETH_BURST_FLAG_PER_QUEUE ? " (per queue)" : "");
}

static void
show_rx_queue(uint16_t id, uint16_t queue)
{
	struct rte_eth_burst_mode mode;
	struct rte_eth_rxq_info info;
	int ret = rte_eth_rx_queue_info_get(id, queue, &info);

	if (ret != 0) {
		printf("Failed to retrieve information for port: %u, RX queue: %u\nerror desc: %s(%d)\n",
			id, queue, rte_strerror(-ret), ret);
		return;
	}
	printf("\n********************* Infos for port %-2u, RX queue %-2u *********************\n",
		id, queue);
	printf("Mempool: %s\n", info.mp != NULL ? info.mp->name : "NULL");
	printf("RX free threshold: %u\n", info.conf.rx_free_thresh);
	printf("RX drop packets: %s\n", info.conf.rx_drop_en ? "on" : "off");
	printf("RX scattered packets: %s\n", info.scattered_rx ? "on" : "off");
	printf("Number of RXDs: %u\n", info.nb_desc);
	show_burst_mode(rte_eth_rx_burst_mode_get(id, queue, &mode), &mode);
}

static void
show_tx_queue(uint16_t id, uint16_t queue)
{
	struct rte_eth_burst_mode mode;
	struct rte_eth_txq_info info;
	int ret = rte_eth_tx_queue_info_get(id, queue, &info);

	if (ret != 0) {
		printf("Failed to retrieve information for port: %u, TX queue: %u\nerror desc: %s(%d)\n",
			id, queue, rte_strerror(-ret), ret);
		return;
	}
	printf("\n********************* Infos for port %-2u, TX queue %-2u *********************\n",
		id, queue);
	printf("TX RS threshold: %u\n", info.conf.tx_rs_thresh);
	printf("TX free threshold: %u\n", info.conf.tx_free_thresh);
	printf("Number of TXDs: %u\n", info.nb_desc);
	show_burst_mode(rte_eth_tx_burst_mode_get(id, queue, &mode), &mode);
}

void
port_show_queue(uint16_t id, bool receive, uint16_t queue)
{
	if (receive)
		show_rx_queue(id, queue);
	else
		show_tx_queue(id, queue);
}
