/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_SEQ_STATS_H
#define TESTPMD_SEQ_STATS_H

/** @file What the engines for numbered frames have found. */

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "seq.h"

struct seq_stats {
	uint64_t sent;
	uint64_t received; /* numbers, each once */
	uint64_t lost;
	uint64_t duplicate;
	uint64_t reordered;
	uint64_t corrupt;
	uint64_t misrouted; /* came on another stream than they left on */
	uint64_t foreign;   /* not numbered, or of another run */
	uint64_t in_flight;
	bool complete; /* everything that was asked for was sent and came, or is lost */
};

/** Of one stream; false when its engine is none of these. */
bool seq_stats_of(const struct fwd_stream *stream, struct seq_stats *stats);

/** Over all streams; false when the engine is none of these. */
bool seq_stats_all(struct seq_stats *stats);

/** Print both. */
void seq_stats_show(void);

/** Complete, and nothing lost, repeated, reordered, corrupt or misrouted. */
bool seq_stats_passed(void);

#endif /* TESTPMD_SEQ_STATS_H */
