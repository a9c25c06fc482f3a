/* SPDX-License-Identifier: Apache-2.0 */
/* journal_files - names, order and list of the journal's files; what retention removed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/journal.h"

void journal_file_name(const struct journal_place *place, char ret_name[static JOURNAL_NAME_MAX]);
/* By file only: <0, 0, >0. */
int journal_place_compare(const struct journal_place *a, const struct journal_place *b);
/* All files in order, to be freed; `offset` is the size of each. */
int journal_files_list(int dir_fd, struct journal_place **ret_places, size_t *ret_n);

/* The last line that retention removed. -ENOENT: none was; then nothing is touched. */
int journal_removed_read(int dir_fd, uint64_t *ret_seq, uint8_t ret_link[static JOURNAL_LINK_SIZE]);
int journal_removed_write(int dir_fd, uint64_t seq, const uint8_t link[static JOURNAL_LINK_SIZE]);
