/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A back end that is killed at any instruction, and started again: life after life of a child process
 * that moves frames through a ring in shared memory, each ended after a number of single steps. What
 * the driver gets back is in order and whole, as if nobody had died. UNIT_SEED=N repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_vect.h>

#include "inflight.h"
#include "ring_driver.h"
#include "single_step.h"
#include "unit_eal.h"
#include "vring.h"

#define F(bit) (UINT64_C(1) << (bit))
#define V1 F(VIRTIO_F_VERSION_1)
#define PACKED F(VIRTIO_F_RING_PACKED)
#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)

#define RING_SIZE 16
#define BURST 6
/* Steps are slow, and with sanitizers many. */
#ifdef UNIT_SANITIZED
#define LIVES 4
#else
#define LIVES 40
#endif
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* Receive buffers that a frame does not fit, so that it takes several where that is possible. */
#define SMALL 80
#define LARGE 512

/* What outlives the back end, besides the guest's memory. */
struct remains {
	uint32_t next; /**< frame to be sent to the guest next, or the last one taken from it */
	uint32_t disorder;
};

static struct rte_mempool *pool;
static struct rte_mbuf *frames[BURST]; /* of one life */
static struct remains *remains;
static struct guest_memory memory;
static struct ring_driver driver;
static void *region;
static uint64_t features;
static bool receives;
static uint32_t buffer_len;
static uint64_t buffers[RING_SIZE]; /* by token modulo the ring's size */
static uint32_t posted, taken;

/* Frame @a number: its length and all of its bytes follow from that. */
static uint32_t
frame_len(uint32_t number)
{
	return 60 + number * 37 % 200;
}

static uint8_t
frame_byte(uint32_t number, uint32_t i)
{
	return (uint8_t)(number * 151 + i);
}

static bool
is_frame(uint32_t number, const uint8_t *data, uint32_t len)
{
	if (len != frame_len(number))
		return false;
	for (uint32_t i = sizeof(number); i < len; i++)
		if (data[i] != frame_byte(number, i))
			return false;
	return true;
}

static void
write_frame(uint32_t number, uint8_t *data)
{
	for (uint32_t i = sizeof(number); i < frame_len(number); i++)
		data[i] = frame_byte(number, i);
	memcpy(data, &number, sizeof(number));
}

/* --- The back end, in a process of its own ------------------------------------------------- */

/* What the dead do to their mempool must not be the next one's. */
static int
make_private(const struct rte_memseg_list *msl, void *arg)
{
	void *copy = mmap(NULL, msl->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);

	(void)arg;
	if (copy == MAP_FAILED)
		return -1;
	memcpy(copy, msl->base_va, msl->len);
	return mremap(copy, msl->len, msl->len, MREMAP_MAYMOVE | MREMAP_FIXED, msl->base_va) ==
			MAP_FAILED ?
		-1 :
		0;
}

static bool
start_ring(struct vhost_vring *vr, struct vhost_inflight *fl)
{
	const bool packed = (features & PACKED) != 0;
	uint16_t base = 0x8000;

	vhost_vring_init(vr, "ring of the dead");
	vhost_vring_set_features(vr, features);
	if (vhost_vring_set_layout(vr, &driver.layout) != 0)
		return false;
	*fl = (struct vhost_inflight){ .region = region, .size = RING_SIZE };
	if (packed) {
		if (vhost_inflight_rewind_packed(fl, vr->packed_desc, &base) != 0)
			return false;
		vhost_vring_set_inflight(vr, fl->packed);
	} else {
		base = vr->used->idx;
	}
	if (vhost_vring_set_base(vr, base, base) != 0)
		return false;
	vhost_vring_start(vr, memory.table);
	return true;
}

static bool
make_frames(void)
{
	if (rte_pktmbuf_alloc_bulk(pool, frames, BURST) != 0)
		return false;
	for (uint32_t i = 0; i < BURST; i++) {
		frames[i]->data_len = frame_len(remains->next + i);
		frames[i]->pkt_len = frames[i]->data_len;
		write_frame(remains->next + i, rte_pktmbuf_mtod(frames[i], uint8_t *));
	}
	return true;
}

static bool
prepare(void)
{
	return rte_memseg_list_walk(make_private, NULL) == 0 && (!receives || make_frames());
}

static void
take_frames(struct vhost_vring *vr, struct rte_mbuf **pkts)
{
	const uint16_t n = vhost_net_dequeue(vr, pool, pkts, BURST);

	for (uint16_t i = 0; i < n; i++) {
		uint32_t number;

		memcpy(&number, rte_pktmbuf_mtod(pkts[i], uint8_t *), sizeof(number));
		if (number <= remains->next || pkts[i]->data_len != frame_len(number))
			remains->disorder++;
		remains->next = number;
	}
}

static void
live(void)
{
	struct vhost_inflight fl;
	struct vhost_vring vr;

	if (!start_ring(&vr, &fl))
		_exit(2);
	if (receives)
		remains->next += vhost_net_enqueue(&vr, frames, BURST);
	else
		take_frames(&vr, frames);
	_exit(0);
}

/* Let a back end live for a number of instructions. @return those that it lived for */
static long
live_and_die(long steps)
{
	const pid_t pid = single_step_begin(prepare, live);

	for (long n = 0; n < steps; n++)
		if (!single_step(pid))
			return n;
	single_step_kill(pid);
	return steps;
}

/* --- The driver ---------------------------------------------------------------------------- */

static void
post(void)
{
	while (posted - taken < RING_SIZE) {
		struct ring_driver_seg seg = { .gpa = buffers[posted % RING_SIZE],
			.len = buffer_len };
		uint8_t *at = guest_memory_at(&memory, seg.gpa);

		memset(at, 0, receives ? buffer_len : HEADER);
		if (!receives) {
			seg.len = HEADER + frame_len(posted + 1);
			write_frame(posted + 1, at + HEADER);
		}
		assert_true(
			ring_driver_add(&driver, &seg, 1, receives, RING_DRIVER_DIRECT, posted));
		posted++;
	}
	ring_driver_publish(&driver);
}

/* The next used buffer, which is the oldest; false if there is none. */
static bool
take(uint32_t *token, uint32_t *len)
{
	if (!ring_driver_take(&driver, token, len))
		return false;
	assert_int_equal(*token, taken);
	taken++;
	return true;
}

/* A frame that was received, over as many buffers as its header says; false if there is none. */
static bool
take_frame(uint32_t *last)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t data[RING_SIZE * LARGE];
	uint32_t token, len, number, total = 0;

	if (!take(&token, &len))
		return false;
	guest_memory_read(&memory, buffers[token % RING_SIZE], &hdr, sizeof(hdr));
	for (uint16_t i = 0; i < hdr.num_buffers; i++) {
		const uint32_t skip = i == 0 ? HEADER : 0;

		/* All buffers of a frame come at once. */
		if (i > 0)
			assert_true(take(&token, &len));
		assert_true(len > skip && len <= buffer_len);
		guest_memory_read(&memory, buffers[token % RING_SIZE] + skip, data + total,
			len - skip);
		total += len - skip;
	}
	memcpy(&number, data, sizeof(number));
	/* One that nobody knows the guest has is sent again, none is left out. */
	assert_true(number <= *last + 1);
	assert_true(number + 2 * BURST >= *last);
	assert_true(is_frame(number, data, total));
	*last = number;
	return true;
}

/* --- Cases --------------------------------------------------------------------------------- */

static void
begin(uint64_t f, bool receive)
{
	features = V1 | f;
	receives = receive;
	buffer_len = (f & MERGE) != 0 ? SMALL : LARGE;
	posted = taken = 0;
	guest_memory_init(&memory, 1, 1 << 16);
	ring_driver_init(&driver, &memory, features, RING_SIZE);
	for (int i = 0; i < RING_SIZE; i++)
		buffers[i] = guest_memory_alloc(&memory, LARGE, 1);
	region = mmap(NULL, vhost_inflight_size(true, RING_SIZE), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(region, MAP_FAILED);
	*remains = (struct remains){ .next = receive };
}

static void
end(void)
{
	munmap(region, vhost_inflight_size(true, RING_SIZE));
	ring_driver_fini(&driver);
	guest_memory_fini(&memory);
}

static void
survive(uint64_t f, bool receive)
{
	uint32_t token, len, last = 0, done;
	long steps;

	begin(f, receive);
	post();
	steps = live_and_die(10000000);
	for (int i = 0; i < LIVES; i++) {
		done = taken;
		while (receive ? take_frame(&last) : take(&token, &len))
			;
		post();
		live_and_die(1 + rand() % steps);
		assert_int_equal(remains->disorder, 0);
	}
	/* One that is left alone gets everything done. */
	done = taken;
	live_and_die(10000000);
	while (receive ? take_frame(&last) : take(&token, &len))
		;
	assert_true(taken > done);
	end();
}

#define CASE(name, features, receive) \
	static void name(void **state) \
	{ \
		(void)state; \
		survive(features, receive); \
	}

CASE(split_transmit, 0, false)
CASE(split_transmit_in_order, F(VIRTIO_F_IN_ORDER), false)
CASE(split_receive, 0, true)
CASE(split_receive_over_several_buffers, MERGE, true)
CASE(packed_transmit, PACKED, false)
CASE(packed_transmit_in_order, PACKED | F(VIRTIO_F_IN_ORDER), false)
CASE(packed_receive, PACKED, true)
CASE(packed_receive_over_several_buffers, PACKED | MERGE, true)

static int
setup(void **state)
{
	static char args[][32] = { "unit", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=lib.eal:warning", "-m", "8", "-l", "0" };
	const char *given = getenv("UNIT_SEED");
	char *argv[RTE_DIM(args)];
	unsigned int seed = given != NULL ? (unsigned int)atol(given) : (unsigned int)getpid();

	(void)state;
	for (size_t i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return -1;
	printf("UNIT_SEED=%u\n", seed);
	srand(seed);
	pool = rte_pktmbuf_pool_create("kill", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	remains = mmap(NULL, sizeof(*remains), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	return pool == NULL || remains == MAP_FAILED ? -1 : 0;
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
		cmocka_unit_test(split_transmit),
		cmocka_unit_test(split_transmit_in_order),
		cmocka_unit_test(split_receive),
		cmocka_unit_test(split_receive_over_several_buffers),
		cmocka_unit_test(packed_transmit),
		cmocka_unit_test(packed_transmit_in_order),
		cmocka_unit_test(packed_receive),
		cmocka_unit_test(packed_receive_over_several_buffers),
	};

	return cmocka_run_group_tests_name("net_kill", tests, setup, teardown);
}
