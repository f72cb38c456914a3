/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The second channel, on which the back end asks the front end for something: that it looks at the
 * configuration space anew, or maps a doorbell page into the guest.
 */

#ifndef VHOST_USER_BACKEND_H
#define VHOST_USER_BACKEND_H

#include "device.h"
#include "vhost_user_wire.h"

/**
 * Send a request of the back end, and if its VHOST_USER_FLAG_NEED_REPLY is set and was negotiated,
 * wait for the answer. May be called by any thread; the event loop's must not ask for an answer,
 * which the front end might give only after the event loop answered it.
 *
 * @return 0; -ENOTSUP no such channel was negotiated or opened; -EIO the front end refused or does
 *   not answer; what vhost_aside_run() gave, which waits; or what sendmsg(2) gave
 */
int vhost_user_backend_request(struct vhost_device *dev, struct vhost_user_message *msg);

/** Use another channel, or none (-1). The descriptor is taken over. */
void vhost_user_backend_set_fd(struct vhost_device *dev, int fd);

#endif /* VHOST_USER_BACKEND_H */
