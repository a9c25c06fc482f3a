/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-lens/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/pcapng.h"
#include "cmd/fb-lens/sides.h"
#include "conf/conf.h"
#include "control/owner.h"
#include "control/whole.h"
#include "frame/frame.h"
#include "recover/recover.h"
#include "rules/rules.h"
#include "vault/piece.h"

enum { EPB_DIRECTION = 3, EPB_OUTBOUND = 2, SIDES_PER_FLOW = 4 };

struct watch {
	struct watch_setup setup;
	struct recover *recover;
	struct rules *rules;
	const void *image;
	size_t image_size;
	struct whole *whole;
	struct sides *sides;
	int64_t steady_ns; /* time of the packets, that does not go back */
};

/* ---- what was found ---- */

static void on_record(void *context, const struct record *record)
{
	struct watch *w = context;
	struct record own = *record;

	owner_name(w->setup.conf, &own.head);
	if (own.type == EVENT_ALERT) {
		own.head.reason = REASON_RULE_HIT;
		w->setup.counts->alerts++;
	}
	w->setup.emit(w->setup.context, &own);
}

static void on_piece(void *context, const struct recover_piece *kept)
{
	struct watch *w = context;
	struct piece piece = { .file_id = kept->id,
		.offset = kept->offset,
		.side = (uint8_t)kept->side,
		.end = kept->end,
		.cut = kept->cut,
		.record = *kept->record,
		.bytes = kept->bytes,
		.len = (uint32_t)kept->len };

	owner_name(w->setup.conf, &piece.record.head);
	if (piece_cut(&piece, w->setup.keep, w->setup.context) < 0)
		w->setup.counts->refused++;
}

/* ---- setting up ---- */

static int new_recover(struct watch *w)
{
	const struct conf *conf = w->setup.conf;
	const struct recover_setup setup = {
		.inspect = { .midstream = true,
			.pool_bytes = conf->rules.streams,
			.flows_max = (uint32_t)conf->rules.conversations,
			.depth = conf->rules.depth },
		.records = conf->top.application_records,
		.gate_tells = true,
		.signatures = w->setup.signatures,
		.geo = w->setup.geo,
		.emit = on_record,
		.keep = w->setup.keep ? on_piece : NULL,
		.context = w,
	};

	return recover_new(&setup, &w->recover);
}

int watch_new(const struct watch_setup *setup, struct watch **ret_watch)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->setup = *setup;
	r = whole_new(&w->whole);
	if (r == 0)
		r = sides_new((size_t)setup->conf->rules.conversations * SIDES_PER_FLOW, &w->sides);
	if (r == 0)
		r = new_recover(w);
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
		recover_free(w->recover);
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
	inspect_set_rules(recover_inspect(w->recover), rules);
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
		.quiet = note->direction == DIRECTION_OUTBOUND, /* see recover_setup.gate_tells */
		.direction = note->direction,
		.wall_ns = packet->time_ns,
		.steady_ns = w->steady_ns,
		.packet = packet->id,
	};

	w->setup.counts->looked++;
	(void)recover_take(w->recover, &f, NULL, 0);
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
	/* What was cut was left out for privacy: there is nothing to be read in it. */
	if (packet->link != CAPTURE_LINK_ETHERNET || !arrived(packet) ||
		packet->len < packet->orig_len) {
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
