/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fb-store - the only writer of records: rings -> journal -> day databases, and lines for other tools.
 *
 * Faces: packed records of the other processes (checked by record_unpack). Holds: the journal, the
 * databases, read access to the capture. When the supervisor is gone or says STOP it drains the rings,
 * commits and ends; when it dies the records wait in the rings for the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "capture/manifest.h"
#include "conf/conf.h"
#include "store/intake.h"
#include "store/sinks.h"
#include "sys/child.h"

enum { WAIT_MS = 50, DRAIN_S = 10, PATH_SIZE = 64 };
static const int64_t second_ns = 1000000000;

static const struct jail_call calls[] = {
	{ SCMP_SYS(openat), JAIL_FREE },
	{ SCMP_SYS(open), JAIL_FREE },
	{ SCMP_SYS(close), JAIL_FREE },
	{ SCMP_SYS(dup), JAIL_FREE },
	{ SCMP_SYS(fcntl), JAIL_FREE },
	{ SCMP_SYS(lseek), JAIL_FREE },
	{ SCMP_SYS(pread64), JAIL_FREE },
	{ SCMP_SYS(pwrite64), JAIL_FREE },
	{ SCMP_SYS(readv), JAIL_FREE },
	{ SCMP_SYS(writev), JAIL_FREE },
	{ SCMP_SYS(ftruncate), JAIL_FREE },
	{ SCMP_SYS(fallocate), JAIL_FREE },
	{ SCMP_SYS(fsync), JAIL_FREE },
	{ SCMP_SYS(fdatasync), JAIL_FREE },
	{ SCMP_SYS(fstat), JAIL_FREE },
	{ SCMP_SYS(stat), JAIL_FREE },
	{ SCMP_SYS(lstat), JAIL_FREE },
	{ SCMP_SYS(newfstatat), JAIL_FREE },
	{ SCMP_SYS(statx), JAIL_FREE },
	{ SCMP_SYS(fstatfs), JAIL_FREE },
	{ SCMP_SYS(access), JAIL_FREE },
	{ SCMP_SYS(faccessat), JAIL_FREE },
	{ SCMP_SYS(faccessat2), JAIL_FREE },
	{ SCMP_SYS(getdents64), JAIL_FREE },
	{ SCMP_SYS(readlink), JAIL_FREE },
	{ SCMP_SYS(getcwd), JAIL_FREE },
	{ SCMP_SYS(unlink), JAIL_FREE },
	{ SCMP_SYS(unlinkat), JAIL_FREE },
	{ SCMP_SYS(renameat), JAIL_FREE },
	{ SCMP_SYS(renameat2), JAIL_FREE },
	{ SCMP_SYS(fchmod), JAIL_FREE },
	{ SCMP_SYS(fchmodat), JAIL_FREE },
	{ SCMP_SYS(fchown), JAIL_FREE },
	{ SCMP_SYS(geteuid), JAIL_FREE },
	{ SCMP_SYS(clock_nanosleep), JAIL_FREE },
	{ SCMP_SYS(nanosleep), JAIL_FREE },
	{ SCMP_SYS(getrandom), JAIL_FREE },
	{ SCMP_SYS(sysinfo), JAIL_FREE }, /* qsort asks how much memory there is */
	{ SCMP_SYS(mmap), JAIL_NO_EXEC },
	{ SCMP_SYS(mprotect), JAIL_NO_EXEC },
	{ SCMP_SYS(mremap), JAIL_FREE },
	{ SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(madvise), JAIL_FREE },
	{ SCMP_SYS(brk), JAIL_FREE },
	{ SCMP_SYS(futex), JAIL_FREE },
	{ SCMP_SYS(socket), JAIL_FREE },
	{ SCMP_SYS(connect), JAIL_FREE },
	{ SCMP_SYS(sendto), JAIL_FREE },
};

struct store {
	struct child child;
	struct conf *conf;
	struct counts_store *counts;
	struct intake *intake;
	struct intake_setup setup;
	struct sinks *sinks;
	struct manifest_key journal_key;
};

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * second_ns + now.tv_nsec;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "fb-store: %s: %s\n", what, strerror(-error));
	return error;
}

static void answer_marker(void *context, const void *payload, uint32_t size)
{
	struct store *store = context;
	struct audit_marker marker;
	struct message_audited audited = { .ok = 1, .frames = store->counts->flow_frames };

	if (size != sizeof(marker))
		return;
	memcpy(&marker, payload, sizeof(marker));
	audited.id = marker.id;
	(void)child_audited(&store->child, &audited);
}

static int load_conf(struct store *store)
{
	char path[PATH_SIZE], *faults = NULL;
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", child_fd(&store->child, ROLE_CONF, 0));
	error = conf_load(path, &store->conf, &faults);
	if (error)
		fprintf(stderr, "fb-store: %s\n", faults ? faults : strerror(-error));
	free(faults);
	return error;
}

static int open_rings(struct store *store)
{
	static const struct {
		enum chan_role role;
		const char *origin;
	} rings[] = { { ROLE_GATE_RECORDS, "gate" }, { ROLE_TAP_RECORDS, "tap" },
		{ ROLE_SUPERVISOR_RECORDS, "supervisor" }, { ROLE_LENS_RECORDS, "lens" },
		{ ROLE_VAULT_RECORDS, "vault" } };

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		struct intake_source *source = &store->setup.source[store->setup.n_sources];
		size_t size;
		void *memory;
		int error;

		/* What an earlier version has left is drained without. */
		if ((rings[i].role == ROLE_LENS_RECORDS || rings[i].role == ROLE_VAULT_RECORDS) &&
			child_fd(&store->child, rings[i].role, 0) < 0)
			continue;
		memory = child_map(&store->child, rings[i].role, &size);
		error = memory ? ring_open(memory, size, &source->ring) : -errno;
		if (error)
			return fail(rings[i].origin, error);
		source->origin = rings[i].origin;
		store->setup.n_sources++;
	}
	return 0;
}

static int open_sinks(struct store *store)
{
	const struct conf *conf = store->conf;
	struct sinks_setup setup = {
		.eve_file_fd = child_fd(&store->child, ROLE_EVE_FILE, 0),
		.eve_file = conf->top.eve_file,
		.eve_socket_fd = child_fd(&store->child, ROLE_EVE_SOCKET, 0),
		.eve_socket = conf->top.eve_socket,
		.role = (enum role)conf->top.eve_role,
		.syslog_fd = child_fd(&store->child, ROLE_SYSLOG, 0),
		.syslog = conf->top.syslog,
	};

	return sinks_new(&setup, &store->sinks);
}

static int read_key(struct store *store)
{
	int fd = child_fd(&store->child, ROLE_JOURNAL_KEY, 0);
	int error = fd < 0 ? -ENOENT : manifest_key_read(fd, &store->journal_key);

	if (error)
		return fail("the journal's signing key cannot be read", error);
	store->setup.journal_key = &store->journal_key;
	return 0;
}

static int set_up(struct store *store)
{
	struct child *child = &store->child;
	size_t size;
	int error = load_conf(store);

	if (!error)
		error = open_rings(store);
	if (error)
		return error;
	store->counts = child_map(child, ROLE_COUNTS, &size);
	if (!store->counts || size < sizeof(*store->counts))
		return fail("counts", -EINVAL);
	error = read_key(store);
	if (error)
		return error;
	error = open_sinks(store);
	if (error)
		return fail("outputs", error);
	store->setup.journal_dir_fd = child_fd(child, ROLE_JOURNAL_DIR, 0);
	store->setup.db_dir_fd = child_fd(child, ROLE_DB_DIR, 0);
	store->setup.capture_dir_fd = child_fd(child, ROLE_CAPTURE_DIR, 0);
	store->setup.journal_budget = store->conf->store.journal_budget;
	store->setup.database_budget = store->conf->store.database_budget;
	store->setup.honeynet = child->start.honeynet;
	store->setup.boot = child->start.boot;
	store->setup.counts = store->counts;
	store->setup.sinks = store->sinks;
	store->setup.marker = answer_marker;
	store->setup.marker_context = store;
	return intake_new(&store->setup, &store->intake);
}

/* The directory of a file that is opened again when it was rotated away; -1 when there is none. */
static int open_parent(const char *path)
{
	char parent[4096];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!slash || len >= sizeof(parent))
		return -1;
	memcpy(parent, path, len);
	memcpy(parent + len, "/", 2);
	return open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int enter_jail(struct store *store)
{
	int eve_dir = open_parent(store->conf->top.eve_file);
	struct jail_dir dirs[] = {
		{ store->setup.journal_dir_fd, JAIL_READ | JAIL_WRITE },
		{ store->setup.db_dir_fd, JAIL_READ | JAIL_WRITE },
		{ store->setup.capture_dir_fd, JAIL_READ },
		{ eve_dir, JAIL_READ | JAIL_WRITE },
	};
	struct jail jail = { .calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.dirs = dirs,
		.n_dirs = eve_dir >= 0 ? 4 : 3 };
	int error = child_ready(&store->child, &jail);

	if (eve_dir >= 0)
		close(eve_dir);
	return error;
}

/* Until STOP or the end of the supervisor. */
static void work(struct store *store)
{
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	struct message message;

	for (;;) {
		bool more = intake_step(store->intake, monotonic_ns());
		enum child_event event = child_poll(&store->child, monotonic_ns(), &message);

		if (event == CHILD_STOP || event == CHILD_ORPHAN)
			return;
		if (!more)
			(void)poll(&wait, 1, WAIT_MS);
	}
}

/* The others may be writing their last records: the rings have to be empty twice with a pause. What
 * cannot be written now stays in the rings. */
static void drain(struct store *store)
{
	struct timespec pause = { .tv_nsec = WAIT_MS * 1000000 };
	int64_t until_ns = monotonic_ns() + DRAIN_S * second_ns;
	unsigned empty = 0;

	while (empty < 2 && monotonic_ns() < until_ns) {
		bool more = intake_step(store->intake, monotonic_ns());

		if (intake_is_drained(store->intake))
			empty++;
		else
			empty = 0;
		if (!more)
			nanosleep(&pause, NULL);
	}
}

int main(void)
{
	static struct store store;

	signal(SIGPIPE, SIG_IGN);
	if (child_start(CHAN_STORE, &store.child) < 0 || set_up(&store) < 0)
		return 1;
	tzset();
	if (enter_jail(&store) < 0)
		return 1;
	work(&store);
	drain(&store);
	intake_close(store.intake);
	sinks_free(store.sinks);
	return 0;
}
