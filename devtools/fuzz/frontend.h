/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A front end that says anything, in any order, with frames moving in between. Steps are single
 * messages with any contents, and short cuts that say what an honest front end says, so that what
 * lies behind them is reached.
 *
 * Besides what the sanitizers find: no descriptor and no mbuf is left when the connection has ended,
 * bursts never give out more than was asked for, and every so often neither descriptors nor mappings
 * have become more.
 */

#ifndef FUZZ_FRONTEND_H
#define FUZZ_FRONTEND_H

#include "fuzz.h"
#include "vhost_user_dispatch.h"

/** Start EAL, and get what all connections share. To be called once. */
void fuzz_frontend_init(void);

/** A connection to a device of this configuration, from its beginning to its end. */
void fuzz_frontend_run(struct fuzz_input *in, const struct vhost_device_config *config);

/**
 * Answer what the device is about to ask on the back-end channel: @a n times @a request, each
 * well or badly, or something else altogether.
 */
void fuzz_frontend_answer(struct fuzz_input *in, uint32_t request, unsigned int n);

#endif /* FUZZ_FRONTEND_H */
