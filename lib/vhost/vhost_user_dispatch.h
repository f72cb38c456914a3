/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What is done with a message of the front end.
 *
 * A table has a row for every request that is served: payload size, descriptors, the ring it
 * names, what must have been negotiated, whether it answers by itself. One function checks a
 * message against its row; a handler is given only what passed.
 */

#ifndef VHOST_USER_DISPATCH_H
#define VHOST_USER_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "vhost_user_wire.h"

/** Virtio features the library can serve on its own, those of the builtin network device. */
extern const uint64_t vhost_user_net_features;

/** Those that it can serve in addition, if the application wants that: RTE_VHOST_USER_IOMMU_SUPPORT. */
extern const uint64_t vhost_user_iommu_features;

/** Protocol features that are this library's, whatever serves the rings. */
extern const uint64_t vhost_user_transport_protocol_features;

/** Of these, what the application has to want: RTE_VHOST_USER_POSTCOPY_SUPPORT. */
extern const uint64_t vhost_user_postcopy_protocol_features;

/** Protocol features that make sense only with a device that supports them. */
extern const uint64_t vhost_user_device_protocol_features;

/**
 * Handle one message and whatever follows from it for the device, and answer it if need be.
 *
 * @param sock
 *   Where answers go.
 * @param msg
 *   A message that vhost_user_receive() gave; all of its descriptors are taken over or closed.
 * @return
 *   0, or a negative errno if the connection is to be closed; the log says why.
 */
int vhost_user_dispatch(struct vhost_device *dev, int sock, struct vhost_user_message *msg);

/**
 * Whether a message asks for the end of something that goes on aside (aside.h) and will end: then it is
 * to be dispatched when the device's go_on() is called. No other message of the connection is meanwhile.
 */
bool vhost_user_is_too_early(const struct vhost_device *dev, const struct vhost_user_message *msg);

/*
 * Below: between the table and the handlers.
 */

/** The handler put an answer into the message. */
#define VHOST_USER_REPLY 1

/**
 * Act on a message that conforms to its row of the table.
 *
 * @param q
 *   The ring that the message names; NULL for requests that name none.
 * @return
 *   0; VHOST_USER_REPLY with payload and header.size set; or a negative errno with
 *   vhost_device_error() called. -EPROTO stands for what no sane front end sends: it costs the
 *   connection. Any other is told to a front end that asked for an answer.
 */
typedef int vhost_user_handler(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg);

/** Take a descriptor out of a message; it is the caller's from then on. -1 if there is none. */
int vhost_user_take_fd(struct vhost_user_message *msg);

/** Where a message names a ring, and whether a descriptor comes with it. */
enum vhost_user_ring {
	RING_NONE,
	RING_IN_STATE, /**< struct vhost_vring_state */
	RING_IN_ADDR,  /**< struct vhost_vring_addr */
	RING_IN_U64,   /**< low bits of a u64 */
};

enum vhost_user_fds {
	FDS_NONE,
	FDS_ONE,
	FDS_OPTIONAL, /**< none or one */
	FDS_VRING,    /**< one, unless VHOST_USER_VRING_NOFD is set in the u64 */
	FDS_REGIONS,  /**< one for each region of a memory table */
};

/** A row of the table. */
struct vhost_user_rule {
	vhost_user_handler *handle;
	uint16_t size_min; /**< bytes of payload */
	uint16_t size_max;
	enum vhost_user_fds fds;
	enum vhost_user_ring ring;
	bool ring_stopped;        /**< refused while the ring is live */
	bool replies;             /**< has an answer of its own, so no acknowledgement */
	bool replies_fds;         /**< with the descriptors that the handler left in the message */
	uint8_t protocol_feature; /**< which must be negotiated, or NO_PROTOCOL_FEATURE */
};

#define NO_PROTOCOL_FEATURE 0xff

/** The rule for a request, or NULL when it is not served. */
const struct vhost_user_rule *vhost_user_rule(uint32_t request);

/* vhost_user_features.c */
vhost_user_handler vhost_user_get_features, vhost_user_set_features;
vhost_user_handler vhost_user_get_protocol_features, vhost_user_set_protocol_features;
vhost_user_handler vhost_user_set_owner, vhost_user_reset_device, vhost_user_get_queue_num;
vhost_user_handler vhost_user_send_rarp;
vhost_user_handler vhost_user_set_mtu, vhost_user_get_status, vhost_user_set_status;

/* vhost_user_memory.c */
vhost_user_handler vhost_user_set_mem_table, vhost_user_get_max_mem_slots;
vhost_user_handler vhost_user_add_mem_reg, vhost_user_rem_mem_reg;
vhost_user_handler vhost_user_set_log_base, vhost_user_set_log_fd;

/* vhost_user_inflight.c */
vhost_user_handler vhost_user_get_inflight_fd, vhost_user_set_inflight_fd;

/* vhost_user_iotlb.c */
vhost_user_handler vhost_user_iotlb_msg;

/* vhost_user_postcopy.c */
vhost_user_handler vhost_user_postcopy_advise, vhost_user_postcopy_listen;
vhost_user_handler vhost_user_postcopy_end;

/** Does a message about memory say that faults in what was held back can be served now? */
bool vhost_user_postcopy_is_go(const struct vhost_device *dev,
	const struct vhost_user_message *msg);

/** Then have them waited for. @return 0, with the memory or NULL; or a negative errno */
int vhost_user_postcopy_go(struct vhost_device *dev, struct rte_vhost_memory **mem);

/* vhost_user_state.c */
vhost_user_handler vhost_user_set_device_state_fd, vhost_user_check_device_state;

/* vhost_user_vring.c */
vhost_user_handler vhost_user_set_vring_num, vhost_user_set_vring_addr;
vhost_user_handler vhost_user_set_vring_base, vhost_user_get_vring_base;
vhost_user_handler vhost_user_set_vring_kick, vhost_user_set_vring_call;
vhost_user_handler vhost_user_set_vring_err, vhost_user_set_vring_enable;

/* vhost_user_config.c */
vhost_user_handler vhost_user_get_config, vhost_user_set_config;
vhost_user_handler vhost_user_set_backend_req_fd;

#endif /* VHOST_USER_DISPATCH_H */
