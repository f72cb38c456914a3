/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_PORT_SHOW_H
#define TESTPMD_PORT_SHOW_H

/** @file What a port is: in full, and in a line. */

#include <stdbool.h>
#include <stdint.h>

void port_show_info(uint16_t id);

/** A line for every port. */
void port_show_summary_header(void);
void port_show_summary(uint16_t id);

/** One queue; receive or transmit. */
void port_show_queue(uint16_t id, bool receive, uint16_t queue);

#endif /* TESTPMD_PORT_SHOW_H */
