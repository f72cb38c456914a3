/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The device's end of a control queue: it sees every command that the driver puts, and answers, or
 * does something else, as the input says. What is linked with it is given --wrap for
 * virtio_control_ring_put().
 */

#ifndef FUZZ_CONTROL_DEVICE_H
#define FUZZ_CONTROL_DEVICE_H

#include "control_ring.h"
#include "fuzz.h"

/** What a byte of the input asks of the device, modulo their number. */
enum control_answer {
	CONTROL_HONEST,
	CONTROL_REFUSES,
	CONTROL_SILENT,
	CONTROL_SCRIBBLES,
	CONTROL_WRONG_ID,
	CONTROL_ANSWERS
};

/** No command is under way: begin with an input. */
void control_device_begin(void);

/** Do something about the command that is under way, if there is one. */
void control_device_act(struct fuzz_input *in);

int __wrap_virtio_control_ring_put(struct virtio_control_ring *r, uint8_t class, uint8_t cmd,
	const void *data, uint32_t len);

#endif /* FUZZ_CONTROL_DEVICE_H */
