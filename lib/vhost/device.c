/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_dev.h>

#include "aside.h"
#include "device.h"
#include "device_queue.h"
#include "memory.h"
#include "postcopy.h"
#include "state_transfer.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_user_wire.h"

RTE_LOG_REGISTER_SUFFIX(vhost_config_logtype, config, INFO);

#define FEATURE(bit) (UINT64_C(1) << (bit))

struct vhost_device vhost_devices[RTE_MAX_VHOST_DEVICE] = {
	[0 ... RTE_MAX_VHOST_DEVICE - 1] = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.answer_lock = PTHREAD_MUTEX_INITIALIZER,
	},
};

int
vhost_device_error(struct vhost_device *dev, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dev->error, sizeof(dev->error), fmt, ap);
	va_end(ap);
	return err;
}

static void
close_fd(int *fd)
{
	vhost_aside_close(*fd);
	*fd = -1;
}

/* --- What the facts say -------------------------------------------------------------------- */

/* Without protocol features there is no SET_VRING_ENABLE: rings are born enabled. */
static bool
queue_enabled(const struct vhost_device *dev, const struct vhost_queue *q)
{
	return q->enabled || !vhost_device_has_feature(dev, VHOST_USER_FEATURE_PROTOCOL);
}

/* The front end has said all about the ring that it takes to run it. */
static bool
queue_is_ready(const struct vhost_queue *q)
{
	return q->named && q->size != 0 && q->has_addr && q->has_kick;
}

/* Rings that must be ready before a device is of any use. */
static uint16_t
queues_needed(const struct vhost_device *dev)
{
	if (dev->vdpa != NULL)
		return dev->vdpa->type == RTE_VHOST_VDPA_DEVICE_TYPE_BLK ? 1 : 2;
	/* Of a device that is the application's own, nothing is known: all that were named. */
	return dev->builtin_net ? 2 : RTE_MAX(dev->nr_queues, 1);
}

static bool
driver_is_ready(const struct vhost_device *dev)
{
	return !vhost_device_has_protocol_feature(dev, VHOST_USER_PF_STATUS) ||
		(dev->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
}

static bool
rings_may_run(const struct vhost_device *dev)
{
	return !dev->closing && !dev->suspended && dev->has_features && dev->mem != NULL;
}

static bool
queue_may_be_used(const struct vhost_device *dev, const struct vhost_queue *q)
{
	return rings_may_run(dev) && queue_is_ready(q) && q->placed && !q->suspended;
}

static bool
queue_may_be_live(const struct vhost_device *dev, const struct vhost_queue *q)
{
	return queue_may_be_used(dev, q) && queue_enabled(dev, q);
}

/*
 * A device is engaged when its first rings are ready and enabled, and stays so while they are
 * ready: disabling a ring afterwards is a matter of that ring (a guest that uses fewer queues).
 */
static bool
is_engaged(const struct vhost_device *dev)
{
	if (!dev->has_features || dev->mem == NULL || !driver_is_ready(dev))
		return false;
	for (uint16_t i = 0; i < queues_needed(dev); i++) {
		const struct vhost_queue *q = dev->queues[i];

		if (q == NULL || !queue_is_ready(q) || !q->placed ||
			!(dev->engaged || queue_enabled(dev, q)))
			return false;
	}
	return true;
}

/* --- Transitions --------------------------------------------------------------------------- */

static void
tell_application(struct vhost_device *dev, const struct vhost_queue *q, int state)
{
	if (dev->ops.vring_state_changed != NULL)
		dev->ops.vring_state_changed(dev->vid, q->index, state);
}

void
vhost_device_tell_ring(struct vhost_device *dev, const struct vhost_queue *q, bool up)
{
	if (q->live)
		tell_application(dev, q, up);
}

static int
start_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	int ret;

	q->live = true;
	/* With a vDPA device, the ring is the device's. */
	if (dev->vdpa == NULL) {
		vhost_device_lock(dev);
		ret = vhost_queue_start(dev, q);
		vhost_device_unlock(dev);
	} else {
		ret = dev->vdpa->ops->set_vring_state(dev->vid, q->index, 1);
		if (ret != 0)
			ret = vhost_device_error(dev, -EIO,
				"vDPA driver cannot take up ring %u (%d)", q->index, ret);
	}
	if (ret != 0) {
		q->live = false;
		return ret;
	}
	VHOST_LOG(DEBUG, "%s: ring %u is up, %u entries", dev->name, q->index, q->size);
	tell_application(dev, q, 1);
	return 0;
}

static void
stop_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	q->live = false;
	VHOST_LOG(DEBUG, "%s: ring %u is down", dev->name, q->index);
	if (dev->vdpa != NULL) {
		int ret = dev->vdpa->ops->set_vring_state(dev->vid, q->index, 0);

		if (ret != 0)
			VHOST_LOG(ERR, "%s: vDPA driver cannot stop ring %u (%d)", dev->name,
				q->index, ret);
	}
	tell_application(dev, q, 0);
	vhost_device_lock(dev);
	vhost_queue_stop(q);
	if (!q->has_kick)
		vhost_queue_forget_inflight(dev, q);
	vhost_device_unlock(dev);
}

static void
set_running(struct vhost_device *dev, bool running)
{
	vhost_device_lock(dev);
	dev->running = running;
	vhost_device_unlock(dev);
}

static int
start_device(struct vhost_device *dev)
{
	int ret;

	set_running(dev, true);
	if (dev->vdpa != NULL) {
		ret = dev->vdpa->ops->dev_conf(dev->vid);
		if (ret != 0) {
			set_running(dev, false);
			return vhost_device_error(dev, -EIO,
				"vDPA driver cannot start the device (%d)", ret);
		}
	}
	if (dev->ops.new_device != NULL && dev->ops.new_device(dev->vid) < 0) {
		VHOST_LOG(WARNING, "%s: the application does not want the device", dev->name);
		dev->refused = true;
		if (dev->vdpa != NULL)
			dev->vdpa->ops->dev_close(dev->vid);
		set_running(dev, false);
		return 0;
	}
	VHOST_LOG(INFO, "%s: device runs, features 0x%" PRIx64, dev->name, dev->features);
	return 0;
}

static void
stop_device(struct vhost_device *dev)
{
	int ret;

	if (dev->ops.destroy_device != NULL)
		dev->ops.destroy_device(dev->vid);
	if (dev->vdpa != NULL) {
		ret = dev->vdpa->ops->dev_close(dev->vid);
		if (ret != 0)
			VHOST_LOG(ERR, "%s: vDPA driver cannot stop the device (%d)", dev->name,
				ret);
	}
	set_running(dev, false);
	VHOST_LOG(INFO, "%s: device stopped", dev->name);
}

/*
 * A ring that is ready lies in guest memory. But while regions are removed and added one by one,
 * memory may be missing that comes back with the next message: until then the ring waits.
 */
static int
place_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	int ret;

	if (!rings_may_run(dev) || !queue_is_ready(q) || q->placed)
		return 0;
	ret = vhost_queue_place(dev, q);
	if (ret != -EFAULT || (!dev->memory_shrank && !vhost_device_has_iommu(dev)))
		return ret;
	VHOST_LOG(DEBUG, "%s: %s now", dev->name, dev->error);
	return 0;
}

/* Visit the queues, until one fails. */
static int
each_queue(struct vhost_device *dev, int (*visit)(struct vhost_device *, struct vhost_queue *))
{
	int ret = 0;

	for (uint16_t i = 0; ret == 0 && i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL)
			ret = visit(dev, dev->queues[i]);
	return ret;
}

int
vhost_device_ready_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	int ret;

	if (dev->builtin_net || dev->vdpa != NULL)
		return 0;
	ret = place_queue(dev, q);
	if (ret != 0 || !queue_may_be_used(dev, q))
		return ret;
	vhost_device_lock(dev);
	ret = vhost_queue_find_base(dev, q);
	vhost_device_unlock(dev);
	return ret;
}

int
vhost_device_ready_queues(struct vhost_device *dev)
{
	return each_queue(dev, vhost_device_ready_queue);
}

/* An application that took a ring up which was never enabled has nobody else to tell that it may not. */
static void
let_go_of_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	vhost_device_lock(dev);
	vhost_queue_stop(q);
	vhost_device_unlock(dev);
}

int
vhost_device_update(struct vhost_device *dev)
{
	bool run;
	int ret;

	ret = each_queue(dev, place_queue);
	if (ret != 0)
		return ret;
	dev->engaged = is_engaged(dev);
	run = dev->engaged && rings_may_run(dev);
	if (!run) {
		dev->refused = false;
		if (dev->running)
			stop_device(dev);
	}
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q != NULL && q->live && !queue_may_be_live(dev, q))
			stop_queue(dev, q);
		else if (q != NULL && q->based && !queue_may_be_used(dev, q))
			let_go_of_queue(dev, q);
	}
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL || q->live || !queue_may_be_live(dev, q))
			continue;
		ret = start_queue(dev, q);
		if (ret != 0)
			return ret;
	}
	/* Callbacks above may have ended it. */
	run = run && !dev->closing;
	return run && !dev->running && !dev->refused ? start_device(dev) : 0;
}

void
vhost_device_suspend(struct vhost_device *dev)
{
	dev->suspended = true;
	vhost_device_update(dev);
}

void
vhost_device_resume(struct vhost_device *dev)
{
	vhost_device_lock(dev);
	dev->suspended = false;
	/* Memory or features changed: where rings lie has to be found out anew. */
	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL)
			dev->queues[i]->placed = false;
	vhost_device_unlock(dev);
}

int
vhost_device_remap(struct vhost_device *dev)
{
	struct vhost_iotlb_tables old = dev->tables;
	const int ret = vhost_iotlb_make_tables(&dev->iotlb, dev->mem, &dev->tables);

	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];
		struct vhost_vring_memory mem;
		bool waited;

		if (q == NULL || !q->vring.running)
			continue;
		mem = vhost_queue_memory(dev, q);
		waited = q->vring.broken == VHOST_VRING_WAITS;
		vhost_vring_set_tables(&q->vring, &mem);
		if (waited)
			vhost_queue_wake(q);
	}
	vhost_iotlb_free_tables(&old);
	return ret;
}

void
vhost_device_unmap(struct vhost_device *dev, uint64_t iova, uint64_t size)
{
	const uint64_t last = size == 0 || iova + (size - 1) < iova ? UINT64_MAX :
								      iova + (size - 1);
	bool any = false;

	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q != NULL && q->placed && vhost_queue_lies_within(dev, q, iova, last))
			any = q->suspended = true;
	}
	if (!any)
		return;
	vhost_device_update(dev);
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q != NULL && q->suspended)
			q->suspended = q->placed = false;
	}
}

/*
 * An application with a copy of the table has to let go of what is not in it any more; and it learns of
 * what is new by looking at messages itself, or else by being started again.
 */
static bool
copy_is_in_the_way(const struct vhost_device *dev, const struct rte_vhost_memory *mem)
{
	const bool hears = dev->extern_ops.pre_msg_handle != NULL ||
		dev->extern_ops.post_msg_handle != NULL;

	return dev->memory_lent && !(hears && vhost_memory_has_all(mem, dev->mem));
}

bool
vhost_device_change_memory(struct vhost_device *dev, struct rte_vhost_memory *mem)
{
	bool refused;

	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL || !q->placed || vhost_queue_lies_in(dev, q, mem))
			continue;
		/* Who drives rings itself asks where they lie when it is started. */
		if (!dev->builtin_net)
			return false;
		q->suspended = true;
	}
	vhost_device_update(dev);
	vhost_device_lock(dev);
	/* Under the lock, nobody borrows the table any more. */
	refused = copy_is_in_the_way(dev, mem);
	if (!refused)
		dev->mem = mem;
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL)
			continue;
		/* Behind an IOMMU they use its tables, which are to be made anew. */
		if (q->vring.running && !refused && !vhost_device_has_iommu(dev))
			vhost_vring_set_memory(&q->vring, mem);
		if (q->suspended)
			q->suspended = q->placed = false;
	}
	vhost_device_unlock(dev);
	return !refused;
}

void
vhost_device_end_postcopy(struct vhost_device *dev)
{
	struct vhost_postcopy *p = &dev->postcopy;

	vhost_postcopy_unwatch(p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		vhost_postcopy_unregister(p->fd, dev->mem);
	close_fd(&p->fd);
	vhost_memory_unmap_missing(p->mem, dev->mem);
	p->mem = NULL;
	p->listening = false;
}

void
vhost_device_suspend_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	q->suspended = true;
	vhost_device_update(dev);
}

void
vhost_device_set_logging(struct vhost_device *dev, uint64_t features)
{
	const bool changed = features != dev->features;

	vhost_device_lock(dev);
	dev->features = features;
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];
		bool waited;

		if (q == NULL || !q->placed)
			continue;
		if (!q->vring.running) {
			vhost_vring_set_features(&q->vring, features);
			continue;
		}
		vhost_vring_stop(&q->vring);
		waited = q->vring.broken == VHOST_VRING_WAITS;
		vhost_vring_set_features(&q->vring, features);
		vhost_vring_set_log(&q->vring,
			vhost_device_has_feature(dev, VHOST_F_LOG_ALL) ? &dev->log : NULL);
		vhost_queue_let_in(dev, q);
		/* It has forgotten what it waited for. */
		if (waited)
			vhost_queue_wake(q);
	}
	vhost_device_unlock(dev);

	if (!dev->running)
		return;
	if (dev->vdpa != NULL) {
		int ret = dev->vdpa->ops->set_features(dev->vid);

		if (ret != 0) {
			VHOST_LOG(WARNING,
				"%s: vDPA driver cannot change logging (%d): starting the device anew",
				dev->name, ret);
			/* So it has let go of a log that is replaced, and what it writes is logged. */
			vhost_device_suspend(dev);
			vhost_device_resume(dev);
			return;
		}
	}
	if (changed && dev->ops.features_changed != NULL)
		dev->ops.features_changed(dev->vid, features);
}

/* --- Birth, reset, death ------------------------------------------------------------------- */

/*
 * The ring is stopped. Where it stopped is not forgotten: QEMU 7.2 resets the device before it asks
 * for that, whenever it stops one, and who starts a ring says where.
 */
static void
reset_queue(struct vhost_queue *q)
{
	q->size = 0;
	q->has_addr = false;
	q->has_kick = false;
	q->enabled = false;
	q->suspended = false;
	q->placed = false;
	q->scattered = false;
	close_fd(&q->kickfd);
}

struct vhost_queue *
vhost_device_name_queue(struct vhost_device *dev, uint32_t index)
{
	struct vhost_queue *q = dev->queues[index];

	if (q != NULL && q->named)
		return q;
	if (q == NULL) {
		q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));
		if (q == NULL)
			return NULL;
		memset(q, 0, sizeof(*q));
		q->index = (uint16_t)index;
		q->kickfd = q->callfd = q->errfd = -1;
		vhost_vring_init(&q->vring, q->name);
	}
	snprintf(q->name, sizeof(q->name), "%s ring %u", dev->name, index);
	reset_queue(q);
	q->avail_base = q->used_base = 0;
	q->kicks = VHOST_KICKS_AS_IS;
	q->asked_ms = 0;
	memset(q->asked_ahead, 0, sizeof(q->asked_ahead));
	q->vring.miss.kind = VHOST_VRING_MISS_NONE;
	q->vring.mbuf_flags = dev->flags &
		(RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT |
			RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	q->vring.flags = dev->flags & RTE_VHOST_USER_NET_STATS_ENABLE ? VHOST_VRING_STATS : 0;
	if (dev->ops.guest_notify != NULL)
		q->vring.flags |= VHOST_VRING_CALLS_OWED;
	vhost_vring_claim(&q->vring);
	memset(&q->vring.stats, 0, sizeof(q->vring.stats));
	q->vring.unsettled = 0;
	vhost_vring_release(&q->vring);

	vhost_device_lock(dev);
	__atomic_store_n(&q->named, true, __ATOMIC_RELEASE);
	__atomic_store_n(&dev->queues[index], q, __ATOMIC_RELEASE);
	dev->nr_queues = RTE_MAX(dev->nr_queues, (uint16_t)(index + 1));
	vhost_device_unlock(dev);
	return q;
}

/* No ring runs. */
static void
forget_mappings(struct vhost_device *dev)
{
	vhost_iotlb_clear(&dev->iotlb);
	vhost_iotlb_free_tables(&dev->tables);
}

void
vhost_device_set_features(struct vhost_device *dev, uint64_t features)
{
	const uint64_t changed = features ^ dev->features;

	vhost_device_suspend(dev);
	vhost_device_lock(dev);
	dev->features = features;
	dev->has_features = true;
	vhost_device_unlock(dev);
	/* Its tables follow the memory only while there is an IOMMU. */
	if (changed & (UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM))
		forget_mappings(dev);
	vhost_device_resume(dev);
}

void
vhost_device_reset(struct vhost_device *dev)
{
	vhost_device_suspend(dev);
	vhost_device_lock(dev);
	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL) {
			vhost_queue_forget_inflight(dev, dev->queues[i]);
			reset_queue(dev->queues[i]);
		}
	dev->features = 0;
	dev->has_features = false;
	dev->status = 0;
	vhost_device_unlock(dev);
	forget_mappings(dev);
	vhost_device_resume(dev);
}

static struct vhost_device *
free_slot(void)
{
	for (int vid = 0; vid < RTE_MAX_VHOST_DEVICE; vid++) {
		struct vhost_device *dev = &vhost_devices[vid];

		if (!dev->used) {
			dev->vid = vid;
			return dev;
		}
	}
	return NULL;
}

static void
set_config(struct vhost_device *dev, const struct vhost_device_config *config)
{
	snprintf(dev->path, sizeof(dev->path), "%s", config->path);
	snprintf(dev->name, sizeof(dev->name), "%s (vid %d)", config->path, dev->vid);
	dev->flags = config->flags;
	dev->offered_features = config->features;
	dev->offered_protocol_features = config->protocol_features;
	dev->queue_num = config->queue_num;
	dev->builtin_net = config->builtin_net;
	dev->ops = config->ops;
	dev->vdpa = config->vdpa;
	dev->max_queues = config->queue_num;
	/* Pairs, but for devices that are known to be no network device. */
	if (dev->vdpa == NULL || dev->vdpa->type == RTE_VHOST_VDPA_DEVICE_TYPE_NET)
		dev->max_queues *= 2;
	dev->max_queues = RTE_MIN(dev->max_queues, (uint32_t)VHOST_QUEUES_MAX);
}

/* What the last connection of this number left, that its end had no need to undo. */
static void
clear_facts(struct vhost_device *dev)
{
	dev->features = 0;
	dev->protocol_features = 0;
	dev->has_features = false;
	dev->status = 0;
	dev->mtu = 0;
	dev->mem_repeats = 0;
	dev->memory_shrank = false;
	dev->memory_lent = false;
	dev->nr_queues = 0;
	dev->inflight = (struct vhost_inflight_region){ 0 };
	dev->miss_fd = -1;
	dev->postcopy = (struct vhost_postcopy){ .fd = -1 };
	dev->transfer = NULL;
	dev->go_on = NULL;
	dev->backend_fd = -1;
	dev->aside = NULL;
	dev->suspended = dev->closing = dev->cleaned_up = false;
	dev->engaged = dev->running = dev->refused = false;
	dev->extern_ops = (struct rte_vhost_user_extern_ops){ 0 };
	memset(&dev->messages, 0, sizeof(dev->messages));
}

struct vhost_device *
vhost_device_create(const struct vhost_device_config *config)
{
	struct vhost_device *dev = free_slot();

	if (dev == NULL) {
		VHOST_LOG(ERR, "%s: connection refused: all %d device numbers are in use",
			config->path, RTE_MAX_VHOST_DEVICE);
		return NULL;
	}
	set_config(dev, config);
	clear_facts(dev);
	__atomic_store_n(&dev->used, true, __ATOMIC_RELEASE);
	return dev;
}

int
vhost_device_announce(struct vhost_device *dev)
{
	VHOST_LOG(INFO, "%s: front end connected%s%s", dev->name,
		dev->vdpa != NULL ? ", served by vDPA device " : "",
		dev->vdpa != NULL ? rte_dev_name(dev->vdpa->device) : "");
	if (dev->ops.new_connection == NULL || dev->ops.new_connection(dev->vid) >= 0)
		return 0;
	VHOST_LOG(WARNING, "%s: the application refused the connection", dev->name);
	dev->ops = (struct rte_vhost_device_ops){ 0 };
	return -ECONNREFUSED;
}

void
vhost_device_lose_vdpa(struct vhost_device *dev)
{
	struct rte_vdpa_device *vdpa = dev->vdpa;

	dev->closing = true;
	if (dev->running)
		vdpa->ops->dev_close(dev->vid);
	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL && dev->queues[i]->live)
			vdpa->ops->set_vring_state(dev->vid, i, 0);
	if (!dev->cleaned_up)
		VDPA_OP(vdpa, dev_cleanup, dev->vid);
	vhost_device_lock(dev);
	dev->vdpa = NULL;
	vhost_device_unlock(dev);
}

void
vhost_device_destroy(struct vhost_device *dev)
{
	struct rte_vhost_memory *mem = dev->mem;

	/* Nobody brings what is missing now: whoever waits for it is not to be waited for. */
	vhost_device_end_postcopy(dev);
	vhost_transfer_drop(dev->transfer);
	dev->transfer = NULL;
	dev->closing = true;
	vhost_device_update(dev);
	if (dev->vdpa != NULL)
		VDPA_OP(dev->vdpa, dev_cleanup, dev->vid);
	dev->cleaned_up = true;
	if (dev->ops.destroy_connection != NULL)
		dev->ops.destroy_connection(dev->vid);

	/* Nobody finds the device any more; who has found it already waits for the lock. */
	vhost_device_lock(dev);
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL || !q->named)
			continue;
		reset_queue(q);
		vhost_vring_set_callfd(&q->vring, -1);
		vhost_vring_set_errfd(&q->vring, -1);
		close_fd(&q->callfd);
		close_fd(&q->errfd);
		q->named = false;
	}
	dev->nr_queues = 0;
	dev->mem = NULL;
	vhost_memory_unmap_missing(mem, NULL);
	forget_mappings(dev);
	vhost_memory_unmap(dev->log_map, dev->log_map_size);
	dev->log_map = NULL;
	vhost_memory_unmap(dev->inflight.map.addr, dev->inflight.map.len);
	dev->inflight = (struct vhost_inflight_region){ 0 };
	dev->log = (struct vhost_dirty_log){ 0 };
	close_fd(&dev->backend_fd);
	dev->aside = NULL;
	dev->vdpa = NULL;
	__atomic_store_n(&dev->used, false, __ATOMIC_RELEASE);
	vhost_device_unlock(dev);
	VHOST_LOG(INFO, "%s: front end is gone", dev->name);
}
