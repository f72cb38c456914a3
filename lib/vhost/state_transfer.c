/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aside.h"
#include "peer_fd.h"
#include "state_transfer.h"

struct vhost_state_transfer {
	/* The event loop's. */
	void (*over)(void *arg);
	void *arg;
	bool dropped;
	bool is_over;
	bool is_pipe;

	/* The thread's that does it, until it is over. */
	bool reads;
	bool may_wait;
	int fd;
	int error;
	size_t want;
	size_t have;
	uint8_t data[VHOST_TRANSFER_MAX];
};

/* A reader that is gone is an error, and no signal. */
static ssize_t
write_quietly(int fd, const void *data, size_t len)
{
	const struct timespec now = { 0 };
	sigset_t pipe_signal, former;
	ssize_t n;
	int err;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &former);
	n = write(fd, data, len);
	err = errno;
	if (n < 0 && err == EPIPE && !sigismember(&former, SIGPIPE))
		sigtimedwait(&pipe_signal, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	errno = err;
	return n;
}

static int
move_all(struct vhost_state_transfer *t)
{
	struct pollfd ready = { .fd = t->fd, .events = t->reads ? POLLIN : POLLOUT };

	while (t->have < t->want) {
		const size_t left = t->want - t->have;
		const ssize_t n = t->reads ? read(t->fd, t->data + t->have, left) :
					     write_quietly(t->fd, t->data + t->have, left);

		if (n == 0)
			return t->reads ? 0 : -EIO;
		if (n > 0)
			t->have += (size_t)n;
		/* Whether the descriptor blocks is the front end's choice. */
		else if (errno == EAGAIN && t->may_wait)
			poll(&ready, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void
do_transfer(void *arg)
{
	struct vhost_state_transfer *t = arg;

	t->error = move_all(t);
}

static void
transfer_is_over(void *arg)
{
	struct vhost_state_transfer *t = arg;

	vhost_aside_close(t->fd);
	if (t->dropped) {
		free(t);
		return;
	}
	t->is_over = true;
	if (t->over != NULL)
		t->over(t->arg);
}

int
vhost_transfer_start(int fd, const void *data, size_t len, void (*over)(void *arg), void *arg,
	struct vhost_state_transfer **transfer)
{
	struct vhost_state_transfer *t = calloc(1, sizeof(*t));
	struct statx st;
	int ret;

	if (t == NULL)
		return -ENOMEM;
	assert(len <= sizeof(t->data));
	*t = (struct vhost_state_transfer){ .over = over,
		.arg = arg,
		.reads = data == NULL,
		.may_wait = vhost_aside_is_entered(),
		.fd = fd,
		.want = len };
	t->is_pipe = vhost_peer_fd_stat(fd, &st) == 0 && S_ISFIFO(st.stx_mode);
	if (data != NULL)
		memcpy(t->data, data, len);
	ret = vhost_aside_run(do_transfer, transfer_is_over, t);
	if (ret != 0)
		free(t);
	else
		*transfer = t;
	return ret;
}

bool
vhost_transfer_is_ending(const struct vhost_state_transfer *t)
{
	/* Asking a pipe for that takes none of its locks. */
	struct pollfd end = { .fd = t->fd };

	if (t->is_over)
		return false;
	return !t->reads || !t->is_pipe || poll(&end, 1, 0) != 0;
}

int
vhost_transfer_result(const struct vhost_state_transfer *t, const void **data)
{
	if (!t->is_over)
		return -EINPROGRESS;
	*data = t->reads ? t->data : NULL;
	return t->error != 0 ? t->error : (int)t->have;
}

void
vhost_transfer_drop(struct vhost_state_transfer *t)
{
	if (t == NULL)
		return;
	t->dropped = true;
	if (t->is_over)
		free(t);
}
