/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CMD_PORTS_H
#define TESTPMD_CMD_PORTS_H

/** @file Words of commands that name ports. */

#include "port.h"

/** The port a word names, or -1 after a line on which there are. */
int cmd_parse_port(const char *word);

void cmd_list_ports(void);

/** Call for the port that a word names, or for "all"; 0 when all of them return 0. */
int cmd_for_ports(const char *word, int (*function)(uint16_t));

/**
 * The ports that are not closed, of those that a word names.
 *
 * @param ids
 *   Room for RTE_MAX_ETHPORTS.
 * @return
 *   How many; 0 after a line on why there is none.
 */
unsigned int cmd_open_ports(const char *word, uint16_t *ids);

#endif /* TESTPMD_CMD_PORTS_H */
