// SPDX-License-Identifier: Apache-2.0
#include "reference.h"
#include "unit.h"

TEST(schema_finds_every_name)
{
	for (size_t i = 0; i < api_type_count; i++) {
		const struct api_type *t = api_types[i];
		CHECK(api_type_find(t->name) == t);
		for (size_t f = 0; f < t->field_count; f++) {
			CHECK(api_field_find(t, t->fields[f].name) == &t->fields[f]);
			if (t->fields[f].number)
				CHECK(api_field_within(t, t->fields[f].within, t->fields[f].number) == &t->fields[f]);
		}
		CHECK(!api_field_find(t, STR("")));
		CHECK(!api_field_find(t, STR("noSuchField")));
	}
	CHECK(!api_type_find(STR("v1.Nothing")));
	CHECK(!api_type_find(STR("")));
}

TEST(schema_finds_resources)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < api_resource_count; i++) {
		const struct api_resource *r = &api_resources[i];
		CHECK(api_resource_find(r->group, r->version, r->plural) == r);
		CHECK(api_resource_by_kind(r->group, r->version, r->kind) == r);
		CHECK(str_eq(r->type->kind, r->kind));
		CHECK((r->list_type != NULL) == ((r->verbs & API_LIST_VERB) != 0));
	}
	const struct api_resource *pods = api_resource_find(STR(""), STR("v1"), STR("pods"));
	REQUIRE(pods);
	CHECK_STR(api_version_text(&a, pods), "v1");
	CHECK(api_type_find(STR("v1.Pod")) == pods->type);
	const struct api_subresource *eviction = api_subresource_find(pods, STR("eviction"));
	REQUIRE(eviction);
	CHECK_STR(eviction->group, "policy");
	CHECK_STR(eviction->kind, "Eviction");
	CHECK(!api_subresource_find(pods, STR("nothing")));
	const struct api_resource *events = api_resource_find(STR("events.k8s.io"), STR("v1"), STR("events"));
	REQUIRE(events);
	CHECK_STR(events->store_prefix, "events");
	CHECK_STR(api_version_text(&a, events), "events.k8s.io/v1");
}

// "k8s.io.api.core.v1" for the definitions "io.k8s.api.core.v1.X"
static const struct api_type *type_of_message(struct arena *a, struct str package, struct str message)
{
	struct str definition = arena_fmt(a, "io.k8s.%.*s.%.*s", STR_FMT(str_from(package, sizeof "k8s.io." - 1)),
					  STR_FMT(message));
	for (size_t i = 0; i < api_type_count; i++)
		if (str_eq(api_types[i]->definition, definition))
			return api_types[i];
	return NULL;
}

TEST(schema_numbers_are_the_recorded_ones)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str text = reference_file(&a, "protobuf-fields.tsv"), line, column[6];
	int tried = 0;
	while (str_next(&text, '\n', &line)) {
		for (size_t i = 0; i < ARRAY_LEN(column); i++)
			if (!str_next(&line, '\t', &column[i]))
				column[i] = STR("");
		const struct api_type *t = type_of_message(&a, column[0], column[1]);
		const struct api_field *f = t ? api_field_find(t, column[2]) : NULL;
		if (!f || str_is(column[0], "# package"))
			continue;
		uint64_t number = 0;
		CHECK(str_to_u64(column[3], &number) == 0);
		if (f->number != number || f->within)
			unit_fail(__FILE__, __LINE__, "%.*s.%.*s is %u, not %.*s", STR_FMT(t->name), STR_FMT(f->name),
				  f->number, STR_FMT(column[3]));
		tried++;
	}
	CHECK(tried > 700);
}
