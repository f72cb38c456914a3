/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory_guard.h"

#define PAGES 16
#define MANY 300

static size_t page;
static struct sigaction guard; /* what takes SIGBUS while guest memory is mapped */

struct file {
	int fd;
	volatile uint8_t *at;
};

static struct file
map_file(void)
{
	struct file f = { .fd = memfd_create("guarded", MFD_CLOEXEC) };

	assert_true(f.fd >= 0);
	assert_int_equal(ftruncate(f.fd, PAGES * page), 0);
	f.at = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	assert_ptr_not_equal(f.at, MAP_FAILED);
	return f;
}

static void
unmap_file(struct file *f)
{
	munmap((void *)(uintptr_t)f->at, PAGES * page);
	close(f->fd);
}

static void *
address_of(const struct file *f)
{
	return (void *)(uintptr_t)f->at;
}

/* The test framework takes SIGBUS for itself before each test. */
static void
give_signal_to_guard(void)
{
	assert_int_equal(sigaction(SIGBUS, &guard, NULL), 0);
}

static void
shortened_file_reads_as_zeros(void **state)
{
	struct file f = map_file();
	eventfd_t count;

	(void)state;
	give_signal_to_guard();
	assert_int_equal(vhost_guard_add(address_of(&f), PAGES * page), 0);
	f.at[0] = 1;
	f.at[5 * page] = 2;
	assert_false(vhost_guard_lost(address_of(&f)));
	assert_int_equal(eventfd_read(vhost_guard_fd(), &count), -1);

	assert_int_equal(ftruncate(f.fd, page), 0);
	assert_int_equal(f.at[0], 1);
	assert_false(vhost_guard_lost(address_of(&f)));
	assert_int_equal(f.at[5 * page], 0);
	assert_true(vhost_guard_lost(address_of(&f)));
	assert_int_equal(eventfd_read(vhost_guard_fd(), &count), 0);
	f.at[PAGES * page - 1] = 3;
	assert_int_equal(f.at[PAGES * page - 1], 3);

	vhost_guard_remove(address_of(&f));
	assert_false(vhost_guard_lost(address_of(&f)));
	unmap_file(&f);
}

static void
mappings_do_not_mix(void **state)
{
	static struct file files[MANY];

	(void)state;
	give_signal_to_guard();
	for (int i = 0; i < MANY; i++) {
		files[i] = map_file();
		files[i].at[page] = (uint8_t)i;
		assert_int_equal(vhost_guard_add(address_of(&files[i]), PAGES * page), 0);
	}
	for (int i = 0; i < MANY; i += 2)
		assert_int_equal(ftruncate(files[i].fd, 0), 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(files[i].at[page], i % 2 == 0 ? 0 : (uint8_t)i);
		assert_int_equal(vhost_guard_lost(address_of(&files[i])), i % 2 == 0);
	}
	for (int i = 0; i < MANY; i++) {
		vhost_guard_remove(address_of(&files[i]));
		unmap_file(&files[i]);
	}
}

static void *
toucher(void *arg)
{
	struct file *f = arg;

	for (int i = 0; i < PAGES; i++)
		f->at[i * page]++;
	return NULL;
}

static void
several_threads_may_find_out(void **state)
{
	(void)state;
	give_signal_to_guard();
	for (int round = 0; round < 100; round++) {
		struct file f = map_file();
		pthread_t threads[4];

		assert_int_equal(vhost_guard_add(address_of(&f), PAGES * page), 0);
		assert_int_equal(ftruncate(f.fd, 0), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, toucher, &f), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		assert_true(vhost_guard_lost(address_of(&f)));
		vhost_guard_remove(address_of(&f));
		unmap_file(&f);
	}
}

/* How a child ends that runs fn. */
static int
fate_of(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
touch_unguarded(void)
{
	struct file f = map_file();

	if (ftruncate(f.fd, 0) == 0)
		f.at[0] = 1;
}

static void
touch_formerly_guarded(void)
{
	struct file f = map_file();

	vhost_guard_add(address_of(&f), PAGES * page);
	vhost_guard_remove(address_of(&f));
	if (ftruncate(f.fd, 0) == 0)
		f.at[0] = 1;
}

static void
kill_self(void)
{
	kill(getpid(), SIGBUS);
}

static void
other_bus_errors_are_as_ever(void **state)
{
	void (*const deaths[])(void) = { touch_unguarded, touch_formerly_guarded, kill_self };

	(void)state;
	give_signal_to_guard();
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		int status = fate_of(deaths[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGBUS);
	}
}

static int
setup(void **state)
{
	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	/* A sanitizer has a handler of its own. */
	signal(SIGBUS, SIG_DFL);
	if (vhost_guard_fd() < 0)
		return -1;
	return sigaction(SIGBUS, NULL, &guard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shortened_file_reads_as_zeros),
		cmocka_unit_test(mappings_do_not_mix),
		cmocka_unit_test(several_threads_may_find_out),
		cmocka_unit_test(other_bus_errors_are_as_ever),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
