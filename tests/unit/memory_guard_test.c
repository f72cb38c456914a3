/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
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

#include <linux/virtio_config.h>

#include <cmocka.h>

#include "frontend.h"
#include "memory_guard.h"
#include "unit_sockets.h"

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

/* --- What a front end takes away ----------------------------------------------------------- */

#define LENT_SIZE (64u << 10)

static sem_t started, ended;
static int vid;
/* Of the device's memory, while a callback is to find that it is gone; or -1. */
static int lost_in_callback = -1;

static void
touch_memory(void)
{
	struct rte_vhost_memory *mem;

	assert_int_equal(rte_vhost_get_mem_table(vid, &mem), 0);
	*(volatile uint8_t *)(uintptr_t)mem->regions[0].host_user_addr = 1;
	free(mem);
}

static int
on_new_device(int number)
{
	vid = number;
	if (lost_in_callback >= 0 && ftruncate(lost_in_callback, 0) == 0)
		touch_memory();
	sem_post(&started);
	return 0;
}

static void
on_destroy_connection(int number)
{
	(void)number;
	sem_post(&ended);
}

static const struct rte_vhost_device_ops ops = {
	.new_device = on_new_device,
	.destroy_connection = on_destroy_connection,
};

static int
no_message(struct vhost_user_message *msg, int fd)
{
	(void)msg;
	return fd;
}

static int
log_message(struct vhost_user_message *msg, int fd)
{
	(void)fd;
	*msg = fe_message(VHOST_USER_SET_LOG_BASE, sizeof(struct vhost_user_log));
	msg->payload.log.mmap_size = LENT_SIZE;
	return -1;
}

static int
inflight_message(struct vhost_user_message *msg, int fd)
{
	(void)fd;
	*msg = fe_message(VHOST_USER_SET_INFLIGHT_FD, sizeof(struct vhost_user_inflight));
	msg->payload.inflight = (struct vhost_user_inflight){ .mmap_size = LENT_SIZE,
		.num_queues = 2,
		.queue_size = FE_RING_SIZE };
	return -1;
}

static void
touch_log(void)
{
	rte_vhost_log_write(vid, 0, 1);
}

static void
touch_inflight(void)
{
	rte_vhost_set_inflight_desc_split(vid, 0, 0);
}

/* Whatever it was that a front end lent and took away, it costs its connection, and nothing else. */
static void
what_is_taken_away_costs_the_connection(void **state)
{
	static const struct {
		int (*lend)(struct vhost_user_message *msg, int memory);
		void (*touch)(void);
	} cases[] = {
		{ no_message, touch_memory },
		{ log_message, touch_log },
		{ inflight_message, touch_inflight },
	};

	(void)state;
	give_signal_to_guard();
	sem_init(&started, 0, 0);
	sem_init(&ended, 0, 0);
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_user_message msg;
		struct frontend fe;
		int lent;

		fe_init(&fe, fe_connect(path), NULL);
		assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
					 UINT64_C(1) << VHOST_USER_PF_LOG_SHMFD |
						 UINT64_C(1) << VHOST_USER_PF_INFLIGHT_SHMFD),
			0);
		assert_int_equal(fe_set_features(&fe,
					 UINT64_C(1) << VIRTIO_F_VERSION_1 |
						 UINT64_C(1) << VHOST_F_LOG_ALL),
			0);
		assert_int_equal(fe_set_memory(&fe), 0);
		lent = cases[i].lend(&msg, fe.memfd);
		if (lent < 0) {
			lent = memfd_create("unit-lent", MFD_CLOEXEC);
			assert_int_equal(ftruncate(lent, LENT_SIZE), 0);
			msg.fds[msg.nfds++] = lent;
			assert_int_equal(fe_send(&fe, &msg), 0);
		}
		assert_int_equal(fe_setup_ring(&fe, 0), 0);
		assert_int_equal(fe_setup_ring(&fe, 1), 0);
		sem_wait(&started);
		assert_int_equal(ftruncate(lent, 0), 0);
		cases[i].touch();
		fe_assert_closed(&fe);
		sem_wait(&ended);
		if (lent != fe.memfd)
			close(lent);
		fe_fini(&fe);
	}
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

/* It is the callback's until it returns, and nobody has to come upon it once more. */
static void
what_is_taken_away_in_a_callback_costs_the_connection_after_it(void **state)
{
	struct frontend fe;

	(void)state;
	give_signal_to_guard();
	sem_init(&started, 0, 0);
	sem_init(&ended, 0, 0);
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	fe_init(&fe, fe_connect(path), NULL);
	lost_in_callback = fe.memfd;
	assert_int_equal(fe_set_features(&fe, UINT64_C(1) << VIRTIO_F_VERSION_1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	sem_wait(&started);
	lost_in_callback = -1;
	fe_assert_closed(&fe);
	sem_wait(&ended);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
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
		cmocka_unit_test(what_is_taken_away_costs_the_connection),
		cmocka_unit_test(what_is_taken_away_in_a_callback_costs_the_connection_after_it),
	};

	return unit_sockets_run("memory_guard", tests, setup, NULL);
}
