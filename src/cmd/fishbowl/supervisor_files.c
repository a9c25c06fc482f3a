/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves in memory and what the next one makes of it. Rings, flow table and counters are
 * files in run_dir, or, when that is not on a tmpfs, in a directory of /dev/shm that belongs to it (as
 * on a system whose /run is a disk: there the kernel would write the rings out for ever). `run.state`
 * holds "kernel boot id,
 * number of this run's records (boot), layout": it is written last, so its presence says that the
 * rings beside it are formatted. */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ring.h"
#include "cmd/fishbowl/run_pids.h"
#include "control/gate.h"
#include "sys/files.h"
#include "vault/vault.h"

enum { LAYOUT = 2, LOCK_WAIT_S = 20, FIRST_SEQ = 1 };
static const size_t large_records_size = 4u << 20, other_records_size = 1u << 18;

struct shared_file {
	const char *name;
	enum chan_role role;
	bool in_state_dir; /* survives a reboot, and a new layout */
	bool is_ring;
};

static const struct shared_file shared[] = {
	{ "frame.ring", ROLE_FRAME_RING, false, true },
	{ "record-gate.ring", ROLE_GATE_RECORDS, false, true },
	{ "record-tap.ring", ROLE_TAP_RECORDS, false, true },
	{ "record-supervisor.ring", ROLE_SUPERVISOR_RECORDS, false, true },
	{ "record-lens.ring", ROLE_LENS_RECORDS, false, true },
	{ "record-vault.ring", ROLE_VAULT_RECORDS, false, true },
	{ "piece.ring", ROLE_PIECES, false, true },
	{ "flow.table", ROLE_FLOW_TABLE, false, false },
	{ "budget.state", ROLE_BUDGET_STATE, true, false },
	{ "lens.state", ROLE_LENS_STATE, true, false },
	{ "vault.state", ROLE_VAULT_STATE, true, false },
};

static const char *const counts_name[CHAN_PROCESSES] = { "gate.counts", "tap.counts",
	"store.counts", "lens.counts", "vault.counts" };

enum { N_SHARED = sizeof(shared) / sizeof(shared[0]) };

static size_t file_size(const struct supervisor *s, enum chan_role role)
{
	switch (role) {
	case ROLE_FRAME_RING:
		return ring_memory_size(s->conf->capture.ring);
	case ROLE_GATE_RECORDS:
	case ROLE_LENS_RECORDS:
	case ROLE_VAULT_RECORDS:
	case ROLE_PIECES:
		return ring_memory_size(large_records_size);
	case ROLE_FLOW_TABLE:
		return gate_flow_memory_size(s->conf);
	case ROLE_BUDGET_STATE:
		return gate_budget_memory_size(s->conf);
	case ROLE_LENS_STATE:
		return COUNTS_LENS_STATE_SIZE;
	case ROLE_VAULT_STATE:
		return sizeof(struct vault_state);
	default:
		return ring_memory_size(other_records_size);
	}
}

static int complain(const char *what, const char *path, int r, const char *remedy)
{
	fprintf(stderr, "fishbowl: %s %s: %s; %s\n", what, path, strerror(-r), remedy);
	return r;
}

static int open_state_dirs(struct supervisor *s)
{
	const struct jail_user *tap = &s->child[CHAN_TAP].user, *store = &s->child[CHAN_STORE].user;
	/* New files belong to the group of fb-store, which indexes closed segments. */
	const struct jail_user capture = { .uid = tap->uid, .gid = store->gid };
	int r = file_subdir_open(
		s->state_dir, "capture", &capture, 02750, &s->fd[ROLE_CAPTURE_DIR]);

	if (r == 0)
		r = file_subdir_open(
			s->state_dir, "journal", store, 0750, &s->fd[ROLE_JOURNAL_DIR]);
	if (r == 0)
		r = file_subdir_open(s->state_dir, "db", store, 0750, &s->fd[ROLE_DB_DIR]);
	if (r == 0)
		r = file_subdir_open(s->state_dir, "files", &s->child[CHAN_VAULT].user, 0750,
			&s->fd[ROLE_FILES_DIR]);
	return r;
}

/* run_dir itself where it is in memory. Else a directory of /dev/shm with the number of run_dir in its
 * name, root's own: anybody may make names there. */
static int open_ram_dir(struct supervisor *s)
{
	static const struct jail_user root = { 0 };
	struct stat st;
	int shm, r;

	s->ram_dir = s->run_dir;
	if (file_is_tmpfs(s->run_dir))
		return 0;
	if (fstat(s->run_dir, &st) < 0)
		return -errno;
	snprintf(s->ram_name, sizeof(s->ram_name), "fishbowl-%" PRIx64 "-%" PRIx64,
		(uint64_t)st.st_dev, (uint64_t)st.st_ino);
	shm = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = shm < 0               ? -errno
	    : !file_is_tmpfs(shm) ? -ENOTSUP
				  : file_subdir_open(shm, s->ram_name, &root, 0700, &s->ram_dir);
	if (shm >= 0)
		close(shm);
	if (r < 0) {
		s->ram_dir = s->run_dir;
		sup_say("hint: neither run_dir %s nor /dev/shm is on a tmpfs; rings on a disk cost "
			"speed",
			s->conf->top.run_dir);
	}
	return 0;
}

static bool ring_is_empty(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	struct ring *ring;
	bool empty = false;

	if (memory == MAP_FAILED)
		return false;
	if (ring_open(memory, size, &ring) == 0) {
		empty = ring_used(ring) == 0;
		ring_free(ring);
	}
	munmap(memory, size);
	return empty;
}

/* Everything in memory is on the disk: no entry waits, no conversation is open. */
static bool all_written(const struct supervisor *s)
{
	const struct counts_gate *gate = s->counts[CHAN_GATE];

	for (size_t i = 0; i < N_SHARED; i++)
		if (shared[i].is_ring &&
			!ring_is_empty(s->fd[shared[i].role], file_size(s, shared[i].role)))
			return false;
	return gate && gate->flows_active == 0;
}

void sup_files_forget(struct supervisor *s)
{
	char path[64];

	if (s->ram_dir < 0 || s->ram_dir == s->run_dir || !all_written(s))
		return;
	unlinkat(s->ram_dir, "run.state", 0);
	for (size_t i = 0; i < N_SHARED; i++)
		if (!shared[i].in_state_dir)
			unlinkat(s->ram_dir, shared[i].name, 0);
	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		unlinkat(s->ram_dir, counts_name[i], 0);
	snprintf(path, sizeof(path), "/dev/shm/%s", s->ram_name);
	rmdir(path);
}

int sup_dirs_open(struct supervisor *s)
{
	const char *state = s->conf->top.state_dir, *run = s->conf->top.run_dir;
	int r = file_dir_open(run, &s->run_dir);

	if (r < 0)
		return complain(
			"run_dir", run, r, "make it, or set run_dir to a directory on a tmpfs");
	r = file_dir_open(state, &s->state_dir);
	if (r < 0)
		return complain("state_dir", state, r,
			"make it, or set state_dir to a directory on a disk with room");
	r = open_state_dirs(s);
	if (r < 0)
		return complain("cannot write below state_dir", state, r,
			"it must be writable for root: look at the mount (read-only?) and its "
			"owner");
	return open_ram_dir(s);
}

static bool ctl_answers(const struct supervisor *s)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/ctl.sock", s->run_dir);
	yes = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* A process of an earlier run that does not end is hung: it is ended. */
static void kill_left_over(const struct supervisor *s)
{
	for (enum chan_process p = 0; p < CHAN_PROCESSES; p++) {
		pid_t pid = run_pid_find(s->run_dir, p);

		if (pid == 0)
			continue;
		sup_say("%s (%d) of an earlier run does not end: killed", process_name(p),
			(int)pid);
		kill(pid, SIGKILL);
	}
}

int sup_lock(struct supervisor *s)
{
	for (int waited = 0;; waited++) {
		int r = file_lock(s->run_dir, "lock", &s->lock_fd);

		if (r != -EWOULDBLOCK) {
			s->fd[ROLE_LOCK] = s->lock_fd;
			return r < 0 ? complain("lock in", s->conf->top.run_dir, r,
					       "run_dir must be writable for root")
				     : 0;
		}
		if (ctl_answers(s)) {
			fprintf(stderr,
				"fishbowl: a gateway with run_dir %s already runs; `fishbowl ctl "
				"stop` "
				"ends it, another honeynet needs another run_dir\n",
				s->conf->top.run_dir);
			return r;
		}
		if (waited == 0)
			sup_say("waiting for the processes of an earlier run to write what they "
				"have");
		if (waited == LOCK_WAIT_S * 10)
			kill_left_over(s);
		if (waited > LOCK_WAIT_S * 11) {
			fprintf(stderr,
				"fishbowl: run_dir %s is locked by a process that does not "
				"end; `fuser %s/lock` names it\n",
				s->conf->top.run_dir, s->conf->top.run_dir);
			return r;
		}
		usleep(100000);
	}
}

static int shared_dir(const struct supervisor *s, const struct shared_file *file)
{
	return file->in_state_dir ? s->state_dir : s->ram_dir;
}

static bool has_size(int dir, const char *name, size_t size)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == (off_t)size;
}

static bool read_state(
	const struct supervisor *s, char kernel[static 40], uint64_t *ret_boot, int *ret_layout)
{
	char text[128];

	return file_text_read(s->ram_dir, "run.state", text, sizeof(text)) == 0 &&
	       sscanf(text, "%39s %" SCNu64 " %d", kernel, ret_boot, ret_layout) == 3;
}

bool sup_files_fit(const struct supervisor *s)
{
	char kernel[40], now[40];
	uint64_t boot;
	int layout;

	if (!read_state(s, kernel, &boot, &layout) || layout != LAYOUT || file_boot_id(now) < 0 ||
		strcmp(kernel, now) != 0)
		return false;
	for (size_t i = 0; i < N_SHARED; i++)
		if (!shared[i].in_state_dir &&
			!has_size(s->ram_dir, shared[i].name, file_size(s, shared[i].role)))
			return false;
	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		if (!has_size(s->ram_dir, counts_name[i], COUNTS_SIZE))
			return false;
	return true;
}

/* Earlier versions have no fb-lens, or no fb-vault: what they left is drained all the same. */
static bool is_new_ring(enum chan_role role)
{
	return role == ROLE_LENS_RECORDS || role == ROLE_VAULT_RECORDS || role == ROLE_PIECES;
}

bool sup_files_open_old(struct supervisor *s)
{
	char kernel[40];
	int layout;

	if (!read_state(s, kernel, &s->boot, &layout))
		return false;
	for (size_t i = 0; i < N_SHARED; i++) {
		if (!shared[i].is_ring)
			continue;
		s->fd[shared[i].role] = openat(s->ram_dir, shared[i].name, O_RDWR | O_CLOEXEC);
		if (s->fd[shared[i].role] < 0 && !(errno == ENOENT && is_new_ring(shared[i].role)))
			return false;
	}
	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		s->counts_fd[i] = openat(s->ram_dir, counts_name[i], O_RDWR | O_CLOEXEC);
		if (s->counts_fd[i] < 0 && !(errno == ENOENT && i >= CHAN_LENS))
			return false;
	}
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void sup_files_spoil(struct supervisor *s)
{
	unlinkat(s->ram_dir, "run.state", 0);
}

void sup_files_close(struct supervisor *s)
{
	s->records = ring_free(s->records);
	if (s->records_memory)
		munmap(s->records_memory, s->records_size);
	s->frames = ring_free(s->frames);
	if (s->frames_memory)
		munmap(s->frames_memory, file_size(s, ROLE_FRAME_RING));
	s->records_memory = s->frames_memory = NULL;
	for (size_t i = 0; i < N_SHARED; i++)
		close_fd(&s->fd[shared[i].role]);
	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		if (s->counts[i])
			munmap(s->counts[i], COUNTS_SIZE);
		s->counts[i] = NULL;
		close_fd(&s->counts_fd[i]);
	}
}

/* Numbers of runs are UTC seconds, but never go back: the clock may. */
static uint64_t next_boot(const struct supervisor *s)
{
	char text[64];
	uint64_t last = 0, now = (uint64_t)(sup_wall() / SUP_NS_PER_S);

	if (file_text_read(s->state_dir, "boot", text, sizeof(text)) == 0)
		last = strtoull(text, NULL, 10);
	return now > last ? now : last + 1;
}

static int format_ring(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int r;

	if (memory == MAP_FAILED)
		return -errno;
	r = ring_format(memory, size, FIRST_SEQ);
	munmap(memory, size);
	return r;
}

/* Its head only. */
static int check_ring(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	struct ring *ring;
	int r;

	if (memory == MAP_FAILED)
		return -errno;
	r = ring_open(memory, size, &ring);
	if (r == 0)
		ring_free(ring);
	munmap(memory, size);
	return r;
}

static int open_shared(struct supervisor *s, const struct shared_file *file, bool go_on)
{
	size_t size = file_size(s, file->role);
	bool fresh;
	int r;

	if (!go_on && !file->in_state_dir && unlinkat(s->ram_dir, file->name, 0) < 0 &&
		errno != ENOENT)
		return -errno;
	r = file_shared_open(shared_dir(s, file), file->name, size, &s->fd[file->role], &fresh);
	if (r == 0 && file->is_ring)
		r = fresh ? format_ring(s->fd[file->role], size)
			  : check_ring(s->fd[file->role], size);
	return r;
}

static int open_counts(struct supervisor *s, enum chan_process p, bool go_on)
{
	bool fresh;
	int r;

	if (!go_on)
		unlinkat(s->ram_dir, counts_name[p], 0);
	r = file_shared_open(s->ram_dir, counts_name[p], COUNTS_SIZE, &s->counts_fd[p], &fresh);
	if (r < 0)
		return r;
	s->counts[p] = mmap(NULL, COUNTS_SIZE, PROT_READ, MAP_SHARED, s->counts_fd[p], 0);
	if (s->counts[p] == MAP_FAILED) {
		s->counts[p] = NULL;
		return -errno;
	}
	return 0;
}

static int map_ring(int fd, size_t size, int protection, void **ret_memory, struct ring **ret_ring)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return ring_open(memory, size, ret_ring);
}

static int map_own(struct supervisor *s)
{
	int r;

	s->records_size = file_size(s, ROLE_SUPERVISOR_RECORDS);
	r = map_ring(s->fd[ROLE_SUPERVISOR_RECORDS], s->records_size, PROT_READ | PROT_WRITE,
		&s->records_memory, &s->records);
	if (r < 0)
		return r;
	return map_ring(s->fd[ROLE_FRAME_RING], file_size(s, ROLE_FRAME_RING), PROT_READ,
		&s->frames_memory, &s->frames);
}

/* `same_boot` is about budget.state: its times are of the kernel boot that state_dir/boot names. */
static int note_run(struct supervisor *s, bool go_on)
{
	char text[128], kernel[40], old[40] = "";
	uint64_t boot;
	int layout, r = file_boot_id(kernel);

	if (r < 0)
		return r;
	if (file_text_read(s->state_dir, "boot", text, sizeof(text)) == 0 &&
		sscanf(text, "%" SCNu64 " %39s", &boot, old) == 2)
		s->same_boot = strcmp(old, kernel) == 0;
	if (go_on) {
		return read_state(s, old, &s->boot, &layout) ? 0 : -EIO;
	}
	s->boot = next_boot(s);
	snprintf(text, sizeof(text), "%" PRIu64 " %s", s->boot, kernel);
	r = file_text_write(s->state_dir, "boot", text);
	snprintf(text, sizeof(text), "%s %" PRIu64 " %d", kernel, s->boot, LAYOUT);
	return r < 0 ? r : file_text_write(s->ram_dir, "run.state", text);
}

static int open_all(struct supervisor *s, bool go_on)
{
	int r = 0;

	if (!go_on)
		unlinkat(s->ram_dir, "run.state", 0);
	for (size_t i = 0; i < N_SHARED && r == 0; i++)
		r = open_shared(s, &shared[i], go_on);
	for (enum chan_process p = 0; p < CHAN_PROCESSES && r == 0; p++)
		r = open_counts(s, p, go_on);
	if (r == 0)
		r = note_run(s, go_on);
	return r < 0 ? r : map_own(s);
}

int sup_files_open(struct supervisor *s)
{
	bool go_on = sup_files_fit(s);
	int r = open_all(s, go_on);

	if (r == -EBADMSG && go_on) { /* a ring that is none: nothing can be drained from it */
		sup_say("the rings of an earlier run are damaged: fresh ones are made");
		sup_files_close(s);
		r = open_all(s, false);
	}
	if (r < 0)
		return complain("rings and counters in", s->conf->top.run_dir, r,
			"run_dir needs room for capture.ring and the flow table, state_dir must be "
			"writable");
	s->fd[ROLE_FRAME_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->fd[ROLE_FRAME_EVENT] < 0 ? -errno : 0;
}

int sup_conf_copy(const char *path, int *ret_fd)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), to, r = 0;
	char buf[4096];
	ssize_t n;

	if (from < 0)
		return -errno;
	to = memfd_create("fishbowl.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0)
		r = -errno;
	while (r == 0 && (n = read(from, buf, sizeof(buf))) != 0)
		r = n < 0 ? -errno : fd_write(to, buf, (size_t)n);
	close(from);
	if (r == 0)
		r = file_seal(to);
	if (r < 0) {
		close_fd(&to);
		return r;
	}
	*ret_fd = to;
	return 0;
}

/* Children see the text that was checked, whatever happens to the file. */
int sup_conf_snapshot(struct supervisor *s)
{
	int r = sup_conf_copy(s->conf->path, &s->fd[ROLE_CONF]);

	return r < 0 ? complain("configuration", s->conf->path, r, "it was there a moment ago") : 0;
}
