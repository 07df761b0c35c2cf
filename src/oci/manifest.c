// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.h"

#include "base/times.h"
#include "oci/digest.h"

enum { STRINGS_MAX = 10000 };

static const struct json_options shallow = {.depth_max = 64};

static int bad(struct err *e, const char *what)
{
	return err_set(e, ERR_BAD_REQUEST, "%s", what);
}

struct str oci_architecture(void)
{
#if defined(__x86_64__)
	return STR("amd64");
#elif defined(__aarch64__)
	return STR("arm64");
#elif defined(__riscv)
	return STR("riscv64");
#else
	return STR("unknown");
#endif
}

bool oci_layer_type_known(struct str t)
{
	static const char *const known[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_is(t, known[i]))
			return true;
	return false;
}

static int parse_descriptor(const struct json *j, const char *where, struct oci_descriptor *d, struct err *e)
{
	if (!j || j->type != JSON_OBJECT)
		return err_set(e, ERR_BAD_REQUEST, "%s: a descriptor is missing", where);
	*d = (struct oci_descriptor){
		.media_type = json_str(j, "mediaType"),
		.digest = json_str(j, "digest"),
		.size = json_i64(j, "size", -1),
		.os = json_str(j, "platform.os"),
		.architecture = json_str(j, "platform.architecture"),
	};
	const struct json *notes = json_get(j, STR("annotations"));
	const struct json *full = json_get(notes, STR("io.containerd.image.name"));
	const struct json *ref = json_get(notes, STR("org.opencontainers.image.ref.name"));
	d->image_name = full && full->type == JSON_STRING ? full->text : STR_NONE;
	d->ref_name = ref && ref->type == JSON_STRING ? ref->text : STR_NONE;
	if (!oci_digest_parse(d->digest, NULL, NULL))
		return err_set(e, ERR_BAD_REQUEST, "%s.digest: not a digest", where);
	if (d->size < 0)
		return err_set(e, ERR_BAD_REQUEST, "%s.size: missing or negative", where);
	if (json_first(json_get(j, STR("urls"))))
		return err_set(e, ERR_BAD_REQUEST, "%s.urls: layers kept elsewhere are not fetched", where);
	return 0;
}

static int parse_descriptors(struct arena *a, const struct json *list, const char *where, size_t max,
			     struct oci_descriptor **out, size_t *count, struct err *e)
{
	if (list->type != JSON_ARRAY)
		return err_set(e, ERR_BAD_REQUEST, "%s: not a list", where);
	if (list->count > max)
		return err_set(e, ERR_BAD_REQUEST, "%s: more than %zu entries", where, max);
	*out = ARENA_ARRAY(a, struct oci_descriptor, list->count + 1);
	*count = 0;
	json_each(j, list) {
		const char *here = arena_fmt(a, "%s[%zu]", where, *count).p;
		if (parse_descriptor(j, here, &(*out)[*count], e) < 0)
			return -1;
		++*count;
	}
	return 0;
}

int oci_manifest_parse(struct arena *a, struct str bytes, struct oci_manifest *out, struct err *e)
{
	struct json *j;
	if (json_parse(a, bytes, &shallow, &j, e) < 0)
		return err_wrap(e, "manifest");
	struct oci_manifest m = {0};
	const struct json *layers = json_get(j, STR("layers")), *manifests = json_get(j, STR("manifests"));
	if (json_i64(j, "schemaVersion", 0) != 2)
		return bad(e, "schemaVersion: only 2 is known");
	if (!layers == !manifests) // one document must not be read as two different images
		return bad(e, layers ? "manifest: has both layers and manifests"
				     : "manifest: has neither layers nor manifests");
	if (manifests) {
		m.is_index = true;
		if (json_get(j, STR("config")))
			return bad(e, "config: an index has none");
		if (parse_descriptors(a, manifests, "manifests", OCI_MANIFESTS_MAX, &m.manifests, &m.manifest_count,
				      e) < 0)
			return -1;
	} else {
		if (parse_descriptor(json_get(j, STR("config")), "config", &m.config, e) < 0)
			return -1;
		if (parse_descriptors(a, layers, "layers", OCI_LAYERS_MAX, &m.layers, &m.layer_count, e) < 0)
			return -1;
	}
	*out = m;
	return 0;
}

static int parse_strings(struct arena *a, const struct json *list, const char *where, struct oci_strings *out,
			 struct err *e)
{
	*out = (struct oci_strings){0};
	if (!list || list->type == JSON_NULL)
		return 0;
	if (list->type != JSON_ARRAY || list->count > STRINGS_MAX)
		return err_set(e, ERR_BAD_REQUEST, "%s: not a list of at most %d strings", where, STRINGS_MAX);
	out->items = ARENA_ARRAY(a, struct str, list->count + 1);
	json_each(j, list) {
		if (j->type != JSON_STRING || memchr(j->text.p ? j->text.p : "", 0, j->text.n))
			return err_set(e, ERR_BAD_REQUEST, "%s[%zu]: not a string", where, out->count);
		out->items[out->count++] = j->text;
	}
	return 0;
}

// An object as a list: its keys, or "key=value" where the values are strings.
static void list_of_object(struct arena *a, const struct json *object, struct oci_strings *out)
{
	*out = (struct oci_strings){0};
	if (!object || object->type != JSON_OBJECT)
		return;
	out->items = ARENA_ARRAY(a, struct str, object->count + 1);
	json_each(j, object)
		out->items[out->count++] =
			j->type == JSON_STRING ? arena_fmt(a, "%.*s=%.*s", STR_FMT(j->key), STR_FMT(j->text)) : j->key;
}

int oci_config_parse(struct arena *a, struct str bytes, struct oci_config *out, struct err *e)
{
	struct json *j;
	if (json_parse(a, bytes, &shallow, &j, e) < 0)
		return err_wrap(e, "image config");
	const struct json *run = json_get(j, STR("config"));
	struct oci_config c = {
		.architecture = json_str(j, "architecture"),
		.os = json_str(j, "os"),
		.user = json_str(run, "User"),
		.working_dir = json_str(run, "WorkingDir"),
		.stop_signal = json_str(run, "StopSignal"),
	};
	if (time_parse(json_str(j, "created"), &c.created) < 0)
		c.created = 0;
	if (!json_str_is(j, "rootfs.type", "layers"))
		return bad(e, "rootfs.type: not \"layers\"");
	if (parse_strings(a, json_at(j, "rootfs.diff_ids"), "rootfs.diff_ids", &c.diff_ids, e) < 0 ||
	    parse_strings(a, json_get(run, STR("Entrypoint")), "config.Entrypoint", &c.entrypoint, e) < 0 ||
	    parse_strings(a, json_get(run, STR("Cmd")), "config.Cmd", &c.command, e) < 0 ||
	    parse_strings(a, json_get(run, STR("Env")), "config.Env", &c.env, e) < 0)
		return -1;
	list_of_object(a, json_get(run, STR("Volumes")), &c.volumes);
	list_of_object(a, json_get(run, STR("Labels")), &c.labels);
	if (c.diff_ids.count > OCI_LAYERS_MAX)
		return bad(e, "rootfs.diff_ids: too many layers");
	for (size_t i = 0; i < c.diff_ids.count; i++)
		if (!oci_digest_parse(c.diff_ids.items[i], NULL, NULL))
			return err_set(e, ERR_BAD_REQUEST, "rootfs.diff_ids[%zu]: not a digest", i);
	*out = c;
	return 0;
}

int oci_docker_parse(struct arena *a, struct str bytes, struct oci_docker_entry **out, size_t *count, struct err *e)
{
	struct json *j;
	if (json_parse(a, bytes, &shallow, &j, e) < 0)
		return err_wrap(e, "manifest.json");
	if (j->type != JSON_ARRAY || j->count == 0 || j->count > OCI_MANIFESTS_MAX)
		return bad(e, "manifest.json: not a list of images");
	*out = ARENA_ARRAY(a, struct oci_docker_entry, j->count);
	*count = 0;
	json_each(entry, j) {
		struct oci_docker_entry *d = &(*out)[*count];
		d->config = json_str(entry, "Config");
		if (str_empty(d->config))
			return err_set(e, ERR_BAD_REQUEST, "manifest.json[%zu].Config: missing", *count);
		if (parse_strings(a, json_get(entry, STR("RepoTags")), "RepoTags", &d->names, e) < 0 ||
		    parse_strings(a, json_get(entry, STR("Layers")), "Layers", &d->layers, e) < 0)
			return err_wrap(e, "manifest.json[%zu]", *count);
		if (d->layers.count > OCI_LAYERS_MAX)
			return err_set(e, ERR_BAD_REQUEST, "manifest.json[%zu].Layers: too many", *count);
		++*count;
	}
	return 0;
}
