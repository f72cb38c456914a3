/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_log.h>
#include <rte_mbuf.h>

#include "frontend.h"
#include "unit_eal.h"

#define F_V1 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define BUFFERS_AT (2 * FE_RING_SPACE)
#define BUFFER 2048

static struct rte_mempool *pool;

static struct {
	bool take;   /* the callback's answer */
	bool inject; /* the callback raises it at once */
	bool reset;  /* the ring's counters, when it is asked to notify */
	int notify, notified;
	uint16_t queue;
} app;

static bool
guest_notify(int vid, uint16_t queue)
{
	app.notify++;
	app.queue = queue;
	if (app.inject)
		rte_vhost_notify_guest(vid, queue);
	if (app.reset)
		assert_int_equal(rte_vhost_vring_stats_reset(vid, queue), 0);
	return app.take;
}

static void
guest_notified(int vid)
{
	(void)vid;
	app.notified++;
}

/* A device whose ring 0 has a buffer for each of the driver's descriptors. */
static void
bring_up(struct frontend *fe, const struct rte_vhost_device_ops *ops)
{
	const struct vhost_device_config config = {
		.path = "unit",
		.flags = RTE_VHOST_USER_NET_STATS_ENABLE,
		.features = F_V1,
		.queue_num = 1,
		.builtin_net = true,
		.ops = *ops,
	};
	struct vring_desc *desc;
	struct vring_avail *avail;

	fe_init(fe, -1, vhost_device_create(&config));
	desc = (struct vring_desc *)fe->memory;
	avail = (struct vring_avail *)(fe->memory + 0x4000);
	for (uint16_t i = 0; i < FE_RING_SIZE; i++) {
		desc[i] = (struct vring_desc){ .addr = FE_GPA + BUFFERS_AT + i * BUFFER,
			.len = BUFFER,
			.flags = VRING_DESC_F_WRITE };
		avail->ring[i] = i;
	}
	avail->idx = FE_RING_SIZE;
	assert_int_equal(fe_set_features(fe, F_V1), 0);
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	assert_true(fe->dev->running);
	memset(&app, 0, sizeof(app));
}

static void
take_down(struct frontend *fe)
{
	vhost_device_destroy(fe->dev);
	fe_fini(fe);
}

static void
enqueue(struct frontend *fe)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, 64), 0x5a, 64);
	assert_int_equal(rte_vhost_enqueue_burst(fe->dev->vid, 0, &m, 1), 1);
	rte_pktmbuf_free(m);
}

/* Interrupts that the driver got since it was last looked. */
static unsigned int
interrupts(struct frontend *fe)
{
	eventfd_t n;

	return eventfd_read(fe->call[0], &n) == 0 ? (unsigned int)n : 0;
}

static uint64_t
counter(struct frontend *fe, const char *name)
{
	struct rte_vhost_stat_name names[64];
	struct rte_vhost_stat stats[64];
	int n = rte_vhost_vring_stats_get_names(fe->dev->vid, 0, names, RTE_DIM(names));

	assert_int_equal(rte_vhost_vring_stats_get(fe->dev->vid, 0, stats, RTE_DIM(stats)), n);
	for (int i = 0; i < n; i++)
		if (strcmp(names[i].name + strlen("tx_q0_"), name) == 0)
			return stats[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

static void
application_is_told_of_interrupts(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notified = guest_notified };
	struct frontend fe;

	(void)state;
	bring_up(&fe, &ops);
	enqueue(&fe);
	assert_int_equal(interrupts(&fe), 1);
	assert_int_equal(app.notified, 1);
	assert_int_equal(rte_vhost_vring_call(fe.dev->vid, 0), 0);
	assert_int_equal(interrupts(&fe), 1);
	assert_int_equal(app.notified, 2);
	assert_int_equal(counter(&fe, "guest_notifications"), 2);
	assert_int_equal(counter(&fe, "guest_notifications_offloaded"), 0);
	take_down(&fe);
}

static void
application_may_raise_interrupts_itself(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notify = guest_notify,
		.guest_notified = guest_notified };
	struct frontend fe;

	(void)state;
	bring_up(&fe, &ops);
	app.take = true;
	enqueue(&fe);
	assert_int_equal(app.notify, 1);
	assert_int_equal(app.queue, 0);
	assert_int_equal(interrupts(&fe), 0);
	assert_int_equal(rte_vhost_vring_call_nonblock(fe.dev->vid, 0), 0);
	assert_int_equal(app.notify, 2);
	assert_int_equal(interrupts(&fe), 0);
	assert_int_equal(app.notified, 0);
	rte_vhost_notify_guest(fe.dev->vid, 0);
	assert_int_equal(interrupts(&fe), 1);
	assert_int_equal(app.notified, 1);
	assert_int_equal(counter(&fe, "guest_notifications_offloaded"), 2);
	assert_int_equal(counter(&fe, "guest_notifications"), 1);

	app.inject = true;
	enqueue(&fe);
	assert_int_equal(interrupts(&fe), 1);
	assert_int_equal(app.notified, 2);
	take_down(&fe);
}

static void
interrupt_that_the_application_leaves_is_raised(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notify = guest_notify,
		.guest_notified = guest_notified };
	struct frontend fe;

	(void)state;
	bring_up(&fe, &ops);
	for (int i = 1; i <= 3; i++) {
		enqueue(&fe);
		assert_int_equal(interrupts(&fe), 1);
		assert_int_equal(app.notify, i);
		assert_int_equal(app.notified, i);
	}
	assert_int_equal(counter(&fe, "guest_notifications"), 3);
	assert_int_equal(counter(&fe, "guest_notifications_offloaded"), 0);
	take_down(&fe);
}

/* What is owed is counted; the counters may be set to zero before it is paid. */
static void
interrupt_that_counters_have_forgotten_is_raised(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notify = guest_notify };
	struct frontend fe;

	(void)state;
	bring_up(&fe, &ops);
	app.reset = true;
	enqueue(&fe);
	assert_int_equal(interrupts(&fe), 1);
	assert_int_equal(counter(&fe, "guest_notifications_offloaded"), 0);
	take_down(&fe);
}

static void
application_is_not_asked_for_what_the_driver_does_not_want(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notify = guest_notify };
	struct frontend fe;
	struct vring_avail *avail;

	(void)state;
	bring_up(&fe, &ops);
	app.take = true;
	avail = (struct vring_avail *)(fe.memory + 0x4000);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	enqueue(&fe);
	assert_int_equal(app.notify, 0);
	assert_int_equal(counter(&fe, "guest_notifications_suppressed"), 1);
	/* A driver without a descriptor to be interrupted through polls. */
	avail->flags = 0;
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_CALL, 0, -1), 0);
	enqueue(&fe);
	assert_int_equal(app.notify, 0);
	rte_vhost_notify_guest(fe.dev->vid, 0);
	assert_int_equal(interrupts(&fe), 0);
	take_down(&fe);
}

static void
front_end_is_told_once_that_a_ring_is_broken(void **state)
{
	const struct rte_vhost_device_ops ops = { 0 };
	const int err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct vring_avail *avail;
	struct frontend fe;
	eventfd_t n;

	(void)state;
	assert_non_null(m);
	rte_pktmbuf_append(m, 64);
	bring_up(&fe, &ops);
	assert_int_equal(fe_set_fd(&fe, VHOST_USER_SET_VRING_ERR, 0, err), 0);
	enqueue(&fe);
	assert_int_not_equal(eventfd_read(err, &n), 0);
	/* More buffers than the ring has. */
	avail = (struct vring_avail *)(fe.memory + 0x4000);
	avail->idx += 2 * FE_RING_SIZE;
	for (int i = 0; i < FE_RING_SIZE + 10; i++)
		rte_vhost_enqueue_burst(fe.dev->vid, 0, &m, 1);
	assert_int_equal(counter(&fe, "broken_ring"), 1);
	assert_int_equal(eventfd_read(err, &n), 0);
	assert_int_equal(n, 1);
	rte_pktmbuf_free(m);
	take_down(&fe);
	close(err);
}

static void
nobody_is_interrupted_on_a_ring_that_does_not_run(void **state)
{
	const struct rte_vhost_device_ops ops = { .guest_notified = guest_notified };
	struct frontend fe;
	int vid;

	(void)state;
	bring_up(&fe, &ops);
	vid = fe.dev->vid;
	fe_get_base(&fe, 0);
	rte_vhost_notify_guest(vid, 0);
	rte_vhost_notify_guest(vid, 2);
	rte_vhost_notify_guest(vid, UINT16_MAX);
	rte_vhost_notify_guest(-1, 0);
	rte_vhost_notify_guest(RTE_MAX_VHOST_DEVICE, 0);
	assert_int_equal(interrupts(&fe), 0);
	assert_int_equal(app.notified, 0);
	take_down(&fe);
	rte_vhost_notify_guest(vid, 0);
	assert_int_equal(app.notified, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(application_is_told_of_interrupts),
		cmocka_unit_test(application_may_raise_interrupts_itself),
		cmocka_unit_test(interrupt_that_the_application_leaves_is_raised),
		cmocka_unit_test(interrupt_that_counters_have_forgotten_is_raised),
		cmocka_unit_test(application_is_not_asked_for_what_the_driver_does_not_want),
		cmocka_unit_test(front_end_is_told_once_that_a_ring_is_broken),
		cmocka_unit_test(nobody_is_interrupted_on_a_ring_that_does_not_run),
	};

	if (unit_eal_setup(NULL) != 0)
		return 1;
	rte_log_set_global_level(RTE_LOG_EMERG);
	pool = rte_pktmbuf_pool_create("unit", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL)
		return 1;
	return cmocka_run_group_tests_name("vhost_notify", tests, NULL, NULL);
}
