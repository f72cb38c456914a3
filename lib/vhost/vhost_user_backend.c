/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
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

/*
 * A request and its answer. The front end shares the channel, and can hold up who reads from it for as
 * long as it likes: so that is done aside, and who asked waits no longer than was promised.
 */
struct exchange {
	pthread_mutex_t lock;
	pthread_cond_t over;
	unsigned int references; /* who asked, and who reads */
	bool ended;
	int ret;
	int fd; /* the reader's */
	struct vhost_user_message msg;
};

static struct exchange *
exchange_create(int fd, const struct vhost_user_message *msg)
{
	struct exchange *x = calloc(1, sizeof(*x));
	pthread_condattr_t attr;

	if (x == NULL)
		return NULL;
	x->fd = fd;
	x->msg = *msg;
	x->references = 2;
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&x->over, &attr);
	pthread_condattr_destroy(&attr);
	return x;
}

static void
exchange_put(struct exchange *x)
{
	if (__atomic_sub_fetch(&x->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_cond_destroy(&x->over);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

static void
exchange_end(struct exchange *x, int ret)
{
	close(x->fd);
	pthread_mutex_lock(&x->lock);
	x->ret = ret;
	x->ended = true;
	pthread_cond_signal(&x->over);
	pthread_mutex_unlock(&x->lock);
	exchange_put(x);
}

static void
exchange_run(void *arg)
{
	struct exchange *x = arg;
	int ret;

	discard_late_answers(x->fd);
	ret = vhost_user_send_now(x->fd, &x->msg);
	if (ret == 0)
		ret = receive_answer(x->fd, x->msg.header.request);
	exchange_end(x, ret);
}

/* @return what came of it; -EIO nothing */
static int
exchange_await(struct exchange *x)
{
	struct timespec until;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANSWER_MS / 1000;
	pthread_mutex_lock(&x->lock);
	while (!x->ended && pthread_cond_timedwait(&x->over, &x->lock, &until) != ETIMEDOUT)
		;
	ret = x->ended ? x->ret : -EIO;
	pthread_mutex_unlock(&x->lock);
	exchange_put(x);
	return ret;
}

/* The descriptor is taken over. */
static int
send_and_wait(struct vhost_aside *aside, int fd, const struct vhost_user_message *msg)
{
	struct vhost_aside *former = vhost_aside_enter(aside);
	struct exchange *x = exchange_create(fd, msg);
	int ret;

	if (x == NULL) {
		vhost_aside_close(fd);
		vhost_aside_enter(former);
		return -ENOMEM;
	}
	ret = vhost_aside_run(exchange_run, NULL, x);
	if (ret != 0)
		exchange_end(x, ret);
	vhost_aside_enter(former);
	return exchange_await(x);
}

int
vhost_user_backend_request(struct vhost_device *dev, struct vhost_user_message *msg)
{
	struct vhost_aside *aside;
	bool answers;
	int fd, ret;

	if (!vhost_device_has_protocol_feature(dev, VHOST_USER_PF_REPLY_ACK))
		msg->header.flags &= ~VHOST_USER_FLAG_NEED_REPLY;
	msg->header.flags |= VHOST_USER_VERSION;
	answers = (msg->header.flags & VHOST_USER_FLAG_NEED_REPLY) != 0;

	/* Answers are told apart by their request only: one is waited for at a time. */
	if (answers)
		pthread_mutex_lock(&dev->answer_lock);
	/* A descriptor of our own, so that the channel may be replaced while an answer is awaited. */
	vhost_device_lock(dev);
	fd = dev->backend_fd < 0 ? -1 : fcntl(dev->backend_fd, F_DUPFD_CLOEXEC, 0);
	ret = dev->backend_fd < 0 ? -ENOTSUP : -errno;
	aside = fd >= 0 && answers ? vhost_aside_get(dev->aside) : NULL;
	vhost_device_unlock(dev);
	if (fd >= 0 && answers) {
		ret = send_and_wait(aside, fd, msg);
	} else if (fd >= 0) {
		ret = vhost_user_send_now(fd, msg);
		vhost_aside_close(fd);
	}
	vhost_aside_release(aside);
	if (answers)
		pthread_mutex_unlock(&dev->answer_lock);
	return ret;
}
