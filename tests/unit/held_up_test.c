/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a front end can hold up with the descriptors that it sends: itself, and nobody else. Other
 * front ends of the process are served while it lasts, which is until each test ends it.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_vhost.h>

#include "aside.h"
#include "frontend.h"
#include "fuse_file.h"
#include "peer_fd.h"
#include "stuck_pipe.h"
#include "unit_sockets.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define SAVE 0
#define LOAD 1
#define NO_FD 0x100
/* SCM_MAX_FD of Linux. */
#define FDS_SENT_MAX 253

static void
serve(void)
{
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	assert_int_equal(rte_vhost_driver_register(other_path, 0), 0);
	assert_int_equal(rte_vhost_driver_start(other_path), 0);
}

static void
end(void)
{
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(rte_vhost_driver_unregister(other_path), 0);
}

/* A front end that wants no more than an answer gets it. */
static void
assert_served(const char *at)
{
	struct frontend fe;

	fe_init(&fe, fe_connect(at), NULL);
	assert_int_not_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), 0);
	fe_fini(&fe);
}

static void
meet(struct frontend *fe)
{
	fe_init(fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_DEVICE_STATE)),
		0);
}

static uint64_t
transfer(struct frontend *fe, uint32_t direction, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_DEVICE_STATE_FD,
		sizeof(struct vhost_user_device_state));

	msg.payload.device_state.direction = direction;
	msg.fds[msg.nfds++] = fd;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	return msg.payload.u64;
}

static uint64_t
answer(struct frontend *fe)
{
	struct vhost_user_message msg;

	assert_int_equal(fe_answer(fe, &msg), 1);
	return msg.payload.u64;
}

static void
ask_for_state(struct frontend *fe)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_CHECK_DEVICE_STATE, 0);

	assert_int_equal(fe_send(fe, &msg), 0);
}

static void
make_stuck(struct stuck_pipe *stuck, bool (*open_stuck)(struct stuck_pipe *))
{
	if (open_stuck(stuck))
		return;
	print_message("the kernel does not permit userfaultfd\n");
	skip();
}

/* --- Tests --------------------------------------------------------------------------------- */

static void
descriptor_that_cannot_be_closed(void **state)
{
	struct stuck_pipe stuck;
	struct frontend fe;

	(void)state;
	make_stuck(&stuck, stuck_pipe_open);
	serve();
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, stuck.reader), 0);
	close(stuck.reader);
	/* It is no eventfd. */
	fe_assert_closed(&fe);
	assert_served(other_path);
	/* Nor are others of the same socket. */
	assert_served(path);
	fe_fini(&fe);
	end();
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

static void
descriptor_of_a_message_that_is_not_read(void **state)
{
	struct stuck_pipe stuck;
	struct frontend fe;

	(void)state;
	make_stuck(&stuck, stuck_pipe_open);
	serve();
	fe_init(&fe, fe_connect(path), NULL);
	/* Refused, and whatever follows with it. */
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, 0, 2), 0);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, stuck.reader), 0);
	close(stuck.reader);
	fe_assert_closed(&fe);
	assert_served(other_path);
	fe_fini(&fe);
	end();
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

/* With as many descriptors as Linux lets go along, of which the last one is for nothing else. */
static void
send_crowd(int sock, int fd, int last)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_GET_FEATURES, 0);
	union {
		char space[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &msg.header, .iov_len = sizeof(msg.header) };
	const struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(FDS_SENT_MAX * sizeof(int));
	for (int i = 0; i < FDS_SENT_MAX; i++)
		memcpy(CMSG_DATA(&control.align) + i * sizeof(int),
			i < FDS_SENT_MAX - 1 ? &fd : &last, sizeof(int));
	assert_int_equal(sendmsg(sock, &mh, 0), sizeof(msg.header));
}

/* What there is no room for is closed by the kernel, in whatever thread receives the message. */
static void
descriptors_that_find_no_room(void **state)
{
	struct rlimit former, limit;
	struct stuck_pipe stuck;
	struct frontend fe;

	(void)state;
	make_stuck(&stuck, stuck_pipe_open);
	serve();
	fe_init(&fe, fe_connect(path), NULL);
	getrlimit(RLIMIT_NOFILE, &former);
	limit = former;
	limit.rlim_cur = unit_open_fds() + FDS_SENT_MAX / 2;
	setrlimit(RLIMIT_NOFILE, &limit);
	send_crowd(fe.sock, fe.memfd, stuck.reader);
	close(stuck.reader);
	fe_assert_closed(&fe);
	assert_served(other_path);
	assert_served(path);
	setrlimit(RLIMIT_NOFILE, &former);
	fe_fini(&fe);
	end();
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

/* Sends descriptors until it is thrown out. @return how many */
static unsigned int
send_notifiers(struct frontend *fe)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned int n = 0;

	while (n < 100000 && fe_set_fd(fe, VHOST_USER_SET_VRING_CALL, 0, fd) == 0)
		n++;
	close(fd);
	return n;
}

/* A socket that gets rid of nothing takes nothing more, until that is over. */
static void
assert_has_an_end(unsigned int fewest, unsigned int most)
{
	struct stuck_pipe stuck;
	unsigned int open_fds;
	struct frontend fe;

	make_stuck(&stuck, stuck_pipe_open);
	serve();
	meet(&fe);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, stuck.reader), 0);
	close(stuck.reader);
	fe_assert_closed(&fe);
	fe_fini(&fe);
	meet(&fe);
	assert_in_range(send_notifiers(&fe), fewest, 99999);
	fe_fini(&fe);
	open_fds = unit_open_fds();
	assert_in_range(open_fds, fewest, most);
	assert_served(other_path);
	/* The gaps that this leaves among the others make no room. */
	while (unit_open_fds() > open_fds)
		usleep(1000);

	/* Connects at once, and is served when it can be. */
	fe_init(&fe, fe_connect(path), NULL);
	stuck_pipe_release(&stuck);
	assert_int_not_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), 0);
	fe_fini(&fe);
	end();
	vhost_aside_settle();
}

static void
descriptors_without_end(void **state)
{
	struct rlimit former, limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &former);
	limit = former;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_has_an_end(4096, 4096 + 100);
	/* Others can have some as well. */
	limit.rlim_cur = 512;
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_has_an_end(64, 512 - 50);
	setrlimit(RLIMIT_NOFILE, &former);
}

static void
state_in_a_pipe_that_cannot_be_read(void **state)
{
	struct stuck_pipe stuck;
	struct frontend fe;

	(void)state;
	make_stuck(&stuck, stuck_pipe_open);
	serve();
	meet(&fe);
	assert_int_equal(transfer(&fe, LOAD, stuck.reader), NO_FD);
	close(stuck.reader);
	ask_for_state(&fe);
	/* Its writer is there yet. */
	assert_int_equal(answer(&fe), 1);
	assert_served(other_path);
	fe_fini(&fe);
	end();
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

/* Whether a descriptor blocks is the choice of whoever shares it, at any time. */
static void
state_in_a_pipe_that_blocks_after_all(void **state)
{
	struct frontend fe;
	int fds[2];

	(void)state;
	serve();
	meet(&fe);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(transfer(&fe, LOAD, fds[0]), NO_FD);
	assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
	ask_for_state(&fe);
	assert_served(other_path);
	assert_int_equal(answer(&fe), 1);
	close(fds[0]);
	close(fds[1]);
	fe_fini(&fe);
	end();
	vhost_aside_settle();
}

static void
state_for_a_pipe_that_is_full(void **state)
{
	static const uint8_t junk[4096];
	struct vhost_user_message msg;
	struct frontend fe;
	uint8_t data[4096];
	int fds[2], waits = 0;
	size_t full = 0;
	ssize_t n;

	(void)state;
	serve();
	meet(&fe);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], junk, sizeof(junk)) == sizeof(junk))
		full += sizeof(junk);
	/* One half of the time it does not block, which makes no difference. */
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
		assert_int_equal(transfer(&fe, SAVE, fds[1]), NO_FD);
		ask_for_state(&fe);
		assert_served(other_path);
		waits += recv(fe.sock, &msg, sizeof(msg), MSG_DONTWAIT) < 0 && errno == EAGAIN;
		for (size_t got = 0; got < full; got += (size_t)n) {
			n = read(fds[0], data, RTE_MIN(sizeof(data), full - got));
			assert_true(n > 0);
		}
		assert_int_equal(answer(&fe), 0);
		n = read(fds[0], data, sizeof(data));
		assert_in_range(n, 8, 64);
		assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		for (full = 0; write(fds[1], junk, sizeof(junk)) == sizeof(junk);)
			full += sizeof(junk);
	}
	assert_int_equal(waits, 2);
	close(fds[0]);
	close(fds[1]);
	fe_fini(&fe);
	end();
	vhost_aside_settle();
}

/* The listener is closed behind what cannot be closed; who comes meanwhile does not wait for it. */
static void
nobody_connects_to_a_socket_that_was_unregistered(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stuck_pipe stuck;
	struct frontend fe;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	make_stuck(&stuck, stuck_pipe_open);
	serve();
	/* A name that outlives the socket's. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.link", path);
	assert_int_equal(link(path, addr.sun_path), 0);
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, stuck.reader), 0);
	close(stuck.reader);
	fe_assert_closed(&fe);
	end();
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(unlink(addr.sun_path), 0);
	close(fd);
	fe_fini(&fe);
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

static int vid;

static int
note_vid(int connection)
{
	vid = connection;
	return 0;
}

/* An application that asks a front end for an answer waits as long as it was told, not longer. */
static void
answer_on_a_channel_that_cannot_be_read(void **state)
{
	static const struct rte_vhost_device_ops ops = { .new_connection = note_vid };
	struct stuck_pipe stuck;
	struct frontend fe;

	(void)state;
	make_stuck(&stuck, stuck_socket_open);
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_BACKEND_REQ) |
					 FEATURE(VHOST_USER_PF_REPLY_ACK)),
		0);
	assert_int_equal(fe_set_backend_fd(&fe, stuck.reader), 0);
	/* Served in order: the channel is there when this is answered. */
	assert_int_not_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), 0);
	assert_int_equal(rte_vhost_backend_config_change(vid, true), -EIO);
	assert_served(path);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	stuck_pipe_release(&stuck);
	vhost_aside_settle();
}

/* A front end that asks for what never ends can still be got rid of. */
static void
socket_is_unregistered_meanwhile(void **state)
{
	static const uint8_t junk[65536];
	struct frontend fe;
	int fds[2];

	(void)state;
	serve();
	meet(&fe);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], junk, sizeof(junk)), sizeof(junk));
	assert_int_equal(transfer(&fe, SAVE, fds[1]), NO_FD);
	ask_for_state(&fe);
	assert_served(other_path);
	end();
	fe_assert_closed(&fe);
	close(fds[0]);
	close(fds[1]);
	fe_fini(&fe);
	vhost_aside_settle();
}

/* --- Files that somebody serves ------------------------------------------------------------ */

static void
make_fuse_file(struct fuse_file *file)
{
	if (fuse_file_open(file))
		return;
	print_message(
		"no file system can be served from here: /dev/fuse is missing, or may not be mounted\n");
	skip();
}

static int
share(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_memory_message(fd, FUSE_FILE_SIZE);

	return fe_send(fe, &msg);
}

static int
notify(struct frontend *fe, int fd)
{
	return fe_set_fd(fe, VHOST_USER_SET_VRING_KICK, 0, fd);
}

static void
agree(struct frontend *fe, unsigned int protocol_feature)
{
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(protocol_feature)),
		0);
}

static int
log_to(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));

	agree(fe, VHOST_USER_PF_LOG_SHMFD);
	msg.payload.log.mmap_size = FUSE_FILE_SIZE;
	msg.fds[msg.nfds++] = fd;
	return fe_send(fe, &msg);
}

static int
keep_in_flight(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_INFLIGHT_FD,
		sizeof(struct vhost_user_inflight));

	agree(fe, VHOST_USER_PF_INFLIGHT_SHMFD);
	msg.payload.inflight = (struct vhost_user_inflight){ .mmap_size = FUSE_FILE_SIZE,
		.num_queues = 2,
		.queue_size = FE_RING_SIZE };
	msg.fds[msg.nfds++] = fd;
	return fe_send(fe, &msg);
}

static int
open_channel(struct frontend *fe, int fd)
{
	agree(fe, VHOST_USER_PF_BACKEND_REQ);
	return fe_set_backend_fd(fe, fd);
}

/* Neither what it is nor what is in it can be found out, nor can it be closed. */
static void
file_whose_server_is_silent(void **state)
{
	int (*const ways[])(struct frontend * fe, int fd) = { share, notify, log_to, keep_in_flight,
		open_channel };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct fuse_file file;
		struct frontend fe;

		make_fuse_file(&file);
		serve();
		fe_init(&fe, fe_connect(path), NULL);
		fuse_file_fall_silent(&file);
		assert_int_equal(ways[i](&fe, file.fd), 0);
		fe_assert_closed(&fe);
		assert_served(other_path);
		assert_served(path);
		fe_fini(&fe);
		end();
		fuse_file_end(&file);
		close(file.fd);
		vhost_aside_settle();
	}
}

static void
server_may_be_trusted(void **state)
{
	struct fuse_file file;
	struct frontend fe;

	(void)state;
	make_fuse_file(&file);
	setenv(VHOST_ANY_MEMORY_ENV, "1", 1);
	serve();
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(share(&fe, file.fd), 0);
	assert_int_not_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), 0);
	fe_fini(&fe);
	end();
	unsetenv(VHOST_ANY_MEMORY_ENV);
	close(file.fd);
	vhost_aside_settle();
	fuse_file_end(&file);
}

/* What is the longest line that there can be has to have room. */
static void
refusal_tells_the_way_out(void **state)
{
	const struct vhost_device_config config = { .path = path, .queue_num = 1 };
	const int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct vhost_device *dev = vhost_device_create(&config);
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_MEM_TABLE,
		offsetof(struct vhost_user_mem_table, regions) + sizeof(struct vhost_user_region));
	struct frontend fe;

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(dev);
	fe_init(&fe, -1, dev);
	msg.payload.mem_table.nregions = 1;
	msg.payload.mem_table.regions[0] = (struct vhost_user_region){ .gpa = UINT64_MAX / 2,
		.size = VHOST_MEMORY_SIZE_MAX,
		.fe_va = UINT64_MAX / 2,
		.mmap_offset = INT64_MAX - VHOST_MEMORY_SIZE_MAX };
	msg.fds[msg.nfds++] = fd;
	assert_int_equal(fe_send(&fe, &msg), -EMEDIUMTYPE);
	assert_non_null(strstr(dev->error, "set " VHOST_ANY_MEMORY_ENV "=1 in its environment"));
	vhost_device_destroy(dev);
	fe_fini(&fe);
	close(fd);
}

static int
teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_that_cannot_be_closed),
		cmocka_unit_test(descriptor_of_a_message_that_is_not_read),
		cmocka_unit_test(descriptors_that_find_no_room),
		cmocka_unit_test(descriptors_without_end),
		cmocka_unit_test(state_in_a_pipe_that_cannot_be_read),
		cmocka_unit_test(state_in_a_pipe_that_blocks_after_all),
		cmocka_unit_test(state_for_a_pipe_that_is_full),
		cmocka_unit_test(nobody_connects_to_a_socket_that_was_unregistered),
		cmocka_unit_test(answer_on_a_channel_that_cannot_be_read),
		cmocka_unit_test(socket_is_unregistered_meanwhile),
		cmocka_unit_test(file_whose_server_is_silent),
		cmocka_unit_test(server_may_be_trusted),
		cmocka_unit_test(refusal_tells_the_way_out),
	};

	return unit_sockets_run("held_up", tests, NULL, teardown);
}
