/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_errno.h>

#include "aside.h"
#include "frontend.h"
#include "unit_sockets.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_socket.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)

/* --- The application ----------------------------------------------------------------------- */

enum callback {
	NEW_CONNECTION,
	NEW_DEVICE,
	VRING_STATE_CHANGED,
	DESTROY_DEVICE,
	DESTROY_CONNECTION,
	CALLBACKS,
};

static struct {
	sem_t called[CALLBACKS];
	int calls[CALLBACKS];
	int vid;
	enum callback unregister_in; /* CALLBACKS: in none */
	enum callback wait_in;
	sem_t waiting, go_on;
	int result; /* of unregistering */
} app;

static void
on(enum callback callback, int vid)
{
	app.vid = vid;
	__atomic_fetch_add(&app.calls[callback], 1, __ATOMIC_SEQ_CST);
	if (app.unregister_in == callback) {
		app.unregister_in = CALLBACKS;
		app.result = rte_vhost_driver_unregister(path);
	}
	if (app.wait_in == callback) {
		app.wait_in = CALLBACKS;
		sem_post(&app.waiting);
		sem_wait(&app.go_on);
	}
	sem_post(&app.called[callback]);
}

static int
on_new_connection(int vid)
{
	on(NEW_CONNECTION, vid);
	return 0;
}

static int
on_new_device(int vid)
{
	on(NEW_DEVICE, vid);
	return 0;
}

static int
on_vring_state_changed(int vid, uint16_t index, int enable)
{
	(void)index;
	(void)enable;
	on(VRING_STATE_CHANGED, vid);
	return 0;
}

static void
on_destroy_device(int vid)
{
	on(DESTROY_DEVICE, vid);
}

static void
on_destroy_connection(int vid)
{
	on(DESTROY_CONNECTION, vid);
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = on_new_connection,
	.new_device = on_new_device,
	.vring_state_changed = on_vring_state_changed,
	.destroy_device = on_destroy_device,
	.destroy_connection = on_destroy_connection,
};

static int
setup(void **state)
{
	(void)state;
	memset(&app, 0, sizeof(app));
	for (int i = 0; i < CALLBACKS; i++)
		sem_init(&app.called[i], 0, 0);
	sem_init(&app.waiting, 0, 0);
	sem_init(&app.go_on, 0, 0);
	app.unregister_in = app.wait_in = CALLBACKS;
	return 0;
}

static void
serve(const char *at, uint64_t flags)
{
	assert_int_equal(rte_vhost_driver_register(at, flags), 0);
	assert_int_equal(rte_vhost_driver_callback_register(at, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(at), 0);
}

/* --- The front end ------------------------------------------------------------------------- */

/* A channel that nobody reads. */
static int
set_channel(struct frontend *fe)
{
	int fds[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ret = fe_set_backend_fd(fe, fds[1]);
	close(fds[0]);
	close(fds[1]);
	return ret;
}

/* The handshake of a front end without protocol features, message by message. */
static int
handshake_step(struct frontend *fe, int step)
{
	struct vhost_user_message msg;

	switch (step) {
	case 0:
		fe_get_u64(fe, VHOST_USER_GET_FEATURES);
		return 0;
	case 1:
		msg = fe_message(VHOST_USER_SET_OWNER, 0);
		return fe_send(fe, &msg);
	case 2:
		return fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
			FEATURE(VHOST_USER_PF_MQ) | FEATURE(VHOST_USER_PF_BACKEND_REQ));
	case 3:
		return set_channel(fe);
	case 4:
		fe_get_u64(fe, VHOST_USER_GET_QUEUE_NUM);
		return 0;
	case 5:
		return fe_set_features(fe, F_V1);
	case 6:
		return fe_set_memory(fe);
	default:
		step -= 7;
		break;
	}
	switch (step % 5) {
	case 0:
		return fe_set_state(fe, VHOST_USER_SET_VRING_NUM, step / 5, FE_RING_SIZE);
	case 1:
		return fe_set_state(fe, VHOST_USER_SET_VRING_BASE, step / 5, 0);
	case 2:
		return fe_set_addr(fe, step / 5);
	case 3:
		return fe_set_call(fe, step / 5);
	default:
		return fe_set_kick(fe, step / 5);
	}
}
#define HANDSHAKE_STEPS (7 + 2 * 5)

static void
handshake(struct frontend *fe)
{
	for (int step = 0; step < HANDSHAKE_STEPS; step++)
		assert_int_equal(handshake_step(fe, step), 0);
}

/* --- Tests --------------------------------------------------------------------------------- */

static void
front_end_brings_a_device_up_and_takes_it_away(void **state)
{
	struct frontend fe;
	char name[64];

	(void)state;
	serve(path, 0);
	fe_init(&fe, fe_connect(path), NULL);
	handshake(&fe);
	sem_wait(&app.called[NEW_DEVICE]);
	assert_int_equal(rte_vhost_get_ifname(app.vid, name, sizeof(name)), 0);
	assert_string_equal(name, path);
	assert_int_equal(rte_vhost_get_vring_num(app.vid), 2);

	fe_fini(&fe);
	sem_wait(&app.called[DESTROY_CONNECTION]);
	assert_int_equal(app.calls[DESTROY_DEVICE], 1);
	assert_int_equal(app.calls[VRING_STATE_CHANGED], 4);

	/* And another one after it. */
	fe_init(&fe, fe_connect(path), NULL);
	handshake(&fe);
	sem_wait(&app.called[NEW_DEVICE]);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(app.calls[DESTROY_CONNECTION], 2);
	fe_assert_closed(&fe);
	assert_int_equal(access(path, F_OK), -1);
	fe_fini(&fe);
}

/*
 * Say the first messages of the handshake, and leave; every other time in the middle of one more.
 */
static void
say_and_leave(struct frontend *fe, int round)
{
	fe_init(fe, fe_connect(path), NULL);
	fe->impatient = true;
	for (int step = 0; step <= round % HANDSHAKE_STEPS; step++)
		assert_int_equal(handshake_step(fe, step), 0);
	if (round / HANDSHAKE_STEPS & 1)
		assert_int_equal(write(fe->sock, "\5\0\0\0\1\0", 6), 6);
	shutdown(fe->sock, SHUT_WR);
}

static void
front_end_may_leave_after_any_message(void **state)
{
	struct frontend fe[20];
	unsigned int fds;

	(void)state;
	serve(path, 0);
	fds = unit_open_fds();
	for (int round = 0; round < 1000; round += RTE_DIM(fe)) {
		for (size_t i = 0; i < RTE_DIM(fe); i++)
			say_and_leave(&fe[i], round + (int)i);
		for (size_t i = 0; i < RTE_DIM(fe); i++) {
			fe_assert_closed(&fe[i]);
			fe_fini(&fe[i]);
			sem_wait(&app.called[DESTROY_CONNECTION]);
		}
	}
	assert_int_equal(app.calls[NEW_CONNECTION], 1000);
	assert_int_equal(app.calls[NEW_DEVICE], app.calls[DESTROY_DEVICE]);
	assert_true(app.calls[NEW_DEVICE] > 0);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(fe_mappings(), 0);
	/* The listening socket is gone as well. */
	vhost_aside_settle();
	assert_true(unit_open_fds() <= fds);
}

static void
stalled_front_end_holds_up_nobody_else(void **state)
{
	struct frontend stalled, fe;

	(void)state;
	serve(path, 0);
	fe_init(&stalled, fe_connect(path), NULL);
	assert_int_equal(write(stalled.sock, "\1\0\0", 3), 3);
	sem_wait(&app.called[NEW_CONNECTION]);
	fe_init(&fe, fe_connect(path), NULL);
	handshake(&fe);
	sem_wait(&app.called[NEW_DEVICE]);
	assert_int_equal(app.calls[NEW_CONNECTION], 2);
	assert_int_equal(app.calls[DESTROY_CONNECTION], 0);
	fe_fini(&fe);
	fe_fini(&stalled);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
front_end_that_does_not_read_loses_its_connection(void **state)
{
	struct frontend fe;
	int ret;

	(void)state;
	serve(path, 0);
	fe_init(&fe, fe_connect(path), NULL);
	do {
		struct vhost_user_message msg = fe_message(VHOST_USER_GET_FEATURES, 0);

		ret = fe_send(&fe, &msg);
	} while (ret == 0);
	assert_true(ret == -EPIPE || ret == -ECONNRESET);
	sem_wait(&app.called[DESTROY_CONNECTION]);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
malformed_message_costs_only_its_sender_the_connection(void **state)
{
	struct frontend good, bad;

	(void)state;
	serve(path, 0);
	fe_init(&good, fe_connect(path), NULL);
	handshake(&good);
	sem_wait(&app.called[NEW_DEVICE]);
	fe_init(&bad, fe_connect(path), NULL);
	assert_int_equal(fe_set_state(&bad, VHOST_USER_SET_VRING_NUM, 70000, 1), 0);
	fe_assert_closed(&bad);
	assert_true(fe_get_u64(&good, VHOST_USER_GET_FEATURES) & F_V1);
	assert_int_equal(app.calls[DESTROY_DEVICE], 0);
	fe_fini(&good);
	fe_fini(&bad);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
paths_that_cannot_be_served_are_refused(void **state)
{
	char long_path[200];

	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(rte_vhost_driver_register(long_path, 0), -1);
	assert_int_equal(rte_errno, ENAMETOOLONG);
	assert_int_equal(rte_vhost_driver_register("", 0), -1);
	assert_int_equal(rte_vhost_driver_register(NULL, 0), -1);
	assert_int_equal(rte_vhost_driver_register(path, RTE_VHOST_USER_ASYNC_COPY), -1);
	assert_int_equal(rte_errno, ENOTSUP);
	assert_int_equal(rte_vhost_driver_start(path), -1);
	assert_int_equal(rte_errno, ENOENT);
	assert_int_equal(rte_vhost_driver_unregister(path), -1);
	assert_int_equal(rte_errno, ENOENT);

	assert_int_equal(rte_vhost_driver_register("/nonexistent/dir/socket", 0), 0);
	assert_int_equal(rte_vhost_driver_start("/nonexistent/dir/socket"), -1);
	assert_int_equal(rte_errno, ENOENT);
	assert_int_equal(rte_vhost_driver_unregister("/nonexistent/dir/socket"), 0);

	snprintf(long_path, sizeof(long_path), "%s.loop", path);
	assert_int_equal(symlink(long_path, long_path), 0);
	strcat(long_path, "/socket");
	assert_int_equal(rte_vhost_driver_register(long_path, 0), 0);
	assert_int_equal(rte_vhost_driver_start(long_path), -1);
	assert_int_equal(rte_errno, ELOOP);
	assert_int_equal(rte_vhost_driver_unregister(long_path), 0);
	*strrchr(long_path, '/') = '\0';
	assert_int_equal(unlink(long_path), 0);

	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_register(path, 0), -1);
	assert_int_equal(rte_errno, EEXIST);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

/* A listening socket of somebody else. */
static void
only_a_stale_socket_file_is_removed(void **state)
{
	int fd = fe_listen(path);

	(void)state;
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_start(path), -1);
	assert_int_equal(rte_errno, EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(access(path, F_OK), -1);

	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_start(path), -1);
	assert_int_equal(rte_errno, EADDRINUSE);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(unlink(path), 0);
}

static void
socket_file_of_another_is_left_alone(void **state)
{
	int fd;

	(void)state;
	serve(path, 0);
	assert_int_equal(unlink(path), 0);
	fd = fe_listen(path);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static int
accept_client(int fd)
{
	int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	assert_true(sock >= 0);
	return sock;
}

static void
client_connects_when_the_front_end_comes_and_again_when_it_comes_back(void **state)
{
	struct frontend fe;
	int fd;

	(void)state;
	serve(path, RTE_VHOST_USER_CLIENT);
	fd = fe_listen(path);
	for (int round = 0; round < 2; round++) {
		fe_init(&fe, accept_client(fd), NULL);
		handshake(&fe);
		sem_wait(&app.called[NEW_DEVICE]);
		fe_fini(&fe);
		sem_wait(&app.called[DESTROY_CONNECTION]);
	}
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	/* The file is the front end's. */
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static void
client_that_shall_not_reconnect_tries_once(void **state)
{
	const uint64_t flags = RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT;
	struct frontend fe;
	int fd;

	(void)state;
	assert_int_equal(rte_vhost_driver_register(path, flags), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), -1);
	assert_int_equal(rte_errno, ENOENT);
	fd = fe_listen(path);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	fe_init(&fe, accept_client(fd), NULL);
	handshake(&fe);
	sem_wait(&app.called[NEW_DEVICE]);
	fe_fini(&fe);
	sem_wait(&app.called[DESTROY_CONNECTION]);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(app.calls[NEW_CONNECTION], 1);
	unlink(path);
	close(fd);
}

static void
client_may_leave_connecting_to_the_event_loop(void **state)
{
	const uint64_t flags = RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_ASYNC_CONNECT;
	struct frontend fe;
	int fd;

	(void)state;
	/* Without another try, nothing more comes of a start that finds nobody. */
	serve(path, flags | RTE_VHOST_USER_NO_RECONNECT);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);

	serve(path, flags);
	fd = fe_listen(path);
	fe_init(&fe, accept_client(fd), NULL);
	handshake(&fe);
	sem_wait(&app.called[NEW_DEVICE]);
	fe_fini(&fe);
	sem_wait(&app.called[DESTROY_CONNECTION]);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	unlink(path);
	close(fd);
}

static void
socket_may_be_unregistered_in_any_callback(void **state)
{
	(void)state;
	for (int callback = 0; callback < CALLBACKS; callback++) {
		struct frontend fe;

		setup(NULL);
		app.unregister_in = (enum callback)callback;
		app.result = -1;
		serve(path, 0);
		fe_init(&fe, fe_connect(path), NULL);
		fe.impatient = true;
		for (int step = 0; step < HANDSHAKE_STEPS; step++)
			handshake_step(&fe, step);
		if (callback >= DESTROY_DEVICE)
			shutdown(fe.sock, SHUT_WR);
		sem_wait(&app.called[DESTROY_CONNECTION]);
		assert_int_equal(app.result, 0);
		assert_int_equal(app.calls[NEW_CONNECTION], 1);
		assert_int_equal(app.calls[DESTROY_CONNECTION], 1);
		assert_int_equal(app.calls[NEW_DEVICE], app.calls[DESTROY_DEVICE]);
		assert_int_equal(rte_vhost_driver_unregister(path), -1);
		fe_assert_closed(&fe);
		fe_fini(&fe);
	}
}

static void *
unregister(void *arg)
{
	app.result = rte_vhost_driver_unregister(path);
	return arg;
}

static void
unregistering_waits_for_a_callback_but_nothing_else_does(void **state)
{
	struct frontend fe;
	uint64_t features;
	pthread_t thread;

	(void)state;
	app.wait_in = NEW_DEVICE;
	serve(path, 0);
	fe_init(&fe, fe_connect(path), NULL);
	handshake(&fe);
	sem_wait(&app.waiting);
	/* An application may do all this with a lock held that its callback waits for. */
	serve(other_path, 0);
	assert_int_equal(rte_vhost_driver_get_features(other_path, &features), 0);
	assert_int_equal(rte_vhost_driver_disable_features(path, F_V1), 0);
	assert_int_equal(rte_vhost_get_negotiated_features(app.vid, &features), 0);
	assert_int_equal(features, F_V1);
	assert_int_equal(rte_vhost_enable_guest_notification(app.vid, 0, 0), 0);

	assert_int_equal(pthread_create(&thread, NULL, unregister, NULL), 0);
	assert_int_equal(app.calls[DESTROY_CONNECTION], 0);
	sem_post(&app.go_on);
	pthread_join(thread, NULL);
	assert_int_equal(app.result, 0);
	assert_int_equal(app.calls[DESTROY_DEVICE], 1);
	assert_int_equal(app.calls[DESTROY_CONNECTION], 1);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(other_path), 0);
}

static int stop_asking;

static void *
ask(void *arg)
{
	struct rte_vhost_memory *mem;
	struct rte_vhost_vring vring;
	struct rte_mbuf *pkts[4];
	uint64_t u64 = 0;
	uint16_t a, b;

	while (!__atomic_load_n(&stop_asking, __ATOMIC_ACQUIRE)) {
		rte_vhost_enqueue_burst(0, 0, pkts, 0);
		rte_vhost_dequeue_burst(0, 1, NULL, pkts, 0);
		if (rte_vhost_get_mem_table(0, &mem) == 0)
			free(mem);
		rte_vhost_get_vhost_vring(0, 1, &vring);
		rte_vhost_get_vring_base(0, 0, &a, &b);
		rte_vhost_get_negotiated_features(0, &u64);
		rte_vhost_avail_entries(0, 0);
		rte_vhost_rx_queue_count(0, 1);
		rte_vhost_vring_call(0, 0);
		rte_vhost_enable_guest_notification(0, 1, (int)u64 & 1);
		rte_vhost_log_write(0, 0, 4096);
		sched_yield();
	}
	return arg;
}

static void
any_thread_may_ask_while_devices_come_and_go(void **state)
{
	pthread_t threads[2];

	(void)state;
	serve(path, RTE_VHOST_USER_NET_STATS_ENABLE);
	stop_asking = 0;
	for (size_t i = 0; i < RTE_DIM(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, NULL), 0);
	for (int round = 0; round < 60; round++) {
		struct frontend fe;

		fe_init(&fe, fe_connect(path), NULL);
		handshake(&fe);
		if (round % 3 == 0)
			fe_set_memory(&fe);
		if (round % 3 == 1)
			fe_get_base(&fe, 1);
		fe_fini(&fe);
		sem_wait(&app.called[DESTROY_CONNECTION]);
	}
	__atomic_store_n(&stop_asking, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < RTE_DIM(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(fe_mappings(), 0);
}

static void
each_connection_has_a_number_of_its_own(void **state)
{
	struct frontend fe[8];
	bool seen[RTE_MAX_VHOST_DEVICE] = { false };

	(void)state;
	serve(path, 0);
	for (size_t i = 0; i < RTE_DIM(fe); i++) {
		fe_init(&fe[i], fe_connect(path), NULL);
		handshake(&fe[i]);
		sem_wait(&app.called[NEW_DEVICE]);
		assert_false(seen[app.vid]);
		seen[app.vid] = true;
	}
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(app.calls[DESTROY_DEVICE], RTE_DIM(fe));
	for (size_t i = 0; i < RTE_DIM(fe); i++)
		fe_fini(&fe[i]);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
crowd_on_one_socket_leaves_room_on_others(void **state)
{
	struct frontend fe;
	int crowd[VHOST_USER_CONNECTIONS_MAX];
	unsigned int fds;
	int refused;
	char end;

	(void)state;
	serve(path, 0);
	serve(other_path, 0);
	fds = unit_open_fds();
	for (size_t i = 0; i < RTE_DIM(crowd); i++)
		crowd[i] = fe_connect(path);
	refused = fe_connect(path);
	assert_int_equal(read(refused, &end, 1), 0);
	assert_int_equal(app.calls[NEW_CONNECTION], RTE_DIM(crowd));
	fe_init(&fe, fe_connect(other_path), NULL);
	handshake(&fe);
	fe_fini(&fe);
	close(refused);
	for (size_t i = 0; i < RTE_DIM(crowd); i++)
		close(crowd[i]);
	for (size_t i = 0; i <= RTE_DIM(crowd); i++)
		sem_wait(&app.called[DESTROY_CONNECTION]);
	fe_init(&fe, fe_connect(path), NULL);
	handshake(&fe);
	fe_fini(&fe);
	sem_wait(&app.called[DESTROY_CONNECTION]);
	/* The callback comes before the last descriptor is closed. */
	event_loop_run(vhost_user_event_loop(), nothing, NULL);
	vhost_aside_settle();
	assert_true(unit_open_fds() <= fds);
	assert_int_equal(rte_vhost_driver_unregister(other_path), 0);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
kicks_may_be_chosen_before_the_ring_runs(void **state)
{
	struct frontend fe;

	(void)state;
	serve(path, 0);
	for (int enable = 0; enable < 2; enable++) {
		fe_init(&fe, fe_connect(path), NULL);
		assert_int_equal(fe_set_call(&fe, 0), 0);
		fe_get_u64(&fe, VHOST_USER_GET_FEATURES);
		sem_wait(&app.called[NEW_CONNECTION]);
		assert_int_equal(rte_vhost_enable_guest_notification(app.vid, 0, enable), 0);
		fe_used(&fe, 0)->flags = enable ? VRING_USED_F_NO_NOTIFY : 0;
		handshake(&fe);
		sem_wait(&app.called[NEW_DEVICE]);
		assert_int_equal(fe_used(&fe, 0)->flags, enable ? 0 : VRING_USED_F_NO_NOTIFY);
		fe_fini(&fe);
		sem_wait(&app.called[DESTROY_CONNECTION]);
	}
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_end_brings_a_device_up_and_takes_it_away),
		cmocka_unit_test(front_end_may_leave_after_any_message),
		cmocka_unit_test(stalled_front_end_holds_up_nobody_else),
		cmocka_unit_test(front_end_that_does_not_read_loses_its_connection),
		cmocka_unit_test(malformed_message_costs_only_its_sender_the_connection),
		cmocka_unit_test(paths_that_cannot_be_served_are_refused),
		cmocka_unit_test(only_a_stale_socket_file_is_removed),
		cmocka_unit_test(socket_file_of_another_is_left_alone),
		cmocka_unit_test(
			client_connects_when_the_front_end_comes_and_again_when_it_comes_back),
		cmocka_unit_test(client_that_shall_not_reconnect_tries_once),
		cmocka_unit_test(client_may_leave_connecting_to_the_event_loop),
		cmocka_unit_test(socket_may_be_unregistered_in_any_callback),
		cmocka_unit_test(unregistering_waits_for_a_callback_but_nothing_else_does),
		cmocka_unit_test(any_thread_may_ask_while_devices_come_and_go),
		cmocka_unit_test(each_connection_has_a_number_of_its_own),
		cmocka_unit_test(crowd_on_one_socket_leaves_room_on_others),
		cmocka_unit_test(kicks_may_be_chosen_before_the_ring_runs),
	};
	struct CMUnitTest with_setup[RTE_DIM(tests)];

	for (size_t i = 0; i < RTE_DIM(tests); i++) {
		with_setup[i] = tests[i];
		with_setup[i].setup_func = setup;
	}
	return unit_sockets_run("vhost_user_socket", with_setup, NULL, NULL);
}
