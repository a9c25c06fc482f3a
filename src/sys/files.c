/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/jail.h"

static int make_parents(char *path)
{
	for (char *at = path + 1; *at; at++) {
		int r;

		if (*at != '/')
			continue;
		*at = 0;
		r = mkdir(path, 0755);
		*at = '/';
		if (r < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int file_dir_open(const char *path, int *ret_fd)
{
	char copy[PATH_MAX];
	int n = snprintf(copy, sizeof(copy), "%s", path), r, fd;

	if (n <= 0 || (size_t)n >= sizeof(copy))
		return -ENAMETOOLONG;
	r = make_parents(copy);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int file_subdir_open(
	int dir, const char *name, const struct jail_user *owner, mode_t mode, int *ret_fd)
{
	int fd;

	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, owner->uid, owner->gid) < 0 || fchmod(fd, mode) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int file_lock(int dir, const char *name, int *ret_fd)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int make_fresh(int fd, size_t size)
{
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return -posix_fallocate(fd, 0, (off_t)size);
}

int file_shared_open(int dir, const char *name, size_t size, int *ret_fd, bool *ret_fresh)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), r = 0;
	bool fresh = false;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_size != (off_t)size) {
		fresh = true;
		r = make_fresh(fd, size);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_fresh = fresh;
	return 0;
}

int file_text_read(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size);
	close(fd);
	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -E2BIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return 0;
}

int file_text_write(int dir, const char *name, const char *text)
{
	char temporary[NAME_MAX];
	int fd, r = 0;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%s\n", text) < 0 || fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	return r;
}

int file_seal(int fd)
{
	enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int file_sealed_make(const char *name, const void *bytes, size_t size, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	r = fd_write(fd, bytes, size);
	if (r == 0)
		r = file_seal(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int file_boot_id(char ret_id[static 40])
{
	return file_text_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret_id, 40);
}

bool file_is_tmpfs(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);
}
