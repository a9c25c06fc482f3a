/* SPDX-License-Identifier: Apache-2.0 */
/* fb-tap - writes the frame ring to pcapng segments. Its work is in tap.c; here it gets its
 * descriptors from the supervisor and gives up everything else. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/fb-tap/tap.h"
#include "conf/conf.h"
#include "sys/child.h"

static const struct jail_call calls[] = {
	/* files of the capture directory */
	{ SCMP_SYS(openat), JAIL_FREE }, { SCMP_SYS(close), JAIL_FREE },
	{ SCMP_SYS(fcntl), JAIL_FREE }, { SCMP_SYS(lseek), JAIL_FREE },
	{ SCMP_SYS(pread64), JAIL_FREE }, { SCMP_SYS(pwrite64), JAIL_FREE },
	{ SCMP_SYS(pwritev), JAIL_FREE }, { SCMP_SYS(ftruncate), JAIL_FREE },
	{ SCMP_SYS(fallocate), JAIL_FREE }, { SCMP_SYS(fdatasync), JAIL_FREE },
	{ SCMP_SYS(fstat), JAIL_FREE }, { SCMP_SYS(newfstatat), JAIL_FREE },
	{ SCMP_SYS(fstatfs), JAIL_FREE }, { SCMP_SYS(getdents64), JAIL_FREE },
	{ SCMP_SYS(renameat), JAIL_FREE }, { SCMP_SYS(unlinkat), JAIL_FREE },
	/* memory, and the keeper's thread */
	{ SCMP_SYS(brk), JAIL_FREE }, { SCMP_SYS(mmap), JAIL_NO_EXEC },
	{ SCMP_SYS(mprotect), JAIL_NO_EXEC }, { SCMP_SYS(mremap), JAIL_FREE },
	{ SCMP_SYS(munmap), JAIL_FREE }, { SCMP_SYS(madvise), JAIL_FREE },
	{ SCMP_SYS(rt_sigaction), JAIL_FREE }, /* of the first pthread_create */
	{ SCMP_SYS(clone), JAIL_THREAD }, { SCMP_SYS(clone3), JAIL_ABSENT },
	{ SCMP_SYS(futex), JAIL_FREE }, { SCMP_SYS(set_robust_list), JAIL_FREE },
	{ SCMP_SYS(rseq), JAIL_FREE }, { SCMP_SYS(sched_setscheduler), JAIL_FREE },
	{ SCMP_SYS(clock_nanosleep), JAIL_FREE }, { SCMP_SYS(nanosleep), JAIL_FREE },
	{ SCMP_SYS(getrandom), JAIL_FREE },
	{ SCMP_SYS(sysinfo), JAIL_FREE }, /* qsort asks how much memory there is */
};

static enum tap_order order(void *context)
{
	struct child *child = context;
	struct timespec now;
	struct message message;

	clock_gettime(CLOCK_MONOTONIC, &now);
	switch (child_poll(child, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, &message)) {
	case CHILD_STOP:
	case CHILD_ORPHAN:
		return TAP_DRAIN;
	default:
		return TAP_GO;
	}
}

static void marked(void *context, uint64_t marker, uint64_t frames)
{
	struct message_audited audited = { .id = marker, .ok = 1, .frames = frames };

	(void)child_audited(context, &audited);
}

static int read_conf(struct child *child, struct tap_setup *setup)
{
	struct conf *conf;
	char *faults = NULL;
	int result = conf_load_fd(child_fd(child, ROLE_CONF, 0), "configuration", &conf, &faults);

	if (result < 0) {
		fprintf(stderr, "fb-tap: %s\n", faults ? faults : strerror(-result));
		return result;
	}
	setup->segment_size = conf->capture.segment_size;
	setup->segment_time_s = conf->capture.segment_time;
	setup->budget = conf->capture.budget;
	setup->keep_free = conf->capture.keep_free;
	setup->compress = conf->capture.compress;
	conf_free(conf);
	return 0;
}

static int read_setup(struct child *child, struct tap_setup *setup)
{
	int key = child_fd(child, ROLE_SIGNING_KEY, 0);
	size_t counts_size = 0;

	setup->dir_fd = child_fd(child, ROLE_CAPTURE_DIR, 0);
	setup->wake_fd = child_fd(child, ROLE_FRAME_EVENT, 0);
	setup->order_fd = CHAN_CHILD_FD;
	setup->ring = child_map(child, ROLE_FRAME_RING, &setup->ring_size);
	setup->records = child_map(child, ROLE_TAP_RECORDS, &setup->records_size);
	setup->counts = child_map(child, ROLE_COUNTS, &counts_size);
	if (setup->dir_fd < 0 || !setup->ring || !setup->counts ||
		counts_size < sizeof(*setup->counts)) {
		fprintf(stderr,
			"fb-tap: START lacks the frame ring, its counts or the directory\n");
		return -EBADMSG;
	}
	if (key >= 0) {
		int result = manifest_key_read(key, &setup->key);

		if (result < 0) {
			fprintf(stderr, "fb-tap: the signing key cannot be read\n");
			return result;
		}
		setup->has_key = true;
	}
	setup->boot = child->start.boot;
	setup->honeynet = child->start.honeynet;
	setup->n_interfaces = child->start.n_ports;
	for (uint32_t i = 0; i < setup->n_interfaces; i++) {
		child->start.port[i][CHAN_NIC_MAX - 1] = '\0';
		setup->interface[i] = (struct pcapng_interface){
			.name = child->start.port[i],
			.description = i == 0 ? "outside" : "inside",
		};
	}
	return read_conf(child, setup);
}

static int enter_jail(struct child *child, const struct tap_setup *setup)
{
	struct jail_dir dir = { .fd = setup->dir_fd, .rights = JAIL_READ | JAIL_WRITE };
	struct jail jail = { .calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.dirs = &dir,
		.n_dirs = 1 };
	uint8_t hash[MANIFEST_HASH];

	/* The libraries look for their own files the first time. */
	manifest_sha256("", 0, hash);
	return child_ready(child, &jail);
}

int main(void)
{
	static struct child child;
	static struct tap_setup setup;
	int result = child_start(CHAN_TAP, &child);

	if (result == 0)
		result = read_setup(&child, &setup);
	if (result == 0) {
		setup.order = order;
		setup.marked = marked;
		setup.context = &child;
		result = enter_jail(&child, &setup);
		if (result < 0)
			fprintf(stderr, "fb-tap: no sandbox: %s\n", strerror(-result));
	}
	if (result == 0) {
		result = tap_run(&setup);
		if (result < 0)
			fprintf(stderr, "fb-tap: %s\n", strerror(-result));
	}
	return result == -EBADMSG ? CHILD_EXIT_BAD_RING : result < 0;
}
