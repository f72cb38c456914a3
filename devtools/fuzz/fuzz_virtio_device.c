/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The front end and a hostile device on PCI, beside its rings: registers, configuration, interrupts and
 * answers on the control queue are as the input has them, under a port that is configured, started,
 * used, told what to filter and how to spread frames, stopped, reset and closed. Time is the target's:
 * waiting for a device costs nothing.
 *
 * Besides what the sanitizers find: a device that does not answer is not waited for longer than was
 * promised, no mbuf and no descriptor is lost, and what ethdev is told is within its limits.
 */

#include <errno.h>
#include <unistd.h>

#include <rte_alarm.h>

#include "clock.h"
#include "control_queue.h"
#include "ethdev.h"
#include "pci_device.h"
#include "transport.h"

#define POOL_SIZE 1023
#define QUEUE_SIZE PCI_DEVICE_QUEUE_SIZE
#define PAIRS_MAX PCI_DEVICE_PAIRS

/* Waiting for all that one step may ask of a device: reset twice, some commands, and late answers. */
#define PATIENCE_US (8 * (VIRTIO_PCI_CONTROL_MS + 2000) * UINT64_C(1000))

static struct rte_mempool *pool;
static struct fuzz_input *input;

/* --- the thread of alarms --- */

int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg);

/* What they would do is done at the end of the step, once for each kind. */
static struct {
	rte_eal_alarm_callback call;
	void *arg;
} alarms[4];

int
__wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg)
{
	unsigned int i = 0;

	(void)us;
	while (alarms[i].call != NULL && alarms[i].call != call) {
		i++;
		fuzz_check(i < RTE_DIM(alarms));
	}
	alarms[i].call = call;
	alarms[i].arg = arg;
	return 0;
}

int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < RTE_DIM(alarms); i++)
		if (alarms[i].call == call)
			alarms[i].call = NULL;
	return 0;
}

static void
run_alarms(void)
{
	for (unsigned int i = 0; i < RTE_DIM(alarms); i++) {
		rte_eal_alarm_callback call = alarms[i].call;

		alarms[i].call = NULL;
		if (call != NULL)
			call(alarms[i].arg);
	}
}

/* --- a port --- */

static struct rte_eth_dev_data data;
static struct rte_eth_dev eth = { .data = &data };
static void *rx_queues[PAIRS_MAX], *tx_queues[PAIRS_MAX];
static struct rte_eth_dev_info info;

static int
configure(void)
{
	const struct eth_dev_ops *ops = eth.dev_ops;
	const struct rte_eth_rxconf rxconf = { 0 };
	const struct rte_eth_txconf txconf = { 0 };
	struct rte_eth_conf *conf = &data.dev_conf;
	static uint8_t key[UINT8_MAX];
	uint8_t how;
	uint16_t pairs;

	memset(&info, 0, sizeof(info));
	fuzz_check(ops->dev_infos_get(&eth, &info) == 0);
	fuzz_check(info.max_rx_queues > 0 && info.max_rx_queues <= VIRTIO_PAIRS_MAX);
	fuzz_check(info.min_mtu <= info.max_mtu);
	fuzz_check(info.reta_size <= VIRTIO_RSS_TABLE_MAX);
	fuzz_check(info.max_mac_addrs > 0 && info.max_mac_addrs <= VIRTIO_MACS_MAX);
	pairs = RTE_MIN(info.max_rx_queues, 1 + fuzz_u8(input) % PAIRS_MAX);
	data.nb_rx_queues = pairs;
	data.nb_tx_queues = pairs;
	conf->rxmode.offloads = fuzz_u32(input) & info.rx_offload_capa;
	conf->txmode.offloads = fuzz_u32(input) & info.tx_offload_capa;
	how = fuzz_u8(input);
	conf->rxmode.mq_mode = how & 1 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE;
	conf->intr_conf.lsc = how >> 1 & 1;
	conf->intr_conf.rxq = how >> 2 & 1;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_hf = how & 8 ? info.flow_type_rss_offloads : 0,
		.rss_key = how & 16 ? key : NULL,
		.rss_key_len = how & 32 ? fuzz_u8(input) : VIRTIO_RSS_KEY_BYTES,
	};
	if (ops->dev_configure(&eth) < 0)
		return -1;
	for (uint16_t i = 0; i < pairs; i++)
		if (ops->rx_queue_setup(&eth, i, QUEUE_SIZE, 0, &rxconf, pool) < 0 ||
			ops->tx_queue_setup(&eth, i, QUEUE_SIZE, 0, &txconf) < 0)
			return -1;
	return 0;
}

static void
start(void)
{
	if (!data.dev_started)
		data.dev_started = eth.dev_ops->dev_start(&eth) == 0;
}

static void
stop(void)
{
	if (data.dev_started)
		eth.dev_ops->dev_stop(&eth);
	data.dev_started = 0;
}

/* --- filters, as ethdev keeps them --- */

static struct rte_ether_addr
some_mac(void)
{
	return (struct rte_ether_addr){ { 2, 0, 0, 0, 0, fuzz_u8(input) } };
}

static void
add_mac(void)
{
	struct rte_ether_addr mac = some_mac();
	const uint32_t at = fuzz_u8(input) % info.max_mac_addrs;

	if (at > 0 && eth.dev_ops->mac_addr_add(&eth, &mac, at, 0) == 0)
		data.mac_addrs[at] = mac;
}

static void
remove_mac(void)
{
	const uint32_t at = fuzz_u8(input) % info.max_mac_addrs;

	if (at == 0 || rte_is_zero_ether_addr(&data.mac_addrs[at]))
		return;
	eth.dev_ops->mac_addr_remove(&eth, at);
	data.mac_addrs[at] = (struct rte_ether_addr){ { 0 } };
}

static void
set_mac(void)
{
	struct rte_ether_addr mac = some_mac();

	if (eth.dev_ops->mac_addr_set(&eth, &mac) == 0)
		data.mac_addrs[0] = mac;
}

static void
listen_to(void)
{
	static struct rte_ether_addr list[UINT8_MAX];
	const uint8_t n = fuzz_u8(input);

	for (uint8_t i = 0; i < n; i++)
		list[i] = (struct rte_ether_addr){ { 1, 0, 0x5e, 0, 0, i } };
	fuzz_check(eth.dev_ops->set_mc_addr_list(&eth, list, n) < 0 || n <= VIRTIO_MACS_MAX);
}

static void
filter_vlan(void)
{
	const uint16_t vlan = fuzz_u16(input) & RTE_ETHER_MAX_VLAN_ID;
	const bool on = fuzz_u8(input) & 1;
	uint64_t *word = &data.vlan_filter_conf.ids[vlan / 64];

	if (!(data.dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) ||
		eth.dev_ops->vlan_filter_set(&eth, vlan, on) < 0)
		return;
	*word = on ? *word | UINT64_C(1) << vlan % 64 : *word & ~(UINT64_C(1) << vlan % 64);
}

static void
promiscuous(void)
{
	if (fuzz_u8(input) & 1)
		eth.dev_ops->promiscuous_enable(&eth);
	else
		eth.dev_ops->promiscuous_disable(&eth);
}

static void
all_multicast(void)
{
	if (fuzz_u8(input) & 1)
		eth.dev_ops->allmulticast_enable(&eth);
	else
		eth.dev_ops->allmulticast_disable(&eth);
}

static void
strip_tags(void)
{
	uint64_t *offloads = &data.dev_conf.rxmode.offloads;
	const uint64_t before = *offloads;

	if (!(info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP))
		return;
	*offloads ^= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	if (eth.dev_ops->vlan_offload_set(&eth, RTE_ETH_VLAN_STRIP_MASK) < 0)
		*offloads = before;
}

static void
set_mtu(void)
{
	const uint16_t mtu = fuzz_u16(input);

	if (mtu >= info.min_mtu && mtu <= info.max_mtu && eth.dev_ops->mtu_set(&eth, mtu) == 0)
		data.mtu = mtu;
}

/* --- how frames are spread --- */

static void
update_hash(void)
{
	uint8_t key[VIRTIO_RSS_KEY_BYTES + 1];
	struct rte_eth_rss_conf conf = { .rss_key = fuzz_u8(input) & 1 ? key : NULL };

	conf.rss_key_len = VIRTIO_RSS_KEY_BYTES + (fuzz_u8(input) & 1);
	conf.rss_hf = fuzz_u64(input);
	fuzz_bytes(input, key, sizeof(key));
	if (data.dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG)
		eth.dev_ops->rss_hash_update(&eth, &conf);
	conf = (struct rte_eth_rss_conf){ .rss_key = key, .rss_key_len = sizeof(key) };
	if (eth.dev_ops->rss_hash_conf_get(&eth, &conf) == 0)
		fuzz_check((conf.rss_hf & ~info.flow_type_rss_offloads) == 0 &&
			conf.rss_key_len == VIRTIO_RSS_KEY_BYTES);
}

static void
update_table(void)
{
	struct rte_eth_rss_reta_entry64 groups[VIRTIO_RSS_TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE];

	for (unsigned int i = 0; i < RTE_DIM(groups); i++) {
		groups[i].mask = fuzz_u64(input);
		memset(groups[i].reta, 0, sizeof(groups[i].reta));
		fuzz_bytes(input, groups[i].reta, fuzz_u8(input) % sizeof(groups[i].reta));
	}
	eth.dev_ops->reta_update(&eth, groups, info.reta_size);
	memset(groups, 0xff, sizeof(groups));
	if (eth.dev_ops->reta_query(&eth, groups, info.reta_size) == 0)
		for (uint16_t i = 0; i < info.reta_size; i++)
			fuzz_check(groups[i / RTE_ETH_RETA_GROUP_SIZE]
					   .reta[i % RTE_ETH_RETA_GROUP_SIZE] < data.nb_rx_queues);
}

/* --- frames --- */

static struct virtio_queue *
some_queue(bool tx)
{
	return (tx ? tx_queues : rx_queues)[fuzz_u8(input) % data.nb_rx_queues];
}

static void
receive(void)
{
	struct rte_mbuf *pkts[32];
	const uint16_t n = eth.rx_pkt_burst(some_queue(false), pkts, 32);

	rte_pktmbuf_free_bulk(pkts, n);
}

static void
transmit(void)
{
	struct virtio_queue *q = some_queue(true);
	struct rte_mbuf *pkts[32];
	uint16_t n;

	/* Rings may be as long as a device says, and hold all that there is. */
	if (rte_pktmbuf_alloc_bulk(pool, pkts, 32) != 0)
		return;
	for (unsigned int i = 0; i < 32; i++)
		rte_pktmbuf_append(pkts[i], 60);
	n = eth.tx_pkt_burst(q, pkts, 32);
	rte_pktmbuf_free_bulk(&pkts[n], 32 - n);
}

/* Into what the device writes of a ring: descriptors of a packed one, used entries of a split one. */
static void
scribble_ring(void)
{
	struct virtio_queue *q = some_queue(fuzz_u8(input) & 1);

	if (q->flags & VIRTIO_QUEUE_PACKED)
		fuzz_scribble(input, q->packed, q->size * sizeof(*q->packed));
	else
		fuzz_scribble(input, q->used,
			sizeof(*q->used) + q->size * sizeof(q->used->ring[0]));
}

static void
switch_queue(void)
{
	static int (*const calls[])(struct rte_eth_dev * eth, uint16_t id) = {
		virtio_ethdev_rx_queue_stop,
		virtio_ethdev_rx_queue_start,
		virtio_ethdev_tx_queue_stop,
		virtio_ethdev_tx_queue_start,
		virtio_ethdev_rx_intr_enable,
		virtio_ethdev_rx_intr_disable,
	};
	const uint16_t id = fuzz_u8(input) % data.nb_rx_queues;
	const uint8_t which = fuzz_u8(input) % RTE_DIM(calls);

	/* ethdev asks for the first four only of a port that is started. */
	if (data.dev_started || which >= 4)
		calls[which](&eth, id);
}

static void
count(void)
{
	struct rte_eth_stats stats = { 0 };
	struct rte_eth_xstat *values;
	const int n = eth.dev_ops->xstats_get(&eth, NULL, 0);

	fuzz_check(eth.dev_ops->stats_get(&eth, &stats) == 0 && n >= 0);
	values = calloc((size_t)n + 1, sizeof(*values));
	fuzz_check(values != NULL);
	fuzz_check(eth.dev_ops->xstats_get(&eth, values, (unsigned int)n) == n);
	free(values);
}

static void
look(void)
{
	struct rte_power_monitor_cond wake;
	struct virtio_queue *rx = some_queue(false), *tx = some_queue(true);
	const uint16_t offset = fuzz_u8(input);

	fuzz_check(eth.rx_queue_count(rx) <= rx->size);
	fuzz_check((eth.rx_descriptor_status(rx, offset) == -EINVAL) == (offset >= rx->size));
	fuzz_check((eth.tx_descriptor_status(tx, offset) == -EINVAL) == (offset >= tx->size));
	fuzz_check(eth.dev_ops->get_monitor_addr(rx, &wake) == 0);
	wake.fn(*(const volatile uint16_t *)wake.addr, wake.opaque);
	eth.dev_ops->tx_done_cleanup(tx, 0);
	count();
}

static void
look_at_link(void)
{
	eth.dev_ops->link_update(&eth, 0);
}

static void
lie(void)
{
	pci_device_lie(fuzz_u8(input) & 1);
}

/* --- the steps --- */

/* ethdev wants the port to be configured anew; without that, it is only closed. */
static bool
reset(void)
{
	stop();
	return eth.dev_ops->dev_reset(&eth) == 0 && configure() == 0;
}

static bool
port_step(void)
{
	static void (*const steps[])(void) = {
		start,
		stop,
		receive,
		transmit,
		scribble_ring,
		switch_queue,
		lie,
		pci_device_scribble,
		look,
		look_at_link,
		pci_device_interrupt,
		promiscuous,
		all_multicast,
		set_mac,
		add_mac,
		remove_mac,
		listen_to,
		filter_vlan,
		strip_tags,
		set_mtu,
		update_hash,
		update_table,
	};
	const uint64_t before = fuzz_now_us;
	const uint8_t what = fuzz_u8(input) % (RTE_DIM(steps) + 1);
	bool usable = true;

	if (what < RTE_DIM(steps))
		steps[what]();
	else
		usable = reset();
	run_alarms();
	fuzz_check(fuzz_now_us - before < PATIENCE_US);
	return usable;
}

static void
run_port(struct virtio_pci *pci)
{
	bool usable;

	virtio_ethdev_init(&eth, &pci->dev);
	usable = configure() == 0;
	while (usable && input->left > 0)
		usable = port_step();
	stop();
	eth.dev_ops->dev_close(&eth);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_eal_init();
	fuzz_check(virtio_queue_init() == 0);
	pool = rte_pktmbuf_pool_create("fuzz", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	fuzz_check(pool != NULL);
	pci_device_init();
	fuzz_meanwhile = pci_device_act;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { .at = bytes, .left = size };
	struct virtio_pci *pci = calloc(1, sizeof(*pci));
	int before = dup(STDERR_FILENO), after;

	fuzz_check(pci != NULL && before >= 0);
	close(before);
	input = &in;
	fuzz_now_us = 0;
	memset(&data, 0, sizeof(data));
	data = (struct rte_eth_dev_data){
		.rx_queues = rx_queues,
		.tx_queues = tx_queues,
		.mtu = RTE_ETHER_MTU,
		.numa_node = SOCKET_ID_ANY,
		.dev_private = pci,
	};
	TAILQ_INIT(&eth.link_intr_cbs);
	pci->dev.name = "fuzz";
	pci->dev.eth = &eth;
	pci->dev.speed = RTE_ETH_SPEED_NUM_UNKNOWN;
	control_device_begin();
	pci_device_begin(input, pci);
	if (virtio_pci_create(pci) == 0)
		run_port(pci);
	for (unsigned int i = 0; i < RTE_DIM(alarms); i++)
		fuzz_check(alarms[i].call == NULL);
	free(pci);
	/* The lowest descriptor that is free is the one that was. */
	after = dup(STDERR_FILENO);
	close(after);
	fuzz_check(after == before);
	fuzz_check(rte_mempool_avail_count(pool) == POOL_SIZE);
	return 0;
}
