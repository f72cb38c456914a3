/* SPDX-License-Identifier: BSD-3-Clause */

#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_memory.h>

#include "sim_rig.h"

#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)

struct rig rig;

static bool
has(unsigned int bit)
{
	return (rig.features & F(bit)) != 0;
}

/* --- The driver ---------------------------------------------------------------------------- */

static void
end_init(struct end *e, uint16_t qid)
{
	*e = (struct end){ .qid = qid, .n_free = SIZE };
	ring_driver_init(&e->driver, &rig.memory, rig.features, SIZE);
	for (uint32_t i = 0; i < SIZE; i++) {
		e->buffers[i] = guest_memory_alloc(&rig.memory, BUFFER, 64);
		e->free[i] = i;
	}
	e->kickfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->callfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(e->kickfd >= 0 && e->callfd >= 0);
}

static void
end_fini(struct end *e)
{
	close(e->kickfd);
	close(e->callfd);
	ring_driver_fini(&e->driver);
}

/** Does the device want to be told of what was made available since @a since? */
static bool
kick_wanted(const struct end *e, uint16_t since)
{
	const struct ring_driver *d = &e->driver;

	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (has(VIRTIO_F_RING_PACKED)) {
		const struct vring_packed_desc_event *event = d->layout.device;
		const uint16_t flags = __atomic_load_n(&event->flags, __ATOMIC_RELAXED);
		uint16_t at = __atomic_load_n(&event->off_wrap, __ATOMIC_RELAXED);

		if (flags != VRING_PACKED_EVENT_FLAG_DESC)
			return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
		at = (at & 0x7fff) - ((at >> 15 != 0) != d->avail_wrap ? SIZE : 0);
		return vring_need_event(at, d->avail_idx, since);
	}

	const struct vring_used *used = d->layout.device;

	if (has(VIRTIO_RING_F_EVENT_IDX))
		return vring_need_event(__atomic_load_n((const uint16_t *)&used->ring[SIZE],
						__ATOMIC_RELAXED),
			d->avail_idx, since);
	return (__atomic_load_n(&used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY) == 0;
}

/** Make what was added visible, and kick if that is wanted. */
static void
publish(struct end *e, uint16_t added)
{
	/* Packed positions go round; what was added is what counts. */
	const uint16_t since = has(VIRTIO_F_RING_PACKED) ? e->driver.avail_idx - added :
							   e->kicked_at;

	ring_driver_publish(&e->driver);
	e->kicked_at = e->driver.avail_idx;
	if (added == 0 || !kick_wanted(e, since))
		return;
	if (e->doorbell != NULL)
		__atomic_store_n(e->doorbell, e->qid, __ATOMIC_RELAXED);
	else
		eventfd_write(e->kickfd, 1);
	e->kicks++;
}

void
want_call(struct end *e)
{
	struct vring_avail *avail = e->driver.layout.driver;

	if (has(VIRTIO_RING_F_EVENT_IDX) && !has(VIRTIO_F_RING_PACKED))
		__atomic_store_n(&avail->ring[SIZE], e->driver.used_idx, __ATOMIC_RELAXED);
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void
fill_frame(uint8_t *frame, uint16_t qid, uint64_t number)
{
	for (uint32_t i = 0; i < BUFFER; i++)
		frame[i] = (uint8_t)(i * 31 + number * 7 + qid + (number >> 8));
}

uint32_t
frame_len(uint64_t number)
{
	return 60 + number * 37 % 1455;
}

uint32_t
send_frames(struct pair *p, uint32_t n)
{
	uint8_t frame[BUFFER], header[HEADER] = { 0 };
	struct end *e = &p->tx;
	uint32_t sent = 0, token, len;

	while (ring_driver_take(&e->driver, &token, &len))
		e->free[e->n_free++] = token;
	for (; sent < n && e->n_free > 0; sent++) {
		struct ring_driver_seg seg;

		token = e->free[--e->n_free];
		seg = (struct ring_driver_seg){ e->buffers[token], HEADER + frame_len(e->done) };
		fill_frame(frame, p->rx.qid, e->done++);
		guest_memory_write(&rig.memory, seg.gpa, header, HEADER);
		guest_memory_write(&rig.memory, seg.gpa + HEADER, frame, seg.len - HEADER);
		assert_true(ring_driver_add(&e->driver, &seg, 1, false, RING_DRIVER_DIRECT, token));
	}
	publish(e, sent);
	return sent;
}

void
post_buffers(struct pair *p, uint32_t n)
{
	struct end *e = &p->rx;
	uint32_t posted = 0;

	for (; posted < n && e->n_free > 0; posted++) {
		const uint32_t token = e->free[--e->n_free];
		const struct ring_driver_seg seg = { e->buffers[token], BUFFER };

		assert_true(ring_driver_add(&e->driver, &seg, 1, true, RING_DRIVER_DIRECT, token));
	}
	publish(e, posted);
}

uint32_t
receive_frames(struct pair *p)
{
	uint8_t frame[BUFFER], expected[BUFFER];
	struct end *e = &p->rx;
	uint32_t received = 0, token, len;

	while (ring_driver_take(&e->driver, &token, &len)) {
		assert_int_equal(len, HEADER + frame_len(e->done));
		guest_memory_read(&rig.memory, e->buffers[token] + HEADER, frame, len - HEADER);
		fill_frame(expected, e->qid, e->done++);
		assert_memory_equal(frame, expected, len - HEADER);
		e->free[e->n_free++] = token;
		received++;
	}
	return received;
}

void
wait_for_call(uint16_t pairs)
{
	struct pollfd fds[2 * PAIRS];
	eventfd_t value;

	for (uint16_t i = 0; i < pairs; i++) {
		fds[2 * i] = (struct pollfd){ rig.pairs[i].rx.callfd, POLLIN, 0 };
		fds[2 * i + 1] = (struct pollfd){ rig.pairs[i].tx.callfd, POLLIN, 0 };
	}
	/* The limit only turns a hang into a failure. */
	assert_true(poll(fds, 2 * pairs, 60000) > 0);
	for (uint16_t i = 0; i < 2 * pairs; i++)
		eventfd_read(fds[i].fd, &value);
}

void
exchange(uint16_t pairs, uint64_t total, uint32_t burst)
{
	bool done = false;

	while (!done) {
		bool progress = false;

		done = true;
		for (uint16_t i = 0; i < pairs; i++) {
			struct pair *p = &rig.pairs[i];
			const uint64_t left = total - p->tx.done;
			const uint64_t room = WINDOW - (p->tx.done - p->rx.done);

			want_call(&p->rx);
			want_call(&p->tx);
			progress |= send_frames(p, RTE_MIN(RTE_MIN(left, room), burst)) > 0;
			progress |= receive_frames(p) > 0;
			post_buffers(p, SIZE);
			done &= p->rx.done == total;
		}
		if (!done && !progress)
			wait_for_call(pairs);
	}
}

void
wait_for_sleep(const struct end *e)
{
	/* What would be asked if one more buffer was added. */
	struct end next = *e;
	const uint16_t since = e->driver.avail_idx;

	next.driver.avail_idx++;
	while (!kick_wanted(&next, since))
		sched_yield();
}

/* --- The device ---------------------------------------------------------------------------- */

void
start_ring(struct end *e)
{
	const uint16_t base = has(VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	const struct sim_hw_ring ring = {
		.layout = e->driver.layout,
		.avail = base,
		.used = base,
		.kickfd = e->kickfd,
		.callfd = e->callfd,
	};

	assert_int_equal(sim_hw_ring_start(rig.hw, e->qid, &ring), 0);
}

void
rig_start(uint64_t features, uint16_t pairs, bool doorbells)
{
	const struct sim_hw_conf conf = {
		.name = "sim",
		.pairs = pairs,
		.mtu = 1500,
		.doorbells = doorbells,
		.numa_node = SOCKET_ID_ANY,
	};

	memset(&rig, 0, sizeof(rig));
	rig.features = features;
	guest_memory_init(&rig.memory, 4, REGION);
	assert_int_equal(sim_hw_create(&conf, &rig.hw), 0);
	sim_hw_freeze(rig.hw);
	sim_hw_set_guest(rig.hw, features, rig.memory.table);
	for (uint16_t i = 0; i < pairs; i++) {
		end_init(&rig.pairs[i].rx, 2 * i);
		end_init(&rig.pairs[i].tx, 2 * i + 1);
		start_ring(&rig.pairs[i].rx);
		start_ring(&rig.pairs[i].tx);
	}
	sim_hw_thaw(rig.hw);
}

void
rig_stop(uint16_t pairs)
{
	sim_hw_destroy(rig.hw);
	for (uint16_t i = 0; i < pairs; i++) {
		end_fini(&rig.pairs[i].rx);
		end_fini(&rig.pairs[i].tx);
	}
	guest_memory_fini(&rig.memory);
}

/** Frames become visible before they are counted: let the device end its round first. */
static void
settle(void)
{
	sim_hw_freeze(rig.hw);
	sim_hw_thaw(rig.hw);
}

uint64_t
counter(uint16_t qid, const char *name)
{
	settle();
	for (unsigned int id = 0; id < sim_hw_counters(); id++) {
		if (strcmp(sim_hw_counter_name(id), name) == 0)
			return sim_hw_counter(rig.hw, qid, id);
	}
	fail_msg("no counter '%s'", name);
	return 0;
}

uint64_t
drops(uint16_t qid)
{
	uint64_t sum = 0;

	settle();
	for (unsigned int id = 0; id < sim_hw_counters(); id++) {
		if (strncmp(sim_hw_counter_name(id), "drop_", 5) == 0)
			sum += sim_hw_counter(rig.hw, qid, id);
	}
	return sum;
}
