/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "vhost_user_backend.h"

/* A front end that does not answer within this is not going to. */
#define ANSWER_MS 3000

void
vhost_user_backend_set_fd(struct vhost_device *dev, int fd)
{
	/* A front end that does not read costs us a request, not a thread. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	pthread_mutex_lock(&dev->backend_lock);
	if (dev->backend_fd >= 0)
		close(dev->backend_fd);
	dev->backend_fd = fd;
	pthread_mutex_unlock(&dev->backend_lock);
}

static int
receive_answer(int fd, uint32_t request)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct vhost_user_message answer;
	uint32_t have = 0;
	int ret;

	do {
		if (poll(&pfd, 1, ANSWER_MS) != 1)
			return -EIO;
		ret = vhost_user_receive_part(fd, &answer, &have);
	} while (ret == -EAGAIN);
	if (ret != 1)
		return -EIO;
	vhost_user_message_close_fds(&answer);
	if (answer.header.request != request || answer.header.size != sizeof(answer.payload.u64))
		return -EIO;
	return answer.payload.u64 == 0 ? 0 : -EIO;
}

int
vhost_user_backend_request(struct vhost_device *dev, struct vhost_user_message *msg)
{
	int ret = -ENOTSUP;

	if (!vhost_device_has_protocol_feature(dev, VHOST_USER_PF_REPLY_ACK))
		msg->header.flags &= ~VHOST_USER_FLAG_NEED_REPLY;
	msg->header.flags |= VHOST_USER_VERSION;

	pthread_mutex_lock(&dev->backend_lock);
	if (dev->backend_fd >= 0) {
		ret = vhost_user_send(dev->backend_fd, msg);
		if (ret == 0 && (msg->header.flags & VHOST_USER_FLAG_NEED_REPLY) != 0)
			ret = receive_answer(dev->backend_fd, msg->header.request);
	}
	pthread_mutex_unlock(&dev->backend_lock);
	return ret;
}
