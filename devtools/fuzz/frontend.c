/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <rte_mbuf.h>

#include "frontend.h"
#include "loop.h"
#include "vhost_user_connection.h"
#include "wire.h"

#define MEMORY_SIZE (1u << 20)
#define GPA UINT64_C(0x100000000)
#define FE_VA UINT64_C(0x7f0000000000)
#define RING_SPACE 0x4000u
#define AVAIL 0x1000u
#define USED 0x2000u
#define POOL_SIZE 255
#define BURST 32
#define INPUTS_BETWEEN_LOOKS 256u
#define STEPS_MAX 400

enum step {
	MESSAGE,   /**< anything */
	NEGOTIATE, /**< features as offered, or as given */
	MEMORY,
	REGION,
	RING,
	ENABLE,
	MAP, /**< in the IOMMU */
	UNMAP,
	REGION_OF_INFLIGHT,
	LOG,
	WRITE,
	BURSTS,
	GO_POSTCOPY,
	TRAVEL,       /**< the next message not in one piece, or not honestly */
	LONG_MESSAGE, /**< anything, of any size up to more than fits */
	PAUSE,        /**< for timers, and for what goes on aside */
	ASK,          /**< what the target has to ask of the device */
	STEPS
};

enum descriptor {
	NO_FD,
	EVENT,
	GUEST_MEMORY,
	SOCKET,
	PIPE,
	NOTHING, /**< /dev/null */
	KEPT,
	/* Made anew for each message: */
	SHORT_MEMORY = KEPT,
	SEALED_MEMORY,
	FULL_EVENT,  /**< takes no more; nor does a read of any of these wait, without a thread */
	BROKEN_PIPE, /**< nobody reads from it */
	ENDED_PIPE,  /**< nobody writes to it */
	DEAD_SOCKET,
	DESCRIPTORS
};

static struct {
	int fds[KEPT];
	uint8_t *memory;
	struct rte_mempool *pool;
	struct vhost_user_socket *socket;
	struct vhost_device *dev; /**< NULL: there is no connection, or not any more */
	uint64_t features;        /**< that were offered */
	uint64_t protocol_features;
	int sock;
	struct fuzz_wire wire; /**< how the next message travels */
	int peer;              /**< the other end of what the back end gets as its channel */
} rig;

void (*fuzz_frontend_ask)(struct fuzz_input *in);

/* Read whatever was sent, with its descriptors. */
static void
drain(int sock)
{
	struct vhost_user_message msg;

	while (vhost_user_receive(sock, &msg) == 1)
		vhost_user_message_close_fds(&msg);
}

/* One end of a pair, whose other end is gone. */
static int
end_of(int pair[2], int which)
{
	close(pair[!which]);
	return pair[which];
}

static int
new_descriptor(enum descriptor kind)
{
	int pair[2] = { -1, -1 };

	switch (kind) {
	case SHORT_MEMORY:
		pair[0] = memfd_create("fuzz-short", MFD_CLOEXEC);
		fuzz_check(ftruncate(pair[0], 0x1100) == 0);
		return pair[0];
	case SEALED_MEMORY:
		pair[0] = memfd_create("fuzz-sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		fuzz_check(ftruncate(pair[0], MEMORY_SIZE) == 0);
		fuzz_check(fcntl(pair[0], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
		return pair[0];
	case FULL_EVENT:
		pair[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fuzz_check(eventfd_write(pair[0], UINT64_MAX - 1) == 0);
		return pair[0];
	case BROKEN_PIPE:
	case ENDED_PIPE:
		fuzz_check(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
		return end_of(pair, kind == BROKEN_PIPE);
	case DEAD_SOCKET:
		fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		return end_of(pair, 0);
	default:
		return fcntl(rig.fds[kind], F_DUPFD_CLOEXEC, 0);
	}
}

static void
attach(struct vhost_user_message *msg, enum descriptor kind)
{
	if (kind != NO_FD && msg->nfds < VHOST_USER_MEM_TABLE_MAX)
		msg->fds[msg->nfds++] = new_descriptor(kind);
}

/* Have the back end read what was sent, and read what it has to say. */
static void
arrived(void)
{
	fuzz_loop_run();
	drain(rig.sock);
	drain(rig.peer);
}

static void
say(struct vhost_user_message *msg)
{
	const struct fuzz_wire wire = rig.wire;

	memset(&rig.wire, 0, sizeof(rig.wire));
	msg->header.flags |= VHOST_USER_VERSION;
	fuzz_wire_send(rig.sock, msg, &wire, rig.fds[EVENT], arrived);
}

static struct vhost_user_message
new_message(uint32_t request, uint32_t size)
{
	struct vhost_user_message msg = { 0 };

	msg.header.request = request;
	msg.header.size = size;
	return msg;
}

static void
say_u64(uint32_t request, uint64_t value, enum descriptor fd)
{
	struct vhost_user_message msg = new_message(request, sizeof(uint64_t));

	msg.payload.u64 = value;
	attach(&msg, fd);
	say(&msg);
}

static void
say_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_message msg = new_message(request, sizeof(struct vhost_vring_state));

	msg.payload.state.index = index;
	msg.payload.state.num = num;
	say(&msg);
}

static void
any_message(struct fuzz_input *in, bool is_long)
{
	struct vhost_user_message msg = new_message(fuzz_u8(in) % (VHOST_USER_REQUEST_MAX + 2), 0);
	const uint8_t how = fuzz_u8(in);
	uint8_t payload[sizeof(msg.payload)] = { 0 };

	/* What does not fit is sent as zeros. */
	msg.header.size = is_long ? fuzz_u16(in) % (sizeof(payload) + 64) : fuzz_u8(in);
	fuzz_bytes(in, payload, RTE_MIN(msg.header.size, sizeof(payload)));
	memcpy(&msg.payload, payload, sizeof(payload));
	if (how & 1)
		msg.header.flags = VHOST_USER_FLAG_NEED_REPLY;
	for (uint8_t i = 0; i < (how >> 1 & 0xf); i++)
		attach(&msg, fuzz_u8(in) % DESCRIPTORS);
	say(&msg);
}

static void
negotiate(struct fuzz_input *in)
{
	const uint8_t how = fuzz_u8(in);

	say_u64(VHOST_USER_SET_PROTOCOL_FEATURES, how & 1 ? fuzz_u64(in) : rig.protocol_features,
		NO_FD);
	say_u64(VHOST_USER_SET_FEATURES, how & 2 ? fuzz_u64(in) : rig.features & ~fuzz_u64(in),
		NO_FD);
	if (how & 4) {
		struct vhost_user_message msg = new_message(VHOST_USER_SET_BACKEND_REQ_FD, 0);

		attach(&msg, SOCKET);
		say(&msg);
	}
	if (how & 8)
		say_u64(VHOST_USER_SET_STATUS, 0xf, NO_FD);
}

static void
tell_memory(struct fuzz_input *in)
{
	const uint32_t n = 1 + fuzz_u8(in) % VHOST_USER_MEM_TABLE_MAX;
	struct vhost_user_message msg = new_message(VHOST_USER_SET_MEM_TABLE,
		offsetof(struct vhost_user_mem_table, regions) +
			n * sizeof(struct vhost_user_region));
	const uint64_t size = MEMORY_SIZE / n & ~UINT64_C(0xfff);

	msg.payload.mem_table.nregions = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct vhost_user_region region = { .gpa = GPA + i * size,
			.size = size,
			.fe_va = FE_VA + i * size,
			.mmap_offset = i * size };

		memcpy(&msg.payload.mem_table.regions[i], &region, sizeof(region));
		attach(&msg, GUEST_MEMORY);
	}
	say(&msg);
}

static void
tell_region(struct fuzz_input *in)
{
	const uint8_t how = fuzz_u8(in);
	const uint64_t at = (uint64_t)(how >> 1 & 0xf) << 16;
	struct vhost_user_message msg = new_message(how & 1 ? VHOST_USER_ADD_MEM_REG :
							      VHOST_USER_REM_MEM_REG,
		sizeof(struct vhost_user_mem_reg));

	msg.payload.mem_reg.region = (struct vhost_user_region){ .gpa = GPA + at,
		.size = 0x10000,
		.fe_va = FE_VA + at,
		.mmap_offset = at };
	if (how & 1)
		attach(&msg, GUEST_MEMORY);
	say(&msg);
}

static void
set_up_ring(struct fuzz_input *in)
{
	const uint8_t index = fuzz_u8(in) % 6, how = fuzz_u8(in);
	struct vhost_user_message msg = new_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	const uint64_t at = FE_VA + (uint64_t)index * RING_SPACE;

	say_state(VHOST_USER_SET_VRING_NUM, index, how & 1 ? fuzz_u16(in) : 64);
	say_state(VHOST_USER_SET_VRING_BASE, index, how & 2 ? fuzz_u16(in) : 0);
	msg.payload.addr = (struct vhost_vring_addr){ .index = index,
		.desc_user_addr = at + (how & 4 ? fuzz_u16(in) : 0),
		.avail_user_addr = at + AVAIL,
		.used_user_addr = at + USED,
		.log_guest_addr = GPA + at - FE_VA + USED };
	say(&msg);
	say_u64(VHOST_USER_SET_VRING_CALL, index, EVENT);
	say_u64(VHOST_USER_SET_VRING_KICK, index, EVENT);
	say_state(VHOST_USER_SET_VRING_ENABLE, index, (how & 8) == 0);
}

static void
tell_iommu(struct fuzz_input *in, uint8_t type)
{
	struct vhost_user_message msg = new_message(VHOST_USER_IOTLB_MSG,
		sizeof(struct vhost_iotlb_msg));
	const uint64_t at = fuzz_u8(in) * 0x1000u;

	msg.payload.iotlb = (struct vhost_iotlb_msg){ .iova = FE_VA + at,
		.size = (1 + fuzz_u8(in)) * 0x1000u,
		.uaddr = FE_VA + (at + (fuzz_u8(in) & 3) * 0x1000u) % MEMORY_SIZE,
		.perm = 3 - (fuzz_u8(in) & 3),
		.type = type };
	say(&msg);
}

static void
tell_inflight(struct fuzz_input *in)
{
	const uint8_t how = fuzz_u8(in);
	struct vhost_user_message msg = new_message(how & 1 ? VHOST_USER_GET_INFLIGHT_FD :
							      VHOST_USER_SET_INFLIGHT_FD,
		sizeof(struct vhost_user_inflight));

	msg.payload.inflight = (struct vhost_user_inflight){ .mmap_size = 0x10000,
		.mmap_offset = (how >> 1 & 3) * 0x10000u,
		.num_queues = 1 + (how >> 3 & 3),
		.queue_size = 64 };
	if ((how & 1) == 0)
		attach(&msg, GUEST_MEMORY);
	say(&msg);
}

static void
tell_log(void)
{
	struct vhost_user_message msg = new_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));

	msg.payload.log = (struct vhost_user_log){ .mmap_size = 0x8000, .mmap_offset = 0x80000 };
	attach(&msg, GUEST_MEMORY);
	say(&msg);
	if (rig.dev != NULL)
		say_u64(VHOST_USER_SET_FEATURES, rig.dev->features ^ UINT64_C(1) << VHOST_F_LOG_ALL,
			NO_FD);
}

/* What a guest writes: anywhere, but mostly into the first rings. */
static void
write_memory(struct fuzz_input *in)
{
	const uint32_t at = (fuzz_u8(in) % 6) * RING_SPACE + fuzz_u16(in) % RING_SPACE;

	fuzz_bytes(in, rig.memory + at, fuzz_u8(in) % 64);
}

static void
bursts(struct fuzz_input *in)
{
	const uint16_t queue = fuzz_u8(in) % 6, want = 1 + fuzz_u8(in) % BURST;
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	if (queue & 1) {
		n = rte_vhost_dequeue_burst(rig.dev->vid, queue, rig.pool, pkts, want);
		fuzz_check(n <= want);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	if (rte_pktmbuf_alloc_bulk(rig.pool, pkts, want) != 0)
		return;
	for (uint16_t i = 0; i < want; i++)
		memset(rte_pktmbuf_append(pkts[i], 60 + 8 * i), 0x5a, 60 + 8 * i);
	n = rte_vhost_enqueue_burst(rig.dev->vid, queue, pkts, want);
	fuzz_check(n <= want);
	rte_pktmbuf_free_bulk(pkts, want);
}

/* Guest memory is all there, so nobody waits for a page. */
static void
go_postcopy(struct fuzz_input *in)
{
	static const uint32_t requests[] = { VHOST_USER_POSTCOPY_ADVISE, VHOST_USER_POSTCOPY_LISTEN,
		VHOST_USER_POSTCOPY_END };
	const uint8_t which = fuzz_u8(in) % (RTE_DIM(requests) + 2);
	struct vhost_user_message msg;

	if (which < RTE_DIM(requests)) {
		msg = new_message(requests[which], 0);
		say(&msg);
	} else {
		say_u64(which == RTE_DIM(requests) ? VHOST_USER_SET_MEM_TABLE :
						     VHOST_USER_ADD_MEM_REG,
			0, NO_FD);
	}
}

static void
take_step(struct fuzz_input *in)
{
	switch ((enum step)(fuzz_u8(in) % STEPS)) {
	case MESSAGE:
		any_message(in, false);
		break;
	case NEGOTIATE:
		negotiate(in);
		break;
	case MEMORY:
		tell_memory(in);
		break;
	case REGION:
		tell_region(in);
		break;
	case RING:
		set_up_ring(in);
		break;
	case ENABLE:
		say_state(VHOST_USER_SET_VRING_ENABLE, fuzz_u8(in) % 6, fuzz_u8(in) & 1);
		break;
	case MAP:
		tell_iommu(in, VHOST_IOTLB_UPDATE);
		break;
	case UNMAP:
		tell_iommu(in, VHOST_IOTLB_INVALIDATE);
		break;
	case REGION_OF_INFLIGHT:
		tell_inflight(in);
		break;
	case LOG:
		tell_log();
		break;
	case WRITE:
		write_memory(in);
		break;
	case BURSTS:
		bursts(in);
		break;
	case GO_POSTCOPY:
		go_postcopy(in);
		break;
	case TRAVEL:
		fuzz_wire_take(in, &rig.wire);
		break;
	case LONG_MESSAGE:
		any_message(in, true);
		break;
	case PAUSE:
		fuzz_loop_settle();
		fuzz_loop_time_passes();
		arrived();
		break;
	case ASK:
		if (fuzz_frontend_ask != NULL)
			fuzz_frontend_ask(in);
		break;
	default:
		break;
	}
}

static int
lowest_fd(void)
{
	const int fd = dup(rig.fds[NOTHING]);

	close(fd);
	return fd;
}

static unsigned int
entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	fuzz_check(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Of files that have no name: what is shared, logged to, or kept for the next back end. */
static unsigned int
mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	fuzz_check(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, "/memfd:") != NULL;
	fclose(maps);
	return n;
}

/* No sanitizer sees what the kernel keeps for us. Looking takes as long as some inputs do. */
static void
check_growth(void)
{
	static unsigned int runs, before[3];
	unsigned int now[RTE_DIM(before)];

	if (runs++ % INPUTS_BETWEEN_LOOKS != 0)
		return;
	now[0] = entries("/proc/self/fd");
	now[1] = mappings();
	now[2] = entries("/proc/self/task");
	if (runs == 1)
		memcpy(before, now, sizeof(before));
	if (now[0] > before[0] || now[1] > before[1] || now[2] > before[2]) {
		fprintf(stderr,
			"of the last %u inputs, one left descriptors (%u, not %u), mappings (%u, "
			"not %u) or threads (%u, not %u)\n",
			INPUTS_BETWEEN_LOOKS, now[0], before[0], now[1], before[1], now[2],
			before[2]);
		abort();
	}
}

void
fuzz_frontend_answer(struct fuzz_input *in, uint32_t request, unsigned int n)
{
	struct vhost_user_message msg = new_message(request, sizeof(uint64_t));
	const uint8_t how = fuzz_u8(in);

	/* What was not asked for, or asked for long ago. */
	drain(rig.fds[SOCKET]);
	msg.header.request += how >> 7;
	msg.header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	for (unsigned int i = 0; i < n; i++) {
		msg.payload.u64 = i < 7 ? how >> i & 1 : 0;
		vhost_user_send(rig.peer, &msg);
	}
}

static int
connected(int vid)
{
	rig.dev = vhost_device_get(vid);
	fuzz_check(rig.dev != NULL);
	rig.features = rig.dev->offered_features;
	rig.protocol_features = rig.dev->offered_protocol_features;
	return 0;
}

static void
disconnected(int vid)
{
	fuzz_check(rig.dev != NULL && rig.dev->vid == vid);
	rig.dev = NULL;
}

/* The back end's end is the back end's. */
static struct vhost_user_socket *
connect_to(const struct vhost_device_config *config)
{
	struct vhost_user_socket *s = vhost_user_socket_create(config->path, config->flags);
	int pair[2];

	fuzz_check(s != NULL);
	s->offer = (struct vhost_user_offer){ .supported = config->features,
		.features = config->features,
		.protocol_features = config->protocol_features,
		.queue_num = config->queue_num,
		.builtin_net = config->builtin_net,
		.own_protocol_features = true,
		.ops = { .new_connection = connected, .destroy_connection = disconnected },
		.vdpa = config->vdpa };
	/* For its end, in the event loop. */
	s->started = true;
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	rig.sock = pair[0];
	vhost_user_connection_open(s, pair[1]);
	return s;
}

void
fuzz_frontend_release(struct rte_vdpa_device *vdpa)
{
	if (rig.dev != NULL)
		vhost_user_socket_release_vdpa(rig.socket, vdpa);
	vhost_user_lose_vdpa(vdpa);
}

void
fuzz_frontend_run(struct fuzz_input *in, const struct vhost_device_config *config)
{
	const int before = lowest_fd();

	memset(rig.memory, 0, MEMORY_SIZE);
	memset(&rig.wire, 0, sizeof(rig.wire));
	rig.socket = connect_to(config);
	for (int i = 0; i < STEPS_MAX && in->left > 0 && rig.dev != NULL; i++)
		take_step(in);
	vhost_user_socket_destroy(rig.socket);
	fuzz_check(rig.dev == NULL);
	/* What the connection has not waited for. */
	fuzz_loop_settle();
	close(rig.sock);
	drain(rig.peer);
	drain(rig.fds[SOCKET]);
	fuzz_check(rte_mempool_in_use_count(rig.pool) == 0);
	fuzz_check(lowest_fd() == before);
	check_growth();
}

void
fuzz_frontend_init(void)
{
	int pair[2];

	fuzz_eal_init();
	/* The library keeps it, with what is beside it. */
	fuzz_check(vhost_user_event_loop() != NULL);
	rig.pool = rte_pktmbuf_pool_create("fuzz", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	fuzz_check(rig.pool != NULL);
	rig.fds[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig.fds[GUEST_MEMORY] = memfd_create("fuzz-memory", MFD_CLOEXEC);
	rig.fds[NOTHING] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	rig.fds[SOCKET] = pair[0];
	rig.peer = pair[1];
	fuzz_check(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
	rig.fds[PIPE] = pair[0];
	fuzz_check(ftruncate(rig.fds[GUEST_MEMORY], MEMORY_SIZE) == 0);
	rig.memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		rig.fds[GUEST_MEMORY], 0);
	fuzz_check(rig.memory != MAP_FAILED);
}
