// SPDX-License-Identifier: Apache-2.0
// Resources as OpenAPI paths and operations.
#include "api/openapi_tree.h"

enum parameter_set { FOR_GET = 1, FOR_LIST = 2, FOR_WRITE = 4, FOR_PATCH = 8, FOR_DELETE = 16 };

static const struct parameter {
	const char *name, *type, *doc;
	unsigned sets;
} parameters[] = {
	{"allowWatchBookmarks", "boolean", "A watch may send bookmarks.", FOR_LIST},
	{"continue", "string", "Where the list before this one ended.", FOR_LIST},
	{"dryRun", "string", "All: check everything and store nothing.", FOR_WRITE | FOR_PATCH | FOR_DELETE},
	{"fieldManager", "string", "Who makes the change.", FOR_WRITE | FOR_PATCH},
	{"fieldSelector", "string", "Only objects with these field values.", FOR_LIST},
	{"fieldValidation", "string", "What unknown and repeated fields do: Ignore, Warn or Strict.",
	 FOR_WRITE | FOR_PATCH},
	{"force", "boolean", "An apply takes fields over from others.", FOR_PATCH},
	{"gracePeriodSeconds", "integer", "Time to end in; 0: at once.", FOR_DELETE},
	{"labelSelector", "string", "Only objects with these labels.", FOR_LIST},
	{"limit", "integer", "At most so many objects at a time.", FOR_LIST},
	{"orphanDependents", "boolean", "Leave what it owns (see propagationPolicy).", FOR_DELETE},
	{"pretty", "string", "true: indented.", FOR_GET | FOR_LIST | FOR_WRITE | FOR_PATCH | FOR_DELETE},
	{"propagationPolicy", "string", "What becomes of what it owns: Orphan, Background or Foreground.", FOR_DELETE},
	{"resourceVersion", "string", "The revision to read at or to start from.", FOR_LIST},
	{"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan.", FOR_LIST},
	{"sendInitialEvents", "boolean", "A watch begins with what there is.", FOR_LIST},
	{"timeoutSeconds", "integer", "The longest that the call lasts.", FOR_LIST},
	{"watch", "boolean", "Send changes as they happen.", FOR_LIST},
};

struct operation {
	const char *method, *action, *prefix; // "get", "list", "list"
	unsigned sets;
	bool body, connect;
	const struct api_type *answer; // NULL: text
	struct str group, version, kind;
	const struct api_type *type; // of the body
	struct str suffix;	     // of the id: "NamespacedPodLog"
	struct str doc;
};

static struct json *parameter(struct openapi *o, const char *name, const char *in, const char *type, const char *doc)
{
	struct json *p = json_object(o->arena), *holder = p;
	openapi_add_text(o, p, "name", str_of(name));
	openapi_add_text(o, p, "in", str_of(in));
	openapi_add_text(o, p, "description", str_of(doc));
	if (str_is(str_of(in), "path"))
		openapi_add(p, "required", json_bool(o->arena, true));
	if (o->version == 3)
		holder = openapi_add(p, "schema", json_object(o->arena));
	openapi_add_text(o, holder, "type", str_of(type));
	openapi_add(holder, "uniqueItems", json_bool(o->arena, true));
	return p;
}

static struct json *body_schema(struct openapi *o, const struct operation *op)
{
	return str_is(str_of(op->action), "patch") ? openapi_patch_ref(o) : openapi_ref(o, op->type);
}

static void add_body(struct openapi *o, const struct operation *op, struct json *out, struct json *list)
{
	static const char *const patches[] = {"application/json-patch+json", "application/merge-patch+json",
					      "application/strategic-merge-patch+json", "application/apply-patch+yaml"};
	bool patch = str_is(str_of(op->action), "patch"), optional = op->sets & FOR_DELETE;
	if (o->version == 2) {
		struct json *p = json_object(o->arena);
		openapi_add_text(o, p, "name", STR("body"));
		openapi_add_text(o, p, "in", STR("body"));
		if (!optional)
			openapi_add(p, "required", json_bool(o->arena, true));
		openapi_add(p, "schema", body_schema(o, op));
		json_push(list, p);
		return;
	}
	struct json *body = openapi_add(out, "requestBody", json_object(o->arena));
	struct json *content = openapi_add(body, "content", json_object(o->arena));
	for (size_t i = 0; i < (patch ? ARRAY_LEN(patches) : 1); i++) {
		struct json *media = openapi_add(content, patch ? patches[i] : "*/*", json_object(o->arena));
		openapi_add(media, "schema", body_schema(o, op));
	}
	if (!optional)
		openapi_add(body, "required", json_bool(o->arena, true));
}

static void add_parameters(struct openapi *o, const struct operation *op, struct json *out)
{
	struct json *list = json_array(o->arena);
	if (op->body)
		add_body(o, op, out, list);
	for (const struct parameter *p = parameters; p < parameters + ARRAY_LEN(parameters); p++)
		if (p->sets & op->sets)
			json_push(list, parameter(o, p->name, "query", p->type, p->doc));
	if (list->count)
		openapi_add(out, "parameters", list);
}

static void add_response(struct openapi *o, struct json *responses, const char *code, const struct operation *op)
{
	struct json *response = openapi_add(responses, code, json_object(o->arena)), *holder = response, *schema;
	openapi_add_text(o, response, "description", STR("OK"));
	if (op->answer) {
		schema = openapi_ref(o, op->answer);
	} else {
		schema = json_object(o->arena);
		openapi_add_text(o, schema, "type", STR("string"));
	}
	if (o->version == 3) {
		holder = openapi_add(response, "content", json_object(o->arena));
		holder = openapi_add(holder, op->answer ? "application/json" : "*/*", json_object(o->arena));
	}
	openapi_add(holder, "schema", schema);
}

static void add_responses(struct openapi *o, const struct operation *op, struct json *out)
{
	struct json *responses = openapi_add(out, "responses", json_object(o->arena));
	add_response(o, responses, "200", op);
	if (op->sets & (FOR_WRITE | FOR_PATCH))
		add_response(o, responses, "201", op);
	if ((op->sets & FOR_DELETE) || str_is(str_of(op->action), "post"))
		add_response(o, responses, "202", op);
	struct json *refused = openapi_add(responses, "401", json_object(o->arena));
	openapi_add_text(o, refused, "description", STR("Unauthorized"));
}

// "apps/v1" as "AppsV1", "" as "CoreV1", "events.k8s.io" as "Events"
static struct str id_of_version(struct arena *a, const struct api_resource *r)
{
	struct str group = r->group.n ? r->group : STR("core"), rest;
	str_cut(group, '.', &group, &rest);
	return arena_fmt(a, "%c%.*sV%.*s", group.p[0] - 'a' + 'A', STR_FMT(str_from(group, 1)),
			 STR_FMT(str_from(r->version, 1)));
}

static struct str tag_of_version(struct arena *a, const struct api_resource *r)
{
	struct str group = r->group.n ? r->group : STR("core"), rest;
	str_cut(group, '.', &group, &rest);
	return arena_fmt(a, "%.*s_%.*s", STR_FMT(group), STR_FMT(r->version));
}

static void add_media(struct openapi *o, struct json *out)
{
	static const char *const names[] = {"consumes", "produces"};
	if (o->version == 3)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_push(openapi_add(out, names[i], json_array(o->arena)), json_string(o->arena, STR("*/*")));
	json_push(openapi_add(out, "schemes", json_array(o->arena)), json_string(o->arena, STR("https")));
}

static void add_operation(struct openapi *o, struct json *path, const struct api_resource *r,
			  const struct operation *op)
{
	struct json *out = openapi_add(path, op->method, json_object(o->arena));
	openapi_add_text(o, out, "description", op->doc);
	openapi_add_text(o, out, "operationId", arena_fmt(o->arena, "%s%.*s%.*s", op->prefix,
							  STR_FMT(id_of_version(o->arena, r)), STR_FMT(op->suffix)));
	json_push(openapi_add(out, "tags", json_array(o->arena)), json_string(o->arena, tag_of_version(o->arena, r)));
	add_media(o, out);
	add_parameters(o, op, out);
	add_responses(o, op, out);
	openapi_add_text(o, out, "x-kubernetes-action", str_of(op->action));
	openapi_add(out, "x-kubernetes-group-version-kind", openapi_kind(o, op->group, op->version, op->kind));
}

// An entry of `paths` with the parameters that stand in its name.
static struct json *add_path(struct openapi *o, struct json *paths, struct str name)
{
	static const struct {
		const char *part, *name, *doc;
	} parts[] = {{"{name}", "name", "Name of the object."},
		     {"{namespace}", "namespace", "Namespace of the object."},
		     {"{path}", "path", "Path below the target."}};
	struct json *path = json_object(o->arena), *list = json_array(o->arena);
	path->key = name;
	json_push(paths, path);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (str_contains(name, str_of(parts[i].part)))
			json_push(list, parameter(o, parts[i].name, "path", "string", parts[i].doc));
	if (list->count)
		openapi_add(path, "parameters", list);
	return path;
}

static const struct method {
	unsigned verb;
	const char *method, *action, *prefix, *doc;
	unsigned sets;
	bool body;
} collection_methods[] = {
	{API_LIST_VERB, "get", "list", "list", "Lists or watches objects of kind", FOR_LIST, false},
	{API_CREATE, "post", "post", "create", "Makes an object of kind", FOR_WRITE, true},
	{API_DELETE_COLLECTION, "delete", "deletecollection", "deleteCollection", "Deletes objects of kind",
	 FOR_LIST | FOR_DELETE, true},
}, object_methods[] = {
	{API_GET, "get", "get", "read", "Reads an object of kind", FOR_GET, false},
	{API_UPDATE, "put", "put", "replace", "Replaces an object of kind", FOR_WRITE, true},
	{API_PATCH, "patch", "patch", "patch", "Changes parts of an object of kind", FOR_PATCH, true},
	{API_DELETE, "delete", "delete", "delete", "Deletes an object of kind", FOR_DELETE, true},
	{API_CREATE, "post", "post", "create", "Makes an object of kind", FOR_WRITE, true},
};

static void add_methods(struct openapi *o, struct json *path, const struct api_resource *r,
			const struct method *methods, size_t count, unsigned verbs, struct operation op)
{
	const struct api_type *answer = op.answer, *delete_options = api_type_find(STR("v1.DeleteOptions"));
	const struct api_type *status = api_type_find(STR("v1.Status")), *type = op.type;
	for (const struct method *m = methods; m < methods + count; m++) {
		if (!(verbs & m->verb))
			continue;
		op.method = m->method;
		op.action = op.connect ? "connect" : m->action;
		op.prefix = op.connect ? arena_fmt(o->arena, "connect%c%s", m->method[0] - 'a' + 'A', m->method + 1).p
				       : m->prefix;
		op.sets = op.connect ? 0 : m->sets;
		op.body = m->body && !op.connect;
		op.type = m->sets & FOR_DELETE ? delete_options : type;
		op.answer = m->verb == API_LIST_VERB	? r->list_type
			    : op.sets & FOR_DELETE	? status
							: answer;
		op.doc = arena_fmt(o->arena, "%s %.*s.", op.connect ? "Connects to" : m->doc, STR_FMT(op.kind));
		add_operation(o, path, r, &op);
	}
}

static void add_subresource(struct openapi *o, struct json *paths, const struct api_resource *r, struct str object_path,
			    const struct api_subresource *s)
{
	bool log = str_is(s->name, "log"), proxy = str_is(s->name, "proxy");
	struct operation op = {
		.group = s->group.n ? s->group : r->group,
		.version = s->version.n ? s->version : r->version,
		.kind = s->kind,
		.type = s->type,
		.answer = s->type,
		.connect = !s->type && !log,
		.suffix = arena_fmt(o->arena, "%s%.*s%c%.*s", r->namespaced ? "Namespaced" : "", STR_FMT(r->kind),
				    s->name.p[0] - 'a' + 'A', STR_FMT(str_from(s->name, 1))),
	};
	struct str name = arena_fmt(o->arena, "%.*s/%.*s", STR_FMT(object_path), STR_FMT(s->name));
	add_methods(o, add_path(o, paths, name), r, object_methods, ARRAY_LEN(object_methods), s->verbs, op);
	if (!proxy)
		return;
	op.suffix = arena_fmt(o->arena, "%.*sWithPath", STR_FMT(op.suffix));
	name = arena_fmt(o->arena, "%.*s/{path}", STR_FMT(name));
	add_methods(o, add_path(o, paths, name), r, object_methods, ARRAY_LEN(object_methods), s->verbs, op);
}

void openapi_add_paths(struct openapi *o, struct json *paths, const struct api_resource *r)
{
	struct arena *a = o->arena;
	struct str base = arena_fmt(a, "/%.*s/", STR_FMT(r->path));
	struct str inside = r->namespaced ? STR("namespaces/{namespace}/") : STR("");
	struct str collection = arena_fmt(a, "%.*s%.*s%.*s", STR_FMT(base), STR_FMT(inside), STR_FMT(r->plural));
	struct str object = arena_fmt(a, "%.*s/{name}", STR_FMT(collection));
	struct operation op = {.group = r->group, .version = r->version, .kind = r->kind, .type = r->type,
			       .answer = r->type};
	if (r->namespaced && (r->verbs & API_LIST_VERB)) {
		op.suffix = arena_fmt(a, "%.*sForAllNamespaces", STR_FMT(r->kind));
		add_methods(o, add_path(o, paths, arena_fmt(a, "%.*s%.*s", STR_FMT(base), STR_FMT(r->plural))), r,
			    collection_methods, 1, API_LIST_VERB, op);
	}
	op.suffix = arena_fmt(a, "%s%.*s", r->namespaced ? "Namespaced" : "", STR_FMT(r->kind));
	add_methods(o, add_path(o, paths, collection), r, collection_methods, ARRAY_LEN(collection_methods), r->verbs,
		    op);
	if (r->verbs & API_GET)
		add_methods(o, add_path(o, paths, object), r, object_methods, ARRAY_LEN(object_methods),
			    r->verbs & ~(unsigned)API_CREATE, op);
	for (size_t i = 0; i < r->subresource_count; i++)
		add_subresource(o, paths, r, object, &r->subresources[i]);
}
