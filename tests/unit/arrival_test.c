/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest that migrates here: the device's state comes through a pipe, and the network is told where
 * the guest is now.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "aside.h"
#include "frontend.h"
#include "unit_eal.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)
#define SAVE 0
#define LOAD 1
#define NO_FD 0x100

static struct rte_mempool *pool;
static struct vhost_device *connected;
static char from_path[64], to_path[64];

static void
begin(struct frontend *fe, uint64_t offered, bool builtin_net)
{
	const struct vhost_device_config config = {
		.path = "/unit/arrival",
		.features = offered,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = builtin_net,
	};

	fe_init(fe, -1, vhost_device_create(&config));
	assert_non_null(fe->dev);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, config.protocol_features),
		0);
}

static void
end(struct frontend *fe)
{
	vhost_device_destroy(fe->dev);
	fe_fini(fe);
}

static void
start(struct frontend *fe)
{
	assert_int_equal(fe_set_memory(fe), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(fe_setup_ring(fe, i), 0);
		assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_ENABLE, i, 1), 0);
	}
}

/* --- The network is told ------------------------------------------------------------------- */

static int
send_rarp(struct frontend *fe)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0, 1, 2, 3 };
	struct vhost_user_message msg = fe_message(VHOST_USER_SEND_RARP, sizeof(uint64_t));

	memcpy(&msg.payload, mac, sizeof(mac));
	return fe_send(fe, &msg);
}

static void
guest_is_announced_once(void **state)
{
	const struct rte_ether_hdr *eth;
	const struct rte_arp_hdr *arp;
	struct rte_mbuf *pkts[4];
	struct frontend fe;
	eventfd_t kicks;

	(void)state;
	begin(&fe, vhost_user_net_features, true);
	/* Nowhere to do it yet: no reason to part. */
	assert_int_equal(send_rarp(&fe), 0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	start(&fe);
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, pkts, 4), 0);
	eventfd_read(fe.kick[1], &kicks);
	assert_int_equal(send_rarp(&fe), 0);
	/* Whoever sleeps is woken, and whoever is about to finds that a frame waits. */
	assert_int_equal(eventfd_read(fe.kick[1], &kicks), 0);
	assert_int_equal(rte_vhost_rx_queue_count(fe.dev->vid, 1), 1);
	/* Not lost when features change. */
	assert_int_equal(fe_set_features(&fe, F_V1 | FEATURE(VHOST_F_LOG_ALL)), 0);
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, pkts, 0), 0);
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, pkts, 4), 1);
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, pkts + 1, 3), 0);
	assert_int_equal(rte_vhost_rx_queue_count(fe.dev->vid, 1), 0);

	eth = rte_pktmbuf_mtod(pkts[0], const struct rte_ether_hdr *);
	arp = (const struct rte_arp_hdr *)(eth + 1);
	assert_true(rte_is_broadcast_ether_addr(&eth->dst_addr));
	assert_memory_equal(&eth->src_addr, "\x52\x54\0\1\2\3", 6);
	assert_int_equal(rte_be_to_cpu_16(eth->ether_type), RTE_ETHER_TYPE_RARP);
	assert_int_equal(rte_be_to_cpu_16(arp->arp_opcode), RTE_ARP_OP_REVREQUEST);
	assert_memory_equal(&arp->arp_data.arp_sha, "\x52\x54\0\1\2\3", 6);
	assert_memory_equal(&arp->arp_data.arp_tha, "\x52\x54\0\1\2\3", 6);
	rte_pktmbuf_free(pkts[0]);
	end(&fe);
}

/* --- The state of the device --------------------------------------------------------------- */

static int
on_new_connection(int vid)
{
	connected = &vhost_devices[vid];
	return 0;
}

static const struct rte_vhost_device_ops ops = { .new_connection = on_new_connection };

/* The state moves beside the event loop: this takes a socket. */
static void
meet(struct frontend *fe, const char *path, uint64_t disabled)
{
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_disable_features(path, disabled), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	fe_init(fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_DEVICE_STATE) |
					 FEATURE(VHOST_USER_PF_NET_MTU)),
		0);
	/* Now the other end has its descriptors. */
	assert_int_not_equal(fe_get_u64(fe, VHOST_USER_GET_FEATURES), 0);
}

static void
part(struct frontend *fe, const char *path)
{
	fe_fini(fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	vhost_aside_settle();
}

/* Hand one end of a pipe over. @return the answer */
static uint64_t
transfer(struct frontend *fe, uint32_t direction, uint32_t phase, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_DEVICE_STATE_FD,
		sizeof(struct vhost_user_device_state));

	msg.payload.device_state = (struct vhost_user_device_state){ direction, phase };
	msg.fds[msg.nfds++] = fd;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_SET_DEVICE_STATE_FD);
	assert_int_equal(msg.header.size, sizeof(uint64_t));
	assert_int_equal(msg.nfds, 0);
	return msg.payload.u64;
}

static uint64_t
check_state(struct frontend *fe)
{
	return fe_get_u64(fe, VHOST_USER_CHECK_DEVICE_STATE);
}

/* @return bytes of the state, which the front end reads to its end */
static ssize_t
save(struct frontend *fe, uint8_t *data, size_t size)
{
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(transfer(fe, SAVE, 0, fds[1]), NO_FD);
	close(fds[1]);
	n = read(fds[0], data, size);
	assert_true(n > 0);
	assert_int_equal(read(fds[0], data + n, size - (size_t)n), 0);
	close(fds[0]);
	assert_int_equal(check_state(fe), 0);
	return n;
}

/* @return the answer to CHECK_DEVICE_STATE */
static uint64_t
load(struct frontend *fe, const void *data, size_t size, bool whole)
{
	uint64_t answer;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(transfer(fe, LOAD, 0, fds[0]), NO_FD);
	close(fds[0]);
	assert_int_equal(write(fds[1], data, size), size);
	if (whole)
		close(fds[1]);
	answer = check_state(fe);
	if (!whole)
		close(fds[1]);
	return answer;
}

/* Descriptors are closed beside the event loop as well. */
static unsigned int
settled_fds(void)
{
	vhost_aside_settle();
	return unit_open_fds();
}

static void
state_travels_through_a_pipe(void **state)
{
	struct frontend from, to;
	uint8_t data[4096];
	ssize_t n;
	unsigned int held;

	(void)state;
	meet(&from, from_path, 0);
	assert_int_equal(fe_set_features(&from, F_V1 | FEATURE(VIRTIO_NET_F_MTU)), 0);
	assert_int_equal(fe_set_u64(&from, VHOST_USER_NET_SET_MTU, 9000), 0);
	start(&from);
	fe_get_base(&from, 0);
	fe_get_base(&from, 1);
	held = settled_fds();
	n = save(&from, data, sizeof(data));
	assert_int_equal(settled_fds(), held);

	meet(&to, to_path, 0);
	held = settled_fds();
	assert_int_equal(load(&to, data, (size_t)n, true), 0);
	assert_int_equal(connected->mtu, 9000);
	/* One that was set here is newer. */
	assert_int_equal(fe_set_u64(&to, VHOST_USER_NET_SET_MTU, 1500), 0);
	assert_int_equal(load(&to, data, (size_t)n, true), 0);
	assert_int_equal(connected->mtu, 1500);
	assert_int_equal(settled_fds(), held);
	part(&to, to_path);
	/* A device that cannot keep what the guest has agreed on says so. */
	meet(&to, to_path, FEATURE(VIRTIO_NET_F_MTU));
	assert_int_equal(load(&to, data, (size_t)n, true), 1);
	part(&to, to_path);
	part(&from, from_path);
}

static void
state_that_is_not_whole_is_refused(void **state)
{
	struct frontend fe;
	uint8_t data[4096];
	ssize_t n;
	unsigned int held;

	(void)state;
	meet(&fe, to_path, 0);
	assert_int_equal(check_state(&fe), 1);
	n = save(&fe, data, sizeof(data) / 2);
	assert_int_equal(check_state(&fe), 1);
	held = settled_fds();
	for (size_t size = 0; size < (size_t)n; size++)
		assert_int_equal(load(&fe, data, size, true), 1);
	assert_int_equal(load(&fe, data, (size_t)n, false), 1);
	assert_int_equal(load(&fe, data, (size_t)n + 1, true), 1);
	for (size_t i = 0; i < 8; i++) {
		data[i] ^= 0x10;
		assert_int_equal(load(&fe, data, (size_t)n, true), 1);
		data[i] ^= 0x10;
	}
	assert_int_equal(load(&fe, data, (size_t)n, true), 0);
	/* Its rings are counted behind features and MTU: as many as there are, and one more. */
	data[18] = connected->max_queues & 0xff;
	data[19] = (uint8_t)(connected->max_queues >> 8);
	assert_int_equal(load(&fe, data, (size_t)n, true), 0);
	data[18]++;
	assert_int_equal(load(&fe, data, (size_t)n, true), 1);
	assert_int_equal(settled_fds(), held);
	part(&fe, to_path);
}

/* Larger than a pipe, and of another kind of back end: it can be written all the same. */
static void
state_of_another_back_end_is_refused(void **state)
{
	static uint8_t data[1 << 20];

	struct frontend fe;
	ssize_t n;
	int fds[2];

	(void)state;
	meet(&fe, to_path, 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(transfer(&fe, LOAD, 0, fds[0]), NO_FD);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	do
		n = write(fds[1], data, sizeof(data));
	while (n > 0);
	assert_int_equal(errno, EPIPE);
	close(fds[1]);
	assert_int_equal(check_state(&fe), 1);
	part(&fe, to_path);
}

static void
state_is_not_transferred_when_it_cannot_be(void **state)
{
	struct frontend fe;
	int fds[2], null;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	meet(&fe, to_path, 0);
	assert_int_equal(transfer(&fe, 2, 0, fds[1]), NO_FD | 1);
	assert_int_equal(transfer(&fe, SAVE, 1, fds[1]), NO_FD | 1);
	assert_int_equal(check_state(&fe), 1);
	assert_int_equal(transfer(&fe, SAVE, 0, null), NO_FD);
	assert_int_equal(check_state(&fe), 1);
	/* A reader that is gone is no reason to end. */
	close(fds[0]);
	assert_int_equal(transfer(&fe, SAVE, 0, fds[1]), NO_FD);
	assert_int_equal(check_state(&fe), 1);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	start(&fe);
	assert_int_equal(transfer(&fe, LOAD, 0, null), NO_FD | 1);
	part(&fe, to_path);

	begin(&fe, vhost_user_net_features, false);
	assert_int_equal(transfer(&fe, SAVE, 0, fds[1]), NO_FD | 1);
	end(&fe);
	close(fds[1]);
	close(null);
}

/* A front end changes its mind: what it began before counts for nothing, however far that came. */
static void
state_is_that_of_the_last_transfer(void **state)
{
	struct frontend fe;
	uint8_t data[4096];
	unsigned int held;
	int fds[2], former[2];
	ssize_t n;

	(void)state;
	meet(&fe, to_path, 0);
	assert_int_equal(fe_set_features(&fe, F_V1 | FEATURE(VIRTIO_NET_F_MTU)), 0);
	n = save(&fe, data, sizeof(data));
	held = settled_fds();

	/* One that is refused leaves none. */
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(transfer(&fe, SAVE, 0, fds[1]), NO_FD);
	assert_int_equal(transfer(&fe, 2, 0, fds[1]), NO_FD | 1);
	assert_int_equal(check_state(&fe), 1);
	close(fds[0]);
	close(fds[1]);

	/* One that has not come to its end is not waited for, and harms nobody when it does. */
	assert_int_equal(pipe(former), 0);
	assert_int_equal(transfer(&fe, LOAD, 0, former[0]), NO_FD);
	assert_int_equal(write(former[1], "none", 4), 4);
	/* MTU: behind the features. */
	data[16] = 1400 & 0xff;
	data[17] = 1400 >> 8;
	assert_int_equal(load(&fe, data, (size_t)n, true), 0);
	assert_int_equal(connected->mtu, 1400);
	close(former[1]);
	close(former[0]);
	assert_int_equal(settled_fds(), held);
	assert_int_equal(check_state(&fe), 1);
	part(&fe, to_path);
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(63, RTE_MBUF_DEFAULT_BUF_SIZE);
	rte_log_set_global_level(RTE_LOG_EMERG);
	return pool == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_is_announced_once),
		cmocka_unit_test(state_travels_through_a_pipe),
		cmocka_unit_test(state_that_is_not_whole_is_refused),
		cmocka_unit_test(state_of_another_back_end_is_refused),
		cmocka_unit_test(state_is_that_of_the_last_transfer),
		cmocka_unit_test(state_is_not_transferred_when_it_cannot_be),
	};

	char dir[] = "/tmp/arrival-test-XXXXXX";
	int ret;

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(from_path, sizeof(from_path), "%s/from", dir);
	snprintf(to_path, sizeof(to_path), "%s/to", dir);
	ret = cmocka_run_group_tests_name("arrival", tests, setup, teardown);
	rmdir(dir);
	return ret;
}
