/* SPDX-License-Identifier: Apache-2.0 */
#include "recover/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

struct open_file {
	uint64_t flow_id, id, used; /* used 0: free */
	unsigned side;
	crypto_hash_sha256_state hash;
	EVP_MD_CTX *md5; /* NULL: not known */
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

struct recover_files *recover_files_free(struct recover_files *files)
{
	for (unsigned i = 0; files && i < RECOVER_FILES_MAX; i++)
		EVP_MD_CTX_free(files->open[i].md5);
	free(files);
	return NULL;
}

static EVP_MD_CTX *new_md5(void)
{
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();

	if (md5 && EVP_DigestInit_ex(md5, EVP_md5(), NULL) == 1)
		return md5;
	EVP_MD_CTX_free(md5);
	return NULL;
}

static void update(struct open_file *open, const uint8_t *bytes, size_t len)
{
	crypto_hash_sha256_update(&open->hash, bytes, len);
	if (open->md5)
		EVP_DigestUpdate(open->md5, bytes, len);
}

static void finish(struct open_file *open, struct inspect_sums *ret_sums)
{
	unsigned len;

	crypto_hash_sha256_final(&open->hash, ret_sums->sha256);
	ret_sums->has_md5 = open->md5 && EVP_DigestFinal_ex(open->md5, ret_sums->md5, &len) == 1;
	EVP_MD_CTX_free(open->md5);
	open->md5 = NULL;
	open->used = 0;
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
	if (file->size != len)
		return NULL;
	EVP_MD_CTX_free(idle->md5);
	*idle = (struct open_file){ .flow_id = frame->flow_id,
		.id = file->id,
		.side = file->side,
		.used = ++files->clock };
	idle->md5 = new_md5();
	crypto_hash_sha256_init(&idle->hash);
	return idle;
}

bool recover_files_take(struct recover_files *files, const struct inspect_frame *frame,
	const struct proto_file *file, const uint8_t *bytes, size_t len, struct inspect_text *text,
	struct record *ret_record)
{
	struct open_file *open = find(files, frame, file, len);
	struct inspect_sums sums;

	if (open && len > 0)
		update(open, bytes, len);
	if (!file->end)
		return false;
	if (open)
		finish(open, &sums);
	inspect_record_file(frame, file, open && !file->cut ? &sums : NULL, text, ret_record);
	return true;
}
