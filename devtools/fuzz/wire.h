/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * How a message travels: in one piece, honestly, or as the input says: cut into pieces, with a header
 * that lies, with descriptors that are too many, of the wrong kind or late, longer or shorter than it
 * says, on the heels of the one before.
 */

#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include "fuzz.h"
#include "vhost_user_wire.h"

/** More than any message has. */
#define FUZZ_WIRE_MAX 1024

/** What the input says of the next message. */
struct fuzz_wire {
	uint8_t how;         /**< enum fuzz_wire_how; 0: honestly */
	uint8_t cuts;        /**< pieces but the last */
	uint16_t lengths[8]; /**< of these, modulo what is left */
	uint32_t size;       /**< told in the header */
	uint8_t flags;       /**< changed in the header */
	uint16_t length;     /**< bytes sent, modulo the most */
	uint8_t nfds;        /**< descriptors beyond those that belong there */
	uint8_t fds_with;    /**< the piece that all of them go with */
};

enum fuzz_wire_how {
	FUZZ_WIRE_CUT = 1,
	FUZZ_WIRE_SIZE = 2,
	FUZZ_WIRE_FLAGS = 4,
	FUZZ_WIRE_LENGTH = 8,
	FUZZ_WIRE_FDS = 16,
	FUZZ_WIRE_LATE_FDS = 32,
	FUZZ_WIRE_GLUE = 64,     /**< the receiver sees it together with the next one */
	FUZZ_WIRE_HANG_UP = 128, /**< nothing comes behind it */
};

/** Read that from the input. */
void fuzz_wire_take(struct fuzz_input *in, struct fuzz_wire *wire);

/**
 * Send a message, and close its descriptors.
 *
 * @param more
 *   Descriptor that is sent so often as the input wants more of them.
 * @param arrived
 *   Called after each piece that the receiver is to look at by itself.
 */
void fuzz_wire_send(int sock, struct vhost_user_message *msg, const struct fuzz_wire *wire,
	int more, void (*arrived)(void));

#endif /* FUZZ_WIRE_H */
