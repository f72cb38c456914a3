/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the fuzz targets share. A target is a file fuzz_NAME.c with a function LLVMFuzzerTestOneInput(),
 * as libFuzzer and AFL++ call it. An input is a little program: the target takes bytes off its front
 * and does what they say, and past its end all bytes are zero, so that every input means something.
 *
 * A target must be deterministic, must leave nothing behind from one input to the next, and says
 * that something is wrong by fuzz_check().
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

/** Longest input that is made. */
#define FUZZ_INPUT_MAX 4096

/** What is left of an input. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline void
fuzz_bytes(struct fuzz_input *in, void *dst, size_t len)
{
	size_t n = RTE_MIN(len, in->left);

	memset(dst, 0, len);
	memcpy(dst, in->at, n);
	in->at += n;
	in->left -= n;
}

#define FUZZ_TAKE(bits) \
	static inline uint##bits##_t fuzz_u##bits(struct fuzz_input *in) \
	{ \
		uint##bits##_t value; \
		fuzz_bytes(in, &value, sizeof(value)); \
		return value; \
	}

FUZZ_TAKE(8)
FUZZ_TAKE(16)
FUZZ_TAKE(32)
FUZZ_TAKE(64)

/** End the program, as a finding, unless @a condition holds. */
#define fuzz_check(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/** Start EAL for a target that needs it: no hugepages, buses or files. To be called once. */
void fuzz_eal_init(void);

/** What a target defines. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* FUZZ_H */
