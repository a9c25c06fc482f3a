/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-tap/tap.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "cmd/fb-tap/keeper.h"
#include "cmd/fb-tap/writer.h"
#include "sys/chan.h"

enum {
	BATCH_ENTRIES = 1024,
	BATCH_BYTES = 2 * 1024 * 1024,
	BATCH_BYTES_MIN = 64 * 1024,
	ENTRY_MIN = 32, /* an Enhanced Packet Block of nothing */
	NAP_MS = 5,
	IDLE_MS = 20,        /* ... when nothing came for a while */
	IDLE_AFTER = 100,    /* empty looks */
	QUIET_LOOKS = 20,    /* empty looks before a drain is over */
	PLENTY = 256 * 1024, /* bytes in the ring that are worth going on without a nap */
	SIDE_SIZE = 2 * RING_INTERFACES_MAX * 1024,
};

#define NS_PER_S  1000000000LL
#define RETRY_NS  NS_PER_S
#define CHORES_NS (100 * 1000000LL)

#define BUSY_BYTES_S 100000000ULL /* written a second: sealing waits */

/* What one writev takes: entries as they lie in the ring, and blocks of our own in `side`. It stays
 * until all of it is written. */
struct batch {
	struct iovec iov[BATCH_ENTRIES + 2];
	size_t n, at;
	size_t bytes;
	uint8_t side[SIDE_SIZE];
	size_t side_len;
	struct writer after; /* the writer's account when the batch is written */
	bool marker;         /* it ends with one */
};

struct tap {
	const struct tap_setup *setup;
	struct ring *ring;
	struct ring *records;
	struct writer writer;
	struct keeper *keeper;
	struct batch batch;
	size_t batch_bytes_max;
	bool bad;              /* the ring makes no sense: write what came before, then end */
	int failing;           /* -errno while the disk does not take blocks */
	int64_t next_try_ns;   /* while failing, or as soon as something was removed */
	uint64_t removed_then; /* segments, when it failed */
	uint64_t size_then;    /* of the segment, when room was asked for */
	int64_t next_chores_ns;
	uint64_t bytes_before; /* written when the last chores were done */
	unsigned empty_looks;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- records ---- */

static void put_record(struct tap *t, const struct record *record)
{
	struct ring_entry *entry;
	uint8_t *payload;
	int len;

	payload = t->records ? ring_reserve(t->records, RECORD_PLAIN_MAX, &entry) : NULL;
	if (!payload)
		return; /* the manifest and the files themselves still tell */
	len = record_pack(record, payload, RECORD_PLAIN_MAX);
	if (len < 0)
		return;
	entry->kind = RECORD_KIND_DATA;
	entry->time_ns = record->head.time_ns;
	ring_commit(t->records, (uint32_t)len);
}

static struct record new_record(enum reason reason)
{
	return (struct record){ .type = EVENT_CAPTURE,
		.head = { .time_ns = now_ns(CLOCK_REALTIME), .reason = (uint16_t)reason } };
}

static void tell_writer(struct tap *t, const char *action, enum reason reason, const char *detail)
{
	struct record record = new_record(reason);

	record.capture.segment = text_of(t->writer.name);
	record.capture.action = text_of(action);
	record.capture.bytes = t->writer.size;
	record.capture.first_packet = t->writer.first_id;
	record.capture.last_packet = t->writer.last_id;
	record.capture.detail = text_of(detail);
	put_record(t, &record);
}

static void tell_news(struct tap *t)
{
	struct keeper_news news;

	while (keeper_news(t->keeper, &news)) {
		bool removed = strcmp(news.action, "removed") == 0;
		struct record record = new_record(removed ? REASON_RETENTION : REASON_NONE);

		record.capture.segment = text_of(news.segment);
		record.capture.action = text_of(news.action);
		record.capture.bytes = news.bytes;
		record.capture.first_packet = news.first_packet;
		record.capture.last_packet = news.last_packet;
		if (news.error)
			record.capture.detail = text_of(strerror(-news.error));
		put_record(t, &record);
	}
}

/* ---- counts ---- */

static uint64_t total_frames(const struct writer *w)
{
	uint64_t frames = 0;

	for (uint32_t i = 0; i < RING_INTERFACES_MAX; i++)
		frames += w->account.frames[i];
	return frames;
}

static void update_counts(struct tap *t)
{
	volatile struct counts_tap *counts = t->setup->counts;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < RING_INTERFACES_MAX; i++)
		bytes += t->writer.account.bytes[i];
	counts->frames = total_frames(&t->writer);
	counts->last_packet = t->writer.place.known ? t->writer.place.seq : 0;
	counts->bytes = bytes;
}

/* ---- the disk fails and comes back ---- */

/* Where what was removed made no room (somebody holds it open, or a snapshot), the next one is not
 * removed at once: in a moment they would all be gone, for nothing. */
static void ask_for_room(struct tap *t, int error)
{
	int64_t now = now_ns(CLOCK_MONOTONIC);

	t->removed_then = keeper_removed(t->keeper);
	if (t->failing && t->writer.size == t->size_then && now < t->next_try_ns)
		return;
	t->next_try_ns = now + RETRY_NS;
	t->size_then = t->writer.size;
	keeper_set_urgent(t->keeper, error == -ENOSPC || error == -EDQUOT);
}

static void on_failure(struct tap *t, int error)
{
	ask_for_room(t, error);
	t->setup->counts->write_errno = (uint64_t)-error;
	if (t->failing == 0)
		tell_writer(t, "failing", REASON_DISK_FULL, strerror(-error));
	t->failing = error;
}

static void on_success(struct tap *t)
{
	if (t->failing == 0)
		return;
	t->failing = 0;
	keeper_set_urgent(t->keeper, false);
	t->setup->counts->write_errno = 0;
	tell_writer(t, "writing again", REASON_DISK_BACK, "");
}

/* ---- segments ---- */

static int open_segment(struct tap *t)
{
	int result = writer_open(&t->writer, now_ns(CLOCK_MONOTONIC));

	if (result < 0)
		return result;
	keeper_set_open(t->keeper, t->writer.number);
	t->setup->counts->segments++;
	memcpy(t->setup->counts->segment, t->writer.name, sizeof(t->writer.name));
	tell_writer(t, "opened", REASON_NONE, "");
	return 0;
}

static int close_segment(struct tap *t)
{
	int result = writer_close(&t->writer);

	if (result < 0)
		return result;
	keeper_set_open(t->keeper, t->writer.number + 1);
	tell_writer(t, "closed", REASON_NONE, "");
	return 0;
}

static bool is_due(const struct tap *t)
{
	const struct writer *w = &t->writer;

	if (w->packets == 0)
		return false;
	return w->size >= t->setup->segment_size ||
	       now_ns(CLOCK_MONOTONIC) - w->opened_mono_ns >=
		       (int64_t)t->setup->segment_time_s * NS_PER_S;
}

/* An open segment that may grow. */
static int prepare_segment(struct tap *t)
{
	int result = 0;

	if (t->writer.fd >= 0 && is_due(t))
		result = close_segment(t);
	if (result == 0 && t->writer.fd < 0)
		result = open_segment(t);
	return result;
}

/* ---- from the ring to the segment ---- */

static void add_iov(struct batch *b, const void *bytes, size_t len)
{
	b->iov[b->n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	b->bytes += len;
}

/* Entries are missing: said in the segment, at that place. */
static void add_gap(struct tap *t, const struct ring_entry *entry)
{
	struct batch *b = &t->batch;
	char comment[SEGMENT_COMMENT_MAX];
	struct pcapng_statistics statistics = { .time_ns = entry->time_ns,
		.start_ns = t->writer.start_ns,
		.end_ns = entry->time_ns,
		.delivered = b->after.account.frames[0],
		.comment = comment };
	struct record record = new_record(REASON_AUDIT_DIFFERS);
	size_t len;

	snprintf(comment, sizeof(comment), "gap: packets %" PRIu64 " to %" PRIu64 " are missing",
		b->after.place.seq + 1, entry->seq - 1);
	len = pcapng_put_statistics(b->side + b->side_len, &statistics);
	add_iov(b, b->side + b->side_len, len);
	b->side_len += len;
	record.capture.segment = text_of(t->writer.name);
	record.capture.action = text_of("gap");
	record.capture.detail = text_of(comment);
	put_record(t, &record);
}

static void add_frame(struct batch *b, const struct ring_entry *entry, const void *payload)
{
	struct writer *after = &b->after;
	uint16_t interface = entry->flags < RING_INTERFACES_MAX ? entry->flags : 0;

	add_iov(b, payload, entry->size);
	after->account.frames[interface]++;
	after->account.bytes[interface] += entry->size;
	if (after->packets++ == 0)
		after->first_id = entry->seq;
	after->last_id = entry->seq;
}

/* The counts at the marker, as statistics in the segment. */
static void add_marker(struct batch *b, const struct ring_entry *entry, const void *payload)
{
	size_t len;

	memset(&b->after.marker, 0, sizeof(b->after.marker));
	memcpy(&b->after.marker, payload,
		entry->size < sizeof(b->after.marker) ? entry->size : sizeof(b->after.marker));
	len = writer_statistics(&b->after, "mark", entry->time_ns, b->side + b->side_len);
	add_iov(b, b->side + b->side_len, len);
	b->side_len += len;
	b->marker = true;
}

/* Fills the batch with what the ring has, up to a marker. 1: there is something, 0, -EBADMSG. */
static int gather(struct tap *t)
{
	struct batch *b = &t->batch;
	struct ring_entry entry;
	const void *payload;
	int result = 0;

	b->n = b->at = b->bytes = b->side_len = 0;
	b->marker = false;
	b->after = t->writer;
	while (b->n < BATCH_ENTRIES && b->bytes < t->batch_bytes_max && !b->marker &&
		b->side_len < SIDE_SIZE / 2 &&
		(result = ring_peek(t->ring, &entry, &payload)) == 1) {
		if (b->after.place.known && entry.seq != b->after.place.seq + 1)
			add_gap(t, &entry);
		if (entry.kind != RING_MARKER &&
			(entry.kind != RING_FRAME || entry.size < ENTRY_MIN || entry.size % 4)) {
			t->bad = true;
			break;
		}
		b->after.place = (struct segment_place){ entry.seq, entry.time_ns, true };
		if (entry.kind == RING_MARKER)
			add_marker(b, &entry, payload);
		else
			add_frame(b, &entry, payload);
	}
	if (result < 0)
		t->bad = true;
	return b->n > 0 ? 1 : t->bad ? -EBADMSG : 0;
}

static int write_batch(struct tap *t)
{
	struct batch *b = &t->batch;
	int result = writer_append(&t->writer, b->iov, b->n, &b->at);

	if (result < 0)
		return result;
	b->after.size = t->writer.size;
	t->writer = b->after;
	b->n = 0;
	if (!t->bad) /* what is written is found again by its place */
		ring_release(t->ring);
	update_counts(t);
	if (b->marker && t->setup->marked)
		t->setup->marked(
			t->setup->context, t->writer.marker.marker, total_frames(&t->writer));
	return 0;
}

/* One step: 1 when something was written, 0 when there is nothing to do now, -EBADMSG. */
static int step(struct tap *t)
{
	int result;

	if (t->failing && now_ns(CLOCK_MONOTONIC) < t->next_try_ns &&
		keeper_removed(t->keeper) == t->removed_then)
		return 0;
	if (t->batch.n == 0 && t->bad)
		return -EBADMSG;
	if (t->batch.n == 0) {
		result = prepare_segment(t);
		if (result < 0) {
			on_failure(t, result);
			return 0;
		}
		result = gather(t);
		if (result < 1)
			return result;
	}
	result = write_batch(t);
	if (result < 0) {
		on_failure(t, result);
		return 0;
	}
	on_success(t);
	return 1;
}

/* Skips entries that the segments already hold. They can be told from those of a fresh ring, whose
 * numbers begin anew, by the time of the last one. */
static int skip_written(struct tap *t)
{
	struct segment_place *place = &t->writer.place;
	struct ring_entry entry;
	const void *payload;
	bool same = false, first = true;
	int result;

	if (!place->known)
		return 0;
	while ((result = ring_peek(t->ring, &entry, &payload)) == 1) {
		/* A fresh ring, or one that goes on right behind: nothing to skip. */
		if (entry.seq > place->seq)
			break;
		first = false;
		if (entry.seq == place->seq) {
			same = entry.time_ns == place->time_ns;
			break;
		}
	}
	if (result < 0)
		return result;
	if (same)
		ring_release(t->ring);
	t->ring = ring_free(t->ring);
	/* Numbers that begin anew are no gap. */
	if (!same && !first)
		place->known = false;
	return ring_open(t->setup->ring, t->setup->ring_size, &t->ring);
}

/* ---- the loop ---- */

static enum tap_order ask(const struct tap *t)
{
	return t->setup->order ? t->setup->order(t->setup->context) : TAP_GO;
}

static void chores(struct tap *t)
{
	int64_t now = now_ns(CLOCK_MONOTONIC), since;
	uint64_t bytes = t->setup->counts->bytes;

	if (now < t->next_chores_ns)
		return;
	since = now - (t->next_chores_ns - CHORES_NS); /* the last chores */
	keeper_set_busy(
		t->keeper, bytes - t->bytes_before > BUSY_BYTES_S * (uint64_t)since / NS_PER_S);
	t->bytes_before = bytes;
	t->next_chores_ns = now + CHORES_NS;
	tell_news(t);
	t->setup->counts->stored = keeper_stored(t->keeper);
	t->setup->counts->removed = keeper_removed(t->keeper);
}

static void nap(struct tap *t)
{
	struct pollfd wait[2] = {
		{ .fd = t->setup->wake_fd, .events = POLLIN },
		{ .fd = t->setup->order_fd, .events = POLLIN },
	};
	uint64_t count;

	if (poll(wait, 2, t->empty_looks < IDLE_AFTER ? NAP_MS : IDLE_MS) > 0 &&
		wait[0].revents & POLLIN) {
		ssize_t n = read(t->setup->wake_fd, &count, sizeof(count));

		(void)n; /* the count does not matter */
	}
}

static int loop(struct tap *t)
{
	enum tap_order order = TAP_GO;
	int64_t next_ask_ns = 0;
	int result;

	for (;;) {
		int64_t now = now_ns(CLOCK_MONOTONIC);

		if (order == TAP_GO && now >= next_ask_ns) {
			order = ask(t);
			next_ask_ns = now + NAP_MS * 1000000LL;
		}
		result = step(t);
		if (result < 0)
			return result;
		chores(t);
		t->empty_looks = result == 1 ? 0 : t->empty_looks + 1;
		if (order == TAP_DRAIN && t->empty_looks >= QUIET_LOOKS)
			return 0;
		if (result == 0 || ring_used(t->ring) < PLENTY)
			nap(t);
	}
}

/* Keeper and writer need the disk: tried each second until it answers. */
static int start(struct tap *t)
{
	const struct tap_setup *setup = t->setup;
	bool fresh = setup->counts->segments == 0;
	int result =
		setup->records && ring_open(setup->records, setup->records_size, &t->records) < 0
			? -EBADMSG
			: ring_open(setup->ring, setup->ring_size, &t->ring);

	if (result < 0)
		return result;
	for (;;) {
		if (!t->keeper)
			result = keeper_new(setup, &t->keeper);
		else
			result = 0;
		if (result == 0)
			result = writer_resume(
				&t->writer, setup, keeper_last_number(t->keeper), fresh);
		if (result == 0)
			break;
		setup->counts->write_errno = (uint64_t)-result;
		if (ask(t) == TAP_DRAIN)
			return result;
		sleep(1);
	}
	setup->counts->write_errno = 0;
	if (t->writer.fd >= 0) /* killed between making it and telling so */
		memcpy(setup->counts->segment, t->writer.name, sizeof(t->writer.name));
	t->writer.opened_mono_ns = now_ns(CLOCK_MONOTONIC);
	keeper_set_open(t->keeper, t->writer.fd >= 0 ? t->writer.number : t->writer.number + 1);
	update_counts(t);
	result = keeper_start(t->keeper);
	return result < 0 ? result : skip_written(t);
}

/* Closes the segment; what could not be written stays in the ring for the next start. */
static void finish(struct tap *t)
{
	if (t->writer.fd >= 0 && t->batch.n == 0) {
		(void)close_segment(t);
		if (t->writer.fd >= 0)
			close(t->writer.fd);
	}
	keeper_stop(t->keeper);
	tell_news(t);
}

int tap_run(const struct tap_setup *setup)
{
	struct tap *t = calloc(1, sizeof(*t));
	int result;

	if (!t)
		return -ENOMEM;
	t->setup = setup;
	t->writer.fd = -1;
	t->batch_bytes_max =
		setup->segment_size / 4 < BATCH_BYTES ? setup->segment_size / 4 : BATCH_BYTES;
	if (t->batch_bytes_max < BATCH_BYTES_MIN)
		t->batch_bytes_max = BATCH_BYTES_MIN;
	result = start(t);
	if (result == 0) {
		result = loop(t);
		finish(t);
	}
	keeper_free(t->keeper);
	ring_free(t->ring);
	ring_free(t->records);
	free(t);
	return result;
}
