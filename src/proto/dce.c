/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/dce.h"

enum {
	DCE_REQUEST,
	DCE_RESPONSE = 2,
	DCE_FAULT = 3,
	DCE_BIND = 11,
	DCE_BINDACK,
	DCE_BINDNAK,
	DCE_ALTER,
	DCE_ALTER_RESP
};

#define DCE_FIRST  1
#define DCE_LAST   2
#define DCE_OBJECT 0x80

static const char *const types[] = { "REQUEST", "PING", "RESPONSE", "FAULT", "WORKING", "NOCALL",
	"REJECT", "ACK", "CL_CANCEL", "FACK", "CANCEL_ACK", "BIND", "BINDACK", "BINDNAK",
	"ALTER_CONTEXT", "ALTER_CONTEXT_RESP", "AUTH3", "SHUTDOWN", "CO_CANCEL", "ORPHANED",
	"RTS" };
#define TYPES (sizeof(types) / sizeof(types[0]))

static uint16_t get16(struct cur *c, bool little)
{
	return little ? cur_le16(c) : cur_be16(c);
}

static uint32_t get32(struct cur *c, bool little)
{
	return little ? cur_le32(c) : cur_be32(c);
}

bool dce_header_read(struct cur c, struct dce_header *ret_header)
{
	struct dce_header h = { .version = cur_u8(&c), .minor = cur_u8(&c) };

	h.type = cur_u8(&c);
	h.flags = cur_u8(&c);
	h.little = cur_u8(&c) >> 4 == 1;
	cur_skip(&c, 3);
	h.len = get16(&c, h.little);
	cur_skip(&c, 2);
	h.call_id = get32(&c, h.little);
	if (!cur_ok(&c) || h.version != 5 || h.minor > 1 || h.type >= TYPES || h.len < DCE_HEADER)
		return false;
	*ret_header = h;
	return true;
}

bool dce_is_request(uint8_t type)
{
	return type == DCE_REQUEST || type == DCE_BIND || type == DCE_ALTER || type == 16 ||
	       type == 18 || type == 19;
}

static void read_uuid(struct cur *c, bool little, uint8_t ret_uuid[16])
{
	uint32_t a = get32(c, little);
	uint16_t b = get16(c, little), d = get16(c, little);
	const uint8_t head[8] = { (uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8),
		(uint8_t)a, (uint8_t)(b >> 8), (uint8_t)b, (uint8_t)(d >> 8), (uint8_t)d };

	memcpy(ret_uuid, head, sizeof(head));
	cur_copy(c, ret_uuid + 8, 8);
}

static void uuid_text(struct out *o, const uint8_t uuid[16])
{
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out_char(o, '-');
		out_hex(o, uuid + i, 1);
	}
}

static void add_interface(struct proto_fields *f, const struct dce_context *context)
{
	char text[40];
	struct out o = out_make(text, sizeof(text));

	uuid_text(&o, context->uuid);
	proto_fields_add(f, BUFFER_DCE_IFACE, text, o.len);
	proto_fields_add_number(f, NUMBER_DCE_IFACE_VERSION, context->major);
}

static void make_room(struct dce *dce, unsigned n)
{
	unsigned drop = dce->n + n > DCE_CONTEXTS_MAX ? dce->n + n - DCE_CONTEXTS_MAX : 0;

	dce->n -= drop;
	memmove(dce->context, dce->context + drop, dce->n * sizeof(dce->context[0]));
}

static void take_bind(struct dce *dce, struct proto_fields *f, bool little, struct cur c)
{
	unsigned n;

	cur_skip(&c, 8);
	n = cur_u8(&c);
	cur_skip(&c, 3);
	make_room(dce, n);
	dce->first_new = dce->n;
	for (unsigned i = 0; i < n; i++) {
		struct dce_context *context = &dce->context[dce->n];
		unsigned syntaxes;

		*context = (struct dce_context){ .id = get16(&c, little) };
		syntaxes = cur_u8(&c);
		cur_skip(&c, 1);
		read_uuid(&c, little, context->uuid);
		context->major = get16(&c, little);
		context->minor = get16(&c, little);
		cur_skip(&c, 20 * (size_t)syntaxes);
		if (!cur_ok(&c))
			return;
		add_interface(f, context);
		dce->n++;
	}
}

static void take_bind_ack(struct dce *dce, bool little, struct cur c)
{
	uint16_t len;
	unsigned n;

	cur_skip(&c, 8);
	len = get16(&c, little);
	cur_skip(&c, len + (4 - (len + 2u) % 4) % 4);
	n = cur_u8(&c);
	cur_skip(&c, 3);
	for (unsigned i = dce->first_new; n-- && i < dce->n; i++) {
		uint16_t result = get16(&c, little);

		cur_skip(&c, 22);
		if (!cur_ok(&c))
			return;
		dce->context[i].ack = result;
		dce->context[i].acked = true;
	}
}

static const struct dce_context *find_context(const struct dce *dce, uint16_t id)
{
	for (unsigned i = dce->n; i-- > 0;)
		if (dce->context[i].id == id && (!dce->context[i].acked || !dce->context[i].ack))
			return &dce->context[i];
	return NULL;
}

static const struct {
	const char *uuid, *name; /* uuid NULL: a procedure of the service before it */
	uint16_t opnum;
} services[] = {
#define SERVICE(uuid, name)    { uuid, name, 0 },
#define PROCEDURE(opnum, name) { NULL, name, opnum },
#include "proto/dce_service.def"
#undef SERVICE
#undef PROCEDURE
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

/* What is called, if it is known. */
static void json_names(struct out *o, const struct dce_context *context, uint16_t opnum)
{
	char text[40];
	struct out uuid = out_make(text, sizeof(text));
	size_t i = 0;

	uuid_text(&uuid, context->uuid);
	while (i < SERVICES && (!services[i].uuid || strcmp(services[i].uuid, text) != 0))
		i++;
	if (i == SERVICES)
		return;
	json_str(o, "service", services[i].name);
	while (++i < SERVICES && !services[i].uuid)
		if (services[i].opnum == opnum)
			json_str(o, "procedure", services[i].name);
}

static void json_interface(
	struct out *o, const struct dce_context *context, const struct dce_call *call)
{
	json_open(o, NULL, '{');
	json_name(o, "uuid");
	out_char(o, '"');
	uuid_text(o, context->uuid);
	out_char(o, '"');
	json_name(o, "version");
	out_fmt(o, "\"%u.%u\"", context->major, context->minor);
	if (context->acked)
		json_u64(o, "ack_result", context->ack);
	if (call)
		json_names(o, context, call->opnum);
	json_close(o, '}');
}

static void json_said(
	struct out *o, const struct dce *dce, unsigned side, const struct dce_header *h)
{
	const struct dce_call *call = &dce->call[side];
	const struct dce_context *context = find_context(dce, call->context);

	json_str(o, side ? "response" : "request", types[h->type]);
	if (h->type == DCE_BINDACK || h->type == DCE_ALTER_RESP || h->type == DCE_BINDNAK) {
		json_open(o, "interfaces", '[');
		for (unsigned i = dce->first_new; i < dce->n && i - dce->first_new < DCE_SHOWN_MAX;
			i++)
			json_interface(o, &dce->context[i], NULL);
		json_close(o, ']');
	}
	if (h->type == DCE_REQUEST && context) {
		json_open(o, "interfaces", '[');
		json_interface(o, context, call);
		json_close(o, ']');
	}
	if (h->type != DCE_REQUEST && h->type != DCE_RESPONSE)
		return;
	json_open(o, side ? "res" : "req", '{');
	if (!side)
		json_u64(o, "opnum", call->opnum);
	json_u64(o, "frag_cnt", call->fragments);
	json_u64(o, "stub_data_size", call->stub_len);
	json_close(o, '}');
}

static void say(struct dce *dce, struct proto_fields *f, unsigned side, const struct dce_header *h)
{
	char text[8192];
	struct out o = out_make(text, sizeof(text));

	if (proto_fields_said(f)) {
		out_char(&o, ',');
	} else {
		json_u64(&o, "call_id", h->call_id);
		json_name(&o, "rpc_version");
		out_fmt(&o, "\"%u.%u\"", h->version, h->minor);
	}
	json_said(&o, dce, side, h);
	proto_fields_say(f, &o);
}

static void take_stub(struct dce *dce, struct proto_fields *f, unsigned side,
	const struct dce_header *h, struct cur c, uint16_t auth)
{
	struct dce_call *call = &dce->call[side];
	const struct dce_context *context;

	if (h->flags & DCE_FIRST || call->call_id != h->call_id)
		*call = (struct dce_call){ .call_id = h->call_id };
	cur_skip(&c, 4); /* allocation hint */
	call->context = get16(&c, h->little);
	call->opnum = get16(&c, h->little); /* of a response: nothing */
	if (side == 0 && h->flags & DCE_OBJECT)
		cur_skip(&c, 16);
	if (auth)
		auth = (uint16_t)(auth + 8);
	if (!cur_ok(&c))
		return;
	cur_limit(&c, cur_left(&c) > auth ? cur_left(&c) - auth : 0);
	call->fragments++;
	call->stub_len += (uint32_t)cur_left(&c);
	f->sides = (uint8_t)(1u << side);
	if (call->stub_len <= DCE_STUB_MAX)
		proto_fields_append(f, BUFFER_DCE_STUB_DATA, c.at, cur_left(&c));
	else
		proto_conn_limit(f->conn);
	f->sides = 0;
	context = find_context(dce, call->context);
	if (side == 0 && call->fragments == 1) {
		proto_fields_add_number(f, NUMBER_DCE_OPNUM, call->opnum);
		if (context)
			add_interface(f, context);
	}
}

bool dce_take(struct dce *dce, struct proto_fields *f, unsigned side, const struct dce_header *h,
	struct cur pdu)
{
	struct cur auth = pdu;
	uint16_t auth_len;

	cur_skip(&auth, 10);
	auth_len = get16(&auth, h->little);
	cur_skip(&pdu, DCE_HEADER);
	proto_fields_add_number(f, NUMBER_DCE_LITTLE, h->little);
	if (h->type == DCE_REQUEST || h->type == DCE_RESPONSE) {
		take_stub(dce, f, side, h, pdu, auth_len);
		if (!(h->flags & DCE_LAST))
			return false;
	} else if (h->type == DCE_BIND || h->type == DCE_ALTER) {
		take_bind(dce, f, h->little, pdu);
	} else if (h->type == DCE_BINDACK || h->type == DCE_ALTER_RESP) {
		take_bind_ack(dce, h->little, pdu);
	}
	say(dce, f, side, h);
	return true;
}
