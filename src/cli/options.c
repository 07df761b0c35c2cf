// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "base/mem.h"
#include "base/str.h"

enum { WORD_MAX = 64, CANDIDATES_MAX = 64 };

// Levenshtein's distance, of the first WORD_MAX bytes.
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], n = strnlen(b, WORD_MAX);
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] && i < WORD_MAX; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t swap = diagonal + (a[i] != b[j]), drop = row[j + 1] + 1, add = row[j] + 1;
			diagonal = row[j + 1];
			row[j + 1] = swap < drop ? swap : drop;
			row[j + 1] = add < row[j + 1] ? add : row[j + 1];
		}
	}
	return row[n];
}

const char *options_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) / 3 + 2; // farther is no likeness
	for (size_t i = 0; i < count; i++) {
		size_t d = distance(word, candidates[i]);
		if (d < best_distance) {
			best_distance = d;
			best = candidates[i];
		}
	}
	return best;
}

static const struct option_spec *find(const struct command *c, struct str name)
{
	for (const struct option_spec *const *list = c->options; *list; list++)
		for (const struct option_spec *o = *list; o->name; o++)
			if (str_is(name, o->name))
				return o;
	return NULL;
}

static int unknown(const struct command *c, struct str name)
{
	const char *names[CANDIDATES_MAX] = {"help"};
	char word[WORD_MAX];
	size_t n = 1;
	for (const struct option_spec *const *list = c->options; *list; list++)
		for (const struct option_spec *o = *list; o->name && n < CANDIDATES_MAX; o++)
			names[n++] = o->name;
	str_to_c(name, word, sizeof word);
	const char *nearest = options_nearest(word, names, n);
	fprintf(stderr, "onggi %s: unknown option --%s%s%s%s; onggi %s --help lists all\n", c->name, word,
		nearest ? ", did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "", c->name);
	return -1;
}

static int set(const struct command *c, const struct option_spec *o, const char *value)
{
	int64_t number;
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->target = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)o->target = value;
		return 0;
	case OPTION_NUMBER:
		if (str_to_i64(str_of(value), &number) < 0 || number < 0) {
			fprintf(stderr, "onggi %s: --%s takes a number, not \"%s\"\n", c->name, o->name, value);
			return -1;
		}
		*(int64_t *)o->target = number;
		return 0;
	}
	return -1;
}

// argv[*i] is "--name" or "--name=value"; moves *i on when the value is a word of its own.
static int parse_one(const struct command *c, int argc, char **argv, int *i)
{
	struct str name, value;
	bool joined = str_cut(str_of(argv[*i] + 2), '=', &name, &value);
	const struct option_spec *o = find(c, name);
	if (!o)
		return unknown(c, name);
	if (o->kind == OPTION_FLAG && joined) {
		fprintf(stderr, "onggi %s: --%s takes no value\n", c->name, o->name);
		return -1;
	}
	if (o->kind != OPTION_FLAG && !joined && ++*i == argc) {
		fprintf(stderr, "onggi %s: --%s needs a value: --%s %s\n", c->name, o->name, o->name, o->argument);
		return -1;
	}
	return set(c, o, joined ? value.p ? value.p : "" : argv[*i]);
}

int options_parse(const struct command *c, int argc, char **argv, int *operand_count)
{
	*operand_count = 0;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			while (++i < argc)
				argv[(*operand_count)++] = argv[i];
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			options_help(c, stdout);
			return 1;
		} else if (argv[i][0] == '-' && argv[i][1] == '-') {
			if (parse_one(c, argc, argv, &i) < 0)
				return -1;
		} else {
			argv[(*operand_count)++] = argv[i];
		}
	}
	return 0;
}

static void print_default(const struct option_spec *o, FILE *to)
{
	const char *text = o->kind == OPTION_TEXT ? *(const char **)o->target : NULL;
	if (text && *text)
		fprintf(to, " (default %s)", text);
	if (o->kind == OPTION_NUMBER)
		fprintf(to, " (default %lld)", (long long)*(int64_t *)o->target);
}

void options_help(const struct command *c, FILE *to)
{
	bool any = c->options[0] != NULL;
	fprintf(to, "usage: onggi %s%s%s%s\n\n%s\n", c->name, any ? " [options]" : "", *c->operands ? " " : "",
		c->operands, c->summary);
	if (c->details)
		fprintf(to, "\n%s\n", c->details);
	if (any)
		fprintf(to, "\noptions:\n");
	for (const struct option_spec *const *list = c->options; *list; list++)
		for (const struct option_spec *o = *list; o->name; o++) {
			char left[WORD_MAX];
			snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
				 o->argument ? o->argument : "");
			fprintf(to, "  %-28s %s", left, o->help);
			print_default(o, to);
			fprintf(to, "\n");
		}
}
