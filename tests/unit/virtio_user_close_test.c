/* SPDX-License-Identifier: BSD-3-Clause */

/* A virtio-user port that is stopped, closed or removed wherever a program may do that. */

#include "virtio_user_rig.h"

#include <pthread.h>
#include <sys/wait.h>

static struct {
	unsigned int times;
	bool up; /* what the link was the last time */
	pthread_t thread;
	void (*then)(uint16_t id);
	unsigned int then_done;
} told;

/* In a thread where no test can fail. */
static int
hear(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link = { 0 };

	(void)type;
	(void)arg;
	(void)ret;
	rte_eth_link_get_nowait(id, &link);
	told.up = link.link_status == RTE_ETH_LINK_UP;
	told.thread = pthread_self();
	__atomic_add_fetch(&told.times, 1, __ATOMIC_RELEASE);
	if (told.up || told.then == NULL || told.then_done)
		return 0;
	told.then(id);
	__atomic_store_n(&told.then_done, 1, __ATOMIC_RELEASE);
	return 0;
}

static bool
wait_for(const unsigned int *what, unsigned int value)
{
	for (unsigned int i = 0; i < 20000; i++) {
		if (__atomic_load_n(what, __ATOMIC_ACQUIRE) == value)
			return true;
		usleep(1000);
	}
	return false;
}

static unsigned int
threads(void)
{
	return unit_entries("/proc/self/task");
}

/* A port whose program does @a then where it is told that the link is down. */
static void
start_listening(struct scripted_backend *b, void (*then)(uint16_t id))
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };

	memset(&told, 0, sizeof(told));
	told.then = then;
	scripted_start(b);
	assert_int_equal(probe(b, ""), 0);
	assert_int_equal(start_as(1, &conf), 0);
	/* It was the program that changed the link: it has heard by now. */
	assert_int_equal(told.times, 1);
	assert_true(told.up);
	assert_true(pthread_equal(told.thread, pthread_self()));
}

static void
stop_port(uint16_t id)
{
	rte_eth_dev_stop(id);
}

static void
close_port(uint16_t id)
{
	rte_eth_dev_stop(id);
	rte_eth_dev_close(id);
}

static void
wait_until_up(uint16_t id)
{
	struct rte_eth_link link = { 0 };

	for (unsigned int i = 0; i < 20000 && link.link_status != RTE_ETH_LINK_UP; i++) {
		usleep(1000);
		rte_eth_link_get_nowait(id, &link);
	}
}

static void
a_program_may_stop_the_port_where_the_link_is_told(void **state)
{
	struct scripted_backend b = honest("stop", false);

	(void)state;
	start_listening(&b, stop_port);
	scripted_stop(&b);
	assert_true(wait_for(&told.then_done, 1));
	scripted_start(&b);
	assert_int_equal(start(1, 0), 0);
	assert_true(wait_link(true));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
}

/* Who finds out is the thread that the port waits for when it is closed. */
static void
a_program_may_close_the_port_where_the_link_is_told(void **state)
{
	struct scripted_backend b = honest("close", false);
	const unsigned int fds = unit_open_fds(), before = threads();
	uint16_t id;

	(void)state;
	start_listening(&b, close_port);
	scripted_stop(&b);
	assert_true(wait_for(&told.then_done, 1));
	assert_int_equal(threads(), before);
	assert_int_equal(told.times, 2);
	assert_int_not_equal(rte_eth_dev_get_port_by_name("net_virtio_user0", &id), 0);
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
	assert_int_equal(unit_open_fds(), fds);
}

static void
every_change_of_the_link_is_followed_by_news_of_it(void **state)
{
	struct scripted_backend b = honest("news", false);

	(void)state;
	start_listening(&b, wait_until_up);
	scripted_stop(&b);
	assert_true(wait_for(&told.times, 2));
	/* It comes back while the program has not returned from being told that it is gone. */
	scripted_start(&b);
	assert_true(wait_for(&told.times, 3));
	assert_true(told.up);
	remove_port();
	assert_int_equal(told.times, 4);
	assert_false(told.up);
	scripted_stop(&b);
}

static void
a_device_is_removed_while_its_port_runs(void **state)
{
	struct scripted_backend b = honest("remove", false);
	const unsigned int fds = unit_open_fds(), before = threads();
	uint16_t id;

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
	assert_int_not_equal(rte_eth_dev_get_port_by_name("net_virtio_user0", &id), 0);
	assert_int_equal(b.status, 0);
	scripted_stop(&b);
	assert_int_equal(threads(), before);
	assert_int_equal(unit_open_fds(), fds);
}

/* A program of its own: what it leaves to EAL is gone with EAL's memory, or uses it when the back end goes. */
static int
leave_running(bool hang_up)
{
	struct scripted_backend b = honest("leave", false);

	if (user_setup(NULL) != 0)
		return 1;
	scripted_start(&b);
	if (probe(&b, "") != 0 || start(1, 0) != 0)
		return 2;
	if (hang_up)
		scripted_hang_up(&b);
	if (rte_eal_cleanup() != 0)
		return 3;
	scripted_stop(&b);
	usleep(100000);
	return 0;
}

static void
a_program_may_leave_a_running_port_to_eal(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int status = -1;
		const pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			execl("/proc/self/exe", "leave", i == 0 ? "lost" : "running", NULL);
			_exit(127);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

static int
setup(void **state)
{
	return user_setup(state) == 0 ?
		rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, hear, NULL) :
		-1;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_may_stop_the_port_where_the_link_is_told),
		cmocka_unit_test(every_change_of_the_link_is_followed_by_news_of_it),
		cmocka_unit_test(a_program_may_close_the_port_where_the_link_is_told),
		cmocka_unit_test(a_device_is_removed_while_its_port_runs),
		cmocka_unit_test(a_program_may_leave_a_running_port_to_eal),
	};

	if (argc > 1)
		_exit(leave_running(strcmp(argv[1], "lost") == 0));
	return cmocka_run_group_tests(tests, setup, NULL);
}
