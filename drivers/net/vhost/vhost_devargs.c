/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_kvargs.h>
#include <rte_vhost.h>

#include "vhost_devargs.h"
#include "vhost_pmd_log.h"

struct devarg {
	const char *key;
	int (*read)(const char *value, const struct devarg *arg, void *field);
	size_t offset;       /* of the field in struct vhost_devargs */
	const char *accepts; /* for the error message */
	uint64_t register_flag;
	bool flag_when_off; /* register_flag applies when the switch is 0 */
};

static int
read_path(const char *value, const struct devarg *arg __rte_unused, void *field)
{
	size_t len = strlen(value);

	if (len == 0 || len >= VHOST_PATH_MAX)
		return -EINVAL;
	memcpy(field, value, len + 1);
	return 0;
}

static int
read_number(const char *value, unsigned long max, unsigned long *number)
{
	char *end;

	/* strtoul() would take a sign and leading blanks. */
	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	*number = strtoul(value, &end, 0);
	return errno != 0 || *end != '\0' || *number > max ? -EINVAL : 0;
}

static int
read_queues(const char *value, const struct devarg *arg __rte_unused, void *field)
{
	unsigned long number;

	if (read_number(value, RTE_MAX_QUEUES_PER_PORT, &number) != 0 || number == 0)
		return -EINVAL;
	*(uint16_t *)field = (uint16_t)number;
	return 0;
}

static int
read_switch(const char *value, const struct devarg *arg __rte_unused, void *field)
{
	unsigned long number;

	if (read_number(value, 1, &number) != 0)
		return -EINVAL;
	*(bool *)field = number == 1;
	return 0;
}

#define FIELD(name) offsetof(struct vhost_devargs, name)
#define SWITCH(key, field, ...) \
	{ \
		key, read_switch, FIELD(field), "0 or 1", __VA_ARGS__ \
	}

static const struct devarg devargs[] = {
	{ "iface", read_path, FIELD(iface), "a path of 1 to 107 characters" },
	{ "queues", read_queues, FIELD(queues), "1 to " RTE_STR(RTE_MAX_QUEUES_PER_PORT) },
	SWITCH("client", client, RTE_VHOST_USER_CLIENT),
	SWITCH("iommu-support", iommu_support, RTE_VHOST_USER_IOMMU_SUPPORT),
	SWITCH("postcopy-support", postcopy_support, RTE_VHOST_USER_POSTCOPY_SUPPORT),
	SWITCH("tso", tso),
	SWITCH("linear-buffer", linear_buffer, RTE_VHOST_USER_LINEARBUF_SUPPORT),
	SWITCH("ext-buffer", ext_buffer, RTE_VHOST_USER_EXTBUF_SUPPORT),
	SWITCH("legacy-ol-flags", legacy_ol_flags, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS, true),
};

static const struct devarg *
find_devarg(const char *key)
{
	for (size_t i = 0; i < RTE_DIM(devargs); i++)
		if (strcmp(devargs[i].key, key) == 0)
			return &devargs[i];
	return NULL;
}

static int
take_pair(const char *name, const char *key, const char *value, uint32_t *seen,
	struct vhost_devargs *args)
{
	const struct devarg *arg = find_devarg(key);
	uint32_t bit;

	if (arg == NULL) {
		VHOST_LOG(ERR, "%s: unknown argument '%s'; known are " VHOST_DEVARGS_HELP, name,
			key);
		return -EINVAL;
	}
	bit = UINT32_C(1) << (arg - devargs);
	if (*seen & bit) {
		VHOST_LOG(ERR, "%s: argument '%s' is given twice; give it once", name, key);
		return -EINVAL;
	}
	*seen |= bit;
	if (value == NULL || arg->read(value, arg, (char *)args + arg->offset) != 0) {
		VHOST_LOG(ERR, "%s: '%s=%s' is not possible; %s takes %s", name, key,
			value == NULL ? "" : value, key, arg->accepts);
		return -EINVAL;
	}
	return 0;
}

int
vhost_devargs_parse(const char *name, const char *text, struct vhost_devargs *args)
{
	struct rte_kvargs *pairs = rte_kvargs_parse(text == NULL ? "" : text, NULL);
	uint32_t seen = 0;
	int ret = 0;

	*args = (struct vhost_devargs){ .queues = 1 };
	if (pairs == NULL) {
		VHOST_LOG(ERR, "%s: arguments '%s' cannot be read; write key=value,key=value", name,
			text);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < pairs->count && ret == 0; i++)
		ret = take_pair(name, pairs->pairs[i].key, pairs->pairs[i].value, &seen, args);
	if (ret == 0 && args->iface[0] == '\0') {
		VHOST_LOG(ERR, "%s: no socket path; give iface=PATH", name);
		ret = -EINVAL;
	}
	rte_kvargs_free(pairs);
	return ret;
}

uint64_t
vhost_devargs_register_flags(const struct vhost_devargs *args)
{
	uint64_t flags = RTE_VHOST_USER_NET_STATS_ENABLE;

	for (size_t i = 0; i < RTE_DIM(devargs); i++) {
		const struct devarg *arg = &devargs[i];

		if (arg->read != read_switch)
			continue;
		if (*(const bool *)((const char *)args + arg->offset) != arg->flag_when_off)
			flags |= arg->register_flag;
	}
	return flags;
}

uint64_t
vhost_devargs_disabled_features(const struct vhost_devargs *args)
{
	return args->tso ?
		0 :
		UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4 | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6;
}
