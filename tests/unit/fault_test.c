/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each system call and each allocation of the control path fails once.
 *
 * A whole life, from the registration of a socket to its end, with a front end that goes through
 * everything it can say, is lived again and again, each time in a fresh process and with the next call
 * failing, until there are no more calls. Whatever fails: nothing crashes or hangs, the application
 * or the log is told, nothing is leaked, and the next life is without blemish.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "aside.h"
#include "fault.h"
#include "fault_driver.h"
#include "frontend.h"
#include "unit_eal.h"
#include "vdpa_driver.h"
#include "vhost_user_socket.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define LIFE_SECONDS 60
#define ANSWER_SECONDS 20

static char path[64];
static struct rte_mempool *pool;

/* What a child found: in memory that it shares with its parent. */
struct verdict {
	char failed[32]; /* the call that failed, empty if there was none */
	char complaint[512];
	bool told;  /* the log has a word of it */
	bool whole; /* the life was as it should be, in spite of the fault */
	unsigned int fds, mappings;
	long allocations;
};
static struct verdict *verdict;

static void __attribute__((noreturn)) end(int status)
{
#ifdef FAULT_COVERAGE
	/* What exit() would do too, with much that is not a forked child's business. */
	void __gcov_dump(void);

	__gcov_dump();
#endif
	_exit(status);
}

static void __attribute__((format(printf, 1, 2), noreturn)) complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(verdict->complaint, sizeof(verdict->complaint), fmt, ap);
	va_end(ap);
	end(1);
}

/* --- The application ----------------------------------------------------------------------- */

static struct {
	int vid; /* of the device that runs, or -1 */
	int connections;
} app = { .vid = -1 };

static int
new_connection(int vid)
{
	(void)vid;
	app.connections++;
	return 0;
}

static int
new_device(int vid)
{
	__atomic_store_n(&app.vid, vid, __ATOMIC_SEQ_CST);
	return 0;
}

static void
destroy_device(int vid)
{
	(void)vid;
	__atomic_store_n(&app.vid, -1, __ATOMIC_SEQ_CST);
}

static void
destroy_connection(int vid)
{
	(void)vid;
	app.connections--;
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = new_connection,
	.new_device = new_device,
	.destroy_device = destroy_device,
	.destroy_connection = destroy_connection,
};

/* What an application does with a device that runs. */
static void
work(void)
{
	const int vid = __atomic_load_n(&app.vid, __ATOMIC_SEQ_CST);
	struct rte_mbuf *pkts[4];
	struct rte_vhost_memory *mem;
	uint16_t n;

	if (rte_vhost_get_mem_table(vid, &mem) == 0)
		free(mem);
	rte_vhost_get_numa_node(vid);
	n = rte_vhost_dequeue_burst(vid, 1, pool, pkts, RTE_DIM(pkts));
	rte_vhost_enqueue_burst(vid, 0, pkts, n);
	rte_pktmbuf_free_bulk(pkts, n);
	rte_vhost_vring_call(vid, 0);
	rte_vhost_backend_config_change(vid, false);
	rte_vhost_backend_config_change(vid, true);
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* --- How lives differ ---------------------------------------------------------------------- */

#define FEATURES \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VHOST_F_LOG_ALL) | \
		FEATURE(VHOST_USER_FEATURE_PROTOCOL))

struct life {
	uint64_t flags; /* of the socket */
	bool vdpa;
	bool iommu;    /* the guest has one, and its addresses are told one by one */
	bool postcopy; /* the guest arrives, its memory behind it */
};

static struct rte_vdpa_device *vdpa;

static bool
serve(const struct life *life)
{
	if (rte_vhost_driver_register(path, life->flags) != 0)
		return false;
	if (life->vdpa) {
		vdpa = fault_driver_register(FEATURES, new_device);
		if (vdpa == NULL || rte_vhost_driver_attach_vdpa_device(path, vdpa) != 0)
			return false;
	}
	return rte_vhost_driver_callback_register(path, &ops) == 0 &&
		rte_vhost_driver_start(path) == 0;
}

static void
end_service(void)
{
	rte_vhost_driver_unregister(path);
	if (vdpa != NULL)
		rte_vdpa_unregister_device(vdpa);
	vdpa = NULL;
}

/* --- The front end ------------------------------------------------------------------------- */

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
	struct vhost_user_message addr = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));

	addr.payload.addr = (struct vhost_vring_addr){
		.index = i,
		.desc_user_addr = base,
		.avail_user_addr = base + 0x4000,
		.used_user_addr = base + 0x8000,
	};
	return say_state(fe, VHOST_USER_SET_VRING_NUM, i, FE_RING_SIZE) &&
		say_state(fe, VHOST_USER_SET_VRING_BASE, i, 0) && say(fe, &addr, false) &&
		say_u64(fe, VHOST_USER_SET_VRING_ERR, i, fe->call[i]) &&
		say_u64(fe, VHOST_USER_SET_VRING_CALL, i, fe->call[i]) &&
		say_u64(fe, VHOST_USER_SET_VRING_KICK, i, fe->kick[i]) &&
		say_state(fe, VHOST_USER_SET_VRING_ENABLE, i, 1);
}

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
			.len = 12 + 64,
			.flags = i == 0 ? VRING_DESC_F_WRITE : 0 };
		avail->idx = 1;
		fe->kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		fe->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
}

static bool
keep_in_flight(struct frontend *fe)
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
	struct vhost_user_message msg = fe_message(VHOST_USER_IOTLB_MSG,
		sizeof(struct vhost_iotlb_msg));

	msg.payload.iotlb = (struct vhost_iotlb_msg){ .iova = iova,
		.size = FE_MEMORY_SIZE,
		.uaddr = FE_VA,
		.perm = VHOST_ACCESS_RW,
		.type = type };
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
talk(struct frontend *fe, const struct life *life)
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
		(!speaks(VHOST_USER_PF_CONFIG) || read_config(fe)) &&
		(life->postcopy ? share_late_memory(fe) : share_memory(fe)) &&
		(!speaks(VHOST_USER_PF_INFLIGHT_SHMFD) || keep_in_flight(fe)) &&
		(!life->iommu || map_addresses(fe)) && set_up_ring(fe, 0) && set_up_ring(fe, 1) &&
		say_u64(fe, VHOST_USER_SET_STATUS, 0xf, -1);
	ok = ok && __atomic_load_n(&app.vid, __ATOMIC_SEQ_CST) >= 0;
	if (ok) {
		fault_exempt(false);
		work();
		fault_exempt(true);
	}
	ok = ok && (!life->postcopy || ask(fe, VHOST_USER_POSTCOPY_END, &end)) && plug_memory(fe) &&
		log_writes(fe, features) && (!life->iommu || unmap_addresses(fe)) &&
		share_memory(fe) && say_state(fe, VHOST_USER_GET_VRING_BASE, 0, 0) &&
		say_state(fe, VHOST_USER_GET_VRING_BASE, 1, 0) && !(app.vid >= 0) &&
		(!speaks(VHOST_USER_PF_DEVICE_STATE) || save_and_load_state(fe));
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(answering, NULL);
	close(fds[0]);
	close(fds[1]);
	return ok;
}

/* --- A life -------------------------------------------------------------------------------- */

static int
connect_to(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		complain("cannot connect to %s, which was started: %s", path, strerror(errno));
	return fd;
}

/* @return whether everything was as it should be */
static bool
live(const struct life *life)
{
	const bool client = (life->flags & RTE_VHOST_USER_CLIENT) != 0;
	struct frontend fe;
	int listener = -1;
	bool ok;

	fault_exempt(true);
	if (client)
		listener = fe_listen(path);
	fault_exempt(false);
	ok = serve(life);
	fault_exempt(true);
	if (ok) {
		fe_init(&fe, client ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : connect_to(),
			NULL);
		ok = talk(&fe, life);
		fe_fini(&fe);
	} else if (rte_errno == 0) {
		complain("a call of the application failed without saying why");
	}
	if (client) {
		close(listener);
		unlink(path);
	}
	fault_exempt(false);
	end_service();
	fault_exempt(true);
	/* What was removed is freed behind the callback that removed it. */
	for (int i = 0; i < 2; i++)
		if (vhost_user_event_loop() != NULL)
			event_loop_run(vhost_user_event_loop(), nothing, NULL);
	if (app.connections != 0 || app.vid >= 0)
		complain("%d connections and vid %d are left of a life", app.connections, app.vid);
	return ok;
}

/* In a child: a life with a fault, then one without. */
static void __attribute__((noreturn)) two_lives(const struct life *life, unsigned int n)
{
	const char *failed;
	char *text = NULL;
	size_t len = 0;
	FILE *log;

	alarm(LIFE_SECONDS);
	fault_exempt(true);
	log = open_memstream(&text, &len);
	rte_openlog_stream(log);
	fault_arm(n);
	verdict->whole = live(life);
	failed = fault_disarm();
	fflush(log);
	verdict->told = len > 0;
	rte_openlog_stream(stderr);
	fclose(log);
	if (failed != NULL)
		snprintf(verdict->failed, sizeof(verdict->failed), "%s", failed);
	if (!verdict->whole && !verdict->told)
		complain("nothing in the log tells why it went wrong");
	if (strcmp(verdict->failed, "munmap") == 0 && !verdict->told)
		complain("nothing in the log tells that memory stays mapped");
	if (!live(life))
		complain("the next life went wrong; the log of the first: %s", text);
	vhost_aside_settle();
	verdict->fds = unit_open_fds();
	verdict->mappings = fe_mappings();
	free(text);
	verdict->allocations = fault_allocations();
	end(0);
}

static void
child(const struct life *life, unsigned int n)
{
	pid_t pid;
	int status;

	memset(verdict, 0, sizeof(*verdict));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		two_lives(life, n);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("call %u (%s) failing: killed by signal %d (%s)", n, verdict->failed,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		fail_msg("call %u (%s) failing: %s", n, verdict->failed,
			verdict->complaint[0] != '\0' ? verdict->complaint : "exit status not 0");
}

/* Fail every call in turn; @return how many there are */
static unsigned int
fail_each_call(const struct life *life)
{
	struct verdict flawless;
	unsigned int survived = 0;
	unsigned int n;

	child(life, 0);
	assert_true(verdict->whole);
	flawless = *verdict;
	assert_int_equal(flawless.mappings, 0);
	for (n = 1;; n++) {
		child(life, n);
		if (verdict->failed[0] == '\0')
			break;
		survived += verdict->whole;
		if (verdict->fds != flawless.fds || verdict->mappings != 0 ||
			verdict->allocations != flawless.allocations)
			fail_msg("call %u (%s) failing leaves %u descriptors, %u mappings and %ld "
				 "allocations, not %u, 0 and %ld",
				n, verdict->failed, verdict->fds, verdict->mappings,
				verdict->allocations, flawless.fds, flawless.allocations);
	}
	print_message("%u calls failed in turn, %u of them without consequence\n", n - 1, survived);
	return n - 1;
}

static void
server_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_NET_STATS_ENABLE };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
client_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_CLIENT };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
vdpa_device_survives_every_failure(void **state)
{
	const struct life life = { .vdpa = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
iommu_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_IOMMU_SUPPORT, .iommu = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
postcopy_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_POSTCOPY_SUPPORT, .postcopy = true };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	(void)state;
	if (fd < 0) {
		print_message("this kernel does not let us have a userfaultfd\n");
		skip();
	}
	close(fd);
	assert_true(fail_each_call(&life) > 100);
}

static bool
only(const struct CMUnitTest *tests, size_t n, const char *name)
{
	cmocka_set_test_filter(name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(tests[i].name, name) == 0)
			return true;
	fprintf(stderr, "fault_test: there is no test '%s'\n", name);
	return false;
}

/* fault_test [NAME]: all of them, or one. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_survives_every_failure),
		cmocka_unit_test(client_survives_every_failure),
		cmocka_unit_test(vdpa_device_survives_every_failure),
		cmocka_unit_test(iommu_survives_every_failure),
		cmocka_unit_test(postcopy_survives_every_failure),
	};
	char dir[] = "/tmp/fault-test-XXXXXX";
	int ret;

	if (argc > 1 && !only(tests, RTE_DIM(tests), argv[1]))
		return 2;
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	if (verdict == MAP_FAILED || unit_eal_setup(NULL) != 0 || mkdtemp(dir) == NULL)
		return 1;
	pool = rte_pktmbuf_pool_create("fault", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL || fault_driver_init() != 0)
		return 1;
	/* What is to be told is told as a warning or an error. */
	rte_log_set_global_level(RTE_LOG_WARNING);
	snprintf(path, sizeof(path), "%s/socket", dir);
	ret = cmocka_run_group_tests_name("fault", tests, NULL, NULL);
	rmdir(dir);
	return ret;
}
