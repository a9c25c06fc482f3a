/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"
#include "base/ring.h"
#include "conf/conf.h"
#include "sys/chan.h"
#include "vault/ledger.h"

enum { NAP_MS = 20, SHA = 32, SUBDIRS = 256, TRIM_EACH = 1000, HOLES_JSON = 2048 };

#define NS_PER_S   INT64_C(1000000000)
#define NS_PER_DAY (86400 * NS_PER_S)

/* Why a file is not kept, and what else is told. The numbers are in the ledger: they never change. */
enum tell {
	TELL_NOTHING,
	TELL_LARGEST,
	TELL_DISK,
	TELL_BUDGET,
	TELL_COUNT,
	TELL_SOURCE_BYTES,
	TELL_SOURCE_FILES,
	TELL_GROWTH,
	TELL_UPLOADS,
	TELL_OPEN,
	TELLS
};

static const struct {
	enum reason reason;
	const char *why;  /* in the record of the file */
	const char *text; /* in the control record */
} tells[TELLS] = {
	[TELL_LARGEST] = { REASON_FILES_BUDGET, "largest",
		"a file is larger than files { largest }: it is not kept" },
	[TELL_DISK] = { REASON_DISK_FULL, "disk",
		"a file could not be written to the disk: it is not kept" },
	[TELL_BUDGET] = { REASON_FILES_BUDGET, "budget",
		"files { budget } is used up: those seen last longest ago go" },
	[TELL_COUNT] = { REASON_FILES_BUDGET, "count",
		"files { count } is reached: those seen last longest ago go" },
	[TELL_SOURCE_BYTES] = { REASON_FILES_BUDGET, "source_bytes",
		"files { source_bytes } of a sender is used up today: no more new ones of it are "
		"kept" },
	[TELL_SOURCE_FILES] = { REASON_FILES_BUDGET, "source_files",
		"files { source_files } of a sender is reached today: no more new ones of it are "
		"kept" },
	[TELL_GROWTH] = { REASON_FILES_GROWTH, "",
		"ALARM: more new content than files { growth } was kept" },
	[TELL_UPLOADS] = { REASON_FILES_GROWTH, "",
		"ALARM: more files than files { uploads } were carried" },
	[TELL_OPEN] = { REASON_FILES_BUDGET, "open",
		"files that are being carried take all of files { budget }: one is not kept" },
};

/* What is known of a file that has ended. */
struct found {
	const struct spool_file *file;
	struct record record; /* of its last piece */
	struct ledger_sighting sighting;
	struct look_sums sums;
	char magic[LOOK_MAGIC_MAX];
	char sha256[2 * SHA + 1], sha1[41], md5[33];
	char more[LOOK_JSON_MAX + HOLES_JSON];
};

struct vault {
	struct vault_setup setup;
	struct spool spool;
	struct ledger *ledger;
	int open_fd;
	uint64_t said;  /* records of the step that are in the ring already */
	bool given_up;  /* the step cannot be finished: it will be done again */
	bool poisoned;  /* what is finished now is not examined */
	uint64_t ended; /* files since the start */
	struct found found;
	uint8_t piece[PIECE_MAX];
	uint8_t packed[RECORD_PACKED_MAX];
};

static void barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- directories ---- */

static void subdir_name(unsigned n, char ret_name[static 4])
{
	snprintf(ret_name, 4, "%02x", n & 0xff);
}

int vault_prepare(int dir_fd)
{
	char name[4];

	if (mkdirat(dir_fd, "open", 0700) < 0 && errno != EEXIST)
		return -errno;
	for (unsigned i = 0; i < SUBDIRS; i++) {
		subdir_name(i, name);
		if (mkdirat(dir_fd, name, 0750) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

size_t vault_sha256_read(const char *text, uint8_t ret_sha256[static 32])
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF"), n = digits / 2;

	if (text[digits] || digits % 2 || n > SHA)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + 2 * i, "%2" SCNx8, &ret_sha256[i]) != 1)
			return 0;
	return n;
}

void vault_path(const uint8_t sha256[static 32], char ret_path[static VAULT_PATH_MAX])
{
	struct out o = out_make(ret_path, VAULT_PATH_MAX);

	out_hex(&o, sha256, 1);
	out_char(&o, '/');
	out_hex(&o, sha256, SHA);
}

static bool is_there(const struct vault *v, const uint8_t *sha256)
{
	char path[VAULT_PATH_MAX];

	vault_path(sha256, path);
	return faccessat(v->setup.dir_fd, path, F_OK, 0) == 0;
}

static int remove_content(const struct vault *v, const uint8_t *sha256)
{
	char path[VAULT_PATH_MAX];

	vault_path(sha256, path);
	return unlinkat(v->setup.dir_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int sync_subdir(const struct vault *v, uint8_t n)
{
	char name[4];
	int fd, r;

	subdir_name(n, name);
	fd = openat(v->setup.dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Its bytes go from the spool to where they stay, if they are not there. */
static int put_in_place(const struct vault *v, unsigned slot, int fd, const uint8_t *sha256)
{
	char from[8], to[VAULT_PATH_MAX];

	if (is_there(v, sha256))
		return 0;
	spool_name(slot, from);
	vault_path(sha256, to);
	if (fchmod(fd, 0440) < 0 || fsync(fd) < 0 ||
		renameat(v->open_fd, from, v->setup.dir_fd, to) < 0)
		return -errno;
	return sync_subdir(v, sha256[0]);
}

/* ---- the place ---- */

static const struct vault_place *place(const struct vault *v)
{
	return &v->setup.state->place[v->setup.state->current & 1];
}

static void put_place(struct vault *v, const struct vault_place *next)
{
	struct vault_state *state = v->setup.state;
	uint64_t other = !(state->current & 1);

	state->place[other] = *next;
	barrier();
	state->current = other;
	barrier();
}

static void move_to(struct vault *v, struct vault_place next)
{
	next.record = v->setup.records ? ring_next_seq(v->setup.records) : 0;
	put_place(v, &next);
	v->said = 0;
}

/* ---- records ---- */

static void *reserve(struct vault *v, uint32_t size, struct ring_entry **ret_entry)
{
	void *payload = ring_reserve(v->setup.records, size, ret_entry);

	while (!payload && v->setup.wait(v->setup.context, NAP_MS))
		payload = ring_reserve(v->setup.records, size, ret_entry);
	return payload;
}

static void emit(struct vault *v, const struct record *record)
{
	struct ring_entry *entry;
	void *payload;
	int size;

	if (v->given_up || !v->setup.records)
		return;
	size = record_pack(record, v->packed, sizeof(v->packed));
	if (size < 0) {
		v->setup.counts->refused++;
		return;
	}
	if (v->said > 0) {
		v->said--;
		return;
	}
	payload = reserve(v, (uint32_t)size, &entry);
	if (!payload) {
		v->given_up = true;
		return;
	}
	memcpy(payload, v->packed, (size_t)size);
	entry->kind = RECORD_KIND_DATA;
	entry->time_ns = record->head.time_ns;
	ring_commit(v->setup.records, (uint32_t)size);
	v->setup.counts->records++;
}

static void tell(struct vault *v, const struct found *f, enum tell what)
{
	struct record record = { .type = EVENT_CONTROL,
		.head = { .time_ns = f->sighting.time_ns, .reason = (uint16_t)tells[what].reason },
		.control = { .process = text_of("fb-vault") } };
	char detail[256], address[IP_TEXT_MAX];
	struct out o = out_make(detail, sizeof(detail));

	out_str(&o, tells[what].text);
	if (!ip_is_unset(&f->record.head.src))
		out_fmt(&o, "; sender %s", ip_text(&f->record.head.src, address));
	out_fmt(&o, ", %" PRIu64 " bytes", f->file->size);
	record.control.detail = text_of(detail);
	emit(v, &record);
}

static void tell_file(struct vault *v, struct found *f)
{
	const struct ledger_sighting *s = &f->sighting;
	struct event_file *out = &f->record.file;

	/* All but its name is ours to say. */
	*out = (struct event_file){ .name = out->name,
		.sha256 = text_of(f->sha256),
		.sha1 = text_of(f->sha1),
		.md5 = text_of(f->md5),
		.size = f->file->size,
		.entropy = f->sums.entropy,
		.magic = text_of(f->magic),
		.is_new = s->is_new,
		.stored = s->stored,
		.why = text_of(s->stored || s->why >= TELLS || !tells[s->why].why
				       ? ""
				       : tells[s->why].why),
		.cut = f->file->ended == 2,
		.more = text_of(f->more) };
	emit(v, &f->record);
}

/* ---- looking ---- */

struct content {
	int fd;
	uint8_t *bytes; /* NULL: none */
	size_t len;
};

static void close_content(struct content *c)
{
	if (c->bytes)
		munmap(c->bytes, c->len);
	if (c->fd >= 0)
		close(c->fd);
}

/* In the spool, or in its place already. */
static int open_content(const struct vault *v, unsigned slot, const uint8_t *sha256)
{
	char name[VAULT_PATH_MAX];
	int fd;

	spool_name(slot, name);
	fd = openat(v->open_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && sha256) {
		vault_path(sha256, name);
		fd = openat(v->setup.dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int map_content(const struct spool_file *file, struct content *c)
{
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return -errno;
	/* A hole at the end. */
	if ((uint64_t)st.st_size != file->size && ftruncate(c->fd, (off_t)file->size) < 0)
		return -errno;
	c->len = (size_t)file->size;
	if (c->len == 0)
		return 0;
	c->bytes = mmap(NULL, c->len, PROT_READ, MAP_PRIVATE, c->fd, 0);
	if (c->bytes != MAP_FAILED)
		return 0;
	c->bytes = NULL;
	return -errno;
}

static void put_holes(const struct spool_file *file, struct out *o)
{
	struct spool_range hole;

	if (!spool_hole(file, 0, &hole))
		return;
	out_str(o, "\"holes\":[");
	for (unsigned n = 0; spool_hole(file, n, &hole); n++)
		out_fmt(o, "%s[%" PRIu64 ",%" PRIu64 "]", n ? "," : "", hole.from, hole.to);
	out_str(o, "],");
	if (file->merged)
		out_str(o, "\"more_holes\":true,");
}

/* What foreign libraries say: if they have ended the process again and again, they are not asked. */
static void ask_libraries(struct vault *v, struct found *f, const struct content *c, struct out *o)
{
	static const uint8_t nothing[1];
	const uint8_t *bytes = c->bytes ? c->bytes : nothing;

	f->magic[0] = '\0';
	if (v->poisoned) {
		out_str(o, "\"unexamined\":\"it ended fb-vault\",");
		v->setup.counts->poison++;
		return;
	}
	v->setup.state->trying = 1;
	barrier();
	snprintf(f->magic, sizeof(f->magic), "%s", look_magic(v->setup.look, bytes, c->len));
	look_members(v->setup.look, bytes, c->len, o);
	barrier();
	v->setup.state->trying = v->setup.state->died = 0;
}

static void hex(char *to, size_t size, const uint8_t *bytes, size_t len)
{
	struct out o = out_make(to, size);

	out_hex(&o, bytes, len);
}

static int examine(struct vault *v, struct found *f, const struct content *c)
{
	struct out o = out_make(f->more, sizeof(f->more));
	int r = look_sums(v->setup.look, c->bytes, c->len, &f->sums);

	if (r < 0)
		return r;
	hex(f->sha256, sizeof(f->sha256), f->sums.sha256, sizeof(f->sums.sha256));
	hex(f->sha1, sizeof(f->sha1), f->sums.sha1, sizeof(f->sums.sha1));
	hex(f->md5, sizeof(f->md5), f->sums.md5, sizeof(f->sums.md5));
	put_holes(f->file, &o);
	ask_libraries(v, f, c, &o);
	if (o.len > 0)
		f->more[o.len - 1] = '\0'; /* the last comma */
	return 0;
}

/* ---- budgets ---- */

static int64_t day_of(int64_t time_ns)
{
	return time_ns / NS_PER_DAY;
}

/* Each once a day. */
static int note_telling(struct vault *v, struct ledger_sighting *s, enum tell what)
{
	char name[24];

	snprintf(name, sizeof(name), "told_%d", (int)what);
	if (ledger_number(v->ledger, name, -1) == day_of(s->time_ns))
		return 0;
	s->told |= 1u << what;
	return ledger_set_number(v->ledger, name, day_of(s->time_ns));
}

/* An alarm goes off once in a period. */
static int count_for_alarm(struct vault *v, struct ledger_sighting *s, enum tell what, uint64_t add,
	uint64_t limit, uint32_t period_s)
{
	int64_t window = s->time_ns / NS_PER_S / (period_s ? period_s : 1), sum;
	char when[24], much[24];
	int r;

	snprintf(when, sizeof(when), "window_%d", (int)what);
	snprintf(much, sizeof(much), "sum_%d", (int)what);
	sum = ledger_number(v->ledger, much, 0);
	if (window > ledger_number(v->ledger, when, -1)) {
		sum = 0;
		r = ledger_set_number(v->ledger, when, window);
		if (r < 0)
			return r;
	}
	if ((uint64_t)sum <= limit && (uint64_t)sum + add > limit)
		s->told |= 1u << what;
	return ledger_set_number(v->ledger, much, sum + (int64_t)add);
}

static int count_for_alarms(struct vault *v, struct ledger_sighting *s, bool kept)
{
	const struct conf_files *limits = v->setup.limits;
	int r = 0;

	if (limits->uploads.count != CONF_RATE_UNLIMITED)
		r = count_for_alarm(
			v, s, TELL_UPLOADS, 1, limits->uploads.count, limits->uploads.period_s);
	if (r == 0 && kept && limits->growth.amount != CONF_VOLUME_UNLIMITED)
		r = count_for_alarm(
			v, s, TELL_GROWTH, s->size, limits->growth.amount, limits->growth.period_s);
	return r;
}

/* Whose budget it is: an address; of IPv6 its /64, which one host may have all of. */
static struct ip sender_of(const struct found *f)
{
	struct ip ip = f->record.head.src;

	if (!ip_is_v4(&ip))
		memset(ip.byte + 8, 0, 8);
	return ip;
}

/* Which budget of its sender is used up, or TELL_NOTHING. */
static enum tell ask_source(struct vault *v, const struct found *f)
{
	const struct conf_files *limits = v->setup.limits;
	const struct ip sender = sender_of(f);
	uint64_t files, bytes;

	if (ledger_spent(v->ledger, &sender, day_of(f->sighting.time_ns), &files, &bytes) < 0)
		return TELL_DISK;
	if (files >= limits->source_files)
		return TELL_SOURCE_FILES;
	return bytes + f->file->size > limits->source_bytes ? TELL_SOURCE_BYTES : TELL_NOTHING;
}

/* Which budget of all has no room for it, or TELL_NOTHING. */
static enum tell ask_total(struct vault *v, uint64_t size)
{
	uint64_t files, bytes;

	if (ledger_total(v->ledger, &files, &bytes) < 0)
		return TELL_DISK;
	if (files >= v->setup.limits->count)
		return TELL_COUNT;
	return bytes + size > v->setup.limits->budget ? TELL_BUDGET : TELL_NOTHING;
}

/* The oldest go until there is room: TELL_NOTHING, or what there is no room for since all the rest is pinned. */
static enum tell make_room(struct vault *v, struct found *f)
{
	uint8_t oldest[SHA];
	enum tell full;
	uint64_t size;

	while ((full = ask_total(v, f->file->size)) != TELL_NOTHING) {
		if (full == TELL_DISK || note_telling(v, &f->sighting, full) < 0)
			return TELL_DISK;
		if (ledger_oldest(v->ledger, f->sums.sha256, oldest, &size) != 1)
			return full;
		if (remove_content(v, oldest) < 0 ||
			ledger_set_stored(v->ledger, oldest, false) < 0)
			return TELL_DISK;
		v->setup.counts->removed++;
		(void)v->setup.wait(v->setup.context, 0);
	}
	return TELL_NOTHING;
}

static enum tell want_room(struct vault *v, struct found *f)
{
	enum tell full = ask_source(v, f);

	return full != TELL_NOTHING ? full : make_room(v, f);
}

static struct ledger_file row_of(const struct found *f)
{
	struct ledger_file row = { .size = f->file->size,
		.entropy = f->sums.entropy,
		.magic = f->magic,
		.first_ns = f->sighting.time_ns,
		.last_ns = f->sighting.time_ns,
		.stored = f->sighting.stored };

	memcpy(row.sha256, f->sums.sha256, sizeof(row.sha256));
	memcpy(row.sha1, f->sums.sha1, sizeof(row.sha1));
	memcpy(row.md5, f->sums.md5, sizeof(row.md5));
	return row;
}

/* Within a transaction. */
static int note_content(struct vault *v, struct found *f)
{
	struct ledger_sighting *s = &f->sighting;
	const struct ip sender = sender_of(f);
	struct ledger_file row, known = { .stored = false };
	int r = ledger_find_file(v->ledger, f->sums.sha256, &known);
	bool had;

	if (r < 0)
		return r;
	s->is_new = r == 0;
	had = r == 1 && known.stored;
	s->why = had ? TELL_NOTHING : want_room(v, f);
	s->stored = s->why == TELL_NOTHING;
	r = s->stored ? 0 : note_telling(v, s, s->why);
	if (r == 0 && s->stored && !had)
		r = ledger_spend(v->ledger, &sender, day_of(s->time_ns), s->size);
	if (r == 0)
		r = count_for_alarms(v, s, s->stored && !had);
	row = row_of(f);
	return r < 0 ? r : ledger_add_file(v->ledger, &row);
}

static enum tell why_lost(uint32_t lost)
{
	if (lost == SPOOL_TOO_LARGE)
		return TELL_LARGEST;
	return lost == SPOOL_NO_ROOM ? TELL_OPEN : TELL_DISK;
}

/* Of what there is no content, since it is too large or could not be written. */
static int note_lost(struct vault *v, struct found *f)
{
	struct ledger_sighting *s = &f->sighting;
	int r;

	s->why = why_lost(f->file->lost);
	r = note_telling(v, s, s->why);
	return r < 0 ? r : count_for_alarms(v, s, false);
}

static int note_all(struct vault *v, struct found *f)
{
	int r = ledger_begin(v->ledger);

	if (r == 0)
		r = f->sighting.sha256 ? note_content(v, f) : note_lost(v, f);
	if (r == 0)
		r = ledger_add_sighting(v->ledger, &f->sighting);
	if (r == 0 && ++v->ended % TRIM_EACH == 0)
		r = ledger_trim(v->ledger, day_of(f->sighting.time_ns) - 1);
	if (r == 0)
		r = ledger_commit(v->ledger);
	if (r < 0)
		ledger_rollback(v->ledger);
	return r;
}

/* The ledger cannot be written: the file is told of, and not kept. Whoever does it again tells the same, even if there is
 * room by then. */
static void disk_failed(struct vault *v, struct found *f)
{
	struct ledger_sighting *s = &f->sighting;

	s->told = (unsigned)place(v)->told;
	s->is_new = s->stored = false;
	s->why = TELL_DISK;
	v->setup.counts->write_errno = place(v)->failed;
}

static void note_failure(struct vault *v, int error)
{
	struct vault_place next = *place(v);

	next.failed = (uint64_t)-error;
	next.told = v->setup.counts->write_errno ? 0 : 1u << TELL_DISK;
	put_place(v, &next);
}

/* ---- a file that has ended ---- */

static bool fill_found(struct vault *v, struct found *f, unsigned slot)
{
	f->file = spool_file(&v->spool, slot);
	if (record_unpack(f->file->packed, f->file->packed_len, &f->record) < 0 ||
		f->record.type != EVENT_FILE)
		return false;
	f->more[0] = '\0';
	f->sighting = (struct ledger_sighting){ .flow_id = f->file->flow_id,
		.file_id = f->file->file_id,
		.side = f->file->side,
		.begun_ns = f->file->begun_ns,
		.time_ns = f->file->last_ns,
		.size = f->file->size,
		.record = &f->record };
	return true;
}

/* 0: `f` has its sums and so on. */
static int look_at(struct vault *v, struct found *f, unsigned slot, bool again, struct content *c)
{
	const uint8_t *known = again ? f->sighting.found_sha256 : NULL;
	int r = f->file->lost == SPOOL_WHOLE ? open_content(v, slot, known) : -ENODATA;

	if (r < 0)
		return r;
	c->fd = r;
	r = map_content(f->file, c);
	if (r == 0)
		r = examine(v, f, c);
	if (r == 0)
		f->sighting.sha256 = f->sums.sha256;
	return r;
}

static void count_file(struct vault *v, const struct ledger_sighting *s)
{
	struct counts_vault *counts = v->setup.counts;
	uint64_t files, bytes;

	counts->seen++;
	counts->fresh += s->is_new;
	counts->unstored += !s->stored;
	counts->open = v->spool.n_used;
	if (ledger_total(v->ledger, &files, &bytes) == 0) {
		counts->files = files;
		counts->bytes = bytes;
	}
}

static void tell_all(struct vault *v, struct found *f)
{
	for (enum tell what = TELL_NOTHING + 1; what < TELLS; what++)
		if (f->sighting.told >> what & 1)
			tell(v, f, what);
	if (f->sighting.sha256)
		tell_file(v, f);
}

static void note_and_place(struct vault *v, struct found *f, unsigned slot, bool again, int fd)
{
	struct ledger_sighting *s = &f->sighting;
	int r = again || place(v)->failed ? 0 : note_all(v, f);

	if (place(v)->failed) {
		disk_failed(v, f);
		return;
	}
	if (r == 0 && s->stored && s->sha256)
		r = put_in_place(v, slot, fd, s->sha256);
	if (r < 0 && s->stored && s->sha256)
		(void)ledger_set_stored(v->ledger, s->sha256, false);
	if (r < 0) {
		note_failure(v, r);
		disk_failed(v, f);
	} else if (f->file->lost != SPOOL_NO_DISK) {
		v->setup.counts->write_errno = 0;
	}
}

/* `seq`: of the piece that is done with it. */
static void finish(struct vault *v, unsigned slot, uint64_t seq)
{
	struct vault_place next = *place(v);
	struct content c = { .fd = -1 };
	struct found *f = &v->found;
	bool again;

	if (next.finishing != slot + 1) {
		next.finishing = slot + 1;
		next.then = seq;
		next.freed = next.failed = next.told = 0;
		move_to(v, next);
	}
	if (fill_found(v, f, slot)) {
		again = ledger_find_sighting(v->ledger, &f->sighting) == 1;
		if (look_at(v, f, slot, again, &c) < 0 && f->file->lost == SPOOL_WHOLE)
			f->sighting.sha256 = NULL;
		note_and_place(v, f, slot, again, c.fd);
		close_content(&c);
		tell_all(v, f);
	}
	if (v->given_up)
		return;
	next.seq = seq;
	next.finishing = next.failed = next.told = 0;
	next.freed = slot + 1;
	move_to(v, next);
	spool_free(&v->spool, slot);
	count_file(v, &f->sighting);
	v->poisoned = false;
}

/* ---- pieces ---- */

static void end_early(struct vault *v, int slot)
{
	spool_end(&v->spool, (unsigned)slot);
	finish(v, (unsigned)slot, place(v)->seq);
}

static void done_with(struct vault *v, uint64_t seq)
{
	struct vault_place next = *place(v);

	next.seq = seq;
	next.freed = 0;
	move_to(v, next);
}

static void take_piece(struct vault *v, uint64_t seq, const struct piece *piece)
{
	bool is_open =
		spool_find(&v->spool, piece->record.head.flow_id, piece->file_id, piece->side) >= 0;
	int slot = is_open ? -1 : spool_full(&v->spool);

	if (slot >= 0)
		end_early(v, slot);
	if (v->given_up)
		return;
	slot = spool_take(&v->spool, piece);
	v->setup.counts->pieces++;
	v->setup.counts->open = v->spool.n_used;
	if (spool_file(&v->spool, (unsigned)slot)->ended)
		finish(v, (unsigned)slot, seq);
	else
		done_with(v, seq);
}

static void take_clock(struct vault *v, uint64_t seq, int64_t now_ns)
{
	int slot;

	while (!v->given_up && (slot = spool_idle(&v->spool, now_ns)) >= 0)
		end_early(v, slot);
	if (!v->given_up)
		done_with(v, seq);
}

/* The payload may change under us: it is copied once, and only the copy is looked at. */
static void take_entry(struct vault *v, const struct ring_entry *entry, const void *payload)
{
	struct piece piece;

	if (entry->kind == PIECE_CLOCK) {
		take_clock(v, entry->seq, entry->time_ns);
		return;
	}
	if (entry->kind == PIECE_DATA && entry->size <= sizeof(v->piece)) {
		memcpy(v->piece, payload, entry->size);
		if (piece_read(v->piece, entry->size, &piece) == 0) {
			take_piece(v, entry->seq, &piece);
			return;
		}
	}
	v->setup.counts->refused++;
	done_with(v, entry->seq);
}

int vault_serve(struct vault *v, struct ring *pieces)
{
	struct ring_entry entry;
	const void *payload;
	int r = v->given_up ? 0 : ring_peek(pieces, &entry, &payload);

	if (r <= 0)
		return r;
	if (entry.seq > place(v)->seq)
		take_entry(v, &entry, payload);
	if (v->given_up) {
		ring_unpeek(pieces);
		return 0;
	}
	ring_release(pieces);
	return 1;
}

void vault_end(struct vault *v)
{
	for (unsigned i = 0; i < SPOOL_FILES_MAX && !v->given_up; i++)
		if (v->spool.key[i].used)
			end_early(v, (int)i);
}

void vault_tell_fault(struct vault *v, int64_t time_ns, const char *what)
{
	struct record record = { .type = EVENT_CONTROL,
		.head = { .time_ns = time_ns, .reason = REASON_FILES_FAULT },
		.control = { .process = text_of("fb-vault"), .detail = text_of(what) } };

	if (place(v)->finishing > 0)
		return; /* its records are counted */
	emit(v, &record);
	move_to(v, *place(v));
}

/* ---- orders ---- */

int vault_pin(struct vault *v, const uint8_t sha256[static 32], bool pinned)
{
	return ledger_set_pinned(v->ledger, sha256, pinned);
}

int vault_purge(struct vault *v, const uint8_t sha256[static 32])
{
	struct ledger_file file;
	int r = ledger_find_file(v->ledger, sha256, &file);

	if (r == 1 && !file.stored)
		r = 0;
	if (r != 1)
		return r;
	r = remove_content(v, sha256);
	if (r == 0)
		r = ledger_set_stored(v->ledger, sha256, false);
	return r < 0 ? r : 1;
}

/* ---- start ---- */

static int mark_gone(void *context, const uint8_t *sha256)
{
	struct vault *v = context;

	return is_there(v, sha256) ? 0 : ledger_set_stored(v->ledger, sha256, false);
}

/* What lies there and the ledger does not know: it was lost, or the machine died at the wrong moment. */
static int adopt(struct vault *v, int subdir, const char *name, const uint8_t *sha256)
{
	struct content c = { .fd = openat(subdir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) };
	struct found *f = &v->found;
	struct spool_file file = { .used = 1 };
	struct ledger_file row;
	struct stat st;
	int r = c.fd < 0 || fstat(c.fd, &st) < 0 ? -errno : 0;

	if (r == 0) {
		file.size = (uint64_t)st.st_size;
		f->file = &file;
		r = map_content(&file, &c);
	}
	if (r == 0)
		r = look_sums(v->setup.look, c.bytes, c.len, &f->sums);
	if (r == 0 && memcmp(f->sums.sha256, sha256, SHA) != 0) {
		r = unlinkat(subdir, name, 0) < 0 ? -errno : 0; /* torn: it is no evidence */
	} else if (r == 0) {
		f->magic[0] = '\0';
		f->sighting = (struct ledger_sighting){ .stored = true,
			.time_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec };
		row = row_of(f);
		r = ledger_add_file(v->ledger, &row);
	}
	close_content(&c);
	return r;
}

static int look_into(struct vault *v, unsigned n)
{
	struct ledger_file file;
	struct dirent *entry;
	uint8_t sha256[SHA];
	char name[4];
	int fd, r = 0;
	DIR *dir;

	subdir_name(n, name);
	fd = openat(v->setup.dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (vault_sha256_read(entry->d_name, sha256) != SHA)
			continue;
		r = ledger_find_file(v->ledger, sha256, &file);
		if (r == 0 || (r == 1 && !file.stored))
			r = adopt(v, fd, entry->d_name, sha256);
		else
			r = r < 0 ? r : 0;
	}
	closedir(dir);
	return r;
}

static int compare(struct vault *v)
{
	int r = ledger_begin(v->ledger);

	if (r == 0)
		r = ledger_each_stored(v->ledger, mark_gone, v);
	for (unsigned i = 0; r == 0 && i < SUBDIRS; i++) {
		(void)v->setup.wait(v->setup.context, 0);
		r = look_into(v, i);
	}
	if (r == 0)
		r = ledger_commit(v->ledger);
	if (r < 0)
		ledger_rollback(v->ledger);
	return r;
}

static int open_ledger(struct vault *v)
{
	static const char *const names[] = { LEDGER_NAME, LEDGER_NAME "-wal", LEDGER_NAME "-shm" };
	int r = ledger_open(v->setup.dir_fd, &v->ledger);

	if (r != -EBADMSG)
		return r;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char aside[64];

		snprintf(aside, sizeof(aside), "%s.damaged", names[i]);
		if (renameat(v->setup.dir_fd, names[i], v->setup.dir_fd, aside) < 0 &&
			errno != ENOENT)
			return -errno;
	}
	return ledger_open(v->setup.dir_fd, &v->ledger);
}

static void read_state(struct vault *v)
{
	struct vault_state *state = v->setup.state;
	uint64_t next = v->setup.records ? ring_next_seq(v->setup.records) : 0;
	struct vault_place p;

	if (state->magic != VAULT_STATE_MAGIC) {
		memset(state, 0, sizeof(*state));
		state->magic = VAULT_STATE_MAGIC;
	}
	state->died = state->trying ? state->died + 1 : 0;
	state->trying = 0;
	p = *place(v);
	if (p.finishing > SPOOL_FILES_MAX || p.freed > SPOOL_FILES_MAX)
		p.finishing = p.freed = 0;
	if (state->run == v->setup.run && p.record <= next) {
		v->said = next - p.record;
		return;
	}
	p.seq = p.then = 0;
	move_to(v, p);
	state->run = v->setup.run;
}

/* What an earlier process was about. */
static void resume(struct vault *v)
{
	const struct vault_place p = *place(v);

	v->poisoned = v->setup.state->died >= VAULT_POISON;
	if (p.freed > 0 && v->spool.key[p.freed - 1].used)
		spool_free(&v->spool, (unsigned)p.freed - 1);
	if (p.finishing > 0 && v->spool.key[p.finishing - 1].used)
		finish(v, (unsigned)p.finishing - 1, p.then);
}

int vault_new(const struct vault_setup *setup, struct vault **ret_vault)
{
	struct vault *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	v->setup = *setup;
	v->open_fd = openat(setup->dir_fd, "open", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = v->open_fd < 0 ? -errno : open_ledger(v);
	if (r == 0) {
		read_state(v);
		spool_open(&v->spool, &setup->state->table, v->open_fd, setup->limits->largest,
			setup->limits->budget);
		resume(v);
		r = compare(v);
	}
	if (r < 0) {
		vault_free(v);
		return r;
	}
	*ret_vault = v;
	return 0;
}

struct vault *vault_free(struct vault *v)
{
	if (v) {
		ledger_close(v->ledger);
		if (v->open_fd >= 0)
			close(v->open_fd);
		free(v);
	}
	return NULL;
}
