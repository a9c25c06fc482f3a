/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/fishbowl/run_pids.h"
#include "cmd/fishbowl/signature_files.h"
#include "sys/child.h"
#include "sys/files.h"
#include "sys/spawn.h"

enum { MAX_FILES = 256, MESSAGES_A_TURN = 1024 };
static const int64_t hung_ns = 10 * SUP_NS_PER_S, start_ns = 20 * SUP_NS_PER_S;
static const int64_t first_backoff_ns = 100000000, last_backoff_ns = 5 * SUP_NS_PER_S;
enum { GOOD = 10 }; /* up that many times its last wait: the next death starts afresh */
static const int64_t stop_ns[CHAN_PROCESSES] = { 15 * SUP_NS_PER_S, 60 * SUP_NS_PER_S,
	60 * SUP_NS_PER_S, 20 * SUP_NS_PER_S, 60 * SUP_NS_PER_S };
/* These have time: what waits for fb-lens is on the disk, and fb-lens waits for fb-vault. */
static const int niceness[CHAN_PROCESSES] = { [CHAN_LENS] = 15, [CHAN_VAULT] = 15 };

#define R(role) (UINT64_C(1) << ROLE_##role)

/* Who gets what: the privileges of the processes in one table. */
static const uint64_t gets[CHAN_PROCESSES] = {
	[CHAN_GATE] = R(CONF) | R(FRAME_RING) | R(FRAME_EVENT) | R(GATE_RECORDS) | R(FLOW_TABLE) |
		      R(BUDGET_STATE) | R(POLICY) | R(RULES) | R(LOCK),
	[CHAN_TAP] = R(CONF) | R(FRAME_RING) | R(FRAME_EVENT) | R(TAP_RECORDS) | R(CAPTURE_DIR) |
		     R(SIGNING_KEY) | R(LOCK),
	[CHAN_STORE] = R(CONF) | R(GATE_RECORDS) | R(TAP_RECORDS) | R(SUPERVISOR_RECORDS) |
		       R(LENS_RECORDS) | R(VAULT_RECORDS) | R(CAPTURE_DIR) | R(JOURNAL_DIR) |
		       R(DB_DIR) | R(EVE_FILE) | R(EVE_SOCKET) | R(SYSLOG) | R(JOURNAL_KEY) |
		       R(LOCK),
	[CHAN_LENS] = R(CONF) | R(LENS_RECORDS) | R(LENS_STATE) | R(RULES) | R(PIECES) | R(LOCK),
	[CHAN_VAULT] =
		R(CONF) | R(PIECES) | R(VAULT_RECORDS) | R(VAULT_STATE) | R(FILES_DIR) | R(LOCK),
};

static void add_fd(
	struct message_start *start, int *fds, enum chan_role role, unsigned index, int fd)
{
	if (fd < 0 || start->n_fds >= CHAN_FDS_MAX)
		return;
	start->fd[start->n_fds] =
		(struct chan_fd){ .role = (uint16_t)role, .index = (uint16_t)index };
	fds[start->n_fds++] = fd;
}

/* To fb-lens; what cannot be opened is told, and it does without. */
static void open_signatures(const struct supervisor *s, struct signature_files *ret_files)
{
	char *why = NULL;

	if (signature_files_open(s->conf, ret_files, &why) < 0)
		sup_say("no signatures of systems: %s", why ? why : "out of memory");
	free(why);
}

/* Without fb-vault nobody would take the pieces. */
static bool does_get(const struct supervisor *s, enum chan_process process, enum chan_role role)
{
	if (role == ROLE_PIECES && !sup_child_wanted(s, CHAN_VAULT))
		return false;
	return gets[process] >> role & 1;
}

/* Root's, perhaps; those that cannot be opened are missing, and fb-vault tells of them. How many more. */
static unsigned add_yara(const struct supervisor *s, struct message_start *start, int *fds)
{
	const struct conf_texts *files = &s->conf->files.yara;
	unsigned before = start->n_fds;

	for (size_t i = 0; i < files->n && i < CONF_YARA_FILES_MAX; i++)
		add_fd(start, fds, ROLE_YARA_FILE, (unsigned)i,
			open(files->text[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	return start->n_fds - before;
}

static int send_start(struct supervisor *s, struct sup_child *child)
{
	struct message_start start = { .process = child->process,
		.n_ports = s->n_ports,
		.boot = s->boot,
		.seccomp = (uint32_t)s->conf->top.seccomp,
		.same_boot = s->same_boot,
		.restarts = child->starts };
	struct signature_files signatures = { 0 };
	int fds[CHAN_FDS_MAX], r;
	unsigned n_own = 0;

	if (child->process == CHAN_LENS)
		open_signatures(s, &signatures);
	memcpy(start.honeynet, s->honeynet, sizeof(start.honeynet));
	for (enum chan_role role = 0; role < ROLE_COUNT; role++)
		if (does_get(s, child->process, role))
			add_fd(&start, fds, role, 0, s->fd[role]);
	add_fd(&start, fds, ROLE_COUNTS, 0, s->counts_fd[child->process]);
	for (unsigned i = 0; i < signatures.n; i++)
		add_fd(&start, fds, ROLE_SIGNATURES, i, signatures.fd[i]);
	for (unsigned i = 0; i < s->n_ports; i++) {
		memcpy(start.port[i], s->port[i].name, CHAN_NIC_MAX);
		if (child->process != CHAN_GATE)
			continue;
		start.port_info[i] = s->port[i].info;
		add_fd(&start, fds, ROLE_PORT, i, s->port[i].fd);
		add_fd(&start, fds, ROLE_PORT_MERGED, i, s->port[i].merged_fd);
	}
	if (child->process == CHAN_VAULT)
		n_own = add_yara(s, &start, fds);
	r = chan_send(&child->chan, MESSAGE_START, &start, fds, start.n_fds);
	for (; n_own > 0; n_own--)
		close(fds[start.n_fds - n_own]);
	signature_files_close(&signatures);
	return r;
}

static void note_pids(const struct supervisor *s)
{
	char text[96];

	snprintf(text, sizeof(text), "%d %d %d %d %d", (int)s->child[CHAN_GATE].pid,
		(int)s->child[CHAN_TAP].pid, (int)s->child[CHAN_STORE].pid,
		(int)s->child[CHAN_LENS].pid, (int)s->child[CHAN_VAULT].pid);
	(void)file_text_write(
		s->run_dir, RUN_PIDS_NAME, text); /* a help for a later run, no more */
}

static void plan_restart(struct sup_child *child)
{
	int64_t now = sup_now();

	if (child->state == SUP_UP && now - child->since_ns > GOOD * child->backoff_ns)
		child->backoff_ns = 0;
	child->restart_at_ns = now + child->backoff_ns;
	child->backoff_ns = child->backoff_ns == 0 ? first_backoff_ns : child->backoff_ns * 2;
	if (child->backoff_ns > last_backoff_ns)
		child->backoff_ns = last_backoff_ns;
	child->state = SUP_DOWN;
	child->since_ns = now;
}

/* The program, waiting for START. */
static int spawn_program(const struct sup_child *child, pid_t *ret_pid, int *ret_fd)
{
	struct spawn spawn = { .program = process_name(child->process),
		.user = &child->user,
		.max_files = MAX_FILES,
		.nice = niceness[child->process],
		.huge_pages = child->process == CHAN_LENS };
	int pair[2], r = chan_pair(pair);

	if (r < 0)
		return r;
	spawn.chan_fd = pair[1];
	r = spawn_start(&spawn, ret_pid);
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}

static int spawn_child(struct supervisor *s, struct sup_child *child)
{
	int fd = -1, r = 0;

	if (child->process == CHAN_GATE && s->spare_pid > 0) {
		child->pid = s->spare_pid;
		fd = s->spare_fd;
		s->spare_pid = 0;
		s->spare_fd = -1;
	} else {
		r = spawn_program(child, &child->pid, &fd);
	}
	if (r < 0)
		return r;
	chan_init(&child->chan, fd, CHAN_SUPERVISOR);
	r = send_start(s, child);
	if (r < 0)
		chan_close(&child->chan);
	return r;
}

/* Its policy, and fresh sockets: what waited in old ones is never sent. */
static int prepare_gate(struct supervisor *s)
{
	int r = sup_policy_for_gate(s);

	if (r < 0) {
		sup_say("the policy for fb-gate could not be made: %s", strerror(-r));
		return r;
	}
	sup_nics_rebase(s, false);
	r = sup_ports_open(s);
	sup_nics_rebase(s, true);
	return r;
}

int sup_child_start(struct supervisor *s, enum chan_process process)
{
	struct sup_child *child = &s->child[process];
	int r = 0;

	if (process == CHAN_GATE)
		r = prepare_gate(s);
	if (r == 0)
		r = spawn_child(s, child);
	if (process == CHAN_GATE)
		sup_ports_close(s); /* the child has its own; only the gate holds the NICs */
	if (r < 0) {
		snprintf(child->why, sizeof(child->why), "could not be started: %s", strerror(-r));
		if (child->pid > 0)
			kill(child->pid, SIGKILL);
		else
			plan_restart(child);
		return r;
	}
	if (process == CHAN_LENS)
		s->lens.wants = false;
	child->starts++;
	child->policy = s->policy.image;
	child->rules = s->rules.image;
	child->state = SUP_STARTING;
	child->since_ns = child->alive_ns = sup_now();
	s->audit.undisturbed = false;
	note_pids(s);
	return 0;
}

static void on_ready(
	struct supervisor *s, struct sup_child *child, const struct message_ready *ready)
{
	child->state = SUP_UP;
	child->since_ns = sup_now();
	child->landlock_abi = ready->landlock_abi;
	if (child->process == CHAN_GATE) {
		s->policy.applied = child->policy;
		s->rules.applied = s->rules.sent = child->rules;
		s->gate_gap_ns = child->since_ns - s->gate_stopped_ns;
	}
	sup_control(s, REASON_STARTED, process_name(child->process), "pid %d, uid %u%s%s",
		(int)child->pid, (unsigned)child->user.uid, child->starts > 1 ? ", again" : "",
		ready->landlock_abi == 0 ? "; this kernel has no Landlock" : "");
}

void sup_child_kill(struct sup_child *child, const char *why)
{
	snprintf(child->why, sizeof(child->why), "%s", why);
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

static void describe_end(struct sup_child *child, int status)
{
	size_t had = strlen(child->why);
	char *at = child->why + had;
	size_t left = sizeof(child->why) - had;

	if (WIFSIGNALED(status))
		snprintf(at, left, "%s%s", had ? ": " : "",
			WTERMSIG(status) == SIGSYS ? "a system call that is not allowed"
						   : strsignal(WTERMSIG(status)));
	else
		snprintf(at, left, "%sexit status %d", had ? ": " : "", WEXITSTATUS(status));
}

static void on_end(struct supervisor *s, struct sup_child *child, int status)
{
	bool asked = child->state == SUP_STOPPING;

	describe_end(child, status);
	chan_close(&child->chan);
	child->pid = 0;
	child->was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	child->failed_start = child->state == SUP_STARTING && !child->was_killed;
	if (child->process == CHAN_GATE && !asked)
		s->gate_stopped_ns = sup_now();
	s->audit.undisturbed = false;
	/* Of the store's own orderly end nobody is left to make a record. */
	if (asked && s->stopping && child->process == CHAN_STORE && status == 0)
		sup_say("%s: %s", process_name(child->process), child->why);
	else
		sup_control(s, asked ? REASON_STOPPED : REASON_DIED, process_name(child->process),
			"%s", child->why);
	child->why[0] = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_EXIT_BAD_RING) {
		sup_say("%s: its ring is damaged; this run ends, the next one makes fresh rings",
			process_name(child->process));
		sup_files_spoil(s);
		s->fault = true;
	}
	if (asked && !s->stopping && s->running)
		child->backoff_ns = 0; /* restarted for new ports */
	plan_restart(child);
}

/* A gate that was asked to make way for another closes the channel when it touches nothing shared any more. The
 * kernel takes 100 ms and more to close its sockets: nobody waits for that. */
static bool makes_way(const struct supervisor *s, const struct sup_child *child)
{
	if (child->process != CHAN_GATE || child->state != SUP_STOPPING || s->stopping ||
		child->pid <= 0)
		return false;
	kill(child->pid, SIGKILL); /* it must not touch anything now */
	return true;
}

void sup_child_message(struct supervisor *s, struct sup_child *child)
{
	struct message m;
	int r = 0;

	/* A child that never stops talking must not keep the others waiting. */
	for (int n = 0; n < MESSAGES_A_TURN && (r = chan_receive(&child->chan, &m)) == 1; n++) {
		child->alive_ns = sup_now();
		if (m.type == MESSAGE_READY)
			on_ready(s, child, &m.ready);
		else if (m.type == MESSAGE_AUDITED)
			sup_audit_answer(s, child->process, &m.audited);
		else if (m.type == MESSAGE_APPLIED && child->process == CHAN_GATE)
			(m.applied.rules ? sup_rules_applied : sup_policy_applied)(s, &m.applied);
		else if (m.type == MESSAGE_APPLIED && child->process == CHAN_LENS)
			sup_lens_applied(s, &m.applied);
		else if (m.type == MESSAGE_WANT && child->process == CHAN_LENS)
			sup_lens_want(s, m.want.number);
		else if (m.type == MESSAGE_FILE_DONE && child->process == CHAN_VAULT)
			s->file_done = m.file_done;
	}
	if (r == -EBADMSG)
		sup_child_kill(child, "it sent a message that is not in the table");
	if (r < 0 && makes_way(s, child))
		on_end(s, child, 0);
	else if (r < 0)
		chan_close(&child->chan); /* its end comes with SIGCHLD */
}

static void forget_spare(struct supervisor *s)
{
	if (s->spare_fd >= 0)
		close(s->spare_fd); /* which ends it */
	s->spare_fd = -1;
	s->spare_pid = 0;
}

void sup_children_reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->spare_pid)
			forget_spare(s);
		if (pid == s->rules.pid)
			s->rules.pid = 0;
		for (size_t i = 0; i < CHAN_PROCESSES; i++)
			if (s->child[i].pid == pid) {
				/* What it said last counts. */
				if (s->child[i].chan.fd >= 0)
					sup_child_message(s, &s->child[i]);
				if (s->child[i].pid == pid)
					on_end(s, &s->child[i], status);
			}
	}
}

static void check_alive(const struct supervisor *s, struct sup_child *child, int64_t now)
{
	if (child->state == SUP_STOPPING && !s->stopping && now - child->since_ns > hung_ns)
		sup_child_kill(child, "did not stop in time"); /* asked to make way for another */
	if (child->state == SUP_STARTING && now - child->since_ns > start_ns)
		sup_child_kill(child, "not ready in time");
	if (child->state == SUP_UP && now - child->alive_ns > hung_ns)
		sup_child_kill(child, "hung: no heartbeat");
}

void sup_children_tick(struct supervisor *s)
{
	int64_t now = sup_now();

	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		struct sup_child *child = &s->child[i];

		check_alive(s, child, now);
		if (child->state == SUP_DOWN && child->pid == 0 && s->running && !s->stopping &&
			sup_child_wanted(s, child->process) && now >= child->restart_at_ns) {
			int r = sup_child_start(s, child->process);

			if (r < 0)
				sup_control(s, REASON_DIED, process_name(child->process), "%s",
					child->why);
			child->why[0] = 0;
		}
	}
}

void sup_child_stop(struct supervisor *s, enum chan_process process, enum stop_how how)
{
	struct sup_child *child = &s->child[process];
	struct message_stop stop = { .how = how };

	if (child->pid <= 0 || child->state == SUP_STOPPING)
		return;
	child->state = SUP_STOPPING;
	child->since_ns = sup_now();
	if (process == CHAN_GATE)
		s->gate_stopped_ns = child->since_ns;
	if (chan_send(&child->chan, MESSAGE_STOP, &stop, NULL, 0) < 0)
		sup_child_kill(child, "could not be asked to stop");
}

void sup_gate_replace(struct supervisor *s)
{
	forget_spare(s);
	/* Without these it takes a little longer. */
	(void)spawn_program(&s->child[CHAN_GATE], &s->spare_pid, &s->spare_fd);
	sup_ports_prepare(s);
	sup_child_stop(s, CHAN_GATE, STOP_RESTART);
}

/* Gate, tap, lens, vault, store: each has what the one before wrote last. */
bool sup_children_stop_step(struct supervisor *s)
{
	static const enum chan_process order[] = { CHAN_GATE, CHAN_TAP, CHAN_LENS, CHAN_VAULT,
		CHAN_STORE };

	forget_spare(s);
	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		struct sup_child *child = &s->child[order[i]];

		if (child->pid <= 0)
			continue;
		sup_child_stop(s, child->process, STOP_END);
		if (s->stopping > 1 || sup_now() - child->since_ns > stop_ns[child->process])
			sup_child_kill(child, s->stopping > 1 ? "hurry" : "did not stop in time");
		return false;
	}
	return true;
}
