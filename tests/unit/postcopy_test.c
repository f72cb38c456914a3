/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Post-copy migration as a front end drives it, with the kernel's userfaultfd: pages that are
 * missing are brought, when they are touched, by a thread that stands for the front end's.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/userfaultfd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_log.h>
#include <rte_mbuf.h>

#include "frontend.h"
#include "unit_eal.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)
#define PAGE 4096u
#define BUFFER (1u << 20)
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)

static struct rte_mempool *pool;
static struct frontend fe;

/* --- What brings pages --------------------------------------------------------------------- */

static struct {
	pthread_t thread;
	int fd;
	int stop;
	uint64_t base; /* where the back end has our memory */
	unsigned int brought;
	uint8_t *source; /* the guest's memory where it comes from */
} server;

/* Put a page into the shared file, and wake whoever waits for it. */
static void
bring(uint64_t address)
{
	const uint64_t offset = (address - server.base) & ~(uint64_t)(PAGE - 1);
	struct uffdio_range range = { .start = server.base + offset, .len = PAGE };

	assert_true(offset < FE_MEMORY_SIZE);
	memcpy(fe.memory + offset, server.source + offset, PAGE);
	__atomic_fetch_add(&server.brought, 1, __ATOMIC_RELEASE);
	assert_int_equal(ioctl(server.fd, UFFDIO_WAKE, &range), 0);
}

static void *
serve(void *arg)
{
	struct pollfd pfd = { .fd = server.fd, .events = POLLIN };
	struct uffd_msg msg;

	(void)arg;
	while (!__atomic_load_n(&server.stop, __ATOMIC_ACQUIRE))
		if (poll(&pfd, 1, 10) == 1 && read(server.fd, &msg, sizeof(msg)) == sizeof(msg)) {
			assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
			bring(msg.arg.pagefault.address);
		}
	return NULL;
}

static void
start_serving(uint64_t base)
{
	server.base = base;
	server.stop = 0;
	server.brought = 0;
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void
stop_serving(void)
{
	__atomic_store_n(&server.stop, 1, __ATOMIC_RELEASE);
	pthread_join(server.thread, NULL);
	close(server.fd);
}

/* --- The front end ------------------------------------------------------------------------- */

static void
begin(void)
{
	const struct vhost_device_config config = {
		.path = "/unit/postcopy",
		.features = vhost_user_net_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features | vhost_user_postcopy_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
	};

	fe_init(&fe, -1, vhost_device_create(&config));
	assert_non_null(fe.dev);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_PAGEFAULT) |
					 FEATURE(VHOST_USER_PF_REPLY_ACK) |
					 FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS)),
		0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	server.source = calloc(1, FE_MEMORY_SIZE);
	assert_non_null(server.source);
}

static void
end(void)
{
	vhost_device_destroy(fe.dev);
	fe_fini(&fe);
	free(server.source);
	assert_int_equal(fe_mappings(), 0);
}

static int
plain(uint32_t request)
{
	struct vhost_user_message msg = fe_message(request, 0);

	return fe_send(&fe, &msg);
}

/* Skips the test where the kernel has nothing to offer. */
static void
advise(void)
{
	struct vhost_user_message msg;

	assert_int_equal(plain(VHOST_USER_POSTCOPY_ADVISE), 0);
	assert_int_equal(fe_answer(&fe, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_POSTCOPY_ADVISE);
	assert_int_equal(msg.header.size, 0);
	if (msg.nfds == 0) {
		end();
		print_message("this kernel does not let us have a userfaultfd\n");
		skip();
	}
	assert_int_equal(msg.nfds, 1);
	server.fd = msg.fds[0];
}

/* The front end is ready to serve what it was told of by a request. */
static int
go(uint32_t request)
{
	return fe_set_u64(&fe, request, 0);
}

static uint64_t
end_of_postcopy(void)
{
	return fe_get_u64(&fe, VHOST_USER_POSTCOPY_END);
}

/* Where the back end has the memory that a table or a region tells of. */
static uint64_t
tell_table(void)
{
	struct vhost_user_message msg;

	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_answer(&fe, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_SET_MEM_TABLE);
	assert_int_equal(msg.payload.mem_table.nregions, 1);
	assert_int_equal(msg.payload.mem_table.regions[0].gpa, FE_GPA);
	return msg.payload.mem_table.regions[0].fe_va;
}

static uint64_t
tell_region(void)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_ADD_MEM_REG,
		sizeof(struct vhost_user_mem_reg));

	msg.payload.mem_reg.region = (struct vhost_user_region){ .gpa = FE_GPA,
		.size = FE_MEMORY_SIZE,
		.fe_va = FE_VA };
	msg.fds[msg.nfds++] = fe.memfd;
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_int_equal(fe_answer(&fe, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_ADD_MEM_REG);
	assert_int_equal(msg.header.size, sizeof(struct vhost_user_mem_reg));
	assert_int_equal(msg.payload.mem_reg.region.gpa, FE_GPA);
	return msg.payload.mem_reg.region.fe_va;
}

/* What the guest had in its memory before it moved: one frame to transmit. */
static void
write_source(void)
{
	uint8_t *ring = server.source + FE_RING_SPACE;
	struct vring_desc *desc = (struct vring_desc *)ring;
	struct vring_avail *avail = (struct vring_avail *)(ring + 0x4000);

	*desc = (struct vring_desc){ .addr = FE_GPA + BUFFER, .len = HEADER + 2 * PAGE };
	avail->idx = 1;
	for (uint32_t i = 0; i < 2 * PAGE; i++)
		server.source[BUFFER + HEADER + i] = (uint8_t)(i * 7);
}

static void
frame_is_whole_though_its_pages_come_late(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	for (int by_region = 0; by_region < 2; by_region++) {
		const uint32_t request = by_region ? VHOST_USER_ADD_MEM_REG :
						     VHOST_USER_SET_MEM_TABLE;
		uint64_t base;

		begin();
		advise();
		assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), 0);
		write_source();
		base = by_region ? tell_region() : tell_table();
		assert_null(fe.dev->mem);
		/* It is told again for each queue pair. */
		if (by_region)
			assert_int_equal(tell_region(), base);
		start_serving(base);
		assert_int_equal(go(request), 0);
		assert_int_equal(go(request), 0);
		assert_non_null(fe.dev->mem);
		assert_int_equal(fe.dev->mem->regions[0].host_user_addr, base);
		if (by_region)
			assert_int_equal(tell_region(), base);

		assert_int_equal(fe_setup_ring(&fe, 0), 0);
		assert_int_equal(fe_setup_ring(&fe, 1), 0);
		assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, &m, 1), 1);
		assert_int_equal(m->pkt_len, 2 * PAGE);
		for (uint32_t i = 0; i < 2 * PAGE; i++) {
			uint8_t byte;

			assert_int_equal(*(const uint8_t *)rte_pktmbuf_read(m, i, 1, &byte),
				(uint8_t)(i * 7));
		}
		rte_pktmbuf_free(m);
		/* Used rings, avail ring and descriptors of one, and three pages of the frame. */
		assert_true(__atomic_load_n(&server.brought, __ATOMIC_ACQUIRE) >= 7);
		assert_int_equal(end_of_postcopy(), 0);
		stop_serving();
		/* What is missing now is missing for good. */
		assert_int_equal(*(uint8_t *)(uintptr_t)(base + FE_MEMORY_SIZE - 1), 0);
		end();
	}
}

static void
memory_is_not_used_before_faults_are_served(void **state)
{
	(void)state;
	begin();
	advise();
	assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), 0);
	tell_table();
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	assert_false(fe.dev->queues[0]->placed);
	/* A second table takes the place of the first. */
	tell_table();
	assert_int_equal(fe_mappings(), 2);
	assert_int_equal(end_of_postcopy(), 0);
	assert_int_equal(fe_mappings(), 1);
	close(server.fd);
	end();
}

/* What brings pages ends without having brought the first. */
static void *
die(void *arg)
{
	struct pollfd pfd = { .fd = server.fd, .events = POLLIN };

	(void)arg;
	assert_int_equal(poll(&pfd, 1, 20000), 1);
	shutdown(fe.sock, SHUT_RDWR);
	return NULL;
}

static void
nobody_waits_for_a_front_end_that_is_gone(void **state)
{
	pthread_t thread;
	uint64_t base;

	(void)state;
	begin();
	advise();
	assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), 0);
	base = tell_table();
	assert_int_equal(go(VHOST_USER_SET_MEM_TABLE), 0);
	assert_int_equal(pthread_create(&thread, NULL, die, NULL), 0);
	/* Touches the ring, in this thread, before anybody has brought it. */
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	pthread_join(thread, NULL);
	assert_int_equal(*(uint8_t *)(uintptr_t)(base + FE_MEMORY_SIZE - 1), 0);
	close(server.fd);
	end();
}

static void
requests_out_of_order_are_refused(void **state)
{
	(void)state;
	begin();
	assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), -EINVAL);
	assert_int_equal(end_of_postcopy(), 1);
	assert_int_equal(go(VHOST_USER_SET_MEM_TABLE), -EPROTO);
	assert_int_equal(go(VHOST_USER_ADD_MEM_REG), -EPROTO);
	advise();
	const unsigned int next = unit_open_fds();

	for (int i = 0; i < 10; i++) {
		close(server.fd);
		advise();
	}
	assert_int_equal(unit_open_fds(), next);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), -EBUSY);
	close(server.fd);
	end();

	/* What says that faults can be served is a number, and that is 0. */
	begin();
	advise();
	assert_int_equal(plain(VHOST_USER_POSTCOPY_LISTEN), 0);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_ADD_MEM_REG, 1), -EPROTO);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_MEM_TABLE, UINT64_C(1) << 32), -EPROTO);
	assert_int_equal(go(VHOST_USER_ADD_MEM_REG), 0);
	close(server.fd);
	end();
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(63, RTE_MBUF_DEFAULT_BUF_SIZE);
	if (getenv("UNIT_LOG") == NULL)
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
		cmocka_unit_test(frame_is_whole_though_its_pages_come_late),
		cmocka_unit_test(memory_is_not_used_before_faults_are_served),
		cmocka_unit_test(nobody_waits_for_a_front_end_that_is_gone),
		cmocka_unit_test(requests_out_of_order_are_refused),
	};

	return cmocka_run_group_tests_name("postcopy", tests, setup, teardown);
}
