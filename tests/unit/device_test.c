/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>

#include "dirty_log.h"
#include "recorder.h"

static void
later_queue_pairs_join_a_running_device(void **state)
{
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1 | F_PROTOCOL);
		assert_int_equal(fe_setup_ring(&fe, 2), 0);
		assert_int_equal(fe_setup_ring(&fe, 3), 0);
		assert_false(told.ring[2]);
		assert_int_equal(recorder_enable(&fe, 2, true), 0);
		assert_int_equal(recorder_enable(&fe, 3, true), 0);
		assert_true(told.ring[2] && told.ring[3]);
		assert_int_equal(told.vring_up[3], with_vdpa);
		assert_int_equal(recorder_enable(&fe, 2, false), 0);
		assert_false(told.ring[2]);
		assert_int_equal(told.new_device, 1);
		assert_int_equal(told.destroy_device, 0);
		assert_int_equal(told.conf, with_vdpa);
		recorder_end(&fe);
	}
}

static void
disabled_first_ring_does_not_stop_the_device(void **state)
{
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, false, F_V1 | F_PROTOCOL);
	assert_int_equal(recorder_enable(&fe, 0, false), 0);
	assert_true(told.running);
	assert_false(told.ring[0]);
	assert_int_equal(recorder_enable(&fe, 0, true), 0);
	assert_int_equal(told.ring_up[0], 2);
	assert_int_equal(told.new_device, 1);
	recorder_end(&fe);
}

static void
stopped_device_goes_on_where_it_was(void **state)
{
	struct frontend fe;
	uint16_t avail, used;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		recorder_bring_up(&fe, false, F_V1 | (packed ? F_PACKED : 0));
		assert_int_equal(fe_get_base(&fe, 0), packed ? 0x80008000 : 0);
		assert_int_equal(fe_get_base(&fe, 1), packed ? 0x80008000 : 0);
		assert_false(told.running);

		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, 100), 0);
		fe_used(&fe, 0)->idx = 100;
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(fe_set_kick(&fe, 1), 0);
		assert_true(told.running);
		assert_int_equal(rte_vhost_get_vring_base(fe.dev->vid, 0, &avail, &used), 0);
		assert_int_equal(avail, 100);
		assert_int_equal(used, 100);
		assert_int_equal(fe_get_base(&fe, 0), packed ? 100 << 16 | 100 : 100);
		recorder_end(&fe);
	}
}

/* The former ones are the guest's again, for whatever it likes. */
static void
stopped_ring_goes_on_with_another_size_at_another_place(void **state)
{
	struct vhost_user_message msg;
	const struct vhost_vring *vr;
	struct frontend fe;
	uintptr_t before;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		recorder_bring_up(&fe, false, F_V1 | (packed ? F_PACKED : 0));
		vr = &fe.dev->queues[0]->vring;
		before = (uintptr_t)vr->desc;
		fe_get_base(&fe, 0);
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 0, FE_RING_SIZE / 2),
			0);
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_true(told.ring[0]);
		assert_int_equal(vr->size, FE_RING_SIZE / 2);

		fe_get_base(&fe, 0);
		msg = fe_message(VHOST_USER_SET_VRING_ADDR, sizeof(struct vhost_vring_addr));
		msg.payload.addr.desc_user_addr = FE_VA + 2 * FE_RING_SPACE;
		msg.payload.addr.avail_user_addr = FE_VA + 3 * FE_RING_SPACE;
		msg.payload.addr.used_user_addr = FE_VA + 4 * FE_RING_SPACE;
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_true(told.ring[0]);
		assert_int_equal((uintptr_t)vr->desc - before, 2 * FE_RING_SPACE);
		assert_int_equal((uintptr_t)vr->avail - before, 3 * FE_RING_SPACE);
		assert_int_equal((uintptr_t)vr->used - before, 4 * FE_RING_SPACE);
		recorder_end(&fe);
	}
}

static void
another_kick_starts_the_ring_anew(void **state)
{
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(fe_set_kick(&fe, 1), 0);
		assert_int_equal(told.ring_down[1], 1);
		assert_int_equal(told.ring_up[1], 2);
		assert_int_equal(told.vring_down[1], with_vdpa);
		assert_int_equal(told.ring_down[0], 0);
		assert_true(told.running);
		recorder_end(&fe);
	}
}

static void
split_ring_is_believed_over_a_stale_base(void **state)
{
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, false, F_V1);
	fe_get_base(&fe, 0);
	fe_used(&fe, 0)->idx = 77;
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, 70), 0);
	assert_int_equal(fe_set_kick(&fe, 0), 0);
	assert_int_equal(fe_get_base(&fe, 0), 77);
	recorder_end(&fe);
}

static void
packed_base_outside_of_the_ring_ends_the_connection(void **state)
{
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, false, F_V1 | F_PACKED);
	fe_get_base(&fe, 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_kick(&fe, 0), -EINVAL);
	recorder_end(&fe);
}

static void
vdpa_driver_says_where_rings_stopped(void **state)
{
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, true, F_V1);
	assert_int_equal(fe_setup_ring(&fe, 2), 0);
	assert_true(told.vring[2]);
	/* Any ring: the driver tells when it closes the device, which then goes on without. */
	assert_int_equal(fe_get_base(&fe, 2), 1002);
	assert_int_equal(told.close, 1);
	assert_int_equal(told.conf, 2);
	assert_int_equal(fe_get_base(&fe, 0), 1000);
	assert_int_equal(fe_get_base(&fe, 1), 1001);
	assert_int_equal(told.close, 2);
	assert_int_equal(told.conf, 2);
	recorder_end(&fe);
}

static void
new_call_descriptor_reaches_whoever_interrupts(void **state)
{
	struct frontend fe;
	struct rte_vhost_vring before, after;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &before), 0);
		assert_int_equal(fe_set_call(&fe, 0), 0);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &after), 0);
		assert_true(after.callfd >= 0 && after.callfd != before.callfd);
		assert_int_equal(told.vring_up[0], with_vdpa ? 2 : 0);
		assert_int_equal(told.new_device, 1);
		if (!with_vdpa)
			assert_int_equal(fe.dev->queues[0]->vring.callfd, after.callfd);
		/* None: the driver polls. */
		assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, -1), 0);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &after), 0);
		assert_int_equal(after.callfd, -1);
		recorder_end(&fe);
	}
}

/* An interrupt on the former descriptor would reach nobody. */
static void
new_call_descriptor_is_told_to_applications_with_rings_of_their_own(void **state)
{
	struct vhost_device_config cfg = recorder_config(false);
	struct rte_vhost_vring vring;
	struct frontend fe;

	(void)state;
	cfg.builtin_net = false;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	/* Nobody hears of a ring that is not ready. */
	assert_int_equal(fe_set_call(&fe, 0), 0);
	assert_int_equal(told.ring_down[0] + told.ring_up[0], 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_true(told.running);
	assert_int_equal(fe_set_call(&fe, 0), 0);
	assert_int_equal(told.ring_down[0], 1);
	assert_int_equal(told.ring_up[0], 2);
	assert_int_equal(told.new_device, 1);
	assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 0, &vring), 0);
	assert_int_equal(vring.callfd, fe.dev->queues[0]->callfd);
	recorder_end(&fe);
}

static void
logging_comes_and_goes_while_the_device_runs(void **state)
{
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
		assert_int_equal(told.features_changed, 1);
		assert_int_equal(told.set_features, with_vdpa);
		assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
		assert_int_equal(told.features_changed, 1);
		assert_int_equal(fe_set_features(&fe, F_V1), 0);
		assert_int_equal(told.features_changed, 2);
		assert_true(told.running);
		assert_int_equal(told.new_device, 1);
		assert_int_equal(told.ring_up[0], 1);
		recorder_end(&fe);
	}
}

/* It may have the log that is replaced mapped, or write what nobody logs. */
static void
a_vdpa_driver_that_cannot_change_logging_starts_anew(void **state)
{
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, true, F_V1);
	set_features_result = -EIO;
	assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
	set_features_result = 0;
	assert_int_equal(told.close, 1);
	assert_int_equal(told.conf, 2);
	assert_true(told.running && told.configured && told.vring[0] && told.vring[1]);
	/* The application learns of features when the device is there again. */
	assert_int_equal(told.features_changed, 0);
	assert_int_equal(told.new_device, 2);
	recorder_end(&fe);
}

/* Bits that nobody reads would be those of pages that nobody sends once more. */
static void
rings_mark_the_log_that_was_set_last(void **state)
{
	const uint64_t mark[] = { 1, 2, 3 };
	struct vhost_user_message msg;
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, false, F_V1 | F_LOG);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_LOG_SHMFD)),
		0);
	for (size_t i = 0; i < RTE_DIM(mark); i++) {
		const struct vhost_dirty_log *log = &fe.dev->queues[0]->vring.log;

		msg = fe_message(VHOST_USER_SET_LOG_BASE, sizeof(struct vhost_user_log));
		msg.payload.log.mmap_size = 4096 * mark[i];
		msg.payload.log.mmap_offset = FE_MEMORY_SIZE / 2;
		msg.fds[msg.nfds++] = fe.memfd;
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_int_equal(fe_answer(&fe, &msg), 1);
		assert_true(told.ring[0]);
		assert_int_equal(log->size, 4096 * mark[i]);
		fe.memory[FE_MEMORY_SIZE / 2] = 0;
		vhost_dirty_log_mark(log, 0, 1);
		assert_int_equal(fe.memory[FE_MEMORY_SIZE / 2], 1);
	}
	recorder_end(&fe);
}

/* A burst that comes late finds nobody to call, whoever has those descriptors by then. */
static void
rings_of_a_connection_that_ended_call_nobody(void **state)
{
	const struct vhost_vring *vr;
	struct frontend fe;

	(void)state;
	recorder_bring_up(&fe, false, F_V1);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_ERR, 0, fe.call[0]), 0);
	vr = &fe.dev->queues[0]->vring;
	assert_true(vr->callfd >= 0 && vr->errfd >= 0);
	recorder_end(&fe);
	assert_int_equal(vr->callfd, -1);
	assert_int_equal(vr->errfd, -1);
	assert_false(vr->running);
}

/* Where the used ring is logged comes after logging was turned on, with the ring running. */
static void
a_vdpa_driver_learns_where_a_ring_is_logged(void **state)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	struct rte_vhost_vring vring;
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1);
		assert_int_equal(fe_set_features(&fe, F_V1 | F_LOG), 0);
		assert_int_equal(fe_set_addr(&fe, 1), 0);
		assert_int_equal(told.vring_up[1], with_vdpa);
		msg.payload.addr = fe.dev->queues[1]->addr;
		msg.payload.addr.flags = 1 << VHOST_VRING_F_LOG;
		msg.payload.addr.log_guest_addr = FE_GPA + 0x8000;
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_int_equal(told.vring_down[1], with_vdpa);
		assert_int_equal(told.vring_up[1], 2 * with_vdpa);
		assert_int_equal(rte_vhost_get_vhost_vring(fe.dev->vid, 1, &vring), 0);
		assert_int_equal(vring.log_guest_addr, FE_GPA + 0x8000);
		assert_true(told.running);
		recorder_end(&fe);
	}
}

/* Whatever else could block the data path, or end the process with a signal. */
static void
notifications_need_an_eventfd(void **state)
{
	const uint32_t requests[] = { VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_ERR };
	struct frontend fe;
	int pipes[2], sockets[2], flags;
	unsigned int held;

	(void)state;
	recorder_bring_up(&fe, false, F_V1);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	held = unit_open_fds();
	for (size_t i = 0; i < RTE_DIM(requests); i++) {
		assert_true(fe_set_fd(&fe, requests[i], 0, pipes[1]) < 0);
		assert_true(fe_set_fd(&fe, requests[i], 0, sockets[1]) < 0);
		assert_true(fe_set_fd(&fe, requests[i], 0, fe.memfd) < 0);
		assert_int_equal(unit_open_fds(), held);
	}
	assert_true(told.running);

	/* One that would block is made not to. */
	flags = fcntl(fe.call[0], F_GETFL);
	assert_int_equal(fcntl(fe.call[0], F_SETFL, flags & ~O_NONBLOCK), 0);
	assert_int_equal(fe_set_call(&fe, 0), 0);
	assert_true((fcntl(fe.call[0], F_GETFL) & O_NONBLOCK) != 0);

	/* Each takes the place of the one before. */
	for (size_t i = 0; i < RTE_DIM(requests); i++) {
		assert_int_equal(fe_set_fd(&fe, requests[i], 0, fe.call[0]), 0);
		held = unit_open_fds();
		for (int k = 0; k < 2; k++)
			assert_int_equal(fe_set_fd(&fe, requests[i], 0, fe.call[0]), 0);
		assert_int_equal(unit_open_fds(), held);
	}
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(sockets[i]);
	}
	recorder_end(&fe);
}

static void
application_may_refuse_a_device(void **state)
{
	struct frontend fe;
	const struct vhost_device_config cfg = recorder_config(true);

	(void)state;
	recorder_begin(&fe, &cfg);
	new_device_result = -1;
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	/* Asked once, and not again for each message that follows. */
	assert_int_equal(fe_setup_ring(&fe, 2), 0);
	assert_int_equal(told.new_device, 1);
	assert_int_equal(told.conf, 1);
	assert_int_equal(told.close, 1);
	/* But when the device would start anew. */
	new_device_result = 0;
	fe_get_base(&fe, 0);
	assert_int_equal(fe_set_kick(&fe, 0), 0);
	assert_true(told.running);
	recorder_end(&fe);
}

static void
application_may_refuse_a_connection(void **state)
{
	const struct vhost_device_config cfg = recorder_config(false);
	struct vhost_device *dev;

	(void)state;
	memset(&told, 0, sizeof(told));
	new_connection_result = -1;
	dev = vhost_device_create(&cfg);
	assert_int_equal(vhost_device_announce(dev), -ECONNREFUSED);
	assert_int_equal(told.new_connection, 1);
	vhost_device_destroy(dev);
	assert_int_equal(told.destroy_connection, 0);
	assert_int_equal(rte_vhost_get_vring_num(0), 0);
	new_connection_result = 0;
}

static void
driver_that_cannot_start_ends_the_connection(void **state)
{
	struct frontend fe;
	const struct vhost_device_config cfg = recorder_config(true);

	(void)state;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	conf_result = -1;
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 1, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_addr(&fe, 1), 0);
	assert_int_equal(fe_set_kick(&fe, 1), -EIO);
	assert_int_equal(told.new_device, 0);
	conf_result = 0;
	recorder_end(&fe);
}

/* A ring that nobody serves is no ring: the front end is to know, and to try again. */
static void
driver_that_cannot_take_up_a_ring_ends_the_connection(void **state)
{
	const struct vhost_device_config cfg = recorder_config(true);
	struct frontend fe;

	(void)state;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	vring_up_result = -EBUSY;
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 1, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_addr(&fe, 1), 0);
	assert_int_equal(fe_set_kick(&fe, 1), -EIO);
	assert_int_equal(told.ring_up[1], 0);
	assert_int_equal(told.new_device, 0);
	vring_up_result = 0;
	/* Only what was taken up is given back, which the recorder checks. */
	recorder_end(&fe);
}

static void
reset_stops_and_forgets(void **state)
{
	const uint32_t requests[] = { VHOST_USER_RESET_OWNER, VHOST_USER_RESET_DEVICE };
	struct frontend fe;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(requests); i++) {
		struct vhost_user_message msg = fe_message(requests[i], 0);

		recorder_bring_up(&fe, false, F_V1);
		assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
					 FEATURE(VHOST_USER_PF_RESET_DEVICE)),
			0);
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_false(told.running);
		assert_false(told.ring[0]);
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(fe_set_kick(&fe, 1), 0);
		assert_false(told.ring[0]);
		assert_int_equal(fe_set_features(&fe, F_V1), 0);
		assert_int_equal(fe_setup_ring(&fe, 0), 0);
		assert_int_equal(fe_setup_ring(&fe, 1), 0);
		assert_true(told.running);
		recorder_end(&fe);
	}
}

/* As QEMU 7.2 does whenever it stops a device. */
static void
reset_device_still_tells_where_its_rings_stopped(void **state)
{
	struct frontend fe;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		recorder_bring_up(&fe, false, F_V1 | (packed ? F_PACKED : 0));
		assert_int_equal(recorder_negotiate_status(&fe), 0);
		fe_get_base(&fe, 0);
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 0, 100), 0);
		fe_used(&fe, 0)->idx = 100;
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(recorder_status(&fe, 0), 0);
		/* Of packed rings, where used descriptors go on as well. */
		assert_int_equal(fe_get_base(&fe, 0), packed ? 100 << 16 | 100 : 100);
		recorder_end(&fe);
	}
}

static void
application_with_rings_of_its_own_waits_for_all_of_them(void **state)
{
	struct vhost_device_config cfg = recorder_config(false);
	struct frontend fe;

	(void)state;
	cfg.builtin_net = false;
	recorder_begin(&fe, &cfg);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(fe_set_call(&fe, i), 0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_false(told.running);
		assert_int_equal(fe_setup_ring(&fe, i), 0);
	}
	assert_true(told.running);
	recorder_end(&fe);
}

static struct rte_vhost_vring taken_up;
static uint16_t taken_up_at;

static enum rte_vhost_msg_result
take_ring_up(int vid, void *msg)
{
	uint32_t request;

	memcpy(&request, msg, sizeof(request));
	if (request == VHOST_USER_SET_VRING_KICK) {
		uint16_t avail;

		assert_int_equal(rte_vhost_get_vhost_vring(vid, 0, &taken_up), 0);
		assert_int_equal(rte_vhost_get_vring_base(vid, 0, &avail, &taken_up_at), 0);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* Some front ends never enable the rings of a device that has no such thing as queue pairs. */
static void
application_takes_a_ring_up_behind_its_kick(void **state)
{
	const struct rte_vhost_user_extern_ops ops = { .post_msg_handle = take_ring_up };
	struct vhost_device_config cfg = recorder_config(false);
	struct frontend fe;
	uint64_t calls;

	(void)state;
	cfg.builtin_net = false;
	recorder_begin(&fe, &cfg);
	assert_int_equal(rte_vhost_extern_callback_register(fe.dev->vid, &ops, NULL), 0);
	assert_int_equal(fe_set_features(&fe, F_V1 | FEATURE(VHOST_USER_FEATURE_PROTOCOL)), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	fe_used(&fe, 0)->idx = 7;
	taken_up.desc = NULL;
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_false(told.running);
	assert_ptr_equal(taken_up.desc, (void *)(uintptr_t)fe.dev->mem->regions[0].host_user_addr);
	assert_int_equal(taken_up.used->idx, 7);
	assert_int_equal(taken_up_at, 7);
	assert_int_equal(rte_vhost_vring_call(fe.dev->vid, 0), 0);
	assert_int_equal(read(fe.call[0], &calls, sizeof(calls)), sizeof(calls));

	/* What it completed meanwhile does not move the ring once more when that is enabled after all. */
	fe_used(&fe, 0)->idx = 9;
	assert_int_equal(rte_vhost_set_vring_base(fe.dev->vid, 0, 9, 9), 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(told.running);
	/* A ring that does not begin anew calls at once. */
	assert_int_equal(read(fe.call[0], &calls, sizeof(calls)), sizeof(calls));
	assert_int_equal(fe_get_base(&fe, 0), 9);
	assert_int_equal(rte_vhost_vring_call(fe.dev->vid, 0), 0);
	assert_int_equal(read(fe.call[0], &calls, sizeof(calls)), -1);
	recorder_end(&fe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_queue_pairs_join_a_running_device),
		cmocka_unit_test(disabled_first_ring_does_not_stop_the_device),
		cmocka_unit_test(stopped_device_goes_on_where_it_was),
		cmocka_unit_test(stopped_ring_goes_on_with_another_size_at_another_place),
		cmocka_unit_test(another_kick_starts_the_ring_anew),
		cmocka_unit_test(split_ring_is_believed_over_a_stale_base),
		cmocka_unit_test(packed_base_outside_of_the_ring_ends_the_connection),
		cmocka_unit_test(vdpa_driver_says_where_rings_stopped),
		cmocka_unit_test(new_call_descriptor_reaches_whoever_interrupts),
		cmocka_unit_test(
			new_call_descriptor_is_told_to_applications_with_rings_of_their_own),
		cmocka_unit_test(logging_comes_and_goes_while_the_device_runs),
		cmocka_unit_test(a_vdpa_driver_that_cannot_change_logging_starts_anew),
		cmocka_unit_test(rings_mark_the_log_that_was_set_last),
		cmocka_unit_test(rings_of_a_connection_that_ended_call_nobody),
		cmocka_unit_test(a_vdpa_driver_learns_where_a_ring_is_logged),
		cmocka_unit_test(notifications_need_an_eventfd),
		cmocka_unit_test(application_may_refuse_a_device),
		cmocka_unit_test(application_may_refuse_a_connection),
		cmocka_unit_test(driver_that_cannot_start_ends_the_connection),
		cmocka_unit_test(driver_that_cannot_take_up_a_ring_ends_the_connection),
		cmocka_unit_test(reset_stops_and_forgets),
		cmocka_unit_test(reset_device_still_tells_where_its_rings_stopped),
		cmocka_unit_test(application_with_rings_of_its_own_waits_for_all_of_them),
		cmocka_unit_test(application_takes_a_ring_up_behind_its_kick),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("device", tests, recorder_setup, recorder_teardown);
}
