/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A program around a target where libFuzzer is not: with any compiler, for the tests, for AFL++ and
 * for looking at a finding. See usage() for what it does. Inputs that it makes follow from the seed
 * alone; the one at hand when the program ends badly is left in a file.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

struct input {
	uint8_t *data;
	size_t size;
};

static const char *program;
static struct input *inputs;
static size_t ninputs;
static struct input current;
static uint64_t state;

/* The library of the sanitizers tells of its end by this, if the program is linked with it. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void
usage(FILE *to)
{
	fprintf(to,
		"Usage: %s [-runs=N [-seed=N]] [FILE | DIRECTORY]...\n\n"
		"Run the target once with each file named, and each file in a directory named; with\n"
		"neither, with standard input. Then, with -runs, N times with changed copies of these.\n",
		program);
}

static void
save_current(void)
{
	char name[256];
	const char *base = strrchr(program, '/');

	snprintf(name, sizeof(name), "crash-%s", base != NULL ? base + 1 : program);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	if (write(fd, current.data, current.size) == (ssize_t)current.size)
		dprintf(STDERR_FILENO, "%s: the input at hand is in ./%s\n", program, name);
	close(fd);
}

static void
on_signal(int sig)
{
	save_current();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
save_at_bad_end(void)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(save_current);
		signal(SIGABRT, on_signal);
		return;
	}
	for (size_t i = 0; i < RTE_DIM(signals); i++)
		signal(signals[i], on_signal);
}

static int
add_file(const char *path)
{
	struct input in = { .data = malloc(FUZZ_INPUT_MAX) };
	FILE *f = fopen(path, "rb");

	fuzz_check(in.data != NULL);
	if (f == NULL) {
		perror(path);
		free(in.data);
		return -1;
	}
	in.size = fread(in.data, 1, FUZZ_INPUT_MAX, f);
	fclose(f);
	inputs = realloc(inputs, (ninputs + 1) * sizeof(*inputs));
	fuzz_check(inputs != NULL);
	inputs[ninputs++] = in;
	return 0;
}

/* In the order of their names, so that a seed means the same everywhere. */
static int
add_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), ret = 0;

	if (n < 0) {
		perror(path);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && add_file(name) != 0)
			ret = -1;
		free(entries[i]);
	}
	free(entries);
	return ret;
}

static int
add_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		perror(path);
		return -1;
	}
	return S_ISDIR(st.st_mode) ? add_directory(path) : add_file(path);
}

static uint64_t
random_below(uint64_t bound)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % bound;
}

/* Replace @a gone bytes at @a at by @a len bytes of @a src. */
static void
replace(size_t at, size_t gone, const uint8_t *src, size_t len)
{
	uint8_t copy[FUZZ_INPUT_MAX];

	len = RTE_MIN(len, FUZZ_INPUT_MAX - (current.size - gone));
	memcpy(copy, src, len);
	memmove(current.data + at + len, current.data + at + gone, current.size - at - gone);
	memcpy(current.data + at, copy, len);
	current.size += len - gone;
}

static void
mutate_once(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x7fff, 0x8000,
		0xffff, 0x7fffffff, 0x80000000, UINT32_MAX, INT64_MAX, UINT64_MAX };
	size_t at = random_below(current.size + 1), left = current.size - at;
	size_t len = left == 0 ? 0 : random_below(RTE_MIN(left, 32u)) + 1;
	const struct input *other = &inputs[random_below(ninputs)];
	uint8_t bytes[32];

	switch (random_below(6)) {
	case 0:
		if (left > 0)
			current.data[at] ^= 1u << random_below(8);
		break;
	case 1:
		if (left > 0)
			current.data[at] = random_below(256);
		break;
	case 2:
		len = RTE_MIN(left, (size_t)1 << random_below(4));
		memcpy(current.data + at, &edges[random_below(RTE_DIM(edges))], len);
		break;
	case 3:
		replace(at, len, current.data, 0);
		break;
	case 4:
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = random_below(256);
		replace(at, 0, bytes, random_below(sizeof(bytes)) + 1);
		break;
	default:
		if (other->size > 0) {
			size_t from = random_below(other->size);

			replace(at, random_below(2) * len, other->data + from,
				random_below(other->size - from) + 1);
		}
		break;
	}
}

/* The copy that is run may be changed, and is saved when the program ends badly. */
static void
copy_input(const struct input *in)
{
	memcpy(current.data, in->data, in->size);
	current.size = in->size;
}

/* One input. AFL++ gives many to one process, so that what the target starts with is started once. */
static void
run_standard_input(void)
{
#ifdef __AFL_LOOP
	/* What it expands to casts a string. */
#pragma GCC diagnostic ignored "-Wcast-qual"
	while (__AFL_LOOP(10000))
#endif
	{
		ssize_t n;

		for (current.size = 0; current.size < FUZZ_INPUT_MAX; current.size += n) {
			n = read(STDIN_FILENO, current.data + current.size,
				FUZZ_INPUT_MAX - current.size);
			if (n <= 0)
				break;
		}
		LLVMFuzzerTestOneInput(current.data, current.size);
	}
}

int
main(int argc, char **argv)
{
	unsigned long runs = 0;
	int ret = 0;

	program = argv[0];
	state = 1;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-runs=", 6) == 0) {
			runs = strtoul(argv[i] + 6, NULL, 0);
		} else if (strncmp(argv[i], "-seed=", 6) == 0) {
			state = strtoull(argv[i] + 6, NULL, 0) | 1;
		} else if (argv[i][0] == '-') {
			usage(strcmp(argv[i], "--help") == 0 ? stdout : stderr);
			return strcmp(argv[i], "--help") == 0 ? 0 : 2;
		} else if (add_path(argv[i]) != 0) {
			ret = 1;
		}
	}
	if (ret != 0)
		return ret;
	current.data = malloc(FUZZ_INPUT_MAX);
	fuzz_check(current.data != NULL);
	LLVMFuzzerInitialize(&argc, &argv);
	save_at_bad_end();

	if (ninputs == 0) {
		run_standard_input();
		free(current.data);
		return 0;
	}
	for (size_t i = 0; i < ninputs; i++) {
		copy_input(&inputs[i]);
		LLVMFuzzerTestOneInput(current.data, current.size);
	}
	for (unsigned long i = 0; i < runs; i++) {
		copy_input(&inputs[random_below(ninputs)]);
		for (uint64_t n = random_below(8) + 1; n > 0; n--)
			mutate_once();
		LLVMFuzzerTestOneInput(current.data, current.size);
	}
	printf("%zu inputs, %lu changed ones\n", ninputs, runs);
	for (size_t i = 0; i < ninputs; i++)
		free(inputs[i].data);
	free(inputs);
	free(current.data);
	return 0;
}
