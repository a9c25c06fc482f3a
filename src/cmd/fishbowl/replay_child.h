/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_child - the part of `fishbowl replay` that looks at captured bytes: a process of its own,
 * without privileges, files or sockets; it has the open captures, the open output and standard
 * error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/redact.h"

struct conf;
struct replay_files;
struct replay_nets;
struct rules_files;
struct rules_profile;
struct signature_files;

struct replay_input {
	const char *path; /* for messages */
	int fd;
	uint64_t size; /* 0: unknown (a pipe) */
};

struct replay_job {
	const struct replay_input *input;
	size_t n_inputs;
	const struct conf *conf;
	const struct policy *image;
	bool policy; /* judge by it */
	const struct replay_nets *home;
	const struct replay_nets *external;
	const struct rules_files *rules;          /* open; NULL: none */
	const struct signature_files *signatures; /* open */
	bool is_inline, midstream, ignore_checksums;
	bool check_verdicts;
	const struct rules_profile *profile; /* print it instead of records; NULL: records */
	enum role role;                      /* for whom the records are */
	struct replay_files *files;          /* keep those that are carried; NULL: no */
	int output_fd;           /* -1: no records; the summary goes to standard output */
	const char *output_path; /* for messages */
};

/* Exit status of the process. */
enum {
	REPLAY_ALL = 0,       /* everything was read and written */
	REPLAY_PART = 1,      /* the records are complete for what could be read; some could not */
	REPLAY_NO_OUTPUT = 3, /* the records could not be written: they are incomplete */
	REPLAY_NO_START = 4,  /* out of memory, or no sandbox: nothing was read */
};

/* In a fork of the command: never returns. */
_Noreturn void replay_child_run(const struct replay_job *job);

/* From here on no captured byte can do more than spoil what this process writes: to open descriptors only. 0 or -errno. */
int replay_give_up_rights(const struct conf *conf);
