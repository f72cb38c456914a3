/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_FORWARD_H
#define TESTPMD_FORWARD_H

/** @file Streams, the lcores that serve them, and starting and stopping both. Main thread only. */

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

/** Once, before anything else here; 0, or -1 after a line on why not. */
int fwd_init(void);

/**
 * Start the configured engine on every started port of the port mask.
 *
 * @param tx_first
 *   Bursts that each stream sends of itself before the engine begins.
 * @return
 *   0, or -1 after a line on why not.
 */
int fwd_start(uint32_t tx_first);

/** Stop the lcores and print what they have done. */
void fwd_stop(void);

bool fwd_running(void);

/** Forwarding is running, and receives from or transmits to the port. */
bool fwd_uses_port(uint16_t id);

/** Print which lcore would serve which streams. */
void fwd_show_config(void);

/** False when the last run had an end to come to, and did not, or found something wrong. */
bool fwd_passed(void);

/** Forget the streams of the last run. */
void fwd_free(void);

/** The streams of the run that is, or was last; their count. */
unsigned int fwd_streams(struct fwd_stream *const **streams);

/** The engine of the run that is, or was last; NULL before the first. */
const struct fwd_engine *fwd_last_engine(void);

/**
 * A descriptor that becomes readable when every stream of an engine that knows an end has come
 * to its own.
 */
int fwd_done_fd(void);

/** From a stream's lcore: it has come to its end. Called once a stream. */
void fwd_stream_done(void);

#endif /* TESTPMD_FORWARD_H */
