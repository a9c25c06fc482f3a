/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define VERB(id, name, arguments, text) int verb_##id(int argc, char **argv);
#include "cmd/fishbowl/verbs.def"
#undef VERB
