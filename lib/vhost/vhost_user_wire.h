/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The vhost-user protocol as it stands on the wire, and the two calls that move one message with
 * its file descriptors. Both ends use it: the back end in this library and the virtio-user
 * front end. Numbers and layouts come from the vhost-user protocol document ("Message types",
 * "Front-end message types", "Protocol features"); all integers are in host byte order.
 *
 * Nothing here knows a device. A message that was received is bounded (its size fits the payload,
 * its descriptors fit the array) but otherwise unchecked: what a given request may carry is the
 * business of the dispatch table.
 */

#ifndef VHOST_USER_WIRE_H
#define VHOST_USER_WIRE_H

#include <stdint.h>

#include <linux/vhost.h>

/** Regions in one SET_MEM_TABLE, and so the most descriptors that any one message carries. */
#define VHOST_USER_MEM_TABLE_MAX 8
/** Bytes of device configuration space in one GET_CONFIG or SET_CONFIG. */
#define VHOST_USER_CONFIG_MAX 256

/** Set in payloads that are a u64 of ring index and flag: no descriptor comes with the message. */
#define VHOST_USER_VRING_NOFD (UINT64_C(1) << 8)
#define VHOST_USER_VRING_INDEX_MASK UINT64_C(0xff)

#define VHOST_USER_VERSION 0x1u
#define VHOST_USER_VERSION_MASK 0x3u
#define VHOST_USER_FLAG_REPLY (1u << 2)
#define VHOST_USER_FLAG_NEED_REPLY (1u << 3)

/** Requests from the front end to the back end. */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_IOTLB_MSG = 22,
	VHOST_USER_SET_VRING_ENDIAN = 23,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_CREATE_CRYPTO_SESSION = 26,
	VHOST_USER_CLOSE_CRYPTO_SESSION = 27,
	VHOST_USER_POSTCOPY_ADVISE = 28,
	VHOST_USER_POSTCOPY_LISTEN = 29,
	VHOST_USER_POSTCOPY_END = 30,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_GPU_SET_SOCKET = 33,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_VRING_KICK = 35,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_GET_SHARED_OBJECT = 41,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
	VHOST_USER_REQUEST_MAX
};

/** Requests from the back end to the front end, on the channel of SET_BACKEND_REQ_FD. */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_IOTLB_MSG = 1,
	VHOST_USER_BACKEND_CONFIG_CHANGE = 2,
	VHOST_USER_BACKEND_VRING_HOST_NOTIFIER = 3,
	VHOST_USER_BACKEND_VRING_CALL = 4,
	VHOST_USER_BACKEND_VRING_ERR = 5,
	VHOST_USER_BACKEND_REQUEST_MAX
};

/** Bits of the protocol feature word. */
enum vhost_user_protocol_feature {
	VHOST_USER_PF_MQ = 0,
	VHOST_USER_PF_LOG_SHMFD = 1,
	VHOST_USER_PF_RARP = 2,
	VHOST_USER_PF_REPLY_ACK = 3,
	VHOST_USER_PF_NET_MTU = 4,
	VHOST_USER_PF_BACKEND_REQ = 5,
	VHOST_USER_PF_CROSS_ENDIAN = 6,
	VHOST_USER_PF_CRYPTO_SESSION = 7,
	VHOST_USER_PF_PAGEFAULT = 8,
	VHOST_USER_PF_CONFIG = 9,
	VHOST_USER_PF_BACKEND_SEND_FD = 10,
	VHOST_USER_PF_HOST_NOTIFIER = 11,
	VHOST_USER_PF_INFLIGHT_SHMFD = 12,
	VHOST_USER_PF_RESET_DEVICE = 13,
	VHOST_USER_PF_INBAND_NOTIFICATIONS = 14,
	VHOST_USER_PF_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PF_STATUS = 16,
	VHOST_USER_PF_XEN_MMAP = 17,
	VHOST_USER_PF_SHARED_OBJECT = 18,
	VHOST_USER_PF_DEVICE_STATE = 19,
};

/** The feature bit that stands for "protocol features are spoken". */
#define VHOST_USER_FEATURE_PROTOCOL 30

struct vhost_user_region {
	uint64_t gpa;         /**< guest physical address */
	uint64_t size;        /**< bytes */
	uint64_t fe_va;       /**< address in the front end, the unit of SET_VRING_ADDR */
	uint64_t mmap_offset; /**< where the region begins in its file, bytes */
};

struct vhost_user_mem_table {
	uint32_t nregions;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_MEM_TABLE_MAX];
};

struct vhost_user_mem_reg {
	uint64_t padding;
	struct vhost_user_region region;
};

struct vhost_user_log {
	uint64_t mmap_size;
	uint64_t mmap_offset;
};

struct vhost_user_config {
	uint32_t offset;
	uint32_t size; /**< bytes of @a region in use */
	uint32_t flags;
	uint8_t region[VHOST_USER_CONFIG_MAX];
} __attribute__((packed));

#define VHOST_USER_CONFIG_HEADER_SIZE 12

struct vhost_user_vring_area {
	uint64_t u64; /**< ring index and VHOST_USER_VRING_NOFD */
	uint64_t size;
	uint64_t offset;
};

struct vhost_user_inflight {
	uint64_t mmap_size;   /**< bytes of the region */
	uint64_t mmap_offset; /**< where it begins in its file, bytes */
	uint16_t num_queues;
	uint16_t queue_size; /**< most entries that a ring has */
	uint32_t padding;    /**< QEMU sends it */
};

/** Bytes of it that the protocol document has. */
#define VHOST_USER_INFLIGHT_SIZE 20

struct vhost_user_device_state {
	uint32_t direction; /**< 0 the back end saves, 1 it loads */
	uint32_t phase;     /**< 0 the device is stopped */
};

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /**< bytes of payload that follow */
} __attribute__((packed));

union vhost_user_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_user_mem_table mem_table;
	struct vhost_user_mem_reg mem_reg;
	struct vhost_user_log log;
	struct vhost_user_config config;
	struct vhost_user_vring_area area;
	struct vhost_user_inflight inflight;
	struct vhost_user_device_state device_state;
	struct vhost_iotlb_msg iotlb;
} __attribute__((packed));

/**
 * One message. The bytes on the wire come first, so that what an application's message callback
 * is given begins as the protocol document says.
 */
struct vhost_user_message {
	struct vhost_user_header header;
	union vhost_user_payload payload;
	/** Descriptors that came with the message; an entry taken over is set to -1. */
	int fds[VHOST_USER_MEM_TABLE_MAX];
	int nfds;
} __attribute__((packed, aligned(8)));

/** Descriptors that were taken ahead of the message that they belong to. */
struct vhost_user_ahead {
	int fds[VHOST_USER_MEM_TABLE_MAX];
	int n;
};

/**
 * Receive one whole message, waiting for it on a blocking socket. On a non-blocking one, a message
 * that has begun to arrive is waited for as well; a server that must not wait for its peers uses
 * vhost_user_receive_part() instead.
 *
 * A message whose payload is larger than any known one, or that carries more descriptors than
 * the array holds, is refused; its descriptors are closed. Descriptors are received with
 * close-on-exec set and are owned by @a msg until taken or given to
 * vhost_user_message_close_fds().
 *
 * @return
 *   1 a message was received; 0 the peer closed the connection between two messages; -errno
 *   otherwise: -EPROTO for a malformed or truncated message, -EAGAIN only when nothing at all was
 *   waiting on a non-blocking socket, or what recvmsg(2) gave. Nothing is left in @a msg but in
 *   the first case.
 */
int vhost_user_receive(int sock, struct vhost_user_message *msg);

/**
 * Receive what has arrived of a message, and never wait for the rest.
 *
 * @param msg
 *   Collects the message from call to call; the same one until it is whole. Its descriptors are
 *   complete only when it is.
 * @param[in,out] have
 *   Bytes of header and payload received so far: 0 before the first call for a message, and to be
 *   set to 0 again by the caller once it is done with a whole one.
 * @return
 *   As vhost_user_receive(), but -EAGAIN, with everything kept, for a message that is not whole
 *   yet.
 */
int vhost_user_receive_part(int sock, struct vhost_user_message *msg, uint32_t *have);

/**
 * The same for a thread that nobody may hold up.
 *
 * Descriptors for which there is no room, here or in the process, are closed by the kernel, in the thread
 * that receives them; and who shares one may hold up whoever closes it (aside.h). So descriptors are taken
 * while their message stays in the socket, which keeps all that came along. Those that are too many
 * are left there, for whoever closes the socket.
 *
 * @param[in,out] ahead
 *   Zeroed before the first call for a socket. To be given to vhost_user_ahead_close() in the end.
 */
int vhost_user_receive_safely(int sock, struct vhost_user_message *msg, uint32_t *have,
	struct vhost_user_ahead *ahead);

/** Close what belongs to a message that will not be received. */
void vhost_user_ahead_close(struct vhost_user_ahead *ahead);

/**
 * Send one whole message: header, @c header.size bytes of payload, and @c nfds descriptors, which
 * stay the caller's.
 *
 * @return
 *   0, or -errno from sendmsg(2). A peer that is gone gives -EPIPE, never a signal; one that does
 *   not read gives -EAGAIN on a non-blocking socket, and the connection is of no more use then.
 */
int vhost_user_send(int sock, const struct vhost_user_message *msg);

/** The same as if the socket were non-blocking, which one from a peer is only as long as it likes. */
int vhost_user_send_now(int sock, const struct vhost_user_message *msg);

/**
 * How descriptors that came in are closed: close(2), unless a program that serves several peers has
 * something better.
 */
extern void (*vhost_user_close_fd)(int fd);

/** Close the descriptors that nobody took out of @a msg. */
void vhost_user_message_close_fds(struct vhost_user_message *msg);

/** Name of a front-end request for the log, "unknown" for one that has none. */
const char *vhost_user_request_name(uint32_t request);

#endif /* VHOST_USER_WIRE_H */
