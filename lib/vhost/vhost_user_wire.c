/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_common.h>

#include "vhost_user_wire.h"

#define HEADER_SIZE sizeof(struct vhost_user_header)

/* Linux takes no more along with one message (SCM_MAX_FD). */
#define FDS_SENT_MAX 253

static_assert(sizeof(struct vhost_user_header) == 12, "header as on the wire");
static_assert(offsetof(struct vhost_user_message, payload) == HEADER_SIZE,
	"payload directly behind the header");

static const char *const request_names[VHOST_USER_REQUEST_MAX] = {
	[VHOST_USER_GET_FEATURES] = "GET_FEATURES",
	[VHOST_USER_SET_FEATURES] = "SET_FEATURES",
	[VHOST_USER_SET_OWNER] = "SET_OWNER",
	[VHOST_USER_RESET_OWNER] = "RESET_OWNER",
	[VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[VHOST_USER_SET_LOG_BASE] = "SET_LOG_BASE",
	[VHOST_USER_SET_LOG_FD] = "SET_LOG_FD",
	[VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM",
	[VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE",
	[VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE",
	[VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK",
	[VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL",
	[VHOST_USER_SET_VRING_ERR] = "SET_VRING_ERR",
	[VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[VHOST_USER_SEND_RARP] = "SEND_RARP",
	[VHOST_USER_NET_SET_MTU] = "NET_SET_MTU",
	[VHOST_USER_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[VHOST_USER_IOTLB_MSG] = "IOTLB_MSG",
	[VHOST_USER_SET_VRING_ENDIAN] = "SET_VRING_ENDIAN",
	[VHOST_USER_GET_CONFIG] = "GET_CONFIG",
	[VHOST_USER_SET_CONFIG] = "SET_CONFIG",
	[VHOST_USER_CREATE_CRYPTO_SESSION] = "CREATE_CRYPTO_SESSION",
	[VHOST_USER_CLOSE_CRYPTO_SESSION] = "CLOSE_CRYPTO_SESSION",
	[VHOST_USER_POSTCOPY_ADVISE] = "POSTCOPY_ADVISE",
	[VHOST_USER_POSTCOPY_LISTEN] = "POSTCOPY_LISTEN",
	[VHOST_USER_POSTCOPY_END] = "POSTCOPY_END",
	[VHOST_USER_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[VHOST_USER_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[VHOST_USER_GPU_SET_SOCKET] = "GPU_SET_SOCKET",
	[VHOST_USER_RESET_DEVICE] = "RESET_DEVICE",
	[VHOST_USER_VRING_KICK] = "VRING_KICK",
	[VHOST_USER_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[VHOST_USER_ADD_MEM_REG] = "ADD_MEM_REG",
	[VHOST_USER_REM_MEM_REG] = "REM_MEM_REG",
	[VHOST_USER_SET_STATUS] = "SET_STATUS",
	[VHOST_USER_GET_STATUS] = "GET_STATUS",
	[VHOST_USER_GET_SHARED_OBJECT] = "GET_SHARED_OBJECT",
	[VHOST_USER_SET_DEVICE_STATE_FD] = "SET_DEVICE_STATE_FD",
	[VHOST_USER_CHECK_DEVICE_STATE] = "CHECK_DEVICE_STATE",
};

const char *
vhost_user_request_name(uint32_t request)
{
	if (request >= RTE_DIM(request_names) || request_names[request] == NULL)
		return "unknown";
	return request_names[request];
}

static void
close_now(int fd)
{
	close(fd);
}

void (*vhost_user_close_fd)(int fd) = close_now;

void
vhost_user_message_close_fds(struct vhost_user_message *msg)
{
	for (int i = 0; i < msg->nfds; i++)
		if (msg->fds[i] >= 0)
			vhost_user_close_fd(msg->fds[i]);
	msg->nfds = 0;
}

void
vhost_user_ahead_close(struct vhost_user_ahead *ahead)
{
	while (ahead->n > 0)
		vhost_user_close_fd(ahead->fds[--ahead->n]);
}

/* Move descriptors that were received into a list; those that do not fit are closed. */
static int
collect_fds(struct msghdr *mh, int *fds, int *nfds)
{
	int ret = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN(i * sizeof(int)) < c->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*nfds < VHOST_USER_MEM_TABLE_MAX) {
				fds[(*nfds)++] = fd;
			} else {
				vhost_user_close_fd(fd);
				ret = -EPROTO;
			}
		}
	}
	return mh->msg_flags & MSG_CTRUNC ? -EPROTO : ret;
}

static int
receive_once(int sock, struct msghdr *mh, int flags)
{
	ssize_t n;

	do
		n = recvmsg(sock, mh, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

/*
 * One recvmsg(2), with room for so many descriptors, of which no more than belong to a message go into
 * the list. @return bytes received, 0 at the end of the stream, or -errno
 */
static int
receive_bytes(int sock, void *buf, size_t len, int flags, size_t room, int *fds, int *nfds)
{
	union {
		char space[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(room * sizeof(int)),
	};
	const int n = receive_once(sock, &mh, flags);
	int ret;

	if (n < 0)
		return n;
	ret = collect_fds(&mh, fds, nfds);
	return ret < 0 ? ret : n;
}

/*
 * Take the descriptors that come next, of these bytes or of later ones: to look shows both.
 *
 * @return bytes that may be received without coming upon others; 0 at the end of the stream, or -errno
 */
static int
look_ahead(int sock, void *buf, size_t len, struct vhost_user_ahead *ahead)
{
	/* Room for one more than there may be, so that too many are not taken for just enough. */
	return receive_bytes(sock, buf, len, MSG_PEEK | MSG_DONTWAIT, VHOST_USER_MEM_TABLE_MAX + 1,
		ahead->fds, &ahead->n);
}

/* Bytes that bring no descriptors but those that were taken, as above. */
static int
receive_what_is_known(int sock, struct vhost_user_message *msg, void *buf, size_t len,
	struct vhost_user_ahead *ahead)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int n;

	/* With those of a later message taken, it does not go beyond the bytes that bring them. */
	if (ahead->n == 0) {
		n = look_ahead(sock, buf, len, ahead);
		if (n <= 0)
			return n;
		iov.iov_len = (size_t)n;
	}
	n = receive_once(sock, &mh, MSG_DONTWAIT);
	/* They belong to these bytes. */
	if (n > 0 && (mh.msg_flags & MSG_CTRUNC) != 0) {
		if (msg->nfds + ahead->n > VHOST_USER_MEM_TABLE_MAX)
			return -EPROTO;
		memcpy(&msg->fds[msg->nfds], ahead->fds, ahead->n * sizeof(ahead->fds[0]));
		msg->nfds += ahead->n;
		ahead->n = 0;
	}
	return n;
}

/* Bytes of header and payload that the message needs, as far as is known after `have` of them. */
static uint32_t
bytes_wanted(const struct vhost_user_message *msg, uint32_t have)
{
	return have < HEADER_SIZE ? HEADER_SIZE : HEADER_SIZE + msg->header.size;
}

static int
receive_message(int sock, struct vhost_user_message *msg, uint32_t *have, int flags,
	struct vhost_user_ahead *ahead)
{
	int ret;

	if (*have == 0)
		msg->nfds = 0;

	while (*have < bytes_wanted(msg, *have)) {
		void *buf = (char *)msg + *have;
		const size_t len = bytes_wanted(msg, *have) - *have;

		/* Room for more than belong there: what is left, the kernel closes on the spot. */
		ret = ahead != NULL ?
			receive_what_is_known(sock, msg, buf, len, ahead) :
			receive_bytes(sock, buf, len, flags, FDS_SENT_MAX, msg->fds, &msg->nfds);
		if (ret == -EAGAIN)
			return ret;
		if (ret == 0 && *have > 0)
			ret = -EPROTO;
		if (ret <= 0)
			goto broken;
		*have += (uint32_t)ret;
		if (*have >= HEADER_SIZE && msg->header.size > sizeof(msg->payload)) {
			ret = -EPROTO;
			goto broken;
		}
	}
	return 1;

broken:
	vhost_user_message_close_fds(msg);
	*have = 0;
	return ret;
}

int
vhost_user_receive_part(int sock, struct vhost_user_message *msg, uint32_t *have)
{
	return receive_message(sock, msg, have, MSG_DONTWAIT, NULL);
}

int
vhost_user_receive_safely(int sock, struct vhost_user_message *msg, uint32_t *have,
	struct vhost_user_ahead *ahead)
{
	return receive_message(sock, msg, have, MSG_DONTWAIT, ahead);
}

int
vhost_user_receive(int sock, struct vhost_user_message *msg)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	uint32_t have = 0;
	int ret;

	while ((ret = receive_message(sock, msg, &have, 0, NULL)) == -EAGAIN) {
		if (have == 0)
			return -EAGAIN;
		poll(&pfd, 1, -1);
	}
	return ret;
}

static int
send_message(int sock, const struct vhost_user_message *msg, int flags)
{
	union {
		char space[CMSG_SPACE(VHOST_USER_MEM_TABLE_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)msg,
		.iov_len = HEADER_SIZE + msg->header.size,
	};
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (msg->nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(msg->nfds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(msg->nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), msg->fds, msg->nfds * sizeof(int));
	}

	while (iov.iov_len > 0) {
		ssize_t n = sendmsg(sock, &mh, flags | MSG_NOSIGNAL);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* The descriptors went with the first byte. */
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
	}
	return 0;
}

int
vhost_user_send(int sock, const struct vhost_user_message *msg)
{
	return send_message(sock, msg, 0);
}

int
vhost_user_send_now(int sock, const struct vhost_user_message *msg)
{
	return send_message(sock, msg, MSG_DONTWAIT);
}
