/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmdline_parse.h>
#include <cmdline_rdline.h>
#include <rte_common.h>

#include "console_grammar.h"
#include "console_help.h"

/* A file that loads itself ends somewhere. */
#define FILES_MAX 8U

static const char PROMPT[] = "testpmd> ";

static struct {
	struct grammar *grammar;
	struct cmdline *cmdline; /* parses and completes; the line is edited here */
	struct rdline *line;
	struct termios terminal; /* as it was */
	bool raw;
	bool quitting;
	unsigned int files; /* that are being run, one from the other */
} console;

int
console_run(const char *line)
{
	size_t length = strcspn(line, "\r\n");
	char *terminated = malloc(length + 2);
	int ret;

	if (terminated == NULL)
		return -1;
	/* The library wants a newline at the end, and completes at tabs. */
	snprintf(terminated, length + 2, "%.*s\n", (int)length, line);
	for (char *tab = strchr(terminated, '\t'); tab != NULL; tab = strchr(tab, '\t'))
		*tab = ' ';
	ret = cmdline_parse(console.cmdline, terminated);
	if (ret == CMDLINE_PARSE_NOMATCH)
		printf("Command not found: %.*s\n", (int)length, line);
	else if (ret < 0)
		printf("Bad arguments: %.*s\n", (int)length, line);
	if (ret < 0)
		help_suggest(line);
	free(terminated);
	return ret < 0 ? -1 : 0;
}

int
console_run_file(const char *path)
{
	FILE *file;
	char *line = NULL;
	size_t size = 0;

	if (console.files == FILES_MAX) {
		printf("%s is not run: files run each other %u deep\n", path, FILES_MAX);
		return -1;
	}
	file = fopen(path, "re");
	if (file == NULL) {
		printf("Commands of %s cannot be read: %s\n", path, strerror(errno));
		return -1;
	}
	console.files++;
	for (unsigned int number = 1; !console.quitting && getline(&line, &size, file) >= 0;
		number++) {
		if (console_run(line) < 0)
			printf("That was line %u of %s\n", number, path);
	}
	console.files--;
	free(line);
	fclose(file);
	printf("Read CLI commands from %s\n", path);
	return 0;
}

static int
write_char(struct rdline *line, char c)
{
	RTE_SET_USED(line);
	return putchar(c) == EOF ? -1 : 0;
}

static void
validate(struct rdline *line, const char *buffer, unsigned int size)
{
	RTE_SET_USED(line);
	RTE_SET_USED(size);
	console_run(buffer);
}

static int
complete(struct rdline *line, const char *buffer, char *dst, unsigned int size, int *state)
{
	RTE_SET_USED(line);
	return cmdline_complete(console.cmdline, buffer, state, dst, size);
}

void
console_feed(const char *chars, size_t count)
{
	for (size_t i = 0; i < count && !console.quitting; i++) {
		int ret = rdline_char_in(console.line, chars[i]);

		if (ret == RDLINE_RES_VALIDATED) {
			const char *typed = rdline_get_buffer(console.line);
			size_t length = strcspn(typed, "\r\n");

			if (length != 0) {
				char kept[ARG_LEN + 1];

				snprintf(kept, sizeof(kept), "%.*s", (int)length, typed);
				rdline_add_history(console.line, kept);
			}
			if (!console.quitting)
				rdline_newline(console.line, PROMPT);
		} else if (ret == RDLINE_RES_EOF || ret == RDLINE_RES_EXITED) {
			console.quitting = true;
		}
	}
	fflush(stdout);
}

void
console_open(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &console.terminal) == 0) {
		raw = console.terminal;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		console.raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	rdline_newline(console.line, PROMPT);
	fflush(stdout);
}

void
console_close(void)
{
	if (console.raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &console.terminal);
	console.raw = false;
}

bool
console_quitting(void)
{
	return console.quitting;
}

void
console_quit(void)
{
	console.quitting = true;
}

int
console_init(void)
{
	console.grammar = grammar_new(sections);
	if (console.grammar == NULL)
		return -1;
	/* Without descriptors: it would write a prompt at once. */
	console.cmdline = cmdline_new(grammar_context(console.grammar), PROMPT, -1, -1);
	console.line = rdline_new(write_char, validate, complete, NULL);
	if (console.cmdline == NULL || console.line == NULL) {
		console_free();
		return -1;
	}
	return 0;
}

void
console_free(void)
{
	if (console.line != NULL)
		rdline_free(console.line);
	if (console.cmdline != NULL)
		cmdline_free(console.cmdline);
	grammar_free(console.grammar);
	console.line = NULL;
	console.cmdline = NULL;
	console.grammar = NULL;
}
