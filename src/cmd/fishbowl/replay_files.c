/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_files.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ring.h"
#include "conf/conf.h"
#include "sys/chan.h"
#include "sys/files.h"
#include "sys/jail.h"
#include "vault/piece.h"
#include "vault/vault.h"

enum {
	PIECES_DATA = 4 << 20,
	RECORDS_DATA = 4 << 20,
	SYNC_BYTES = 1 << 20,
	MAX_FILES = 256,
	RUN = 1
};

/* What the two say to each other, a byte each. */
enum { SAY_GO = 'G', SAY_END = 'E', SAY_DONE = 'D', SAY_FULL = 'F' };

static const struct jail_call calls[] = {
#define VAULT_CALL(name, how) { SCMP_SYS(name), JAIL_##how },
#include "vault/calls.def"
#undef VAULT_CALL
};

struct replay_files {
	const struct conf *conf;
	int dir_fd, line[2]; /* [0]: the reader's end, [1]: the keeper's */
	int yara_fd[CONF_YARA_FILES_MAX];
	const char *yara_name[CONF_YARA_FILES_MAX];
	size_t n_yara;
	void *pieces_memory, *records_memory;
	struct ring *pieces, *records; /* of the process that this is */
	struct vault_state *state;
	struct counts_vault counts;
	pid_t pid;
	/* of the reader */
	void (*emit)(void *context, const struct record *record);
	void *context;
	size_t unsaid; /* bytes since the keeper was asked last */
	int64_t time_ns;
	bool broken;
	uint8_t packed[RECORD_PACKED_MAX];
};

/* ---- before ---- */

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int make_ring(void **ret_memory, size_t data)
{
	*ret_memory = map(ring_memory_size(data));
	return *ret_memory ? ring_format(*ret_memory, ring_memory_size(data), 1) : -ENOMEM;
}

static void open_yara(struct replay_files *f)
{
	const struct conf_texts *files = &f->conf->files.yara;

	for (size_t i = 0; i < files->n && i < CONF_YARA_FILES_MAX; i++) {
		int fd = open(files->text[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0) {
			fprintf(stderr, "fishbowl: %s: %s\n", files->text[i], strerror(errno));
			continue;
		}
		f->yara_fd[f->n_yara] = fd;
		f->yara_name[f->n_yara++] = files->text[i];
	}
}

int replay_files_new(const struct conf *conf, const char *dir, struct replay_files **ret_files)
{
	struct replay_files *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->conf = conf;
	f->dir_fd = f->line[0] = f->line[1] = -1;
	r = file_dir_open(dir, &f->dir_fd);
	if (r == 0)
		r = vault_prepare(f->dir_fd);
	if (r == 0)
		r = make_ring(&f->pieces_memory, PIECES_DATA);
	if (r == 0)
		r = make_ring(&f->records_memory, RECORDS_DATA);
	f->state = map(sizeof(*f->state));
	if (r == 0 && !f->state)
		r = -ENOMEM;
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->line) < 0)
		r = -errno;
	if (r < 0) {
		fprintf(stderr, "fishbowl: --files %s: %s; name a directory that can be written\n",
			dir, strerror(-r));
		replay_files_free(f);
		return r;
	}
	open_yara(f);
	*ret_files = f;
	return 0;
}

static void unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

struct replay_files *replay_files_free(struct replay_files *f)
{
	if (!f)
		return NULL;
	for (size_t i = 0; i < f->n_yara; i++)
		close(f->yara_fd[i]);
	for (unsigned i = 0; i < 2; i++)
		if (f->line[i] >= 0)
			close(f->line[i]);
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	ring_free(f->pieces);
	ring_free(f->records);
	unmap(f->pieces_memory, ring_memory_size(PIECES_DATA));
	unmap(f->records_memory, ring_memory_size(RECORDS_DATA));
	unmap(f->state, sizeof(*f->state));
	free(f);
	return NULL;
}

static int open_rings(struct replay_files *f)
{
	int r = ring_open(f->pieces_memory, ring_memory_size(PIECES_DATA), &f->pieces);

	return r < 0 ? r
		     : ring_open(f->records_memory, ring_memory_size(RECORDS_DATA), &f->records);
}

static bool say(int fd, char what)
{
	struct iovec bytes = { &what, 1 };
	const struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };

	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1;
}

/* 0: the other one is gone. */
static char hear(int fd)
{
	char what;
	ssize_t n;

	while ((n = read(fd, &what, 1)) < 0 && errno == EINTR)
		;
	return n == 1 ? what : 0;
}

/* ---- the keeper ---- */

static void on_fault(void *context, const char *what)
{
	(void)context;
	fprintf(stderr, "fishbowl: %s\n", what);
}

/* The ring of records is full: the reader takes them. */
static bool on_wait(void *context, int ms)
{
	const struct replay_files *f = context;

	return ms == 0 || (say(f->line[1], SAY_FULL) && hear(f->line[1]) == SAY_GO);
}

/* As whoever owns the directory, with no capability, and nothing but that directory. */
static int give_up_rights(const struct replay_files *f)
{
	const struct jail_dir dir = { f->dir_fd, JAIL_READ | JAIL_WRITE | JAIL_MOVE };
	struct jail jail = { .mode = (enum jail_mode)f->conf->top.seccomp,
		.calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.dirs = &dir,
		.n_dirs = 1 };
	struct stat st;
	int r = fstat(f->dir_fd, &st) < 0 ? -errno : 0, landlock;

	if (r == 0 && geteuid() == 0) {
		const struct jail_user owner = { .uid = st.st_uid, .gid = st.st_gid };

		r = jail_drop(&owner, MAX_FILES);
	} else if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		r = -errno;
	}
	/* After the change of user, which clears it. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	return r < 0 ? r : jail_enter(&jail, &landlock);
}

static int open_vault(struct replay_files *f, struct vault **ret_vault)
{
	const struct look_setup look = { .magic = true,
		.yara_fd = f->yara_fd,
		.yara_name = f->yara_name,
		.n_yara = f->n_yara,
		.fault = on_fault };
	struct vault_setup setup = { .limits = &f->conf->files,
		.dir_fd = f->dir_fd,
		.state = f->state,
		.run = RUN,
		.counts = &f->counts,
		.wait = on_wait,
		.context = f };
	int r;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	r = look_new(&look, &setup.look);
	if (r == 0)
		r = open_rings(f);
	setup.records = f->records;
	if (r == 0)
		r = give_up_rights(f);
	return r < 0 ? r : vault_new(&setup, ret_vault);
}

static _Noreturn void keep_files(struct replay_files *f)
{
	struct vault *vault = NULL;
	int r = open_vault(f, &vault);
	char what;

	if (r < 0) {
		fprintf(stderr, "fishbowl: files cannot be kept: %s\n", strerror(-r));
		_exit(1);
	}
	while ((what = hear(f->line[1])) != 0) {
		while (vault_serve(vault, f->pieces) == 1)
			;
		if (what == SAY_END)
			vault_end(vault);
		if (!say(f->line[1], SAY_DONE))
			break;
	}
	vault_free(vault);
	_exit(0);
}

int replay_files_start(struct replay_files *f)
{
	f->pid = fork();
	if (f->pid < 0) {
		fprintf(stderr, "fishbowl: cannot start a process: %s\n", strerror(errno));
		return -errno;
	}
	if (f->pid == 0) {
		close(f->line[0]);
		keep_files(f);
	}
	close(f->line[1]);
	f->line[1] = -1;
	return 0;
}

bool replay_files_wait(struct replay_files *f)
{
	int status;

	close(f->line[0]);
	f->line[0] = -1;
	while (waitpid(f->pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0;
	fprintf(stderr,
		"fishbowl: the process that kept the files was stopped (%s); they are incomplete\n",
		strsignal(WTERMSIG(status)));
	return false;
}

/* ---- the reader ---- */

void replay_files_use(struct replay_files *f,
	void (*emit)(void *context, const struct record *record), void *context)
{
	f->emit = emit;
	f->context = context;
	f->broken = open_rings(f) < 0;
}

static void take_records(struct replay_files *f)
{
	struct ring_entry entry;
	const void *payload;
	struct record record;

	while (ring_peek(f->records, &entry, &payload) == 1) {
		if (entry.size > sizeof(f->packed))
			continue;
		memcpy(f->packed, payload, entry.size);
		if (record_unpack(f->packed, entry.size, &record) == 0)
			f->emit(f->context, &record);
	}
	ring_release(f->records);
}

/* The keeper does all there is, and its records are taken. */
static void sync_with(struct replay_files *f, char what)
{
	char answer;

	if (f->broken)
		return;
	f->unsaid = 0;
	f->broken = !say(f->line[0], what);
	while (!f->broken && (answer = hear(f->line[0])) != SAY_DONE) {
		f->broken = answer != SAY_FULL;
		take_records(f);
		if (!f->broken)
			f->broken = !say(f->line[0], SAY_GO);
	}
	take_records(f);
}

static void *reserve(struct replay_files *f, size_t size, struct ring_entry **ret_entry)
{
	void *payload;

	if (f->broken)
		return NULL;
	f->unsaid += size;
	payload = ring_reserve(f->pieces, (uint32_t)size, ret_entry);
	f->broken = !payload; /* it was asked in time: there is room */
	return payload;
}

void replay_files_keep(struct replay_files *f, const struct piece *piece)
{
	size_t size = piece_size(piece);
	struct ring_entry *entry;
	void *payload = reserve(f, size, &entry);

	if (!payload)
		return;
	piece_write(piece, payload);
	entry->kind = PIECE_DATA;
	entry->time_ns = piece->record.head.time_ns;
	ring_commit(f->pieces, (uint32_t)size);
	if (piece->end || f->unsaid > SYNC_BYTES)
		sync_with(f, SAY_GO);
}

void replay_files_time(struct replay_files *f, int64_t time_ns)
{
	struct ring_entry *entry;

	if (piece_clock_due(f->time_ns, time_ns) && reserve(f, 0, &entry)) {
		entry->kind = PIECE_CLOCK;
		entry->time_ns = time_ns;
		ring_commit(f->pieces, 0);
		sync_with(f, SAY_GO);
	}
	f->time_ns = time_ns;
}

bool replay_files_end(struct replay_files *f)
{
	sync_with(f, SAY_END);
	return !f->broken;
}
