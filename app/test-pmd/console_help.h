/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CONSOLE_HELP_H
#define TESTPMD_CONSOLE_HELP_H

#include "console.h"

/** The help command: an overview, a section, or the commands that begin with some words. */
void help_run(const struct args *args);

/** How commands that begin as a wrong line did are written. */
void help_suggest(const char *line);

#endif /* TESTPMD_CONSOLE_HELP_H */
