/* SPDX-License-Identifier: Apache-2.0 */
/* place_text - where an address is, for people: " (NL, AS64500 Example)"; nothing where it is not known. */
#pragma once

#include <jansson.h>

#include "event/event.h"

struct out;

void place_text(struct out *o, struct text country, uint32_t as_number, struct text as_name);
/* The same from an object as records have it. */
void place_text_of(struct out *o, const json_t *place);
