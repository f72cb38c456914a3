/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_kvargs.h>

#include "device.h"
#include "log.h"
#include "user_args.h"

struct argument;

/* Store a value; returns what it should have been, or NULL if it was that. */
typedef const char *(*parse_fn)(const struct argument *arg, const char *value, void *field);

struct argument {
	const char *name;
	parse_fn parse;
	size_t field;
	uint64_t min;
	uint64_t max;
	const char *expected;
};

static bool
parse_uint(const char *value, uint64_t *number)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(value, &end, 0);
	return errno == 0 && *end == '\0';
}

static const char *
parse_bool(const struct argument *arg, const char *value, void *field)
{
	uint64_t n;

	if (!parse_uint(value, &n) || n > 1)
		return arg->expected;
	*(bool *)field = n;
	return NULL;
}

static const char *
parse_u16(const struct argument *arg, const char *value, void *field)
{
	uint64_t n;

	if (!parse_uint(value, &n) || n < arg->min || n > arg->max)
		return arg->expected;
	*(uint16_t *)field = (uint16_t)n;
	return NULL;
}

static const char *
parse_speed(const struct argument *arg, const char *value, void *field)
{
	uint64_t n;

	if (!parse_uint(value, &n) || n > UINT32_MAX ||
		rte_eth_speed_bitflag((uint32_t)n, RTE_ETH_LINK_FULL_DUPLEX) == 0)
		return arg->expected;
	*(uint32_t *)field = (uint32_t)n;
	return NULL;
}

static const char *
parse_path(const struct argument *arg, const char *value, void *field)
{
	const size_t len = strlen(value);

	if (len == 0 || len >= sizeof(((struct virtio_user_args *)0)->path))
		return arg->expected;
	memcpy(field, value, len + 1);
	return NULL;
}

static const char *
parse_mac(const struct argument *arg, const char *value, void *field)
{
	struct virtio_user_args *args = container_of(field, struct virtio_user_args, mac);

	if (rte_ether_unformat_addr(value, &args->mac) < 0 ||
		!rte_is_valid_assigned_ether_addr(&args->mac))
		return arg->expected;
	args->mac_given = true;
	return NULL;
}

static const char *
parse_iface(const struct argument *arg, const char *value, void *field)
{
	const size_t len = strlen(value);

	if (len == 0 || len >= sizeof(((struct virtio_user_args *)0)->iface) ||
		strpbrk(value, "/: \t\n\v\f\r") != NULL || strcmp(value, ".") == 0 ||
		strcmp(value, "..") == 0)
		return arg->expected;
	memcpy(field, value, len + 1);
	return NULL;
}

#define FIELD(name) offsetof(struct virtio_user_args, name)
#define BOOL(name) \
	{ \
#name, parse_bool, FIELD(name), 0, 1, "0 or 1" \
	}

static const struct argument arguments[] = {
	{ "path", parse_path, FIELD(path), 0, 0,
		"the path of a socket or device, of at most 107 bytes" },
	{ "mac", parse_mac, FIELD(mac), 0, 0, "a unicast MAC address like 02:00:00:00:00:01" },
	{ "queues", parse_u16, FIELD(queues), 1, VIRTIO_PAIRS_MAX, "1 to 128 queue pairs" },
	{ "queue_size", parse_u16, FIELD(queue_size), VIRTIO_QUEUE_SIZE_MIN, VIRTIO_QUEUE_SIZE_MAX,
		"2 to 32768 descriptors" },
	{ "iface", parse_iface, FIELD(iface), 0, 0,
		"the name of an interface: at most 15 bytes, no '/', ':' or space" },
	{ "speed", parse_speed, FIELD(speed), 0, 0, "a link speed in Mbit/s, like 10000" },
	BOOL(cq),
	BOOL(server),
	BOOL(mrg_rxbuf),
	BOOL(in_order),
	BOOL(packed_vq),
	BOOL(vectorized),
};

static const struct argument *
find(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(arguments); i++)
		if (strcmp(arguments[i].name, name) == 0)
			return &arguments[i];
	return NULL;
}

static int
parse_pairs(const char *name, const struct rte_kvargs *list, struct virtio_user_args *args)
{
	for (unsigned int i = 0; i < list->count; i++) {
		const struct rte_kvargs_pair *pair = &list->pairs[i];
		const struct argument *arg = find(pair->key);
		const char *expected;

		if (arg == NULL) {
			VIRTIO_LOG(ERR, "%s: unknown argument '%s'; known are: %s", name, pair->key,
				VIRTIO_USER_PARAMS);
			return -EINVAL;
		}
		expected = pair->value == NULL ?
			arg->expected :
			arg->parse(arg, pair->value, (char *)args + arg->field);
		if (expected != NULL) {
			VIRTIO_LOG(ERR, "%s: argument %s=%s: must be %s", name, pair->key,
				pair->value == NULL ? "" : pair->value, expected);
			return -EINVAL;
		}
	}
	return 0;
}

/* What no argument is wrong with on its own. */
static int
check_together(const char *name, const struct rte_kvargs *list, struct virtio_user_args *args)
{
	const char *wrong = NULL;

	args->cq_given = rte_kvargs_count(list, "cq") > 0;
	if (!args->cq_given)
		args->cq = args->queues > 1;
	if (args->path[0] == '\0')
		wrong = "path= is missing: a vhost-user socket, or a device of the kernel";
	else if (args->queues > 1 && !args->cq)
		wrong = "queues= above 1 needs a control queue: leave out cq=0";
	else if (!args->packed_vq && !rte_is_power_of_2(args->queue_size))
		wrong = "queue_size= must be a power of 2, unless packed_vq=1";
	if (wrong == NULL)
		return 0;
	VIRTIO_LOG(ERR, "%s: %s", name, wrong);
	return -EINVAL;
}

int
virtio_user_args_parse(const char *name, const char *text, struct virtio_user_args *args)
{
	struct rte_kvargs *list = rte_kvargs_parse(text, NULL);
	int ret;

	*args = (struct virtio_user_args){
		.queues = VIRTIO_USER_QUEUES_DEFAULT,
		.queue_size = VIRTIO_USER_QUEUE_SIZE_DEFAULT,
		.mrg_rxbuf = true,
		.in_order = true,
		.speed = RTE_ETH_SPEED_NUM_UNKNOWN,
	};
	if (list == NULL) {
		VIRTIO_LOG(ERR,
			"%s: cannot make out arguments '%s': they are name=value, separated "
			"by commas",
			name, text);
		return -EINVAL;
	}
	ret = parse_pairs(name, list, args);
	if (ret == 0)
		ret = check_together(name, list, args);
	rte_kvargs_free(list);
	return ret;
}
