/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stddef.h>

#include <rte_alarm.h>
#include <rte_cycles.h>

#include "control_queue.h"
#include "log.h"
#include "net_config.h"
#include "pci.h"
#include "transport.h"

/* How long a device may take to reset itself. */
#define RESET_MS 1000

/* A register of a device that is not there any more. */
#define STATUS_GONE 0xff

#define PCI_FEATURES \
	(VIRTIO_NET_DRIVER_FEATURES | VIRTIO_NET_CONTROL_FEATURES | \
		VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) | ORDER_FEATURES | \
		VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX))

/*
 * A device that is no memory of this machine's processors may need stronger barriers than rings
 * are written with. On x86 these are the same.
 */
#ifdef RTE_ARCH_X86
#define ORDER_FEATURES VIRTIO_FEATURE(VIRTIO_F_ORDER_PLATFORM)
#else
#define ORDER_FEATURES 0
#endif

/* Where its frames begin: older devices want headers apart. */
#define LAYOUT_FEATURES (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT))

/*
 * In a thread of DPDK's, as the link is told: who finds out may be in the middle of what the application does
 * next. Apart from that, as the application may close the port for either.
 */
static void
tell_removal(void *arg)
{
	struct virtio_pci *pci = arg;

	rte_eth_dev_callback_process(pci->dev.eth, RTE_ETH_EVENT_INTR_RMV, NULL);
}

static void
cancel_news_of_removal(struct virtio_pci *pci)
{
	virtio_device_cancel_news(&pci->dev);
	rte_eal_alarm_cancel(tell_removal, pci);
}

void
virtio_pci_set_gone(struct virtio_pci *pci)
{
	if (__atomic_exchange_n(&pci->gone, true, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_lock(&pci->dev.lock);
	virtio_device_halt(&pci->dev);
	pthread_mutex_unlock(&pci->dev.lock);
	VIRTIO_LOG(ERR, "%s: the device is gone: link down; close the port", pci->dev.name);
	virtio_pci_show_link(pci);
	if (pci->dev.eth->data->dev_conf.intr_conf.rmv)
		rte_eal_alarm_set(1, tell_removal, pci);
}

static bool
is_gone(struct virtio_pci *pci)
{
	if (!pci->gone && pci->regs->status(pci) == STATUS_GONE)
		virtio_pci_set_gone(pci);
	return pci->gone;
}

static int
reset(struct virtio_pci *pci)
{
	if (is_gone(pci))
		return -ENODEV;
	pci->regs->set_status(pci, 0);
	for (unsigned int ms = 0; ms < RESET_MS; ms++) {
		if (pci->regs->status(pci) == 0)
			return 0;
		rte_delay_us_sleep(1000);
	}
	if (is_gone(pci))
		return -ENODEV;
	VIRTIO_LOG(ERR, "%s: the device did not reset itself within %u ms", pci->dev.name,
		RESET_MS);
	return -ETIMEDOUT;
}

static void
add_status(struct virtio_pci *pci, uint8_t bits)
{
	pci->regs->set_status(pci, pci->regs->status(pci) | bits);
}

/* From reset to features that both sides agreed on. */
static int
negotiate(struct virtio_pci *pci, uint64_t features)
{
	const struct virtio_device *dev = &pci->dev;
	const uint64_t missing = (dev->needed | dev->required) & ~features;

	if (missing != 0) {
		VIRTIO_LOG(ERR,
			"%s: the device lacks features %#" PRIx64
			" that the port was configured with",
			dev->name, missing);
		return -ENOTSUP;
	}
	add_status(pci, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(pci, VIRTIO_CONFIG_S_DRIVER);
	pci->regs->set_features(pci, features);
	if (!(features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)))
		return 0;
	add_status(pci, VIRTIO_CONFIG_S_FEATURES_OK);
	if (pci->regs->status(pci) & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	VIRTIO_LOG(ERR, "%s: the device refuses features %#" PRIx64 " of its own %#" PRIx64,
		dev->name, features, pci->device_features);
	return -ENOTSUP;
}

/* The control queue stands behind all pairs that the device has, used or not (virtio 1.2, 5.1.2). */
static int
setup_control(struct virtio_pci *pci, uint64_t features)
{
	const uint16_t index = features & VIRTIO_NET_PAIRS_FEATURES ? 2 * pci->hw_pairs : 2;

	if (!(features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ)))
		return 0;
	return virtio_pci_control_setup(pci, index, features);
}

static int
setup_queue(struct virtio_pci *pci, struct virtio_queue *q)
{
	const uint16_t limit = pci->regs->queue_size(pci, q->index);
	const struct virtio_pci_ring ring = {
		.index = q->index,
		.size = q->size,
		.descriptors = virtio_dma_address(&q->ring, q->desc),
		.driver = virtio_dma_address(&q->ring, q->avail),
		.device = virtio_dma_address(&q->ring, q->used),
	};
	int ret;

	if (q->size > limit || (q->size < limit && pci->dev.ring_sizes_fixed)) {
		VIRTIO_LOG(ERR, "%s: queue %u has %u entries here and %u in the device",
			pci->dev.name, q->index, q->size, limit);
		return -EIO;
	}
	ret = pci->regs->queue_setup(pci, &ring, &q->doorbell);
	if (ret == 0)
		ret = virtio_pci_interrupts_assign(pci, q);
	if (ret == 0)
		pci->regs->queue_enable(pci, q->index);
	return ret;
}

static int
setup_queues(struct virtio_pci *pci, uint64_t features)
{
	struct virtio_device *dev = &pci->dev;
	int ret = 0;

	virtio_device_arm(dev, features);
	for (uint16_t i = 0; i < 2 * dev->pairs && ret == 0; i++)
		ret = setup_queue(pci, dev->queues[i]);
	if (ret == 0)
		ret = setup_control(pci, features);
	return ret;
}

static int
agree(struct virtio_pci *pci, uint64_t features)
{
	int ret = reset(pci);

	if (ret == 0)
		ret = negotiate(pci, features);
	/* Which interrupts there are is known before queues are enabled. */
	if (ret == 0)
		ret = virtio_pci_interrupts_enable(pci);
	return ret == 0 ? setup_queues(pci, features) : ret;
}

/* Whoever would announce a driver that does not do so itself leaves it to one that says it does. */
static uint64_t
features_to_ask_for(const struct virtio_pci *pci)
{
	const uint64_t features = pci->dev.wanted & pci->device_features;

	return virtio_pci_interrupts_wanted(pci) ?
		features :
		features & ~VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE);
}

/* Locked, but for those who look at the link. */
static void
set_running(struct virtio_pci *pci, bool running)
{
	__atomic_store_n(&pci->running, running, __ATOMIC_SEQ_CST);
}

static int
bring_up(struct virtio_pci *pci)
{
	struct virtio_device *dev = &pci->dev;
	uint64_t features = features_to_ask_for(pci);
	int ret;

	ret = agree(pci, features);
	/* Where the control queue is, and so its size, follows from what was agreed on. */
	if (ret == -ERANGE) {
		features &= ~(VIRTIO_NET_CONTROL_FEATURES | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ));
		ret = agree(pci, features);
	}
	if (ret < 0)
		return ret;
	add_status(pci, VIRTIO_CONFIG_S_DRIVER_OK);
	/* Whoever finds that the device is gone stops bursts with the lock held: they do not begin then. */
	pthread_mutex_lock(&dev->lock);
	if (pci->gone)
		ret = -ENODEV;
	else
		virtio_device_run(dev);
	set_running(pci, ret == 0);
	pthread_mutex_unlock(&dev->lock);
	if (ret < 0)
		return ret;
	/* What receive queues were filled with before the device could look. */
	for (uint16_t i = 0; i < dev->pairs; i++)
		dev->transport->notify(dev->queues[2 * i]);
	if (features & VIRTIO_NET_PAIRS_FEATURES)
		ret = virtio_control_pairs(dev, dev->pairs);
	if (ret < 0)
		VIRTIO_LOG(ERR, "%s: the device refuses to use %u queue pairs", dev->name,
			dev->pairs);
	return ret;
}

/* In a thread that may lock and log at length: a burst did not have the time. */
static void
tell_failures(void *arg)
{
	struct virtio_pci *pci = arg;
	struct virtio_device *dev = &pci->dev;

	if (is_gone(pci))
		return;
	for (uint16_t i = 0; i < 2 * dev->pairs; i++) {
		const struct virtio_queue *q = dev->queues[i];

		if (q != NULL && virtio_queue_failed(q))
			VIRTIO_LOG(ERR,
				"%s: queue %u: %s %s (%u): it stands still until the port is reset "
				"or started anew",
				dev->name, i, virtio_queue_culprit(q, "the device returned"),
				q->failure, q->failure_value);
	}
	rte_eth_dev_callback_process(dev->eth, RTE_ETH_EVENT_INTR_RESET, NULL);
}

/* It does not run any more. With what was to be told soon: a port that is stopped tells nothing. */
static void
tell_link_is_down(struct virtio_device *dev)
{
	const bool untold = virtio_device_cancel_news(dev);

	if (virtio_device_look_at_link(dev) || untold)
		virtio_device_tell_link(dev);
}

static void
bring_down(struct virtio_pci *pci)
{
	pthread_mutex_lock(&pci->dev.lock);
	virtio_device_halt(&pci->dev);
	set_running(pci, false);
	pthread_mutex_unlock(&pci->dev.lock);
	virtio_pci_interrupts_disable(pci);
	/* Neither bursts nor interrupts ask for it any more; one that goes off now is waited for. */
	rte_eal_alarm_cancel(tell_failures, pci);
	virtio_pci_control_stop(pci);
	/* One that does not reset may still write to what was posted; it was said. */
	reset(pci);
	tell_link_is_down(&pci->dev);
}

static int
pci_start(struct virtio_device *dev)
{
	struct virtio_pci *pci = virtio_pci_of(dev);
	int ret = bring_up(pci);

	if (ret < 0) {
		if (!pci->gone)
			add_status(pci, VIRTIO_CONFIG_S_FAILED);
		bring_down(pci);
		return ret;
	}
	/* Interrupts may have had it looked at before. */
	if (virtio_device_look_at_link(dev))
		virtio_device_tell_link(dev);
	return 0;
}

static void
pci_stop(struct virtio_device *dev)
{
	bring_down(virtio_pci_of(dev));
}

void
virtio_pci_ask_for_reset(struct virtio_pci *pci)
{
	rte_eal_alarm_set(1, tell_failures, pci);
}

static void
pci_queue_failed(struct virtio_queue *q)
{
	virtio_pci_ask_for_reset(virtio_pci_of(q->dev));
}

static void
destroy_locks(struct virtio_pci *pci)
{
	pthread_mutex_destroy(&pci->control.lock);
	pthread_mutex_destroy(&pci->dev.lock);
}

static void
pci_close(struct virtio_device *dev)
{
	struct virtio_pci *pci = virtio_pci_of(dev);

	cancel_news_of_removal(pci);
	/* What a secondary process told of late. */
	rte_eal_alarm_cancel(tell_failures, pci);
	virtio_pci_interrupts_forget(pci);
	virtio_pci_control_free(pci);
	destroy_locks(pci);
	virtio_pci_legacy_close(pci);
	rte_pci_unmap_device(pci->bus);
}

static uint16_t
pci_queue_limit(struct virtio_device *dev, uint16_t index)
{
	return virtio_pci_of(dev)->sizes[index & 1];
}

static int
pci_queue_setup(struct virtio_queue *q)
{
	(void)q;
	return 0;
}

static void
pci_queue_release(struct virtio_queue *q)
{
	q->doorbell = NULL;
}

/* The device goes on with what was posted; it is the bursts that stand still. */
static int
pci_queue_enable(struct virtio_device *dev, uint16_t index, bool enable)
{
	const struct virtio_pci *pci = virtio_pci_of(dev);
	struct virtio_queue *q = dev->queues[index];
	int ret = 0;

	pthread_mutex_lock(&dev->lock);
	if (enable && pci->gone)
		ret = -ENODEV;
	else
		q->stopped = !enable;
	if (!enable)
		virtio_queues_quiesce(&q, 1);
	else if (ret == 0 && pci->running && !virtio_queue_failed(q))
		virtio_queue_run(q);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

/* What is asked before the device runs, ethdev asks again when it does. */
static int
pci_control(struct virtio_device *dev, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	struct virtio_pci *pci = virtio_pci_of(dev);

	if (pci->gone)
		return -ENODEV;
	return pci->running ? virtio_pci_control_run(pci, class, cmd, data, len) : 0;
}

/* The device has no say in this: it is told nothing, and frames up to max_mtu come through. */
static int
pci_set_mtu(struct virtio_device *dev, uint16_t mtu)
{
	(void)dev;
	(void)mtu;
	return 0;
}

/* A device without the command: legacy ones take it as their configuration, others have what they have. */
static int
pci_set_mac(struct virtio_device *dev, const struct rte_ether_addr *mac)
{
	struct virtio_pci *pci = virtio_pci_of(dev);
	const uint32_t at = offsetof(struct virtio_net_config, mac);
	struct rte_ether_addr now;

	if (pci->gone || !(pci->device_features & VIRTIO_FEATURE(VIRTIO_NET_F_MAC)))
		return 0;
	if (!(pci->device_features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)))
		pci->regs->write_config(pci, at, mac, sizeof(*mac));
	pci->regs->read_config(pci, at, &now, sizeof(now));
	if (rte_is_same_ether_addr(&now, mac))
		return 0;
	VIRTIO_LOG(ERR,
		"%s: the device has no command that sets its address, and keeps " RTE_ETHER_ADDR_PRT_FMT
		": it may give us no frames for " RTE_ETHER_ADDR_PRT_FMT,
		dev->name, RTE_ETHER_ADDR_BYTES(&now), RTE_ETHER_ADDR_BYTES(mac));
	return -EIO;
}

static bool
pci_is_removed(struct virtio_device *dev)
{
	return is_gone(virtio_pci_of(dev));
}

static void
pci_link_update(struct virtio_device *dev)
{
	struct virtio_pci *pci = virtio_pci_of(dev);

	if (pci->running && !is_gone(pci))
		virtio_net_config_learn_speed(dev, pci->device_features);
	virtio_pci_show_link(pci);
}

static int
pci_read_config(struct virtio_device *dev, uint32_t offset, void *buf, uint32_t len)
{
	struct virtio_pci *pci = virtio_pci_of(dev);

	pci->regs->read_config(pci, offset, buf, len);
	return 0;
}

static void
learn_pairs(struct virtio_pci *pci)
{
	pci->hw_pairs = 1;
	if (pci->dev.offered & VIRTIO_NET_PAIRS_FEATURES)
		VIRTIO_NET_CONFIG_READ(&pci->dev, max_virtqueue_pairs, &pci->hw_pairs);
	/* With as many as there may be, no number is left for the control queue. */
	if (pci->hw_pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN ||
		pci->hw_pairs >= VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX) {
		VIRTIO_LOG(WARNING, "%s: the device says that it has %u queue pairs: one is used",
			pci->dev.name, pci->hw_pairs);
		pci->hw_pairs = 1;
		pci->dev.offered &= ~VIRTIO_NET_PAIRS_FEATURES;
	}
	pci->dev.max_pairs = RTE_MIN(pci->hw_pairs, VIRTIO_PAIRS_MAX);
}

static int
learn_sizes(struct virtio_pci *pci)
{
	for (uint16_t i = 0; i < 2; i++) {
		const uint16_t size = pci->regs->queue_size(pci, i);

		if (size < VIRTIO_QUEUE_SIZE_MIN || size > VIRTIO_QUEUE_SIZE_MAX) {
			VIRTIO_LOG(ERR, "%s: the device has a queue %u of %u entries",
				pci->dev.name, i, size);
			return -EIO;
		}
		pci->sizes[i] = size;
		pci->dev.queue_size = RTE_MAX(pci->dev.queue_size, size);
	}
	return 0;
}

static int
learn(struct virtio_pci *pci)
{
	struct virtio_device *dev = &pci->dev;
	int ret = reset(pci);

	if (ret < 0)
		return ret;
	add_status(pci, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(pci, VIRTIO_CONFIG_S_DRIVER);
	pci->device_features = pci->regs->features(pci);
	if ((pci->device_features & LAYOUT_FEATURES) == 0) {
		VIRTIO_LOG(ERR,
			"%s: the device has neither VERSION_1 nor ANY_LAYOUT, and older ones are "
			"not supported",
			dev->name);
		return -ENOTSUP;
	}
	dev->offered = virtio_net_control_features(pci->device_features & PCI_FEATURES);
	/* A device behind an IOMMU that is not told of it does not work. */
	dev->required = dev->offered & (VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM));
	learn_pairs(pci);
	virtio_net_config_learn(dev, pci->device_features);
	ret = learn_sizes(pci);
	return ret < 0 ? ret : reset(pci);
}

static int
pci_reset(struct virtio_device *dev)
{
	const struct rte_ether_addr mac = dev->mac;
	const int ret = learn(virtio_pci_of(dev));

	/* The application may have chosen another one than the device's. */
	dev->mac = mac;
	return ret;
}

#define PCI_TRANSPORT(text, doorbell) \
	{ \
		.name = text, .start = pci_start, .stop = pci_stop, .close = pci_close, \
		.reset = pci_reset, .read_config = pci_read_config, \
		.queue_limit = pci_queue_limit, .queue_setup = pci_queue_setup, \
		.queue_release = pci_queue_release, .queue_enable = pci_queue_enable, \
		.control = pci_control, .set_mtu = pci_set_mtu, .set_mac = pci_set_mac, \
		.is_removed = pci_is_removed, .has_link = virtio_pci_has_link, \
		.link_update = pci_link_update, .notify = doorbell, \
		.queue_failed = pci_queue_failed, \
	}

static const struct virtio_transport_ops modern_ops = PCI_TRANSPORT("modern PCI",
	virtio_pci_modern_notify);
static const struct virtio_transport_ops legacy_ops = PCI_TRANSPORT("legacy PCI",
	virtio_pci_legacy_notify);

int
virtio_pci_create(struct virtio_pci *pci)
{
	struct virtio_device *dev = &pci->dev;
	int ret;

	dev->speed_given = dev->speed != RTE_ETH_SPEED_NUM_UNKNOWN;
	dev->by_iova = true;
	dev->bus_interrupts = true;
	dev->transport = &modern_ops;
	pthread_mutex_init(&pci->control.lock, NULL);
	pthread_mutex_init(&dev->lock, NULL);
	ret = virtio_pci_modern_open(pci);
	if (ret == -ENOENT) {
		dev->transport = &legacy_ops;
		ret = virtio_pci_legacy_open(pci);
	}
	virtio_pci_look_for_msix(pci);
	if (ret == 0)
		ret = learn(pci);
	if (ret < 0) {
		/* It may have found out that the device is gone. */
		cancel_news_of_removal(pci);
		virtio_pci_legacy_close(pci);
		destroy_locks(pci);
		return ret;
	}
	VIRTIO_LOG(INFO, "%s: %s, %u queue pairs, features %#" PRIx64 " of its %#" PRIx64,
		dev->name, dev->transport->name, pci->hw_pairs, dev->offered, pci->device_features);
	return 0;
}
