/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port on a PCI device whose registers are the test's: devices that are odd, or fail, in ways that
 * no emulator's do.
 */

#include "virtio_reference_device.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "control_queue.h"
#include "ethdev.h"
#include "pci.h"
#include "transport.h"
#include "unit_eal.h"

#define F(bit) VIRTIO_FEATURE(bit)
#define FEATURES (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_STATUS))
#define CONTROL (F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_RX))
#define RINGS 16
#define QUEUE_SIZE 64

/* --- the device --- */

static struct {
	uint64_t features; /* that it offers */
	uint64_t agreed;
	uint8_t status;
	uint16_t sizes[RINGS];
	uint16_t doorbell;
	struct virtio_pci_ring rings[RINGS]; /* of size 0: not set up */
	struct virtio_net_config config;
	unsigned int commands;
} hw;

static uint64_t
hw_features(struct virtio_pci *pci)
{
	(void)pci;
	return hw.features;
}

static void
hw_set_features(struct virtio_pci *pci, uint64_t features)
{
	(void)pci;
	hw.agreed = features;
}

static uint8_t
hw_status(struct virtio_pci *pci)
{
	(void)pci;
	return hw.status;
}

static void
hw_set_status(struct virtio_pci *pci, uint8_t status)
{
	(void)pci;
	if (status == 0)
		memset(hw.rings, 0, sizeof(hw.rings));
	hw.status = status;
}

static void
hw_read_config(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	(void)pci;
	assert_true(offset + len <= sizeof(hw.config));
	memcpy(buf, (const uint8_t *)&hw.config + offset, len);
}

static void
hw_write_config(struct virtio_pci *pci, uint32_t offset, const void *buf, uint32_t len)
{
	(void)pci;
	assert_true(offset + len <= sizeof(hw.config));
	/* A modern device is not written to. */
	assert_false(hw.features & F(VIRTIO_F_VERSION_1));
	memcpy((uint8_t *)&hw.config + offset, buf, len);
}

static uint16_t
hw_queue_size(struct virtio_pci *pci, uint16_t index)
{
	(void)pci;
	return index < RINGS ? hw.sizes[index] : 0;
}

static uint8_t
hw_isr(struct virtio_pci *pci)
{
	(void)pci;
	return 0;
}

static int
hw_queue_setup(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
	volatile uint16_t **doorbell)
{
	(void)pci;
	assert_true(ring->index < RINGS);
	hw.rings[ring->index] = *ring;
	*doorbell = &hw.doorbell;
	return 0;
}

/* A command: carried out at once. */
static void
hw_notify(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell)
{
	const struct virtio_control_ring *r = &pci->control.ring;
	struct vring_desc *d = (struct vring_desc *)(uintptr_t)hw.rings[index].descriptors;
	struct vring_used *used = (struct vring_used *)(uintptr_t)hw.rings[index].device;
	uint16_t at = r->last;

	assert_ptr_equal(doorbell, &hw.doorbell);
	while (d[at].flags & VRING_DESC_F_NEXT)
		at = d[at].next;
	*(uint8_t *)(uintptr_t)d[at].addr = VIRTIO_NET_OK;
	used->ring[used->idx % r->size] = (struct vring_used_elem){ r->last, 1 };
	used->idx++;
	hw.commands++;
}

static const struct virtio_pci_registers registers = {
	.name = "test",
	.features = hw_features,
	.set_features = hw_set_features,
	.status = hw_status,
	.set_status = hw_set_status,
	.isr = hw_isr,
	.read_config = hw_read_config,
	.write_config = hw_write_config,
	.queue_size = hw_queue_size,
	.queue_setup = hw_queue_setup,
	.notify = hw_notify,
};

/* --- what the driver finds in place of DPDK; see meson.build --- */

int __wrap_virtio_pci_modern_open(struct virtio_pci *pci);
int __wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at);
void __wrap_rte_pci_unmap_device(struct rte_pci_device *dev);
int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg);

int
__wrap_virtio_pci_modern_open(struct virtio_pci *pci)
{
	pci->regs = &registers;
	return 0;
}

int
__wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at)
{
	(void)dev;
	(void)buf;
	(void)len;
	(void)at;
	return -1;
}

void
__wrap_rte_pci_unmap_device(struct rte_pci_device *dev)
{
	(void)dev;
}

/* Alarms go off when the test says so. */
static struct {
	rte_eal_alarm_callback call;
	void *arg;
} alarms[4];

int
__wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg)
{
	(void)us;
	for (unsigned int i = 0; i < RTE_DIM(alarms); i++)
		if (alarms[i].call == NULL) {
			alarms[i].call = call;
			alarms[i].arg = arg;
			return 0;
		}
	return -ENOMEM;
}

int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg)
{
	int n = 0;

	for (unsigned int i = 0; i < RTE_DIM(alarms); i++)
		if (alarms[i].call == call && alarms[i].arg == arg) {
			alarms[i].call = NULL;
			n++;
		}
	return n;
}

/* @return alarms that went off */
static unsigned int
ring_alarms(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < RTE_DIM(alarms); i++)
		if (alarms[i].call != NULL) {
			rte_eal_alarm_callback call = alarms[i].call;

			alarms[i].call = NULL;
			call(alarms[i].arg);
			n++;
		}
	return n;
}

/* Interrupts come when the test calls. */
static struct {
	rte_intr_callback_fn call;
	void *arg;
	bool within;
	bool last; /* one comes while it is taken away */
	bool refuse;
	bool no_memory;
} interrupt;

int __wrap_rte_intr_callback_register(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg);
int __wrap_rte_intr_callback_unregister_sync(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg);
int __wrap_rte_intr_enable(const struct rte_intr_handle *handle);
int __wrap_rte_intr_disable(const struct rte_intr_handle *handle);
int __wrap_rte_intr_ack(const struct rte_intr_handle *handle);
int __real_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size);
int __wrap_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size);

int
__wrap_rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
	void *arg)
{
	(void)handle;
	if (interrupt.refuse)
		return -ENOMEM;
	interrupt.call = call;
	interrupt.arg = arg;
	return 0;
}

int
__wrap_rte_intr_callback_unregister_sync(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg)
{
	(void)handle;
	/* It would wait for itself. */
	assert_false(interrupt.within);
	assert_ptr_equal(interrupt.call, call);
	assert_ptr_equal(interrupt.arg, arg);
	if (interrupt.last)
		call(arg);
	interrupt.call = NULL;
	return 1;
}

int
__wrap_rte_intr_enable(const struct rte_intr_handle *handle)
{
	(void)handle;
	return 0;
}

int
__wrap_rte_intr_disable(const struct rte_intr_handle *handle)
{
	(void)handle;
	return 0;
}

int
__wrap_rte_intr_ack(const struct rte_intr_handle *handle)
{
	(void)handle;
	return 0;
}

int
__wrap_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size)
{
	return interrupt.no_memory ? -ENOMEM : __real_rte_intr_vec_list_alloc(handle, name, size);
}

/* --- the port --- */

static struct rte_mempool *pool;
static struct virtio_pci *pci;
static uint16_t port;
static struct rte_eth_intr_conf wanted_interrupts;
static struct rte_driver driver = { .name = "test" };
static struct rte_pci_device bus = { .device = { .name = "test", .driver = &driver } };

static int
make_port(void)
{
	struct rte_eth_dev *eth = rte_eth_dev_allocate("test");
	int ret;

	assert_non_null(eth);
	pci = rte_zmalloc("port", sizeof(*pci), 0);
	assert_non_null(pci);
	pci->bus = &bus;
	pci->dev.name = "test";
	pci->dev.eth = eth;
	pci->dev.speed = RTE_ETH_SPEED_NUM_UNKNOWN;
	eth->device = &bus.device;
	eth->intr_handle = bus.intr_handle;
	eth->data->dev_private = pci;
	ret = virtio_pci_create(pci);
	if (ret < 0) {
		rte_eth_dev_release_port(eth);
		return ret;
	}
	/* The device finds rings where this process does. */
	pci->dev.by_iova = false;
	virtio_ethdev_init(eth, &pci->dev);
	eth->data->dev_flags |= RTE_ETH_DEV_INTR_RMV;
	rte_eth_dev_probing_finish(eth);
	port = eth->data->port_id;
	return 0;
}

static int
configure(uint16_t pairs, enum rte_eth_rx_mq_mode mode)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = mode,
		.intr_conf = wanted_interrupts,
		.rx_adv_conf.rss_conf.rss_hf = mode == RTE_ETH_MQ_RX_RSS ? RTE_ETH_RSS_IPV4 : 0,
	};
	int ret = rte_eth_dev_configure(port, pairs, pairs, &conf);

	for (uint16_t i = 0; i < pairs && ret == 0; i++)
		ret = rte_eth_rx_queue_setup(port, i, QUEUE_SIZE, 0, NULL, pool);
	for (uint16_t i = 0; i < pairs && ret == 0; i++)
		ret = rte_eth_tx_queue_setup(port, i, QUEUE_SIZE, 0, NULL);
	return ret == 0 ? rte_eth_dev_start(port) : ret;
}

/* A device as most are, and nothing on it yet. */
static int
plug(void **state)
{
	(void)state;
	memset(&hw, 0, sizeof(hw));
	memset(alarms, 0, sizeof(alarms));
	memset(&interrupt, 0, sizeof(interrupt));
	memset(&wanted_interrupts, 0, sizeof(wanted_interrupts));
	hw.features = FEATURES;
	hw.config = (struct virtio_net_config){
		.mac = { 2, 0, 0, 0, 0, 1 },
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = 4,
		.rss_max_key_size = VIRTIO_RSS_KEY_BYTES,
		.rss_max_indirection_table_length = 128,
		.supported_hash_types = VIRTIO_NET_RSS_HASH_TYPE_IPv4,
	};
	for (unsigned int i = 0; i < RINGS; i++)
		hw.sizes[i] = QUEUE_SIZE;
	return 0;
}

static int
unplug(void **state)
{
	(void)state;
	if (rte_eth_dev_is_valid_port(port)) {
		rte_eth_dev_stop(port);
		return rte_eth_dev_close(port);
	}
	return 0;
}

/* --- tests --- */

static bool
is_control_queue(uint16_t index)
{
	return hw.rings[index].size != 0 && pci->control.ready && pci->control.index == index;
}

static void
control_queue_is_behind_all_pairs_with_mq_or_rss(void **state)
{
	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS);
	assert_int_equal(make_port(), 0);
	/* With one pair there is no use for MQ; RSS by itself has all pairs be there, too. */
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_RSS), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)),
		F(VIRTIO_NET_F_RSS));
	assert_true(is_control_queue(8));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)), 0);
	assert_true(is_control_queue(2));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)),
		F(VIRTIO_NET_F_MQ));
	assert_true(is_control_queue(8));
}

/* The control queue's number would be 65536, which is that of the first receive queue in 16 bits. */
static void
one_pair_is_used_of_more_than_there_can_be(void **state)
{
	static const uint16_t odd[] = { 0, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX, UINT16_MAX };
	struct rte_eth_dev_info info;

	for (unsigned int i = 0; i < RTE_DIM(odd); i++) {
		plug(state);
		hw.features |= CONTROL | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS);
		hw.config.max_virtqueue_pairs = odd[i];
		assert_int_equal(make_port(), 0);
		assert_int_equal(rte_eth_dev_info_get(port, &info), 0);
		assert_int_equal(info.max_rx_queues, 1);
		assert_int_equal(info.reta_size, 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_true(is_control_queue(2));
		unplug(state);
	}
}

static void
rss_alone_is_enough_for_several_pairs(void **state)
{
	const struct rte_eth_conf transmit = { 0 };

	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_RSS);
	assert_int_equal(make_port(), 0);
	for (unsigned int i = 0; i < 2; i++) {
		hw.commands = 0;
		assert_int_equal(configure(3, i == 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE), 0);
		assert_true(hw.agreed & F(VIRTIO_NET_F_RSS));
		assert_true(is_control_queue(8));
		assert_true(hw.commands > 0);
		assert_int_equal(pci->dev.rss.types, VIRTIO_NET_RSS_HASH_TYPE_IPv4);
		assert_int_equal(pci->dev.rss.table[2], 2);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	/* Queues that nobody receives from are as many as those that transmit. */
	assert_int_equal(rte_eth_dev_configure(port, 0, 2, &transmit), 0);
	for (uint16_t i = 0; i < 2; i++)
		assert_int_equal(rte_eth_tx_queue_setup(port, i, QUEUE_SIZE, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_true(hw.agreed & F(VIRTIO_NET_F_RSS));
	assert_int_equal(pci->dev.rss.table[2], 0);
	/* So they are when the port begins anew. */
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(3, RTE_ETH_MQ_RX_RSS), 0);
	assert_int_equal(rte_eth_dev_reset(port), 0);
	assert_int_equal(rte_eth_dev_configure(port, 0, 2, &transmit), 0);
	assert_int_equal(pci->dev.rss.table[2], 0);
}

/* A burst leaves it to a thread of DPDK's to tell, which looks at all queues for that. */
static void
nothing_looks_at_queues_once_the_port_is_stopped(void **state)
{
	struct rte_mbuf *m;
	struct virtio_queue *q;

	(void)state;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	q = pci->dev.queues[0];
	q->used->ring[0].id = QUEUE_SIZE;
	__atomic_store_n(&q->used->idx, 1, __ATOMIC_RELEASE);
	assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
	assert_true(virtio_queue_failed(q));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(ring_alarms(), 0);
	/* A secondary process may have been slower to tell. */
	pci->dev.transport->queue_failed(pci->dev.queues[0]);
	assert_int_equal(rte_eth_dev_close(port), 0);
	assert_int_equal(ring_alarms(), 0);
}

static void
assert_link(uint32_t speed, uint16_t duplex)
{
	struct rte_eth_link link;

	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_UP);
	assert_int_equal(link.link_speed, speed);
	assert_int_equal(link.link_duplex, duplex);
}

static void
speed_and_duplex_follow_the_device(void **state)
{
	(void)state;
	hw.features |= F(VIRTIO_NET_F_SPEED_DUPLEX);
	hw.config.speed = 10000;
	hw.config.duplex = 1;
	for (unsigned int lsc = 0; lsc < 2; lsc++) {
		wanted_interrupts.lsc = lsc;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_link(10000, RTE_ETH_LINK_FULL_DUPLEX);
		hw.config.speed = 100;
		hw.config.duplex = 0;
		if (lsc)
			interrupt.call(interrupt.arg);
		assert_link(100, RTE_ETH_LINK_HALF_DUPLEX);
		hw.config.speed = 10000;
		hw.config.duplex = UINT8_MAX;
		if (lsc)
			interrupt.call(interrupt.arg);
		assert_link(10000, RTE_ETH_LINK_FULL_DUPLEX);
		assert_int_equal(unplug(NULL), 0);
	}
}

static unsigned int removals;

static int
count_removal(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)arg;
	(void)ret;
	assert_int_equal(id, port);
	assert_int_equal(type, RTE_ETH_EVENT_INTR_RMV);
	removals++;
	return 0;
}

static void
a_device_that_is_gone_is_told_of_once_and_if_asked(void **state)
{
	struct rte_eth_link link;

	(void)state;
	for (unsigned int asked = 0; asked < 2; asked++) {
		plug(NULL);
		wanted_interrupts.rmv = asked;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV,
					 count_removal, NULL),
			0);
		removals = 0;
		assert_int_equal(rte_eth_dev_is_removed(port), 0);
		hw.status = UINT8_MAX;
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
			assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
			/* Not in the middle of that: the application may close the port for it. */
			assert_int_equal(removals, i > 0 && asked);
			ring_alarms();
		}
		assert_int_equal(rte_eth_dev_is_removed(port), 1);
		assert_int_equal(rte_eth_dev_rx_queue_stop(port, 0), 0);
		assert_int_equal(rte_eth_dev_rx_queue_start(port, 0), -EIO);
		assert_false(pci->dev.queues[0]->running);
		assert_int_equal(rte_eth_dev_stop(port), 0);
		ring_alarms();
		assert_int_equal(removals, asked);
		assert_int_equal(unplug(NULL), 0);
	}
}

/* With an interrupt for it, ethdev does not ask for the link. */
static void
the_link_goes_down_with_the_device_whoever_finds_out(void **state)
{
	struct rte_eth_link link;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_link(RTE_ETH_SPEED_NUM_UNKNOWN, RTE_ETH_LINK_FULL_DUPLEX);
	hw.status = UINT8_MAX;
	assert_int_equal(rte_eth_dev_is_removed(port), 1);
	ring_alarms();
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	/* Nobody is told of one that was no port yet. */
	assert_int_equal(unplug(NULL), 0);
	assert_true(make_port() < 0);
	assert_int_equal(ring_alarms(), 0);
}

static int
reset_port(uint16_t id, enum rte_eth_event_type type, void *resets, void *ret)
{
	(void)ret;
	assert_int_equal(type, RTE_ETH_EVENT_INTR_RESET);
	assert_int_equal(rte_eth_dev_reset(id), 0);
	++*(unsigned int *)resets;
	return 0;
}

static void
a_program_may_reset_the_port_where_it_is_told_to(void **state)
{
	unsigned int resets = 0;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RESET, reset_port,
				 &resets),
		0);
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt.within = true;
	interrupt.call(interrupt.arg);
	interrupt.within = false;
	ring_alarms();
	assert_int_equal(resets, 1);
	assert_int_equal(hw.status, 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	/* One that is stopped is not told to, however late the device asked. */
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt.last = true;
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(ring_alarms(), 0);
}

static void
a_control_queue_of_a_size_that_is_none_of_ours_is_done_without(void **state)
{
	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_GUEST_ANNOUNCE);
	assert_int_equal(make_port(), 0);
	/* As those of legacy devices. */
	pci->dev.ring_sizes_fixed = true;
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_promiscuous_enable(port), 0);
	assert_int_equal(rte_eth_promiscuous_disable(port), 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	hw.sizes[2] = 2 * VIRTIO_CONTROL_RING_SIZE;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(hw.agreed, FEATURES);
	assert_int_equal(hw.rings[2].size, 0);
	assert_int_equal(rte_eth_promiscuous_enable(port), -ENOTSUP);
}

/* Back ends announce the port of a driver that did not say that it does so itself. */
static void
a_port_that_would_not_hear_of_it_does_not_offer_to_announce_itself(void **state)
{
	(void)state;
	for (unsigned int which = 0; which < 3; which++) {
		plug(state);
		hw.features |= CONTROL | F(VIRTIO_NET_F_GUEST_ANNOUNCE);
		wanted_interrupts.lsc = which == 1;
		wanted_interrupts.rxq = which == 2;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(interrupt.call != NULL, which > 0);
		assert_int_equal((hw.agreed & F(VIRTIO_NET_F_GUEST_ANNOUNCE)) != 0, which > 0);
		unplug(state);
	}
}

static void
a_start_without_interrupts_leaves_nothing_behind(void **state)
{
	unsigned int fds;

	(void)state;
	wanted_interrupts.rxq = 1;
	hw.features |= CONTROL | F(VIRTIO_NET_F_MQ);
	assert_int_equal(make_port(), 0);
	fds = unit_open_fds();
	interrupt.no_memory = true;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), -ENOMEM);
	assert_int_equal(unit_open_fds(), fds);
	interrupt.no_memory = false;
	interrupt.refuse = true;
	assert_true(rte_eth_dev_start(port) < 0);
	assert_int_equal(unit_open_fds(), fds);
	interrupt.refuse = false;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(unit_open_fds(), fds + 2);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	wanted_interrupts.rxq = 0;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_registration_outlives_a_restart_but_not_the_port(void **state)
{
	struct rte_epoll_event event;
	unsigned int fds;
	int call;

	(void)state;
	/* Opens the thread's own descriptor, which stays. */
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	fds = unit_open_fds();
	wanted_interrupts.rxq = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD,
				 RTE_INTR_EVENT_ADD, NULL),
		0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	call = dup(rte_intr_efds_index_get(bus.intr_handle, 0));
	assert_int_equal(eventfd_write(call, 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 5000), 1);
	assert_int_equal(unplug(NULL), 0);
	assert_int_equal(eventfd_write(call, 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	close(call);
	assert_int_equal(unit_open_fds(), fds);
}

/* Told by a command, or in the configuration of legacy devices; others keep what they have. */
static void
an_address_that_the_device_does_not_take_is_not_set(void **state)
{
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 9 } }, now;
	const uint64_t ways[] = { FEATURES,
		F(VIRTIO_F_ANY_LAYOUT) | F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_STATUS),
		FEATURES | CONTROL | F(VIRTIO_NET_F_CTRL_MAC_ADDR) };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		plug(state);
		hw.features = ways[i];
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(rte_eth_dev_default_mac_addr_set(port, &mac), i == 0 ? -EIO : 0);
		assert_int_equal(rte_eth_macaddr_get(port, &now), 0);
		assert_int_equal(now.addr_bytes[5], i == 0 ? 1 : 9);
		assert_int_equal(hw.config.mac[5], i == 1 ? 9 : 1);
		unplug(state);
	}
}

static int
setup(void **state)
{
	if (unit_eal_setup(state) < 0 || virtio_queue_init() < 0)
		return -1;
	bus.intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (bus.intr_handle == NULL ||
		rte_intr_type_set(bus.intr_handle, RTE_INTR_HANDLE_VFIO_MSIX) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
#define ON_PCI(test) cmocka_unit_test_setup_teardown(test, plug, unplug)
	const struct CMUnitTest tests[] = {
		ON_PCI(control_queue_is_behind_all_pairs_with_mq_or_rss),
		ON_PCI(one_pair_is_used_of_more_than_there_can_be),
		ON_PCI(rss_alone_is_enough_for_several_pairs),
		ON_PCI(nothing_looks_at_queues_once_the_port_is_stopped),
		ON_PCI(speed_and_duplex_follow_the_device),
		ON_PCI(an_address_that_the_device_does_not_take_is_not_set),
		ON_PCI(a_device_that_is_gone_is_told_of_once_and_if_asked),
		ON_PCI(the_link_goes_down_with_the_device_whoever_finds_out),
		ON_PCI(a_program_may_reset_the_port_where_it_is_told_to),
		ON_PCI(a_control_queue_of_a_size_that_is_none_of_ours_is_done_without),
		ON_PCI(a_port_that_would_not_hear_of_it_does_not_offer_to_announce_itself),
		ON_PCI(a_start_without_interrupts_leaves_nothing_behind),
		ON_PCI(a_registration_outlives_a_restart_but_not_the_port),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
