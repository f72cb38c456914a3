/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_SESSION_H
#define TESTPMD_SESSION_H

/**
 * @file
 * What the main thread waits for: commands, signals, the next period, events of devices, the end
 * of a bounded run.
 */

#include <stdbool.h>
#include <stdint.h>

/**
 * Take over SIGINT, SIGTERM and SIGHUP. Before EAL makes its threads, which inherit that.
 *
 * @return
 *   0, or -1 after a line on why not.
 */
int session_init(void);

/**
 * Wait and serve until a signal or 'quit'; without the console also until a bounded run
 * is over, or until a newline or the end of standard input when there is neither a bounded run
 * nor a table to print every period.
 */
void session_run(bool console);

/** Seconds between two tables, 0 for none. */
void session_set_period(uint32_t seconds);

void session_free(void);

#endif /* TESTPMD_SESSION_H */
