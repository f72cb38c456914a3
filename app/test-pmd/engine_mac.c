/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include <rte_ether.h>
#include <rte_prefetch.h>

/* The frame after next is on its way from memory while this one is written. */
#define PREFETCH_AHEAD 2

/* Both addresses are one load and two stores: 8 and 4 bytes that the stream has ready. */
static inline void
mac_rewrite(struct rte_mbuf *pkt, uint64_t head, uint32_t tail)
{
	uint8_t *frame = rte_pktmbuf_mtod(pkt, uint8_t *);

	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), &tail, sizeof(tail));
}

static inline void
mac_burst(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint8_t addresses[2 * RTE_ETHER_ADDR_LEN];
	uint64_t bytes, head;
	uint32_t tail;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	if (count == 0)
		return;
	for (uint16_t i = 0; i < RTE_MIN(count, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	memcpy(addresses, &stream->peer, RTE_ETHER_ADDR_LEN);
	memcpy(addresses + RTE_ETHER_ADDR_LEN, &stream->self, RTE_ETHER_ADDR_LEN);
	memcpy(&head, addresses, sizeof(head));
	memcpy(&tail, addresses + sizeof(head), sizeof(tail));
	for (uint16_t i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH_AHEAD], void *));
		mac_rewrite(pkts[i], head, tail);
	}
	fwd_transmit(stream, pkts, count, bytes);
}

FWD_ENGINE_LOOP(mac_run, mac_burst)

const struct fwd_engine fwd_engine_mac = {
	.name = "mac",
	.help = "from the transmitting port's address, to its peer's",
	.flags = FWD_RX | FWD_TX,
	.run = mac_run,
};
