/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_ethdev.h>

#include "ethdev.h"
#include "log.h"
#include "process.h"
#include "secondary.h"

/* Of a port that the primary has not set up: every queue is missing. */
static void *no_queues[RTE_MAX_QUEUES_PER_PORT];

static struct virtio_secondary *
secondary_of(const struct virtio_queue *q)
{
	return rte_eth_devices[q->dev->port_id].process_private;
}

void
virtio_secondary_notify(struct virtio_queue *q)
{
	struct virtio_secondary *s = secondary_of(q);

	s->notify(s, q);
}

void
virtio_secondary_tell_failure(const struct virtio_queue *q)
{
	virtio_process_tell_failure(rte_eth_devices[q->dev->port_id].data->name, q->index);
}

/*
 * Which operations of a pool are meant is a number in shared memory: how many kinds of pools the primary's
 * program had before them, which depends on what it is linked with. A program where it means others
 * can look at the port, but must not touch an mbuf.
 */
static bool
knows_pools(const struct rte_eth_dev *eth)
{
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++) {
		const struct virtio_queue *q = eth->data->rx_queues[i];
		const char *here;

		if (q == NULL || q->pool == NULL)
			continue;
		here = q->pool->ops_index < (int32_t)rte_mempool_ops_table.num_ops ?
			rte_mempool_get_ops(q->pool->ops_index)->name :
			"nothing";
		if (strcmp(here, q->pool_ops) == 0)
			continue;
		VIRTIO_LOG(WARNING,
			"%s: kind %d of mbuf pools is %s in the primary process and %s in this "
			"program: it can look at the port, but move no frames; for that, both must "
			"be linked with the same mempool drivers, or load them",
			eth->data->name, q->pool->ops_index, q->pool_ops, here);
		return false;
	}
	return true;
}

static uint16_t
move_nothing(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	(void)queue;
	(void)pkts;
	(void)n;
	return 0;
}

int
virtio_secondary_tx_done_cleanup(void *queue, uint32_t count)
{
	const struct virtio_queue *q = queue;
	bool moves;

	if (q == NULL)
		return -EINVAL;
	moves = rte_eth_devices[q->dev->port_id].tx_pkt_burst != move_nothing;
	return moves ? virtio_ethdev_tx_done_cleanup(queue, count) : -ENOTSUP;
}

int
virtio_secondary_check(const struct rte_eth_dev *eth)
{
	const struct virtio_device *dev = eth->data->dev_private;

	if (dev == NULL || dev->layout != virtio_device_layout()) {
		VIRTIO_LOG(ERR,
			"%s: the primary process has another driver for the port, or another build "
			"of this one: load the same there and here",
			eth->data->name);
		return -ENOTSUP;
	}
	return virtio_process_join(eth->data->name);
}

/* ethdev finds out by itself, but when a port is made, which may be too early. */
static void
set_bursts(struct rte_eth_dev *eth)
{
	struct rte_eth_fp_ops *fast = &rte_eth_fp_ops[eth->data->port_id];
	const bool moves = knows_pools(eth);

	eth->rx_pkt_burst = moves ? virtio_secondary_rx_burst : move_nothing;
	eth->tx_pkt_burst = moves ? virtio_secondary_tx_burst : move_nothing;
	fast->rx_pkt_burst = eth->rx_pkt_burst;
	fast->tx_pkt_burst = eth->tx_pkt_burst;
	fast->rxq.data = eth->data->rx_queues != NULL ? eth->data->rx_queues : no_queues;
	fast->txq.data = eth->data->tx_queues != NULL ? eth->data->tx_queues : no_queues;
}

void
virtio_secondary_finish(struct rte_eth_dev *eth, struct virtio_secondary *s)
{
	eth->process_private = s;
	virtio_ethdev_init_secondary(eth);
	rte_eth_dev_probing_finish(eth);
	set_bursts(eth);
	VIRTIO_LOG(INFO, "%s: used by this process, number %u", eth->data->name, virtio_process);
}

void
virtio_secondary_refresh(const char *name)
{
	struct rte_eth_dev *eth = rte_eth_dev_allocated(name);

	if (eth != NULL && eth->process_private != NULL)
		set_bursts(eth);
}
