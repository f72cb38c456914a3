/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_PORT_SETUP_H
#define TESTPMD_PORT_SETUP_H

/** @file What happens to a port between being there and being started. */

#include "port.h"

/** Configure the device and its queues from the configuration; 0, or -1 after a line on why. */
int port_setup(uint16_t id, struct port *port);

/** Learn how the primary process has set up the device, which it has started; 0, or -1 likewise. */
int port_adopt(uint16_t id, struct port *port);

/** Whether frames of that many segments may be transmitted on it. */
bool port_takes_segments(const struct port *port, unsigned int segments);

/** Have every burst on its queues printed, as long as config.verbose says so. */
void port_watch(uint16_t id, const struct port *port);

/** No more. Only while no lcore serves the port: what is in a callback cannot be waited for. */
void port_unwatch(uint16_t id);

#endif /* TESTPMD_PORT_SETUP_H */
