/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A front end that takes all it can get of what everybody in the process needs: address space, mappings,
 * memory, descriptors. It is refused at some point, is told so, keeps its connection; and another one, at a
 * socket of its own, connects and comes up as if it were alone.
 */

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include "aside.h"
#include "budget.h"
#include "frontend.h"
#include "unit_sockets.h"
#include "vhost_user_socket.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)
#define TIB (UINT64_C(1) << 40)
/* Few, so that they are soon taken. */
#define FDS_LIMIT 512u
#define HOGS 8
#define RINGS 256u

static struct frontend hogs[HOGS], neighbour;

/* --- The application ----------------------------------------------------------------------- */

static sem_t started, stopped;

static int
on_new_device(int vid)
{
	(void)vid;
	sem_post(&started);
	return 0;
}

static void
on_destroy_device(int vid)
{
	(void)vid;
	sem_post(&stopped);
}

static const struct rte_vhost_device_ops ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
};

static void
serve(const char *at)
{
	assert_int_equal(rte_vhost_driver_register(at, 0), 0);
	assert_int_equal(rte_vhost_driver_callback_register(at, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(at), 0);
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* Wait until what was refused, or is not needed any more, is closed: it counts until then. */
static void
settle(void)
{
	event_loop_run(vhost_user_event_loop(), nothing, NULL);
	vhost_aside_settle();
}

static int
setup(void **state)
{
	(void)state;
	sem_init(&started, 0, 0);
	sem_init(&stopped, 0, 0);
	serve(path);
	serve(other_path);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(rte_vhost_driver_unregister(other_path), 0);
	settle();
	return 0;
}

/* --- Front ends ---------------------------------------------------------------------------- */

/* One that hears of what is refused. */
static void
connect_to(struct frontend *fe, const char *at)
{
	fe_init(fe, fe_connect(at), NULL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_REPLY_ACK) | FEATURE(VHOST_USER_PF_MQ) |
					 FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS) |
					 FEATURE(VHOST_USER_PF_BACKEND_REQ) |
					 FEATURE(VHOST_USER_PF_DEVICE_STATE)),
		0);
}

/* @return whether the request was served: if not, it was refused, but for a connection that is closed */
static bool
served(struct frontend *fe, struct vhost_user_message *msg)
{
	msg->header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	if (fe_send(fe, msg) != 0 || fe_answer(fe, msg) != 1)
		return false;
	assert_int_equal(msg->header.size, sizeof(uint64_t));
	return msg->payload.u64 == 0;
}

static bool
is_connected(struct frontend *fe)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_GET_FEATURES, 0);

	return fe_send(fe, &msg) == 0 && fe_answer(fe, &msg) == 1;
}

static bool
share(struct frontend *fe, int fd, uint64_t size)
{
	struct vhost_user_message msg = fe_memory_message(fd, size);

	return served(fe, &msg);
}

static bool
plug(struct frontend *fe, int fd, uint64_t number, uint64_t size)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_ADD_MEM_REG,
		sizeof(struct vhost_user_mem_reg));

	msg.payload.mem_reg.region = (struct vhost_user_region){ .gpa = FE_GPA + number * size,
		.size = size,
		.fe_va = FE_VA + number * size };
	msg.fds[msg.nfds++] = fd;
	return served(fe, &msg);
}

static bool
notify(struct frontend *fe, uint32_t request, uint32_t ring, int fd)
{
	struct vhost_user_message msg = fe_message(request, sizeof(uint64_t));

	msg.payload.u64 = ring;
	msg.fds[msg.nfds++] = fd;
	return served(fe, &msg);
}

/* The neighbour comes up, with two rings and all their notifiers. */
static void
neighbour_comes_up(void)
{
	connect_to(&neighbour, other_path);
	assert_int_equal(fe_set_features(&neighbour, F_V1), 0);
	assert_int_equal(fe_set_memory(&neighbour), 0);
	assert_int_equal(fe_setup_ring(&neighbour, 0), 0);
	assert_int_equal(fe_setup_ring(&neighbour, 1), 0);
	assert_true(notify(&neighbour, VHOST_USER_SET_VRING_ERR, 0, neighbour.call[0]));
	assert_true(notify(&neighbour, VHOST_USER_SET_VRING_ERR, 1, neighbour.call[1]));
	sem_wait(&started);
}

static void
neighbour_goes(void)
{
	fe_fini(&neighbour);
	sem_wait(&stopped);
}

/* --- Address space ------------------------------------------------------------------------- */

/* A file that has this many bytes and takes none. */
static int
sparse_file(uint64_t size)
{
	int fd = memfd_create("unit-sparse", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void
address_space_is_left_for_others(void **state)
{
	const uint64_t most = VHOST_MEMORY_SIZE_MAX;
	const int fd = sparse_file(most);
	unsigned int n = 0;
	void *own;

	(void)state;
	for (unsigned int i = 0; i < HOGS; i++) {
		connect_to(&hogs[i], path);
		n += share(&hogs[i], fd, most);
	}
	assert_int_equal(n, VHOST_BUDGET_BYTES / 2 / most);
	/* Nor is there room for a log, or region by region, however small. */
	assert_false(plug(&hogs[HOGS - 1], fd, 0, 4096));
	for (unsigned int i = 0; i < HOGS; i++)
		assert_true(is_connected(&hogs[i]));
	/* What takes the place of something is no more than that was. */
	assert_true(share(&hogs[0], fd, most));

	/* Others, and the process itself, find room: guests of several TiB. */
	own = mmap(NULL, 8 * TIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(own, MAP_FAILED);
	munmap(own, 8 * TIB);
	neighbour_comes_up();
	assert_true(share(&neighbour, fd, most));
	neighbour_goes();

	for (unsigned int i = 0; i < HOGS; i++)
		fe_fini(&hogs[i]);
	close(fd);
}

static void
address_space_comes_back(void **state)
{
	const uint64_t most = VHOST_MEMORY_SIZE_MAX;
	const int fd = sparse_file(most);

	(void)state;
	/* One connection after the other, each as large as it goes. */
	for (unsigned int i = 0; i < HOGS; i++) {
		connect_to(&hogs[0], path);
		assert_true(share(&hogs[0], fd, most));
		fe_fini(&hogs[0]);
	}
	close(fd);
}

static int
nothing_at_all(struct rte_vhost_memory *table, const char *at, struct vhost_device **dev)
{
	const struct vhost_device_config config = { .path = at, .queue_num = 1 };

	*dev = vhost_device_create(&config);
	assert_non_null(*dev);
	(*dev)->mem = table;
	return vhost_budget_map(*dev, 4096, 0);
}

/* As many as it takes would need more descriptors than many a user may have: tables are made up here. */
static void
mappings_are_left_for_others(void **state)
{
	const uint32_t half = VHOST_BUDGET_MAPPINGS / 2;
	struct rte_vhost_memory *table = calloc(1,
		sizeof(*table) + (VHOST_BUDGET_MAPPINGS + 1) * sizeof(table->regions[0]));
	struct vhost_device *devs[3];

	(void)state;
	assert_non_null(table);
	table->nregions = half;
	assert_int_equal(nothing_at_all(table, path, &devs[0]), 0);
	table->nregions = half + 1;
	assert_int_equal(vhost_budget_map(devs[0], 4096, 0), -ENOSPC);
	/* Nor for another connection to the same socket. */
	assert_int_equal(nothing_at_all(NULL, path, &devs[1]), -ENOSPC);
	assert_non_null(strstr(devs[1]->error, "too many mappings"));
	assert_int_equal(nothing_at_all(NULL, other_path, &devs[2]), 0);
	table->nregions = VHOST_BUDGET_MAPPINGS + 1;
	assert_int_equal(vhost_budget_map(devs[2], 4096, 0), -ENOSPC);

	devs[0]->mem = NULL;
	for (size_t i = 0; i < RTE_DIM(devs); i++)
		vhost_device_destroy(devs[i]);
	free(table);
}

/* What others have is in no case left for one. */
static void
nobody_gets_what_others_have(void **state)
{
	struct rte_vhost_memory *table = calloc(1, sizeof(*table) + sizeof(table->regions[0]));
	struct vhost_device *devs[2];

	(void)state;
	assert_non_null(table);
	assert_int_equal(nothing_at_all(NULL, path, &devs[0]), 0);
	assert_int_equal(nothing_at_all(NULL, other_path, &devs[1]), 0);
	table->nregions = 1;
	table->regions[0].mmap_size = VHOST_BUDGET_BYTES / 4 * 3;
	for (int held_back = 0; held_back < 2; held_back++) {
		/* Memory that is not used before its faults are served counts as well. */
		*(held_back ? &devs[0]->postcopy.mem : &devs[0]->mem) = table;
		assert_int_equal(vhost_budget_map(devs[1], VHOST_BUDGET_BYTES / 8, 0), 0);
		assert_int_equal(vhost_budget_map(devs[1], VHOST_BUDGET_BYTES / 2, 0), -ENOSPC);
		devs[0]->mem = devs[0]->postcopy.mem = NULL;
	}
	devs[0]->inflight.size = VHOST_BUDGET_INFLIGHT / 4 * 3;
	assert_int_equal(vhost_budget_inflight(devs[1], VHOST_BUDGET_INFLIGHT / 8), 0);
	assert_int_equal(vhost_budget_inflight(devs[1], VHOST_BUDGET_INFLIGHT / 2), -ENOSPC);
	for (size_t i = 0; i < RTE_DIM(devs); i++)
		vhost_device_destroy(devs[i]);
	free(table);
}

/* --- In-flight regions --------------------------------------------------------------------- */

/* 64 MiB, and a little more than that. */
#define INFLIGHT_RING_SIZE 8192
#define INFLIGHT_REGION (UINT64_C(64) << 20)

static void
connect_with_inflight(struct frontend *fe, const char *at)
{
	fe_init(fe, fe_connect(at), NULL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_REPLY_ACK) |
					 FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD)),
		0);
	assert_int_equal(fe_set_features(fe, F_V1 | FEATURE(VIRTIO_F_RING_PACKED)), 0);
}

/* @return the file of a region that was made, or -1 */
static int
get_region(struct frontend *fe, uint16_t rings, uint16_t ring_size)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_GET_INFLIGHT_FD,
		sizeof(struct vhost_user_inflight));

	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	msg.payload.inflight.num_queues = rings;
	msg.payload.inflight.queue_size = ring_size;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	return msg.nfds == 1 ? msg.fds[0] : -1;
}

/* Hand one on that somebody else has made. */
static bool
set_region(struct frontend *fe, uint64_t size)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_INFLIGHT_FD,
		sizeof(struct vhost_user_inflight));
	const int fd = sparse_file(size);
	bool ret;

	msg.payload.inflight = (struct vhost_user_inflight){ .mmap_size = size,
		.num_queues = 1,
		.queue_size = 1 };
	msg.fds[msg.nfds++] = fd;
	ret = served(fe, &msg);
	close(fd);
	return ret;
}

static void
inflight_regions_are_left_for_others(void **state)
{
	unsigned int n = 0;
	int fd;

	(void)state;
	for (unsigned int i = 0; i < HOGS; i++) {
		connect_with_inflight(&hogs[i], path);
		fd = get_region(&hogs[i], RINGS, INFLIGHT_RING_SIZE);
		n += fd >= 0;
		close(fd);
	}
	assert_int_equal(n, VHOST_BUDGET_INFLIGHT / 2 / INFLIGHT_REGION - 1);
	/* Whoever made them, and what takes the place of another is no more. */
	assert_false(set_region(&hogs[HOGS - 1], INFLIGHT_REGION));
	assert_true(set_region(&hogs[0], INFLIGHT_REGION));
	fd = get_region(&hogs[0], RINGS, INFLIGHT_RING_SIZE);
	assert_true(fd >= 0);
	close(fd);
	for (unsigned int i = 0; i < HOGS; i++)
		assert_true(is_connected(&hogs[i]));

	/* The largest that there can be. */
	connect_with_inflight(&neighbour, other_path);
	fd = get_region(&neighbour, RINGS, VHOST_VRING_SIZE_MAX);
	assert_true(fd >= 0);
	close(fd);
	fe_fini(&neighbour);
	for (unsigned int i = 0; i < HOGS; i++)
		fe_fini(&hogs[i]);
}

static void
no_inflight_region_is_more_than_is_left(void **state)
{
	struct frontend *fe = &hogs[0];

	(void)state;
	connect_with_inflight(fe, path);
	assert_true(set_region(fe, VHOST_BUDGET_INFLIGHT / 2));
	assert_false(set_region(fe, VHOST_BUDGET_INFLIGHT / 2 + 4096));
	assert_true(is_connected(fe));
	fe_fini(fe);
}

/* --- Descriptors --------------------------------------------------------------------------- */

static struct rlimit limit_before;

static int
limit_to(void **state, unsigned int most)
{
	struct rlimit limit;

	if (setup(state) != 0 || getrlimit(RLIMIT_NOFILE, &limit_before) != 0)
		return -1;
	limit = limit_before;
	limit.rlim_cur = most;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static int
limit_descriptors(void **state)
{
	return limit_to(state, FDS_LIMIT);
}

static int
limit_to_few(void **state)
{
	return limit_to(state, FDS_LIMIT / 2);
}

static int
limit_as_usual(void **state)
{
	return limit_to(state, 1024);
}

static int
unlimit_descriptors(void **state)
{
	setrlimit(RLIMIT_NOFILE, &limit_before);
	return teardown(state);
}

static const uint32_t notifiers[] = { VHOST_USER_SET_VRING_ERR, VHOST_USER_SET_VRING_CALL,
	VHOST_USER_SET_VRING_KICK };

/* Give away descriptors for each ring until one is refused; @return how many were taken. */
static unsigned int
stuff_with(struct frontend *fe, int fd, const uint32_t *requests, unsigned int kinds)
{
	unsigned int n = 0;

	settle();
	while (n < RINGS * kinds && notify(fe, requests[n % kinds], n / kinds, fd))
		n++;
	settle();
	return n;
}

static unsigned int
stuff(struct frontend *fe, int fd)
{
	return stuff_with(fe, fd, notifiers, RTE_DIM(notifiers));
}

static bool
offers_channel(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_BACKEND_REQ_FD, 0);

	msg.fds[msg.nfds++] = fd;
	return served(fe, &msg);
}

/* What is refused is only acknowledged so; the request's own answer has more bits. */
static bool
offers_state(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_DEVICE_STATE_FD,
		sizeof(struct vhost_user_device_state));

	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	msg.fds[msg.nfds++] = fd;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	return msg.payload.u64 != 1;
}

static void
descriptors_are_left_for_others(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned int n, regions = 0;

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		connect_to(&hogs[i], path);
	n = stuff(&hogs[0], fd);
	/* Most of those there are, one device may have. */
	assert_in_range(n, FDS_LIMIT / 2, FDS_LIMIT - FDS_LIMIT / VHOST_BUDGET_FDS_PART);
	/* It is those who share the socket that are counted, and whatever is kept for them. */
	assert_int_equal(stuff(&hogs[1], fd), 0);
	while (regions < 100 && plug(&hogs[1], hogs[1].memfd, regions, 4096))
		regions++;
	assert_int_equal(regions, 0);
	/* What was refused is closed any moment: a number that is free below one that is not counts twice. */
	settle();
	assert_false(share(&hogs[1], hogs[1].memfd, FE_MEMORY_SIZE));
	settle();
	assert_false(offers_channel(&hogs[1], hogs[1].sock));
	settle();
	assert_false(offers_state(&hogs[1], fd));
	/* What takes the place of another is no more. */
	assert_true(notify(&hogs[0], VHOST_USER_SET_VRING_CALL, 0, fd));
	assert_true(is_connected(&hogs[0]) && is_connected(&hogs[1]));

	neighbour_comes_up();
	/* The next one to come to the crowded socket is turned away. */
	fe_init(&hogs[2], fe_connect(path), NULL);
	fe_assert_closed(&hogs[2]);
	neighbour_goes();
	for (unsigned int i = 0; i < 3; i++)
		fe_fini(&hogs[i]);
	close(fd);
}

/* Each kind of them counts, whichever a front end sends no end of. */
static void
descriptors_of_one_kind_are_left_for_others(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(notifiers); i++) {
		connect_to(&hogs[0], path);
		assert_in_range(stuff_with(&hogs[0], fd, &notifiers[i], 1), FDS_LIMIT / 8,
			FDS_LIMIT / 2 - FDS_LIMIT / 2 / VHOST_BUDGET_FDS_PART);
		assert_true(is_connected(&hogs[0]));
		neighbour_comes_up();
		neighbour_goes();
		fe_fini(&hogs[0]);
		settle();
	}
	close(fd);
}

static void
a_device_may_have_all_its_queues(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	(void)state;
	connect_to(&hogs[0], path);
	assert_int_equal(fe_set_features(&hogs[0], F_V1), 0);
	for (uint64_t i = 0; i < 32; i++)
		assert_true(plug(&hogs[0], hogs[0].memfd, i, 4096));
	assert_int_equal(stuff(&hogs[0], fd), 3 * RINGS);
	neighbour_comes_up();
	neighbour_goes();
	fe_fini(&hogs[0]);
	close(fd);
}

/* The header of a message whose payload never comes, with as many descriptors as go with it. */
static void
begin_message(int sock, int fd, uint32_t request, uint32_t size)
{
	struct vhost_user_header header = { .request = request,
		.flags = VHOST_USER_VERSION,
		.size = size };
	union {
		char space[CMSG_SPACE(VHOST_USER_MEM_TABLE_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &header, .iov_len = sizeof(header) };
	const struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(VHOST_USER_MEM_TABLE_MAX * sizeof(int));
	for (int i = 0; i < VHOST_USER_MEM_TABLE_MAX; i++)
		memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(fd));
	sendmsg(sock, &mh, MSG_NOSIGNAL);
}

/* @param crowd all of them connect before the first one says anything */
static void
begin_messages(bool crowd)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int socks[FDS_LIMIT / (VHOST_USER_MEM_TABLE_MAX + 2)];

	for (size_t i = 0; crowd && i < RTE_DIM(socks); i++)
		socks[i] = fe_connect(path);
	for (size_t i = 0; i < RTE_DIM(socks); i++) {
		if (!crowd)
			socks[i] = fe_connect(path);
		begin_message(socks[i], fd, VHOST_USER_SET_MEM_TABLE,
			sizeof(struct vhost_user_mem_table));
		event_loop_run(vhost_user_event_loop(), nothing, NULL);
	}
	settle();
	neighbour_comes_up();
	neighbour_goes();
	for (size_t i = 0; i < RTE_DIM(socks); i++)
		close(socks[i]);
	close(fd);
}

static void
messages_that_do_not_end_leave_descriptors_for_others(void **state)
{
	unsigned int before;

	(void)state;
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	settle();
	before = unit_open_fds();
	for (int crowd = 0; crowd < 2; crowd++) {
		serve(path);
		begin_messages(crowd);
		assert_int_equal(rte_vhost_driver_unregister(path), 0);
		settle();
		assert_int_equal(unit_open_fds(), before);
	}
	serve(path);
}

/* A question that is asked too early keeps what came with it, until the state is there. */
static void
questions_that_wait_leave_descriptors_for_others(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct vhost_user_message msg;
	struct frontend fes[16]; /* more states are not on their way at a time */
	int state_pipe[2], taken[60];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(taken); i++)
		taken[i] = dup(fd);
	/* A state that finds no room is on its way until somebody reads. */
	assert_int_equal(pipe2(state_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	while (write(state_pipe[1], notifiers, sizeof(notifiers)) > 0)
		;
	for (size_t i = 0; i < RTE_DIM(fes); i++) {
		fes[i] = (struct frontend){ .sock = fe_connect(path), .peer = -1 };
		assert_int_equal(fe_set_u64(&fes[i], VHOST_USER_SET_PROTOCOL_FEATURES,
					 FEATURE(VHOST_USER_PF_DEVICE_STATE)),
			0);
		msg = fe_message(VHOST_USER_SET_DEVICE_STATE_FD,
			sizeof(struct vhost_user_device_state));
		msg.fds[msg.nfds++] = state_pipe[1];
		assert_int_equal(fe_send(&fes[i], &msg), 0);
		assert_int_equal(fe_answer(&fes[i], &msg), 1);
		assert_int_equal(msg.payload.u64, 1u << 8);
	}
	for (size_t i = 0; i < RTE_DIM(fes); i++) {
		begin_message(fes[i].sock, fd, VHOST_USER_CHECK_DEVICE_STATE, 0);
		event_loop_run(vhost_user_event_loop(), nothing, NULL);
	}
	neighbour_comes_up();
	neighbour_goes();
	for (size_t i = 0; i < RTE_DIM(fes); i++)
		close(fes[i].sock);
	for (size_t i = 0; i < RTE_DIM(taken); i++)
		close(taken[i]);
	close(state_pipe[0]);
	close(state_pipe[1]);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(address_space_is_left_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(address_space_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(mappings_are_left_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_gets_what_others_have, setup, teardown),
		cmocka_unit_test_setup_teardown(inflight_regions_are_left_for_others, setup,
			teardown),
		cmocka_unit_test_setup_teardown(no_inflight_region_is_more_than_is_left, setup,
			teardown),
		cmocka_unit_test_setup_teardown(descriptors_are_left_for_others, limit_descriptors,
			unlimit_descriptors),
		cmocka_unit_test_setup_teardown(descriptors_of_one_kind_are_left_for_others,
			limit_to_few, unlimit_descriptors),
		cmocka_unit_test_setup_teardown(a_device_may_have_all_its_queues, limit_as_usual,
			unlimit_descriptors),
		cmocka_unit_test_setup_teardown(
			messages_that_do_not_end_leave_descriptors_for_others, limit_descriptors,
			unlimit_descriptors),
		cmocka_unit_test_setup_teardown(questions_that_wait_leave_descriptors_for_others,
			limit_to_few, unlimit_descriptors),
	};

	return unit_sockets_run("budget", tests, NULL, NULL);
}
