/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - records for those who may not see all of them. An analyst sees everything. A viewer sees that something
 * happened, between which hosts and how, but no passwords, no words and no payload, and other names for persons
 * (store/redact.def); the same name for the same person, as long as the key is the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum role { ROLE_ANALYST, ROLE_VIEWER, ROLES };

const char *role_name(enum role role);
bool role_find(const char *name, enum role *ret_role);

struct redact;

/* With a key of its own. -ENOMEM. */
int redact_new(enum role role, struct redact **ret_redact);
struct redact *redact_free(struct redact *redact);

/* An EVE line as the role may see it, without a newline. What cannot be read is not shown: -EBADMSG; -ENOMEM.
 * *ret_line is valid until the next call; it may be `line`. */
int redact_line(struct redact *redact, const char *line, size_t len, const char **ret_line,
	size_t *ret_len);
