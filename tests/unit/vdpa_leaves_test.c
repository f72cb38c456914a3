/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An application takes a vDPA device away from within each of its callbacks, as rte_dev_remove() does:
 * when that returns, the driver has got back all it gave, and is never called again.
 */

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <dev_driver.h>
#include <rte_vhost.h>

#include "aside.h"
#include "frontend.h"
#include "unit_sockets.h"
#include "vdpa_driver.h"

#define F_V1 (UINT64_C(1) << VIRTIO_F_VERSION_1)

enum callback {
	NEW_CONNECTION,
	VRING_UP,
	NEW_DEVICE,
	DESTROY_DEVICE,
	VRING_DOWN,
	DESTROY_CONNECTION,
	CALLBACKS,
};

static struct rte_vdpa_device *vdpa;

static struct {
	enum callback leave_in;
	int result; /* of leaving; 1: has not left */
	int calls_after;
	bool kept;
	int configured, rings, connections;
	sem_t over;
} now;

/* --- The driver ---------------------------------------------------------------------------- */

static void
check_there(void)
{
	now.calls_after += now.result == 0;
}

static int
queue_num(struct rte_vdpa_device *dev, uint32_t *num)
{
	(void)dev;
	*num = 1;
	return 0;
}

static int
features(struct rte_vdpa_device *dev, uint64_t *bits)
{
	(void)dev;
	*bits = F_V1;
	return 0;
}

static int
protocol_features(struct rte_vdpa_device *dev, uint64_t *bits)
{
	(void)dev;
	*bits = 0;
	return 0;
}

static int
conf(int vid)
{
	(void)vid;
	check_there();
	now.configured++;
	return 0;
}

static int
close_device(int vid)
{
	(void)vid;
	check_there();
	now.configured--;
	return 0;
}

static int
clean_up(int vid)
{
	(void)vid;
	check_there();
	now.connections--;
	return 0;
}

static int
set_vring_state(int vid, int vring, int state)
{
	(void)vid;
	(void)vring;
	check_there();
	now.rings += state ? 1 : -1;
	return 0;
}

static int
set_features(int vid)
{
	(void)vid;
	check_there();
	return 0;
}

static struct rte_vdpa_dev_ops driver = {
	.get_queue_num = queue_num,
	.get_features = features,
	.get_protocol_features = protocol_features,
	.dev_conf = conf,
	.dev_close = close_device,
	.dev_cleanup = clean_up,
	.set_vring_state = set_vring_state,
	.set_features = set_features,
};

/* --- The application ----------------------------------------------------------------------- */

static void
on(enum callback callback)
{
	if (callback != now.leave_in || now.result == 0)
		return;
	now.result = rte_vdpa_unregister_device(vdpa);
	/* This is not the test's thread. */
	now.kept = now.configured != 0 || now.rings != 0 || now.connections != 0;
}

static int
on_new_connection(int vid)
{
	(void)vid;
	now.connections++;
	on(NEW_CONNECTION);
	return 0;
}

static int
on_new_device(int vid)
{
	(void)vid;
	on(NEW_DEVICE);
	return 0;
}

static int
on_vring_state_changed(int vid, uint16_t index, int enable)
{
	(void)vid;
	(void)index;
	on(enable ? VRING_UP : VRING_DOWN);
	return 0;
}

static void
on_destroy_device(int vid)
{
	(void)vid;
	on(DESTROY_DEVICE);
}

static void
on_destroy_connection(int vid)
{
	(void)vid;
	on(DESTROY_CONNECTION);
	sem_post(&now.over);
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = on_new_connection,
	.new_device = on_new_device,
	.vring_state_changed = on_vring_state_changed,
	.destroy_device = on_destroy_device,
	.destroy_connection = on_destroy_connection,
};

/* --- Test ---------------------------------------------------------------------------------- */

static void
vdpa_device_may_leave_in_any_callback(void **state)
{
	static struct rte_device device = { .name = "unit_vdpa" };
	struct frontend fe;

	(void)state;
	for (enum callback callback = 0; callback < CALLBACKS; callback++) {
		memset(&now, 0, sizeof(now));
		now.leave_in = callback;
		now.result = 1;
		sem_init(&now.over, 0, 0);
		vdpa = rte_vdpa_register_device(&device, &driver);
		assert_non_null(vdpa);
		assert_int_equal(rte_vhost_driver_register(path, 0), 0);
		assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
		assert_int_equal(rte_vhost_driver_attach_vdpa_device(path, vdpa), 0);
		assert_int_equal(rte_vhost_driver_start(path), 0);

		/* The back end may hang up at any point of this. */
		fe_init(&fe, fe_connect(path), NULL);
		(void)fe_set_features(&fe, F_V1);
		(void)fe_set_memory(&fe);
		(void)fe_setup_ring(&fe, 0);
		(void)fe_setup_ring(&fe, 1);
		shutdown(fe.sock, SHUT_WR);
		sem_wait(&now.over);
		fe_assert_closed(&fe);
		fe_fini(&fe);
		assert_int_equal(rte_vhost_driver_unregister(path), 0);
		vhost_aside_settle();
		assert_int_equal(now.result, 0);
		assert_false(now.kept);
		assert_int_equal(now.calls_after, 0);
		assert_null(rte_vdpa_find_device_by_name("unit_vdpa"));
	}
}

static int
teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vdpa_device_may_leave_in_any_callback),
	};

	return unit_sockets_run("vdpa_leaves", tests, NULL, teardown);
}
