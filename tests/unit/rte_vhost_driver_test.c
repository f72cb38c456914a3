/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <dev_driver.h>
#include <rte_errno.h>

#include "aside.h"
#include "frontend.h"
#include "unit_sockets.h"
#include "vdpa_driver.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_socket.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)

/* --- The application ----------------------------------------------------------------------- */

static struct {
	sem_t connected;
	int vid;
	int gone;
} app;

static int
on_new_connection(int vid)
{
	app.vid = vid;
	sem_post(&app.connected);
	return 0;
}

static void
on_destroy_connection(int vid)
{
	(void)vid;
	app.gone++;
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

static int
setup(void **state)
{
	(void)state;
	memset(&app, 0, sizeof(app));
	return sem_init(&app.connected, 0, 0);
}

static void
serve(const char *at, uint64_t flags)
{
	assert_int_equal(rte_vhost_driver_register(at, flags), 0);
	assert_int_equal(rte_vhost_driver_callback_register(at, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(at), 0);
}

/* --- Tests --------------------------------------------------------------------------------- */

static void
offer_is_what_the_next_front_end_gets(void **state)
{
	uint64_t features, protocol_features;
	const uint64_t mine = FEATURE(VHOST_USER_PF_CONFIG) |
		FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD) | FEATURE(VHOST_USER_PF_RESET_DEVICE) |
		FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS);
	struct frontend fe;
	uint32_t n;

	(void)state;
	serve(path, 0);
	assert_int_equal(rte_vhost_driver_disable_features(path, FEATURE(VIRTIO_F_RING_PACKED)), 0);
	assert_int_equal(rte_vhost_driver_enable_features(path, UINT64_C(1) << 63), -1);
	assert_int_equal(rte_vhost_driver_get_features(path, &features), 0);
	assert_int_equal(features, vhost_user_net_features & ~FEATURE(VIRTIO_F_RING_PACKED));
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), features);
	/* Not what is changed while it is there. */
	assert_int_equal(rte_vhost_driver_enable_features(path, FEATURE(VIRTIO_F_RING_PACKED)), 0);
	assert_int_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES), features);
	fe_fini(&fe);

	assert_int_equal(rte_vhost_driver_get_features(path, &features), 0);
	assert_int_equal(features, vhost_user_net_features);
	assert_int_equal(rte_vhost_driver_set_features(path, F_V1), 0);
	assert_int_equal(rte_vhost_driver_get_features(path, &features), 0);
	assert_int_equal(features, F_V1);
	assert_int_equal(rte_vhost_driver_enable_features(path, FEATURE(VIRTIO_F_RING_PACKED)), -1);

	assert_int_equal(rte_vhost_driver_get_protocol_features(path, &protocol_features), 0);
	/* Memory comes as the application expects it, unless it says that it knows other ways. */
	assert_false(protocol_features & mine);
	assert_true(protocol_features & FEATURE(VHOST_USER_PF_REPLY_ACK));
	assert_int_equal(rte_vhost_driver_set_protocol_features(path,
				 protocol_features | mine | FEATURE(60)),
		0);
	assert_int_equal(rte_vhost_driver_get_protocol_features(path, &features), 0);
	assert_int_equal(features, protocol_features | mine);
	assert_int_equal(rte_vhost_driver_get_queue_num(path, &n), 0);
	assert_int_equal(n, VHOST_QUEUE_PAIRS_MAX);
	assert_int_equal(rte_vhost_driver_get_features("/not/there", &features), -1);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
queue_pairs_may_be_limited(void **state)
{
	struct frontend fe;
	uint32_t n;

	(void)state;
	assert_int_equal(rte_vhost_driver_set_max_queue_num(path, 2), -1);
	assert_int_equal(rte_errno, ENOENT);
	serve(path, 0);
	for (uint32_t bad = 0; bad <= VHOST_QUEUE_PAIRS_MAX + 1; bad += VHOST_QUEUE_PAIRS_MAX + 1) {
		assert_int_equal(rte_vhost_driver_set_max_queue_num(path, bad), -1);
		assert_int_equal(rte_errno, EINVAL);
	}
	assert_int_equal(rte_vhost_driver_set_max_queue_num(path, 2), 0);
	assert_int_equal(rte_vhost_driver_get_queue_num(path, &n), 0);
	assert_int_equal(n, 2);

	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_MQ)),
		0);
	assert_int_equal(fe_get_u64(&fe, VHOST_USER_GET_QUEUE_NUM), 2);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 3, FE_RING_SIZE), 0);
	assert_true(fe_get_u64(&fe, VHOST_USER_GET_FEATURES) & F_V1);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 4, FE_RING_SIZE), 0);
	fe_assert_closed(&fe);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
linear_buffers_rule_out_segmentation(void **state)
{
	uint64_t linear, any;

	(void)state;
	assert_int_equal(rte_vhost_driver_register(path, RTE_VHOST_USER_LINEARBUF_SUPPORT), 0);
	assert_int_equal(rte_vhost_driver_get_features(path, &linear), 0);
	assert_int_equal(rte_vhost_driver_enable_features(path, FEATURE(VIRTIO_NET_F_HOST_TSO4)),
		-1);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(rte_vhost_driver_register(path,
				 RTE_VHOST_USER_LINEARBUF_SUPPORT | RTE_VHOST_USER_EXTBUF_SUPPORT),
		0);
	assert_int_equal(rte_vhost_driver_get_features(path, &any), 0);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
	assert_int_equal(any, vhost_user_net_features);
	assert_int_equal(any & ~linear,
		FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |
			FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_HOST_UFO) |
			FEATURE(VIRTIO_NET_F_GSO));
}

static void
segmentation_as_a_whole_goes_with_any_kind_of_it(void **state)
{
	static const unsigned int kinds[] = { VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_UFO };
	struct frontend fe;

	(void)state;
	for (size_t i = 0; i <= RTE_DIM(kinds); i++) {
		const uint64_t without = i < RTE_DIM(kinds) ? FEATURE(kinds[i]) : 0;
		const uint64_t gone = without != 0 ? without | FEATURE(VIRTIO_NET_F_GSO) : 0;

		assert_int_equal(rte_vhost_driver_register(path, 0), 0);
		assert_int_equal(rte_vhost_driver_enable_features(path, FEATURE(VIRTIO_NET_F_GSO)),
			0);
		assert_int_equal(rte_vhost_driver_disable_features(path, without), 0);
		assert_int_equal(rte_vhost_driver_start(path), 0);
		fe_init(&fe, fe_connect(path), NULL);
		assert_int_equal(fe_get_u64(&fe, VHOST_USER_GET_FEATURES),
			vhost_user_net_features & ~gone);
		fe_fini(&fe);
		assert_int_equal(rte_vhost_driver_unregister(path), 0);
	}
}

/* --- A vDPA device ------------------------------------------------------------------------- */

static int closed, cleaned;

static int
queue_num(struct rte_vdpa_device *dev, uint32_t *num)
{
	(void)dev;
	*num = 3;
	return 0;
}

static int
vdpa_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = F_V1 | FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_NET_F_MAC) |
		FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static int
vdpa_protocol_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = FEATURE(VHOST_USER_PF_MQ) | FEATURE(VHOST_USER_PF_CONFIG) |
		FEATURE(VHOST_USER_PF_BACKEND_REQ) | FEATURE(VHOST_USER_PF_PAGEFAULT);
	return 0;
}

static int
conf(int vid)
{
	(void)vid;
	return 0;
}

static int
count_close(int vid)
{
	(void)vid;
	closed++;
	return 0;
}

static int
count_cleanup(int vid)
{
	(void)vid;
	cleaned++;
	return 0;
}

static int
vring_state(int vid, int vring, int state)
{
	(void)vid;
	(void)vring;
	(void)state;
	return 0;
}

static int
config(int vid, uint8_t *space, uint32_t size)
{
	(void)vid;
	for (uint32_t i = 0; i < size; i++)
		space[i] = (uint8_t)i;
	return 0;
}

static struct rte_vdpa_dev_ops vdpa_ops = {
	.get_queue_num = queue_num,
	.get_features = vdpa_features,
	.get_protocol_features = vdpa_protocol_features,
	.dev_conf = conf,
	.dev_close = count_close,
	.dev_cleanup = count_cleanup,
	.set_vring_state = vring_state,
	.set_features = conf,
	.get_config = config,
};

static void
vdpa_device_decides_the_offer_and_may_leave(void **state)
{
	static struct rte_device device = { .name = "unit_vdpa" };
	struct rte_vdpa_device *vdpa = rte_vdpa_register_device(&device, &vdpa_ops);
	struct vhost_user_message msg;
	uint64_t features;
	struct frontend fe;
	uint32_t n;

	(void)state;
	assert_non_null(vdpa);
	assert_int_equal(rte_vhost_driver_register(path, 0), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_attach_vdpa_device(path, NULL), -1);
	assert_int_equal(rte_vhost_driver_get_vdpa_dev_type(path, &n), -1);
	assert_int_equal(rte_vhost_driver_attach_vdpa_device(path, vdpa), 0);
	assert_ptr_equal(rte_vhost_driver_get_vdpa_device(path), vdpa);
	assert_int_equal(rte_vhost_driver_get_vdpa_dev_type(path, &n), 0);
	assert_int_equal(rte_vhost_driver_disable_features(path, FEATURE(VIRTIO_F_RING_PACKED)), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);

	/* The device's features, without what was turned off and what the library cannot do. */
	assert_int_equal(rte_vhost_driver_get_features(path, &features), 0);
	assert_int_equal(features,
		F_V1 | FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VHOST_USER_FEATURE_PROTOCOL));
	assert_int_equal(rte_vhost_driver_get_protocol_features(path, &features), 0);
	assert_int_equal(features,
		vhost_user_transport_protocol_features | FEATURE(VHOST_USER_PF_MQ) |
			FEATURE(VHOST_USER_PF_CONFIG) | FEATURE(VHOST_USER_PF_BACKEND_REQ));
	assert_int_equal(rte_vhost_driver_get_queue_num(path, &n), 0);
	assert_int_equal(n, 3);

	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	sem_wait(&app.connected);
	assert_ptr_equal(rte_vhost_get_vdpa_device(app.vid), vdpa);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_CONFIG)),
		0);
	msg = fe_message(VHOST_USER_GET_CONFIG, VHOST_USER_CONFIG_HEADER_SIZE + 6);
	msg.payload.config.offset = 10;
	msg.payload.config.size = 6;
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_int_equal(fe_answer(&fe, &msg), 1);
	assert_int_equal(msg.header.size, VHOST_USER_CONFIG_HEADER_SIZE + 6);
	assert_memory_equal(msg.payload.config.region, "\x0a\x0b\x0c\x0d\x0e\x0f", 6);

	assert_int_equal(rte_vdpa_unregister_device(vdpa), 0);
	assert_int_equal(closed, 1);
	assert_int_equal(cleaned, 1);
	assert_int_equal(app.gone, 1);
	fe_assert_closed(&fe);
	fe_fini(&fe);
	assert_null(rte_vhost_driver_get_vdpa_device(path));
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

/* Say no to a request that nobody waits for any more. */
static void
answer_late(int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_BACKEND_CONFIG_CHANGE,
		sizeof(uint64_t));

	msg.header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	msg.payload.u64 = 1;
	assert_int_equal(vhost_user_send(fd, &msg), 0);
}

static void *
front_end_answers(void *arg)
{
	const int *fds = arg;
	struct vhost_user_message msg;

	for (int i = 0; i < 2; i++) {
		if (vhost_user_receive(fds[0], &msg) != 1 ||
			msg.header.request != VHOST_USER_BACKEND_CONFIG_CHANGE)
			return NULL;
		if (!(msg.header.flags & VHOST_USER_FLAG_NEED_REPLY))
			continue;
		msg.header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
		msg.header.size = sizeof(uint64_t);
		msg.payload.u64 = 0;
		vhost_user_send(fds[0], &msg);
	}
	return arg;
}

/* A front end that has said which protocol features it wants. */
static void
agree(struct frontend *fe, uint64_t protocol)
{
	serve(path, 0);
	fe_init(fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, protocol), 0);
	sem_wait(&app.connected);
}

/* A channel for requests of the back end: its first end is the front end's. */
static void
open_channel(struct frontend *fe, int *fds)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fe_set_backend_fd(fe, fds[1]), 0);
	/* It has been dealt with when this is answered. */
	fe_get_u64(fe, VHOST_USER_GET_FEATURES);
}

static void
front_end_is_told_of_configuration_changes(void **state)
{
	struct frontend fe;
	pthread_t thread;
	int fds[2];
	void *ok;

	(void)state;
	agree(&fe, FEATURE(VHOST_USER_PF_REPLY_ACK) | FEATURE(VHOST_USER_PF_BACKEND_REQ));
	assert_int_equal(rte_vhost_backend_config_change(app.vid, false), -ENOTSUP);

	open_channel(&fe, fds);
	close(fds[1]);
	answer_late(fds[0]);
	assert_int_equal(pthread_create(&thread, NULL, front_end_answers, fds), 0);
	assert_int_equal(rte_vhost_backend_config_change(app.vid, true), 0);
	assert_int_equal(rte_vhost_backend_config_change(app.vid, false), 0);
	pthread_join(thread, &ok);
	assert_non_null(ok);
	close(fds[0]);
	assert_int_equal(rte_vhost_backend_config_change(app.vid, true), -EPIPE);
	assert_int_equal(rte_vhost_backend_config_change(-1, true), -ENODEV);
	assert_int_equal(rte_vhost_slave_config_change(app.vid, true), -EPIPE);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

/* What a front end answers to the next request. */
struct answer {
	int fd;
	uint32_t request, size;
	uint64_t value;
	int expected;
};

static void *
front_end_answers_so(void *arg)
{
	struct answer *a = arg;
	struct vhost_user_message msg;

	if (vhost_user_receive(a->fd, &msg) != 1)
		return NULL;
	msg = fe_message(a->request, a->size);
	msg.header.flags |= VHOST_USER_FLAG_REPLY;
	msg.payload.u64 = a->value;
	/* Descriptors belong to no answer. */
	msg.fds[0] = a->fd;
	msg.nfds = 1;
	return vhost_user_send(a->fd, &msg) == 0 ? arg : NULL;
}

static void
only_an_answer_that_says_so_means_success(void **state)
{
	struct answer cases[] = {
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE, .size = 8, .expected = 0 },
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE,
			.size = 8,
			.value = 1,
			.expected = -EIO },
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE,
			.size = 8,
			.value = UINT64_C(1) << 32,
			.expected = -EIO },
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE, .size = 4, .expected = -EIO },
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE, .size = 0, .expected = -EIO },
		{ .request = VHOST_USER_BACKEND_CONFIG_CHANGE, .size = 16, .expected = -EIO },
		{ .request = VHOST_USER_BACKEND_IOTLB_MSG, .size = 8, .expected = -EIO },
	};
	struct frontend fe;
	unsigned int held;
	pthread_t thread;
	int fds[2];
	void *ok;

	(void)state;
	agree(&fe, FEATURE(VHOST_USER_PF_REPLY_ACK) | FEATURE(VHOST_USER_PF_BACKEND_REQ));
	open_channel(&fe, fds);
	close(fds[1]);
	vhost_aside_settle();
	held = unit_open_fds();
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		cases[i].fd = fds[0];
		assert_int_equal(pthread_create(&thread, NULL, front_end_answers_so, &cases[i]), 0);
		assert_int_equal(rte_vhost_backend_config_change(app.vid, true), cases[i].expected);
		pthread_join(thread, &ok);
		assert_non_null(ok);
	}
	vhost_aside_settle();
	assert_int_equal(unit_open_fds(), held);
	close(fds[0]);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
change_configuration(void *arg)
{
	int *ret = arg;

	*ret = rte_vhost_backend_config_change(app.vid, true);
}

/* As an application's callback or a driver does: the front end may be waiting for that itself. */
static void
configuration_changes_are_not_waited_for_in_the_event_loop(void **state)
{
	struct vhost_user_message msg;
	struct frontend fe;
	int fds[2], ret;

	(void)state;
	agree(&fe, FEATURE(VHOST_USER_PF_REPLY_ACK) | FEATURE(VHOST_USER_PF_BACKEND_REQ));
	open_channel(&fe, fds);
	close(fds[1]);
	event_loop_run(vhost_user_event_loop(), change_configuration, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(vhost_user_receive(fds[0], &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_BACKEND_CONFIG_CHANGE);
	assert_int_equal(msg.header.flags, VHOST_USER_VERSION);
	close(fds[0]);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

/* What the descriptor says of blocking is the front end's to change at any time. */
static void
front_end_that_does_not_read_blocks_nobody(void **state)
{
	struct frontend fe;
	int fds[2], ret;

	(void)state;
	agree(&fe, FEATURE(VHOST_USER_PF_BACKEND_REQ));
	open_channel(&fe, fds);
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	do
		ret = rte_vhost_backend_config_change(app.vid, false);
	while (ret == 0);
	assert_int_equal(ret, -EAGAIN);
	close(fds[0]);
	close(fds[1]);
	fe_fini(&fe);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static void
what_cannot_be_is_refused(void **state)
{
	static struct rte_vdpa_device unknown;
	uint64_t features;

	(void)state;
	assert_int_equal(rte_vhost_driver_register(path, RTE_VHOST_USER_POSTCOPY_SUPPORT), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, NULL), 0);
	assert_int_equal(rte_vhost_driver_set_protocol_features(path,
				 FEATURE(VHOST_USER_PF_MQ) | FEATURE(VHOST_USER_PF_PAGEFAULT)),
		0);
	assert_int_equal(rte_vhost_driver_get_protocol_features(path, &features), 0);
	assert_int_equal(features & ~FEATURE(VHOST_USER_PF_PAGEFAULT), FEATURE(VHOST_USER_PF_MQ));
	assert_int_equal(rte_vhost_driver_start(NULL), -1);
	assert_int_equal(rte_vhost_driver_get_features(path, NULL), -1);
	assert_int_equal(rte_vhost_driver_get_protocol_features(path, NULL), -1);
	assert_int_equal(rte_vhost_driver_get_queue_num(path, NULL), -1);
	assert_int_equal(rte_vhost_driver_get_vdpa_dev_type(path, NULL), -1);
	assert_int_equal(rte_errno, EINVAL);
	assert_int_equal(rte_vhost_driver_attach_vdpa_device(path, &unknown), -1);
	assert_int_equal(rte_errno, ENODEV);
	assert_null(rte_vhost_driver_get_vdpa_device(path));
	assert_int_equal(rte_vhost_driver_detach_vdpa_device(path), 0);
	assert_int_equal(rte_vhost_driver_detach_vdpa_device("/not/there"), -1);
	assert_int_equal(rte_errno, ENOENT);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(offer_is_what_the_next_front_end_gets, setup),
		cmocka_unit_test_setup(queue_pairs_may_be_limited, setup),
		cmocka_unit_test_setup(linear_buffers_rule_out_segmentation, setup),
		cmocka_unit_test_setup(segmentation_as_a_whole_goes_with_any_kind_of_it, setup),
		cmocka_unit_test_setup(vdpa_device_decides_the_offer_and_may_leave, setup),
		cmocka_unit_test_setup(front_end_is_told_of_configuration_changes, setup),
		cmocka_unit_test_setup(only_an_answer_that_says_so_means_success, setup),
		cmocka_unit_test_setup(configuration_changes_are_not_waited_for_in_the_event_loop,
			setup),
		cmocka_unit_test_setup(front_end_that_does_not_read_blocks_nobody, setup),
		cmocka_unit_test_setup(what_cannot_be_is_refused, setup),
	};

	return unit_sockets_run("rte_vhost_driver", tests, NULL, NULL);
}
