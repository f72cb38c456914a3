/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "cmd_ports.h"
#include "forward.h"
#include "parse.h"
#include "port_show.h"
#include "seq_stats.h"
#include "stats.h"
#include "stats_json.h"

static void
cmd_show_port(const struct args *args)
{
	static const struct {
		const char *what;
		void (*show)(uint16_t id);
	} shows[] = {
		{ "info", port_show_info },
		{ "stats", stats_port_show },
		{ "xstats", stats_port_show_xstats },
		{ "summary", port_show_summary },
	};

	uint16_t ids[RTE_MAX_ETHPORTS];
	unsigned int count = cmd_open_ports(args->word[3], ids);

	if (count != 0 && strcmp(args->word[2], "summary") == 0)
		port_show_summary_header();
	for (unsigned int i = 0; i < RTE_DIM(shows); i++) {
		for (unsigned int p = 0; strcmp(args->word[2], shows[i].what) == 0 && p < count;
			p++)
			shows[i].show(ids[p]);
	}
}

static void
cmd_show_queue(const struct args *args)
{
	int id = cmd_parse_port(args->word[3]);
	uint64_t queue;

	if (id < 0)
		return;
	if (parse_number(args->word[4], 0, UINT16_MAX, &queue) < 0)
		printf("'%s' is not a queue: a number from 0 on\n", args->word[4]);
	else
		port_show_queue((uint16_t)id, strcmp(args->word[1], "rxq") == 0, (uint16_t)queue);
}

static void
cmd_clear_port(const struct args *args)
{
	bool extended = strcmp(args->word[2], "xstats") == 0;
	uint16_t ids[RTE_MAX_ETHPORTS];
	unsigned int count = cmd_open_ports(args->word[3], ids);

	for (unsigned int p = 0; p < count; p++) {
		if (extended)
			stats_port_clear_xstats(ids[p]);
		else
			stats_port_clear(ids[p]);
	}
}

static void
cmd_show_fwd(const struct args *args)
{
	RTE_SET_USED(args);
	stats_fwd_show();
}

static void
cmd_show_seq(const struct args *args)
{
	RTE_SET_USED(args);
	seq_stats_show();
}

static void
cmd_show_period(const struct args *args)
{
	RTE_SET_USED(args);
	stats_period_show();
}

static void
cmd_show_json(const struct args *args)
{
	RTE_SET_USED(args);
	stats_json_write(stdout);
}

static void
cmd_clear_fwd(const struct args *args)
{
	RTE_SET_USED(args);
	stats_fwd_clear();
}

static void
show_cores(void)
{
	unsigned int lcore;

	printf("Lcores that can forward:");
	RTE_LCORE_FOREACH_WORKER(lcore)
		printf(" %u", lcore);
	printf("\n");
	printf("Number of forwarding cores: %u\n", config.nb_cores);
}

static void
show_txpkts(void)
{
	printf("Number of segments: %u\nSegment sizes:", config.tx_segments);
	for (unsigned int i = 0; i < config.tx_segments; i++)
		printf(" %u", config.tx_lengths[i]);
	printf("\nFrame length: %u\n", config_tx_length());
}

static void
show_rxtx(void)
{
	printf("  %s packet forwarding packets/burst=%u\n", config.engine->name, config.burst);
	FOREACH_PORT(id) {
		const struct port *port = port_find(id);

		printf("  port %u: %s: RX queues=%u desc=%u Tx queues=%u desc=%u\n", id,
			port->started ? "started" : "stopped", port->rxq, port->rxd, port->txq,
			port->txd);
	}
}

static void
cmd_show_config(const struct args *args)
{
	static const struct {
		const char *what;
		void (*show)(void);
	} shows[] = {
		{ "fwd", fwd_show_config },
		{ "cores", show_cores },
		{ "rxtx", show_rxtx },
		{ "txpkts", show_txpkts },
	};

	for (unsigned int i = 0; i < RTE_DIM(shows); i++) {
		if (strcmp(args->word[2], shows[i].what) == 0)
			shows[i].show();
	}
}

static const struct command commands[] = {
	{ "show port info|stats|xstats|summary PORT|all", cmd_show_port,
		"What ports are, and what their devices have counted." },
	{ "show rxq|txq info PORT QUEUE", cmd_show_queue,
		"How a receive or transmit queue was set up." },
	{ "clear port stats|xstats PORT|all", cmd_clear_port,
		"Set what devices have counted back to zero." },
	{ "show fwd stats all", cmd_show_fwd,
		"What forwarding has done since it was started, or until it was stopped." },
	{ "clear fwd stats all", cmd_clear_fwd, "Set what forwarding has counted back to zero." },
	{ "show seq stats", cmd_show_seq,
		"What the engines for numbered frames have found: lost, repeated, reordered, corrupt." },
	{ "show period", cmd_show_period,
		"The table of rates since the last one, as 'set stats_period' has it come." },
	{ "show stats json", cmd_show_json,
		"All counters as one line of JSON: ports, streams, numbered frames, vDPA devices." },
	{ "show config fwd|cores|rxtx|txpkts", cmd_show_config,
		"What forwarding would do, on which cores, and with which queues and frames." },
	{ NULL },
};

const struct section section_display = {
	"display",
	"Show and clear counters, show settings",
	commands,
};
