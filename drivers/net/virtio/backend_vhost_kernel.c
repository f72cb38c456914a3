/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal_memconfig.h>
#include <rte_memory.h>

#include "log.h"
#include "tap.h"
#include "user.h"
#include "vhost_ioctl.h"

/* Nothing tells that the interface went up, down, or away. */
#define LOOK_MS 1000

/* What the kernel takes unless its module was told otherwise. */
#define REGIONS_MAX 64

/* What vhost-net says about itself is not for the rings. */
#define NOT_OFFERED \
	(VIRTIO_FEATURE(VHOST_NET_F_VIRTIO_NET_HDR) | VIRTIO_FEATURE(VHOST_F_LOG_ALL) | \
		VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM))

/* What the interface does, and vhost-net need not know. */
#define TAP_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6))

struct pair {
	int vhost;
	int tap;
	bool attached;
};

struct vhost_kernel {
	char interface[IFNAMSIZ];
	int sock;          /* to ask the kernel about it, or -1 */
	uint64_t features; /* of vhost-net */
	bool shared;
	bool failed; /* to be let go of */
	uint16_t pairs;
	struct pair pair[VIRTIO_PAIRS_MAX];
};

static struct vhost_kernel *
state(const struct virtio_user *u)
{
	return u->backend_state;
}

static int
vk_open(struct virtio_user *u)
{
	struct vhost_kernel *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	memcpy(v->interface, u->args.iface, sizeof(v->interface));
	v->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	u->backend_state = v;
	return 0;
}

static void
vk_close(struct virtio_user *u)
{
	if (state(u)->sock >= 0)
		close(state(u)->sock);
	free(state(u));
	u->backend_state = NULL;
}

static void
vk_disconnect(struct virtio_user *u)
{
	struct vhost_kernel *v = state(u);

	for (; v->pairs > 0; v->pairs--) {
		close(v->pair[v->pairs - 1].vhost);
		close(v->pair[v->pairs - 1].tap);
	}
}

static int
open_pair(struct virtio_user *u, struct pair *p)
{
	p->vhost = vhost_open(u);
	if (p->vhost < 0)
		return p->vhost;
	p->tap = virtio_tap_open(u->dev.name, state(u)->interface, u->args.queues > 1);
	if (p->tap < 0) {
		close(p->vhost);
		return p->tap;
	}
	p->attached = true;
	return 0;
}

static int
vk_connect(struct virtio_user *u)
{
	struct vhost_kernel *v = state(u);
	int ret = 0;

	v->shared = false;
	v->failed = false;
	while (v->pairs < u->args.queues && ret == 0) {
		ret = open_pair(u, &v->pair[v->pairs]);
		if (ret == 0)
			v->pairs++;
	}
	if (ret == 0 && u->args.mac_given)
		ret = virtio_tap_set_mac(u->dev.name, v->pair[0].tap, &u->args.mac);
	if (ret < 0) {
		vk_disconnect(u);
		return ret;
	}
	/* Whoever opens one of its queues turns it on. */
	virtio_tap_carrier(v->pair[0].tap, false);
	VIRTIO_LOG(NOTICE, "%s: frames go through interface %s", u->dev.name, v->interface);
	return 0;
}

static void
vk_give_up(struct virtio_user *u)
{
	state(u)->failed = true;
}

static struct pollfd
vk_watch(const struct virtio_user *u)
{
	(void)u;
	return (struct pollfd){ .fd = -1 };
}

static void
watch_link(struct virtio_user *u)
{
	const struct vhost_kernel *v = state(u);

	__atomic_store_n(&u->link, virtio_tap_is_up(v->pair[0].tap, v->sock), __ATOMIC_SEQ_CST);
}

static int
vk_check(struct virtio_user *u)
{
	if (state(u)->failed)
		return -EIO;
	if (!virtio_tap_exists(state(u)->pair[0].tap))
		return -ENODEV;
	watch_link(u);
	return 0;
}

static int
vk_greet(struct virtio_user *u)
{
	struct vhost_kernel *v = state(u);
	int ret = 0;

	for (uint16_t i = 0; i < v->pairs && ret == 0; i++)
		ret = vhost_own(u, v->pair[i].vhost);
	if (ret < 0)
		return ret;
	v->features = u->backend_features & ~NOT_OFFERED;
	u->backend_features = v->features | TAP_FEATURES;
	if (v->pairs > 1)
		u->backend_features |= VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
	u->backend_pairs = v->pairs;
	watch_link(u);
	return 0;
}

static int
vk_set_features(struct virtio_user *u, uint64_t features)
{
	struct vhost_kernel *v = state(u);
	uint64_t theirs = features & v->features;
	int ret = 0;

	for (uint16_t i = 0; i < v->pairs && ret == 0; i++)
		ret = VHOST_CALL(u, v->pair[i].vhost, VHOST_SET_FEATURES, &theirs);
	return ret < 0 ? ret : virtio_tap_format(u->dev.name, v->pair[0].tap, features);
}

/* A struct vhost_memory, which has no end of its own, with one. */
struct table {
	uint32_t nregions;
	uint32_t padding;
	struct vhost_memory_region regions[REGIONS_MAX];
};

_Static_assert(offsetof(struct table, regions) == offsetof(struct vhost_memory, regions) &&
		offsetof(struct table, nregions) == offsetof(struct vhost_memory, nregions),
	"the kernel's table is another one");

static int
add_list(const struct rte_memseg_list *list, void *arg)
{
	struct table *t = arg;

	if (list->external || list->len == 0)
		return 0;
	if (t->nregions == REGIONS_MAX)
		return -ENOSPC;
	t->regions[t->nregions++] = (struct vhost_memory_region){
		.guest_phys_addr = list->addr_64,
		.memory_size = list->len,
		.userspace_addr = list->addr_64,
	};
	return 0;
}

/*
 * vhost-net looks at this process's memory as the process itself does. So it is told once where
 * DPDK may ever have memory, and what is there at a time is between us and the page tables.
 */
static int
vk_share_memory(struct virtio_user *u, const struct virtio_backend_change *change)
{
	struct vhost_kernel *v = state(u);
	struct table t = { 0 };
	int ret = 0;

	(void)change;
	if (v->shared)
		return 0;
	if (rte_memseg_list_walk_thread_unsafe(add_list, &t) < 0) {
		VIRTIO_LOG(ERR, "%s: DPDK's memory is in more than the %u areas that %s takes",
			u->dev.name, REGIONS_MAX, u->args.path);
		return -ENOSPC;
	}
	for (uint16_t i = 0; i < v->pairs && ret == 0; i++)
		ret = VHOST_CALL(u, v->pair[i].vhost, VHOST_SET_MEM_TABLE, &t);
	v->shared = ret == 0;
	return ret;
}

static int
vk_setup_ring(struct virtio_user *u, struct virtio_queue *q)
{
	struct vhost_ring ring = vhost_ring_of(q);

	ring.index = virtio_queue_is_tx(q);
	return vhost_setup_ring(u, state(u)->pair[virtio_queue_id(q)].vhost, &ring);
}

static int
vk_enable_ring(struct virtio_user *u, const struct virtio_queue *q, bool enable)
{
	struct pair *p = &state(u)->pair[virtio_queue_id(q)];
	struct vhost_vring_file file = {
		.index = virtio_queue_is_tx(q),
		.fd = enable ? p->tap : VHOST_FILE_UNBIND,
	};
	int ret = 0;

	/* A queue that is attached gets its share of what the interface has to receive. */
	if (state(u)->pairs > 1 && !virtio_queue_is_tx(q) && enable != p->attached) {
		ret = virtio_tap_attach(u->dev.name, p->tap, enable);
		p->attached = enable;
	}
	return ret < 0 ? ret : VHOST_CALL(u, p->vhost, VHOST_NET_SET_BACKEND, &file);
}

static int
vk_stop_ring(struct virtio_user *u, const struct virtio_queue *q)
{
	struct vhost_vring_file file = {
		.index = virtio_queue_is_tx(q),
		.fd = VHOST_FILE_UNBIND,
	};

	return VHOST_CALL(u, state(u)->pair[virtio_queue_id(q)].vhost, VHOST_NET_SET_BACKEND,
		&file);
}

/* Pairs that the application does not use. */
static int
detach_unused(struct virtio_user *u)
{
	struct vhost_kernel *v = state(u);
	int ret = 0;

	for (uint16_t i = u->dev.pairs; i < v->pairs && ret == 0; i++) {
		if (v->pair[i].attached)
			ret = virtio_tap_attach(u->dev.name, v->pair[i].tap, false);
		v->pair[i].attached = false;
	}
	return ret;
}

static int
vk_set_status(struct virtio_user *u, uint8_t status)
{
	const bool runs = status & VIRTIO_CONFIG_S_DRIVER_OK;

	virtio_tap_carrier(state(u)->pair[0].tap, runs);
	if (!runs)
		return 0;
	watch_link(u);
	return detach_unused(u);
}

static int
vk_read_config(struct virtio_user *u, uint32_t offset, void *buf, uint32_t len)
{
	(void)u;
	(void)offset;
	(void)buf;
	(void)len;
	return -ENOTSUP;
}

static int
vk_set_mtu(struct virtio_user *u, uint16_t mtu)
{
	/* The interface has an MTU of its own, which is the administrator's. */
	(void)u;
	(void)mtu;
	return -ENOTSUP;
}

const struct virtio_backend_ops virtio_backend_vhost_kernel = {
	.name = "vhost-kernel",
	.local_features = VIRTIO_USER_LOCAL_FEATURES,
	.look_ms = LOOK_MS,
	.retry_max_ms = 60 * VIRTIO_USER_RETRY_MS,
	.split_sizes = true,
	.absent = vhost_absent,
	.open = vk_open,
	.close = vk_close,
	.connect = vk_connect,
	.disconnect = vk_disconnect,
	.give_up = vk_give_up,
	.watch = vk_watch,
	.check = vk_check,
	.greet = vk_greet,
	.set_features = vk_set_features,
	.share_memory = vk_share_memory,
	.setup_ring = vk_setup_ring,
	.stop_ring = vk_stop_ring,
	.enable_ring = vk_enable_ring,
	.set_status = vk_set_status,
	.read_config = vk_read_config,
	.set_mtu = vk_set_mtu,
};
