/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "cmd_ports.h"
#include "forward.h"
#include "parse.h"

void
cmd_list_ports(void)
{
	printf("The valid ports array is [");
	FOREACH_PORT(id)
		printf(" %u", id);
	printf(" ]\n");
}

int
cmd_parse_port(const char *word)
{
	uint64_t id;

	if (parse_number(word, 0, RTE_MAX_ETHPORTS - 1, &id) < 0 ||
		port_find((uint16_t)id) == NULL) {
		printf("Invalid port %s\n", word);
		cmd_list_ports();
		return -1;
	}
	return (int)id;
}

int
cmd_for_ports(const char *word, int (*function)(uint16_t))
{
	int id, ret = 0;

	if (strcmp(word, "all") != 0) {
		id = cmd_parse_port(word);
		return id < 0 ? -1 : function((uint16_t)id);
	}
	FOREACH_PORT(port)
		ret |= function(port);
	return ret;
}

unsigned int
cmd_open_ports(const char *word, uint16_t *ids)
{
	bool all = strcmp(word, "all") == 0;
	int only = all ? -1 : cmd_parse_port(word);
	unsigned int count = 0;

	if (!all && only < 0)
		return 0;
	FOREACH_PORT(id) {
		if ((all || id == only) && !port_find(id)->closed)
			ids[count++] = id;
	}
	if (count == 0)
		printf(all ? "There is no open port\n" : "Port %s is closed\n", word);
	return count;
}

static void
cmd_port_start(const struct args *args)
{
	if (cmd_for_ports(args->word[2], port_start) == 0)
		printf("Done\n");
}

static void
cmd_port_stop(const struct args *args)
{
	printf("Stopping ports...\n");
	if (cmd_for_ports(args->word[2], port_stop) == 0)
		printf("Done\n");
}

static void
cmd_port_close(const struct args *args)
{
	printf("Closing ports...\n");
	if (cmd_for_ports(args->word[2], port_close) == 0)
		printf("Done\n");
}

static int
port_reset(uint16_t id)
{
	int ret;

	if (port_find(id)->started) {
		printf("Port %u is started: 'port stop %u' first\n", id, id);
		return -1;
	}
	ret = rte_eth_dev_reset(id);
	if (ret != 0)
		printf("Port %u: the device does not reset (%s)\n", id, rte_strerror(-ret));
	return ret;
}

static void
cmd_port_reset(const struct args *args)
{
	if (cmd_for_ports(args->word[2], port_reset) == 0)
		printf("Done\n");
}

static void
cmd_port_attach(const struct args *args)
{
	port_attach(args->word[2]);
}

static void
cmd_port_detach(const struct args *args)
{
	uint64_t number;
	int id;

	printf("Removing a device...\n");
	if (parse_number(args->word[2], 0, UINT16_MAX, &number) < 0) {
		if (port_detach_device(args->word[2]) == 0)
			printf("Done\n");
		return;
	}
	id = cmd_parse_port(args->word[2]);
	if (id >= 0 && port_detach((uint16_t)id) == 0)
		printf("Done\n");
}

/* What 'port config all' sets, and within which bounds. */
static const struct {
	const char *name;
	uint16_t *value;
	uint64_t min, max;
} settings[] = {
	{ "rxq", &config.rxq, 1, QUEUES_MAX },
	{ "txq", &config.txq, 1, QUEUES_MAX },
	{ "rxd", &config.rxd, 0, UINT16_MAX },
	{ "txd", &config.txd, 0, UINT16_MAX },
};

static void
cmd_port_config(const struct args *args)
{
	uint64_t value;

	FOREACH_PORT(id) {
		if (port_find(id)->started) {
			printf("Port %u is started: 'port stop all' first\n", id);
			return;
		}
	}
	for (unsigned int i = 0; i < RTE_DIM(settings); i++) {
		if (strcmp(args->word[3], settings[i].name) != 0)
			continue;
		if (parse_number(args->word[4], settings[i].min, settings[i].max, &value) < 0)
			printf("%s takes a number from %" PRIu64 " to %" PRIu64 "\n",
				settings[i].name, settings[i].min, settings[i].max);
		else
			*settings[i].value = (uint16_t)value;
	}
}

static void
cmd_port_mtu(const struct args *args)
{
	int id = cmd_parse_port(args->word[3]), ret;
	uint64_t mtu;

	if (id < 0)
		return;
	if (parse_number(args->word[4], 1, UINT16_MAX, &mtu) < 0) {
		printf("'%s' is not an MTU: a number of bytes up to 65535\n", args->word[4]);
		return;
	}
	ret = rte_eth_dev_set_mtu((uint16_t)id, (uint16_t)mtu);
	if (ret != 0)
		printf("Port %d: the device refuses MTU %u (%s)\n", id, (unsigned int)mtu,
			rte_strerror(-ret));
}

static void
cmd_mac_set(const struct args *args)
{
	int id = cmd_parse_port(args->word[2]), ret;
	struct rte_ether_addr mac;

	if (id < 0)
		return;
	if (parse_mac(args->word[3], &mac) < 0) {
		printf("'%s' is not an Ethernet address: six bytes, as in 02:00:00:00:00:01\n",
			args->word[3]);
		return;
	}
	ret = rte_eth_dev_default_mac_addr_set((uint16_t)id, &mac);
	if (ret != 0)
		printf("Port %d: the device refuses that address (%s)\n", id, rte_strerror(-ret));
	else
		port_find((uint16_t)id)->mac = mac;
}

static const struct command commands[] = {
	{ "port start PORT|all", cmd_port_start, "Configure and start ports." },
	{ "port stop PORT|all", cmd_port_stop, "Stop ports; forwarding must not use them." },
	{ "port close PORT|all", cmd_port_close,
		"Close stopped ports; their devices stay until 'port detach'." },
	{ "port reset PORT|all", cmd_port_reset, "Reset the devices of stopped ports." },
	{ "port attach DEVARGS", cmd_port_attach,
		"Add a device, written as after EAL's --vdev or -a: net_tap0,iface=tap0 or 0000:03:00.0." },
	{ "port detach PORT|NAME", cmd_port_detach,
		"Remove a device, by a port of it or by its name; its ports must be stopped." },
	{ "port config all rxq|txq|rxd|txd VALUE", cmd_port_config,
		"Queues and descriptors that ports have from their next start on." },
	{ "port config mtu PORT VALUE", cmd_port_mtu, "Set a port's MTU." },
	{ "mac_addr set PORT MAC", cmd_mac_set, "Give a port another Ethernet address." },
	{ NULL },
};

const struct section section_ports = {
	"ports",
	"Start, stop, attach and detach ports",
	commands,
};
