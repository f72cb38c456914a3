/* SPDX-License-Identifier: BSD-3-Clause */
#include "parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

/* Longer names than this are never suggested. */
#define NEAREST_MAX_LEN 40

/* strtoull() alone would take signs, leading blanks and octal numbers. */
static int
take_number(const char **cursor, uint64_t *value)
{
	const char *s = *cursor;
	int base = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10;
	char *end;

	if (base == 16 ? !isxdigit((unsigned char)s[2]) : !isdigit((unsigned char)s[0]))
		return -1;
	errno = 0;
	*value = strtoull(s, &end, base);
	if (errno != 0)
		return -1;
	*cursor = end;
	return 0;
}

int
parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;

	if (take_number(&word, &number) < 0 || *word != '\0' || number < min || number > max)
		return -1;
	*value = number;
	return 0;
}

int
parse_lengths(const char *word, uint16_t *lengths, unsigned int *count)
{
	uint16_t found[TXPKTS_MAX_SEGS];
	unsigned int n = 0;
	uint64_t number;

	for (;;) {
		if (n == RTE_MIN(*count, (unsigned int)TXPKTS_MAX_SEGS))
			return -1;
		if (take_number(&word, &number) < 0 || number == 0 || number > UINT16_MAX)
			return -1;
		found[n++] = (uint16_t)number;
		if (*word == '\0')
			break;
		if (*word++ != ',')
			return -1;
	}
	memcpy(lengths, found, n * sizeof(*found));
	*count = n;
	return 0;
}

int
parse_range(const char *word, uint32_t min, uint32_t max, uint32_t *low, uint32_t *high)
{
	uint64_t first, last;

	if (take_number(&word, &first) < 0)
		return -1;
	last = first;
	if (*word == '-') {
		word++;
		if (take_number(&word, &last) < 0)
			return -1;
	}
	if (*word != '\0' || first < min || last > max || first > last)
		return -1;
	*low = (uint32_t)first;
	*high = (uint32_t)last;
	return 0;
}

int
parse_list(const char *word, uint64_t *mask)
{
	uint64_t first, last, found = 0;

	for (;;) {
		if (take_number(&word, &first) < 0)
			return -1;
		last = first;
		if (*word == '-') {
			word++;
			if (take_number(&word, &last) < 0)
				return -1;
		}
		if (last > 63 || first > last)
			return -1;
		for (; first <= last; first++)
			found |= UINT64_C(1) << first;
		if (*word == '\0')
			break;
		if (*word++ != ',')
			return -1;
	}
	*mask = found;
	return 0;
}

int
parse_mask(const char *word, uint64_t *mask)
{
	unsigned long long bits;
	char *end;

	if (!isxdigit((unsigned char)word[0]))
		return -1;
	errno = 0;
	bits = strtoull(word, &end, 16);
	if (errno != 0 || *end != '\0' || bits == 0)
		return -1;
	*mask = bits;
	return 0;
}

int
parse_ip_pair(const char *word, uint32_t *first, uint32_t *second)
{
	const char *comma = strchr(word, ',');
	struct in_addr a, b;
	char text[INET_ADDRSTRLEN];

	if (comma == NULL || (size_t)(comma - word) >= sizeof(text))
		return -1;
	memcpy(text, word, (size_t)(comma - word));
	text[comma - word] = '\0';
	if (inet_pton(AF_INET, text, &a) != 1 || inet_pton(AF_INET, comma + 1, &b) != 1)
		return -1;
	*first = ntohl(a.s_addr);
	*second = ntohl(b.s_addr);
	return 0;
}

int
parse_mac(const char *word, struct rte_ether_addr *mac)
{
	struct rte_ether_addr found;

	if (rte_ether_unformat_addr(word, &found) != 0)
		return -1;
	*mac = found;
	return 0;
}

int
parse_choice(const char *word, const char *const *names, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(word, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

/* Levenshtein distance over one row that is updated in place. */
static unsigned int
edit_distance(const char *a, const char *b)
{
	unsigned int row[NEAREST_MAX_LEN + 1];
	size_t width = strlen(b);

	for (size_t j = 0; j <= width; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i + 1;
		for (size_t j = 0; j < width; j++) {
			unsigned int above = row[j + 1];
			unsigned int best = RTE_MIN(RTE_MIN(above, row[j]) + 1,
				diagonal + (a[i] != b[j]));

			diagonal = above;
			row[j + 1] = best;
		}
	}
	return row[width];
}

const char *
parse_nearest(const char *word, const char *const *names, unsigned int count)
{
	unsigned int best = UINT32_MAX;
	const char *nearest = NULL;

	if (strlen(word) > NEAREST_MAX_LEN)
		return NULL;
	for (unsigned int i = 0; i < count; i++) {
		unsigned int distance;

		if (strlen(names[i]) > NEAREST_MAX_LEN)
			continue;
		distance = edit_distance(word, names[i]);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	/* A word is meant when most of its letters are there. */
	return best <= RTE_MAX(strlen(word) / 3, 1U) ? nearest : NULL;
}
