// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/token_file.h"

enum { FIELDS_MAX = 4, GROUPS_MAX = 64 };

void token_file_init(struct token_file *f)
{
	map_init(&f->users);
	arena_init(&f->arena);
}

void token_file_finish(struct token_file *f)
{
	map_finish(&f->users);
	arena_finish(&f->arena);
}

// Takes one CSV field off *line; -1 on a quote that does not end.
static int next_field(struct arena *a, struct str *line, struct str *out)
{
	if (line->n == 0 || line->p[0] != '"') {
		str_cut(*line, ',', out, line);
		*out = str_trim(*out);
		return 0;
	}
	char *text = arena_alloc(a, line->n);
	size_t n = 0, i = 1;
	for (;; i++) {
		if (i >= line->n)
			return -1;
		if (line->p[i] == '"' && (i + 1 >= line->n || line->p[i + 1] != '"'))
			break;
		i += line->p[i] == '"';
		text[n++] = line->p[i];
	}
	*out = (struct str){text, n};
	*line = str_from(*line, i + 1);
	if (line->n && line->p[0] != ',')
		return -1;
	*line = str_from(*line, 1);
	return 0;
}

static int add_line(struct token_file *f, struct str line, int number, struct err *e)
{
	struct str fields[FIELDS_MAX] = {STR_NONE}, groups[GROUPS_MAX], group;
	size_t count = 0, group_count = 0;
	while (line.n && count < FIELDS_MAX)
		if (next_field(&f->arena, &line, &fields[count++]) < 0)
			return err_set(e, ERR_INVALID, "token file, line %d: a quote does not end", number);
	if (count < 3 || str_empty(fields[0]) || str_empty(fields[1]))
		return err_set(e, ERR_INVALID, "token file, line %d: it must be token,user,uid[,\"groups\"]", number);
	while (str_next(&fields[3], ',', &group) && group_count < GROUPS_MAX)
		if (!str_empty(str_trim(group)))
			groups[group_count++] = str_trim(group);
	struct user *u = ARENA_NEW(&f->arena, struct user);
	*u = user_make(&f->arena, fields[1], fields[2], groups, group_count);
	if (map_set(&f->users, fields[0], u))
		return err_set(e, ERR_INVALID, "token file, line %d: the token stands there twice", number);
	return 0;
}

int token_file_read(struct token_file *f, struct str text, struct err *e)
{
	struct str line;
	for (int number = 1; str_next(&text, '\n', &line); number++) {
		line = str_trim(line);
		if (line.n && line.p[0] != '#' && add_line(f, line, number, e) < 0)
			return -1;
	}
	return 0;
}

const struct user *token_file_find(const struct token_file *f, struct str token)
{
	return str_empty(token) ? NULL : map_get(&f->users, token);
}
