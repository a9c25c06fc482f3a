/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [--prefixes=N] DIR...: runs a fuzz target over every file of the directories, and over every prefix of each file;
 * with FISHBOWL_QUICK in the environment over a quarter as many.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

/* Longer inputs are not cut at every byte but at this many places. */
static size_t prefixes_max = 2048;

/* Each prefix in memory of its own size, so that a sanitizer sees a read past the end. */
static void run_prefix(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size, step;

	if (!file) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	step = size / prefixes_max + 1;
	for (size_t n = 0; n < size; n += step)
		run_prefix(data, n);
	run_prefix(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	static const char option[] = "--prefixes=";
	unsigned done = 0;
	int first = 1;

	if (argc > 1 && strncmp(argv[1], option, sizeof(option) - 1) == 0) {
		prefixes_max = strtoul(argv[1] + sizeof(option) - 1, NULL, 10);
		first++;
	}
	if (getenv("FISHBOWL_QUICK"))
		prefixes_max = prefixes_max / 4 + 1;
	for (int i = first; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;
		char path[4096];

		if (!dir) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			if (run_file(path) < 0)
				return 1;
			done++;
		}
		closedir(dir);
	}
	printf("%u inputs\n", done);
	return done ? 0 : 1; /* a target without a corpus proves nothing */
}
