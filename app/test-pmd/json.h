/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_JSON_H
#define TESTPMD_JSON_H

/**
 * @file
 * JSON, written as it goes: objects and lists are opened and closed, commas come by themselves.
 * The key is NULL in a list, and for the outermost value.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool comma;
};

void json_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_list(struct json *json, const char *key);
void json_end_list(struct json *json);

void json_number(struct json *json, const char *key, uint64_t value);
void json_seconds(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);

/** NULL is written as null. */
void json_string(struct json *json, const char *key, const char *value);

#endif /* TESTPMD_JSON_H */
