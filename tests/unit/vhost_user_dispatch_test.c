/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>

#include "frontend.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define EVERY_REQUEST (VHOST_USER_REQUEST_MAX + 8)

static uint64_t all_protocol_features;

static struct vhost_device *
new_device(void)
{
	struct vhost_device_config config = {
		.path = "/unit/dispatch",
		.features = vhost_user_net_features,
		.protocol_features = all_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
	};
	struct vhost_device *dev = vhost_device_create(&config);

	assert_non_null(dev);
	return dev;
}

static int
setup(void **state)
{
	static struct frontend fe;

	all_protocol_features = vhost_user_transport_protocol_features |
		vhost_user_device_protocol_features | vhost_user_postcopy_protocol_features;
	fe_init(&fe, -1, new_device());
	*state = &fe;
	return 0;
}

static int
teardown(void **state)
{
	struct frontend *fe = *state;

	vhost_device_destroy(fe->dev);
	fe_fini(fe);
	return 0;
}

static void
negotiate(struct frontend *fe)
{
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, all_protocol_features),
		0);
}

/* A message that passes its row. */
static struct vhost_user_message
conforming(struct frontend *fe, uint32_t request)
{
	const struct vhost_user_rule *rule = vhost_user_rule(request);
	struct vhost_user_message msg = fe_message(request, rule->size_max);

	if (rule->fds == FDS_REGIONS)
		msg.payload.mem_table.nregions = 1;
	if (rule->fds == FDS_ONE || rule->fds == FDS_VRING || rule->fds == FDS_REGIONS)
		msg.fds[msg.nfds++] = fe->memfd;
	return msg;
}

/* Nothing is to be waiting on the socket. */
static void
assert_no_answer(struct frontend *fe)
{
	struct vhost_user_message msg;

	assert_int_equal(fe_answer(fe, &msg), -EAGAIN);
}

static void
assert_acknowledged(struct frontend *fe, uint32_t request, bool success)
{
	struct vhost_user_message msg;

	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.size, sizeof(uint64_t));
	assert_int_equal(msg.payload.u64 == 0, success);
}

static void
every_row_is_coherent(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < EVERY_REQUEST; i++) {
		const struct vhost_user_rule *rule = vhost_user_rule(i);

		if (rule == NULL)
			continue;
		assert_string_not_equal(vhost_user_request_name(i), "unknown");
		assert_true(rule->size_min <= rule->size_max);
		assert_true(rule->size_max <= sizeof(union vhost_user_payload));
		if (rule->ring != RING_NONE)
			assert_true(rule->size_min >= sizeof(uint64_t));
		if (rule->ring_stopped)
			assert_int_not_equal(rule->ring, RING_NONE);
	}
}

/* What the vhost-user specification says of each request, in its numbers. */
static const struct {
	uint32_t request;
	uint16_t size_min, size_max;
	enum vhost_user_fds fds;
	enum vhost_user_ring ring;
	uint8_t protocol_feature;
} specified[] = {
	{ 1, 0, 0, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 2, 8, 8, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 3, 0, 0, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 4, 0, 0, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 5, 8, 8 + 8 * 32, FDS_REGIONS, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 6, 16, 16, FDS_ONE, RING_NONE, 1 },
	{ 7, 0, 0, FDS_ONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 8, 8, 8, FDS_NONE, RING_IN_STATE, NO_PROTOCOL_FEATURE },
	{ 9, 40, 40, FDS_NONE, RING_IN_ADDR, NO_PROTOCOL_FEATURE },
	{ 10, 8, 8, FDS_NONE, RING_IN_STATE, NO_PROTOCOL_FEATURE },
	{ 11, 8, 8, FDS_NONE, RING_IN_STATE, NO_PROTOCOL_FEATURE },
	{ 12, 8, 8, FDS_VRING, RING_IN_U64, NO_PROTOCOL_FEATURE },
	{ 13, 8, 8, FDS_VRING, RING_IN_U64, NO_PROTOCOL_FEATURE },
	{ 14, 8, 8, FDS_VRING, RING_IN_U64, NO_PROTOCOL_FEATURE },
	{ 15, 0, 0, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 16, 8, 8, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 17, 0, 0, FDS_NONE, RING_NONE, 0 },
	{ 18, 8, 8, FDS_NONE, RING_IN_STATE, NO_PROTOCOL_FEATURE },
	{ 19, 8, 8, FDS_NONE, RING_NONE, 2 },
	{ 20, 8, 8, FDS_NONE, RING_NONE, 4 },
	{ 21, 0, 0, FDS_ONE, RING_NONE, 5 },
	{ 22, 32, 32, FDS_NONE, RING_NONE, NO_PROTOCOL_FEATURE },
	{ 24, 12, 12 + 256, FDS_NONE, RING_NONE, 9 },
	{ 25, 12, 12 + 256, FDS_NONE, RING_NONE, 9 },
	{ 28, 0, 0, FDS_NONE, RING_NONE, 8 },
	{ 29, 0, 0, FDS_NONE, RING_NONE, 8 },
	{ 30, 0, 0, FDS_NONE, RING_NONE, 8 },
	{ 31, 20, 24, FDS_NONE, RING_NONE, 12 },
	{ 32, 20, 24, FDS_ONE, RING_NONE, 12 },
	{ 34, 0, 0, FDS_NONE, RING_NONE, 13 },
	{ 36, 0, 0, FDS_NONE, RING_NONE, 15 },
	{ 37, 8, 40, FDS_OPTIONAL, RING_NONE, 15 },
	{ 38, 40, 40, FDS_OPTIONAL, RING_NONE, 15 },
	{ 39, 8, 8, FDS_NONE, RING_NONE, 16 },
	{ 40, 0, 0, FDS_NONE, RING_NONE, 16 },
	{ 42, 8, 8, FDS_ONE, RING_NONE, 19 },
	{ 43, 0, 0, FDS_NONE, RING_NONE, 19 },
};

static void
rows_are_what_the_specification_says(void **state)
{
	size_t i = 0;

	(void)state;
	for (uint32_t request = 0; request < EVERY_REQUEST; request++) {
		const struct vhost_user_rule *rule = vhost_user_rule(request);

		if (i == RTE_DIM(specified) || specified[i].request != request) {
			assert_null(rule);
			continue;
		}
		assert_non_null(rule);
		print_message("%s\n", vhost_user_request_name(request));
		assert_int_equal(rule->size_min, specified[i].size_min);
		assert_int_equal(rule->size_max, specified[i].size_max);
		assert_int_equal(rule->fds, specified[i].fds);
		assert_int_equal(rule->ring, specified[i].ring);
		assert_int_equal(rule->protocol_feature, specified[i].protocol_feature);
		i++;
	}
	assert_int_equal(i, RTE_DIM(specified));
}

static void
wrong_size_ends_the_connection(void **state)
{
	struct frontend *fe = *state;
	const unsigned int before = unit_open_fds();

	negotiate(fe);
	for (uint32_t i = 0; i < EVERY_REQUEST; i++) {
		const struct vhost_user_rule *rule = vhost_user_rule(i);

		if (rule == NULL)
			continue;
		for (uint32_t size = 0; size <= sizeof(union vhost_user_payload); size++) {
			struct vhost_user_message msg = conforming(fe, i);

			if (size >= rule->size_min && size <= rule->size_max)
				continue;
			msg.header.size = size;
			assert_int_equal(fe_send(fe, &msg), -EPROTO);
			assert_no_answer(fe);
		}
	}
	assert_int_equal(unit_open_fds(), before);
}

static void
wrong_number_of_descriptors_ends_the_connection(void **state)
{
	struct frontend *fe = *state;
	const unsigned int before = unit_open_fds();

	negotiate(fe);
	for (uint32_t i = 0; i < EVERY_REQUEST; i++) {
		const struct vhost_user_rule *rule = vhost_user_rule(i);

		if (rule == NULL)
			continue;
		for (int n = 0; n <= VHOST_USER_MEM_TABLE_MAX; n++) {
			struct vhost_user_message msg = conforming(fe, i);

			if (n == msg.nfds || (rule->fds == FDS_OPTIONAL && n == 1))
				continue;
			for (int fd = 0; fd < n; fd++)
				msg.fds[fd] = fe->memfd;
			msg.nfds = n;
			assert_int_equal(fe_send(fe, &msg), -EPROTO);
			assert_no_answer(fe);
		}
		if (rule->fds == FDS_VRING) {
			struct vhost_user_message msg = conforming(fe, i);

			msg.payload.u64 = VHOST_USER_VRING_NOFD;
			assert_int_equal(fe_send(fe, &msg), -EPROTO);
		}
	}
	assert_int_equal(unit_open_fds(), before);
}

static void
ring_that_does_not_exist_ends_the_connection(void **state)
{
	struct frontend *fe = *state;
	const uint32_t indices[] = { 4, 5, 255, 256, 0x7fffffff, UINT32_MAX };

	negotiate(fe);
	fe->dev->max_queues = 4;
	for (uint32_t i = 0; i < EVERY_REQUEST; i++) {
		const struct vhost_user_rule *rule = vhost_user_rule(i);

		if (rule == NULL || rule->ring == RING_NONE)
			continue;
		for (size_t k = 0; k < RTE_DIM(indices); k++) {
			struct vhost_user_message msg = conforming(fe, i);

			if (rule->ring == RING_IN_U64 && indices[k] > 255)
				continue;
			if (rule->ring == RING_IN_U64)
				msg.payload.u64 = indices[k];
			else
				msg.payload.state.index = indices[k];
			assert_int_equal(fe_send(fe, &msg), -EPROTO);
			assert_no_answer(fe);
		}
	}
	assert_int_equal(rte_vhost_get_vring_num(fe->dev->vid), 0);
}

static void
flags_that_no_request_has_end_the_connection(void **state)
{
	struct frontend *fe = *state;
	const uint32_t flags[] = { 0, 2, 3, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY };

	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		struct vhost_user_message msg = fe_message(VHOST_USER_GET_FEATURES, 0);

		msg.header.flags = flags[i];
		assert_int_equal(fe_send(fe, &msg), -EPROTO);
		assert_no_answer(fe);
	}
}

static void
what_was_not_negotiated_is_refused(void **state)
{
	struct frontend *fe = *state;

	for (int ack = 0; ack < 2; ack++) {
		if (ack)
			assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
						 FEATURE(VHOST_USER_PF_REPLY_ACK)),
				0);
		for (uint32_t i = 0; i < EVERY_REQUEST; i++) {
			const struct vhost_user_rule *rule = vhost_user_rule(i);
			struct vhost_user_message msg;

			if (rule != NULL && rule->protocol_feature == NO_PROTOCOL_FEATURE)
				continue;
			msg = rule != NULL ? conforming(fe, i) : fe_message(i, 0);
			assert_int_equal(fe_send(fe, &msg), -ENOTSUP);
			assert_no_answer(fe);

			msg = rule != NULL ? conforming(fe, i) : fe_message(i, 0);
			msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
			if (ack) {
				assert_int_equal(fe_send(fe, &msg), 0);
				assert_acknowledged(fe, i, false);
			} else {
				assert_int_equal(fe_send(fe, &msg), -ENOTSUP);
			}
			assert_no_answer(fe);
		}
	}
}

static void
success_is_acknowledged_once_if_asked_for(void **state)
{
	struct frontend *fe = *state;
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_OWNER, 0);

	/* Not negotiated: the flag means nothing. */
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_no_answer(fe);

	/* Not for the message that negotiates it. */
	msg = fe_message(VHOST_USER_SET_PROTOCOL_FEATURES, sizeof(uint64_t));
	msg.payload.u64 = FEATURE(VHOST_USER_PF_REPLY_ACK);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_no_answer(fe);

	msg = fe_message(VHOST_USER_SET_OWNER, 0);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_acknowledged(fe, VHOST_USER_SET_OWNER, true);
	assert_no_answer(fe);

	/* Not besides an answer of its own. */
	msg = fe_message(VHOST_USER_GET_FEATURES, 0);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.payload.u64, vhost_user_net_features);
	assert_no_answer(fe);
}

static void
features_that_were_not_offered_end_the_connection(void **state)
{
	struct frontend *fe = *state;

	assert_int_equal(fe_get_u64(fe, VHOST_USER_GET_FEATURES), vhost_user_net_features);
	for (unsigned int bit = 0; bit < 64; bit++)
		if (!(vhost_user_net_features & FEATURE(bit)))
			assert_int_equal(fe_set_features(fe, FEATURE(bit)), -EPROTO);
	assert_int_equal(fe_get_u64(fe, VHOST_USER_GET_PROTOCOL_FEATURES), all_protocol_features);
	for (unsigned int bit = 0; bit < 64; bit++)
		if (!(all_protocol_features & FEATURE(bit)))
			assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES,
						 FEATURE(bit)),
				-EPROTO);
	assert_false(fe->dev->has_features);
}

static void
values_out_of_range_are_refused(void **state)
{
	struct frontend *fe = *state;

	negotiate(fe);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 0), -EPROTO);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 32769), -EPROTO);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 65536 + 256), -EPROTO);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 32768), 0);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_BASE, 0, 65536), -EPROTO);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_ENABLE, 0, 2), -EPROTO);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_NET_SET_MTU, 67), -EINVAL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_NET_SET_MTU, 65536), -EINVAL);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_NET_SET_MTU, 68), 0);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_STATUS, 256), -EPROTO);
	assert_int_equal(fe_set_backend_fd(fe, fe->memfd), -EPROTO);
}

static void
config_space_accesses_are_bounded(void **state)
{
	struct frontend *fe = *state;
	const uint32_t bad[][2] = { { 0, 257 }, { 1, 256 }, { 256, 1 }, { UINT32_MAX, 1 },
		{ 1, UINT32_MAX }, { UINT32_MAX, UINT32_MAX }, { 0, 65 } };

	negotiate(fe);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		for (int set = 0; set < 2; set++) {
			struct vhost_user_message msg = fe_message(set ? VHOST_USER_SET_CONFIG :
									 VHOST_USER_GET_CONFIG,
				i == RTE_DIM(bad) - 1 ? VHOST_USER_CONFIG_HEADER_SIZE + 64 :
							sizeof(struct vhost_user_config));

			msg.payload.config.offset = bad[i][0];
			msg.payload.config.size = bad[i][1];
			assert_int_equal(fe_send(fe, &msg), -EPROTO);
			assert_no_answer(fe);
		}
	}

	/* There is no configuration space without a vDPA device: an answer without content. */
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_CONFIG,
		VHOST_USER_CONFIG_HEADER_SIZE + 6);

	msg.payload.config.size = 6;
	assert_int_equal(fe_send(fe, &msg), -ENOTSUP);
	msg.payload.config.flags = 2;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	msg = fe_message(VHOST_USER_GET_CONFIG, VHOST_USER_CONFIG_HEADER_SIZE + 6);
	msg.payload.config.size = 6;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.size, 0);
}

static void
memory_tables_are_all_or_nothing(void **state)
{
	struct frontend *fe = *state;
	const unsigned int before = unit_open_fds();
	const unsigned int maps = fe_mappings();
	struct vhost_user_message msg;

	negotiate(fe);
	for (uint32_t n = 2; n <= VHOST_USER_MEM_TABLE_MAX; n++) {
		msg = fe_message(VHOST_USER_SET_MEM_TABLE, sizeof(msg.payload.mem_table));
		msg.payload.mem_table.nregions = n;
		for (uint32_t i = 0; i < n; i++) {
			/* The last one lies on the first. */
			const uint64_t at = (i == n - 1 ? 0 : i) * FE_RING_SPACE;

			msg.payload.mem_table.regions[i] = (struct vhost_user_region){ .gpa = at,
				.size = FE_RING_SPACE,
				.fe_va = at,
				.mmap_offset = at };
			msg.fds[i] = fe->memfd;
		}
		msg.nfds = (int)n;
		assert_int_equal(fe_send(fe, &msg), -EPROTO);
		assert_null(fe->dev->mem);
		assert_int_equal(fe_mappings(), maps);
		assert_int_equal(unit_open_fds(), before);
	}
	/* A table larger than what came, and an empty one. */
	msg = fe_memory_message(fe->memfd, FE_MEMORY_SIZE);
	msg.header.size--;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	msg = fe_message(VHOST_USER_SET_MEM_TABLE, 8);
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	assert_int_equal(unit_open_fds(), before);

	/* One that is there twice is as wrong where there are as many regions already. */
	for (uint64_t twice = 0; twice < 2; twice++) {
		msg = fe_message(VHOST_USER_SET_MEM_TABLE, sizeof(msg.payload.mem_table));
		msg.payload.mem_table.nregions = 2;
		for (uint64_t i = 0; i < 2; i++) {
			const uint64_t at = twice ? 0 : i * FE_RING_SPACE;

			msg.payload.mem_table.regions[i] = (struct vhost_user_region){ .gpa = at,
				.size = FE_RING_SPACE,
				.fe_va = at,
				.mmap_offset = at };
			msg.fds[msg.nfds++] = fe->memfd;
		}
		assert_int_equal(fe_send(fe, &msg), twice ? -EPROTO : 0);
		assert_int_equal(fe->dev->mem->nregions, 2);
	}
}

static struct vhost_user_message
region_message(struct frontend *fe, uint32_t request, uint64_t at, bool fd)
{
	struct vhost_user_message msg = fe_message(request, sizeof(struct vhost_user_mem_reg));

	msg.payload.mem_reg.region = (struct vhost_user_region){ .gpa = FE_GPA + at,
		.size = FE_RING_SPACE,
		.fe_va = FE_VA + at,
		.mmap_offset = at };
	if (fd)
		msg.fds[msg.nfds++] = fe->memfd;
	return msg;
}

static void
regions_are_added_and_removed_one_by_one(void **state)
{
	struct frontend *fe = *state;
	struct vhost_user_message msg;
	const unsigned int before = unit_open_fds();
	int other;

	negotiate(fe);
	assert_true(fe_get_u64(fe, VHOST_USER_GET_MAX_MEM_SLOTS) >= 32);
	for (uint64_t i = 0; i < 32; i++) {
		msg = region_message(fe, VHOST_USER_ADD_MEM_REG, i * FE_RING_SPACE, true);
		assert_int_equal(fe_send(fe, &msg), 0);
	}
	assert_int_equal(fe->dev->mem->nregions, 32);
	/* Told again it is the same region; what overlaps it is another one, and wrong. */
	msg = region_message(fe, VHOST_USER_ADD_MEM_REG, 0, true);
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe->dev->mem->nregions, 32);
	msg = region_message(fe, VHOST_USER_ADD_MEM_REG, 0, true);
	msg.payload.mem_reg.region.mmap_offset = FE_RING_SPACE;
	msg.payload.mem_reg.region.size /= 2;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	/* So is the same place with another file, without any, and half of a region. */
	other = memfd_create("other", MFD_CLOEXEC);
	assert_int_equal(ftruncate(other, FE_MEMORY_SIZE), 0);
	msg = region_message(fe, VHOST_USER_ADD_MEM_REG, 0, false);
	msg.fds[msg.nfds++] = other;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	close(other);
	msg = region_message(fe, VHOST_USER_ADD_MEM_REG, 32 * FE_RING_SPACE, false);
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	msg = region_message(fe, VHOST_USER_ADD_MEM_REG, 32 * FE_RING_SPACE, true);
	msg.header.size--;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);

	for (uint64_t i = 0; i < 32; i++) {
		msg = region_message(fe, VHOST_USER_REM_MEM_REG, i * FE_RING_SPACE, i % 2 == 0);
		assert_int_equal(fe_send(fe, &msg), 0);
	}
	assert_int_equal(fe->dev->mem->nregions, 0);
	/* Once more for what was told twice, and no more. */
	msg = region_message(fe, VHOST_USER_REM_MEM_REG, 0, false);
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_send(fe, &msg), -ENOENT);
	assert_int_equal(unit_open_fds(), before);
}

static void
refused_operation_is_told_to_who_asks(void **state)
{
	struct frontend *fe = *state;
	struct vhost_user_message msg = region_message(fe, VHOST_USER_REM_MEM_REG, 0, false);

	negotiate(fe);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_acknowledged(fe, VHOST_USER_REM_MEM_REG, false);
}

static void
running_ring_is_not_moved(void **state)
{
	struct frontend *fe = *state;
	struct vhost_user_message msg;

	assert_int_equal(fe_set_features(fe, FEATURE(VIRTIO_F_VERSION_1)), 0);
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	assert_true(fe->dev->running);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 128), -EBUSY);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_BASE, 0, 1), -EBUSY);
	/* The same place again is fine: that is how logging is turned on. */
	assert_int_equal(fe_set_addr(fe, 0), 0);
	msg = fe_message(VHOST_USER_SET_VRING_ADDR, sizeof(struct vhost_vring_addr));
	msg.payload.addr.desc_user_addr = FE_VA;
	assert_int_equal(fe_send(fe, &msg), -EBUSY);
	assert_int_equal(fe_set_features(fe, 0), -EBUSY);
	assert_int_equal(fe_get_base(fe, 0), 0);
	assert_false(fe->dev->running);
	assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 128), 0);
}

static void
ring_outside_of_memory_ends_the_connection(void **state)
{
	struct frontend *fe = *state;
	const uint64_t bad[] = { 0, FE_VA - 16, FE_VA + FE_MEMORY_SIZE - 16, UINT64_MAX - 15 };

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		for (int area = 0; area < 3; area++) {
			struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
				sizeof(struct vhost_vring_addr));

			assert_int_equal(fe_set_features(fe, 0), 0);
			assert_int_equal(fe_set_memory(fe), 0);
			assert_int_equal(fe_set_state(fe, VHOST_USER_SET_VRING_NUM, 0, 256), 0);
			assert_int_equal(fe_set_kick(fe, 0), 0);
			msg.payload.addr = (struct vhost_vring_addr){
				.desc_user_addr = area == 0 ? bad[i] : FE_VA,
				.avail_user_addr = area == 1 ? bad[i] : FE_VA,
				.used_user_addr = area == 2 ? bad[i] : FE_VA,
			};
			assert_int_equal(fe_send(fe, &msg), -EFAULT);
			vhost_device_destroy(fe->dev);
			fe->dev = new_device();
		}
	}
}

static void
log_is_mapped_and_replaced(void **state)
{
	struct frontend *fe = *state;
	uint64_t base, size;

	negotiate(fe);
	for (int i = 0; i < 3; i++) {
		struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
			sizeof(struct vhost_user_log));
		const unsigned int before = unit_open_fds();

		msg.payload.log.mmap_size = 4096;
		msg.payload.log.mmap_offset = 100 * i;
		msg.fds[msg.nfds++] = fe->memfd;
		assert_int_equal(fe_send(fe, &msg), 0);
		assert_int_equal(fe_answer(fe, &msg), 1);
		assert_int_equal(msg.header.size, 0);
		assert_int_equal(rte_vhost_get_log_base(fe->dev->vid, &base, &size), 0);
		assert_int_equal(size, 4096);
		fe->memory[100 * i + 7] = (uint8_t)(40 + i);
		assert_int_equal(((uint8_t *)(uintptr_t)base)[7], 40 + i);
		assert_int_equal(unit_open_fds(), before);
		assert_int_equal(fe_mappings(), 2);
	}

	const uint64_t bad[][2] = { { 0, 0 }, { FE_MEMORY_SIZE + 1, 0 }, { 4096, FE_MEMORY_SIZE },
		{ UINT64_MAX, 1 }, { 1, UINT64_MAX } };

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
			sizeof(struct vhost_user_log));

		msg.payload.log.mmap_size = bad[i][0];
		msg.payload.log.mmap_offset = bad[i][1];
		msg.fds[msg.nfds++] = fe->memfd;
		assert_int_equal(fe_send(fe, &msg), -EPROTO);
	}
}

static enum rte_vhost_msg_result pre_result, post_result;
static uint32_t pre_saw, post_saw;

static enum rte_vhost_msg_result
pre(int vid, void *msg)
{
	(void)vid;
	memcpy(&pre_saw, msg, sizeof(pre_saw));
	return pre_result;
}

static enum rte_vhost_msg_result
post(int vid, void *msg)
{
	(void)vid;
	memcpy(&post_saw, msg, sizeof(post_saw));
	return post_result;
}

static void
application_may_handle_messages(void **state)
{
	struct frontend *fe = *state;
	const struct rte_vhost_user_extern_ops ops = { pre, post };
	struct vhost_user_message msg;

	assert_int_equal(rte_vhost_extern_callback_register(fe->dev->vid, &ops, NULL), 0);
	pre_result = post_result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	assert_int_equal(fe_set_features(fe, 0), 0);
	assert_int_equal(pre_saw, VHOST_USER_SET_FEATURES);
	assert_int_equal(post_saw, VHOST_USER_SET_FEATURES);
	assert_true(fe->dev->has_features);

	/* Kept from the library. */
	pre_result = RTE_VHOST_MSG_RESULT_OK;
	assert_int_equal(fe_set_features(fe, FEATURE(VIRTIO_F_VERSION_1)), 0);
	assert_int_equal(fe->dev->features, 0);
	assert_no_answer(fe);

	/* Answered in its place. */
	pre_result = RTE_VHOST_MSG_RESULT_REPLY;
	msg = fe_message(VHOST_USER_GET_FEATURES, 0);
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.size, 0);
	assert_no_answer(fe);

	/* Refused: told to who asked, and the end of the connection of who did not. */
	pre_result = RTE_VHOST_MSG_RESULT_ERR;
	post_saw = 0;
	msg = fe_message(VHOST_USER_SET_OWNER, 0);
	assert_int_equal(fe_send(fe, &msg), -EIO);
	fe->dev->protocol_features |= FEATURE(VHOST_USER_PF_REPLY_ACK);
	msg = fe_message(VHOST_USER_SET_OWNER, 0);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.payload.u64, 1);
	assert_no_answer(fe);
	assert_int_equal(post_saw, 0);
	/* After the answer there is nobody left to be told. */
	pre_result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	post_result = RTE_VHOST_MSG_RESULT_ERR;
	msg = fe_message(VHOST_USER_GET_FEATURES, 0);
	msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_int_equal(fe_send(fe, &msg), -EPROTO);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_no_answer(fe);

	/* What the library does not know. */
	pre_result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	post_result = RTE_VHOST_MSG_RESULT_OK;
	msg = fe_message(VHOST_USER_GPU_SET_SOCKET, 0);
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(post_saw, VHOST_USER_GPU_SET_SOCKET);
	post_result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	msg = fe_message(VHOST_USER_GPU_SET_SOCKET, 0);
	assert_int_equal(fe_send(fe, &msg), -ENOTSUP);
}

/* Whatever comes, nothing leaks and nothing breaks; a connection that is refused starts over. */
static void
random_messages_do_no_harm(void **state)
{
	struct frontend *fe = *state;
	const unsigned int before = unit_open_fds();
	unsigned int served = 0;

	srandom(1);
	for (int i = 0; i < 100000; i++) {
		const uint32_t request = (uint32_t)random() % EVERY_REQUEST;
		const struct vhost_user_rule *rule = vhost_user_rule(request);
		struct vhost_user_message msg = fe_message(request, 0), answer;
		uint8_t *payload = (uint8_t *)&msg.payload;

		if (rule != NULL && random() % 8 != 0)
			msg = conforming(fe, request);
		else
			msg.header.size = (uint32_t)random() % (sizeof(msg.payload) + 1);
		for (int n = (int)(random() % 6); n > 0; n--)
			payload[random() % 24] = random() % 2 ? (uint8_t)random() : 0;
		if (random() % 4 == 0)
			msg.header.flags |= VHOST_USER_FLAG_NEED_REPLY;
		if (fe_send(fe, &msg) == 0) {
			served++;
		} else {
			vhost_device_destroy(fe->dev);
			fe->dev = new_device();
			negotiate(fe);
		}
		while (fe_answer(fe, &answer) == 1)
			vhost_user_message_close_fds(&answer);
	}
	assert_true(served > 1000);
	vhost_device_destroy(fe->dev);
	assert_int_equal(unit_open_fds(), before);
	assert_int_equal(fe_mappings(), 1);
	fe->dev = new_device();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_coherent),
		cmocka_unit_test(rows_are_what_the_specification_says),
		cmocka_unit_test(wrong_size_ends_the_connection),
		cmocka_unit_test(wrong_number_of_descriptors_ends_the_connection),
		cmocka_unit_test(ring_that_does_not_exist_ends_the_connection),
		cmocka_unit_test(flags_that_no_request_has_end_the_connection),
		cmocka_unit_test(what_was_not_negotiated_is_refused),
		cmocka_unit_test(success_is_acknowledged_once_if_asked_for),
		cmocka_unit_test(features_that_were_not_offered_end_the_connection),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(config_space_accesses_are_bounded),
		cmocka_unit_test(memory_tables_are_all_or_nothing),
		cmocka_unit_test(regions_are_added_and_removed_one_by_one),
		cmocka_unit_test(refused_operation_is_told_to_who_asks),
		cmocka_unit_test(running_ring_is_not_moved),
		cmocka_unit_test(ring_outside_of_memory_ends_the_connection),
		cmocka_unit_test(log_is_mapped_and_replaced),
		cmocka_unit_test(application_may_handle_messages),
		cmocka_unit_test(random_messages_do_no_harm),
	};
	struct CMUnitTest with_device[RTE_DIM(tests)];

	/* Refusals are what is tested: their log lines would be many. */
	rte_log_set_global_level(RTE_LOG_EMERG);
	for (size_t i = 0; i < RTE_DIM(tests); i++) {
		with_device[i] = tests[i];
		with_device[i].setup_func = setup;
		with_device[i].teardown_func = teardown;
	}
	return cmocka_run_group_tests_name("vhost_user_dispatch", with_device, NULL, NULL);
}
