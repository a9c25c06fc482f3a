/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/chan.h"
#include "sys/jail.h"

#ifndef FISHBOWL_LIBEXECDIR
#error "the build says where libexec is"
#endif

enum { FIRST_FREE_FD = 10 };

static bool try_path(char *ret_path, const char *dir, const char *below, const char *program)
{
	char path[SPAWN_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/%s", dir, below, program);

	if (n < 0 || (size_t)n >= sizeof(path) || access(path, X_OK) < 0)
		return false;
	memcpy(ret_path, path, (size_t)n + 1);
	return true;
}

/* The directory `up` levels above the running binary. */
static bool own_directory(char dir[static SPAWN_PATH_MAX], int up)
{
	ssize_t n = readlink("/proc/self/exe", dir, SPAWN_PATH_MAX - 1);

	if (n <= 0)
		return false;
	dir[n] = 0;
	for (; up > 0; up--) {
		char *slash = strrchr(dir, '/');

		if (!slash)
			return false;
		*slash = 0;
	}
	return true;
}

int spawn_find(const char *program, char ret_path[static SPAWN_PATH_MAX])
{
	const char *set = getenv("FISHBOWL_LIBEXEC");
	char dir[SPAWN_PATH_MAX];

	if (set)
		return try_path(ret_path, set, ".", program) ? 0 : -ENOENT;
	if (own_directory(dir, 2) && (try_path(ret_path, dir, program, program) ||
					     try_path(ret_path, dir, "libexec/fishbowl", program)))
		return 0;
	return try_path(ret_path, FISHBOWL_LIBEXECDIR, ".", program) ? 0 : -ENOENT;
}

/* Standard input is nothing, output and errors stay, descriptor 3 is the channel. */
static int place_fds(int chan_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(chan_fd, CHAN_CHILD_FD) < 0)
		return -errno;
	return 0;
}

/* Where each session is scheduled as a group (sched(7), autogroup), one that is alone in its session has
 * that group's share, whatever its own nice value is. Where not, there is no such file. */
static void nice_group(int niceness)
{
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)dprintf(fd, "%d", niceness);
	close(fd);
}

/* How malloc works decides which system calls a process needs, so it is nobody else's to say. Huge pages are
 * asked for by madvise(), which kernels want that give them to who asks only (mallopt(3) has no word for it). */
static void set_malloc(bool huge_pages)
{
	if (huge_pages)
		(void)setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
	else
		(void)unsetenv("GLIBC_TUNABLES");
}

static int become_child(const struct spawn *spawn, int *fds)
{
	sigset_t none;
	int r;

	/* Out of the way of descriptors 0..3. */
	for (int i = 0; i < 3; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (fds[i] < 0)
			return -errno;
	}
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	set_malloc(spawn->huge_pages);
	setsid(); /* a ^C at the terminal is for the supervisor, which ends its children in order */
	if (spawn->nice > 0 && nice(spawn->nice) < 0)
		return -errno;
	if (spawn->nice > 0)
		nice_group(spawn->nice);
	r = place_fds(fds[1]);
	if (r < 0 || (spawn->user && (r = jail_drop(spawn->user, spawn->max_files)) < 0))
		return r;
	return 0;
}

static void run_child(const struct spawn *spawn, int program_fd, int error_fd)
{
	int fds[3] = { program_fd, spawn->chan_fd, error_fd };
	char name[64];
	char *argv[] = { name, NULL };
	int r = become_child(spawn, fds);

	snprintf(name, sizeof(name), "%s", spawn->program);
	if (r == 0) {
		fexecve(fds[0], argv, environ);
		r = -errno;
	}
	if (write(fds[2], &r, sizeof(r)) < 0)
		_exit(126);
	_exit(127);
}

int spawn_start(const struct spawn *spawn, pid_t *ret_pid)
{
	char path[SPAWN_PATH_MAX];
	int error[2], program_fd, r = spawn_find(spawn->program, path);
	pid_t pid;

	if (r < 0)
		return r;
	program_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (program_fd < 0)
		return -errno;
	if (pipe2(error, O_CLOEXEC) < 0) {
		r = -errno;
		close(program_fd);
		return r;
	}
	pid = fork();
	if (pid == 0)
		run_child(spawn, program_fd, error[1]);
	close(error[1]);
	close(program_fd);
	if (pid < 0)
		r = -errno;
	else if (read(error[0], &r, sizeof(r)) != sizeof(r))
		r = 0; /* closed by the exec */
	close(error[0]);
	if (r < 0) {
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	return 0;
}
