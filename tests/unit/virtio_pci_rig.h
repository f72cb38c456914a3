/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A port on a PCI device whose registers are the test's, as are its interrupts and DPDK's alarms: they
 * come when the test says so. Programs that include this wrap what meson.build lists.
 */

#ifndef VIRTIO_PCI_RIG_H
#define VIRTIO_PCI_RIG_H

#include "virtio_reference_device.h"

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
	bool enabled[RINGS];
	uint16_t vectors[RINGS];
	uint16_t config_vector;
	uint16_t last_vector; /* others are not taken */
	struct virtio_net_config config;
	unsigned int commands;
	void (*config_read)(uint32_t offset); /* what happens once it was read there */
	void (*status_set)(uint8_t status);   /* once that was */
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
	if (status == 0) {
		memset(hw.rings, 0, sizeof(hw.rings));
		memset(hw.enabled, 0, sizeof(hw.enabled));
		memset(hw.vectors, UINT8_MAX, sizeof(hw.vectors));
		hw.config_vector = VIRTIO_MSI_NO_VECTOR;
	}
	hw.status = status;
	if (hw.status_set != NULL)
		hw.status_set(status);
}

static void
hw_read_config(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	(void)pci;
	assert_true(offset + len <= sizeof(hw.config));
	memcpy(buf, (const uint8_t *)&hw.config + offset, len);
	if (hw.config_read != NULL)
		hw.config_read(offset);
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
	assert_false(hw.enabled[ring->index]);
	hw.rings[ring->index] = *ring;
	*doorbell = &hw.doorbell;
	return 0;
}

static uint16_t
hw_queue_vector(struct virtio_pci *pci, uint16_t index, uint16_t vector)
{
	(void)pci;
	/* A queue that is enabled has all that it needs. */
	assert_true(hw.rings[index].size != 0 && !hw.enabled[index]);
	hw.vectors[index] = vector <= hw.last_vector ? vector : VIRTIO_MSI_NO_VECTOR;
	return hw.vectors[index];
}

static uint16_t
hw_set_config_vector(struct virtio_pci *pci, uint16_t vector)
{
	(void)pci;
	hw.config_vector = vector;
	return vector;
}

static void
hw_queue_enable(struct virtio_pci *pci, uint16_t index)
{
	(void)pci;
	assert_true(hw.rings[index].size != 0 && !hw.enabled[index]);
	hw.enabled[index] = true;
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
	assert_true(hw.enabled[index]);
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
	.queue_vector = hw_queue_vector,
	.config_vector = hw_set_config_vector,
	.queue_enable = hw_queue_enable,
	.notify = hw_notify,
};

/* --- what the driver finds in place of DPDK; see meson.build --- */

int __wrap_virtio_pci_modern_open(struct virtio_pci *pci);
int __wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at);
void __wrap_rte_pci_unmap_device(struct rte_pci_device *dev);
int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg);

void __real_rte_pci_register(struct rte_pci_driver *driver);
void __wrap_rte_pci_register(struct rte_pci_driver *driver);

static struct rte_pci_driver *net_virtio;

void
__wrap_rte_pci_register(struct rte_pci_driver *registered)
{
	if (strcmp(registered->driver.name, "net_virtio") == 0)
		net_virtio = registered;
	__real_rte_pci_register(registered);
}

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
static struct rte_pci_device bus = {
	.name = "test",
	.device = { .name = "test", .driver = &driver },
};

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

static int
pci_setup(void **state)
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

#endif /* VIRTIO_PCI_RIG_H */
