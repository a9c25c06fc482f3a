/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - compares the capture directory with its manifest. Every byte of the manifest is covered by
 * a signature or the chain, every byte of a sealed file by the hash of its piece, so any change is
 * found and its place is named.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/manifest.h"

enum verify_kind {
	VERIFY_CHANGED,    /* bytes from..to of a file are not what was sealed */
	VERIFY_MISSING,    /* a file that was sealed and not removed by retention */
	VERIFY_EXTRA,      /* a file that nothing in the manifest explains */
	VERIFY_UNREADABLE, /* could not be read: an error of the disk, not of the content */
	VERIFY_LINE,       /* a line of the manifest was changed, or is not from this key */
	VERIFY_CHAIN,      /* a line was taken out, put in or moved before this one */
	VERIFY_UNSEALED,   /* not sealed yet: said, no fault */
	VERIFY_LEFTOVER,   /* removed by retention and still there: said, no fault */
};

struct verify_finding {
	enum verify_kind kind;
	bool fault;
	const char *file;
	uint64_t line;     /* of the manifest, from 1; 0: none */
	uint64_t from, to; /* bytes, both included; to < from: no range */
	bool has_packets;
	uint64_t first_packet, last_packet; /* ids that lie in the range, at least in part */
	const char *text;
};

struct verify_totals {
	uint64_t lines;
	uint64_t segments; /* compared with what was sealed */
	uint64_t bytes;    /* read for it */
	uint64_t packets;  /* in them by the manifest */
	uint64_t removed;  /* by retention */
	uint64_t unsealed;
	uint64_t faults;
};

struct verify_setup {
	int dir_fd;
	uint8_t public[MANIFEST_PUBLIC_LEN];
	void (*finding)(void *context, const struct verify_finding *finding);
	void (*progress)(void *context, uint64_t done, uint64_t all); /* bytes; may be NULL */
	void *context;
};

/* 0 when everything could be looked at (ret_totals->faults tells what was found), or -errno. */
int verify_run(const struct verify_setup *setup, struct verify_totals *ret_totals);
const char *verify_kind_name(enum verify_kind kind);
