/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/signatures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/out.h"
#include "fingerprint/inside.h"
#include "proto/fields.h"

enum { FIRST_ROOM = 64, NAME_MAX_BYTES = 255, MTU_MAX = UINT16_MAX + 60 /* MSS and headers */ };

/* Grows by doubling. */
struct list {
	void *at;
	size_t n, room;
};

struct mtu {
	uint32_t mtu, label;
};

struct signatures {
	char *text[SIGNATURES_FILES_MAX]; /* contents, which all texts point into */
	char *name[SIGNATURES_FILES_MAX];
	size_t n_files;
	struct list labels, headers, faults, kind[SIGNATURE_KINDS];
	uint64_t more_faults;
	struct text named_systems;
};

/* Where a file is being read. */
struct file {
	struct signatures *set;
	const char *name;
	uint32_t line;
	bool in_section; /* of a kind that is known */
	bool has_label;  /* in this section */
	enum signature_kind kind;
	struct text families; /* "win,unix,other" */
	int error;            /* sticky -ENOMEM */
	struct signature_header header[2 * SIGNATURES_HEADERS_MAX];
};

/* ---- quirks ---- */

static const struct {
	const char *name;
	unsigned version;
} quirks[TCP_QUIRKS] = {
#define QUIRK(ID, name, only) { name, only },
#include "fingerprint/quirk.def"
#undef QUIRK
};

const char *tcp_quirk_name(unsigned number)
{
	return quirks[number].name;
}

unsigned tcp_quirk_version(unsigned number)
{
	return quirks[number].version;
}

/* ---- texts ---- */

struct text text_of_cur(struct cur c)
{
	return (struct text){ .at = (const char *)c.at, .len = (uint32_t)cur_left(&c) };
}

bool text_number(struct cur c, uint32_t max, uint32_t *ret_number)
{
	uint64_t n = 0;

	if (cur_left(&c) == 0)
		return false;
	while (cur_left(&c) > 0) {
		uint8_t digit = (uint8_t)(cur_u8(&c) - '0');

		n = n * 10 + digit;
		if (digit > 9 || n > max)
			return false;
	}
	*ret_number = (uint32_t)n;
	return true;
}

bool words_same(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool text_equals(struct cur c, const char *word)
{
	return words_same(text_of_cur(c), text_of(word));
}

bool words_hold(struct text all, struct text part)
{
	return part.len == 0 ||
	       (all.len >= part.len && memmem(all.at, all.len, part.at, part.len) != NULL);
}

/* ---- lists ---- */

/* Room for one more at the end, or NULL. */
static void *list_add(struct list *list, size_t size)
{
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : FIRST_ROOM;
		void *more = reallocarray(list->at, room, size);

		if (!more)
			return NULL;
		list->at = more;
		list->room = room;
	}
	return (char *)list->at + size * list->n++;
}

static bool add(struct file *f, struct list *list, const void *item, size_t size)
{
	void *at = list_add(list, size);

	if (!at) {
		f->error = -ENOMEM;
		return false;
	}
	memcpy(at, item, size);
	return true;
}

static void fault(struct file *f, const char *why)
{
	const struct signatures_fault fault = { f->name, f->line, why };

	if (f->set->faults.n == SIGNATURES_FAULTS_MAX)
		f->set->more_faults++;
	else
		add(f, &f->set->faults, &fault, sizeof(fault));
}

/* ---- lines ---- */

static bool in_list(struct text list, struct text item)
{
	struct cur c = cur_make(list.at, list.len);

	while (cur_left(&c) > 0)
		if (words_same(text_of_cur(text_trim(text_until(&c, ','))), item))
			return true;
	return false;
}

static void open_section(struct file *f, struct cur c)
{
	static const char *const names[SIGNATURE_KINDS] = { "[mtu]", "[tcp:request]",
		"[tcp:response]", "[http:request]", "[http:response]" };

	f->has_label = false;
	f->in_section = true;
	for (unsigned kind = 0; kind < SIGNATURE_KINDS; kind++)
		if (text_equals(c, names[kind])) {
			f->kind = kind;
			return;
		}
	f->in_section = false;
	fault(f, "a section that is not known; what is in it is not read");
}

static const char *read_label(struct file *f, struct cur c, struct signature_label *label)
{
	struct cur type = text_until(&c, ':');
	struct cur family = text_until(&c, ':');

	label->generic = text_equals(type, "g");
	if (!label->generic && !text_equals(type, "s"))
		return "the label's type is not s or g";
	label->application = text_equals(family, "!");
	label->family = text_of_cur(family);
	if (!label->application && !in_list(f->families, label->family))
		return "the label's class is not one of \"classes\"";
	label->name = text_of_cur(text_until(&c, ':'));
	label->flavour = text_of_cur(c);
	return label->name.len == 0 ? "the label has no name" : NULL;
}

static void take_label(struct file *f, struct cur c)
{
	struct signature_label label = { 0 };
	const char *why = NULL;

	f->has_label = false;
	if (f->kind == SIGNATURE_MTU)
		label.name = text_of_cur(c);
	else
		why = read_label(f, c, &label);
	if (!why && f->set->labels.n == SIGNATURES_MAX)
		why = "too many labels";
	if (why)
		fault(f, why);
	else
		f->has_label = add(f, &f->set->labels, &label, sizeof(label));
}

static void take_systems(struct file *f, struct cur c)
{
	struct signature_label *labels = f->set->labels.at;

	if (!f->has_label || !labels[f->set->labels.n - 1].application)
		fault(f, "\"sys\" does not follow the label of a program");
	else
		labels[f->set->labels.n - 1].systems = text_of_cur(c);
}

static const char *add_mtu(struct file *f, struct cur c, uint32_t label)
{
	struct mtu mtu = { .label = label };

	if (!text_number(c, MTU_MAX, &mtu.mtu) || mtu.mtu == 0)
		return "the MTU is not a number";
	add(f, &f->set->kind[SIGNATURE_MTU], &mtu, sizeof(mtu));
	return NULL;
}

static const char *add_tcp(struct file *f, struct cur c, uint32_t label)
{
	struct signature_tcp s;
	const char *why = signature_read_tcp(c, &s);

	if (why)
		return why;
	s.label = label;
	add(f, &f->set->kind[f->kind], &s, sizeof(s));
	return NULL;
}

static const char *add_http(struct file *f, struct cur c, uint32_t label)
{
	struct signature_http s;
	const char *why = signature_read_http(c, &s, f->header);

	if (why)
		return why;
	s.label = label;
	s.first_header = (uint32_t)f->set->headers.n;
	for (unsigned i = 0; i < (unsigned)s.n_headers + s.n_absent; i++)
		if (!add(f, &f->set->headers, &f->header[i], sizeof(f->header[i])))
			return NULL;
	add(f, &f->set->kind[f->kind], &s, sizeof(s));
	return NULL;
}

static void take_signature(struct file *f, struct cur c)
{
	uint32_t label = (uint32_t)f->set->labels.n - 1;
	const char *why;

	if (!f->has_label)
		why = "a signature without a label before it";
	else if (f->set->kind[f->kind].n == SIGNATURES_MAX)
		why = "too many signatures";
	else if (f->kind == SIGNATURE_MTU)
		why = add_mtu(f, c, label);
	else if (f->kind == SIGNATURE_SYN || f->kind == SIGNATURE_SYN_ACK)
		why = add_tcp(f, c, label);
	else
		why = add_http(f, c, label);
	if (why)
		fault(f, why);
}

static void take_setting(struct file *f, struct cur c)
{
	struct cur name = text_trim(text_until(&c, '='));

	c = text_trim(c);
	if (text_equals(name, "classes"))
		f->families = text_of_cur(c);
	else if (!f->in_section)
		return; /* its section has been told, or is none yet */
	else if (text_equals(name, "label"))
		take_label(f, c);
	else if (text_equals(name, "sys"))
		take_systems(f, c);
	else if (text_equals(name, "sig"))
		take_signature(f, c);
	else if (text_equals(name, "ua_os"))
		f->set->named_systems = text_of_cur(c);
	else
		fault(f, "neither a [section] nor label, sig, sys, classes or ua_os with = and a "
			 "value");
}

static void take_line(struct file *f, struct cur c)
{
	size_t len = cur_left(&c);

	c = text_trim(c);
	f->line++;
	if (cur_left(&c) == 0 || cur_ahead(c, 0) == ';')
		return;
	if (len > SIGNATURES_LINE_MAX)
		fault(f, "the line is too long");
	else if (cur_ahead(c, 0) == '[')
		open_section(f, c);
	else
		take_setting(f, c);
}

/* ---- files ---- */

int signatures_new(struct signatures **ret_set)
{
	struct signatures *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	*ret_set = set;
	return 0;
}

struct signatures *signatures_free(struct signatures *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->n_files; i++) {
		free(set->text[i]);
		free(set->name[i]);
	}
	for (unsigned kind = 0; kind < SIGNATURE_KINDS; kind++)
		free(set->kind[kind].at);
	free(set->labels.at);
	free(set->headers.at);
	free(set->faults.at);
	free(set);
	return NULL;
}

static int keep_copy(struct signatures *set, const char *name, const void *bytes, size_t len)
{
	char *text = malloc(len + 1), *own = strndup(name, NAME_MAX_BYTES);

	if (!text || !own) {
		free(text);
		free(own);
		return -ENOMEM;
	}
	if (len > 0)
		memcpy(text, bytes, len);
	set->text[set->n_files] = text;
	set->name[set->n_files++] = own;
	return 0;
}

int signatures_read(struct signatures *set, const char *name, const void *bytes, size_t len)
{
	struct file f = { .set = set };
	struct cur c;
	int r;

	if (len > SIGNATURES_BYTES_MAX)
		return -EFBIG;
	if (set->n_files == SIGNATURES_FILES_MAX)
		return -E2BIG;
	r = keep_copy(set, name, bytes, len);
	if (r < 0)
		return r;
	f.name = set->name[set->n_files - 1];
	c = cur_make(set->text[set->n_files - 1], len);
	while (cur_left(&c) > 0 && f.error == 0) {
		if (f.line == SIGNATURES_LINES_MAX) {
			fault(&f, "too many lines; the rest is not read");
			break;
		}
		take_line(&f, text_until(&c, '\n'));
	}
	return f.error;
}

int signatures_load(struct signatures *set, const char *name, int fd)
{
	char *bytes = malloc(SIGNATURES_BYTES_MAX + 1);
	ssize_t n = bytes ? fd_read_at(fd, 0, bytes, SIGNATURES_BYTES_MAX + 1) : -ENOMEM;
	int r = n < 0 ? (int)n : signatures_read(set, name, bytes, (size_t)n);

	free(bytes);
	return r;
}

/* ---- what there is ---- */

const struct signatures_fault *signatures_faults(
	const struct signatures *set, size_t *ret_n, uint64_t *ret_more)
{
	*ret_n = set->faults.n;
	*ret_more = set->more_faults;
	return set->faults.at;
}

void signatures_print_faults(struct out *o, const struct signatures *set)
{
	const struct signatures_fault *fault = set->faults.at;

	for (size_t i = 0; i < set->faults.n; i++) {
		out_quoted(o, fault[i].file, strlen(fault[i].file));
		out_fmt(o, ":%u: %s\n", fault[i].line, fault[i].why);
	}
	if (set->more_faults > 0)
		out_fmt(o, "and %llu more\n", (unsigned long long)set->more_faults);
}

size_t signatures_count(const struct signatures *set, enum signature_kind kind)
{
	return set->kind[kind].n;
}

const struct signature_tcp *signatures_tcp(const struct signatures *set, bool response)
{
	return set->kind[response ? SIGNATURE_SYN_ACK : SIGNATURE_SYN].at;
}

const struct signature_http *signatures_http(const struct signatures *set, bool response)
{
	return set->kind[response ? SIGNATURE_RESPONSE : SIGNATURE_REQUEST].at;
}

const struct signature_header *signatures_headers(const struct signatures *set)
{
	return set->headers.at;
}

const struct signature_label *signatures_label(const struct signatures *set, uint32_t label)
{
	return (const struct signature_label *)set->labels.at + label;
}

const struct signature_label *signatures_link(const struct signatures *set, uint32_t mtu)
{
	const struct mtu *all = set->kind[SIGNATURE_MTU].at;

	for (size_t i = 0; i < set->kind[SIGNATURE_MTU].n; i++)
		if (all[i].mtu == mtu)
			return signatures_label(set, all[i].label);
	return NULL;
}

struct text signatures_named_systems(const struct signatures *set)
{
	return set->named_systems;
}

bool signatures_runs_on(const struct signature_label *program, const struct signature_label *system)
{
	struct cur c = cur_make(program->systems.at, program->systems.len);

	if (cur_left(&c) == 0)
		return true;
	while (cur_left(&c) > 0) {
		struct cur item = text_trim(text_until(&c, ','));
		bool family = cur_left(&item) > 0 && cur_ahead(item, 0) == '@';

		if (family)
			cur_skip(&item, 1);
		if (words_same(text_of_cur(item), family ? system->family : system->name))
			return true;
	}
	return false;
}
