/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include <errno.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "config.h"
#include "port.h"

/* Enough for a few ports, and still within -m 64. */
#define MBUFS_DEFAULT 16384U
#define MBUFS_LEAST 1024U
/* What a driver that was not told keeps in a ring, at most. */
#define RING_GUESS 1024U

static struct rte_mempool *pools[RTE_MAX_NUMA_NODES];

/* Every ring full, every lcore's cache full and a burst in hand, and as much again in flight. */
static uint32_t
mbufs_wanted(void)
{
	uint64_t rings = (uint64_t)config.rxq * (config.rxd != 0 ? config.rxd : RING_GUESS) +
		(uint64_t)config.txq * (config.txd != 0 ? config.txd : RING_GUESS);
	uint64_t wanted = rings * port_count() +
		(uint64_t)rte_lcore_count() * (2 * config.mbuf_cache + config.burst);

	return (uint32_t)RTE_MIN(RTE_MAX(wanted, MBUFS_DEFAULT), UINT32_MAX / 2);
}

/* Whoever joins the primary process, the distribution's testpmd or this one, finds it by this name. */
static void
pool_name(int socket, char *name, size_t size)
{
	snprintf(name, size, "mb_pool_%d", socket);
}

/* The primary's. */
static struct rte_mempool *
pool_find(int socket)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	pool_name(socket, name, sizeof(name));
	pools[socket] = rte_mempool_lookup(name);
	if (pools[socket] == NULL)
		printf("The primary process has no mbuf pool %s: start ports there first\n", name);
	return pools[socket];
}

static struct rte_mempool *
pool_new(int socket, uint32_t mbufs)
{
	uint32_t cache = RTE_MIN(config.mbuf_cache, mbufs * 2 / 3);
	char name[RTE_MEMPOOL_NAMESIZE];

	pool_name(socket, name, sizeof(name));
	return rte_pktmbuf_pool_create(name, mbufs, cache, 0, (uint16_t)config.mbuf_size, socket);
}

struct rte_mempool *
pool_get(int socket)
{
	uint32_t wanted = config.total_mbufs != 0 ? config.total_mbufs : mbufs_wanted();
	uint32_t least = config.total_mbufs != 0 ? wanted : MBUFS_LEAST;
	struct rte_mempool *pool = NULL;
	uint32_t mbufs;

	if (socket < 0 || socket >= RTE_MAX_NUMA_NODES)
		socket = (int)rte_lcore_to_socket_id(rte_get_main_lcore());
	if (pools[socket] != NULL)
		return pools[socket];
	if (rte_eal_process_type() == RTE_PROC_SECONDARY)
		return pool_find(socket);
	for (mbufs = wanted; pool == NULL && mbufs >= least; mbufs /= 2)
		pool = pool_new(socket, mbufs);
	if (pool == NULL) {
		printf("No memory for %u mbufs of %u bytes on socket %d (%s): "
		       "give EAL more with -m, or ask for fewer with --total-num-mbufs\n",
			wanted, config.mbuf_size, socket, rte_strerror(rte_errno));
		return NULL;
	}
	printf("testpmd: mbuf pool <%s>: n=%u, size=%u, socket=%d\n", pool->name, pool->size,
		config.mbuf_size, socket);
	if (pool->size < wanted)
		printf("testpmd: wanted %u mbufs, there was memory for %u: "
		       "see -m and --total-num-mbufs\n",
			wanted, pool->size);
	pools[socket] = pool;
	return pool;
}

unsigned int
pool_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		count += pools[i] != NULL;
	return count;
}

void
pools_free(void)
{
	for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES; i++) {
		if (rte_eal_process_type() == RTE_PROC_PRIMARY)
			rte_mempool_free(pools[i]);
		pools[i] = NULL;
	}
}
