/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>

#include "frontend.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

static struct vhost_device_config
config(void)
{
	return (struct vhost_device_config){
		.path = "/unit/device",
		.features = vhost_user_net_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
	};
}

static void
begin(struct frontend *fe, const struct vhost_device_config *cfg)
{
	fe_init(fe, -1, vhost_device_create(cfg));
	assert_non_null(fe->dev);
}

/* With two rings, the memory for them, and no features. */
static void
bring_up(struct frontend *fe, const struct vhost_device_config *cfg)
{
	begin(fe, cfg);
	assert_int_equal(fe_set_features(fe, 0), 0);
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
}

static void
end(struct frontend *fe)
{
	vhost_device_destroy(fe->dev);
	fe_fini(fe);
}

static void
every_queue_pair_can_be_used(void **state)
{
	const struct vhost_device_config cfg = config();
	struct vhost_user_message msg;
	struct frontend fe;

	(void)state;
	begin(&fe, &cfg);
	for (uint32_t i = 0; i < VHOST_QUEUES_MAX; i++)
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, i, 32768), 0);
	assert_int_equal(rte_vhost_get_vring_num(fe.dev->vid), VHOST_QUEUES_MAX);
	msg = fe_message(VHOST_USER_SET_VRING_NUM, sizeof(struct vhost_vring_state));
	msg.payload.state.index = VHOST_QUEUES_MAX;
	msg.payload.state.num = 256;
	assert_int_equal(fe_send(&fe, &msg), -EPROTO);
	end(&fe);
}

static void
numbers_run_out_and_come_back(void **state)
{
	const struct vhost_device_config cfg = config();
	static struct vhost_device *devices[RTE_MAX_VHOST_DEVICE];

	(void)state;
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE; i++) {
		devices[i] = vhost_device_create(&cfg);
		assert_non_null(devices[i]);
		assert_int_equal(devices[i]->vid, i);
	}
	assert_null(vhost_device_create(&cfg));
	vhost_device_destroy(devices[500]);
	assert_ptr_equal(vhost_device_create(&cfg), devices[500]);
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE; i++)
		vhost_device_destroy(devices[i]);
}

static void
late_use_of_a_number_finds_nothing(void **state)
{
	const struct vhost_device_config cfg = config();
	struct rte_vhost_vring vring;
	struct rte_vhost_memory *mem;
	struct frontend fe;
	struct rte_mbuf *pkts[1];
	uint64_t u64;
	uint16_t u16;
	char name[8];
	int vid;

	(void)state;
	bring_up(&fe, &cfg);
	vid = fe.dev->vid;
	end(&fe);
	for (; vid != -2; vid = vid > 0 ? -1 : -2) {
		assert_int_equal(rte_vhost_enqueue_burst(vid, 0, pkts, 1), 0);
		assert_int_equal(rte_vhost_dequeue_burst(vid, 1, NULL, pkts, 1), 0);
		assert_int_equal(rte_vhost_get_vring_num(vid), 0);
		assert_int_equal(rte_vhost_get_mtu(vid, &u16), -ENODEV);
		assert_int_equal(rte_vhost_get_mem_table(vid, &mem), -1);
		assert_int_equal(rte_vhost_get_vhost_vring(vid, 0, &vring), -1);
		assert_int_equal(rte_vhost_get_vring_base(vid, 0, &u16, &u16), -1);
		assert_int_equal(rte_vhost_set_vring_base(vid, 0, 0, 0), -1);
		assert_int_equal(rte_vhost_get_negotiated_features(vid, &u64), -1);
		assert_int_equal(rte_vhost_get_negotiated_protocol_features(vid, &u64), -1);
		assert_int_equal(rte_vhost_get_ifname(vid, name, sizeof(name)), -1);
		assert_int_equal(rte_vhost_get_numa_node(vid), -1);
		assert_int_equal(rte_vhost_get_log_base(vid, &u64, &u64), -1);
		assert_int_equal(rte_vhost_vring_call(vid, 0), -1);
		assert_int_equal(rte_vhost_enable_guest_notification(vid, 0, 1), -1);
		assert_int_equal(rte_vhost_avail_entries(vid, 0), 0);
		assert_int_equal(rte_vhost_rx_queue_count(vid, 1), 0);
		assert_int_equal(rte_vhost_vring_stats_get(vid, 0, NULL, 0), -1);
		assert_null(rte_vhost_get_vdpa_device(vid));
		rte_vhost_log_write(vid, 0, 1);
		rte_vhost_log_used_vring(vid, 0, 0, 1);
	}
}

struct question {
	pthread_t thread;
	int vid;
	bool asked;
	uint32_t answer;
};

static void *
ask(void *arg)
{
	struct question *q = arg;

	__atomic_store_n(&q->asked, true, __ATOMIC_RELEASE);
	q->answer = rte_vhost_rx_queue_count(q->vid, 1);
	return NULL;
}

/* Whoever takes a zero for an answer goes to sleep. */
static void
frames_that_wait_are_counted_whoever_has_the_ring(void **state)
{
	const struct vhost_device_config cfg = config();
	struct question q = { 0 };
	struct vring_avail *avail;
	struct frontend fe;

	(void)state;
	bring_up(&fe, &cfg);
	avail = fe.dev->queues[1]->vring.avail;
	__atomic_store_n(&avail->idx, 3, __ATOMIC_RELEASE);
	q.vid = fe.dev->vid;
	vhost_vring_claim(&fe.dev->queues[1]->vring);
	assert_int_equal(pthread_create(&q.thread, NULL, ask, &q), 0);
	while (!__atomic_load_n(&q.asked, __ATOMIC_ACQUIRE))
		sched_yield();
	/* On its way: what it meets is most likely the ring in our hands. */
	for (int i = 0; i < 1000; i++)
		sched_yield();
	vhost_vring_release(&fe.dev->queues[1]->vring);
	pthread_join(q.thread, NULL);
	assert_int_equal(q.answer, 3);
	end(&fe);
}

static void
statistics_have_names(void **state)
{
	/* Programs are known to take them by their places. */
	static const char *const original[] = { "good_packets", "good_bytes", "multicast_packets",
		"broadcast_packets", "undersize_packets", "size_64_packets", "size_65_127_packets",
		"size_128_255_packets", "size_256_511_packets", "size_512_1023_packets",
		"size_1024_1518_packets", "size_1519_max_packets", "guest_notifications",
		"iotlb_hits", "iotlb_misses", "inflight_submitted", "inflight_completed" };
	struct vhost_device_config cfg = config();
	struct rte_vhost_stat_name names[64];
	struct rte_vhost_stat stats[64];
	struct frontend fe;
	int n;

	(void)state;
	begin(&fe, &cfg);
	assert_int_equal(fe_set_call(&fe, 3), 0);
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, NULL, 0), -1);
	end(&fe);

	cfg.flags = RTE_VHOST_USER_NET_STATS_ENABLE;
	begin(&fe, &cfg);
	assert_int_equal(fe_set_call(&fe, 3), 0);
	n = rte_vhost_vring_stats_get_names(fe.dev->vid, 3, NULL, 0);
	assert_true(n > 0 && n <= (int)RTE_DIM(names));
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, names, 1), n);
	assert_int_equal(rte_vhost_vring_stats_get_names(fe.dev->vid, 3, names, n), n);
	for (size_t i = 0; i < RTE_DIM(original); i++) {
		assert_memory_equal(names[i].name, "rx_q1_", 6);
		assert_string_equal(names[i].name + 6, original[i]);
	}
	fe.dev->queues[3]->vring.stats.bytes = 4711;
	fe.dev->queues[3]->vring.stats.broken = 2;
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 3, stats, n), n);
	for (int i = 0; i < n; i++) {
		assert_int_equal(stats[i].id, i);
		assert_int_equal(stats[i].value,
			strstr(names[i].name, "good_bytes") ? 4711 :
				i == n - 1                  ? 2 :
							      0);
	}
	assert_int_equal(rte_vhost_vring_stats_reset(fe.dev->vid, 3), 0);
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 3, stats, n), n);
	assert_int_equal(stats[1].value, 0);
	assert_int_equal(rte_vhost_vring_stats_get(fe.dev->vid, 2, stats, n), -1);
	end(&fe);
}

static void
applications_log_what_they_write(void **state)
{
	const uint32_t at = FE_MEMORY_SIZE / 2;
	const uint64_t page = FE_GPA / 4096 + 5;
	struct vhost_device_config cfg = config();
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));
	struct frontend fe;
	uint64_t agreed;

	(void)state;
	cfg.protocol_features = FEATURE(VHOST_USER_PF_LOG_SHMFD);
	begin(&fe, &cfg);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES, cfg.protocol_features),
		0);
	assert_int_equal(rte_vhost_get_negotiated_protocol_features(fe.dev->vid, &agreed), 0);
	assert_int_equal(agreed, cfg.protocol_features);
	assert_int_equal(rte_vhost_extern_callback_register(fe.dev->vid, NULL, NULL), -1);
	assert_int_equal(fe_set_features(&fe, FEATURE(VHOST_F_LOG_ALL)), 0);
	msg.payload.log = (struct vhost_user_log){ .mmap_size = page / 8 + 1, .mmap_offset = at };
	msg.fds[msg.nfds++] = fe.memfd;
	assert_int_equal(fe_send(&fe, &msg), 0);
	rte_vhost_log_write(fe.dev->vid, FE_GPA + 5 * 4096 + 7, 1);
	for (uint64_t i = 0; i <= page / 8; i++)
		assert_int_equal(fe.memory[at + i], i == page / 8 ? 1 << page % 8 : 0);
	end(&fe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_queue_pair_can_be_used),
		cmocka_unit_test(numbers_run_out_and_come_back),
		cmocka_unit_test(late_use_of_a_number_finds_nothing),
		cmocka_unit_test(frames_that_wait_are_counted_whoever_has_the_ring),
		cmocka_unit_test(statistics_have_names),
		cmocka_unit_test(applications_log_what_they_write),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("rte_vhost_device", tests, NULL, NULL);
}
