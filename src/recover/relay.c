/* SPDX-License-Identifier: Apache-2.0 */
#include "recover/relay.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cur.h"
#include "frame/frame.h"

enum { MARKS = 4096, WAYS = 4, POTS = 16, LAST = 256, HTTP_PORT = 80 };
#define S      INT64_C(1000000000)
#define SOON   (60 * S)   /* a proxy connects at once */
#define CHAT   (600 * S)  /* between two words of a chat */
#define QUEUED (3600 * S) /* a mail may wait for the first try to send it */

enum kind { OWN, PROXY, MAIL, TALK };
static const char *const names[] = { "", "proxy", "mail", "chat" };

struct mark {
	uint64_t flow_id; /* 0: free */
	uint64_t age;     /* when, in marks */
	enum kind kind;
};

/* A conversation of a honeypot with others. `key`: whom it began it with; for whom a mail is. */
struct last {
	struct ip honeypot;
	uint64_t flow_id; /* 0: free */
	uint64_t key;
	uint16_t port;
	int64_t time_ns;
};

/* The last ones, oldest first from `next` on. */
struct list {
	struct last at[LAST];
	unsigned next;
};

/* Of a honeypot; some share one. A flood of what nobody answers, a scan, pushes out none of what was answered. */
struct lists {
	struct list asked, answered; /* what it began */
	struct list mail, chat[2];   /* chat: by who began it, 1: the honeypot */
};

struct relay {
	struct mark mark[MARKS / WAYS][WAYS];
	uint64_t marks;
	struct lists lists[POTS];
};

int relay_new(struct relay **ret_relay)
{
	*ret_relay = calloc(1, sizeof(**ret_relay));
	return *ret_relay ? 0 : -ENOMEM;
}

struct relay *relay_free(struct relay *r)
{
	free(r);
	return NULL;
}

/* ---- marks ---- */

static void mark(struct relay *r, uint64_t flow_id, enum kind kind)
{
	struct mark *set = r->mark[flow_id % (MARKS / WAYS)], *place = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].flow_id == flow_id)
			return;
		if (set[i].age < place->age)
			place = &set[i];
	}
	*place = (struct mark){ .flow_id = flow_id, .age = ++r->marks, .kind = kind };
}

struct text relay_of(const struct relay *r, uint64_t flow_id)
{
	const struct mark *set = r->mark[flow_id % (MARKS / WAYS)];

	for (unsigned i = 0; flow_id != 0 && i < WAYS; i++)
		if (set[i].flow_id == flow_id)
			return text_of(names[set[i].kind]);
	return (struct text){ 0 };
}

/* ---- the last conversations ---- */

/* FNV-1a, upper and lower case alike. A foreign text that is made to collide marks one conversation too many. */
static uint64_t key_of(const uint8_t *bytes, size_t len)
{
	uint64_t key = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		key = (key ^ (uint64_t)tolower(bytes[i])) * 1099511628211u;
	return key;
}

static uint64_t key_of_ip(const struct ip *ip)
{
	return key_of(ip->byte, sizeof(ip->byte));
}

static struct lists *lists_of(struct relay *r, const struct ip *honeypot)
{
	return &r->lists[key_of_ip(honeypot) % POTS];
}

static void remember(struct list *list, struct last last)
{
	list->at[list->next] = last;
	list->next = (list->next + 1) % LAST;
}

/* The last one of the same honeypot; `key` 0, `port` 0: any. */
static const struct last *find(const struct list *list, const struct last *like, int64_t within_ns)
{
	for (unsigned i = 1; i <= LAST; i++) {
		const struct last *at = &list->at[(list->next + LAST - i) % LAST];

		if (at->flow_id != 0 && at->flow_id != like->flow_id &&
			ip_equal(&at->honeypot, &like->honeypot) &&
			(like->key == 0 || at->key == like->key) &&
			(like->port == 0 || at->port == like->port) &&
			like->time_ns - at->time_ns <= within_ns)
			return at;
	}
	return NULL;
}

static bool mark_both(struct relay *r, const struct list *list, const struct last *one,
	int64_t within_ns, enum kind kind)
{
	const struct last *other = find(list, one, within_ns);

	if (other) {
		mark(r, one->flow_id, kind);
		mark(r, other->flow_id, kind);
	}
	return other;
}

/* The answer may be what the capture does not have. */
static void mark_begun(struct relay *r, const struct last *asked)
{
	const struct lists *lists = lists_of(r, &asked->honeypot);

	if (!mark_both(r, &lists->answered, asked, SOON, PROXY))
		(void)mark_both(r, &lists->asked, asked, SOON, PROXY);
}

/* ---- what is seen ---- */

static const struct frame_packet *last_packet(const struct inspect_frame *frame)
{
	const struct frame *f = frame->frame;

	return f->n_packets > 0 ? &f->packet[f->n_packets - 1] : NULL;
}

static void see_question(struct relay *r, const struct inspect_frame *frame)
{
	const struct frame_packet *p = last_packet(frame);

	remember(&lists_of(r, &p->src)->asked, (struct last){ .honeypot = p->src,
						       .flow_id = frame->flow_id,
						       .key = key_of_ip(&p->dst),
						       .port = p->dport,
						       .time_ns = frame->wall_ns });
}

/* Only of what it has asked: anybody can send answers to nothing. A question that was sent again is answered once. */
static void see_answer(struct relay *r, const struct inspect_frame *frame)
{
	const struct frame_packet *p = last_packet(frame);
	struct lists *lists = lists_of(r, &p->dst);
	struct last answered = { 0 };

	for (unsigned i = 0; i < LAST; i++) {
		struct last *asked = &lists->asked.at[i];

		if (asked->flow_id == 0 || asked->flow_id != frame->flow_id ||
			asked->port != p->sport || asked->key != key_of_ip(&p->src))
			continue;
		answered = *asked;
		asked->flow_id = 0;
	}
	if (answered.flow_id != 0)
		remember(&lists->answered, answered);
}

void relay_frame(struct relay *r, const struct inspect_frame *frame)
{
	const struct frame_packet *p = last_packet(frame);
	unsigned flags = p ? p->tcp_flags & (TH_SYN | TH_ACK) : 0;

	if (!p || p->proto != IPPROTO_TCP)
		return;
	if (frame->direction == DIRECTION_OUTBOUND && flags == TH_SYN)
		see_question(r, frame);
	else if (frame->direction == DIRECTION_INBOUND && flags == (TH_SYN | TH_ACK))
		see_answer(r, frame);
}

/* Of the conversation of a frame, of whose sides `client` asks. False: none of a honeypot with outside. */
static bool conversation_of(
	const struct inspect_frame *frame, unsigned client, struct last *ret_last, bool *ret_began)
{
	const struct frame_packet *p = last_packet(frame);

	if (!p || frame->flow_id == 0 ||
		(frame->direction != DIRECTION_INBOUND && frame->direction != DIRECTION_OUTBOUND))
		return false;
	*ret_began = (frame->direction == DIRECTION_OUTBOUND) == (frame->side == client);
	*ret_last = (struct last){
		.honeypot = frame->direction == DIRECTION_OUTBOUND ? p->src : p->dst,
		.flow_id = frame->flow_id,
		.time_ns = frame->wall_ns,
	};
	return true;
}

/* Of a host as text: 0 if it is a name, which may have any address. */
static uint64_t key_of_host(const uint8_t *host, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct ip ip;
	uint8_t v4[4];

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(text))
		return 0;
	memcpy(text, host, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, v4) == 1)
		ip = ip_from_v4(v4);
	else if (inet_pton(AF_INET6, text, ip.byte) != 1)
		return 0;
	return key_of_ip(&ip);
}

void relay_tunnel(
	struct relay *r, const struct inspect_frame *frame, const struct proto_tunnel *tunnel)
{
	struct last asked;
	bool began;

	if (!conversation_of(frame, 0, &asked, &began) || began)
		return; /* the honeypot's own way out through somebody's proxy */
	asked.key = key_of_host(tunnel->host, tunnel->host_len);
	asked.port = tunnel->port;
	mark(r, asked.flow_id, PROXY);
	mark_begun(r, &asked);
}

static size_t authority_len(struct cur c)
{
	size_t n = 0;

	while (n < cur_left(&c) && !strchr("/?#", c.at[n]))
		n++;
	return n;
}

/* Takes ":8080" from the end, if it is there. */
static uint16_t take_port(struct cur *authority)
{
	size_t len = cur_left(authority), digits = 0;
	unsigned port = 0;

	while (digits < len && isdigit(authority->at[len - digits - 1]))
		digits++;
	if (digits == len || authority->at[len - digits - 1] != ':')
		return HTTP_PORT;
	for (size_t i = len - digits; i < len && port <= UINT16_MAX; i++)
		port = 10 * port + (unsigned)(authority->at[i] - '0');
	cur_limit(authority, len - digits - 1);
	return port > UINT16_MAX ? 0 : (uint16_t)port;
}

/* A request for another host's page (RFC 9112, section 3.2.2), which many a server takes for its own: the honeypot must
 * have asked for it elsewhere. */
static void see_http(struct relay *r, struct last *asked, struct proto_tx *tx)
{
	static const char scheme[] = "http://";
	struct proto_bytes uri;
	struct cur authority;

	if (!proto_tx_buffer(tx, BUFFER_HTTP_RAW_URI, 0, &uri) || uri.len < sizeof(scheme) ||
		strncasecmp((const char *)uri.at, scheme, sizeof(scheme) - 1) != 0)
		return;
	authority = cur_make(uri.at + sizeof(scheme) - 1, uri.len - (sizeof(scheme) - 1));
	cur_limit(&authority, authority_len(authority));
	asked->port = take_port(&authority);
	asked->key = key_of_host(authority.at, cur_left(&authority));
	mark_begun(r, asked);
}

static void see_mail(struct relay *r, struct last *mail, struct proto_tx *tx, bool began)
{
	struct list *list = &lists_of(r, &mail->honeypot)->mail;
	struct proto_bytes receiver;

	for (unsigned n = 0; proto_tx_buffer(tx, BUFFER_SMTP_RCPT_TO, n, &receiver); n++) {
		mail->key = key_of(receiver.at, receiver.len);
		if (began)
			(void)mark_both(r, list, mail, QUEUED, MAIL);
		else
			remember(list, *mail);
	}
}

/* A bouncer, or a server that is linked with others. */
static void see_chat(struct relay *r, const struct last *chat, bool began)
{
	struct list *chats = lists_of(r, &chat->honeypot)->chat, *own = &chats[began];
	struct last *newest = &own->at[(own->next + LAST - 1) % LAST];

	(void)mark_both(r, &chats[!began], chat, CHAT, TALK);
	if (newest->flow_id == chat->flow_id)
		*newest = *chat;
	else
		remember(own, *chat);
}

void relay_tx(struct relay *r, const struct inspect_frame *frame, struct proto_tx *tx)
{
	struct proto_tx_state state = proto_tx_state(tx);
	struct last last;
	bool began;

	if (!conversation_of(frame, state.client, &last, &began))
		return;
	if (state.proto == PROTO_HTTP && !began)
		see_http(r, &last, tx);
	else if (state.proto == PROTO_SMTP)
		see_mail(r, &last, tx, began);
	else if (state.proto == PROTO_IRC)
		see_chat(r, &last, began);
}
