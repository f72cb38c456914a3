/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include <errno.h>

#include <rte_malloc.h>

#include "checksum.h"
#include "port.h"

static int
csum_begin(struct fwd_stream *stream)
{
	const struct port *port = port_find(stream->tx_port);
	struct checksum_offload *offload;

	offload = rte_zmalloc("csum", sizeof(*offload), RTE_CACHE_LINE_SIZE);
	if (offload == NULL)
		return -ENOMEM;
	offload->device = port->csum_hw & port->tx_offloads;
	if ((port->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0)
		offload->tso_segsz = port->tso_segsz;
	stream->data = offload;
	return 0;
}

static void
csum_end(struct fwd_stream *stream)
{
	rte_free(stream->data);
}

/* What a device cannot send as asked is dropped, where the queue would stop at it for ever. */
static void
prepare_and_transmit(struct fwd_stream *stream, struct rte_mbuf **pkts, uint16_t count)
{
	while (count != 0) {
		uint16_t good = rte_eth_tx_prepare(stream->tx_port, stream->tx_queue, pkts, count);

		if (good != 0)
			fwd_transmit(stream, pkts, good, fwd_bytes(pkts, good));
		if (good == count)
			return;
		rte_pktmbuf_free(pkts[good]);
		stream->counters.tx_dropped++;
		pkts += good + 1;
		count = (uint16_t)(count - good - 1);
	}
}

static inline void
csum_burst(struct fwd_stream *stream)
{
	const struct checksum_offload *offload = stream->data;
	struct rte_mbuf *pkts[BURST_MAX];
	uint64_t bytes, flags = 0;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	if (count == 0)
		return;
	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *pkt = pkts[i];
		struct rte_ether_hdr *ether = rte_pktmbuf_mtod(pkt, struct rte_ether_hdr *);

		if (i + 1 < count)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		stream->counters.rx_bad_ip_csum += (pkt->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) ==
			RTE_MBUF_F_RX_IP_CKSUM_BAD;
		stream->counters.rx_bad_l4_csum += (pkt->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
			RTE_MBUF_F_RX_L4_CKSUM_BAD;
		ether->dst_addr = stream->peer;
		ether->src_addr = stream->self;
		flags |= checksum_set(pkt, offload);
	}
	if (flags != 0)
		prepare_and_transmit(stream, pkts, count);
	else
		fwd_transmit(stream, pkts, count, bytes);
}

FWD_ENGINE_LOOP(csum_run, csum_burst)

const struct fwd_engine fwd_engine_csum = {
	.name = "csum",
	.help = "set IPv4, UDP and TCP checksums; see 'help csum'",
	.flags = FWD_RX | FWD_TX,
	.begin = csum_begin,
	.end = csum_end,
	.run = csum_run,
};
