/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "cmd_ports.h"
#include "parse.h"

static const struct {
	const char *name;
	uint64_t offload;
} layers[] = {
	{ "ip", RTE_ETH_TX_OFFLOAD_IPV4_CKSUM },
	{ "udp", RTE_ETH_TX_OFFLOAD_UDP_CKSUM },
	{ "tcp", RTE_ETH_TX_OFFLOAD_TCP_CKSUM },
};

/* A stopped port that is there; NULL after a line on what is wrong. */
static struct port *
stopped_port(const char *word)
{
	int id = cmd_parse_port(word);
	struct port *port = id >= 0 ? port_find((uint16_t)id) : NULL;

	if (port != NULL && port->started) {
		printf("Port %d is started: 'port stop %d' first\n", id, id);
		return NULL;
	}
	return port;
}

static void
show_csum(const char *word, const struct port *port)
{
	for (unsigned int i = 0; i < RTE_DIM(layers); i++)
		printf("Port %s: %s checksums: %s\n", word, layers[i].name,
			(port->csum_hw & layers[i].offload) != 0 ? "hw" : "sw");
}

static void
cmd_csum_set(const struct args *args)
{
	struct port *port = stopped_port(args->word[4]);

	if (port == NULL)
		return;
	for (unsigned int i = 0; i < RTE_DIM(layers); i++) {
		if (strcmp(args->word[2], layers[i].name) != 0)
			continue;
		port->csum_hw &= ~layers[i].offload;
		if (strcmp(args->word[3], "hw") != 0)
			continue;
		if ((port->info.tx_offload_capa & layers[i].offload) != 0)
			port->csum_hw |= layers[i].offload;
		else
			printf("Port %s: the device computes no %s checksums\n", args->word[4],
				layers[i].name);
	}
	show_csum(args->word[4], port);
}

static void
cmd_csum_show(const struct args *args)
{
	int id = cmd_parse_port(args->word[2]);

	if (id >= 0)
		show_csum(args->word[2], port_find((uint16_t)id));
}

static void
cmd_tso_set(const struct args *args)
{
	struct port *port = stopped_port(args->word[3]);
	uint64_t size;

	if (port == NULL)
		return;
	if (parse_number(args->word[2], 0, UINT16_MAX, &size) < 0) {
		printf("'%s' is not a segment size: bytes of TCP payload, 0 for no segmentation\n",
			args->word[2]);
		return;
	}
	if (size != 0 && (port->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) == 0) {
		printf("Port %s: the device does not segment TCP\n", args->word[3]);
		return;
	}
	port->tso_segsz = (uint16_t)size;
}

static void
cmd_tso_show(const struct args *args)
{
	int id = cmd_parse_port(args->word[2]);

	if (id < 0)
		return;
	if (port_find((uint16_t)id)->tso_segsz == 0)
		printf("TSO is disabled on port %s\n", args->word[2]);
	else
		printf("TSO segment size is %u on port %s\n", port_find((uint16_t)id)->tso_segsz,
			args->word[2]);
}

static const struct command commands[] = {
	{ "csum set ip|udp|tcp hw|sw PORT", cmd_csum_set,
		"Who computes checksums of what 'set fwd csum' transmits: the device, or we." },
	{ "csum show PORT", cmd_csum_show, "Who computes which checksums." },
	{ "tso set SIZE PORT", cmd_tso_set,
		"Have the device cut TCP segments with more payload than that; 0 for never." },
	{ "tso show PORT", cmd_tso_show, "The size that TCP segments are cut to." },
	{ NULL },
};

const struct section section_csum = {
	"csum",
	"Checksums and segmentation of the csum engine",
	commands,
};
