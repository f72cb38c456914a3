/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Logging of the control path, "lib.vhost.config" to users. Every line begins with the socket, or
 * with the socket and the device number, that it is about.
 */

#ifndef VHOST_LOG_H
#define VHOST_LOG_H

#include <rte_vdpa_compat.h>

extern int vhost_config_logtype;

#define VHOST_LOG(level, ...) VDPA_LOG(vhost_config_logtype, level, __VA_ARGS__)

#endif /* VHOST_LOG_H */
