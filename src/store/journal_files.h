/* SPDX-License-Identifier: Apache-2.0 */
/* journal_files - names, order and list of the journal's files; how far it goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/journal.h"

void journal_file_name(const struct journal_place *place, char ret_name[static JOURNAL_NAME_MAX]);
/* By file only: <0, 0, >0. */
int journal_place_compare(const struct journal_place *a, const struct journal_place *b);
/* All files in order, to be freed; `offset` is the size of each. */
int journal_files_list(int dir_fd, struct journal_place **ret_places, size_t *ret_n);

/* A whole file in memory, NUL-terminated; to be freed. */
int journal_file_load(
	int dir_fd, const struct journal_place *place, char **ret_bytes, size_t *ret_len);

#define JOURNAL_SUFFIX_SIZE (9 + 2 * JOURNAL_LINK_SIZE + 2) /* ,"link":"HEX"} */

void journal_line_link(const uint8_t before[static JOURNAL_LINK_SIZE], const char *json, size_t len,
	uint8_t ret_link[static JOURNAL_LINK_SIZE]);
/* Cuts the link member off a line without newline, in place. False: it has none. */
bool journal_line_split(
	char *line, size_t len, size_t *ret_len, uint8_t ret_link[static JOURNAL_LINK_SIZE]);
/* Finds the last whole, well-formed line: where it ends; 0: there is none. Spoils `bytes` behind it. */
size_t journal_last_line(
	char *bytes, size_t len, uint64_t *ret_seq, uint8_t ret_link[static JOURNAL_LINK_SIZE]);

/* How far the journal goes and where it begins, as of the last time it was safe on the disk: JOURNAL_HEAD,
 * a note (capture/note.h). */
struct journal_head {
	uint64_t seq; /* of the last line; 0: none */
	uint8_t link[JOURNAL_LINK_SIZE];
	uint64_t removed_seq; /* of the last line that retention removed; 0: none */
	uint8_t removed_link[JOURNAL_LINK_SIZE];
};

/* `public` NULL: the signature is not looked at. -ENOENT; -EBADMSG: it was changed. */
int journal_head_read(int dir_fd, const uint8_t *public, struct journal_head *ret_head);
/* `key` NULL: not signed. */
int journal_head_write(int dir_fd, const struct manifest_key *key, const struct journal_head *head);
