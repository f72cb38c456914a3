/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <inttypes.h>

static void
quote(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void
begin(struct json *json, const char *key)
{
	if (json->comma)
		putc(',', json->out);
	json->comma = true;
	if (key != NULL) {
		quote(json->out, key);
		putc(':', json->out);
	}
}

static void
open_group(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	putc(bracket, json->out);
	json->comma = false;
}

static void
close_group(struct json *json, char bracket)
{
	putc(bracket, json->out);
	json->comma = true;
}

void
json_object(struct json *json, const char *key)
{
	open_group(json, key, '{');
}

void
json_end_object(struct json *json)
{
	close_group(json, '}');
}

void
json_list(struct json *json, const char *key)
{
	open_group(json, key, '[');
}

void
json_end_list(struct json *json)
{
	close_group(json, ']');
}

void
json_number(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void
json_seconds(struct json *json, const char *key, double value)
{
	begin(json, key);
	fprintf(json->out, "%.6f", value);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->out);
}

void
json_string(struct json *json, const char *key, const char *value)
{
	begin(json, key);
	if (value != NULL)
		quote(json->out, value);
	else
		fputs("null", json->out);
}
