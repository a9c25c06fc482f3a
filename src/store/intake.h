/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake - what fb-store does: takes packed records out of the rings, gives them their numbers, writes
 * the journal, feeds the databases and the sinks, indexes closed segments.
 *
 * A ring entry is given back only when its line is in the journal; after a crash the journal's tail
 * tells which entries are there already. While the journal cannot be written (disk full, read-only)
 * the records stay in the rings; intake tries again each second and records the gap afterwards. An
 * ill-formed record is counted, recorded as a control record, and skipped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/counts.h"

struct intake;
struct manifest_key;
struct ring;
struct sinks;

#define INTAKE_SOURCES_MAX 5

struct intake_source {
	const char *origin; /* "gate" (the first one: its flow records are summed), "tap", ... */
	struct ring *ring;  /* the caller's */
};

/* An audit marker was reached: everything before it is in the journal. `payload` as in the ring. */
typedef void intake_marker_fn(void *context, const void *payload, uint32_t size);

struct intake_setup {
	int journal_dir_fd; /* all descriptors stay the caller's */
	int db_dir_fd;
	int capture_dir_fd;                     /* -1: no segments are indexed */
	const struct manifest_key *journal_key; /* NULL: the journal's head is not signed */
	uint64_t journal_budget;
	uint64_t database_budget;
	const char *honeynet;
	uint64_t boot;
	struct intake_source source[INTAKE_SOURCES_MAX];
	size_t n_sources;
	struct counts_store *counts; /* lives as long as the rings */
	struct sinks *sinks;         /* may be NULL */
	intake_marker_fn *marker;    /* may be NULL */
	void *marker_context;
};

/* -ENOMEM. Opens nothing yet: intake_step does, and tries again when it fails. */
int intake_new(const struct intake_setup *setup, struct intake **ret_intake);
/* One round: true when there is more to do at once, false when the rings are empty (or the journal
 * cannot be written): then wait some 50 ms. `now_ns` is CLOCK_MONOTONIC. */
bool intake_step(struct intake *intake, int64_t now_ns);
/* Nothing waits in the rings and everything is in the journal. */
bool intake_is_drained(const struct intake *intake);
/* Commits what can be committed and finishes the databases. */
struct intake *intake_close(struct intake *intake);
