/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a port asks of its device over the control queue, on a transport that writes it down: byte
 * by byte as the specification has it, again after a restart, and not at all when it is refused.
 */

#include "virtio_ethdev_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_log.h>

static const struct rte_ether_addr second = { { 2, 0, 0, 0, 0, 2 } };
static const struct rte_ether_addr third = { { 2, 0, 0, 0, 0, 3 } };

static void
vlan_filters_are_told_and_restored(void **state)
{
	const struct command *c;

	(void)state;
	configure(RTE_ETH_RX_OFFLOAD_VLAN_FILTER, 0);
	assert_true(virtio_has(&device, VIRTIO_NET_F_CTRL_VLAN));
	assert_int_equal(rte_eth_dev_vlan_filter(port, 0x123, 1), 0);
	c = last(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD);
	assert_int_equal(c->len, 2);
	assert_memory_equal(c->data, "\x23\x01", 2);
	assert_int_equal(rte_eth_dev_vlan_filter(port, 7, 1), 0);
	assert_int_equal(rte_eth_dev_vlan_filter(port, 7, 0), 0);
	last(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL);

	assert_int_equal(rte_eth_dev_stop(port), 0);
	count = 0;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(sent(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD), 1);
	refuse = -EIO;
	assert_true(rte_eth_dev_vlan_filter(port, 8, 1) < 0);
}

static void
without_vlan_filter_none_is_agreed_on(void **state)
{
	(void)state;
	configure(0, 0);
	/* A device that filters lets no tagged frame through by itself. */
	assert_false(virtio_has(&device, VIRTIO_NET_F_CTRL_VLAN));
	assert_false(virtio_has(&device, VIRTIO_NET_F_RSS));
}

static void
vlan_filtering_is_switched_while_stopped(void **state)
{
	(void)state;
	configure(0, 0);
	/* The device would have to be asked anew. */
	assert_true(rte_eth_dev_set_vlan_offload(port, RTE_ETH_VLAN_FILTER_OFFLOAD) < 0);
	assert_int_equal(rte_eth_dev_get_vlan_offload(port), 0);
	for (unsigned int on = 1; on < 2; on--) {
		assert_int_equal(rte_eth_dev_stop(port), 0);
		assert_int_equal(rte_eth_dev_set_vlan_offload(port,
					 on ? RTE_ETH_VLAN_FILTER_OFFLOAD : 0),
			0);
		assert_int_equal(rte_eth_dev_start(port), 0);
		assert_int_equal(virtio_has(&device, VIRTIO_NET_F_CTRL_VLAN), on);
	}
}

static void
a_stopped_port_is_judged_by_what_it_is_configured_for(void **state)
{
	(void)state;
	configure(RTE_ETH_RX_OFFLOAD_VLAN_FILTER, 0);
	assert_int_equal(virtio_control_vlan(&device, 7, true), 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_set_vlan_offload(port, 0), 0);
	assert_int_equal(virtio_control_vlan(&device, 7, true), -ENOTSUP);
	assert_int_equal(rte_eth_dev_set_vlan_offload(port, RTE_ETH_VLAN_FILTER_OFFLOAD), 0);
	assert_int_equal(virtio_control_vlan(&device, 7, true), 0);
}

/* Number of entries, then entries of 6 bytes, twice. */
static void
assert_table(const struct command *c, uint32_t unicast, uint32_t multicast)
{
	uint32_t n;

	assert_int_equal(c->len, 8 + 6 * (unicast + multicast));
	memcpy(&n, c->data, 4);
	assert_int_equal(n, unicast);
	memcpy(&n, c->data + 4 + 6 * unicast, 4);
	assert_int_equal(n, multicast);
}

static void
addresses_go_into_the_table(void **state)
{
	struct rte_ether_addr group[2] = { { { 1, 0, 94, 0, 0, 1 } }, { { 1, 0, 94, 0, 0, 2 } } };
	struct rte_ether_addr mac = second;
	const struct command *c;

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_mac_addr_add(port, &mac, 0), 0);
	assert_table(last(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET), 1, 0);
	mac = third;
	assert_int_equal(rte_eth_dev_mac_addr_add(port, &mac, 0), 0);
	assert_int_equal(rte_eth_dev_set_mc_addr_list(port, group, 2), 0);
	c = last(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET);
	assert_table(c, 2, 2);
	assert_memory_equal(c->data + 4, &second, 6);
	assert_memory_equal(c->data + 10, &third, 6);
	assert_memory_equal(c->data + 20, group, 12);

	/* ethdev sends unicast addresses again, and we send the others. */
	assert_int_equal(rte_eth_dev_stop(port), 0);
	count = 0;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_true(sent(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET) > 0);
	for (unsigned int i = 0; i < count; i++)
		if (commands[i].class == VIRTIO_NET_CTRL_MAC &&
			commands[i].cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
			assert_table(&commands[i], 2, 2);

	mac = second;
	assert_int_equal(rte_eth_dev_mac_addr_remove(port, &mac), 0);
	c = last(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET);
	assert_table(c, 1, 2);
	assert_memory_equal(c->data + 4, &third, 6);
	mac = third;
	assert_int_equal(rte_eth_dev_mac_addr_remove(port, &mac), 0);
	assert_int_equal(rte_eth_dev_set_mc_addr_list(port, NULL, 0), 0);
	assert_table(last(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET), 0, 0);
}

static void
refused_addresses_are_not_kept(void **state)
{
	struct rte_ether_addr group[VIRTIO_MACS_MAX + 1] = { { { 1, 0, 94, 0, 0, 1 } } };
	struct rte_ether_addr mac = second;

	(void)state;
	configure(0, 0);
	refuse = -EIO;
	assert_true(rte_eth_dev_mac_addr_add(port, &mac, 0) < 0);
	assert_true(rte_eth_dev_set_mc_addr_list(port, group, 1) < 0);
	assert_int_equal(device.multicast_count, 0);
	refuse = 0;
	assert_true(rte_eth_dev_set_mc_addr_list(port, group, VIRTIO_MACS_MAX + 1) < 0);
}

#define TABLE_AT 8
#define TAIL_AT (TABLE_AT + 128 * 2)

static uint16_t
entry(const struct command *c, unsigned int i)
{
	return (uint16_t)(c->data[TABLE_AT + 2 * i] | c->data[TABLE_AT + 2 * i + 1] << 8);
}

static void
rss_is_told_as_configured(void **state)
{
	uint8_t key[VIRTIO_RSS_KEY_BYTES];
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = sizeof(key) };
	struct rte_eth_dev_info info;
	const struct command *c;

	(void)state;
	assert_int_equal(rte_eth_dev_info_get(port, &info), 0);
	assert_int_equal(info.reta_size, 128);
	assert_int_equal(info.hash_key_size, 40);
	assert_true(info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	assert_false(info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_UDP);
	configure(0, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6);
	assert_true(virtio_has(&device, VIRTIO_NET_F_RSS));
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(port, &conf), 0);
	assert_true(conf.rss_hf & RTE_ETH_RSS_IPV4);
	assert_false(conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP);

	for (unsigned int i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 3);
	conf.rss_hf = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
	assert_int_equal(rte_eth_dev_rss_hash_update(port, &conf), 0);
	c = last(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG);
	assert_int_equal(c->len, TAIL_AT + 3 + sizeof(key));
	assert_memory_equal(c->data, "\x02\0\0\0\x7f\0\0\0", 8);
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(entry(c, i), i % QUEUES);
	assert_memory_equal(c->data + TAIL_AT, "\x04\0\x28", 3);
	assert_memory_equal(c->data + TAIL_AT + 3, key, sizeof(key));

	/* Again when the port starts anew, in place of the number of pairs. */
	assert_int_equal(rte_eth_dev_stop(port), 0);
	count = 0;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(sent(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG), 1);
	assert_int_equal(sent(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET), 0);
	assert_memory_equal(commands[0].data + TAIL_AT + 3, key, sizeof(key));
}

static void
redirection_table_changes_only_where_asked(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[2] = { { .mask = 1 << 5 }, { .mask = UINT64_MAX } };

	(void)state;
	configure(0, RTE_ETH_RSS_IPV4);
	reta[0].reta[5] = 3;
	for (unsigned int i = 0; i < 64; i++)
		reta[1].reta[i] = 2;
	assert_int_equal(rte_eth_dev_rss_reta_update(port, reta, 128), 0);
	assert_int_equal(entry(&commands[count - 1], 4), 0);
	assert_int_equal(entry(&commands[count - 1], 5), 3);
	assert_int_equal(entry(&commands[count - 1], 64), 2);

	reta[0].reta[5] = QUEUES;
	assert_true(rte_eth_dev_rss_reta_update(port, reta, 128) < 0);
	reta[0].reta[5] = 1;
	refuse = -EIO;
	assert_true(rte_eth_dev_rss_reta_update(port, reta, 128) < 0);
	reta[0].mask = UINT64_MAX;
	assert_int_equal(rte_eth_dev_rss_reta_query(port, reta, 128), 0);
	assert_int_equal(reta[0].reta[5], 3);
	assert_int_equal(reta[0].reta[6], 2);
	assert_int_equal(reta[1].reta[0], 2);
	assert_true(rte_eth_dev_rss_reta_query(port, reta, 64) < 0);
}

/* Configured for QUEUES to transmit and two to receive, with the lines that it logs on the way. */
static char *
configure_spare_pairs(void)
{
	const struct rte_eth_conf conf = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);

	assert_non_null(log);
	rte_openlog_stream(log);
	assert_int_equal(rte_eth_dev_configure(port, 2, QUEUES, &conf), 0);
	rte_openlog_stream(NULL);
	fclose(log);
	for (uint16_t i = 0; i < QUEUES; i++) {
		if (i < 2)
			assert_int_equal(rte_eth_rx_queue_setup(port, i, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, i, 64, 0, NULL), 0);
	}
	count = 0;
	assert_int_equal(rte_eth_dev_start(port), 0);
	return text;
}

static void
pairs_that_nobody_receives_from_get_no_frames_or_are_told_of(void **state)
{
	const struct command *c = &commands[0];
	char *said = configure_spare_pairs();

	(void)state;
	assert_null(strstr(said, "frames may be lost"));
	free(said);
	assert_int_equal(c->class, VIRTIO_NET_CTRL_MQ);
	assert_int_equal(c->cmd, VIRTIO_NET_CTRL_MQ_RSS_CONFIG);
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(entry(c, i), i % 2);
	assert_memory_equal(c->data + TAIL_AT, "\x04\0", 2);
	assert_int_equal(rte_eth_dev_stop(port), 0);

	device.offered &= ~F(VIRTIO_NET_F_RSS);
	said = configure_spare_pairs();
	assert_non_null(strstr(said, "one of 4 receive queues, of which the port has 2"));
	free(said);
	assert_int_equal(c->cmd, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
	assert_int_equal(rte_eth_dev_stop(port), 0);

	device.single_rings = true;
	said = configure_spare_pairs();
	device.single_rings = false;
	assert_null(strstr(said, "frames may be lost"));
	free(said);
}

static void
assert_queues(uint8_t rx_state, uint8_t tx_state)
{
	struct rte_eth_rxq_info rx;
	struct rte_eth_txq_info tx;

	assert_int_equal(rte_eth_rx_queue_info_get(port, 1, &rx), 0);
	assert_int_equal(rx.queue_state, rx_state);
	assert_int_equal(rx.conf.rx_deferred_start, 1);
	assert_int_equal(device.queues[2]->running, rx_state == RTE_ETH_QUEUE_STATE_STARTED);
	assert_int_equal(rte_eth_tx_queue_info_get(port, 1, &tx), 0);
	assert_int_equal(tx.queue_state, tx_state);
	assert_int_equal(tx.conf.tx_deferred_start, 0);
	assert_int_equal(device.queues[3]->running, tx_state == RTE_ETH_QUEUE_STATE_STARTED);
}

static void
a_port_starts_queues_as_configured_whatever_was_done_by_hand(void **state)
{
	const struct rte_eth_rxconf deferred = { .rx_deferred_start = 1 };

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 1, 64, 0, &deferred, pool), 0);
	for (unsigned int again = 0; again < 2; again++) {
		assert_int_equal(rte_eth_dev_start(port), 0);
		assert_queues(RTE_ETH_QUEUE_STATE_STOPPED, RTE_ETH_QUEUE_STATE_STARTED);
		assert_int_equal(rte_eth_dev_rx_queue_start(port, 1), 0);
		assert_int_equal(rte_eth_dev_tx_queue_stop(port, 1), 0);
		assert_queues(RTE_ETH_QUEUE_STATE_STARTED, RTE_ETH_QUEUE_STATE_STOPPED);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

static void
announces_itself_when_asked(void **state)
{
	struct reference_ring ring;
	struct reference_chain chain;
	uint8_t buf[256];

	(void)state;
	configure(0, 0);
	reference_init(&ring, device.queues[1], false, false);
	virtio_device_announce(&device);
	assert_true(reference_pop(&ring, &chain));
	assert_true(reference_gather(&chain, buf, sizeof(buf)) > 12 + RTE_ETHER_HDR_LEN);
	assert_memory_equal(buf + 12, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x80\x35", 14);
	assert_int_equal(virtio_control_announced(&device), 0);
	assert_int_equal(last(VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK)->len, 0);

	/* A queue that the application stopped stays so. */
	assert_int_equal(rte_eth_dev_tx_queue_stop(port, 0), 0);
	virtio_device_announce(&device);
	assert_false(reference_pop(&ring, &chain));
	assert_int_equal(rte_eth_dev_tx_queue_start(port, 0), 0);
}

/* The frame is of the receive queue's pool, whatever the application promised of its own. */
static void
an_announcement_goes_back_to_its_own_pool(void **state)
{
	struct rte_mempool *own = rte_pktmbuf_pool_create("own", 15, 0, 0, 512, 0);

	(void)state;
	assert_non_null(own);
	for (unsigned int packed = 0; packed < 2; packed++) {
		struct reference_chain chain;
		struct reference_ring ring;
		unsigned int before;

		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure_both(0, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 0);
		reference_init(&ring, device.queues[1], packed, false);
		before = rte_mempool_avail_count(pool);
		for (unsigned int i = 0; i < 3; i++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(own);

			assert_non_null(m);
			assert_non_null(rte_pktmbuf_append(m, 60));
			assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
			virtio_device_announce(&device);
		}
		while (reference_pop(&ring, &chain))
			reference_push(&ring, chain.id, 0, chain.descs, 0);
		rte_eth_tx_done_cleanup(port, 0, 0);
		assert_int_equal(rte_mempool_avail_count(own), 15);
		assert_int_equal(rte_mempool_avail_count(pool), before);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	rte_mempool_free(own);
}

static void
a_reset_port_can_be_configured_anew(void **state)
{
	(void)state;
	configure(0, RTE_ETH_RSS_IPV4);
	resets = 0;
	assert_int_equal(rte_eth_dev_reset(port), 0);
	assert_int_equal(resets, 1);
	for (unsigned int i = 0; i < RTE_DIM(device.queues); i++)
		assert_null(device.queues[i]);
	configure(0, RTE_ETH_RSS_IPV4);
}

/* ethdev starts a port whatever became of its queues. */
static void
a_port_starts_only_with_queues_that_are_set_up(void **state)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_eth_burst_mode mode;

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	for (uint16_t which = 0; which < 2; which++) {
		assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
		for (uint16_t i = 0; i < QUEUES - which; i++)
			assert_int_equal(rte_eth_rx_queue_setup(port, i, 64, 0, NULL, pool), 0);
		for (uint16_t i = 1 - which; i < QUEUES; i++)
			assert_int_equal(rte_eth_tx_queue_setup(port, i, 64, 0, NULL), 0);
		if (which == 0)
			virtio_ethdev_tx_queue_release(&rte_eth_devices[port], 0);
		assert_int_equal(rte_eth_dev_start(port), -EINVAL);
		assert_int_equal(which == 0 ? rte_eth_tx_burst_mode_get(port, 0, &mode) :
					      rte_eth_rx_burst_mode_get(port, QUEUES - 1, &mode),
			-EINVAL);
	}
	assert_int_equal(rte_eth_rx_queue_setup(port, QUEUES - 1, 64, 0, NULL, pool), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
}

static void
the_device_is_told_the_mtu_that_is_configured(void **state)
{
	struct rte_eth_conf conf = { .rxmode.mtu = 1400 };

	(void)state;
	configure(0, 0);
	assert_int_equal(told_mtu, RTE_ETHER_MTU);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	assert_int_equal(told_mtu, 1400);
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* Configured anew, it has the queues that it had, if there are as many. */
static void
a_port_does_not_start_with_mbufs_that_are_too_small(void **state)
{
	struct rte_eth_conf conf = { .rxmode.mtu = 3000 };

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	device.max_mtu = 9000;
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	assert_int_equal(rte_eth_dev_start(port), -EINVAL);
	conf.rxmode.mtu = 1500;
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	device.max_mtu = 1500;
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* Room in front of frames, which the driver likes to have, is taken only of what they leave. */
static void
an_mtu_that_fills_the_mbufs_is_taken(void **state)
{
	const uint16_t fits = RTE_MBUF_DEFAULT_DATAROOM - RTE_ETHER_HDR_LEN - RTE_VLAN_HLEN;

	(void)state;
	device.max_mtu = 9000;
	configure(0, 0);
	/* As they were posted for the MTU before. */
	assert_int_equal(rte_eth_dev_set_mtu(port, fits), -EINVAL);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_set_mtu(port, fits + 1), -EINVAL);
	assert_int_equal(rte_eth_dev_set_mtu(port, fits), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(device.queues[0]->buf_len,
		RTE_MBUF_DEFAULT_DATAROOM + device.queues[0]->hdr_len);
	assert_int_equal(rte_eth_dev_set_mtu(port, RTE_ETHER_MTU), 0);
	assert_int_equal(rte_eth_dev_set_mtu(port, fits), 0);
	assert_int_equal(rte_eth_dev_set_mtu(port, RTE_ETHER_MTU), 0);
	device.max_mtu = RTE_ETHER_MTU;
}

static void
scattered_receive_is_told_as_configured(void **state)
{
	struct rte_eth_rxq_info info;

	(void)state;
	for (unsigned int on = 0; on < 2; on++) {
		device.offered = FEATURES | (on ? F(VIRTIO_NET_F_MRG_RXBUF) : 0);
		configure(on ? RTE_ETH_RX_OFFLOAD_SCATTER : 0, 0);
		assert_int_equal(rte_eth_rx_queue_info_get(port, 0, &info), 0);
		assert_int_equal(info.scattered_rx, on);
		/* The driver has room for a header and to align the frame. */
		assert_int_equal(info.rx_buf_size, RTE_MBUF_DEFAULT_DATAROOM - 16);
		if (on == 0)
			assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

static unsigned int freed;

static void
note_freed(void *addr, void *arg)
{
	(void)addr;
	(void)arg;
	freed++;
}

/*
 * Whoever announces holds locks, and what an application does when a buffer of its own comes back may wait for
 * them: it comes back when the application asks for it.
 */
static void
an_announcement_frees_nothing_of_the_application(void **state)
{
	static uint8_t data[1024] __rte_aligned(8);
	static struct rte_mbuf_ext_shared_info info = { .free_cb = note_freed };
	const unsigned int n = 20;
	struct reference_ring ring;
	struct reference_chain c;

	(void)state;
	configure(0, 0);
	reference_init(&ring, device.queues[1], false, false);
	rte_mbuf_ext_refcnt_set(&info, 1);
	freed = 0;
	/* More than are left alone until the next burst. */
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		if (i == 0)
			rte_pktmbuf_attach_extbuf(m, data, RTE_BAD_IOVA, sizeof(data), &info);
		assert_non_null(rte_pktmbuf_append(m, 60));
		assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
	}
	while (reference_pop(&ring, &c))
		reference_push(&ring, c.id, 0, c.descs, 0);
	virtio_device_announce(&device);
	assert_true(reference_pop(&ring, &c));
	assert_int_equal(freed, 0);
	assert_int_equal(rte_eth_tx_done_cleanup(port, 0, 0), n);
	assert_int_equal(freed, 1);
}

/* Its pools are the application's again, to be freed before the port is. */
static void
a_start_that_fails_leaves_no_buffers_behind(void **state)
{
	const unsigned int had = rte_mempool_avail_count(pool);

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_mempool_avail_count(pool), had);
	refuse = -EIO;
	assert_int_equal(rte_eth_dev_start(port), -EIO);
	refuse = 0;
	assert_int_equal(rte_mempool_avail_count(pool), had);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_announcement_frees_nothing_of_the_application, forget),
		cmocka_unit_test_teardown(a_start_that_fails_leaves_no_buffers_behind, forget),
		cmocka_unit_test_teardown(vlan_filters_are_told_and_restored, forget),
		cmocka_unit_test_teardown(without_vlan_filter_none_is_agreed_on, forget),
		cmocka_unit_test_teardown(vlan_filtering_is_switched_while_stopped, forget),
		cmocka_unit_test_teardown(a_stopped_port_is_judged_by_what_it_is_configured_for,
			forget),
		cmocka_unit_test_teardown(addresses_go_into_the_table, forget),
		cmocka_unit_test_teardown(refused_addresses_are_not_kept, forget),
		cmocka_unit_test_teardown(rss_is_told_as_configured, forget),
		cmocka_unit_test_teardown(redirection_table_changes_only_where_asked, forget),
		cmocka_unit_test_teardown(
			pairs_that_nobody_receives_from_get_no_frames_or_are_told_of, forget),
		cmocka_unit_test_teardown(
			a_port_starts_queues_as_configured_whatever_was_done_by_hand, forget),
		cmocka_unit_test_teardown(announces_itself_when_asked, forget),
		cmocka_unit_test_teardown(an_announcement_goes_back_to_its_own_pool, forget),
		cmocka_unit_test_teardown(a_reset_port_can_be_configured_anew, forget),
		cmocka_unit_test_teardown(a_port_starts_only_with_queues_that_are_set_up, forget),
		cmocka_unit_test_teardown(the_device_is_told_the_mtu_that_is_configured, forget),
		cmocka_unit_test_teardown(a_port_does_not_start_with_mbufs_that_are_too_small,
			forget),
		cmocka_unit_test_teardown(an_mtu_that_fills_the_mbufs_is_taken, forget),
		cmocka_unit_test_teardown(scattered_receive_is_told_as_configured, forget),
	};

	return cmocka_run_group_tests(tests, make_port, NULL);
}
