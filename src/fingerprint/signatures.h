/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signatures - what systems and programs look like on the wire: files in the format of p0f 3 (section 5 of p0f's
 * README), read into one set.
 *
 * A file is written by others. What it says is bounded by the limits below; a line that cannot be read is a fault
 * with its number, and the rest of the file is read all the same. A set does not change once it is used, and texts
 * in it live as long as it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h" /* struct text */

#define SIGNATURES_BYTES_MAX   (4u << 20) /* of a file */
#define SIGNATURES_LINE_MAX    2048       /* bytes of a line */
#define SIGNATURES_LINES_MAX   65536      /* of a file */
#define SIGNATURES_MAX         16384      /* of each kind, and labels, all files together */
#define SIGNATURES_OPTIONS_MAX 24         /* TCP options of a signature */
#define SIGNATURES_HEADERS_MAX 48 /* HTTP headers of a signature, and as many that must be absent */
#define SIGNATURES_FILES_MAX   8
#define SIGNATURES_FAULTS_MAX  100 /* told; the others are counted */

enum signature_kind {
	SIGNATURE_MTU,
	SIGNATURE_SYN,
	SIGNATURE_SYN_ACK,
	SIGNATURE_REQUEST,
	SIGNATURE_RESPONSE,
	SIGNATURE_KINDS
};

enum tcp_quirk_number {
#define QUIRK(ID, name, only) QUIRK_NUMBER_##ID,
#include "fingerprint/quirk.def"
#undef QUIRK
	TCP_QUIRKS
};
enum tcp_quirk {
#define QUIRK(ID, name, only) QUIRK_##ID = 1 << QUIRK_NUMBER_##ID,
#include "fingerprint/quirk.def"
#undef QUIRK
};
const char *tcp_quirk_name(unsigned number);
unsigned tcp_quirk_version(unsigned number); /* 4, 6; 0: of both */

struct signature_label {
	bool generic;       /* a last resort: counts when nothing else fits */
	bool application;   /* a program, not a system: its class is "!" */
	struct text family; /* class: "unix"; of a link's label, none */
	struct text name, flavour;
	struct text systems; /* "Linux,@win": where the program runs; empty: not said */
};

enum window_kind { WINDOW_IS, WINDOW_ANY, WINDOW_MULTIPLE, WINDOW_MSS, WINDOW_MTU };

struct signature_tcp {
	uint32_t label;
	uint32_t quirks;                         /* enum tcp_quirk */
	uint8_t options[SIGNATURES_OPTIONS_MAX]; /* kinds (IANA) in order */
	uint8_t n_options;
	uint8_t version;    /* 4, 6; 0: both */
	uint8_t ttl;        /* that it begins with */
	bool ttl_random;    /* any up to that */
	uint8_t ip_options; /* bytes */
	uint8_t eol_pad;    /* bytes behind the end of the options */
	uint8_t window_kind;
	uint16_t window; /* or what it is a multiple of, or how many MSS or MTU it is */
	int32_t mss;     /* -1: any, and then it tells the link */
	int16_t scale;   /* -1: any */
	int8_t payload;  /* 0, 1; -1: any */
};

struct signature_header {
	struct text name, value; /* value: what is in it; empty: anything */
	bool optional;
};

struct signature_http {
	uint32_t label;
	int8_t version; /* of HTTP/1; -1: any */
	uint32_t
		first_header; /* in signatures_headers(); those that must be absent are behind the others */
	uint8_t n_headers, n_absent;
	struct text software; /* that an honest one names; may be empty */
};

struct signatures_fault {
	const char *file; /* its name */
	uint32_t line;
	const char *why; /* a literal */
};

struct out;
struct signatures;

int signatures_new(struct signatures **ret_set); /* -ENOMEM */
struct signatures *signatures_free(struct signatures *set);

/* Adds what a file says. `name` is copied, for faults. -EFBIG: it is too large, -E2BIG: there is no room for another
 * file, -ENOMEM; then the set is as it was, but for -ENOMEM. */
int signatures_read(struct signatures *set, const char *name, const void *bytes, size_t len);
/* The same of a descriptor of a regular file, which is read from its beginning. -errno. */
int signatures_load(struct signatures *set, const char *name, int fd);

/* *ret_more: how many were not kept. */
const struct signatures_fault *signatures_faults(
	const struct signatures *set, size_t *ret_n, uint64_t *ret_more);

/* "FILE:LINE: what", a line each, and how many more there are. */
void signatures_print_faults(struct out *o, const struct signatures *set);

size_t signatures_count(const struct signatures *set, enum signature_kind kind);
const struct signature_tcp *signatures_tcp(const struct signatures *set, bool response);
const struct signature_http *signatures_http(const struct signatures *set, bool response);
const struct signature_header *signatures_headers(const struct signatures *set);
const struct signature_label *signatures_label(const struct signatures *set, uint32_t label);
/* What has links of that MTU; NULL: not known. */
const struct signature_label *signatures_link(const struct signatures *set, uint32_t mtu);
/* "Linux,Windows,iOS=[iPad]": which systems programs name, and how; may be empty. */
struct text signatures_named_systems(const struct signatures *set);
/* Whether a system is in a label's `systems`; true if it does not say any. */
bool signatures_runs_on(
	const struct signature_label *program, const struct signature_label *system);
