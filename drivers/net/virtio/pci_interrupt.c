/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <rte_interrupts.h>

#include "control_queue.h"
#include "log.h"
#include "net_config.h"
#include "pci.h"

/* Vector 0 is for changes of the device's configuration, the following for receive queues. */
#define CONFIG_VECTOR 0

static uint16_t
net_status(struct virtio_pci *pci)
{
	uint16_t status = VIRTIO_NET_S_LINK_UP;

	if (virtio_has(&pci->dev, VIRTIO_NET_F_STATUS))
		pci->regs->read_config(pci, offsetof(struct virtio_net_config, status), &status,
			sizeof(status));
	return status;
}

/*
 * As the device has it now. One that wants a reset has none, nor has one that is gone: its registers, all ones,
 * ask for that, too.
 */
bool
virtio_pci_has_link(struct virtio_device *dev)
{
	struct virtio_pci *pci = virtio_pci_of(dev);

	return __atomic_load_n(&pci->running, __ATOMIC_SEQ_CST) &&
		!__atomic_load_n(&pci->gone, __ATOMIC_SEQ_CST) &&
		!(pci->regs->status(pci) & VIRTIO_CONFIG_S_NEEDS_RESET) &&
		(net_status(pci) & VIRTIO_NET_S_LINK_UP);
}

void
virtio_pci_show_link(struct virtio_pci *pci)
{
	if (virtio_device_look_at_link(&pci->dev))
		virtio_device_tell_link_soon(&pci->dev);
}

static void
announce(struct virtio_pci *pci)
{
	pthread_mutex_lock(&pci->dev.lock);
	if (pci->running) {
		virtio_device_announce(&pci->dev);
		virtio_control_announced(&pci->dev);
	}
	pthread_mutex_unlock(&pci->dev.lock);
}

static void
config_changed(void *arg)
{
	struct virtio_pci *pci = arg;
	struct virtio_device *dev = &pci->dev;
	const uint8_t status = pci->regs->status(pci);

	/* With INTx, this is also what lets the device lower its line. */
	pci->regs->isr(pci);
	if (status == UINT8_MAX) {
		virtio_pci_set_gone(pci);
	} else if (status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		VIRTIO_LOG(ERR, "%s: the device failed and asks for a reset: reset the port",
			dev->name);
		virtio_pci_show_link(pci);
		virtio_pci_ask_for_reset(pci);
	} else {
		virtio_net_config_learn_speed(dev, pci->device_features);
		virtio_pci_show_link(pci);
		if (virtio_has(dev, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
			(net_status(pci) & VIRTIO_NET_S_ANNOUNCE))
			announce(pci);
	}
	if (!pci->gone)
		rte_intr_ack(pci->bus->intr_handle);
}

void
virtio_pci_interrupts_forget(struct virtio_pci *pci)
{
	rte_intr_efd_disable(pci->bus->intr_handle);
	rte_intr_vec_list_free(pci->bus->intr_handle);
}

/* One eventfd and vector for each receive queue. They may be there from when the port last ran. */
static int
prepare_queues(struct virtio_pci *pci, uint16_t queues)
{
	struct rte_intr_handle *handle = pci->bus->intr_handle;

	if (rte_intr_nb_efd_get(handle) == queues)
		return 0;
	virtio_pci_interrupts_forget(pci);
	if (queues == 0)
		return 0;
	if (!rte_intr_cap_multiple(handle)) {
		VIRTIO_LOG(ERR,
			"%s: receive interrupts need MSI-X, which the device, or the kernel's "
			"driver for it, does not have",
			pci->dev.name);
		return -ENOTSUP;
	}
	if (rte_intr_efd_enable(handle, queues) < 0 ||
		rte_intr_vec_list_alloc(handle, "virtio_vectors", queues) < 0) {
		VIRTIO_LOG(ERR, "%s: no memory for interrupts of %u queues", pci->dev.name, queues);
		virtio_pci_interrupts_forget(pci);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < queues; i++)
		rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i);
	return 0;
}

void
virtio_pci_look_for_msix(struct virtio_pci *pci)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES] = { 0 };

	/* Of a device that is gone nothing can be read, nor need be. */
	if (rte_pci_read_config(pci->bus, config, sizeof(config), 0) > 0)
		pci->msix = virtio_pci_layout_msix(config);
}

/* Receive queues that the application may sleep on. */
static uint16_t
queues_with_interrupts(const struct virtio_pci *pci)
{
	const struct rte_eth_dev_data *data = pci->dev.eth->data;

	return data->dev_conf.intr_conf.rxq ? data->nb_rx_queues : 0;
}

bool
virtio_pci_interrupts_wanted(const struct virtio_pci *pci)
{
	return pci->dev.eth->data->dev_conf.intr_conf.lsc || queues_with_interrupts(pci) > 0;
}

static int
enable(struct virtio_pci *pci)
{
	struct virtio_device *dev = &pci->dev;
	struct rte_intr_handle *handle = pci->bus->intr_handle;
	int ret = prepare_queues(pci, queues_with_interrupts(pci));

	if (ret < 0 || !virtio_pci_interrupts_wanted(pci))
		return ret;
	ret = rte_intr_callback_register(handle, config_changed, pci);
	if (ret < 0) {
		VIRTIO_LOG(ERR, "%s: DPDK does not take care of its interrupts: %s", dev->name,
			strerror(-ret));
		virtio_pci_interrupts_forget(pci);
		return ret;
	}
	pci->interrupts = true;
	if (rte_intr_enable(handle) < 0) {
		VIRTIO_LOG(ERR, "%s: cannot enable its interrupts", dev->name);
		return -EIO;
	}
	virtio_pci_look_for_msix(pci);
	return 0;
}

int
virtio_pci_interrupts_enable(struct virtio_pci *pci)
{
	const int ret = pci->interrupts ? 0 : enable(pci);

	if (ret < 0 || !pci->interrupts || !pci->msix ||
		pci->regs->config_vector(pci, CONFIG_VECTOR) == CONFIG_VECTOR)
		return ret;
	VIRTIO_LOG(ERR, "%s: the device does not take an interrupt vector", pci->dev.name);
	return -EIO;
}

/* The device may have fewer vectors than there are. */
int
virtio_pci_interrupts_assign(struct virtio_pci *pci, const struct virtio_queue *q)
{
	const uint16_t id = virtio_queue_id(q);
	const uint16_t vector = (uint16_t)(RTE_INTR_VEC_RXTX_OFFSET + id);

	if (!pci->interrupts || !pci->msix || virtio_queue_is_tx(q) ||
		id >= queues_with_interrupts(pci) ||
		pci->regs->queue_vector(pci, q->index, vector) == vector)
		return 0;
	VIRTIO_LOG(ERR,
		"%s: the device has no interrupt vector for receive queue %u: give it more of them, "
		"or do without receive interrupts",
		pci->dev.name, id);
	return -ENOTSUP;
}

void
virtio_pci_interrupts_disable(struct virtio_pci *pci)
{
	struct rte_intr_handle *handle = pci->bus->intr_handle;

	if (!pci->interrupts)
		return;
	pci->interrupts = false;
	rte_intr_disable(handle);
	virtio_pci_look_for_msix(pci);
	rte_intr_callback_unregister_sync(handle, config_changed, pci);
}
