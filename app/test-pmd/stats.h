/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_STATS_H
#define TESTPMD_STATS_H

/**
 * @file
 * Counters, as people read them: of the devices ('show port'), of forwarding ('show fwd'), and
 * the table that comes every period. stats_json.h has the same for programs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

void stats_port_show(uint16_t id);
void stats_port_show_xstats(uint16_t id);
void stats_port_clear(uint16_t id);
void stats_port_clear_xstats(uint16_t id);

/** Forwarding starts and ends: what the devices missed in between is a part of its statistics. */
void stats_fwd_begin(void);
void stats_fwd_end(void);
void stats_fwd_show(void);
void stats_fwd_clear(void);

/** Packets missed by a port's device since forwarding started, or until it stopped. */
uint64_t stats_fwd_missed(uint16_t id);

/** A stream's counters since they were last cleared. */
struct fwd_counters stats_stream(const struct fwd_stream *stream);

/** Print the rates of every queue since the last call, as a table. */
void stats_period_show(void);

#endif /* TESTPMD_STATS_H */
