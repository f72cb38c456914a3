/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <rte_interrupts.h>

#include "vhost_intr.h"
#include "vhost_pmd_log.h"

static uint16_t
rx_vring(uint16_t queue)
{
	return 2 * queue + 1;
}

static int
watch(int epfd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

static void
close_intr(struct vhost_intr *intr)
{
	if (intr->kickfd >= 0)
		close(intr->kickfd);
	if (intr->wakefd >= 0)
		close(intr->wakefd);
	if (intr->epfd >= 0)
		close(intr->epfd);
}

static int
open_intr(struct vhost_intr *intr)
{
	int ret;

	intr->kickfd = -1;
	intr->epfd = epoll_create1(EPOLL_CLOEXEC);
	intr->wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = intr->epfd < 0 || intr->wakefd < 0 ? -errno : watch(intr->epfd, intr->wakefd);
	if (ret != 0)
		close_intr(intr);
	return ret;
}

/* Tell EAL which descriptor stands for which queue. */
static int
fill_handle(struct rte_intr_handle *handle, const struct vhost_intr *intr, uint16_t n)
{
	/* Of an external handle EAL reads nothing when it becomes ready. */
	if (rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) != 0 ||
		rte_intr_vec_list_alloc(handle, NULL, n) != 0 ||
		rte_intr_nb_efd_set(handle, n) != 0 || rte_intr_max_intr_set(handle, n + 1) != 0)
		return -rte_errno;
	for (uint16_t i = 0; i < n; i++)
		if (rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i) != 0 ||
			rte_intr_efds_index_set(handle, i, intr[i].epfd) != 0)
			return -rte_errno;
	return 0;
}

int
vhost_port_intr_setup(struct vhost_port *port)
{
	struct rte_eth_dev *dev = port->dev;
	uint16_t n = dev->data->nb_rx_queues;
	int ret = -ENOMEM;

	port->intr = calloc(n, sizeof(*port->intr));
	dev->intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (port->intr == NULL || dev->intr_handle == NULL)
		goto fail;
	for (port->nb_intr = 0; port->nb_intr < n; port->nb_intr++) {
		ret = open_intr(&port->intr[port->nb_intr]);
		if (ret != 0)
			goto fail;
	}
	ret = fill_handle(dev->intr_handle, port->intr, n);
	if (ret == 0)
		return 0;
fail:
	VHOST_LOG(ERR,
		"%s: receive interrupts for %u queues: %s; use fewer queues, or raise the limit "
		"of open files",
		dev->data->name, n, strerror(-ret));
	vhost_port_intr_free(port);
	return ret;
}

void
vhost_port_intr_free(struct vhost_port *port)
{
	struct rte_eth_dev *dev = port->dev;

	if (dev->intr_handle != NULL) {
		rte_intr_free_epoll_fd(dev->intr_handle);
		rte_intr_vec_list_free(dev->intr_handle);
		rte_intr_instance_free(dev->intr_handle);
		dev->intr_handle = NULL;
	}
	for (uint16_t i = 0; i < port->nb_intr; i++)
		close_intr(&port->intr[i]);
	free(port->intr);
	port->intr = NULL;
	port->nb_intr = 0;
}

static void
wake(const struct vhost_intr *intr)
{
	eventfd_write(intr->wakefd, 1);
}

/* Ask for kicks. What the guest offered before it knew had no kick: look, and wake ourselves. */
static void
ask_for_kicks(const struct vhost_port *port, uint16_t queue, int vid)
{
	if (rte_vhost_enable_guest_notification(vid, rx_vring(queue), 1) != 0)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (rte_vhost_rx_queue_count(vid, rx_vring(queue)) > 0)
		wake(&port->intr[queue]);
}

void
vhost_port_intr_attach(struct vhost_port *port, uint16_t queue, int vid)
{
	struct rte_vhost_vring vring;
	struct vhost_intr *intr;

	if (queue >= port->nb_intr)
		return;
	intr = &port->intr[queue];
	vhost_port_intr_detach(port, queue);
	if (rte_vhost_get_vhost_vring(vid, rx_vring(queue), &vring) == 0 && vring.kickfd >= 0) {
		intr->kickfd = fcntl(vring.kickfd, F_DUPFD_CLOEXEC, 0);
		if (intr->kickfd < 0 || watch(intr->epfd, intr->kickfd) != 0)
			VHOST_LOG(WARNING,
				"%s: receive queue %u: cannot wait for the front end's kicks: %s; "
				"the queue works only when polled",
				port->dev->data->name, queue, strerror(errno));
	}
	/* What the ring tells the guest about kicks is not ours yet: have its user look. */
	wake(intr);
}

void
vhost_port_intr_detach(struct vhost_port *port, uint16_t queue)
{
	struct vhost_intr *intr;

	if (queue >= port->nb_intr)
		return;
	intr = &port->intr[queue];
	if (intr->kickfd < 0)
		return;
	/* Closing alone would not do: the front end holds the same open file. */
	epoll_ctl(intr->epfd, EPOLL_CTL_DEL, intr->kickfd, NULL);
	close(intr->kickfd);
	intr->kickfd = -1;
}

static bool
is_attached(const struct vhost_queue *q)
{
	return q != NULL && vhost_gate_is_open(&q->gate);
}

bool
vhost_port_intr_arm(const struct vhost_queue *q, int vid)
{
	struct vhost_port *port = q->port;
	uint16_t queue = q->vring / 2;

	/* Whoever takes a device away waits for this burst with the lock held: only try. */
	if (pthread_mutex_trylock(&port->use) != 0)
		return false;
	if ((q->vring & 1) && queue < port->nb_intr && port->intr[queue].on)
		ask_for_kicks(port, queue, vid);
	else
		rte_vhost_enable_guest_notification(vid, q->vring, 0);
	pthread_mutex_unlock(&port->use);
	return true;
}

int
vhost_port_intr_enable(struct rte_eth_dev *dev, uint16_t queue)
{
	struct vhost_port *port = vhost_port_of(dev);
	struct epoll_event stale[2];
	int ret = -ENOTSUP;

	pthread_mutex_lock(&port->use);
	if (queue < port->nb_intr) {
		struct vhost_intr *intr = &port->intr[queue];

		intr->on = true;
		/* Forget kicks of the past before asking for new ones. */
		epoll_wait(intr->epfd, stale, RTE_DIM(stale), 0);
		if (is_attached(dev->data->rx_queues[queue]))
			ask_for_kicks(port, queue, port->vid);
		ret = 0;
	}
	pthread_mutex_unlock(&port->use);
	return ret;
}

int
vhost_port_intr_disable(struct rte_eth_dev *dev, uint16_t queue)
{
	struct vhost_port *port = vhost_port_of(dev);
	int ret = -ENOTSUP;

	pthread_mutex_lock(&port->use);
	if (queue < port->nb_intr) {
		port->intr[queue].on = false;
		if (is_attached(dev->data->rx_queues[queue]))
			rte_vhost_enable_guest_notification(port->vid, rx_vring(queue), 0);
		ret = 0;
	}
	pthread_mutex_unlock(&port->use);
	return ret;
}

enum { MONITOR_VALUE, MONITOR_MASK, MONITOR_MATCH };

static int
stay_awake(const uint64_t value, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	bool same = (value & opaque[MONITOR_MASK]) == opaque[MONITOR_VALUE];

	return same == (opaque[MONITOR_MATCH] != 0) ? -1 : 0;
}

int
vhost_port_monitor_addr(void *queue, struct rte_power_monitor_cond *cond)
{
	struct vhost_queue *q = queue;
	struct vhost_port *port = q->port;
	struct rte_vhost_power_monitor_cond vhost;
	int ret = -EINVAL;

	pthread_mutex_lock(&port->use);
	if (is_attached(q) && rte_vhost_get_monitor_addr(port->vid, q->vring, &vhost) == 0)
		ret = 0;
	pthread_mutex_unlock(&port->use);
	if (ret != 0)
		return ret;
	*cond = (struct rte_power_monitor_cond){
		.addr = vhost.addr,
		.size = vhost.size,
		.fn = stay_awake,
		.opaque = {
			[MONITOR_VALUE] = vhost.val,
			[MONITOR_MASK] = vhost.mask,
			[MONITOR_MATCH] = vhost.match,
		},
	};
	return 0;
}
