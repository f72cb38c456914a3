/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sleeps on a receive queue until a frame comes, and does so many times.
 *
 *	sleeper EAL-OPTIONS... -- ROUNDS
 *
 * The second port sends a frame, which the first one receives; a single port, whose device sends
 * back what it gets, does both. Between two frames the first port's queue has its interrupt enabled,
 * and nobody polls it. Status 0 if each frame woke the sleeper.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#define PATIENCE_MS 30000
#define FRAME 64

static struct rte_mempool *pool;
static uint16_t sender;

static void
start(uint16_t port, bool interrupt)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = interrupt };

	if (rte_eth_dev_configure(port, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(port, 0, 128, 0, NULL, pool) < 0 ||
		rte_eth_tx_queue_setup(port, 0, 128, 0, NULL) < 0 || rte_eth_dev_start(port) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: cannot start port %u\n", port);
}

static void
send_frame(uint16_t port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL || rte_pktmbuf_append(m, FRAME) == NULL)
		rte_exit(EXIT_FAILURE, "sleeper: no mbuf\n");
	memset(rte_pktmbuf_mtod(m, void *), 0xff, FRAME);
	while (rte_eth_tx_burst(port, 0, &m, 1) == 0)
		;
}

/* Without interrupt enabled, to the last one. */
static unsigned int
receive(uint16_t port)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	while (rte_eth_rx_burst(port, 0, &m, 1) == 1) {
		n += m->pkt_len == FRAME;
		rte_pktmbuf_free(m);
	}
	return n;
}

static void
round_trip(unsigned int number)
{
	struct rte_epoll_event event;

	if (rte_eth_dev_rx_intr_enable(0, 0) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: cannot enable the interrupt\n");
	if (receive(0) != 0)
		rte_exit(EXIT_FAILURE, "sleeper: a frame before round %u\n", number);
	send_frame(sender);
	if (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, PATIENCE_MS) != 1)
		rte_exit(EXIT_FAILURE, "sleeper: not woken in round %u\n", number);
	rte_eth_dev_rx_intr_disable(0, 0);
	if (receive(0) != 1)
		rte_exit(EXIT_FAILURE, "sleeper: no frame in round %u\n", number);
}

int
main(int argc, char **argv)
{
	const int used = rte_eal_init(argc, argv);
	unsigned int rounds;

	if (used < 0 || argc - used != 2)
		rte_exit(EXIT_FAILURE, "usage: sleeper EAL-OPTIONS... -- ROUNDS\n");
	rounds = (unsigned int)atoi(argv[used + 1]);
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL || rte_eth_dev_count_avail() < 1 || rte_eth_dev_count_avail() > 2)
		rte_exit(EXIT_FAILURE, "sleeper: one port or two, and memory, are needed\n");
	sender = rte_eth_dev_count_avail() - 1;
	start(0, true);
	if (sender != 0)
		start(sender, false);
	if (rte_eth_dev_rx_intr_ctl_q(0, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: the port has no interrupt to wait for\n");
	for (unsigned int i = 0; i < rounds; i++)
		round_trip(i);
	printf("woken %u times\n", rounds);
	for (uint16_t port = 0; port <= sender; port++)
		if (rte_eth_dev_stop(port) < 0 || rte_eth_dev_close(port) < 0)
			rte_exit(EXIT_FAILURE, "sleeper: cannot close port %u\n", port);
	return rte_eal_cleanup();
}
