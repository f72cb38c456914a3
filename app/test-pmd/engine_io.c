/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

static inline void
io_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint64_t bytes;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	if (count != 0)
		fwd_transmit(stream, pkts, count, bytes);
}

FWD_ENGINE_LOOP(io_run, io_burst)

const struct fwd_engine fwd_engine_io = {
	.name = "io",
	.help = "send frames on as they came",
	.flags = FWD_RX | FWD_TX,
	.run = io_run,
};
