/* SPDX-License-Identifier: BSD-3-Clause */

#include <sched.h>
#include <sys/epoll.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "sim_hw_private.h"

/** Rounds without work before the thread goes to sleep: some tens of microseconds. */
#define IDLE_ROUNDS 256

/** Times a burst is offered to a port before what is left of it is dropped. */
#define PORT_TRIES 4

/**
 * Sleep at most, where something has no event to wait for. A port that has receive interrupts may
 * still need it: some drivers learn of a frame after its descriptor became readable.
 */
#define POLL_INTERVAL_MS 1

#define EVENTS 32

static uint16_t
deliver(struct sim_hold *hold, struct sim_ring *rx)
{
	struct rte_mbuf **pkts = &hold->pkts[hold->first];
	uint16_t n;

	if (unlikely(!rx->vr.running || rx->vr.broken))
		return 0;
	n = vhost_net_enqueue(&rx->vr, pkts, hold->n);
	rte_pktmbuf_free_bulk(pkts, n);
	hold->first += n;
	hold->n -= n;
	/* The ring counts what it has no room for as dropped; here it waits. */
	rx->vr.stats.drops[VHOST_VRING_DROP_NO_BUFFER] -= hold->n;
	return n;
}

static uint16_t
poll_loop(struct sim_hw *hw, struct sim_pair *pair)
{
	struct sim_hold *hold = &pair->hold;

	uint16_t taken = 0;

	if (hold->n == 0) {
		taken = vhost_net_dequeue(&pair->tx.vr, hw->pool, hold->pkts, SIM_BURST);
		if (taken == 0)
			return 0;
		hold->first = 0;
		hold->n = taken;
	}
	return taken + deliver(hold, &pair->rx);
}

static uint16_t
poll_port_rx(struct sim_hw *hw, uint16_t q)
{
	struct sim_hold *hold = &hw->pair[q].hold;

	uint16_t taken = 0;

	if (hold->n == 0) {
		taken = rte_eth_rx_burst(hw->port_id, q, hold->pkts, SIM_BURST);
		if (taken == 0)
			return 0;
		hold->first = 0;
		hold->n = taken;
	}
	return taken + deliver(hold, &hw->steer[q]->rx);
}

static uint16_t
poll_port_tx(struct sim_hw *hw, struct sim_pair *pair)
{
	const uint16_t q = pair - hw->pair;
	struct rte_mbuf *pkts[SIM_BURST];
	uint16_t n, sent = 0;

	n = vhost_net_dequeue(&pair->tx.vr, hw->pool, pkts, SIM_BURST);
	for (unsigned int try = 0; sent < n && try < PORT_TRIES; try++)
		sent += rte_eth_tx_burst(hw->port_id, q, pkts + sent, n - sent);
	if (unlikely(sent < n)) {
		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
		pair->tx.port_full += n - sent;
	}
	return n;
}

static void
set_kicks(struct sim_ring *ring, bool enable)
{
	vhost_vring_claim(&ring->vr);
	vhost_vring_enable_kicks(&ring->vr, enable);
	vhost_vring_release(&ring->vr);
}

/**
 * Count a doorbell that rang. The ring is looked at in any case: what the doorbell saves a device of
 * silicon from is reading the ring in vain.
 */
static void
hear_doorbell(struct sim_ring *ring)
{
	if (__atomic_load_n(ring->doorbell, __ATOMIC_RELAXED) == SIM_DOORBELL_SILENT)
		return;
	/* Exchange: a guest that rings now is either heard here or leaves its mark. */
	if (__atomic_exchange_n(ring->doorbell, SIM_DOORBELL_SILENT, __ATOMIC_ACQ_REL) !=
		SIM_DOORBELL_SILENT)
		ring->vr.stats.kicks++;
}

/** One round over all rings; @return how much was moved. */
static unsigned int
poll_all(struct sim_hw *hw)
{
	unsigned int work = 0;

	for (uint16_t i = 0; i < hw->n_active; i++) {
		struct sim_pair *pair = hw->active[i];
		uint16_t moved = hw->connected ? poll_port_tx(hw, pair) : poll_loop(hw, pair);

		if (hw->doorbells) {
			hear_doorbell(&pair->rx);
			hear_doorbell(&pair->tx);
			/* With event index, being told of the next buffer has to be asked for. */
			if (moved > 0)
				set_kicks(&pair->tx, true);
		}
		work += moved;
	}
	if (hw->connected && hw->n_active > 0) {
		for (uint16_t q = 0; q < hw->pairs; q++)
			work += poll_port_rx(hw, q);
	}
	return work;
}

/** What the guest is to notify of while the thread is awake: nothing that it finds by polling. */
static void
be_awake(struct sim_hw *hw)
{
	for (uint16_t i = 0; i < hw->n_active; i++) {
		set_kicks(&hw->active[i]->rx, false);
		set_kicks(&hw->active[i]->tx, hw->doorbells);
	}
}

/** Before the thread sleeps: of frames to transmit, and of room where frames wait for it. */
static void
be_wakeable(struct sim_hw *hw)
{
	for (uint16_t i = 0; i < hw->n_active; i++) {
		struct sim_pair *pair = hw->active[i];

		if (hw->connected || pair->hold.n == 0)
			set_kicks(&pair->tx, true);
		else
			set_kicks(&pair->rx, true);
	}
	if (hw->connected && hw->n_active > 0) {
		for (uint16_t q = 0; q < hw->pairs; q++) {
			if (hw->pair[q].hold.n > 0)
				set_kicks(&hw->steer[q]->rx, true);
		}
	}
}

static void
wait_for_events(struct sim_hw *hw)
{
	const int timeout = hw->must_poll && hw->n_active > 0 ? POLL_INTERVAL_MS : -1;
	struct epoll_event events[EVENTS];
	int n;

	/* All are edge-triggered: nothing is read, so no descriptor can make the thread block. */
	n = epoll_wait(hw->epfd, events, EVENTS, timeout);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 < 2u * hw->pairs)
			sim_ring(hw, events[i].data.u32)->vr.stats.kicks++;
	}
}

static void
sleep_until_needed(struct sim_hw *hw)
{
	be_wakeable(hw);
	/* Once more: what came before kicks were wanted had none. */
	if (poll_all(hw) == 0)
		wait_for_events(hw);
	be_awake(hw);
}

/** Wait for thaw; @return false if the thread is to end. */
static bool
stand_still(struct sim_hw *hw)
{
	bool stop;

	pthread_mutex_lock(&hw->lock);
	hw->frozen = true;
	pthread_cond_broadcast(&hw->changed);
	while (hw->freeze)
		pthread_cond_wait(&hw->changed, &hw->lock);
	hw->frozen = false;
	stop = hw->stop;
	pthread_mutex_unlock(&hw->lock);
	return !stop;
}

/**
 * Besides the CPUs of control threads, run on the main lcore's: a device polls, and of a process
 * whose other lcores poll as well, that is the one that most likely sleeps.
 */
static void
widen_affinity(void)
{
	rte_cpuset_t cpus, main_cpus = rte_lcore_cpuset(rte_get_main_lcore());

	rte_thread_get_affinity(&cpus);
	CPU_OR(&cpus, &cpus, &main_cpus);
	rte_thread_set_affinity(&cpus);
}

uint32_t
sim_thread_main(void *arg)
{
	struct sim_hw *hw = arg;
	unsigned int idle = 0;

	widen_affinity();
	for (;;) {
		if (unlikely(__atomic_load_n(&hw->freeze, __ATOMIC_RELAXED))) {
			if (!stand_still(hw))
				return 0;
			be_awake(hw);
			idle = 0;
		}
		if (poll_all(hw) > 0) {
			idle = 0;
		} else if (++idle < IDLE_ROUNDS) {
			rte_pause();
		} else if (hw->doorbells && hw->n_active > 0) {
			/* A write to a page wakes nobody: do not sleep, but make room for others. */
			sched_yield();
		} else {
			sleep_until_needed(hw);
			idle = 0;
		}
	}
}
