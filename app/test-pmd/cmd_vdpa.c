/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "parse.h"
#include "vdpa.h"
#include "vdpa_show.h"

static void
cmd_list(const struct args *args)
{
	RTE_SET_USED(args);
	vdpa_list();
}

static void
cmd_attach(const struct args *args)
{
	bool client = args->count > 4 && strcmp(args->word[4], "client") == 0;

	vdpa_attach(args->word[2], args->word[3], client);
}

static void
cmd_detach(const struct args *args)
{
	vdpa_detach(args->word[2]);
}

static void
cmd_info(const struct args *args)
{
	vdpa_info(args->count > 2 ? args->word[2] : NULL);
}

/*
 * Words after 'vdpa stats' are told apart by what they are: "reset" comes first and asks for that,
 * a number is a queue, anything else is a device.
 */
static void
cmd_stats(const struct args *args)
{
	const char *device = NULL;
	unsigned int at = 2;
	uint64_t queue;
	int only = -1;
	bool reset = at < args->count && strcmp(args->word[at], "reset") == 0;

	if (reset)
		at++;
	if (at < args->count && parse_number(args->word[at], 0, UINT16_MAX, &queue) < 0)
		device = args->word[at++];
	if (at < args->count) {
		if (parse_number(args->word[at], 0, UINT16_MAX, &queue) < 0) {
			printf("'%s' is not a queue: a number from 0 on\n", args->word[at]);
			return;
		}
		only = (int)queue;
	}
	if (reset)
		vdpa_stats_reset(device, only);
	else
		vdpa_stats(device, only);
}

static const struct command commands[] = {
	{ "vdpa list", cmd_list, "The vDPA devices there are, and where each is offered." },
	{ "vdpa attach DEVICE SOCKET [client|server]", cmd_attach,
		"Offer a device on a vhost-user socket: listen there, or connect to one that is there." },
	{ "vdpa detach DEVICE|SOCKET", cmd_detach, "Take a device's socket away." },
	{ "vdpa info [DEVICE]", cmd_info,
		"Queues and features of a device, or of all, its front end and what they agreed on." },
	{ "vdpa stats [DEVICE|QUEUE|reset [DEVICE|QUEUE [QUEUE]]]", cmd_stats,
		"Counters of a device or of all, of a queue or of all: 'vdpa stats [DEVICE] [QUEUE]'. "
		"With 'reset' before them they are set back to zero." },
	{ NULL },
};

const struct section section_vdpa = {
	"vdpa",
	"Offer vDPA devices on vhost-user sockets",
	commands,
};
