/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - one rule as it was written (Snort 2.9 or Suricata), read and resolved: modifiers are folded into
 * the option they modify, variables into sets, names into numbers. rules/parse.h makes it, rules/compile.h
 * and rules/convert.h use it. Nothing here looks at traffic.
 *
 * A rule owns everything it points to; rule_free() frees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

/* Named limits; a rule beyond one of them is refused. */
#define RULE_TEXT_MAX    65536 /* bytes of one rule's line, continuation lines joined */
#define RULE_OPTIONS_MAX 128   /* options that are evaluated */
#define RULE_CONTENT_MAX 4096  /* bytes of one content */
#define RULE_PCRE_MAX    8192  /* bytes of one regular expression */
#define RULE_VARS_MAX    16    /* byte variables of a rule */
#define RULE_BITS_MAX    16    /* names in one flowbits option (A|B|C) */

enum rule_action { RULE_ALERT, RULE_LOG, RULE_PASS, RULE_DROP, RULE_SDROP, RULE_REJECT };
/* Whom a reject tells. */
enum rule_reject { RULE_REJECT_SOURCE, RULE_REJECT_DESTINATION, RULE_REJECT_BOTH };

/* Of `app`: that protocol alone, not what it includes (http1). */
#define RULE_APP_ALONE 0x100u

/* The words in the place of the protocol. The application protocols stand for their transport and
 * `app-layer-protocol`. */
enum rule_proto {
	RULE_PROTO_IP, /* any packet; "ip", "pkthdr" */
	RULE_PROTO_TCP,
	RULE_PROTO_TCP_PACKET, /* tcp-pkt: packets only */
	RULE_PROTO_TCP_STREAM, /* tcp-stream: the stream only */
	RULE_PROTO_UDP,
	RULE_PROTO_ICMP, /* ICMP and ICMPv6; "icmpv6" sets only_version 6 */
	RULE_PROTO_SCTP,
	RULE_PROTO_ETHER, /* "ether", "arp": frames that are not IP */
	RULE_PROTO_APP,   /* `app` says which */
};

/* Addresses: inside when it is in none of `out` and (`any`, or it is in one of `in`). One of the two lists is
 * empty: `any` with `out` is "all but these"; both empty without `any` is
 * nobody. Sorted, disjoint; lists inside lists have been resolved. */
struct rule_nets {
	bool any;
	struct ip_prefix *in, *out;
	uint32_t n_in, n_out;
};

/* Ports, as sorted ranges that do not touch; empty with `any`; empty without `any` is no port. */
struct rule_port_range {
	uint16_t first, last;
};
struct rule_ports {
	bool any;
	struct rule_port_range *range;
	uint32_t n;
};

/* A number, or the value of a byte variable. */
struct rule_value {
	bool is_var;
	uint8_t var; /* number of the variable in this rule */
	int64_t number;
};

enum rule_op {
	RULE_EQ,
	RULE_NE,
	RULE_LT,
	RULE_LE,
	RULE_GT,
	RULE_GE,
	RULE_RANGE,
	RULE_RANGE_INCLUSIVE,
	RULE_OUTSIDE
};
/* number OP a (and b, of a range: a<n<b, a<=n<=b, not a<=n<=b). */
struct rule_compare {
	enum rule_op op;
	struct rule_value a, b;
};

/* What evaluates to true or false, in the order in which it stands in the rule. `negated` belongs to the
 * option as a whole. */
enum rule_keyword {
#define KEYWORD(ID, name, form, text) RULE_##ID,
#include "rules/option.def"
#undef KEYWORD
	RULE_KEYWORDS
};

/* What an option holds, as option.def says. */
enum rule_form {
	RULE_FORM_CONTENT,
	RULE_FORM_PCRE,
	RULE_FORM_BYTES,
	RULE_FORM_ISDATAAT,
	RULE_FORM_BITS,
	RULE_FORM_INTEGER,
	RULE_FORM_FLAGS,
	RULE_FORM_COMPARE,
	RULE_FORM_FILTER,
	RULE_FORM_STREAM_SIZE,
	RULE_FORM_BASE64,
	RULE_FORM_WORD,
	RULE_FORM_ASN1,
	RULE_FORM_RPC,
	RULE_FORM_TAG,
	RULE_FORM_NOTHING
};

/* Where a content or an expression is looked for: number of a row of proto/buffer.def (BUFFER_PAYLOAD: raw). */
struct rule_content { /* depth counts from offset */
	uint8_t *bytes;
	uint16_t len;
	bool nocase, raw; /* raw: rawbytes */
	bool startswith, endswith;
	bool has_offset, has_depth, has_distance, has_within;
	struct rule_value offset, depth, distance, within;
	bool fast;      /* fast_pattern */
	bool fast_only; /* fast_pattern:only: the prefilter's word is enough, positions are ignored */
	uint16_t fast_at, fast_len; /* fast_pattern:AT,LEN; len 0: the whole */
	uint8_t *replace;           /* `len` bytes, or NULL */
};

struct rule_pcre {
	char *pattern; /* without slashes */
	uint16_t len;
	uint32_t
		pcre2_flags; /* PCRE2_CASELESS, DOTALL, MULTILINE, EXTENDED, ANCHORED, DOLLAR_ENDONLY, UNGREEDY */
	bool relative;
	uint8_t n_captures; /* `pcre:"/.../", NAME`: values of groups kept as byte or flow variables */
	uint8_t capture_var[8];
};

enum rule_endian { RULE_BIG, RULE_LITTLE, RULE_DCE };
/* byte_test, byte_jump, byte_extract, byte_math: how a number is read. */
struct rule_bytes {
	struct rule_value count; /* bytes, 0 (isolated string forms) .. 10 */
	struct rule_value offset;
	bool relative, string;
	uint8_t base; /* of a string: 8, 10, 16; 0: as strtoul sees it */
	enum rule_endian endian;
	uint64_t bitmask; /* 0: none */
	/* byte_test */
	enum {
		RULE_TEST_LT,
		RULE_TEST_GT,
		RULE_TEST_EQ,
		RULE_TEST_LE,
		RULE_TEST_GE,
		RULE_TEST_AND,
		RULE_TEST_OR
	} test;
	struct rule_value value;
	/* byte_jump */
	bool align, from_beginning, from_end;
	struct rule_value post_offset;
	/* byte_jump and byte_extract */
	uint32_t multiplier; /* 1: none */
	/* byte_extract and byte_math */
	uint8_t result;        /* variable */
	uint8_t extract_align; /* 0, 2, 4 */
	/* byte_math */
	enum {
		RULE_MATH_ADD,
		RULE_MATH_SUB,
		RULE_MATH_MUL,
		RULE_MATH_DIV,
		RULE_MATH_SHL,
		RULE_MATH_SHR
	} math;
};

/* Relative: at least `at` bytes follow the cursor. Else: the buffer has more than `at` bytes. */
struct rule_isdataat {
	struct rule_value at;
	bool relative, raw;
};

enum {
	RULE_FLOW_TO_SERVER = 1,
	RULE_FLOW_TO_CLIENT = 2,
	RULE_FLOW_ESTABLISHED = 4,
	RULE_FLOW_NOT_ESTABLISHED = 8,
	RULE_FLOW_STATELESS = 16,
	RULE_FLOW_ONLY_STREAM = 32,
	RULE_FLOW_NO_STREAM = 64,
	RULE_FLOW_ONLY_FRAG = 128,
	RULE_FLOW_NO_FRAG = 256
};

/* flowbits, xbits, hostbits. Names are numbers of the rule set's dictionary, by kind. */
enum rule_bit_command {
	RULE_BIT_SET,
	RULE_BIT_UNSET,
	RULE_BIT_TOGGLE,
	RULE_BIT_ISSET,
	RULE_BIT_ISNOTSET
};
enum rule_track {
	RULE_TRACK_FLOW,
	RULE_TRACK_SRC,
	RULE_TRACK_DST,
	RULE_TRACK_PAIR,
	RULE_TRACK_RULE,
	RULE_TRACK_TX
};
struct rule_bits {
	enum rule_bit_command command;
	enum rule_track track;
	bool all; /* A&B; else A|B: any of them */
	uint8_t n;
	uint16_t name[RULE_BITS_MAX];
	uint32_t expire_s; /* xbits, hostbits; 0: none */
};

/* flowint */
struct rule_int {
	uint16_t name;
	bool is_set, is_not_set; /* isset, notset */
	enum { RULE_INT_COMPARE, RULE_INT_ASSIGN, RULE_INT_ADD, RULE_INT_SUB } action;
	struct rule_compare compare;
	bool by_name; /* the other side is variable `other` */
	uint16_t other;
	int64_t number;
};

/* threshold, detection_filter, and threshold.conf */
struct rule_threshold {
	enum {
		RULE_FILTER_LIMIT,
		RULE_FILTER_THRESHOLD,
		RULE_FILTER_BOTH,
		RULE_FILTER_DETECTION_FILTER,
		RULE_FILTER_RATE_FILTER,
		RULE_FILTER_BACKOFF
	} type;
	enum rule_track track;
	uint32_t count, seconds;
	uint32_t multiplier;     /* backoff */
	uint32_t timeout_s;      /* rate_filter */
	enum rule_action action; /* rate_filter */
};

/* IPOPTS's value for End of Options List, whose number 0 is taken. */
#define RULE_IPOPTS_EOL 256
/* SSL_VERSION, SSL_STATE: bits of `value`. */
enum {
	RULE_SSL2 = 1,
	RULE_SSL3 = 2,
	RULE_TLS10 = 4,
	RULE_TLS11 = 8,
	RULE_TLS12 = 16,
	RULE_TLS13 = 32
};
enum {
	RULE_SSL_CLIENT_HELLO = 1,
	RULE_SSL_SERVER_HELLO = 2,
	RULE_SSL_CLIENT_KEY = 4,
	RULE_SSL_SERVER_KEY = 8,
	RULE_SSL_UNKNOWN = 16
};

struct rule_flags { /* flags: bits as in the TCP header; fragbits: M 1, D 2, R 4 */
	uint8_t bits, ignore;
	enum { RULE_FLAGS_EXACT, RULE_FLAGS_ALL, RULE_FLAGS_ANY, RULE_FLAGS_NONE } how;
};

struct rule_transform { /* applied to a buffer before it is looked at, in order */
	enum {
		RULE_TO_LOWERCASE,
		RULE_TO_UPPERCASE,
		RULE_TO_MD5,
		RULE_TO_SHA1,
		RULE_TO_SHA256,
		RULE_STRIP_WHITESPACE,
		RULE_COMPRESS_WHITESPACE,
		RULE_DOT_PREFIX,
		RULE_URL_DECODE,
		RULE_XOR,
		RULE_HEADER_LOWERCASE,
		RULE_STRIP_PSEUDO_HEADERS,
		RULE_DOMAIN,
		RULE_TLD,
		RULE_FROM_BASE64,
		RULE_PCREXFORM
	} how;
	uint8_t key[64]; /* xor */
	uint8_t key_len;
	char *pattern;          /* pcrexform */
	uint32_t bytes, offset; /* from_base64 */
	uint8_t mode;
};
#define RULE_TRANSFORMS_MAX 8

struct rule_option {
	enum rule_keyword keyword;
	bool negated;
	uint16_t column; /* where it stands, for messages */
	uint16_t buffer; /* number in proto/buffer.def, for what looks into one */
	uint16_t
		list; /* options of one list belong to one instance of a buffer that may occur often */
	uint8_t n_transforms;
	struct rule_transform *transform;
	union {
		struct rule_content content;
		struct rule_pcre pcre;
		struct rule_bytes bytes; /* byte_test, byte_jump, byte_extract, byte_math */
		struct rule_isdataat isdataat;
		struct rule_bits bits; /* flowbits, xbits, hostbits */
		struct rule_int integer;
		struct rule_flags flags;     /* flags, fragbits */
		struct rule_compare compare; /* every keyword that holds a number against another */
		struct rule_threshold filter; /* detection_filter */
		struct {
			uint8_t side;
			struct rule_compare compare;
		} stream_size; /* 0 client 1 server 2 both 3 either */
		struct {
			struct rule_value count, offset;
			bool relative;
			uint8_t mode;
		} base64;
		struct {
			char *text;
			uint64_t value;
			uint32_t n;
			uint32_t *numbers;
		} word; /* what is a name or a list of numbers; DCE_IFACE: text UUID in small letters,
			 * numbers: none, or enum rule_op and version; value 1: any_frag. APP_PROTOCOL: text mode or "" */
		struct {
			bool bitstring, overflow;
			uint32_t oversize;
			bool has_offset, relative;
			int32_t offset;
		} asn1;
		struct {
			uint32_t program, version, procedure;
			bool any_version, any_procedure;
		} rpc;
		struct {
			bool session;
			uint32_t count;
			uint8_t unit, direction;
		} tag;
	};
};

struct rule_reference {
	char *system, *id;
};

struct rule {
	enum rule_action action;
	enum rule_reject reject;
	enum rule_proto proto;
	uint16_t app; /* enum proto_id of RULE_PROTO_APP, maybe with RULE_APP_ALONE; 0: none */
	uint8_t only_version; /* 4, 6; 0: both */
	bool both_ways;       /* <> */
	struct rule_nets src, dst;
	struct rule_ports sport, dport;
	uint16_t flow; /* RULE_FLOW_*; 0: no such option */
	struct rule_option *option;
	uint16_t n_options;
	uint8_t n_vars;
	bool noalert;
	bool alert; /* said so: what passes is told, too */
	bool prefilter;
	bool filestore;
	bool has_threshold;
	struct rule_threshold threshold;
	bool has_rate_filter;
	struct rule_threshold rate_filter;

	uint32_t sid, gid, rev;
	char *msg;
	char *classtype;  /* its short name, or NULL */
	uint8_t priority; /* 1..4 and more, by the option or the class; 3 when neither says */
	char *category;   /* the text of the class */
	struct rule_reference *reference;
	uint16_t n_references;
	char *metadata; /* as written, entries joined by ", " */
	uint8_t target; /* 0; 1 src_ip, 2 dest_ip */

	const char *file; /* borrowed from the caller of the parser */
	uint32_t line;
	char *text; /* the whole rule, one line */
};

struct rule *rule_free(struct rule *rule);
