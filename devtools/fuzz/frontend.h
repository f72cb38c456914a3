/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A front end that says anything, in any order, with frames moving in between. Steps are single
 * messages with any contents, and short cuts that say what an honest front end says, so that what
 * lies behind them is reached. All of it goes through a socket, in pieces or with lies if the input
 * wants that (wire.h), to a connection of the library's as it is served in an application, but by
 * the target's own thread (loop.h).
 *
 * Besides what the sanitizers find: no descriptor and no mbuf is left when the connection has ended,
 * bursts never give out more than was asked for, and every so often neither descriptors nor mappings
 * nor threads have become more.
 */

#ifndef FUZZ_FRONTEND_H
#define FUZZ_FRONTEND_H

#include "fuzz.h"
#include "vhost_user_dispatch.h"

/** Start EAL, and get what all connections share. To be called once. */
void fuzz_frontend_init(void);

/** What a target does in addition to a front end's steps, or NULL. */
extern void (*fuzz_frontend_ask)(struct fuzz_input *in);

/** A connection to a device of this configuration, from its beginning to its end. */
void fuzz_frontend_run(struct fuzz_input *in, const struct vhost_device_config *config);

/** A vDPA device leaves: its connection ends. */
void fuzz_frontend_release(struct rte_vdpa_device *vdpa);

/**
 * Answer what the device is about to ask on the back-end channel: @a n times @a request, each
 * well or badly, or something else altogether.
 */
void fuzz_frontend_answer(struct fuzz_input *in, uint32_t request, unsigned int n);

#endif /* FUZZ_FRONTEND_H */
