// SPDX-License-Identifier: Apache-2.0
#include "node/env/downward.h"

#include <stdlib.h>

#include "api/quantity.h"
#include "base/buf.h"

static int compare_members(const void *a, const void *b)
{
	return str_cmp((*(struct json *const *)a)->key, (*(struct json *const *)b)->key);
}

// Go's %q, as the values are written upstream.
static void add_quoted(struct buf *out, struct str s)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			buf_fmt(out, "\\%c", c);
		else if (c == '\n')
			BUF_LIT(out, "\\n");
		else if (c == '\t')
			BUF_LIT(out, "\\t");
		else if (c == '\r')
			BUF_LIT(out, "\\r");
		else if (c < 0x20 || c == 0x7f)
			buf_fmt(out, "\\x%02x", c);
		else
			buf_add_byte(out, (char)c);
	}
	buf_add_byte(out, '"');
}

static struct str map_lines(struct arena *a, const struct json *map)
{
	size_t n = 0;
	struct json **members = ARENA_ARRAY(a, struct json *, (map ? map->count : 0) + 1);
	json_each(m, map)
		members[n++] = m;
	qsort(members, n, sizeof *members, compare_members);
	struct buf out CLEAN_BUF;
	buf_init(&out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_byte(&out, '\n');
		buf_add(&out, members[i]->key);
		buf_add_byte(&out, '=');
		add_quoted(&out, members[i]->type == JSON_STRING ? members[i]->text : STR_NONE);
	}
	return arena_str(a, buf_str(&out));
}

// "metadata.labels['key']": the key, or false.
static bool subscript(struct str path, struct str prefix, struct str *key)
{
	if (!str_starts(path, prefix) || !str_ends(path, STR("']")) || path.n < prefix.n + 2)
		return false;
	*key = str_sub(path, prefix.n, path.n - prefix.n - 2);
	return true;
}

static struct str member(const struct json *map, struct str key)
{
	const struct json *value = json_get(map, key);
	return value && value->type == JSON_STRING ? value->text : STR_NONE;
}

int downward_field(struct arena *a, const struct downward_context *x, struct str path, struct str *value, struct err *e)
{
	const struct json *pod = x->pod->object;
	struct str key;
	if (subscript(path, STR("metadata.labels['"), &key))
		*value = member(json_at(pod, "metadata.labels"), key);
	else if (subscript(path, STR("metadata.annotations['"), &key))
		*value = member(json_at(pod, "metadata.annotations"), key);
	else if (str_is(path, "metadata.labels"))
		*value = map_lines(a, json_at(pod, "metadata.labels"));
	else if (str_is(path, "metadata.annotations"))
		*value = map_lines(a, json_at(pod, "metadata.annotations"));
	else if (str_is(path, "status.podIP") || str_is(path, "status.podIPs"))
		*value = x->pod->host_network ? x->host_ip : x->ip;
	else if (str_is(path, "status.hostIP") || str_is(path, "status.hostIPs"))
		*value = x->host_ip;
	else if (str_is(path, "spec.nodeName"))
		*value = x->node_name;
	else if (str_is(path, "metadata.name") || str_is(path, "metadata.namespace") || str_is(path, "metadata.uid") ||
		 str_is(path, "spec.serviceAccountName"))
		*value = json_str(pod, arena_c(a, path));
	else
		return err_set(e, ERR_INVALID, "fieldPath \"%.*s\" is not one that a pod can refer to", STR_FMT(path));
	return 0;
}

static int64_t divide_up(__int128 amount, __int128 by)
{
	return (int64_t)((amount + by - 1) / by);
}

// The amount that applies: what is set, or the node's own where a limit is asked for and there is none.
static struct quantity amount_of(const struct downward_context *x, const struct json *container, struct str resource,
				 struct str name)
{
	struct quantity q;
	const struct json *resources = json_get(container, STR("resources"));
	bool limit = str_starts(resource, STR("limits."));
	const struct json *limits = json_get(resources, STR("limits")),
			  *requests = json_get(resources, STR("requests"));
	if (!quantity_of(json_get(limit ? limits : requests, name), &q) && q.nano)
		return q;
	if (!limit)
		return quantity_of_int(0);
	if (str_is(name, "cpu"))
		return quantity_of_milli(x->node_cpu_milli);
	if (str_is(name, "memory"))
		return quantity_of_int(x->node_memory);
	return quantity_of_int(str_is(name, "ephemeral-storage") ? x->node_storage : 0);
}

int downward_resource(struct arena *a, const struct downward_context *x, const struct json *ref, struct str container,
		      struct str *value, struct err *e)
{
	struct str named = json_str(ref, "containerName"), resource = json_str(ref, "resource"), head, name;
	int i = pod_spec_find(x->pod, named.n ? named : container);
	if (i < 0)
		return err_set(e, ERR_INVALID, "container %.*s not found", STR_FMT(named));
	if (!str_cut(resource, '.', &head, &name))
		return err_set(e, ERR_INVALID, "resource \"%.*s\" is neither of limits nor of requests",
			       STR_FMT(resource));
	struct quantity amount = amount_of(x, x->pod->containers[i].json, resource, name), divisor;
	if (quantity_of(json_get(ref, STR("divisor")), &divisor) || divisor.nano <= 0)
		divisor = quantity_of_int(1);
	*value = arena_fmt(a, "%lld", (long long)divide_up(amount.nano, divisor.nano));
	return 0;
}
