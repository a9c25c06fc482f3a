/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back Orifice 1.20, over UDP on any port. All of a datagram is XORed with the bytes of a linear
 * congruential generator whose seed is made of the password. What every datagram begins with is
 * known, so that the first eight of these bytes are, too: they are bits 16 to 23 of the states
 * after each other, and only the lower 24 bits of a state count. The generator's state is found
 * from them, without the password.
 */
#include "proto/fields.h"

#define BO_MAGIC      "*!*QWTY?"
#define BO_MAGIC_LEN  8
#define BO_HEADER     17   /* magic, length, number, command */
#define BO_SHOWN_MAX  1024 /* bytes of a datagram that are looked at */
#define BO_ARGUMENTS  2
#define BO_JSON_MAX   (6 * BO_SHOWN_MAX + 512)
#define BO_PARTIAL    0x80
#define BO_CONTINUED  0x40
#define BO_MULTIPLIER 214013u
#define BO_INCREMENT  2531011u
#define BO_STATES     (1u << 24)
#define BO_INVERSE    11743573u  /* of the multiplier, modulo BO_STATES */
#define BO_LOW        (1u << 16) /* states with the same output */

/* Of the generator, where the magic is. */
struct outputs {
	uint8_t byte[BO_MAGIC_LEN];
};

struct bo {
	struct proto_conn *conn;
	bool has_seed;
	uint32_t seed; /* of the last datagram */
};

static const char *const commands[64] = { [0x00] = "error",
	[0x01] = "ping",
	[0x02] = "reboot",
	[0x03] = "lockup",
	[0x04] = "list_passwords",
	[0x05] = "view_console",
	[0x06] = "system_info",
	[0x07] = "log_keys",
	[0x08] = "end_keylog",
	[0x09] = "dialog_box",
	[0x0a] = "registry_delete_value",
	[0x0b] = "redirection_add",
	[0x0c] = "redirection_delete",
	[0x0d] = "redirection_list",
	[0x0e] = "application_add",
	[0x0f] = "application_delete",
	[0x10] = "export_add",
	[0x11] = "export_delete",
	[0x12] = "export_list",
	[0x13] = "packet_resend",
	[0x14] = "http_enable",
	[0x15] = "http_disable",
	[0x16] = "resolve_host",
	[0x17] = "compress_file",
	[0x18] = "uncompress_file",
	[0x19] = "plugin_execute",
	[0x20] = "process_list",
	[0x21] = "process_kill",
	[0x22] = "process_spawn",
	[0x23] = "registry_create_key",
	[0x24] = "registry_set_value",
	[0x25] = "registry_delete_key",
	[0x26] = "registry_list_keys",
	[0x27] = "registry_list_values",
	[0x28] = "capture_frame",
	[0x29] = "capture_avi",
	[0x2a] = "play_sound",
	[0x2b] = "list_capture_devices",
	[0x2c] = "capture_screen",
	[0x2d] = "tcp_file_send",
	[0x2e] = "tcp_file_receive",
	[0x2f] = "plugin_list",
	[0x30] = "plugin_kill",
	[0x31] = "directory_list",
	[0x34] = "file_find",
	[0x35] = "file_delete",
	[0x36] = "file_view",
	[0x37] = "file_rename",
	[0x38] = "file_copy",
	[0x39] = "network_view",
	[0x3a] = "network_use",
	[0x3b] = "network_delete",
	[0x3c] = "network_connections",
	[0x3d] = "directory_make",
	[0x3e] = "directory_remove",
	[0x3f] = "application_list" };

static uint32_t next_state(uint32_t state)
{
	return (state * BO_MULTIPLIER + BO_INCREMENT) % BO_STATES;
}

static uint32_t last_state(uint32_t state)
{
	return (state - BO_INCREMENT) * BO_INVERSE % BO_STATES;
}

static uint8_t output_of(uint32_t state)
{
	return (uint8_t)(state / BO_LOW);
}

/* A sum of small multiples of seven states in a row that is the same for all of them, modulo
 * BO_STATES (a short vector of the lattice of such sums). What the outputs lack to it is the sum
 * of the states' lower halves, of which each is less than BO_LOW: that leaves 16 of 256 others. */
static bool is_related(const struct outputs *outputs, unsigned from)
{
	static const int factors[] = { -2, 0, 3, 2, -5, -3, 1 };
	const uint32_t negative = 10, positive = 6; /* sums of those below and above zero */
	uint32_t state = 0, lacks = negative * BO_LOW;

	for (unsigned i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		lacks += (uint32_t)factors[i] * (state - outputs->byte[from + i] * BO_LOW);
		state = next_state(state);
	}
	return lacks % BO_STATES <= (negative + positive) * BO_LOW;
}

static bool makes(uint32_t state, const struct outputs *outputs)
{
	for (unsigned i = 0; i < BO_MAGIC_LEN; i++) {
		if (output_of(state) != outputs->byte[i])
			return false;
		state = next_state(state);
	}
	return true;
}

/* The lower half of the first state is one of few: its product must have the second output in bits
 * 16 to 23, and there is at most one such for each multiple of BO_STATES below the largest product:
 * 837 at most, and no table. */
static bool find_state(const struct outputs *outputs, uint32_t *ret_state)
{
	const uint32_t first = outputs->byte[0] * BO_LOW;
	const uint64_t bits = (outputs->byte[1] * BO_LOW - first * BO_MULTIPLIER) % BO_STATES;

	for (uint64_t product = bits; product <= (uint64_t)BO_MULTIPLIER * BO_LOW + BO_STATES;
		product += BO_STATES) {
		uint64_t above = product < BO_INCREMENT ? 0 : product - BO_INCREMENT;
		uint64_t low = (above + BO_MULTIPLIER - 1) / BO_MULTIPLIER;

		if (low < BO_LOW && makes(first | (uint32_t)low, outputs)) {
			*ret_state = first | (uint32_t)low;
			return true;
		}
	}
	return false;
}

static struct outputs outputs_of(struct cur c)
{
	struct outputs outputs;

	for (unsigned i = 0; i < BO_MAGIC_LEN; i++)
		outputs.byte[i] = cur_u8(&c) ^ (uint8_t)BO_MAGIC[i];
	return outputs;
}

static bool find_seed(struct cur c, uint32_t *ret_seed)
{
	struct outputs outputs = outputs_of(c);
	uint32_t state;

	if (cur_left(&c) < BO_HEADER || !is_related(&outputs, 0) || !is_related(&outputs, 1) ||
		!find_state(&outputs, &state))
		return false;
	*ret_seed = last_state(state);
	return true;
}

/* Up to BO_SHOWN_MAX bytes, readable. */
static struct cur reveal(uint32_t seed, struct cur c, uint8_t ret_bytes[static BO_SHOWN_MAX])
{
	struct out o = out_make((char *)ret_bytes, BO_SHOWN_MAX);

	while (cur_left(&c) && out_ok(&o)) {
		seed = next_state(seed);
		out_char(&o, (char)(cur_u8(&c) ^ output_of(seed)));
	}
	return cur_make(ret_bytes, o.len);
}

static void say_arguments(struct out *o, struct cur c)
{
	struct cur text[BO_ARGUMENTS];
	unsigned n = 0;

	for (unsigned i = 0; i < BO_ARGUMENTS; i++) {
		text[i] = text_until(&c, '\0');
		n = cur_left(&text[i]) ? i + 1 : n;
	}
	if (!n)
		return;
	json_open(o, "arguments", '[');
	for (unsigned i = 0; i < n; i++)
		json_text(o, NULL, text[i].at, cur_left(&text[i]));
	json_close(o, ']');
}

/* Behind the texts is a sum that nobody looks at. */
static void say_message(struct out *o, unsigned side, uint32_t seed, struct cur c)
{
	uint32_t len, id;
	uint8_t type;

	cur_skip(&c, BO_MAGIC_LEN);
	len = cur_le32(&c);
	id = cur_le32(&c);
	type = cur_u8(&c);
	cur_limit(&c, len < BO_HEADER ? 0 : len - BO_HEADER);
	json_u64(o, "key", seed);
	json_u64(o, "id", id);
	json_u64(o, "code", type & 63u);
	if (commands[type & 63])
		json_str(o, "command", commands[type & 63]);
	if (type & BO_PARTIAL)
		json_bool(o, "partial", true);
	if (type & BO_CONTINUED)
		json_bool(o, "continued", true);
	if (side == 0) {
		say_arguments(o, c);
	} else {
		struct cur text = text_until(&c, '\0');

		json_text(o, "text", text.at, cur_left(&text));
	}
}

/* The last one's key is probably this one's, too. */
static bool know_seed(struct bo *bo, struct cur c)
{
	const struct outputs outputs = outputs_of(c);

	if (!bo->has_seed || cur_left(&c) < BO_HEADER || !makes(next_state(bo->seed), &outputs))
		bo->has_seed = find_seed(c, &bo->seed);
	return bo->has_seed;
}

static size_t bo_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	uint8_t readable[BO_SHOWN_MAX];
	char text[BO_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct cur c = cur_make(bytes, len);
	struct bo *bo = state;
	struct proto_tx *tx;

	(void)end;
	tx = know_seed(bo, c) ? proto_fields_tx(conn, "backorifice") : NULL;
	if (!tx)
		return len;
	say_message(&o, side, bo->seed, reveal(bo->seed, c, readable));
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

static void *bo_open(struct proto_conn *conn)
{
	struct bo *bo = proto_alloc(conn, sizeof(*bo));

	if (bo)
		*bo = (struct bo){ .conn = conn };
	return bo;
}

static void bo_close(void *state)
{
	struct bo *bo = state;

	proto_free(bo->conn, bo, sizeof(*bo));
}

static enum proto_guess bo_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	uint32_t seed;

	(void)info;
	(void)side;
	return find_seed(cur_make(bytes, len), &seed) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_backorifice = { .id = PROTO_BACKORIFICE,
	.ip_proto = IPPROTO_UDP,
	.guess = bo_guess,
	.open = bo_open,
	.close = bo_close,
	.feed = bo_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
