/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "vhost_pmd_log.h"
#include "vhost_stats.h"

/*
 * Counters are never written by anyone but the queue's user: a reset notes where they stood.
 * They are read while they change, each as one word.
 */
static struct vhost_counters
counted(const struct vhost_queue *q)
{
	return (struct vhost_counters){
		.packets = __atomic_load_n(&q->count.packets, __ATOMIC_RELAXED) - q->base.packets,
		.bytes = __atomic_load_n(&q->count.bytes, __ATOMIC_RELAXED) - q->base.bytes,
		.errors = __atomic_load_n(&q->count.errors, __ATOMIC_RELAXED) - q->base.errors,
	};
}

int
vhost_port_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const struct rte_eth_dev_data *data = dev->data;

	for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
		const struct vhost_queue *q = data->rx_queues[i];
		struct vhost_counters c;

		if (q == NULL)
			continue;
		c = counted(q);
		stats->ipackets += c.packets;
		stats->ibytes += c.bytes;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_ipackets[i] = c.packets;
			stats->q_ibytes[i] = c.bytes;
		}
	}
	for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
		const struct vhost_queue *q = data->tx_queues[i];
		struct vhost_counters c;

		if (q == NULL)
			continue;
		c = counted(q);
		stats->opackets += c.packets;
		stats->obytes += c.bytes;
		stats->oerrors += c.errors;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_opackets[i] = c.packets;
			stats->q_obytes[i] = c.bytes;
		}
	}
	return 0;
}

static void
reset_queues(void **queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct vhost_queue *q = queues[i];

		if (q != NULL) {
			struct vhost_counters c = counted(q);

			q->base.packets += c.packets;
			q->base.bytes += c.bytes;
			q->base.errors += c.errors;
		}
	}
}

int
vhost_port_stats_reset(struct rte_eth_dev *dev)
{
	reset_queues(dev->data->rx_queues, dev->data->nb_rx_queues);
	reset_queues(dev->data->tx_queues, dev->data->nb_tx_queues);
	return 0;
}

/* Learn what librte_vhost counts for a vring; the same for every front end that ever comes. */
static void
learn_names(struct vhost_vring_totals *t, int vid, uint16_t vring)
{
	int n = rte_vhost_vring_stats_get_names(vid, vring, NULL, 0);

	if (n <= 0)
		return;
	t->names = calloc(n, sizeof(*t->names));
	t->totals = calloc(n, sizeof(*t->totals));
	if (t->names != NULL && t->totals != NULL &&
		rte_vhost_vring_stats_get_names(vid, vring, t->names, n) == n) {
		t->n = n;
		return;
	}
	free(t->names);
	free(t->totals);
	t->names = NULL;
	t->totals = NULL;
}

/* Vrings of the configured queues: 2n that transmit, 2n + 1 that receive. */
static bool
has_queue(const struct vhost_port *port, uint16_t vring)
{
	const struct rte_eth_dev_data *data = port->dev->data;

	return vring / 2 < (vring & 1 ? data->nb_rx_queues : data->nb_tx_queues);
}

void
vhost_port_stats_attach(struct vhost_port *port, int vid)
{
	uint16_t n = rte_vhost_get_vring_num(vid);

	port->stats_vid = vid;
	if (port->totals == NULL) {
		uint16_t pairs = RTE_MAX(port->dev->data->nb_rx_queues,
			port->dev->data->nb_tx_queues);

		port->totals = calloc(2 * pairs, sizeof(*port->totals));
		if (port->totals == NULL)
			return;
		port->nb_totals = 2 * pairs;
	}
	for (uint16_t i = 0; i < RTE_MIN(n, port->nb_totals); i++)
		if (port->totals[i].n == 0 && has_queue(port, i))
			learn_names(&port->totals[i], vid, i);
}

/* Values of the connection there is now, if any; true if @a stats was filled. */
static bool
read_vring(const struct vhost_port *port, uint16_t vring, struct rte_vhost_stat *stats)
{
	unsigned int n = port->totals[vring].n;

	return port->stats_vid != VHOST_NO_DEVICE &&
		vring < rte_vhost_get_vring_num(port->stats_vid) &&
		rte_vhost_vring_stats_get(port->stats_vid, vring, stats, n) == (int)n;
}

static unsigned int
largest_vring(const struct vhost_port *port)
{
	unsigned int max = 0;

	for (uint16_t i = 0; i < port->nb_totals; i++)
		max = RTE_MAX(max, port->totals[i].n);
	return max;
}

void
vhost_port_stats_detach(struct vhost_port *port)
{
	struct rte_vhost_stat *stats = calloc(largest_vring(port) + 1, sizeof(*stats));

	for (uint16_t i = 0; i < port->nb_totals && stats != NULL; i++) {
		struct vhost_vring_totals *t = &port->totals[i];

		if (t->n != 0 && read_vring(port, i, stats))
			for (unsigned int j = 0; j < t->n; j++)
				t->totals[j] += stats[j].value;
	}
	free(stats);
	port->stats_vid = VHOST_NO_DEVICE;
}

void
vhost_port_stats_free(struct vhost_port *port)
{
	for (uint16_t i = 0; i < port->nb_totals; i++) {
		free(port->totals[i].names);
		free(port->totals[i].totals);
	}
	free(port->totals);
	port->totals = NULL;
	port->nb_totals = 0;
}

static unsigned int
count_xstats(const struct vhost_port *port)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < port->nb_totals; i++)
		n += port->totals[i].n;
	return n;
}

int
vhost_port_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
	unsigned int n)
{
	struct vhost_port *port = vhost_port_of(dev);
	unsigned int total, at = 0;

	pthread_mutex_lock(&port->use);
	total = count_xstats(port);
	for (uint16_t i = 0; names != NULL && n >= total && i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = &port->totals[i];

		for (unsigned int j = 0; j < t->n; j++)
			rte_strlcpy(names[at++].name, t->names[j].name, sizeof(names->name));
	}
	pthread_mutex_unlock(&port->use);
	return total;
}

int
vhost_port_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n)
{
	struct vhost_port *port = vhost_port_of(dev);
	struct rte_vhost_stat *stats = NULL;
	unsigned int total, at = 0;
	int ret;

	pthread_mutex_lock(&port->use);
	ret = total = count_xstats(port);
	if (xstats == NULL || n < total || total == 0)
		goto out;
	stats = calloc(largest_vring(port), sizeof(*stats));
	if (stats == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint16_t i = 0; i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = &port->totals[i];
		bool live = t->n != 0 && read_vring(port, i, stats);

		for (unsigned int j = 0; j < t->n; j++, at++) {
			xstats[at].id = at;
			xstats[at].value = t->totals[j] + (live ? stats[j].value : 0);
		}
	}
out:
	pthread_mutex_unlock(&port->use);
	free(stats);
	return ret;
}

int
vhost_port_xstats_reset(struct rte_eth_dev *dev)
{
	struct vhost_port *port = vhost_port_of(dev);
	uint16_t n;

	pthread_mutex_lock(&port->use);
	n = port->stats_vid == VHOST_NO_DEVICE ? 0 : rte_vhost_get_vring_num(port->stats_vid);
	for (uint16_t i = 0; i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = &port->totals[i];

		if (t->n == 0)
			continue;
		memset(t->totals, 0, t->n * sizeof(*t->totals));
		if (i < n)
			rte_vhost_vring_stats_reset(port->stats_vid, i);
	}
	pthread_mutex_unlock(&port->use);
	return vhost_port_stats_reset(dev);
}
