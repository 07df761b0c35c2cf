// SPDX-License-Identifier: Apache-2.0
#include "api/rules/value.h"

const struct json *field(const struct json *object, const char *name)
{
	return json_get(object, str_of(name));
}

struct str text_of(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type == JSON_STRING ? value->text : STR("");
}

bool is_set(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type != JSON_NULL && (value->type < JSON_ARRAY || value->count > 0);
}

bool is_true(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type == JSON_BOOL && value->boolean;
}

size_t count_of(const struct json *list)
{
	return list && list->type >= JSON_ARRAY ? list->count : 0;
}
