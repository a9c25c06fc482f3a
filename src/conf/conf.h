/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf - one configuration file (fishbowl.conf) as immutable plain data.
 *
 * Every setting has a row in settings.def with its default, unit and help text. conf_load() either
 * returns a complete, checked configuration or refuses it with one line per fault, each with
 * file:line and what to do about it. conf_free(NULL) is fine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct out;

/* The file that every verb reads if not told another. */
#ifndef CONF_PATH_DEFAULT
#define CONF_PATH_DEFAULT "/etc/fishbowl/fishbowl.conf"
#endif

/* Named limits of a configuration. */
#define CONF_INSIDE_MAX       16
#define CONF_HONEYPOTS_MAX    1024
#define CONF_ADDRESSES_MAX    64 /* of one honeypot */
#define CONF_RULE_FILES_MAX   64
#define CONF_RULE_VARS_MAX    256
#define CONF_BANNERED_MAX     64
#define CONF_SIGNATURES_MAX   8 /* files */
#define CONF_GEO_FILES_MAX    4
#define CONF_YARA_FILES_MAX   32
#define CONF_NAME_MAX         32 /* honeypot and honeynet names, with NUL */
#define CONF_NIC_MAX          16 /* NIC names, with NUL (IFNAMSIZ) */
#define CONF_PATH_MAX         80 /* state_dir and run_dir, with NUL: sockets below them must fit 108 */
#define CONF_RATE_MAX         10000 /* count of a rate: each is remembered */
#define CONF_RATE_UNLIMITED   UINT32_MAX
#define CONF_VOLUME_MAX       (UINT64_C(1) << 50)
#define CONF_VOLUME_UNLIMITED UINT64_MAX
#define CONF_FILE_MAX         (1 << 20) /* bytes of the file */

struct conf_texts {
	char **text;
	size_t n;
};

/* `count` in any window of `period_s` seconds, which is never 0. count 0: none at all;
 * CONF_RATE_UNLIMITED: no limit. */
struct conf_rate {
	uint32_t count;
	uint32_t period_s;
};

/* The same for packets or bytes; amount CONF_VOLUME_UNLIMITED: no limit. */
struct conf_volume {
	uint64_t amount;
	uint32_t period_s;
};

/* Values of the CHOICE settings. */
enum conf_choice_seccomp { CONF_SECCOMP_TRAP, CONF_SECCOMP_LOG, CONF_SECCOMP_KILL };
enum conf_choice_privacy { CONF_PRIVACY_FULL, CONF_PRIVACY_MINIMISE, CONF_PRIVACY_BANNER_ONLY };
enum conf_choice_undecided { CONF_UNDECIDED_DROP, CONF_UNDECIDED_PASS };
enum conf_choice_refuse { CONF_REFUSE_SILENCE, CONF_REFUSE_RESET, CONF_REFUSE_UNREACHABLE };

/* Also the values of top.preset; those of a honeypot's are one more, after 0 for "inherit". */
enum conf_preset {
#define PRESET(id, name, text) CONF_PRESET_##id,
#include "conf/presets.def"
	CONF_PRESETS
};

/* C types of the setting kinds. */
typedef char *conf_kind_TEXT; /* never NULL */
typedef struct conf_texts conf_kind_TEXTS;
typedef bool conf_kind_FLAG;
typedef uint64_t conf_kind_NUMBER;
typedef uint64_t conf_kind_SIZE; /* bytes */
typedef uint64_t conf_kind_TIME; /* seconds */
typedef struct conf_rate conf_kind_RATE;
typedef struct conf_volume conf_kind_VOLUME;
typedef int conf_kind_CHOICE;

struct conf_unused {
	char none;
#define SECTION(id, name, titled, text) \
	}                               \
	;                               \
	struct conf_##id {
#define SETTING(section, KIND, member, name, value, unit, text) conf_kind_##KIND member;
#include "conf/settings.def"
};

struct conf_a_honeypot {
	char name[CONF_NAME_MAX];
	struct conf_honeypot set; /* as written */
	struct conf_limit limit;  /* what holds for it */
	struct ip *address;       /* parsed set.address */
	size_t n_addresses;
	bool has_mac;
	struct mac mac;
	int inside; /* index in top.inside, -1 = any */
};

struct conf {
	char *path;
	struct conf_top top;
	struct conf_limit limit; /* plain data, as are honeynet and dns */
	struct conf_honeynet honeynet;
	struct conf_refuse refuse;
	struct conf_dns dns;
	struct conf_rules rules;
	struct conf_privacy privacy;
	struct conf_fingerprint fingerprint;
	struct conf_geo geo;
	struct conf_capture capture;
	struct conf_store store;
	struct conf_flow flow;
	struct conf_files files;
	struct conf_a_honeypot *honeypot;
	size_t n_honeypots;
	struct ip *resolver; /* parsed top.resolvers */
	size_t n_resolvers;
	struct ip *ntp_server; /* parsed top.ntp_servers */
	size_t n_ntp_servers;
	struct ip router; /* parsed refuse.router; unset if not given */
};

/* Reads and checks `path`. On failure *ret_faults is a text to show, "file:line: what; remedy", one
 * fault a line, to be freed by the caller, and the result is -EINVAL, or -errno for a file that
 * cannot be read (then with a text as well). */
int conf_load(const char *path, struct conf **ret_conf, char **ret_faults);
/* The same from an open file, read from its start (a snapshot handed to a process without files);
 * `name` stands for it in faults. */
int conf_load_fd(int fd, const char *name, struct conf **ret_conf, char **ret_faults);
/* The same from memory. */
int conf_load_text(
	const char *text, size_t len, const char *name, struct conf **ret_conf, char **ret_faults);
/* The defaults, with no honeypot and no NIC: what replay starts from without a file. */
int conf_default(struct conf **ret_conf);
struct conf *conf_free(struct conf *conf);

/* Whether it is one of its addresses, and whose it is; NULL: no honeypot's. */
bool conf_honeypot_has(const struct conf_a_honeypot *honeypot, const struct ip *ip);
const struct conf_a_honeypot *conf_honeypot_of(const struct conf *conf, const struct ip *ip);

/* The limits of a preset; it says all of them. */
void conf_preset_limit(enum conf_preset preset, struct conf_limit *ret_limit);

/* "tcp 10/h, udp 20/h, ..." in lines that begin with `indent`. */
void conf_print_limit(struct out *o, const struct conf_limit *limit, const char *indent);
/* The same of what holds for all honeypots together, with a head for each section. */
void conf_print_general(struct out *o, const struct conf *conf, const char *indent);
const char *conf_preset_name(enum conf_preset preset);
const char *conf_privacy_name(int policy); /* enum conf_choice_privacy */
/* What each preset is, and a table of their limits. */
void conf_print_presets(struct out *o);

/* The table as a manual page body (scdoc) and as a commented example file, with this file of rules; NULL: none. */
void conf_print_manual(struct out *o);
void conf_print_example(struct out *o, const char *rules);
