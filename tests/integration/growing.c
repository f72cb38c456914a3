/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A program whose heap grows and shrinks while its port, whose device sends back what it gets, has
 * frames under way.
 *
 *	growing EAL-OPTIONS... -- ROUNDS
 *
 * In each round there is a new pool of mbufs, in memory that DPDK did not have before, from which frames
 * are sent for a while, and which is freed when all of it is back. The last round is after the port was
 * stopped and started. Status 0 if every frame came back, in order and as it was, and the heap has grown
 * and shrunk in each round.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_memory.h>

#define PATIENCE_S 60
#define BURST 32
#define WINDOW 64
#define LENGTH 1024
#define ETHER_TYPE 0x88b5 /* for experiments */
#define BASE_MBUFS 1023
#define MORE_MBUFS 4095 /* 10 MB */
#define WHILE 2000      /* frames */

static struct rte_mempool *source; /* of frames to send */
static uint64_t sent, received;
static bool stop;
static unsigned int grown, shrunk;

static uint64_t
load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void
memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	(void)addr;
	(void)len;
	(void)arg;
	__atomic_fetch_add(type == RTE_MEM_EVENT_ALLOC ? &grown : &shrunk, 1, __ATOMIC_RELAXED);
}

static void
fill(struct rte_mbuf *m, uint64_t number)
{
	char *data = rte_pktmbuf_append(m, LENGTH);
	uint64_t *words = (uint64_t *)(data + 16);

	memset(data, 0xff, 12);
	data[12] = (char)(ETHER_TYPE >> 8);
	data[13] = (char)(ETHER_TYPE & 0xff);
	for (unsigned int i = 0; i < (LENGTH - 16) / 8; i++)
		words[i] = number + i;
}

static bool
is_whole(const struct rte_mbuf *m, uint64_t number)
{
	const uint64_t *words = rte_pktmbuf_mtod_offset(m, const uint64_t *, 16);

	if (m->pkt_len != LENGTH || m->nb_segs != 1)
		return false;
	for (unsigned int i = 0; i < (LENGTH - 16) / 8; i++)
		if (words[i] != number + i)
			return false;
	return true;
}

static void
transmit(void)
{
	struct rte_mbuf *pkts[BURST];
	const unsigned int n = RTE_MIN(BURST, WINDOW - (unsigned int)(sent - received));
	uint16_t taken;

	if (n == 0 ||
		rte_pktmbuf_alloc_bulk(__atomic_load_n(&source, __ATOMIC_ACQUIRE), pkts, n) < 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		fill(pkts[i], sent + i);
	taken = rte_eth_tx_burst(0, 0, pkts, (uint16_t)n);
	rte_pktmbuf_free_bulk(&pkts[taken], n - taken);
	__atomic_store_n(&sent, sent + taken, __ATOMIC_RELEASE);
}

/* @return frames, or -1 for one that is not the next one */
static int
receive(void)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t n = rte_eth_rx_burst(0, 0, pkts, BURST);

	for (uint16_t i = 0; i < n; i++) {
		if (!is_whole(pkts[i], received + i)) {
			printf("growing: not frame %" PRIu64 ", but one that begins with %" PRIu64
			       "\n",
				received + i, *rte_pktmbuf_mtod_offset(pkts[i], uint64_t *, 16));
			return -1;
		}
	}
	rte_pktmbuf_free_bulk(pkts, n);
	__atomic_store_n(&received, received + n, __ATOMIC_RELEASE);
	return n;
}

static int
traffic(void *arg)
{
	uint64_t last = rte_get_timer_cycles();

	(void)arg;
	for (;;) {
		const bool over = __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
		int n = receive();

		if (n < 0)
			return -1;
		if (n > 0)
			last = rte_get_timer_cycles();
		if (over && sent == received)
			return 0;
		if (rte_get_timer_cycles() - last > PATIENCE_S * rte_get_timer_hz()) {
			printf("growing: %" PRIu64 " frames sent, and %" PRIu64 " back\n", sent,
				received);
			return -1;
		}
		if (!over)
			transmit();
	}
}

/* @return false if traffic failed meanwhile */
static bool
wait_frames(uint64_t n)
{
	const uint64_t end = load(&received) + n;

	while (load(&received) < end) {
		if (rte_eal_get_lcore_state(rte_get_next_lcore(-1, 1, 0)) != RUNNING)
			return false;
		usleep(1000);
	}
	return true;
}

static bool
one_round(struct rte_mempool *base)
{
	struct rte_mempool *more = rte_pktmbuf_pool_create("more", MORE_MBUFS, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (more == NULL) {
		printf("growing: no memory for %u mbufs\n", MORE_MBUFS);
		return false;
	}
	__atomic_store_n(&source, more, __ATOMIC_RELEASE);
	if (!wait_frames(WHILE))
		return false;
	__atomic_store_n(&source, base, __ATOMIC_RELEASE);
	/* Frames of the other pool push out of the ring what is there of this one. */
	while (!rte_mempool_full(more))
		if (!wait_frames(1))
			return false;
	rte_mempool_free(more);
	return wait_frames(WHILE);
}

static struct rte_mempool *
start(void)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_mempool *pool = rte_pktmbuf_pool_create("base", BASE_MBUFS, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(0, 0, 256, 0, NULL, pool) < 0 ||
		rte_eth_tx_queue_setup(0, 0, 256, 0, NULL) < 0 || rte_eth_dev_start(0) < 0)
		rte_exit(EXIT_FAILURE, "growing: cannot start the port\n");
	return pool;
}

/* Frames flow for so many rounds, or without any. @return how many were done, or -1 if not all were */
static int
run(struct rte_mempool *base, int rounds)
{
	int done = 0;
	bool well;

	source = base;
	stop = false;
	rte_eal_mp_remote_launch(traffic, NULL, SKIP_MAIN);
	well = wait_frames(WHILE);
	while (well && done < rounds) {
		well = one_round(base);
		done += well;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	well = rte_eal_wait_lcore(rte_get_next_lcore(-1, 1, 0)) == 0 && well;
	return well ? done : -1;
}

/* While the port does not run, nobody is told what becomes of memory. */
static bool
stand_still(void)
{
	struct rte_mempool *more;

	if (rte_eth_dev_stop(0) < 0)
		return false;
	more = rte_pktmbuf_pool_create("meanwhile", MORE_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	rte_mempool_free(more);
	return more != NULL && rte_eth_dev_start(0) == 0;
}

int
main(int argc, char **argv)
{
	const int used = rte_eal_init(argc, argv);
	struct rte_mempool *base;
	int rounds;
	bool well;

	setlinebuf(stdout);
	if (used < 0 || argc - used != 2 || rte_lcore_count() != 2 ||
		rte_eth_dev_count_avail() != 1)
		rte_exit(EXIT_FAILURE,
			"usage: growing EAL-OPTIONS... -- ROUNDS (two lcores, one port)\n");
	rounds = atoi(argv[used + 1]);
	base = start();
	if (rte_mem_event_callback_register("growing", memory_event, NULL) < 0)
		rte_exit(EXIT_FAILURE, "growing: this memory does not grow\n");
	well = run(base, rounds) == rounds && stand_still() && run(base, 1) == 1;
	printf("%" PRIu64 " frames, heap grown %u times and shrunk %u times\n", received, grown,
		shrunk);
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	rte_eal_cleanup();
	return well && grown > (unsigned int)rounds && shrunk > (unsigned int)rounds ? 0 : 1;
}
