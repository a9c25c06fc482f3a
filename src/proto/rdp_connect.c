/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an RDP client says of itself, in clear if there is no TLS around it: MCS Connect Initial (T.125) with a conference
 * request (T.124) that holds blocks of settings ([MS-RDPBCGR] 2.2.1.3).
 */
#include "proto/ber.h"
#include "proto/rdp.h"

#include <stdio.h>

#define CHANNELS_MAX    31u
#define CHANNEL_LEN     8u
#define CORE_NAME_LEN   32u
#define CORE_LONG_LEN   64u
#define HIGH_COLOR_LAST 24u

enum { TAG_OCTETS = 0x04, TAG_CONNECT_INITIAL = 0x65 };
enum { BLOCK_CORE = 0xc001, BLOCK_NET = 0xc003 };

struct name {
	uint32_t number;
	const char *name;
};

static const struct name versions[] = { { 0x80001, "v4" }, { 0x80004, "v5" }, { 0x80005, "v10.0" },
	{ 0x80006, "v10.1" }, { 0x80007, "v10.2" }, { 0x80008, "v10.3" }, { 0x80009, "v10.4" },
	{ 0x8000a, "v10.5" }, { 0x8000b, "v10.6" }, { 0x8000c, "v10.7" }, { 0x8000d, "v10.8" },
	{ 0x8000e, "v10.9" }, { 0x8000f, "v10.10" }, { 0x80010, "v10.11" }, { 0x80011, "v10.12" } };

static const struct name builds[] = { { 2195, "Windows 2000" }, { 2600, "Windows XP" },
	{ 3790, "Windows Server 2003" }, { 6000, "Windows Vista" }, { 6001, "Windows Vista SP1" },
	{ 6002, "Windows Vista SP2" }, { 7600, "Windows 7" }, { 7601, "Windows 7 SP1" },
	{ 9200, "Windows 8" }, { 9600, "Windows 8.1" }, { 10240, "Windows 10 1507" },
	{ 17763, "Windows 10 1809" }, { 18362, "Windows 10 1903" }, { 18363, "Windows 10 1909" },
	{ 19041, "Windows 10 2004" } };

static const struct name keyboards[] = { { 1, "xt" }, { 2, "ico" }, { 3, "at" }, { 4, "enhanced" },
	{ 5, "1050" }, { 6, "9140" }, { 7, "jp" } };

/* The language; what stands above it is the variant of the keys. */
static const struct name layouts[] = { { 0x401, "ar-SA" }, { 0x402, "bg-BG" }, { 0x404, "zh-TW" },
	{ 0x405, "cs-CZ" }, { 0x406, "da-DK" }, { 0x407, "de-DE" }, { 0x408, "el-GR" },
	{ 0x409, "en-US" }, { 0x40a, "es-ES" }, { 0x40b, "fi-FI" }, { 0x40c, "fr-FR" },
	{ 0x40d, "he-IL" }, { 0x40e, "hu-HU" }, { 0x410, "it-IT" }, { 0x411, "ja-JP" },
	{ 0x412, "ko-KR" }, { 0x413, "nl-NL" }, { 0x414, "nb-NO" }, { 0x415, "pl-PL" },
	{ 0x416, "pt-BR" }, { 0x418, "ro-RO" }, { 0x419, "ru-RU" }, { 0x41d, "sv-SE" },
	{ 0x41e, "th-TH" }, { 0x41f, "tr-TR" }, { 0x421, "id-ID" }, { 0x422, "uk-UA" },
	{ 0x429, "fa-IR" }, { 0x42a, "vi-VN" }, { 0x439, "hi-IN" }, { 0x804, "zh-CN" },
	{ 0x807, "de-CH" }, { 0x809, "en-GB" }, { 0x80a, "es-MX" }, { 0x816, "pt-PT" } };

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

/* Without a name the number. */
static void say_name(
	struct out *o, const char *member, uint32_t number, const struct name *names, size_t n)
{
	char text[16];

	for (size_t i = 0; i < n; i++)
		if (names[i].number == number) {
			json_str(o, member, names[i].name);
			return;
		}
	snprintf(text, sizeof(text), "%u", number);
	json_str(o, member, text);
}

/* Up to a zero; nothing if it is empty. */
static void say_wide(struct out *o, const char *member, struct cur c)
{
	struct text_name name;

	text_name_read(c, true, &name);
	if (name.len)
		json_text(o, member, name.text, name.len);
}

static void say_capabilities(struct out *o, uint16_t bits)
{
	static const char *const names[] = { "support_errinfo_pdf", "want_32bpp_session",
		"support_statusinfo_pdu", "strong_asymmetric_keys", NULL, "valid_connection_type",
		"support_monitor_layout_pdu", "support_netchar_autodetect",
		"support_dynvc_gfx_protocol", "support_dynamic_time_zone",
		"support_heartbeat_pdu" };

	json_open(o, "capabilities", '[');
	for (size_t i = 0; i < COUNT(names); i++)
		if (bits >> i & 1 && names[i])
			json_str(o, NULL, names[i]);
	json_close(o, ']');
}

/* What newer clients add, as far as it is there. */
static void say_more(struct out *o, struct cur c)
{
	uint16_t depth, bits;
	struct cur id;

	cur_skip(&c, 2); /* of the first clients, which count otherwise */
	cur_skip(&c, 2);
	cur_skip(&c, 4);
	depth = cur_le16(&c);
	cur_skip(&c, 2);
	bits = cur_le16(&c);
	if (!cur_ok(&c))
		return;
	if (depth && depth <= HIGH_COLOR_LAST)
		json_u64(o, "color_depth", depth);
	say_capabilities(o, bits);
	id = cur_sub(&c, CORE_LONG_LEN);
	if (cur_ok(&c))
		say_wide(o, "id", id);
}

static void say_core(struct out *o, struct cur c)
{
	uint32_t version = cur_le32(&c), layout, build, type, keys;
	uint16_t width = cur_le16(&c), height = cur_le16(&c);
	struct cur name;

	cur_skip(&c, 4);
	layout = cur_le32(&c);
	build = cur_le32(&c);
	name = cur_sub(&c, CORE_NAME_LEN);
	type = cur_le32(&c);
	cur_skip(&c, 4);
	keys = cur_le32(&c);
	cur_skip(&c, CORE_LONG_LEN);
	if (!cur_ok(&c))
		return;
	json_open(o, "client", '{');
	say_name(o, "version", version, versions, COUNT(versions));
	json_u64(o, "desktop_width", width);
	json_u64(o, "desktop_height", height);
	say_name(o, "keyboard_layout", layout & 0xffff, layouts, COUNT(layouts));
	say_name(o, "build", build, builds, COUNT(builds));
	say_wide(o, "client_name", name);
	say_name(o, "keyboard_type", type, keyboards, COUNT(keyboards));
	json_u64(o, "function_keys", keys);
	say_more(o, c);
	json_close(o, '}');
}

static void say_channels(struct out *o, struct cur c)
{
	uint32_t n = cur_le32(&c);

	json_open(o, "channels", '[');
	for (uint32_t i = 0; i < n && i < CHANNELS_MAX && cur_left(&c); i++) {
		struct cur all = cur_sub(&c, CHANNEL_LEN), name = text_zero(&all);

		cur_skip(&c, 4);
		if (cur_ok(&c) && cur_left(&name))
			json_item(o, name);
	}
	json_close(o, ']');
}

static void say_blocks(struct out *o, struct cur c)
{
	while (cur_left(&c) >= 4) {
		uint16_t type = cur_le16(&c), len = cur_le16(&c);
		struct cur block = cur_sub(&c, len < 4 ? 0 : len - 4u);

		if (len < 4 || !cur_ok(&c))
			return;
		if (type == BLOCK_CORE)
			say_core(o, block);
		else if (type == BLOCK_NET)
			say_channels(o, block);
	}
}

/* A length of PER (X.691): one byte, or two with the first bit set. */
static size_t per_length(struct cur *c)
{
	uint8_t first = cur_u8(c);

	return first & 0x80 ? (size_t)(first & 0x7f) << 8 | cur_u8(c) : first;
}

/* The conference request, whose user data have the key "Duca". */
static bool find_blocks(struct cur c, struct cur *ret_blocks)
{
	static const uint8_t object[] = { 0, 5, 0, 0x14, 0x7c, 0, 1 };
	static const char key[] = "Duca";

	if (cur_left(&c) < sizeof(object) || memcmp(c.at, object, sizeof(object)) != 0)
		return false;
	cur_skip(&c, sizeof(object));
	per_length(&c);
	while (cur_left(&c) >= strlen(key) && memcmp(c.at, key, strlen(key)) != 0)
		cur_skip(&c, 1);
	cur_skip(&c, strlen(key));
	*ret_blocks = cur_sub(&c, per_length(&c));
	return cur_ok(&c);
}

bool rdp_say_connect(struct out *o, struct cur c)
{
	struct ber element = { .tag = 0 };
	struct cur blocks;

	if (cur_u8(&c) != 0x7f || !ber_next(&c, &element) || element.tag != TAG_CONNECT_INITIAL)
		return false;
	c = element.body;
	/* Two selectors, a flag and three times parameters stand before the user's data. */
	for (unsigned i = 0; i < 7; i++)
		if (!ber_next(&c, &element))
			return false;
	if (element.tag != TAG_OCTETS || !find_blocks(element.body, &blocks))
		return false;
	json_str(o, "event_type", "connect_request");
	say_blocks(o, blocks);
	return true;
}
