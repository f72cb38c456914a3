/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "sim_hw_private.h"
#include "sim_log.h"
#include "sim_port.h"

/** What a looping pair needs: a burst that waits, and one that is being taken. */
#define LOOP_MBUFS_PER_PAIR (2 * SIM_BURST)
/** Frames that are larger than the MTU come in several mbufs; a few of those are always at hand. */
#define SPARE_MBUFS 128

struct rte_mempool *
sim_hw_pool(struct sim_hw *hw)
{
	return hw->pool;
}

/*
 * Creation, in the order in which destruction undoes it backwards.
 */

static int
create_pool(struct sim_hw *hw, const struct sim_hw_conf *conf)
{
	static uint32_t serial;
	const uint16_t frame = conf->mtu + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN +
		RTE_ETHER_CRC_LEN;
	const uint16_t room = RTE_PKTMBUF_HEADROOM + RTE_MAX(frame, RTE_MBUF_DEFAULT_DATAROOM);
	const unsigned int n = SPARE_MBUFS +
		conf->pairs * (LOOP_MBUFS_PER_PAIR + (conf->port ? SIM_PORT_MBUFS_PER_PAIR : 0));
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "vdpa_sim_%u",
		__atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
	/* Looped frames never leave the device's thread, those of a port may be freed anywhere. */
	hw->pool = rte_pktmbuf_pool_create_by_ops(name, n, 0, 0, room, conf->numa_node,
		conf->port ? NULL : "ring_sp_sc");
	if (hw->pool == NULL) {
		SIM_LOG(ERR,
			"%s: no memory for %u frames of %u bytes (%s): lower 'queues=' or 'mtu=', or "
			"give EAL more with -m",
			conf->name, n, room, rte_strerror(rte_errno));
		return -rte_errno;
	}
	return 0;
}

static int
create_pairs(struct sim_hw *hw, const struct sim_hw_conf *conf)
{
	hw->pair = rte_zmalloc_socket(NULL, conf->pairs * sizeof(*hw->pair), RTE_CACHE_LINE_SIZE,
		conf->numa_node);
	hw->active = calloc(conf->pairs, sizeof(*hw->active));
	hw->steer = calloc(conf->pairs, sizeof(*hw->steer));
	if (hw->pair == NULL || hw->active == NULL || hw->steer == NULL) {
		SIM_LOG(ERR,
			"%s: no memory for %u queue pairs: lower 'queues=', or give EAL more with -m",
			conf->name, conf->pairs);
		return -ENOMEM;
	}
	hw->pairs = conf->pairs;
	for (uint16_t qid = 0; qid < 2 * conf->pairs; qid++) {
		struct sim_ring *ring = sim_ring(hw, qid);

		snprintf(ring->name, sizeof(ring->name), "%s queue %u", conf->name, qid);
		vhost_vring_init(&ring->vr, ring->name);
		ring->kickfd = -1;
	}
	return 0;
}

/** One page of a memory file for each ring; sealed, since a front end gets the file too. */
static int
create_doorbells(struct sim_hw *hw, const struct sim_hw_conf *conf)
{
	const size_t page = sysconf(_SC_PAGESIZE), size = page * 2 * conf->pairs;
	void *pages = MAP_FAILED;

	if (!conf->doorbells)
		return 0;
	hw->doorbell_fd = memfd_create(conf->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (hw->doorbell_fd >= 0 && ftruncate(hw->doorbell_fd, size) == 0 &&
		fcntl(hw->doorbell_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, hw->doorbell_fd, 0);
	if (pages == MAP_FAILED) {
		int err = errno;

		SIM_LOG(ERR, "%s: cannot make %zu bytes of doorbell pages: %s", conf->name, size,
			strerror(err));
		return -err;
	}
	hw->doorbell_pages = pages;
	hw->doorbell_page = page;
	hw->doorbells = true;
	for (uint16_t qid = 0; qid < 2 * conf->pairs; qid++) {
		struct sim_ring *ring = sim_ring(hw, qid);

		ring->doorbell = (void *)(hw->doorbell_pages + qid * page);
		*ring->doorbell = SIM_DOORBELL_SILENT;
	}
	return 0;
}

static int
watch(struct sim_hw *hw, int fd, uint32_t what)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = what };

	return epoll_ctl(hw->epfd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int
create_events(struct sim_hw *hw, const struct sim_hw_conf *conf)
{
	int ret;

	hw->epfd = epoll_create1(EPOLL_CLOEXEC);
	hw->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = hw->epfd < 0 || hw->wakefd < 0 ? -errno : watch(hw, hw->wakefd, SIM_EVENT_WAKE);
	if (ret != 0)
		SIM_LOG(ERR, "%s: no descriptors to wait with: %s", conf->name, strerror(-ret));
	return ret;
}

static int
create_thread(struct sim_hw *hw, const struct sim_hw_conf *conf)
{
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "%.15s", conf->name);
	ret = rte_vdpa_thread_create_control(&hw->thread, name, sim_thread_main, hw);
	if (ret != 0)
		SIM_LOG(ERR, "%s: cannot start its thread: %s", conf->name, rte_strerror(-ret));
	return ret;
}

static void
free_all(struct sim_hw *hw)
{
	if (hw->doorbell_pages != NULL)
		munmap(hw->doorbell_pages, hw->doorbell_page * 2 * hw->pairs);
	if (hw->doorbell_fd >= 0)
		close(hw->doorbell_fd);
	if (hw->wakefd >= 0)
		close(hw->wakefd);
	if (hw->epfd >= 0)
		close(hw->epfd);
	free(hw->steer);
	free(hw->active);
	rte_free(hw->pair);
	rte_mempool_free(hw->pool);
	pthread_cond_destroy(&hw->changed);
	pthread_mutex_destroy(&hw->lock);
	pthread_mutex_destroy(&hw->control);
	free(hw);
}

int
sim_hw_create(const struct sim_hw_conf *conf, struct sim_hw **result)
{
	struct sim_hw *hw = calloc(1, sizeof(*hw));
	int ret;

	if (hw == NULL)
		return -ENOMEM;
	hw->doorbell_fd = hw->epfd = hw->wakefd = -1;
	pthread_mutex_init(&hw->control, NULL);
	pthread_mutex_init(&hw->lock, NULL);
	pthread_cond_init(&hw->changed, NULL);

	ret = create_pool(hw, conf);
	if (ret == 0)
		ret = create_pairs(hw, conf);
	if (ret == 0)
		ret = create_doorbells(hw, conf);
	if (ret == 0)
		ret = create_events(hw, conf);
	if (ret == 0)
		ret = create_thread(hw, conf);
	if (ret != 0) {
		free_all(hw);
		return ret;
	}
	*result = hw;
	return 0;
}

void
sim_hw_destroy(struct sim_hw *hw)
{
	if (hw == NULL)
		return;
	sim_hw_freeze(hw);
	for (uint16_t qid = 0; qid < 2 * hw->pairs; qid++)
		sim_hw_ring_stop(hw, qid, NULL, NULL);
	sim_hw_reset(hw);
	hw->stop = true;
	sim_hw_thaw(hw);
	rte_thread_join(hw->thread, NULL);
	free_all(hw);
}

void
sim_hw_freeze(struct sim_hw *hw)
{
	pthread_mutex_lock(&hw->control);
	pthread_mutex_lock(&hw->lock);
	__atomic_store_n(&hw->freeze, 1, __ATOMIC_RELAXED);
	eventfd_write(hw->wakefd, 1);
	while (!hw->frozen)
		pthread_cond_wait(&hw->changed, &hw->lock);
	pthread_mutex_unlock(&hw->lock);
}

void
sim_hw_thaw(struct sim_hw *hw)
{
	pthread_mutex_lock(&hw->lock);
	__atomic_store_n(&hw->freeze, 0, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&hw->changed);
	pthread_mutex_unlock(&hw->lock);
	pthread_mutex_unlock(&hw->control);
}

/** Find out anew what the thread looks at, after a ring was started or stopped. */
static void
survey(struct sim_hw *hw)
{
	hw->n_active = 0;
	hw->must_poll = hw->connected;
	for (uint16_t i = 0; i < hw->pairs; i++) {
		struct sim_pair *pair = &hw->pair[i];

		if (pair->rx.vr.running || pair->tx.vr.running)
			hw->active[hw->n_active++] = pair;
		hw->must_poll |= (pair->rx.vr.running && pair->rx.kickfd < 0) ||
			(pair->tx.vr.running && pair->tx.kickfd < 0);
	}
	/* A guest may use fewer pairs than the port has queues: each queue has somewhere to go. */
	for (uint16_t q = 0; q < hw->pairs && hw->n_active > 0; q++)
		hw->steer[q] = hw->active[q % hw->n_active];
}

int
sim_hw_connect(struct sim_hw *hw, const struct sim_port *port)
{
	for (uint16_t q = 0; q < hw->pairs; q++) {
		int fd = sim_port_rx_fd(port, q);
		int ret = fd >= 0 ? watch(hw, fd, SIM_EVENT_PORT) : 0;

		/* Connected before: a port's queues may share a descriptor. */
		if (ret != 0 && ret != -EEXIST)
			return ret;
	}
	hw->port_id = port->id;
	hw->connected = true;
	survey(hw);
	return 0;
}

void
sim_hw_set_guest(struct sim_hw *hw, uint64_t features, const struct rte_vhost_memory *mem)
{
	hw->mem = mem;
	hw->features = features;
	for (uint16_t qid = 0; qid < 2 * hw->pairs; qid++)
		vhost_vring_set_features(&sim_ring(hw, qid)->vr, features);
}

void
sim_hw_set_log(struct sim_hw *hw, const struct vhost_dirty_log *log)
{
	const uint64_t flag = UINT64_C(1) << VHOST_F_LOG_ALL;

	hw->log = log != NULL ? *log : (struct vhost_dirty_log){ 0 };
	hw->features = log != NULL ? hw->features | flag : hw->features & ~flag;
	for (uint16_t qid = 0; qid < 2 * hw->pairs; qid++) {
		struct vhost_vring *vr = &sim_ring(hw, qid)->vr;
		const bool running = vr->running;

		if (running)
			vhost_vring_stop(vr);
		vhost_vring_set_features(vr, hw->features);
		vhost_vring_set_log(vr, log);
		if (running)
			vhost_vring_start(vr, hw->mem);
	}
}

/*
 * Descriptors are kept as duplicates: those of the connection may be closed by a message that
 * replaces them, and their numbers given to something else.
 */

static int
duplicate(int fd, int *copy)
{
	*copy = -1;
	if (fd < 0)
		return 0;
	*copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *copy >= 0 ? 0 : -errno;
}

static void
close_descriptors(struct sim_ring *ring)
{
	/* Closing takes a descriptor out of the epoll set only with its last duplicate. */
	if (ring->kickfd >= 0)
		close(ring->kickfd);
	if (ring->vr.callfd >= 0)
		close(ring->vr.callfd);
	ring->kickfd = -1;
	vhost_vring_set_callfd(&ring->vr, -1);
}

int
sim_hw_ring_start(struct sim_hw *hw, uint16_t qid, const struct sim_hw_ring *conf)
{
	struct sim_ring *ring = sim_ring(hw, qid);
	int callfd, ret;

	ret = vhost_vring_set_layout(&ring->vr, &conf->layout);
	if (ret == 0)
		ret = vhost_vring_set_base(&ring->vr, conf->avail, conf->used);
	if (ret != 0) {
		SIM_LOG(ERR, "%s: refuses a ring of %u entries at position %u, %u", ring->name,
			conf->layout.size, conf->avail, conf->used);
		return ret;
	}
	ret = duplicate(conf->kickfd, &ring->kickfd);
	if (ret == 0) {
		ret = duplicate(conf->callfd, &callfd);
		vhost_vring_set_callfd(&ring->vr, callfd);
	}
	if (ret == 0 && ring->kickfd >= 0)
		ret = watch(hw, ring->kickfd, qid);
	if (ret != 0) {
		SIM_LOG(ERR, "%s: cannot use the kick and call descriptors: %s", ring->name,
			strerror(-ret));
		close_descriptors(ring);
		return ret;
	}
	vhost_vring_set_log(&ring->vr, hw->log.base != NULL ? &hw->log : NULL);
	vhost_vring_start(&ring->vr, hw->mem);
	survey(hw);
	return 0;
}

bool
sim_hw_ring_stop(struct sim_hw *hw, uint16_t qid, uint16_t *avail, uint16_t *used)
{
	struct sim_ring *ring = sim_ring(hw, qid);
	uint16_t at_avail, at_used;

	if (!ring->vr.running)
		return false;
	vhost_vring_stop(&ring->vr);
	vhost_vring_get_base(&ring->vr, &at_avail, &at_used);
	if (avail != NULL)
		*avail = at_avail;
	if (used != NULL)
		*used = at_used;
	if (ring->kickfd >= 0)
		epoll_ctl(hw->epfd, EPOLL_CTL_DEL, ring->kickfd, NULL);
	close_descriptors(ring);
	survey(hw);
	return true;
}

void
sim_hw_reset(struct sim_hw *hw)
{
	for (uint16_t i = 0; i < hw->pairs; i++) {
		struct sim_pair *pair = &hw->pair[i];

		rte_pktmbuf_free_bulk(&pair->hold.pkts[pair->hold.first], pair->hold.n);
		pair->rx.discarded += pair->hold.n;
		pair->hold.n = 0;
		if (pair->rx.doorbell != NULL) {
			__atomic_store_n(pair->rx.doorbell, SIM_DOORBELL_SILENT, __ATOMIC_RELAXED);
			__atomic_store_n(pair->tx.doorbell, SIM_DOORBELL_SILENT, __ATOMIC_RELAXED);
		}
	}
	hw->mem = NULL;
	hw->features = 0;
	hw->log = (struct vhost_dirty_log){ 0 };
}

int
sim_hw_doorbell(const struct sim_hw *hw, uint16_t qid, struct sim_hw_doorbell *doorbell)
{
	if (!hw->doorbells)
		return -ENOTSUP;
	if (qid >= 2 * hw->pairs)
		return -EINVAL;
	*doorbell = (struct sim_hw_doorbell){
		.fd = hw->doorbell_fd,
		.offset = qid * hw->doorbell_page,
		.size = hw->doorbell_page,
	};
	return 0;
}
