/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>

#include "log.h"
#include "pci_args.h"

static bool
parse_flag(const char *value, bool *flag)
{
	if (value == NULL || (strcmp(value, "0") != 0 && strcmp(value, "1") != 0))
		return false;
	*flag = value[0] == '1';
	return true;
}

static bool
parse_speed(const char *value, uint32_t *speed)
{
	unsigned long n;
	char *end;

	if (value == NULL || value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno != 0 || *end != '\0' || n > UINT32_MAX ||
		rte_eth_speed_bitflag((uint32_t)n, RTE_ETH_LINK_FULL_DUPLEX) == 0)
		return false;
	*speed = (uint32_t)n;
	return true;
}

/* What a value should have been, or NULL if it was that. */
static const char *
parse_pair(const struct rte_kvargs_pair *pair, struct virtio_pci_args *args)
{
	if (strcmp(pair->key, "vdpa") == 0)
		return parse_flag(pair->value, &args->vdpa) ? NULL : "0 or 1";
	if (strcmp(pair->key, "vectorized") == 0)
		return parse_flag(pair->value, &args->vectorized) ? NULL : "0 or 1";
	if (strcmp(pair->key, "speed") == 0)
		return parse_speed(pair->value, &args->speed) ?
			NULL :
			"a link speed in Mbit/s, like 10000";
	return "absent: the driver does not know it";
}

static int
parse_list(const char *name, const struct rte_kvargs *list, struct virtio_pci_args *args)
{
	/* First of all: with it, the others are not for us. */
	for (unsigned int i = 0; i < list->count; i++)
		if (strcmp(list->pairs[i].key, "vdpa") == 0)
			parse_pair(&list->pairs[i], args);
	for (unsigned int i = 0; i < list->count && !args->vdpa; i++) {
		const struct rte_kvargs_pair *pair = &list->pairs[i];
		const char *expected = parse_pair(pair, args);

		if (expected == NULL)
			continue;
		VIRTIO_LOG(ERR, "%s: argument %s=%s: must be %s; known are: %s", name, pair->key,
			pair->value == NULL ? "" : pair->value, expected, VIRTIO_PCI_PARAMS);
		return -EINVAL;
	}
	return 0;
}

int
virtio_pci_args_parse(const char *name, const struct rte_devargs *devargs,
	struct virtio_pci_args *args)
{
	struct rte_kvargs *list;
	int ret;

	*args = (struct virtio_pci_args){ .speed = RTE_ETH_SPEED_NUM_UNKNOWN };
	if (devargs == NULL || devargs->args == NULL || devargs->args[0] == '\0')
		return 0;
	list = rte_kvargs_parse(devargs->args, NULL);
	if (list == NULL) {
		VIRTIO_LOG(ERR,
			"%s: cannot make out arguments '%s': they are name=value, separated by "
			"commas",
			name, devargs->args);
		return -EINVAL;
	}
	ret = parse_list(name, list, args);
	rte_kvargs_free(list);
	return ret;
}
