/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>

#include "vhost_devargs.h"
#include "vhost_events.h"
#include "vhost_intr.h"
#include "vhost_pmd_log.h"
#include "vhost_port.h"
#include "vhost_rxtx.h"
#include "vhost_stats.h"

RTE_LOG_REGISTER_DEFAULT(vhost_pmd_logtype, NOTICE);

static int
vhost_dev_configure(struct rte_eth_dev *dev)
{
	struct vhost_port *port = vhost_port_of(dev);
	int ret = 0;

	pthread_mutex_lock(&port->use);
	vhost_port_stats_configure(port);
	pthread_mutex_lock(&port->lock);
	vhost_port_intr_free(port);
	if (dev->data->dev_conf.intr_conf.rxq)
		ret = vhost_port_intr_setup(port);
	pthread_mutex_unlock(&port->lock);
	pthread_mutex_unlock(&port->use);
	return ret;
}

static int
vhost_dev_start(struct rte_eth_dev *dev)
{
	vhost_port_start_queues(vhost_port_of(dev));
	return 0;
}

static int
vhost_dev_stop(struct rte_eth_dev *dev)
{
	vhost_port_stop_queues(vhost_port_of(dev));
	return 0;
}

static int
vhost_dev_close(struct rte_eth_dev *dev)
{
	struct vhost_port *port = vhost_port_of(dev);

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	vhost_port_stop_queues(port);
	vhost_port_unserve(port);
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		rte_free(dev->data->rx_queues[i]);
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		rte_free(dev->data->tx_queues[i]);
	vhost_port_intr_free(port);
	vhost_port_stats_free(port);
	pthread_mutex_destroy(&port->stats);
	pthread_mutex_destroy(&port->lock);
	pthread_mutex_destroy(&port->use);
	return 0;
}

static int
vhost_dev_info(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct vhost_port *port = vhost_port_of(dev);

	info->max_mac_addrs = 1;
	info->max_rx_pktlen = UINT32_MAX;
	info->max_rx_queues = port->args.queues;
	info->max_tx_queues = port->args.queues;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (!port->args.legacy_ol_flags) {
		info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
			RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
		info->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	}
	return 0;
}

static struct vhost_queue *
create_queue(struct rte_eth_dev *dev, uint16_t vring, unsigned int socket)
{
	struct vhost_queue *q = rte_zmalloc_socket("net_vhost queue", sizeof(*q),
		RTE_CACHE_LINE_SIZE, socket);

	if (q == NULL) {
		VHOST_LOG(ERR, "%s: no memory for a queue on socket %u; give EAL more with -m",
			dev->data->name, socket);
		return NULL;
	}
	vhost_gate_init(&q->gate);
	q->vring = vring;
	q->port_id = dev->data->port_id;
	q->port = vhost_port_of(dev);
	return q;
}

/* The front end decides how many descriptors a ring has. */
static int
vhost_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
	unsigned int socket, const struct rte_eth_rxconf *conf __rte_unused,
	struct rte_mempool *pool)
{
	struct vhost_queue *q = create_queue(dev, 2 * queue + 1, socket);

	if (q == NULL)
		return -ENOMEM;
	q->pool = pool;
	vhost_port_stats_begin(q);
	dev->data->rx_queues[queue] = q;
	return 0;
}

static int
vhost_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
	unsigned int socket, const struct rte_eth_txconf *conf __rte_unused)
{
	struct vhost_queue *q = create_queue(dev, 2 * queue, socket);

	if (q == NULL)
		return -ENOMEM;
	vhost_port_stats_begin(q);
	dev->data->tx_queues[queue] = q;
	return 0;
}

static void
vhost_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue)
{
	rte_free(dev->data->rx_queues[queue]);
	dev->data->rx_queues[queue] = NULL;
}

static void
vhost_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue)
{
	rte_free(dev->data->tx_queues[queue]);
	dev->data->tx_queues[queue] = NULL;
}

/* May be asked for by any thread, so it does not pass the gate, which is for the queue's user. */
static uint32_t
vhost_rx_queue_count(void *queue)
{
	struct vhost_queue *q = queue;
	struct vhost_port *port = q->port;
	uint32_t n = 0;

	pthread_mutex_lock(&port->use);
	if (vhost_gate_is_open(&q->gate))
		n = rte_vhost_rx_queue_count(port->vid, q->vring);
	pthread_mutex_unlock(&port->use);
	return n;
}

/* Events keep the link status as it is; there is nothing to ask anyone. */
static int
vhost_link_update(struct rte_eth_dev *dev __rte_unused, int wait __rte_unused)
{
	return 0;
}

/* A burst frees what it has sent: nothing ever waits to be freed. */
static int
vhost_tx_done_cleanup(void *queue __rte_unused, uint32_t count __rte_unused)
{
	return 0;
}

/* A vhost port filters nothing: it cannot be anything but promiscuous. */
static int
vhost_promiscuous_enable(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

static const struct eth_dev_ops vhost_ops = {
	.dev_configure = vhost_dev_configure,
	.dev_start = vhost_dev_start,
	.dev_stop = vhost_dev_stop,
	.dev_close = vhost_dev_close,
	.dev_infos_get = vhost_dev_info,
	.link_update = vhost_link_update,
	.promiscuous_enable = vhost_promiscuous_enable,
	.allmulticast_enable = vhost_promiscuous_enable,
	.rx_queue_setup = vhost_rx_queue_setup,
	.tx_queue_setup = vhost_tx_queue_setup,
	.rx_queue_release = vhost_rx_queue_release,
	.tx_queue_release = vhost_tx_queue_release,
	.tx_done_cleanup = vhost_tx_done_cleanup,
	.rx_queue_intr_enable = vhost_port_intr_enable,
	.rx_queue_intr_disable = vhost_port_intr_disable,
	.get_monitor_addr = vhost_port_monitor_addr,
	.stats_get = vhost_port_stats_get,
	.stats_reset = vhost_port_stats_reset,
	.xstats_get = vhost_port_xstats_get,
	.xstats_get_names = vhost_port_xstats_get_names,
	.xstats_reset = vhost_port_xstats_reset,
};

/* A secondary process may look, but devices belong to the process that serves the socket. */
static const struct eth_dev_ops vhost_secondary_ops = {
	.dev_close = vhost_dev_close,
	.dev_infos_get = vhost_dev_info,
	.link_update = vhost_link_update,
	.stats_get = vhost_port_stats_get,
};

static void
fill_mac(struct rte_ether_addr *mac, uint16_t port_id)
{
	*mac = (struct rte_ether_addr){ { 'V', 'H', 'O', 'S', 'T', (uint8_t)port_id } };
}

static int
init_port(struct rte_eth_dev *dev, const struct vhost_devargs *args)
{
	struct vhost_port *port = vhost_port_of(dev);
	struct rte_eth_dev_data *data = dev->data;

	data->mac_addrs = rte_zmalloc("net_vhost MAC", sizeof(*data->mac_addrs), 0);
	if (data->mac_addrs == NULL) {
		VHOST_LOG(ERR, "%s: no memory for the port; give EAL more with -m", data->name);
		return -ENOMEM;
	}
	fill_mac(data->mac_addrs, data->port_id);
	data->dev_link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = RTE_ETH_LINK_DOWN,
	};
	data->dev_flags = RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	data->promiscuous = 1;
	data->all_multicast = 1;

	port->dev = dev;
	port->args = *args;
	port->vid = VHOST_NO_DEVICE;
	port->stats_vid = VHOST_NO_DEVICE;
	port->coming_vid = VHOST_NO_DEVICE;
	pthread_mutex_init(&port->use, NULL);
	pthread_mutex_init(&port->lock, NULL);
	pthread_mutex_init(&port->stats, NULL);

	dev->dev_ops = &vhost_ops;
	dev->rx_queue_count = vhost_rx_queue_count;
	dev->rx_pkt_burst = vhost_port_rx_burst;
	dev->tx_pkt_burst = vhost_port_tx_burst;
	return 0;
}

static int
probe_secondary(struct rte_vdev_device *vdev, const char *name)
{
	struct rte_eth_dev *dev = rte_eth_dev_attach_secondary(name);

	if (dev == NULL) {
		VHOST_LOG(ERR, "%s: the primary process has no such port; start it there first",
			name);
		return -ENODEV;
	}
	dev->device = &vdev->device;
	dev->dev_ops = &vhost_secondary_ops;
	dev->rx_pkt_burst = rte_eth_pkt_burst_dummy;
	dev->tx_pkt_burst = rte_eth_pkt_burst_dummy;
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
vhost_probe(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct vhost_devargs args;
	struct rte_eth_dev *dev;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return probe_secondary(vdev, name);
	ret = vhost_devargs_parse(name, rte_vdev_device_args(vdev), &args);
	if (ret != 0)
		return ret;
	VHOST_LOG(NOTICE, "%s: driver net_vhost of dpdk-vdpa " VDPA_VERSION, name);
	if (vdev->device.numa_node == SOCKET_ID_ANY)
		vdev->device.numa_node = rte_socket_id();
	dev = rte_eth_vdev_allocate(vdev, sizeof(struct vhost_port));
	if (dev == NULL) {
		VHOST_LOG(ERR, "%s: no ethdev port: name taken, no port left, or no memory", name);
		return -ENOMEM;
	}
	ret = init_port(dev, &args);
	if (ret == 0)
		ret = vhost_port_serve(vhost_port_of(dev));
	if (ret != 0) {
		rte_eth_dev_release_port(dev);
		return ret;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
vhost_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));
	uint16_t port_id;

	if (dev == NULL)
		return 0;
	port_id = dev->data->port_id;
	if (dev->data->dev_started && rte_eal_process_type() == RTE_PROC_PRIMARY)
		rte_eth_dev_stop(port_id);
	return rte_eth_dev_close(port_id);
}

static struct rte_vdev_driver vhost_driver = {
	.probe = vhost_probe,
	.remove = vhost_remove,
};

RTE_PMD_REGISTER_VDEV(net_vhost, vhost_driver);
RTE_PMD_REGISTER_ALIAS(net_vhost, eth_vhost);
RTE_PMD_REGISTER_PARAM_STRING(net_vhost, VHOST_DEVARGS_HELP);
