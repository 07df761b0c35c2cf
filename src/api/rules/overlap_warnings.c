// SPDX-License-Identifier: Apache-2.0
// Files that a volume takes from ConfigMaps, Secrets and the like may be meant for the same path, or one for a directory
// that another needs: then one of them is lost.
#include "api/rules/warn.h"

enum { FILES_MAX = 200 }; // of one volume that are compared with each other

struct file {
	struct str path;
	const char *from;
	struct str name; // of the ConfigMap or Secret
};

struct files {
	struct check *check;
	struct str volume;
	struct file list[FILES_MAX];
	size_t count;
};

// Whether one path is the other's, or leads through it.
static bool meet(struct str a, struct str b)
{
	struct str shorter = a.n < b.n ? a : b, longer = a.n < b.n ? b : a;
	return str_starts(longer, shorter) && (longer.n == shorter.n || longer.p[shorter.n] == '/');
}

static void add(struct files *f, struct str path, const char *from, struct str name)
{
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	if (!path.n || f->count == FILES_MAX)
		return;
	for (size_t i = 0; i < f->count; i++) {
		const struct file *other = &f->list[i];
		if (meet(path, other->path))
			warn(f->check, NULL, "volume \"%.*s\": the paths \"%.*s\" (%s %.*s) and \"%.*s\" (%s %.*s) overlap",
			     STR_FMT(f->volume), STR_FMT(path), from, STR_FMT(name), STR_FMT(other->path), other->from,
			     STR_FMT(other->name));
	}
	f->list[f->count++] = (struct file){path, from, name};
}

static void add_items(struct files *f, const struct json *source, const char *from, struct str name)
{
	json_each(item, field(source, "items"))
		add(f, text_of(item, "path"), from, name);
}

// A source of a volume, or one of several that are projected into one.
static void add_source(struct files *f, const struct json *of, const char *secret_name)
{
	const struct json *map = field(of, "configMap"), *secret = field(of, "secret");
	const struct json *downward = field(of, "downwardAPI"), *token = field(of, "serviceAccountToken");
	if (map)
		add_items(f, map, "ConfigMap", text_of(map, "name"));
	else if (secret)
		add_items(f, secret, "Secret", text_of(secret, secret_name));
	else if (downward)
		add_items(f, downward, "downward API", STR_NONE);
	else if (token)
		add(f, text_of(token, "path"), "token", STR_NONE);
}

void warn_overlaps(struct check *c, const struct json *volumes)
{
	struct files *f = volumes ? ARENA_NEW(c->arena, struct files) : NULL;
	json_each(volume, volumes) {
		f->check = c;
		f->volume = text_of(volume, "name");
		f->count = 0;
		add_source(f, volume, "secretName");
		json_each(source, json_at(volume, "projected.sources")) {
			if (source->count)
				add_source(f, source, "name");
			else
				warn(c, NULL, "volume \"%.*s\": one of its sources is none", STR_FMT(f->volume));
		}
	}
}
