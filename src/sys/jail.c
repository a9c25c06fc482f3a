/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/jail.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/sockios.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12 (Landlock ABI 3 and 5). */
#define FS_TRUNCATE  (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)

enum {
	CALLS_MAX = 512,  /* names kept for the trap */
	THREADS_MAX = 64, /* of one uid: several gateways on one machine share the fallback uids */
	EXIT_TRAPPED = 31,
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Every process: its channel, waiting, time, and an end that can still name itself. */
static const struct jail_call every_process[] = {
	{ SCMP_SYS(read), JAIL_FREE },
	{ SCMP_SYS(write), JAIL_FREE },
	{ SCMP_SYS(recvmsg), JAIL_FREE },
	{ SCMP_SYS(sendmsg), JAIL_FREE },
	{ SCMP_SYS(poll), JAIL_FREE },
	{ SCMP_SYS(ppoll), JAIL_FREE },
	{ SCMP_SYS(clock_gettime), JAIL_FREE },
	{ SCMP_SYS(restart_syscall), JAIL_FREE },
	{ SCMP_SYS(rt_sigreturn), JAIL_FREE },
	{ SCMP_SYS(exit), JAIL_FREE },
	{ SCMP_SYS(exit_group), JAIL_FREE },
	/* abort(), after an assertion */
	{ SCMP_SYS(rt_sigprocmask), JAIL_FREE },
	{ SCMP_SYS(getpid), JAIL_FREE },
	{ SCMP_SYS(gettid), JAIL_FREE },
	{ SCMP_SYS(tgkill), JAIL_FREE },
#ifdef SANITIZED
	{ SCMP_SYS(brk), JAIL_FREE },
	{ SCMP_SYS(futex), JAIL_FREE },
	{ SCMP_SYS(madvise), JAIL_FREE },
	{ SCMP_SYS(mmap), JAIL_FREE },
	{ SCMP_SYS(mprotect), JAIL_FREE },
	{ SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(sigaltstack), JAIL_FREE },
	{ SCMP_SYS(sched_yield), JAIL_FREE },
	{ SCMP_SYS(prctl), JAIL_FREE },
	{ SCMP_SYS(openat), JAIL_FREE },
	{ SCMP_SYS(readlink), JAIL_FREE },
	{ SCMP_SYS(sched_getaffinity), JAIL_FREE },
	{ SCMP_SYS(set_robust_list), JAIL_FREE },
#endif
};

static const char *call_names[CALLS_MAX];

bool jail_user_find(const char *process, uid_t fallback, struct jail_user *ret_user)
{
	char name[32];
	const struct passwd *entry;

	snprintf(name, sizeof(name), "_%s", process);
	entry = getpwnam(name);
	if (entry) {
		*ret_user = (struct jail_user){ .uid = entry->pw_uid, .gid = entry->pw_gid };
		return true;
	}
	*ret_user = (struct jail_user){ .uid = fallback, .gid = fallback };
	return false;
}

static int set_limit(__rlimit_resource_t resource, rlim_t limit)
{
	struct rlimit old, new = { .rlim_cur = limit, .rlim_max = limit };

	/* A limit that is lower already cannot be raised without CAP_SYS_RESOURCE. */
	if (getrlimit(resource, &old) < 0)
		return -errno;
	if (old.rlim_max < limit)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	return setrlimit(resource, &new) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	capng_get_caps_process();
	return capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE ? 0 : -EPERM;
}

/* Without CAP_SETPCAP (a unit may withhold it) the bounding set stays, which no_new_privs makes
 * harmless. */
static int drop_bounding_set(void)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return 0;
	capng_clear(CAPNG_SELECT_BOUNDS);
	return capng_apply(CAPNG_SELECT_BOUNDS) < 0 ? -EPERM : 0;
}

int jail_drop(const struct jail_user *user, unsigned max_files)
{
	int r;

	if ((r = set_limit(RLIMIT_CORE, 0)) < 0 || (r = set_limit(RLIMIT_NOFILE, max_files)) < 0 ||
		(r = set_limit(RLIMIT_NPROC, THREADS_MAX)) < 0)
		return r;
	if ((r = drop_bounding_set()) < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
		setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return drop_capabilities();
}

/* All that an ABI knows is handled, so that nothing is allowed but what the rules say. */
static uint64_t fs_rights(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static uint64_t rule_rights(const struct jail_dir *dir, uint64_t handled)
{
	uint64_t rights = 0;
	struct stat st;

	if (dir->rights & JAIL_READ)
		rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (dir->rights & JAIL_WRITE)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE;
	if (dir->rights & JAIL_MOVE)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (dir->rights & JAIL_MAKE_DIRS)
		rights |= LANDLOCK_ACCESS_FS_MAKE_DIR;
	if (fstat(dir->fd, &st) < 0 || !S_ISDIR(st.st_mode))
		rights &=
			LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	return rights & handled;
}

static int add_rules(int ruleset, const struct jail *jail, uint64_t handled)
{
	for (size_t i = 0; i < jail->n_dirs; i++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = rule_rights(&jail->dirs[i], handled),
			.parent_fd = jail->dirs[i].fd,
		};

		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) <
			0)
			return -errno;
	}
	return 0;
}

static int enter_landlock(const struct jail *jail, int *ret_abi)
{
	/* Files, from ABI 4 TCP, from ABI 6 signals and abstract sockets (struct
	 * landlock_ruleset_attr of newer headers). */
	struct {
		uint64_t fs, net, scope;
	} attr = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	int ruleset, r;

	if (abi <= 0) {
		*ret_abi = 0;
		return 0;
	}
	attr.fs = fs_rights((int)abi);
	attr.net = abi >= 4 ? 3 : 0;   /* bind, connect */
	attr.scope = abi >= 6 ? 3 : 0; /* abstract sockets, signals */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	r = add_rules(ruleset, jail, attr.fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	close(ruleset);
	if (r == 0)
		*ret_abi = (int)abi;
	return r;
}

static void write_text(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* nobody to tell */
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	const char *name = NULL;

	(void)signal;
	(void)context;
	if (info->si_syscall >= 0 && info->si_syscall < CALLS_MAX)
		name = call_names[info->si_syscall];
	write_text("jail: system call not allowed: ");
	write_text(name ? name : "(no name)");
	write_text("\n");
	_exit(EXIT_TRAPPED);
}

/* The names are looked up beforehand: the handler may not allocate. */
static int prepare_trap(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	for (int n = 0; n < CALLS_MAX; n++)
		call_names[n] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, n);
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

static int add_call(scmp_filter_ctx filter, const struct jail_call *call)
{
	int r;

	switch (call->how) {
	case JAIL_NO_EXEC:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	case JAIL_THREAD:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	case JAIL_NIC:
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, call->number, 1, SCMP_A1(SCMP_CMP_EQ, SIOCGIFNAME));
		return r ? r
			 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 1,
				   SCMP_A1(SCMP_CMP_EQ, SIOCGIFFLAGS));
	case JAIL_ABSENT:
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call->number, 0);
	default:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 0);
	}
}

static int add_calls(scmp_filter_ctx filter, const struct jail_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = add_call(filter, &calls[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int enter_seccomp(const struct jail *jail)
{
	static const uint32_t actions[] = {
		[JAIL_TRAP] = SCMP_ACT_TRAP,
		[JAIL_LOG] = SCMP_ACT_LOG,
		[JAIL_KILL] = SCMP_ACT_KILL_PROCESS,
	};
	scmp_filter_ctx filter;
	int r;

	if (jail->mode == JAIL_TRAP && (r = prepare_trap()) < 0)
		return r;
	filter = seccomp_init(actions[jail->mode]);
	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = add_calls(
			filter, every_process, sizeof(every_process) / sizeof(every_process[0]));
	if (r == 0)
		r = add_calls(filter, jail->calls, jail->n_calls);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int jail_enter(const struct jail *jail, int *ret_landlock_abi)
{
	int abi = 0, r = enter_landlock(jail, &abi);

	if (r == 0)
		r = enter_seccomp(jail);
	if (r == 0)
		*ret_landlock_abi = abi;
	return r;
}
