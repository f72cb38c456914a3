/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "forward.h"
#include "stats.h"
#include "vdpa.h"

/* The last table's counters; a new run of forwarding has new streams, which start at zero. */
static struct {
	struct fwd_counters *counters;
	struct fwd_stream *const *streams;
	unsigned int count;
	uint64_t at;
} last;

struct rates {
	double rx_pps, rx_bps, tx_pps, tx_bps, dropped;
};

static double
per_second(uint64_t now, uint64_t before, double seconds)
{
	/* Counters that were cleared in between start at zero again. */
	return (double)(now >= before ? now - before : now) / seconds;
}

static struct rates
stream_rates(const struct fwd_counters *now, const struct fwd_counters *before, double seconds)
{
	return (struct rates){
		.rx_pps = per_second(now->rx_packets, before->rx_packets, seconds),
		.rx_bps = 8 * per_second(now->rx_bytes, before->rx_bytes, seconds),
		.tx_pps = per_second(now->tx_packets, before->tx_packets, seconds),
		.tx_bps = 8 * per_second(now->tx_bytes, before->tx_bytes, seconds),
		.dropped = per_second(now->tx_dropped, before->tx_dropped, seconds),
	};
}

static void
print_row(const char *rx, const char *tx, const struct rates *r)
{
	printf("  %-9s %12.0f %15.0f   %-9s %12.0f %15.0f %12.0f\n", rx, r->rx_pps, r->rx_bps, tx,
		r->tx_pps, r->tx_bps, r->dropped);
}

/* False when there is nothing to compare with. */
static bool
remember(struct fwd_stream *const *streams, unsigned int count)
{
	if (last.streams == streams && last.count == count)
		return last.counters != NULL;
	free(last.counters);
	last.counters = calloc(RTE_MAX(count, 1U), sizeof(*last.counters));
	last.streams = streams;
	last.count = count;
	return last.counters != NULL;
}

static void
print_streams(struct fwd_stream *const *streams, unsigned int count, double seconds)
{
	struct rates sum = { 0 };

	printf("  %-9s %12s %15s   %-9s %12s %15s %12s\n", "RX", "Rx-pps", "Rx-bps", "TX", "Tx-pps",
		"Tx-bps", "drops/s");
	for (unsigned int i = 0; i < count; i++) {
		const struct fwd_stream *s = streams[i];
		struct fwd_counters now = stats_stream(s);
		struct rates r = stream_rates(&now, &last.counters[i], seconds);
		char rx[24] = "-", tx[24] = "-";

		if ((s->engine->flags & FWD_RX) != 0)
			snprintf(rx, sizeof(rx), "P=%u/Q=%u", s->rx_port, s->rx_queue);
		if ((s->engine->flags & FWD_TX) != 0)
			snprintf(tx, sizeof(tx), "P=%u/Q=%u", s->tx_port, s->tx_queue);
		print_row(rx, tx, &r);
		sum.rx_pps += r.rx_pps;
		sum.rx_bps += r.rx_bps;
		sum.tx_pps += r.tx_pps;
		sum.tx_bps += r.tx_bps;
		sum.dropped += r.dropped;
		last.counters[i] = now;
	}
	if (count > 1)
		print_row("all", "all", &sum);
}

void
stats_period_show(void)
{
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams);
	uint64_t now = rte_get_tsc_cycles();
	double seconds = (double)(now - last.at) / (double)rte_get_tsc_hz();
	bool first = last.at == 0 || seconds <= 0;

	if (isatty(STDOUT_FILENO))
		printf("\033[2J\033[1;1H");
	printf("\nPort statistics ====================================\n");
	if (remember(streams, count) && count != 0)
		print_streams(streams, count, first ? 1 : seconds);
	vdpa_period_show(first ? 1 : seconds);
	last.at = now;
}
