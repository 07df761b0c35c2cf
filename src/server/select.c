// SPDX-License-Identifier: Apache-2.0
#include "server/select.h"

#include "server/shallow.h"

int selection_of(struct arena *a, const struct api_resource *r, const struct list_options *o, struct str name,
		 struct selection *out, struct err *e)
{
	*out = (struct selection){.name = name};
	if (!str_empty(o->label_selector) && api_selector_parse(a, o->label_selector, &out->labels, e) < 0)
		return -1;
	if (!str_empty(o->field_selector) && api_field_selector_parse(a, r, o->field_selector, &out->fields, e) < 0)
		return -1;
	if (out->labels && api_selector_everything(out->labels))
		out->labels = NULL;
	if (out->fields && api_field_selector_everything(out->fields))
		out->fields = NULL;
	if (out->fields && str_empty(name))
		out->name = api_field_selector_value(out->fields, "metadata.name");
	return 0;
}

bool selection_is_everything(const struct selection *s)
{
	return !s->labels && !s->fields && str_empty(s->name);
}

// The node of a pod; it needs no escapes.
static struct str node_of(struct str pod)
{
	struct str spec, name;
	if (!shallow_get(pod, "spec", &spec) || !shallow_get(spec, "nodeName", &name) || name.n < 2)
		return STR("");
	return str_sub(name, 1, name.n - 2);
}

void selection_narrow(const struct selection *s, const struct api_resource *r, struct store_scope *scope)
{
	struct str node = s->fields ? api_field_selector_value(s->fields, "spec.nodeName") : STR_NONE;
	if (!str_is(r->store_prefix, "pods") || !node.p)
		return;
	scope->facet = node_of;
	scope->wanted = node;
}

bool selection_matches(const struct selection *s, const struct json *object)
{
	if (!str_empty(s->name) && !str_eq(json_str(object, "metadata.name"), s->name))
		return false;
	if (s->labels && !api_selector_matches(s->labels, json_at(object, "metadata.labels")))
		return false;
	return !s->fields || api_field_selector_matches(s->fields, object);
}

static bool labels_match(const struct selection *s, struct arena *scratch, struct str object)
{
	struct str metadata, text;
	struct json *labels = NULL;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (shallow_get(object, "metadata", &metadata) && shallow_get(metadata, "labels", &text))
		MUST(json_parse(scratch, text, NULL, &labels, &e) == 0);
	return api_selector_matches(s->labels, labels);
}

bool selection_matches_text(const struct selection *s, struct arena *scratch, struct str object)
{
	arena_reset(scratch);
	if (!s->fields && str_empty(s->name))
		return !s->labels || labels_match(s, scratch, object);
	if (s->labels && !labels_match(s, scratch, object))
		return false;
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	MUST(json_parse(scratch, object, NULL, &tree, &e) == 0);
	return selection_matches(s, tree);
}
