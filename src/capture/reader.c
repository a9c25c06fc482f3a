/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cur.h"
#include "base/out.h"
#include "capture/pcapng.h"

enum {
	READ_SIZE = 256 * 1024,
	ERROR_MAX = 200,
	PCAP_HEADER = 24,
	PCAP_RECORD = 16,
	BLOCK_HEAD = 8,
	BLOCK_MIN = 12,
	OPT_COMMENT = 1,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_TSOFFSET = 14,
	EPB_FLAGS = 2,
	EPB_PACKETID = 5,
};

/* Magic numbers of pcap, read as big endian. */
#define PCAP_US       0xa1b2c3d4u
#define PCAP_NS       0xa1b23c4du
#define ZSTD_FRAME    0x28b52ffdu
#define PCAP_MODIFIED 0xa1b2cd34u /* Kuznetzov's records, which nothing says the length of */

#define NS_PER_S 1000000000

enum format { FORMAT_UNKNOWN, FORMAT_PCAP, FORMAT_PCAPNG };

struct capture_reader {
	capture_read_fn *read;       /* NULL: all of the input is in the window */
	capture_read_at_fn *read_at; /* a growing file */
	void *read_context;
	int fd;
	uint8_t *buf; /* owned, holds the window unless the input is memory */
	size_t buf_size;
	const uint8_t *at; /* window: bytes read and not consumed */
	size_t have;
	uint64_t offset;  /* of the window in the file */
	size_t delivered; /* bytes of the window that the last packet borrowed */
	uint64_t settled; /* growing: end of the last packet or description ... */
	bool settled_big; /* ... and what numbers were there */
	enum format format;
	bool big;   /* numbers are big endian */
	int result; /* 1 while reading goes on */
	struct capture_interface *interface;
	size_t n_interfaces;
	size_t section_base; /* number of the section's first interface */
	uint64_t n_packets;
	int64_t last_time_ns;
	capture_block_fn *on_block;
	void *on_block_context;
	char error[ERROR_MAX];
};

static ssize_t read_fd(void *context, void *buf, size_t n)
{
	const struct capture_reader *r = context;
	ssize_t got;

	do
		got = read(r->fd, buf, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int capture_reader_new_source(
	capture_read_fn *fn, void *context, struct capture_reader **ret_reader)
{
	struct capture_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->read = fn;
	r->read_context = context;
	r->result = 1;
	*ret_reader = r;
	return 0;
}

int capture_reader_new(int fd, struct capture_reader **ret_reader)
{
	struct capture_reader *r;
	int result = capture_reader_new_source(read_fd, NULL, &r);

	if (result < 0)
		return result;
	r->fd = fd;
	r->read_context = r;
	*ret_reader = r;
	return 0;
}

int capture_reader_new_growing(
	capture_read_at_fn *fn, void *context, struct capture_reader **ret_reader)
{
	int result = capture_reader_new_source(NULL, context, ret_reader);

	if (result == 0)
		(*ret_reader)->read_at = fn;
	return result;
}

int capture_reader_new_memory(const void *bytes, size_t len, struct capture_reader **ret_reader)
{
	struct capture_reader *r;
	int result = capture_reader_new_source(NULL, NULL, &r);

	if (result < 0)
		return result;
	r->at = bytes;
	r->have = len;
	*ret_reader = r;
	return 0;
}

struct capture_reader *capture_reader_free(struct capture_reader *r)
{
	if (r) {
		free(r->buf);
		free(r->interface);
		free(r);
	}
	return NULL;
}

void capture_reader_on_block(struct capture_reader *r, capture_block_fn *fn, void *context)
{
	r->on_block = fn;
	r->on_block_context = context;
}

const char *capture_reader_error(const struct capture_reader *r)
{
	return r->error;
}

uint64_t capture_reader_good_end(const struct capture_reader *r)
{
	return r->offset + r->delivered;
}

uint64_t capture_reader_position(const struct capture_reader *r)
{
	return r->offset + r->have;
}

size_t capture_reader_interfaces(const struct capture_reader *r)
{
	return r->n_interfaces;
}

const struct capture_interface *capture_reader_interface(
	const struct capture_reader *r, uint32_t number)
{
	return number < r->n_interfaces ? &r->interface[number] : NULL;
}

/* Writes the error text, which begins with the place; the result is -EBADMSG. */
static int __attribute__((format(printf, 2, 3)))
fault(struct capture_reader *r, const char *fmt, ...)
{
	struct out o = out_make(r->error, sizeof(r->error));
	char text[ERROR_MAX - 40];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	out_fmt(&o, "at byte %" PRIu64 ": %s", r->offset, text);
	return -EBADMSG;
}

/* The input ends within something: a fault, unless it grows. */
static int __attribute__((format(printf, 2, 3)))
truncated(struct capture_reader *r, const char *fmt, ...)
{
	char text[ERROR_MAX - 40];
	va_list args;

	if (r->read_at)
		return 0;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return fault(r, "%s", text);
}

static int make_room(struct capture_reader *r, size_t n)
{
	size_t want = n > READ_SIZE ? n : READ_SIZE;
	uint8_t *buf;

	if (r->buf_size < want) {
		buf = malloc(want);
		if (!buf)
			return -ENOMEM;
		if (r->have)
			memcpy(buf, r->at, r->have);
		free(r->buf);
		r->buf = buf;
		r->buf_size = want;
	} else if (r->have) {
		memmove(r->buf, r->at, r->have);
	}
	r->at = r->buf;
	return 0;
}

static ssize_t read_more(struct capture_reader *r)
{
	uint8_t *to = r->buf + r->have;
	size_t room = r->buf_size - r->have;

	return r->read_at ? r->read_at(r->read_context, r->offset + r->have, to, room)
			  : r->read(r->read_context, to, room);
}

/* Gets at least n bytes into the window: 1, 0 when the input ends before, -errno. */
static int fill(struct capture_reader *r, size_t n)
{
	int result;

	if (r->have >= n)
		return 1;
	if (!r->read && !r->read_at)
		return 0;
	result = make_room(r, n);
	if (result < 0)
		return result;
	while (r->have < n) {
		ssize_t got = read_more(r);

		if (got < 0) {
			fault(r, "cannot read: %s", strerror((int)-got));
			return (int)got;
		}
		if (got == 0)
			return 0;
		r->have += (size_t)got;
	}
	return 1;
}

static void consume(struct capture_reader *r, size_t n)
{
	struct cur c = cur_make(r->at, r->have);

	cur_skip(&c, n);
	r->at = c.at;
	r->have = cur_left(&c);
	r->offset += n;
}

static void settle(struct capture_reader *r)
{
	r->settled = r->offset;
	r->settled_big = r->big;
}

/* Consumes n bytes that need not be in memory together: 1, 0 at the end, -errno. */
static int skip(struct capture_reader *r, uint64_t n)
{
	while (n > 0) {
		size_t part = n < READ_SIZE ? (size_t)n : READ_SIZE;
		int result = fill(r, part);

		if (result < 1)
			return result;
		consume(r, part);
		n -= part;
	}
	return 1;
}

static uint16_t get16(const struct capture_reader *r, struct cur *c)
{
	return r->big ? cur_be16(c) : cur_le16(c);
}

static uint32_t get32(const struct capture_reader *r, struct cur *c)
{
	return r->big ? cur_be32(c) : cur_le32(c);
}

static uint64_t get64(const struct capture_reader *r, struct cur *c)
{
	return r->big ? cur_be64(c) : cur_le64(c);
}

static enum capture_link link_of(uint16_t linktype)
{
	switch (linktype) {
	case 0:
		return CAPTURE_LINK_NULL;
	case 1:
		return CAPTURE_LINK_ETHERNET;
	case 9:
	case 50:
	case 104:
		return CAPTURE_LINK_HDLC;
	case 12:
	case 14:
	case 101:
	case 228:
	case 229:
		return CAPTURE_LINK_RAW_IP;
	case 105:
		return CAPTURE_LINK_WIFI;
	case 108:
		return CAPTURE_LINK_LOOP;
	case 113:
		return CAPTURE_LINK_COOKED;
	case 127:
		return CAPTURE_LINK_RADIOTAP;
	case 276:
		return CAPTURE_LINK_COOKED2;
	default:
		return CAPTURE_LINK_OTHER;
	}
}

static int add_interface(struct capture_reader *r, const struct capture_interface *interface)
{
	size_t n = r->n_interfaces;

	if (n == CAPTURE_INTERFACES_MAX)
		return fault(r, "more than %d interfaces", CAPTURE_INTERFACES_MAX);
	if ((n & (n - 1)) == 0) {
		struct capture_interface *grown =
			realloc(r->interface, (n ? 2 * n : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->interface = grown;
	}
	r->interface[n] = *interface;
	r->interface[n].link = link_of(interface->linktype);
	r->n_interfaces++;
	return 1;
}

/* ---- pcap ---- */

static int start_pcap(struct capture_reader *r, bool nanoseconds)
{
	struct cur c = cur_make(r->at, PCAP_HEADER);
	struct capture_interface interface = { .tsresol = nanoseconds ? 9 : 6 };
	uint16_t major;
	int result;

	cur_skip(&c, 4);
	major = get16(r, &c);
	cur_skip(&c, 10); /* minor version, and two fields that were never used */
	interface.snaplen = get32(r, &c);
	interface.linktype = (uint16_t)get32(r, &c); /* the high half tells of an FCS */
	if (major != 2)
		return fault(r, "pcap of version %u; 2 is the only one", major);
	result = add_interface(r, &interface);
	if (result < 1)
		return result;
	r->format = FORMAT_PCAP;
	consume(r, PCAP_HEADER);
	return 1;
}

static int next_pcap(struct capture_reader *r, struct capture_packet *ret_packet)
{
	struct capture_packet packet = { .offset = r->offset, .link = r->interface[0].link };
	uint32_t seconds, fraction;
	struct cur c;
	int result = fill(r, PCAP_RECORD);

	if (result == 0 && r->have == 0)
		return 0;
	if (result == 0)
		return fault(
			r, "truncated: %zu of %d bytes of a packet's header", r->have, PCAP_RECORD);
	if (result < 0)
		return result;
	c = cur_make(r->at, PCAP_RECORD);
	seconds = get32(r, &c);
	fraction = get32(r, &c);
	packet.len = get32(r, &c);
	packet.orig_len = get32(r, &c);
	if (packet.len > CAPTURE_PACKET_MAX)
		return fault(r, "corrupt: a packet of %u bytes (limit %d)", packet.len,
			CAPTURE_PACKET_MAX);
	packet.block_len = PCAP_RECORD + packet.len;
	result = fill(r, packet.block_len);
	if (result == 0)
		return fault(r, "truncated: %zu of %u bytes of a packet", r->have - PCAP_RECORD,
			packet.len);
	if (result < 0)
		return result;
	packet.time_ns = (int64_t)seconds * NS_PER_S +
			 (int64_t)fraction * (r->interface[0].tsresol == 9 ? 1 : 1000);
	c = cur_make(r->at, packet.block_len);
	packet.block = c.at;
	cur_skip(&c, PCAP_RECORD);
	packet.data = c.at;
	packet.number = ++r->n_packets;
	r->delivered = packet.block_len;
	*ret_packet = packet;
	return 1;
}

/* ---- pcapng ---- */

struct option {
	uint16_t code;
	struct cur value;
};

/* Next option of a block. False at the end, or where the list makes no sense any more: options are
 * remarks, so a packet is not lost for them. */
static bool next_option(const struct capture_reader *r, struct cur *c, struct option *ret_option)
{
	struct option option;
	size_t len;

	if (cur_left(c) < 4)
		return false;
	option.code = get16(r, c);
	len = get16(r, c);
	if (option.code == 0)
		return false;
	option.value = cur_sub(c, len);
	cur_skip(c, -len & 3);
	if (!cur_ok(c) || !cur_ok(&option.value))
		return false;
	*ret_option = option;
	return true;
}

static void keep_text(const struct cur *value, char text[static CAPTURE_NAME_MAX])
{
	size_t len = cur_left(value);

	if (len >= CAPTURE_NAME_MAX)
		len = CAPTURE_NAME_MAX - 1;
	memcpy(text, value->at, len);
	text[len] = '\0';
}

static struct text first_comment(const struct capture_reader *r, struct cur options)
{
	struct option option;

	while (next_option(r, &options, &option))
		if (option.code == OPT_COMMENT)
			return (struct text){ .at = (const char *)option.value.at,
				.len = (uint32_t)cur_left(&option.value) };
	return (struct text){ 0 };
}

__extension__ typedef __int128 wide;

/* Ticks of 10^-n or 2^-n seconds; what does not fit is set to the nearest time that does. */
static int64_t ticks_to_ns(const struct capture_interface *interface, uint64_t ticks)
{
	uint8_t resolution = interface->tsresol & 0x7f;
	uint64_t per_s = 1;
	wide ns;

	if (interface->tsresol & 0x80)
		per_s <<= resolution;
	else
		while (resolution-- > 0)
			per_s *= 10;
	ns = (wide)(ticks / per_s) * NS_PER_S + (wide)(ticks % per_s) * NS_PER_S / per_s +
	     (wide)interface->tsoffset_s * NS_PER_S;
	return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

static bool resolution_ok(uint8_t tsresol)
{
	return tsresol & 0x80 ? (tsresol & 0x7f) < 64 : tsresol <= 19;
}

static int read_section(struct capture_reader *r, struct cur body)
{
	uint16_t major;

	cur_skip(&body, 4); /* the byte order, already known */
	major = get16(r, &body);
	if (!cur_ok(&body) || major != 1)
		return fault(r, "pcapng section of version %u; 1 is the only one", major);
	r->section_base = r->n_interfaces;
	return 1;
}

static int read_interface(struct capture_reader *r, struct cur body)
{
	struct capture_interface interface = { .tsresol = 6 };
	struct option option;

	interface.linktype = get16(r, &body);
	cur_skip(&body, 2);
	interface.snaplen = get32(r, &body);
	if (!cur_ok(&body))
		return fault(r, "corrupt: interface block too short");
	while (next_option(r, &body, &option)) {
		if (option.code == IF_NAME)
			keep_text(&option.value, interface.name);
		else if (option.code == IF_DESCRIPTION)
			keep_text(&option.value, interface.description);
		else if (option.code == IF_TSRESOL && cur_left(&option.value) == 1)
			interface.tsresol = cur_u8(&option.value);
		else if (option.code == IF_TSOFFSET && cur_left(&option.value) == 8)
			interface.tsoffset_s = (int64_t)get64(r, &option.value);
	}
	if (!resolution_ok(interface.tsresol))
		return fault(r, "time resolution 0x%02x is beyond what can be told apart",
			interface.tsresol);
	return add_interface(r, &interface);
}

static void read_packet_options(
	const struct capture_reader *r, struct cur options, struct capture_packet *packet)
{
	struct option option;

	packet->comment = first_comment(r, options);
	while (next_option(r, &options, &option)) {
		if (option.code == EPB_FLAGS && cur_left(&option.value) == 4) {
			packet->flags = get32(r, &option.value);
		} else if (option.code == EPB_PACKETID && cur_left(&option.value) == 8) {
			packet->id = get64(r, &option.value);
			if (packet->id > RECORD_U64_MAX)
				packet->id = 0;
		}
	}
}

/* The interface that a block names, or a fault. */
static int find_interface(struct capture_reader *r, uint32_t number, struct capture_packet *packet)
{
	size_t in_section = r->n_interfaces - r->section_base;

	if (number >= in_section)
		return fault(r, "corrupt: packet of interface %u, and %zu are described", number,
			in_section);
	packet->interface = (uint32_t)(r->section_base + number);
	packet->link = r->interface[packet->interface].link;
	return 1;
}

/* EPB, and the obsolete Packet Block, which has 16 bits of interface and of drops instead. */
static int read_packet(
	struct capture_reader *r, uint32_t type, struct cur body, struct capture_packet *packet)
{
	uint32_t number = type == PCAPNG_EPB ? get32(r, &body) : get16(r, &body);
	uint64_t ticks;
	int result;

	if (type == PCAPNG_PB)
		cur_skip(&body, 2);
	ticks = (uint64_t)get32(r, &body) << 32;
	ticks |= get32(r, &body);
	packet->len = get32(r, &body);
	packet->orig_len = get32(r, &body);
	if (packet->len > CAPTURE_PACKET_MAX)
		return fault(r, "corrupt: a packet of %u bytes (limit %d)", packet->len,
			CAPTURE_PACKET_MAX);
	packet->data = cur_take(&body, packet->len);
	if (!cur_ok(&body))
		return fault(r, "corrupt: a packet of %u bytes in a smaller block", packet->len);
	cur_skip(&body, -(size_t)packet->len & 3);
	result = find_interface(r, number, packet);
	if (result < 1)
		return result;
	packet->time_ns = ticks_to_ns(&r->interface[packet->interface], ticks);
	r->last_time_ns = packet->time_ns;
	read_packet_options(r, body, packet);
	return 1;
}

static int read_simple_packet(
	struct capture_reader *r, struct cur body, struct capture_packet *packet)
{
	int result = find_interface(r, 0, packet);
	uint32_t snaplen;

	if (result < 1)
		return result;
	packet->orig_len = get32(r, &body);
	packet->len = packet->orig_len;
	snaplen = r->interface[packet->interface].snaplen;
	if (snaplen && packet->len > snaplen)
		packet->len = snaplen;
	if (packet->len > CAPTURE_PACKET_MAX)
		return fault(r, "corrupt: a packet of %u bytes (limit %d)", packet->len,
			CAPTURE_PACKET_MAX);
	packet->data = cur_take(&body, packet->len);
	if (!cur_ok(&body))
		return fault(r, "corrupt: a packet of %u bytes in a smaller block", packet->len);
	packet->time_ns = r->last_time_ns;
	return 1;
}

/* Fixed fields before the options of the blocks that on_block gets. */
static size_t fixed_size(uint32_t type)
{
	return type == PCAPNG_SHB ? 16 : type == PCAPNG_IDB ? 8 : 12;
}

static bool is_read(uint32_t type)
{
	return type == PCAPNG_SHB || type == PCAPNG_IDB || type == PCAPNG_EPB ||
	       type == PCAPNG_SPB || type == PCAPNG_PB || type == PCAPNG_ISB;
}

static void tell_block(struct capture_reader *r, uint32_t type, uint32_t len, struct cur body)
{
	struct capture_block block = { .type = type,
		.offset = r->offset,
		.block = r->at,
		.block_len = len,
		.swapped = r->big };
	struct cur options = body;

	if (!r->on_block)
		return;
	cur_skip(&options, fixed_size(type));
	if (type == PCAPNG_ISB)
		block.interface = get32(r, &body);
	if (cur_ok(&options))
		block.comment = first_comment(r, options);
	r->on_block(r->on_block_context, &block);
}

/* Reads a block that is wholly in the window. 2 = a packet is in *packet, 1 = something else. */
static int read_block(
	struct capture_reader *r, uint32_t type, uint32_t len, struct capture_packet *packet)
{
	struct cur c = cur_make(r->at, len);
	struct cur body;
	uint32_t trailer;
	int result;

	cur_skip(&c, BLOCK_HEAD);
	body = cur_sub(&c, len - BLOCK_MIN);
	trailer = get32(r, &c);
	if (trailer != len)
		return fault(r, "corrupt: a block of %u bytes ends as one of %u", len, trailer);
	switch (type) {
	case PCAPNG_SHB:
		result = read_section(r, body);
		break;
	case PCAPNG_IDB:
		result = read_interface(r, body);
		break;
	case PCAPNG_EPB:
	case PCAPNG_PB:
		result = read_packet(r, type, body, packet);
		return result < 1 ? result : 2;
	case PCAPNG_SPB:
		result = read_simple_packet(r, body, packet);
		return result < 1 ? result : 2;
	default: /* PCAPNG_ISB: for on_block only */
		result = 1;
	}
	if (result == 1)
		tell_block(r, type, len, body);
	return result;
}

static int truncated_block(struct capture_reader *r, uint32_t len)
{
	return truncated(r, "truncated: %zu of %u bytes of a block", r->have, len);
}

static int skip_block(struct capture_reader *r, uint32_t len)
{
	uint64_t start = r->offset;
	int result = skip(r, len);

	if (result == 0) {
		uint64_t got = r->offset + r->have - start;

		r->offset = start;
		r->have = 0;
		return fault(r, "truncated: %" PRIu64 " of %u bytes of a block", got, len);
	}
	return result;
}

/* Type and length of the next block: 1, 0 at the end, or a fault. */
static int read_block_head(struct capture_reader *r, uint32_t *ret_type, uint32_t *ret_len)
{
	int result = fill(r, BLOCK_MIN);
	uint32_t type, len;
	struct cur c;

	if (result == 0 && r->have > 0)
		return truncated(r, "truncated: %zu bytes where a block should begin", r->have);
	if (result < 1)
		return result;
	c = cur_make(r->at, BLOCK_MIN);
	type = cur_be32(&c); /* reads the same both ways for a section header */
	if (type == PCAPNG_SHB) {
		struct cur order = c;

		cur_skip(&order, 4);
		r->big = cur_be32(&order) == PCAPNG_BYTE_ORDER;
	}
	c = cur_make(r->at, BLOCK_MIN);
	type = get32(r, &c);
	len = get32(r, &c);
	if (type == PCAPNG_SHB && get32(r, &c) != PCAPNG_BYTE_ORDER)
		return fault(r, "corrupt: a section header without a byte order");
	if (len < BLOCK_MIN || len % 4)
		return fault(r, "corrupt: a block of %u bytes", len);
	*ret_type = type;
	*ret_len = len;
	return 1;
}

static int next_pcapng(struct capture_reader *r, struct capture_packet *ret_packet)
{
	for (;;) {
		struct capture_packet packet = { 0 };
		uint32_t type = 0, len = 0;
		int result = read_block_head(r, &type, &len);

		if (result < 1)
			return result;
		if (!is_read(type) && !r->read_at) {
			result = skip_block(r, len);
			if (result < 1)
				return result;
			continue;
		}
		if (len > CAPTURE_BLOCK_MAX)
			return fault(r, "corrupt: a block of %u bytes (limit %d)", len,
				CAPTURE_BLOCK_MAX);
		result = fill(r, len);
		if (result < 1)
			return result < 0 ? result : truncated_block(r, len);
		result = is_read(type) ? read_block(r, type, len, &packet) : 1;
		if (result < 1)
			return result;
		if (result == 1) {
			consume(r, len);
			if (type == PCAPNG_SHB || type == PCAPNG_IDB)
				settle(r);
			continue;
		}
		packet.offset = r->offset;
		packet.block = r->at;
		packet.block_len = len;
		packet.number = ++r->n_packets;
		r->delivered = len;
		*ret_packet = packet;
		return 1;
	}
}

/* What kind of file it is, by its first four bytes. */
static int start(struct capture_reader *r)
{
	int result = fill(r, PCAP_HEADER);
	struct cur c = cur_make(r->at, r->have);
	uint32_t big = cur_be32(&c), little;

	if (result < 0)
		return result;
	if (r->have == 0)
		return truncated(r, "empty: not even a file header");
	if (!cur_ok(&c))
		return truncated(r, "truncated: %zu bytes are no capture file", r->have);
	little = __builtin_bswap32(big);
	if (big == PCAPNG_SHB) {
		r->format = FORMAT_PCAPNG;
		return 1;
	}
	if (r->read_at)
		return fault(r, "no pcapng (begins with %08x)", big);
	if (big == PCAP_MODIFIED || little == PCAP_MODIFIED)
		return fault(r, "pcap with modified records; convert it with editcap");
	if (big == ZSTD_FRAME)
		return fault(r, "compressed; unpack it first with zstd -d");
	r->big = big == PCAP_US || big == PCAP_NS;
	if (!r->big && little != PCAP_US && little != PCAP_NS)
		return fault(r, "neither pcap nor pcapng (begins with %08x)", big);
	if (result == 0)
		return fault(
			r, "truncated: %zu of %d bytes of the file header", r->have, PCAP_HEADER);
	return start_pcap(r, (r->big ? big : little) == PCAP_NS);
}

/* Nothing yet: what was read behind the last packet or description is read again. */
static void look_again(struct capture_reader *r)
{
	r->offset = r->settled;
	r->big = r->settled_big;
	r->have = 0;
	r->result = 1;
}

void capture_reader_go_on(struct capture_reader *r, uint64_t offset)
{
	r->delivered = 0;
	r->offset = offset;
	settle(r);
	look_again(r);
}

int capture_reader_next(struct capture_reader *r, struct capture_packet *ret_packet)
{
	int result;

	if (r->result < 1)
		return r->result;
	consume(r, r->delivered);
	if (r->delivered > 0)
		settle(r);
	r->delivered = 0;
	if (r->format == FORMAT_UNKNOWN)
		r->result = start(r);
	if (r->result == 1)
		r->result = r->format == FORMAT_PCAP ? next_pcap(r, ret_packet)
						     : next_pcapng(r, ret_packet);
	result = r->result;
	if (result == 0 && r->read_at)
		look_again(r);
	return result;
}
