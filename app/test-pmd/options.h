/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_OPTIONS_H
#define TESTPMD_OPTIONS_H

/** @file The options after EAL's: one table gives the parser, the checks and --help. */

#include <stdbool.h>

/**
 * Fill the configuration from the arguments after "--".
 *
 * @param argc, argv
 *   argv[0] is not looked at.
 * @param help
 *   Set when the user asked for help and nothing else is to be done.
 * @return
 *   0, or -1 after one line on standard error.
 */
int options_parse(int argc, char **argv, bool *help);

/**
 * Check what needs EAL: lcores.
 *
 * @return
 *   0, or -1 after one line on standard error.
 */
int options_check(void);

void options_help(const char *program);

#endif /* TESTPMD_OPTIONS_H */
