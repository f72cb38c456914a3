/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cmocka.h>

#include "peer_event.h"

#define FULL UINT64_C(0xfffffffffffffffe)
#define MANY 1000 /* more than a context holds completions of */
#define THREADS 32

static uint64_t
count_of(int fd)
{
	eventfd_t count = 0;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	if (eventfd_read(fd, &count) != 0)
		assert_int_equal(errno, EAGAIN);
	return count;
}

static void
each_event_counts(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(vhost_peer_event_raise(fd), 0);
	assert_int_equal(count_of(fd), MANY);
	close(fd);
}

static void
a_full_counter_keeps_nobody_waiting(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(eventfd_write(fd, FULL), 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(vhost_peer_event_raise(fd), 0);
	assert_true(count_of(fd) >= FULL);
	close(fd);
}

static void
what_is_no_eventfd_is_refused(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(vhost_peer_event_raise(fds[1]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(vhost_peer_event_raise(fds[1]), -EBADF);
}

static void *
raise_many(void *arg)
{
	for (int i = 0; i < MANY; i++)
		if (vhost_peer_event_raise(*(int *)arg) != 0)
			return arg;
	return NULL;
}

static void
every_thread_may_raise(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	/* More threads than there may be contexts, were they not given back. */
	for (int round = 0; round < 40; round++) {
		pthread_t threads[THREADS];
		void *failed;

		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, raise_many, &fd), 0);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], &failed);
			assert_null(failed);
		}
		assert_int_equal(count_of(fd), THREADS * MANY);
	}
	close(fd);
}

/* From now on, this process gets no context. */
static int
forbid_contexts(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *
raise_without_context(void *arg)
{
	int fd = eventfd(0, EFD_CLOEXEC), full = eventfd(0, EFD_CLOEXEC);
	const char **failed = arg;
	eventfd_t count = 0;

	*failed = "set up";
	if (forbid_contexts() != 0 || eventfd_write(full, FULL) != 0)
		return NULL;
	*failed = "raise";
	for (int i = 0; i < MANY; i++)
		if (vhost_peer_event_raise(fd) != 0 || vhost_peer_event_raise(full) != 0)
			return NULL;
	*failed = "count";
	if (eventfd_read(fd, &count) != 0 || count != MANY)
		return NULL;
	*failed = "refuse what is closed";
	close(fd);
	if (vhost_peer_event_raise(fd) == -EBADF)
		*failed = NULL;
	return NULL;
}

static void
a_kernel_without_contexts_is_lived_with(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		const char *failed = "start";
		pthread_t thread;

		/* A thread that has no context yet. */
		if (pthread_create(&thread, NULL, raise_without_context, &failed) == 0)
			pthread_join(thread, NULL);
		if (failed != NULL)
			fprintf(stderr, "failed to %s\n", failed);
		_exit(failed != NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_counts),
		cmocka_unit_test(a_full_counter_keeps_nobody_waiting),
		cmocka_unit_test(what_is_no_eventfd_is_refused),
		cmocka_unit_test(every_thread_may_raise),
		cmocka_unit_test(a_kernel_without_contexts_is_lived_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
