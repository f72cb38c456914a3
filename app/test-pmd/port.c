/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "forward.h"
#include "port_setup.h"
#include "vdpa.h"

static struct port ports[RTE_MAX_ETHPORTS];

/* Our ports are ours: a driver that wants one for itself, as vdpa_sim may, is told so. */
static struct rte_eth_dev_owner owner = { .name = "testpmd" };

/* What device callbacks, which run in other threads, leave for the main thread. */
static struct {
	int fd;
	uint64_t removed[RTE_DIM(ports) / 64 + 1];
	uint64_t link[RTE_DIM(ports) / 64 + 1];
} events = { .fd = -1 };

struct port *
port_find(uint16_t id)
{
	return id < RTE_DIM(ports) && ports[id].present ? &ports[id] : NULL;
}

unsigned int
port_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < RTE_DIM(ports); i++)
		count += ports[i].present;
	return count;
}

static int
port_event(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	uint64_t *bits = type == RTE_ETH_EVENT_INTR_RMV ? events.removed : events.link;
	uint64_t one = 1;

	RTE_SET_USED(arg);
	RTE_SET_USED(ret);
	/* The write to the descriptor publishes the bit; port_events_handle() takes both. */
	__atomic_fetch_or(&bits[id / 64], UINT64_C(1) << (id % 64), __ATOMIC_RELEASE);
	if (write(events.fd, &one, sizeof(one)) != sizeof(one))
		return -1;
	return 0;
}

void
port_device_pulled(const char *device)
{
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(device, &id) == 0)
		port_event(id, RTE_ETH_EVENT_INTR_RMV, NULL, NULL);
}

int
port_event_fd(void)
{
	return events.fd;
}

static bool
is_secondary(void)
{
	return rte_eal_process_type() == RTE_PROC_SECONDARY;
}

/* Take in a port that EAL has probed. */
static int
port_add(uint16_t id)
{
	struct port *port = &ports[id];
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(id, &info);

	if (ret != 0) {
		printf("Port %u: the device does not describe itself (%s); it is left out\n", id,
			rte_strerror(-ret));
		return -1;
	}
	/* One of a secondary process is the primary's already. */
	ret = is_secondary() ? 0 : rte_eth_dev_owner_set(id, &owner);
	if (ret != 0) {
		printf("Port %u: it belongs to something else (%s); it is left out\n", id,
			rte_strerror(-ret));
		return -1;
	}
	*port = (struct port){ .present = true, .info = info };
	port->socket = rte_eth_dev_socket_id(id);
	snprintf(port->device, sizeof(port->device), "%s", rte_dev_name(info.device));
	rte_eth_macaddr_get(id, &port->mac);
	return 0;
}

int
ports_init(void)
{
	uint16_t id;

	events.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (events.fd < 0 || rte_eth_dev_owner_new(&owner.id) != 0) {
		fprintf(stderr, "Ports cannot be watched: %s\n", strerror(errno));
		return -1;
	}
	rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, port_event, NULL);
	rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_RMV, port_event, NULL);
	/* With those that a primary process owns. */
	for (id = rte_eth_find_next(0); is_secondary() && id < RTE_MAX_ETHPORTS;
		id = rte_eth_find_next(id + 1))
		port_add(id);
	RTE_ETH_FOREACH_DEV(id)
		if (!ports[id].present)
			port_add(id);
	return 0;
}

int
port_start(uint16_t id)
{
	struct port *port = &ports[id];
	int ret;

	if (port->started) {
		printf("Port %u is already started\n", id);
		return 0;
	}
	if (port->closed) {
		printf("Port %u is closed: 'port detach %u' and attach its device again\n", id, id);
		return -1;
	}
	if ((is_secondary() ? port_adopt(id, port) : port_setup(id, port)) < 0)
		return -1;
	ret = is_secondary() ? 0 : rte_eth_dev_start(id);
	if (ret != 0) {
		printf("Port %u: the device does not start (%s)\n", id, rte_strerror(-ret));
		return -1;
	}
	port->started = true;
	rte_eth_macaddr_get(id, &port->mac);
	printf("Port %u: " RTE_ETHER_ADDR_PRT_FMT "\n", id, RTE_ETHER_ADDR_BYTES(&port->mac));
	if (config.verbose > 0)
		port_watch(id, port);
	return 0;
}

int
port_stop(uint16_t id)
{
	struct port *port = &ports[id];
	int ret;

	if (!port->started) {
		printf("Port %u is not started\n", id);
		return 0;
	}
	if (fwd_uses_port(id)) {
		printf("Port %u is forwarding: 'stop' first\n", id);
		return -1;
	}
	port_unwatch(id);
	ret = is_secondary() ? 0 : rte_eth_dev_stop(id);
	if (ret != 0) {
		printf("Port %u: the device does not stop (%s)\n", id, rte_strerror(-ret));
		return -1;
	}
	port->started = false;
	return 0;
}

int
port_close(uint16_t id)
{
	struct port *port = &ports[id];
	int ret;

	if (port->closed) {
		printf("Port %u is already closed\n", id);
		return 0;
	}
	if (port->started) {
		printf("Port %u is started: 'port stop %u' first\n", id, id);
		return -1;
	}
	ret = rte_eth_dev_close(id);
	if (ret != 0)
		printf("Port %u: closing the device failed (%s)\n", id, rte_strerror(-ret));
	else
		printf("Port %u is closed\n", id);
	port->closed = true;
	return ret == 0 ? 0 : -1;
}

/* The device behind a bus's name, whether or not it has a port. */
static struct rte_device *
device_find(const char *name)
{
	struct rte_dev_iterator it;
	struct rte_device *device, *found = NULL;

	/* No filter but the bus: every bus is asked in turn. */
	static const char *const buses[] = { "bus=vdev", "bus=pci", "bus=auxiliary" };

	for (unsigned int i = 0; i < RTE_DIM(buses) && found == NULL; i++) {
		if (rte_bus_find_by_name(buses[i] + 4) == NULL)
			continue;
		RTE_DEV_FOREACH(device, buses[i], &it) {
			if (strcmp(rte_dev_name(device), name) == 0)
				found = device;
		}
	}
	return found;
}

int
port_detach_device(const char *name)
{
	struct rte_device *device = device_find(name);
	bool connected;
	int ret;

	if (device == NULL) {
		printf("There is no device %s\n", name);
		return -1;
	}
	if (vdpa_socket_of(name, &connected) != NULL) {
		printf("vDPA device %s is offered on a socket: 'vdpa detach %s' first\n", name,
			name);
		return -1;
	}
	/* A device may have several ports: all must be at rest before any is closed. */
	FOREACH_PORT(id) {
		if (strcmp(ports[id].device, name) == 0 && ports[id].started) {
			printf("Port %u of %s is started: 'port stop %u' first\n", id, name, id);
			return -1;
		}
	}
	FOREACH_PORT(id) {
		if (strcmp(ports[id].device, name) == 0 && !ports[id].closed)
			port_close(id);
	}
	/* Removed from one process, a device is removed from all: that is the primary's to do. */
	ret = is_secondary() ? 0 : rte_dev_remove(device);
	if (ret != 0) {
		printf("%s: the bus does not let go of the device (%s)\n", name,
			rte_strerror(-ret));
		return -1;
	}
	FOREACH_PORT(id) {
		if (strcmp(ports[id].device, name) == 0)
			ports[id].present = false;
	}
	printf("Device %s is detached. Now total ports is %u\n", name, port_count());
	return 0;
}

int
port_detach(uint16_t id)
{
	char name[RTE_DEV_NAME_MAX_LEN];

	/* A copy: the port that holds the name goes away. */
	snprintf(name, sizeof(name), "%s", ports[id].device);
	return port_detach_device(name);
}

int
port_of_device(const char *name)
{
	FOREACH_PORT(id) {
		if (strcmp(ports[id].device, name) == 0)
			return id;
	}
	return -1;
}

/* Of a secondary process: a port that the primary has attached in the meantime. */
static int
port_attach_present(const char *name)
{
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
		printf("%s: no port of the primary process, which has to attach it first\n", name);
		return -1;
	}
	if (port_find(id) != NULL) {
		printf("Port %u is attached already\n", id);
		return -1;
	}
	if (port_add(id) < 0)
		return -1;
	printf("Port %u is attached. Now total ports is %u\n", id, port_count());
	return 0;
}

int
port_attach(const char *devargs)
{
	unsigned int added = 0;
	uint16_t id;
	int ret;

	if (is_secondary())
		return port_attach_present(devargs);
	printf("Attaching a new port...\n");
	ret = rte_dev_probe(devargs);
	if (ret < 0) {
		printf("%s: no driver took it (%s): 'port attach NAME[,KEY=VALUE...]', "
		       "as after EAL's --vdev or -a\n",
			devargs, rte_strerror(-ret));
		return -1;
	}
	RTE_ETH_FOREACH_DEV(id) {
		/* Only those without an owner: the new ones. */
		if (port_add(id) < 0)
			continue;
		added++;
		printf("Port %u is attached. Now total ports is %u\n", id, port_count());
	}
	if (added == 0)
		printf("%s is attached: a device without a port\n", devargs);
	else if (fwd_running())
		printf("It forwards after 'port start', 'stop' and 'start'\n");
	printf("Done\n");
	return 0;
}

static void
port_removed(uint16_t id)
{
	struct port *port = port_find(id);
	bool forwarding = fwd_uses_port(id);

	if (port == NULL)
		return;
	printf("Port %u: device %s was removed\n", id, port->device);
	if (forwarding)
		fwd_stop();
	if (port->started)
		port_stop(id);
	port_detach(id);
	if (forwarding)
		fwd_start(0);
}

static void
port_link_changed(uint16_t id)
{
	struct rte_eth_link link;
	char text[RTE_ETH_LINK_MAX_STR_LEN];

	if (port_find(id) == NULL || ports[id].closed || rte_eth_link_get_nowait(id, &link) != 0)
		return;
	rte_eth_link_to_str(text, sizeof(text), &link);
	printf("Port %u: %s\n", id, text);
}

void
port_events_handle(void)
{
	uint64_t count;

	if (read(events.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	for (unsigned int word = 0; word < RTE_DIM(events.link); word++) {
		uint64_t link = __atomic_exchange_n(&events.link[word], 0, __ATOMIC_ACQUIRE);
		uint64_t removed = __atomic_exchange_n(&events.removed[word], 0, __ATOMIC_ACQUIRE);

		for (; link != 0; link &= link - 1)
			port_link_changed((uint16_t)(word * 64 + __builtin_ctzll(link)));
		for (; removed != 0; removed &= removed - 1)
			port_removed((uint16_t)(word * 64 + __builtin_ctzll(removed)));
	}
}

int
ports_start(void)
{
	FOREACH_PORT(id) {
		if (port_start(id) < 0)
			return -1;
	}
	return 0;
}

void
ports_close(void)
{
	FOREACH_PORT(id) {
		if (ports[id].closed)
			continue;
		printf("Shutting down port %u...\n", id);
		if (ports[id].started)
			port_stop(id);
		port_close(id);
	}
	rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, port_event, NULL);
	rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_RMV, port_event, NULL);
	close(events.fd);
	events.fd = -1;
}

void
ports_set_verbose(uint16_t level)
{
	__atomic_store_n(&config.verbose, level, __ATOMIC_RELAXED);
	FOREACH_PORT(id) {
		if (level > 0 && ports[id].started)
			port_watch(id, &ports[id]);
		else if (level == 0 && !fwd_uses_port(id))
			port_unwatch(id);
	}
}
