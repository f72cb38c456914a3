/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/aio_abi.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "peer_event.h"
#include "vring_private.h"

/* Completions that may pile up before they are thrown away. */
#define EVENTS 64

static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static bool have_key;

/* Of this thread; the kernel's contexts are never 0. */
static __thread aio_context_t context;
static __thread bool refused;

static void
end_thread(void *arg)
{
	syscall(SYS_io_destroy, (aio_context_t)(uintptr_t)arg);
}

static void
prepare(void)
{
	have_key = pthread_key_create(&at_thread_end, end_thread) == 0;
}

static bool
open_context(void)
{
	pthread_once(&prepared, prepare);
	if (have_key && syscall(SYS_io_setup, EVENTS, &context) == 0) {
		pthread_setspecific(at_thread_end, (void *)(uintptr_t)context);
		return true;
	}
	VRING_LOG(WARNING,
		"no asynchronous I/O for this thread (%s; see /proc/sys/fs/aio-max-nr): a front end "
		"may keep it waiting by filling its own eventfds",
		strerror(errno));
	context = 0;
	refused = true;
	return false;
}

static void
forget_completions(void)
{
	struct io_event events[EVENTS];

	syscall(SYS_io_getevents, context, 0, EVENTS, events, NULL);
}

static int
write_if_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0 && eventfd_write(fd, 1) != 0)
		return -errno;
	return (p.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

int
vhost_peer_event_raise(int fd)
{
	/* An eventfd can always be read or be written to. */
	struct iocb poll_itself = { .aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = fd,
		.aio_buf = POLLIN | POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = fd };
	struct iocb *list = &poll_itself;

	if (unlikely(context == 0) && (refused || !open_context()))
		return write_if_room(fd);
	if (likely(syscall(SYS_io_submit, context, 1, &list) == 1))
		return 0;
	if (errno != EAGAIN)
		return -errno;
	forget_completions();
	return syscall(SYS_io_submit, context, 1, &list) == 1 ? 0 : -errno;
}
