/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_show - answers of the gateway for people: a sentence or a table on stdout, an error on stderr. */
#pragma once

#include <jansson.h>

void ctl_show(const json_t *answer);
