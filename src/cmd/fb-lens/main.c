/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fb-lens - looks into what was captured, behind fb-tap and at lower priority, so that it never delays a
 * verdict.
 *
 * Faces: every byte that an attacker sent. Holds: nothing; it gets segments opened for reading, one by one,
 * and has its record ring, its counts and lens.state. What it loses by dying it reads again (lens.h).
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "cmd/fb-lens/lens.h"
#include "cmd/fb-lens/watch.h"
#include "conf/conf.h"
#include "fingerprint/geo.h"
#include "fingerprint/signatures.h"
#include "proto/proto.h"
#include "sys/child.h"

static_assert(sizeof(struct lens_state) <= COUNTS_LENS_STATE_SIZE, "the state has room");
static_assert(sizeof(struct counts_lens) <= COUNTS_SIZE, "the counts have room");

/* Beside what every process may: reading segments, and memory. */
static const struct jail_call calls[] = {
	{ SCMP_SYS(pread64), JAIL_FREE }, { SCMP_SYS(fstat), JAIL_FREE },
	{ SCMP_SYS(newfstatat), JAIL_FREE }, /* fstat() of newer libraries */
	{ SCMP_SYS(close), JAIL_FREE }, { SCMP_SYS(brk), JAIL_FREE },
	{ SCMP_SYS(mmap), JAIL_NO_EXEC }, { SCMP_SYS(mprotect), JAIL_NO_EXEC },
	{ SCMP_SYS(mremap), JAIL_FREE }, { SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(madvise), JAIL_FREE }, { SCMP_SYS(futex), JAIL_FREE },
	{ SCMP_SYS(getrandom), JAIL_FREE },
	{ SCMP_SYS(sysinfo), JAIL_FREE }, /* qsort() asks how much memory there is */
};

struct process {
	struct child child;
	struct conf *conf;
	struct lens *lens;
	struct watch *watch;
	struct signatures *signatures;
	struct geo *geo;      /* NULL: no databases */
	bool looking;         /* a packet is being looked at: its rules stay */
	bool has_rules;       /* other rules have come */
	struct message rules; /* with them */
};

static int fail(const char *what, int r)
{
	fprintf(stderr, "fb-lens: %s: %s\n", what, strerror(-r));
	return r;
}

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- what the lens asks for ---- */

static void want(void *context, uint64_t number)
{
	struct process *p = context;
	struct message_want want = { .number = number };

	(void)child_want(&p->child, &want);
}

static void take_segment(struct process *p, struct message *m)
{
	struct lens_segment segment = { .number = m->segment.number,
		.compressed = m->segment.compressed != 0 };

	if (m->n_fds != 1)
		return;
	segment.fd = m->fd[0];
	m->fd[0] = -1;
	lens_give(p->lens, &segment);
}

static int64_t use_image(struct process *p, size_t size, int fd)
{
	void *image = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	int r;

	if (image == MAP_FAILED)
		return -errno;
	r = watch_use_rules(p->watch, image, size);
	if (r < 0)
		munmap(image, size);
	return r;
}

static void use_rules(struct process *p)
{
	struct message *m = &p->rules;
	struct message_applied applied = { .rules = m->rules.generation, .result = -EBADMSG };

	if (m->rules.size == 0)
		applied.result = watch_use_rules(p->watch, NULL, 0);
	else if (m->n_fds == 1)
		applied.result = use_image(p, m->rules.size, m->fd[0]);
	message_close_fds(m);
	p->has_rules = false;
	(void)child_applied(&p->child, &applied);
}

/* They may come while a record of a packet waits for room. */
static void take_rules(struct process *p, const struct message *m)
{
	if (p->has_rules)
		message_close_fds(&p->rules);
	p->rules = *m;
	p->has_rules = true;
	if (!p->looking)
		use_rules(p);
}

static enum lens_order wait_order(void *context, int ms)
{
	struct process *p = context;
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	struct message m;

	if (ms > 0)
		(void)poll(&wait, 1, ms);
	for (;;)
		switch (child_poll(&p->child, monotonic_ns(), &m)) {
		case CHILD_SEGMENT:
			take_segment(p, &m);
			break;
		case CHILD_RULES:
			take_rules(p, &m);
			break;
		case CHILD_STOP:
			return LENS_DRAIN;
		case CHILD_ORPHAN:
			return LENS_END;
		default:
			return LENS_GO;
		}
}

static void look(void *context, const struct capture_packet *packet,
	const struct capture_interface *interface)
{
	struct process *p = context;

	p->looking = true;
	watch_packet(p->watch, packet, interface);
	p->looking = false;
	if (p->has_rules)
		use_rules(p);
}

static void emit(void *context, const struct record *record)
{
	struct process *p = context;

	lens_emit(p->lens, record);
}

static void keep(void *context, const struct piece *piece)
{
	struct process *p = context;

	lens_keep(p->lens, piece);
}

/* ---- start ---- */

static int load_conf(struct process *p)
{
	char *faults = NULL;
	int r = conf_load_fd(child_fd(&p->child, ROLE_CONF, 0), "configuration", &p->conf, &faults);

	if (r < 0)
		fprintf(stderr, "fb-lens: %s\n", faults ? faults : strerror(-r));
	free(faults);
	return r;
}

/* What is wrong in one of them spoils the others as little as it may. */
static int load_signatures(struct process *p)
{
	char faults[4096];
	struct out o = out_make(faults, sizeof(faults));
	int r = signatures_new(&p->signatures), fd;

	for (unsigned i = 0; r == 0 && (fd = child_fd(&p->child, ROLE_SIGNATURES, i)) >= 0; i++) {
		char name[32];
		int loaded;

		snprintf(name, sizeof(name), "signatures %u", i + 1);
		loaded = signatures_load(p->signatures, name, fd);
		if (loaded < 0)
			fail(name, loaded);
		r = loaded == -ENOMEM ? loaded : 0;
	}
	if (r == 0)
		signatures_print_faults(&o, p->signatures);
	fputs(faults, stderr);
	return r;
}

/* By name: so before the sandbox, and with this process's own rights. */
static int open_geo(struct process *p)
{
	const struct conf_texts *paths = &p->conf->geo.database;
	int r = paths->n > 0 ? geo_new(&p->geo) : 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++) {
		int opened = geo_open(p->geo, paths->text[i]);

		if (opened < 0)
			fail(paths->text[i], opened);
		r = opened == -ENOMEM ? opened : 0;
	}
	return r;
}

static int open_watch(struct process *p, struct counts_lens *counts)
{
	const struct watch_setup setup = {
		.conf = p->conf,
		.counts = counts,
		.signatures = p->signatures,
		.geo = p->geo,
		.emit = emit,
		.keep = child_fd(&p->child, ROLE_PIECES, 0) >= 0 ? keep : NULL,
		.context = p,
	};
	const void *image;
	size_t size;
	int r = watch_new(&setup, &p->watch);

	if (r < 0 || child_fd(&p->child, ROLE_RULES, 0) < 0)
		return r;
	image = child_map_read(&p->child, ROLE_RULES, &size);
	return image ? watch_use_rules(p->watch, image, size) : -errno;
}

static int open_lens(struct process *p)
{
	struct lens_setup setup = { .run = p->child.start.boot,
		.want = want,
		.wait = wait_order,
		.look = look,
		.context = p };
	size_t state_size = 0, counts_size = 0;
	int r;

	setup.state = child_map(&p->child, ROLE_LENS_STATE, &state_size);
	setup.counts = child_map(&p->child, ROLE_COUNTS, &counts_size);
	setup.records = child_map(&p->child, ROLE_LENS_RECORDS, &setup.records_size);
	if (!setup.state || !setup.counts || !setup.records || state_size < sizeof(*setup.state) ||
		counts_size < sizeof(*setup.counts))
		return fail("START lacks the ring, the state or the counts", -EBADMSG);
	r = open_watch(p, setup.counts);
	if (r < 0)
		return fail("rules", r);
	if (child_fd(&p->child, ROLE_PIECES, 0) >= 0)
		setup.pieces = child_map(&p->child, ROLE_PIECES, &setup.pieces_size);
	r = lens_new(&setup, &p->lens);
	return r < 0 ? fail("record ring", r) : 0;
}

static int start(struct process *p)
{
	struct jail jail = { .calls = calls, .n_calls = sizeof(calls) / sizeof(calls[0]) };
	int r = child_start(CHAN_LENS, &p->child);

	proto_prepare();
	if (r == 0)
		r = load_conf(p);
	if (r == 0)
		r = load_signatures(p);
	if (r == 0)
		r = open_geo(p);
	if (r == 0)
		r = open_lens(p);
	if (r < 0)
		return r;
	r = child_ready(&p->child, &jail);
	return r < 0 ? fail("no sandbox", r) : 0;
}

int main(void)
{
	static struct process p;
	int r = start(&p);

	if (r == 0) {
		r = lens_run(p.lens);
		if (r < 0)
			fail("ends", r);
	}
	lens_free(p.lens);
	watch_free(p.watch);
	signatures_free(p.signatures);
	geo_free(p.geo);
	conf_free(p.conf);
	return r == -EBADMSG ? CHILD_EXIT_BAD_RING : r < 0;
}
