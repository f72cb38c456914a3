/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

static inline void
rxonly_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint64_t bytes;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	if (count != 0)
		rte_pktmbuf_free_bulk(pkts, count);
}

FWD_ENGINE_LOOP(rxonly_run, rxonly_burst)

const struct fwd_engine fwd_engine_rxonly = {
	.name = "rxonly",
	.help = "receive, count and free",
	.flags = FWD_RX,
	.run = rxonly_run,
};
