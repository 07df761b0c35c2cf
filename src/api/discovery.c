// SPDX-License-Identifier: Apache-2.0
// Discovery: which groups, versions and resources there are, in the legacy form and the aggregated one.
#include "api/openapi.h"

static void add_text(struct buf *out, const char *key, struct str value) // ,"key":"value"
{
	buf_fmt(out, ",\"%s\":", key);
	json_write_string(out, value);
}

// Names as an array, without a comma before.
static void add_strings(struct buf *out, const struct str *values)
{
	buf_add_byte(out, '[');
	for (const struct str *s = values; s && s->n; s++) {
		if (s != values)
			buf_add_byte(out, ',');
		json_write_string(out, *s);
	}
	buf_add_byte(out, ']');
}

static void add_optional_strings(struct buf *out, const char *key, const struct str *values)
{
	if (!values || values->n == 0)
		return;
	buf_fmt(out, ",\"%s\":", key);
	add_strings(out, values);
}

static void add_verbs(struct buf *out, unsigned verbs)
{
	static const struct {
		unsigned bit;
		const char *name;
	} all[] = {{API_CREATE, "create"}, {API_DELETE, "delete"}, {API_DELETE_COLLECTION, "deletecollection"},
		   {API_GET, "get"},	   {API_LIST_VERB, "list"}, {API_PATCH, "patch"},
		   {API_UPDATE, "update"}, {API_WATCH, "watch"}};
	bool first = true;
	BUF_LIT(out, ",\"verbs\":[");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!(verbs & all[i].bit))
			continue;
		buf_fmt(out, "%s\"%s\"", first ? "" : ",", all[i].name);
		first = false;
	}
	buf_add_byte(out, ']');
}

static bool same_version(const struct api_resource *r, struct str group, struct str version)
{
	return str_eq(r->group, group) && str_eq(r->version, version);
}

// Whether no resource before r has its group (and version, where it counts).
static bool is_first_of(const struct api_resource *r, bool with_version)
{
	for (const struct api_resource *before = api_resources; before < r; before++)
		if (str_eq(before->group, r->group) && (!with_version || str_eq(before->version, r->version)))
			return false;
	return true;
}

#define each_resource(r) \
	for (const struct api_resource *r = api_resources; r < api_resources + api_resource_count; r++)

void api_discovery_legacy_versions(struct buf *out, struct str server_address)
{
	BUF_LIT(out, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{\"clientCIDR\":"
		     "\"0.0.0.0/0\"");
	add_text(out, "serverAddress", server_address);
	BUF_LIT(out, "}]}");
}

static void add_group_version(struct buf *out, const struct api_resource *r)
{
	buf_fmt(out, "{\"groupVersion\":\"%.*s/%.*s\",\"version\":\"%.*s\"}", STR_FMT(r->group), STR_FMT(r->version),
		STR_FMT(r->version));
}

// The members of an APIGroup after its kind. The first version in the schema is the preferred one.
static void add_group(struct buf *out, const struct api_resource *first)
{
	buf_fmt(out, "\"name\":\"%.*s\",\"versions\":[", STR_FMT(first->group));
	each_resource(r) {
		if (!str_eq(r->group, first->group) || !is_first_of(r, true))
			continue;
		if (r != first)
			buf_add_byte(out, ',');
		add_group_version(out, r);
	}
	BUF_LIT(out, "],\"preferredVersion\":");
	add_group_version(out, first);
}

void api_discovery_groups(struct buf *out)
{
	bool first = true;
	BUF_LIT(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
	each_resource(r) {
		if (r->group.n == 0 || !is_first_of(r, false))
			continue;
		buf_add_byte(out, first ? '{' : ',');
		if (!first)
			buf_add_byte(out, '{');
		add_group(out, r);
		buf_add_byte(out, '}');
		first = false;
	}
	BUF_LIT(out, "]}");
}

bool api_discovery_group(struct buf *out, struct str group)
{
	each_resource(r) {
		if (group.n == 0 || !str_eq(r->group, group))
			continue;
		BUF_LIT(out, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
		add_group(out, r);
		buf_add_byte(out, '}');
		return true;
	}
	return false;
}

static void add_resource(struct buf *out, const struct api_resource *r)
{
	buf_fmt(out, "{\"name\":\"%.*s\",\"singularName\":\"%.*s\",\"namespaced\":%s,\"kind\":\"%.*s\"",
		STR_FMT(r->plural), STR_FMT(r->singular), r->namespaced ? "true" : "false", STR_FMT(r->kind));
	add_verbs(out, r->verbs);
	add_optional_strings(out, "shortNames", r->short_names);
	add_optional_strings(out, "categories", r->categories);
	if (r->storage_hash.n)
		buf_fmt(out, ",\"storageVersionHash\":\"%.*s\"", STR_FMT(r->storage_hash));
	buf_add_byte(out, '}');
}

static void add_subresource(struct buf *out, const struct api_resource *r, const struct api_subresource *s)
{
	buf_fmt(out, "{\"name\":\"%.*s/%.*s\",\"singularName\":\"\",\"namespaced\":%s", STR_FMT(r->plural),
		STR_FMT(s->name), r->namespaced ? "true" : "false");
	if (s->group.n)
		add_text(out, "group", s->group);
	if (s->version.n)
		add_text(out, "version", s->version);
	add_text(out, "kind", s->kind);
	add_verbs(out, s->verbs);
	buf_add_byte(out, '}');
}

bool api_discovery_resources(struct buf *out, struct str group, struct str version)
{
	bool any = false;
	each_resource(r) {
		if (!same_version(r, group, version))
			continue;
		if (!any) {
			buf_fmt(out, "{\"kind\":\"APIResourceList\",%s\"groupVersion\":\"%.*s%s%.*s\",\"resources\":[",
				group.n ? "\"apiVersion\":\"v1\"," : "", STR_FMT(group), group.n ? "/" : "",
				STR_FMT(version));
		} else {
			buf_add_byte(out, ',');
		}
		any = true;
		add_resource(out, r);
		for (size_t i = 0; i < r->subresource_count; i++) {
			buf_add_byte(out, ',');
			add_subresource(out, r, &r->subresources[i]);
		}
	}
	if (any)
		BUF_LIT(out, "]}");
	return any;
}

static void add_response_kind(struct buf *out, struct str group, struct str version, struct str kind)
{
	buf_fmt(out, ",\"responseKind\":{\"group\":\"%.*s\",\"version\":\"%.*s\",\"kind\":\"%.*s\"}", STR_FMT(group),
		STR_FMT(version), STR_FMT(kind));
}

static void add_aggregated_subresources(struct buf *out, const struct api_resource *r)
{
	if (r->subresource_count == 0)
		return;
	BUF_LIT(out, ",\"subresources\":[");
	for (size_t i = 0; i < r->subresource_count; i++) {
		const struct api_subresource *s = &r->subresources[i];
		buf_fmt(out, "%s{\"subresource\":\"%.*s\"", i ? "," : "", STR_FMT(s->name));
		bool own = s->version.n > 0;
		add_response_kind(out, own ? s->group : r->group, own ? s->version : r->version, s->kind);
		add_verbs(out, s->verbs);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void add_aggregated_resource(struct buf *out, const struct api_resource *r)
{
	buf_fmt(out, "{\"resource\":\"%.*s\"", STR_FMT(r->plural));
	add_response_kind(out, r->group, r->version, r->kind);
	buf_fmt(out, ",\"scope\":\"%s\",\"singularResource\":\"%.*s\"", r->namespaced ? "Namespaced" : "Cluster",
		STR_FMT(r->singular));
	add_verbs(out, r->verbs);
	add_optional_strings(out, "shortNames", r->short_names);
	add_optional_strings(out, "categories", r->categories);
	add_aggregated_subresources(out, r);
	buf_add_byte(out, '}');
}

static void add_aggregated_version(struct buf *out, const struct api_resource *first)
{
	buf_fmt(out, "{\"version\":\"%.*s\",\"resources\":[", STR_FMT(first->version));
	each_resource(r) {
		if (!same_version(r, first->group, first->version))
			continue;
		if (r != first)
			buf_add_byte(out, ',');
		add_aggregated_resource(out, r);
	}
	BUF_LIT(out, "],\"freshness\":\"Current\"}");
}

static void add_aggregated_group(struct buf *out, const struct api_resource *first)
{
	BUF_LIT(out, "{\"metadata\":{");
	if (first->group.n)
		buf_fmt(out, "\"name\":\"%.*s\",", STR_FMT(first->group));
	BUF_LIT(out, "\"creationTimestamp\":null},\"versions\":[");
	each_resource(r) {
		if (!str_eq(r->group, first->group) || !is_first_of(r, true))
			continue;
		if (r != first)
			buf_add_byte(out, ',');
		add_aggregated_version(out, r);
	}
	BUF_LIT(out, "]}");
}

void api_discovery_aggregated(struct buf *out, bool core)
{
	bool any = false;
	BUF_LIT(out, "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"metadata\":{},"
		     "\"items\":[");
	each_resource(r) {
		if ((r->group.n == 0) != core || !is_first_of(r, false))
			continue;
		if (any)
			buf_add_byte(out, ',');
		add_aggregated_group(out, r);
		any = true;
	}
	BUF_LIT(out, "]}");
}
