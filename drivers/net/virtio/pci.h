/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The transport whose device is on PCI.
 *
 * pci.c brings the device up and down, in the order that virtio 1.2, 3.1.1 wants, whatever its
 * registers look like; pci_modern.c and pci_legacy.c know these, each behind the operations below.
 * pci_interrupt.c is about interrupts and what they tell, pci_driver.c about the bus.
 */

#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include <linux/virtio_pci.h>

#include <bus_pci_driver.h>

#include "device.h"
#include "pci_control.h"
#include "pci_layout.h"

/** A ring as a device is told of it. */
struct virtio_pci_ring {
	uint16_t index; /**< virtqueue number */
	uint16_t size;
	uint64_t descriptors;
	uint64_t driver;
	uint64_t device;
};

/** The registers of a device. Queues are named by virtqueue number. */
struct virtio_pci_registers {
	const char *name;

	uint64_t (*features)(struct virtio_pci *pci);
	void (*set_features)(struct virtio_pci *pci, uint64_t features);
	uint8_t (*status)(struct virtio_pci *pci);
	void (*set_status)(struct virtio_pci *pci, uint8_t status);
	/** Read and clear the interrupt status. */
	uint8_t (*isr)(struct virtio_pci *pci);

	/** Bytes beyond the device's configuration read as zero. */
	void (*read_config)(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len);
	void (*write_config)(struct virtio_pci *pci, uint32_t offset, const void *buf,
		uint32_t len);

	/** Entries of a queue, 0 if there is no such queue. */
	uint16_t (*queue_size)(struct virtio_pci *pci, uint16_t index);
	/** Tell of a ring, and learn its doorbell. @return 0, or -EIO after a line in the log */
	int (*queue_setup)(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
		volatile uint16_t **doorbell);
	/** Interrupt vectors, VIRTIO_MSI_NO_VECTOR for none. @return what the device took */
	uint16_t (*queue_vector)(struct virtio_pci *pci, uint16_t index, uint16_t vector);
	uint16_t (*config_vector)(struct virtio_pci *pci, uint16_t vector);
	/** Hand over a ring, of which the device knows all by now (virtio 1.2, 4.1.4.3.2). */
	void (*queue_enable)(struct virtio_pci *pci, uint16_t index);
	/** Ring a doorbell. */
	void (*notify)(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell);
};

struct virtio_pci {
	struct virtio_device dev;                /* first: the port's dev_private */
	struct rte_pci_device *bus;              /**< the primary's */
	const struct virtio_pci_registers *regs; /**< the primary's */
	union {
		struct virtio_pci_layout modern;
		struct rte_pci_ioport legacy; /**< the primary's */
	};
	struct virtio_pci_control control;
	uint64_t device_features;
	uint16_t sizes[2]; /**< of the first pair's rings; the others are there when agreed on */
	uint16_t hw_pairs; /**< that the device has, and so where its control queue is */
	bool msix;         /**< enabled: a legacy device's configuration moves */
	bool interrupts;
	bool is_legacy;
	bool gone;    /**< unplugged: registers read as ones; atomic */
	bool running; /**< changes under the lock; atomic */
};

static inline struct virtio_pci *
virtio_pci_of(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_pci, dev);
}

/* pci_modern.c, pci_legacy.c */

/**
 * Find the registers of a device that is mapped.
 * @return 0; -ENOENT if it is no device of this kind; else a negative errno after a line in the log
 */
int virtio_pci_modern_open(struct virtio_pci *pci);
int virtio_pci_legacy_open(struct virtio_pci *pci);
/** To be called before any other thread is there: see its definition. */
void virtio_pci_legacy_init(void);
void virtio_pci_legacy_close(struct virtio_pci *pci);
void virtio_pci_modern_notify(struct virtio_queue *q);
void virtio_pci_legacy_notify(struct virtio_queue *q);
/** Map the ports of a legacy device. @return 0, or a negative errno after one line of why */
int virtio_pci_legacy_map(struct rte_pci_device *bus, struct rte_pci_ioport *ports);
void virtio_pci_legacy_ring(struct rte_pci_ioport *ports, const struct virtio_queue *q);

/* pci_interrupt.c */

/** Whether the port is configured for interrupts, and so for that of the device's configuration. */
bool virtio_pci_interrupts_wanted(const struct virtio_pci *pci);
/**
 * Enable the interrupts that the port is configured for, if they are not, and tell the device of that for its
 * configuration, which it forgets when it is reset. @return 0, or a negative errno after one line of why
 */
int virtio_pci_interrupts_enable(struct virtio_pci *pci);
/**
 * Tell the device of the interrupt of a queue that it knows, and that is not enabled yet; if it has one.
 * @return 0; -ENOTSUP, after a line in the log, if the device has none for it
 */
int virtio_pci_interrupts_assign(struct virtio_pci *pci, const struct virtio_queue *q);
/** The eventfds of queues stay, as the application may have registered them. */
void virtio_pci_interrupts_disable(struct virtio_pci *pci);
/** Close them, and take them out of the application's epoll sets. */
void virtio_pci_interrupts_forget(struct virtio_pci *pci);
/** Find out whether MSI-X is enabled now: pci->msix. */
void virtio_pci_look_for_msix(struct virtio_pci *pci);
/** Whether the device has a link now. */
bool virtio_pci_has_link(struct virtio_device *dev);
/**
 * Look at the link, show it, and tell the application soon: not in the interrupt's callback, which a port that stops waits for,
 * nor in the middle of what the application does.
 */
void virtio_pci_show_link(struct virtio_pci *pci);
/** The device does not answer any more: nothing is asked of it from here on. */
void virtio_pci_set_gone(struct virtio_pci *pci);

/* pci.c */

/**
 * Learn what the device at pci->bus can, which is mapped. dev.name and dev.eth must be set, all
 * else zero. @return 0, or a negative errno after one line of why
 */
int virtio_pci_create(struct virtio_pci *pci);

/**
 * Tell the application, soon and in a thread of DPDK's, to reset the port. It may do so where it is told: so
 * that is not in the interrupt's callback, which a port that stops waits for.
 */
void virtio_pci_ask_for_reset(struct virtio_pci *pci);

#endif /* VIRTIO_PCI_H */
