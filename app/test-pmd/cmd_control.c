/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <stdio.h>

#include <rte_common.h>

#include "console_help.h"
#include "forward.h"
#include "parse.h"

static void
cmd_start(const struct args *args)
{
	uint64_t bursts = args->count > 1 ? 1 : 0;

	if (args->count > 2 && parse_number(args->word[2], 1, UINT32_MAX, &bursts) < 0) {
		printf("'%s' is not a number of bursts: 'start tx_first 32' sends 32 of them first\n",
			args->word[2]);
		return;
	}
	fwd_start((uint32_t)bursts);
}

static void
cmd_stop(const struct args *args)
{
	RTE_SET_USED(args);
	fwd_stop();
}

static void
cmd_load(const struct args *args)
{
	console_run_file(args->word[1]);
}

static void
cmd_quit(const struct args *args)
{
	RTE_SET_USED(args);
	console_quit();
}

static const struct command commands[] = {
	{ "start [tx_first [COUNT]]", cmd_start,
		"Start forwarding; with tx_first, after each stream has sent so many bursts (1)." },
	{ "stop", cmd_stop, "Stop forwarding, and show what it has done." },
	{ "quit", cmd_quit, "Stop forwarding, close the ports, detach vDPA devices, and leave." },
	{ "load FILE", cmd_load, "Run the commands in a file." },
	{ "help [WORD [WORD [WORD [WORD]]]]", help_run,
		"Show what there is; with the name of a section or the first words of a command, those." },
	{ NULL },
};

const struct section section_control = {
	"control",
	"Start, stop, leave",
	commands,
};
