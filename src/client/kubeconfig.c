// SPDX-License-Identifier: Apache-2.0
#include "client/kubeconfig.h"

#include "api/object.h"
#include "base/encode.h"

enum { FILE_MAX = 1024 * 1024 };

struct source {
	struct arena *arena;
	struct loop *loop;
	const char *directory;
};

// The entry of this name in a list of {name, <key>}; its <key>.
static struct json *find_named(const struct json *config, const char *list, const char *key, struct str name,
			       struct err *e)
{
	json_each(entry, json_get(config, str_of(list))) {
		struct json *value = json_get(entry, str_of(key));
		if (str_eq(json_str(entry, "name"), name) && value)
			return value;
	}
	err_set(e, ERR_BAD_REQUEST, "%s has no \"%.*s\"", list, STR_FMT(name));
	return NULL;
}

static int read_file(const struct source *s, struct str name, struct str *out, struct err *e)
{
	struct str path = str_starts(name, STR("/")) ? arena_str(s->arena, name)
						     : arena_fmt(s->arena, "%s/%.*s", s->directory, STR_FMT(name));
	return file_read(s->loop, s->arena, path.p, FILE_MAX, out, e);
}

// `key`-data as base64, or the file that `key` names; empty where neither is.
static int read_pem(const struct source *s, const struct json *object, const char *key, struct str *out, struct err *e)
{
	const struct json *data = json_get(object, arena_fmt(s->arena, "%s-data", key));
	const struct json *file = json_get(object, str_of(key));
	*out = STR_NONE;
	if (data && data->type == JSON_STRING && data->text.n) {
		if (decode_base64(s->arena, data->text, out) < 0)
			return err_set(e, ERR_BAD_REQUEST, "%s-data is not base64", key);
		return 0;
	}
	if (file && file->type == JSON_STRING && file->text.n)
		return read_file(s, file->text, out, e);
	return 0;
}

static int read_cluster(const struct source *s, const struct json *cluster, struct https_config *out, struct err *e)
{
	struct str server = json_str(cluster, "server"), name = json_str(cluster, "tls-server-name");
	if (server.n == 0)
		return err_set(e, ERR_BAD_REQUEST, "the cluster has no server");
	out->server = arena_c(s->arena, server);
	out->server_name = name.n ? arena_c(s->arena, name) : NULL;
	out->insecure = json_is_true(cluster, "insecure-skip-tls-verify");
	return read_pem(s, cluster, "certificate-authority", &out->authorities, e);
}

static int read_user(const struct source *s, const struct json *user, struct https_config *out, struct err *e)
{
	struct str token_file = json_str(user, "tokenFile");
	out->token = json_str(user, "token");
	if (out->token.n == 0 && token_file.n && read_file(s, token_file, &out->token, e) < 0)
		return -1;
	if (read_pem(s, user, "client-certificate", &out->certificate, e) < 0)
		return -1;
	return read_pem(s, user, "client-key", &out->key, e);
}

int kubeconfig_parse(struct arena *a, struct loop *l, struct str text, const char *directory, const char *context,
		     struct https_config *out, struct err *e)
{
	struct source s = {a, l, directory};
	struct json *config, *chosen, *cluster, *user;
	if (api_yaml_parse(a, arena_str(a, text), NULL, &config, e) < 0)
		return -1;
	*out = (struct https_config){0};
	struct str name = context ? str_of(context) : json_str(config, "current-context");
	if (!(chosen = find_named(config, "contexts", "context", name, e)) ||
	    !(cluster = find_named(config, "clusters", "cluster", json_str(chosen, "cluster"), e)))
		return -1;
	if (read_cluster(&s, cluster, out, e) < 0)
		return -1;
	if (json_str(chosen, "user").n == 0)
		return 0;
	if (!(user = find_named(config, "users", "user", json_str(chosen, "user"), e)))
		return -1;
	return read_user(&s, user, out, e);
}

int kubeconfig_load(struct arena *a, struct loop *l, const char *path, const char *context, struct https_config *out,
		    struct err *e)
{
	struct str text, whole = str_of(path);
	if (file_read(l, a, path, FILE_MAX, &text, e) < 0)
		return -1;
	ptrdiff_t slash = str_find_last(whole, '/');
	const char *directory = slash < 0 ? "." : slash == 0 ? "" : arena_c(a, str_sub(whole, 0, (size_t)slash));
	if (kubeconfig_parse(a, l, text, directory, context, out, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}
