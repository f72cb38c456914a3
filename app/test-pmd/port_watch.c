/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <rte_malloc.h>

#include "engine.h"
#include "port_setup.h"

struct watch {
	const struct rte_eth_rxtx_callback *rx[QUEUES_MAX];
	const struct rte_eth_rxtx_callback *tx[QUEUES_MAX];
	bool on;
};

static struct watch watches[RTE_MAX_ETHPORTS];

static void
print_burst(const char *did, uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t count)
{
	if (count == 0 || __atomic_load_n(&config.verbose, __ATOMIC_RELAXED) == 0)
		return;
	/* One lcore's burst stays together between those of others. */
	flockfile(stdout);
	printf("port %u/queue %u: %s %u packets\n", port, queue, did, count);
	for (uint16_t i = 0; i < count; i++) {
		struct rte_ether_hdr copy;
		const struct rte_ether_hdr *eth = rte_pktmbuf_read(pkts[i], 0, sizeof(copy), &copy);

		if (eth == NULL) {
			printf("  length=%u: no Ethernet header\n", pkts[i]->pkt_len);
			continue;
		}
		printf("  src=" RTE_ETHER_ADDR_PRT_FMT " - dst=" RTE_ETHER_ADDR_PRT_FMT
		       " - type=0x%04x - length=%u - nb_segs=%u - ol_flags=0x%" PRIx64 "\n",
			RTE_ETHER_ADDR_BYTES(&eth->src_addr), RTE_ETHER_ADDR_BYTES(&eth->dst_addr),
			rte_be_to_cpu_16(eth->ether_type), pkts[i]->pkt_len, pkts[i]->nb_segs,
			pkts[i]->ol_flags);
	}
	funlockfile(stdout);
}

static uint16_t
watch_rx(uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t count, uint16_t max,
	void *arg)
{
	RTE_SET_USED(max);
	RTE_SET_USED(arg);
	print_burst("received", port, queue, pkts, count);
	return count;
}

static uint16_t
watch_tx(uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t count, void *arg)
{
	RTE_SET_USED(arg);
	print_burst("sent", port, queue, pkts, count);
	return count;
}

void
port_watch(uint16_t id, const struct port *port)
{
	struct watch *watch = &watches[id];

	if (watch->on)
		return;
	watch->on = true;
	for (uint16_t q = 0; q < port->rxq; q++)
		watch->rx[q] = rte_eth_add_rx_callback(id, q, watch_rx, NULL);
	for (uint16_t q = 0; q < port->txq; q++)
		watch->tx[q] = rte_eth_add_tx_callback(id, q, watch_tx, NULL);
}

void
port_unwatch(uint16_t id)
{
	struct watch *watch = &watches[id];

	for (uint16_t q = 0; q < QUEUES_MAX; q++) {
		if (watch->rx[q] != NULL && rte_eth_remove_rx_callback(id, q, watch->rx[q]) == 0)
			rte_free((void *)(uintptr_t)watch->rx[q]);
		if (watch->tx[q] != NULL && rte_eth_remove_tx_callback(id, q, watch->tx[q]) == 0)
			rte_free((void *)(uintptr_t)watch->tx[q]);
		watch->rx[q] = watch->tx[q] = NULL;
	}
	watch->on = false;
}
