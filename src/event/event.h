/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - the vocabulary: records, reasons, verdicts. No behaviour beyond naming, packing, printing.
 *
 * A struct record is plain data. Its texts are borrowed (struct text): whoever fills a record keeps
 * them alive until the record was packed or printed; record_unpack() points into the packed bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct out;

enum severity {
	SEVERITY_DEBUG,
	SEVERITY_INFO,
	SEVERITY_NOTICE,
	SEVERITY_WARNING,
	SEVERITY_ALERT,
};

enum verdict {
	VERDICT_PASS,
	VERDICT_DROP,
};

enum direction {
	DIRECTION_NONE,
	DIRECTION_INBOUND,  /* from the outside to the honeynet */
	DIRECTION_OUTBOUND, /* from the honeynet to the outside */
	DIRECTION_INTERNAL, /* between honeypots */
};

/* Of what the other side sends. */
static inline enum direction direction_turned(enum direction direction)
{
	return direction == DIRECTION_INBOUND    ? DIRECTION_OUTBOUND
	       : direction == DIRECTION_OUTBOUND ? DIRECTION_INBOUND
						 : direction;
}

enum reason {
#define REASON(id, name, verdict, severity, text) REASON_##id,
#include "event/reason.def"
#undef REASON
	REASON_COUNT
};

enum event_type {
	EVENT_NONE,
#define EVENT(ID, id, type, since, severity, text) EVENT_##ID,
#include "event/event.def"
	EVENT_COUNT
};

/* Flags of a field. */
#define HOSTILE 1u /* written by an attacker */
#define SECRET  2u /* shown by role only */
#define KEY     4u /* indexed */
#define OPT     8u /* left out of the JSON when zero or empty */

struct text {
	const char *at; /* borrowed; not NUL-terminated; may be hostile */
	uint32_t len;
};

/* C types of the field kinds. */
typedef uint64_t event_kind_U64;
typedef uint32_t event_kind_U32;
typedef uint16_t event_kind_U16;
typedef uint8_t event_kind_U8;
typedef bool event_kind_BOOL;
typedef int64_t event_kind_TIME; /* ns since 1970 UTC */
typedef struct ip event_kind_IP;
typedef struct text event_kind_TEXT;
typedef struct text event_kind_MEMBERS; /* `"name":value,...`, valid JSON within braces */
typedef uint8_t event_kind_FLAGS;
typedef struct mac event_kind_MAC;
typedef uint8_t event_kind_PROTO; /* IP protocol number */
typedef uint8_t event_kind_VERDICT;
typedef uint16_t event_kind_REASON;
typedef uint8_t event_kind_DIRECTION;

struct record_head {
#define HEAD(KIND, member, path, flags, text) event_kind_##KIND member;
#include "event/event.def"
};

#define EVENT(ID, id, type, since, severity, text) \
	}                                          \
	;                                          \
	struct event_##id {
#define FIELD(id, KIND, member, path, flags, text) event_kind_##KIND member;
struct event_none {
	char none;
#include "event/event.def"
};

struct record {
	enum event_type type;
	struct record_head head;
	union {
#define EVENT(ID, id, type, since, severity, text) struct event_##id id;
#include "event/event.def"
	};
};

/* Who wrote a record and as which number: its identity (honeynet, boot, seq), given by the store,
 * and where it came from (origin, origin_seq), which makes taking it over exactly-once. */
struct record_identity {
	const char *honeynet;
	uint64_t boot;
	uint64_t seq;
	const char *origin; /* "gate", "tap", "supervisor", "replay" */
	uint64_t origin_seq;
};

/* Largest packed record, and largest JSON line (with its newline and NUL). What is no MEMBERS has at most
 * RECORD_PLAIN_MAX bytes, and a byte of hostile text takes up to six in JSON; members are printed as they
 * are. So every record that can be packed can be printed. */
#define RECORD_PLAIN_MAX         4096
#define RECORD_MEMBERS_MAX       49152 /* all fields of a record together */
#define RECORD_MEMBERS_DEPTH_MAX 32    /* objects and lists inside each other */
#define RECORD_PACKED_MAX        (RECORD_PLAIN_MAX + RECORD_MEMBERS_MAX)
#define RECORD_JSON_MAX          (32768 + RECORD_MEMBERS_MAX)
/* Largest value of a U64 field: JSON readers and SQLite have signed 64 bits. */
#define RECORD_U64_MAX INT64_MAX

const char *reason_name(enum reason reason);     /* "tcp-limit" */
const char *reason_text(enum reason reason);     /* the label for people */
int reason_find(const char *name);               /* -1: there is none */
enum verdict reason_verdict(enum reason reason); /* the verdict that goes with it */
enum severity reason_severity(enum reason reason);
const char *verdict_name(enum verdict verdict);
const char *direction_name(enum direction direction);
const char *severity_name(enum severity severity);
const char *event_type_name(enum event_type type);
enum severity event_severity(enum event_type type);
/* EVENT_NONE when there is no such type. */
enum event_type event_type_find(const char *name);
/* "TCP", "UDP", "ICMP", "IPV6-ICMP", ... (IANA's names as EVE writes them) or "011" into `buf`. */
const char *ip_proto_name(uint8_t proto, char buf[static 8]);

struct text text_of(const char *str);
bool text_is_word(struct text text, const char *word);

/* One table row, for whoever walks the vocabulary: codec, JSON, schema, manual page, database. */
enum field_kind {
	KIND_U64,
	KIND_U32,
	KIND_U16,
	KIND_U8,
	KIND_BOOL,
	KIND_TIME,
	KIND_IP,
	KIND_TEXT,
	KIND_MAC,
	KIND_PROTO,
	KIND_VERDICT,
	KIND_REASON,
	KIND_DIRECTION,
	KIND_MEMBERS,
	KIND_FLAGS,
};

struct field_info {
	const char *member;
	const char *path;
	const char *text;
	uint32_t offset; /* in struct record */
	uint16_t flags;
	uint8_t kind;
};

struct event_info {
	const char *type;
	const char *text;
	const struct field_info *fields;
	size_t n_fields;
	unsigned since;
	enum severity severity;
};

const struct field_info *event_head_fields(size_t *ret_n);
struct event_info event_info(enum event_type type);

/* The graver one of its type and its reason; of an incident: by its stage. */
enum severity record_severity(const struct record *record);

/* Binary form (little endian, this machine only). Returns bytes written (<= RECORD_PACKED_MAX);
 * -ENOSPC: does not fit into `size`, -E2BIG: larger than any record may be, -ERANGE: a number
 * beyond RECORD_U64_MAX, -EINVAL: no such type, or members that are not valid. */
int record_pack(const struct record *record, void *buf, size_t size);
/* Bytes that it will need at most; RECORD_PLAIN_MAX where there are no members. */
size_t record_room(const struct record *record);
/* -EBADMSG on anything that record_pack cannot have written. Texts point into buf. */
int record_unpack(const void *buf, size_t size, struct record *ret_record);

/* EVE JSON, one line without newline; out_ok() afterwards tells whether it fitted, which it does in
 * RECORD_JSON_MAX bytes. `identity` may be NULL (replay without a store). */
void record_json(
	struct out *o, const struct record *record, const struct record_identity *identity);

/* The field of a type for what its protocol's parser says (path "*"); NULL: it has none. */
struct text *record_members(struct record *record);
/* Whether members may stand in this field of a record: one line of valid JSON (RFC 8259), no name that the
 * table has there itself. */
bool record_members_ok(
	enum event_type type, const struct field_info *field, const char *at, size_t len);

/* The record in a few words for people: printable ASCII, no newline. */
void record_story(struct out *o, const struct record *record);

/* How a type's JSON is laid out: a list of steps, made once from the table. */
enum layout_step {
	LAYOUT_FIELD,
	LAYOUT_TYPE,     /* "event_type" */
	LAYOUT_VERSION,  /* "ip_v": 4 or 6, of the addresses */
	LAYOUT_IDENTITY, /* the members of struct record_identity */
	LAYOUT_OPEN,     /* an object begins */
	LAYOUT_CLOSE,
	LAYOUT_MEMBERS, /* a field of KIND_MEMBERS; the last step of its object */
	LAYOUT_END,
};

/* What the rules of EVE leave out: ports only where the protocol has them, the type and code of
 * ICMP always there, addresses together, a verdict only with its reason. */
enum layout_rule { RULE_ALWAYS, RULE_OPT, RULE_PORT, RULE_ICMP, RULE_ADDRESS, RULE_VERDICT };

#define LAYOUT_STEPS_MAX 80
#define LAYOUT_DEPTH_MAX 4

struct layout {
	uint8_t step;
	uint8_t rule;
	const struct field_info *field;
	char key[32]; /* `"name":`, of a field or an object */
};

/* LAYOUT_END ends the list. Type must be one that exists. */
const struct layout *event_layout(enum event_type type);

/* JSON schema (draft 2020-12) of all records: one object for each type, closed unless it has MEMBERS;
 * manual page body (scdoc) of all records and reasons. */
void event_print_schema(struct out *o);
void event_print_manual(struct out *o);
