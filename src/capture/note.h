/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note - a small file of one signed JSON line, replaced as a whole: how far a log reached when it was
 * last safe on the disk. Whoever cuts the end off a log that is only a chain leaves a shorter chain; the
 * note still names the line that is gone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "capture/manifest.h"

#define NOTE_MAX 1024

struct out;

/* `body` is a JSON object that lacks its closing brace, in a buffer with room for a signature (`key` NULL:
 * an empty one). Written beside, brought to the disk, renamed: there is always a whole note. */
int note_write(int dir_fd, const char *name, const struct manifest_key *key, struct out *body);
/* The line without newline, NUL-terminated. -ENOENT; -EBADMSG: it is no line, or not signed with that key
 * (`public` NULL: not looked at). */
int note_read(int dir_fd, const char *name, const uint8_t *public, char ret_text[static NOTE_MAX],
	size_t *ret_len);
