/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sleeps on a receive queue until a frame comes, and does so many times.
 *
 *	sleeper EAL-OPTIONS... -- ROUNDS [rss|wait]
 *
 * The last port, which may be the only one, whose device sends back what it gets, sends a frame; the
 * first one receives it, or an answer that is no shorter. Between two frames the first port's queue has
 * its interrupt enabled, and nobody polls it; every other frame comes just before that. With rss, that
 * port spreads frames over its only queue; with wait, the program says that its ports are ready, and
 * begins after the next line of input. Status 0 if each frame woke the sleeper.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#define PATIENCE_MS 30000
#define FRAME 64

static struct rte_mempool *pool;

static void
start(uint16_t port, bool interrupt, bool rss)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = interrupt };
	struct rte_eth_dev_info info;

	if (rss) {
		if (rte_eth_dev_info_get(port, &info) < 0 || info.flow_type_rss_offloads == 0)
			rte_exit(EXIT_FAILURE, "sleeper: port %u has no RSS\n", port);
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads;
	}
	if (rte_eth_dev_configure(port, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(port, 0, 128, 0, NULL, pool) < 0 ||
		rte_eth_tx_queue_setup(port, 0, 128, 0, NULL) < 0 || rte_eth_dev_start(port) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: cannot start port %u\n", port);
}

static void
send_frame(uint16_t port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *ether;

	if (m == NULL || rte_pktmbuf_append(m, FRAME) == NULL)
		rte_exit(EXIT_FAILURE, "sleeper: no mbuf\n");
	memset(rte_pktmbuf_mtod(m, void *), 0xff, FRAME);
	/* Bridges take no frame from a group of stations, and an answer goes to the one that it is from. */
	ether = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	if (rte_eth_macaddr_get(port, &ether->src_addr) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: port %u has no address\n", port);
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
		n += m->pkt_len >= FRAME;
		rte_pktmbuf_free(m);
	}
	return n;
}

static void
enable_interrupt(void)
{
	if (rte_eth_dev_rx_intr_enable(0, 0) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: cannot enable the interrupt\n");
}

/* Until there is a frame in the queue, which stays there. */
static void
await_frame(unsigned int number)
{
	for (unsigned int ms = 0; rte_eth_rx_queue_count(0, 0) <= 0; ms++) {
		if (ms == PATIENCE_MS)
			rte_exit(EXIT_FAILURE, "sleeper: nothing came in round %u\n", number);
		rte_delay_us_sleep(1000);
	}
}

/* A device that was just about to interrupt when we woke ourselves does so late: sleep on. */
static void
sleep_and_receive(unsigned int number)
{
	struct rte_epoll_event event;
	unsigned int n;

	for (;;) {
		if (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, PATIENCE_MS) != 1)
			rte_exit(EXIT_FAILURE, "sleeper: not woken in round %u\n", number);
		rte_eth_dev_rx_intr_disable(0, 0);
		n = receive(0);
		if (n == 1)
			return;
		if (n > 1)
			rte_exit(EXIT_FAILURE, "sleeper: %u frames in round %u\n", n, number);
		enable_interrupt();
	}
}

/* Every other frame comes between the last look at the queue and the interrupt's being enabled. */
static void
round_trip(unsigned int number, uint16_t sender)
{
	const bool before = number % 2 == 1;

	if (!before)
		enable_interrupt();
	if (receive(0) != 0)
		rte_exit(EXIT_FAILURE, "sleeper: a frame before round %u\n", number);
	send_frame(sender);
	if (before) {
		await_frame(number);
		enable_interrupt();
	}
	sleep_and_receive(number);
}

int
main(int argc, char **argv)
{
	const int used = rte_eal_init(argc, argv);
	const char *how = used >= 0 && argc - used == 3 ? argv[used + 2] : "";
	const bool rss = strcmp(how, "rss") == 0, wait = strcmp(how, "wait") == 0;
	unsigned int rounds;
	uint16_t ports;

	if (used < 0 || argc - used < 2 || argc - used > 3 || (argc - used == 3 && !rss && !wait))
		rte_exit(EXIT_FAILURE, "usage: sleeper EAL-OPTIONS... -- ROUNDS [rss|wait]\n");
	rounds = (unsigned int)atoi(argv[used + 1]);
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	ports = rte_eth_dev_count_avail();
	if (pool == NULL || ports == 0)
		rte_exit(EXIT_FAILURE, "sleeper: a port, and memory, are needed\n");
	for (uint16_t port = 0; port < ports; port++)
		start(port, port == 0, port == 0 && rss);
	if (rte_eth_dev_rx_intr_ctl_q(0, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL) < 0)
		rte_exit(EXIT_FAILURE, "sleeper: the port has no interrupt to wait for\n");
	if (wait) {
		printf("ready\n");
		fflush(stdout);
		(void)getchar();
	}
	for (unsigned int i = 0; i < rounds; i++)
		round_trip(i, ports - 1);
	printf("woken %u times\n", rounds);
	for (uint16_t port = 0; port < ports; port++)
		if (rte_eth_dev_stop(port) < 0 || rte_eth_dev_close(port) < 0)
			rte_exit(EXIT_FAILURE, "sleeper: cannot close port %u\n", port);
	return rte_eal_cleanup();
}
