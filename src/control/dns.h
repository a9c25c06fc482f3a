/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns - what a honeypot sends to a resolver: a plain question (RFC 1035), or something else?
 *
 * Nobody can exclude a tunnel in names: a patient one, or one that looks like words, gets through at
 * what the budget of questions allows. Those that carry much in each question are found by their form:
 * what stands in front of the last two labels is taken to pieces at hyphens and dots, and those that
 * are not words are looked at. Not found: up to 23 characters, a hash of 32 in front of _domainkey, 40
 * hexadecimal digits in pieces. Refused though harmless: lookups of whole hashes, some Kubernetes
 * load balancers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_DEFAULT_MAX       100
#define DNS_ENTROPY_DEFAULT_TENTHS 40
#define DNS_ENTROPY_OFF            80  /* no name has more than 8 bits a character */
#define DNS_OPTIONS_MAX            64  /* bytes of EDNS options (RFC 6891) */
#define DNS_TSIG_MAX               128 /* bytes of a signature's data (RFC 8945) */
#define DNS_PIPELINE_MAX           4   /* questions in a segment (RFC 7766, 6.2.1.1): A and AAAA */

struct dns_guard {
	uint16_t name_max;      /* bytes of a name as sent, lengths included; above 255 is 255 */
	uint8_t entropy_tenths; /* 1/10 bit a character, of what is not words in front of the domain */
};

enum dns_fault {
	DNS_FINE,
	DNS_SHORT,     /* ends before its last record does */
	DNS_LENGTH,    /* TCP: not DNS_PIPELINE_MAX whole messages at most in one segment */
	DNS_RESPONSE,  /* not a query */
	DNS_OPCODE,    /* update, notify, ... */
	DNS_FLAGS,     /* flags or a code that no query has */
	DNS_COUNTS,    /* other than one question and up to two additional records */
	DNS_LABEL,     /* compression or an unknown kind of label */
	DNS_NAME_LONG, /* longer than the guard allows */
	DNS_BYTES,     /* bytes in a name that are not printable ASCII */
	DNS_TYPE,      /* NULL, ANY, zone transfer, meta, private and unassigned types */
	DNS_CLASS,     /* not IN */
	DNS_EXTRA,     /* an additional record that is not EDNS or a signature, or is malformed */
	DNS_OPTION,    /* EDNS options or a signature too large */
	DNS_TRAILING,  /* bytes behind the last record */
	DNS_TUNNEL,    /* the name looks like data */
	DNS_FAULT_COUNT
};

/* One datagram, or with `tcp` one segment that is not empty, on its way to a resolver. */
enum dns_fault dns_question_look(
	const uint8_t *payload, size_t len, bool tcp, const struct dns_guard *guard);

/* How many questions a segment has that dns_question_look() finds fine; of others something from 1 to
 * DNS_PIPELINE_MAX. */
unsigned dns_question_count(const uint8_t *payload, size_t len);

const char *dns_fault_name(enum dns_fault fault);
