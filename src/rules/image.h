/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - a compiled rule set in memory: a head, then arrays, all found by their offset from the head, so it
 * can be mapped anywhere. rules/compile.c writes it, rules/open.c checks every offset and number in it before
 * anything is used. Private to src/rules.
 */
#pragma once

#include <netinet/in.h>

#include "rules/rule.h"

#define IMAGE_MAGIC   0x46425255u /* "FBRU" */
#define IMAGE_VERSION 5u
#define IMAGE_NONE    UINT32_MAX

/* `n` entries from offset `at`. */
struct image_list {
	uint32_t at, n;
};

/* Where a rule is looked for. */
enum image_where { IMAGE_PACKET = 1, IMAGE_STREAM = 2, IMAGE_TX = 4 };
/* What carries the bytes; groups and lists are by it. */
enum image_carrier {
	IMAGE_TCP,
	IMAGE_UDP,
	IMAGE_ICMP,
	IMAGE_OTHER, /* any other protocol over IP */
	IMAGE_NO_IP,
	IMAGE_CARRIERS
};

static inline enum image_carrier image_carrier(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return IMAGE_TCP;
	case IPPROTO_UDP:
		return IMAGE_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return IMAGE_ICMP;
	default:
		return IMAGE_OTHER;
	}
}

struct image_text { /* bytes; of strings the NUL behind them is not counted */
	uint32_t at, len;
};

enum {
	IMAGE_BOTH_WAYS = 1,
	IMAGE_NOALERT = 2,
	IMAGE_THRESHOLD = 4,
	IMAGE_ONCE = 8,        /* about the conversation, not a packet: told once */
	IMAGE_REPLACES = 16,   /* has a content with replace */
	IMAGE_PLAIN = 32,      /* has no literal: a candidate of every unit */
	IMAGE_RATE = 128,      /* has a rate_filter */
	IMAGE_PAYLOAD_TX = 64, /* looks at a transaction and at the payload */
	IMAGE_EACH_SIDE = 256, /* told of the request and of the answer */
	IMAGE_ACTS = 512       /* a match matters although nobody is told of it */
};

/*
 * Of payloads and streams: one of the bytes stands in [from, to), counted from the start, or the rule does not match.
 * Asked of rules without a literal, most of which are about the first bytes.
 */
struct image_probe {
	uint16_t from, to; /* to = 0: nothing is known */
	uint8_t byte[2];
};

struct image_rule {
	uint32_t sid, gid, rev, line;
	uint32_t msg, category, metadata, references, file; /* offsets of strings; 0: none */
	uint32_t src, dst, sport, dport;                    /* numbers of sets */
	struct image_list
		checks; /* options that ask about headers and marks: first number, count */
	struct image_list sections; /* first number, count */
	struct image_list actions;  /* options that set marks when all else was true */
	uint32_t anchor; /* option whose places tell one match from the next; IMAGE_NONE */
	uint16_t app, flow;
	uint16_t flags;
	uint16_t
		most_payload; /* bytes that the payload of a packet may have (dsize); UINT16_MAX: any */
	struct image_probe probe;
	uint8_t action, reject, priority, target;
	uint8_t proto, only_version, where, carriers; /* carriers: bits */
	uint8_t sides;                                /* whose bytes: bit 0 client, bit 1 server */
	struct rule_threshold threshold, rate_filter;
};

/* Options that look into the same bytes, in the order of the rule. */
struct image_section {
	uint32_t first, n; /* options */
	uint16_t buffer;
	uint8_t every;  /* any instance of the buffer will do */
	uint8_t nested; /* looked at by a base64_decode */
	struct image_list transforms;
};

struct image_transform {
	uint8_t how, mode, key_len;
	uint8_t key[64];
	uint32_t bytes, offset;
	struct image_text pattern;
};

struct image_content {
	struct image_text bytes, replace; /* bytes of nocase ones are lowercase */
	uint8_t nocase, startswith, endswith, fast_only;
	uint8_t has_offset, has_depth, has_distance, has_within;
	struct rule_value offset, depth, distance, within;
	uint8_t fast; /* for the prefilter: `fast_len` bytes from `fast_at`; 0: all */
	uint16_t fast_at, fast_len;
};

struct image_pcre {
	struct image_text pattern;
	uint32_t flags;
	uint32_t number; /* among all expressions */
	uint8_t relative;
	uint8_t n_captures;
	uint8_t capture_var[8];
};

struct image_word {
	struct image_text text;
	uint64_t value;
	struct image_list numbers;
};

struct image_option {
	uint8_t keyword; /* enum rule_keyword */
	uint8_t negated;
	uint8_t leads; /* the next one in the section is relative to where this one ends */
	uint16_t buffer, list;
	uint32_t nested; /* base64_decode: section that looks at the result */
	union {
		struct image_content content;
		struct image_pcre pcre;
		struct image_word word;
		struct rule_bytes bytes;
		struct rule_isdataat isdataat;
		struct rule_bits bits;
		struct rule_int integer;
		struct rule_flags flags;
		struct rule_compare compare;
		struct rule_threshold filter;
		__typeof__(((struct rule_option *)0)->stream_size) stream_size;
		__typeof__(((struct rule_option *)0)->base64) base64;
		__typeof__(((struct rule_option *)0)->asn1) asn1;
		__typeof__(((struct rule_option *)0)->rpc) rpc;
	};
};

struct image_range {
	struct ip first, last;
};
/* The last of sorted ranges that begins at or before the address; NULL: none. */
static inline const struct image_range *image_range_before(
	const struct image_range *range, uint32_t n, const struct ip *ip)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ip_order(&range[middle].first, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &range[low - 1] : NULL;
}

struct image_nets { /* ranges are sorted and do not touch */
	uint8_t any;
	struct image_list ranges;
};
struct image_ports {
	uint8_t any;
	struct image_list ranges; /* struct rule_port_range */
};

/*
 * Which way a packet goes, seen from the set of addresses that most rules name (as a rule the honeypots' own). Most
 * rules are about one way only. What goes neither way, from one honeypot to another, is held against the rules of both.
 */
enum image_way {
	IMAGE_OUT_OF, /* its source is in the set, its destination is not */
	IMAGE_INTO,
	IMAGE_WAYS
};

/*
 * One prefilter database: literals that stand in one kind of bytes. Payloads and streams have the same groups, so that
 * what a segment has is found once (rules/look.c).
 */
#define IMAGE_LITERAL_MAX 32 /* bytes: the last ones of longer contents */
struct image_group {
	uint8_t tx; /* of transactions: `buffer`, and not `carrier`, `way`, `acts` and `ports` */
	uint8_t carrier, side;
	uint8_t way; /* enum image_way */
	uint8_t acts; /* has only rules with IMAGE_ACTS, which are in another group with the others too */
	uint16_t buffer;
	uint32_t reach;             /* of its literals, as below; of transactions: IMAGE_NONE */
	struct image_list ports;    /* struct rule_port_range of the server; empty: any */
	struct image_list literals; /* struct image_literal */
	struct image_text database;
};
/* Whose rules a literal leads to. */
enum image_reader {
	IMAGE_OF_PACKET,
	IMAGE_OF_STREAM,
	IMAGE_READERS,
	IMAGE_OF_TX = IMAGE_OF_PACKET
};
struct image_literal {
	struct image_text bytes;
	struct image_list rules[IMAGE_READERS]; /* uint32_t */
	/* It ends no further from the start of payload or stream; IMAGE_NONE: anywhere. */
	uint32_t reach[IMAGE_READERS];
};

/* Rules without a literal. */
struct image_plain {
	uint8_t where, carrier, side;
	uint8_t way;  /* enum image_way */
	uint8_t syn;  /* they are about segments with SYN only */
	uint16_t app; /* of IMAGE_TX; 0: any */
	struct image_list rules;
};

/* Addresses from `bound[i]` up to before `bound[i + 1]` concern the rules of `rules[i]`. */
struct image_index {
	uint8_t carrier;
	uint8_t source;
	uint8_t syn;              /* as above */
	struct image_list bounds; /* struct ip, sorted */
	struct image_list spans;  /* struct image_list of uint32_t */
};

/* A content that a rule replaces; sorted by bytes, lowercase. */
struct image_tail {
	struct image_text bytes;
	uint32_t rule, option;
};

struct image_suppress {
	uint32_t gid, sid, nets;
	uint8_t by; /* RULES_SUPPRESS_... */
};

struct image_head {
	uint32_t magic, version;
	uint64_t size;
	uint32_t n_pcres;
	uint32_t tail_min; /* bytes of a content that make a frame wait */
	uint32_t
		pivot; /* set of addresses that ways are seen from; IMAGE_NONE: all rules are IMAGE_OUT_OF */
	struct image_list rules, options, sections, transforms, nets, ports, groups, plains,
		indexes, tails, suppress;
};
