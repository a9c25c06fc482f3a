/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "incident/incident.h"

#define CHECKPOINT_NEW CHECKPOINT_NAME ".new"

enum { SUM_SIZE = 32, FILE_MAX = 64 << 20 };

/* The file: a head, then incidents_save(). */
struct head {
	char magic[8];
	uint8_t sum[SUM_SIZE]; /* BLAKE2b-256 of all behind it */
	struct checkpoint checkpoint;
};

static const char magic[8] = { 'f', 'b', 'i', 'n', 'c', '0', '0', '1' };
static const size_t summed_from = offsetof(struct head, checkpoint);

static void sum_of(const uint8_t *bytes, size_t len, uint8_t ret_sum[static SUM_SIZE])
{
	crypto_generichash(ret_sum, SUM_SIZE, bytes + summed_from, len - summed_from, NULL, 0);
}

static int replace_file(int dir_fd, const uint8_t *bytes, size_t len)
{
	int fd = openat(dir_fd, CHECKPOINT_NEW,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int error;

	if (fd < 0)
		return -errno;
	error = fd_write_at(fd, 0, bytes, len);
	if (!error && fdatasync(fd) < 0)
		error = -errno;
	close(fd);
	if (!error && renameat(dir_fd, CHECKPOINT_NEW, dir_fd, CHECKPOINT_NAME) < 0)
		error = -errno;
	if (error)
		unlinkat(dir_fd, CHECKPOINT_NEW, 0);
	return error;
}

int checkpoint_write(
	int dir_fd, const struct checkpoint *checkpoint, const struct incidents *incidents)
{
	size_t size = sizeof(struct head) + incidents_save_size(incidents);
	uint8_t *bytes = calloc(1, size);
	struct head head;
	int error;

	if (!bytes)
		return -ENOMEM;
	memset(&head, 0, sizeof(head));
	memcpy(head.magic, magic, sizeof(magic));
	head.checkpoint = *checkpoint;
	memcpy(bytes, &head, sizeof(head));
	incidents_save(incidents, bytes + sizeof(head), size - sizeof(head));
	sum_of(bytes, size, bytes + offsetof(struct head, sum));
	error = replace_file(dir_fd, bytes, size);
	free(bytes);
	return error;
}

static int read_all(int fd, uint8_t **ret_bytes, size_t *ret_len)
{
	struct stat st;
	uint8_t *bytes;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(struct head) || st.st_size > FILE_MAX)
		return -EBADMSG;
	bytes = malloc((size_t)st.st_size);
	if (!bytes)
		return -ENOMEM;
	n = fd_read_at(fd, 0, bytes, (size_t)st.st_size);
	if (n != st.st_size) {
		free(bytes);
		return n < 0 ? (int)n : -EBADMSG;
	}
	*ret_bytes = bytes;
	*ret_len = (size_t)n;
	return 0;
}

int checkpoint_read(int dir_fd, struct incidents *incidents, struct checkpoint *ret_checkpoint)
{
	int fd = openat(dir_fd, CHECKPOINT_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *bytes = NULL, sum[SUM_SIZE];
	struct head head;
	size_t len = 0;
	int error;

	if (fd < 0)
		return -errno;
	error = read_all(fd, &bytes, &len);
	close(fd);
	if (error || !bytes)
		return error;
	memcpy(&head, bytes, sizeof(head));
	sum_of(bytes, len, sum);
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 ||
		memcmp(head.sum, sum, sizeof(sum)) != 0)
		error = -EBADMSG;
	else
		error = incidents_load(incidents, bytes + sizeof(head), len - sizeof(head));
	free(bytes);
	if (!error)
		*ret_checkpoint = head.checkpoint;
	return error;
}
