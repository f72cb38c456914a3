/* SPDX-License-Identifier: BSD-3-Clause */
#include "engines.h"

#include <errno.h>

#include <rte_malloc.h>

#include "frame.h"

/* Flows differ in their destination address, from the template's on. */
struct flowgen {
	uint32_t base; /* the template's destination, host byte order */
	uint32_t flows;
	uint32_t next;
};

static int
flowgen_begin(struct fwd_stream *stream)
{
	struct flowgen *gen = rte_zmalloc("flowgen", sizeof(*gen), RTE_CACHE_LINE_SIZE);
	const struct rte_ipv4_hdr *ip;

	if (gen == NULL)
		return -ENOMEM;
	ip = (const struct rte_ipv4_hdr *)(stream->template->data + sizeof(struct rte_ether_hdr));
	gen->base = rte_be_to_cpu_32(ip->dst_addr);
	gen->flows = config.flowgen_flows;
	/* Streams begin apart, so that few flows are on two of them at a time. */
	gen->next = (uint32_t)stream->id * 251 % gen->flows;
	stream->data = gen;
	return 0;
}

static void
flowgen_end(struct fwd_stream *stream)
{
	rte_free(stream->data);
}

static inline void
flowgen_burst(struct fwd_stream *stream)
{
	struct flowgen *gen = stream->data;
	struct rte_mbuf *pkts[BURST_MAX];
	uint64_t bytes;
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	rte_pktmbuf_free_bulk(pkts, count);
	count = frame_make(stream->template, stream->pool, pkts, stream->burst);
	if (count == 0)
		return;
	for (uint16_t i = 0; i < count; i++) {
		frame_redirect(rte_pktmbuf_mtod(pkts[i], uint8_t *), gen->base + gen->next);
		gen->next = gen->next + 1 == gen->flows ? 0 : gen->next + 1;
	}
	fwd_transmit(stream, pkts, count, (uint64_t)count * stream->template->length);
}

FWD_ENGINE_LOOP(flowgen_run, flowgen_burst)

const struct fwd_engine fwd_engine_flowgen = {
	.name = "flowgen",
	.help = "send UDP frames of many flows; drop what arrives",
	.flags = FWD_RX | FWD_TX,
	.begin = flowgen_begin,
	.end = flowgen_end,
	.run = flowgen_run,
};
