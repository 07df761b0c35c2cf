// SPDX-License-Identifier: Apache-2.0
#include "node/volume/gather.h"

#include "api/quantity.h"
#include "base/encode.h"
#include "base/map.h"

enum { VOLUME_FILES_MAX = 10000, TOKEN_SECONDS = 3600 };

struct gatherer {
	struct arena *arena;
	const struct volume_context *x;
	struct volume *volume;
	unsigned mode; // of files that say none
	size_t room;
	struct map *places; // path -> its place in the files, plus one; NULL: of one source, whose paths differ
	struct err *e;
};

static bool is_local(struct str path)
{
	struct str piece;
	if (!path.n || path.p[0] == '/')
		return false;
	while (str_next(&path, '/', &piece)) {
		if (str_is(piece, "..") || str_is(piece, ".") || !piece.n)
			return false;
	}
	return true;
}

// Of several sources with the same path the last one counts.
static struct volume_file *find_file(struct gatherer *g, struct str path)
{
	uintptr_t place = g->places ? (uintptr_t)map_get(g->places, path) : 0;
	return place ? &g->volume->files[place - 1] : NULL;
}

static int add_file(struct gatherer *g, struct str path, struct str bytes, unsigned mode)
{
	struct volume *v = g->volume;
	if (!is_local(path))
		return err_set(g->e, ERR_INVALID, "path \"%.*s\" leads out of the volume", STR_FMT(path));
	struct volume_file *known = find_file(g, path);
	if (known) {
		*known = (struct volume_file){path, bytes, mode, -1};
		return 0;
	}
	if (v->file_count >= VOLUME_FILES_MAX)
		return err_set(g->e, ERR_INVALID, "more than %d files", VOLUME_FILES_MAX);
	if (v->file_count == g->room) {
		size_t room = g->room ? g->room * 2 : 8;
		struct volume_file *files = ARENA_ARRAY(g->arena, struct volume_file, room);
		if (v->file_count)
			memcpy(files, v->files, v->file_count * sizeof *files);
		v->files = files;
		g->room = room;
	}
	v->files[v->file_count++] = (struct volume_file){path, bytes, mode, -1};
	if (g->places)
		map_set(g->places, path, (void *)(uintptr_t)v->file_count);
	return 0;
}

static unsigned mode_of(const struct json *from, const char *field, unsigned otherwise)
{
	return (unsigned)json_i64(from, field, otherwise) & 07777;
}

// ---- ConfigMaps and Secrets

// Where a key's value stands, and whether in base64.
static const struct json *find_key(const struct json *object, bool secret, struct str key, bool *encoded)
{
	*encoded = secret;
	const struct json *value = json_get(json_get(object, STR("data")), key);
	if (!value && !secret) {
		value = json_get(json_get(object, STR("binaryData")), key);
		*encoded = true;
	}
	return value;
}

static int add_value(struct gatherer *g, struct str path, const struct json *value, bool encoded, unsigned mode)
{
	struct str bytes = value->type == JSON_STRING ? value->text : STR_NONE;
	if (encoded && decode_base64(g->arena, bytes, &bytes))
		return err_set(g->e, ERR_INVALID, "the value for %.*s is not base64", STR_FMT(path));
	return add_file(g, path, bytes, mode);
}

static int add_all(struct gatherer *g, const struct json *object, bool secret)
{
	json_each(member, json_get(object, STR("data"))) {
		if (add_value(g, member->key, member, secret, g->mode))
			return -1;
	}
	json_each(member, secret ? NULL : json_get(object, STR("binaryData"))) {
		if (add_value(g, member->key, member, true, g->mode))
			return -1;
	}
	return 0;
}

static int add_object(struct gatherer *g, bool secret, struct str name, const struct json *source)
{
	bool optional = json_is_true(source, "optional");
	const struct json *items = json_get(source, STR("items"));
	const struct json *object = g->x->lookup(g->x->lookup_arg, secret, name);
	if (!object && optional)
		return 0;
	if (!object)
		return err_set(g->e, ERR_NOT_FOUND, "%s \"%.*s\" not found", secret ? "secret" : "configmap",
			       STR_FMT(name));
	if (!items || !items->count)
		return add_all(g, object, secret);
	json_each(item, items) {
		bool encoded;
		const struct json *value = find_key(object, secret, json_str(item, "key"), &encoded);
		if (!value && optional)
			continue;
		if (!value)
			return err_set(g->e, ERR_NOT_FOUND, "%s \"%.*s\" has no key %.*s",
				       secret ? "secret" : "configmap", STR_FMT(name), STR_FMT(json_str(item, "key")));
		if (add_value(g, json_str(item, "path"), value, encoded, mode_of(item, "mode", g->mode)))
			return -1;
	}
	return 0;
}

// ---- downward API and tokens

static int add_downward(struct gatherer *g, const struct json *source)
{
	json_each(item, json_get(source, STR("items"))) {
		const struct json *field = json_get(item, STR("fieldRef")),
				  *resource = json_get(item, STR("resourceFieldRef"));
		struct str value = STR_NONE;
		int r = field ? downward_field(g->arena, g->x->downward, json_str(field, "fieldPath"), &value, g->e)
			      : downward_resource(g->arena, g->x->downward, resource, STR_NONE, &value, g->e);
		if (r || add_file(g, json_str(item, "path"), value, mode_of(item, "mode", g->mode)))
			return -1;
	}
	return 0;
}

static struct volume_token token_of(const struct json *source)
{
	return (struct volume_token){json_str(source, "audience"),
				     json_i64(source, "expirationSeconds", TOKEN_SECONDS)};
}

// The user that every container runs as, or -1 where they differ or none is set.
static int64_t common_user(const struct pod_spec *s)
{
	int64_t of_pod = json_i64(s->object, "spec.securityContext.runAsUser", -1), common = -1;
	for (size_t i = 0; i < s->init_count + s->main_count; i++) {
		int64_t user = json_i64(s->containers[i].json, "securityContext.runAsUser", of_pod);
		if (user < 0 || (i && user != common))
			return -1;
		common = user;
	}
	return common;
}

static int add_token(struct gatherer *g, const struct json *source)
{
	struct volume_token token = token_of(source);
	struct str value;
	if (!g->x->token(g->x->token_arg, &token, &value))
		return err_set(g->e, ERR_NOT_FOUND, "the ServiceAccount's token is not here yet");
	const struct pod_spec *s = g->x->downward->pod;
	int64_t user = common_user(s);
	bool narrow = user >= 0 || json_at(s->object, "spec.securityContext.fsGroup");
	struct str path = json_str(source, "path");
	if (add_file(g, path, value, narrow ? 0600 : g->mode))
		return -1;
	find_file(g, path)->uid = user;
	return 0;
}

static int add_projected(struct gatherer *g, const struct json *projected)
{
	json_each(source, json_get(projected, STR("sources"))) {
		const struct json *part;
		int r;
		if ((part = json_get(source, STR("configMap"))))
			r = add_object(g, false, json_str(part, "name"), part);
		else if ((part = json_get(source, STR("secret"))))
			r = add_object(g, true, json_str(part, "name"), part);
		else if ((part = json_get(source, STR("downwardAPI"))))
			r = add_downward(g, part);
		else if ((part = json_get(source, STR("serviceAccountToken"))))
			r = add_token(g, part);
		else
			r = err_set(g->e, ERR_INVALID, "a projected source that this node does not know");
		if (r)
			return -1;
	}
	return 0;
}

// ---- each kind of volume

// A tmpfs counts against the memory of the pod: never more than all its containers together may have.
static uint64_t memory_limit(const struct pod_spec *s)
{
	uint64_t sum = 0;
	for (size_t i = s->init_count; i < s->init_count + s->main_count; i++) {
		struct quantity q;
		if (quantity_of(json_at(s->containers[i].json, "resources.limits.memory"), &q))
			return 0;
		sum += (uint64_t)quantity_value(q);
	}
	return sum;
}

static int gather_empty(struct gatherer *g, const struct json *source)
{
	struct quantity q;
	g->volume->kind = json_str_is(source, "medium", "Memory") ? VOLUME_MEMORY : VOLUME_EMPTY;
	g->volume->size = memory_limit(g->x->downward->pod);
	if (!quantity_of(json_get(source, STR("sizeLimit")), &q) && q.nano > 0) {
		uint64_t size = (uint64_t)quantity_value(q);
		if (!g->volume->size || size < g->volume->size)
			g->volume->size = size;
	}
	return 0;
}

static int gather_host(struct gatherer *g, const struct json *source)
{
	g->volume->kind = VOLUME_HOST;
	g->volume->path = json_str(source, "path");
	g->volume->type = json_str(source, "type");
	return 0;
}

static int gather_image(struct gatherer *g, const struct json *source)
{
	g->volume->kind = VOLUME_IMAGE;
	return 0;
}

static int gather_config(struct gatherer *g, const struct json *source)
{
	return add_object(g, false, json_str(source, "name"), source);
}

static int gather_secret(struct gatherer *g, const struct json *source)
{
	return add_object(g, true, json_str(source, "secretName"), source);
}

static int gather_downward(struct gatherer *g, const struct json *source)
{
	return add_downward(g, source);
}

static int gather_projected(struct gatherer *g, const struct json *source)
{
	struct map places;
	map_init(&places);
	g->places = &places;
	int r = add_projected(g, source);
	map_finish(&places);
	g->places = NULL;
	return r;
}

static const struct {
	const char *field;
	int (*gather)(struct gatherer *g, const struct json *source);
} sources[] = {
	{"emptyDir", gather_empty}, {"hostPath", gather_host},	  {"configMap", gather_config},
	{"secret", gather_secret},	{"downwardAPI", gather_downward}, {"projected", gather_projected},
	{"image", gather_image},
};

static int gather_one(struct gatherer *g, const struct json *volume)
{
	g->volume->name = json_str(volume, "name");
	g->volume->in_memory = volume_is_in_memory(volume);
	g->volume->kind = VOLUME_FILES;
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		const struct json *source = json_get(volume, str_of(sources[i].field));
		if (!source)
			continue;
		g->mode = mode_of(source, "defaultMode", 0644);
		g->room = 0;
		return sources[i].gather(g, source);
	}
	const struct json *other = json_first(volume);
	while (other && str_is(other->key, "name"))
		other = other->next;
	return err_set(g->e, ERR_INVALID, "volumes of type %.*s are not supported on this node",
		       STR_FMT(other ? other->key : STR_NONE));
}

bool volume_is_in_memory(const struct json *volume)
{
	return json_get(volume, STR("secret")) || json_get(volume, STR("downwardAPI")) ||
	       json_get(volume, STR("projected")) || json_str_is(volume, "emptyDir.medium", "Memory");
}

int volumes_gather(struct arena *a, const struct volume_context *x, struct volume_set *out, struct str *which,
		   struct err *e)
{
	const struct json *pod = x->downward->pod->object, *volumes = json_at(pod, "spec.volumes");
	*out = (struct volume_set){
		.items = ARENA_ARRAY(a, struct volume, (volumes ? volumes->count : 0) + 1),
		.fs_group = json_i64(pod, "spec.securityContext.fsGroup", -1),
	};
	json_each(volume, volumes) {
		struct gatherer g = {.arena = a, .x = x, .volume = &out->items[out->count++], .e = e};
		if (gather_one(&g, volume)) {
			*which = g.volume->name;
			return -1;
		}
	}
	return 0;
}

const struct volume *volume_find(const struct volume_set *set, struct str name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (str_eq(set->items[i].name, name))
			return &set->items[i];
	}
	return NULL;
}

// ---- what has to be fetched

typedef void each_object(void *arg, bool secret, struct str name);

static void tell(const struct json *ref, const char *field, bool secret, each_object *each, void *arg)
{
	struct str name = json_str(ref, field);
	if (name.n)
		each(arg, secret, name);
}

static void each_of_volume(const struct json *volume, each_object *each, void *arg)
{
	tell(volume, "configMap.name", false, each, arg);
	tell(volume, "secret.secretName", true, each, arg);
	json_each(source, json_at(volume, "projected.sources")) {
		tell(source, "configMap.name", false, each, arg);
		tell(source, "secret.name", true, each, arg);
	}
}

void volumes_each_object_of(const struct container_spec *c, each_object *each, void *arg)
{
	json_each(item, json_get(c->json, STR("env"))) {
		tell(item, "valueFrom.configMapKeyRef.name", false, each, arg);
		tell(item, "valueFrom.secretKeyRef.name", true, each, arg);
	}
	json_each(from, json_get(c->json, STR("envFrom"))) {
		tell(from, "configMapRef.name", false, each, arg);
		tell(from, "secretRef.name", true, each, arg);
	}
}

void volumes_each_object(const struct pod_spec *s, each_object *each, void *arg)
{
	json_each(volume, json_at(s->object, "spec.volumes"))
		each_of_volume(volume, each, arg);
	for (size_t i = 0; i < s->container_count; i++)
		volumes_each_object_of(&s->containers[i], each, arg);
}

void volumes_each_token(const struct pod_spec *s, void (*each)(void *arg, const struct volume_token *t), void *arg)
{
	json_each(volume, json_at(s->object, "spec.volumes")) {
		json_each(source, json_at(volume, "projected.sources")) {
			const struct json *token = json_get(source, STR("serviceAccountToken"));
			if (!token)
				continue;
			struct volume_token t = token_of(token);
			each(arg, &t);
		}
	}
}
