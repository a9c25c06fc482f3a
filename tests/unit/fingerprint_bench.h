/* SPDX-License-Identifier: Apache-2.0 */
/* fingerprint_bench - SYNs and their like, and hands that give them to fingerprint. Static functions, so that a test
 * needs no more. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "fingerprint/fingerprint.h"
#include "fingerprint/signatures.h"
#include "frame/frame.h"
#include "packets.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };
#define SECOND INT64_C(1000000000)

struct syn {
	const char *src, *dst; /* NULL: 192.0.2.1, 198.51.100.2 */
	unsigned sport, dport; /* 0: 40000, 80 */
	unsigned flags;        /* 0: SYN */
	unsigned ttl;          /* 0: 64 */
	unsigned id, fragment; /* 0: 7, DF */
	bool plain_ip;         /* id and fragment are meant as they are */
	uint32_t seq, ack;     /* seq 0: 1000 */
	unsigned window, urgent, payload;
	const char *options; /* n_options bytes */
	unsigned n_options;
};

#define LINUX_OPTIONS(ts) "\2\4\5\xb4\4\2\10\12" ts "\0\0\0\0\1\3\3\7"
#define WINDOWS_OPTIONS   "\2\4\5\xb4\1\3\3\10\1\1\4\2"

static void put_segment(struct bytes *b, const struct syn *s)
{
	put16(b, s->sport ? s->sport : 40000);
	put16(b, s->dport ? s->dport : 80);
	put32(b, s->seq ? s->seq : 1000);
	put32(b, s->ack);
	put8(b, (5 + s->n_options / 4) << 4);
	put8(b, s->flags ? s->flags : SYN);
	put16(b, s->window);
	put16(b, 0);
	put16(b, s->urgent);
	if (s->n_options > 0)
		put(b, s->options, s->n_options);
	put_zero(b, s->payload);
}

__attribute__((unused)) static void syn_frame(struct bytes *b, const struct syn *s)
{
	const char *src = s->src ? s->src : "192.0.2.1", *dst = s->dst ? s->dst : "198.51.100.2";
	unsigned len = 20 + s->n_options + s->payload, ttl = s->ttl ? s->ttl : 64;

	put_ethernet(b, 2, 1, type_of(src));
	if (strchr(src, ':')) {
		put_ip6(b, src, dst, 6, len, ttl);
	} else {
		put_ip4(b, src, dst, 6, len, s->plain_ip ? s->id : 7,
			s->plain_ip ? s->fragment : 0x4000);
		b->at[14 + 8] = (uint8_t)ttl;
	}
	put_segment(b, s);
}

static const char bench_signatures[] =
	"classes = win,unix\n[mtu]\nlabel = Ethernet\nsig = 1500\n"
	"[tcp:request]\n"
	"label = s:unix:Linux:new\nsig = *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+,flow:0\n"
	"label = g:unix:Linux:any\nsig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+,flow:0\n"
	"label = s:win:Windows:10\nsig = *:128:0:*:64240,8:mss,nop,ws,nop,nop,sok:df,id+:0\n"
	"label = s:!:scan:\nsys = @unix\nsig = *:64-:0:1460:1024,0:mss::0\n"
	"label = s:unix:Multiple:\nsig = 4:64:0:*:%1000,0:mss:df,id+:0\n"
	"label = s:unix:Of MTU:\nsig = 4:255:0:*:mtu*2,0:mss:df,id+:0\n"
	"[tcp:response]\n"
	"label = s:unix:Linux:4\nsig = *:64:0:*:mss*10,0:mss:df:0\n"
	"label = s:win:Windows:7\nsig = *:128:0:*:8192,0:mss:df,id+:0\n"
	"[http:request]\nua_os = Linux,Windows\n"
	"label = s:!:Tool:1\nsys = Linux\nsig = 1:Host,User-Agent::Tool/\n"
	"[http:response]\nlabel = s:!:Server:\nsig = 1:Server:Date:Server\n";
