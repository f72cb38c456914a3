/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_PARSE_H
#define TESTPMD_PARSE_H

/**
 * @file
 * Words to values, for the command line's options and the console's commands alike.
 * Every function returns 0, or -1 with nothing written through its pointers.
 */

#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

/** More segments than any device takes in one frame. */
#define TXPKTS_MAX_SEGS 255

/** A whole number, decimal or 0x hexadecimal, min <= number <= max. */
int parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *value);

/**
 * Comma-separated segment lengths, "64" or "64,1400,100".
 *
 * @param count
 *   In: room in lengths. Out: how many there are, at least one.
 */
int parse_lengths(const char *word, uint16_t *lengths, unsigned int *count);

/** "LENGTH" or "MIN-MAX", both in bytes and within [min, max]. */
int parse_range(const char *word, uint32_t min, uint32_t max, uint32_t *low, uint32_t *high);

/** "0,2-3" to a bitmask, for at most 64 members. */
int parse_list(const char *word, uint64_t *mask);

/** A hexadecimal bitmask, with or without 0x in front; not zero. */
int parse_mask(const char *word, uint64_t *mask);

/** Two dotted IPv4 addresses and a comma, to host byte order. */
int parse_ip_pair(const char *word, uint32_t *first, uint32_t *second);

/** Six hexadecimal bytes and colons. */
int parse_mac(const char *word, struct rte_ether_addr *mac);

/**
 * The index of a word in a table of count names.
 *
 * @return
 *   The index, or -1 when the word is none of them.
 */
int parse_choice(const char *word, const char *const *names, unsigned int count);

/**
 * The name that is nearest to a misspelt word, to offer it in an error message.
 *
 * @return
 *   One of the names, or NULL when none is near enough to be meant.
 */
const char *parse_nearest(const char *word, const char *const *names, unsigned int count);

#endif /* TESTPMD_PARSE_H */
