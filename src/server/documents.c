// SPDX-License-Identifier: Apache-2.0
#include "server/documents.h"

#include "api/openapi.h"
#include "server/plain.h"
#include "server/respond.h"
#include "server/worker.h"

enum { GROUPS_MAX = 64 };

struct document {
	_Atomic(struct blob *) bytes; // NULL: not made yet
};

struct documents {
	struct arena arena; // of the paths
	struct document openapi_v2, openapi_v2_protobuf, openapi_index, api, aggregated_core, aggregated;
	struct document openapi_v3[GROUPS_MAX]; // in the order of api_openapi_v3_paths
	struct str v3_paths[GROUPS_MAX];
	size_t v3_count;
};

static void add_path(void *arg, struct str path)
{
	struct documents *d = arg;
	if (d->v3_count < GROUPS_MAX)
		d->v3_paths[d->v3_count++] = arena_str(&d->arena, path);
}

struct documents *documents_create(void)
{
	struct documents *d = MEM_NEW(struct documents);
	arena_init(&d->arena);
	api_openapi_v3_paths(add_path, d);
	return d;
}

static void drop(struct document *x)
{
	blob_unref(atomic_load(&x->bytes));
}

void documents_destroy(struct documents *d)
{
	if (!d)
		return;
	drop(&d->openapi_v2);
	drop(&d->openapi_v2_protobuf);
	drop(&d->openapi_index);
	drop(&d->api);
	drop(&d->aggregated_core);
	drop(&d->aggregated);
	for (size_t i = 0; i < d->v3_count; i++)
		drop(&d->openapi_v3[i]);
	arena_finish(&d->arena);
	free(d);
}

// Two loops may make the same document at once; the first one's stays.
static struct blob *publish(struct document *x, const struct buf *made)
{
	struct blob *mine = blob_create(buf_str(made)), *theirs = NULL;
	if (atomic_compare_exchange_strong(&x->bytes, &theirs, mine))
		return mine;
	blob_unref(mine);
	return theirs;
}

static struct str hash_text(struct arena *a, struct blob *b)
{
	return arena_fmt(a, "%016llX", (unsigned long long)str_hash(blob_str(b)));
}

// ---- answering

static void respond_document(struct call *c, const char *content_type, struct blob *b, bool immutable)
{
	struct str etag = arena_fmt(c->arena, "\"%.*s\"", STR_FMT(hash_text(c->arena, b)));
	struct http_header headers[] = {
		{STR("ETag"), etag},
		{STR("Vary"), STR("Accept")},
		{STR("Cache-Control"), immutable ? STR("public, immutable") : STR("no-cache, private")},
		{STR("Expires"), STR("Fri, 31 Dec 2100 23:59:59 GMT")},
	};
	struct front_reply r = {
		.code = 200, .content_type = content_type, .headers = {headers, immutable ? 4 : 3}, .gzip = true};
	struct str known = call_header(c, "If-None-Match");
	bool same = !str_empty(known) && str_contains(known, etag);
	c->code = r.code = same ? 304 : 200;
	worker_call_ends(c);
	if (!same)
		blob_ref(b);
	c->front->reply(c, &r, &b, same ? 0 : 1);
}

static void redirect(struct call *c, struct str to)
{
	struct http_header headers[] = {{STR("Location"), to}};
	struct front_reply r = {.code = 301, .headers = {headers, 1}};
	c->code = r.code;
	worker_call_ends(c);
	c->front->reply(c, &r, NULL, 0);
}

// ---- OpenAPI

static struct blob *v3_document(struct documents *d, size_t i)
{
	struct blob *b = atomic_load(&d->openapi_v3[i].bytes);
	if (b)
		return b;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	api_openapi_v3(&out, d->v3_paths[i]);
	return publish(&d->openapi_v3[i], &out);
}

static struct str v3_url(struct arena *a, struct documents *d, size_t i)
{
	return arena_fmt(a, "/openapi/v3/%.*s?hash=%.*s", STR_FMT(d->v3_paths[i]),
			 STR_FMT(hash_text(a, v3_document(d, i))));
}

static void openapi_index(struct call *c)
{
	struct documents *d = c->server->documents;
	struct blob *b = atomic_load(&d->openapi_index.bytes);
	if (!b) {
		struct arena *a = c->arena;
		struct json *index = json_object(a), *paths = json_put(index, "paths", json_object(a));
		for (size_t i = 0; i < d->v3_count; i++) {
			struct json *path = json_set(paths, d->v3_paths[i], json_object(a));
			json_put_str(a, path, "serverRelativeURL", v3_url(a, d, i));
		}
		struct buf out CLEAN_BUF;
		buf_init(&out);
		json_write(&out, index);
		b = publish(&d->openapi_index, &out);
	}
	respond_document(c, "application/json", b, false);
}

static void openapi_v3(struct call *c, struct str path)
{
	struct documents *d = c->server->documents;
	for (size_t i = 0; i < d->v3_count; i++) {
		if (!str_eq(d->v3_paths[i], path))
			continue;
		struct blob *b = v3_document(d, i);
		struct str hash = query_get(&c->query, "hash");
		if (!str_empty(hash) && !str_eq(hash, hash_text(c->arena, b)))
			redirect(c, v3_url(c->arena, d, i));
		else
			respond_document(c, "application/json", b, !str_empty(hash));
		return;
	}
	respond_not_found_path(c);
}

static struct blob *made(struct document *x, void (*make)(struct buf *))
{
	struct blob *b = atomic_load(&x->bytes);
	if (b)
		return b;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	make(&out);
	return publish(x, &out);
}

// Clients ask with '@', which is no character of a media type: the answer has to say it with '.' to be read.
static const char v2_protobuf_asked[] = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
static const char v2_protobuf[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

static void openapi_v2(struct call *c)
{
	struct documents *d = c->server->documents;
	struct str accept = call_header(c, "Accept");
	bool protobuf = negotiate_names(accept, v2_protobuf_asked, NULL, NULL) ||
			negotiate_names(accept, v2_protobuf, NULL, NULL);
	if (protobuf)
		respond_document(c, v2_protobuf, made(&d->openapi_v2_protobuf, api_openapi_v2_protobuf), false);
	else
		respond_document(c, "application/json", made(&d->openapi_v2, api_openapi_v2), false);
}

// ---- discovery

static void make_core(struct buf *out)
{
	api_discovery_aggregated(out, true);
}

static void make_groups(struct buf *out)
{
	api_discovery_aggregated(out, false);
}

static bool wants_aggregated(struct call *c)
{
	return negotiate_names(call_header(c, "Accept"), "application/json", "APIGroupDiscoveryList", "v2");
}

static void aggregated(struct call *c, bool core)
{
	struct documents *d = c->server->documents;
	struct blob *b = core ? made(&d->aggregated_core, make_core) : made(&d->aggregated, make_groups);
	respond_document(c, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", b, false);
}

static void legacy(struct call *c, bool found, struct buf *out)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct status_details none = status_empty();
	if (found && negotiate_json(call_header(c, "Accept"), &e) < 0)
		respond_error(c, &e, &none);
	else if (found)
		respond_buf(c, 200, out);
	else
		respond_not_found_path(c);
}

static bool group_of_version(struct str group)
{
	for (size_t i = 0; i < api_resource_count; i++)
		if (str_eq(api_resources[i].group, group))
			return true;
	return false;
}

static void discovery(struct call *c)
{
	struct str rest = c->path, parts[4];
	size_t count = 0;
	while (rest.n && rest.p[0] == '/')
		rest = str_from(rest, 1);
	while (count < ARRAY_LEN(parts) && str_next(&rest, '/', &parts[count]))
		count += !str_empty(parts[count]);
	bool core = str_is(parts[0], "api");
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (count == 1 && wants_aggregated(c)) {
		aggregated(c, core);
	} else if (count == 1 && core) {
		api_discovery_legacy_versions(&out, server_address(c->server));
		legacy(c, true, &out);
	} else if (count == 1) {
		api_discovery_groups(&out);
		legacy(c, true, &out);
	} else if (count == 2 && !core) {
		legacy(c, api_discovery_group(&out, parts[1]), &out);
	} else {
		struct str group = core ? STR("") : parts[1], version = core ? parts[1] : parts[2];
		if (api_discovery_resources(&out, group, version))
			legacy(c, true, &out);
		else if (group_of_version(group))
			respond_no_resource(c);
		else
			respond_not_found_path(c);
	}
}

void documents_path(struct call *c)
{
	struct str v3 = STR("/openapi/v3/");
	if (str_is(c->path, "/openapi/v2"))
		openapi_v2(c);
	else if (str_is(c->path, "/openapi/v3"))
		openapi_index(c);
	else if (str_starts(c->path, v3))
		openapi_v3(c, str_from(c->path, v3.n));
	else if (str_starts(c->path, STR("/api")))
		discovery(c);
	else
		respond_not_found_path(c);
}
