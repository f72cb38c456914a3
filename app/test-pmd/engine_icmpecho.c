/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include "reply.h"

/* The port that received a request answers it, whatever the topology says. */
static inline void
icmpecho_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX], *others[BURST_MAX];
	uint16_t count, replies = 0, rest = 0;
	uint64_t bytes;

	count = fwd_receive(stream, pkts, &bytes);
	if (count == 0)
		return;
	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *pkt = pkts[i];

		if (i + 1 < count)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		if (reply_make(rte_pktmbuf_mtod(pkt, uint8_t *), pkt->data_len, &stream->self)) {
			pkt->ol_flags &= ~(
				RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
			pkts[replies++] = pkt;
		} else {
			others[rest++] = pkt;
		}
	}
	rte_pktmbuf_free_bulk(others, rest);
	if (replies != 0)
		fwd_transmit(stream, pkts, replies, fwd_bytes(pkts, replies));
}

FWD_ENGINE_LOOP(icmpecho_run, icmpecho_burst)

const struct fwd_engine fwd_engine_icmpecho = {
	.name = "icmpecho",
	.help = "answer ARP requests and pings on the port they come in on; drop the rest",
	.flags = FWD_RX | FWD_TX | FWD_SAME_PORT,
	.run = icmpecho_run,
};
