/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules in force. Files of rules come from elsewhere, so a process that owns nothing (fb-rules)
 * reads them: it gets them as descriptors and hands back one image, which fb-gate gets with START
 * and again with each reload. What cannot be made leaves in force what was before
 * (doc/design/rules.md).
 */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rules/compile.h"
#include "rules/files.h"
#include "sys/spawn.h"

enum { MAX_FILES = 128, WAIT_MS = 10, OTHERS_MS = 0 };
enum { NICE = 5 }; /* beside frames: they come first, and it still ends in time */
static const int64_t compile_ns = 60 * SUP_NS_PER_S, open_ns = 10 * SUP_NS_PER_S;
static const uint64_t image_max = UINT64_C(512) << 20;
enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK };

/* What is said about rules that cannot be had. */
struct why {
	char *text;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int refuse(
	const struct why *why, int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, why->size, fmt, args);
	va_end(args);
	return r;
}

/* ---- what fb-rules gets ---- */

struct handout {
	struct message_start start;
	int fd[CHAN_FDS_MAX];
};

static void hand_out(struct handout *h, enum chan_role role, unsigned index, int fd)
{
	h->start.fd[h->start.n_fds] =
		(struct chan_fd){ .role = (uint16_t)role, .index = (uint16_t)index };
	h->fd[h->start.n_fds++] = fd;
}

static void hand_out_files(
	struct handout *h, const struct conf *conf, int conf_fd, const struct rules_files *files)
{
	hand_out(h, ROLE_CONF, 0, conf_fd);
	for (unsigned i = 0; i < conf->top.rules.n; i++)
		hand_out(h, ROLE_RULE_FILE, i, files->rules[i]);
	if (files->thresholds >= 0)
		hand_out(h, ROLE_THRESHOLD_FILE, 0, files->thresholds);
	if (files->classes >= 0)
		hand_out(h, ROLE_CLASSIFICATION_FILE, 0, files->classes);
}

static int open_files(const struct conf *conf, struct rules_files *ret_files, const struct why *why)
{
	char *text = NULL;
	int r = rules_files_open(conf, ret_files, &text);

	if (r < 0)
		refuse(why, r, "%s", text ? text : strerror(-r));
	free(text);
	return r;
}

/* ---- its answer ---- */

static bool is_sealed(int fd, uint64_t size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && size > 0 && size <= image_max &&
	       (uint64_t)st.st_size == size && (fcntl(fd, F_GET_SEALS) & SEALS) == SEALS;
}

/* Its text is of foreign files, and the process may have been taken over by one. */
static void copy_text(char to[static CHAN_REFUSALS_MAX], const char from[static CHAN_REFUSALS_MAX])
{
	memcpy(to, from, CHAN_REFUSALS_MAX);
	to[CHAN_REFUSALS_MAX - 1] = 0;
	for (; *to; to++)
		if (*to != '\n' && (*to < ' ' || *to > '~'))
			*to = '?';
}

static int take_answer(struct message *m, struct sup_rule_set *set, const struct why *why)
{
	const struct message_compiled *c = &m->compiled;

	copy_text(set->refusals, c->refusals);
	set->loaded = c->loaded;
	set->refused = c->refused;
	if (c->result < 0)
		return refuse(why, -EINVAL, "fb-rules: %s%s%s",
			rules_file_reason(c->result > -4096 ? (int)c->result : -EBADMSG),
			set->refusals[0] ? ": " : "", set->refusals);
	if (m->n_fds != 1 || !is_sealed(m->fd[0], c->size))
		return refuse(why, -EBADMSG, "fb-rules handed over no sealed image");
	set->fd = m->fd[0];
	m->n_fds = 0;
	return 0;
}

/* One message, or none yet. 0: *ret_message is the answer. */
static int listen_to(struct supervisor *s, struct chan *chan, struct message *ret_message)
{
	struct pollfd wait = { .fd = chan->fd, .events = POLLIN };
	int r;

	if (poll(&wait, 1, WAIT_MS) <= 0) {
		sup_serve(s, OTHERS_MS, false);
		return -EAGAIN;
	}
	r = chan_receive(chan, ret_message);
	if (r < 0)
		return r;
	if (r == 1 && ret_message->type == MESSAGE_COMPILED)
		return 0;
	if (r == 1)
		message_close_fds(ret_message);
	return -EAGAIN;
}

/* The gateway goes on meanwhile. */
static int wait_answer(
	struct supervisor *s, struct chan *chan, struct sup_rule_set *set, const struct why *why)
{
	int64_t until = sup_now() + compile_ns;
	struct message m;
	int r;

	while ((r = listen_to(s, chan, &m)) == -EAGAIN)
		if (s->stopping || sup_now() > until)
			return refuse(why, -ETIMEDOUT, "fb-rules was not ready in time");
	if (r < 0)
		return refuse(why, r, "fb-rules ended before it had an answer (%s)",
			r == -EBADMSG ? "it sent what is not in the table" : "the log may say why");
	r = take_answer(&m, set, why);
	message_close_fds(&m);
	return r;
}

static bool gate_runs(const struct supervisor *s)
{
	const struct sup_child *gate = &s->child[CHAN_GATE];

	return gate->chan.fd >= 0 && (gate->state == SUP_STARTING || gate->state == SUP_UP);
}

static int start(struct supervisor *s, struct handout *h, struct chan *chan, const struct why *why)
{
	struct jail_user user;
	struct spawn spawn = { .program = process_name(CHAN_RULES),
		.user = &user,
		.max_files = MAX_FILES,
		.huge_pages = true,
		.nice = gate_runs(s) ? NICE : 0 };
	int pair[2], r = chan_pair(pair);

	if (r < 0)
		return refuse(why, r, "fb-rules: %s", strerror(-r));
	jail_user_find(spawn.program, JAIL_UID_FIRST + CHAN_RULES, &user);
	spawn.chan_fd = pair[1];
	r = spawn_start(&spawn, &s->rules.pid);
	close(pair[1]);
	chan_init(chan, pair[0], CHAN_SUPERVISOR);
	if (r == 0)
		r = chan_send(chan, MESSAGE_START, &h->start, h->fd, h->start.n_fds);
	if (r < 0)
		refuse(why, r, "fb-rules could not be started: %s", strerror(-r));
	return r;
}

/* sup_children_reap() sets the pid to 0 when it has ended. */
static void end(struct supervisor *s, struct chan *chan)
{
	chan_close(chan);
	if (s->rules.pid > 0) {
		kill(s->rules.pid, SIGKILL);
		waitpid(s->rules.pid, NULL, 0);
	}
	s->rules.pid = 0;
}

int sup_rules_compile(struct supervisor *s, const struct conf *conf, int conf_fd,
	struct sup_rule_set *ret_set, char *ret_why, size_t size)
{
	struct handout h = { .start = { .process = CHAN_RULES,
				     .seccomp = (uint32_t)conf->top.seccomp } };
	const struct why why = { ret_why, size };
	struct sup_rule_set set = { .fd = -1, .wanted = conf->top.rules.n > 0 };
	int64_t since = sup_now();
	struct rules_files files;
	struct chan chan;
	int r;

	if (!set.wanted) {
		*ret_set = set;
		return 0;
	}
	r = open_files(conf, &files, &why);
	if (r < 0)
		return r;
	hand_out_files(&h, conf, conf_fd, &files);
	r = start(s, &h, &chan, &why);
	if (r == 0)
		r = wait_answer(s, &chan, &set, &why);
	end(s, &chan);
	rules_files_close(conf, &files);
	set.ns = sup_now() - since;
	if (r == 0)
		*ret_set = set;
	return r;
}

/* ---- in force ---- */

void sup_rules_use(struct supervisor *s, const struct sup_rule_set *set)
{
	s->rules.set = *set;
	s->fd[ROLE_RULES] = set->fd;
	s->rules.image++;
}

static void say_refusals(const struct sup_rule_set *set)
{
	if (set->refused > 0)
		sup_say("%" PRIu64 " rules were refused, `fishbowl rules check` names all:\n%s",
			set->refused, set->refusals);
}

/* What cannot be read now may be read after a reload; until then nothing leaves that rules are
 * for. */
void sup_rules_open(struct supervisor *s)
{
	struct sup_rule_set set = { .fd = -1, .wanted = s->conf->top.rules.n > 0 };
	char *why = s->rules.fault;
	int r = sup_rules_compile(s, s->conf, s->fd[ROLE_CONF], &set, why, sizeof(s->rules.fault));

	sup_rules_use(s, &set);
	if (r < 0) {
		sup_control(s, REASON_RULES_REFUSED, "rules", "%.400s; %s", why,
			s->conf->rules.undecided == CONF_UNDECIDED_DROP
				? "no conversation leaves until a reload brings some"
				: "everything leaves unseen until a reload brings some");
		return;
	}
	s->rules.fault[0] = '\0';
	if (!set.wanted)
		return;
	sup_rules_tell(s);
}

void sup_rules_tell(struct supervisor *s)
{
	const struct sup_rule_set *set = &s->rules.set;

	sup_control(s, REASON_RULES, "rules", "%" PRIu64 " loaded, %" PRIu64 " refused, %.1f s",
		set->loaded, set->refused, (double)set->ns / 1e9);
	say_refusals(set);
}

static bool sent(struct supervisor *s)
{
	struct message_rules rules = { .generation = s->rules.image };
	struct sup_child *gate = &s->child[CHAN_GATE];
	int fd = s->fd[ROLE_RULES];
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		rules.size = (uint64_t)st.st_size;
	s->rules.sent = rules.generation;
	s->rules.refused = 0;
	if (chan_send(&gate->chan, MESSAGE_RULES, &rules, &fd, fd >= 0) == 0)
		return true;
	sup_child_kill(gate, "it takes no messages");
	return false;
}

int sup_rules_send(struct supervisor *s)
{
	int64_t until = sup_now() + open_ns;

	if (!gate_runs(s) || !sent(s))
		return -ENOTCONN;
	while (gate_runs(s) && s->rules.applied != s->rules.sent && s->rules.refused == 0 &&
		sup_now() < until)
		sup_serve(s, WAIT_MS, false);
	if (s->rules.refused != 0)
		return s->rules.refused < -4095 ? -EBADMSG : (int)s->rules.refused;
	if (!gate_runs(s))
		return -ENOTCONN;
	return s->rules.applied == s->rules.sent ? 0 : -ETIMEDOUT;
}

void sup_rules_applied(struct supervisor *s, const struct message_applied *applied)
{
	if (applied->rules == s->rules.sent && applied->result < 0)
		s->rules.refused = applied->result;
	if (applied->result == 0 && applied->rules <= s->rules.sent)
		s->rules.applied = applied->rules;
}
