/* SPDX-License-Identifier: Apache-2.0 */
#include "recover/recover.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint/fingerprint.h"
#include "fingerprint/geo.h"
#include "frame/frame.h"
#include "inspect/record.h"
#include "recover/files.h"
#include "recover/relay.h"
#include "recover/speech.h"

/* Senders of frames that are not IP, at a time: the one silent longest is forgotten. */
#define FOREIGN_MAX   64
#define ETHERTYPE_MIN 0x600 /* below it is a length: 802.3 */

struct foreign {
	bool used;
	uint16_t ethertype;
	struct mac mac;
	int64_t minute; /* in which it was told of */
};

struct recover {
	struct recover_setup setup;
	struct foreign foreign[FOREIGN_MAX];
	struct inspect *inspect;
	struct recover_files *files;
	struct relay *relay;
	struct fingerprint *fingerprint; /* NULL: none */
	struct inspect_text text;        /* of the record that is being made */
};

static void emit(struct recover *r, const struct record *record)
{
	struct record placed = *record;

	if (r->relay)
		placed.head.third_party = relay_of(r->relay, placed.head.flow_id);
	if (r->setup.geo)
		geo_place_record(r->setup.geo, &placed);
	r->setup.emit(r->setup.context, &placed);
}

static void on_fingerprint(void *context, const struct record *record)
{
	emit(context, record);
}

static void on_hit(void *context, const struct inspect_hit *hit)
{
	struct recover *r = context;
	struct record record;

	if (!hit->hit->alert || hit->hit->tired ||
		(r->setup.gate_tells && hit->frame->direction == DIRECTION_OUTBOUND))
		return;
	inspect_record_hit(hit, &r->text, &record);
	emit(r, &record);
}

static void on_tx(void *context, const struct inspect_frame *frame, struct proto_tx *tx)
{
	struct recover *r = context;
	struct record record;

	relay_tx(r->relay, frame, tx);
	if (r->fingerprint)
		recover_speech(r->fingerprint, frame, tx);
	for (unsigned n = 0; inspect_record_event(frame, tx, n, &r->text, &record); n++)
		emit(r, &record);
	if (inspect_record_tx(frame, tx, &r->text, &record))
		emit(r, &record);
}

static void keep(struct recover *r, const struct inspect_frame *frame,
	const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct record record;
	const struct recover_piece piece = { .record = &record,
		.id = file->id,
		.side = file->side,
		.offset = file->offset,
		.bytes = bytes,
		.len = len,
		.end = file->end,
		.cut = file->cut };

	inspect_record_piece(frame, file, &record);
	record.head.third_party = relay_of(r->relay, record.head.flow_id);
	r->setup.keep(r->setup.context, &piece);
}

static void on_file(void *context, const struct inspect_frame *frame, const struct proto_file *file,
	const uint8_t *bytes, size_t len)
{
	struct recover *r = context;
	struct record record;

	/* Its record may come before that of what carries it. */
	if (file->tx && file->offset == 0)
		relay_tx(r->relay, frame, file->tx);
	if (r->setup.keep)
		keep(r, frame, file, bytes, len);
	if (recover_files_take(r->files, frame, file, bytes, len, &r->text, &record))
		emit(r, &record);
}

static void on_login(void *context, const struct inspect_frame *frame, enum proto_id proto,
	const struct proto_login *login)
{
	struct record record;

	inspect_record_login(frame, proto, login, &record);
	emit(context, &record);
}

static void on_tunnel(
	void *context, const struct inspect_frame *frame, const struct proto_tunnel *tunnel)
{
	struct recover *r = context;

	relay_tunnel(r->relay, frame, tunnel);
}

static void on_text(void *context, const struct inspect_frame *frame, const struct proto_text *text)
{
	struct recover *r = context;

	r->setup.on_text(r->setup.context, frame, text);
}

static void on_decoded(
	void *context, const struct inspect_frame *frame, const struct inspect_decoded *decoded)
{
	struct record record;

	inspect_record_decoded(frame, decoded, &record);
	emit(context, &record);
}

static void on_unknown(
	void *context, const struct inspect_frame *frame, const struct inspect_unknown *unknown)
{
	struct recover *r = context;
	struct record record;

	inspect_record_unknown(frame, unknown, &r->text, &record);
	emit(r, &record);
}

static int new_inspect(struct recover *r)
{
	struct inspect_setup setup = r->setup.inspect;

	setup.on_hit = on_hit;
	if (r->setup.records) {
		setup.on_tx = on_tx;
		setup.on_file = on_file;
		setup.on_tunnel = on_tunnel;
		setup.on_login = on_login;
		setup.on_decoded = on_decoded;
		setup.on_unknown = on_unknown;
	}
	if (r->setup.on_text)
		setup.on_text = on_text;
	setup.context = r;
	return inspect_new(&setup, &r->inspect);
}

static int new_fingerprint(struct recover *r)
{
	const struct fingerprint_setup setup = {
		.signatures = r->setup.signatures, .emit = on_fingerprint, .context = r
	};

	return r->setup.records && setup.signatures ? fingerprint_new(&setup, &r->fingerprint) : 0;
}

int recover_new(const struct recover_setup *setup, struct recover **ret_recover)
{
	struct recover *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return -ENOMEM;
	r->setup = *setup;
	result = recover_files_new(&r->files);
	if (result == 0 && setup->records)
		result = relay_new(&r->relay);
	if (result == 0)
		result = new_fingerprint(r);
	if (result == 0)
		result = new_inspect(r);
	if (result < 0) {
		recover_free(r);
		return result;
	}
	*ret_recover = r;
	return 0;
}

struct recover *recover_free(struct recover *r)
{
	if (r) {
		inspect_free(r->inspect);
		recover_files_free(r->files);
		relay_free(r->relay);
		fingerprint_free(r->fingerprint);
		free(r);
	}
	return NULL;
}

/* ---- frames that are not IP ---- */

/* What every network has: not of interest. */
static bool is_usual(const struct frame *f)
{
	static const uint16_t usual[] = {
		ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_ARP, ETHERTYPE_REVARP, 0x88cc, /* LLDP */
		0x8808,                                                                /* pause */
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (f->ethertype == usual[i])
			return true;
	return f->n_packets > 0 || f->is_arp || f->ethertype < ETHERTYPE_MIN;
}

/* Once a minute for each ethertype and sender. */
static bool is_due(struct recover *r, const struct inspect_frame *frame)
{
	const struct frame *f = frame->frame;
	int64_t minute = frame->wall_ns / (60 * INT64_C(1000000000));
	struct foreign *oldest = &r->foreign[0];

	for (unsigned i = 0; i < FOREIGN_MAX; i++) {
		struct foreign *at = &r->foreign[i];

		if (at->used && at->ethertype == f->ethertype &&
			memcmp(&at->mac, &f->src_mac, sizeof(at->mac)) == 0) {
			bool due = at->minute != minute;

			at->minute = minute;
			return due;
		}
		if (!at->used || at->minute < oldest->minute)
			oldest = at;
	}
	*oldest = (struct foreign){
		.used = true, .ethertype = f->ethertype, .mac = f->src_mac, .minute = minute
	};
	return true;
}

static void foreign_take(struct recover *r, const struct inspect_frame *frame)
{
	const struct frame *f = frame->frame;
	struct inspect_unknown unknown = { .side = frame->side };

	if (is_usual(f) || f->l3_at >= f->len || !is_due(r, frame))
		return;
	unknown.bytes = f->data + f->l3_at;
	unknown.len = f->len - f->l3_at;
	on_unknown(r, frame, &unknown);
}

struct inspect_answer recover_take(
	struct recover *r, struct inspect_frame *frame, const void *tag, size_t tag_len)
{
	const struct fingerprint_frame seen = { .frame = frame->frame,
		.flow_id = frame->flow_id,
		.wall_ns = frame->wall_ns,
		.packet = frame->packet,
		.direction = frame->direction };

	if (r->fingerprint)
		fingerprint_take(r->fingerprint, &seen);
	if (r->setup.records) {
		foreign_take(r, frame);
		relay_frame(r->relay, frame);
	}
	return inspect_take(r->inspect, frame, tag, tag_len);
}

void recover_end_flow(struct recover *r, struct record *record)
{
	struct inspect_flow_facts facts;

	inspect_end_flow(r->inspect, record->head.flow_id, &facts);
	inspect_record_flow(&facts, record);
	if (r->relay)
		record->head.third_party = relay_of(r->relay, record->head.flow_id);
}

struct inspect *recover_inspect(struct recover *r)
{
	return r->inspect;
}
