/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payloads - the first bytes that each side of each conversation says, out of captured packets: TCP
 * in order, datagrams one behind the other. What PROPOSE_SAMPLE_MAX cuts off is not kept;
 * conversations beyond PAYLOADS_MAX are not looked at, and counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "rules/propose.h"

struct frame;

#define PAYLOADS_MAX 20000

struct payload {
	uint64_t flow;    /* as the gate that was asked here calls it */
	uint64_t written; /* as the comments in the capture call it; 0: they do not */
	struct ip ip[2];  /* of who began, of the other */
	uint16_t port[2];
	uint8_t proto;
	struct propose_sample said[2];
};

struct payloads;

int payloads_new(struct payloads **ret_payloads); /* -ENOMEM */
struct payloads *payloads_free(struct payloads *payloads);
/* The outer packet of a frame that `side` sent. */
int payloads_add(struct payloads *payloads, uint64_t flow, uint64_t written, unsigned side,
	const struct frame *frame);
/* Borrowed until the next call; in order of their beginnings. NULL: no memory. */
const struct payload *payloads_all(struct payloads *payloads, size_t *ret_n);
uint64_t payloads_left_out(const struct payloads *payloads);
