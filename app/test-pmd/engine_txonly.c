/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"
#include "frame.h"

static inline void
txonly_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint16_t count = frame_make(stream->template, stream->pool, pkts, stream->burst);

	if (count != 0)
		fwd_transmit(stream, pkts, count, (uint64_t)count * stream->template->length);
}

FWD_ENGINE_LOOP(txonly_run, txonly_burst)

const struct fwd_engine fwd_engine_txonly = {
	.name = "txonly",
	.help = "send UDP frames of one flow per stream, sizes from 'set txpkts'",
	.flags = FWD_TX,
	.run = txonly_run,
};
