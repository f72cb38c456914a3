/* SPDX-License-Identifier: BSD-3-Clause */
#include "console_grammar.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmdline_parse.h>
#include <rte_common.h>

#include "engine.h"
#include "port.h"
#include "vdpa.h"

#define ALTERNATIVES_MAX 16

/* What completion offers for a word in upper case: the x-th choice, or -1 past the last. */
struct kind {
	const char *name;
	int (*choice)(unsigned int x, char *dst, unsigned int size);
};

struct token {
	cmdline_parse_token_hdr_t header; /* first: the library knows only this */
	const char *text;                 /* of the syntax, up to a blank or bracket */
	size_t length;
	bool repeats; /* a longer variant of the command has it as well */
};

/* A command as far as one of its possible ends. */
struct variant {
	const struct command *command;
	unsigned int count;
	struct token tokens[ARGS_MAX];
	cmdline_parse_inst_t *inst;
};

struct grammar {
	unsigned int count, room;
	struct variant **variants;
	cmdline_parse_ctx_t *context;
};

static int
choose_port(unsigned int x, char *dst, unsigned int size)
{
	FOREACH_PORT(id) {
		if (x-- == 0)
			return snprintf(dst, size, "%u", id);
	}
	return -1;
}

static int
choose_engine(unsigned int x, char *dst, unsigned int size)
{
	for (unsigned int i = 0; fwd_engines[i] != NULL; i++) {
		if (i == x)
			return snprintf(dst, size, "%s", fwd_engines[i]->name);
	}
	return -1;
}

struct device_choice {
	unsigned int left;
	char *dst;
	unsigned int size;
	int length;
};

static void
choose_this_device(struct rte_vdpa_device *device, const char *name, void *arg)
{
	struct device_choice *choice = arg;

	RTE_SET_USED(device);
	if (choice->left-- == 0)
		choice->length = snprintf(choice->dst, choice->size, "%s", name);
}

static int
choose_device(unsigned int x, char *dst, unsigned int size)
{
	struct device_choice choice = { .left = x, .dst = dst, .size = size, .length = -1 };

	vdpa_foreach(choose_this_device, &choice);
	return choice.length;
}

static const struct kind kinds[] = {
	{ "PORT", choose_port },
	{ "ENGINE", choose_engine },
	{ "DEVICE", choose_device },
};

/* The next alternative of a token, from *cursor on; its length, 0 when there is no more. */
static size_t
next_alternative(const struct token *token, const char **cursor)
{
	const char *end = token->text + token->length;
	const char *start = *cursor == NULL ? token->text : *cursor;
	const char *bar;

	if (start >= end)
		return 0;
	bar = memchr(start, '|', (size_t)(end - start));
	*cursor = bar != NULL ? bar + 1 : end;
	return (size_t)((bar != NULL ? bar : end) - start);
}

#define FOREACH_ALTERNATIVE(token, start, length) \
	for (const char *next_ = NULL, *start = (token)->text; \
		(length = next_alternative(token, &next_)) != 0; start = next_)

static bool
is_value(const char *alternative)
{
	return isupper((unsigned char)alternative[0]) != 0;
}

static bool
token_matches(const struct token *token, const char *word, size_t word_length)
{
	size_t length;

	FOREACH_ALTERNATIVE(token, start, length) {
		if (is_value(start))
			return true;
		if (length == word_length && memcmp(start, word, length) == 0)
			return true;
	}
	return false;
}

static size_t
word_length(const char *text)
{
	size_t length = 0;

	while (!cmdline_isendoftoken(text[length]))
		length++;
	return length;
}

static int
token_parse(cmdline_parse_token_hdr_t *header, const char *text, void *result, unsigned int room)
{
	const struct token *token = (const struct token *)header;
	size_t length = word_length(text);

	if (length == 0 || length >= ARG_LEN || !token_matches(token, text, length))
		return -1;
	if (result != NULL) {
		if (room <= length)
			return -1;
		snprintf(result, length + 1, "%s", text);
	}
	return (int)length;
}

static const struct kind *
find_kind(const char *name, size_t length)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, name, length) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* The x-th word that a token may be; -1 past the last. */
static int
token_choice(cmdline_parse_token_hdr_t *header, int x, char *dst, unsigned int size)
{
	const struct token *token = (const struct token *)header;
	unsigned int left = (unsigned int)x;
	size_t length;

	FOREACH_ALTERNATIVE(token, start, length) {
		const struct kind *kind = is_value(start) ? find_kind(start, length) : NULL;
		char word[ARG_LEN];

		if (kind == NULL) {
			if (!is_value(start) && left-- == 0)
				return snprintf(dst, size, "%.*s", (int)length, start) < 0 ? -1 : 0;
			continue;
		}
		for (unsigned int i = 0; kind->choice(i, word, sizeof(word)) >= 0; i++) {
			if (left-- == 0)
				return snprintf(dst, size, "%s", word) < 0 ? -1 : 0;
		}
	}
	return -1;
}

static int
token_choices(cmdline_parse_token_hdr_t *header)
{
	const struct token *token = (const struct token *)header;
	char word[ARG_LEN];
	int count = 0;

	if (token->repeats)
		return 0;
	while (token_choice(header, count, word, sizeof(word)) == 0)
		count++;
	return count;
}

static int
token_help(cmdline_parse_token_hdr_t *header, char *dst, unsigned int size)
{
	const struct token *token = (const struct token *)header;

	snprintf(dst, size, "%.*s", (int)token->length, token->text);
	return 0;
}

static struct cmdline_token_ops choice_ops = {
	.parse = token_parse,
	.complete_get_nb = token_choices,
	.complete_get_elt = token_choice,
	.get_help = token_help,
};

static struct cmdline_token_ops value_ops = {
	.parse = token_parse,
	.get_help = token_help,
};

static bool
token_has_choices(const struct token *token)
{
	size_t length;

	FOREACH_ALTERNATIVE(token, start, length) {
		if (!is_value(start) || find_kind(start, length) != NULL)
			return true;
	}
	return false;
}

/* The next word of a syntax; *opens tells that the command may end before it. */
static bool
next_word(const char **cursor, struct token *token, bool *opens)
{
	const char *c = *cursor;

	*opens = false;
	for (; *c == ' ' || *c == '[' || *c == ']'; c++)
		*opens |= *c == '[';
	token->text = c;
	token->length = strcspn(c, " []");
	*cursor = c + token->length;
	return token->length != 0;
}

static void
run_variant(void *result, struct cmdline *cmdline, void *data)
{
	const struct variant *variant = data;
	struct args args = { .count = variant->count };

	RTE_SET_USED(cmdline);
	for (unsigned int i = 0; i < variant->count; i++)
		args.word[i] = (const char *)result + i * ARG_LEN;
	variant->command->run(&args);
}

static int
add_variant(struct grammar *grammar, const struct command *command, const struct token *tokens,
	unsigned int count, bool longer)
{
	struct variant *variant;

	if (grammar->count == grammar->room) {
		unsigned int room = grammar->room + 64;
		struct variant **more = realloc(grammar->variants, room * sizeof(*more));

		if (more == NULL)
			return -1;
		grammar->variants = more;
		grammar->room = room;
	}
	variant = calloc(1, sizeof(*variant));
	if (variant == NULL)
		return -1;
	grammar->variants[grammar->count++] = variant;
	variant->inst = calloc(1,
		sizeof(*variant->inst) + (count + 1) * sizeof(variant->inst->tokens[0]));
	if (variant->inst == NULL)
		return -1;
	variant->command = command;
	variant->count = count;
	variant->inst->f = run_variant;
	variant->inst->data = variant;
	variant->inst->help_str = command->help;
	for (unsigned int i = 0; i < count; i++) {
		struct token *token = &variant->tokens[i];

		*token = tokens[i];
		token->header.ops = token_has_choices(token) ? &choice_ops : &value_ops;
		token->header.offset = i * ARG_LEN;
		token->repeats = longer;
		variant->inst->tokens[i] = &token->header;
	}
	return 0;
}

static int
add_command(struct grammar *grammar, const struct command *command)
{
	const char *cursor = command->syntax;
	struct token tokens[ARGS_MAX];
	unsigned int count = 0;
	bool opens;

	while (count < ARGS_MAX && next_word(&cursor, &tokens[count], &opens)) {
		if (opens && add_variant(grammar, command, tokens, count, true) < 0)
			return -1;
		count++;
	}
	return add_variant(grammar, command, tokens, count, false);
}

struct grammar *
grammar_new(const struct section *const *all)
{
	struct grammar *grammar = calloc(1, sizeof(*grammar));
	int ret = 0;

	RTE_BUILD_BUG_ON(ARGS_MAX * ARG_LEN > CMDLINE_PARSE_RESULT_BUFSIZE);
	if (grammar == NULL)
		return NULL;
	for (; *all != NULL && ret == 0; all++) {
		for (const struct command *c = (*all)->commands; c->syntax != NULL && ret == 0; c++)
			ret = add_command(grammar, c);
	}
	if (ret == 0)
		grammar->context = calloc(grammar->count + 1, sizeof(*grammar->context));
	if (grammar->context == NULL) {
		grammar_free(grammar);
		return NULL;
	}
	for (unsigned int i = 0; i < grammar->count; i++)
		grammar->context[i] = grammar->variants[i]->inst;
	return grammar;
}

void
grammar_free(struct grammar *grammar)
{
	if (grammar == NULL)
		return;
	for (unsigned int i = 0; i < grammar->count; i++) {
		free(grammar->variants[i]->inst);
		free(grammar->variants[i]);
	}
	free(grammar->variants);
	free(grammar->context);
	free(grammar);
}

cmdline_parse_ctx_t *
grammar_context(struct grammar *grammar)
{
	return grammar->context;
}

unsigned int
grammar_common_words(const char *syntax, const char *line)
{
	unsigned int count = 0;
	struct token token;
	bool opens;

	while (next_word(&syntax, &token, &opens)) {
		size_t length;

		while (isspace((unsigned char)*line))
			line++;
		length = word_length(line);
		if (length == 0 || !token_matches(&token, line, length))
			break;
		line += length;
		count++;
	}
	return count;
}
