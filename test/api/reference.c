// SPDX-License-Identifier: Apache-2.0
#include "reference.h"

#include <dirent.h>
#include <stdlib.h>

#include "unit.h"

struct str reference_file(struct arena *a, const char *name)
{
	struct str path = arena_fmt(a, REFERENCE "%s", name);
	FILE *f = fopen(path.p, "rb");
	if (!f) {
		arena_finish(a); // a skipped test does not come to its end
		unit_skip("the reference is absent");
	}
	fseek(f, 0, SEEK_END);
	size_t size = (size_t)ftell(f);
	rewind(f);
	char *text = arena_alloc(a, size + 1);
	size_t got = fread(text, 1, size, f);
	fclose(f);
	return (struct str){text, got};
}

static int by_text(const void *a, const void *b)
{
	return str_cmp((*(struct json *const *)a)->text, (*(struct json *const *)b)->text);
}

struct json *reference_names(struct arena *a, const char *folder, const char *suffix)
{
	struct json *found[1000], *sorted = json_array(a);
	size_t n = 0;
	DIR *d = opendir(arena_fmt(a, REFERENCE "%s", folder).p);
	if (!d) {
		arena_finish(a);
		unit_skip("the reference is absent");
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (str_ends(str_of(entry->d_name), str_of(suffix)) && n < ARRAY_LEN(found))
			found[n++] = json_string(a, arena_str(a, str_of(entry->d_name)));
	closedir(d);
	qsort(found, n, sizeof *found, by_text);
	for (size_t i = 0; i < n; i++)
		json_push(sorted, found[i]);
	return sorted;
}

struct json *parse_or_stop(struct arena *a, struct str text)
{
	struct json *v = NULL;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (json_parse(a, text, NULL, &v, &e) < 0) {
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
		unit_stop();
	}
	return v;
}

const struct api_resource *resource_of(const struct json *object)
{
	struct str version = json_str(object, "apiVersion"), group = STR("");
	if (str_find(version, '/') >= 0)
		str_cut(version, '/', &group, &version);
	return api_resource_by_kind(group, version, json_str(object, "kind"));
}
