/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_REPLY_H
#define TESTPMD_REPLY_H

/** @file Answers to ARP requests and ICMP echo requests, made in the frame that asked. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

/**
 * Turn a request into its reply.
 *
 * @param frame, length
 *   What stands in one piece; nothing behind it is looked at.
 * @param self
 *   The address that asked-for IPv4 addresses are said to have. All of them are answered for.
 * @return
 *   Whether it was a request, and now is the reply. Otherwise the frame is as it was.
 */
bool reply_make(uint8_t *frame, uint32_t length, const struct rte_ether_addr *self);

#endif /* TESTPMD_REPLY_H */
