/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Thousands of sockets in one process, and sockets that are registered, started and unregistered by
 * several threads and from within callbacks while front ends talk.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_errno.h>
#include <rte_log.h>

#include "aside.h"
#include "frontend.h"
#include "unit_eal.h"
#include "vhost_user_socket.h"

#define F_V1 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define SERVERS 1000
#define CLIENTS 1000
/* Of each kind; as many as leave a few device numbers. */
#define CONNECTED 500
#define NUMBERS_LEFT (RTE_MAX_VHOST_DEVICE - 2 * CONNECTED)
/* Six at either end for each device; the sockets; and room for what else there is. */
#define FDS_NEEDED (2 * CONNECTED * 12 + SERVERS + CLIENTS + 1000)

static char dir[] = "/tmp/many-sockets-test-XXXXXX";

static const char *
path_of(const char *kind, int i)
{
	static __thread char path[64];

	snprintf(path, sizeof(path), "%s/%s%d", dir, kind, i);
	return path;
}

/* Wait for the event loop to have dealt with everything that was ready. */
static void
nothing(void *arg)
{
	(void)arg;
}

static void
settle(void)
{
	event_loop_run(vhost_user_event_loop(), nothing, NULL);
	vhost_aside_settle();
}

/* --- Thousands ----------------------------------------------------------------------------- */

static struct {
	sem_t connected, started, gone;
	int connections;
} app;

static int
on_new_connection(int vid)
{
	(void)vid;
	app.connections++;
	sem_post(&app.connected);
	return 0;
}

static int
on_new_device(int vid)
{
	(void)vid;
	sem_post(&app.started);
	return 0;
}

static void
on_destroy_connection(int vid)
{
	(void)vid;
	app.connections--;
	sem_post(&app.gone);
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = on_new_connection,
	.new_device = on_new_device,
	.destroy_connection = on_destroy_connection,
};

static void
serve(const char *path, uint64_t flags)
{
	assert_int_equal(rte_vhost_driver_register(path, flags), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
}

/* Without protocol features, so that nothing is left to be enabled. */
static void
bring_up(struct frontend *fe, int sock)
{
	fe_init(fe, sock, NULL);
	assert_int_equal(fe_set_features(fe, F_V1), 0);
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	sem_wait(&app.started);
}

static struct frontend servers_fe[CONNECTED], clients_fe[CONNECTED], late_fe[NUMBERS_LEFT + 1];

static void
connect_as_many_as_there_are_numbers(void)
{
	struct vhost_user_message msg;
	int listeners[CONNECTED];

	for (int i = 0; i < CONNECTED; i++)
		listeners[i] = fe_listen(path_of("client", i));
	for (int i = 0; i < CONNECTED; i++) {
		bring_up(&servers_fe[i], fe_connect(path_of("server", i)));
		bring_up(&clients_fe[i], accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC));
		close(listeners[i]);
		unlink(path_of("client", i));
	}
	assert_int_equal(app.connections, 2 * CONNECTED);
	for (int i = 0; i < NUMBERS_LEFT; i++)
		bring_up(&late_fe[i], fe_connect(path_of("server", i)));

	/* The next one is turned away, and nobody else notices. */
	fe_init(&late_fe[NUMBERS_LEFT], fe_connect(path_of("server", SERVERS - 1)), NULL);
	assert_int_not_equal(fe_answer(&late_fe[NUMBERS_LEFT], &msg), 1);
	fe_fini(&late_fe[NUMBERS_LEFT]);
	assert_true(fe_get_u64(&servers_fe[0], VHOST_USER_GET_FEATURES) & F_V1);

	/* Until a number becomes free. */
	fe_fini(&late_fe[0]);
	sem_wait(&app.gone);
	bring_up(&late_fe[0], fe_connect(path_of("server", SERVERS - 1)));
	assert_int_equal(app.connections, RTE_MAX_VHOST_DEVICE);
}

static void
thousands_of_sockets_share_one_process(void **state)
{
	struct rlimit limit;
	unsigned int before, used;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < FDS_NEEDED) {
		print_message("needs a limit of %d open files\n", FDS_NEEDED);
		skip();
	}
	sem_init(&app.connected, 0, 0);
	sem_init(&app.started, 0, 0);
	sem_init(&app.gone, 0, 0);

	/* The event loop is there already. */
	serve(path_of("first", 0), 0);
	settle();
	before = unit_open_fds();
	for (int i = 0; i < SERVERS; i++)
		serve(path_of("server", i), 0);
	for (int i = 0; i < CLIENTS; i++)
		serve(path_of("client", i), RTE_VHOST_USER_CLIENT);
	settle();
	/* One for each that listens, and none for those that try to connect; one may just do so. */
	used = unit_open_fds() - before;
	assert_in_range(used, SERVERS, SERVERS + 1);

	connect_as_many_as_there_are_numbers();

	for (int i = 0; i < SERVERS; i++)
		assert_int_equal(rte_vhost_driver_unregister(path_of("server", i)), 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(rte_vhost_driver_unregister(path_of("client", i)), 0);
	assert_int_equal(app.connections, 0);
	for (int i = 0; i < CONNECTED; i++) {
		fe_fini(&servers_fe[i]);
		fe_fini(&clients_fe[i]);
	}
	for (int i = 0; i < NUMBERS_LEFT; i++)
		fe_fini(&late_fe[i]);
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 0);
	assert_int_equal(rte_vhost_driver_unregister(path_of("first", 0)), 0);
}

/* --- Coming and going ---------------------------------------------------------------------- */

#define PATHS 4
#define OWNERS 2
#define PEERS 2
#define ROUNDS 600

static struct {
	int running; /* owners that are not done */
	int devices; /* new_device less destroy_device */
	int connections;
	int most;        /* connections at a time */
	int by_callback; /* sockets that a callback unregistered */
} crowd;

/* Anything but predictable, and each thread its own. */
static unsigned int
dice(unsigned int sides)
{
	static __thread unsigned int seed;

	if (seed == 0)
		seed = (unsigned int)(uintptr_t)&seed;
	return (unsigned int)rand_r(&seed) % sides;
}

static void
maybe_unregister(void)
{
	if (dice(6) != 0)
		return;
	if (rte_vhost_driver_unregister(path_of("crowd", (int)dice(PATHS))) == 0)
		__atomic_fetch_add(&crowd.by_callback, 1, __ATOMIC_RELAXED);
}

static void
look_around(int vid)
{
	struct rte_vhost_memory *mem;
	struct rte_vhost_vring vring;
	struct rte_mbuf *none[1];
	uint64_t features;
	char name[64];

	if (rte_vhost_get_mem_table(vid, &mem) == 0)
		free(mem);
	rte_vhost_get_negotiated_features(vid, &features);
	rte_vhost_get_vhost_vring(vid, 0, &vring);
	rte_vhost_get_ifname(vid, name, sizeof(name));
	rte_vhost_enqueue_burst(vid, 0, none, 0);
	rte_vhost_vring_call(vid, 1);
}

static int
crowd_new_connection(int vid)
{
	crowd.connections++;
	crowd.most = RTE_MAX(crowd.most, crowd.connections);
	look_around(vid);
	maybe_unregister();
	if (dice(10) != 0)
		return 0;
	crowd.connections--;
	return -1;
}

static int
crowd_new_device(int vid)
{
	crowd.devices++;
	look_around(vid);
	maybe_unregister();
	return 0;
}

static int
crowd_vring_state_changed(int vid, uint16_t queue, int enable)
{
	(void)queue;
	(void)enable;
	look_around(vid);
	maybe_unregister();
	return 0;
}

static void
crowd_destroy_device(int vid)
{
	crowd.devices--;
	look_around(vid);
	maybe_unregister();
}

static void
crowd_destroy_connection(int vid)
{
	crowd.connections--;
	look_around(vid);
	maybe_unregister();
}

static const struct rte_vhost_device_ops crowd_ops = {
	.new_connection = crowd_new_connection,
	.new_device = crowd_new_device,
	.vring_state_changed = crowd_vring_state_changed,
	.destroy_device = crowd_destroy_device,
	.destroy_connection = crowd_destroy_connection,
};

/* An application's thread: each call may fail, since others do the same with the same paths. */
static void *
own_sockets(void *arg)
{
	for (int round = 0; round < ROUNDS; round++) {
		const char *path = path_of("crowd", (int)dice(PATHS));
		uint64_t features;
		uint32_t n;

		rte_vhost_driver_register(path, dice(4) == 0 ? RTE_VHOST_USER_CLIENT : 0);
		rte_vhost_driver_callback_register(path, &crowd_ops);
		rte_vhost_driver_start(path);
		rte_vhost_driver_get_features(path, &features);
		rte_vhost_driver_get_queue_num(path, &n);
		look_around((int)dice(PEERS));
		sched_yield();
		if (dice(2) == 0)
			rte_vhost_driver_unregister(path);
	}
	__atomic_fetch_sub(&crowd.running, 1, __ATOMIC_RELEASE);
	return arg;
}

/* A socket connected to the path, or -1. */
static int
try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A front end that says some or all of what it has to say, whether anybody listens or not. */
static void
talk(int sock)
{
	const unsigned int steps = dice(6);
	struct frontend fe;

	fe_init(&fe, sock, NULL);
	fe_set_features(&fe, F_V1);
	if (steps > 0)
		fe_set_memory(&fe);
	if (steps > 1)
		fe_setup_ring(&fe, 0);
	if (steps > 2)
		fe_setup_ring(&fe, 1);
	if (steps > 3)
		fe_set_memory(&fe);
	if (steps > 4)
		fe_set_features(&fe, F_V1);
	fe_fini(&fe);
}

static void *
be_front_ends(void *arg)
{
	while (__atomic_load_n(&crowd.running, __ATOMIC_ACQUIRE) > 0) {
		int sock = try_connect(path_of("crowd", (int)dice(PATHS)));

		if (sock >= 0)
			talk(sock);
		else
			sched_yield();
	}
	return arg;
}

static void
sockets_come_and_go_from_any_thread_while_front_ends_talk(void **state)
{
	pthread_t owners[OWNERS], peers[PEERS];
	unsigned int before;

	(void)state;
	serve(path_of("first", 0), 0);
	settle();
	before = unit_open_fds();
	crowd.running = OWNERS;
	for (int i = 0; i < OWNERS; i++)
		assert_int_equal(pthread_create(&owners[i], NULL, own_sockets, NULL), 0);
	for (int i = 0; i < PEERS; i++)
		assert_int_equal(pthread_create(&peers[i], NULL, be_front_ends, NULL), 0);
	for (int i = 0; i < OWNERS; i++)
		pthread_join(owners[i], NULL);
	for (int i = 0; i < PEERS; i++)
		pthread_join(peers[i], NULL);
	for (int i = 0; i < PATHS; i++)
		rte_vhost_driver_unregister(path_of("crowd", i));
	settle();
	assert_int_equal(crowd.devices, 0);
	assert_int_equal(crowd.connections, 0);
	assert_true(crowd.most > 0);
	assert_true(crowd.by_callback > 0);
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 0);
	assert_int_equal(rte_vhost_driver_unregister(path_of("first", 0)), 0);
}

/* --- Connecting again ---------------------------------------------------------------------- */

#ifdef UNIT_SANITIZED
#define RECONNECTS 2000
#else
#define RECONNECTS 10000
#endif
/* Behind this many, everything has grown as far as it will. */
#define SETTLED (RECONNECTS / 5)
/* The allocator's own business, which does not grow with the number of connections. */
#define RESIDENT_SLACK_KB 1024

static long
resident_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[128];
	long kb = -1;

	while (fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(status);
	return kb;
}

/* Say the first so many messages of what makes a device run. */
static void
say_some(struct frontend *fe, int messages)
{
	if (messages > 0)
		fe_set_features(fe, F_V1);
	if (messages > 1)
		fe_set_memory(fe);
	for (int i = 2; i < messages && i < 4; i++)
		fe_setup_ring(fe, (uint32_t)i - 2);
}

/* A front end in a process of its own, killed at some time after it connected. */
static void
be_killed(int messages)
{
	struct frontend fe;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fe_init(&fe, fe_connect(path_of("server", 0)), NULL);
		for (;;)
			say_some(&fe, messages);
	}
	assert_true(pid > 0);
	sem_wait(&app.connected);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
leave(int messages)
{
	struct frontend fe;

	fe_init(&fe, fe_connect(path_of("server", 0)), NULL);
	say_some(&fe, messages);
	fe_fini(&fe);
	sem_wait(&app.connected);
}

static void
stay_a_while(int round)
{
	struct frontend fe;

	bring_up(&fe, fe_connect(path_of("server", 0)));
	sem_wait(&app.connected);
	if (round % 3 == 0)
		fe_get_base(&fe, 0);
	if (round % 3 == 1)
		fe_set_memory(&fe);
	fe_fini(&fe);
}

static void
nothing_is_kept_of_ten_thousand_front_ends(void **state)
{
	unsigned int before;
	long kb = 0;

	(void)state;
	sem_init(&app.connected, 0, 0);
	sem_init(&app.started, 0, 0);
	sem_init(&app.gone, 0, 0);
	serve(path_of("server", 0), 0);
	settle();
	before = unit_open_fds();
	for (int i = 0; i < RECONNECTS; i++) {
		if (i % 10 == 0)
			be_killed(i / 10 % 5);
		else if (i % 2 == 0)
			leave(i / 2 % 5);
		else
			stay_a_while(i / 2);
		sem_wait(&app.gone);
		if (i == SETTLED)
			kb = resident_kb();
	}
	settle();
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 0);
#ifndef UNIT_SANITIZED
	assert_true(resident_kb() <= kb + RESIDENT_SLACK_KB);
#endif
	print_message("resident memory: %ld kB after %d front ends, %ld kB after %d\n", kb, SETTLED,
		resident_kb(), RECONNECTS);
	assert_int_equal(rte_vhost_driver_unregister(path_of("server", 0)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_sockets_share_one_process),
		cmocka_unit_test(sockets_come_and_go_from_any_thread_while_front_ends_talk),
		cmocka_unit_test(nothing_is_kept_of_ten_thousand_front_ends),
	};
	int ret;

	if (unit_eal_setup(NULL) != 0 || mkdtemp(dir) == NULL)
		return 1;
	rte_log_set_global_level(RTE_LOG_EMERG);
	ret = cmocka_run_group_tests_name("many_sockets", tests, NULL, NULL);
	rmdir(dir);
	return ret;
}
