/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose - what is common to the payloads of an attack and rare elsewhere, as the contents of a
 * rule.
 *
 * A token is a piece of bytes that every chosen payload has; tokens come in the order in which all
 * of them have them. Where the payloads share everything (there is one only), pieces are cut at
 * what the background has too. Work is bounded by the limits below: longer payloads are cut, more
 * are left out.
 *
 * Common pieces are found with a suffix automaton (Blumer et al., 1985) of the shortest payload.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;

#define PROPOSE_SAMPLES_MAX    256         /* payloads of the attack */
#define PROPOSE_SAMPLE_MAX     (16u << 10) /* bytes of each that are looked at */
#define PROPOSE_BACKGROUND_MAX 4096        /* other payloads */
#define PROPOSE_TOKENS_MAX     6
#define PROPOSE_TOKEN_MIN      4  /* shorter ones are in everything */
#define PROPOSE_TOKEN_MAX      64 /* longer ones are cut: more bytes prove no more, but bind more */

struct propose_sample {
	const uint8_t *bytes;
	size_t len;
};

struct propose_token {
	const uint8_t *bytes; /* of the shortest sample */
	uint32_t len;
	uint32_t foreign; /* background payloads that have it */
	bool fixed;       /* at the same place in all of them: `at` */
	uint32_t at;
};

/* How many tokens; 0: the payloads have nothing in common that is long enough. -ENOMEM, -EINVAL:
 * no samples. */
int propose_tokens(const struct propose_sample *chosen, size_t n_chosen,
	const struct propose_sample *background, size_t n_background,
	struct propose_token ret_tokens[static PROPOSE_TOKENS_MAX]);

/* Whether a payload has all tokens in order. */
bool propose_matches(
	const struct propose_token *tokens, size_t n, const struct propose_sample *sample);

struct propose_rule {
	const char *proto;                /* "tcp", "udp" */
	const char *source, *destination; /* "$EXTERNAL_NET", ... */
	uint16_t port;                    /* of the server; 0: any */
	bool to_server;
	const char *msg;
	uint32_t sid;
};

/* The rule, one line without its end. */
void propose_write(struct out *o, const struct propose_rule *rule,
	const struct propose_token *tokens, size_t n);
