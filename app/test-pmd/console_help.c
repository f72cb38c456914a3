/* SPDX-License-Identifier: BSD-3-Clause */
#include "console_help.h"

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "console_grammar.h"
#include "engine.h"

const struct section *const sections[] = {
	&section_control,
	&section_display,
	&section_config,
	&section_ports,
	&section_csum,
	&section_vdpa,
	NULL,
};

void
help_suggest(const char *line)
{
	unsigned int best = 0;

	FOREACH_COMMAND(c)
		best = RTE_MAX(best, grammar_common_words(c->syntax, line));
	if (best == 0) {
		printf("'help' lists the commands\n");
		return;
	}
	FOREACH_COMMAND(c) {
		if (grammar_common_words(c->syntax, line) == best)
			printf("  %s\n", c->syntax);
	}
}

static void
print_command(const struct command *command)
{
	printf("  %s\n      %s\n", command->syntax, command->help);
	if (strstr(command->syntax, "ENGINE") == NULL)
		return;
	for (unsigned int i = 0; fwd_engines[i] != NULL; i++)
		printf("      %-10s %s\n", fwd_engines[i]->name, fwd_engines[i]->help);
}

static void
print_overview(void)
{
	printf("\nHelp is available for these sections, and for every command:\n\n");
	for (const struct section *const *s = sections; *s != NULL; s++)
		printf("    help %-10s %s\n", (*s)->name, (*s)->title);
	printf("    help %-10s all of them\n", "all");
	printf("    help %-10s commands that begin so, as in 'help set fwd'\n\n", "COMMAND");
}

static unsigned int
print_sections(const char *name)
{
	unsigned int printed = 0;

	for (const struct section *const *s = sections; *s != NULL; s++) {
		if (strcmp(name, "all") != 0 && strcmp(name, (*s)->name) != 0)
			continue;
		printf("\n%s\n\n", (*s)->title);
		for (const struct command *c = (*s)->commands; c->syntax != NULL; c++)
			print_command(c);
		printed++;
	}
	return printed;
}

void
help_run(const struct args *args)
{
	char line[ARGS_MAX * (ARG_LEN + 1)] = "";
	unsigned int printed = 0;

	if (args->count == 1) {
		print_overview();
		return;
	}
	if (args->count == 2)
		printed = print_sections(args->word[1]);
	for (unsigned int i = 1; i < args->count; i++) {
		strcat(line, args->word[i]);
		strcat(line, " ");
	}
	if (printed != 0)
		return;
	FOREACH_COMMAND(c) {
		if (grammar_common_words(c->syntax, line) < args->count - 1)
			continue;
		print_command(c);
		printed++;
	}
	if (printed == 0)
		printf("No section or command begins with '%s': 'help' names the sections\n",
			args->word[1]);
}
