/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_STATS_JSON_H
#define TESTPMD_STATS_JSON_H

/**
 * @file
 * Every counter there is, as one line of JSON: of ports, streams, numbered frames and vDPA
 * devices. The man page describes the line.
 */

#include <stdio.h>

/** Write the line. */
void stats_json_write(FILE *out);

/** Open the file that the configuration names, if any; 0, or -1 after a line on why not. */
int stats_json_open(void);

/** Append a line to that file, if there is one. */
void stats_json_append(void);

void stats_json_close(void);

#endif /* TESTPMD_STATS_JSON_H */
