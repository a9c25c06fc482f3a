/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/paste.h"

#include <string.h>

#define PASTE_END_MAX 64 /* of the word that ends a here document */

enum paste_mode { PASTE_COMMANDS, PASTE_HERE_DOCUMENT, PASTE_TYPED, PASTE_UU, PASTE_UU_BASE64 };

/* Bytes that grow. */
struct bytes {
	uint8_t *at;
	uint32_t len, room;
};

struct file {
	bool open, cut;
	uint64_t id, told; /* bytes of it that were told */
	struct bytes bytes;
	uint8_t name[PASTE_NAME_MAX];
	uint32_t name_len;
};

struct paste {
	struct paste_setter by; /* of the line at hand */
	enum paste_mode mode;
	bool tabs;      /* of a here document: those in front of a line are left out */
	bool plain;     /* of one whose end was in quotes: backslashes are not undone */
	bool joins;     /* the line before goes on */
	bool input_cut; /* more was typed than is kept */
	uint8_t quote;  /* that `line` leaves open */
	uint64_t next_id;
	size_t all;     /* bytes that it holds */
	uint32_t made;  /* bytes, of PASTE_MADE_MAX */
	unsigned depth; /* of lines that are run in lines */
	uint8_t end[PASTE_END_MAX];
	uint32_t end_len;
	struct bytes line;     /* a command whose quote goes on */
	struct bytes commands; /* to be run when what is typed into them has ended */
	struct bytes input;
	struct file *uu; /* that a block without a command is written to */
	unsigned oldest;
	struct file file[PASTE_FILES_MAX];
};

/* ---- bytes ---- */

static void bytes_free(struct paste *p, struct bytes *b)
{
	p->all -= b->room;
	proto_free(p->by.conn, b->at, b->room);
	*b = (struct bytes){ 0 };
}

static bool bytes_add(struct paste *p, struct bytes *b, struct cur c, uint32_t max)
{
	uint32_t need = b->len + (uint32_t)cur_left(&c), room = b->room ? b->room : 256;
	uint8_t *more;

	if (need > max)
		return false;
	while (room < need)
		room *= 2;
	if (room > b->room) {
		if (p->all + room > PASTE_ALL_MAX)
			return false;
		more = proto_alloc(p->by.conn, room);
		if (!more)
			return false;
		if (b->len)
			memcpy(more, b->at, b->len);
		proto_free(p->by.conn, b->at, b->room);
		p->all += room - b->room;
		b->at = more;
		b->room = room;
	}
	b->len += (uint32_t)cur_left(&c);
	cur_copy(&c, b->at + (b->len - (uint32_t)cur_left(&c)), cur_left(&c));
	return true;
}

static struct cur bytes_cur(const struct bytes *b)
{
	return cur_make(b->at, b->len);
}

/* ---- files ---- */

/* The next bytes of a file; `end`: it has no more. */
static void tell(struct paste *p, struct file *f, struct cur bytes, bool end)
{
	struct proto_file news = { .id = f->id,
		.name = (const char *)f->name,
		.name_len = f->name_len,
		.side = p->by.side,
		.offset = f->told,
		.size = f->told + cur_left(&bytes),
		.carried = f->told + cur_left(&bytes),
		.cut = f->cut };

	if (!news.size || (!cur_left(&bytes) && !end))
		return;
	news.tx = proto_tx_new(p->by.conn, NULL);
	if (!news.tx)
		return;
	f->told = news.size;
	if (cur_left(&bytes))
		proto_tx_file(news.tx, &news, bytes.at, cur_left(&bytes));
	news.end = end;
	news.offset = news.size;
	if (end)
		proto_tx_file(news.tx, &news, NULL, 0);
	proto_tx_done(news.tx, 0);
	proto_tx_done(news.tx, 1);
}

static void file_end(struct paste *p, struct file *f)
{
	if (f->open)
		tell(p, f, bytes_cur(&f->bytes), true);
	bytes_free(p, &f->bytes);
	f->open = false;
}

static struct cur file_name(const struct file *f)
{
	return cur_make(f->name, f->name_len);
}

static struct file *file_find(struct paste *p, struct cur name)
{
	cur_limit(&name, PASTE_NAME_MAX);
	for (unsigned i = 0; i < PASTE_FILES_MAX; i++)
		if (p->file[i].open && text_same(file_name(&p->file[i]), name))
			return &p->file[i];
	return NULL;
}

static struct file *file_new(struct paste *p, struct cur name)
{
	struct file *f = NULL;

	for (unsigned i = 0; i < PASTE_FILES_MAX && !f; i++)
		if (!p->file[i].open)
			f = &p->file[i];
	if (!f)
		f = &p->file[p->oldest++ % PASTE_FILES_MAX];
	file_end(p, f);
	cur_limit(&name, PASTE_NAME_MAX);
	*f = (struct file){
		.open = true, .id = p->next_id++, .name_len = (uint32_t)cur_left(&name)
	};
	cur_copy(&name, f->name, f->name_len);
	return f;
}

/* What is more than is kept is told, and not kept. */
static void file_add(struct paste *p, struct file *f, struct cur data)
{
	if (bytes_add(p, &f->bytes, data, PASTE_KEEP_MAX))
		return;
	tell(p, f, bytes_cur(&f->bytes), false);
	bytes_free(p, &f->bytes);
	tell(p, f, data, false);
}

/* Devices keep nothing. */
static bool is_device(struct cur name)
{
	static const char *const begins[] = { "/dev/null", "/dev/tty", "/dev/std", "/dev/fd",
		"/dev/console", "/proc/", "/sys/" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (cur_left(&name) >= strlen(begins[i]) &&
			memcmp(name.at, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static void write_file(struct paste *p, struct cur name, bool append, struct cur data, bool cut)
{
	struct file *f;

	if (!cur_left(&name) || is_device(name))
		return;
	f = file_find(p, name);
	if (f && !append) {
		file_end(p, f);
		f = NULL;
	}
	if (!f)
		f = file_new(p, name);
	f->cut |= cut;
	file_add(p, f, data);
}

/* It is whole, and has perhaps no name. */
static void write_whole(struct paste *p, struct cur name, struct cur data, bool cut)
{
	struct file *f = file_new(p, name);

	f->cut = cut;
	file_add(p, f, data);
	file_end(p, f);
}

/* ---- commands ---- */

enum stage_result {
	STAGE_UNKNOWN, /* nobody knows what it says */
	STAGE_SAYS,
	STAGE_ASKS /* what is typed next */
};

struct stage {
	struct cur word[PASTE_WORDS_MAX];
	unsigned n;
	struct cur in, out, here; /* of redirections */
	bool has_in, has_out, append, has_here, here_text, tabs, plain;
};

/* What flows from one command of a pipeline into the next. */
struct run {
	struct paste *p;
	struct cur line;         /* the commands, as they were typed */
	const struct cur *input; /* what was typed into it; NULL: it was not asked yet */
	struct out *said;        /* by the command at hand */
	struct cur data;         /* by the one before */
	struct cur group;        /* by those in the parentheses before it */
	bool piped;              /* there is one before */
	bool decoded;
};

static struct cur word_of(const struct stage *s, unsigned n)
{
	return n < s->n ? s->word[n] : (struct cur){ 0 };
}

/* Without directories. */
static struct cur base_name(struct cur c)
{
	while (cur_left(&c) && memchr(c.at, '/', cur_left(&c)))
		text_until(&c, '/');
	return c;
}

/* Words that only say how to run the rest. */
static unsigned first_word(const struct stage *s)
{
	static const char *const before[] = { "busybox", "sudo", "command", "exec", "nohup",
		"env" };
	unsigned n = 0;

	while (n < s->n) {
		struct cur base = base_name(s->word[n]);
		bool skips = cur_left(&base) && memchr(base.at, '=', cur_left(&base));

		for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
			skips |= text_is(base, before[i]);
		if (!skips)
			break;
		n++;
	}
	return n;
}

/* The first word behind the command that is no option; `skip`: options that have a value. */
static struct cur operand(const struct stage *s, unsigned n, const char *skip)
{
	for (n++; n < s->n; n++) {
		struct cur word = s->word[n];

		if (cur_ahead(word, 0) != '-')
			return word;
		if (cur_left(&word) == 2 && strchr(skip, cur_ahead(word, 1)))
			n++;
	}
	return (struct cur){ 0 };
}

static bool has_option(const struct stage *s, const char *option)
{
	for (unsigned i = 1; i < s->n; i++)
		if (text_is(s->word[i], option))
			return true;
	return false;
}

static struct cur option_value(const struct stage *s, const char *option)
{
	for (unsigned i = 1; i + 1 < s->n; i++)
		if (text_is(s->word[i], option))
			return s->word[i + 1];
	return (struct cur){ 0 };
}

/* For bytes that were not typed for this. */
static bool spend(struct run *r, size_t len)
{
	if (len > PASTE_MADE_MAX - r->p->made)
		return false;
	r->p->made += (uint32_t)len;
	return true;
}

static bool read_file(struct run *r, struct cur name, struct cur *ret_data)
{
	const struct file *f = file_find(r->p, name);

	if (!f || f->told || f->cut || !spend(r, f->bytes.len))
		return false;
	*ret_data = bytes_cur(&f->bytes);
	return true;
}

/* What a command reads that names no file. */
static enum stage_result read_input(struct run *r, const struct stage *s, struct cur *ret_data)
{
	if (s->here_text) {
		*ret_data = s->here;
		return STAGE_SAYS;
	}
	if (s->has_in)
		return read_file(r, s->in, ret_data) ? STAGE_SAYS : STAGE_UNKNOWN;
	if (r->piped && !s->has_here) {
		*ret_data = r->data;
		return STAGE_SAYS;
	}
	if (!r->input)
		return STAGE_ASKS;
	*ret_data = *r->input;
	return STAGE_SAYS;
}

static enum stage_result read_operand(
	struct run *r, const struct stage *s, struct cur name, struct cur *ret_data)
{
	if (!cur_left(&name) || text_is(name, "-"))
		return read_input(r, s, ret_data);
	return read_file(r, name, ret_data) ? STAGE_SAYS : STAGE_UNKNOWN;
}

static void say(struct run *r, struct cur c)
{
	if (cur_left(&c))
		out_bytes(r->said, (const char *)c.at, cur_left(&c));
}

/* -n, -e, -E and what is put together of them */
static bool take_echo_option(struct cur word, bool *line_end, bool *escapes)
{
	bool n = false, e = *escapes;

	if (cur_left(&word) < 2 || cur_u8(&word) != '-')
		return false;
	while (cur_left(&word)) {
		uint8_t byte = cur_u8(&word);

		if (byte != 'n' && byte != 'e' && byte != 'E')
			return false;
		n |= byte == 'n';
		e = byte == 'n' ? e : byte == 'e';
	}
	*line_end &= !n;
	*escapes = e;
	return true;
}

static enum stage_result run_echo(struct run *r, const struct stage *s, unsigned n)
{
	bool line_end = true, escapes = false;

	n++;
	while (n < s->n && take_echo_option(s->word[n], &line_end, &escapes))
		n++;
	for (unsigned i = n; i < s->n; i++) {
		if (i > n)
			out_char(r->said, ' ');
		if (!escapes)
			say(r, s->word[i]);
		else if (!paste_echo(s->word[i], r->said))
			return STAGE_SAYS;
	}
	if (line_end)
		out_char(r->said, '\n');
	return STAGE_SAYS;
}

static enum stage_result run_cat(struct run *r, const struct stage *s, unsigned n)
{
	enum stage_result result = STAGE_SAYS;
	struct cur data;

	if (n + 1 >= s->n) {
		result = read_input(r, s, &data);
		if (result == STAGE_SAYS)
			say(r, data);
		return result;
	}
	for (unsigned i = n + 1; i < s->n && result == STAGE_SAYS; i++) {
		result = read_operand(r, s, s->word[i], &data);
		if (result == STAGE_SAYS)
			say(r, data);
	}
	return result;
}

static enum stage_result decode(struct run *r, const struct stage *s, struct cur name,
	bool (*undo)(struct cur, struct out *))
{
	struct cur data;
	enum stage_result result = read_operand(r, s, name, &data);

	if (result != STAGE_SAYS)
		return result;
	r->decoded = undo(data, r->said);
	return r->decoded ? STAGE_SAYS : STAGE_UNKNOWN;
}

static enum stage_result run_openssl(struct run *r, const struct stage *s)
{
	enum stage_result result;
	struct cur to = option_value(s, "-out");

	if (!has_option(s, "-d") ||
		(!has_option(s, "base64") && !has_option(s, "-base64") && !has_option(s, "-a")))
		return STAGE_UNKNOWN;
	result = decode(r, s, option_value(s, "-in"), paste_base64);
	if (result == STAGE_SAYS && cur_left(&to)) {
		write_file(r->p, to, false, cur_make(r->said->at, r->said->len), !out_ok(r->said));
		r->said->len = 0;
		r->decoded = false;
	}
	return result;
}

/* To standard output, or in place: what it makes of x.gz is x. */
static enum stage_result run_gunzip(struct run *r, const struct stage *s, unsigned n)
{
	struct cur data, name = operand(s, n, "S");
	enum stage_result result = read_operand(r, s, name, &data);

	if (result != STAGE_SAYS)
		return result;
	r->decoded = paste_gunzip(data, r->said);
	if (!r->decoded || !spend(r, r->said->len))
		return STAGE_UNKNOWN;
	if (cur_left(&name) < 4 || s->has_out || has_option(s, "-c") || has_option(s, "-dc"))
		return STAGE_SAYS;
	cur_limit(&name, cur_left(&name) - strlen(".gz"));
	write_whole(r->p, name, cur_make(r->said->at, r->said->len), !out_ok(r->said));
	r->said->len = 0;
	r->decoded = false;
	return STAGE_SAYS;
}

/* certutil -decode FROM TO, of Windows: Base64, perhaps between the lines of a certificate. */
static enum stage_result run_certutil(struct run *r, const struct stage *s, unsigned n)
{
	struct cur data, to;

	if (s->n < n + 4 || (!has_option(s, "-decode") && !has_option(s, "/decode")) ||
		!read_file(r, s->word[s->n - 2], &data))
		return STAGE_UNKNOWN;
	to = s->word[s->n - 1];
	while (cur_left(&data)) {
		struct cur line = text_until(&data, '\n');

		if (cur_ahead(line, 0) != '-' && !paste_base64(line, r->said))
			return STAGE_UNKNOWN;
	}
	write_whole(r->p, to, cur_make(r->said->at, r->said->len), !out_ok(r->said));
	r->said->len = 0;
	return STAGE_UNKNOWN;
}

/* The first block of a text. */
static bool undo_uu(struct cur text, struct out *o, struct cur *ret_name)
{
	bool base64 = false, last = false, found = false;

	while (cur_left(&text) && !found)
		found = paste_uu_begin(text_trim(text_until(&text, '\n')), ret_name, &base64);
	while (found && cur_left(&text) && !last) {
		struct cur line = text_until(&text, '\n');

		if (base64 && text_is(text_trim(line), "===="))
			return true;
		if (!(base64 ? paste_base64(line, o) : paste_uu_line(line, o, &last)))
			return false;
	}
	return last;
}

static enum stage_result run_uudecode(struct run *r, const struct stage *s, unsigned n)
{
	struct cur data, name, to = option_value(s, "-o");
	enum stage_result result = read_operand(r, s, operand(s, n, "o"), &data);

	if (result != STAGE_SAYS)
		return result;
	if (!undo_uu(data, r->said, &name))
		return STAGE_UNKNOWN;
	if (!cur_left(&to))
		to = name;
	if (s->has_out || text_is(to, "/dev/stdout") || text_is(to, "-"))
		return STAGE_SAYS;
	write_whole(r->p, to, cur_make(r->said->at, r->said->len), !out_ok(r->said));
	r->said->len = 0;
	return STAGE_SAYS;
}

static enum stage_result run_tee(struct run *r, const struct stage *s, unsigned n)
{
	struct cur data, to = operand(s, n, "");
	enum stage_result result = read_input(r, s, &data);

	if (result != STAGE_SAYS)
		return result;
	if (!spend(r, cur_left(&data)))
		return STAGE_UNKNOWN;
	say(r, data);
	write_file(r->p, to, has_option(s, "-a"), cur_make(r->said->at, r->said->len),
		!out_ok(r->said));
	r->decoded = false; /* it has a name now */
	return STAGE_SAYS;
}

static bool is_shell(struct cur name)
{
	return text_is(name, "sh") || text_is(name, "bash") || text_is(name, "ash") ||
	       text_is(name, "dash") || text_is(name, "su");
}

static void run_line(struct paste *p, struct cur c, const struct cur *input);

/* sh -c 'line', su -c 'line' */
static enum stage_result run_shell(struct run *r, const struct stage *s)
{
	struct cur line = option_value(s, "-c");

	if (cur_left(&line))
		run_line(r->p, line, NULL);
	else if (r->piped && r->decoded)
		write_whole(r->p, (struct cur){ 0 }, r->data, false);
	r->decoded = false;
	return STAGE_UNKNOWN;
}

static void write_by_code(void *context, struct cur name, bool append, struct cur data)
{
	struct run *r = context;

	if (cur_left(&name))
		write_file(r->p, name, append, data, false);
	else
		write_whole(r->p, name, data, false);
}

/* python -c, perl -e, php -r; or what is piped or typed into them. */
static enum stage_result run_code(
	struct run *r, const struct stage *s, enum paste_language language)
{
	static const char *const options[] = {
		[PASTE_PYTHON] = "-c", [PASTE_PERL] = "-e", [PASTE_PHP] = "-r"
	};
	const struct paste_code code = {
		.language = language, .write = write_by_code, .context = r
	};
	struct cur text = option_value(s, options[language]);
	enum stage_result result = STAGE_SAYS;

	if (!cur_left(&text) && r->piped && r->decoded)
		return run_shell(r, s);
	if (!cur_left(&text))
		result = s->has_here || s->here_text || r->piped ? read_input(r, s, &text)
								 : STAGE_UNKNOWN;
	r->decoded = false;
	if (result == STAGE_SAYS)
		paste_code(&code, text, r->said);
	return result == STAGE_SAYS && !r->said->len ? STAGE_UNKNOWN : result;
}

/* Where it puts it, unless it is not at the beginning or not all. */
static enum stage_result run_dd(struct run *r, const struct stage *s, unsigned n)
{
	static const char *const parts[] = {
		"seek=", "skip=", "count=", "conv=", "oflag=", "iflag="
	};
	struct cur to = { 0 }, from = { 0 }, data;
	enum stage_result result;

	for (n++; n < s->n; n++) {
		struct cur value = s->word[n];

		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (text_begins(value, parts[i]))
				return STAGE_UNKNOWN;
		cur_skip(&value, cur_left(&value) < 3 ? cur_left(&value) : 3);
		if (text_begins(s->word[n], "of="))
			to = value;
		else if (text_begins(s->word[n], "if="))
			from = value;
	}
	result = read_operand(r, s, from, &data);
	if (result != STAGE_SAYS)
		return result;
	if (!cur_left(&to)) {
		say(r, data);
		return STAGE_SAYS;
	}
	write_file(r->p, to, false, data, false);
	r->decoded = false;
	return STAGE_SAYS;
}

/* Without a pipe it asks whoever is there (proto/shell.h). */
static enum stage_result run_passwd(
	struct run *r, const struct stage *s, struct cur name, unsigned n)
{
	struct cur input = { 0 };

	r->decoded = false;
	if ((s->has_here || s->here_text || s->has_in || r->piped) &&
		read_input(r, s, &input) == STAGE_ASKS)
		return STAGE_ASKS;
	paste_passwd(&r->p->by, name, s->word + n, s->n - n, r->line, input);
	return STAGE_UNKNOWN;
}

/* Those that run other lines, and those that set passwords. */
static enum stage_result run_other(
	struct run *r, const struct stage *s, struct cur name, unsigned n)
{
	if (paste_sets_password(name))
		return run_passwd(r, s, name, n);
	if (text_begins(name, "python"))
		return run_code(r, s, PASTE_PYTHON);
	if (text_begins(name, "perl"))
		return run_code(r, s, PASTE_PERL);
	if (text_begins(name, "php"))
		return run_code(r, s, PASTE_PHP);
	if (is_shell(name))
		return run_shell(r, s);
	r->decoded = false;
	return STAGE_UNKNOWN;
}

static enum stage_result run_stage(struct run *r, const struct stage *s)
{
	unsigned n = first_word(s);
	struct cur name = base_name(word_of(s, n));

	if (!s->n) { /* "> file", or what follows ")" */
		say(r, r->group);
		return STAGE_SAYS;
	}
	if (text_is(name, "echo"))
		return run_echo(r, s, n);
	if (text_is(name, "printf")) {
		paste_printf(s->word + n + 1, s->n - n > 1 ? s->n - n - 1 : 0, r->said);
		return STAGE_SAYS;
	}
	if (text_is(name, "cat"))
		return run_cat(r, s, n);
	if (text_is(name, "base64") &&
		(has_option(s, "-d") || has_option(s, "--decode") || has_option(s, "-di")))
		return decode(r, s, operand(s, n, "w"), paste_base64);
	if (text_is(name, "xxd") && (has_option(s, "-r") || has_option(s, "-rp")))
		return decode(r, s, operand(s, n, ""), paste_hex);
	if (text_is(name, "openssl"))
		return run_openssl(r, s);
	if (text_is(name, "uudecode"))
		return run_uudecode(r, s, n);
	if (text_is(name, "tee"))
		return run_tee(r, s, n);
	if (text_is(name, "certutil") || text_is(name, "certutil.exe"))
		return run_certutil(r, s, n);
	if (text_is(name, "gunzip") || text_is(name, "zcat") ||
		(text_is(name, "gzip") && (has_option(s, "-d") || has_option(s, "-dc"))))
		return run_gunzip(r, s, n);
	if (text_is(name, "dd"))
		return run_dd(r, s, n);
	return run_other(r, s, name, n);
}

/* ---- lines ---- */

/* One command up to the operator behind it, which is returned. */
static enum paste_token read_stage(struct cur *c, struct out *words, struct stage *ret_stage)
{
	struct stage *s = ret_stage;
	enum paste_token token = PASTE_WORD, before = PASTE_WORD;
	unsigned fd = 0;

	*s = (struct stage){ 0 };
	for (;;) {
		size_t at = words->len;
		struct cur word, typed = *c;

		token = paste_next(c, words, &fd);
		typed.end = c->at;
		if (token == PASTE_NEXT || token == PASTE_PIPE || token == PASTE_END ||
			token == PASTE_OPEN)
			return token;
		if (token != PASTE_WORD) {
			before = token;
			continue;
		}
		if (before == PASTE_HERE_TEXT)
			out_char(words, '\n'); /* there is room: "<<<" is in no word */
		word = cur_make(words->at + at, words->len - at);
		if (before == PASTE_WORD && s->n < PASTE_WORDS_MAX) {
			s->word[s->n++] = word;
		} else if ((before == PASTE_OUT || before == PASTE_APPEND) && fd == 1) {
			s->out = word;
			s->has_out = true;
			s->append = before == PASTE_APPEND;
		} else if (before == PASTE_IN) {
			s->in = word;
			s->has_in = true;
		} else if (before == PASTE_HERE || before == PASTE_HERE_TABS ||
			   before == PASTE_HERE_TEXT) {
			s->here = word;
			s->here_text = before == PASTE_HERE_TEXT;
			s->has_here = !s->here_text;
			s->tabs = before == PASTE_HERE_TABS;
			s->plain = text_has(typed, "'") || text_has(typed, "\"") ||
				   text_has(typed, "\\");
		}
		before = PASTE_WORD;
	}
}

static void keep_end(struct paste *p, const struct stage *s)
{
	struct cur end = s->here;

	cur_limit(&end, PASTE_END_MAX);
	p->end_len = (uint32_t)cur_left(&end);
	cur_copy(&end, p->end, p->end_len);
	p->tabs = s->tabs;
	p->plain = s->plain;
	p->joins = false;
}

/* From here on lines are typed into `commands`. */
static void begin_input(struct paste *p, const struct stage *s, struct cur commands)
{
	bool here = s->has_here;

	if (!here && !text_has(commands, ">") && !text_has(commands, "uudecode"))
		return; /* it is only shown */
	p->commands.len = p->input.len = 0;
	p->input_cut = false;
	if (!bytes_add(p, &p->commands, commands, PASTE_LINE_MAX))
		return;
	keep_end(p, s);
	p->mode = here ? PASTE_HERE_DOCUMENT : PASTE_TYPED;
}

/* A command has said what it says. */
static void end_stage(struct run *r, const struct stage *s, enum stage_result result, bool last)
{
	struct cur said = cur_make(r->said->at, r->said->len);
	bool cut = !out_ok(r->said) || (r->input && r->p->input_cut);

	if (result == STAGE_SAYS && s->has_out)
		write_file(r->p, s->out, s->append, said, cut);
	else if (result == STAGE_SAYS && last && r->decoded && cur_left(&said))
		write_whole(r->p, (struct cur){ 0 }, said, cut);
}

enum { GROUP = 2, ROOMS };

/* The two buffers that take turns, and that of what is said in parentheses. */
struct room {
	char *at[ROOMS];
	size_t size;
	struct out group;
	bool open;
};

/* The operator behind a pipeline: ( and ) begin and end a group of them. */
static void see_group(struct room *room, struct cur behind)
{
	if (behind.at[-1] == '(')
		room->group = out_make(room->at[GROUP], room->at[GROUP] ? room->size : 0);
	room->open = behind.at[-1] != ')' && (room->open || behind.at[-1] == '(');
}

/* One pipeline. False: the rest of the line waits for what is typed. */
static bool run_pipeline(struct paste *p, struct cur *c, struct out *words, struct room *room,
	const struct cur *input)
{
	struct run r = { .p = p, .line = *c, .input = input };
	enum paste_token token = PASTE_PIPE;
	struct cur commands = *c;
	bool known = true;
	unsigned n = 0;

	if (!room->open && room->group.len && out_ok(&room->group))
		r.group = cur_make(room->group.at, room->group.len);
	while (token == PASTE_PIPE) {
		struct out said = out_make(room->at[n++ % 2], room->size);
		enum stage_result result = STAGE_UNKNOWN;
		struct stage s;

		token = read_stage(c, words, &s);
		r.said = &said;
		if (known)
			result = run_stage(&r, &s);
		if (result == STAGE_ASKS && !input) {
			begin_input(p, &s, commands);
			return p->mode == PASTE_COMMANDS;
		}
		known = result == STAGE_SAYS;
		end_stage(&r, &s, result, token != PASTE_PIPE);
		if (token == PASTE_NEXT && known && room->open && !s.has_out)
			out_bytes(&room->group, said.at, said.len);
		r.data = cur_make(said.at, s.has_out ? 0 : said.len);
		r.group = (struct cur){ 0 };
		r.piped = true;
	}
	if (!room->open)
		room->group.len = 0;
	if (token == PASTE_NEXT)
		see_group(room, *c);
	return token == PASTE_NEXT;
}

static void run_line(struct paste *p, struct cur c, const struct cur *input)
{
	size_t len = cur_left(&c) + (input ? cur_left(input) : 0) + p->all + 1;
	struct room room = { .size = len < PASTE_ALL_MAX ? len : PASTE_ALL_MAX };
	size_t words_size = cur_left(&c) + 1;
	bool grows = text_has(c, "zip") || text_has(c, "zcat");
	char *words;

	if (p->depth == PASTE_DEPTH_MAX)
		return;
	p->depth++;
	words = proto_alloc(p->by.conn, words_size);

	if (grows && room.size < PASTE_GROWN_MAX)
		room.size = PASTE_GROWN_MAX;
	for (unsigned i = 0; i < (text_has(c, "(") ? ROOMS : GROUP); i++)
		room.at[i] = proto_alloc(p->by.conn, room.size);
	if (words && room.at[0] && room.at[1]) {
		struct out o = out_make(words, words_size);

		while (cur_left(&c) && run_pipeline(p, &c, &o, &room, input))
			input = NULL;
	}
	for (unsigned i = 0; i < ROOMS; i++)
		proto_free(p->by.conn, room.at[i], room.size);
	proto_free(p->by.conn, words, words_size);
	p->depth--;
}

static bool is_code(struct cur c)
{
	return text_has(c, "python") || text_has(c, "perl") || text_has(c, "php");
}

/* Most lines write no file, and set no password. */
static bool is_of_interest(struct cur c)
{
	static const char *const words[] = { ">", "<<", "base64", "uudecode", "xxd", "tee ",
		"of=", "openssl", "gunzip", "gzip", "certutil", "passwd", "useradd", "usermod",
		"mysqladmin", " user " };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_has(c, words[i]))
			return true;
	return is_code(c);
}

/* Only what says bytes is worth to wait for the end of its quote. */
static bool may_go_on(struct cur c)
{
	return text_has(c, "echo") || text_has(c, "printf") ||
	       (is_code(c) && (text_has(c, " -c") || text_has(c, " -e") || text_has(c, " -r")));
}

static void begin_uu(struct paste *p, struct cur name, bool base64)
{
	p->uu = file_new(p, name);
	p->mode = base64 ? PASTE_UU_BASE64 : PASTE_UU;
}

/* The line goes to those before it. False: it stands alone. */
static bool join_line(struct paste *p, struct cur c)
{
	static const uint8_t end[] = { '\n' };

	if (p->line.len && bytes_add(p, &p->line, cur_make(end, 1), PASTE_LINE_MAX) &&
		bytes_add(p, &p->line, c, PASTE_LINE_MAX))
		return true;
	p->line.len = 0;
	p->quote = 0;
	return false;
}

static void take_command(struct paste *p, struct cur c)
{
	struct cur name;
	bool base64, joined;

	if (paste_uu_begin(c, &name, &base64)) {
		begin_uu(p, name, base64);
		return;
	}
	joined = join_line(p, c);
	if ((joined || may_go_on(c)) && paste_goes_on(c, &p->quote) &&
		(joined || bytes_add(p, &p->line, c, PASTE_LINE_MAX)))
		return;
	if (joined)
		c = bytes_cur(&p->line);
	if (is_of_interest(c))
		run_line(p, c, NULL);
	bytes_free(p, &p->line);
}

static void end_input(struct paste *p)
{
	struct bytes commands = p->commands, input = p->input;
	struct cur typed = bytes_cur(&input);

	p->mode = PASTE_COMMANDS;
	p->commands = p->input = (struct bytes){ 0 };
	run_line(p, bytes_cur(&commands), &typed);
	bytes_free(p, &commands);
	bytes_free(p, &input);
}

static void add_part(struct paste *p, struct cur part)
{
	p->input_cut |= !bytes_add(p, &p->input, part, PASTE_KEEP_MAX);
}

static void add_line_end(struct paste *p)
{
	static const uint8_t end[] = { '\n' };

	add_part(p, cur_make(end, 1));
}

static void add_input(struct paste *p, struct cur line)
{
	add_part(p, line);
	add_line_end(p);
}

/* POSIX, Shell Command Language, 2.7.4: backslashes are those of double quotes, but for the quote itself. What a shell
 * would put for variables is not known here: they stay. */
static void add_here_line(struct paste *p, struct cur line)
{
	p->joins = false;
	while (cur_left(&line) && !p->joins) {
		struct cur part = line;

		while (cur_left(&line) && cur_ahead(line, 0) != '\\')
			cur_skip(&line, 1);
		part.end = line.at;
		add_part(p, part);
		p->joins = cur_left(&line) == 1;
		part = line;
		cur_limit(&part, 2);
		if (cur_left(&part) == 2 && memchr("$`\\", part.at[1], 3))
			cur_skip(&part, 1);
		cur_skip(&line, cur_left(&line) < 2 ? cur_left(&line) : 2);
		if (!p->joins)
			add_part(p, part);
	}
	if (!p->joins)
		add_line_end(p);
}

static void take_here(struct paste *p, struct cur line)
{
	while (p->tabs && cur_ahead(line, 0) == '\t')
		cur_skip(&line, 1);
	if (!p->joins && text_same(line, cur_make(p->end, p->end_len)))
		end_input(p);
	else if (p->plain)
		add_input(p, line);
	else
		add_here_line(p, line);
}

/* Up to ^D. */
static void take_typed(struct paste *p, struct cur line)
{
	enum { END_OF_INPUT = 'D' & 31 };
	struct cur before;

	if (!cur_left(&line) || !memchr(line.at, END_OF_INPUT, cur_left(&line))) {
		add_input(p, line);
		return;
	}
	before = text_until(&line, END_OF_INPUT);
	if (cur_left(&before))
		add_input(p, before);
	end_input(p);
	while (cur_ahead(line, 0) == END_OF_INPUT)
		cur_skip(&line, 1);
	if (cur_left(&line))
		take_command(p, line);
}

static void end_uu(struct paste *p, bool cut)
{
	p->uu->cut |= cut;
	file_end(p, p->uu);
	p->uu = NULL;
	p->mode = PASTE_COMMANDS;
}

static void take_uu(struct paste *p, struct cur line)
{
	char text[256];
	struct out o = out_make(text, sizeof(text));
	bool last = false, good;

	if (text_is(text_trim(line), p->mode == PASTE_UU ? "end" : "====")) {
		end_uu(p, false);
		return;
	}
	good = p->mode == PASTE_UU ? paste_uu_line(line, &o, &last) : paste_base64(line, &o);
	if (good && out_ok(&o))
		file_add(p, p->uu, cur_make(o.at, o.len));
	else
		end_uu(p, true);
}

static void take_line(struct paste *p, struct cur line)
{
	switch (p->mode) {
	case PASTE_HERE_DOCUMENT:
		take_here(p, line);
		break;
	case PASTE_TYPED:
		take_typed(p, line);
		break;
	case PASTE_UU:
	case PASTE_UU_BASE64:
		take_uu(p, line);
		break;
	default:
		if (cur_left(&line) || p->line.len)
			take_command(p, line);
	}
}

void paste_line(struct paste **paste, const struct paste_setter *by, struct cur line)
{
	struct cur name;
	bool base64;

	if (!*paste) {
		if (!is_of_interest(line) && !may_go_on(line) &&
			!paste_uu_begin(line, &name, &base64))
			return;
		*paste = proto_alloc(by->conn, sizeof(**paste));
		if (!*paste)
			return;
	}
	(*paste)->by = *by;
	take_line(*paste, line);
	(*paste)->by.who = (struct cur){ 0 };
}

void paste_stop(struct paste *p)
{
	if (!p)
		return;
	if (p->uu)
		end_uu(p, true);
	p->mode = PASTE_COMMANDS;
	bytes_free(p, &p->line);
	bytes_free(p, &p->commands);
	bytes_free(p, &p->input);
}

void paste_end(struct paste **paste, struct proto_conn *conn)
{
	struct paste *p = *paste;

	if (!p)
		return;
	if (p->mode == PASTE_HERE_DOCUMENT || p->mode == PASTE_TYPED) {
		p->input_cut |= p->mode == PASTE_HERE_DOCUMENT;
		end_input(p);
	}
	paste_stop(p);
	for (unsigned i = 0; i < PASTE_FILES_MAX; i++)
		file_end(p, &p->file[i]);
	proto_free(conn, p, sizeof(*p));
	*paste = NULL;
}
