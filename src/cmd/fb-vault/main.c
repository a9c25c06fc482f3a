/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fb-vault - keeps the files that were carried: pieces out of a ring that fb-lens fills, into state_dir/files, with
 * a record of each.
 *
 * Faces: every byte of every file, with libmagic, libarchive and YARA. Holds: the kept files. It reaches nothing
 * else; what it loses by dying it does again (vault/vault.h).
 */
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "conf/conf.h"
#include "sys/child.h"
#include "vault/vault.h"

static_assert(sizeof(struct counts_vault) <= COUNTS_SIZE, "the counts have room");

enum { NAP_MS = 20, IDLE_MS = 50, FULL_MS = 500, DRAIN_S = 30, BATCH = 64 };

/* What a library may be made to ask for by a file: beyond that it fails, and the file is kept all the same. */
enum { MEMORY_MAX_GIB = 3 };

static const struct jail_call calls[] = {
#define VAULT_CALL(name, how) { SCMP_SYS(name), JAIL_##how },
#include "vault/calls.def"
#undef VAULT_CALL
};

struct process {
	struct child child;
	struct conf *conf;
	struct look *look;
	struct vault *vault;
	struct counts_vault *counts;
	struct ring *pieces, *records;
	struct vault_state *state;
	char faults[4096]; /* of rules and types, a line each, to be recorded */
	bool stopping, orphan;
	int64_t drain_until_ns;
};

static int fail(const char *what, int r)
{
	fprintf(stderr, "fb-vault: %s: %s\n", what, strerror(-r));
	return r;
}

static int64_t read_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- orders ---- */

static int64_t obey(struct process *p, const struct message_file_order *order)
{
	if (!p->vault)
		return -EAGAIN;
	switch (order->what) {
	case FILE_PIN:
	case FILE_UNPIN:
		return vault_pin(p->vault, order->sha256, order->what == FILE_PIN);
	case FILE_PURGE:
		return vault_purge(p->vault, order->sha256);
	default:
		return -EINVAL;
	}
}

/* False: it must end. */
static bool listen_to(struct process *p, bool may_obey)
{
	struct message m;

	for (;;)
		switch (child_poll(&p->child, read_clock_ns(CLOCK_MONOTONIC), &m)) {
		case CHILD_FILE_ORDER: {
			struct message_file_done done = { .number = m.file_order.number,
				.result = may_obey ? obey(p, &m.file_order) : -EAGAIN };

			(void)child_file_done(&p->child, &done);
			break;
		}
		case CHILD_STOP:
			p->stopping = true;
			p->drain_until_ns =
				read_clock_ns(CLOCK_MONOTONIC) + (int64_t)DRAIN_S * 1000000000;
			break;
		case CHILD_ORPHAN:
			p->orphan = true;
			return false;
		default:
			return !p->orphan &&
			       (!p->stopping || read_clock_ns(CLOCK_MONOTONIC) < p->drain_until_ns);
		}
}

/* In the middle of something: no orders now. */
static bool wait_busy(void *context, int ms)
{
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	struct process *p = context;

	if (ms > 0)
		(void)poll(&wait, 1, ms);
	return listen_to(p, false);
}

static void beat(void *context)
{
	(void)wait_busy(context, 0);
}

/* ---- start ---- */

static void on_fault(void *context, const char *what)
{
	struct process *p = context;
	size_t used = strlen(p->faults);

	fprintf(stderr, "fb-vault: %s\n", what);
	snprintf(p->faults + used, sizeof(p->faults) - used, "%s\n", what);
}

static int load_conf(struct process *p)
{
	char *faults = NULL;
	int r = conf_load_fd(child_fd(&p->child, ROLE_CONF, 0), "configuration", &p->conf, &faults);

	if (r < 0)
		fprintf(stderr, "fb-vault: %s\n", faults ? faults : strerror(-r));
	free(faults);
	return r;
}

static int open_ring(struct process *p, enum chan_role role, struct ring **ret_ring)
{
	size_t size;
	void *memory = child_map(&p->child, role, &size);
	int r = memory ? ring_open(memory, size, ret_ring) : -EBADMSG;

	return r < 0 ? fail("ring", r) : 0;
}

static int open_memory(struct process *p)
{
	size_t state_size = 0, counts_size = 0;

	p->state = child_map(&p->child, ROLE_VAULT_STATE, &state_size);
	p->counts = child_map(&p->child, ROLE_COUNTS, &counts_size);
	if (!p->state || !p->counts || state_size < sizeof(*p->state) ||
		counts_size < sizeof(*p->counts))
		return fail("START lacks the state or the counts", -EBADMSG);
	return 0;
}

/* Types and rules are loaded before the first byte of a file is seen. */
static int open_look(struct process *p)
{
	const struct conf_texts *files = &p->conf->files.yara;
	int fd[CONF_YARA_FILES_MAX];
	const char *name[CONF_YARA_FILES_MAX];
	struct look_setup setup = { .magic = true,
		.yara_fd = fd,
		.yara_name = name,
		.fault = on_fault,
		.beat = beat,
		.context = p };

	for (size_t i = 0; i < files->n && i < CONF_YARA_FILES_MAX; i++) {
		int file = child_fd(&p->child, ROLE_YARA_FILE, (unsigned)i);

		if (file < 0) {
			char what[512];

			snprintf(what, sizeof(what), "%s: it cannot be opened", files->text[i]);
			on_fault(p, what);
			continue;
		}
		fd[setup.n_yara] = file;
		name[setup.n_yara++] = files->text[i];
	}
	return look_new(&setup, &p->look);
}

static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	const rlim_t max = (rlim_t)MEMORY_MAX_GIB << 30;
	struct rlimit limit = { max, max };

	(void)setrlimit(RLIMIT_AS, &limit);
#endif
}

static int enter_jail(struct process *p)
{
	const struct jail_dir dir = { child_fd(&p->child, ROLE_FILES_DIR, 0),
		JAIL_READ | JAIL_WRITE | JAIL_MOVE | JAIL_MAKE_DIRS };
	struct jail jail = { .calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.dirs = &dir,
		.n_dirs = 1 };
	int r = child_ready(&p->child, &jail);

	return r < 0 ? fail("no sandbox", r) : 0;
}

static int start(struct process *p)
{
	int r = child_start(CHAN_VAULT, &p->child);

	/* Names in archives; the environment has no say. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	limit_memory();
	if (r == 0)
		r = load_conf(p);
	if (r == 0)
		r = open_memory(p);
	if (r == 0)
		r = open_ring(p, ROLE_PIECES, &p->pieces);
	if (r == 0)
		r = open_ring(p, ROLE_VAULT_RECORDS, &p->records);
	if (r < 0)
		return r;
	r = open_look(p);
	if (r < 0)
		return fail("sums", r);
	tzset();
	return enter_jail(p);
}

static int open_vault(struct process *p)
{
	const struct vault_setup setup = { .limits = &p->conf->files,
		.dir_fd = child_fd(&p->child, ROLE_FILES_DIR, 0),
		.state = p->state,
		.run = p->child.start.boot,
		.records = p->records,
		.counts = p->counts,
		.look = p->look,
		.wait = wait_busy,
		.context = p };
	int r = vault_prepare(setup.dir_fd);

	return r < 0 ? r : vault_new(&setup, &p->vault);
}

/* SQLite says of a full disk not always that it is (of one without inodes: -EIO). */
static bool is_of_disk(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EIO;
}

/* While the disk cannot be written nothing is taken: the pieces wait in their ring, and fb-lens for room in it. */
static int open_vault_waiting(struct process *p)
{
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	bool said = false;
	int r;

	while (is_of_disk(r = open_vault(p)) && listen_to(p, true)) {
		if (!said)
			fail("it waits until state_dir/files can be written", r);
		said = true;
		p->counts->write_errno = (uint64_t)-r;
		(void)poll(&wait, 1, FULL_MS);
	}
	if (r == 0 && said)
		p->counts->write_errno = 0;
	else if (r < 0)
		fail("state_dir/files", r);
	return r;
}

/* ---- work ---- */

/* Each fault of a file of rules is a record, once a start. */
static void tell_faults(struct process *p)
{
	char *rest = p->faults, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line)
			vault_tell_fault(p->vault, read_clock_ns(CLOCK_REALTIME), line);
}

static int work(struct process *p)
{
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	int r = 0, idle = 0;

	while (listen_to(p, true) && r >= 0) {
		for (int n = 0; n < BATCH && (r = vault_serve(p->vault, p->pieces)) == 1; n++)
			idle = 0;
		if (r != 0)
			continue;
		if (p->stopping && idle > 1)
			break; /* fb-lens has ended before: nothing more comes */
		(void)poll(&wait, 1, idle++ < 5 ? NAP_MS : IDLE_MS);
	}
	return r;
}

int main(void)
{
	static struct process p;
	int r = start(&p);

	if (r < 0)
		return r == -EBADMSG ? CHILD_EXIT_BAD_RING : 1;
	r = open_vault_waiting(&p);
	if (r < 0)
		return !p.stopping;
	tell_faults(&p);
	r = work(&p);
	vault_free(p.vault);
	return r == -EBADMSG ? CHILD_EXIT_BAD_RING : r < 0;
}
