// SPDX-License-Identifier: Apache-2.0
#include "server/query.h"

#include "base/encode.h"

int query_parse(struct arena *a, struct str text, struct query *out, struct err *e)
{
	size_t count = 0;
	for (size_t i = 0; i < text.n; i++)
		count += text.p[i] == '&';
	if (count >= QUERY_PAIRS_MAX)
		return err_set(e, ERR_BAD_REQUEST, "the query has more than %d parameters", QUERY_PAIRS_MAX);
	struct query_pair *pairs = ARENA_ARRAY(a, struct query_pair, count + 1);
	size_t n = 0;
	struct str piece;
	while (str_next(&text, '&', &piece)) {
		struct str name, value;
		if (str_empty(piece))
			continue;
		str_cut(piece, '=', &name, &value);
		if (decode_url(a, name, true, &pairs[n].name) < 0 || decode_url(a, value, true, &pairs[n].value) < 0)
			return err_set(e, ERR_BAD_REQUEST, "the query has a broken escape: %.*s", STR_FMT(piece));
		n++;
	}
	*out = (struct query){pairs, n};
	return 0;
}

static const struct query_pair *find(const struct query *q, const char *name)
{
	for (size_t i = 0; i < q->count; i++)
		if (str_is(q->pairs[i].name, name))
			return &q->pairs[i];
	return NULL;
}

struct str query_get(const struct query *q, const char *name)
{
	const struct query_pair *p = find(q, name);
	return p ? p->value : STR_NONE;
}

bool query_has(const struct query *q, const char *name)
{
	return find(q, name) != NULL;
}

static bool is_true(struct str value)
{
	return !str_is(value, "false") && !str_is(value, "0") && !str_is(value, "False") && !str_is(value, "FALSE");
}

bool query_is_true(const struct query *q, const char *name)
{
	const struct query_pair *p = find(q, name);
	return p && is_true(p->value);
}

static int query_i64(const struct query *q, const char *name, bool *has, int64_t *out, struct err *e)
{
	const struct query_pair *p = find(q, name);
	if (!p || str_empty(p->value))
		return 0;
	if (str_to_i64(p->value, out) < 0)
		return err_set(e, ERR_BAD_REQUEST, "%s: \"%.*s\" is not a whole number", name, STR_FMT(p->value));
	if (has)
		*has = true;
	return 0;
}

// ---- create, update, patch

static void check_dry_run(struct str value, bool *dry_run, struct err *e)
{
	if (str_is(value, "All"))
		*dry_run = true;
	else
		err_cause(e, STR("dryRun"), "FieldValueNotSupported",
			  "Unsupported value: [\"%.*s\"]: supported values: \"All\"", STR_FMT(value));
}

static void check_manager(struct str manager, struct err *e)
{
	if (manager.n > 128)
		err_cause(e, STR("fieldManager"), "FieldValueTooLong", "Too long: may not be more than 128 bytes");
	for (struct str rest = manager; rest.n;) {
		size_t n = str_utf8_len(rest);
		if (n == 0 || (unsigned char)rest.p[0] < 0x20 || rest.p[0] == 0x7f) {
			err_cause(e, STR("fieldManager"), "FieldValueInvalid",
				  "Invalid value: unprintable character at byte %zu", manager.n - rest.n);
			return;
		}
		rest = str_from(rest, n);
	}
}

int write_options_of(const struct query *q, struct write_options *out, struct err *e)
{
	*out = (struct write_options){.strictness = API_WARN, .field_manager = query_get(q, "fieldManager")};
	for (size_t i = 0; i < q->count; i++)
		if (str_is(q->pairs[i].name, "dryRun"))
			check_dry_run(q->pairs[i].value, &out->dry_run, e);
	struct str said = query_get(q, "fieldValidation");
	if (str_is(said, "Ignore"))
		out->strictness = API_IGNORE;
	else if (str_is(said, "Strict"))
		out->strictness = API_STRICT;
	else if (!str_empty(said) && !str_is(said, "Warn"))
		err_cause(e, STR("fieldValidation"), "FieldValueNotSupported",
			  "Unsupported value: \"%.*s\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
			  STR_FMT(said));
	check_manager(out->field_manager, e);
	return e->reason == ERR_NONE ? 0 : -1;
}

int patch_options_of(const struct query *q, struct write_options *out, struct err *e)
{
	if (query_has(q, "force"))
		err_cause(e, STR("force"), "FieldValueForbidden", "Forbidden: only apply patches can be forced");
	return write_options_of(q, out, e);
}

// ---- delete

static void set_propagation(struct str said, struct delete_options *out, struct err *e)
{
	if (str_is(said, "Background"))
		out->propagation = PROPAGATE_BACKGROUND;
	else if (str_is(said, "Foreground"))
		out->propagation = PROPAGATE_FOREGROUND;
	else if (str_is(said, "Orphan"))
		out->propagation = PROPAGATE_ORPHAN;
	else
		err_cause(e, STR("propagationPolicy"), "FieldValueNotSupported",
			  "Unsupported value: \"%.*s\": supported values: \"Foreground\", \"Background\", \"Orphan\"",
			  STR_FMT(said));
}

static void set_orphan(bool orphan, bool policy_too, struct delete_options *out, struct err *e)
{
	if (policy_too)
		err_cause(e, STR("propagationPolicy"), "FieldValueInvalid",
			  "Invalid value: orphanDependents and propagationPolicy cannot both be set");
	else
		out->propagation = orphan ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
}

static void body_options(const struct json *body, struct delete_options *out, struct err *e)
{
	struct json *grace = json_get(body, STR("gracePeriodSeconds"));
	if (grace && grace->type == JSON_INT) {
		out->has_grace = true;
		out->grace_s = grace->integer;
	}
	struct str policy = json_str(body, "propagationPolicy");
	if (policy.p)
		set_propagation(policy, out, e);
	struct json *orphan = json_get(body, STR("orphanDependents"));
	if (orphan && orphan->type == JSON_BOOL)
		set_orphan(orphan->boolean, policy.p != NULL, out, e);
	out->uid = json_str(body, "preconditions.uid");
	out->resource_version = json_str(body, "preconditions.resourceVersion");
	json_each(dry, json_get(body, STR("dryRun")))
		check_dry_run(dry->type == JSON_STRING ? dry->text : STR_NONE, &out->dry_run, e);
}

int delete_options_of(const struct query *q, const struct json *body, struct delete_options *out, struct err *e)
{
	*out = (struct delete_options){0};
	if (body && body->type == JSON_OBJECT && body->count) {
		body_options(body, out, e);
	} else {
		if (query_i64(q, "gracePeriodSeconds", &out->has_grace, &out->grace_s, e) < 0)
			return -1;
		struct str policy = query_get(q, "propagationPolicy");
		if (!str_empty(policy))
			set_propagation(policy, out, e);
		if (query_has(q, "orphanDependents"))
			set_orphan(query_is_true(q, "orphanDependents"), !str_empty(policy), out, e);
	}
	for (size_t i = 0; i < q->count; i++)
		if (str_is(q->pairs[i].name, "dryRun"))
			check_dry_run(q->pairs[i].value, &out->dry_run, e);
	if (out->grace_s < 0) // upstream takes it as "at once, but tell the node"
		out->grace_s = 1;
	return e->reason == ERR_NONE ? 0 : -1;
}

// ---- list and watch

static void forbid(struct err *e, const char *field, const char *why)
{
	err_cause(e, str_of(field), "FieldValueForbidden", "Forbidden: %s", why);
}

static void check_match(const struct list_options *o, struct str match, struct err *e)
{
	if (o->has_initial_events && !o->watch)
		forbid(e, "sendInitialEvents", "sendInitialEvents is forbidden for list");
	if (o->has_initial_events && o->watch && o->match != MATCH_NOT_OLDER)
		forbid(e, "resourceVersionMatch", "sendInitialEvents requires resourceVersionMatch=NotOlderThan");
	if (str_empty(match))
		return;
	if (o->match == MATCH_UNSAID || (o->watch && o->match != MATCH_NOT_OLDER))
		err_cause(e, STR("resourceVersionMatch"), "FieldValueNotSupported",
			  "Unsupported value: \"%.*s\": supported values: %s\"NotOlderThan\"", STR_FMT(match),
			  o->watch ? "" : "\"Exact\", ");
	if (o->watch && !o->has_initial_events)
		forbid(e, "resourceVersionMatch",
		       "resourceVersionMatch is forbidden for watch without sendInitialEvents");
	if (o->watch || o->match == MATCH_UNSAID)
		return;
	if (!o->has_revision)
		forbid(e, "resourceVersionMatch",
		       "resourceVersionMatch is forbidden unless resourceVersion is provided");
	else if (o->match == MATCH_EXACT && o->revision == 0)
		forbid(e, "resourceVersionMatch",
		       "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"");
	if (!str_empty(o->next))
		forbid(e, "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
}

int list_options_of(const struct query *q, bool watch, struct list_options *out, struct err *e)
{
	*out = (struct list_options){.watch = watch,
				     .next = query_get(q, "continue"),
				     .bookmarks = query_is_true(q, "allowWatchBookmarks"),
				     .has_initial_events = query_has(q, "sendInitialEvents"),
				     .initial_events = query_is_true(q, "sendInitialEvents"),
				     .label_selector = query_get(q, "labelSelector"),
				     .field_selector = query_get(q, "fieldSelector")};
	struct str revision = query_get(q, "resourceVersion"), match = query_get(q, "resourceVersionMatch");
	if (query_i64(q, "limit", NULL, &out->limit, e) < 0 ||
	    query_i64(q, "timeoutSeconds", NULL, &out->timeout_s, e) < 0)
		return -1;
	if (out->limit < 0)
		out->limit = 0;
	if (!str_empty(revision)) {
		uint64_t value;
		if (str_to_u64(revision, &value) < 0 || value > INT64_MAX)
			return err_set(e, ERR_BAD_REQUEST, "invalid resource version: \"%.*s\" is not a whole number",
				       STR_FMT(revision));
		out->has_revision = true;
		out->revision = (int64_t)value;
	}
	out->match = str_is(match, "Exact")	     ? MATCH_EXACT
		     : str_is(match, "NotOlderThan") ? MATCH_NOT_OLDER
						     : MATCH_UNSAID;
	check_match(out, match, e);
	return e->reason == ERR_NONE ? 0 : -1;
}
