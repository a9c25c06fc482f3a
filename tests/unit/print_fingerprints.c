/* SPDX-License-Identifier: Apache-2.0 */
/* print_fingerprints SIGNATURES CAPTURE: a line for each SYN and SYN+ACK of a capture, with what it fits and how it
 * is written: what test_fingerprint.py holds against p0f. The SYN of a SYN+ACK is the last one from that port. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/out.h"
#include "capture/reader.h"
#include "cmd/fishbowl/replay.h"
#include "fingerprint/tcp.h"
#include "frame/frame.h"

static uint16_t syn_mss[UINT16_MAX + 1];

static void put_label(struct out *o, const struct signature_label *label)
{
	out_bytes(o, label->name.at, label->name.len);
	if (label->flavour.len == 0)
		return;
	out_char(o, ' ');
	out_bytes(o, label->flavour.at, label->flavour.len);
}

static void print(
	const struct signatures *set, const struct frame_packet *p, const struct tcp_look *look)
{
	uint16_t port = look->response ? p->dport : p->sport;
	uint16_t mss = look->response ? syn_mss[port] : 0;
	char line[1024];
	struct out o = out_make(line, sizeof(line));
	struct tcp_match m;

	tcp_match(set, look, mss, &m);
	out_fmt(&o, "%s|%u|", look->response ? "syn+ack" : "syn", port);
	if (m.label)
		put_label(&o, m.label);
	else
		out_str(&o, "???");
	out_fmt(&o, "|%u|%s%s|", m.hops, m.label && m.label->generic ? " generic" : "",
		m.fuzzy ? " fuzzy" : "");
	tcp_look_text(&o, look, mss);
	if (!out_ok(&o))
		abort();
	puts(line);
	if (!look->response)
		syn_mss[port] = look->mss;
}

static void print_all(const struct signatures *set, struct capture_reader *reader)
{
	struct capture_packet packet;

	while (capture_reader_next(reader, &packet) == 1) {
		enum frame_link link;
		struct tcp_look look;
		struct frame frame;

		if (!replay_link_of(packet.link, &link))
			continue;
		frame_parse(packet.data, packet.len, link, &frame);
		if (frame.n_packets > 0 && tcp_look_read(&frame, &frame.packet[0], &look))
			print(set, &frame.packet[0], &look);
	}
}

static void print_faults(const struct signatures *set)
{
	const struct signatures_fault *fault;
	uint64_t more;
	size_t n;

	fault = signatures_faults(set, &n, &more);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s:%u: %s\n", fault[i].file, fault[i].line, fault[i].why);
}

int main(int argc, char **argv)
{
	int file = argc > 2 ? open(argv[1], O_RDONLY) : -1;
	int capture = argc > 2 ? open(argv[2], O_RDONLY) : -1;
	struct capture_reader *reader;
	struct signatures *set;

	if (file < 0 || capture < 0 || signatures_new(&set) < 0 ||
		signatures_load(set, argv[1], file) < 0 || capture_reader_new(capture, &reader) < 0)
		return 1;
	print_faults(set);
	print_all(set, reader);
	capture_reader_free(reader);
	signatures_free(set);
	close(file);
	close(capture);
	return 0;
}
