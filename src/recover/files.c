/* SPDX-License-Identifier: Apache-2.0 */
#include "recover/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

struct open_file {
	uint64_t flow_id, id, used; /* used 0: free */
	unsigned side;
	uint64_t end;             /* where the piece that reaches farthest ends */
	EVP_MD_CTX *sha256, *md5; /* NULL: not known */
	struct inspect_contents contents;
};

struct recover_files {
	uint64_t clock;
	struct open_file open[RECOVER_FILES_MAX];
};

int recover_files_new(struct recover_files **ret_files)
{
	*ret_files = calloc(1, sizeof(**ret_files));
	return *ret_files ? 0 : -ENOMEM;
}

static void forget_sums(struct open_file *open)
{
	EVP_MD_CTX_free(open->sha256);
	EVP_MD_CTX_free(open->md5);
	open->sha256 = open->md5 = NULL;
}

struct recover_files *recover_files_free(struct recover_files *files)
{
	for (unsigned i = 0; files && i < RECOVER_FILES_MAX; i++)
		forget_sums(&files->open[i]);
	free(files);
	return NULL;
}

static EVP_MD_CTX *begin(const EVP_MD *kind)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();

	if (sum && EVP_DigestInit_ex(sum, kind, NULL) == 1)
		return sum;
	EVP_MD_CTX_free(sum);
	return NULL;
}

static void update(EVP_MD_CTX *sum, const uint8_t *bytes, size_t len)
{
	if (sum)
		EVP_DigestUpdate(sum, bytes, len);
}

static bool end(EVP_MD_CTX *sum, uint8_t *ret_bytes)
{
	return sum && EVP_DigestFinal_ex(sum, ret_bytes, NULL) == 1;
}

static void finish(struct open_file *open, bool cut)
{
	struct inspect_contents *c = &open->contents;

	c->has_sums =
		end(open->sha256, c->sums.sha256) && !cut && !c->odd && !c->n_holes && !c->beyond;
	c->sums.has_md5 = end(open->md5, c->sums.md5);
	forget_sums(open);
	open->used = 0;
}

static void add_hole(struct inspect_contents *c, uint64_t at, uint64_t end)
{
	if (c->n_holes == INSPECT_HOLES_MAX)
		c->beyond += end - at;
	else
		c->hole[c->n_holes++] = (struct inspect_hole){ at, end };
}

/* Takes away of the holes what is not missing any more: the last ones first, since their places change. */
static void fill_holes(struct inspect_contents *c, uint64_t at, uint64_t end)
{
	for (uint32_t i = c->n_holes; i-- > 0;) {
		struct inspect_hole *hole = &c->hole[i], was = *hole;

		if (end <= was.at || at >= was.end)
			continue;
		if (at > was.at && end < was.end && c->n_holes < INSPECT_HOLES_MAX) {
			memmove(hole + 2, hole + 1, (c->n_holes++ - i - 1) * sizeof(*hole));
			hole[0] = (struct inspect_hole){ was.at, at };
			hole[1] = (struct inspect_hole){ end, was.end };
		} else if (
			at >
			was.at) { /* of one that would become two, the second is not told apart */
			hole->end = end < was.end ? was.end : at;
		} else if (end < was.end) {
			hole->at = end;
		} else {
			memmove(hole, hole + 1, (--c->n_holes - i) * sizeof(*hole));
		}
	}
}

static void place(struct open_file *open, uint64_t at, const uint8_t *bytes, size_t len)
{
	struct inspect_contents *c = &open->contents;

	if (at == open->end) {
		if (!c->odd && !c->n_holes) {
			update(open->sha256, bytes, len);
			update(open->md5, bytes, len);
		}
	} else if (at > open->end) {
		add_hole(c, open->end, at);
	} else {
		c->odd = true;
		fill_holes(c, at, at + len);
	}
	if (open->end < at + len)
		open->end = at + len;
}

static bool is_it(const struct open_file *open, const struct inspect_frame *frame,
	const struct proto_file *file)
{
	return open->used && open->flow_id == frame->flow_id && open->id == file->id &&
	       open->side == file->side;
}

/* Of a file that has begun before it was taken up there is no hash: NULL. */
static struct open_file *find(struct recover_files *files, const struct inspect_frame *frame,
	const struct proto_file *file, size_t len)
{
	struct open_file *idle = &files->open[0];

	for (unsigned i = 0; i < RECOVER_FILES_MAX; i++) {
		struct open_file *open = &files->open[i];

		if (is_it(open, frame, file)) {
			open->used = ++files->clock;
			return open;
		}
		if (open->used < idle->used)
			idle = open;
	}
	if (file->carried != len)
		return NULL;
	forget_sums(idle);
	*idle = (struct open_file){ .flow_id = frame->flow_id,
		.id = file->id,
		.side = file->side,
		.used = ++files->clock };
	idle->sha256 = begin(EVP_sha256());
	idle->md5 = begin(EVP_md5());
	return idle;
}

bool recover_files_take(struct recover_files *files, const struct inspect_frame *frame,
	const struct proto_file *file, const uint8_t *bytes, size_t len, struct inspect_text *text,
	struct record *ret_record)
{
	struct open_file *open = find(files, frame, file, len);

	if (open && len > 0)
		place(open, file->offset, bytes, len);
	if (!file->end)
		return false;
	if (open)
		finish(open, file->cut);
	inspect_record_file(frame, file, open ? &open->contents : NULL, text, ret_record);
	return true;
}
