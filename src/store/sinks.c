/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"

enum { BUFFER_SIZE = 4 << 20, SYSLOG_LINE = 900 };

struct sink {
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool is_socket;
	char *buffer; /* NULL: this sink is not wanted */
	size_t used;
	bool cut; /* the buffer begins in the middle of a line */
};

struct sinks {
	struct sink file, socket;
	struct redact *redact;
	int syslog_fd;
	bool syslog;
	bool syslog_seen; /* somebody has listened: before that nothing is lost */
	int64_t checked_s;
	int64_t syslog_tried_s;
	uint64_t dropped;
};

static int sink_init(struct sink *sink, int fd, const char *path, bool is_socket)
{
	struct out o = out_make(sink->path, sizeof(sink->path));

	sink->fd = fd;
	sink->is_socket = is_socket;
	if (fd < 0 && (!path || !*path))
		return 0;
	out_str(&o, path ? path : "");
	if (!out_ok(&o))
		sink->path[0] = '\0'; /* too long to be opened again */
	sink->buffer = malloc(BUFFER_SIZE);
	return sink->buffer ? 0 : -ENOMEM;
}

int sinks_new(const struct sinks_setup *setup, struct sinks **ret_sinks)
{
	struct sinks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->syslog_fd = setup->syslog_fd;
	s->syslog = setup->syslog;
	s->syslog_seen = setup->syslog_fd >= 0;
	if (redact_new(setup->role, &s->redact) < 0 ||
		sink_init(&s->file, setup->eve_file_fd, setup->eve_file, false) < 0 ||
		sink_init(&s->socket, setup->eve_socket_fd, setup->eve_socket, true) < 0) {
		sinks_free(s);
		return -ENOMEM;
	}
	*ret_sinks = s;
	return 0;
}

static void sink_close(struct sink *sink)
{
	if (sink->fd >= 0)
		close(sink->fd);
	sink->fd = -1;
}

static ssize_t write_some(struct sink *sink)
{
	if (sink->is_socket)
		return send(sink->fd, sink->buffer, sink->used, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(sink->fd, sink->buffer, sink->used);
}

static void sink_flush(struct sink *sink)
{
	while (sink->fd >= 0 && sink->used > 0) {
		ssize_t n = write_some(sink);

		if (n <= 0) {
			if (n < 0 && sink->is_socket && errno != EAGAIN && errno != EINTR)
				sink_close(sink);
			return;
		}
		sink->cut = sink->buffer[n - 1] != '\n';
		sink->used -= (size_t)n;
		memmove(sink->buffer, sink->buffer + n, sink->used);
	}
}

/* A new connection must not begin in the middle of a line. */
static void drop_cut_line(struct sinks *s, struct sink *sink)
{
	char *newline = sink->cut ? memchr(sink->buffer, '\n', sink->used) : NULL;

	if (newline) {
		size_t n = (size_t)(newline - sink->buffer) + 1;

		sink->used -= n;
		memmove(sink->buffer, newline + 1, sink->used);
		s->dropped++;
	}
	sink->cut = false;
}

static void reconnect(struct sinks *s, struct sink *sink)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!sink->buffer || sink->fd >= 0 || !sink->path[0])
		return;
	memcpy(address.sun_path, sink->path, sizeof(address.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return;
	}
	sink->fd = fd;
	drop_cut_line(s, sink);
}

/* When the name means another file now (or none), go over to that one, as syslog daemons do. */
static void reopen(struct sink *sink)
{
	struct stat mine, named;
	int fd;

	if (!sink->buffer || !sink->path[0])
		return;
	if (sink->fd >= 0 && fstat(sink->fd, &mine) == 0 && stat(sink->path, &named) == 0 &&
		mine.st_dev == named.st_dev && mine.st_ino == named.st_ino)
		return;
	fd = open(sink->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return; /* the old one is better than none */
	sink_flush(sink);
	sink_close(sink);
	sink->fd = fd;
}

static void sink_add(struct sinks *s, struct sink *sink, const char *json, size_t len)
{
	if (!sink->buffer)
		return;
	if (BUFFER_SIZE - sink->used < len + 1) {
		s->dropped++;
		return;
	}
	memcpy(sink->buffer + sink->used, json, len);
	sink->buffer[sink->used + len] = '\n';
	sink->used += len + 1;
}

static int syslog_level(enum severity severity)
{
	static const int level[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ALERT };

	return level[severity <= SEVERITY_ALERT ? severity : SEVERITY_ALERT];
}

static void syslog_reopen(struct sinks *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	struct timespec now;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (s->syslog_fd >= 0 || now.tv_sec == s->syslog_tried_s)
		return;
	s->syslog_tried_s = now.tv_sec;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return;
	}
	s->syslog_fd = fd;
	s->syslog_seen = true;
}

/* RFC 3164 as syslogd takes it from /dev/log: priority, tag, text; the time is syslogd's. */
static void syslog_add(struct sinks *s, const struct record *record)
{
	char line[SYSLOG_LINE], src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
	struct out o = out_make(line, sizeof(line));
	const struct record_head *head = &record->head;

	if ((record->type != EVENT_INCIDENT || record_severity(record) < SEVERITY_ALERT) &&
		record->type != EVENT_CONTROL &&
		(record->type != EVENT_AUDIT || record->audit.agree))
		return;
	out_fmt(&o, "<%d>fishbowl: %s: ", LOG_DAEMON | syslog_level(record_severity(record)),
		event_type_name(record->type));
	if (head->honeypot.len > 0) {
		out_quoted(&o, head->honeypot.at, head->honeypot.len);
		out_str(&o, ": ");
	}
	record_story(&o, record);
	if (!ip_is_unset(&head->src) || !ip_is_unset(&head->dst))
		out_fmt(&o, " (%s -> %s)", ip_text(&head->src, src), ip_text(&head->dst, dst));
	syslog_reopen(s);
	if (s->syslog_fd >= 0 &&
		send(s->syslog_fd, line, o.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)o.len)
		return;
	s->dropped += s->syslog_seen;
	if (s->syslog_fd >= 0 && errno != EAGAIN) {
		close(s->syslog_fd);
		s->syslog_fd = -1;
	}
}

void sinks_add(struct sinks *s, const struct record *record, const char *json, size_t len)
{
	if (!s)
		return;
	/* What cannot be redacted is not for other eyes. */
	if ((s->file.buffer || s->socket.buffer) &&
		redact_line(s->redact, json, len, &json, &len) == 0) {
		sink_add(s, &s->file, json, len);
		sink_add(s, &s->socket, json, len);
	}
	if (s->syslog)
		syslog_add(s, record);
}

void sinks_flush(struct sinks *s, int64_t now_s)
{
	if (!s)
		return;
	if (now_s != s->checked_s) {
		s->checked_s = now_s;
		reopen(&s->file);
		reconnect(s, &s->socket);
	}
	sink_flush(&s->file);
	sink_flush(&s->socket);
}

uint64_t sinks_dropped(struct sinks *s)
{
	uint64_t n = s ? s->dropped : 0;

	if (s)
		s->dropped = 0;
	return n;
}

struct sinks *sinks_free(struct sinks *s)
{
	if (!s)
		return NULL;
	sink_flush(&s->file);
	sink_flush(&s->socket);
	sink_close(&s->file);
	sink_close(&s->socket);
	if (s->syslog_fd >= 0)
		close(s->syslog_fd);
	free(s->file.buffer);
	free(s->socket.buffer);
	redact_free(s->redact);
	free(s);
	return NULL;
}
