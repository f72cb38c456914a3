/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include <string.h>

const struct fwd_engine *const fwd_engines[] = {
	&fwd_engine_io,
	&fwd_engine_mac,
	&fwd_engine_macswap,
	&fwd_engine_rxonly,
	&fwd_engine_txonly,
	&fwd_engine_icmpecho,
	&fwd_engine_csum,
	&fwd_engine_flowgen,
	&fwd_engine_seq,
	&fwd_engine_seqgen,
	&fwd_engine_seqcheck,
	NULL,
};

const struct fwd_engine *
fwd_engine_find(const char *name)
{
	for (const struct fwd_engine *const *e = fwd_engines; *e != NULL; e++) {
		if (strcmp((*e)->name, name) == 0)
			return *e;
	}
	return NULL;
}

void
fwd_rest(struct fwd_lcore *lcore)
{
	uint64_t moved = 0;

	for (unsigned int i = 0; i < lcore->stream_count; i++) {
		const struct fwd_counters *counters = &lcore->streams[i]->counters;

		moved += counters->rx_packets + counters->tx_packets;
	}
	if (moved != lcore->moved) {
		lcore->moved = moved;
		lcore->sleep = 0;
		return;
	}
	lcore->sleep = RTE_MIN(2 * lcore->sleep + 1, lcore->max_sleep);
	rte_delay_us_sleep(lcore->sleep);
}

void
fwd_transmit_rest(struct fwd_stream *stream, struct rte_mbuf **pkts, uint16_t count, uint64_t bytes)
{
	for (uint32_t tries = stream->retry_count; tries != 0 && count != 0; tries--) {
		uint16_t sent;

		rte_delay_us_block(stream->retry_delay);
		sent = rte_eth_tx_burst(stream->tx_port, stream->tx_queue, pkts, count);
		stream->counters.tx_packets += sent;
		pkts += sent;
		count = (uint16_t)(count - sent);
	}
	stream->counters.tx_bytes += bytes - fwd_bytes(pkts, count);
	stream->counters.tx_dropped += count;
	rte_pktmbuf_free_bulk(pkts, count);
}
