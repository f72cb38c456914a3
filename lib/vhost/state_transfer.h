/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A few bytes that go through a descriptor of the front end, whatever that is: so they go aside
 * (aside.h), and may never arrive.
 *
 * All functions are for the event loop's thread.
 */

#ifndef VHOST_STATE_TRANSFER_H
#define VHOST_STATE_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes that a transfer has at most. */
#define VHOST_TRANSFER_MAX 64

struct vhost_state_transfer;

/**
 * Write @a len bytes, and close the descriptor: that tells the reader that it was all; or with
 * @a data NULL, read up to @a len bytes, or to the end of what there is.
 *
 * @param fd taken over if there is no error
 * @param over called with @a arg when the transfer is over, unless it was dropped before; may be NULL
 * @param[out] transfer ends with vhost_transfer_drop()
 * @return 0; -ENOMEM; or from vhost_aside_run()
 */
int vhost_transfer_start(int fd, const void *data, size_t len, void (*over)(void *arg), void *arg,
	struct vhost_state_transfer **transfer);

/**
 * Whether it will be over without the front end's doing anything more: false when it is over, and
 * false for a pipe to be read whose writing end is still open.
 */
bool vhost_transfer_is_ending(const struct vhost_state_transfer *transfer);

/**
 * @param[out] data what was read; NULL if it was to be written
 * @return bytes that were read or written; -EINPROGRESS; or another negative errno
 */
int vhost_transfer_result(const struct vhost_state_transfer *transfer, const void **data);

/** Nobody wants it any more. NULL is ignored. */
void vhost_transfer_drop(struct vhost_state_transfer *transfer);

#endif /* VHOST_STATE_TRANSFER_H */
