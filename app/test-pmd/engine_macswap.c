/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include <rte_ether.h>
#include <rte_prefetch.h>

#define PREFETCH_AHEAD 2

static inline void
macswap_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint64_t bytes;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	if (count == 0)
		return;
	for (uint16_t i = 0; i < RTE_MIN(count, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < count; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(pkts[i], struct rte_ether_hdr *);
		struct rte_ether_addr dst = eth->dst_addr;

		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH_AHEAD], void *));
		eth->dst_addr = eth->src_addr;
		eth->src_addr = dst;
	}
	fwd_transmit(stream, pkts, count, bytes);
}

FWD_ENGINE_LOOP(macswap_run, macswap_burst)

const struct fwd_engine fwd_engine_macswap = {
	.name = "macswap",
	.help = "swap source and destination address",
	.flags = FWD_RX | FWD_TX,
	.run = macswap_run,
};
