/* SPDX-License-Identifier: Apache-2.0 */
/* segment_kit - for tests of who reads segments: a directory of them that grows, and memory for two processes. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/pcapng.h"
#include "capture/segment.h"

enum { KIT_BOOT = 0xb007 };

struct segments {
	char dir[64];
	int dir_fd, fd;
	uint64_t number; /* of the one that is written; 0: none yet */
};

static void segments_make(struct segments *s)
{
	*s = (struct segments){ .fd = -1 };
	snprintf(s->dir, sizeof(s->dir), "%s/fb-test-segments-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(s->dir));
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->dir_fd >= 0);
}

static void segments_remove(struct segments *s)
{
	DIR *dir = opendir(s->dir);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		unlinkat(s->dir_fd, entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(s->dir), 0);
	if (s->fd >= 0)
		close(s->fd);
	close(s->dir_fd);
}

static void segments_put(const struct segments *s, const void *bytes, size_t len)
{
	assert_int_equal(write(s->fd, bytes, len), (ssize_t)len);
}

/* Begins another one. */
static void segments_next(struct segments *s)
{
	static uint8_t buf[4 * PCAPNG_BLOCK_MAX];
	struct pcapng_section section = { .program = "test" };
	struct pcapng_interface outside = { .name = "out", .description = "outside" };
	struct pcapng_interface inside = { .name = "in", .description = "inside" };
	struct pcapng_statistics open = { .comment = "fishbowl open frames 0 bytes 0" };
	char name[SEGMENT_NAME_MAX];
	size_t len;

	if (s->fd >= 0)
		close(s->fd);
	segment_name(KIT_BOOT, ++s->number, name);
	s->fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(s->fd >= 0);
	len = pcapng_put_section(buf, &section);
	len += pcapng_put_interface(buf + len, &outside);
	len += pcapng_put_interface(buf + len, &inside);
	len += pcapng_put_statistics(buf + len, &open);
	segments_put(s, buf, len);
}

static void *kit_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}
