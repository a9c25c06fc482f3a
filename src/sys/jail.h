/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - what a process gives up before it looks at anything an attacker sent.
 *
 * Two halves. jail_drop() runs in the supervisor's fork, before exec: resource limits, groups, uid,
 * every capability and the bounding set, no_new_privs. jail_enter() runs in the program itself, once
 * everything is mapped and every descriptor is there: Landlock, then a seccomp filter of exactly the
 * system calls in its table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The setting `seccomp` (enum conf_choice_seccomp has the same order). */
enum jail_mode {
	JAIL_TRAP, /* for tests: SIGSYS, the name of the call on stderr, exit status 31 */
	JAIL_LOG,  /* the call is made and the kernel logs it */
	JAIL_KILL, /* the whole process ends at once */
};

/* A row of a process's table of system calls. */
struct jail_call {
	int number;  /* SCMP_SYS(name) */
	uint8_t how; /* enum jail_how */
};

enum jail_how {
	JAIL_FREE,    /* with any arguments */
	JAIL_NO_EXEC, /* mmap, mprotect: only without PROT_EXEC */
	JAIL_THREAD,  /* clone: only threads of this process */
	JAIL_NIC,     /* ioctl: only the name and the flags of a NIC */
	JAIL_ABSENT,  /* ENOSYS: clone3 hides its flags, so libc falls back to clone */
};

enum jail_rights {
	JAIL_READ = 1,  /* read files and list directories below */
	JAIL_WRITE = 2, /* create, write, truncate, rename, remove files below */
	JAIL_MOVE =
		4, /* rename from one directory below to another; before Landlock ABI 2 nobody may */
	JAIL_MAKE_DIRS = 8, /* make directories below */
};

struct jail_dir {
	int fd; /* an open directory (or file) */
	unsigned rights;
};

struct jail {
	enum jail_mode mode;
	const struct jail_call *calls; /* beside what every process needs (see jail.c) */
	size_t n_calls;
	const struct jail_dir *dirs; /* all files it can reach by name; none: no file at all */
	size_t n_dirs;
};

struct jail_user {
	uid_t uid;
	gid_t gid;
};

/* The user that `process` ("fb-gate") runs as: _fb-gate, _fb-tap, ... where they exist (the
 * package makes them), else `fallback`: numbers of nobody else (the range systemd gives to
 * DynamicUser). True when the named user exists. */
bool jail_user_find(const char *process, uid_t fallback, struct jail_user *ret_user);

#define JAIL_UID_FIRST 61184 /* + enum chan_process */

/* For the process itself, between fork and exec; 0 or -errno, then do not go on. */
int jail_drop(const struct jail_user *user, unsigned max_files);

/* 0, and the Landlock ABI in use (0: this kernel has none, which is no failure but worth a record);
 * or -errno: then do not go on. Allocates; call it before the first hostile byte. */
int jail_enter(const struct jail *jail, int *ret_landlock_abi);
