/* SPDX-License-Identifier: BSD-3-Clause */
#include "seq_stats.h"

#include <inttypes.h>
#include <stdio.h>

#include "forward.h"

static void
add(struct seq_stats *sum, const struct seq_stats *s)
{
	sum->sent += s->sent;
	sum->received += s->received;
	sum->lost += s->lost;
	sum->duplicate += s->duplicate;
	sum->reordered += s->reordered;
	sum->corrupt += s->corrupt;
	sum->misrouted += s->misrouted;
	sum->foreign += s->foreign;
	sum->in_flight += s->in_flight;
	sum->complete &= s->complete;
}

bool
seq_stats_all(struct seq_stats *stats)
{
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams);

	*stats = (struct seq_stats){ .complete = true };
	for (unsigned int i = 0; i < count; i++) {
		struct seq_stats s;

		if (!seq_stats_of(streams[i], &s))
			return false;
		add(stats, &s);
	}
	return count != 0;
}

static bool
clean(const struct seq_stats *s)
{
	return (s->lost | s->duplicate | s->reordered | s->corrupt | s->misrouted) == 0;
}

bool
seq_stats_passed(void)
{
	struct seq_stats all;

	return seq_stats_all(&all) && all.complete && clean(&all);
}

static void
show(const char *who, const struct seq_stats *s)
{
	printf("  %s: sent=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 " duplicate=%" PRIu64
	       " reordered=%" PRIu64 " corrupt=%" PRIu64 " misrouted=%" PRIu64 " foreign=%" PRIu64
	       " in-flight=%" PRIu64 "\n",
		who, s->sent, s->received, s->lost, s->duplicate, s->reordered, s->corrupt,
		s->misrouted, s->foreign, s->in_flight);
}

void
seq_stats_show(void)
{
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams);
	struct seq_stats all;

	if (!seq_stats_all(&all)) {
		printf("No numbered frames: 'set fwd seq' and 'start' send and check them\n");
		return;
	}
	printf("\n  Numbered frames\n");
	for (unsigned int i = 0; count > 1 && i < count; i++) {
		struct seq_stats s;
		char who[64];

		seq_stats_of(streams[i], &s);
		snprintf(who, sizeof(who), "RX P=%u/Q=%u -> TX P=%u/Q=%u", streams[i]->rx_port,
			streams[i]->rx_queue, streams[i]->tx_port, streams[i]->tx_queue);
		show(who, &s);
	}
	show("all", &all);
	printf("  verdict: %s\n", !clean(&all) ? "FAILED" : all.complete ? "passed" : "incomplete");
}
