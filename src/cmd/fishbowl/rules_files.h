/* SPDX-License-Identifier: Apache-2.0 */
/* rules_files - files of rules from the disk, plain or gzip, into struct rules_text. Says on
 * stderr what it cannot. */
#pragma once

#include "rules/parse.h"

/* 0, or 2 after a message: the exit status. */
int rules_file_read(struct rules_text *text, const char *path, rules_text_reader *read);
