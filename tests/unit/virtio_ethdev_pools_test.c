/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Pools whose mbufs have their buffers elsewhere, pinned to them: frames are received into these, and
 * mbufs are what they were when they come back. Pools in memory that a device cannot have are refused, and
 * there is a warning of those that two threads cannot use. What is taken from them is posted in time.
 */

#include "virtio_ethdev_rig.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <rte_memzone.h>

#define MBUFS 512
#define ROOM (RTE_PKTMBUF_HEADROOM + 2048)
#define BYTES ((size_t)MBUFS * ROOM)
#define MERGE (F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_NET_F_GUEST_CSUM))

static struct rte_mempool *
pinned_pool(const char *name, void *memory, rte_iova_t iova)
{
	const struct rte_pktmbuf_extmem memories[] = { {
		.buf_ptr = memory,
		.buf_iova = iova,
		.buf_len = BYTES,
		.elt_size = ROOM,
	} };

	return rte_pktmbuf_pool_create_extbuf(name, MBUFS, 0, 0, ROOM, SOCKET_ID_ANY, memories, 1);
}

static struct rte_mempool *
pool_in_zone(void)
{
	const struct rte_memzone *zone = rte_memzone_lookup("pinned");

	if (zone == NULL)
		zone = rte_memzone_reserve("pinned", BYTES, SOCKET_ID_ANY, RTE_MEMZONE_IOVA_CONTIG);
	assert_non_null(zone);
	return pinned_pool("pinned", zone->addr, zone->iova);
}

static void
assert_is_pinned(struct rte_mempool *p, void *arg, void *obj, unsigned int i)
{
	const struct rte_mbuf *m = obj;
	const struct rte_memzone *zone = rte_memzone_lookup("pinned");

	(void)p;
	(void)arg;
	(void)i;
	assert_true(RTE_MBUF_HAS_EXTBUF(m) && RTE_MBUF_HAS_PINNED_EXTBUF(m));
	assert_true((uintptr_t)m->buf_addr - (uintptr_t)zone->addr < BYTES);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_null(m->next);
}

static void
start_with(struct rte_mempool *p, uint64_t features)
{
	const struct rte_eth_conf conf = {
		.rxmode.offloads = features & MERGE ? RTE_ETH_RX_OFFLOAD_TCP_CKSUM : 0
	};

	device.offered = FEATURES | features;
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, p), 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* Have the device write `len` bytes, as a buffer of a frame that is in so many. */
static void
write_buffer(struct reference_ring *ring, uint32_t len, uint16_t buffers, bool first)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = buffers };
	struct reference_chain chain = { 0 };
	uint8_t buf[2048] = { 0 };

	memset(buf, 0x5a, sizeof(buf));
	if (first)
		memcpy(buf, &hdr, sizeof(hdr));
	assert_true(reference_pop(ring, &chain));
	reference_scatter(&chain, buf, len);
	reference_push(ring, chain.id, len, chain.descs, 0);
}

static void
assert_mbufs_outlive_frames(struct rte_mempool *p, uint64_t features)
{
	const bool merge = features & MERGE;
	struct reference_ring rx, tx;
	struct reference_chain chain = { 0 };
	struct rte_mbuf *m, *clone, *got[4];

	start_with(p, features);
	reference_init(&rx, device.queues[0], virtio_has(&device, VIRTIO_F_RING_PACKED), false);
	reference_init(&tx, device.queues[1], virtio_has(&device, VIRTIO_F_RING_PACKED), false);
	for (unsigned int i = 0; i < 200; i++) {
		write_buffer(&rx, 112, merge ? 2 : 1, true);
		if (merge)
			write_buffer(&rx, 1000, 0, false);
		/* Two bursts where one buffer is the last of a packed ring and the other the first. */
		if (rte_eth_rx_burst(port, 0, got, RTE_DIM(got)) == 0)
			assert_int_equal(rte_eth_rx_burst(port, 0, got, RTE_DIM(got)), 1);
		m = got[0];
		assert_int_equal(m->pkt_len, merge ? 1100 : 100);
		assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 99), 0x5a);
		/* Who lets go last has to find out whose the buffer is. */
		clone = rte_pktmbuf_clone(m, pool);
		assert_non_null(clone);
		rte_pktmbuf_free(m);
		assert_int_equal(*rte_pktmbuf_mtod_offset(clone, uint8_t *, 99), 0x5a);
		rte_pktmbuf_free(clone);
		/* One that is too short is dropped. */
		write_buffer(&rx, 15, 1, true);
		assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
	}
	/* Sent on, it is freed when the device has it. */
	write_buffer(&rx, 112, 1, true);
	assert_int_equal(rte_eth_rx_burst(port, 0, got, 1), 1);
	assert_int_equal(rte_eth_tx_burst(port, 0, got, 1), 1);
	assert_true(reference_pop(&tx, &chain));
	reference_push(&tx, chain.id, 0, chain.descs, 0);
	/* And one that never becomes whole. */
	if (merge) {
		write_buffer(&rx, 112, 2, true);
		assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
	}
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_mempool_avail_count(p), MBUFS);
	rte_mempool_obj_iter(p, assert_is_pinned, NULL);
}

static void
pinned_buffers_stay_with_their_mbufs(void **state)
{
	struct rte_mempool *p = pool_in_zone();

	(void)state;
	assert_non_null(p);
	for (unsigned int i = 0; i < 4; i++) {
		device.vectorized = i & 1;
		assert_mbufs_outlive_frames(p, i & 2 ? F(VIRTIO_F_RING_PACKED) : 0);
		assert_mbufs_outlive_frames(p, MERGE | (i & 2 ? F(VIRTIO_F_RING_PACKED) : 0));
	}
	device.vectorized = false;
	start_with(pool, 0);
	rte_mempool_free(p);
}

/* Its own addresses, or those of a bus. */
static void
descriptors_have_the_addresses_of_pinned_buffers(void **state)
{
	const rte_iova_t elsewhere = UINT64_C(0x123456000);
	struct rte_mempool *p;

	(void)state;
	pool_in_zone();
	rte_mempool_free(rte_mempool_lookup("pinned"));
	p = pinned_pool("moved", rte_memzone_lookup("pinned")->addr, elsewhere);
	assert_non_null(p);
	for (unsigned int by_iova = 0; by_iova < 2; by_iova++) {
		const uint64_t base = by_iova ? elsewhere :
						(uintptr_t)rte_memzone_lookup("pinned")->addr;

		device.by_iova = by_iova;
		start_with(p, 0);
		for (unsigned int i = 0; i < 32; i++)
			assert_true(device.queues[0]->desc[i].addr - base < BYTES);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	device.by_iova = false;
	start_with(pool, 0);
	rte_mempool_free(p);
}

static void
pools_out_of_reach_are_refused(void **state)
{
	const struct rte_eth_conf conf = { 0 };
	void *own = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rte_mempool *pinned, *anonymous;

	(void)state;
	assert_true(own != MAP_FAILED);
	pinned = pinned_pool("own", own, RTE_BAD_IOVA);
	anonymous = rte_mempool_create_empty("anonymous", 63, 4096, 0,
		sizeof(struct rte_pktmbuf_pool_private), SOCKET_ID_ANY, 0);
	assert_true(pinned != NULL && anonymous != NULL);
	rte_pktmbuf_pool_init(anonymous, NULL);
	assert_int_equal(rte_mempool_populate_anon(anonymous), 63);
	rte_mempool_obj_iter(anonymous, rte_pktmbuf_init, NULL);

	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, anonymous), -EINVAL);
	for (unsigned int by_iova = 0; by_iova < 2; by_iova++) {
		device.by_iova = by_iova;
		assert_int_equal(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, pinned), -EINVAL);
	}
	device.by_iova = false;
	start_with(pool, 0);
	rte_mempool_free(anonymous);
	rte_mempool_free(pinned);
	munmap(own, BYTES);
}

#define PARTS 5

/* Of a device that waits until there are as many buffers as a frame takes. */
static void
large_batches_leave_buffers_for_large_frames(void **state)
{
	const struct rte_eth_rxconf late = { .rx_free_thresh = 63 };
	const struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_TCP_CKSUM };
	struct rte_eth_rxq_info info;
	struct reference_ring ring;
	struct rte_mbuf *m;

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | MERGE | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(port, 0, 64, 0, &late, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL), 0);
		assert_int_equal(rte_eth_dev_start(port), 0);
		reference_init(&ring, device.queues[0], packed, false);
		for (unsigned int i = 0; i < 100; i++) {
			for (unsigned int part = 0; part < PARTS; part++)
				write_buffer(&ring, 1012, PARTS, part == 0);
			/* A burst of one takes one buffer. */
			for (unsigned int part = 1; part < PARTS; part++)
				assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
			assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 1);
			assert_int_equal(m->nb_segs, PARTS);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rte_eth_rx_queue_info_get(port, 0, &info), 0);
		assert_int_equal(info.conf.rx_free_thresh, 32);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	start_with(pool, 0);
}

static unsigned int
count_lines(const char *text, const char *of)
{
	unsigned int n = 0;

	for (; (text = strstr(text, of)) != NULL; text++)
		n++;
	return n;
}

/* The lines about pools of one thread that setting up four queues with a pool logs. */
static unsigned int
warnings_of(struct rte_mempool *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);
	const struct rte_eth_conf conf = { 0 };
	unsigned int n;

	assert_non_null(p);
	assert_non_null(log);
	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	rte_openlog_stream(log);
	for (uint16_t i = 0; i < QUEUES; i++)
		assert_int_equal(rte_eth_rx_queue_setup(port, i, 64, 0, NULL, p), 0);
	rte_openlog_stream(NULL);
	fclose(log);
	n = count_lines(text, p->name);
	assert_int_equal(count_lines(text, "create it without RTE_MEMPOOL_F_SP_PUT"), n);
	free(text);
	/* Queues that have another pool, which is one for all. */
	start_with(pool, 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	rte_mempool_free(p);
	return n;
}

static struct rte_mempool *
pool_with(unsigned int flags)
{
	return rte_mempool_create("single", 255, sizeof(struct rte_mbuf) + ROOM, 0,
		sizeof(struct rte_pktmbuf_pool_private), rte_pktmbuf_pool_init, NULL,
		rte_pktmbuf_init, NULL, SOCKET_ID_ANY, flags);
}

static void
pools_of_one_thread_are_warned_of_once(void **state)
{
	(void)state;
	assert_int_equal(warnings_of(pool_with(RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET)), 1);
	assert_int_equal(warnings_of(pool_with(RTE_MEMPOOL_F_SP_PUT)), 1);
	assert_int_equal(warnings_of(pool_with(RTE_MEMPOOL_F_SC_GET)), 1);
	assert_int_equal(warnings_of(rte_pktmbuf_pool_create_by_ops("single", 255, 0, 0, ROOM,
				 SOCKET_ID_ANY, "ring_sp_sc")),
		1);
	assert_int_equal(warnings_of(pool_with(0)), 0);
	start_with(pool, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pinned_buffers_stay_with_their_mbufs, forget),
		cmocka_unit_test_teardown(descriptors_have_the_addresses_of_pinned_buffers, forget),
		cmocka_unit_test_teardown(pools_out_of_reach_are_refused, forget),
		cmocka_unit_test_teardown(pools_of_one_thread_are_warned_of_once, forget),
		cmocka_unit_test_teardown(large_batches_leave_buffers_for_large_frames, forget),
	};

	return cmocka_run_group_tests(tests, make_port, NULL);
}
