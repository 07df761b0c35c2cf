// SPDX-License-Identifier: Apache-2.0
#include "server/present.h"

#include "api/table.h"
#include "server/respond.h"
#include "server/shallow.h"

int presenter_init(struct presenter *p, struct call *c, struct err *e)
{
	*p = (struct presenter){.resource = c->route.resource,
				.shape = c->wanted.shape,
				.version = c->wanted.version,
				.wall_ns = loop_wall(c->loop)};
	arena_init(&p->scratch);
	struct str include = query_get(&c->query, "includeObject");
	if (p->shape != SHAPE_TABLE || str_empty(include) || str_is(include, "Metadata"))
		return 0;
	if (str_is(include, "Object"))
		p->include = INCLUDE_OBJECT;
	else if (str_is(include, "None"))
		p->include = INCLUDE_NONE;
	else
		return err_set(e, ERR_BAD_REQUEST,
			       "includeObject: Invalid value: \"%.*s\": must be 'Metadata', 'Object', 'None', or empty",
			       STR_FMT(include));
	return 0;
}

void presenter_finish(struct presenter *p)
{
	arena_finish(&p->scratch);
}

// {"kind":"Table","apiVersion":"meta.k8s.io/v1",
static void begin_meta(struct buf *out, const struct presenter *p, const char *kind)
{
	buf_fmt(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", kind, p->version);
}

static void add_partial(struct buf *out, const struct presenter *p, struct str object)
{
	struct str metadata = STR("{}");
	shallow_get(object, "metadata", &metadata);
	begin_meta(out, p, "PartialObjectMetadata");
	BUF_LIT(out, "\"metadata\":");
	buf_add(out, metadata);
	buf_add_byte(out, '}');
}

static void add_row(struct buf *out, struct presenter *p, struct str object)
{
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	arena_reset(&p->scratch);
	MUST(json_parse(&p->scratch, object, NULL, &tree, &e) == 0);
	BUF_LIT(out, "{\"cells\":");
	json_write(out, api_table_cells(&p->scratch, p->resource, tree, p->wall_ns));
	BUF_LIT(out, ",\"object\":");
	if (p->include == INCLUDE_OBJECT)
		buf_add(out, object);
	else if (p->include == INCLUDE_METADATA)
		add_partial(out, p, object);
	else
		BUF_LIT(out, "null");
	buf_add_byte(out, '}');
}

static void add_list_metadata(struct buf *out, int64_t revision, struct str next, int64_t remaining)
{
	BUF_LIT(out, "\"metadata\":{\"resourceVersion\":\"");
	buf_add_i64(out, revision);
	buf_add_byte(out, '"');
	if (!str_empty(next)) {
		BUF_LIT(out, ",\"continue\":");
		json_write_string(out, next);
		if (remaining >= 0)
			buf_fmt(out, ",\"remainingItemCount\":%lld", (long long)remaining);
	}
	buf_add_byte(out, '}');
}

static void add_columns(struct buf *out, struct presenter *p)
{
	BUF_LIT(out, ",\"columnDefinitions\":");
	if (p->columns_said) {
		BUF_LIT(out, "null");
		return;
	}
	arena_reset(&p->scratch);
	json_write(out, api_table_columns(&p->scratch, p->resource));
}

static void add_version(struct buf *out, const struct api_resource *r)
{
	if (!str_empty(r->group)) {
		buf_add(out, r->group);
		buf_add_byte(out, '/');
	}
	buf_add(out, r->version);
}

void present_list_begin(struct buf *out, struct presenter *p, int64_t revision, struct str next, int64_t remaining)
{
	if (p->shape == SHAPE_TABLE) {
		begin_meta(out, p, "Table");
		add_list_metadata(out, revision, next, remaining);
		add_columns(out, p);
		BUF_LIT(out, ",\"rows\":[");
		return;
	}
	if (p->shape == SHAPE_PARTIAL) {
		begin_meta(out, p, "PartialObjectMetadataList");
	} else {
		BUF_LIT(out, "{\"kind\":\"");
		buf_add(out, p->resource->kind);
		BUF_LIT(out, "List\",\"apiVersion\":\"");
		add_version(out, p->resource);
		BUF_LIT(out, "\",");
	}
	add_list_metadata(out, revision, next, remaining);
	BUF_LIT(out, ",\"items\":[");
}

void present_list_item(struct buf *out, struct presenter *p, struct str object, bool first)
{
	if (!first)
		buf_add_byte(out, ',');
	switch (p->shape) {
	case SHAPE_OBJECT: // items of a typed list do not repeat kind and apiVersion
		buf_add_byte(out, '{');
		buf_add(out, str_from(object, shallow_after_kind(object)));
		break;
	case SHAPE_TABLE:
		add_row(out, p, object);
		break;
	case SHAPE_PARTIAL:
		add_partial(out, p, object);
		break;
	}
}

void present_list_end(struct buf *out)
{
	BUF_LIT(out, "]}\n");
}

void present_object(struct buf *out, struct presenter *p, struct str object)
{
	if (p->shape == SHAPE_OBJECT) {
		buf_add(out, object);
	} else if (p->shape == SHAPE_PARTIAL) {
		add_partial(out, p, object);
	} else {
		struct str revision = shallow_revision(object);
		begin_meta(out, p, "Table");
		BUF_LIT(out, "\"metadata\":{\"resourceVersion\":\"");
		buf_add(out, revision);
		BUF_LIT(out, "\"}");
		add_columns(out, p);
		BUF_LIT(out, ",\"rows\":[");
		add_row(out, p, object);
		BUF_LIT(out, "]}");
	}
}

void respond_object(struct call *c, int code, struct blob *object)
{
	if (c->wanted.shape == SHAPE_OBJECT) {
		respond_blob(c, code, object);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct presenter p;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	int ok = presenter_init(&p, c, &e);
	if (ok == 0)
		present_object(&out, &p, blob_str(object));
	presenter_finish(&p);
	blob_unref(object);
	if (ok < 0)
		respond_error(c, &e, NULL);
	else
		respond_buf(c, code, &out);
}
