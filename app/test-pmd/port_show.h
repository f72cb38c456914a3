/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_PORT_SHOW_H
#define TESTPMD_PORT_SHOW_H

/** @file What a port is: in full, and in a line. */

#include <stdint.h>

void port_show_info(uint16_t id);

/** A line for every port. */
void port_show_summary_header(void);
void port_show_summary(uint16_t id);

#endif /* TESTPMD_PORT_SHOW_H */
