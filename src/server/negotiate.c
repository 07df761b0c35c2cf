// SPDX-License-Identifier: Apache-2.0
#include "server/negotiate.h"

struct clause {
	struct str media, as, version, group;
};

static struct str unquoted(struct str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return str_sub(s, 1, s.n - 2);
	return s;
}

// Takes the next clause off *accept; q=0 ones are skipped.
static bool next_clause(struct str *accept, struct clause *out)
{
	struct str text;
	while (str_next(accept, ',', &text)) {
		struct str parameter;
		bool refused = false;
		*out = (struct clause){0};
		if (!str_next(&text, ';', &out->media))
			continue;
		out->media = str_trim(out->media);
		while (str_next(&text, ';', &parameter)) {
			struct str key, value;
			str_cut(str_trim(parameter), '=', &key, &value);
			value = unquoted(str_trim(value));
			key = str_trim(key);
			if (str_is(key, "as"))
				out->as = value;
			else if (str_is(key, "v"))
				out->version = value;
			else if (str_is(key, "g"))
				out->group = value;
			else if (str_is(key, "q"))
				refused = str_is(value, "0") || str_is(value, "0.0");
		}
		if (!refused && out->media.n)
			return true;
	}
	return false;
}

static bool is_json(struct str media)
{
	return str_eq_nocase(media, STR("application/json")) || str_is(media, "*/*") || str_is(media, "application/*");
}

// What a clause about JSON asks for; false where that is not to be had.
static bool take_clause(const struct clause *c, bool has_table, struct wanted_shape *out)
{
	out->version = str_is(c->version, "v1beta1") ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
	out->shape = SHAPE_OBJECT;
	if (str_empty(c->as))
		return true;
	if (!str_is(c->group, "meta.k8s.io") || !(str_is(c->version, "v1") || str_is(c->version, "v1beta1")))
		return false;
	bool partial = str_is(c->as, "PartialObjectMetadata") || str_is(c->as, "PartialObjectMetadataList");
	out->shape = partial ? SHAPE_PARTIAL : SHAPE_TABLE;
	return partial || (has_table && str_is(c->as, "Table"));
}

int negotiate_shape(struct str accept, bool has_table, struct wanted_shape *out, struct err *e)
{
	struct clause c;
	*out = (struct wanted_shape){SHAPE_OBJECT, "meta.k8s.io/v1"};
	if (str_empty(accept))
		return 0;
	while (next_clause(&accept, &c))
		if (is_json(c.media) && take_clause(&c, has_table, out))
			return 0;
	return err_set(e, ERR_NOT_ACCEPTABLE, "only this media type is served: application/json");
}

int negotiate_json(struct str accept, struct err *e)
{
	struct clause c;
	if (str_empty(accept))
		return 0;
	while (next_clause(&accept, &c))
		if (is_json(c.media))
			return 0;
	return err_set(e, ERR_NOT_ACCEPTABLE, "only this media type is served: application/json");
}

bool negotiate_names(struct str accept, const char *media, const char *as, const char *version)
{
	struct clause c;
	while (next_clause(&accept, &c))
		if (str_eq_nocase(c.media, str_of(media)) && (!as || str_is(c.as, as)) &&
		    (!version || str_is(c.version, version)))
			return true;
	return false;
}
