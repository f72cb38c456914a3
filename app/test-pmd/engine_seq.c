/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Numbered frames end to end. Three engines share this: seq sends and expects its own frames
 * back, seqgen only sends, seqcheck only receives.
 *
 * seq keeps no more than a window of frames on their way, so that a path that drops when a ring
 * is full has no reason to. A frame is lost when nothing arrives for a while, or when frames two
 * windows younger have arrived.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_random.h>

#include "engines.h"
#include "forward.h"
#include "seq_stats.h"

/* A stream of a generator elsewhere, as seqcheck finds them. */
#define FLOWS_MAX 8

struct flow {
	bool used;
	uint32_t epoch;
	uint16_t stream;
	struct seq_tracker tracker;
};

struct seq_state {
	/* Constant. */
	uint32_t epoch;
	uint32_t window;
	uint64_t count; /* frames to send or to receive, 0 for no end */
	uint32_t min_len, max_len;
	uint64_t timeout;        /* TSC cycles */
	bool sends, expects;     /* its own frames back */
	const uint16_t *lengths; /* of a frame's segments; NULL when sizes vary */
	uint32_t segment_room;

	/* Sending. */
	uint64_t sent; /* accepted by the queue */
	uint64_t made; /* numbered; those between wait in pending */
	uint16_t pending;
	struct rte_mbuf *pkts[BURST_MAX];
	uint8_t *scratch; /* a frame before it is cut into segments */

	/* Receiving. */
	uint64_t horizon; /* numbers below it that are missing are lost */
	uint64_t lost;
	uint64_t progress_at; /* TSC, when something new arrived last */
	uint64_t corrupt;
	uint64_t foreign;   /* not ours to check */
	uint64_t misrouted; /* ours, of another stream */
	bool done;
	unsigned int flow_count;
	struct flow flows[]; /* one when it expects its own */
};

static uint32_t run_epoch;

static unsigned int
flows_of(const struct fwd_engine *engine)
{
	return (engine->flags & FWD_TX) != 0 ? 1 : FLOWS_MAX;
}

static int
seq_begin(struct fwd_stream *stream)
{
	unsigned int flows = flows_of(stream->engine);
	uint32_t longest = config.seq_max_len != 0 ? config.seq_max_len : config_tx_length();
	struct seq_state *state;

	if (longest > SEQ_MAX_LEN) {
		printf("Numbered frames are no longer than %u bytes: see 'set txpkts'\n",
			SEQ_MAX_LEN);
		return -EINVAL;
	}
	state = rte_zmalloc("seq_state", sizeof(*state) + flows * sizeof(struct flow),
		RTE_CACHE_LINE_SIZE);
	if (state == NULL)
		return -ENOMEM;
	stream->data = state;
	if (stream->id == 0)
		run_epoch = (uint32_t)rte_rand();
	state->epoch = run_epoch;
	state->window = config.seq_window;
	state->count = config.seq_count;
	state->timeout = rte_get_tsc_hz() / 1000 * config.seq_timeout;
	state->min_len = config.seq_min_len != 0 ? config.seq_min_len : config_tx_length();
	state->max_len = longest;
	state->sends = (stream->engine->flags & FWD_TX) != 0;
	state->expects = state->sends && (stream->engine->flags & FWD_RX) != 0;
	state->lengths = config.seq_min_len == 0 && config.tx_segments > 1 ? config.tx_lengths :
									     NULL;
	state->segment_room = rte_pktmbuf_data_room_size(stream->pool) - RTE_PKTMBUF_HEADROOM;
	state->flow_count = flows;
	if (state->expects) {
		/* Queues that share one for transmission leave sending to the first of them. */
		state->sends = stream->rx_queue == stream->tx_queue;
		state->flows[0].used = true;
		seq_tracker_init(&state->flows[0].tracker, 0);
	}
	state->scratch = rte_malloc("seq_scratch", state->max_len, 0);
	return state->scratch != NULL ? 0 : -ENOMEM;
}

static void
seq_end(struct fwd_stream *stream)
{
	struct seq_state *state = stream->data;

	if (state == NULL)
		return;
	rte_pktmbuf_free_bulk(state->pkts, state->pending);
	rte_free(state->scratch);
	rte_free(state);
	stream->data = NULL;
}

static uint64_t
in_flight(const struct seq_state *state)
{
	uint64_t settled = state->flows[0].tracker.unique + state->lost;

	return state->sent > settled ? state->sent - settled : 0;
}

static inline uint32_t
frame_length(const struct seq_state *state, uint64_t number)
{
	uint32_t span = state->max_len - state->min_len + 1;

	/* Any length may follow any other, but the same number always has the same. */
	return state->min_len + (uint32_t)((number * UINT64_C(0x9e3779b97f4a7c15) >> 32) % span);
}

/* Cut the scratch frame into the user's segments, or as few as hold it. */
static int
cut(struct fwd_stream *stream, struct rte_mbuf *first, uint32_t length)
{
	const struct seq_state *state = stream->data;
	struct rte_mbuf *last = first;
	uint32_t done = 0;

	for (unsigned int i = 0; done < length; i++) {
		uint32_t here = RTE_MIN(length - done,
			state->lengths != NULL ? state->lengths[i] : state->segment_room);

		if (i != 0) {
			last->next = rte_pktmbuf_alloc(stream->pool);
			last = last->next;
			if (last == NULL)
				return -1;
			first->nb_segs++;
		}
		rte_memcpy(rte_pktmbuf_mtod(last, void *), state->scratch + done, here);
		last->data_len = (uint16_t)here;
		done += here;
	}
	first->pkt_len = length;
	return 0;
}

static inline int
make_frame(struct fwd_stream *stream, struct rte_mbuf *pkt, uint64_t number)
{
	struct seq_state *state = stream->data;
	struct seq_frame frame = { .epoch = state->epoch, .stream = stream->id, .number = number };
	uint32_t length = frame_length(state, number);
	bool whole = state->lengths == NULL && length <= state->segment_room;
	uint8_t *data = whole ? rte_pktmbuf_mtod(pkt, uint8_t *) : state->scratch;
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)data;

	ether->dst_addr = stream->peer;
	ether->src_addr = stream->self;
	ether->ether_type = RTE_BE16(SEQ_ETHER_TYPE);
	seq_write(data + sizeof(*ether), (uint16_t)length, &frame);
	if (!whole)
		return cut(stream, pkt, length);
	pkt->data_len = (uint16_t)length;
	pkt->pkt_len = length;
	return 0;
}

/* Number a burst, as far as window and count allow. */
static void
make_burst(struct fwd_stream *stream)
{
	struct seq_state *state = stream->data;
	uint64_t room = stream->burst;
	uint16_t count;

	if (state->expects)
		room = RTE_MIN(room, state->window - RTE_MIN(in_flight(state), state->window));
	if (state->count != 0)
		room = RTE_MIN(room, state->count - state->made);
	count = (uint16_t)room;
	if (count == 0 || rte_pktmbuf_alloc_bulk(stream->pool, state->pkts, count) != 0)
		return;
	for (uint16_t i = 0; i < count; i++) {
		if (make_frame(stream, state->pkts[i], state->made) < 0) {
			/* The pool ran dry: the rest of the burst waits for better times. */
			rte_pktmbuf_free_bulk(&state->pkts[i], (unsigned int)(count - i));
			break;
		}
		state->made++;
		state->pending++;
	}
}

static inline void
transmit(struct fwd_stream *stream)
{
	struct seq_state *state = stream->data;
	uint64_t bytes;
	uint16_t sent;

	if (state->pending == 0)
		make_burst(stream);
	if (state->pending == 0)
		return;
	bytes = fwd_bytes(state->pkts, state->pending);
	sent = rte_eth_tx_burst(stream->tx_port, stream->tx_queue, state->pkts, state->pending);
	if (sent == 0)
		return;
	if (in_flight(state) == 0)
		state->progress_at = rte_get_tsc_cycles();
	/* What the queue did not take keeps its number, and is offered again. */
	memmove(state->pkts, &state->pkts[sent], (state->pending - sent) * sizeof(state->pkts[0]));
	state->pending = (uint16_t)(state->pending - sent);
	state->sent += sent;
	stream->counters.tx_packets += sent;
	stream->counters.tx_bytes += bytes - fwd_bytes(state->pkts, state->pending);
}

/* A stream that seqcheck has not met starts with the number it is met at; NULL for one too many. */
static struct flow *
flow_find(struct seq_state *state, const struct seq_frame *frame)
{
	for (unsigned int i = 0; i < state->flow_count; i++) {
		struct flow *flow = &state->flows[i];

		if (!flow->used || (flow->stream == frame->stream && flow->epoch != frame->epoch)) {
			/* A new run of a generator begins at zero, unless we joined it late. */
			if (flow->used)
				state->lost += seq_missing(&flow->tracker);
			flow->used = true;
			flow->stream = frame->stream;
			flow->epoch = frame->epoch;
			seq_tracker_init(&flow->tracker, frame->number);
			return flow;
		}
		if (flow->stream == frame->stream)
			return flow;
	}
	return NULL;
}

static inline void
take(struct fwd_stream *stream, const struct seq_frame *frame)
{
	struct seq_state *state = stream->data;
	struct seq_tracker *tracker = &state->flows[0].tracker;
	enum seq_verdict verdict;

	if (!state->expects) {
		struct flow *flow = flow_find(state, frame);

		if (flow != NULL)
			seq_track(&flow->tracker, frame->number);
		else
			state->misrouted++;
		return;
	}
	if (frame->epoch != state->epoch) {
		state->foreign++;
		return;
	}
	if (frame->stream != stream->id || frame->number >= state->made) {
		state->misrouted++;
		return;
	}
	verdict = seq_track(tracker, frame->number);
	/* Given up, and here after all. */
	if ((verdict == SEQ_IN_ORDER || verdict == SEQ_LATE) && frame->number < state->horizon)
		state->lost--;
}

/* Numbers below the new horizon that have not come are not coming. */
static void
raise_horizon(struct seq_state *state, uint64_t horizon)
{
	const struct seq_tracker *tracker = &state->flows[0].tracker;

	for (; state->horizon < horizon; state->horizon++)
		state->lost += state->horizon >= tracker->next ||
			!seq_seen(tracker, state->horizon);
}

static void
receive(struct fwd_stream *stream)
{
	struct seq_state *state = stream->data;
	struct seq_tracker *tracker = &state->flows[0].tracker;
	uint64_t before = tracker->unique, bytes;
	struct rte_mbuf *pkts[BURST_MAX];
	uint16_t count = fwd_receive(stream, pkts, &bytes);

	for (uint16_t i = 0; i < count; i++) {
		struct seq_frame frame;

		if (i + 1 < count)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		switch (seq_read(pkts[i], &frame)) {
		case SEQ_GOOD:
			take(stream, &frame);
			break;
		case SEQ_CORRUPT:
			state->corrupt++;
			break;
		case SEQ_FOREIGN:
			state->foreign++;
			break;
		}
	}
	rte_pktmbuf_free_bulk(pkts, count);
	if (!state->expects)
		return;
	if (tracker->unique != before) {
		state->progress_at = rte_get_tsc_cycles();
		if (tracker->next > 2 * (uint64_t)state->window)
			raise_horizon(state, tracker->next - 2 * (uint64_t)state->window);
	} else if (in_flight(state) != 0 &&
		rte_get_tsc_cycles() - state->progress_at > state->timeout) {
		raise_horizon(state, state->sent);
	}
}

static uint64_t
received(const struct seq_state *state)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < state->flow_count; i++)
		sum += state->flows[i].tracker.unique;
	return sum;
}

static void
check_done(struct seq_state *state)
{
	bool done;

	if (state->expects)
		done = !state->sends || (state->sent == state->count && in_flight(state) == 0);
	else
		done = (state->sends ? state->sent : received(state)) >= state->count;
	if (!done)
		return;
	state->done = true;
	fwd_stream_done();
}

static inline void
seq_burst(struct fwd_stream *stream)
{
	struct seq_state *state = stream->data;

	if ((stream->engine->flags & FWD_RX) != 0)
		receive(stream);
	if (state->sends)
		transmit(stream);
	if (state->count != 0 && !state->done)
		check_done(state);
}

FWD_ENGINE_LOOP(seq_run, seq_burst)

bool
seq_stats_of(const struct fwd_stream *stream, struct seq_stats *stats)
{
	const struct seq_state *state = stream->data;

	*stats = (struct seq_stats){ 0 };
	if (stream->engine->run != seq_run || state == NULL)
		return false;
	stats->sent = state->sent;
	stats->lost = state->lost;
	stats->corrupt = state->corrupt;
	stats->foreign = state->foreign;
	stats->misrouted = state->misrouted;
	stats->in_flight = state->expects ? in_flight(state) : 0;
	for (unsigned int i = 0; i < state->flow_count; i++) {
		const struct seq_tracker *tracker = &state->flows[i].tracker;

		stats->received += tracker->unique;
		stats->reordered += tracker->late;
		stats->duplicate += tracker->duplicate + tracker->unknown;
		if (!state->expects)
			stats->lost += seq_missing(tracker);
	}
	stats->complete = state->count == 0 || state->done;
	return true;
}

const struct fwd_engine fwd_engine_seq = {
	.name = "seq",
	.help = "send numbered frames, and check them as they come back",
	.flags = FWD_RX | FWD_TX,
	.begin = seq_begin,
	.end = seq_end,
	.run = seq_run,
	.report = seq_stats_show,
	.passed = seq_stats_passed,
};

const struct fwd_engine fwd_engine_seqgen = {
	.name = "seqgen",
	.help = "send numbered frames",
	.flags = FWD_TX,
	.begin = seq_begin,
	.end = seq_end,
	.run = seq_run,
	.report = seq_stats_show,
	.passed = seq_stats_passed,
};

const struct fwd_engine fwd_engine_seqcheck = {
	.name = "seqcheck",
	.help = "receive numbered frames, and check them",
	.flags = FWD_RX,
	.begin = seq_begin,
	.end = seq_end,
	.run = seq_run,
	.report = seq_stats_show,
	.passed = seq_stats_passed,
};
