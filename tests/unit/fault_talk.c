/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "fault.h"
#include "fault_life.h"
#include "rte_vhost_inflight.h"

#define ANSWER_SECONDS 20

/* Send a request and take its answer, if one is due. @return whether it was served */
static bool
say(struct frontend *fe, struct vhost_user_message *msg, bool answers)
{
	const uint32_t request = msg->header.request;
	int ret;

	if (!answers)
		msg->header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	if (vhost_user_send(fe->sock, msg) != 0)
		return false;
	ret = vhost_user_receive(fe->sock, msg);
	if (ret == -EAGAIN)
		complain("%s was not answered, and the connection not closed",
			vhost_user_request_name(request));
	if (ret == 1)
		vhost_user_message_close_fds(msg);
	return ret == 1 && msg->header.request == request && (answers || msg->payload.u64 == 0);
}

static bool
say_u64(struct frontend *fe, uint32_t request, uint64_t value, int fd)
{
	struct vhost_user_message msg = fe_message(request, sizeof(uint64_t));

	msg.payload.u64 = value;
	if (fd >= 0)
		msg.fds[msg.nfds++] = fd;
	return say(fe, &msg, false);
}

static bool
ask(struct frontend *fe, uint32_t request, uint64_t *value)
{
	struct vhost_user_message msg = fe_message(request, 0);

	if (!say(fe, &msg, true))
		return false;
	*value = msg.payload.u64;
	return true;
}

static bool
say_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_message msg = fe_message(request, sizeof(struct vhost_vring_state));

	msg.payload.state.index = index;
	msg.payload.state.num = num;
	return say(fe, &msg, request == VHOST_USER_GET_VRING_BASE);
}

#define PROTOCOL_FEATURES \
	(FEATURE(VHOST_USER_PF_MQ) | FEATURE(VHOST_USER_PF_LOG_SHMFD) | \
		FEATURE(VHOST_USER_PF_RARP) | FEATURE(VHOST_USER_PF_RESET_DEVICE) | \
		FEATURE(VHOST_USER_PF_REPLY_ACK) | FEATURE(VHOST_USER_PF_NET_MTU) | \
		FEATURE(VHOST_USER_PF_BACKEND_REQ) | FEATURE(VHOST_USER_PF_CONFIG) | \
		FEATURE(VHOST_USER_PF_BACKEND_SEND_FD) | FEATURE(VHOST_USER_PF_HOST_NOTIFIER) | \
		FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD) | FEATURE(VHOST_USER_PF_PAGEFAULT) | \
		FEATURE(VHOST_USER_PF_DEVICE_STATE) | FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS) | \
		FEATURE(VHOST_USER_PF_STATUS))

/* What this connection agreed on. */
static uint64_t protocol_features;

static bool
speaks(unsigned int bit)
{
	return (protocol_features & FEATURE(bit)) != 0;
}

static bool
negotiate(struct frontend *fe, uint64_t features)
{
	struct vhost_user_message owner = fe_message(VHOST_USER_SET_OWNER, 0);
	struct vhost_user_message agree = fe_message(VHOST_USER_SET_PROTOCOL_FEATURES, 8);
	uint64_t value;

	if (!ask(fe, VHOST_USER_GET_FEATURES, &value) ||
		!ask(fe, VHOST_USER_GET_PROTOCOL_FEATURES, &value))
		return false;
	protocol_features = agree.payload.u64 = value & PROTOCOL_FEATURES;
	/* Not acknowledged: acknowledgements are what is being negotiated. */
	return vhost_user_send(fe->sock, &agree) == 0 && say(fe, &owner, false) &&
		ask(fe, VHOST_USER_GET_QUEUE_NUM, &value) &&
		ask(fe, VHOST_USER_GET_MAX_MEM_SLOTS, &value) &&
		say_u64(fe, VHOST_USER_SET_FEATURES, features, -1) &&
		say_u64(fe, VHOST_USER_NET_SET_MTU, 1500, -1) &&
		say_u64(fe, VHOST_USER_SET_STATUS, 0xb, -1) &&
		ask(fe, VHOST_USER_GET_STATUS, &value);
}

static bool
read_config(struct frontend *fe)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_GET_CONFIG,
		VHOST_USER_CONFIG_HEADER_SIZE + 12);

	msg.payload.config.size = 12;
	return say(fe, &msg, true);
}

static bool
write_config(struct frontend *fe)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_CONFIG,
		VHOST_USER_CONFIG_HEADER_SIZE + 6);

	msg.payload.config.size = 6;
	return say(fe, &msg, false);
}

static bool
share_memory(struct frontend *fe)
{
	struct vhost_user_message table = fe_memory_message(fe->memfd, FE_MEMORY_SIZE);

	return say(fe, &table, false);
}

/* Post-copy migration, of memory that has arrived already: no page is waited for. */
static bool
share_late_memory(struct frontend *fe)
{
	struct vhost_user_message advise = fe_message(VHOST_USER_POSTCOPY_ADVISE, 0);
	struct vhost_user_message listen = fe_message(VHOST_USER_POSTCOPY_LISTEN, 0);
	struct vhost_user_message table = fe_memory_message(fe->memfd, FE_MEMORY_SIZE);

	return say(fe, &advise, true) && say(fe, &listen, false) && say(fe, &table, true) &&
		say_u64(fe, VHOST_USER_SET_MEM_TABLE, 0, -1);
}

/* One more region, which is taken away again, while the rings run. */
static bool
plug_memory(struct frontend *fe)
{
	struct vhost_user_message add = fe_message(VHOST_USER_ADD_MEM_REG,
		sizeof(struct vhost_user_mem_reg));
	struct vhost_user_message remove;

	add.payload.mem_reg.region = (struct vhost_user_region){
		.gpa = FE_GPA + FE_MEMORY_SIZE,
		.size = FE_MEMORY_SIZE / 2,
		.fe_va = FE_VA + FE_MEMORY_SIZE,
		.mmap_offset = FE_MEMORY_SIZE / 2,
	};
	remove = add;
	remove.header.request = VHOST_USER_REM_MEM_REG;
	add.fds[add.nfds++] = fe->memfd;
	return say(fe, &add, false) && say(fe, &remove, false);
}

static bool
set_up_ring(struct frontend *fe, uint32_t i)
{
	const uint64_t base = FE_VA + (uint64_t)i * FE_RING_SPACE;
	const struct vring_used *used = (const void *)(fe->memory + (size_t)i * FE_RING_SPACE +
		0x8000);
	struct vhost_user_message addr = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));

	addr.payload.addr = (struct vhost_vring_addr){
		.index = i,
		.desc_user_addr = base,
		.avail_user_addr = base + 0x4000,
		.used_user_addr = base + 0x8000,
	};
	return say_state(fe, VHOST_USER_SET_VRING_NUM, i, FE_RING_SIZE) &&
		say_state(fe, VHOST_USER_SET_VRING_BASE, i, used->idx) && say(fe, &addr, false) &&
		say_u64(fe, VHOST_USER_SET_VRING_ERR, i, fe->call[i]) &&
		say_u64(fe, VHOST_USER_SET_VRING_CALL, i, fe->call[i]) &&
		say_u64(fe, VHOST_USER_SET_VRING_KICK, i, fe->kick[i]) &&
		say_state(fe, VHOST_USER_SET_VRING_ENABLE, i, 1);
}

/* Does not fit an mbuf. */
#define FRAME 3000

/* A frame to be sent, and buffers to receive it in. */
static void
fill_rings(struct frontend *fe)
{
	memset(fe->memory, 0, FE_MEMORY_SIZE);
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *base = fe->memory + (size_t)i * FE_RING_SPACE;
		struct vring_desc *desc = (struct vring_desc *)base;
		struct vring_avail *avail = (struct vring_avail *)(base + 0x4000);

		desc[0] = (struct vring_desc){ .addr = FE_GPA + (2 + i) * FE_RING_SPACE,
			.len = 12 + FRAME,
			.flags = i == 0 ? VRING_DESC_F_WRITE : 0 };
		avail->idx = 1;
		fe->kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		fe->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
}

/* A back end before this one took a chain of ring 0, and died. */
static void
leave_in_flight(int fd, size_t size)
{
	struct rte_vhost_inflight_info_split *ring = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);

	if (ring == MAP_FAILED)
		complain("cannot map the in-flight region: %s", strerror(errno));
	ring->version = 1;
	ring->desc_num = FE_RING_SIZE;
	ring->desc[0].inflight = 1;
	munmap(ring, size);
}

static bool
keep_in_flight(struct frontend *fe, const struct life *life)
{
	struct vhost_user_message get = fe_message(VHOST_USER_GET_INFLIGHT_FD,
		sizeof(struct vhost_user_inflight));
	struct vhost_user_message set;
	bool ok;

	get.payload.inflight.num_queues = 2;
	get.payload.inflight.queue_size = FE_RING_SIZE;
	if (vhost_user_send(fe->sock, &get) != 0)
		return false;
	if (vhost_user_receive(fe->sock, &get) != 1)
		return false;
	if (get.nfds != 1) {
		vhost_user_message_close_fds(&get);
		return false;
	}
	if (life->application)
		leave_in_flight(get.fds[0], get.payload.inflight.mmap_size);
	set = get;
	set.header.request = VHOST_USER_SET_INFLIGHT_FD;
	set.header.flags = VHOST_USER_VERSION;
	ok = say(fe, &set, false);
	vhost_user_message_close_fds(&get);
	return ok;
}

/* A migration begins. */
static bool
log_writes(struct frontend *fe, uint64_t features)
{
	struct vhost_user_message log = fe_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));
	struct vhost_user_message fd = fe_message(VHOST_USER_SET_LOG_FD, 0);

	/* Pages of guest addresses up to the end of what we share, a bit for each. */
	log.payload.log.mmap_size = (FE_GPA + 2 * FE_MEMORY_SIZE) / 4096 / 8;
	log.payload.log.mmap_offset = 0;
	log.fds[log.nfds++] = fe->memfd;
	fd.fds[fd.nfds++] = fe->call[0];
	return say(fe, &log, true) && say(fe, &fd, false) &&
		say_u64(fe, VHOST_USER_SET_FEATURES, features, -1);
}

/* All of the memory at one address of the guest's, before it is asked for, or no more. */
static bool
translate(struct frontend *fe, uint8_t type, uint64_t iova)
{
	struct vhost_user_message msg = fe_iotlb_message(type, iova, FE_MEMORY_SIZE, FE_VA,
		VHOST_ACCESS_RW);

	return say(fe, &msg, false);
}

static bool
map_addresses(struct frontend *fe)
{
	return translate(fe, VHOST_IOTLB_UPDATE, FE_VA) &&
		translate(fe, VHOST_IOTLB_UPDATE, FE_GPA);
}

static bool
unmap_addresses(struct frontend *fe)
{
	return translate(fe, VHOST_IOTLB_INVALIDATE, FE_VA) &&
		translate(fe, VHOST_IOTLB_INVALIDATE, FE_GPA) && map_addresses(fe);
}

static bool
move_state(struct frontend *fe, uint32_t direction, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_DEVICE_STATE_FD,
		sizeof(struct vhost_user_device_state));
	uint64_t result;

	msg.payload.device_state.direction = direction;
	msg.fds[msg.nfds++] = fd;
	return say(fe, &msg, true) && (msg.payload.u64 & 0xff) == 0 &&
		ask(fe, VHOST_USER_CHECK_DEVICE_STATE, &result) && result == 0;
}

/* Out of the device, and into it again. */
static bool
save_and_load_state(struct frontend *fe)
{
	int out[2], in[2];
	char data[256];
	ssize_t n;
	bool ok;

	if (pipe(out) != 0 || pipe(in) != 0)
		complain("cannot make pipes: %s", strerror(errno));
	ok = move_state(fe, 0, out[1]);
	close(out[1]);
	n = ok ? read(out[0], data, sizeof(data)) : 0;
	ok = ok && n > 0 && write(in[1], data, (size_t)n) == n;
	close(in[1]);
	ok = ok && move_state(fe, 1, in[0]);
	close(out[0]);
	close(in[0]);
	return ok;
}

/* Answer what comes on the back end's channel, until it is closed. */
static void *
answer(void *arg)
{
	const int fd = *(const int *)arg;
	struct vhost_user_message msg;

	fault_exempt(true);
	while (vhost_user_receive(fd, &msg) == 1) {
		vhost_user_message_close_fds(&msg);
		if ((msg.header.flags & VHOST_USER_FLAG_NEED_REPLY) == 0)
			continue;
		msg.header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
		msg.header.size = sizeof(msg.payload.u64);
		msg.payload.u64 = 0;
		vhost_user_send(fd, &msg);
	}
	return NULL;
}

static bool
set_up_rings(struct frontend *fe)
{
	return set_up_ring(fe, 0) && set_up_ring(fe, 1) &&
		say_u64(fe, VHOST_USER_SET_STATUS, 0xf, -1) && app_runs();
}

static bool
stop_rings(struct frontend *fe)
{
	return say_state(fe, VHOST_USER_GET_VRING_BASE, 0, 0) &&
		say_state(fe, VHOST_USER_GET_VRING_BASE, 1, 0) && !app_runs();
}

/* Once more, and then the guest is reset, both ways. */
static bool
reset(struct frontend *fe)
{
	struct vhost_user_message device = fe_message(VHOST_USER_RESET_DEVICE, 0);
	struct vhost_user_message owner = fe_message(VHOST_USER_RESET_OWNER, 0);

	return set_up_rings(fe) && say(fe, &device, false) && !app_runs() && say(fe, &owner, false);
}

bool
talk(struct frontend *fe, const struct life *life, void (*work)(const struct life *life))
{
	const uint64_t features = FEATURES | (life->iommu ? FEATURE(VIRTIO_F_ACCESS_PLATFORM) : 0);
	struct vhost_user_message channel = fe_message(VHOST_USER_SET_BACKEND_REQ_FD, 0);
	const struct timeval timeout = { .tv_sec = ANSWER_SECONDS };
	pthread_t answering;
	uint64_t end;
	int fds[2];
	bool ok;

	setsockopt(fe->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	fill_rings(fe);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
	channel.fds[channel.nfds++] = fds[1];
	if (pthread_create(&answering, NULL, answer, &fds[0]) != 0)
		complain("cannot start a thread");
	ok = negotiate(fe, features & ~FEATURE(VHOST_F_LOG_ALL)) && say(fe, &channel, false) &&
		(!speaks(VHOST_USER_PF_CONFIG) || !life->vdpa ||
			(read_config(fe) && write_config(fe))) &&
		(life->postcopy ? share_late_memory(fe) : share_memory(fe)) &&
		(!speaks(VHOST_USER_PF_INFLIGHT_SHMFD) || keep_in_flight(fe, life)) &&
		(!life->iommu || map_addresses(fe)) && set_up_rings(fe) &&
		(!speaks(VHOST_USER_PF_RARP) ||
			say_u64(fe, VHOST_USER_SEND_RARP, 0x563412005452, -1));
	if (ok) {
		fault_exempt(false);
		work(life);
		fault_exempt(true);
	}
	ok = ok && (!life->postcopy || ask(fe, VHOST_USER_POSTCOPY_END, &end)) && plug_memory(fe) &&
		log_writes(fe, features) && (!life->iommu || unmap_addresses(fe)) &&
		share_memory(fe) && stop_rings(fe) &&
		(!speaks(VHOST_USER_PF_DEVICE_STATE) || save_and_load_state(fe)) && reset(fe);
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(answering, NULL);
	close(fds[0]);
	close(fds[1]);
	return ok;
}
