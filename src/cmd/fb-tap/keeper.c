/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-tap/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "capture/reader.h"
#include "capture/zfile.h"

enum { NEWS_MAX = 64, NAP_MS = 200, LAST_WORK_S = 4, PATIENCE_S = 30 };

static const struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };

static const char part_suffix[] = ".part";

struct keeper {
	const struct tap_setup *setup;
	struct manifest *manifest;
	pthread_t thread;
	bool running;
	_Atomic uint64_t open_number;
	_Atomic uint64_t stored, removed;
	_Atomic bool urgent, stop, busy;
	sem_t wake;               /* what is asked for cannot wait for the end of a nap */
	int64_t patient_until_ns; /* while busy; 0: not busy when last looked */
	uint64_t written_before;  /* the writer's bytes when `stored` was counted */
	int64_t give_up_ns;       /* after stop: when to leave the rest to the next start */
	bool failed;              /* the last work failed and was told */
	pthread_mutex_t lock;     /* of the news */
	struct keeper_news news[NEWS_MAX];
	size_t n_news;
};

static int64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Room for what a busy writer adds while nothing is sealed, and so nothing can be removed. */
static bool has_room(const struct keeper *k)
{
	uint64_t since = k->setup->counts->bytes - k->written_before;
	struct statvfs fs;

	return atomic_load(&k->stored) + since < k->setup->budget / 2 &&
	       fstatvfs(k->setup->dir_fd, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * fs.f_frsize / 4 > k->setup->keep_free;
}

/* Even at idle priority, reading and hashing takes memory bandwidth from the frame path. A burst of
 * traffic is waited for; a flood that goes on is not. */
static void wait_for_quiet(struct keeper *k)
{
	if (!atomic_load(&k->busy)) {
		k->patient_until_ns = 0;
		return;
	}
	if (k->patient_until_ns == 0)
		k->patient_until_ns = mono_ns() + PATIENCE_S * 1000000000LL;
	while (atomic_load(&k->busy) && !atomic_load(&k->stop) && !atomic_load(&k->urgent) &&
		mono_ns() < k->patient_until_ns && has_room(k))
		nanosleep(&nap, NULL);
}

/* Asked between pieces of long work. */
static bool must_stop(void *context)
{
	struct keeper *k = context;

	wait_for_quiet(k);
	if (!atomic_load(&k->stop))
		return atomic_load(&k->urgent);
	if (k->give_up_ns == 0)
		k->give_up_ns = mono_ns() + LAST_WORK_S * 1000000000LL;
	return mono_ns() > k->give_up_ns;
}

/* A full queue loses news: the manifest has them all. */
static void tell(struct keeper *k, const char *action, const struct manifest_line *line, int error)
{
	struct keeper_news news = { .action = action,
		.bytes = line->bytes,
		.error = error,
		.first_packet = line->first_packet,
		.last_packet = line->last_packet };

	memcpy(news.segment, line->name, sizeof(news.segment));
	pthread_mutex_lock(&k->lock);
	if (k->n_news < NEWS_MAX)
		k->news[k->n_news++] = news;
	pthread_mutex_unlock(&k->lock);
}

static void tell_failure(
	struct keeper *k, const char *action, const struct manifest_line *line, int error)
{
	if (!k->failed)
		tell(k, action, line, error);
	k->failed = true;
}

bool keeper_news(struct keeper *k, struct keeper_news *ret_news)
{
	bool have = false;

	/* Never waits: the other thread may be holding the lock without a processor. */
	if (pthread_mutex_trylock(&k->lock) != 0)
		return false;
	if (k->n_news > 0) {
		*ret_news = k->news[0];
		memmove(k->news, k->news + 1, --k->n_news * sizeof(*k->news));
		have = true;
	}
	pthread_mutex_unlock(&k->lock);
	return have;
}

/* Which packets begin in which piece, and what the segment holds. */
static int describe_packets(struct keeper *k, int fd, struct manifest_line *line)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	int result = capture_reader_new(fd, &reader);

	if (result < 0)
		return result;
	while ((result = capture_reader_next(reader, &packet)) == 1) {
		size_t number = (size_t)(packet.offset / MANIFEST_PIECE);
		struct manifest_piece *piece =
			number < line->n_pieces ? &line->piece[number] : NULL;

		if (line->packets++ == 0) {
			line->first_packet = packet.id;
			line->first_ns = line->last_ns = packet.time_ns;
		}
		line->last_packet = packet.id;
		line->first_ns = packet.time_ns < line->first_ns ? packet.time_ns : line->first_ns;
		line->last_ns = packet.time_ns > line->last_ns ? packet.time_ns : line->last_ns;
		if (piece && !piece->has_packet) {
			piece->has_packet = true;
			piece->first_packet = packet.id;
			if (must_stop(k)) {
				result = -ECANCELED;
				break;
			}
		}
	}
	capture_reader_free(reader);
	/* Sealed as it is even when it cannot be read to its end: then that is what is proven. */
	return result == -EBADMSG ? 0 : result;
}

static ssize_t read_fd(void *context, void *buf, size_t n)
{
	ssize_t got = read(*(int *)context, buf, n);

	return got < 0 ? -errno : got;
}

/* Bytes and hashes of an open file; for a segment its packets too. */
static int describe(struct keeper *k, int fd, bool packets, struct manifest_line *ret_line)
{
	struct manifest_line line;
	int result;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	result = manifest_describe(read_fd, &fd, must_stop, k, &line);
	if (result < 0)
		return result;
	if (packets && lseek(fd, 0, SEEK_SET) < 0)
		result = -errno;
	else if (packets)
		result = describe_packets(k, fd, &line);
	if (result < 0)
		manifest_line_done(&line);
	else
		*ret_line = line;
	return result;
}

static int seal(struct keeper *k, const struct segment *segment)
{
	int fd = openat(k->setup->dir_fd, segment->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct manifest_line line = { 0 };
	int result = fd < 0 ? -errno : describe(k, fd, true, &line);

	snprintf(line.name, sizeof(line.name), "%s", segment->name);
	line.kind = MANIFEST_SEALED;
	if (result == 0 && fdatasync(fd) < 0)
		result = -errno;
	if (result == 0)
		result = manifest_add(k->manifest, &line);
	if (result == 0)
		tell(k, "sealed", &line, 0);
	else if (result != -ECANCELED)
		tell_failure(k, "sealed", &line, result);
	if (fd >= 0)
		close(fd);
	manifest_line_done(&line);
	return result;
}

/* Writes NAME.zst.part and describes it. */
static int pack(struct keeper *k, const struct segment *segment, const char *part,
	struct manifest_line *line)
{
	int dir = k->setup->dir_fd, result;
	int from = openat(dir, segment->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int to = openat(dir, part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

	result = from < 0 || to < 0 ? -errno : zfile_compress(from, to, must_stop, k);
	if (result == 0 && fdatasync(to) < 0)
		result = -errno;
	if (result == 0)
		result = describe(k, to, false, line);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return result;
}

static int compress(struct keeper *k, const struct segment *segment)
{
	struct manifest_line line = { 0 };
	char packed[MANIFEST_NAME_MAX], part[MANIFEST_NAME_MAX + 8];
	int dir = k->setup->dir_fd, result;

	snprintf(packed, sizeof(packed), "%s.zst", segment->name);
	snprintf(part, sizeof(part), "%s%s", packed, part_suffix);
	result = pack(k, segment, part, &line);
	memcpy(line.name, packed, sizeof(line.name));
	line.kind = MANIFEST_COMPRESSED;
	if (result == 0)
		result = manifest_add(k->manifest, &line);
	if (result == 0 && renameat(dir, part, dir, packed) < 0)
		result = -errno;
	if (result == 0) {
		unlinkat(dir, segment->name, 0);
		tell(k, "compressed", &line, 0);
	} else {
		unlinkat(dir, part, 0);
		if (result != -ECANCELED)
			tell_failure(k, "compressed", &line, result);
	}
	manifest_line_done(&line);
	return result;
}

/* The line comes first: a crash between leaves a file too many, which the next start removes. Only
 * on a disk too full for a line the file goes first. */
static int discard(struct keeper *k, const struct segment *segment)
{
	struct manifest_line line = { .kind = MANIFEST_REMOVED,
		.bytes = segment->bytes,
		.was_sealed = manifest_state(k->manifest, segment->number) & MANIFEST_SEALED };
	char packed[MANIFEST_NAME_MAX];
	int dir = k->setup->dir_fd, result;

	memcpy(line.name, segment->name, sizeof(segment->name));
	snprintf(packed, sizeof(packed), "%s.zst", segment->name);
	result = manifest_add(k->manifest, &line);
	if (result < 0 && result != -ENOSPC && result != -EDQUOT)
		return result;
	if ((segment->plain && unlinkat(dir, segment->name, 0) < 0) ||
		(segment->compressed && unlinkat(dir, packed, 0) < 0))
		return -errno;
	if (result < 0)
		result = manifest_add(k->manifest, &line);
	atomic_fetch_add(&k->removed, 1);
	tell(k, "removed", &line, result);
	return 0;
}

static uint64_t total_bytes(const struct segment *segment, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += segment[i].bytes;
	return total;
}

/* Removes what the budget asks for; sealed ones only unless the disk is full. True when it removed. */
static bool retain(struct keeper *k, const struct segment *segment, size_t n)
{
	uint64_t free_bytes = UINT64_MAX;
	bool urgent = atomic_load(&k->urgent);
	struct statvfs fs;
	int i;

	if (fstatvfs(k->setup->dir_fd, &fs) == 0)
		free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	i = segment_to_remove(segment, n, k->setup->budget, urgent ? 0 : free_bytes,
		urgent ? UINT64_MAX : k->setup->keep_free);
	if (i < 0 || segment[i].number >= atomic_load(&k->open_number))
		return false;
	if (!urgent && !(manifest_state(k->manifest, segment[i].number) & MANIFEST_SEALED))
		return false;
	if (discard(k, &segment[i]) < 0)
		return false;
	/* One a time, until the writer has tried again. */
	atomic_store(&k->urgent, false);
	return true;
}

/* What a crash between two steps left. */
static void tidy(struct keeper *k, const struct segment *segment)
{
	unsigned state = manifest_state(k->manifest, segment->number);
	char packed[MANIFEST_NAME_MAX];

	snprintf(packed, sizeof(packed), "%s.zst", segment->name);
	if (state & MANIFEST_REMOVED) {
		if (segment->plain)
			unlinkat(k->setup->dir_fd, segment->name, 0);
		if (segment->compressed)
			unlinkat(k->setup->dir_fd, packed, 0);
	} else if (segment->plain && segment->compressed && (state & MANIFEST_COMPRESSED)) {
		unlinkat(k->setup->dir_fd, segment->name, 0);
	}
}

/* One step for the oldest segment that needs one. True when something was done. */
static bool work_on(struct keeper *k, const struct segment *segment, size_t n)
{
	for (size_t i = 0; i < n && segment[i].number < atomic_load(&k->open_number); i++) {
		unsigned state = manifest_state(k->manifest, segment[i].number);

		tidy(k, &segment[i]);
		if (must_stop(k))
			return false;
		if (state & MANIFEST_REMOVED)
			continue;
		if (!(state & MANIFEST_SEALED) && segment[i].plain)
			return seal(k, &segment[i]) == 0;
		if (k->setup->compress && segment[i].plain && !segment[i].compressed &&
			(state & MANIFEST_SEALED) && !atomic_load(&k->stop))
			return compress(k, &segment[i]) == 0;
	}
	return false;
}

static bool work(struct keeper *k)
{
	struct segment *segment;
	size_t n;
	bool done;

	if (segment_list(k->setup->dir_fd, &segment, &n) < 0)
		return false;
	k->written_before = k->setup->counts->bytes;
	atomic_store(&k->stored, total_bytes(segment, n));
	done = retain(k, segment, n);
	if (!done && work_on(k, segment, n)) {
		done = true;
		k->failed = false;
	}
	free(segment);
	return done;
}

static void take_nap(struct keeper *k)
{
	int64_t until_ns = mono_ns() + NAP_MS * 1000000LL;
	struct timespec until = { .tv_sec = until_ns / 1000000000,
		.tv_nsec = until_ns % 1000000000 };

	sem_clockwait(&k->wake, CLOCK_MONOTONIC, &until);
}

static void *run(void *context)
{
	struct keeper *k = context;
	struct sched_param none = { 0 };

	sched_setscheduler(0, SCHED_IDLE, &none);
	for (;;) {
		bool stopping = atomic_load(&k->stop);

		if (work(k) && !(stopping && must_stop(k)))
			continue;
		if (stopping)
			return NULL;
		take_nap(k);
	}
}

/* Compressed files that a crash left unfinished. */
static void remove_parts(int dir_fd)
{
	struct segment *segment;
	size_t n;

	if (segment_list(dir_fd, &segment, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		char part[MANIFEST_NAME_MAX + 8];

		snprintf(part, sizeof(part), "%s.zst%s", segment[i].name, part_suffix);
		unlinkat(dir_fd, part, 0);
	}
	free(segment);
}

int keeper_new(const struct tap_setup *setup, struct keeper **ret_keeper)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int result;

	if (!k)
		return -ENOMEM;
	k->setup = setup;
	pthread_mutex_init(&k->lock, NULL);
	sem_init(&k->wake, 0, 0);
	result = manifest_open(setup->dir_fd, setup->has_key ? &setup->key : NULL, &k->manifest);
	if (result < 0) {
		free(k);
		return result;
	}
	remove_parts(setup->dir_fd);
	*ret_keeper = k;
	return 0;
}

uint64_t keeper_last_number(const struct keeper *k)
{
	return manifest_last_number(k->manifest);
}

int keeper_start(struct keeper *k)
{
	int result = -pthread_create(&k->thread, NULL, run, k);

	k->running = result == 0;
	return result;
}

void keeper_set_open(struct keeper *k, uint64_t number)
{
	atomic_store(&k->open_number, number);
}

void keeper_set_urgent(struct keeper *k, bool urgent)
{
	if (!atomic_exchange(&k->urgent, urgent) && urgent)
		sem_post(&k->wake);
}

void keeper_set_busy(struct keeper *k, bool busy)
{
	atomic_store(&k->busy, busy);
}

uint64_t keeper_stored(const struct keeper *k)
{
	return atomic_load(&k->stored);
}

uint64_t keeper_removed(const struct keeper *k)
{
	return atomic_load(&k->removed);
}

void keeper_stop(struct keeper *k)
{
	atomic_store(&k->urgent, false);
	atomic_store(&k->stop, true);
	sem_post(&k->wake);
	if (k->running)
		pthread_join(k->thread, NULL);
	k->running = false;
}

struct keeper *keeper_free(struct keeper *k)
{
	if (k) {
		keeper_stop(k);
		manifest_close(k->manifest);
		sem_destroy(&k->wake);
		pthread_mutex_destroy(&k->lock);
		free(k);
	}
	return NULL;
}
