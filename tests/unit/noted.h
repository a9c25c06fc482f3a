/* SPDX-License-Identifier: Apache-2.0 */
/* noted - captures from elsewhere as the gateway would have captured them: each frame with the gate's note of its
 * verdict and conversation. Who began is outside. */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/reader.h"
#include "flow/flow.h"
#include "frame/frame.h"

#define FLOW_SLOTS (1u << 22)

struct kept {
	uint8_t *bytes;
	uint32_t len;
	int64_t time_ns;
	bool answers;
	uint64_t flow; /* 0: none */
	char note[48];
};

struct load {
	struct kept *frame;
	size_t n, room;
	uint64_t bytes;
};

/* Who began a conversation, by its key's hash; 0: free. */
struct begun {
	uint64_t id;
	uint8_t source;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* FNV-1a; the benchmark's keys are nobody's choice. */
static uint64_t hash_of(const struct flow_key *key)
{
	const uint8_t *at = (const uint8_t *)key;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(*key); i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return (hash >> 1) + 1;
}

static void note_flow(struct kept *k, struct begun *begun)
{
	struct frame frame;
	struct flow_key key;
	uint8_t source;
	uint64_t id;
	size_t at;

	frame_parse(k->bytes, k->len, FRAME_LINK_ETHERNET, &frame);
	if (frame.n_packets == 0 || !flow_key_make(&frame, &frame.packet[0], 0, &key, &source)) {
		snprintf(k->note, sizeof(k->note), "pass inbound");
		return;
	}
	id = hash_of(&key);
	for (at = id % FLOW_SLOTS; begun[at].id && begun[at].id != id; at = (at + 1) % FLOW_SLOTS)
		;
	if (!begun[at].id)
		begun[at] = (struct begun){ id, source };
	k->flow = id;
	k->answers = begun[at].source != source;
	snprintf(k->note, sizeof(k->note), "pass %s flow %llx", k->answers ? "reply" : "inbound",
		(unsigned long long)id);
}

static void keep(struct load *load, const struct capture_packet *packet)
{
	struct kept *k;

	if (load->n == load->room) {
		load->room = load->room ? 2 * load->room : 4096;
		load->frame = reallocarray(load->frame, load->room, sizeof(*load->frame));
	}
	if (!load->frame)
		die("memory");
	k = &load->frame[load->n++];
	*k = (struct kept){
		.bytes = malloc(packet->len + 1), .len = packet->len, .time_ns = packet->time_ns
	};
	if (!k->bytes)
		die("memory");
	memcpy(k->bytes, packet->data, packet->len);
	load->bytes += packet->len;
}

/* Adds the frames of a capture, in Ethernet. */
static void load_capture(const char *path, struct load *load)
{
	struct begun *begun = calloc(FLOW_SLOTS, sizeof(*begun));
	size_t first = load->n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct capture_reader *reader = NULL;
	struct capture_packet packet;

	if (!begun || fd < 0 || capture_reader_new(fd, &reader) < 0)
		die(path);
	while (capture_reader_next(reader, &packet) == 1)
		if (packet.link == CAPTURE_LINK_ETHERNET && packet.len == packet.orig_len)
			keep(load, &packet);
	capture_reader_free(reader);
	close(fd);
	for (size_t i = first; i < load->n; i++)
		note_flow(&load->frame[i], begun);
	free(begun);
}
