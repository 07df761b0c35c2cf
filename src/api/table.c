// SPDX-License-Identifier: Apache-2.0
#include "api/table.h"

#include "api/table_cells.h"
#include "base/times.h"

void cell_text(struct row *r, struct str text)
{
	json_push(r->cells, json_string(r->arena, text.n ? text : STR("")));
}

void cell_int(struct row *r, int64_t value)
{
	json_push(r->cells, json_int(r->arena, value));
}

void cell_fmt(struct row *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	cell_text(r, arena_vfmt(r->arena, format, args));
	va_end(args);
}

void cell_at(struct row *r, const char *path, const char *otherwise)
{
	struct str text = json_str(r->object, path);
	cell_text(r, text.n ? text : str_of(otherwise));
}

void cell_name(struct row *r)
{
	cell_at(r, "metadata.name", "");
}

struct str row_age(const struct row *r, const struct json *time)
{
	int64_t then;
	if (!time || time->type != JSON_STRING || time_parse(time->text, &then))
		return STR("<unknown>");
	return time_age(r->arena, r->now_ns - then);
}

void cell_age(struct row *r)
{
	cell_text(r, row_age(r, json_at(r->object, "metadata.creationTimestamp")));
}

enum { NAMES_SHOWN = 3 };

void names_add(struct names *n, struct str name)
{
	if (n->count++ >= NAMES_SHOWN)
		return;
	if (n->shown++)
		buf_add_byte(&n->text, ',');
	buf_add(&n->text, name);
}

void cell_names(struct row *r, struct names *n, const char *otherwise)
{
	if (n->count > n->shown)
		buf_fmt(&n->text, " + %zu more...", n->count - n->shown);
	cell_text(r, n->text.n ? arena_str(r->arena, buf_str(&n->text)) : str_of(otherwise));
	buf_finish(&n->text);
}

struct str row_joined(const struct row *r, const struct json *list, const char *path)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	json_each(element, list) {
		if (element != list->first)
			buf_add_byte(&b, ',');
		buf_add(&b, *path ? json_str(element, path) : element->type == JSON_STRING ? element->text : STR_NONE);
	}
	return arena_str(r->arena, buf_str(&b));
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

// Sorts and joins by commas; "<none>" when there is nothing.
static struct str join_sorted(const struct row *r, struct str *texts, size_t n)
{
	if (n == 0)
		return STR("<none>");
	qsort(texts, n, sizeof *texts, by_text);
	struct buf b CLEAN_BUF;
	buf_init(&b);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_byte(&b, ',');
		buf_add(&b, texts[i]);
	}
	return arena_str(r->arena, buf_str(&b));
}

static size_t add_labels(const struct row *r, const struct json *labels, struct str *texts)
{
	size_t n = 0;
	json_each(label, labels)
		texts[n++] = arena_fmt(r->arena, "%.*s=%.*s", STR_FMT(label->key),
				       STR_FMT(label->type == JSON_STRING ? label->text : STR("")));
	return n;
}

struct str row_labels(const struct row *r, const struct json *labels)
{
	struct str *texts = ARENA_ARRAY(r->arena, struct str, labels ? labels->count + 1 : 1);
	return join_sorted(r, texts, add_labels(r, labels, texts));
}

static struct str expression_text(const struct row *r, const struct json *expression)
{
	struct str key = json_str(expression, "key");
	if (json_str_is(expression, "operator", "Exists"))
		return key;
	if (json_str_is(expression, "operator", "DoesNotExist"))
		return arena_fmt(r->arena, "!%.*s", STR_FMT(key));
	const struct json *list = json_get(expression, STR("values"));
	struct str *values = ARENA_ARRAY(r->arena, struct str, list ? list->count + 1 : 1);
	size_t n = 0;
	json_each(value, list)
		values[n++] = value->type == JSON_STRING ? value->text : STR_NONE;
	const char *op = json_str_is(expression, "operator", "In") ? "in" : "notin";
	return arena_fmt(r->arena, "%.*s %s (%.*s)", STR_FMT(key), op, STR_FMT(join_sorted(r, values, n)));
}

struct str row_selector(const struct row *r, const struct json *selector)
{
	const struct json *labels = json_get(selector, STR("matchLabels"));
	const struct json *expressions = json_get(selector, STR("matchExpressions"));
	size_t room = (labels ? labels->count : 0) + (expressions ? expressions->count : 0);
	struct str *texts = ARENA_ARRAY(r->arena, struct str, room + 1);
	size_t n = add_labels(r, labels, texts);
	json_each(expression, expressions)
		texts[n++] = expression_text(r, expression);
	return join_sorted(r, texts, n);
}

static int64_t count_at(const struct row *r, const char *path)
{
	const struct json *value = json_at(r->object, path);
	return value ? value->count : 0;
}

// The columns that all kinds with a pod template end with.
static void template_cells(struct row *r, const char *path)
{
	const struct json *containers = json_at(r->object, path);
	cell_text(r, row_joined(r, containers, "name"));
	cell_text(r, row_joined(r, containers, "image"));
}

static void table_deployment(struct row *r)
{
	cell_name(r);
	cell_fmt(r, "%lld/%lld", (long long)json_i64(r->object, "status.readyReplicas", 0),
		 (long long)json_i64(r->object, "spec.replicas", 0));
	cell_int(r, json_i64(r->object, "status.updatedReplicas", 0));
	cell_int(r, json_i64(r->object, "status.availableReplicas", 0));
	cell_age(r);
	template_cells(r, "spec.template.spec.containers");
	cell_text(r, row_selector(r, json_at(r->object, "spec.selector")));
}

static void table_replica_set(struct row *r)
{
	cell_name(r);
	cell_int(r, json_i64(r->object, "spec.replicas", 0));
	cell_int(r, json_i64(r->object, "status.replicas", 0));
	cell_int(r, json_i64(r->object, "status.readyReplicas", 0));
	cell_age(r);
	template_cells(r, "spec.template.spec.containers");
	cell_text(r, row_selector(r, json_at(r->object, "spec.selector")));
}

static void table_pod_template(struct row *r)
{
	cell_name(r);
	template_cells(r, "template.spec.containers");
	cell_text(r, row_labels(r, json_at(r->object, "template.metadata.labels")));
}

static void table_config_map(struct row *r)
{
	cell_name(r);
	cell_int(r, count_at(r, "data") + count_at(r, "binaryData"));
	cell_age(r);
}

static void table_secret(struct row *r)
{
	cell_name(r);
	cell_at(r, "type", "");
	cell_int(r, count_at(r, "data"));
	cell_age(r);
}

static void table_service_account(struct row *r)
{
	cell_name(r);
	cell_int(r, count_at(r, "secrets"));
	cell_age(r);
}

static void table_namespace(struct row *r)
{
	cell_name(r);
	cell_at(r, "status.phase", "");
	cell_age(r);
}

static void table_lease(struct row *r)
{
	cell_name(r);
	cell_at(r, "spec.holderIdentity", "");
	cell_age(r);
}

// What there is to say of a kind without columns of its own.
static void table_default(struct row *r)
{
	cell_name(r);
	cell_at(r, "metadata.creationTimestamp", "");
}

static const struct api_column default_columns[] = {
	{STR_INIT("Name"), STR_INIT("string"), STR_INIT("name"), STR_INIT("Name of the object."), 0},
	{STR_INIT("Created At"), STR_INIT("date"), STR_INIT(""), STR_INIT("When it was made."), 0},
};

static const struct {
	const char *group, *kind;
	void (*cells)(struct row *r);
} tables[] = {
	{"", "Pod", table_pod},
	{"", "Node", table_node},
	{"", "Service", table_service},
	{"", "Endpoints", table_endpoints},
	{"discovery.k8s.io", "EndpointSlice", table_endpoint_slice},
	{"", "Event", table_event},
	{"events.k8s.io", "Event", table_event},
	{"apps", "Deployment", table_deployment},
	{"apps", "ReplicaSet", table_replica_set},
	{"", "PodTemplate", table_pod_template},
	{"", "ConfigMap", table_config_map},
	{"", "Secret", table_secret},
	{"", "ServiceAccount", table_service_account},
	{"", "Namespace", table_namespace},
	{"coordination.k8s.io", "Lease", table_lease},
};

static void add_column(struct arena *a, struct json *columns, const struct api_column *c)
{
	struct json *column = json_push(columns, json_object(a));
	json_put_str(a, column, "name", c->name);
	json_put_str(a, column, "type", c->type);
	json_put_str(a, column, "format", c->format.n ? c->format : STR(""));
	json_put_str(a, column, "description", c->doc.n ? c->doc : STR(""));
	json_put_int(a, column, "priority", c->priority);
}

struct json *api_table_columns(struct arena *a, const struct api_resource *r)
{
	const struct api_column *columns = r->column_count ? r->columns : default_columns;
	size_t count = r->column_count ? r->column_count : ARRAY_LEN(default_columns);
	struct json *out = json_array(a);
	for (size_t i = 0; i < count; i++)
		add_column(a, out, &columns[i]);
	return out;
}

struct json *api_table_cells(struct arena *a, const struct api_resource *r, const struct json *object, int64_t now_ns)
{
	struct row row = {a, object, now_ns, json_array(a)};
	size_t i = 0;
	while (i < ARRAY_LEN(tables) && !(str_is(r->group, tables[i].group) && str_is(r->kind, tables[i].kind)))
		i++;
	if (i < ARRAY_LEN(tables) && r->column_count)
		tables[i].cells(&row);
	else
		table_default(&row);
	return row.cells;
}
