/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdpa_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_vhost.h>

#include "vdpa.h"

/* Of the protocol's, those that rte_vhost.h has no name for. */
#define PROTOCOL_F_RESET_DEVICE 13
#define PROTOCOL_F_CONFIGURE_MEM_SLOTS 15

/* One display of one device or of all. */
struct request {
	const char *device;
	int queue;
	bool attached_only, moved_only; /* devices with a socket; counters that are not zero */
	unsigned int found;
	void (*show)(struct rte_vdpa_device *vdpa, const char *name, const struct request *request);
};

/* What people know a bit as. */
struct bit_name {
	unsigned int bit;
	const char *name;
};

static const struct bit_name features[] = {
	{ VIRTIO_NET_F_CSUM, "csum" },
	{ VIRTIO_NET_F_GUEST_CSUM, "guest_csum" },
	{ VIRTIO_NET_F_MTU, "mtu" },
	{ VIRTIO_NET_F_MAC, "mac" },
	{ VIRTIO_NET_F_GUEST_TSO4, "guest_tso4" },
	{ VIRTIO_NET_F_GUEST_TSO6, "guest_tso6" },
	{ VIRTIO_NET_F_GUEST_ECN, "guest_ecn" },
	{ VIRTIO_NET_F_GUEST_UFO, "guest_ufo" },
	{ VIRTIO_NET_F_HOST_TSO4, "host_tso4" },
	{ VIRTIO_NET_F_HOST_TSO6, "host_tso6" },
	{ VIRTIO_NET_F_HOST_ECN, "host_ecn" },
	{ VIRTIO_NET_F_HOST_UFO, "host_ufo" },
	{ VIRTIO_NET_F_MRG_RXBUF, "mrg_rxbuf" },
	{ VIRTIO_NET_F_STATUS, "status" },
	{ VIRTIO_NET_F_CTRL_VQ, "ctrl_vq" },
	{ VIRTIO_NET_F_CTRL_RX, "ctrl_rx" },
	{ VIRTIO_NET_F_CTRL_VLAN, "ctrl_vlan" },
	{ VIRTIO_NET_F_GUEST_ANNOUNCE, "guest_announce" },
	{ VIRTIO_NET_F_MQ, "mq" },
	{ VIRTIO_NET_F_CTRL_MAC_ADDR, "ctrl_mac_addr" },
	{ VHOST_F_LOG_ALL, "log_all" },
	{ VIRTIO_F_ANY_LAYOUT, "any_layout" },
	{ VIRTIO_RING_F_INDIRECT_DESC, "indirect_desc" },
	{ VIRTIO_RING_F_EVENT_IDX, "event_idx" },
	{ VHOST_USER_F_PROTOCOL_FEATURES, "protocol_features" },
	{ VIRTIO_F_VERSION_1, "version_1" },
	{ VIRTIO_F_ACCESS_PLATFORM, "access_platform" },
	{ VIRTIO_F_RING_PACKED, "ring_packed" },
	{ VIRTIO_F_IN_ORDER, "in_order" },
	{ VIRTIO_F_ORDER_PLATFORM, "order_platform" },
};

static const struct bit_name protocol_features[] = {
	{ VHOST_USER_PROTOCOL_F_MQ, "mq" },
	{ VHOST_USER_PROTOCOL_F_LOG_SHMFD, "log_shmfd" },
	{ VHOST_USER_PROTOCOL_F_RARP, "rarp" },
	{ VHOST_USER_PROTOCOL_F_REPLY_ACK, "reply_ack" },
	{ VHOST_USER_PROTOCOL_F_NET_MTU, "net_mtu" },
	{ VHOST_USER_PROTOCOL_F_BACKEND_REQ, "backend_req" },
	{ VHOST_USER_PROTOCOL_F_PAGEFAULT, "pagefault" },
	{ VHOST_USER_PROTOCOL_F_CONFIG, "config" },
	{ VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD, "backend_send_fd" },
	{ VHOST_USER_PROTOCOL_F_HOST_NOTIFIER, "host_notifier" },
	{ VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD, "inflight_shmfd" },
	{ PROTOCOL_F_RESET_DEVICE, "reset_device" },
	{ PROTOCOL_F_CONFIGURE_MEM_SLOTS, "configure_mem_slots" },
	{ VHOST_USER_PROTOCOL_F_STATUS, "status" },
};

static void
print_bits(const char *what, uint64_t bits, const struct bit_name *names, size_t count)
{
	printf("%s: 0x%" PRIx64 ":", what, bits);
	for (size_t i = 0; i < count; i++) {
		if ((bits >> names[i].bit & 1) != 0)
			printf(" %s", names[i].name);
	}
	printf("\n");
}

static void
show_one(struct rte_vdpa_device *vdpa, const char *name, void *arg)
{
	struct request *request = arg;

	if (request->device != NULL && strcmp(request->device, name) != 0)
		return;
	request->found++;
	request->show(vdpa, name, request);
}

static void
show(struct request *request)
{
	vdpa_foreach(show_one, request);
	if (request->found != 0)
		return;
	if (request->device != NULL)
		printf("There is no vDPA device %s: 'vdpa list' names them\n", request->device);
	else
		printf("There is no vDPA device: EAL's --vdev, or 'port attach', gives one\n");
}

static void
list_device(struct rte_vdpa_device *vdpa, const char *name, const struct request *request)
{
	uint64_t supported = 0;
	bool connected = false;
	const char *socket = vdpa_socket_of(name, &connected);

	RTE_SET_USED(request);
	rte_vdpa_get_features(vdpa, &supported);
	printf("%-20s %11u 0x%-18" PRIx64 " %-10s %s\n", name, vdpa_queues(vdpa) / 2, supported,
		connected ? "ready" : "-", socket != NULL ? socket : "-");
}

void
vdpa_list(void)
{
	struct request request = { .show = list_device };

	printf("%-20s %11s %-20s %-10s %s\n", "device name", "queue pairs", "supported features",
		"front end", "socket");
	show(&request);
}

static void
info_device(struct rte_vdpa_device *vdpa, const char *name, const struct request *request)
{
	uint64_t supported = 0, protocol = 0;
	bool connected = false;
	const char *socket = vdpa_socket_of(name, &connected);

	RTE_SET_USED(request);
	printf("\n********************* Infos for vDPA device %s *********************\n", name);
	printf("Queue pairs: %u\n", vdpa_queues(vdpa) / 2);
	if (rte_vdpa_get_features(vdpa, &supported) == 0)
		print_bits("Features", supported, features, RTE_DIM(features));
	if (rte_vdpa_get_protocol_features(vdpa, &protocol) == 0)
		print_bits("Protocol features", protocol, protocol_features,
			RTE_DIM(protocol_features));
	printf("Socket: %s\n", socket != NULL ? socket : "none: 'vdpa attach' gives it one");
	printf("Front end: %s\n", connected ? "ready" : "not there");
	if (vdpa_negotiated(name, &supported, &protocol)) {
		print_bits("Agreed features", supported, features, RTE_DIM(features));
		print_bits("Agreed protocol features", protocol, protocol_features,
			RTE_DIM(protocol_features));
	}
}

void
vdpa_info(const char *device)
{
	struct request request = { .device = device, .show = info_device };

	show(&request);
}

static void
show_queue(struct rte_vdpa_device *vdpa, const char *name, uint16_t queue, bool moved_only)
{
	struct rte_vdpa_stat_name *names;
	struct rte_vdpa_stat *values;
	size_t count = vdpa_counters(vdpa, queue, &names, &values);
	bool titled = false;

	for (size_t i = 0; i < count; i++) {
		if (values[i].id >= count || (moved_only && values[i].value == 0))
			continue;
		if (!titled)
			printf("###### vDPA statistics for device %s queue %u\n", name, queue);
		titled = true;
		printf("%s: %" PRIu64 "\n", names[values[i].id].name, values[i].value);
	}
	if (!titled && !moved_only)
		printf("vDPA device %s gives no statistics of queue %u\n", name, queue);
	free(names);
	free(values);
}

static void
show_counters(struct rte_vdpa_device *vdpa, const char *name, const struct request *request)
{
	uint16_t queues = vdpa_queues(vdpa);
	bool connected;

	if (request->attached_only && vdpa_socket_of(name, &connected) == NULL)
		return;
	if (request->queue >= queues) {
		printf("vDPA device %s has queues 0 to %d\n", name, queues - 1);
		return;
	}
	for (uint16_t q = 0; q < queues; q++) {
		if (request->queue < 0 || request->queue == q)
			show_queue(vdpa, name, q, request->moved_only);
	}
}

void
vdpa_stats(const char *device, int queue)
{
	struct request request = { .device = device, .queue = queue, .show = show_counters };

	show(&request);
}

void
vdpa_summary(void)
{
	struct request request = {
		.queue = -1,
		.attached_only = true,
		.moved_only = true,
		.show = show_counters,
	};

	vdpa_foreach(show_one, &request);
}

static void
reset_counters(struct rte_vdpa_device *vdpa, const char *name, const struct request *request)
{
	uint16_t queues = vdpa_queues(vdpa), asked = 0, reset = 0;

	if (request->queue >= queues) {
		printf("vDPA device %s has queues 0 to %d\n", name, queues - 1);
		return;
	}
	for (uint16_t q = 0; q < queues; q++) {
		if (request->queue >= 0 && request->queue != q)
			continue;
		asked++;
		reset += rte_vdpa_reset_stats(vdpa, q) == 0;
	}
	if (reset != asked)
		printf("vDPA device %s: statistics of %u queues of %u could be cleared\n", name,
			reset, asked);
	else if (request->queue >= 0)
		printf("vDPA statistics of device %s queue %d cleared\n", name, request->queue);
	else
		printf("vDPA statistics of device %s cleared\n", name);
}

void
vdpa_stats_reset(const char *device, int queue)
{
	struct request request = { .device = device, .queue = queue, .show = reset_counters };

	show(&request);
}
