/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_net.h>
#include <rte_telemetry.h>
#include <rte_vdpa_compat.h>

#include "fault.h"

static struct {
	bool armed;
	unsigned int n;
	unsigned int calls;
	const char *failed;
	long allocations;
} fault;

static __thread bool exempt;

void
fault_arm(unsigned int n)
{
	fault.n = n;
	fault.failed = NULL;
	__atomic_store_n(&fault.calls, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fault.armed, true, __ATOMIC_SEQ_CST);
}

const char *
fault_disarm(void)
{
	__atomic_store_n(&fault.armed, false, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&fault.failed, __ATOMIC_SEQ_CST);
}

void
fault_exempt(bool on)
{
	exempt = on;
}

long
fault_allocations(void)
{
	return __atomic_load_n(&fault.allocations, __ATOMIC_SEQ_CST);
}

/* Whether this call is the one that fails; errno is set then. */
static bool
fails(const char *function, int err)
{
	if (exempt || !__atomic_load_n(&fault.armed, __ATOMIC_SEQ_CST) ||
		__atomic_add_fetch(&fault.calls, 1, __ATOMIC_SEQ_CST) != fault.n)
		return false;
	__atomic_store_n(&fault.failed, function, __ATOMIC_SEQ_CST);
	errno = err;
	return true;
}

/* One line for each function that says by its result that it failed, and with which errno. */
#define WRAP(type, function, failure, err, parameters, arguments) \
	type __real_##function parameters; \
	type __wrap_##function parameters; \
	type __wrap_##function parameters \
	{ \
		return fails(#function, err) ? (failure) : __real_##function arguments; \
	}

WRAP(int, accept4, -1, EMFILE, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
	(fd, addr, len, flags))
WRAP(int, bind, -1, EACCES, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, connect, -1, ECONNREFUSED, (int fd, const struct sockaddr *addr, socklen_t len),
	(fd, addr, len))
WRAP(int, dup, -1, EMFILE, (int fd), (fd))
WRAP(int, epoll_create1, -1, EMFILE, (int flags), (flags))
WRAP(int, epoll_wait, -1, EINTR, (int fd, struct epoll_event *events, int n, int timeout),
	(fd, events, n, timeout))
WRAP(int, eventfd, -1, EMFILE, (unsigned int count, int flags), (count, flags))
WRAP(int, eventfd_read, -1, EAGAIN, (int fd, eventfd_t *value), (fd, value))
WRAP(int, ftruncate64, -1, EFBIG, (int fd, off_t size), (fd, size))
WRAP(int, getrlimit64, -1, EPERM, (int resource, struct rlimit *limit), (resource, limit))
WRAP(int, getsockopt, -1, ENOMEM, (int fd, int level, int name, void *value, socklen_t *len),
	(fd, level, name, value, len))
WRAP(int, listen, -1, EADDRINUSE, (int fd, int backlog), (fd, backlog))
WRAP(int, lstat64, -1, EACCES, (const char *path, struct stat *st), (path, st))
WRAP(int, madvise, -1, EINVAL, (void *addr, size_t len, int advice), (addr, len, advice))
WRAP(int, memfd_create, -1, EMFILE, (const char *name, unsigned int flags), (name, flags))
WRAP(void *, mmap64, MAP_FAILED, ENOMEM,
	(void *addr, size_t len, int prot, int flags, int fd, off_t offset),
	(addr, len, prot, flags, fd, offset))
WRAP(int, poll, -1, ENOMEM, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WRAP(int, pthread_create, EAGAIN, EAGAIN,
	(pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg),
	(thread, attr, start, arg))
WRAP(ssize_t, read, -1, EIO, (int fd, void *data, size_t len), (fd, data, len))
WRAP(ssize_t, readlink, -1, ENOMEM, (const char *path, char *target, size_t len),
	(path, target, len))
WRAP(ssize_t, recv, -1, ENOMEM, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))
WRAP(ssize_t, recvmsg, -1, ENOMEM, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(ssize_t, sendmsg, -1, ENOMEM, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(int, socket, -1, EMFILE, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, stat64, -1, EACCES, (const char *path, struct stat *st), (path, st))
WRAP(int, statx, -1, ENOMEM,
	(int dir, const char *name, int flags, unsigned int mask, struct statx *st),
	(dir, name, flags, mask, st))
WRAP(struct rte_mbuf *, rte_net_make_rarp_packet, NULL, ENOMEM,
	(struct rte_mempool * pool, const struct rte_ether_addr *mac), (pool, mac))
WRAP(int, unlink, -1, EACCES, (const char *path), (path))
WRAP(ssize_t, write, -1, EIO, (int fd, const void *data, size_t len), (fd, data, len))
#ifdef RTE_VDPA_HAVE_CTRL_THREAD
WRAP(int, rte_ctrl_thread_create, -EAGAIN, EAGAIN,
	(pthread_t * thread, const char *name, const pthread_attr_t *attr, void *(*start)(void *),
		void *arg),
	(thread, name, attr, start, arg))
#else
WRAP(int, rte_thread_create_control, -EAGAIN, EAGAIN,
	(rte_thread_t * thread, const char *name, rte_thread_func start, void *arg),
	(thread, name, start, arg))
#endif

/* Those with an argument that may be left out, or that fail for some of their uses only. */
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);

int
__wrap_fcntl64(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return fails("fcntl", EMFILE) ? -1 : __real_fcntl64(fd, command, arg);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fails("ioctl", ENOMEM) ? -1 : __real_ioctl(fd, request, arg);
}

int __real_epoll_ctl(int epoll, int command, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int command, int fd, struct epoll_event *event);

/* What is in the set can always be taken out of it. */
int
__wrap_epoll_ctl(int epoll, int command, int fd, struct epoll_event *event)
{
	if (command != EPOLL_CTL_DEL && fails("epoll_ctl", ENOSPC))
		return -1;
	return __real_epoll_ctl(epoll, command, fd, event);
}

int __real_eventfd_write(int fd, eventfd_t value);
int __wrap_eventfd_write(int fd, eventfd_t value);

/* It can be full, and then whoever waits for it is woken all the same. */
int
__wrap_eventfd_write(int fd, eventfd_t value)
{
	const bool failing = fails("eventfd_write", EAGAIN);
	const int ret = __real_eventfd_write(fd, value);

	if (failing)
		errno = EAGAIN;
	return failing ? -1 : ret;
}

int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);

/* What stays mapped then cannot be mended by anybody: it goes all the same, so that leaks are others. */
int
__wrap_munmap(void *addr, size_t len)
{
	const bool failing = fails("munmap", ENOMEM);
	const int ret = __real_munmap(addr, len);

	if (failing)
		errno = ENOMEM;
	return failing ? -1 : ret;
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	return fails("syscall", EPERM) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

/* --- Memory -------------------------------------------------------------------------------- */

static void *
counted(void *p)
{
	if (p != NULL)
		__atomic_fetch_add(&fault.allocations, 1, __ATOMIC_SEQ_CST);
	return p;
}

#define WRAP_ALLOCATION(function, parameters, arguments) \
	void *__real_##function parameters; \
	void *__wrap_##function parameters; \
	void *__wrap_##function parameters \
	{ \
		return fails(#function, ENOMEM) ? NULL : counted(__real_##function arguments); \
	}

WRAP_ALLOCATION(malloc, (size_t size), (size))
WRAP_ALLOCATION(calloc, (size_t n, size_t size), (n, size))
WRAP_ALLOCATION(aligned_alloc, (size_t alignment, size_t size), (alignment, size))

WRAP_ALLOCATION(rte_malloc, (const char *type, size_t size, unsigned int align),
	(type, size, align))
WRAP_ALLOCATION(rte_tel_data_alloc, (void), ())

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

/* What there is grows: it is not freed in this way. */
void *
__wrap_realloc(void *p, size_t size)
{
	if (fails("realloc", ENOMEM))
		return NULL;
	return p == NULL ? counted(__real_realloc(p, size)) : __real_realloc(p, size);
}

#define WRAP_FREE(function, type) \
	void __real_##function(type *p); \
	void __wrap_##function(type *p); \
	void __wrap_##function(type *p) \
	{ \
		if (p != NULL) \
			__atomic_fetch_sub(&fault.allocations, 1, __ATOMIC_SEQ_CST); \
		__real_##function(p); \
	}

WRAP_FREE(free, void)
WRAP_FREE(rte_free, void)
WRAP_FREE(rte_tel_data_free, struct rte_tel_data)

int __real_rte_tel_data_add_dict_container(struct rte_tel_data *d, const char *name,
	struct rte_tel_data *inner, int keep);
int __wrap_rte_tel_data_add_dict_container(struct rte_tel_data *d, const char *name,
	struct rte_tel_data *inner, int keep);

/* What is in an answer is freed with it, once it was told. */
int
__wrap_rte_tel_data_add_dict_container(struct rte_tel_data *d, const char *name,
	struct rte_tel_data *inner, int keep)
{
	int ret;

	if (fails("rte_tel_data_add_dict_container", ENOSPC))
		return -ENOSPC;
	ret = __real_rte_tel_data_add_dict_container(d, name, inner, keep);
	if (ret == 0)
		__atomic_fetch_sub(&fault.allocations, 1, __ATOMIC_SEQ_CST);
	return ret;
}
