/* SPDX-License-Identifier: Apache-2.0 */
/* Each case in a forked child, which tells by its exit status what it could still do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/jail.h"

static const struct jail_call calls[] = {
	{ SCMP_SYS(openat), JAIL_FREE },
	{ SCMP_SYS(close), JAIL_FREE },
	{ SCMP_SYS(mmap), JAIL_NO_EXEC },
	{ SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(ioctl), JAIL_NIC },
};

static int run(int (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(body());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool enter(enum jail_mode mode, const struct jail_dir *dir)
{
	struct jail jail = { .mode = mode,
		.calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.dirs = dir,
		.n_dirs = dir ? 1 : 0 };
	int abi;

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && jail_enter(&jail, &abi) == 0;
}

static int drop_all(void)
{
	struct jail_user user = { .uid = JAIL_UID_FIRST, .gid = JAIL_UID_FIRST };

	if (jail_drop(&user, 32) < 0)
		return 1;
	if (getuid() != JAIL_UID_FIRST || getgroups(0, NULL) != 0)
		return 2;
	if (setuid(0) == 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		return 3;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static int kill_mode(void)
{
	if (!enter(JAIL_KILL, NULL))
		return 1;
	socket(AF_INET, SOCK_STREAM, 0);
	return 0;
}

static int trap_mode(void)
{
	if (!enter(JAIL_TRAP, NULL))
		return 1;
	socket(AF_INET, SOCK_STREAM, 0);
	return 0;
}

static int no_exec_mapping(void)
{
	void *plain;

	if (!enter(JAIL_KILL, NULL))
		return 1;
	plain = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (plain == MAP_FAILED)
		return 2;
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int nic_state_only(void)
{
	struct ifreq req = { .ifr_name = "none" };

	if (!enter(JAIL_KILL, NULL))
		return 1;
	if (ioctl(-1, SIOCGIFNAME, &req) == 0 || ioctl(-1, SIOCGIFFLAGS, &req) == 0 ||
		errno != EBADF)
		return 2;
	ioctl(-1, SIOCSIFFLAGS, &req);
	return 0;
}

static int only_its_directory(void)
{
	struct jail_dir dir = { .rights = JAIL_READ | JAIL_WRITE };
	int inside, outside;

	dir.fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	if (!enter(JAIL_KILL, &dir))
		return 3;
	inside = openat(dir.fd, ".", O_RDONLY | O_DIRECTORY);
	outside = open("/etc/passwd", O_RDONLY);
	return inside >= 0 && outside < 0 && errno == EACCES ? 0 : 4;
}

static void test_drop(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: dropping a uid needs root\n");
		skip();
	}
	assert_int_equal(run(drop_all), 0);
}

static void test_kill(void **state)
{
	int status = run(kill_mode);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void test_trap(void **state)
{
	int status = run(trap_mode);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 31);
}

static void test_no_exec(void **state)
{
	int status = run(no_exec_mapping);

	(void)state;
#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* a sanitizer build may map what it likes */
#endif
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void test_nic(void **state)
{
	int status = run(nic_state_only);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void test_landlock(void **state)
{
	(void)state;
	assert_int_equal(run(only_its_directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_no_exec),
		cmocka_unit_test(test_nic),
		cmocka_unit_test(test_landlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
