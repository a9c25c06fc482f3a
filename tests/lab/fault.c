/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault - preloaded into the gateway's processes by tests/lab/test_faults.py: another wall clock, and
 * a disk that refuses writes, both switched by a mapped file (FISHBOWL_TEST_FAULTS) while they run:
 * 8 bytes offset of CLOCK_REALTIME in seconds, 8 bytes errno of writes (0: none).
 * Built as all is with 64-bit offsets, so these functions carry the names pwritev64 and so on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct faults {
	int64_t clock_offset_s;
	int64_t write_errno;
};

static const struct faults none;
static const volatile struct faults *faults = &none;
static __typeof__(clock_gettime) *real_clock_gettime;
static __typeof__(pwritev) *real_pwritev;
static __typeof__(pwrite) *real_pwrite;
static __typeof__(openat) *real_openat;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FISHBOWL_TEST_FAULTS");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *memory =
		fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*faults), PROT_READ, MAP_SHARED, fd, 0);

	*(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	*(void **)&real_pwritev = dlsym(RTLD_NEXT, "pwritev64");
	*(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	*(void **)&real_openat = dlsym(RTLD_NEXT, "openat64");
	if (memory != MAP_FAILED)
		faults = memory;
	if (fd >= 0)
		close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int r = real_clock_gettime(clock, ret_time);

	if (r == 0 && clock == CLOCK_REALTIME)
		ret_time->tv_sec += faults->clock_offset_s;
	return r;
}

time_t time(time_t *ret_time)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time)
		*ret_time = now.tv_sec;
	return now.tv_sec;
}

static int refused(void)
{
	int error = (int)faults->write_errno;

	if (error)
		errno = error;
	return error;
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	return refused() ? -1 : real_pwritev(fd, iov, n, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
	return refused() ? -1 : real_pwrite(fd, bytes, n, offset);
}

/* A read-only disk: files can be read. */
int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	if ((flags & O_ACCMODE) != O_RDONLY && refused())
		return -1;
	return real_openat(dir, path, flags, (mode_t)mode);
}
