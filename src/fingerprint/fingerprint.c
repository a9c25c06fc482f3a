/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/out.h"
#include "fingerprint/hosts.h"
#include "fingerprint/http.h"
#include "fingerprint/inside.h"
#include "frame/frame.h"

enum { LABEL_MAX = 256, WORDS_MAX = 128, NS_PER_S = 1000000000 };

struct fingerprint {
	struct fingerprint_setup setup;
	struct hosts *hosts;
	struct fingerprint_counts counts;
	int64_t second; /* in which so many records were told */
	uint32_t in_second;
	/* Of the record that is being made. */
	char label[LABEL_MAX], before[LABEL_MAX], words[WORDS_MAX];
	char raw[TCP_RAW_MAX > HTTP_RAW_MAX ? TCP_RAW_MAX : HTTP_RAW_MAX];
};

/* One packet of a frame. */
struct packet {
	const struct fingerprint_frame *frame;
	const struct frame_packet *at;
	uint64_t key; /* of its conversation */
	bool inner;
};

int fingerprint_new(const struct fingerprint_setup *setup, struct fingerprint **ret_fingerprint)
{
	struct fingerprint *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->setup = *setup;
	r = hosts_new(setup->hosts ? setup->hosts : FINGERPRINT_HOSTS,
		setup->flows ? setup->flows : FINGERPRINT_FLOWS, &f->hosts);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret_fingerprint = f;
	return 0;
}

struct fingerprint *fingerprint_free(struct fingerprint *f)
{
	if (f) {
		hosts_free(f->hosts);
		free(f);
	}
	return NULL;
}

struct fingerprint_counts fingerprint_counts(const struct fingerprint *f)
{
	return f->counts;
}

/* ---- records ---- */

static struct text written(const struct out *o)
{
	return (struct text){ .at = o->at, .len = (uint32_t)o->len };
}

static struct text label_text(const struct signature_label *label, char buf[static LABEL_MAX])
{
	struct out o = out_make(buf, LABEL_MAX);

	if (!label)
		return (struct text){ 0 };
	out_quoted(&o, label->name.at, label->name.len);
	if (label->flavour.len > 0) {
		out_char(&o, ' ');
		out_quoted(&o, label->flavour.at, label->flavour.len);
	}
	return written(&o);
}

static void add_word(struct out *o, const char *word)
{
	if (o->len > 0)
		out_char(o, ' ');
	out_str(o, word);
}

static struct record new_record(
	const struct fingerprint_frame *frame, const char *kind, const struct ip *subject)
{
	struct record record = { .type = EVENT_FINGERPRINT };

	record.head.time_ns = frame->wall_ns;
	record.head.flow_id = frame->flow_id;
	record.head.packet = frame->packet;
	record.head.direction = (uint8_t)frame->direction;
	record.head.proto = IPPROTO_TCP;
	record.fingerprint.kind = text_of(kind);
	record.fingerprint.subject = *subject;
	return record;
}

static struct record packet_record(
	const struct packet *packet, const char *kind, const struct ip *subject)
{
	struct record record = new_record(packet->frame, kind, subject);

	if (packet->inner)
		record.head.flow_id = 0; /* it is the tunnel's */
	record.head.src = packet->at->src;
	record.head.dst = packet->at->dst;
	record.head.sport = packet->at->sport;
	record.head.dport = packet->at->dport;
	return record;
}

/* Whether there may be one more in this second. */
static bool may_tell(struct fingerprint *f, int64_t wall_ns)
{
	int64_t second = wall_ns / NS_PER_S;

	if (second != f->second) {
		f->second = second;
		f->in_second = 0;
	}
	if (f->in_second == FINGERPRINT_RECORDS) {
		f->counts.untold++;
		return false;
	}
	f->in_second++;
	return true;
}

static void tell(struct fingerprint *f, const struct record *record)
{
	f->counts.told++;
	f->setup.emit(f->setup.context, record);
}

/* Whether this look of a host is new, and may be told. */
static bool is_new(struct fingerprint *f, struct told *told, uint64_t look, int64_t wall_ns)
{
	for (unsigned i = 0; i < told->n; i++)
		if (told->look[i] == look)
			return false;
	if (told->n == FINGERPRINT_LOOKS) {
		f->counts.untold++;
		return false;
	}
	if (!may_tell(f, wall_ns))
		return false;
	told->look[told->n++] = look;
	return true;
}

/* By its label, or if it is not known by all of it (FNV-1a). */
static uint64_t look_number(
	const struct signatures *set, const struct signature_label *label, struct text raw)
{
	struct cur c = cur_make(raw.at, raw.len);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (label)
		return (uint64_t)(label - signatures_label(set, 0));
	while (cur_left(&c) > 0)
		hash = (hash ^ cur_u8(&c)) * UINT64_C(0x100000001b3);
	return hash | UINT64_C(1) << 63; /* no number of a label */
}

static void set_label(
	struct fingerprint *f, const struct signature_label *label, struct record *record)
{
	struct text text = label_text(label, f->label);

	if (label && label->application)
		record->fingerprint.app = text;
	else
		record->fingerprint.os = text;
}

/* ---- SYN, SYN+ACK ---- */

static void put_match(struct out *o, const struct tcp_match *m, const struct tcp_look *look)
{
	if (m->label && m->label->generic)
		add_word(o, "generic");
	if (m->fuzzy)
		add_word(o, "fuzzy");
	if (m->signature && m->signature->ttl_random)
		add_word(o, "random_ttl");
	if (m->hops > TCP_HOPS_MAX)
		add_word(o, "excess_dist");
	if (look->tos > 0) {
		add_word(o, "tos:");
		out_fmt(o, "0x%02x", look->tos >> 2);
	}
}

static void tell_look(struct fingerprint *f, const struct packet *packet, struct host *host,
	const struct tcp_look *look, const struct tcp_match *m, uint16_t peer_mss)
{
	struct record record =
		packet_record(packet, look->response ? "syn+ack" : "syn", &packet->at->src);
	struct told *told = &host->told[look->response ? SIGNATURE_SYN_ACK : SIGNATURE_SYN];
	struct out raw = out_make(f->raw, sizeof(f->raw)), words = out_make(f->words, WORDS_MAX);

	tcp_look_text(&raw, look, peer_mss);
	if (!is_new(f, told, look_number(f->setup.signatures, m->label, written(&raw)),
		    packet->frame->wall_ns))
		return;
	put_match(&words, m, look);
	set_label(f, m->label, &record);
	record.fingerprint.match = written(&words);
	record.fingerprint.distance = m->hops;
	record.fingerprint.raw = written(&raw);
	tell(f, &record);
}

static void tell_mtu(struct fingerprint *f, const struct packet *packet, struct host *host,
	const struct tcp_look *look, const struct tcp_match *m)
{
	struct record record = packet_record(packet, "mtu", &packet->at->src);
	uint32_t mtu = tcp_look_mtu(look);

	/* An MSS that belongs to the signature says nothing of the link. */
	if (mtu == 0 || (m->signature && m->signature->mss >= 0) ||
		!is_new(f, &host->told[SIGNATURE_MTU], mtu, packet->frame->wall_ns))
		return;
	record.fingerprint.mtu = mtu;
	record.fingerprint.link = label_text(signatures_link(f->setup.signatures, mtu), f->label);
	tell(f, &record);
}

static void tell_nat(struct fingerprint *f, struct record *record, struct nat *nat,
	const struct signature_label *before, uint32_t reasons)
{
	struct out words = out_make(f->words, WORDS_MAX);
	enum nat_verdict verdict = nat_weigh(nat, reasons, record->head.time_ns, &reasons);

	if (verdict == NAT_SAME || !may_tell(f, record->head.time_ns))
		return;
	nat_reasons_text(&words, reasons);
	record->fingerprint.reason = written(&words);
	record->fingerprint.match = text_of(verdict == NAT_IS_SHARING ? "sharing" : "change");
	record->fingerprint.os = label_text(nat->match.label, f->label);
	record->fingerprint.os_before = label_text(before, f->before);
	tell(f, record);
}

static void compare(struct fingerprint *f, const struct packet *packet, struct host *host,
	const struct tcp_look *look, const struct tcp_match *m)
{
	unsigned role = look->response ? AS_SERVER : AS_CLIENT;
	struct record record = packet_record(packet, "nat", &packet->at->src);
	struct nat *nat = &host->nat[role];
	const struct signature_label *before = nat->has_look ? nat->match.label : NULL;
	const struct clock_reading now = { .ns = packet->frame->wall_ns,
		.timestamp = look->timestamp };
	uint32_t reasons = nat_compare(nat, look, m, look->response ? 0 : packet->at->sport);

	if (look->has_timestamp && clock_contradicts(&host->clock, &now))
		reasons |= 1u << NAT_BIT_TIMESTAMP;
	tell_nat(f, &record, nat, before, reasons);
}

/* ---- uptime ---- */

static void tell_uptime(struct fingerprint *f, const struct packet *packet,
	const struct clock *clock, const struct clock_reading *reading)
{
	static const char *const trust[] = { "", "once", "again", "changing" };
	struct record record = packet_record(packet, "uptime", &packet->at->src);

	if (!may_tell(f, packet->frame->wall_ns))
		return;
	record.fingerprint.match = text_of(trust[clock->trust]);
	if (clock->trust != CLOCK_CHANGING) {
		record.fingerprint.uptime_min = clock_up_minutes(clock, reading);
		record.fingerprint.uptime_days = clock_wrap_days(clock);
	}
	tell(f, &record);
}

static bool learn(struct fingerprint *f, const struct packet *packet, struct clock *clock,
	const struct clock_reading *first, const struct clock_reading *now)
{
	uint32_t hertz = first->state == CLOCK_READ ? clock_rate(first, now) : 0;

	if (hertz == 0)
		return false;
	if (clock_learn(clock, &packet->at->dst, hertz, now))
		tell_uptime(f, packet, clock, now);
	return true;
}

static void take_timestamp(
	struct fingerprint *f, const struct packet *packet, struct conversation *c)
{
	const struct frame_packet *p = packet->at;
	bool client = ip_equal(&p->src, &c->client) && p->sport == c->client_port;
	unsigned role = client ? AS_CLIENT : AS_SERVER;
	struct clock_reading now = { .ns = packet->frame->wall_ns, .state = CLOCK_READ };
	struct host *host;

	if (c->first[role].state != CLOCK_READ ||
		!tcp_timestamp(packet->frame->frame, p, &now.timestamp))
		return;
	if (now.ns - c->first[role].ns < CLOCK_WAIT_MIN_NS)
		return;
	host = hosts_get(f->hosts, &p->src, now.ns);
	if (learn(f, packet, &host->clock, &c->first[role], &now) ||
		now.ns - c->first[role].ns > CLOCK_WAIT_MAX_NS)
		c->first[role].state = CLOCK_USED;
}

/* Of a SYN or SYN+ACK: held against the host's one before, then the first of its conversation. */
static void begin_clock(struct fingerprint *f, const struct packet *packet, struct host *host,
	const struct tcp_look *look, struct conversation *c)
{
	unsigned role = look->response ? AS_SERVER : AS_CLIENT;
	struct clock *clock = &host->clock;
	struct clock_reading now = {
		.ns = packet->frame->wall_ns, .timestamp = look->timestamp, .state = CLOCK_READ
	};

	if (!look->has_timestamp || look->timestamp == 0)
		return;
	learn(f, packet, clock, &clock->last[role], &now);
	clock->last[role] = now;
	if (c)
		c->first[role] = now;
}

/* ---- packets ---- */

static bool is_repeated(const struct conversation *c, const struct frame_packet *p, bool response)
{
	if (!c)
		return false;
	if (response)
		return c->answered;
	return c->seq == p->tcp_seq && ip_equal(&c->client, &p->src) && c->client_port == p->sport;
}

static struct conversation *begin(
	struct fingerprint *f, const struct packet *packet, const struct tcp_look *look)
{
	struct conversation *c = packet->key ? hosts_new_conversation(f->hosts, packet->key) : NULL;

	if (!c)
		return NULL;
	c->client = packet->at->src;
	c->client_port = packet->at->sport;
	c->seq = packet->at->tcp_seq;
	c->mss = look->mss;
	return c;
}

static void take_look(struct fingerprint *f, const struct packet *packet,
	const struct tcp_look *look, struct conversation *c)
{
	struct host *host = hosts_get(f->hosts, &packet->at->src, packet->frame->wall_ns);
	uint16_t peer_mss = 0;
	struct tcp_match m;

	if (is_repeated(c, packet->at, look->response))
		return;
	if (!look->response) {
		c = begin(f, packet, look);
	} else if (c) {
		peer_mss = c->mss;
		c->answered = true;
	}
	tcp_match(f->setup.signatures, look, peer_mss, &m);
	tell_look(f, packet, host, look, &m, peer_mss);
	if (m.label && m.label->application)
		return; /* it says nothing of the system, or of its link */
	tell_mtu(f, packet, host, look, &m);
	compare(f, packet, host, look, &m);
	begin_clock(f, packet, host, look, c);
}

static void take_packet(struct fingerprint *f, const struct packet *packet)
{
	struct conversation *c =
		packet->key ? hosts_find_conversation(f->hosts, packet->key) : NULL;
	struct tcp_look look;

	if (packet->at->tcp_flags & TH_SYN) {
		if (tcp_look_read(packet->frame->frame, packet->at, &look))
			take_look(f, packet, &look, c);
	} else if (c) {
		take_timestamp(f, packet, c);
	}
}

/* Both directions of a conversation in a tunnel have the same. */
static uint64_t inner_key(uint64_t flow_id, const struct frame_packet *p)
{
	uint64_t end[2][2], key;

	memcpy(end[0], &p->src, sizeof(end[0]));
	memcpy(end[1], &p->dst, sizeof(end[1]));
	key = (end[0][0] ^ end[0][1] * 3 ^ p->sport * UINT64_C(0x10001)) +
	      (end[1][0] ^ end[1][1] * 3 ^ p->dport * UINT64_C(0x10001));
	return (key ^ flow_id) | 1;
}

void fingerprint_take(struct fingerprint *f, const struct fingerprint_frame *frame)
{
	for (unsigned i = 0; i < frame->frame->n_packets; i++) {
		struct packet packet = { .frame = frame,
			.at = &frame->frame->packet[i],
			.key = frame->flow_id,
			.inner = i > 0 };

		if (packet.at->proto != IPPROTO_TCP || !packet.at->has_transport)
			continue;
		if (i > 0)
			packet.key = inner_key(frame->flow_id, packet.at);
		take_packet(f, &packet);
	}
}

/* ---- HTTP ---- */

static struct record message_record(const struct fingerprint_frame *frame,
	const struct fingerprint_message *message, const char *kind)
{
	struct record record =
		new_record(frame, kind, message->response ? &message->server : &message->client);

	record.head.src = message->client;
	record.head.dst = message->server;
	record.head.sport = message->client_port;
	record.head.dport = message->server_port;
	record.head.app_proto = text_of("http");
	return record;
}

static void tell_message(struct fingerprint *f, const struct fingerprint_frame *frame,
	const struct fingerprint_message *message, struct host *host, const struct http_look *look,
	const struct http_match *m)
{
	struct record record =
		message_record(frame, message, look->response ? "http response" : "http request");
	struct told *told = &host->told[look->response ? SIGNATURE_RESPONSE : SIGNATURE_REQUEST];
	struct out raw = out_make(f->raw, sizeof(f->raw)), words = out_make(f->words, WORDS_MAX);

	http_look_text(&raw, look);
	if (!is_new(f, told, look_number(f->setup.signatures, m->label, written(&raw)),
		    frame->wall_ns))
		return;
	if (m->label && m->label->generic)
		add_word(&words, "generic");
	if (look->software.len == 0)
		add_word(&words, "anonymous");
	if (m->dishonest)
		add_word(&words, "dishonest");
	set_label(f, m->label, &record);
	record.fingerprint.match = written(&words);
	record.fingerprint.raw = written(&raw);
	tell(f, &record);
}

/* Whether the message goes together with the system that its TCP shows. */
static void compare_message(struct fingerprint *f, const struct fingerprint_frame *frame,
	const struct fingerprint_message *message, struct host *host, const struct http_look *look,
	const struct http_match *m)
{
	struct record record = message_record(frame, message, "nat");
	struct nat *nat = &host->nat[look->response ? AS_SERVER : AS_CLIENT];
	const struct signature_label *system = nat->has_look ? nat->match.label : NULL;
	struct text named = http_named_system(f->setup.signatures, look);
	uint32_t reasons = 0;

	if (system && m->label && m->label->application && !signatures_runs_on(m->label, system))
		reasons |= 1u << NAT_BIT_PROGRAM;
	if (system && !look->response && !m->dishonest && named.len > 0 &&
		!words_same(named, system->name))
		reasons |= 1u << NAT_BIT_NAMED;
	if (look->forwarded && !look->response)
		reasons |= 1u << NAT_BIT_VIA;
	if (reasons != 0)
		tell_nat(f, &record, nat, system, reasons);
}

void fingerprint_http(struct fingerprint *f, const struct fingerprint_frame *frame,
	const struct fingerprint_message *message)
{
	struct conversation *c =
		frame->flow_id ? hosts_find_conversation(f->hosts, frame->flow_id) : NULL;
	struct http_look look;
	struct http_match m;
	struct host *host;

	if (c && (message->response ? c->responded : c->requested))
		return;
	if (!http_look_read(cur_make(message->headers, message->len), message->response,
		    message->version, &look))
		return;
	if (c && message->response)
		c->responded = true;
	else if (c)
		c->requested = true;
	http_match(f->setup.signatures, &look, &m);
	host = hosts_get(
		f->hosts, message->response ? &message->server : &message->client, frame->wall_ns);
	tell_message(f, frame, message, host, &look, &m);
	compare_message(f, frame, message, host, &look, &m);
}
