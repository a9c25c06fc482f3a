/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor_ctl.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "capture/manifest.h"
#include "store/journal.h"
#include "sys/files.h"
#include "sys/notify.h"

enum { TICK_MS = 100, EVE_MODE = 0640, START_TRIES = 8 };
static const int64_t jump_ns = SUP_NS_PER_S; /* a smaller step is the work of NTP */
static const int64_t first_ready_ns = 30 * SUP_NS_PER_S, lens_ready_ns = 3 * SUP_NS_PER_S;

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * SUP_NS_PER_S + t.tv_nsec;
}

int64_t sup_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t sup_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t sup_steady(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

void sup_say(const char *fmt, ...)
{
	va_list args;

	fputs("fishbowl: ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void begin(struct supervisor *s, const struct conf *conf)
{
	memset(s, 0, sizeof(*s));
	s->conf = s->first_conf = conf;
	s->spare_fd = s->rules.set.fd = -1;
	if (conf->top.honeynet[0])
		snprintf(s->honeynet, sizeof(s->honeynet), "%s", conf->top.honeynet);
	else
		gethostname(s->honeynet, sizeof(s->honeynet) - 1);
	for (size_t i = 0; i < ROLE_COUNT; i++)
		s->fd[i] = -1;
	for (enum chan_process p = 0; p < CHAN_PROCESSES; p++) {
		s->child[p].process = p;
		s->child[p].chan.fd = -1;
		s->counts_fd[p] = -1;
		jail_user_find(process_name(p), JAIL_UID_FIRST + p, &s->child[p].user);
	}
	for (size_t i = 0; i < CHAN_PORTS_MAX; i++)
		s->port[i].fd = s->port[i].merged_fd = s->port[i].spare_fd = -1;
	s->run_dir = s->ram_dir = s->state_dir = s->lock_fd = -1;
	s->signal_fd = s->ctl_fd = -1;
	s->watch_fd[0] = s->watch_fd[1] = -1;
	s->started_ns = sup_now();
	s->watchdog_ns = notify_watchdog_ns();
}

static int open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

/* ---- the clock ---- */

static int64_t clock_offset(void)
{
	return sup_wall() - sup_steady();
}

/* Someone set the clock: times of records before and after cannot be compared. */
static void check_clock(struct supervisor *s)
{
	int64_t offset = clock_offset(), step = offset - s->clock_offset_ns;

	s->clock_offset_ns = offset;
	if (step > jump_ns || step < -jump_ns)
		sup_control(s, REASON_CLOCK_JUMP, "clock", "%+.3f s", (double)step / 1e9);
}

/* ---- sinks of fb-store that only root can open ---- */

static int connect_unix(const char *path, int type)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(to.sun_path, sizeof(to.sun_path), "%s", path) >= (int)sizeof(to.sun_path))
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void open_sinks(struct supervisor *s)
{
	const struct conf_top *top = &s->conf->top;

	if (top->eve_file[0]) {
		s->fd[ROLE_EVE_FILE] = open(top->eve_file,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, EVE_MODE);
		if (s->fd[ROLE_EVE_FILE] < 0)
			sup_say("eve_file %s cannot be written: %s; records are in the journal all "
				"the same",
				top->eve_file, strerror(errno));
	}
	if (top->eve_socket[0]) {
		s->fd[ROLE_EVE_SOCKET] = connect_unix(top->eve_socket, SOCK_STREAM);
		if (s->fd[ROLE_EVE_SOCKET] < 0)
			sup_say("nobody listens on eve_socket %s", top->eve_socket);
	}
	if (top->syslog) {
		s->fd[ROLE_SYSLOG] = connect_unix("/dev/log", SOCK_DGRAM);
		if (s->fd[ROLE_SYSLOG] < 0)
			sup_say("no syslog daemon at /dev/log; records are in the journal all the "
				"same");
	}
}

/* ---- the loop ---- */

static void ask_stop(struct supervisor *s, const char *why)
{
	s->stopping++;
	if (s->stopping == 1) {
		s->stop_since_ns = sup_now();
		notify_send("STOPPING=1");
		sup_say("stopping (%s)", why);
	} else {
		sup_say("hurrying; what is not written yet stays in run_dir for the next run");
	}
}

/* Whoever may send it: it works without ctl.sock. */
static void lockdown_by_signal(struct supervisor *s, const struct signalfd_siginfo *info)
{
	char who[ORDER_WHO_MAX], detail[128];
	uint64_t id = 0;
	int r;

	snprintf(who, sizeof(who), "SIGUSR1 from uid %u, pid %u", info->ssi_uid, info->ssi_pid);
	r = sup_lockdown(s, who, "", &id);
	snprintf(detail, sizeof(detail), "LOCKDOWN: nothing passes (order %llu)%s",
		(unsigned long long)id, r == 0 ? "" : "; fb-gate has not answered");
	sup_control_by(s, REASON_OPERATOR, who, NULL, "policy", detail);
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			ask_stop(s, info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		else if (info.ssi_signo == SIGHUP)
			s->want_reload = true;
		else if (info.ssi_signo == SIGUSR1)
			lockdown_by_signal(s, &info);
	}
	sup_children_reap(s);
}

static void tick(struct supervisor *s)
{
	int64_t now = sup_now();

	sup_children_tick(s);
	sup_lens_tick(s);
	if (s->running && !s->stopping) {
		check_clock(s);
		sup_policy_tick(s);
		sup_audit_tick(s);
	}
	if (s->watchdog_ns && now >= s->next_watchdog_ns) {
		notify_send("WATCHDOG=1");
		s->next_watchdog_ns = now + s->watchdog_ns;
	}
}

void sup_serve(struct supervisor *s, int wait_ms, bool requests)
{
	enum { OTHERS = 4 };
	struct pollfd wait[OTHERS + CHAN_PROCESSES] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = requests ? s->ctl_fd : -1, .events = POLLIN },
		{ .fd = s->watch_fd[0], .events = POLLIN },
		{ .fd = s->watch_fd[1], .events = POLLIN },
	};

	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		wait[OTHERS + i] = (struct pollfd){ .fd = s->child[i].chan.fd, .events = POLLIN };
	if (poll(wait, OTHERS + CHAN_PROCESSES, wait_ms) > 0) {
		for (size_t i = 0; i < CHAN_PROCESSES; i++)
			if (wait[OTHERS + i].revents && s->child[i].chan.fd >= 0)
				sup_child_message(s, &s->child[i]);
		if (wait[0].revents)
			take_signals(s);
		if (wait[1].revents)
			sup_ctl_serve(s);
		if (wait[2].revents || wait[3].revents)
			sup_nics_watch(s);
	}
	tick(s);
}

/* ---- start ---- */

static int start_one(struct supervisor *s, enum chan_process process)
{
	int r = sup_child_start(s, process);

	if (r < 0)
		fprintf(stderr,
			"fishbowl: %s: %s; is the installation complete? "
			"(FISHBOWL_LIBEXEC names another directory)\n",
			process_name(process), strerror(-r));
	return r;
}

/* 1 when it is ready, 0 not yet. One that was killed (by hand, or for want of memory) gets another
 * try; one that ends by itself would do so again. */
static int look_after(struct supervisor *s, enum chan_process process)
{
	struct sup_child *child = &s->child[process];

	if (child->pid != 0)
		return child->state == SUP_UP;
	if (child->was_killed && child->starts < START_TRIES)
		return start_one(s, process);
	fprintf(stderr, "fishbowl: %s ended while it started (see above)\n", process_name(process));
	return -ECHILD;
}

/* Starts these processes and waits until all are ready. */
static int start_and_wait(struct supervisor *s, const enum chan_process *which, size_t n)
{
	int64_t until = sup_now() + first_ready_ns;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = start_one(s, which[i]);
	while (r >= 0) {
		size_t up = 0;

		for (size_t i = 0; i < n && (r = look_after(s, which[i])) >= 0; i++)
			up += r == 1;
		if (r < 0 || up == n)
			break;
		if (s->stopping || sup_now() > until)
			return -ETIMEDOUT;
		sup_serve(s, TICK_MS, true);
	}
	return r < 0 ? r : 0;
}

static void stop_all(struct supervisor *s)
{
	if (!s->stopping)
		s->stopping = 1;
	while (!sup_children_stop_step(s))
		sup_serve(s, TICK_MS, true);
}

static const enum chan_process writers[] = { CHAN_STORE, CHAN_TAP };
static const enum chan_process gate[] = { CHAN_GATE };

/* What a killed run with another layout has left is written to disk before its rings go. */
static int drain_old(struct supervisor *s)
{
	int r = 0;

	if (sup_files_fit(s))
		return 0;
	if (sup_files_open_old(s)) {
		sup_say("writing what an earlier run has left in its rings");
		r = start_and_wait(s, writers, 2);
		stop_all(s);
		if (s->stopping > 1)
			r = -EINTR;
		s->stopping = 0;
		for (size_t i = 0; i < CHAN_PROCESSES; i++)
			s->child[i].starts = 0;
	}
	sup_files_close(s);
	return r;
}

static int open_key(struct supervisor *s, const char *secret, const char *public, int *ret_fd)
{
	int r = manifest_key_create(s->state_dir, secret, public);

	if (r < 0)
		return r;
	r = openat(s->state_dir, secret, O_RDONLY | O_CLOEXEC);
	if (r < 0)
		return -errno;
	*ret_fd = r;
	return 0;
}

/* The keys are root's; fb-tap and fb-store get one each, as descriptors. */
static int open_keys(struct supervisor *s)
{
	int r = open_key(s, MANIFEST_SECRET, MANIFEST_PUBLIC, &s->fd[ROLE_SIGNING_KEY]);

	return r < 0 ? r : open_key(s, JOURNAL_SECRET, JOURNAL_PUBLIC, &s->fd[ROLE_JOURNAL_KEY]);
}

static int prepare(struct supervisor *s)
{
	int r;

	if ((r = sup_dirs_open(s)) < 0 || (r = sup_lock(s)) < 0 || (r = sup_conf_snapshot(s)) < 0)
		return r;
	if ((r = open_signals(s)) < 0)
		return r;
	r = open_keys(s);
	if (r < 0) {
		fprintf(stderr, "fishbowl: key of the manifest in %s: %s\n", s->conf->top.state_dir,
			strerror(-r));
		return r;
	}
	open_sinks(s);
	if ((r = sup_policy_open(s)) < 0)
		return r;
	if ((r = sup_nics_prepare(s)) < 0 || (r = drain_old(s)) < 0 || (r = sup_files_open(s)) < 0)
		return r;
	return sup_ctl_open(s);
}

/* What restarts, NICs that come back and the clean stop need; nothing else is kept. SYS_ADMIN: into the
 * data namespace and back. DAC_READ_SEARCH: programs below somebody's private directory. */
static int drop_capabilities(void)
{
	static const unsigned keep[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_SETUID, CAP_SETGID,
		CAP_SETPCAP, CAP_KILL, CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH };
	enum { N = sizeof(keep) / sizeof(keep[0]) };
	bool have[N];

	capng_get_caps_process();
	for (size_t i = 0; i < N; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < N; i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, keep[i]);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/* Nothing waits for it for long: without it the gateway does what it should, and status tells. */
static void wait_lens(struct supervisor *s)
{
	int64_t until = sup_now() + lens_ready_ns;

	while ((s->child[CHAN_LENS].state == SUP_STARTING ||
		       s->child[CHAN_VAULT].state == SUP_STARTING) &&
		!s->stopping && sup_now() < until)
		sup_serve(s, TICK_MS, true);
}

static int start(struct supervisor *s)
{
	int r = start_and_wait(s, writers, 2);

	if (r < 0)
		return r;
	sup_say("capture and records: ready");
	sup_rules_open(s);
	if (sup_child_wanted(s, CHAN_LENS))
		(void)start_one(s, CHAN_LENS);
	if (sup_child_wanted(s, CHAN_VAULT))
		(void)start_one(s, CHAN_VAULT);
	r = start_and_wait(s, gate, 1);
	if (r < 0)
		return r;
	wait_lens(s);
	if (drop_capabilities() < 0)
		sup_say("capabilities that are not needed any more could not be given up");
	s->same_boot = true;
	s->running = true;
	s->clock_offset_ns = clock_offset();
	sup_control(s, REASON_STARTED, "fishbowl", "version %s, honeynet %s, boot %llu",
		FISHBOWL_VERSION, s->honeynet, (unsigned long long)s->boot);
	sup_say("forwarding; `fishbowl status` tells more, ^C stops");
	notify_send("READY=1\nSTATUS=forwarding");
	return 0;
}

static void stop(struct supervisor *s)
{
	if (s->running)
		sup_control(s, REASON_STOPPED, "fishbowl", "up %lld s",
			(long long)((sup_now() - s->started_ns) / SUP_NS_PER_S));
	stop_all(s);
	if (s->nics)
		sup_nics_restore(s);
	if (s->run_dir >= 0)
		unlinkat(s->run_dir, "ctl.sock", 0);
	if (s->running && s->stopping == 1)
		sup_files_forget(s);
	sup_files_close(s);
	sup_policy_close(s);
	conf_free(s->own_conf);
}

static void run_on(struct supervisor *s)
{
	char said[1024];

	sup_serve(s, TICK_MS, true);
	if (s->want_reload && !s->stopping) {
		s->want_reload = false;
		(void)sup_reload(s, "SIGHUP", said, sizeof(said));
	}
}

int supervisor_run(const struct conf *conf)
{
	static struct supervisor s;
	int r;

	begin(&s, conf);
	r = prepare(&s);
	if (r == 0)
		r = start(&s);
	while (r == 0 && !s.stopping && !s.fault)
		run_on(&s);
	if (s.lock_fd >= 0)
		stop(&s);
	if (r == 0)
		sup_say("stopped");
	return r == 0 && !s.fault ? 0 : 1;
}
