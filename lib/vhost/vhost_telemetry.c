/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_dev.h>
#include <rte_telemetry.h>
#include <rte_vdpa_compat.h>

#include "device.h"
#include "vdpa.h"
#include "vhost_telemetry.h"
#include "vhost_user_socket.h"

/* Paths of the longest kind that fit an answer with room to spare. */
#define SOCKETS_PER_ANSWER 128
#define MAX_SOCKETS INT32_MAX

int
vhost_telemetry_number(const char **params, int limit)
{
	long value;
	char *end;

	/* strtol() would take blanks and signs. */
	if (*params == NULL || !isdigit((unsigned char)**params))
		return -1;
	errno = 0;
	value = strtol(*params, &end, 10);
	if (errno != 0 || value >= limit || (*end != '\0' && *end != ','))
		return -1;
	*params = *end == ',' ? end + 1 : NULL;
	return (int)value;
}

/* The parameter that says where a list begins, if it is there: 0 if not, -1 if it is wrong. */
static int
first_of(const char *params, int limit)
{
	int first;

	if (params == NULL || *params == '\0')
		return 0;
	first = vhost_telemetry_number(&params, limit);
	return params == NULL ? first : -1;
}

static void
add_hex(struct rte_tel_data *d, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	rte_tel_data_add_dict_string(d, name, text);
}

/* Put a dictionary into another one, or drop it. */
static void
add_dict(struct rte_tel_data *d, const char *name, struct rte_tel_data *inner)
{
	if (inner != NULL && rte_tel_data_add_dict_container(d, name, inner, 0) != 0)
		rte_tel_data_free(inner);
}

static struct rte_tel_data *
new_dict(void)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d != NULL)
		rte_tel_data_start_dict(d);
	return d;
}

/* --- Devices ------------------------------------------------------------------------------- */

static int
list_devices(const char *cmd, const char *params, struct rte_tel_data *d)
{
	int vid = first_of(params, RTE_MAX_VHOST_DEVICE);

	(void)cmd;
	if (vid < 0)
		return -EINVAL;
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (; vid < RTE_MAX_VHOST_DEVICE; vid++)
		if (vhost_device_get(vid) != NULL && rte_tel_data_add_array_int(d, vid) != 0)
			break;
	return 0;
}

/* Lock the device that the parameters name, or NULL. */
static struct vhost_device *
lock_device(const char **params)
{
	struct vhost_device *dev = vhost_device_get(
		vhost_telemetry_number(params, RTE_MAX_VHOST_DEVICE));

	if (dev == NULL)
		return NULL;
	vhost_device_lock(dev);
	if (vhost_device_get(dev->vid) != NULL)
		return dev;
	vhost_device_unlock(dev);
	return NULL;
}

static const char *
data_path_of(const struct vhost_device *dev)
{
	if (dev->vdpa != NULL)
		return "vdpa";
	return dev->builtin_net ? "library" : "application";
}

static struct rte_tel_data *
messages_of(const struct vhost_device *dev)
{
	const struct vhost_message_counters *messages = &dev->messages;
	struct rte_tel_data *d = new_dict();

	if (d == NULL)
		return NULL;
	for (uint32_t i = 0; i < RTE_DIM(messages->requests); i++) {
		const uint64_t n = __atomic_load_n(&messages->requests[i], __ATOMIC_RELAXED);

		if (n != 0)
			rte_tel_data_add_dict_uint(d, vhost_user_request_name(i), n);
	}
	return d;
}

static void
add_memory(const struct vhost_device *dev, struct rte_tel_data *d)
{
	const uint32_t n = dev->mem == NULL ? 0 : dev->mem->nregions;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += dev->mem->regions[i].size;
	rte_tel_data_add_dict_uint(d, "memory_regions", n);
	rte_tel_data_add_dict_uint(d, "memory_bytes", bytes);
	rte_tel_data_add_dict_int(d, "dirty_log",
		dev->log.base != NULL && vhost_device_has_feature(dev, VHOST_F_LOG_ALL));
}

static int
tell_device(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct vhost_device *dev = lock_device(&params);

	(void)cmd;
	if (dev == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_int(d, "vid", dev->vid);
	rte_tel_data_add_dict_string(d, "socket", dev->path);
	rte_tel_data_add_dict_string(d, "data_path", data_path_of(dev));
	if (dev->vdpa != NULL)
		rte_tel_data_add_dict_string(d, "vdpa_device", rte_dev_name(dev->vdpa->device));
	rte_tel_data_add_dict_int(d, "running", dev->running);
	rte_tel_data_add_dict_int(d, "vrings", dev->nr_queues);
	add_hex(d, "features", dev->features);
	add_hex(d, "offered_features", dev->offered_features);
	add_hex(d, "protocol_features", dev->protocol_features);
	add_hex(d, "offered_protocol_features", dev->offered_protocol_features);
	add_hex(d, "status", dev->status);
	rte_tel_data_add_dict_int(d, "mtu", dev->mtu);
	add_memory(dev, d);
	rte_tel_data_add_dict_uint(d, "refused_messages",
		__atomic_load_n(&dev->messages.refused, __ATOMIC_RELAXED));
	add_dict(d, "messages", messages_of(dev));
	vhost_device_unlock(dev);
	return 0;
}

/* --- Rings --------------------------------------------------------------------------------- */

static struct rte_tel_data *
counters_of(const struct vhost_vring *vr)
{
	struct rte_tel_data *d = new_dict();
	const char *name;
	uint64_t value;

	if (d == NULL)
		return NULL;
	for (unsigned int i = 0; (name = vhost_vring_counter(vr, i, &value)) != NULL; i++)
		rte_tel_data_add_dict_uint(d, name, value);
	return d;
}

static void
add_ring(const struct vhost_device *dev, const struct vhost_queue *q, struct rte_tel_data *d)
{
	rte_tel_data_add_dict_string(d, "format",
		vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED) ? "packed" : "split");
	rte_tel_data_add_dict_int(d, "size", q->size);
	rte_tel_data_add_dict_int(d, "ready", q->live);
	rte_tel_data_add_dict_int(d, "enabled", q->enabled);
	rte_tel_data_add_dict_int(d, "broken", q->vring.broken == VHOST_VRING_BROKEN);
	rte_tel_data_add_dict_int(d, "kick_fd", q->kickfd);
	rte_tel_data_add_dict_int(d, "call_fd", q->callfd);
	add_hex(d, "desc_address", q->addr.desc_user_addr);
	add_hex(d, "avail_address", q->addr.avail_user_addr);
	add_hex(d, "used_address", q->addr.used_user_addr);
}

static int
tell_vring(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const int vid = vhost_telemetry_number(&params, RTE_MAX_VHOST_DEVICE);
	const int index = vhost_telemetry_number(&params, VHOST_QUEUES_MAX);
	struct vhost_device *dev = vhost_device_get(vid);
	struct vhost_queue *q;
	uint16_t avail, used;

	(void)cmd;
	if (dev == NULL || index < 0 || params != NULL ||
		rte_vhost_get_vring_base(vid, (uint16_t)index, &avail, &used) != 0)
		return -EINVAL;
	vhost_device_lock(dev);
	q = vhost_device_find_queue(dev, (uint32_t)index);
	if (q == NULL) {
		vhost_device_unlock(dev);
		return -EINVAL;
	}
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_int(d, "vid", vid);
	rte_tel_data_add_dict_int(d, "vring", index);
	add_ring(dev, q, d);
	rte_tel_data_add_dict_int(d, "avail_index", avail);
	rte_tel_data_add_dict_int(d, "used_index", used);
	/* Of a ring that a vDPA device serves nothing is counted here: /vdpa/stats. */
	if (dev->vdpa == NULL)
		add_dict(d, "counters", counters_of(&q->vring));
	vhost_device_unlock(dev);
	return 0;
}

/* --- Sockets ------------------------------------------------------------------------------- */

struct socket_query {
	struct rte_tel_data *d;
	const char *path;
	int skip;
	int room;
	bool found;
};

static bool
add_path(struct vhost_user_socket *s, void *arg)
{
	struct socket_query *query = arg;

	if (query->skip > 0) {
		query->skip--;
		return true;
	}
	return query->room-- > 0 && rte_tel_data_add_array_string(query->d, s->path) == 0;
}

static int
list_sockets(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct socket_query query = { .d = d, .room = SOCKETS_PER_ANSWER };

	(void)cmd;
	query.skip = first_of(params, MAX_SOCKETS);
	if (query.skip < 0)
		return -EINVAL;
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	vhost_user_socket_walk(add_path, &query);
	return 0;
}

static struct rte_tel_data *
devices_of(const char *path)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d == NULL)
		return NULL;
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (int vid = 0; vid < RTE_MAX_VHOST_DEVICE; vid++) {
		struct vhost_device *dev = vhost_device_get(vid);

		if (dev == NULL)
			continue;
		vhost_device_lock(dev);
		if (vhost_device_get(vid) != NULL && strcmp(dev->path, path) == 0)
			rte_tel_data_add_array_int(d, vid);
		vhost_device_unlock(dev);
	}
	return d;
}

static void
add_counters(const struct vhost_user_socket *s, struct rte_tel_data *d)
{
	const struct {
		const char *name;
		const uint64_t *value;
	} counters[] = {
		{ "connections", &s->counters.connected },
		{ "refused_connections", &s->counters.refused },
		{ "expelled_front_ends", &s->counters.expelled },
		{ "failed_attempts", &s->counters.attempts },
	};

	for (size_t i = 0; i < RTE_DIM(counters); i++)
		rte_tel_data_add_dict_uint(d, counters[i].name,
			__atomic_load_n(counters[i].value, __ATOMIC_RELAXED));
}

static bool
add_socket(struct vhost_user_socket *s, void *arg)
{
	struct socket_query *query = arg;
	struct rte_tel_data *d = query->d;

	if (strcmp(s->path, query->path) != 0)
		return true;
	query->found = true;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "socket", s->path);
	rte_tel_data_add_dict_string(d, "role",
		s->flags & RTE_VHOST_USER_CLIENT ? "client" : "server");
	rte_tel_data_add_dict_int(d, "started", s->started);
	add_hex(d, "flags", s->flags);
	if (s->offer.vdpa != NULL)
		rte_tel_data_add_dict_string(d, "vdpa_device", rte_dev_name(s->offer.vdpa->device));
	add_counters(s, d);
	return false;
}

static int
tell_socket(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct socket_query query = { .d = d, .path = params };

	(void)cmd;
	if (params == NULL)
		return -EINVAL;
	vhost_user_socket_walk(add_socket, &query);
	if (!query.found)
		return -EINVAL;
	add_dict(d, "devices", devices_of(params));
	return 0;
}

void
vhost_telemetry_register(void)
{
	rte_telemetry_register_cmd("/vhost/list", list_devices,
		"Returns the vids of connected front ends. Optional parameter: the first vid to tell");
	rte_telemetry_register_cmd("/vhost/info", tell_device,
		"Returns state, features, memory and messages of a device. Parameter: vid");
	rte_telemetry_register_cmd("/vhost/vring", tell_vring,
		"Returns state and counters of a virtqueue. Parameters: vid, virtqueue");
	rte_telemetry_register_cmd("/vhost/sockets", list_sockets,
		"Returns the paths of registered sockets, up to 128. "
		"Optional parameter: how many to pass over");
	rte_telemetry_register_cmd("/vhost/socket", tell_socket,
		"Returns role, devices and connections of a socket. Parameter: path");
}
