/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "config.h"
#include "parse.h"
#include "settings.h"

enum kind {
	KIND_ON,  /* a bool becomes true */
	KIND_OFF, /* a bool becomes false */
	KIND_U16,
	KIND_U32,
	KIND_U64,
	KIND_MASK,    /* hexadecimal, in 64 bits */
	KIND_TEXT,    /* the argument itself */
	KIND_CALL,    /* a function reads the argument */
	KIND_IGNORED, /* of testpmd's, without a meaning here */
	KIND_HELP,
};

struct option_row {
	const char *name;
	const char *argument; /* how the help calls it; NULL takes none */
	enum kind kind;
	char letter;
	void *target;
	uint64_t min, max;
	const char *(*call)(const char *word); /* NULL, or what is wrong */
	const char *help;
};

static const char *
set_vdpa(const char *word)
{
	if (strchr(word, '=') == NULL)
		return "it is DEVICE=SOCKET[,client|,server]";
	if (config.vdpa_count == VDPA_OPTIONS_MAX)
		return "there are too many of them";
	config.vdpa[config.vdpa_count++] = word;
	return NULL;
}

static const char *
set_eth_peer(const char *word)
{
	const char *comma = strchr(word, ',');
	uint64_t port;
	char number[8];

	if (comma == NULL || comma - word >= (int)sizeof(number))
		return "it is PORT,XX:XX:XX:XX:XX:XX";
	snprintf(number, sizeof(number), "%.*s", (int)(comma - word), word);
	if (parse_number(number, 0, RTE_MAX_ETHPORTS - 1, &port) < 0 ||
		parse_mac(comma + 1, &config.peer[port]) < 0)
		return "it is PORT,XX:XX:XX:XX:XX:XX";
	return NULL;
}

static const char *
set_portlist(const char *word)
{
	return parse_list(word, &config.port_mask) < 0 ? "it is a list of ports, like 0,2-3" : NULL;
}

static const char *
set_tx_ip(const char *word)
{
	return parse_ip_pair(word, &config.tx_ip_src, &config.tx_ip_dst) < 0 ?
		"it is SOURCE,DESTINATION, two IPv4 addresses" :
		NULL;
}

static const char *
set_tx_udp(const char *word)
{
	uint16_t ports[2];
	unsigned int count = 2;

	if (parse_lengths(word, ports, &count) < 0)
		return "it is SOURCE[,DESTINATION], ports from 1 to 65535";
	config.tx_udp_src = ports[0];
	config.tx_udp_dst = ports[count - 1];
	return NULL;
}

/* The default a bool has is in config_init(). */
static const struct option_row rows[] = {
	{ "interactive", NULL, KIND_ON, 'i', &config.interactive,
		.help = "read commands from standard input" },
	{ "auto-start", NULL, KIND_ON, 'a', &config.auto_start,
		.help = "start forwarding before the first command; always so without -i" },
	{ "tx-first", NULL, KIND_ON, 0, &config.tx_first,
		.help = "each stream sends a burst before forwarding starts" },
	{ "cmdline-file", "FILE", KIND_TEXT, 0, &config.cmdline_file,
		.help = "run the commands in a file first" },
	{ "stats-period", "SECONDS", KIND_U32, 0, &config.stats_period, 0, INT32_MAX,
		.help = "print a table of rates so often" },
	{ "stats-json", "FILE", KIND_TEXT, 0, &config.stats_json,
		.help = "write all counters as a line of JSON every --stats-period, and at the end" },
	{ "nb-cores", "N", KIND_U32, 0, &config.nb_cores, 1, RTE_MAX_LCORE,
		.help = "lcores that forward (default 1)" },
	{ "coremask", "MASK", KIND_MASK, 0, &config.core_mask,
		.help = "which lcores those may be" },
	{ "max-sleep", "MICROSECONDS", KIND_U32, 0, &config.max_sleep, 0, MAX_SLEEP_US,
		.help = "a forwarding lcore without work sleeps, so long at most (default 0: it polls)" },
	{ "num-procs", "N", KIND_U16, 0, &config.num_procs, 1, QUEUES_MAX,
		.help = "processes among which the queues of each port are divided (default 1)" },
	{ "proc-id", "N", KIND_U16, 0, &config.proc_id, 0, QUEUES_MAX - 1,
		.help = "which of them this one is, from 0 on (default 0)" },
	{ "nb-ports", "N", KIND_U32, 0, &config.nb_ports, 1, RTE_MAX_ETHPORTS,
		.help = "ports that forward, from the first on (default all)" },
	{ "portmask", "MASK", KIND_MASK, 0, &config.port_mask, .help = "which ports those may be" },
	{ "portlist", "LIST", KIND_CALL, 0, .call = set_portlist,
		.help = "the same as a list: 0,2-3" },
	{ "port-topology", "paired|chained|loop", KIND_CALL, 0, .call = settings_topology,
		.help = "where a port's frames go: to its neighbour (default), to the next port, back" },
	{ "forward-mode", "MODE", KIND_CALL, 0, .call = settings_engine,
		.help = "what is done with frames (default io); 'help set fwd' lists the modes" },
	{ "rxq", "N", KIND_U16, 0, &config.rxq, 1, QUEUES_MAX,
		.help = "receive queues of each port (default 1)" },
	{ "txq", "N", KIND_U16, 0, &config.txq, 1, QUEUES_MAX,
		.help = "transmit queues of each port (default 1)" },
	{ "rxd", "N", KIND_U16, 0, &config.rxd, 1, UINT16_MAX,
		.help = "descriptors of each receive queue (default: as the driver prefers)" },
	{ "txd", "N", KIND_U16, 0, &config.txd, 1, UINT16_MAX,
		.help = "descriptors of each transmit queue (default: as the driver prefers)" },
	{ "burst", "N", KIND_CALL, 0, .call = settings_burst,
		.help = "frames in a burst (default 32)" },
	{ "txpkts", "LENGTHS", KIND_TEXT, 0, &config.txpkts,
		.help = "segment lengths of generated frames: 64,1400 (default 64)" },
	{ "tx-ip", "SRC,DST", KIND_CALL, 0, .call = set_tx_ip,
		.help = "IPv4 addresses of generated frames (default 198.18.0.1,198.18.0.2)" },
	{ "tx-udp", "SRC[,DST]", KIND_CALL, 0, .call = set_tx_udp,
		.help = "UDP ports of generated frames (default 9)" },
	{ "flowgen-flows", "N", KIND_U32, 0, &config.flowgen_flows, 1, INT32_MAX,
		.help = "flows that flowgen sends frames of (default 1024)" },
	{ "eth-peer", "PORT,MAC", KIND_CALL, 0, .call = set_eth_peer,
		.help = "the address that frames leaving a port are sent to (default 02:00:00:00:00:PORT)" },
	{ "total-num-mbufs", "N", KIND_U32, 0, &config.total_mbufs, 1024, UINT32_MAX / 2,
		.help = "mbufs of each pool; there is a pool for each socket with a port "
			"(default: what queues need, 16384 or more, as far as memory goes)" },
	{ "mbuf-size", "BYTES", KIND_U32, 0, &config.mbuf_size, RTE_PKTMBUF_HEADROOM + 128,
		UINT16_MAX, .help = "data room of an mbuf, headroom included (default 2176)" },
	{ "mbcache", "N", KIND_U32, 0, &config.mbuf_cache, 0, RTE_MEMPOOL_CACHE_MAX_SIZE,
		.help = "mbufs that an lcore keeps to itself (default 250)" },
	{ "max-pkt-len", "BYTES", KIND_U32, 0, &config.max_pkt_len, RTE_ETHER_MIN_LEN, UINT32_MAX,
		.help = "longest frame to receive: sets the MTU, and scatters when an mbuf is shorter" },
	{ "enable-scatter", NULL, KIND_ON, 0, &config.scatter,
		.help = "receive into several mbufs" },
	{ "enable-lro", NULL, KIND_ON, 0, &config.lro, .help = "receive coalesced TCP segments" },
	{ "enable-rx-cksum", NULL, KIND_ON, 0, &config.rx_cksum,
		.help = "have checksums of received frames checked by the device" },
	{ "tx-offloads", "MASK", KIND_MASK, 0, &config.tx_offloads,
		.help = "transmit offloads to enable, RTE_ETH_TX_OFFLOAD_* bits" },
	{ "rx-offloads", "MASK", KIND_MASK, 0, &config.rx_offloads,
		.help = "receive offloads to enable, RTE_ETH_RX_OFFLOAD_* bits" },
	{ "no-lsc-interrupt", NULL, KIND_OFF, 0, &config.lsc_interrupt,
		.help = "do not have the device tell of link changes" },
	{ "no-rmv-interrupt", NULL, KIND_OFF, 0, &config.rmv_interrupt,
		.help = "do not have the device tell of its removal" },
	{ "hot-plug", NULL, KIND_ON, 0, &config.hot_plug,
		.help = "survive that devices are pulled out of the machine, and close their ports" },
	{ "disable-device-start", NULL, KIND_OFF, 0, &config.device_start,
		.help = "leave the ports stopped" },
	{ "no-flush-rx", NULL, KIND_OFF, 0, &config.flush_rx,
		.help = "forward what was received before the start, too" },
	{ "vdpa", "DEVICE=SOCKET[,client|,server]", KIND_CALL, 0, .call = set_vdpa,
		.help = "offer a vDPA device on a vhost-user socket; may be repeated" },
	{ "seq-count", "N", KIND_CALL, 0, .call = settings_seq_count,
		.help = "numbered frames that each stream sends or awaits; then forwarding stops (default: no end)" },
	{ "seq-window", "N", KIND_CALL, 0, .call = settings_seq_window,
		.help = "numbered frames that a stream has on their way at most (default 64)" },
	{ "seq-size", "LENGTH|MIN-MAX", KIND_CALL, 0, .call = settings_seq_size,
		.help = "lengths of numbered frames, in bytes; without it, what --txpkts say" },
	{ "seq-timeout", "MS", KIND_CALL, 0, .call = settings_seq_timeout,
		.help = "milliseconds without an arrival, after which numbered frames are lost (default 1000)" },
	{ "numa", NULL, KIND_IGNORED, .help = "taken for testpmd's sake: always so" },
	{ "no-numa", NULL, KIND_IGNORED, .help = "taken for testpmd's sake, without effect" },
	{ "mlockall", NULL, KIND_IGNORED, .help = "taken for testpmd's sake, without effect" },
	{ "no-mlockall", NULL, KIND_IGNORED, .help = "taken for testpmd's sake: always so" },
	{ "disable-link-check", NULL, KIND_IGNORED, .help = "taken for testpmd's sake: always so" },
	{ "help", NULL, KIND_HELP, 'h', .help = "show this, and leave" },
};

static int
option_wrong(const struct option_row *row, const char *word, const char *problem)
{
	fprintf(stderr, "Option --%s: '%s': %s\n", row->name, word, problem);
	return -1;
}

static int
set_number(const struct option_row *row, const char *word)
{
	uint64_t value;
	char problem[96];

	if (parse_number(word, row->min, row->max, &value) < 0) {
		snprintf(problem, sizeof(problem), "it takes a number from %" PRIu64 " to %" PRIu64,
			row->min, row->max);
		return option_wrong(row, word, problem);
	}
	if (row->kind == KIND_U16)
		*(uint16_t *)row->target = (uint16_t)value;
	else if (row->kind == KIND_U32)
		*(uint32_t *)row->target = (uint32_t)value;
	else
		*(uint64_t *)row->target = value;
	return 0;
}

static int
set_option(const struct option_row *row, const char *word, bool *help)
{
	const char *problem = NULL;

	switch (row->kind) {
	case KIND_ON:
	case KIND_OFF:
		*(bool *)row->target = row->kind == KIND_ON;
		break;
	case KIND_U16:
	case KIND_U32:
	case KIND_U64:
		return set_number(row, word);
	case KIND_MASK:
		if (parse_mask(word, row->target) < 0)
			problem = "it takes a hexadecimal mask that is not zero, like 0x3";
		break;
	case KIND_TEXT:
		*(const char **)row->target = word;
		break;
	case KIND_CALL:
		problem = row->call(word);
		break;
	case KIND_HELP:
		*help = true;
		break;
	case KIND_IGNORED:
		break;
	}
	return problem != NULL ? option_wrong(row, word, problem) : 0;
}

/* What getopt_long() made '?' or ':' of. */
static int
option_unknown(const char *word)
{
	const char *names[RTE_DIM(rows)], *nearest;
	char name[64];

	for (unsigned int i = 0; i < RTE_DIM(rows); i++)
		names[i] = rows[i].name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word + strspn(word, "-"));
	name[strcspn(name, "=")] = '\0';
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		if (rows[i].argument == NULL)
			fprintf(stderr, "Option --%s takes no value\n", name);
		else
			fprintf(stderr, "Option --%s lacks its value: --%s=%s\n", name, name,
				rows[i].argument);
		return -1;
	}
	nearest = parse_nearest(name, names, RTE_DIM(rows));
	if (nearest != NULL)
		fprintf(stderr, "Unknown option %s: is --%s meant? --help lists them all\n", word,
			nearest);
	else
		fprintf(stderr, "Unknown option %s: --help lists them all\n", word);
	return -1;
}

static int
set_txpkts(void)
{
	const char *problem;

	/* After the others: whether segments fit depends on --mbuf-size. */
	problem = config.txpkts != NULL ? settings_txpkts(config.txpkts) : NULL;
	if (problem == NULL)
		return 0;
	fprintf(stderr, "Option --txpkts: %s\n", problem);
	return -1;
}

int
options_parse(int argc, char **argv, bool *help)
{
	struct option options[RTE_DIM(rows) + 1] = { 0 };
	char letters[2 * RTE_DIM(rows) + 2] = ":";
	int index, letter;

	*help = false;
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		char one[2] = { rows[i].letter };

		options[i].name = rows[i].name;
		options[i].has_arg = rows[i].argument != NULL ? required_argument : no_argument;
		strcat(letters, one);
	}
	opterr = 0;
	/* 0 makes glibc forget an earlier scan, which EAL or a test has made. */
	optind = 0;
	while (index = -1, (letter = getopt_long(argc, argv, letters, options, &index)) != -1) {
		for (unsigned int i = 0; letter != 0 && i < RTE_DIM(rows); i++) {
			if (letter == rows[i].letter)
				index = (int)i;
		}
		if (letter == '?' || letter == ':' || index < 0)
			return option_unknown(argv[optind - 1]);
		if (set_option(&rows[index], optarg, help) < 0)
			return -1;
	}
	if (optind < argc) {
		fprintf(stderr, "'%s' is no option: values follow their option, as in --rxq 2\n",
			argv[optind]);
		return -1;
	}
	return set_txpkts();
}

int
options_check(void)
{
	unsigned int workers = rte_lcore_count() - 1;

	if (config.proc_id >= config.num_procs) {
		fprintf(stderr, "Option --proc-id: %u is not below the %u of --num-procs\n",
			config.proc_id, config.num_procs);
		return -1;
	}
	if (workers == 0) {
		config.nb_cores = 0;
		return 0;
	}
	if (config.nb_cores > workers) {
		fprintf(stderr,
			"Option --nb-cores: %u, but beside the first lcore, which reads "
			"commands, EAL has only %u: give it more with -l\n",
			config.nb_cores, workers);
		return -1;
	}
	return 0;
}

void
options_help(const char *program)
{
	printf("\nUsage: %s [EAL options] -- [options]\n\n", program);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		const struct option_row *row = &rows[i];
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter != 0 ? '-' : ' ',
			row->letter != 0 ? row->letter : ' ', row->letter != 0 ? ", " : "  ",
			row->name, row->argument != NULL ? "=" : "",
			row->argument != NULL ? row->argument : "");
		printf(strlen(left) <= 30 ? "  %-30s %s\n" : "  %s\n%33s%s\n", left,
			strlen(left) <= 30 ? row->help : "", row->help);
	}
}
