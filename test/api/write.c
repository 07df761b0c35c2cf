// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#include "base/times.h"

void write_init(struct write *w)
{
	*w = (struct write){.subresource = ""};
	arena_init(&w->arena);
}

void write_finish(struct write *w)
{
	err_clear(&w->e);
	arena_finish(&w->arena);
}

static struct str quoted(struct arena *a, const char *text)
{
	char *out = arena_c(a, str_of(text));
	for (char *c = out; *c; c++)
		if (*c == '\'')
			*c = '"';
	return str_of(out);
}

static const struct api_resource *resource_of(struct write *w, struct str text)
{
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (json_parse(&w->arena, text, NULL, &tree, &e)) {
		unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(text), err_text(&e));
		unit_stop();
	}
	struct str version = json_str(tree, "apiVersion"), group = STR("");
	if (str_find(version, '/') >= 0)
		str_cut(version, '/', &group, &version);
	const struct api_resource *r = api_resource_by_kind(group, version, json_str(tree, "kind"));
	REQUIRE(r);
	return r;
}

static struct api_context context_of(struct write *w, const struct api_resource *r, struct str name)
{
	int64_t now;
	REQUIRE(!time_parse(STR("2026-01-01T00:00:00Z"), &now));
	w->warnings = json_array(&w->arena);
	return (struct api_context){.arena = &w->arena,
				    .now_ns = now,
				    .namespace = r->namespaced ? STR("ns") : STR(""),
				    .name = name,
				    .subresource = str_of(w->subresource),
				    .uid = STR("u-1"),
				    .suffix = STR("abcde"),
				    .user = STR("someone"),
				    .warnings = w->warnings};
}

static struct json *decoded(struct write *w, struct str text, const struct api_resource *r)
{
	struct json *object;
	if (api_decode(&w->arena, text, API_JSON, r->type, r, API_STRICT, NULL, &object, &w->e)) {
		unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(text), err_text(&w->e));
		unit_stop();
	}
	api_default(&w->arena, r, object);
	return object;
}

int write_create(struct write *w, const char *object)
{
	struct str text = quoted(&w->arena, object);
	const struct api_resource *r = resource_of(w, text);
	struct api_context c = context_of(w, r, STR(""));
	struct json *tree = decoded(w, text, r);
	if (api_prepare_create(&c, r, tree, &w->e) || api_validate_create(&c, r, tree, &w->e))
		return -1;
	w->object = tree;
	return 0;
}

int write_update(struct write *w, const char *old, const char *object)
{
	const char *subresource = w->subresource;
	w->subresource = "";
	REQUIRE(!write_create(w, old));
	w->subresource = subresource;
	struct str text = quoted(&w->arena, object);
	const struct api_resource *r = resource_of(w, text);
	struct json *tree = decoded(w, text, r), *before = w->object;
	struct api_context c = context_of(w, r, json_str(before, "metadata.name"));
	w->object = NULL;
	if (api_prepare_update(&c, r, tree, before, &w->e) || api_validate_update(&c, r, tree, before, &w->e))
		return -1;
	w->object = tree;
	return 0;
}

static const char *short_reason(const char *reason)
{
	size_t n = strlen("FieldValue");
	return strncmp(reason, "FieldValue", n) ? reason : reason + n;
}

static void compare(struct write *w, int failed, int line, const char *object, const char *causes)
{
	struct buf got CLEAN_BUF;
	buf_init(&got);
	for (size_t i = 0; i < w->e.cause_count; i++)
		buf_fmt(&got, "%s%s %s", i ? "; " : "", w->e.causes[i].field, short_reason(w->e.causes[i].reason));
	if (failed && !w->e.cause_count)
		buf_add_c(&got, err_text(&w->e));
	if (!str_is(buf_str(&got), causes))
		unit_fail(__FILE__, line, "%s\n    gives \"%.*s\"\n    not   \"%s\"", object, STR_FMT(buf_str(&got)),
			  causes);
}

void expect_create(int line, const char *object, const char *causes)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	int failed = write_create(&w, object);
	compare(&w, failed, line, object, causes);
}

void expect_update(int line, const char *subresource, const char *old, const char *object, const char *causes)
{
	struct write w CLEAN_WRITE;
	write_init(&w);
	w.subresource = subresource;
	int failed = write_update(&w, old, object);
	compare(&w, failed, line, object, causes);
}

void expect_warnings(int line, const char *subresource, const char *old, const char *object, const char *warnings)
{
	struct write w CLEAN_WRITE;
	struct buf said CLEAN_BUF;
	write_init(&w);
	buf_init(&said);
	w.subresource = subresource;
	if (old ? write_update(&w, old, object) : write_create(&w, object)) {
		unit_fail(__FILE__, line, "%s: %s", object, err_text(&w.e));
		return;
	}
	json_each(warning, w.warnings) {
		struct str path, text;
		str_cut(warning->text, ':', &path, &text);
		buf_fmt(&said, "%s%.*s", said.n ? "; " : "", STR_FMT(path));
	}
	if (!str_is(buf_str(&said), warnings))
		unit_fail(__FILE__, line, "%s\n  warns: %.*s\n  expected: %s", object, STR_FMT(buf_str(&said)), warnings);
}
