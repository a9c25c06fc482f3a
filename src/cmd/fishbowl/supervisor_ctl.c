/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/out.h"
#include "base/ring.h"

enum { BACKLOG = 8, REQUEST_WAIT_MS = 200, LATE_S = 3 };

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

static const char *state_name(const struct sup_child *child)
{
	static const char *const names[] = { "down", "starting", "up", "stopping" };

	return names[child->state];
}

static json_t *describe_process(const struct sup_child *child, int64_t now)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:i}", "name",
		process_name(child->process), "state", state_name(child), "pid", (int)child->pid,
		"uid", (int)child->user.uid, "restarts",
		child->starts > 0 ? (int)child->starts - 1 : 0, "since",
		(double)(now - child->since_ns) / 1e9, "heartbeat",
		(double)(now - child->alive_ns) / 1e9, "landlock", child->landlock_abi);
}

static json_t *describe_nic(const struct sup_port *port, unsigned i)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "name", port->name, "side",
		i == 0 ? "outside" : "inside", "present", port->present, "link", port->link,
		"rx_packets", (json_int_t)port->rx_packets, "rx_bytes", (json_int_t)port->rx_bytes,
		"tx_packets", (json_int_t)port->tx_packets, "tx_bytes", (json_int_t)port->tx_bytes);
}

static json_t *describe_frames(const struct supervisor *s)
{
	const struct counts_gate *counts = sup_gate_counts(s);
	json_t *reasons = json_object();

	for (enum reason reason = 0; reason < REASON_COUNT; reason++)
		if (counts->by_reason[reason])
			json_object_set_new(reasons, reason_name(reason),
				json_integer((json_int_t)counts->by_reason[reason]));
	uint64_t missed = 0, captured = 0;

	for (unsigned i = 0; i < s->n_ports; i++) {
		missed += counts->port[i].missed;
		captured += counts->port[i].captured;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "received",
		(json_int_t)counts->received, "bytes", (json_int_t)counts->bytes, "passed",
		(json_int_t)counts->passed, "dropped", (json_int_t)counts->dropped, "missed",
		(json_int_t)missed, "captured", (json_int_t)captured, "flows_active",
		(json_int_t)counts->flows_active, "flows_total", (json_int_t)counts->flows_total,
		"by_reason", reasons);
}

static json_t *describe_capture(const struct supervisor *s)
{
	const struct counts_tap *tap = s->counts[CHAN_TAP];
	char segment[COUNTS_SEGMENT_MAX];

	memcpy(segment, tap->segment, sizeof(segment));
	segment[sizeof(segment) - 1] = 0;
	for (char *at = segment; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "segment", segment,
		"frames", (json_int_t)tap->frames, "bytes", (json_int_t)tap->bytes, "stored",
		(json_int_t)tap->stored, "budget", (json_int_t)s->conf->capture.budget, "removed",
		(json_int_t)tap->removed, "error", (json_int_t)tap->write_errno, "ring_used",
		(json_int_t)ring_used(s->frames), "ring_size", (json_int_t)s->conf->capture.ring);
}

static json_t *describe_records(const struct supervisor *s)
{
	const struct counts_store *store = s->counts[CHAN_STORE];

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "records", (json_int_t)store->records,
		"journal", (json_int_t)store->journal_bytes, "database",
		(json_int_t)store->database_bytes, "error", (json_int_t)store->write_errno,
		"refused", (json_int_t)store->refused, "lost_by_supervisor",
		(json_int_t)s->records_lost);
}

static json_t *describe_audit(const struct supervisor *s)
{
	char time[40];
	struct out o = out_make(time, sizeof(time));

	if (s->audit.last_wall_ns == 0)
		return json_null();
	out_time_rfc3339(&o, s->audit.last_wall_ns);
	return json_pack("{s:s, s:b, s:s, s:I}", "time", time, "agree", s->audit.last_agree,
		"detail", s->audit.last_detail, "number", (json_int_t)s->audit.id);
}

static void warn(json_t *warnings, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void warn(json_t *warnings, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(warnings, json_string(text));
}

static void warn_processes(const struct supervisor *s, json_t *warnings, int64_t now)
{
	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		const struct sup_child *child = &s->child[i];
		const char *name = process_name(child->process);

		if (child->state != SUP_UP)
			warn(warnings, "%s is %s%s", name, state_name(child),
				i == CHAN_GATE ? ": nothing passes" : "");
		else if (now - child->alive_ns > LATE_S * SUP_NS_PER_S)
			warn(warnings, "%s has not been heard of for %lld s", name,
				(long long)((now - child->alive_ns) / SUP_NS_PER_S));
		if (child->state == SUP_UP && child->landlock_abi == 0)
			warn(warnings, "%s runs without Landlock: this kernel has none", name);
	}
}

static json_t *describe_warnings(const struct supervisor *s, int64_t now)
{
	const struct counts_gate *gate = sup_gate_counts(s);
	const struct counts_tap *tap = s->counts[CHAN_TAP];
	const struct counts_store *store = s->counts[CHAN_STORE];
	json_t *warnings = json_array();

	warn_processes(s, warnings, now);
	for (unsigned i = 0; i < s->n_ports; i++)
		if (!s->port[i].present)
			warn(warnings, "NIC %s is gone; it is taken up again when it is back",
				s->port[i].name);
		else if (!s->port[i].link)
			warn(warnings, "NIC %s has no link", s->port[i].name);
	if (ring_used(s->frames) > s->conf->capture.ring / 2)
		warn(warnings,
			"the frame ring is more than half full: when it is full, nothing passes");
	if (gate->by_reason[REASON_RING_FULL])
		warn(warnings,
			"%" PRIu64 " frames were not forwarded because they could not be "
			"captured",
			gate->by_reason[REASON_RING_FULL]);
	if (tap->write_errno)
		warn(warnings, "the capture cannot be written: %s",
			strerror((int)tap->write_errno));
	if (store->write_errno)
		warn(warnings, "records cannot be written: %s", strerror((int)store->write_errno));
	if (s->audit.last_wall_ns && !s->audit.last_agree)
		warn(warnings, "the last audit found a difference: %s", s->audit.last_detail);
	return warnings;
}

static void ctl_status(struct supervisor *s, json_t *answer)
{
	json_t *processes = json_array(), *nics = json_array();
	int64_t now = sup_now();

	sup_nics_count(s);
	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		json_array_append_new(processes, describe_process(&s->child[i], now));
	for (unsigned i = 0; i < s->n_ports; i++)
		json_array_append_new(nics, describe_nic(&s->port[i], i));
	json_object_set_new(answer, "version", json_string(FISHBOWL_VERSION));
	json_object_set_new(answer, "honeynet", json_string(s->honeynet));
	json_object_set_new(answer, "boot", json_integer((json_int_t)s->boot));
	json_object_set_new(answer, "pid", json_integer(getpid()));
	json_object_set_new(answer, "uptime", json_integer((now - s->started_ns) / SUP_NS_PER_S));
	json_object_set_new(answer, "processes", processes);
	json_object_set_new(answer, "nics", nics);
	json_object_set_new(answer, "frames", describe_frames(s));
	json_object_set_new(answer, "capture", describe_capture(s));
	json_object_set_new(answer, "records", describe_records(s));
	json_object_set_new(answer, "audit", describe_audit(s));
	json_object_set_new(answer, "warnings", describe_warnings(s, now));
}

static void ctl_audit(struct supervisor *s, json_t *answer)
{
	sup_audit_begin(s);
	json_object_set_new(answer, "number", json_integer((json_int_t)s->audit.id));
}

static void ctl_stop(struct supervisor *s, json_t *answer)
{
	(void)answer;
	sup_control(s, REASON_OPERATOR, "fishbowl", "stop");
	s->stopping++;
	s->stop_since_ns = sup_now();
}

static json_t *do_verb(struct supervisor *s, const char *verb)
{
	static const struct {
		const char *verb;
		void (*run)(struct supervisor *s, json_t *answer);
	} verbs[] = {
#define CTL(id, verb, text) { verb, ctl_##id },
#include "cmd/fishbowl/ctl.def"
#undef CTL
	};
	json_t *answer = json_object();

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, verb) != 0)
			continue;
		json_object_set_new(answer, "ok", json_true());
		if (!s->running) {
			json_object_set_new(answer, "ok", json_false());
			json_object_set_new(
				answer, "error", json_string("the gateway is still starting"));
		} else {
			verbs[i].run(s, answer);
		}
		return answer;
	}
	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", json_string("no such verb"));
	return answer;
}

static void send_answer(int fd, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	if (text && strlen(text) <= CTL_ANSWER_MAX &&
		send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		sup_say("ctl: answer not sent: %s", strerror(errno));
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
		send_answer(fd, do_verb(s, request));
	}
	close(fd);
}
