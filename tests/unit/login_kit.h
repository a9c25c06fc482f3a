/* SPDX-License-Identifier: Apache-2.0 */
/* login_kit - attempts to log in, said in pieces of any size, and what is told of them. */
#pragma once

#include "proto_kit.h"

/* Logins alone: whole or in pieces, transactions between them are told sooner or later. */
static inline const char *logins_of(
	const struct proto_flow_info *info, const struct kit_part *parts, size_t n, size_t piece)
{
	static char text[4096];
	struct out o = out_make(text, sizeof(text));
	const char *said = kit_run(info, parts, n, piece, SIZE_MAX);

	for (const char *line = strstr(said, "login "); line; line = strstr(line, "\nlogin ")) {
		line += *line == '\n';
		out_bytes(&o, line, (size_t)(strchr(line, '\n') - line) + 1);
	}
	return text;
}

struct attempt {
	const char *client, *server, *rest, *end, *login;
};

static inline void check_logins(const struct proto_flow_info *info, const char *greeting,
	const struct attempt *attempts, size_t n)
{
	kit_show_logins = true;
	for (size_t i = 0; i < n; i++) {
		const struct attempt *a = &attempts[i];
		const struct kit_part parts[] = { { 1, greeting, strlen(greeting) },
			{ 0, a->client, strlen(a->client) }, { 1, a->server, strlen(a->server) },
			{ 0, a->rest, strlen(a->rest) }, { 1, a->end, strlen(a->end) } };

		const size_t n_parts = sizeof(parts) / sizeof(parts[0]);

		for (size_t piece = 0; piece < 8; piece++)
			assert_string_equal(logins_of(info, parts, n_parts, piece), a->login);
		for (size_t limit = 0; limit < kit_size(parts, n_parts); limit++)
			kit_run(info, parts, n_parts, 0, limit);
	}
	kit_show_logins = false;
}
