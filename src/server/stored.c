// SPDX-License-Identifier: Apache-2.0
#include "server/stored.h"

// Field names of core v1 (at rest) and events.k8s.io/v1.
static const char *const renamed[][2] = {
	{"involvedObject", "regarding"},
	{"message", "note"},
	{"source", "deprecatedSource"},
	{"firstTimestamp", "deprecatedFirstTimestamp"},
	{"lastTimestamp", "deprecatedLastTimestamp"},
	{"count", "deprecatedCount"},
	{"reportingComponent", "reportingController"},
};

bool stored_differs(const struct api_resource *r)
{
	return str_is(r->group, "events.k8s.io");
}

const struct api_resource *stored_as(const struct api_resource *r)
{
	return stored_differs(r) ? api_resource_find(STR(""), STR("v1"), STR("events")) : r;
}

static void rename_fields(struct json *event, size_t from, size_t to, const char *version)
{
	json_each(field, event)
		for (size_t i = 0; i < ARRAY_LEN(renamed); i++)
			if (str_is(field->key, renamed[i][from])) {
				field->key = str_of(renamed[i][to]);
				break;
			}
	struct json *said = json_get(event, STR("apiVersion"));
	if (said)
		said->text = str_of(version);
}

struct json *stored_parse(struct arena *a, const struct api_resource *r, struct blob *stored)
{
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	MUST(json_parse(a, blob_str(stored), NULL, &tree, &e) == 0);
	if (stored_differs(r))
		rename_fields(tree, 0, 1, "events.k8s.io/v1");
	return tree;
}

void stored_encode(struct buf *out, const struct api_resource *r, const struct json *object, size_t *revision_at)
{
	if (!stored_differs(r)) {
		api_encode(out, r, object, revision_at);
		return;
	}
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	struct json *event = json_clone(&scratch, object);
	rename_fields(event, 1, 0, "v1");
	api_encode(out, stored_as(r), event, revision_at);
}

struct str stored_text(struct arena *scratch, const struct api_resource *r, struct blob *stored)
{
	if (!stored_differs(r))
		return blob_str(stored);
	struct buf out CLEAN_BUF;
	buf_init(&out);
	arena_reset(scratch);
	api_encode(&out, r, stored_parse(scratch, r, stored), NULL);
	return arena_str(scratch, buf_str(&out));
}

struct blob *stored_show(const struct api_resource *r, struct blob *stored)
{
	if (!stored_differs(r) || !stored)
		return stored;
	struct arena scratch CLEAN_ARENA;
	arena_init(&scratch);
	struct blob *shown = blob_create(stored_text(&scratch, r, stored));
	blob_unref(stored);
	return shown;
}
