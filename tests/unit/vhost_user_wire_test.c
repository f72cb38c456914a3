/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit_fds.h"
#include "vhost_user_wire.h"

#define HEADER_SIZE sizeof(struct vhost_user_header)

struct pair {
	int a; /* sends */
	int b; /* receives */
};

/* --- A kernel that is interrupted, and takes or gives a few bytes at a time ----------------- */

static bool interrupts;
static size_t at_most = SIZE_MAX;

/* @return whether this call is: every other one */
static bool
interrupted(void)
{
	static bool odd;

	odd = interrupts && !odd;
	if (odd)
		errno = EINTR;
	return odd;
}

static struct msghdr
cut(const struct msghdr *mh, struct iovec *iov)
{
	struct msghdr ret = *mh;

	*iov = mh->msg_iov[0];
	if (iov->iov_len > at_most)
		iov->iov_len = at_most;
	ret.msg_iov = iov;
	return ret;
}

/* In the place of those of the C library. */
ssize_t
sendmsg(int sock, const struct msghdr *mh, int flags)
{
	struct iovec iov;
	const struct msghdr part = cut(mh, &iov);

	return interrupted() ? -1 : syscall(SYS_sendmsg, sock, &part, flags);
}

ssize_t
recvmsg(int sock, struct msghdr *mh, int flags)
{
	struct iovec iov, *const whole = mh->msg_iov;
	ssize_t n;

	if (interrupted())
		return -1;
	*mh = cut(mh, &iov);
	n = syscall(SYS_recvmsg, sock, mh, flags);
	mh->msg_iov = whole;
	return n;
}

static int
setup(void **state)
{
	static struct pair pair;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return -1;
	pair.a = fds[0];
	pair.b = fds[1];
	*state = &pair;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *p = *state;

	close(p->a);
	close(p->b);
	return 0;
}

static struct vhost_user_message
message(uint32_t request, uint32_t size)
{
	struct vhost_user_message msg = { 0 };

	msg.header.request = request;
	msg.header.flags = VHOST_USER_VERSION;
	msg.header.size = size;
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)&msg.payload)[i] = (uint8_t)(i * 7 + 1);
	return msg;
}

static void
message_and_its_descriptors_arrive(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_MEM_TABLE,
		sizeof(out.payload.mem_table));
	struct vhost_user_message in;
	const unsigned int before = unit_open_fds();
	uint64_t value;

	for (int i = 0; i < VHOST_USER_MEM_TABLE_MAX; i++)
		out.fds[i] = eventfd(i + 1, 0);
	out.nfds = VHOST_USER_MEM_TABLE_MAX;
	assert_int_equal(vhost_user_send(p->a, &out), 0);
	vhost_user_message_close_fds(&out);

	assert_int_equal(vhost_user_receive(p->b, &in), 1);
	assert_memory_equal(&in, &out, HEADER_SIZE + out.header.size);
	assert_int_equal(in.nfds, VHOST_USER_MEM_TABLE_MAX);
	for (int i = 0; i < in.nfds; i++) {
		assert_int_equal(fcntl(in.fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(read(in.fds[i], &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, i + 1);
	}
	vhost_user_message_close_fds(&in);
	assert_int_equal(unit_open_fds(), before);
}

static void
descriptor_taken_out_is_not_closed(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_VRING_KICK, sizeof(uint64_t));
	struct vhost_user_message in;
	int taken;

	out.fds[0] = out.fds[1] = p->a;
	out.nfds = 2;
	assert_int_equal(vhost_user_send(p->a, &out), 0);
	assert_int_equal(vhost_user_receive(p->b, &in), 1);
	taken = in.fds[0];
	in.fds[0] = -1;
	vhost_user_message_close_fds(&in);
	assert_int_equal(close(taken), 0);
}

static void
message_without_payload_arrives(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_GET_FEATURES, 0);
	struct vhost_user_message in;

	assert_int_equal(vhost_user_send(p->a, &out), 0);
	assert_int_equal(vhost_user_send(p->a, &out), 0);
	assert_int_equal(vhost_user_receive(p->b, &in), 1);
	assert_int_equal(in.header.request, VHOST_USER_GET_FEATURES);
	assert_int_equal(in.nfds, 0);
	assert_int_equal(vhost_user_receive(p->b, &in), 1);
}

static void
end_between_messages_is_told_apart_from_a_truncated_one(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_message in;
	const size_t whole = HEADER_SIZE + out.header.size;

	for (size_t cut = 0; cut < whole; cut++) {
		struct pair q;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		q.a = fds[0];
		q.b = fds[1];
		assert_int_equal(write(q.a, &out, cut), cut);
		close(q.a);
		assert_int_equal(vhost_user_receive(q.b, &in), cut == 0 ? 0 : -EPROTO);
		close(q.b);
	}
	assert_true(p->a >= 0);
}

static void
parts_are_collected_without_waiting(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	const uint32_t whole = HEADER_SIZE + out.header.size;
	struct vhost_user_message in;
	uint32_t have = 0;

	assert_int_equal(vhost_user_receive_part(p->b, &in, &have), -EAGAIN);
	for (uint32_t i = 0; i < whole; i++) {
		assert_int_equal(write(p->a, (char *)&out + i, 1), 1);
		assert_int_equal(vhost_user_receive_part(p->b, &in, &have),
			i + 1 == whole ? 1 : -EAGAIN);
		assert_int_equal(have, i + 1);
	}
	assert_memory_equal(&in, &out, whole);

	have = 0;
	assert_int_equal(vhost_user_receive_part(p->b, &in, &have), -EAGAIN);
	close(p->a);
	assert_int_equal(vhost_user_receive_part(p->b, &in, &have), 0);
	p->a = dup(0);
}

/* What is left of the last message is no size of this one, until its own has come. */
static void
size_is_not_known_before_the_header_is_whole(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	const size_t whole = HEADER_SIZE + sizeof(uint64_t);
	struct {
		struct vhost_user_message msg;
		uint8_t behind[4096];
	} in = { 0 };
	const uint8_t untouched[sizeof(in.behind)] = { 0 };

	for (size_t first = 1; first < HEADER_SIZE; first++) {
		uint32_t have = 0;

		assert_int_equal(write(p->a, &out, first), first);
		in.msg.header.size = first > 8 ? 0 : sizeof(in) - HEADER_SIZE;
		assert_int_equal(vhost_user_receive_part(p->b, &in.msg, &have), -EAGAIN);
		assert_int_equal(have, first);
		assert_int_equal(write(p->a, (char *)&out + first, whole - first), whole - first);
		for (int i = 0; i < 50; i++)
			assert_int_equal(write(p->a, &out, whole), whole);
		for (int i = 0; i < 51; i++) {
			assert_int_equal(vhost_user_receive_part(p->b, &in.msg, &have), 1);
			assert_int_equal(have, whole);
			assert_memory_equal(&in.msg, &out, whole);
			have = 0;
		}
		assert_memory_equal(in.behind, untouched, sizeof(untouched));
	}
}

static void *
send_rest(void *arg)
{
	struct pair *p = arg;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	const char *rest = (char *)&out + 5;
	const size_t len = HEADER_SIZE + sizeof(uint64_t) - 5;

	return write(p->a, rest, len) == (ssize_t)len ? p : NULL;
}

static void
begun_message_is_waited_for_on_any_socket(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_message in;
	pthread_t thread;
	void *sent;

	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		assert_int_equal(fcntl(p->b, F_SETFL, flags), 0);
		if (flags & O_NONBLOCK)
			assert_int_equal(vhost_user_receive(p->b, &in), -EAGAIN);
		assert_int_equal(write(p->a, &out, 5), 5);
		assert_int_equal(pthread_create(&thread, NULL, send_rest, p), 0);
		assert_int_equal(vhost_user_receive(p->b, &in), 1);
		assert_int_equal(pthread_join(thread, &sent), 0);
		assert_ptr_equal(sent, p);
		assert_int_equal(in.payload.u64, out.payload.u64);
	}
}

static void
payload_larger_than_any_is_refused(void **state)
{
	struct pair *p = *state;
	const uint32_t sizes[] = { sizeof(union vhost_user_payload) + 1, 65536, INT32_MAX,
		(uint32_t)INT32_MAX + 1, UINT32_MAX };
	const unsigned int before = unit_open_fds();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vhost_user_header header = { VHOST_USER_SET_CONFIG, VHOST_USER_VERSION,
			sizes[i] };
		struct vhost_user_message in;

		assert_int_equal(write(p->a, &header, sizeof(header)), sizeof(header));
		assert_int_equal(vhost_user_receive(p->b, &in), -EPROTO);
		assert_int_equal(in.nfds, 0);
	}
	assert_int_equal(unit_open_fds(), before);
}

/* Send raw bytes with n copies of one descriptor. */
static void
send_with_fds(int sock, const void *buf, size_t len, int n)
{
	union {
		char space[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &sock, sizeof(int));
	assert_int_equal(sendmsg(sock, &mh, 0), len);
}

static void
more_descriptors_than_fit_are_refused_and_closed(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_message in;
	const unsigned int before = unit_open_fds();

	for (int n = VHOST_USER_MEM_TABLE_MAX + 1; n <= 64; n++) {
		send_with_fds(p->a, &out, HEADER_SIZE, n);
		assert_int_equal(vhost_user_receive(p->b, &in), -EPROTO);
		assert_int_equal(unit_open_fds(), before);
	}

	/* In pieces, each of which would fit. */
	send_with_fds(p->a, &out, 1, VHOST_USER_MEM_TABLE_MAX);
	send_with_fds(p->a, (char *)&out + 1, 1, 1);
	assert_int_equal(vhost_user_receive(p->b, &in), -EPROTO);
	assert_int_equal(unit_open_fds(), before);
}

/* Whichever of them are there when one is received, and in whatever pieces they come. */
static void
descriptors_taken_ahead_stay_with_their_message(void **state)
{
	const int counts[] = { 0, 1, 0, 0, VHOST_USER_MEM_TABLE_MAX, 2, 0 };
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_ahead ahead = { 0 };
	struct vhost_user_message in;
	const unsigned int before = unit_open_fds();
	uint32_t have = 0;

	for (size_t first = HEADER_SIZE - 1; first <= HEADER_SIZE + 1; first++) {
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			assert_int_equal(write(p->a, &out, first), first);
			if (counts[i] > 0)
				send_with_fds(p->a, (char *)&out + first, 1, counts[i]);
			else
				assert_int_equal(write(p->a, (char *)&out + first, 1), 1);
			assert_int_equal(write(p->a, (char *)&out + first + 1,
						 HEADER_SIZE + sizeof(uint64_t) - first - 1),
				HEADER_SIZE + sizeof(uint64_t) - first - 1);
		}
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			have = 0;
			assert_int_equal(vhost_user_receive_safely(p->b, &in, &have, &ahead), 1);
			assert_memory_equal(&in, &out, HEADER_SIZE + sizeof(uint64_t));
			assert_int_equal(in.nfds, counts[i]);
			vhost_user_message_close_fds(&in);
		}
		have = 0;
		assert_int_equal(vhost_user_receive_safely(p->b, &in, &have, &ahead), -EAGAIN);
		assert_int_equal(ahead.n, 0);
		assert_int_equal(unit_open_fds(), before);
	}

	/* More than belong to any of them, at once and in pieces. */
	send_with_fds(p->a, &out, 1, VHOST_USER_MEM_TABLE_MAX);
	send_with_fds(p->a, (char *)&out + 1, 1, 1);
	send_with_fds(p->a, (char *)&out + 2, 1, VHOST_USER_MEM_TABLE_MAX + 1);
	for (int i = 0; i < 2; i++) {
		have = 0;
		assert_int_equal(vhost_user_receive_safely(p->b, &in, &have, &ahead), -EPROTO);
		vhost_user_ahead_close(&ahead);
		assert_int_equal(unit_open_fds(), before);
	}
}

static void
descriptors_of_a_truncated_message_are_closed(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_message in;
	uint32_t have = 0;
	const unsigned int before = unit_open_fds();

	send_with_fds(p->a, &out, HEADER_SIZE + 1, 3);
	assert_int_equal(vhost_user_receive_part(p->b, &in, &have), -EAGAIN);
	shutdown(p->a, SHUT_WR);
	assert_int_equal(vhost_user_receive_part(p->b, &in, &have), -EPROTO);
	assert_int_equal(in.nfds, 0);
	assert_int_equal(have, 0);
	assert_int_equal(unit_open_fds(), before);
}

static void
sending_to_a_peer_that_is_gone_raises_no_signal(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));

	close(p->b);
	assert_int_equal(vhost_user_send(p->a, &out), -EPIPE);
	p->b = dup(0);
}

static void
sending_to_a_peer_that_does_not_read_does_not_wait(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	int ret;

	assert_int_equal(fcntl(p->a, F_SETFL, O_NONBLOCK), 0);
	do
		ret = vhost_user_send(p->a, &out);
	while (ret == 0);
	assert_int_equal(ret, -EAGAIN);
}

static int
receive_safely(int sock, struct vhost_user_message *msg, struct vhost_user_ahead *ahead)
{
	uint32_t have = 0;
	int ret;

	do
		ret = vhost_user_receive_safely(sock, msg, &have, ahead);
	while (ret == -EAGAIN && have > 0);
	return ret;
}

static void
message_arrives_in_pieces_whatever_interrupts(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_MEM_TABLE,
		sizeof(out.payload.mem_table));
	struct vhost_user_ahead ahead = { 0 };
	struct vhost_user_message in;
	const unsigned int before = unit_open_fds();

	out.fds[0] = out.fds[1] = p->a;
	for (size_t size = 1; size < 2 * HEADER_SIZE; size++)
		for (int nfds = 0; nfds <= 2; nfds++)
			for (int safely = 0; safely < 2; safely++) {
				out.nfds = nfds;
				at_most = size;
				interrupts = true;
				assert_int_equal(safely ? vhost_user_send_now(p->a, &out) :
							  vhost_user_send(p->a, &out),
					0);
				assert_int_equal(safely ? receive_safely(p->b, &in, &ahead) :
							  vhost_user_receive(p->b, &in),
					1);
				interrupts = false;
				at_most = SIZE_MAX;
				/* Each byte once, and each descriptor. */
				assert_memory_equal(&in, &out, HEADER_SIZE + out.header.size);
				assert_int_equal(in.nfds, nfds);
				vhost_user_message_close_fds(&in);
				assert_int_equal(ahead.n, 0);
				assert_int_equal(unit_open_fds(), before);
				assert_int_equal(recv(p->b, &in, 1, MSG_DONTWAIT), -1);
			}
}

/* Descriptors that came before are the message's, and none but those. */
static void
message_without_descriptors_has_none(void **state)
{
	struct pair *p = *state;
	struct vhost_user_message out = message(VHOST_USER_SET_FEATURES, sizeof(uint64_t));
	struct vhost_user_ahead ahead = { 0 };
	struct vhost_user_message in = { .nfds = 0 };
	uint32_t have;

	for (int how = 0; how < 3; how++) {
		/* What is left of the message before counts for nothing. */
		in.nfds = 3;
		in.fds[0] = in.fds[1] = in.fds[2] = p->a;
		assert_int_equal(vhost_user_send(p->a, &out), 0);
		have = 0;
		assert_int_equal(how == 0 ? vhost_user_receive(p->b, &in) :
				how == 1  ? vhost_user_receive_part(p->b, &in, &have) :
					    receive_safely(p->b, &in, &ahead),
			1);
		assert_int_equal(in.nfds, 0);
		assert_memory_equal(&in, &out, HEADER_SIZE + out.header.size);
	}
	assert_true(fcntl(p->a, F_GETFD) >= 0);
}

static void
every_request_has_a_name(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < VHOST_USER_REQUEST_MAX; i++)
		assert_string_not_equal(vhost_user_request_name(i), "unknown");
	assert_string_equal(vhost_user_request_name(0), "unknown");
	assert_string_equal(vhost_user_request_name(VHOST_USER_REQUEST_MAX), "unknown");
	assert_string_equal(vhost_user_request_name(UINT32_MAX), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(message_and_its_descriptors_arrive, setup,
			teardown),
		cmocka_unit_test_setup_teardown(descriptor_taken_out_is_not_closed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(message_without_payload_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(
			end_between_messages_is_told_apart_from_a_truncated_one, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_are_collected_without_waiting, setup,
			teardown),
		cmocka_unit_test_setup_teardown(size_is_not_known_before_the_header_is_whole, setup,
			teardown),
		cmocka_unit_test_setup_teardown(begun_message_is_waited_for_on_any_socket, setup,
			teardown),
		cmocka_unit_test_setup_teardown(payload_larger_than_any_is_refused, setup,
			teardown),
		cmocka_unit_test_setup_teardown(more_descriptors_than_fit_are_refused_and_closed,
			setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_taken_ahead_stay_with_their_message,
			setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_of_a_truncated_message_are_closed,
			setup, teardown),
		cmocka_unit_test_setup_teardown(sending_to_a_peer_that_is_gone_raises_no_signal,
			setup, teardown),
		cmocka_unit_test_setup_teardown(sending_to_a_peer_that_does_not_read_does_not_wait,
			setup, teardown),
		cmocka_unit_test_setup_teardown(message_arrives_in_pieces_whatever_interrupts,
			setup, teardown),
		cmocka_unit_test_setup_teardown(message_without_descriptors_has_none, setup,
			teardown),
		cmocka_unit_test(every_request_has_a_name),
	};

	return cmocka_run_group_tests_name("vhost_user_wire", tests, NULL, NULL);
}
