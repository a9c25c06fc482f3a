/* SPDX-License-Identifier: Apache-2.0 */
/* files - files that are being carried, until each is whole: its SHA-256 and MD5. */
#pragma once

#include "inspect/record.h"

#define INSPECT_FILES_MAX 1024 /* at a time; the one idle longest goes without its hash */

struct inspect_files;

int inspect_files_new(struct inspect_files **ret_files); /* -ENOMEM */
struct inspect_files *inspect_files_free(struct inspect_files *files);

/* A piece of a file, as inspect's on_file() has it. True when it was the last one: then *ret_record is filled. */
bool inspect_files_take(struct inspect_files *files, const struct inspect_frame *frame,
	const struct proto_file *file, const uint8_t *bytes, size_t len, struct inspect_text *text,
	struct record *ret_record);
