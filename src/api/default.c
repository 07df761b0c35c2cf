// SPDX-License-Identifier: Apache-2.0
// Drops fields of features that are off, rounds amounts of resources up to thousandths, and fills in absent fields: first what the schema says (`default=`, and {} for
// objects that are no pointers), then the type's own function (`defaults=` in the schema, src/api/defaults/), which sees
// what lies below filled in.
#include "api/object.h"
#include "api/quantity.h"

static void fill_object(struct arena *a, const struct api_type *t, struct json *object);

static void fill_children(struct arena *a, const struct api_field *f, struct json *v)
{
	if (f->shape == API_ONE) {
		if (v->type == JSON_OBJECT)
			fill_object(a, f->type, v);
		return;
	}
	json_each(child, v)
		if (child->type == JSON_OBJECT)
			fill_object(a, f->type, child);
}

static void round_amounts(struct arena *a, struct json *amounts)
{
	struct quantity q;
	json_each(amount, amounts)
		if (quantity_of(amount, &q) == 0 && quantity_cmp(q, quantity_whole_milli(q)) != 0)
			amount->text = quantity_text(a, quantity_whole_milli(q));
}

static struct json *standard_of(struct arena *a, const struct api_field *f)
{
	struct json *value;
	if (f->standard.n == 0)
		return json_object(a);
	MUST(json_parse(a, f->standard, NULL, &value, NULL) == 0);
	return value;
}

static void fill_object(struct arena *a, const struct api_type *t, struct json *object)
{
	for (const uint8_t *i = t->filled; *i; i++) {
		const struct api_field *f = &t->fields[*i - 1];
		struct json *v = json_get(object, f->name);
		if (!v || v->type == JSON_NULL)
			json_set(object, f->name, standard_of(a, f));
	}
	for (struct json *v = json_first(object), *next; v; v = next) {
		const struct api_field *f = api_field_find(t, v->key);
		next = v->next;
		if (f && f->off)
			json_unlink(object, v);
		else if (f && f->value == API_OBJECT)
			fill_children(a, f, v);
		else if (f && f->value == API_QUANTITY && f->shape == API_MAP)
			round_amounts(a, v);
	}
	if (t->defaults)
		t->defaults(a, object);
}

void api_default(struct arena *a, const struct api_resource *r, struct json *object)
{
	fill_object(a, r->type, object);
}
