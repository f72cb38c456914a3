/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CONSOLE_GRAMMAR_H
#define TESTPMD_CONSOLE_GRAMMAR_H

/**
 * @file
 * Makes what DPDK's cmdline library parses and completes out of how commands are written.
 *
 * In a syntax, words stand between blanks; '|' separates alternatives of one word; '[' means
 * that the command may end before it, and everything up to the end is inside it. A word in lower
 * case stands for itself; one in upper case for any value, which is completed when its kind
 * is known (grammar_kinds in console_grammar.c).
 */

#include "console.h"

struct grammar;

/** Of all sections; NULL when there is no memory. */
struct grammar *grammar_new(const struct section *const *all);
void grammar_free(struct grammar *grammar);

cmdline_parse_ctx_t *grammar_context(struct grammar *grammar);

/** How many of a line's first words fit how a command is written. */
unsigned int grammar_common_words(const char *syntax, const char *line);

#endif /* TESTPMD_CONSOLE_GRAMMAR_H */
