/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <rte_dev.h>

#include "device.h"
#include "memory.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_user_wire.h"

RTE_LOG_REGISTER_SUFFIX(vhost_config_logtype, config, INFO);

#define FEATURE(bit) (UINT64_C(1) << (bit))

/* Where a packed ring begins: at its first entry, in round 1. */
#define PACKED_BASE (1u << 15)

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
queue_may_be_live(const struct vhost_device *dev, const struct vhost_queue *q)
{
	return rings_may_run(dev) && queue_is_ready(q) && q->placed && queue_enabled(dev, q) &&
		!q->suspended;
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

/* Translate the addresses of a ring that is ready, so that they can be asked for. */
static int
place_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_vring_layout layout = { .size = q->size, .log_gpa = q->addr.log_guest_addr };
	uint64_t desc, driver, device;
	int ret;

	vhost_vring_area_sizes(dev->features, q->size, &desc, &driver, &device);
	layout.desc = vhost_memory_from_fe_va(dev->mem, q->addr.desc_user_addr, desc);
	layout.driver = vhost_memory_from_fe_va(dev->mem, q->addr.avail_user_addr, driver);
	layout.device = vhost_memory_from_fe_va(dev->mem, q->addr.used_user_addr, device);
	if (layout.desc == NULL || layout.driver == NULL || layout.device == NULL)
		return vhost_device_error(dev, -EFAULT,
			"ring %u of %u entries does not lie in guest memory", q->index, q->size);

	vhost_device_lock(dev);
	vhost_vring_set_features(&q->vring, dev->features);
	ret = vhost_vring_set_layout(&q->vring, &layout);
	q->placed = ret == 0;
	vhost_device_unlock(dev);
	if (ret != 0)
		return vhost_device_error(dev, ret,
			"ring %u has %u entries or addresses that no ring may have", q->index,
			q->size);
	return 0;
}

/*
 * A split ring says itself how far the device came. Where that is not what the front end says
 * (a back end before us died), the driver's view counts: entries from there on are not used yet.
 */
static void
check_split_base(struct vhost_device *dev, struct vhost_queue *q)
{
	uint16_t used;

	if (vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED))
		return;
	used = __atomic_load_n(&q->vring.used->idx, __ATOMIC_ACQUIRE);
	if (used == q->used_base && used == q->avail_base)
		return;
	VHOST_LOG(WARNING,
		"%s: ring %u: front end says to go on at %u, the ring at %u: going on at %u",
		dev->name, q->index, q->avail_base, used, used);
	q->avail_base = q->used_base = used;
}

/* The part of the in-flight region that belongs to a ring; NULL if there is none. */
static void *
inflight_part(const struct vhost_device *dev, const struct vhost_queue *q, uint16_t size)
{
	const struct vhost_inflight_region *region = &dev->inflight;
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);
	const uint64_t part = vhost_inflight_size(packed, region->queue_size);

	if (region->map.addr == NULL || q->index >= region->queues || size > region->queue_size ||
		(q->index + 1) * part > region->size)
		return NULL;
	return region->map.at + q->index * part;
}

/* Find out where a back end before us left the ring, and what it left to be done. */
static int
recover_queue(struct vhost_device *dev, struct vhost_queue *q, struct vhost_inflight *fl)
{
	uint16_t base = q->used_base;
	int ret;

	if (!vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED)) {
		ret = vhost_inflight_recover_split(fl, q->used_base);
		/* The library's data path takes again what it did not give back. */
		if (ret == 0 && !dev->builtin_net)
			q->avail_base = q->used_base + fl->resubmit.resubmit_num;
		return ret;
	}
	ret = dev->builtin_net ? vhost_inflight_rewind_packed(fl, q->vring.packed_desc, &base) :
				 vhost_inflight_recover_packed(fl, q->vring.packed_desc, &base);
	if (ret != 0)
		return ret;
	if (base != q->used_base)
		VHOST_LOG(WARNING,
			"%s: ring %u: front end says to go on at %u, the in-flight region at %u: "
			"going on at %u",
			dev->name, q->index, q->used_base & 0x7fff, base & 0x7fff, base & 0x7fff);
	q->avail_base = q->used_base = base;
	return 0;
}

/* From here on, what the ring has in flight is tracked, if there is a region for that. */
static int
track_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_inflight fl = { .size = q->size };
	int ret;

	if (dev->inflight.map.addr == NULL || q->index >= dev->inflight.queues)
		return 0;
	fl.region = inflight_part(dev, q, q->size);
	if (fl.region == NULL)
		return vhost_device_error(dev, -EINVAL,
			"ring %u has %u entries, the in-flight region has room for %u", q->index,
			q->size, dev->inflight.queue_size);
	ret = recover_queue(dev, q, &fl);
	if (ret != 0) {
		vhost_inflight_fini(&fl);
		return vhost_device_error(dev, ret, "ring %u: the in-flight region %s", q->index,
			ret == -ENOMEM ? "takes more memory than there is" :
					 "is damaged, or of an unknown version");
	}
	if (fl.resubmit.resubmit_num > 0)
		VHOST_LOG(INFO, "%s: ring %u: %u buffers were left in flight", dev->name, q->index,
			fl.resubmit.resubmit_num);
	vhost_vring_claim(&q->vring);
	q->inflight = fl;
	vhost_vring_release(&q->vring);
	return 0;
}

static void
untrack_queue(struct vhost_queue *q)
{
	struct vhost_inflight fl;

	vhost_vring_claim(&q->vring);
	fl = q->inflight;
	q->inflight = (struct vhost_inflight){ 0 };
	vhost_vring_set_inflight(&q->vring, NULL);
	vhost_vring_release(&q->vring);
	vhost_inflight_fini(&fl);
}

/*
 * The front end knows where the ring stopped, or that it begins anew: what the region says is of the
 * past. An application knows its own.
 */
static void
forget_inflight(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_inflight fl = { .region = inflight_part(dev, q, 0) };

	if (dev->builtin_net)
		vhost_inflight_forget(&fl);
}

/* A back end before us may have died between giving something back and telling of it. */
static void
call_for_the_dead(struct vhost_device *dev, struct vhost_queue *q)
{
	const bool packed = vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);

	if (q->callfd >= 0 && q->used_base != (packed ? PACKED_BASE : 0))
		eventfd_write(q->callfd, 1);
}

/* Let the data path at a ring that is placed. */
static int
start_vring(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_vring *vr = &q->vring;
	int ret;

	check_split_base(dev, q);
	ret = track_queue(dev, q);
	if (ret != 0)
		return ret;
	if (dev->builtin_net && vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED))
		vhost_vring_set_inflight(vr, q->inflight.packed);
	if (vhost_vring_set_base(vr, q->avail_base, q->used_base) != 0)
		return vhost_device_error(dev, -EINVAL, "ring %u of %u entries cannot start at %u",
			q->index, q->size, q->avail_base & 0x7fff);
	vhost_vring_set_callfd(vr, q->callfd);
	vhost_vring_set_log(vr, vhost_device_has_feature(dev, VHOST_F_LOG_ALL) ? &dev->log : NULL);
	vhost_vring_start(vr, dev->mem);
	call_for_the_dead(dev, q);
	if (q->kicks != VHOST_KICKS_AS_IS) {
		vhost_vring_claim(vr);
		vhost_vring_enable_kicks(vr, q->kicks == VHOST_KICKS_ON);
		vhost_vring_release(vr);
	}
	return 0;
}

static void
stop_vring(struct vhost_queue *q)
{
	if (!q->vring.running)
		return;
	vhost_vring_stop(&q->vring);
	vhost_vring_get_base(&q->vring, &q->avail_base, &q->used_base);
	untrack_queue(q);
}

static void
tell_application(struct vhost_device *dev, const struct vhost_queue *q, int state)
{
	if (dev->ops.vring_state_changed != NULL)
		dev->ops.vring_state_changed(dev->vid, q->index, state);
}

static int
start_queue(struct vhost_device *dev, struct vhost_queue *q)
{
	int ret;

	q->live = true;
	/* With a vDPA device, the ring is the device's. */
	if (dev->vdpa == NULL) {
		vhost_device_lock(dev);
		ret = start_vring(dev, q);
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
	stop_vring(q);
	if (!q->has_kick)
		forget_inflight(dev, q);
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
place_queues(struct vhost_device *dev)
{
	if (!rings_may_run(dev))
		return 0;
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];
		int ret;

		if (q == NULL || !queue_is_ready(q) || q->placed)
			continue;
		ret = place_queue(dev, q);
		if (ret == -EFAULT && dev->memory_shrank)
			VHOST_LOG(DEBUG, "%s: %s now", dev->name, dev->error);
		else if (ret != 0)
			return ret;
	}
	return 0;
}

int
vhost_device_update(struct vhost_device *dev)
{
	bool run;
	int ret;

	ret = place_queues(dev);
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
	}
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL || q->live || !queue_may_be_live(dev, q))
			continue;
		ret = start_queue(dev, q);
		if (ret != 0)
			return ret;
	}
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

		if (q == NULL || !q->placed)
			continue;
		if (!q->vring.running) {
			vhost_vring_set_features(&q->vring, features);
			continue;
		}
		vhost_vring_stop(&q->vring);
		vhost_vring_set_features(&q->vring, features);
		vhost_vring_set_log(&q->vring,
			vhost_device_has_feature(dev, VHOST_F_LOG_ALL) ? &dev->log : NULL);
		vhost_vring_start(&q->vring, dev->mem);
	}
	vhost_device_unlock(dev);

	if (!dev->running)
		return;
	if (dev->vdpa != NULL) {
		int ret = dev->vdpa->ops->set_features(dev->vid);

		if (ret != 0)
			VHOST_LOG(ERR, "%s: vDPA driver cannot change logging (%d)", dev->name,
				ret);
	}
	if (changed && dev->ops.features_changed != NULL)
		dev->ops.features_changed(dev->vid, features);
}

/* --- Birth, reset, death ------------------------------------------------------------------- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The ring is stopped. */
static void
reset_queue(struct vhost_queue *q)
{
	q->size = 0;
	q->has_addr = false;
	q->has_kick = false;
	q->enabled = false;
	q->suspended = false;
	q->placed = false;
	q->avail_base = q->used_base = 0;
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
	q->kicks = VHOST_KICKS_AS_IS;
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

void
vhost_device_reset(struct vhost_device *dev)
{
	vhost_device_suspend(dev);
	vhost_device_lock(dev);
	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL) {
			forget_inflight(dev, dev->queues[i]);
			reset_queue(dev->queues[i]);
		}
	dev->features = 0;
	dev->has_features = false;
	dev->status = 0;
	vhost_device_unlock(dev);
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

struct vhost_device *
vhost_device_create(const struct vhost_device_config *config)
{
	struct vhost_device *dev = free_slot();

	if (dev == NULL) {
		VHOST_LOG(ERR, "%s: connection refused: all %d device numbers are in use",
			config->path, RTE_MAX_VHOST_DEVICE);
		return NULL;
	}
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

	dev->features = 0;
	dev->protocol_features = 0;
	dev->has_features = false;
	dev->status = 0;
	dev->mtu = 0;
	dev->mem_repeats = 0;
	dev->memory_shrank = false;
	dev->nr_queues = 0;
	dev->inflight = (struct vhost_inflight_region){ 0 };
	dev->backend_fd = -1;
	dev->suspended = dev->closing = false;
	dev->engaged = dev->running = dev->refused = false;
	dev->extern_ops = (struct rte_vhost_user_extern_ops){ 0 };
	memset(&dev->messages, 0, sizeof(dev->messages));
	__atomic_store_n(&dev->used, true, __ATOMIC_RELEASE);

	VHOST_LOG(INFO, "%s: front end connected%s%s", dev->name,
		dev->vdpa != NULL ? ", served by vDPA device " : "",
		dev->vdpa != NULL ? rte_dev_name(dev->vdpa->device) : "");
	if (dev->ops.new_connection != NULL && dev->ops.new_connection(dev->vid) < 0) {
		VHOST_LOG(WARNING, "%s: the application refused the connection", dev->name);
		__atomic_store_n(&dev->used, false, __ATOMIC_RELEASE);
		return NULL;
	}
	return dev;
}

void
vhost_device_destroy(struct vhost_device *dev)
{
	struct rte_vhost_memory *mem = dev->mem;

	dev->closing = true;
	vhost_device_update(dev);
	if (dev->vdpa != NULL)
		VDPA_OP(dev->vdpa, dev_cleanup, dev->vid);
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
		close_fd(&q->callfd);
		close_fd(&q->errfd);
		q->named = false;
	}
	dev->nr_queues = 0;
	dev->mem = NULL;
	vhost_memory_unmap_missing(mem, NULL);
	vhost_memory_unmap(dev->log_map, dev->log_map_size);
	dev->log_map = NULL;
	vhost_memory_unmap(dev->inflight.map.addr, dev->inflight.map.len);
	dev->inflight = (struct vhost_inflight_region){ 0 };
	dev->log = (struct vhost_dirty_log){ 0 };
	close_fd(&dev->backend_fd);
	dev->vdpa = NULL;
	__atomic_store_n(&dev->used, false, __ATOMIC_RELEASE);
	vhost_device_unlock(dev);
	VHOST_LOG(INFO, "%s: front end is gone", dev->name);
}
