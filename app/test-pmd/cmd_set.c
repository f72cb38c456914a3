/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "cmd_ports.h"
#include "forward.h"
#include "frame.h"
#include "parse.h"
#include "session.h"
#include "settings.h"

static void
report(const char *problem)
{
	if (problem != NULL)
		printf("%s\n", problem);
}

static bool
forwarding(void)
{
	if (fwd_running())
		printf("Forwarding is running: 'stop' first\n");
	return fwd_running();
}

static void
cmd_set_fwd(const struct args *args)
{
	const char *problem;

	if (forwarding())
		return;
	problem = settings_engine(args->word[2]);
	report(problem);
	if (problem != NULL)
		return;
	config.retry = args->count > 3;
	printf("Set %s packet forwarding mode%s\n", config.engine->name,
		config.retry ? " with retry" : "");
}

static void
cmd_set_txpkts(const struct args *args)
{
	if (!forwarding())
		report(settings_txpkts(args->word[2]));
}

static void
cmd_set_burst(const struct args *args)
{
	const char *problem = settings_burst(args->word[2]);

	report(problem);
	if (problem == NULL)
		printf("Number of packets per burst set to %u\n", config.burst);
}

static void
cmd_set_retry(const struct args *args)
{
	uint64_t delay, count;

	if (parse_number(args->word[4], 0, 1000000, &delay) < 0 ||
		parse_number(args->word[6], 1, UINT32_MAX, &count) < 0) {
		printf("It is 'set burst tx delay MICROSECONDS retry COUNT'\n");
		return;
	}
	config.retry_delay = (uint32_t)delay;
	config.retry_count = (uint32_t)count;
}

static void
cmd_set_nbcore(const struct args *args)
{
	uint64_t cores;

	if (parse_number(args->word[2], 1, rte_lcore_count() - 1, &cores) < 0) {
		printf("nb_cores must be from 1 to %u: one lcore reads commands, "
		       "EAL's -l gives more\n",
			rte_lcore_count() - 1);
		return;
	}
	config.nb_cores = (uint32_t)cores;
	printf("Number of forwarding cores set to %u\n", config.nb_cores);
}

static void
cmd_set_nbport(const struct args *args)
{
	uint64_t ports;

	if (parse_number(args->word[2], 1, RTE_MAX_ETHPORTS, &ports) < 0) {
		printf("nbport takes a number of ports\n");
		return;
	}
	config.nb_ports = (uint32_t)ports;
	printf("Number of forwarding ports set to %u\n", config.nb_ports);
}

static void
cmd_set_portlist(const struct args *args)
{
	uint64_t mask;

	if (parse_list(args->word[2], &mask) < 0)
		printf("A port list is written like 0,2-3\n");
	else
		config.port_mask = mask;
}

static void
cmd_set_portmask(const struct args *args)
{
	uint64_t mask;

	if (parse_mask(args->word[2], &mask) < 0)
		printf("A port mask is a hexadecimal number, like 0x3 for ports 0 and 1\n");
	else
		config.port_mask = mask;
}

static void
set_cores(uint64_t mask)
{
	uint64_t usable = 0;
	unsigned int lcore;

	RTE_LCORE_FOREACH_WORKER(lcore) {
		if (lcore < 64)
			usable |= UINT64_C(1) << lcore;
	}
	if ((mask & ~usable) != 0) {
		printf("Lcore %d does not forward: 'show config cores' lists those that can\n",
			__builtin_ctzll(mask & ~usable));
		return;
	}
	config.core_mask = mask;
	config.nb_cores = (uint32_t)__builtin_popcountll(mask);
	printf("Number of forwarding cores set to %u\n", config.nb_cores);
}

static void
cmd_set_corelist(const struct args *args)
{
	uint64_t mask;

	if (parse_list(args->word[2], &mask) < 0)
		printf("A core list is written like 1,3-4\n");
	else
		set_cores(mask);
}

static void
cmd_set_coremask(const struct args *args)
{
	uint64_t mask;

	if (parse_mask(args->word[2], &mask) < 0)
		printf("A core mask is a hexadecimal number, like 0x6 for lcores 1 and 2\n");
	else
		set_cores(mask);
}

static void
cmd_set_peer(const struct args *args)
{
	int id = cmd_parse_port(args->word[2]);

	if (id >= 0 && parse_mac(args->word[3], &config.peer[id]) < 0)
		printf("'%s' is not an Ethernet address: six bytes, as in 02:00:00:00:00:01\n",
			args->word[3]);
}

static void
cmd_set_topology(const struct args *args)
{
	report(settings_topology(args->word[2]));
}

/* Calls of the device that only differ in what they do, by the words that choose them. */
static const struct action {
	const char *what, *how;
	int (*call)(uint16_t id);
} actions[] = {
	{ "promisc", "on", rte_eth_promiscuous_enable },
	{ "promisc", "off", rte_eth_promiscuous_disable },
	{ "allmulti", "on", rte_eth_allmulticast_enable },
	{ "allmulti", "off", rte_eth_allmulticast_disable },
	{ "link-up", "port", rte_eth_dev_set_link_up },
	{ "link-down", "port", rte_eth_dev_set_link_down },
};

static void
act_on(const char *what, const char *how, const char *port)
{
	uint16_t ids[RTE_MAX_ETHPORTS];
	unsigned int count = cmd_open_ports(port, ids);

	for (unsigned int i = 0; i < RTE_DIM(actions); i++) {
		if (strcmp(actions[i].what, what) != 0 || strcmp(actions[i].how, how) != 0)
			continue;
		for (unsigned int p = 0; p < count; p++) {
			int ret = actions[i].call(ids[p]);

			if (ret != 0)
				printf("Port %u: the device does not do 'set %s' (%s)\n", ids[p],
					what, rte_strerror(-ret));
		}
	}
}

static void
cmd_set_mode(const struct args *args)
{
	act_on(args->word[1], args->word[3], args->word[2]);
}

static void
cmd_set_link(const struct args *args)
{
	act_on(args->word[1], args->word[2], args->word[3]);
}

static void
cmd_set_verbose(const struct args *args)
{
	uint64_t level;
	uint16_t before = config.verbose;

	if (parse_number(args->word[2], 0, UINT16_MAX, &level) < 0) {
		printf("verbose takes 0 for silence, or 1 to have every frame printed\n");
		return;
	}
	ports_set_verbose((uint16_t)level);
	printf("Change verbose level from %u to %u\n", before, config.verbose);
}

static void
cmd_set_period(const struct args *args)
{
	uint64_t seconds;

	if (parse_number(args->word[2], 0, INT32_MAX, &seconds) < 0)
		printf("stats_period takes a number of seconds, 0 for never\n");
	else
		session_set_period((uint32_t)seconds);
}

static void
cmd_set_seq(const struct args *args)
{
	static const struct {
		const char *what;
		const char *(*set)(const char *word);
	} settings[] = {
		{ "count", settings_seq_count },
		{ "window", settings_seq_window },
		{ "size", settings_seq_size },
		{ "timeout", settings_seq_timeout },
	};

	if (forwarding())
		return;
	for (unsigned int i = 0; i < RTE_DIM(settings); i++) {
		if (strcmp(args->word[2], settings[i].what) == 0)
			report(settings[i].set(args->word[3]));
	}
}

static const struct command commands[] = {
	{ "set fwd ENGINE [retry]", cmd_set_fwd,
		"What is done with frames; with retry, those that a full queue refuses are offered again." },
	{ "set txpkts LENGTHS", cmd_set_txpkts,
		"Segment lengths of generated frames, in bytes: 64 or 64,1400." },
	{ "set burst COUNT", cmd_set_burst, "Frames in a burst, 1 to 512." },
	{ "set burst tx delay MICROSECONDS retry COUNT", cmd_set_retry,
		"How often, and how far apart, 'set fwd ENGINE retry' offers frames again." },
	{ "set seq count|window|size|timeout VALUE", cmd_set_seq,
		"Numbered frames of 'set fwd seq': how many (0 for no end), how many on their way at most, "
		"LENGTH or MIN-MAX bytes (0 for txpkts), milliseconds until they are lost." },
	{ "set nbcore COUNT", cmd_set_nbcore, "Lcores that forward." },
	{ "set corelist LIST", cmd_set_corelist, "Lcores that forward: 1,3-4." },
	{ "set coremask MASK", cmd_set_coremask, "Lcores that forward: 0x1a." },
	{ "set nbport COUNT", cmd_set_nbport, "Ports that forwarding uses, from the first on." },
	{ "set portlist LIST", cmd_set_portlist, "Ports that forwarding uses: 0,2-3." },
	{ "set portmask MASK", cmd_set_portmask, "Ports that forwarding uses: 0x3." },
	{ "set port-topology paired|chained|loop", cmd_set_topology,
		"Where frames go: to the port's neighbour, to the next port, or back." },
	{ "set eth-peer PORT MAC", cmd_set_peer,
		"The address that frames leaving a port are sent to." },
	{ "set promisc PORT|all on|off", cmd_set_mode,
		"Receive frames for every address, or for the port's own." },
	{ "set allmulti PORT|all on|off", cmd_set_mode,
		"Receive frames for every multicast address, or for none." },
	{ "set link-up port PORT", cmd_set_link, "Bring a port's link up." },
	{ "set link-down port PORT", cmd_set_link, "Take a port's link down." },
	{ "set verbose LEVEL", cmd_set_verbose,
		"Print every frame that is received or sent; 0 for none." },
	{ "set stats_period SECONDS", cmd_set_period,
		"Print a table of rates so often; 0 for never." },
	{ NULL },
};

const struct section section_config = {
	"config",
	"Set what is forwarded and how",
	commands,
};
