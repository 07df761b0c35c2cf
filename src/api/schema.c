// SPDX-License-Identifier: Apache-2.0
// Look-ups in the tables that tools/schema_gen.py makes.
#include "api/schema.h"

const struct api_resource *api_resource_find(struct str group, struct str version, struct str plural)
{
	for (const struct api_resource *r = api_resources; r < api_resources + api_resource_count; r++)
		if (str_eq(r->plural, plural) && str_eq(r->group, group) && str_eq(r->version, version))
			return r;
	return NULL;
}

const struct api_resource *api_resource_by_kind(struct str group, struct str version, struct str kind)
{
	for (const struct api_resource *r = api_resources; r < api_resources + api_resource_count; r++)
		if (str_eq(r->kind, kind) && str_eq(r->group, group) && str_eq(r->version, version))
			return r;
	return NULL;
}

const struct api_subresource *api_subresource_find(const struct api_resource *r, struct str name)
{
	for (size_t i = 0; i < r->subresource_count; i++)
		if (str_eq(r->subresources[i].name, name))
			return &r->subresources[i];
	return NULL;
}

enum { NAME_MAX = 64 }; // no field's name is longer; tools/schema_gen.py sees to it

// The generator chose the seed so that no two names of a type meet (hash_of in tools/schema_gen.py is its twin).
static uint32_t hash_of(uint32_t seed, struct str name)
{
	uint32_t h = seed;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 0x01000193u;
	return h >> 16;
}

const struct api_field *api_field_find(const struct api_type *t, struct str name)
{
	if (name.n > NAME_MAX) // keys come from outside
		return NULL;
	uint8_t slot = t->slots[hash_of(t->seed, name) & t->slot_mask];
	if (slot == 0 || !str_eq(t->fields[slot - 1].name, name))
		return NULL;
	return &t->fields[slot - 1];
}

const struct api_field *api_field_within(const struct api_type *t, uint32_t within, uint32_t number)
{
	for (size_t i = 0; i < t->field_count; i++)
		if (t->fields[i].number == number && t->fields[i].within == within && number != 0)
			return &t->fields[i];
	return NULL;
}

const struct api_type *api_type_find(struct str name)
{
	size_t low = 0, high = api_type_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(api_types[middle]->name, name);
		if (order == 0)
			return api_types[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct str api_version_text(struct arena *a, const struct api_resource *r)
{
	return str_from(r->path, r->group.n ? sizeof "apis/" - 1 : sizeof "api/" - 1);
}
