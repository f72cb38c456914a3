/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>
#include <stdio.h>

#include "ethdev.h"

/*
 * Bursts count without looking left or right, so that a counter cannot be set back under them.
 * A reset remembers where each counter stood instead. None ever stands below that: what is counted was
 * sent or received, and is not taken back.
 */
static uint64_t
since_reset(const struct virtio_queue *q, size_t offset)
{
	const struct virtio_queue_counters *now = &q->count;
	const uint64_t *counter = (const uint64_t *)((const char *)now + offset);
	const uint64_t *base = (const uint64_t *)((const char *)&q->count_base + offset);

	return __atomic_load_n(counter, __ATOMIC_RELAXED) - *base;
}

#define COUNTED(q, field) since_reset(q, offsetof(struct virtio_queue_counters, field))

static void
add_rx(struct rte_eth_stats *stats, const struct virtio_queue *q, uint16_t id)
{
	stats->ipackets += COUNTED(q, packets);
	stats->ibytes += COUNTED(q, bytes);
	stats->ierrors += COUNTED(q, errors);
	stats->rx_nombuf += COUNTED(q, no_mbuf);
	if (id < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
		stats->q_ipackets[id] = COUNTED(q, packets);
		stats->q_ibytes[id] = COUNTED(q, bytes);
		stats->q_errors[id] = COUNTED(q, errors);
	}
}

static void
add_tx(struct rte_eth_stats *stats, const struct virtio_queue *q, uint16_t id)
{
	stats->opackets += COUNTED(q, packets);
	stats->obytes += COUNTED(q, bytes);
	stats->oerrors += COUNTED(q, errors);
	if (id < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
		stats->q_opackets[id] = COUNTED(q, packets);
		stats->q_obytes[id] = COUNTED(q, bytes);
	}
}

int
virtio_ethdev_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats)
{
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		if (eth->data->rx_queues[i] != NULL)
			add_rx(stats, eth->data->rx_queues[i], i);
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		if (eth->data->tx_queues[i] != NULL)
			add_tx(stats, eth->data->tx_queues[i], i);
	return 0;
}

static void
reset(struct virtio_queue *q)
{
	if (q != NULL)
		q->count_base = q->count;
}

int
virtio_ethdev_stats_reset(struct rte_eth_dev *eth)
{
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		reset(eth->data->rx_queues[i]);
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		reset(eth->data->tx_queues[i]);
	return 0;
}

/* Frames of at least one bound that are not of the next one. */
#define SIZE(name, bound) \
	{ \
		"size_" name "_packets", offsetof(struct virtio_queue_counters, sizes[bound]), \
			offsetof(struct virtio_queue_counters, sizes[(bound) + 1]) \
	}
#define SIZES \
	SIZE("below_64", 0), SIZE("64", 1), SIZE("65_127", 2), SIZE("128_255", 3), \
		SIZE("256_511", 4), SIZE("512_1023", 5), SIZE("1024_1518", 6), \
	{ \
		"size_above_1518_packets", offsetof(struct virtio_queue_counters, sizes[7]) \
	}

/* Of each queue. What ethdev shows by itself ends at RTE_ETHDEV_QUEUE_STAT_CNTRS queues. */
struct counter {
	const char *name;
	size_t offset;
	size_t less; /* counter to be subtracted, 0 if none: the first one never is */
};

static const struct counter rx_counters[] = {
	{ "packets", offsetof(struct virtio_queue_counters, packets) },
	{ "bytes", offsetof(struct virtio_queue_counters, bytes) },
	{ "malformed", offsetof(struct virtio_queue_counters, errors) },
	{ "no_mbuf", offsetof(struct virtio_queue_counters, no_mbuf) },
	{ "kicks", offsetof(struct virtio_queue_counters, kicks) },
	SIZES,
}, tx_counters[] = {
	{ "packets", offsetof(struct virtio_queue_counters, packets) },
	{ "bytes", offsetof(struct virtio_queue_counters, bytes) },
	{ "unsendable", offsetof(struct virtio_queue_counters, errors) },
	{ "kicks", offsetof(struct virtio_queue_counters, kicks) },
	SIZES,
};

static unsigned int
xstats_count(const struct rte_eth_dev *eth)
{
	return eth->data->nb_rx_queues * RTE_DIM(rx_counters) +
		eth->data->nb_tx_queues * RTE_DIM(tx_counters);
}

int
virtio_ethdev_xstats_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names,
	unsigned int n)
{
	const unsigned int count = xstats_count(eth);
	unsigned int at = 0;

	if (names == NULL || n < count)
		return (int)count;
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		for (unsigned int c = 0; c < RTE_DIM(rx_counters); c++)
			snprintf(names[at++].name, sizeof(names->name), "rx_q%u_%s", i,
				rx_counters[c].name);
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		for (unsigned int c = 0; c < RTE_DIM(tx_counters); c++)
			snprintf(names[at++].name, sizeof(names->name), "tx_q%u_%s", i,
				tx_counters[c].name);
	return (int)count;
}

/* A queue that was configured but not set up has counted nothing. */
static void
add_value(struct rte_eth_xstat *stats, unsigned int at, const struct virtio_queue *q,
	const struct counter *counter)
{
	stats[at].id = at;
	stats[at].value = q != NULL ? since_reset(q, counter->offset) : 0;
	/* A burst may be in between of the two. */
	if (q != NULL && counter->less != 0)
		stats[at].value -= RTE_MIN(stats[at].value, since_reset(q, counter->less));
}

int
virtio_ethdev_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *stats, unsigned int n)
{
	const unsigned int count = xstats_count(eth);
	unsigned int at = 0;

	if (stats == NULL || n < count)
		return (int)count;
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		for (unsigned int c = 0; c < RTE_DIM(rx_counters); c++)
			add_value(stats, at++, eth->data->rx_queues[i], &rx_counters[c]);
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		for (unsigned int c = 0; c < RTE_DIM(tx_counters); c++)
			add_value(stats, at++, eth->data->tx_queues[i], &tx_counters[c]);
	return (int)count;
}
