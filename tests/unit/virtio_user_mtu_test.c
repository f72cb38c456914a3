/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A virtio-user port tells its back end the MTU, and what becomes of a request that goes wrong while
 * frames flow.
 */

#include "virtio_user_rig.h"

/* Which message of a connection that is, and which is the first that a start takes. */
#define MTU_AT 22
#define START_AT 7

/* In whichever way it was chosen, and each time that a back end comes. */
static void
the_back_end_is_told_the_mtu(void **state)
{
	const struct rte_eth_conf conf = { .rxmode.mtu = 1400 }, other = { 0 };
	struct scripted_backend b = honest("mtu", false);

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start_as(1, &conf), 0);
	assert_int_equal(b.mtu, 1400);
	b.mtu = 0;
	scripted_hang_up(&b);
	assert_true(wait_link(false));
	assert_true(wait_link(true));
	assert_int_equal(b.mtu, 1400);
	assert_int_equal(rte_eth_dev_set_mtu(port(), 1300), 0);
	assert_int_equal(b.mtu, 1300);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start_as(1, &other), 0);
	assert_int_equal(b.mtu, RTE_ETHER_MTU);
	remove_port();
	scripted_stop(&b);
}

/* The port has its old one, works, and does not ask for the other when the back end comes again. */
static void
an_mtu_that_is_refused_is_forgotten(void **state)
{
	struct scripted_backend b = honest("refused", false);
	uint16_t mtu;

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	b.twist = SCRIPTED_REFUSE;
	b.twist_at = MTU_AT;
	assert_int_equal(start(1, 0), 0);
	assert_int_equal(b.requests[MTU_AT - 1], VHOST_USER_NET_SET_MTU);
	assert_true(wait_link(true));
	exchange(&b, 0);
	b.twist_at = b.messages + 1;
	assert_true(rte_eth_dev_set_mtu(port(), 1300) < 0);
	assert_int_equal(rte_eth_dev_get_mtu(port(), &mtu), 0);
	assert_int_equal(mtu, RTE_ETHER_MTU);
	b.twist_at = 0;
	b.mtu = 0;
	scripted_hang_up(&b);
	assert_true(wait_link(false));
	assert_true(wait_link(true));
	assert_int_equal(b.mtu, RTE_ETHER_MTU);
	remove_port();
	scripted_stop(&b);
}

/* Of all that a start takes, the MTU alone may be refused. */
static void
a_back_end_that_refuses_anything_else_is_not_started(void **state)
{
	(void)state;
	for (unsigned int at = START_AT; at < MTU_AT; at++) {
		struct scripted_backend b = honest("nothing else", false);

		scripted_start(&b);
		assert_int_equal(probe(&b, ""), 0);
		b.twist = SCRIPTED_REFUSE;
		b.twist_at = at;
		assert_true(start(1, 0) < 0);
		assert_false(b.status & VIRTIO_CONFIG_S_DRIVER_OK);
		remove_port();
		scripted_stop(&b);
	}
}

/* What follows would be taken for the answer to something else. */
static void
a_request_that_goes_wrong_while_frames_flow_costs_the_connection(void **state)
{
	struct scripted_backend b = honest("astray", false);

	(void)state;
	for (unsigned int which = 0; which < 2; which++) {
		unsigned int connections;

		scripted_start(&b);
		assert_int_equal(probe(&b, ""), 0);
		assert_int_equal(start(1, 0), 0);
		connections = b.connections - 1;
		b.twist = SCRIPTED_WRONG_REQUEST;
		b.twist_at = b.messages + 1;
		assert_true((which == 0 ? rte_eth_dev_rx_queue_stop(port(), 0) :
					  rte_eth_dev_set_mtu(port(), 1300)) < 0);
		b.twist_at = 0;
		assert_true(scripted_wait_gone(&b, connections));
		remove_port();
		scripted_stop(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_back_end_is_told_the_mtu),
		cmocka_unit_test(an_mtu_that_is_refused_is_forgotten),
		cmocka_unit_test(a_back_end_that_refuses_anything_else_is_not_started),
		cmocka_unit_test(a_request_that_goes_wrong_while_frames_flow_costs_the_connection),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}
