/* SPDX-License-Identifier: Apache-2.0 */
/* files - files that are being carried, until each is whole: its SHA-256 and MD5. */
#pragma once

#include "inspect/record.h"

#define RECOVER_FILES_MAX 1024 /* at a time; the one idle longest goes without its hash */

struct recover_files;

int recover_files_new(struct recover_files **ret_files); /* -ENOMEM */
struct recover_files *recover_files_free(struct recover_files *files);

/* A piece of a file, as inspect_setup.on_file has it. True when it was the last one: then *ret_record is filled. */
bool recover_files_take(struct recover_files *files, const struct inspect_frame *frame,
	const struct proto_file *file, const uint8_t *bytes, size_t len, struct inspect_text *text,
	struct record *ret_record);
