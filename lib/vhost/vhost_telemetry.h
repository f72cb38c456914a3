/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What telemetry (dpdk-telemetry.py, and whatever else reads the socket of EAL's telemetry) is told
 * of sockets, devices, rings and vDPA devices.
 *
 * Commands are registered when the library is loaded. They are answered by telemetry's own thread,
 * with the locks that public getters take, for no longer than those do.
 *
 * Answers hold at most 16 KiB of text and 256 or 512 entries; a list that may grow beyond takes where
 * to begin as a parameter.
 */

#ifndef VHOST_TELEMETRY_H
#define VHOST_TELEMETRY_H

/** Register the commands below /vhost and /vdpa. Once each, before EAL is initialised. */
void vhost_telemetry_register(void);
void vdpa_telemetry_register(void);

/**
 * Take a decimal number off the parameters of a command.
 *
 * @param[in,out] params
 *   What is left of them, NULL for nothing; afterwards what follows the number and a comma, NULL for
 *   nothing.
 * @return
 *   The number; -1 if there is none, it is not below @p limit, or something else follows it.
 */
int vhost_telemetry_number(const char **params, int limit);

#endif /* VHOST_TELEMETRY_H */
