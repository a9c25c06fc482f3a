/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the loop share. Private to cmd/fb-gate. */
#pragma once

#include "cmd/fb-gate/loop.h"

struct frame;
struct gate_answer;

/* A frame that came, and what there is to do about it. */
struct arrival {
	unsigned in;
	const uint8_t *data;
	uint32_t len;
	const uint8_t *changed; /* of the same length, in its place; NULL: it leaves as it came */
	int64_t time_ns;
	enum port_fault fault;
	const struct frame *frame;
	const struct gate_answer *answer;
};

/* loop.c */
int64_t loop_now(void); /* steady */
/* A frame that was judged: captured, and only then sent. Returns the ports that something was
 * queued on. */
uint32_t loop_finish_frame(struct loop *l, const struct arrival *a);
void loop_flush(struct loop *l, unsigned in, uint32_t ports, const struct frame *last);
/* The frame does not go on. */
void loop_failed(struct loop *l, unsigned in, enum reason reason, const struct frame *frame);

/* loop_rules.c */
/* Holds a frame that was judged against the rules; false: it is held. What its answer says may
 * become another. */
bool loop_inspect(struct loop *l, struct arrival *a, uint8_t *bytes, struct gate_answer *answer);
/* The same for a datagram in parts. `ret_bytes`: the datagram as it is to leave, NULL: as it
 * came. */
bool loop_inspect_set(struct loop *l, const struct whole_set *set, struct gate_answer *answer,
	const uint8_t **ret_bytes);
/* The part with what was changed in the datagram. */
const uint8_t *loop_changed_part(struct loop *l, const struct frame *part, const uint8_t *data,
	uint32_t len, const uint8_t *datagram, uint32_t datagram_len);
/* Frames that were held and are not any more. */
void loop_release(struct loop *l, int64_t steady_ns);
int64_t loop_release_ns(const struct loop *l);
/* What is held now must not leave. */
void loop_forget_held(struct loop *l);
/* Takes over an image, or none, from the supervisor, which hears of it when it is in force or cannot be. */
void loop_take_rules(struct loop *l, const struct message_rules *m, int fd);
/* A piece of it. */
void loop_rules_more(struct loop *l);
/* Into the counts file. */
void loop_publish_rules(struct loop *l);
