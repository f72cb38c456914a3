/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_telemetry.h>
#include <rte_vdpa_compat.h>

#include "vdpa.h"
#include "vhost_telemetry.h"

#define NAME_MAX_BYTES 128

static void
add_name(struct rte_vdpa_device *dev, void *arg)
{
	rte_tel_data_add_array_string(arg, rte_dev_name(dev->device));
}

static int
list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	(void)cmd;
	if (params != NULL && *params != '\0')
		return -EINVAL;
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	vdpa_walk(add_name, d);
	return 0;
}

/* A device that was found. It may go at any time: dev is for functions that look it up again. */
struct found {
	char name[NAME_MAX_BYTES];
	struct rte_vdpa_device *dev;
	uint32_t type;
};

static void
compare_name(struct rte_vdpa_device *dev, void *arg)
{
	struct found *found = arg;

	if (strcmp(rte_dev_name(dev->device), found->name) != 0)
		return;
	found->dev = dev;
	found->type = dev->type;
}

/* Find what the parameters begin with; what follows its name and a comma is left, or NULL. */
static bool
find(const char **params, struct found *found)
{
	size_t len = *params == NULL ? 0 : strcspn(*params, ",");

	if (len == 0 || len >= sizeof(found->name))
		return false;
	*found = (struct found){ .dev = NULL };
	memcpy(found->name, *params, len);
	*params = (*params)[len] == ',' ? *params + len + 1 : NULL;
	vdpa_walk(compare_name, found);
	return found->dev != NULL;
}

/* Rings that a device has; 0 if it does not tell. */
static uint32_t
rings_of(const struct found *found)
{
	uint32_t n = 0;

	if (rte_vdpa_get_queue_num(found->dev, &n) != 0)
		return 0;
	return RTE_MIN(found->type == RTE_VHOST_VDPA_DEVICE_TYPE_NET ? 2 * n : n,
		(uint32_t)RTE_VHOST_QUEUE_ALL);
}

static int
tell(const char *cmd, const char *params, struct rte_tel_data *d)
{
	uint64_t features = 0, protocol_features = 0;
	struct found found;
	char text[24];

	(void)cmd;
	if (!find(&params, &found) || params != NULL ||
		rte_vdpa_get_features(found.dev, &features) != 0 ||
		rte_vdpa_get_protocol_features(found.dev, &protocol_features) != 0)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", found.name);
	rte_tel_data_add_dict_string(d, "type",
		found.type == RTE_VHOST_VDPA_DEVICE_TYPE_NET ? "net" : "blk");
	rte_tel_data_add_dict_uint(d, "vrings", rings_of(&found));
	snprintf(text, sizeof(text), "0x%" PRIx64, features);
	rte_tel_data_add_dict_string(d, "features", text);
	snprintf(text, sizeof(text), "0x%" PRIx64, protocol_features);
	rte_tel_data_add_dict_string(d, "protocol_features", text);
	return 0;
}

/* Counters of some rings of a device, added up. */
struct sums {
	struct rte_vdpa_stat_name *names;
	struct rte_vdpa_stat *stats;
	uint64_t *values;
	unsigned int n;
};

static int
sums_init(struct sums *sums, struct rte_vdpa_device *dev)
{
	const int n = rte_vdpa_get_stats_names(dev, NULL, 0);

	if (n <= 0)
		return n < 0 ? n : -ENOTSUP;
	sums->n = (unsigned int)n;
	sums->names = calloc(sums->n, sizeof(*sums->names));
	sums->stats = calloc(sums->n, sizeof(*sums->stats));
	sums->values = calloc(sums->n, sizeof(*sums->values));
	if (sums->names == NULL || sums->stats == NULL || sums->values == NULL)
		return -ENOMEM;
	return rte_vdpa_get_stats_names(dev, sums->names, sums->n) == n ? 0 : -EIO;
}

static void
sums_fini(struct sums *sums)
{
	free(sums->names);
	free(sums->stats);
	free(sums->values);
}

static int
sums_add(struct sums *sums, struct rte_vdpa_device *dev, uint16_t ring)
{
	const int n = rte_vdpa_get_stats(dev, ring, sums->stats, sums->n);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		if (sums->stats[i].id < sums->n)
			sums->values[sums->stats[i].id] += sums->stats[i].value;
	return 0;
}

static int
stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	uint32_t rings, first = 0, end;
	struct sums sums = { 0 };
	struct found found;
	int ret;

	(void)cmd;
	if (!find(&params, &found))
		return -EINVAL;
	rings = end = rings_of(&found);
	if (params != NULL) {
		ret = vhost_telemetry_number(&params, (int)rings);
		if (ret < 0 || params != NULL)
			return -EINVAL;
		first = (uint32_t)ret;
		end = first + 1;
	}
	ret = sums_init(&sums, found.dev);
	for (uint32_t ring = first; ret == 0 && ring < end; ring++)
		ret = sums_add(&sums, found.dev, (uint16_t)ring);
	if (ret == 0) {
		rte_tel_data_start_dict(d);
		for (unsigned int i = 0; i < sums.n; i++)
			rte_tel_data_add_dict_uint(d, sums.names[i].name, sums.values[i]);
	}
	sums_fini(&sums);
	return ret;
}

void
vdpa_telemetry_register(void)
{
	rte_telemetry_register_cmd("/vdpa/list", list,
		"Returns the names of vDPA devices. Takes no parameters");
	rte_telemetry_register_cmd("/vdpa/info", tell,
		"Returns type, virtqueues and features of a vDPA device. Parameter: name");
	rte_telemetry_register_cmd("/vdpa/stats", stats,
		"Returns the counters of a vDPA device, added up, or those of one virtqueue. "
		"Parameters: name, optionally virtqueue");
}
