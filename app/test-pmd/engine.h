/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_ENGINE_H
#define TESTPMD_ENGINE_H

/**
 * @file
 * What a forwarding engine is, and what it works on.
 *
 * A *stream* is one receive queue and the transmit queue that its frames go to. A *forwarding
 * lcore* serves a fixed set of streams: every transmit queue belongs to one lcore only, so no
 * engine needs a lock. An *engine* is what happens to the frames in between; it is a loop over
 * an lcore's streams, compiled with its burst function inlined (FWD_ENGINE_LOOP).
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "config.h"

/* What one stream has done since forwarding started. Only its lcore writes. */
struct fwd_counters {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_dropped;
	uint64_t rx_bad_ip_csum;
	uint64_t rx_bad_l4_csum;
};

struct frame_template;

struct __rte_cache_aligned fwd_stream {
	/* Constant while forwarding runs. */
	uint16_t rx_port, rx_queue;
	uint16_t tx_port, tx_queue;
	uint16_t burst;
	uint16_t id;          /* over all streams */
	uint32_t retry_count; /* 0 drops what a full queue refuses */
	uint32_t retry_delay;
	struct rte_ether_addr peer; /* who frames are sent to */
	struct rte_ether_addr self; /* who they come from: the transmit port */
	struct rte_mempool *pool;
	const struct fwd_engine *engine;
	struct frame_template *template; /* what it sends of itself */
	void *data;                      /* the engine's own */

	/* Written by the lcore at every burst, read by nobody else but for display. */
	_Alignas(RTE_CACHE_LINE_SIZE) struct fwd_counters counters;
};

struct __rte_cache_aligned fwd_lcore {
	unsigned int lcore_id;
	unsigned int stream_count;
	struct fwd_stream **streams;
	unsigned int tx_first; /* bursts to send before the engine's loop */
	uint32_t max_sleep;    /* microseconds; 0 polls without a rest */
	const struct fwd_engine *engine;

	/* Its own: what its streams had moved, and how long it slept, at its last look. */
	uint64_t moved;
	uint32_t sleep;

	/* The one word that the main thread writes while the lcore runs. */
	_Alignas(RTE_CACHE_LINE_SIZE) bool stop;
};

/** The stream receives; it transmits; it does both on one port, whatever the topology. */
#define FWD_RX 1U
#define FWD_TX 2U
#define FWD_SAME_PORT 4U

struct fwd_engine {
	const char *name;
	const char *help;
	unsigned int flags;
	/** Before the lcores start; NULL when there is nothing to prepare. 0 or a negative errno. */
	int (*begin)(struct fwd_stream *stream);
	/** When the streams go away. */
	void (*end)(struct fwd_stream *stream);
	/** An lcore's work, until it is told to stop. */
	void (*run)(struct fwd_lcore *lcore);
	/** Lines of its own after the forward statistics. */
	void (*report)(void);
	/** Whether a bounded run did all it was asked to, and found nothing wrong. */
	bool (*passed)(void);
};

/** By name, or NULL. */
const struct fwd_engine *fwd_engine_find(const char *name);

/** All of them, NULL at the end. */
extern const struct fwd_engine *const fwd_engines[];

static inline bool
fwd_stopping(const struct fwd_lcore *lcore)
{
	/* Nothing is published through the flag: the lcore's end is seen by rte_eal_wait_lcore(). */
	return __atomic_load_n(&lcore->stop, __ATOMIC_RELAXED);
}

/** Sleep, if no stream moved a frame since the last call: longer from time to time, until one does. */
void fwd_rest(struct fwd_lcore *lcore);

#define FWD_ENGINE_LOOP(function, burst) \
	static void function(struct fwd_lcore *lcore) \
	{ \
		struct fwd_stream *const *streams = lcore->streams; \
		const unsigned int count = lcore->stream_count; \
\
		while (likely(!fwd_stopping(lcore))) { \
			for (unsigned int i = 0; i < count; i++) \
				burst(streams[i]); \
			if (unlikely(lcore->max_sleep != 0)) \
				fwd_rest(lcore); \
		} \
	}

static inline uint64_t
fwd_bytes(struct rte_mbuf *const *pkts, uint16_t count)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < count; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

/** Receive a burst of *bytes bytes in all, and count it. */
static inline uint16_t
fwd_receive(struct fwd_stream *stream, struct rte_mbuf **pkts, uint64_t *bytes)
{
	uint16_t count = rte_eth_rx_burst(stream->rx_port, stream->rx_queue, pkts, stream->burst);

	if (count == 0)
		return 0;
	*bytes = fwd_bytes(pkts, count);
	stream->counters.rx_packets += count;
	stream->counters.rx_bytes += *bytes;
	return count;
}

/** What the queue did not take: offer it again if the user wants that, then free it. */
void fwd_transmit_rest(struct fwd_stream *stream, struct rte_mbuf **pkts, uint16_t count,
	uint64_t bytes);

/** Transmit a burst of so many bytes, all of which this takes off the caller's hands. */
static inline void
fwd_transmit(struct fwd_stream *stream, struct rte_mbuf **pkts, uint16_t count, uint64_t bytes)
{
	uint16_t sent = rte_eth_tx_burst(stream->tx_port, stream->tx_queue, pkts, count);

	stream->counters.tx_packets += sent;
	if (likely(sent == count)) {
		stream->counters.tx_bytes += bytes;
		return;
	}
	fwd_transmit_rest(stream, pkts + sent, (uint16_t)(count - sent), bytes);
}

#endif /* TESTPMD_ENGINE_H */
