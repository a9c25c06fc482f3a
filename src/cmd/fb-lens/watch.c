/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-lens/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/pcapng.h"
#include "cmd/fb-lens/sides.h"
#include "conf/conf.h"
#include "control/whole.h"
#include "frame/frame.h"
#include "inspect/files.h"
#include "inspect/inspect.h"
#include "inspect/record.h"

enum { EPB_DIRECTION = 3, EPB_OUTBOUND = 2, SIDES_PER_FLOW = 4 };

struct watch {
	struct watch_setup setup;
	struct inspect *inspect;
	struct rules *rules;
	const void *image;
	size_t image_size;
	struct inspect_files *files;
	struct whole *whole;
	struct sides *sides;
	int64_t steady_ns; /* time of the packets, that does not go back */
	struct inspect_text text;
};

/* ---- what was found ---- */

static const struct conf_a_honeypot *find_honeypot(const struct conf *conf, const struct ip *ip)
{
	for (size_t i = 0; i < conf->n_honeypots; i++)
		for (size_t a = 0; a < conf->honeypot[i].n_addresses; a++)
			if (ip_equal(&conf->honeypot[i].address[a], ip))
				return &conf->honeypot[i];
	return NULL;
}

/* Whose it is; between two of them the sender's. */
static void name_honeypot(const struct watch *w, struct record_head *head)
{
	const struct conf_a_honeypot *honeypot = find_honeypot(w->setup.conf, &head->src);

	if (!honeypot)
		honeypot = find_honeypot(w->setup.conf, &head->dst);
	if (honeypot)
		head->honeypot = text_of(honeypot->name);
}

static void emit(struct watch *w, struct record *record)
{
	name_honeypot(w, &record->head);
	w->setup.emit(w->setup.context, record);
}

static void on_hit(void *context, const struct inspect_hit *hit)
{
	struct watch *w = context;
	struct record record;

	/* What leaves is the gate's to tell of. */
	if (!hit->hit->alert || hit->hit->tired || hit->frame->direction == DIRECTION_OUTBOUND)
		return;
	inspect_record_hit(hit, &w->text, &record);
	record.head.reason = REASON_RULE_HIT;
	w->setup.counts->alerts++;
	emit(w, &record);
}

static void on_tx(void *context, const struct inspect_frame *frame, struct proto_tx *tx)
{
	struct watch *w = context;
	struct record record;

	for (unsigned n = 0; inspect_record_event(frame, tx, n, &w->text, &record); n++)
		emit(w, &record);
	if (inspect_record_tx(frame, tx, &w->text, &record))
		emit(w, &record);
}

static void on_file(void *context, const struct inspect_frame *frame, const struct proto_file *file,
	const uint8_t *bytes, size_t len)
{
	struct watch *w = context;
	struct record record;

	if (inspect_files_take(w->files, frame, file, bytes, len, &w->text, &record))
		emit(w, &record);
}

static void on_login(void *context, const struct inspect_frame *frame, enum proto_id proto,
	const struct proto_login *login)
{
	struct watch *w = context;
	struct record record;

	inspect_record_login(frame, proto, login, &record);
	emit(w, &record);
}

static void on_decoded(
	void *context, const struct inspect_frame *frame, const struct inspect_decoded *decoded)
{
	struct watch *w = context;
	struct record record;

	inspect_record_decoded(frame, decoded, &record);
	emit(w, &record);
}

/* ---- setting up ---- */

static int new_inspect(struct watch *w)
{
	const struct conf *conf = w->setup.conf;
	const struct inspect_setup setup = {
		.midstream = true,
		.pool_bytes = conf->rules.streams,
		.flows_max = (uint32_t)conf->rules.conversations,
		.depth = conf->rules.depth,
		.on_hit = on_hit,
		.on_tx = conf->top.application_records ? on_tx : NULL,
		.on_file = conf->top.application_records ? on_file : NULL,
		.on_login = conf->top.application_records ? on_login : NULL,
		.on_decoded = conf->top.application_records ? on_decoded : NULL,
		.context = w,
	};

	return inspect_new(&setup, &w->inspect);
}

int watch_new(const struct watch_setup *setup, struct watch **ret_watch)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->setup = *setup;
	r = inspect_files_new(&w->files);
	if (r == 0)
		r = whole_new(&w->whole);
	if (r == 0)
		r = sides_new((size_t)setup->conf->rules.conversations * SIDES_PER_FLOW, &w->sides);
	if (r == 0)
		r = new_inspect(w);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

static void forget_rules(struct watch *w)
{
	w->rules = rules_close(w->rules);
	if (w->image)
		munmap((void *)(uintptr_t)w->image, w->image_size);
	w->image = NULL;
}

struct watch *watch_free(struct watch *w)
{
	if (w) {
		inspect_free(w->inspect);
		inspect_files_free(w->files);
		forget_rules(w);
		whole_free(w->whole);
		sides_free(w->sides);
		free(w);
	}
	return NULL;
}

int watch_use_rules(struct watch *w, const void *image, size_t size)
{
	struct rules *rules = NULL;
	int r = image ? rules_open(image, size, &rules) : 0;

	if (r < 0)
		return r;
	inspect_set_rules(w->inspect, rules);
	forget_rules(w);
	w->rules = rules;
	w->image = image;
	w->image_size = size;
	return 0;
}

/* ---- frames ---- */

/* What the gate noted about it. */
struct note {
	enum direction direction;
	uint64_t flow_id;
	bool answers; /* its sender is the one who was asked */
};

static bool text_begins(struct text text, const char *word)
{
	size_t len = strlen(word);

	return text.at && text.len >= len && memcmp(text.at, word, len) == 0;
}

/* "pass reply flow 1a2b": that reason. */
static bool has_reason(struct text comment, enum reason reason)
{
	const char *verdict = verdict_name(VERDICT_PASS), *name = reason_name(reason);
	size_t begin = strlen(verdict) + 1, len = strlen(name);
	struct text rest;

	if (!text_begins(comment, verdict) || comment.len < begin + len)
		return false;
	rest = (struct text){ .at = comment.at + begin, .len = comment.len - (uint32_t)begin };
	return text_begins(rest, name) && (rest.len == len || rest.at[len] == ' ');
}

static bool is_outside(const struct capture_interface *interface)
{
	return interface && strcmp(interface->description, "outside") == 0;
}

static bool arrived(const struct capture_packet *packet)
{
	return (packet->flags & EPB_DIRECTION) != EPB_OUTBOUND &&
	       !text_begins(packet->comment, verdict_name(VERDICT_DROP));
}

/* Its receiver ignores it. */
static bool is_wrong(const struct frame *frame)
{
	for (unsigned i = 0; i < frame->n_packets; i++)
		if (!frame_sums_right(frame, &frame->packet[i]))
			return true;
	return false;
}

static struct note read_note(
	const struct capture_packet *packet, const struct capture_interface *interface)
{
	struct text comment = packet->comment;
	struct note note = { .direction = DIRECTION_OUTBOUND,
		.flow_id = pcapng_comment_flow(comment.at, comment.len),
		.answers = has_reason(comment, REASON_REPLY) };

	if (is_outside(interface))
		note.direction = DIRECTION_INBOUND;
	else if (has_reason(comment, REASON_INTERNAL))
		note.direction = DIRECTION_INTERNAL;
	return note;
}

static void look_at(struct watch *w, const struct frame *frame, const struct note *note,
	const struct capture_packet *packet, bool reassembled)
{
	/* An error quotes a conversation and is none of its packets. */
	uint64_t flow_id = frame->has_quoted ? 0 : note->flow_id;
	struct sides_answer sides = sides_of(w->sides, flow_id, frame, note->answers);
	struct inspect_frame f = {
		.frame = frame,
		.len = frame->len,
		.flow_id = flow_id,
		.parent_of_inner = flow_id,
		.side = sides.side,
		.midstream = sides.midstream,
		.reassembled = reassembled,
		.quiet = note->direction == DIRECTION_OUTBOUND, /* see on_hit() */
		.direction = note->direction,
		.wall_ns = packet->time_ns,
		.steady_ns = w->steady_ns,
		.packet = packet->id,
	};

	w->setup.counts->looked++;
	(void)inspect_take(w->inspect, &f, NULL, 0);
}

/* A part of a datagram; with the last one, all of it. */
static void look_at_part(struct watch *w, const struct frame *frame, const struct note *note,
	const struct capture_packet *packet)
{
	struct gate_time now = { .wall_ns = packet->time_ns, .steady_ns = w->steady_ns };
	const struct whole_set *set;
	struct frame datagram;

	while (whole_expired(w->whole, w->steady_ns))
		;
	if (whole_take(w->whole, packet->interface, frame, &now, packet->id, &set) != WHOLE_SET ||
		!set->datagram)
		return;
	frame_parse(set->datagram, set->datagram_len, FRAME_LINK_ETHERNET, &datagram);
	look_at(w, &datagram, note, packet, true);
}

void watch_packet(struct watch *w, const struct capture_packet *read,
	const struct capture_interface *interface)
{
	struct capture_packet own = *read, *packet = &own;
	struct frame frame;
	struct note note;

	own.time_ns = capture_sane_time(read->time_ns);
	if (packet->link != CAPTURE_LINK_ETHERNET || !arrived(packet)) {
		w->setup.counts->not_looked++;
		return;
	}
	if (packet->time_ns > w->steady_ns)
		w->steady_ns = packet->time_ns;
	frame_parse(packet->data, packet->len, FRAME_LINK_ETHERNET, &frame);
	if (is_wrong(&frame)) {
		w->setup.counts->not_looked++;
		return;
	}
	note = read_note(packet, interface);
	look_at(w, &frame, &note, packet, false);
	if (frame.n_packets > 0 && frame.packet[0].is_fragment)
		look_at_part(w, &frame, &note, packet);
}
