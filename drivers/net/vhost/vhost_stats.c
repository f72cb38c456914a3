/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

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

static void
free_totals(struct vhost_vring_totals *t)
{
	free(t->names);
	free(t->room);
	free(t->now);
	free(t->totals);
	*t = (struct vhost_vring_totals){ 0 };
}

/* Learn what librte_vhost counts for a vring; the same for every front end that ever comes. */
static void
learn_names(struct vhost_vring_totals *t, int vid, uint16_t vring)
{
	int n = rte_vhost_vring_stats_get_names(vid, vring, NULL, 0);

	if (n <= 0)
		return;
	t->names = calloc(n, sizeof(*t->names));
	t->room = calloc(n, sizeof(*t->room));
	t->now = calloc(n, sizeof(*t->now));
	t->totals = calloc(n, sizeof(*t->totals));
	if (t->names != NULL && t->room != NULL && t->now != NULL && t->totals != NULL &&
		rte_vhost_vring_stats_get_names(vid, vring, t->names, n) == n) {
		t->n = n;
		return;
	}
	free_totals(t);
}

/* Vrings of the configured queues: 2n that transmit, 2n + 1 that receive. */
static bool
has_queue(const struct vhost_port *port, uint16_t vring)
{
	const struct rte_eth_dev_data *data = port->dev->data;

	return vring / 2 < (vring & 1 ? data->nb_rx_queues : data->nb_tx_queues);
}

/* Statistics of a vring, NULL if it has none, or none to show. With port->stats held. */
static struct vhost_vring_totals *
totals_of(const struct vhost_port *port, uint16_t vring)
{
	if (vring >= port->nb_totals || port->totals[vring].n == 0 || !has_queue(port, vring))
		return NULL;
	return &port->totals[vring];
}

/* Names of vrings that have come, or whose queues have. */
static void
learn_more(struct vhost_port *port)
{
	uint16_t n;

	if (port->stats_vid == VHOST_NO_DEVICE)
		return;
	n = rte_vhost_get_vring_num(port->stats_vid);
	if (port->totals == NULL) {
		port->totals = calloc(2 * port->args.queues, sizeof(*port->totals));
		if (port->totals == NULL)
			return;
		port->nb_totals = 2 * port->args.queues;
	}
	for (uint16_t i = 0; i < RTE_MIN(n, port->nb_totals); i++)
		if (port->totals[i].n == 0 && has_queue(port, i))
			learn_names(&port->totals[i], port->stats_vid, i);
}

/*
 * Look at the connection that there is. The application may have librte_vhost count anew; what it had
 * counted stays.
 */
static void
read_now(const struct vhost_port *port, uint16_t vring)
{
	const struct vhost_vring_totals *t = &port->totals[vring];

	if (port->stats_vid == VHOST_NO_DEVICE ||
		vring >= rte_vhost_get_vring_num(port->stats_vid) ||
		rte_vhost_vring_stats_get(port->stats_vid, vring, t->room, t->n) != (int)t->n)
		return;
	for (unsigned int j = 0; j < t->n; j++) {
		if (t->room[j].value < t->now[j])
			t->totals[j] += t->now[j];
		t->now[j] = t->room[j].value;
	}
}

/*
 * A front end may name vrings while others run. They are found by who asks: an event that tells of a
 * ring must not wait for who asks the library about one.
 */
static void
lock_stats(struct vhost_port *port)
{
	pthread_mutex_lock(&port->stats);
	learn_more(port);
}

/* Take over what the vrings of the connection have counted. */
static void
take_over(struct vhost_port *port)
{
	for (uint16_t i = 0; i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = &port->totals[i];

		if (t->n == 0)
			continue;
		read_now(port, i);
		for (unsigned int j = 0; j < t->n; j++)
			t->totals[j] += t->now[j];
		memset(t->now, 0, t->n * sizeof(*t->now));
	}
	port->stats_vid = VHOST_NO_DEVICE;
}

void
vhost_port_stats_attach(struct vhost_port *port, int vid)
{
	lock_stats(port);
	if (port->stats_vid != VHOST_NO_DEVICE && port->stats_vid != vid)
		take_over(port);
	port->stats_vid = vid;
	learn_more(port);
	pthread_mutex_unlock(&port->stats);
}

void
vhost_port_stats_detach(struct vhost_port *port, int vid)
{
	lock_stats(port);
	if (port->stats_vid == vid)
		take_over(port);
	pthread_mutex_unlock(&port->stats);
}

void
vhost_port_stats_configure(struct vhost_port *port)
{
	lock_stats(port);
	pthread_mutex_unlock(&port->stats);
}

void
vhost_port_stats_free(struct vhost_port *port)
{
	for (uint16_t i = 0; i < port->nb_totals; i++)
		free_totals(&port->totals[i]);
	free(port->totals);
	port->totals = NULL;
	port->nb_totals = 0;
}

/*
 * What the library says of a vring, by its names behind "tx_qN_" or "rx_qN_". Of a chain that is bad
 * another one takes its place for transmission; with what is received a frame is gone.
 */
static struct vhost_told
read_told(const struct vhost_port *port, uint16_t vring)
{
	static const struct {
		const char *name;
		size_t offset;
		bool rx_only;
	} parts[] = {
#define PART(name, member, ...) { name, offsetof(struct vhost_told, member), __VA_ARGS__ }
		PART("good_packets", packets),
		PART("good_bytes", bytes),
		PART("offload_drops", errors),
		PART("too_large_drops", errors),
		PART("bad_chain_drops", errors, true),
		PART("bad_address_drops", errors, true),
		PART("bad_header_drops", errors, true),
		PART("no_mbuf_drops", no_mbuf, true),
#undef PART
	};
	const struct vhost_vring_totals *t = &port->totals[vring];
	const bool rx = (vring & 1) != 0;
	struct vhost_told told = { 0 };
	char name[RTE_VHOST_STATS_NAME_SIZE];

	read_now(port, vring);
	for (size_t i = 0; i < RTE_DIM(parts); i++) {
		if (parts[i].rx_only && !rx)
			continue;
		snprintf(name, sizeof(name), "%s_q%u_%s", rx ? "rx" : "tx", vring / 2,
			parts[i].name);
		for (unsigned int j = 0; j < t->n; j++)
			if (strcmp(t->names[j].name, name) == 0)
				*(uint64_t *)RTE_PTR_ADD(&told, parts[i].offset) += t->totals[j] +
					t->now[j];
	}
	return told;
}

/*
 * Since the last reset. It is not in memory that processes share: a secondary one only knows what
 * queues have taken.
 */
static bool
get_told(const struct vhost_queue *q, struct vhost_told *told)
{
	const struct vhost_vring_totals *t;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return false;
	t = totals_of(q->port, q->vring);
	if (t == NULL)
		return false;
	*told = read_told(q->port, q->vring);
	told->packets -= t->base.packets;
	told->bytes -= t->base.bytes;
	told->errors -= t->base.errors;
	told->no_mbuf -= t->base.no_mbuf;
	return true;
}

static void
add_received(const struct rte_eth_dev_data *data, struct rte_eth_stats *stats)
{
	for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
		const struct vhost_queue *q = data->rx_queues[i];
		struct vhost_told told = { 0 };
		struct vhost_counters c;

		if (q == NULL)
			continue;
		c = counted(q);
		get_told(q, &told);
		stats->ipackets += c.packets;
		stats->ibytes += c.bytes;
		stats->ierrors += told.errors;
		stats->rx_nombuf += told.no_mbuf;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_ipackets[i] = c.packets;
			stats->q_ibytes[i] = c.bytes;
			stats->q_errors[i] = told.errors;
		}
	}
}

static struct vhost_counters
transmitted(const struct vhost_queue *q)
{
	struct vhost_counters c = counted(q);
	struct vhost_told told;

	if (get_told(q, &told)) {
		c.packets = told.packets;
		c.bytes = told.bytes;
		c.errors += told.errors;
	}
	return c;
}

static void
add_transmitted(const struct rte_eth_dev_data *data, struct rte_eth_stats *stats)
{
	for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
		const struct vhost_queue *q = data->tx_queues[i];
		struct vhost_counters c;

		if (q == NULL)
			continue;
		c = transmitted(q);
		stats->opackets += c.packets;
		stats->obytes += c.bytes;
		stats->oerrors += c.errors;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_opackets[i] = c.packets;
			stats->q_obytes[i] = c.bytes;
		}
	}
}

int
vhost_port_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const bool primary = rte_eal_process_type() == RTE_PROC_PRIMARY;
	struct vhost_port *port = vhost_port_of(dev);

	if (primary)
		lock_stats(port);
	add_received(dev->data, stats);
	add_transmitted(dev->data, stats);
	if (primary)
		pthread_mutex_unlock(&port->stats);
	return 0;
}

static void
begin_told_anew(const struct vhost_queue *q)
{
	struct vhost_vring_totals *t = totals_of(q->port, q->vring);

	if (t != NULL)
		t->base = read_told(q->port, q->vring);
}

void
vhost_port_stats_begin(const struct vhost_queue *q)
{
	pthread_mutex_lock(&q->port->stats);
	begin_told_anew(q);
	pthread_mutex_unlock(&q->port->stats);
}

/* With port->stats held. */
static void
begin_anew(void **queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct vhost_queue *q = queues[i];
		struct vhost_counters c;

		if (q == NULL)
			continue;
		c = counted(q);
		q->base.packets += c.packets;
		q->base.bytes += c.bytes;
		q->base.errors += c.errors;
		begin_told_anew(q);
	}
}

static void
reset_basic(const struct rte_eth_dev_data *data)
{
	begin_anew(data->rx_queues, data->nb_rx_queues);
	begin_anew(data->tx_queues, data->nb_tx_queues);
}

int
vhost_port_stats_reset(struct rte_eth_dev *dev)
{
	struct vhost_port *port = vhost_port_of(dev);

	lock_stats(port);
	reset_basic(dev->data);
	pthread_mutex_unlock(&port->stats);
	return 0;
}

static unsigned int
count_xstats(const struct vhost_port *port)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < port->nb_totals; i++)
		n += has_queue(port, i) ? port->totals[i].n : 0;
	return n;
}

int
vhost_port_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
	unsigned int n)
{
	struct vhost_port *port = vhost_port_of(dev);
	unsigned int total, at = 0;

	lock_stats(port);
	total = count_xstats(port);
	for (uint16_t i = 0; names != NULL && n >= total && i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = totals_of(port, i);

		for (unsigned int j = 0; t != NULL && j < t->n; j++)
			rte_strlcpy(names[at++].name, t->names[j].name, sizeof(names->name));
	}
	pthread_mutex_unlock(&port->stats);
	return total;
}

int
vhost_port_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n)
{
	struct vhost_port *port = vhost_port_of(dev);
	unsigned int total, at = 0;

	lock_stats(port);
	total = count_xstats(port);
	for (uint16_t i = 0; xstats != NULL && n >= total && i < port->nb_totals; i++) {
		const struct vhost_vring_totals *t = totals_of(port, i);

		if (t == NULL)
			continue;
		read_now(port, i);
		for (unsigned int j = 0; j < t->n; j++, at++) {
			xstats[at].id = at;
			xstats[at].value = t->totals[j] + t->now[j];
		}
	}
	pthread_mutex_unlock(&port->stats);
	return total;
}

/* Those of librte_vhost run on: bursts that write them are not waited for. */
int
vhost_port_xstats_reset(struct rte_eth_dev *dev)
{
	struct vhost_port *port = vhost_port_of(dev);

	lock_stats(port);
	for (uint16_t i = 0; i < port->nb_totals; i++) {
		struct vhost_vring_totals *t = &port->totals[i];

		if (t->n == 0)
			continue;
		read_now(port, i);
		for (unsigned int j = 0; j < t->n; j++)
			t->totals[j] = -t->now[j];
		t->base = (struct vhost_told){ 0 };
	}
	reset_basic(dev->data);
	pthread_mutex_unlock(&port->stats);
	return 0;
}
