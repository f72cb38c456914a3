/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "aside.h"
#include "vhost_user_backend.h"

/* A front end that does not answer within this is not going to. */
#define ANSWER_MS 3000

void
vhost_user_backend_set_fd(struct vhost_device *dev, int fd)
{
	int old;

	vhost_device_lock(dev);
	old = dev->backend_fd;
	dev->backend_fd = fd;
	vhost_device_unlock(dev);
	vhost_aside_close(old);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait for all of an answer, however many pieces it comes in. */
static int
receive_answer(int fd, uint32_t request)
{
	const int64_t deadline = now_ms() + ANSWER_MS;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct vhost_user_message answer;
	uint32_t have = 0;
	int ret = -EAGAIN;

	for (int64_t left = ANSWER_MS; ret == -EAGAIN && left > 0; left = deadline - now_ms())
		if (poll(&pfd, 1, (int)left) == 1)
			ret = vhost_user_receive_part(fd, &answer, &have);
	if (ret == -EAGAIN && have > 0)
		vhost_user_message_close_fds(&answer);
	if (ret != 1)
		return -EIO;
	vhost_user_message_close_fds(&answer);
	if (answer.header.request != request || answer.header.size != sizeof(answer.payload.u64))
		return -EIO;
	return answer.payload.u64 == 0 ? 0 : -EIO;
}

/* At most so many pieces: whoever goes on sending is not going to be waited for either. */
#define LATE_PIECES 64

/* An answer that came after it was given up must not pass for that to the next request. */
static void
discard_late_answers(int fd)
{
	uint8_t piece[256];

	for (int i = 0; i < LATE_PIECES; i++)
		if (recv(fd, piece, sizeof(piece), MSG_DONTWAIT) <= 0)
			break;
}

static int
send_and_wait(struct vhost_device *dev, int fd, const struct vhost_user_message *msg)
{
	int ret;

	/* Answers are told apart by their request only: one is waited for at a time. */
	pthread_mutex_lock(&dev->answer_lock);
	discard_late_answers(fd);
	ret = vhost_user_send_now(fd, msg);
	if (ret == 0)
		ret = receive_answer(fd, msg->header.request);
	pthread_mutex_unlock(&dev->answer_lock);
	return ret;
}

int
vhost_user_backend_request(struct vhost_device *dev, struct vhost_user_message *msg)
{
	int fd, ret;

	if (!vhost_device_has_protocol_feature(dev, VHOST_USER_PF_REPLY_ACK))
		msg->header.flags &= ~VHOST_USER_FLAG_NEED_REPLY;
	msg->header.flags |= VHOST_USER_VERSION;

	/* A descriptor of our own, so that the channel may be replaced while an answer is awaited. */
	vhost_device_lock(dev);
	fd = dev->backend_fd < 0 ? -1 : fcntl(dev->backend_fd, F_DUPFD_CLOEXEC, 0);
	ret = dev->backend_fd < 0 ? -ENOTSUP : -errno;
	vhost_device_unlock(dev);
	if (fd < 0)
		return ret;
	ret = msg->header.flags & VHOST_USER_FLAG_NEED_REPLY ? send_and_wait(dev, fd, msg) :
							       vhost_user_send_now(fd, msg);
	vhost_aside_close(fd);
	return ret;
}
