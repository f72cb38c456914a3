/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CONSOLE_H
#define TESTPMD_CONSOLE_H

/**
 * @file
 * The commands, and where they come from: a terminal, a pipe, a file.
 *
 * A command is a line of a table: how it is written, what it does, what it is for. From how it
 * is written both the grammar for DPDK's cmdline library and the help text are made:
 *
 *	start [tx_first [COUNT]]          a word, an optional rest
 *	set fwd ENGINE [retry]            upper case stands for a value, see console_kinds
 *	set promisc PORT|all on|off       either of several
 */

#include <stdbool.h>

#include <cmdline.h>

#define ARGS_MAX 14
#define ARG_LEN 512

/** The words of a command line. */
struct args {
	unsigned int count;
	const char *word[ARGS_MAX];
};

struct command {
	const char *syntax;
	void (*run)(const struct args *args);
	const char *help;
};

/** Commands that belong together under one title in the help. */
struct section {
	const char *name;
	const char *title;
	const struct command *commands; /* a NULL syntax ends them */
};

extern const struct section section_control;
extern const struct section section_display;
extern const struct section section_config;
extern const struct section section_ports;
extern const struct section section_csum;
extern const struct section section_vdpa;

/** All of them, NULL at the end. */
extern const struct section *const sections[];

#define FOREACH_COMMAND(c) \
	for (const struct section *const *s_ = sections; *s_ != NULL; s_++) \
		for (const struct command *c = (*s_)->commands; c->syntax != NULL; c++)

/** Make the grammar; 0, or -1 when there is no memory. */
int console_init(void);
void console_free(void);

/** Run one command, without its newline; 0, or -1 when there is none of that form. */
int console_run(const char *line);

/** Run a file's commands; 0, or -1 when it cannot be read. */
int console_run_file(const char *path);

/** Show the prompt, and put a terminal in the mode that editing needs. */
void console_open(void);
void console_close(void);

/** Characters that were typed. */
void console_feed(const char *chars, size_t count);

/** 'quit' was said, or the end of input typed. */
bool console_quitting(void);
void console_quit(void);

#endif /* TESTPMD_CONSOLE_H */
