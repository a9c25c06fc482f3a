/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "capture/note.h"

enum {
	READ_SIZE = 256 * 1024,
	PIECE_TEXT = 2 * MANIFEST_HASH + 32, /* ["...",18446744073709551615], */
	LINE_FIXED = 1024,
	RESERVE = 1024 * 1024,
};

static const char sig_key[] = ",\"sig\":\"";

static_assert(sizeof(((struct manifest_key *)0)->secret) == crypto_sign_SECRETKEYBYTES, "");
static_assert(MANIFEST_PUBLIC_LEN == crypto_sign_PUBLICKEYBYTES, "");

/* ---- keys ---- */

static int write_file(int dir_fd, const char *name, mode_t mode, const uint8_t *bytes, size_t len)
{
	char text[2 * sizeof(struct manifest_key) + 2];
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	ssize_t n;
	int result = 0;

	if (fd < 0)
		return -errno;
	sodium_bin2hex(text, sizeof(text), bytes, len);
	text[2 * len] = '\n';
	n = write(fd, text, 2 * len + 1);
	if (n != (ssize_t)(2 * len + 1) || fsync(fd) < 0)
		result = n < 0 ? -errno : -ENOSPC;
	sodium_memzero(text, sizeof(text));
	close(fd);
	if (result < 0)
		unlinkat(dir_fd, name, 0);
	return result;
}

int manifest_key_create(int keys_dir_fd, const char *secret_name, const char *public_name)
{
	struct manifest_key key;
	int result;

	if (sodium_init() < 0)
		return -EIO;
	if (faccessat(keys_dir_fd, secret_name, F_OK, 0) == 0) {
		int fd = openat(keys_dir_fd, secret_name, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		result = manifest_key_read(fd, &key);
		close(fd);
	} else {
		crypto_sign_keypair(key.public, key.secret);
		result = write_file(keys_dir_fd, secret_name, 0600, key.secret, sizeof(key.secret));
	}
	if (result == 0 && faccessat(keys_dir_fd, public_name, F_OK, 0) < 0)
		result = write_file(keys_dir_fd, public_name, 0644, key.public, sizeof(key.public));
	sodium_memzero(&key, sizeof(key));
	return result;
}

static int read_hex(int fd, uint8_t *bytes, size_t len)
{
	char text[2 * sizeof(struct manifest_key) + 2];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	size_t got;
	int result;

	if (n < 0)
		return -errno;
	result = n >= (ssize_t)(2 * len) &&
				 sodium_hex2bin(bytes, len, text, 2 * len, NULL, &got, NULL) == 0 &&
				 got == len
			 ? 0
			 : -EBADMSG;
	sodium_memzero(text, sizeof(text));
	return result;
}

int manifest_key_read(int fd, struct manifest_key *ret_key)
{
	struct manifest_key key;
	int result = read_hex(fd, key.secret, sizeof(key.secret));

	if (result < 0)
		return result;
	crypto_sign_ed25519_sk_to_pk(key.public, key.secret);
	*ret_key = key;
	sodium_memzero(&key, sizeof(key));
	return 0;
}

int manifest_key_read_public(int fd, uint8_t ret_public[static MANIFEST_PUBLIC_LEN])
{
	return read_hex(fd, ret_public, MANIFEST_PUBLIC_LEN);
}

/* ---- describing a file ---- */

void manifest_line_done(struct manifest_line *line)
{
	free(line->piece);
	line->piece = NULL;
	line->n_pieces = 0;
}

static int add_piece(struct manifest_line *line, size_t *room)
{
	if (line->n_pieces == *room) {
		size_t more = *room ? 2 * *room : 128;
		struct manifest_piece *grown = realloc(line->piece, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		line->piece = grown;
		*room = more;
	}
	line->piece[line->n_pieces++] = (struct manifest_piece){ 0 };
	return 0;
}

struct describing {
	EVP_MD_CTX *whole, *piece;
	uint8_t *buf;
	size_t room; /* of line->piece */
	struct manifest_line line;
};

/* One piece: 1 when more may follow, 0 at the end of the file, -errno. */
static int describe_piece(struct describing *d, manifest_read_fn *read, void *context)
{
	size_t done = 0;
	ssize_t n = 1;

	EVP_DigestInit_ex(d->piece, EVP_sha256(), NULL);
	while (done < MANIFEST_PIECE) {
		size_t want = MANIFEST_PIECE - done;

		n = read(context, d->buf, want < READ_SIZE ? want : READ_SIZE);
		if (n <= 0)
			break;
		EVP_DigestUpdate(d->piece, d->buf, (size_t)n);
		EVP_DigestUpdate(d->whole, d->buf, (size_t)n);
		done += (size_t)n;
	}
	if (n < 0)
		return (int)n;
	if (done > 0) {
		if (add_piece(&d->line, &d->room) < 0)
			return -ENOMEM;
		EVP_DigestFinal_ex(d->piece, d->line.piece[d->line.n_pieces - 1].sha256, NULL);
		d->line.bytes += done;
	}
	return n > 0;
}

int manifest_describe(manifest_read_fn *read, void *context, bool (*stop)(void *),
	void *stop_context, struct manifest_line *ret_line)
{
	struct describing d = {
		.whole = EVP_MD_CTX_new(), .piece = EVP_MD_CTX_new(), .buf = malloc(READ_SIZE)
	};
	int result = d.whole && d.piece && d.buf ? 1 : -ENOMEM;

	if (result == 1)
		EVP_DigestInit_ex(d.whole, EVP_sha256(), NULL);
	while (result == 1) {
		if (stop && stop(stop_context))
			result = -ECANCELED;
		else
			result = describe_piece(&d, read, context);
	}
	if (result == 0) {
		EVP_DigestFinal_ex(d.whole, d.line.sha256, NULL);
		*ret_line = d.line;
	} else {
		manifest_line_done(&d.line);
	}
	EVP_MD_CTX_free(d.whole);
	EVP_MD_CTX_free(d.piece);
	free(d.buf);
	return result;
}

void manifest_sha256(const void *bytes, size_t len, uint8_t ret_sha256[static MANIFEST_HASH])
{
	EVP_Digest(bytes, len, ret_sha256, NULL, EVP_sha256(), NULL);
}

/* ---- a line as text ---- */

static const char *kind_name(enum manifest_kind kind)
{
	return kind == MANIFEST_SEALED       ? "sealed"
	       : kind == MANIFEST_COMPRESSED ? "compressed"
					     : "removed";
}

static void put_hash(struct out *o, const char *name, const uint8_t *hash)
{
	out_fmt(o, ",\"%s\":\"", name);
	out_hex(o, hash, MANIFEST_HASH);
	out_char(o, '"');
}

static void put_pieces(struct out *o, const struct manifest_line *line)
{
	out_fmt(o, ",\"piece\":%d,\"pieces\":[", MANIFEST_PIECE);
	for (size_t i = 0; i < line->n_pieces; i++) {
		const struct manifest_piece *piece = &line->piece[i];

		out_str(o, i ? ",[\"" : "[\"");
		out_hex(o, piece->sha256, MANIFEST_HASH);
		out_char(o, '"');
		if (piece->has_packet) {
			out_char(o, ',');
			out_u64(o, piece->first_packet);
		}
		out_char(o, ']');
	}
	out_char(o, ']');
}

static void put_body(struct out *o, const struct manifest_line *line)
{
	out_fmt(o, "{\"v\":1,\"kind\":\"%s\",\"name\":\"%s\",\"time\":\"", kind_name(line->kind),
		line->name);
	out_time_rfc3339(o, line->time_ns);
	out_fmt(o, "\",\"bytes\":%" PRIu64, line->bytes);
	if (line->kind == MANIFEST_SEALED) {
		out_fmt(o,
			",\"packets\":%" PRIu64 ",\"first_packet\":%" PRIu64
			",\"last_packet\":%" PRIu64 ",\"first_ns\":%" PRId64
			",\"last_ns\":%" PRId64,
			line->packets, line->first_packet, line->last_packet, line->first_ns,
			line->last_ns);
	}
	if (line->kind == MANIFEST_REMOVED) {
		out_fmt(o, ",\"sealed\":%s", line->was_sealed ? "true" : "false");
	} else {
		put_hash(o, "sha256", line->sha256);
		put_pieces(o, line);
	}
	put_hash(o, "prev", line->prev);
}

void manifest_put_signature(struct out *o, const struct manifest_key *key)
{
	uint8_t signature[crypto_sign_BYTES];

	if (key)
		crypto_sign_detached(signature, NULL, (const uint8_t *)o->at, o->len, key->secret);
	out_str(o, sig_key);
	if (key)
		out_hex(o, signature, sizeof(signature));
	out_str(o, "\"}");
}

int manifest_line_text(const struct manifest_line *line, const struct manifest_key *key,
	char **ret_text, size_t *ret_len)
{
	size_t size = LINE_FIXED + line->n_pieces * PIECE_TEXT;
	char *text = malloc(size);
	struct out o;

	if (!text)
		return -ENOMEM;
	o = out_make(text, size);
	put_body(&o, line);
	manifest_put_signature(&o, key);
	if (!out_ok(&o)) {
		free(text);
		return -EMSGSIZE;
	}
	*ret_text = text;
	*ret_len = o.len;
	return 0;
}

bool manifest_line_signed(
	const char *text, size_t len, const uint8_t public[static MANIFEST_PUBLIC_LEN])
{
	enum { TAIL = sizeof(sig_key) - 1 + 2 * crypto_sign_BYTES + 2 };
	char hex[2 * crypto_sign_BYTES + 1];
	uint8_t signature[crypto_sign_BYTES];
	const char *sig;
	size_t body, got;

	if (len < TAIL)
		return false;
	body = len - TAIL;
	sig = text + body + sizeof(sig_key) - 1;
	return memcmp(text + body, sig_key, sizeof(sig_key) - 1) == 0 &&
	       memcmp(text + len - 2, "\"}", 2) == 0 &&
	       sodium_hex2bin(signature, sizeof(signature), sig, 2 * crypto_sign_BYTES, NULL, &got,
		       NULL) == 0 &&
	       got == sizeof(signature) &&
	       memcmp(sodium_bin2hex(hex, sizeof(hex), signature, got), sig, 2 * got) == 0 &&
	       crypto_sign_verify_detached(signature, (const uint8_t *)text, body, public) == 0;
}

/* ---- a line read ---- */

static bool get_u64(const json_t *object, const char *name, uint64_t *ret_n)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value))
		return false;
	*ret_n = (uint64_t)json_integer_value(value);
	return true;
}

static bool get_hash_text(const json_t *value, uint8_t ret_hash[static MANIFEST_HASH])
{
	const char *text = json_string_value(value);
	size_t got;

	return text && strlen(text) == 2 * MANIFEST_HASH &&
	       sodium_hex2bin(ret_hash, MANIFEST_HASH, text, 2 * MANIFEST_HASH, NULL, &got, NULL) ==
		       0 &&
	       got == MANIFEST_HASH;
}

static bool get_pieces(const json_t *object, struct manifest_line *line)
{
	const json_t *pieces = json_object_get(object, "pieces");
	size_t n = json_array_size(pieces);

	if (!json_is_array(pieces) || n != (line->bytes + MANIFEST_PIECE - 1) / MANIFEST_PIECE)
		return false;
	line->piece = calloc(n ? n : 1, sizeof(*line->piece));
	if (!line->piece)
		return false;
	line->n_pieces = n;
	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(pieces, i);
		const json_t *packet = json_array_get(entry, 1);

		if (!get_hash_text(json_array_get(entry, 0), line->piece[i].sha256))
			return false;
		line->piece[i].has_packet = json_is_integer(packet);
		line->piece[i].first_packet = (uint64_t)json_integer_value(packet);
	}
	return true;
}

static bool get_kind(const json_t *object, struct manifest_line *line)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));

	for (unsigned bit = MANIFEST_SEALED; kind && bit <= MANIFEST_REMOVED; bit <<= 1)
		if (strcmp(kind, kind_name(bit)) == 0) {
			line->kind = bit;
			return true;
		}
	return false;
}

static bool get_line(const json_t *object, struct manifest_line *line)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	struct segment segment;
	uint64_t first_ns, last_ns;

	if (!get_kind(object, line) || !name || !segment_parse(name, &segment) ||
		segment.compressed != (line->kind == MANIFEST_COMPRESSED) ||
		!get_u64(object, "bytes", &line->bytes) ||
		!get_hash_text(json_object_get(object, "prev"), line->prev))
		return false;
	snprintf(line->name, sizeof(line->name), "%s", name);
	line->was_sealed = json_is_true(json_object_get(object, "sealed"));
	if (line->kind == MANIFEST_REMOVED)
		return true;
	if (line->kind == MANIFEST_SEALED) {
		if (!get_u64(object, "packets", &line->packets) ||
			!get_u64(object, "first_packet", &line->first_packet) ||
			!get_u64(object, "last_packet", &line->last_packet) ||
			!get_u64(object, "first_ns", &first_ns) ||
			!get_u64(object, "last_ns", &last_ns))
			return false;
		line->first_ns = (int64_t)first_ns;
		line->last_ns = (int64_t)last_ns;
	}
	return get_hash_text(json_object_get(object, "sha256"), line->sha256) &&
	       get_pieces(object, line);
}

int manifest_line_parse(const char *text, size_t len, struct manifest_line *ret_line)
{
	struct manifest_line line = { 0 };
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	bool good = json_is_object(object) && get_line(object, &line);

	json_decref(object);
	if (!good) {
		manifest_line_done(&line);
		return -EBADMSG;
	}
	*ret_line = line;
	return 0;
}

int manifest_walk(int fd, manifest_line_fn *fn, void *context)
{
	FILE *file;
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0), result = 0;

	if (mine < 0)
		return -errno;
	file = fdopen(mine, "r");
	if (!file) {
		close(mine);
		return -ENOMEM;
	}
	rewind(file);
	while (result == 0 && (errno = 0, len = getline(&text, &size, file)) > 0) {
		bool whole = text[len - 1] == '\n';

		result = len > MANIFEST_LINE_MAX ? -EMSGSIZE
						 : fn(context, text, (size_t)len - whole, whole);
	}
	if (result == 0 && ferror(file))
		result = errno ? -errno : -EIO;
	free(text);
	fclose(file);
	return result;
}

/* ---- how far it goes ---- */

static struct out head_text(char text[static NOTE_MAX], const struct manifest_head *head)
{
	struct out o = out_make(text, NOTE_MAX);

	out_fmt(&o, "{\"v\":1,\"kind\":\"manifest\",\"lines\":%" PRIu64, head->lines);
	put_hash(&o, "last", head->last);
	return o;
}

int manifest_head_read(int dir_fd, const uint8_t *public, struct manifest_head *ret_head)
{
	struct manifest_head head = { 0 };
	char text[NOTE_MAX];
	json_t *object;
	size_t len;
	int result = note_read(dir_fd, MANIFEST_HEAD, public, text, &len);
	bool good;

	if (result < 0)
		return result;
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	good = get_u64(object, "lines", &head.lines) &&
	       get_hash_text(json_object_get(object, "last"), head.last);
	json_decref(object);
	if (!good)
		return -EBADMSG;
	*ret_head = head;
	return 0;
}

/* ---- the writer ---- */

struct manifest {
	int dir_fd;
	int fd;
	uint64_t lines;
	const struct manifest_key *key;
	uint8_t prev[MANIFEST_HASH];
	uint64_t size;
	uint8_t *state; /* by number - base */
	uint64_t base, n_states;
	uint64_t last_number;
};

enum { STATES_STEP = 4096 };

/* Segments are named in order, so the table is dense. Numbers far off (a foreign line) are left out. */
static int note(struct manifest *m, uint64_t number, enum manifest_kind kind)
{
	if (m->n_states == 0)
		m->base = number;
	if (number < m->base || number - m->base > UINT32_MAX)
		return 0;
	if (number - m->base >= m->n_states) {
		uint64_t n = number - m->base + STATES_STEP;
		uint8_t *grown = realloc(m->state, n);

		if (!grown)
			return -ENOMEM;
		memset(grown + m->n_states, 0, n - m->n_states);
		m->state = grown;
		m->n_states = n;
	}
	m->state[number - m->base] |= (uint8_t)kind;
	if (number > m->last_number)
		m->last_number = number;
	return 0;
}

static int load_line(void *context, const char *text, size_t len, bool whole)
{
	struct manifest *m = context;
	struct manifest_line line;
	struct segment segment;
	int result = 0;

	if (!whole)
		return 0; /* a crash while it was written: cut off */
	manifest_sha256(text, len, m->prev);
	m->lines++;
	m->size += len + 1;
	/* A damaged line stays as it is, for verify to show; the chain goes on behind it. */
	if (manifest_line_parse(text, len, &line) < 0)
		return 0;
	if (segment_parse(line.name, &segment))
		result = note(m, segment.number, line.kind);
	manifest_line_done(&line);
	return result;
}

/* A full disk has no room for a new note: the old one stays and tells less. */
static void write_head(const struct manifest *m)
{
	struct manifest_head head = { .lines = m->lines };
	char text[NOTE_MAX];
	struct out o;

	memcpy(head.last, m->prev, sizeof(head.last));
	o = head_text(text, &head);
	(void)note_write(m->dir_fd, MANIFEST_HEAD, m->key, &o);
}

/* Behind lines that were taken away the chain goes on where it was. */
static void follow_head(struct manifest *m)
{
	struct manifest_head head;

	if (manifest_head_read(m->dir_fd, m->key ? m->key->public : NULL, &head) < 0 ||
		head.lines <= m->lines)
		return;
	m->lines = head.lines;
	memcpy(m->prev, head.last, sizeof(m->prev));
}

int manifest_open(int dir_fd, const struct manifest_key *key, struct manifest **ret_manifest)
{
	struct manifest *m = calloc(1, sizeof(*m));
	int result;

	if (!m)
		return -ENOMEM;
	if (sodium_init() < 0) {
		free(m);
		return -EIO;
	}
	m->key = key;
	m->dir_fd = dir_fd;
	m->fd = openat(dir_fd, MANIFEST_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	result = m->fd < 0 ? -errno : manifest_walk(m->fd, load_line, m);
	if (result == 0 && ftruncate(m->fd, (off_t)m->size) < 0)
		result = -errno;
	if (result < 0) {
		manifest_close(m);
		return result;
	}
	follow_head(m);
	*ret_manifest = m;
	return 0;
}

struct manifest *manifest_close(struct manifest *m)
{
	if (m) {
		if (m->fd >= 0)
			close(m->fd);
		free(m->state);
		free(m);
	}
	return NULL;
}

unsigned manifest_state(const struct manifest *m, uint64_t number)
{
	return number >= m->base && number - m->base < m->n_states ? m->state[number - m->base] : 0;
}

uint64_t manifest_last_number(const struct manifest *m)
{
	return m->last_number;
}

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int append(struct manifest *m, const char *text, size_t len)
{
	size_t done = 0;

	/* Room kept behind the end: a line about a removal must fit on a full disk. */
	(void)fallocate(m->fd, FALLOC_FL_KEEP_SIZE, (off_t)m->size, RESERVE);
	while (done < len) {
		ssize_t n = pwrite(m->fd, text + done, len - done, (off_t)(m->size + done));

		if (n <= 0) {
			int result = n < 0 ? -errno : -ENOSPC;

			if (ftruncate(m->fd, (off_t)m->size) < 0)
				return -errno;
			return result;
		}
		done += (size_t)n;
	}
	if (fdatasync(m->fd) < 0)
		return -errno;
	m->size += len;
	return 0;
}

int manifest_add(struct manifest *m, struct manifest_line *line)
{
	struct segment segment;
	char *text;
	size_t len;
	int result;

	if (!segment_parse(line->name, &segment))
		return -EINVAL;
	line->time_ns = wall_ns();
	memcpy(line->prev, m->prev, sizeof(line->prev));
	result = manifest_line_text(line, m->key, &text, &len);
	if (result < 0)
		return result;
	text[len] = '\n'; /* in place of the NUL */
	result = append(m, text, len + 1);
	if (result == 0) {
		manifest_sha256(text, len, m->prev);
		m->lines++;
		write_head(m);
		result = note(m, segment.number, line->kind);
	}
	free(text);
	return result;
}
