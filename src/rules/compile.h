/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile - from rules as read to the flat image that rules_open() takes. The image has no pointers
 * and may be written to a file or sealed memory and mapped elsewhere. Numbers of rules in it are by
 * the order in which they are evaluated (action, then those that set a flowbit before those that
 * ask for it), not that of the source.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rules/parse.h"

/* The image is the caller's: free(). -ENOMEM; -E2BIG: more than fits (4 GiB). */
int rules_compile(const struct rules_text *text, void **ret_image, size_t *ret_size);
