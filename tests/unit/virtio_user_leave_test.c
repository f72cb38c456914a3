/* SPDX-License-Identifier: BSD-3-Clause */

/* What a virtio-user port leaves behind: with a back end that it parts from, and for the application. */

#include "virtio_user_rig.h"

#include "user.h"

static struct virtio_user *user;
static unsigned int freed, freed_locked;

static void
note_freed(void *addr, void *arg)
{
	const bool locked = pthread_mutex_trylock(&user->dev.lock) != 0;

	(void)addr;
	(void)arg;
	if (!locked)
		pthread_mutex_unlock(&user->dev.lock);
	__atomic_add_fetch(&freed_locked, locked, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
}

static struct rte_mbuf *
frame_of_the_application(void)
{
	static uint8_t data[1024] __rte_aligned(8);
	static struct rte_mbuf_ext_shared_info info = { .free_cb = note_freed };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	rte_mbuf_ext_refcnt_set(&info, 1);
	rte_pktmbuf_attach_extbuf(m, data, RTE_BAD_IOVA, sizeof(data), &info);
	assert_non_null(rte_pktmbuf_append(m, 60));
	return m;
}

/* What the application does when its buffers come back may wait for DPDK's memory, and so for this lock. */
static void
frames_under_way_are_freed_without_a_lock(void **state)
{
	struct scripted_backend b = honest("under_way", false);
	struct rte_eth_dev_info info;
	struct rte_mbuf *m;

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(rte_eth_dev_info_get(port(), &info), 0);
	user = rte_eth_devices[port()].data->dev_private;
	assert_int_equal(start(1, 0), 0);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_true(wait_link(true));
		m = frame_of_the_application();
		assert_int_equal(rte_eth_tx_burst(port(), 0, &m, 1), 1);
		scripted_hang_up(&b);
		assert_true(wait_link(false));
		/* By now, not when another back end is there to take the ring. */
		assert_int_equal(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), i);
	}
	assert_int_equal(freed_locked, 0);
	assert_true(wait_link(true));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
}

/* A back end that was told to run, and then of something that it refuses, is told to stop. */
static void
a_start_that_fails_at_its_end_stops_the_device(void **state)
{
	struct scripted_backend b = honest("at_its_end", false);
	unsigned int began, enabled = 0, stopped = 0;
	const unsigned int had = rte_mempool_avail_count(pool);

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	began = b.messages;
	assert_int_equal(start(1, 0), 0);
	while (b.requests[began + enabled] != VHOST_USER_SET_VRING_ENABLE)
		enabled++;
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(rte_mempool_avail_count(pool), had);

	began = b.messages;
	b.twist = SCRIPTED_REFUSE;
	b.twist_at = began + enabled + 1;
	assert_true(start(1, 0) < 0);
	assert_int_equal(b.requests[b.twist_at - 1], VHOST_USER_SET_VRING_ENABLE);
	pthread_mutex_lock(&b.lock);
	for (unsigned int i = b.twist_at; i < RTE_DIM(b.requests); i++)
		stopped += b.requests[i] == VHOST_USER_GET_VRING_BASE;
	assert_int_equal(b.status, 0);
	pthread_mutex_unlock(&b.lock);
	assert_int_equal(stopped, 2);
	assert_int_equal(rte_mempool_avail_count(pool), had);
	b.twist_at = 0;
	remove_port();
	scripted_stop(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_under_way_are_freed_without_a_lock),
		cmocka_unit_test(a_start_that_fails_at_its_end_stops_the_device),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}
