/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "log.h"
#include "user.h"
#include "vhost_user_socket.h"
#include "vhost_user_wire.h"

#define PF(name) (UINT64_C(1) << VHOST_USER_PF_##name)
#define PROTOCOL_FEATURES \
	(PF(MQ) | PF(REPLY_ACK) | PF(NET_MTU) | PF(CONFIG) | PF(CONFIGURE_MEM_SLOTS) | PF(STATUS))

struct vhost_user {
	int listenfd; /* server */
	struct virtio_socket_file file;
	int sock; /* the connection, or -1 */
	uint64_t protocol;
	uint64_t slots;
	int told; /* why there was no connection, the last time */
	/* With CONFIGURE_MEM_SLOTS: what the back end has, and is to have. */
	struct virtio_backend_memory shared, next;
};

static struct vhost_user *
state(const struct virtio_user *u)
{
	return u->backend_state;
}

static bool
has(const struct virtio_user *u, uint64_t bits)
{
	return (state(u)->protocol & bits) == bits;
}

/*
 * What went wrong with a request, in one line. Unless the answer is no, the connection is done for: one
 * that is late would be taken for that to a later request.
 */
static int
complain(const struct virtio_user *u, uint32_t request, int error, const char *what)
{
	if (error != -EREMOTEIO)
		shutdown(state(u)->sock, SHUT_RDWR);
	VIRTIO_LOG(ERR, "%s: %s to the back end at %s: %s", u->dev.name,
		vhost_user_request_name(request), u->args.path,
		what != NULL ? what : strerror(-error));
	return error;
}

/* Wait until the back end has written, or has room for a message; not beyond the deadline. */
static int
await(const struct virtio_user *u, short event)
{
	struct pollfd pfd = { .fd = state(u)->sock, .events = event };
	int ret;

	do
		ret = poll(&pfd, 1, virtio_user_left_ms(u));
	while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return -ETIMEDOUT;
	return ret < 0 ? -errno : 0;
}

static int
receive(const struct virtio_user *u, struct vhost_user_message *msg)
{
	uint32_t have = 0;
	int ret;

	while ((ret = vhost_user_receive_part(state(u)->sock, msg, &have)) == -EAGAIN) {
		ret = await(u, POLLIN);
		if (ret < 0) {
			vhost_user_message_close_fds(msg);
			break;
		}
	}
	return ret == 0 ? -ECONNRESET : ret;
}

/* Wait for the answer to @a request, of @a size bytes. */
static int
reply(const struct virtio_user *u, uint32_t request, struct vhost_user_message *msg, uint32_t size)
{
	int ret = receive(u, msg);

	if (ret < 0)
		return complain(u, request, ret, ret == -ECONNRESET ? "it hung up" : NULL);
	vhost_user_message_close_fds(msg);
	if (msg->header.request != request || !(msg->header.flags & VHOST_USER_FLAG_REPLY) ||
		(msg->header.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return complain(u, request, -EPROTO, "the answer is to something else");
	/* How one says that it has none, or not that much. */
	if (request == VHOST_USER_GET_CONFIG && msg->header.size == 0)
		return -ENOTSUP;
	if (msg->header.size != size)
		return complain(u, request, -EPROTO, "the answer is of a wrong size");
	return 0;
}

static int
transmit(const struct virtio_user *u, struct vhost_user_message *msg, uint32_t request,
	uint32_t size, uint32_t flags)
{
	int ret;

	msg->header.request = request;
	msg->header.flags = VHOST_USER_VERSION | flags;
	msg->header.size = size;
	ret = await(u, POLLOUT);
	if (ret == 0)
		ret = vhost_user_send_now(state(u)->sock, msg);
	/* Nobody is there, elsewhere. */
	if (ret == -EAGAIN)
		ret = -ETIMEDOUT;
	if (ret == -EPIPE || ret == -ECONNRESET)
		return complain(u, request, -ECONNRESET, "it hung up");
	return ret < 0 ? complain(u, request, ret, NULL) : 0;
}

/* A request that is answered with a payload of the size that it has itself. */
static int
ask(const struct virtio_user *u, uint32_t request, struct vhost_user_message *msg, uint32_t size,
	uint32_t reply_size)
{
	int ret = transmit(u, msg, request, size, 0);

	return ret < 0 ? ret : reply(u, request, msg, reply_size);
}

static int
ask_u64(const struct virtio_user *u, uint32_t request, uint64_t *value)
{
	struct vhost_user_message msg = { 0 };
	int ret = ask(u, request, &msg, 0, sizeof(msg.payload.u64));

	*value = msg.payload.u64;
	return ret;
}

/* A request that is carried out, and confirmed if the back end can. */
static int
tell(const struct virtio_user *u, uint32_t request, struct vhost_user_message *msg, uint32_t size)
{
	const uint32_t flags = has(u, PF(REPLY_ACK)) ? VHOST_USER_FLAG_NEED_REPLY : 0;
	int ret = transmit(u, msg, request, size, flags);

	if (ret < 0 || flags == 0)
		return ret;
	ret = reply(u, request, msg, sizeof(msg->payload.u64));
	if (ret == 0 && msg->payload.u64 != 0)
		ret = complain(u, request, -EREMOTEIO, "it refused");
	return ret;
}

static int
tell_u64(const struct virtio_user *u, uint32_t request, uint64_t value)
{
	struct vhost_user_message msg = { .payload.u64 = value };

	return tell(u, request, &msg, sizeof(msg.payload.u64));
}

static int
vu_open(struct virtio_user *u)
{
	struct vhost_user *v = calloc(1, sizeof(*v));
	int ret;

	if (v == NULL)
		return -ENOMEM;
	v->listenfd = -1;
	v->sock = -1;
	u->backend_state = v;
	if (!u->args.server)
		return 0;
	ret = virtio_socket_listen(u->dev.name, u->args.path, &v->file);
	if (ret < 0) {
		free(v);
		u->backend_state = NULL;
		return ret;
	}
	v->listenfd = ret;
	return 0;
}

static void
vu_close(struct virtio_user *u)
{
	struct vhost_user *v = state(u);

	if (v->listenfd >= 0) {
		virtio_socket_unlink(u->args.path, &v->file);
		close(v->listenfd);
	}
	free(v);
	u->backend_state = NULL;
}

static const char *
vu_absent(const struct virtio_user *u)
{
	(void)u;
	return "nobody listens there, or accepts connections: start the back end first, or use "
	       "server=1";
}

static int
vu_connect(struct virtio_user *u)
{
	struct vhost_user *v = state(u);
	int sock;

	if (u->args.server)
		sock = virtio_socket_accept(v->listenfd);
	else
		sock = virtio_socket_connect(u->args.path);
	/* Said once: it will be tried again and again. */
	if (sock < 0 && sock != -EAGAIN && sock != v->told)
		VIRTIO_LOG(ERR, "%s: cannot %s %s: %s%s", u->dev.name,
			u->args.server ? "accept the back end that waits at" : "connect to",
			u->args.path, strerror(-sock), virtio_socket_remedy(sock));
	v->told = RTE_MIN(sock, 0);
	if (sock < 0)
		return sock;
	v->sock = sock;
	v->protocol = 0;
	v->shared.n = 0;
	return 0;
}

static void
vu_disconnect(struct virtio_user *u)
{
	struct vhost_user *v = state(u);

	if (v->sock >= 0)
		close(v->sock);
	v->sock = -1;
}

static void
vu_give_up(struct virtio_user *u)
{
	shutdown(state(u)->sock, SHUT_RDWR);
}

static struct pollfd
vu_watch(const struct virtio_user *u)
{
	const struct vhost_user *v = state(u);

	if (v->sock >= 0)
		return (struct pollfd){ .fd = v->sock, .events = POLLRDHUP };
	return (struct pollfd){ .fd = v->listenfd, .events = POLLIN };
}

static int
greet_protocol(struct virtio_user *u)
{
	struct vhost_user *v = state(u);
	uint64_t offered, pairs;
	int ret;

	ret = ask_u64(u, VHOST_USER_GET_PROTOCOL_FEATURES, &offered);
	if (ret == 0)
		ret = tell_u64(u, VHOST_USER_SET_PROTOCOL_FEATURES, offered & PROTOCOL_FEATURES);
	if (ret < 0)
		return ret;
	v->protocol = offered & PROTOCOL_FEATURES;
	if (has(u, PF(MQ))) {
		ret = ask_u64(u, VHOST_USER_GET_QUEUE_NUM, &pairs);
		if (ret < 0)
			return ret;
		if (pairs == 0)
			return complain(u, VHOST_USER_GET_QUEUE_NUM, -EPROTO, "it has no queues");
		if (u->backend_features & VIRTIO_FEATURE(VIRTIO_NET_F_MQ))
			u->backend_pairs = (uint16_t)RTE_MIN(pairs, VIRTIO_PAIRS_MAX);
	}
	if (has(u, PF(CONFIGURE_MEM_SLOTS)))
		ret = ask_u64(u, VHOST_USER_GET_MAX_MEM_SLOTS, &v->slots);
	return ret;
}

static int
vu_greet(struct virtio_user *u)
{
	struct vhost_user_message msg = { 0 };
	int ret;

	u->backend_pairs = 1;
	ret = tell(u, VHOST_USER_SET_OWNER, &msg, 0);
	if (ret == 0)
		ret = ask_u64(u, VHOST_USER_GET_FEATURES, &u->backend_features);
	if (ret == 0 && (u->backend_features & VIRTIO_FEATURE(VHOST_USER_FEATURE_PROTOCOL)))
		ret = greet_protocol(u);
	return ret;
}

static int
vu_set_features(struct virtio_user *u, uint64_t features)
{
	features |= u->backend_features & VIRTIO_FEATURE(VHOST_USER_FEATURE_PROTOCOL);
	return tell_u64(u, VHOST_USER_SET_FEATURES, features);
}

static struct vhost_user_region
wire_region(const struct virtio_backend_region *r)
{
	return (struct vhost_user_region){
		.gpa = r->addr,
		.size = r->size,
		.fe_va = r->addr,
		.mmap_offset = r->offset,
	};
}

static int
set_table(struct virtio_user *u, const struct virtio_backend_memory *mem)
{
	struct vhost_user_message msg = { 0 };

	if (mem->n > VHOST_USER_MEM_TABLE_MAX) {
		VIRTIO_LOG(ERR,
			"%s: DPDK's memory is in %u files, and the back end at %s takes %u: "
			"start with --single-file-segments, or with larger hugepages",
			u->dev.name, mem->n, u->args.path, VHOST_USER_MEM_TABLE_MAX);
		return -ENOSPC;
	}
	msg.payload.mem_table.nregions = mem->n;
	msg.nfds = (int)mem->n;
	for (uint32_t i = 0; i < mem->n; i++) {
		msg.payload.mem_table.regions[i] = wire_region(&mem->regions[i]);
		msg.fds[i] = mem->regions[i].fd;
	}
	return tell(u, VHOST_USER_SET_MEM_TABLE, &msg,
		offsetof(struct vhost_user_mem_table, regions) +
			mem->n * sizeof(struct vhost_user_region));
}

static bool
same_region(const struct virtio_backend_region *a, const struct virtio_backend_region *b)
{
	return a->addr == b->addr && a->size == b->size && a->offset == b->offset && a->fd == b->fd;
}

static bool
contains(const struct virtio_backend_memory *mem, const struct virtio_backend_region *r)
{
	for (uint32_t i = 0; i < mem->n; i++)
		if (same_region(&mem->regions[i], r))
			return true;
	return false;
}

static int
tell_region(struct virtio_user *u, uint32_t request, const struct virtio_backend_region *r)
{
	struct vhost_user_message msg = {
		.payload.mem_reg.region = wire_region(r),
		.fds = { r->fd },
		.nfds = request == VHOST_USER_ADD_MEM_REG,
	};

	return tell(u, request, &msg, sizeof(msg.payload.mem_reg));
}

/* Region by region: take away what is no more, then add what is new. */
static int
set_slots(struct virtio_user *u, const struct virtio_backend_memory *mem)
{
	struct virtio_backend_memory *shared = &state(u)->shared;
	int ret = 0;

	if (mem->n > state(u)->slots) {
		VIRTIO_LOG(ERR,
			"%s: DPDK's memory is in %u files, and the back end at %s takes %" PRIu64
			": start with --single-file-segments, or with larger hugepages",
			u->dev.name, mem->n, u->args.path, state(u)->slots);
		return -ENOSPC;
	}
	for (uint32_t i = 0; i < shared->n && ret == 0; i++)
		if (!contains(mem, &shared->regions[i]))
			ret = tell_region(u, VHOST_USER_REM_MEM_REG, &shared->regions[i]);
	for (uint32_t i = 0; i < mem->n && ret == 0; i++)
		if (!contains(shared, &mem->regions[i]))
			ret = tell_region(u, VHOST_USER_ADD_MEM_REG, &mem->regions[i]);
	if (ret == 0)
		*shared = *mem;
	return ret;
}

static int
tell_state(struct virtio_user *u, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_message msg = { .payload.state = { .index = index, .num = num } };

	return tell(u, request, &msg, sizeof(msg.payload.state));
}

static int
tell_fd(struct virtio_user *u, uint32_t request, uint32_t index, int fd)
{
	struct vhost_user_message msg = { .payload.u64 = index, .fds = { fd }, .nfds = 1 };

	return tell(u, request, &msg, sizeof(msg.payload.u64));
}

static int
vu_setup_ring(struct virtio_user *u, struct virtio_queue *q)
{
	/* Packed: position 0 in the first lap, of what is available and of what is used. */
	const uint32_t base = q->flags & VIRTIO_QUEUE_PACKED ? 1u << 15 | 1u << 31 : 0;
	struct vhost_user_message addr = {
		.payload.addr = {
			.index = q->index,
			.desc_user_addr = (uintptr_t)q->desc,
			.avail_user_addr = (uintptr_t)q->avail,
			.used_user_addr = (uintptr_t)q->used,
		},
	};
	int ret;

	ret = tell_fd(u, VHOST_USER_SET_VRING_CALL, q->index, q->callfd);
	if (ret == 0)
		ret = tell_state(u, VHOST_USER_SET_VRING_NUM, q->index, q->size);
	if (ret == 0)
		ret = tell_state(u, VHOST_USER_SET_VRING_BASE, q->index, base);
	if (ret == 0)
		ret = tell(u, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr.payload.addr));
	if (ret == 0)
		ret = tell_fd(u, VHOST_USER_SET_VRING_KICK, q->index, q->kickfd);
	return ret;
}

static int
vu_stop_ring(struct virtio_user *u, const struct virtio_queue *q)
{
	struct vhost_user_message msg = { .payload.state.index = q->index };
	const uint32_t size = sizeof(msg.payload.state);
	int ret = ask(u, VHOST_USER_GET_VRING_BASE, &msg, size, size);

	if (ret == 0 && msg.payload.state.index != q->index)
		ret = complain(u, VHOST_USER_GET_VRING_BASE, -EPROTO, "it stopped another ring");
	return ret;
}

static int
vu_enable_ring(struct virtio_user *u, const struct virtio_queue *q, bool enable)
{
	/* Without protocol features rings run from their kick descriptor on. */
	if (!(u->backend_features & VIRTIO_FEATURE(VHOST_USER_FEATURE_PROTOCOL)))
		return 0;
	return tell_state(u, VHOST_USER_SET_VRING_ENABLE, q->index, enable);
}

static int
vu_set_status(struct virtio_user *u, uint8_t status)
{
	uint64_t seen;
	int ret;

	if (!has(u, PF(STATUS)))
		return 0;
	ret = tell_u64(u, VHOST_USER_SET_STATUS, status);
	if (ret < 0 || !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return ret;
	ret = ask_u64(u, VHOST_USER_GET_STATUS, &seen);
	if (ret == 0 && !(seen & VIRTIO_CONFIG_S_FEATURES_OK))
		ret = complain(u, VHOST_USER_SET_STATUS, -EREMOTEIO, "it refused the features");
	return ret;
}

static int
vu_read_config(struct virtio_user *u, uint32_t offset, void *buf, uint32_t len)
{
	struct vhost_user_message msg = { .payload.config = { .offset = offset, .size = len } };
	const uint32_t size = VHOST_USER_CONFIG_HEADER_SIZE + len;
	int ret;

	if (!has(u, PF(CONFIG)))
		return -ENOTSUP;
	ret = ask(u, VHOST_USER_GET_CONFIG, &msg, size, size);
	if (ret == 0 && (msg.payload.config.offset != offset || msg.payload.config.size != len))
		ret = complain(u, VHOST_USER_GET_CONFIG, -EPROTO, "the answer is of another place");
	if (ret == 0)
		memcpy(buf, msg.payload.config.region, len);
	return ret;
}

static int
vu_write_config(struct virtio_user *u, uint32_t offset, const void *buf, uint32_t len)
{
	struct vhost_user_message msg = { .payload.config = { .offset = offset, .size = len } };
	int ret;

	if (!has(u, PF(CONFIG)) || len > sizeof(msg.payload.config.region))
		return -ENOTSUP;
	memcpy(msg.payload.config.region, buf, len);
	ret = tell(u, VHOST_USER_SET_CONFIG, &msg, VHOST_USER_CONFIG_HEADER_SIZE + len);
	/* An answer like any other. */
	return ret == -EREMOTEIO ? -ENOTSUP : ret;
}

static int
vu_set_mtu(struct virtio_user *u, uint16_t mtu)
{
	if (!has(u, PF(NET_MTU)))
		return -ENOTSUP;
	return tell_u64(u, VHOST_USER_NET_SET_MTU, mtu);
}

/* No ring is looked at while its memory, perhaps, is not there. */
static int
pause_rings(struct virtio_user *u)
{
	int ret = 0;

	for (uint16_t i = 0; i < 2 * u->dev.pairs && ret == 0; i++)
		ret = vu_enable_ring(u, u->dev.queues[i], false);
	return ret;
}

/*
 * Memory has come to where the back end has had some before, which it may hold on to (devices do that):
 * it has to map it anew.
 */
static bool
is_stale(const struct virtio_user *u, const struct virtio_backend_region *r,
	const struct virtio_backend_change *change)
{
	uint64_t addr;

	if (u->memory_changed)
		return true;
	if (change == NULL || change->gone)
		return false;
	addr = (uintptr_t)change->addr;
	return addr < r->addr + r->size && r->addr < addr + change->len;
}

static bool
any_stale(const struct virtio_user *u, const struct virtio_backend_change *change)
{
	const struct virtio_backend_memory *shared = &state(u)->shared;

	for (uint32_t i = 0; i < shared->n; i++)
		if (is_stale(u, &shared->regions[i], change))
			return true;
	return false;
}

static int
drop_stale(struct virtio_user *u, const struct virtio_backend_change *change)
{
	struct virtio_backend_memory *shared = &state(u)->shared;
	int ret = 0;

	for (uint32_t i = shared->n; i-- > 0 && ret == 0;) {
		if (!is_stale(u, &shared->regions[i], change))
			continue;
		ret = tell_region(u, VHOST_USER_REM_MEM_REG, &shared->regions[i]);
		shared->regions[i] = shared->regions[--shared->n];
	}
	return ret;
}

/* Be sure that the back end has done all that it was told. */
static int
settle(struct virtio_user *u)
{
	uint64_t ignored;

	/* Without confirmations: any answer tells that what came before it is done. */
	return has(u, PF(REPLY_ACK)) ? 0 : ask_u64(u, VHOST_USER_GET_FEATURES, &ignored);
}

static int
vu_share_memory(struct virtio_user *u, const struct virtio_backend_change *change)
{
	struct vhost_user *v = state(u);
	const bool slots = has(u, PF(CONFIGURE_MEM_SLOTS));
	const struct virtio_backend_memory *mem = u->memory;
	int ret = virtio_user_memory_collect(u->dev.name, u->memory, change);
	bool pause = u->running;

	if (ret < 0)
		return ret;
	/* Rings are in one region each: they were set up when regions had not been cut yet. */
	if (pause && slots && !any_stale(u, change) &&
		virtio_user_memory_go_on(&v->next, &v->shared, mem, v->slots)) {
		mem = &v->next;
		pause = false;
	}
	if (pause)
		ret = pause_rings(u);
	if (ret == 0 && slots)
		ret = drop_stale(u, change);
	if (ret == 0)
		ret = slots ? set_slots(u, mem) : set_table(u, mem);
	/* From here on, rings may lead to what is new. */
	if (ret == 0)
		ret = settle(u);
	if (ret == 0 && pause)
		ret = virtio_user_enable_pairs(u, u->enabled_pairs);
	u->memory_changed = u->memory_changed && ret < 0;
	return ret;
}

const struct virtio_backend_ops virtio_backend_vhost_user = {
	.name = "vhost-user",
	.local_features = VIRTIO_USER_LOCAL_FEATURES,
	.retry_max_ms = VIRTIO_USER_RETRY_MS,
	.absent = vu_absent,
	.open = vu_open,
	.close = vu_close,
	.connect = vu_connect,
	.disconnect = vu_disconnect,
	.give_up = vu_give_up,
	.watch = vu_watch,
	.greet = vu_greet,
	.set_features = vu_set_features,
	.share_memory = vu_share_memory,
	.setup_ring = vu_setup_ring,
	.stop_ring = vu_stop_ring,
	.enable_ring = vu_enable_ring,
	.set_status = vu_set_status,
	.read_config = vu_read_config,
	.write_config = vu_write_config,
	.set_mtu = vu_set_mtu,
};
