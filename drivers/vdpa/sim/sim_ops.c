/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "sim.h"
#include "sim_log.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

/* What a ring may look like is the ring code's to say; the rest is the device's configuration. */
#define SIM_FEATURES \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ANY_LAYOUT) | \
		FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) | \
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
		FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_MAC) | \
		FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_STATUS) | \
		FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | FEATURE(VHOST_F_LOG_ALL) | \
		FEATURE(VHOST_USER_F_PROTOCOL_FEATURES))

#define SIM_PROTOCOL_FEATURES \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
		FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
		FEATURE(VHOST_USER_PROTOCOL_F_NET_MTU) | \
		FEATURE(VHOST_USER_PROTOCOL_F_SLAVE_REQ) | \
		FEATURE(VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD) | \
		FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) | FEATURE(VHOST_USER_PROTOCOL_F_STATUS))

static struct sim *
sim_of_vid(int vid)
{
	struct rte_vdpa_device *vdpa = rte_vhost_get_vdpa_device(vid);

	return vdpa != NULL ? sim_find(vdpa) : NULL;
}

static bool
told_to_fail(const struct sim *sim, enum sim_fail op, const char *name)
{
	if ((sim->devargs.fail & UINT32_C(1) << op) == 0)
		return false;
	SIM_LOG(NOTICE, "%s: %s() fails, as 'fail=%s' told it to", sim->name, name, name);
	return true;
}

/** Begin an operation: find the device, and fail if that is wanted. */
#define SIM_OF_VID_OR_RETURN(sim, vid, op) \
	do { \
		(sim) = sim_of_vid(vid); \
		if ((sim) == NULL) \
			return -ENODEV; \
		if (told_to_fail(sim, SIM_FAIL_##op, #op)) \
			return -EIO; \
	} while (0)

#define SIM_OF_VDPA_OR_RETURN(sim, vdpa, op) \
	do { \
		(sim) = sim_find(vdpa); \
		if ((sim) == NULL) \
			return -ENODEV; \
		if (told_to_fail(sim, SIM_FAIL_##op, #op)) \
			return -EIO; \
	} while (0)

static int
get_queue_num(struct rte_vdpa_device *vdpa, uint32_t *queue_num)
{
	struct sim *sim;

	SIM_OF_VDPA_OR_RETURN(sim, vdpa, get_queue_num);
	*queue_num = sim->devargs.pairs;
	return 0;
}

static int
get_features(struct rte_vdpa_device *vdpa, uint64_t *features)
{
	struct sim *sim;

	SIM_OF_VDPA_OR_RETURN(sim, vdpa, get_features);
	*features = SIM_FEATURES;
	if (sim->devargs.pairs > 1)
		*features |= FEATURE(VIRTIO_NET_F_MQ);
	return 0;
}

static int
get_protocol_features(struct rte_vdpa_device *vdpa, uint64_t *features)
{
	struct sim *sim;

	SIM_OF_VDPA_OR_RETURN(sim, vdpa, get_protocol_features);
	*features = SIM_PROTOCOL_FEATURES;
	if (sim->devargs.doorbells)
		*features |= FEATURE(VHOST_USER_PROTOCOL_F_HOST_NOTIFIER);
	return 0;
}

static int
get_dev_type(struct rte_vdpa_device *vdpa, uint32_t *type)
{
	(void)vdpa;
	*type = RTE_VHOST_VDPA_DEVICE_TYPE_NET;
	return 0;
}

/** Start a ring as the library describes it now. Frozen. */
static int
start_ring(struct sim *sim, uint16_t qid)
{
	struct rte_vhost_vring vring;
	struct sim_hw_ring ring;

	if (rte_vhost_get_vhost_vring(sim->vid, qid, &vring) != 0 ||
		rte_vhost_get_vring_base(sim->vid, qid, &ring.avail, &ring.used) != 0) {
		SIM_LOG(ERR, "%s: vid %d has no queue %u", sim->name, sim->vid, qid);
		return -EINVAL;
	}
	ring.layout = (struct vhost_vring_layout){
		.desc = vring.desc,
		.driver = vring.avail,
		.device = vring.used,
		.log_gpa = vring.log_guest_addr,
		.size = vring.size,
	};
	ring.kickfd = vring.kickfd;
	ring.callfd = vring.callfd;
	return sim_hw_ring_start(sim->hw, qid, &ring);
}

/** Stop a ring if it runs, and tell the library where it would go on. Frozen. */
static void
stop_ring(struct sim *sim, uint16_t qid)
{
	uint16_t avail, used;

	if (sim_hw_ring_stop(sim->hw, qid, &avail, &used))
		rte_vhost_set_vring_base(sim->vid, qid, avail, used);
}

static void
stop_rings(struct sim *sim)
{
	for (uint16_t qid = 0; qid < 2 * sim->devargs.pairs; qid++)
		stop_ring(sim, qid);
}

static int
start_ready_rings(struct sim *sim)
{
	const uint16_t rings = RTE_MIN(2 * sim->devargs.pairs, rte_vhost_get_vring_num(sim->vid));
	int ret = 0;

	for (uint16_t qid = 0; ret == 0 && qid < rings; qid++) {
		if (sim->ready[qid])
			ret = start_ring(sim, qid);
	}
	return ret;
}

/** Log writes, or stop doing so, as @a features say. Frozen. */
static int
update_log(struct sim *sim, uint64_t features)
{
	struct vhost_dirty_log log;
	uint64_t base;

	if (!RTE_VHOST_NEED_LOG(features)) {
		sim_hw_set_log(sim->hw, NULL);
		return 0;
	}
	if (rte_vhost_get_log_base(sim->vid, &base, &log.size) != 0 || base == 0) {
		SIM_LOG(ERR, "%s: vid %d wants its memory logged but has no log", sim->name,
			sim->vid);
		return -EINVAL;
	}
	log.base = (uint8_t *)(uintptr_t)base;
	sim_hw_set_log(sim->hw, &log);
	return 0;
}

/** Does what the front end asked for fit the device that was made? */
static int
check_mtu(const struct sim *sim)
{
	uint16_t mtu;

	if (rte_vhost_get_mtu(sim->vid, &mtu) == 0 && mtu > sim->devargs.mtu) {
		SIM_LOG(ERR, "%s: vid %d wants an MTU of %u: make the device with 'mtu=%u'",
			sim->name, sim->vid, mtu, mtu);
		return -EINVAL;
	}
	return 0;
}

static int
start_port(struct sim *sim)
{
	if (sim->port.name == NULL)
		return 0;
	return sim_port_start(&sim->port, sim->devargs.pairs, sim->devargs.mtu,
		sim_hw_pool(sim->hw));
}

/** Everything that happens while the device stands still. */
static int
configure_frozen(struct sim *sim, uint64_t features)
{
	int ret = start_port(sim);

	if (ret == 0 && sim->port.name != NULL)
		ret = sim_hw_connect(sim->hw, &sim->port);
	if (ret != 0)
		return ret;
	sim_hw_set_guest(sim->hw, features, sim->mem);
	ret = update_log(sim, features);
	if (ret == 0)
		ret = start_ready_rings(sim);
	if (ret != 0) {
		stop_rings(sim);
		sim_hw_reset(sim->hw);
	}
	return ret;
}

static bool
any_ring_is_ready(const struct sim *sim)
{
	for (uint16_t qid = 0; qid < 2 * sim->devargs.pairs; qid++) {
		if (sim->ready[qid])
			return true;
	}
	return false;
}

/** A connection that comes while the device serves another one, or is about to, is refused. */
static int
adopt_vid(struct sim *sim, int vid)
{
	if (sim->vid == vid)
		return 0;
	if (sim->configured || any_ring_is_ready(sim)) {
		SIM_LOG(ERR, "%s: vid %d must wait: the device serves vid %d", sim->name, vid,
			sim->vid);
		return -EBUSY;
	}
	sim->vid = vid;
	return 0;
}

static int
dev_conf(int vid)
{
	struct sim *sim;
	uint64_t features;
	int ret;

	SIM_OF_VID_OR_RETURN(sim, vid, dev_conf);
	ret = adopt_vid(sim, vid);
	if (ret == 0)
		ret = sim->configured ? -EALREADY : check_mtu(sim);
	if (ret != 0)
		return ret;
	if (rte_vhost_get_negotiated_features(vid, &features) != 0 ||
		rte_vhost_get_mem_table(vid, &sim->mem) != 0) {
		SIM_LOG(ERR, "%s: vid %d tells neither features nor memory", sim->name, vid);
		return -EINVAL;
	}

	sim_hw_freeze(sim->hw);
	ret = configure_frozen(sim, features);
	sim_hw_thaw(sim->hw);
	if (ret != 0) {
		free(sim->mem);
		sim->mem = NULL;
		return ret;
	}
	sim->configured = true;
	if (sim->devargs.doorbells &&
		rte_vhost_host_notifier_ctrl(vid, RTE_VHOST_QUEUE_ALL, true) != 0)
		SIM_LOG(NOTICE,
			"%s: the front end of vid %d takes no doorbell pages, and will kick",
			sim->name, vid);
	SIM_LOG(INFO, "%s: serves vid %d, features 0x%" PRIx64, sim->name, vid, features);
	return 0;
}

static int
dev_close(int vid)
{
	struct sim *sim = sim_of_vid(vid);

	if (sim == NULL)
		return -ENODEV;
	if (sim->vid != vid || !sim->configured)
		return 0;
	if (sim->devargs.doorbells)
		rte_vhost_host_notifier_ctrl(vid, RTE_VHOST_QUEUE_ALL, false);
	sim_hw_freeze(sim->hw);
	stop_rings(sim);
	sim_hw_reset(sim->hw);
	sim_hw_thaw(sim->hw);
	free(sim->mem);
	sim->mem = NULL;
	sim->configured = false;
	SIM_LOG(INFO, "%s: serves vid %d no more", sim->name, vid);
	/* A device that fails to stop has stopped nevertheless: guest memory is going away. */
	return told_to_fail(sim, SIM_FAIL_dev_close, "dev_close") ? -EIO : 0;
}

static int
dev_cleanup(int vid)
{
	struct sim *sim = sim_of_vid(vid);

	if (sim == NULL)
		return -ENODEV;
	if (sim->vid == vid && !sim->configured) {
		sim->vid = -1;
		memset(sim->ready, 0, sizeof(sim->ready));
	}
	return 0;
}

static int
set_vring_state(int vid, int vring, int state)
{
	struct sim *sim;
	int ret;

	SIM_OF_VID_OR_RETURN(sim, vid, set_vring_state);
	if (vring < 0 || vring >= 2 * sim->devargs.pairs) {
		SIM_LOG(ERR, "%s: vid %d has a queue %d, the device has %u queue pairs", sim->name,
			vid, vring, sim->devargs.pairs);
		return -EINVAL;
	}
	ret = adopt_vid(sim, vid);
	if (ret != 0)
		return ret;
	sim->ready[vring] = state != 0;
	if (!sim->configured)
		return 0;

	sim_hw_freeze(sim->hw);
	stop_ring(sim, vring);
	if (state != 0)
		ret = start_ring(sim, vring);
	sim_hw_thaw(sim->hw);
	return ret;
}

static int
set_features(int vid)
{
	struct sim *sim;
	uint64_t features;
	int ret;

	SIM_OF_VID_OR_RETURN(sim, vid, set_features);
	if (sim->vid != vid || !sim->configured)
		return 0;
	if (rte_vhost_get_negotiated_features(vid, &features) != 0)
		return -EINVAL;
	sim_hw_freeze(sim->hw);
	ret = update_log(sim, features);
	sim_hw_thaw(sim->hw);
	return ret;
}

static int
get_vfio_device_fd(int vid)
{
	struct sim *sim = sim_of_vid(vid);
	struct sim_hw_doorbell doorbell;

	if (sim == NULL || sim_hw_doorbell(sim->hw, 0, &doorbell) != 0)
		return -1;
	return doorbell.fd;
}

static int
get_notify_area(int vid, int qid, uint64_t *offset, uint64_t *size)
{
	struct sim *sim = sim_of_vid(vid);
	struct sim_hw_doorbell doorbell;
	int ret;

	if (sim == NULL)
		return -ENODEV;
	if (qid < 0 || qid > UINT16_MAX)
		return -EINVAL;
	ret = sim_hw_doorbell(sim->hw, qid, &doorbell);
	if (ret == 0) {
		*offset = doorbell.offset;
		*size = doorbell.size;
	}
	return ret;
}

static int
get_config(int vid, uint8_t *config, uint32_t size)
{
	struct virtio_net_config net = { 0 };
	struct sim *sim;

	SIM_OF_VID_OR_RETURN(sim, vid, get_config);
	memcpy(net.mac, sim->devargs.mac.addr_bytes, sizeof(net.mac));
	if (sim->port.name == NULL || sim_port_link_up(&sim->port))
		net.status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP);
	net.max_virtqueue_pairs = rte_cpu_to_le_16(sim->devargs.pairs);
	net.mtu = rte_cpu_to_le_16(sim->devargs.mtu);
	memset(config, 0, size);
	memcpy(config, &net, RTE_MIN(size, sizeof(net)));
	return 0;
}

/** A legacy driver may set the MAC address; nothing else can be written (virtio 1.2, 5.1.4.1). */
static int
set_config(int vid, uint8_t *config, uint32_t offset, uint32_t size, uint32_t flags)
{
	struct sim *sim;

	(void)flags;
	SIM_OF_VID_OR_RETURN(sim, vid, set_config);
	if (offset > RTE_ETHER_ADDR_LEN || size > RTE_ETHER_ADDR_LEN - offset) {
		SIM_LOG(ERR,
			"%s: vid %d writes %u bytes at %u of the configuration space, beyond the MAC "
			"address",
			sim->name, vid, size, offset);
		return -EINVAL;
	}
	memcpy(sim->devargs.mac.addr_bytes + offset, config, size);
	return 0;
}

static int
get_stats_names(struct rte_vdpa_device *vdpa, struct rte_vdpa_stat_name *names, unsigned int size)
{
	(void)vdpa;
	if (names == NULL)
		return sim_hw_counters();
	size = RTE_MIN(size, sim_hw_counters());
	for (unsigned int id = 0; id < size; id++)
		rte_strscpy(names[id].name, sim_hw_counter_name(id), sizeof(names[id].name));
	return size;
}

static int
get_stats(struct rte_vdpa_device *vdpa, int qid, struct rte_vdpa_stat *stats, unsigned int n)
{
	struct sim *sim;

	SIM_OF_VDPA_OR_RETURN(sim, vdpa, get_stats);
	if (qid < 0 || qid >= 2 * sim->devargs.pairs)
		return -EINVAL;
	n = RTE_MIN(n, sim_hw_counters());
	for (unsigned int id = 0; id < n; id++) {
		stats[id].id = id;
		stats[id].value = sim_hw_counter(sim->hw, qid, id);
	}
	return n;
}

static int
reset_stats(struct rte_vdpa_device *vdpa, int qid)
{
	struct sim *sim = sim_find(vdpa);

	if (sim == NULL)
		return -ENODEV;
	if (qid < 0 || qid >= 2 * sim->devargs.pairs)
		return -EINVAL;
	sim_hw_freeze(sim->hw);
	sim_hw_reset_counters(sim->hw, qid);
	sim_hw_thaw(sim->hw);
	return 0;
}

struct rte_vdpa_dev_ops sim_ops = {
	.get_queue_num = get_queue_num,
	.get_features = get_features,
	.get_protocol_features = get_protocol_features,
	.dev_conf = dev_conf,
	.dev_close = dev_close,
	.dev_cleanup = dev_cleanup,
	.set_vring_state = set_vring_state,
	.set_features = set_features,
	.get_vfio_device_fd = get_vfio_device_fd,
	.get_notify_area = get_notify_area,
	.get_stats_names = get_stats_names,
	.get_stats = get_stats,
	.reset_stats = reset_stats,
	.get_config = get_config,
	.set_config = set_config,
	.get_dev_type = get_dev_type,
};
