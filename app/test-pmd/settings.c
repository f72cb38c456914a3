/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "engine.h"
#include "frame.h"
#include "parse.h"
#include "seq.h"

static char problem[512];

static const char *__rte_format_printf(1, 2) wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return problem;
}

const char *
settings_engine(const char *word)
{
	const struct fwd_engine *engine = fwd_engine_find(word);
	size_t used = 0;

	if (engine != NULL) {
		config.engine = engine;
		return NULL;
	}
	wrong("There is no forwarding mode %.64s: it is one of", word);
	for (unsigned int i = 0; fwd_engines[i] != NULL; i++) {
		used = strlen(problem);
		snprintf(problem + used, sizeof(problem) - used, " %s", fwd_engines[i]->name);
	}
	return problem;
}

const char *
settings_txpkts(const char *word)
{
	uint32_t room = config.mbuf_size - RTE_PKTMBUF_HEADROOM, total = 0;
	unsigned int count = TXPKTS_MAX_SEGS;
	uint16_t lengths[TXPKTS_MAX_SEGS];

	if (parse_lengths(word, lengths, &count) < 0)
		return wrong(
			"'%.64s' are not segment lengths: up to %u numbers of bytes, as in 64,1400",
			word, TXPKTS_MAX_SEGS);
	for (unsigned int i = 0; i < count; i++) {
		if (lengths[i] > room)
			return wrong("A segment of %u bytes does not fit an mbuf's %u: "
				     "use more segments, or a larger --mbuf-size",
				lengths[i], room);
		total += lengths[i];
	}
	if (total < FRAME_HDR_LEN || total > FRAME_MAX_LEN)
		return wrong(
			"A frame of %u bytes cannot be made: it has at least %zu and at most %zu",
			total, FRAME_HDR_LEN, (size_t)FRAME_MAX_LEN);
	memcpy(config.tx_lengths, lengths, count * sizeof(*lengths));
	config.tx_segments = count;
	return NULL;
}

const char *
settings_burst(const char *word)
{
	uint64_t burst;

	if (parse_number(word, 1, BURST_MAX, &burst) < 0)
		return wrong("'%.64s' is not a burst: it is from 1 to %u frames", word, BURST_MAX);
	config.burst = (uint16_t)burst;
	return NULL;
}

const char *
settings_topology(const char *word)
{
	static const char *const names[] = {
		[TOPOLOGY_PAIRED] = "paired",
		[TOPOLOGY_CHAINED] = "chained",
		[TOPOLOGY_LOOP] = "loop",
	};
	int choice = parse_choice(word, names, RTE_DIM(names));

	if (choice < 0)
		return wrong("There is no port topology %.64s: it is paired, chained or loop",
			word);
	config.topology = (enum port_topology)choice;
	return NULL;
}

const char *
settings_seq_count(const char *word)
{
	if (parse_number(word, 0, UINT64_MAX, &config.seq_count) < 0)
		return wrong("'%.64s' is not a number of frames; 0 stands for no end", word);
	return NULL;
}

const char *
settings_seq_window(const char *word)
{
	uint64_t window;

	/* Twice the window is what a tracker has to remember. */
	if (parse_number(word, 1, SEQ_MEMORY / 4, &window) < 0)
		return wrong("'%.64s' is not a window: it is from 1 to %u frames", word,
			SEQ_MEMORY / 4);
	config.seq_window = (uint32_t)window;
	return NULL;
}

const char *
settings_seq_size(const char *word)
{
	if (strcmp(word, "0") == 0) {
		config.seq_min_len = 0;
		config.seq_max_len = 0;
		return NULL;
	}
	if (parse_range(word, SEQ_MIN_LEN, SEQ_MAX_LEN, &config.seq_min_len, &config.seq_max_len) <
		0)
		return wrong("'%.64s' is not a size: it is LENGTH or MIN-MAX, from %zu to %u bytes, "
			     "or 0 for what txpkts say",
			word, SEQ_MIN_LEN, SEQ_MAX_LEN);
	return NULL;
}

const char *
settings_seq_timeout(const char *word)
{
	uint64_t timeout;

	if (parse_number(word, 1, 3600000, &timeout) < 0)
		return wrong("'%.64s' is not a time: it is from 1 to 3600000 milliseconds", word);
	config.seq_timeout = (uint32_t)timeout;
	return NULL;
}
