/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

enum { MANY = 1 << 20, SLOW = 5000 }; /* more than a pipe holds */

static void on_signal(int signal)
{
	(void)signal;
}

struct reader {
	int fd;
	pthread_t writer;
	uint8_t *bytes;
	size_t len;
};

/* Takes little at a time, and interrupts who writes. */
static void *read_slowly(void *context)
{
	struct reader *r = context;
	ssize_t n;

	while ((n = read(r->fd, r->bytes + r->len, SLOW)) > 0) {
		r->len += (size_t)n;
		pthread_kill(r->writer, SIGUSR1);
	}
	return NULL;
}

static uint8_t *some_bytes(void)
{
	uint8_t *bytes = malloc(MANY);

	assert_non_null(bytes);
	for (size_t i = 0; i < MANY; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 8));
	return bytes;
}

static void test_pipe(void **state)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */
	struct reader r = { .writer = pthread_self(), .bytes = calloc(1, MANY + SLOW) };
	uint8_t *bytes = some_bytes();
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_non_null(r.bytes);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	r.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
	assert_int_equal(fd_write(fds[1], bytes, MANY), 0);
	close(fds[1]);
	pthread_join(thread, NULL);
	assert_int_equal(r.len, MANY);
	assert_memory_equal(r.bytes, bytes, MANY);
	close(fds[0]);
	free(r.bytes);
	free(bytes);
}

static void test_at(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t *bytes = some_bytes(), back[16];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_write_at(fd, 100, bytes, MANY), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 100 + MANY);
	assert_int_equal(fd_read_at(fd, 100 + 7, back, 16), 16);
	assert_memory_equal(back, bytes + 7, 16);
	assert_int_equal(fd_read_at(fd, 100 + MANY - 3, back, 16), 3);
	assert_memory_equal(back, bytes + MANY - 3, 3);
	assert_int_equal(fd_read_at(fd, 100 + MANY, back, 16), 0);
	close(fd);
	free(bytes);
}

static void test_errors(void **state)
{
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	char c = 'c';

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(fd_write(full, &c, 1), -ENOSPC);
	assert_int_equal(fd_write_at(full, 0, &c, 1), -ENOSPC);
	close(full);
	assert_int_equal(fd_write(-1, &c, 1), -EBADF);
	assert_int_equal(fd_write_at(-1, 0, &c, 1), -EBADF);
	assert_int_equal(fd_read_at(-1, 0, &c, 1), -EBADF);
	assert_int_equal(fd_write(-1, &c, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_at),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
