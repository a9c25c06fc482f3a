/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "base/out.h"
#include "frame/frame.h"
#include "inspect/inspect.h"

#define NS_PER_S       1000000000
#define WIDTH_DEFAULT  80
#define HEIGHT_DEFAULT 24
#define BINARY_SHARE   20  /* one byte in so many that is no text, and it is none */
#define EVENT_MAX      512 /* bytes of one event */

enum { CARRY_MAX = 3, BUCKETS = 1024, TERMINAL_MAX = 40 };

struct end {
	struct ip ip;
	uint16_t port;
};

enum { ECHO_SPEECH = 2 };

/* What a side says, or what is echoed. */
struct speech {
	bool typed;
	uint8_t carry[CARRY_MAX]; /* the beginning of a character */
	uint32_t n_carry;
	uint8_t line[SESSION_LINE_MAX]; /* text: what has not ended */
	uint32_t n_line;
	int64_t line_ns; /* when it began */
	bool last_cr;
};

struct session {
	struct session *next, *newer, *older;
	struct session_name name;
	struct end end[2];
	int64_t start_ns, last_ns;
	uint16_t columns, rows;
	char terminal[TERMINAL_MAX];
	uint32_t n_terminal;
	bool begun;   /* its head was told */
	bool dropped; /* it is no text */
	uint64_t bytes, binary;
	struct speech speech[3]; /* of the sides; ECHO_SPEECH */
	char *head;              /* SESSION_HEAD_MAX, until it has begun */
	size_t n_head;
};

struct sessions {
	struct session_setup setup;
	struct session *bucket[BUCKETS], *newest, *oldest;
	unsigned n;
	uint64_t parted;
	char piece[SESSION_PIECE_MAX];
};

int sessions_new(const struct session_setup *setup, struct sessions **ret_sessions)
{
	struct sessions *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->setup = *setup;
	*ret_sessions = all;
	return 0;
}

/* ---- which there are ---- */

static struct session **link_of(struct sessions *all, uint64_t flow_id)
{
	struct session **link = &all->bucket[flow_id * UINT64_C(0x9e3779b97f4a7c15) >> 54];

	while (*link && (*link)->name.flow_id != flow_id)
		link = &(*link)->next;
	return link;
}

static void list_remove(struct sessions *all, struct session *s)
{
	*(s->newer ? &s->newer->older : &all->newest) = s->older;
	*(s->older ? &s->older->newer : &all->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void list_add(struct sessions *all, struct session *s)
{
	s->older = all->newest;
	*(all->newest ? &all->newest->newer : &all->oldest) = s;
	all->newest = s;
}

static void drop(struct sessions *all, struct session *s)
{
	*link_of(all, s->name.flow_id) = s->next;
	list_remove(all, s);
	free(s->head);
	free(s);
	all->n--;
}

struct sessions *sessions_free(struct sessions *all)
{
	while (all && all->oldest)
		drop(all, all->oldest);
	free(all);
	return NULL;
}

/* ---- what leaves ---- */

static const char *name_of(const struct session *s)
{
	return s->name.proto < PROTO_COUNT ? proto_name((enum proto_id)s->name.proto) : "text";
}

static void put_title(struct out *o, const struct session *s)
{
	char text[IP_TEXT_MAX];

	out_fmt(o, "%s, flow %llu: ", name_of(s), (unsigned long long)s->name.flow_id);
	out_fmt(o, "%s %u to ", ip_text(&s->end[0].ip, text), s->end[0].port);
	out_fmt(o, "%s %u", ip_text(&s->end[1].ip, text), s->end[1].port);
}

static void put_asciicast_head(struct out *o, const struct session *s)
{
	char title[256];
	struct out t = out_make(title, sizeof(title));

	put_title(&t, s);
	out_fmt(o, "{\"version\":2,\"width\":%u,\"height\":%u,\"timestamp\":%lld,\"title\":",
		s->columns ? s->columns : WIDTH_DEFAULT, s->rows ? s->rows : HEIGHT_DEFAULT,
		(long long)(s->start_ns / NS_PER_S));
	out_json_text(o, t.at, t.len);
	if (s->n_terminal) {
		out_str(o, ",\"env\":{\"TERM\":");
		out_json_text(o, s->terminal, s->n_terminal);
		out_char(o, '}');
	}
	out_str(o, "}\n");
}

static void put_text_head(struct out *o, const struct session *s)
{
	out_str(o, "# ");
	put_title(o, s);
	out_str(o, "\n# begun ");
	out_time_rfc3339(o, s->start_ns);
	if (s->columns)
		out_fmt(o, ", terminal of %u columns and %u rows", s->columns, s->rows);
	if (s->n_terminal) {
		out_str(o, ", ");
		out_json_text(o, s->terminal, s->n_terminal);
	}
	out_str(o, "\n# seconds, > typed, < shown\n");
}

static void begin(struct sessions *all, struct session *s)
{
	struct out o = out_make(all->piece, sizeof(all->piece));

	if (all->setup.format == SESSION_ASCIICAST)
		put_asciicast_head(&o, s);
	else
		put_text_head(&o, s);
	out_bytes(&o, s->head, s->n_head);
	s->begun = true;
	all->setup.write(all->setup.context, &s->name, true, o.at, o.len);
	free(s->head);
	s->head = NULL;
}

/* Everything else is told whatever it is: somebody has named it, or its protocol is text. */
static bool must_be_text(const struct sessions *all, const struct session *s)
{
	if (all->setup.flow_id)
		return false;
	switch (s->name.proto) {
	case PROTO_TELNET:
	case PROTO_RLOGIN:
	case PROTO_RSH:
	case PROTO_SHELL:
		return false;
	default:
		return true;
	}
}

static void begin_if_text(struct sessions *all, struct session *s)
{
	if (must_be_text(all, s) && s->binary * BINARY_SHARE > s->bytes) {
		s->dropped = true;
		free(s->head);
		s->head = NULL;
	} else {
		begin(all, s);
	}
}

static void put(struct sessions *all, struct session *s, const struct out *o)
{
	if (!out_ok(o) || s->dropped)
		return;
	if (!s->begun && s->n_head + o->len > SESSION_HEAD_MAX)
		begin_if_text(all, s);
	if (s->dropped)
		return;
	if (s->begun) {
		all->setup.write(all->setup.context, &s->name, false, o->at, o->len);
		return;
	}
	if (!s->head)
		s->head = malloc(SESSION_HEAD_MAX);
	if (s->head) {
		memcpy(s->head + s->n_head, o->at, o->len);
		s->n_head += o->len;
	}
}

/* Times do not go back, whatever the capture says. */
static void put_seconds(struct out *o, const struct session *s, int64_t time_ns)
{
	uint64_t ns = time_ns > s->start_ns ? (uint64_t)time_ns - (uint64_t)s->start_ns : 0;

	out_fmt(o, "%llu.%06llu", (unsigned long long)(ns / NS_PER_S),
		(unsigned long long)(ns % NS_PER_S / 1000));
}

/* ---- asciicast ---- */

static void put_event(
	struct sessions *all, struct session *s, char kind, const char *bytes, size_t len)
{
	char text[6 * EVENT_MAX + 64];
	struct out o = out_make(text, sizeof(text));

	out_char(&o, '[');
	put_seconds(&o, s, s->last_ns);
	out_fmt(&o, ",\"%c\",", kind);
	out_json_text(&o, bytes, len);
	out_str(&o, "]\n");
	put(all, s, &o);
}

/* Without a terminal on the other side, what ends a line only goes down. */
static bool needs_return(const struct session *s)
{
	return s->name.proto != PROTO_TELNET && s->name.proto != PROTO_RLOGIN;
}

/* Up to EVENT_MAX - 1 bytes; a character that is not whole waits for the rest. */
static void put_bytes(struct sessions *all, struct session *s, struct speech *speech, char kind,
	struct cur *c, bool end)
{
	uint8_t bytes[EVENT_MAX];
	uint32_t n = speech->n_carry, open;

	memcpy(bytes, speech->carry, n);
	while (cur_left(c) && n + 2 <= sizeof(bytes)) {
		uint8_t byte = cur_u8(c);

		if (kind == 'o' && byte == '\n' && !speech->last_cr && needs_return(s))
			bytes[n++] = '\r';
		speech->last_cr = byte == '\r';
		bytes[n++] = byte;
	}
	open = end ? 0 : (uint32_t)out_utf8_open((const char *)bytes, n);
	speech->n_carry = open;
	memcpy(speech->carry, bytes + n - open, open);
	if (n - open > 0)
		put_event(all, s, kind, (const char *)bytes, n - open);
}

static void take_asciicast(
	struct sessions *all, struct session *s, struct speech *speech, struct cur c)
{
	struct cur again = c;

	while (cur_left(&c))
		put_bytes(all, s, speech, speech->typed ? 'i' : 'o', &c, false);
	while (speech->typed && all->setup.echo && cur_left(&again))
		put_bytes(all, s, &s->speech[ECHO_SPEECH], 'o', &again, false);
}

/* ---- text ---- */

static void end_line(struct sessions *all, struct session *s, struct speech *speech)
{
	char text[6 * SESSION_LINE_MAX + 64];
	struct out o = out_make(text, sizeof(text));
	char escaped[6 * SESSION_LINE_MAX + 3];
	struct out e = out_make(escaped, sizeof(escaped));

	if (!speech->n_line)
		return;
	out_json_text(&e, (const char *)speech->line, speech->n_line);
	put_seconds(&o, s, speech->line_ns);
	out_fmt(&o, " %c ", speech->typed ? '>' : '<');
	out_bytes(&o, e.at + 1, e.len - 2); /* without its quotes */
	out_char(&o, '\n');
	put(all, s, &o);
	speech->n_line = 0;
}

static void take_text(struct sessions *all, struct session *s, struct speech *speech, struct cur c)
{
	for (unsigned side = 0; side < 2; side++)
		if (&s->speech[side] != speech)
			end_line(all, s, &s->speech[side]);
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte == '\r' || byte == '\n') {
			end_line(all, s, speech);
			continue;
		}
		if (speech->n_line == 0)
			speech->line_ns = s->last_ns;
		speech->line[speech->n_line++] = byte;
		if (speech->n_line == SESSION_LINE_MAX)
			end_line(all, s, speech);
	}
}

/* ---- what comes ---- */

static void finish(struct sessions *all, struct session *s)
{
	struct cur none = { 0 };

	for (unsigned n = 0; n <= ECHO_SPEECH && !s->dropped; n++) {
		struct speech *speech = &s->speech[n];

		if (all->setup.format == SESSION_TEXT)
			end_line(all, s, speech);
		else if (speech->n_carry)
			put_bytes(all, s, speech, speech->typed ? 'i' : 'o', &none, true);
	}
	if (!s->begun && !s->dropped && s->n_head)
		begin_if_text(all, s);
	drop(all, s);
}

static struct session *new_session(
	struct sessions *all, const struct inspect_frame *frame, const struct proto_text *text)
{
	const struct frame_packet *p;
	struct session *s, **link;

	if (all->n == SESSION_MAX) {
		finish(all, all->oldest);
		all->parted++;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->name = (struct session_name){
		.flow_id = frame->flow_id, .part = (uint32_t)all->parted, .proto = text->proto
	};
	s->start_ns = s->last_ns = text->time_ns;
	if (frame->frame->n_packets > 0) {
		p = &frame->frame->packet[frame->frame->n_packets - 1];
		s->end[frame->side] = (struct end){ p->src, p->sport };
		s->end[!frame->side] = (struct end){ p->dst, p->dport };
	}
	link = link_of(all, frame->flow_id);
	*link = s;
	list_add(all, s);
	all->n++;
	return s;
}

static bool is_wanted(const struct sessions *all, const struct inspect_frame *frame,
	const struct proto_text *text)
{
	if (all->setup.flow_id)
		return frame->flow_id == all->setup.flow_id;
	return all->setup.all || text->proto == PROTO_TELNET || text->proto == PROTO_RLOGIN ||
	       text->proto == PROTO_RSH || text->proto == PROTO_SHELL;
}

static void take_window(struct sessions *all, struct session *s, const struct proto_text *text)
{
	char size[16];
	struct out o = out_make(size, sizeof(size));

	if (!s->begun && !s->columns) {
		s->columns = text->columns;
		s->rows = text->rows;
	} else if (all->setup.format == SESSION_ASCIICAST) {
		out_fmt(&o, "%ux%u", text->columns, text->rows);
		put_event(all, s, 'r', o.at, o.len);
	}
}

static void take_terminal(struct session *s, const struct proto_text *text)
{
	if (s->n_terminal)
		return;
	s->n_terminal = text->len < TERMINAL_MAX ? (uint32_t)text->len : TERMINAL_MAX;
	memcpy(s->terminal, text->bytes, s->n_terminal);
}

static void count(struct session *s, struct cur c)
{
	s->bytes += cur_left(&c);
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		s->binary += byte < ' ' && !memchr("\a\b\t\n\v\f\r\x1b", byte, 8);
	}
}

void sessions_take(
	struct sessions *all, const struct inspect_frame *frame, const struct proto_text *text)
{
	struct session *s;

	if (!is_wanted(all, frame, text))
		return;
	s = *link_of(all, frame->flow_id);
	if (!s)
		s = new_session(all, frame, text);
	if (!s)
		return;
	list_remove(all, s);
	list_add(all, s);
	if (text->time_ns > s->last_ns)
		s->last_ns = text->time_ns;
	if (text->kind == PROTO_TEXT_WINDOW) {
		take_window(all, s, text);
	} else if (text->kind == PROTO_TEXT_TERMINAL) {
		take_terminal(s, text);
	} else {
		struct cur c = cur_make(text->bytes, text->len);
		struct speech *speech = &s->speech[text->side];

		speech->typed = text->kind == PROTO_TEXT_TYPED;
		count(s, c);
		if (all->setup.format == SESSION_TEXT)
			take_text(all, s, speech, c);
		else
			take_asciicast(all, s, speech, c);
	}
}

void sessions_end(struct sessions *all, uint64_t flow_id)
{
	struct session *s = *link_of(all, flow_id);

	if (s)
		finish(all, s);
}

void sessions_end_all(struct sessions *all)
{
	while (all->oldest)
		finish(all, all->oldest);
}

uint64_t sessions_parted(const struct sessions *all)
{
	return all->parted;
}
