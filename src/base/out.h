/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out - a bounded text writer. Text never overruns the buffer: what does not fit sets `full`
 * and is left out, so that a caller checks out_ok() once at the end. All text that came from the
 * wire goes through out_json_text() or out_quoted(), the two escaping writers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
	char *at;    /* start of the buffer, always NUL-terminated when size > 0 */
	size_t size; /* bytes of the buffer */
	size_t len;  /* bytes written, without the NUL */
	bool full;   /* sticky: something did not fit */
};

struct out out_make(char *buf, size_t size);
bool out_ok(const struct out *o);

void out_char(struct out *o, char c);
void out_bytes(struct out *o, const char *bytes, size_t len);
void out_str(struct out *o, const char *str);
void out_u64(struct out *o, uint64_t n);
void out_i64(struct out *o, int64_t n);
void out_hex(struct out *o, const uint8_t *bytes, size_t len);
void out_base64(struct out *o, const uint8_t *bytes, size_t len); /* RFC 4648, 4 */
void out_fmt(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. Control characters (C1 too) and line separators become \uXXXX; bytes
 * that are not valid UTF-8 (RFC 3629) become U+FFFD each: always valid JSON (RFC 8259), one line. */
void out_json_text(struct out *o, const char *bytes, size_t len);

/* Whether bytes are valid UTF-8; how many at the end are the beginning of a character that goes on. */
bool out_is_utf8(const char *bytes, size_t len);
size_t out_utf8_open(const char *bytes, size_t len);

/* For people: printable ASCII as it is, everything else as \xNN; no quotes added. */
void out_quoted(struct out *o, const char *bytes, size_t len);

/* 2026-01-31T12:00:00.123456+0000, the time form of EVE; from nanoseconds since 1970 UTC. */
void out_time_eve(struct out *o, int64_t time_ns);

/* 2026-01-31T12:00:00.123456789Z (RFC 3339). */
void out_time_rfc3339(struct out *o, int64_t time_ns);
