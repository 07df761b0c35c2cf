// SPDX-License-Identifier: Apache-2.0
#include "node/env/env.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/map.h"
#include "node/env/env_file.h"
#include "node/env/expand.h"

enum { ENV_MAX = 20000 }; // variables of one container

struct builder {
	struct arena *arena;
	const struct env_context *x;
	struct map values; // name -> struct str *: what $(NAME) refers to
	struct map images; // names the pod or the services may still override
	struct err *e;
};

static int put(struct builder *b, struct map *into, struct str name, struct str value)
{
	if (into->count >= ENV_MAX)
		return err_set(b->e, ERR_INVALID, "more than %d environment variables", ENV_MAX);
	struct str *kept = ARENA_NEW(b->arena, struct str);
	*kept = value;
	map_set(into, name, kept);
	return 0;
}

static bool lookup_value(void *arg, struct str name, struct str *value)
{
	const struct str *found = map_get(arg, name);
	if (found)
		*value = *found;
	return found != NULL;
}

static int decode_value(struct builder *b, bool secret, const struct json *value, struct str *out)
{
	*out = value->type == JSON_STRING ? value->text : STR_NONE;
	if (secret && decode_base64(b->arena, *out, out))
		return err_set(b->e, ERR_INVALID, "a value of a Secret is not base64");
	return 0;
}

static int missing(struct builder *b, bool secret, struct str name)
{
	return err_set(b->e, ERR_NOT_FOUND, "%s \"%.*s\" not found", secret ? "secret" : "configmap", STR_FMT(name));
}

// configMapKeyRef and secretKeyRef. *skip: optional and not there.
static int key_ref(struct builder *b, bool secret, const struct json *ref, struct str *value, bool *skip)
{
	struct str name = json_str(ref, "name"), key = json_str(ref, "key");
	bool optional = json_is_true(ref, "optional");
	const struct json *data = b->x->lookup(b->x->lookup_arg, secret, name), *found = json_get(data, key);
	if (found)
		return decode_value(b, secret, found, value);
	*skip = optional;
	if (optional)
		return 0;
	if (!data)
		return missing(b, secret, name);
	return err_set(b->e, ERR_NOT_FOUND, "couldn't find key %.*s in %s %.*s/%.*s", STR_FMT(key),
		       secret ? "Secret" : "ConfigMap", STR_FMT(b->x->downward->pod->namespace), STR_FMT(name));
}

// fileKeyRef. A file that is not there is an error, optional or not: only its variable may be missing.
static int file_ref(struct builder *b, const struct json *ref, struct str *value, bool *skip)
{
	struct str path = json_str(ref, "path"), key = json_str(ref, "key"), text;
	if (b->x->read_file(b->x->lookup_arg, json_str(ref, "volumeName"), path, &text, b->e) ||
	    env_file_find(text, key, value, b->e))
		return err_wrap(b->e, "environment file \"%.*s\"", STR_FMT(path));
	*skip = !value->n && json_is_true(ref, "optional");
	return value->n || *skip ? 0
				 : err_set(b->e, ERR_NOT_FOUND, "environment variable key \"%.*s\" not found in file \"%.*s\"",
					   STR_FMT(key), STR_FMT(path));
}

static int value_from(struct builder *b, const struct json *from, struct str *value, bool *skip)
{
	const struct json *ref;
	if ((ref = json_get(from, STR("fieldRef"))))
		return downward_field(b->arena, b->x->downward, json_str(ref, "fieldPath"), value, b->e);
	if ((ref = json_get(from, STR("resourceFieldRef"))))
		return downward_resource(b->arena, b->x->downward, ref, b->x->container->name, value, b->e);
	if ((ref = json_get(from, STR("configMapKeyRef"))))
		return key_ref(b, false, ref, value, skip);
	if ((ref = json_get(from, STR("secretKeyRef"))))
		return key_ref(b, true, ref, value, skip);
	if ((ref = json_get(from, STR("fileKeyRef"))))
		return file_ref(b, ref, value, skip);
	return err_set(b->e, ERR_INVALID, "valueFrom names a source that this node does not know");
}

static int add_all_of(struct builder *b, bool secret, const struct json *ref, struct str prefix)
{
	struct str name = json_str(ref, "name");
	const struct json *data = b->x->lookup(b->x->lookup_arg, secret, name);
	if (!data)
		return json_is_true(ref, "optional") ? 0 : missing(b, secret, name);
	json_each(member, data) {
		struct str value;
		if (decode_value(b, secret, member, &value) ||
		    put(b, &b->values, arena_fmt(b->arena, "%.*s%.*s", STR_FMT(prefix), STR_FMT(member->key)), value))
			return -1;
	}
	return 0;
}

static int add_env_from(struct builder *b)
{
	json_each(from, json_get(b->x->container->json, STR("envFrom"))) {
		const struct json *config = json_get(from, STR("configMapRef")),
				  *secret = json_get(from, STR("secretRef"));
		if (config && add_all_of(b, false, config, json_str(from, "prefix")))
			return -1;
		if (secret && add_all_of(b, true, secret, json_str(from, "prefix")))
			return -1;
	}
	return 0;
}

static int add_env(struct builder *b)
{
	json_each(item, json_get(b->x->container->json, STR("env"))) {
		const struct json *from = json_get(item, STR("valueFrom"));
		struct str value = STR_NONE;
		bool skip = false;
		if (from && value_from(b, from, &value, &skip))
			return -1;
		if (!from)
			value = expand(b->arena, json_str(item, "value"), lookup_value, &b->values);
		if (!skip && put(b, &b->values, json_str(item, "name"), value))
			return -1;
	}
	return 0;
}

static int add_pairs(struct builder *b, struct map *into, const struct str *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct str name, value;
		str_cut(items[i], '=', &name, &value);
		if (name.n && put(b, into, name, value))
			return -1;
	}
	return 0;
}

static int build(struct builder *b)
{
	const struct env_context *x = b->x;
	if (x->image && add_pairs(b, &b->images, x->image->env.items, x->image->env.count))
		return -1;
	return add_pairs(b, &b->values, x->services, x->service_count) || add_env_from(b) || add_env(b) ? -1 : 0;
}

static void write_out(struct builder *b, struct env *out)
{
	out->items = ARENA_ARRAY(b->arena, struct str, b->images.count + b->values.count + 1);
	out->count = 0;
	map_each(entry, &b->images) {
		if (!map_has(&b->values, entry->key))
			out->items[out->count++] =
				arena_fmt(b->arena, "%.*s=%.*s", STR_FMT(entry->key), STR_FMT(*(struct str *)entry->value));
	}
	map_each(entry, &b->values)
		out->items[out->count++] =
			arena_fmt(b->arena, "%.*s=%.*s", STR_FMT(entry->key), STR_FMT(*(struct str *)entry->value));
}

int env_build(struct arena *a, const struct env_context *x, struct env *out, struct err *e)
{
	struct builder b = {.arena = a, .x = x, .e = e};
	map_init(&b.values);
	map_init(&b.images);
	int r = build(&b);
	if (!r)
		write_out(&b, out);
	map_finish(&b.values);
	map_finish(&b.images);
	return r;
}

// The last one wins, as in the list.
static bool lookup_item(void *arg, struct str name, struct str *value)
{
	const struct env *env = arg;
	for (size_t i = env->count; i-- > 0;) {
		struct str key;
		if (str_cut(env->items[i], '=', &key, value) && str_eq(key, name))
			return true;
	}
	return false;
}

struct str env_expand(struct arena *a, const struct env *env, struct str text)
{
	return expand(a, text, lookup_item, (void *)(uintptr_t)env);
}

int env_command(struct arena *a, const struct container_spec *c, const struct image *image, const struct env *env,
		struct str **args, size_t *count, struct err *e)
{
	const struct json *command = json_get(c->json, STR("command")), *given = json_get(c->json, STR("args"));
	bool has_command = command && command->count, has_args = given && given->count;
	size_t room = (command ? command->count : 0) + (given ? given->count : 0) + image->entrypoint.count +
		      image->command.count;
	*args = ARENA_ARRAY(a, struct str, room + 1);
	*count = 0;
	if (has_command) {
		json_each(item, command)
			(*args)[(*count)++] = env_expand(a, env, item->text);
	} else {
		for (size_t i = 0; i < image->entrypoint.count; i++)
			(*args)[(*count)++] = image->entrypoint.items[i];
	}
	if (has_args) {
		json_each(item, given)
			(*args)[(*count)++] = env_expand(a, env, item->text);
	} else if (!has_command) { // a command of the pod's own replaces the image's arguments too
		for (size_t i = 0; i < image->command.count; i++)
			(*args)[(*count)++] = image->command.items[i];
	}
	if (!*count)
		return err_set(e, ERR_INVALID, "no command specified, neither by the pod nor by the image");
	return 0;
}
