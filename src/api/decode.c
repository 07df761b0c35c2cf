// SPDX-License-Identifier: Apache-2.0
// Bodies of requests: media type, text to tree, the right kind, the right shape.
#include "api/conform.h"
#include "api/object.h"

int api_media_of(struct str content_type, enum api_media *out, struct err *e)
{
	struct str name, parameters;
	str_cut(content_type, ';', &name, &parameters);
	name = str_trim(name);
	if (name.n == 0 || str_eq_nocase(name, STR("application/json")))
		*out = API_JSON;
	else if (str_eq_nocase(name, STR("application/yaml")))
		*out = API_YAML;
	else if (str_eq_nocase(name, STR("application/vnd.kubernetes.protobuf")))
		*out = API_PROTOBUF;
	else
		return err_set(e, ERR_UNSUPPORTED_MEDIA,
			       "the body's media type is not known: send application/json, application/yaml or "
			       "application/vnd.kubernetes.protobuf");
	return 0;
}

enum { WARNINGS_MAX = 100 };

void api_warn(struct arena *a, struct json *warnings, struct str text)
{
	if (!warnings || warnings->count >= WARNINGS_MAX)
		return;
	json_each(warning, warnings)
		if (str_eq(warning->text, text))
			return;
	json_push(warnings, json_string(a, text));
}

static struct str version_of(struct arena *a, const struct api_type *t)
{
	return t->group.n ? arena_fmt(a, "%.*s/%.*s", STR_FMT(t->group), STR_FMT(t->version)) : t->version;
}

// apiVersion and kind are the type's own; absent ones are filled in.
static int check_kind(struct arena *a, struct json *tree, const struct api_type *type, struct err *e)
{
	struct json *version = json_get(tree, STR("apiVersion")), *kind = json_get(tree, STR("kind"));
	struct str own = version_of(a, type);
	if (type->kind.n == 0)
		return 0;
	if (kind && !str_eq(kind->text, type->kind))
		return err_set(e, ERR_BAD_REQUEST, "the body holds a %.*s where a %.*s belongs", STR_FMT(kind->text),
			       STR_FMT(type->kind));
	if (version && !str_eq(version->text, own))
		return err_set(e, ERR_BAD_REQUEST, "the body is a %.*s of version \"%.*s\", not \"%.*s\"",
			       STR_FMT(type->kind), STR_FMT(version->text), STR_FMT(own));
	if (!version)
		json_put_str(a, tree, "apiVersion", own);
	if (!kind)
		json_put_str(a, tree, "kind", type->kind);
	return 0;
}

// Where in the text a fault's key stands; behind it where the key was made otherwise (escapes, YAML).
static size_t place_of(struct str text, const struct json *fault)
{
	size_t at = (size_t)((uintptr_t)fault->key.p - (uintptr_t)text.p);
	return at < text.n ? at : text.n;
}

// Faults are told in the order of the text, as upstream's decoder meets them.
static void sort_by_place(struct str text, struct json *faults)
{
	size_t count = faults ? faults->count : 0;
	for (size_t i = 0; i < count; i++) {
		struct json *first = NULL;
		size_t left = count - i;
		for (struct json *f = faults->first; left--; f = f->next)
			if (!first || place_of(text, f) < place_of(text, first))
				first = f;
		json_unlink(faults, first);
		json_push(faults, first);
	}
}

// What strictness makes of unknown and repeated fields.
static int judge(struct arena *a, const struct json *faults, enum api_strictness strictness, struct json *warnings,
		 struct err *e)
{
	if (!faults || faults->count == 0)
		return 0;
	if (strictness == API_WARN) {
		json_each(fault, faults)
			api_warn(a, warnings, fault->text);
		return 0;
	}
	struct buf b CLEAN_BUF;
	buf_init(&b);
	json_each(fault, faults) {
		buf_add(&b, fault == faults->first ? STR("") : STR(", "));
		buf_add(&b, fault->text);
	}
	return err_set(e, ERR_BAD_REQUEST, "strict decoding error: %.*s", STR_FMT(buf_str(&b)));
}

static int finish(struct arena *a, struct str text, struct json *tree, const struct api_type *type,
		  const struct api_resource *resource, struct json *faults, enum api_strictness strictness,
		  struct json *warnings, struct err *e)
{
	if (conform(a, tree, type, faults, e) < 0)
		return err_wrap(e, "the body is no %.*s", STR_FMT(type->kind.n ? type->kind : type->name));
	if (resource && check_kind(a, tree, type, e) < 0)
		return -1;
	sort_by_place(text, faults);
	return judge(a, faults, strictness, warnings, e);
}

int api_decode(struct arena *a, struct str bytes, enum api_media media, const struct api_type *type,
	       const struct api_resource *resource, enum api_strictness strictness, struct json *warnings,
	       struct json **out, struct err *e)
{
	struct json *tree, *duplicates = strictness == API_IGNORE ? NULL : json_array(a);
	struct json *faults = strictness == API_IGNORE ? NULL : json_array(a);
	struct json_options options = {.duplicates = duplicates};
	int status = media == API_JSON	 ? json_parse(a, bytes, &options, &tree, e)
		     : media == API_YAML ? api_yaml_parse(a, bytes, duplicates, &tree, e)
					 : protobuf_decode(a, bytes, type, &tree, e);
	if (status < 0)
		return -1;
	if (tree->type == JSON_NULL)
		tree = json_object(a);
	json_each(d, duplicates) {
		struct json *fault = json_string(a, arena_fmt(a, "duplicate field \"%.*s\"", STR_FMT(d->text)));
		fault->key = d->key;
		json_push(faults, fault);
	}
	if (finish(a, bytes, tree, type, resource, faults, strictness, warnings, e) < 0)
		return -1;
	*out = tree;
	return 0;
}

int api_conform(struct arena *a, struct json *tree, const struct api_type *type, const struct api_resource *resource,
		enum api_strictness strictness, struct json *warnings, struct err *e)
{
	struct json *faults = strictness == API_IGNORE ? NULL : json_array(a);
	return finish(a, STR_NONE, tree, type, resource, faults, strictness, warnings, e);
}

int api_load(struct arena *a, struct str stored, const struct api_resource *r, struct json **out, struct err *e)
{
	struct json *tree;
	if (json_parse(a, stored, NULL, &tree, e) < 0 || conform(a, tree, r->type, NULL, e) < 0)
		return err_wrap(e, "stored %.*s", STR_FMT(r->kind));
	*out = tree;
	return 0;
}
