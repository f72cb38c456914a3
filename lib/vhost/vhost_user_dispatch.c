/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <rte_common.h>

#include "budget.h"
#include "vhost_log.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_iotlb.h"

#define FIXED(size) .size_min = (size), .size_max = (size)
#define U64 FIXED(sizeof(uint64_t))
#define STATE FIXED(sizeof(struct vhost_vring_state))
#define ADDR FIXED(sizeof(struct vhost_vring_addr))
#define INFLIGHT \
	.size_min = VHOST_USER_INFLIGHT_SIZE, .size_max = sizeof(struct vhost_user_inflight)
#define NEEDS(pf) .protocol_feature = VHOST_USER_PF_##pf
#define ALWAYS .protocol_feature = NO_PROTOCOL_FEATURE

static const struct vhost_user_rule rules[VHOST_USER_REQUEST_MAX] = {
	[VHOST_USER_GET_FEATURES] = { vhost_user_get_features, ALWAYS, .replies = true },
	[VHOST_USER_SET_FEATURES] = { vhost_user_set_features, U64, ALWAYS },
	[VHOST_USER_SET_OWNER] = { vhost_user_set_owner, ALWAYS },
	[VHOST_USER_RESET_OWNER] = { vhost_user_reset_device, ALWAYS },
	[VHOST_USER_RESET_DEVICE] = { vhost_user_reset_device, NEEDS(RESET_DEVICE) },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { vhost_user_get_protocol_features, ALWAYS,
		.replies = true },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { vhost_user_set_protocol_features, U64, ALWAYS },
	[VHOST_USER_GET_QUEUE_NUM] = { vhost_user_get_queue_num, NEEDS(MQ), .replies = true },
	[VHOST_USER_NET_SET_MTU] = { vhost_user_set_mtu, U64, NEEDS(NET_MTU) },
	[VHOST_USER_SEND_RARP] = { vhost_user_send_rarp, U64, NEEDS(RARP) },
	[VHOST_USER_SET_DEVICE_STATE_FD] = { vhost_user_set_device_state_fd,
		FIXED(sizeof(struct vhost_user_device_state)), NEEDS(DEVICE_STATE), .fds = FDS_ONE,
		.replies = true },
	[VHOST_USER_CHECK_DEVICE_STATE] = { vhost_user_check_device_state, NEEDS(DEVICE_STATE),
		.replies = true },
	[VHOST_USER_GET_STATUS] = { vhost_user_get_status, NEEDS(STATUS), .replies = true },
	[VHOST_USER_SET_STATUS] = { vhost_user_set_status, U64, NEEDS(STATUS) },

	[VHOST_USER_SET_MEM_TABLE] = { vhost_user_set_mem_table, ALWAYS, .fds = FDS_REGIONS,
		.size_min = offsetof(struct vhost_user_mem_table, regions),
		.size_max = sizeof(struct vhost_user_mem_table) },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { vhost_user_get_max_mem_slots, NEEDS(CONFIGURE_MEM_SLOTS),
		.replies = true },
	/* With nothing but a u64 of 0 in post-copy migration. */
	[VHOST_USER_ADD_MEM_REG] = { vhost_user_add_mem_reg, NEEDS(CONFIGURE_MEM_SLOTS),
		.fds = FDS_OPTIONAL, .size_min = sizeof(uint64_t),
		.size_max = sizeof(struct vhost_user_mem_reg) },
	[VHOST_USER_REM_MEM_REG] = { vhost_user_rem_mem_reg,
		FIXED(sizeof(struct vhost_user_mem_reg)), NEEDS(CONFIGURE_MEM_SLOTS),
		.fds = FDS_OPTIONAL },
	[VHOST_USER_SET_LOG_BASE] = { vhost_user_set_log_base, FIXED(sizeof(struct vhost_user_log)),
		NEEDS(LOG_SHMFD), .fds = FDS_ONE, .replies = true },
	[VHOST_USER_SET_LOG_FD] = { vhost_user_set_log_fd, ALWAYS, .fds = FDS_ONE },

	[VHOST_USER_GET_INFLIGHT_FD] = { vhost_user_get_inflight_fd, INFLIGHT,
		NEEDS(INFLIGHT_SHMFD), .replies = true, .replies_fds = true },
	[VHOST_USER_SET_INFLIGHT_FD] = { vhost_user_set_inflight_fd, INFLIGHT,
		NEEDS(INFLIGHT_SHMFD), .fds = FDS_ONE },

	[VHOST_USER_IOTLB_MSG] = { vhost_user_iotlb_msg, FIXED(sizeof(struct vhost_iotlb_msg)),
		ALWAYS },

	[VHOST_USER_POSTCOPY_ADVISE] = { vhost_user_postcopy_advise, NEEDS(PAGEFAULT),
		.replies = true, .replies_fds = true },
	[VHOST_USER_POSTCOPY_LISTEN] = { vhost_user_postcopy_listen, NEEDS(PAGEFAULT) },
	[VHOST_USER_POSTCOPY_END] = { vhost_user_postcopy_end, NEEDS(PAGEFAULT), .replies = true },

	[VHOST_USER_SET_VRING_NUM] = { vhost_user_set_vring_num, STATE, ALWAYS,
		.ring = RING_IN_STATE, .ring_stopped = true },
	[VHOST_USER_SET_VRING_ADDR] = { vhost_user_set_vring_addr, ADDR, ALWAYS,
		.ring = RING_IN_ADDR },
	[VHOST_USER_SET_VRING_BASE] = { vhost_user_set_vring_base, STATE, ALWAYS,
		.ring = RING_IN_STATE, .ring_stopped = true },
	[VHOST_USER_GET_VRING_BASE] = { vhost_user_get_vring_base, STATE, ALWAYS,
		.ring = RING_IN_STATE, .replies = true },
	[VHOST_USER_SET_VRING_KICK] = { vhost_user_set_vring_kick, U64, ALWAYS, .ring = RING_IN_U64,
		.fds = FDS_VRING },
	[VHOST_USER_SET_VRING_CALL] = { vhost_user_set_vring_call, U64, ALWAYS, .ring = RING_IN_U64,
		.fds = FDS_VRING },
	[VHOST_USER_SET_VRING_ERR] = { vhost_user_set_vring_err, U64, ALWAYS, .ring = RING_IN_U64,
		.fds = FDS_VRING },
	[VHOST_USER_SET_VRING_ENABLE] = { vhost_user_set_vring_enable, STATE, ALWAYS,
		.ring = RING_IN_STATE },

	[VHOST_USER_GET_CONFIG] = { vhost_user_get_config, NEEDS(CONFIG),
		.size_min = VHOST_USER_CONFIG_HEADER_SIZE,
		.size_max = sizeof(struct vhost_user_config), .replies = true },
	[VHOST_USER_SET_CONFIG] = { vhost_user_set_config, NEEDS(CONFIG),
		.size_min = VHOST_USER_CONFIG_HEADER_SIZE,
		.size_max = sizeof(struct vhost_user_config) },
	[VHOST_USER_SET_BACKEND_REQ_FD] = { vhost_user_set_backend_req_fd, NEEDS(BACKEND_REQ),
		.fds = FDS_ONE },
};

const struct vhost_user_rule *
vhost_user_rule(uint32_t request)
{
	if (request >= RTE_DIM(rules) || rules[request].handle == NULL)
		return NULL;
	return &rules[request];
}

int
vhost_user_take_fd(struct vhost_user_message *msg)
{
	int fd = -1;

	if (msg->nfds > 0) {
		fd = msg->fds[0];
		msg->fds[0] = -1;
	}
	return fd;
}

static int
check_fds(struct vhost_device *dev, const struct vhost_user_rule *rule,
	const struct vhost_user_message *msg)
{
	int min = 0, max = 0;

	switch (rule->fds) {
	case FDS_NONE:
		break;
	case FDS_ONE:
		min = max = 1;
		break;
	case FDS_OPTIONAL:
		max = 1;
		break;
	case FDS_VRING:
		min = max = msg->payload.u64 & VHOST_USER_VRING_NOFD ? 0 : 1;
		break;
	case FDS_REGIONS:
		if (msg->payload.mem_table.nregions > VHOST_USER_MEM_TABLE_MAX)
			return vhost_device_error(dev, -EPROTO, "%u regions, the most is %d",
				msg->payload.mem_table.nregions, VHOST_USER_MEM_TABLE_MAX);
		min = max = (int)msg->payload.mem_table.nregions;
		break;
	}
	if (msg->nfds < min || msg->nfds > max)
		return vhost_device_error(dev, -EPROTO, "%d file descriptors where %d belong",
			msg->nfds, max);
	return 0;
}

/* Find the ring that the message names. */
static int
check_ring(struct vhost_device *dev, const struct vhost_user_rule *rule,
	const struct vhost_user_message *msg, struct vhost_queue **q)
{
	uint32_t index = 0;

	switch (rule->ring) {
	case RING_NONE:
		return 0;
	case RING_IN_STATE:
		index = msg->payload.state.index;
		break;
	case RING_IN_ADDR:
		index = msg->payload.addr.index;
		break;
	case RING_IN_U64:
		index = (uint32_t)(msg->payload.u64 & VHOST_USER_VRING_INDEX_MASK);
		break;
	}
	if (index >= dev->max_queues)
		return vhost_device_error(dev, -EPROTO, "no ring %u, there are %u", index,
			dev->max_queues);
	*q = vhost_device_name_queue(dev, index);
	if (*q == NULL)
		return vhost_device_error(dev, -ENOMEM, "no memory for ring %u", index);
	if (rule->ring_stopped && (*q)->live)
		return vhost_device_error(dev, -EBUSY, "ring %u is running", index);
	return 0;
}

/* Whether the message conforms to its row of the table: the one place that decides this. */
static int
check(struct vhost_device *dev, const struct vhost_user_rule *rule,
	const struct vhost_user_message *msg, struct vhost_queue **q)
{
	const struct vhost_user_header *h = &msg->header;
	int ret;

	if (rule == NULL)
		return vhost_device_error(dev, -ENOTSUP, "request %u is not supported", h->request);
	if (rule->protocol_feature != NO_PROTOCOL_FEATURE &&
		!vhost_device_has_protocol_feature(dev, rule->protocol_feature))
		return vhost_device_error(dev, -ENOTSUP, "protocol feature %u was not negotiated",
			rule->protocol_feature);
	if (h->size < rule->size_min || h->size > rule->size_max)
		return vhost_device_error(dev, -EPROTO, "%u bytes of payload where %u to %u belong",
			h->size, rule->size_min, rule->size_max);
	ret = check_fds(dev, rule, msg);
	if (ret == 0)
		ret = check_ring(dev, rule, msg, q);
	return ret != 0 ? ret : vhost_budget_message_fds(dev, *q, msg);
}

static int
send_reply(struct vhost_device *dev, int sock, struct vhost_user_message *msg)
{
	int ret;

	msg->header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	ret = vhost_user_send(sock, msg);
	if (ret != 0)
		return vhost_device_error(dev, -EPROTO, "cannot send the answer: %s",
			strerror(-ret));
	return 0;
}

static int
acknowledge(struct vhost_device *dev, int sock, uint32_t request, bool success)
{
	struct vhost_user_message ack = { .header.request = request };

	ack.payload.u64 = success ? 0 : 1;
	ack.header.size = sizeof(ack.payload.u64);
	return send_reply(dev, sock, &ack);
}

/* How far a message has come. */
enum outcome {
	NOT_HANDLED,
	HANDLED,
	ANSWERED,
};

/* Let the application's own handler see the message. @return enum outcome, or a negative errno */
static int
offer(struct vhost_device *dev, int sock, struct vhost_user_message *msg,
	rte_vhost_msg_handle handler)
{
	int ret;

	if (handler == NULL)
		return NOT_HANDLED;
	switch (handler(dev->vid, msg)) {
	case RTE_VHOST_MSG_RESULT_NOT_HANDLED:
		return NOT_HANDLED;
	case RTE_VHOST_MSG_RESULT_OK:
		return HANDLED;
	case RTE_VHOST_MSG_RESULT_REPLY:
		vhost_user_message_close_fds(msg);
		ret = send_reply(dev, sock, msg);
		return ret != 0 ? ret : ANSWERED;
	default:
		return vhost_device_error(dev, -EIO, "the application refused it");
	}
}

/* What the library itself does with a message. @return enum outcome, or a negative errno */
static int
handle(struct vhost_device *dev, int sock, struct vhost_user_message *msg)
{
	const struct vhost_user_rule *rule = vhost_user_rule(msg->header.request);
	struct vhost_queue *q = NULL;
	int ret = check(dev, rule, msg, &q);

	if (ret == 0)
		ret = rule->handle(dev, q, msg);
	if (ret < 0)
		return ret;
	if (ret != VHOST_USER_REPLY)
		return HANDLED;
	if (!rule->replies_fds)
		vhost_user_message_close_fds(msg);
	ret = send_reply(dev, sock, msg);
	return ret != 0 ? ret : ANSWERED;
}

/*
 * The application sees a message before the library, and may keep it, and after it; then it may
 * also take what the library does not know. @return enum outcome, or a negative errno
 */
static int
process(struct vhost_device *dev, int sock, struct vhost_user_message *msg)
{
	const struct rte_vhost_user_extern_ops ops = dev->extern_ops;
	const bool known = vhost_user_rule(msg->header.request) != NULL;
	int ret, post;

	ret = offer(dev, sock, msg, ops.pre_msg_handle);
	if (ret < 0)
		return ret;
	if (ret == NOT_HANDLED)
		ret = handle(dev, sock, msg);
	if (ret < 0 && known)
		return ret;
	post = offer(dev, sock, msg, ops.post_msg_handle);
	/* What was answered cannot be refused any more. */
	if (post < 0 && ret == ANSWERED)
		return -EPROTO;
	return post != NOT_HANDLED && (post < 0 || ret != ANSWERED) ? post : ret;
}

static int
dispatch(struct vhost_device *dev, int sock, struct vhost_user_message *msg)
{
	const uint32_t request = msg->header.request;
	const uint32_t flags = msg->header.flags;
	/* Asked before: an acknowledgement negotiated by this message is not owed for it. */
	const bool need_ack = (flags & VHOST_USER_FLAG_NEED_REPLY) != 0 &&
		vhost_device_has_protocol_feature(dev, VHOST_USER_PF_REPLY_ACK);
	int outcome, ret;

	if ((flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
		(flags & VHOST_USER_FLAG_REPLY) != 0)
		return vhost_device_error(dev, -EPROTO, "flags 0x%x are no request's", flags);

	outcome = process(dev, sock, msg);
	if (outcome == -EPROTO || (outcome < 0 && !need_ack))
		return outcome;
	if (outcome < 0) {
		vhost_count(&dev->messages.refused);
		VHOST_LOG(ERR, "%s: %s refused: %s", dev->name, vhost_user_request_name(request),
			dev->error);
	}
	ret = vhost_device_update(dev);
	if (vhost_device_has_iommu(dev))
		vhost_user_iotlb_ask(dev);
	if (ret == 0 && need_ack && outcome != ANSWERED)
		ret = acknowledge(dev, sock, request, outcome == HANDLED);
	return ret;
}

int
vhost_user_dispatch(struct vhost_device *dev, int sock, struct vhost_user_message *msg)
{
	const uint32_t request = msg->header.request;
	int ret;

	VHOST_LOG(DEBUG, "%s: %s, %u bytes, %d descriptors", dev->name,
		vhost_user_request_name(request), msg->header.size, msg->nfds);
	vhost_count(&dev->messages.requests[request < VHOST_USER_REQUEST_MAX ? request : 0]);
	dev->connection = sock;
	ret = dispatch(dev, sock, msg);
	vhost_user_message_close_fds(msg);
	if (ret == 0)
		return 0;
	vhost_count(&dev->messages.refused);
	VHOST_LOG(ERR, "%s: %s: %s; closing the connection", dev->name,
		vhost_user_request_name(request), dev->error);
	return ret;
}
