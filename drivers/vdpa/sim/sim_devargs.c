/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "sim_devargs.h"
#include "sim_log.h"

/** A parser takes one value, and says whether it was good. */
typedef bool (*parse_fn)(const char *value, struct sim_devargs *devargs);

static bool
parse_number(const char *value, unsigned long min, unsigned long max, uint16_t *number)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)value[0]))
		return false;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return false;
	*number = n;
	return true;
}

static bool
parse_queues(const char *value, struct sim_devargs *devargs)
{
	return parse_number(value, 1, SIM_PAIRS_MAX, &devargs->pairs);
}

static bool
parse_mtu(const char *value, struct sim_devargs *devargs)
{
	return parse_number(value, SIM_MTU_MIN, SIM_MTU_MAX, &devargs->mtu);
}

static bool
parse_mac(const char *value, struct sim_devargs *devargs)
{
	return rte_ether_unformat_addr(value, &devargs->mac) == 0 &&
		rte_is_valid_assigned_ether_addr(&devargs->mac);
}

/* Which of the two it is shows in the port; here only the word is checked. */
static bool
parse_mode(const char *value, struct sim_devargs *devargs)
{
	(void)devargs;
	return strcmp(value, "loop") == 0 || strcmp(value, "port") == 0;
}

static bool
parse_port(const char *value, struct sim_devargs *devargs)
{
	return rte_strscpy(devargs->port, value, sizeof(devargs->port)) > 0;
}

static bool
parse_notify(const char *value, struct sim_devargs *devargs)
{
	devargs->doorbells = strcmp(value, "doorbell") == 0;
	return devargs->doorbells || strcmp(value, "kick") == 0;
}

static bool
parse_fail(const char *value, struct sim_devargs *devargs)
{
	static const char *const ops[] = {
#define FAIL_NAME(op) [SIM_FAIL_##op] = #op,
		SIM_FAIL_OPS(FAIL_NAME)
#undef FAIL_NAME
	};

	for (unsigned int i = 0; i < RTE_DIM(ops); i++) {
		if (strcmp(value, ops[i]) == 0) {
			devargs->fail |= UINT32_C(1) << i;
			return true;
		}
	}
	return false;
}

#define FAIL_WORD(op) " " #op

static const struct {
	const char *key;
	parse_fn parse;
	const char *expected;
	bool repeats; /**< may be given more than once */
} keys[] = {
	{ "queues", parse_queues, "a number of queue pairs from 1 to " RTE_STR(SIM_PAIRS_MAX) },
	{ "mode", parse_mode, "loop or port" },
	{ "port", parse_port, "the name of an ethdev" },
	{ "mac", parse_mac, "a unicast Ethernet address xx:xx:xx:xx:xx:xx" },
	{ "mtu", parse_mtu, "a number of bytes from 68 to " RTE_STR(SIM_MTU_MAX) },
	{ "notify", parse_notify, "kick or doorbell" },
	{ "fail", parse_fail, "one of" SIM_FAIL_OPS(FAIL_WORD), .repeats = true },
};

static int
parse_pair(const char *name, const struct rte_kvargs *kvlist, const struct rte_kvargs_pair *pair,
	struct sim_devargs *devargs)
{
	const char *value = pair->value != NULL ? pair->value : "";

	for (size_t i = 0; i < RTE_DIM(keys); i++) {
		if (strcmp(pair->key, keys[i].key) != 0)
			continue;
		if (!keys[i].repeats && rte_kvargs_count(kvlist, pair->key) > 1) {
			SIM_LOG(ERR, "%s: argument '%s' is given more than once", name, pair->key);
			return -EINVAL;
		}
		if (!keys[i].parse(value, devargs)) {
			SIM_LOG(ERR, "%s: '%s=%s': expected %s", name, pair->key, value,
				keys[i].expected);
			return -EINVAL;
		}
		return 0;
	}
	SIM_LOG(ERR, "%s: unknown argument '%s'; known are " SIM_DEVARGS_SYNTAX, name, pair->key);
	return -EINVAL;
}

/** Is what each argument says good together? */
static int
check(const char *name, const char *mode, const struct sim_devargs *devargs)
{
	const bool port = devargs->port[0] != '\0';

	if (mode != NULL && strcmp(mode, "port") == 0 && !port) {
		SIM_LOG(ERR, "%s: 'mode=port' needs 'port=' with the name of an ethdev", name);
		return -EINVAL;
	}
	if (mode != NULL && strcmp(mode, "loop") == 0 && port) {
		SIM_LOG(ERR, "%s: 'port=%s' contradicts 'mode=loop'", name, devargs->port);
		return -EINVAL;
	}
	return 0;
}

int
sim_devargs_parse(const char *name, const char *args, struct sim_devargs *devargs)
{
	struct rte_kvargs *kvlist;
	int ret = 0;

	*devargs = (struct sim_devargs){
		.pairs = 1,
		.mtu = RTE_ETHER_MTU,
	};
	rte_eth_random_addr(devargs->mac.addr_bytes);
	if (args == NULL || args[0] == '\0')
		return 0;

	kvlist = rte_kvargs_parse(args, NULL);
	if (kvlist == NULL) {
		SIM_LOG(ERR, "%s: cannot read the arguments '%s'; expected key=value,...", name,
			args);
		return -EINVAL;
	}
	for (unsigned int i = 0; ret == 0 && i < kvlist->count; i++)
		ret = parse_pair(name, kvlist, &kvlist->pairs[i], devargs);
	if (ret == 0)
		ret = check(name, rte_kvargs_get(kvlist, "mode"), devargs);
	rte_kvargs_free(kvlist);
	return ret;
}
