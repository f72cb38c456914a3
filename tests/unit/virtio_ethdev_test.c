/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a port asks of its device over the control queue, on a transport that writes it down: byte
 * by byte as the specification has it, again after a restart, and not at all when it is refused.
 */

#include "virtio_reference_device.h"

#include <errno.h>

#include <rte_ethdev.h>
#include <rte_power_intrinsics.h>

#include "control_queue.h"
#include "ethdev.h"
#include "transport.h"
#include "unit_eal.h"

#define F(bit) VIRTIO_FEATURE(bit)
#define FEATURES \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_RX) | \
		F(VIRTIO_NET_F_CTRL_MAC_ADDR) | F(VIRTIO_NET_F_CTRL_VLAN) | F(VIRTIO_NET_F_MQ) | \
		F(VIRTIO_NET_F_RSS) | F(VIRTIO_RING_F_INDIRECT_DESC) | \
		F(VIRTIO_NET_F_GUEST_ANNOUNCE))
#define QUEUES 4
#define LOG_MAX 64

struct command {
	uint8_t class;
	uint8_t cmd;
	uint32_t len;
	uint8_t data[1024];
};

static struct command commands[LOG_MAX];
static unsigned int count;
static int refuse; /* what the device answers */
static unsigned int resets;
static struct virtio_device device;
static struct rte_mempool *pool;
static uint16_t port;

static const struct rte_ether_addr second = { { 2, 0, 0, 0, 0, 2 } };
static const struct rte_ether_addr third = { { 2, 0, 0, 0, 0, 3 } };

static int
start(struct virtio_device *dev)
{
	virtio_device_arm(dev, dev->wanted);
	virtio_device_run(dev);
	return dev->pairs > 1 ? virtio_control_pairs(dev, dev->pairs) : 0;
}

static int
control(struct virtio_device *dev, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	struct command *c = &commands[count % LOG_MAX];

	(void)dev;
	assert_true(len <= sizeof(c->data));
	*c = (struct command){ .class = class, .cmd = cmd, .len = len };
	if (len > 0)
		memcpy(c->data, data, len);
	count++;
	return refuse;
}

static int
queue_setup(struct virtio_queue *q)
{
	(void)q;
	return 0;
}

static void
queue_release(struct virtio_queue *q)
{
	(void)q;
}

static void
device_close(struct virtio_device *dev)
{
	(void)dev;
}

static int
device_reset(struct virtio_device *dev)
{
	(void)dev;
	resets++;
	return 0;
}

static int
device_queue_enable(struct virtio_device *dev, uint16_t index, bool enable)
{
	struct virtio_queue *q = dev->queues[index];

	q->stopped = !enable;
	if (enable)
		virtio_queue_run(q);
	else
		virtio_queues_quiesce(&q, 1);
	return 0;
}

static void
notify(struct virtio_queue *q)
{
	(void)q;
}

static const struct virtio_transport_ops transport = {
	.name = "test",
	.start = start,
	.stop = virtio_device_halt,
	.close = device_close,
	.reset = device_reset,
	.queue_setup = queue_setup,
	.queue_release = queue_release,
	.queue_enable = device_queue_enable,
	.control = control,
	.notify = notify,
	.queue_failed = notify,
};

static int
make_port(void **state)
{
	static struct rte_driver driver = { .name = "test" };
	static struct rte_device parent = { .name = "test", .driver = &driver };
	struct rte_eth_dev *eth;

	if (unit_eal_setup(state) < 0 || virtio_queue_init() < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	eth = rte_eth_dev_allocate("test");
	if (pool == NULL || eth == NULL)
		return -1;
	device = (struct virtio_device){
		.transport = &transport,
		.name = "test",
		.offered = FEATURES,
		.max_pairs = QUEUES,
		.queue_size = 64,
		.max_mtu = 1500,
		.max_macs = VIRTIO_MACS_MAX,
		.mac = { { 2, 0, 0, 0, 0, 1 } },
		.rss = { .supported = VIRTIO_NET_RSS_HASH_TYPE_IPv4 |
				VIRTIO_NET_RSS_HASH_TYPE_TCPv4 | VIRTIO_NET_RSS_HASH_TYPE_IPv6,
			.table_size = 128 },
	};
	eth->device = &parent;
	eth->data->dev_private = &device;
	virtio_ethdev_init(eth, &device);
	rte_eth_dev_probing_finish(eth);
	port = eth->data->port_id;
	return 0;
}

static void
configure(uint64_t offloads, uint64_t flows)
{
	const struct rte_eth_conf conf = {
		.rxmode = { .offloads = offloads,
			.mq_mode = flows != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE },
		.rx_adv_conf.rss_conf.rss_hf = flows,
	};

	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	for (uint16_t i = 0; i < QUEUES; i++) {
		assert_int_equal(rte_eth_rx_queue_setup(port, i, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, i, 64, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
	count = 0;
}

static int
forget(void **state)
{
	(void)state;
	if (rte_eth_dev_stop(port) != 0)
		return -1;
	refuse = 0;
	count = 0;
	return 0;
}

static const struct command *
last(uint8_t class, uint8_t cmd)
{
	const struct command *c = &commands[(count - 1) % LOG_MAX];

	assert_true(count > 0);
	assert_int_equal(c->class, class);
	assert_int_equal(c->cmd, cmd);
	return c;
}

static unsigned int
sent(uint8_t class, uint8_t cmd)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++)
		n += commands[i].class == class && commands[i].cmd == cmd;
	return n;
}

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

static struct rte_mbuf *
frame(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, (uint16_t)len));
	memset(rte_pktmbuf_mtod(m, void *), 0, len);
	return m;
}

static uint64_t
xstat(const char *name)
{
	uint64_t id, value;

	assert_int_equal(rte_eth_xstats_get_id_by_name(port, name, &id), 0);
	assert_int_equal(rte_eth_xstats_get_by_id(port, &id, &value, 1), 1);
	return value;
}

static void
frames_are_counted_by_size(void **state)
{
	static const uint16_t sizes[] = { 60, 64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024,
		1518, 1519, 1600 };
	static const struct {
		const char *name;
		unsigned int frames;
	} expected[] = {
		{ "tx_q1_size_below_64_packets", 1 },
		{ "tx_q1_size_64_packets", 1 },
		{ "tx_q1_size_65_127_packets", 2 },
		{ "tx_q1_size_128_255_packets", 2 },
		{ "tx_q1_size_256_511_packets", 2 },
		{ "tx_q1_size_512_1023_packets", 2 },
		{ "tx_q1_size_1024_1518_packets", 2 },
		{ "tx_q1_size_above_1518_packets", 2 },
		{ "tx_q0_size_64_packets", 0 },
	};

	(void)state;
	configure(0, 0);
	rte_eth_xstats_reset(port);
	/* The ring has room for 64 frames and the device takes none: the others are not counted. */
	for (unsigned int i = 0; i < 64; i++) {
		struct rte_mbuf *m = frame(i < RTE_DIM(sizes) ? sizes[i] : 100);

		assert_int_equal(rte_eth_tx_burst(port, 1, &m, 1), 1);
	}
	for (unsigned int i = 0; i < 3; i++) {
		struct rte_mbuf *m = frame(100);

		assert_int_equal(rte_eth_tx_burst(port, 1, &m, 1), 0);
		rte_pktmbuf_free(m);
	}
	for (unsigned int i = 0; i < RTE_DIM(expected); i++)
		assert_int_equal(xstat(expected[i].name),
			expected[i].frames +
				(strstr(expected[i].name, "q1_size_65_127") ? 64 - RTE_DIM(sizes) :
									      0));
}

static void
tags_are_inserted_by_prepare(void **state)
{
	struct rte_mbuf *m;
	const struct rte_vlan_hdr *tag;

	(void)state;
	configure(0, 0);
	m = frame(60);
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = 0x123;
	assert_int_equal(rte_eth_tx_prepare(port, 0, &m, 1), 1);
	assert_int_equal(m->pkt_len, 64);
	tag = rte_pktmbuf_mtod_offset(m, const struct rte_vlan_hdr *, RTE_ETHER_HDR_LEN);
	assert_int_equal(rte_be_to_cpu_16(tag->vlan_tci), 0x123);
	assert_false(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	rte_pktmbuf_free(m);

	/* An mbuf of somebody else's too must not be changed. */
	m = frame(60);
	rte_mbuf_refcnt_update(m, 1);
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	assert_int_equal(rte_eth_tx_prepare(port, 0, &m, 1), 0);
	assert_int_equal(m->pkt_len, 60);
	rte_mbuf_refcnt_update(m, -1);
	rte_pktmbuf_free(m);
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

static void
monitored_address_wakes_with_the_first_buffer(void **state)
{
	struct rte_power_monitor_cond cond;
	struct reference_ring ring;
	struct reference_chain chain;

	(void)state;
	configure(0, 0);
	reference_init(&ring, device.queues[0], false, false);
	assert_int_equal(rte_eth_get_monitor_addr(port, 0, &cond), 0);
	assert_int_equal(cond.size, 2);
	assert_int_equal(cond.fn(*(volatile uint16_t *)cond.addr, cond.opaque), 0);
	assert_true(reference_pop(&ring, &chain));
	reference_push(&ring, chain.id, 64, chain.descs, 0);
	assert_int_equal(cond.fn(*(volatile uint16_t *)cond.addr, cond.opaque), -1);
}

static void
a_queue_can_be_stopped_and_started(void **state)
{
	struct rte_mbuf *m = frame(64);

	(void)state;
	configure(0, 0);
	assert_int_equal(rte_eth_dev_tx_queue_stop(port, 2), 0);
	assert_int_equal(rte_eth_tx_burst(port, 2, &m, 1), 0);
	assert_int_equal(rte_eth_dev_tx_queue_start(port, 2), 0);
	assert_int_equal(rte_eth_tx_burst(port, 2, &m, 1), 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(vlan_filters_are_told_and_restored, forget),
		cmocka_unit_test_teardown(without_vlan_filter_none_is_agreed_on, forget),
		cmocka_unit_test_teardown(addresses_go_into_the_table, forget),
		cmocka_unit_test_teardown(refused_addresses_are_not_kept, forget),
		cmocka_unit_test_teardown(rss_is_told_as_configured, forget),
		cmocka_unit_test_teardown(redirection_table_changes_only_where_asked, forget),
		cmocka_unit_test_teardown(frames_are_counted_by_size, forget),
		cmocka_unit_test_teardown(tags_are_inserted_by_prepare, forget),
		cmocka_unit_test_teardown(announces_itself_when_asked, forget),
		cmocka_unit_test_teardown(monitored_address_wakes_with_the_first_buffer, forget),
		cmocka_unit_test_teardown(a_queue_can_be_stopped_and_started, forget),
		cmocka_unit_test_teardown(a_reset_port_can_be_configured_anew, forget),
	};

	return cmocka_run_group_tests(tests, make_port, NULL);
}
