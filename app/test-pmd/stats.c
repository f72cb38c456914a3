/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "forward.h"
#include "port.h"

/* Counters of a stream are cleared by remembering them: the lcore alone writes the originals. */
struct stream_base {
	struct fwd_counters counters;
};

static struct stream_base *bases;
static unsigned int base_count;

/* imissed of every port, when forwarding began or was cleared, and when it ended. */
static uint64_t missed_from[RTE_MAX_ETHPORTS];
static uint64_t missed_to[RTE_MAX_ETHPORTS];

static const char BAR[] =
	"############################################################################";
static const char DASHES[] =
	"----------------------------------------------------------------------------";
static const char PLUSES[] =
	"++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++";

static double
rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

void
stats_port_show(uint16_t id)
{
	struct port *port = port_find(id);
	struct rte_eth_stats stats;
	uint64_t now = rte_get_tsc_cycles();
	double seconds;
	int ret = rte_eth_stats_get(id, &stats);

	if (ret != 0) {
		printf("Port %u: the device gives no statistics (%s)\n", id, rte_strerror(-ret));
		return;
	}
	seconds = port->shown_at != 0 ? (double)(now - port->shown_at) / (double)rte_get_tsc_hz() :
					0;
	printf("\n  ######################## NIC statistics for port %-2u ########################\n",
		id);
	printf("  RX-packets: %-10" PRIu64 " RX-missed: %-10" PRIu64 " RX-bytes:  %" PRIu64 "\n",
		stats.ipackets, stats.imissed, stats.ibytes);
	printf("  RX-errors: %" PRIu64 "\n", stats.ierrors);
	printf("  RX-nombuf:  %-10" PRIu64 "\n", stats.rx_nombuf);
	printf("  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %" PRIu64 "\n",
		stats.opackets, stats.oerrors, stats.obytes);
	printf("\n  Throughput (since last show)\n");
	printf("  Rx-pps: %12.0f          Rx-bps: %12.0f\n",
		rate(stats.ipackets, port->shown.ipackets, seconds),
		8 * rate(stats.ibytes, port->shown.ibytes, seconds));
	printf("  Tx-pps: %12.0f          Tx-bps: %12.0f\n",
		rate(stats.opackets, port->shown.opackets, seconds),
		8 * rate(stats.obytes, port->shown.obytes, seconds));
	printf("  %s\n", BAR);
	port->shown = stats;
	port->shown_at = now;
}

void
stats_port_show_xstats(uint16_t id)
{
	int count = rte_eth_xstats_get_names(id, NULL, 0);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;

	if (count < 0) {
		printf("Port %u: the device gives no extended statistics (%s)\n", id,
			rte_strerror(-count));
		return;
	}
	names = calloc((size_t)count, sizeof(*names));
	values = calloc((size_t)count, sizeof(*values));
	printf("###### NIC extended statistics for port %-2u\n", id);
	if (names == NULL || values == NULL ||
		rte_eth_xstats_get_names(id, names, (unsigned int)count) != count ||
		rte_eth_xstats_get(id, values, (unsigned int)count) != count)
		printf("Port %u: its extended statistics changed or do not fit in memory: try again\n",
			id);
	else
		for (int i = 0; i < count; i++)
			printf("%s: %" PRIu64 "\n", names[values[i].id].name, values[i].value);
	free(names);
	free(values);
}

void
stats_port_clear(uint16_t id)
{
	struct port *port = port_find(id);
	struct rte_eth_stats stats = { 0 };
	int ret = rte_eth_stats_reset(id);

	if (ret != 0) {
		printf("Port %u: the device does not clear its statistics (%s)\n", id,
			rte_strerror(-ret));
		return;
	}
	/* Some devices cannot set their counters back, others count what they missed apart. */
	if (rte_eth_stats_get(id, &stats) == 0)
		missed_from[id] = stats.imissed;
	port->shown = stats;
	port->shown_at = rte_get_tsc_cycles();
	printf("\n  NIC statistics for port %u cleared\n", id);
}

void
stats_port_clear_xstats(uint16_t id)
{
	int ret = rte_eth_xstats_reset(id);

	if (ret != 0)
		printf("Port %u: the device does not clear its extended statistics (%s)\n", id,
			rte_strerror(-ret));
	else
		printf("\n  NIC extended statistics for port %u cleared\n", id);
}

static uint64_t
missed_now(uint16_t id)
{
	struct rte_eth_stats stats;
	const struct port *port = port_find(id);

	if (port == NULL || port->closed)
		return 0;
	return rte_eth_stats_get(id, &stats) == 0 ? stats.imissed : 0;
}

void
stats_fwd_begin(void)
{
	struct fwd_stream *const *streams;

	free(bases);
	base_count = fwd_streams(&streams);
	bases = calloc(RTE_MAX(base_count, 1U), sizeof(*bases));
	if (bases == NULL)
		base_count = 0;
	FOREACH_PORT(id)
		missed_from[id] = missed_now(id);
}

void
stats_fwd_end(void)
{
	FOREACH_PORT(id)
		missed_to[id] = missed_now(id);
}

uint64_t
stats_fwd_missed(uint16_t id)
{
	uint64_t to = fwd_running() ? missed_now(id) : missed_to[id];

	return to > missed_from[id] ? to - missed_from[id] : 0;
}

/* A 64-bit load of a counter that its lcore may be adding to. */
#define LIVE(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

static struct fwd_counters
stream_total(const struct fwd_stream *stream)
{
	const struct fwd_counters *c = &stream->counters;

	return (struct fwd_counters){
		.rx_packets = LIVE(c->rx_packets),
		.rx_bytes = LIVE(c->rx_bytes),
		.tx_packets = LIVE(c->tx_packets),
		.tx_bytes = LIVE(c->tx_bytes),
		.tx_dropped = LIVE(c->tx_dropped),
		.rx_bad_ip_csum = LIVE(c->rx_bad_ip_csum),
		.rx_bad_l4_csum = LIVE(c->rx_bad_l4_csum),
	};
}

struct fwd_counters
stats_stream(const struct fwd_stream *stream)
{
	struct fwd_counters c = stream_total(stream);
	const struct fwd_counters *base;

	if (stream->id >= base_count)
		return c;
	base = &bases[stream->id].counters;
	c.rx_packets -= base->rx_packets;
	c.rx_bytes -= base->rx_bytes;
	c.tx_packets -= base->tx_packets;
	c.tx_bytes -= base->tx_bytes;
	c.tx_dropped -= base->tx_dropped;
	c.rx_bad_ip_csum -= base->rx_bad_ip_csum;
	c.rx_bad_l4_csum -= base->rx_bad_l4_csum;
	return c;
}

void
stats_fwd_clear(void)
{
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams);

	for (unsigned int i = 0; i < RTE_MIN(count, base_count); i++)
		bases[i].counters = stream_total(streams[i]);
	FOREACH_PORT(id) {
		missed_from[id] = missed_now(id);
		missed_to[id] = missed_from[id];
	}
}

static void
show_stream(const struct fwd_stream *stream)
{
	struct fwd_counters c = stats_stream(stream);

	printf("\n  ------- Forward Stats for RX Port=%2u/Queue=%2u -> TX Port=%2u/Queue=%2u -------\n",
		stream->rx_port, stream->rx_queue, stream->tx_port, stream->tx_queue);
	printf("  RX-packets: %-14" PRIu64 " TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64
	       "\n",
		c.rx_packets, c.tx_packets, c.tx_dropped);
}

static void
show_checksums(const struct fwd_counters *c)
{
	printf("  Bad-ipcsum: %-14" PRIu64 " Bad-l4csum: %-14" PRIu64 "\n", c->rx_bad_ip_csum,
		c->rx_bad_l4_csum);
}

static void
show_totals(const struct fwd_counters *c, uint64_t missed, bool checksums)
{
	printf("  RX-packets: %-14" PRIu64 " RX-dropped: %-14" PRIu64 "RX-total: %" PRIu64 "\n",
		c->rx_packets, missed, c->rx_packets + missed);
	if (checksums)
		show_checksums(c);
	printf("  TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64 "TX-total: %" PRIu64 "\n",
		c->tx_packets, c->tx_dropped, c->tx_packets + c->tx_dropped);
}

static void
add_rx(struct fwd_counters *sum, const struct fwd_counters *c)
{
	sum->rx_packets += c->rx_packets;
	sum->rx_bytes += c->rx_bytes;
	sum->rx_bad_ip_csum += c->rx_bad_ip_csum;
	sum->rx_bad_l4_csum += c->rx_bad_l4_csum;
}

static void
add_tx(struct fwd_counters *sum, const struct fwd_counters *c)
{
	sum->tx_packets += c->tx_packets;
	sum->tx_bytes += c->tx_bytes;
	sum->tx_dropped += c->tx_dropped;
}

void
stats_fwd_show(void)
{
	static struct fwd_counters ports[RTE_MAX_ETHPORTS];
	static bool used[RTE_MAX_ETHPORTS];
	struct fwd_counters all = { 0 };
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams), used_count = 0;
	uint64_t all_missed = 0;
	bool checksums;

	if (count == 0) {
		printf("Nothing has been forwarded yet: 'start' does\n");
		return;
	}
	checksums = strcmp(fwd_last_engine()->name, "csum") == 0;
	memset(ports, 0, sizeof(ports));
	memset(used, 0, sizeof(used));
	for (unsigned int i = 0; i < count; i++) {
		struct fwd_counters c = stats_stream(streams[i]);

		add_rx(&ports[streams[i]->rx_port], &c);
		add_tx(&ports[streams[i]->tx_port], &c);
		used[streams[i]->rx_port] = used[streams[i]->tx_port] = true;
	}
	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++)
		used_count += used[id];
	for (unsigned int i = 0; count > used_count && i < count; i++)
		show_stream(streams[i]);
	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) {
		uint64_t missed;

		if (!used[id])
			continue;
		missed = stats_fwd_missed(id);
		printf("\n  ---------------------- Forward statistics for port %-2u ----------------------\n",
			id);
		show_totals(&ports[id], missed, checksums);
		printf("  %s\n", DASHES);
		add_rx(&all, &ports[id]);
		add_tx(&all, &ports[id]);
		all_missed += missed;
	}
	printf("\n  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++\n");
	show_totals(&all, all_missed, checksums);
	printf("  %s\n", PLUSES);
	if (fwd_last_engine()->report != NULL)
		fwd_last_engine()->report();
}
