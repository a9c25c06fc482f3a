/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor_ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/out.h"
#include "cmd/fishbowl/time_arg.h"
#include "sys/files.h"

enum { BACKLOG = 8, REQUEST_WAIT_MS = 200, FOR_MAX_S = 3650 * 86400 };

static const struct {
	const char *verb;
	sup_verb *run;
	bool early;
} verbs[] = {
#define CTL(id, verb, args, early, text) { verb, ctl_##id, early },
#include "cmd/fishbowl/ctl.def"
#undef CTL
};

int sup_ctl_open(struct supervisor *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct group *group = getgrnam("fishbowl");
	mode_t mask = umask(0117);
	int r = 0;

	/* By descriptor: run_dir's path may be longer than a socket's name may be. */
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/" CTL_SOCKET, s->run_dir);
	unlinkat(s->run_dir, CTL_SOCKET, 0);
	s->ctl_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->ctl_fd < 0 || bind(s->ctl_fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(s->ctl_fd, BACKLOG) < 0)
		r = -errno;
	umask(mask);
	if (r == 0 && group && fchownat(s->run_dir, CTL_SOCKET, 0, group->gr_gid, 0) < 0)
		r = -errno;
	if (r < 0)
		fprintf(stderr,
			"fishbowl: %s/" CTL_SOCKET ": %s; run_dir must be writable for root\n",
			s->conf->top.run_dir, strerror(-r));
	return r;
}

/* ---- answers ---- */

__attribute__((format(printf, 3, 0))) static void answer_text(
	json_t *answer, const char *key, const char *fmt, va_list args)
{
	char *text;

	if (vasprintf(&text, fmt, args) < 0)
		return;
	json_object_set_new(answer, key, json_string(text));
	free(text);
}

void sup_answer_error(json_t *answer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	answer_text(answer, "error", fmt, args);
	va_end(args);
	json_object_set_new(answer, "ok", json_false());
}

void sup_answer_say(json_t *answer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	answer_text(answer, "said", fmt, args);
	va_end(args);
}

/* ---- who asks ---- */

static void put_user(struct out *o, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	if (user && order_text_is_plain(user->pw_name))
		out_str(o, user->pw_name);
	else
		out_fmt(o, "uid %u", (unsigned)uid);
}

/* "root (alice)": alice logged in and became root. */
static void find_operator(int fd, char operator[static ORDER_WHO_MAX])
{
	struct out o = out_make(operator, ORDER_WHO_MAX);
	struct ucred peer;
	socklen_t size = sizeof(peer);
	char path[64], text[32];
	unsigned long login;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		out_str(&o, "?");
		return;
	}
	put_user(&o, peer.uid);
	snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)peer.pid);
	if (file_text_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	login = strtoul(text, NULL, 10);
	if (login == peer.uid || login >= UINT32_MAX)
		return;
	out_str(&o, " (");
	put_user(&o, (uid_t)login);
	out_char(&o, ')');
}

/* ---- requests ---- */

static bool take_args(const json_t *from, struct sup_request *q, json_t *answer)
{
	const json_t *args = json_object_get(from, "args"), *arg;
	size_t i;

	if (args && !json_is_null(args) && !json_is_array(args)) {
		sup_answer_error(answer, "\"args\" is no list");
		return false;
	}
	if (json_array_size(args) > SUP_ARGS_MAX) {
		sup_answer_error(answer, "more than %d arguments", SUP_ARGS_MAX);
		return false;
	}
	json_array_foreach(args, i, arg)
	{
		const char *text = json_string_value(arg);

		if (!text || !order_text_is_plain(text)) {
			sup_answer_error(answer, "argument %zu is not plain text", i + 1);
			return false;
		}
		q->arg[q->n_args++] = text;
	}
	return true;
}

static bool take_text(
	const json_t *from, const char *key, size_t max, const char **ret_text, json_t *answer)
{
	const json_t *value = json_object_get(from, key);

	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value) || json_string_length(value) >= max ||
		!order_text_is_plain(json_string_value(value))) {
		sup_answer_error(
			answer, "the %s is not plain text of less than %zu bytes", key, max);
		return false;
	}
	*ret_text = json_string_value(value);
	return true;
}

/* How long it holds: "for" so many seconds, or "until" a time. */
static bool take_time(const json_t *from, struct sup_request *q, json_t *answer)
{
	const json_t *for_s = json_object_get(from, "for");
	const char *until = NULL;
	double seconds = json_number_value(for_s);
	int64_t now = sup_wall();

	if (!take_text(from, "until", CTL_REQUEST_MAX, &until, answer))
		return false;
	if (for_s && !json_is_null(for_s)) {
		if (!json_is_number(for_s) || !(seconds > 0) || seconds > FOR_MAX_S || until) {
			sup_answer_error(answer, until ? "give either for or until"
						       : "for how long? Give a number of seconds, "
							 "at most ten years");
			return false;
		}
		q->until_ns = now + (int64_t)(seconds * (double)SUP_NS_PER_S);
	} else if (until) {
		if (!time_arg_parse(until, &q->until_ns)) {
			sup_answer_error(answer, "\"%.40s\" is not a " TIME_ARG_FORMS, until);
			return false;
		}
		if (q->until_ns <= now || q->until_ns > now + FOR_MAX_S * SUP_NS_PER_S) {
			sup_answer_error(answer,
				"\"%.40s\" is over, or more than ten years ahead; give a time to "
				"come",
				until);
			return false;
		}
	}
	return true;
}

static void do_verb(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, q->verb) != 0)
			continue;
		if (!s->running && !verbs[i].early)
			sup_answer_error(answer, "the gateway is still starting");
		else
			verbs[i].run(s, q, answer);
		return;
	}
	sup_answer_error(answer, "no such verb; `fishbowl ctl --help` lists them");
}

static void do_json(struct supervisor *s, const json_t *from, struct sup_request *q, json_t *answer)
{
	q->verb = json_string_value(json_object_get(from, "verb"));
	if (!q->verb)
		sup_answer_error(answer, "this is no request: it has no \"verb\"");
	else if (take_args(from, q, answer) && take_time(from, q, answer) &&
		 take_text(from, "reason", ORDER_WHY_MAX, &q->reason, answer) &&
		 take_text(from, "match", CTL_REQUEST_MAX, &q->match, answer))
		do_verb(s, q, answer);
}

static json_t *do_request(struct supervisor *s, int fd, const char *text, size_t len)
{
	struct sup_request q = { .verb = text, .reason = "", .since_ns = sup_now() };
	json_t *answer = json_pack("{s:b}", "ok", true);
	json_error_t error;
	json_t *from;

	find_operator(fd, q.operator);
	if (*text != '{') {
		do_verb(s, &q, answer);
		return answer;
	}
	from = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (from)
		do_json(s, from, &q, answer);
	else
		sup_answer_error(answer, "this is no request: %s", error.text);
	json_decref(from);
	return answer;
}

/* In packets; all of them fit into the socket, so nobody is waited for. */
static void send_answer(int fd, json_t *answer)
{
	static const char too_long[] = "{\"ok\":false,\"error\":\"the answer is too long; ask for "
				       "one honeypot, or with --match\"}";
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	int room = 2 * CTL_ANSWER_MAX;

	if (len > CTL_ANSWER_MAX) {
		memcpy(text, too_long, sizeof(too_long));
		len = sizeof(too_long) - 1;
	}
	if (len > CTL_PACKET_MAX)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	for (size_t at = 0; at < len; at += CTL_PACKET_MAX) {
		size_t n = len - at < CTL_PACKET_MAX ? len - at : CTL_PACKET_MAX;

		if (send(fd, text + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			sup_say("ctl: answer not sent: %s", strerror(errno));
			break;
		}
	}
	free(text);
	json_decref(answer);
}

void sup_ctl_serve(struct supervisor *s)
{
	int fd = accept4(s->ctl_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char request[CTL_REQUEST_MAX];
	ssize_t n;

	if (fd < 0)
		return;
	n = poll(&wait, 1, REQUEST_WAIT_MS) > 0 ? recv(fd, request, sizeof(request), 0) : -1;
	if (n > 0 && (size_t)n < sizeof(request)) {
		request[n] = 0;
		send_answer(fd, do_request(s, fd, request, (size_t)n));
	}
	close(fd);
}
