/* SPDX-License-Identifier: Apache-2.0 */
/* Files into lines; a backslash at the end joins the next one. */
#include <errno.h>
#include <stdlib.h>

#include "rules/text.h"

struct lines {
	struct rules_line line;
	char *text; /* of joined lines */
	size_t room, room_joints;
	uint32_t number; /* of the physical line */
};

static int add_joint(struct lines *lines, size_t at)
{
	struct rules_line *line = &lines->line;

	if (line->n_joints == lines->room_joints) {
		size_t room = lines->room_joints ? 2 * lines->room_joints : 8;
		struct rules_joint *more = reallocarray(line->joint, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		line->joint = more;
		lines->room_joints = room;
	}
	line->joint[line->n_joints++] = (struct rules_joint){ at, lines->number, 1 };
	return 0;
}

static int add_text(struct lines *lines, size_t len, struct span piece)
{
	if (len + piece.len > lines->room) {
		size_t room = 2 * (len + piece.len);
		char *more = realloc(lines->text, room);

		if (!more)
			return -ENOMEM;
		lines->text = more;
		lines->room = room;
	}
	if (piece.len)
		memcpy(lines->text + len, piece.at, piece.len);
	return 0;
}

static struct span next_line(struct span *rest)
{
	const char *end = memchr(rest->at, '\n', rest->len);
	size_t n = end ? (size_t)(end - rest->at) : rest->len;
	struct span line = span_make(rest->at, n);

	*rest = span_from(*rest, n + (end != NULL));
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool goes_on(struct span *line)
{
	struct span trimmed = span_trim(*line);

	if (trimmed.len == 0 || trimmed.at[trimmed.len - 1] != '\\' || trimmed.at[0] == '#')
		return false;
	line->len = (size_t)(trimmed.at + trimmed.len - 1 - line->at);
	return true;
}

/* The next line with what it continues in. */
static int take_line(struct lines *lines, struct span *rest)
{
	struct span piece = next_line(rest);
	size_t len = 0;
	int r;

	lines->number++;
	lines->line.n_joints = 0;
	r = add_joint(lines, 0);
	lines->line.text = piece;
	while (r == 0 && goes_on(&piece) && rest->len > 0) {
		r = add_text(lines, len, piece);
		len += piece.len;
		piece = next_line(rest);
		lines->number++;
		if (r == 0)
			r = add_joint(lines, len);
	}
	if (r == 0 && len > 0)
		r = add_text(lines, len, piece);
	if (r == 0 && len > 0)
		lines->line.text = span_make(lines->text, len + piece.len);
	return r;
}

int rules_lines(const char *file, struct span bytes,
	int (*take)(void *context, const struct rules_line *line), void *context)
{
	struct lines lines = { .line.file = file };
	int r = 0;

	while (r == 0 && bytes.len > 0) {
		r = take_line(&lines, &bytes);
		if (r == 0 && span_trim(lines.line.text).len > 0)
			r = take(context, &lines.line);
	}
	free(lines.line.joint);
	free(lines.text);
	return r;
}
