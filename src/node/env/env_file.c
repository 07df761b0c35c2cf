// SPDX-License-Identifier: Apache-2.0
#include "node/env/env_file.h"

static struct str skip_blanks(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_from(s, 1);
	return s;
}

static size_t count_lines(struct str whole, struct str rest)
{
	size_t lines = 1;
	for (size_t i = 0; i < whole.n - rest.n; i++)
		lines += whole.p[i] == '\n';
	return lines;
}

// What stands behind "NAME=": takes it, to the end of its last line, off *rest. false: it is no value.
static bool take_value(struct str *rest, struct str *value)
{
	struct str line, after;
	*value = STR_NONE;
	if (!rest->n || rest->p[0] == ' ' || rest->p[0] == '\t') { // nothing is assigned
		str_cut(*rest, '\n', &line, rest);
		return line.n > 0;
	}
	if (rest->p[0] != '\'' || !str_cut(str_from(*rest, 1), '\'', value, &after))
		return false;
	str_cut(after, '\n', &line, rest);
	line = skip_blanks(line);
	return !line.n || line.p[0] == '#' || str_is(line, "\r");
}

int env_file_find(struct str text, struct str name, struct str *value, struct err *e)
{
	struct str rest = text, line, found;
	*value = STR_NONE;
	for (;;) {
		rest = skip_blanks(rest);
		if (!rest.n)
			return 0;
		if (rest.p[0] == '\n' || rest.p[0] == '#' || str_starts(rest, STR("\r\n"))) {
			str_cut(rest, '\n', &line, &rest);
			continue;
		}
		ptrdiff_t equals = str_find(rest, '=');
		struct str key = str_sub(rest, 0, equals < 0 ? 0 : (size_t)equals);
		size_t number = count_lines(text, rest);
		rest = str_from(rest, key.n + 1);
		bool named = key.n && str_find(key, '\n') < 0 && key.p[key.n - 1] != ' ' && key.p[key.n - 1] != '\t';
		if (!named || !take_value(&rest, &found))
			return err_set(e, ERR_INVALID, "line %zu is not NAME='value'", number);
		if (str_eq(key, name)) {
			*value = found;
			return 0;
		}
	}
}
