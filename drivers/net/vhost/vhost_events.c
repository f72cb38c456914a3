/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "rte_eth_vhost.h"
#include "vhost_events.h"
#include "vhost_intr.h"
#include "vhost_pmd_log.h"
#include "vhost_stats.h"

static LIST_HEAD(, vhost_port) ports = LIST_HEAD_INITIALIZER(ports);
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER; /* taken before a port's lock */

/* With ports_lock held. */
static struct vhost_port *
port_of_path(const char *path)
{
	struct vhost_port *port;

	LIST_FOREACH(port, &ports, next)
		if (strcmp(port->args.iface, path) == 0)
			break;
	return port;
}

static struct vhost_port *
port_of_device(int vid)
{
	char path[VHOST_PATH_MAX];
	struct vhost_port *port;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return NULL;
	pthread_mutex_lock(&ports_lock);
	port = port_of_path(path);
	pthread_mutex_unlock(&ports_lock);
	return port;
}

/* With ports_lock held. */
static struct vhost_port *
port_of_id(uint16_t port_id)
{
	struct vhost_port *port;

	LIST_FOREACH(port, &ports, next)
		if (port->dev->data->port_id == port_id)
			break;
	return port;
}

static uint8_t
rx_fixups(const struct vhost_port *port)
{
	const uint64_t cksum = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	uint64_t offloads = port->dev->data->dev_conf.rxmode.offloads;
	uint8_t fixups = 0;

	if (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP)
		fixups |= VHOST_FIXUP_VLAN;
	/* An application that does not know partial checksums must not see one. */
	if (!port->args.legacy_ol_flags && (offloads & cksum) != cksum &&
		(port->features & (UINT64_C(1) << VIRTIO_NET_F_CSUM)))
		fixups |= VHOST_FIXUP_CKSUM;
	return fixups;
}

static uint8_t
tx_fixups(const struct vhost_port *port)
{
	uint64_t offloads = port->dev->data->dev_conf.txmode.offloads;

	return offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT ? VHOST_FIXUP_VLAN : 0;
}

static struct vhost_queue *
queue_of_vring(const struct vhost_port *port, uint16_t vring)
{
	const struct rte_eth_dev_data *data = port->dev->data;
	uint16_t queue = vring / 2;

	if (vring & 1)
		return queue < data->nb_rx_queues ? data->rx_queues[queue] : NULL;
	return queue < data->nb_tx_queues ? data->tx_queues[queue] : NULL;
}

/* With port->lock held, and perhaps by librte_vhost what calls about this ring would wait for. */
static void
attach_queue(struct vhost_port *port, uint16_t vring, int vid)
{
	struct vhost_queue *q = queue_of_vring(port, vring);

	if (q == NULL)
		return;
	if (vring & 1)
		vhost_port_intr_attach(port, vring / 2, vid);
	if (vhost_gate_is_open(&q->gate)) {
		__atomic_fetch_or(&q->fixups, VHOST_FIXUP_KICKS, __ATOMIC_RELAXED);
		return;
	}
	q->fixups = VHOST_FIXUP_KICKS | (vring & 1 ? rx_fixups(port) : tx_fixups(port));
	vhost_gate_open(&q->gate, vid);
}

static void
attach_queues(struct vhost_port *port)
{
	uint16_t n = rte_vhost_get_vring_num(port->vid);

	for (uint16_t i = 0; i < n; i++)
		attach_queue(port, i, port->vid);
}

static void
shut_queues(void **queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (queues[i] != NULL)
			vhost_gate_shut(&((struct vhost_queue *)queues[i])->gate);
}

static void
drain_queues(void **queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (queues[i] != NULL)
			vhost_gate_drain(&((struct vhost_queue *)queues[i])->gate);
}

static void
detach_queues(struct vhost_port *port)
{
	struct rte_eth_dev_data *data = port->dev->data;

	shut_queues(data->rx_queues, data->nb_rx_queues);
	shut_queues(data->tx_queues, data->nb_tx_queues);
	vhost_gates_barrier();
	drain_queues(data->rx_queues, data->nb_rx_queues);
	drain_queues(data->tx_queues, data->nb_tx_queues);
	for (uint16_t i = 0; i < port->nb_intr; i++)
		vhost_port_intr_detach(port, i);
}

/* True if the link has changed. */
static bool
update_link(struct vhost_port *port)
{
	const struct rte_eth_link link = {
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = port->started && port->vid != VHOST_NO_DEVICE ? RTE_ETH_LINK_UP :
									       RTE_ETH_LINK_DOWN,
	};

	return rte_eth_linkstatus_set(port->dev, &link) == 0;
}

static void
lock_all(struct vhost_port *port)
{
	pthread_mutex_lock(&port->use);
	pthread_mutex_lock(&port->lock);
}

static void
unlock_all(struct vhost_port *port)
{
	pthread_mutex_unlock(&port->lock);
	pthread_mutex_unlock(&port->use);
}

void
vhost_port_start_queues(struct vhost_port *port)
{
	lock_all(port);
	port->started = true;
	if (port->vid != VHOST_NO_DEVICE)
		attach_queues(port);
	update_link(port);
	unlock_all(port);
}

void
vhost_port_stop_queues(struct vhost_port *port)
{
	lock_all(port);
	port->started = false;
	detach_queues(port);
	update_link(port);
	unlock_all(port);
}

/* What the port has to know about a new device. With port->use held. */
static uint64_t
get_to_know(struct vhost_port *port, int vid)
{
	struct rte_eth_dev_data *data = port->dev->data;
	int node = rte_vhost_get_numa_node(vid);
	uint64_t features = 0;
	uint16_t mtu = 0;

	rte_vhost_get_negotiated_features(vid, &features);
	/* A front end may agree to tell, and not do so. */
	if (rte_vhost_get_mtu(vid, &mtu) == 0 && mtu != 0)
		data->mtu = mtu;
	if (node >= 0)
		data->numa_node = node;
	vhost_port_stats_attach(port, vid);
	return features;
}

/* Rings enabled by device @a vid, which has not the port yet. With port->lock held. */
static uint64_t *
rings_coming(struct vhost_port *port, int vid)
{
	if (port->coming_vid != vid) {
		port->coming_vid = vid;
		memset(port->coming, 0, sizeof(port->coming));
	}
	return port->coming;
}

/*
 * Those are the port's now, also if who had it has gone since they were enabled. True if there may be
 * some. With port->lock held.
 */
static bool
take_rings_coming(struct vhost_port *port, int vid)
{
	if (port->coming_vid != vid)
		return false;
	for (size_t i = 0; i < RTE_DIM(port->enabled); i++)
		port->enabled[i] |= port->coming[i];
	port->coming_vid = VHOST_NO_DEVICE;
	return true;
}

static int
new_device(int vid)
{
	struct vhost_port *port = port_of_device(vid);
	uint64_t features;
	bool changed, replaces, came;
	int before;

	if (port == NULL)
		return -1;
	lock_all(port);
	/*
	 * A front end that died and came back may be seen to come before it is seen to go: the newer
	 * one has the port. What bursts still send to the other one counts.
	 */
	before = port->vid;
	replaces = before != VHOST_NO_DEVICE && before != vid;
	if (replaces) {
		detach_queues(port);
		memset(port->enabled, 0, sizeof(port->enabled));
	}
	came = take_rings_coming(port, vid);
	port->vid = VHOST_NO_DEVICE;
	pthread_mutex_unlock(&port->lock);
	features = get_to_know(port, vid);
	pthread_mutex_lock(&port->lock);
	port->vid = vid;
	port->features = features;
	if (port->started)
		attach_queues(port);
	changed = update_link(port);
	unlock_all(port);

	if (replaces)
		VHOST_LOG(WARNING,
			"%s: device %d of another front end on %s has the port now; device %d moves no "
			"frames any more until its front end connects again",
			port->dev->data->name, vid, port->args.iface, before);
	if (replaces || came)
		rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_QUEUE_STATE, NULL);
	VHOST_LOG(INFO, "%s: front end on %s is ready, device %d", port->dev->data->name,
		port->args.iface, vid);
	if (changed)
		rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_INTR_LSC, NULL);
	return 0;
}

static void
destroy_device(int vid)
{
	struct vhost_port *port = port_of_device(vid);
	bool changed = false;

	if (port == NULL)
		return;
	lock_all(port);
	if (port->vid == vid) {
		detach_queues(port);
		port->vid = VHOST_NO_DEVICE;
		memset(port->enabled, 0, sizeof(port->enabled));
		memset(port->reported, 0, sizeof(port->reported));
		changed = update_link(port);
	}
	unlock_all(port);

	VHOST_LOG(INFO, "%s: front end on %s stopped, device %d", port->dev->data->name,
		port->args.iface, vid);
	if (changed)
		rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_INTR_LSC, NULL);
}

static void
destroy_connection(int vid)
{
	struct vhost_port *port = port_of_device(vid);

	if (port != NULL)
		vhost_port_stats_detach(port, vid);
}

static void
set_bit(uint64_t *bitmap, uint16_t bit, bool value)
{
	uint64_t mask = UINT64_C(1) << (bit % 64);

	bitmap[bit / 64] = value ? bitmap[bit / 64] | mask : bitmap[bit / 64] & ~mask;
}

/* Once for the port: a front end can enable rings as often as it likes. */
static void
tell_excess(struct vhost_port *port, uint16_t vring)
{
	if (vring / 2 < port->args.queues || port->told_excess)
		return;
	port->told_excess = true;
	VHOST_LOG(WARNING,
		"%s: the front end on %s uses ring %u, which no queue serves with queues=%u: "
		"give it no more queues than the port, or the port as many",
		port->dev->data->name, port->args.iface, vring, port->args.queues);
}

static int
vring_state_changed(int vid, uint16_t vring, int enable)
{
	struct vhost_port *port = port_of_device(vid);
	bool mine;

	if (port == NULL || vring >= VHOST_VRINGS_MAX)
		return -1;
	pthread_mutex_lock(&port->lock);
	mine = port->vid == vid || port->vid == VHOST_NO_DEVICE;
	if (enable)
		tell_excess(port, vring);
	if (mine)
		set_bit(port->enabled, vring, enable != 0);
	if (!mine || port->coming_vid == vid)
		set_bit(rings_coming(port, vid), vring, enable != 0);
	/* Rings may be added, or get another kick fd, while the device runs. */
	if (port->vid == vid && port->started && enable)
		attach_queue(port, vring, vid);
	pthread_mutex_unlock(&port->lock);

	if (mine)
		rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_QUEUE_STATE, NULL);
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.destroy_connection = destroy_connection,
	.vring_state_changed = vring_state_changed,
};

static bool
add_port(struct vhost_port *port)
{
	bool unique;

	pthread_mutex_lock(&ports_lock);
	unique = port_of_path(port->args.iface) == NULL;
	if (unique)
		LIST_INSERT_HEAD(&ports, port, next);
	pthread_mutex_unlock(&ports_lock);
	return unique;
}

static void
remove_port(struct vhost_port *port)
{
	pthread_mutex_lock(&ports_lock);
	LIST_REMOVE(port, next);
	pthread_mutex_unlock(&ports_lock);
}

static int
setup_socket(const struct vhost_devargs *args, const char **attempt)
{
	uint64_t disabled = vhost_devargs_disabled_features(args);

	*attempt = "disable features";
	if (disabled != 0 && rte_vhost_driver_disable_features(args->iface, disabled) != 0)
		return -EINVAL;
	*attempt = "register callbacks";
	if (rte_vhost_driver_callback_register(args->iface, &device_ops) != 0)
		return -EINVAL;
	*attempt = args->client ? "connect" : "listen on";
	errno = 0;
	if (rte_vhost_driver_start(args->iface) != 0)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

int
vhost_port_serve(struct vhost_port *port)
{
	const struct vhost_devargs *args = &port->args;
	const char *attempt = "register";
	int ret = -EEXIST;

	if (!add_port(port)) {
		VHOST_LOG(ERR,
			"%s: vhost-user socket %s: another port has it; give each its own iface",
			port->dev->data->name, args->iface);
		return ret;
	}
	if (rte_vhost_driver_register(args->iface, vhost_devargs_register_flags(args)) == 0) {
		ret = setup_socket(args, &attempt);
		if (ret == 0)
			return 0;
		rte_vhost_driver_unregister(args->iface);
	}
	remove_port(port);
	/* Why, the library has said, once. */
	VHOST_LOG(ERR, "%s: cannot %s its vhost-user socket (%d); the line above has the reason",
		port->dev->data->name, attempt, ret);
	return ret;
}

void
vhost_port_unserve(struct vhost_port *port)
{
	rte_vhost_driver_unregister(port->args.iface);
	remove_port(port);
}

static int
take_event(struct vhost_port *port, struct rte_eth_vhost_queue_event *event)
{
	for (uint16_t i = 0; i < RTE_DIM(port->enabled); i++) {
		uint64_t changed = port->enabled[i] ^ port->reported[i];
		uint16_t vring;

		if (changed == 0)
			continue;
		changed &= -changed;
		port->reported[i] ^= changed;
		vring = 64 * i + __builtin_ctzll(changed);
		event->queue_id = vring / 2;
		event->rx = vring & 1;
		event->enable = (port->enabled[i] & changed) != 0;
		return 0;
	}
	return -1;
}

int
rte_eth_vhost_get_queue_event(uint16_t port_id, struct rte_eth_vhost_queue_event *event)
{
	struct vhost_port *port;
	int ret = -1;

	if (event == NULL)
		return -1;
	pthread_mutex_lock(&ports_lock);
	port = port_of_id(port_id);
	if (port != NULL) {
		pthread_mutex_lock(&port->lock);
		ret = take_event(port, event);
		pthread_mutex_unlock(&port->lock);
	}
	pthread_mutex_unlock(&ports_lock);
	return ret;
}

int
rte_eth_vhost_get_vid_from_port_id(uint16_t port_id)
{
	struct vhost_port *port;
	int vid = -1;

	pthread_mutex_lock(&ports_lock);
	port = port_of_id(port_id);
	if (port != NULL) {
		pthread_mutex_lock(&port->lock);
		vid = port->vid;
		pthread_mutex_unlock(&port->lock);
	}
	pthread_mutex_unlock(&ports_lock);
	return vid;
}
