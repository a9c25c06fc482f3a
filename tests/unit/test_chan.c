/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/chan.h"

static struct chan up, down; /* the supervisor's end and the child's */

static int set_up(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(chan_pair(fd), 0);
	chan_init(&up, fd[0], CHAN_SUPERVISOR);
	chan_init(&down, fd[1], CHAN_CHILD);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	chan_close(&up);
	chan_close(&down);
	return 0;
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void start(size_t n_fds)
{
	struct message_start payload = { .process = CHAN_TAP, .n_fds = (uint32_t)n_fds };
	int fds[CHAN_FDS_MAX];

	for (size_t i = 0; i < CHAN_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(chan_send(&up, MESSAGE_START, &payload, fds, n_fds), 0);
}

static void test_conversation(void **state)
{
	struct message_ready ready = { .landlock_abi = 7 };
	struct message_alive alive = { .beat = 42 };
	struct message m;

	(void)state;
	start(CHAN_FDS_MAX);
	assert_int_equal(chan_receive(&down, &m), 1);
	assert_int_equal(m.type, MESSAGE_START);
	assert_int_equal(m.n_fds, CHAN_FDS_MAX);
	assert_true(fcntl(m.fd[0], F_GETFD) & FD_CLOEXEC);
	message_close_fds(&m);
	assert_int_equal(chan_receive(&down, &m), 0);
	assert_int_equal(chan_send(&down, MESSAGE_READY, &ready, NULL, 0), 0);
	assert_int_equal(chan_send(&down, MESSAGE_ALIVE, &alive, NULL, 0), 0);
	assert_int_equal(chan_receive(&up, &m), 1);
	assert_int_equal(m.ready.landlock_abi, 7);
	assert_int_equal(chan_receive(&up, &m), 1);
	assert_int_equal(m.alive.beat, 42);
	chan_close(&up);
	assert_int_equal(chan_receive(&down, &m), -EPIPE);
}

/* The sender already refuses what the table does not allow. */
static void test_sender_refuses(void **state)
{
	struct message_alive alive = { 0 };
	int fd = STDERR_FILENO;

	(void)state;
	assert_int_equal(chan_send(&down, MESSAGE_ALIVE, &alive, NULL, 0), -EBADMSG);
	assert_int_equal(chan_send(&up, MESSAGE_READY, &alive, NULL, 0), -EBADMSG);
	start(0);
	assert_int_equal(chan_send(&up, MESSAGE_AUDIT, &alive, &fd, 1), -EBADMSG);
}

static void send_raw(const void *bytes, size_t len, unsigned n_fds)
{
	struct iovec iov = { .iov_len = len };
	char control[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(&iov.iov_base, &bytes, sizeof(bytes));
	if (n_fds) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ STDERR_FILENO },
				sizeof(int));
	}
	assert_int_equal(sendmsg(down.fd, &msg, 0), (ssize_t)len);
}

struct bad {
	uint32_t type, size, bytes;
	unsigned n_fds;
};

/* Each of these cuts the child off for good, and no descriptor leaks. */
static void test_receiver_cuts_off(void **state)
{
	static const struct bad bad[] = {
		{ MESSAGE_ALIVE, 8, 8, 0 }, /* before READY */
		{ MESSAGE_READY, 8, 9, 0 },
		{ MESSAGE_READY, 8, 7, 0 },
		{ MESSAGE_READY, 9, 9, 0 },
		{ MESSAGE_READY, 8, 8, 3 }, /* descriptors */
		{ MESSAGE_STOP, 8, 8, 0 },  /* the other direction */
		{ MESSAGE_NONE, 0, 0, 0 },
		{ MESSAGE_COUNT, 8, 8, 0 },
		{ UINT32_MAX, 8, 8, 0 },
		{ MESSAGE_READY, 8, 4000, 2 },
	};
	char bytes[8 + 4096];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned before;
		struct message m;

		tear_down(state);
		set_up(state);
		start(0);
		before = open_fds();
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, &bad[i], 8);
		send_raw(bytes, 8 + bad[i].bytes, bad[i].n_fds);
		assert_int_equal(chan_receive(&up, &m), -EBADMSG);
		assert_int_equal(open_fds(), before);
		assert_int_equal(chan_receive(&up, &m), -EBADMSG);
		assert_int_equal(chan_send(&up, MESSAGE_STOP, &m.stop, NULL, 0), -EBADMSG);
	}
}

static void test_once(void **state)
{
	const uint32_t ready[] = { MESSAGE_READY, 8, 0, 0 };
	struct message m;

	(void)state;
	start(0);
	send_raw(ready, sizeof(ready), 0);
	send_raw(ready, sizeof(ready), 0);
	assert_int_equal(chan_receive(&up, &m), 1);
	assert_int_equal(chan_receive(&up, &m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conversation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sender_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_receiver_cuts_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
