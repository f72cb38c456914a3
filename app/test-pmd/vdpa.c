/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdpa.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_vhost.h>

#include "config.h"

#define ATTACHMENTS_MAX VDPA_OPTIONS_MAX

/* A device that is offered on a socket. */
struct attachment {
	struct rte_vdpa_device *vdpa; /* NULL in a free slot */
	char device[RTE_DEV_NAME_MAX_LEN];
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool client;
	int vid;         /* of the front end's connection, -1 without one */
	uint64_t *shown; /* counters that the last table had, by queue and id */
	size_t shown_count;
};

/*
 * The main thread changes the slots, callbacks from vhost's thread look them up. The lock is not
 * held over calls into vhost, which wait for callbacks to return.
 */
static struct attachment attachments[ATTACHMENTS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct attachment *
find(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(attachments); i++) {
		struct attachment *a = &attachments[i];

		if (a->vdpa != NULL &&
			(strcmp(a->device, name) == 0 || strcmp(a->socket, name) == 0))
			return a;
	}
	return NULL;
}

static struct attachment *
find_free(void)
{
	for (unsigned int i = 0; i < RTE_DIM(attachments); i++) {
		if (attachments[i].vdpa == NULL)
			return &attachments[i];
	}
	return NULL;
}

/* From vhost's thread: which front end came or went. */
static void
connection_changed(int vid, bool there)
{
	char path[PATH_MAX] = "";
	struct attachment *a;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return;
	pthread_mutex_lock(&lock);
	a = find(path);
	if (a != NULL) {
		a->vid = there ? vid : -1;
		printf("vDPA device %s: front end on %s %s\n", a->device, a->socket,
			there ? "is ready" : "stopped");
	}
	pthread_mutex_unlock(&lock);
}

static int
new_device(int vid)
{
	connection_changed(vid, true);
	return 0;
}

static void
destroy_device(int vid)
{
	connection_changed(vid, false);
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
};

static int
serve(struct attachment *a)
{
	uint64_t flags = a->client ? RTE_VHOST_USER_CLIENT : 0;
	const char *what = "register";
	int ret;

	ret = rte_vhost_driver_register(a->socket, flags);
	if (ret != 0)
		goto failed;
	what = "bind the device to";
	ret = rte_vhost_driver_attach_vdpa_device(a->socket, a->vdpa);
	if (ret != 0)
		goto unregister;
	what = "set the callbacks of";
	ret = rte_vhost_driver_callback_register(a->socket, &device_ops);
	if (ret != 0)
		goto unregister;
	what = a->client ? "connect to" : "listen on";
	ret = rte_vhost_driver_start(a->socket);
	if (ret == 0)
		return 0;
unregister:
	rte_vhost_driver_unregister(a->socket);
failed:
	printf("vDPA device %s: cannot %s %s: see above why\n", a->device, what, a->socket);
	return -1;
}

int
vdpa_attach(const char *device, const char *socket, bool client)
{
	struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(device);
	struct attachment *a = find_free();

	if (vdpa == NULL) {
		printf("There is no vDPA device %s: 'vdpa list' names them, --vdev or "
		       "'port attach' makes one\n",
			device);
		return -1;
	}
	if (find(device) != NULL) {
		printf("vDPA device %s is offered on %s already: 'vdpa detach %s' first\n", device,
			find(device)->socket, device);
		return -1;
	}
	if (find(socket) != NULL) {
		printf("Socket %s is vDPA device %s's already: choose another\n", socket,
			find(socket)->device);
		return -1;
	}
	if (strlen(socket) >= sizeof(a->socket)) {
		printf("Socket path %s is too long: at most %zu bytes\n", socket,
			sizeof(a->socket) - 1);
		return -1;
	}
	if (a == NULL) {
		printf("No more than %u vDPA devices can be attached\n", ATTACHMENTS_MAX);
		return -1;
	}
	pthread_mutex_lock(&lock);
	*a = (struct attachment){ .vdpa = vdpa, .client = client, .vid = -1 };
	snprintf(a->device, sizeof(a->device), "%s", device);
	snprintf(a->socket, sizeof(a->socket), "%s", socket);
	pthread_mutex_unlock(&lock);
	if (serve(a) < 0) {
		pthread_mutex_lock(&lock);
		a->vdpa = NULL;
		pthread_mutex_unlock(&lock);
		return -1;
	}
	printf("vDPA device %s: %s %s\n", device, client ? "connecting to" : "listening on",
		socket);
	return 0;
}

int
vdpa_attach_option(const char *text)
{
	char device[RTE_DEV_NAME_MAX_LEN], path[PATH_MAX];
	const char *equals = strchr(text, '='), *comma = strrchr(text, ',');
	bool client = comma != NULL && strcmp(comma, ",client") == 0;
	bool server = comma != NULL && strcmp(comma, ",server") == 0;
	size_t end = comma != NULL ? (size_t)(comma - text) : strlen(text);

	if (equals == NULL || equals == text || (size_t)(equals - text) + 1 >= end ||
		(comma != NULL && !client && !server) ||
		(size_t)(equals - text) >= sizeof(device)) {
		printf("--vdpa %s: it is --vdpa DEVICE=SOCKET[,client|,server]\n", text);
		return -1;
	}
	snprintf(device, sizeof(device), "%.*s", (int)(equals - text), text);
	snprintf(path, sizeof(path), "%.*s", (int)(text + end - equals - 1), equals + 1);
	return vdpa_attach(device, path, client);
}

static void
release(struct attachment *a)
{
	if (rte_vhost_driver_unregister(a->socket) != 0)
		printf("vDPA device %s: vhost does not let go of %s\n", a->device, a->socket);
	printf("vDPA device %s: detached from %s\n", a->device, a->socket);
	pthread_mutex_lock(&lock);
	free(a->shown);
	*a = (struct attachment){ 0 };
	pthread_mutex_unlock(&lock);
}

int
vdpa_detach(const char *name)
{
	struct attachment *a = find(name);

	if (a == NULL) {
		printf("%s is neither an attached vDPA device nor its socket: see 'vdpa list'\n",
			name);
		return -1;
	}
	release(a);
	return 0;
}

void
vdpa_detach_all(void)
{
	for (unsigned int i = 0; i < RTE_DIM(attachments); i++) {
		if (attachments[i].vdpa != NULL)
			release(&attachments[i]);
	}
}

unsigned int
vdpa_attached(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < RTE_DIM(attachments); i++)
		count += attachments[i].vdpa != NULL;
	return count;
}

const char *
vdpa_socket_of(const char *device, bool *connected)
{
	struct attachment *a = find(device);

	if (a == NULL)
		return NULL;
	pthread_mutex_lock(&lock);
	*connected = a->vid >= 0;
	pthread_mutex_unlock(&lock);
	return a->socket;
}

bool
vdpa_negotiated(const char *device, uint64_t *features, uint64_t *protocol_features)
{
	struct attachment *a = find(device);
	int vid;

	if (a == NULL)
		return false;
	pthread_mutex_lock(&lock);
	vid = a->vid;
	pthread_mutex_unlock(&lock);
	return vid >= 0 && rte_vhost_get_negotiated_features(vid, features) == 0 &&
		rte_vhost_get_negotiated_protocol_features(vid, protocol_features) == 0;
}

void
vdpa_foreach(void (*function)(struct rte_vdpa_device *device, const char *name, void *arg),
	void *arg)
{
	struct rte_dev_iterator it;
	struct rte_device *device;

	RTE_DEV_FOREACH(device, "class=vdpa", &it) {
		struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(rte_dev_name(device));

		if (vdpa != NULL)
			function(vdpa, rte_dev_name(device), arg);
	}
}

size_t
vdpa_counters(struct rte_vdpa_device *vdpa, uint16_t queue, struct rte_vdpa_stat_name **names,
	struct rte_vdpa_stat **values)
{
	int count = rte_vdpa_get_stats_names(vdpa, NULL, 0);

	*names = NULL;
	*values = NULL;
	if (count <= 0)
		return 0;
	*names = calloc((size_t)count, sizeof(**names));
	*values = calloc((size_t)count, sizeof(**values));
	if (*names != NULL && *values != NULL &&
		rte_vdpa_get_stats_names(vdpa, *names, (unsigned int)count) == count &&
		rte_vdpa_get_stats(vdpa, queue, *values, (unsigned int)count) == count)
		return (size_t)count;
	free(*names);
	free(*values);
	*names = NULL;
	*values = NULL;
	return 0;
}

uint16_t
vdpa_queues(struct rte_vdpa_device *vdpa)
{
	uint32_t pairs = 0;

	if (rte_vdpa_get_queue_num(vdpa, &pairs) != 0)
		return 0;
	return (uint16_t)RTE_MIN(2 * pairs, (uint32_t)UINT16_MAX);
}

/* How much a counter has moved since the last table. */
static uint64_t
moved(struct attachment *a, size_t at, uint64_t now)
{
	uint64_t before = a->shown[at];

	a->shown[at] = now;
	return now > before ? now - before : 0;
}

/* Frames and bytes have columns; of what else a device counts, what has moved is named. */
static void
period_queue(struct attachment *a, uint16_t queue, double seconds)
{
	double packets = 0, bytes = 0;
	struct rte_vdpa_stat_name *names;
	struct rte_vdpa_stat *values;
	size_t count = vdpa_counters(a->vdpa, queue, &names, &values);
	char others[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = queue * count + values[i].id;
		const char *name;
		double rate;

		if (values[i].id >= count || at >= a->shown_count)
			continue;
		name = names[values[i].id].name;
		rate = (double)moved(a, at, values[i].value) / seconds;
		if (strcmp(name, "packets") == 0)
			packets = rate;
		else if (strcmp(name, "bytes") == 0)
			bytes = rate;
		else if (rate > 0 && used < sizeof(others))
			used += (size_t)snprintf(others + used, sizeof(others) - used, " %s=%.0f/s",
				name, rate);
	}
	if (packets > 0 || used > 0)
		printf("  VQ=%-6u %12.0f %15.0f   %s guest%s\n", queue, packets, 8 * bytes,
			queue % 2 == 0 ? "to" : "from", others);
	free(names);
	free(values);
}

void
vdpa_period_show(double seconds)
{
	for (unsigned int i = 0; i < RTE_DIM(attachments); i++) {
		struct attachment *a = &attachments[i];
		int count = a->vdpa != NULL ? rte_vdpa_get_stats_names(a->vdpa, NULL, 0) : 0;
		uint16_t queues;

		if (count <= 0)
			continue;
		queues = vdpa_queues(a->vdpa);
		if (a->shown_count != (size_t)count * queues) {
			free(a->shown);
			a->shown = calloc((size_t)count * queues, sizeof(*a->shown));
			a->shown_count = a->shown != NULL ? (size_t)count * queues : 0;
		}
		printf("  vDPA device %s on %s: front end %s\n", a->device, a->socket,
			a->vid >= 0 ? "ready" : "not there");
		for (uint16_t q = 0; q < queues; q++)
			period_queue(a, q, seconds);
	}
}
