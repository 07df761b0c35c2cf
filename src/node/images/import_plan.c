// SPDX-License-Identifier: Apache-2.0
#include "node/images/import_plan.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "node/images/store.h"
#include "node/images/tree.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/reference.h"

enum { INDEX_DEPTH_MAX = 4, IMAGES_MAX = 1000, NAMES_MAX = 64, TEXTS_MAX = 16 };

struct planner {
	struct arena *arena;
	int dir;
	size_t manifest_max; // bytes of one text
	size_t left;	     // bytes that may yet be read of all: they are kept in memory
	struct str name;		 // instead of all others; or empty
	struct oci_docker_entry *docker; // manifest.json beside index.json: full names
	size_t docker_count;
	struct plan_image *images;
	size_t count;
};

static int read_text(struct planner *p, const char *path, struct str *out, struct err *e)
{
	if (store_read_file(p->arena, p->dir, path, p->manifest_max, out, e) < 0)
		return -1;
	if (out->n > p->left)
		return err_set(e, ERR_TOO_LARGE, "%s: manifests and configs of more than %zu bytes in all", path,
			       TEXTS_MAX * p->manifest_max);
	p->left -= out->n;
	return 0;
}

static const char *blob_path(struct planner *p, struct str digest)
{
	struct str kind, hex;
	str_cut(digest, ':', &kind, &hex);
	return arena_fmt(p->arena, "blobs/%.*s/%.*s", STR_FMT(kind), STR_FMT(hex)).p;
}

// The bytes of a small blob, whose digest and size are what the descriptor says.
static int read_blob(struct planner *p, const struct oci_descriptor *d, struct str *out, struct err *e)
{
	if ((uint64_t)d->size > p->manifest_max)
		return err_set(e, ERR_TOO_LARGE, "%.*s: larger than %zu bytes", STR_FMT(d->digest), p->manifest_max);
	if (read_text(p, blob_path(p, d->digest), out, e) < 0)
		return -1;
	struct oci_hash h;
	enum oci_digest_kind kind;
	oci_digest_parse(d->digest, &kind, NULL);
	oci_hash_init(&h, kind);
	oci_hash_add(&h, *out);
	struct str is = oci_hash_end(&h, p->arena);
	oci_hash_finish(&h);
	if (!str_eq(is, d->digest))
		return err_set(e, ERR_BAD_REQUEST, "digest mismatch: the bytes of %.*s hash to %.*s",
			       STR_FMT(d->digest), STR_FMT(is));
	if ((int64_t)out->n != d->size)
		return err_set(e, ERR_BAD_REQUEST, "%.*s: %zu bytes, not %lld", STR_FMT(d->digest), out->n,
			       (long long)d->size);
	return 0;
}

// ---- names

static int add_once(struct image_strings *list, struct str s, struct err *e)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i], s))
			return 0;
	if (list->count == NAMES_MAX)
		return err_set(e, ERR_BAD_REQUEST, "an image with more than %d names", NAMES_MAX);
	list->items[list->count++] = s;
	return 0;
}

// Who names it in a repository may also ask for it there by its digest, or by that of the index it came from.
static int add_name(struct planner *p, struct plan_image *m, struct str name, struct err *e)
{
	struct oci_reference r;
	if (oci_digest_parse(name, NULL, NULL)) // its ID, which some tools count among the names
		return 0;
	if (oci_reference_parse(p->arena, name, &r, e) < 0)
		return -1;
	if (!str_empty(r.digest) && !str_eq(r.digest, m->digest) && !str_eq(r.digest, m->target))
		return err_set(e, ERR_BAD_REQUEST, "name \"%.*s\": the image's digest is %.*s", STR_FMT(name),
			       STR_FMT(m->target));
	if (!str_empty(r.tag) && add_once(&m->names, oci_reference_tagged(p->arena, &r), e) < 0)
		return -1;
	r.digest = m->digest;
	if (add_once(&m->digests, oci_reference_pinned(p->arena, &r), e) < 0)
		return -1;
	r.digest = m->target;
	return add_once(&m->digests, oci_reference_pinned(p->arena, &r), e);
}

static int add_docker_names(struct planner *p, struct plan_image *m, const struct oci_docker_entry *d, struct err *e)
{
	for (size_t i = 0; i < d->names.count; i++)
		if (add_name(p, m, d->names.items[i], e) < 0)
			return -1;
	return 0;
}

// A ref.name is a full name with some tools, only a tag with others: a bare tag names nothing.
static bool is_whole_name(struct str ref)
{
	return str_find(ref, ':') > 0 || str_find(ref, '/') > 0;
}

static int name_from_layout(struct planner *p, struct plan_image *m, const struct oci_descriptor *top, struct err *e)
{
	if (!str_empty(p->name))
		return add_name(p, m, p->name, e);
	if (!str_empty(top->image_name) && add_name(p, m, top->image_name, e) < 0)
		return -1;
	if (is_whole_name(top->ref_name) && add_name(p, m, top->ref_name, e) < 0)
		return -1;
	struct str config = str_of(blob_path(p, m->id)), hex = str_from(m->id, 7);
	for (size_t i = 0; i < p->docker_count; i++)
		if (str_eq(p->docker[i].config, config) || str_starts(p->docker[i].config, hex))
			if (add_docker_names(p, m, &p->docker[i], e) < 0)
				return -1;
	return 0;
}

// ---- one image

static int check_config(struct plan_image *m, const struct oci_config *c, struct err *e)
{
	if (c->diff_ids.count != m->layer_count)
		return err_set(e, ERR_BAD_REQUEST, "%zu layers, but the config has %zu diff_ids", m->layer_count,
			       c->diff_ids.count);
	if (!str_empty(c->os) && !str_is(c->os, "linux"))
		return err_set(e, ERR_BAD_REQUEST, "an image for %.*s, not linux", STR_FMT(c->os));
	if (!str_empty(c->architecture) && !str_eq(c->architecture, oci_architecture()))
		return err_set(e, ERR_BAD_REQUEST, "an image for %.*s; this machine is %.*s", STR_FMT(c->architecture),
			       STR_FMT(oci_architecture()));
	return 0;
}

static int chain_layers(struct planner *p, struct plan_image *m, struct err *e)
{
	struct oci_config c;
	if (oci_config_parse(p->arena, m->config, &c, e) < 0 || check_config(m, &c, e) < 0)
		return -1;
	struct str chain = STR_NONE;
	for (size_t i = 0; i < m->layer_count; i++) {
		chain = oci_chain_id(p->arena, chain, c.diff_ids.items[i]);
		m->layers[i].diff_id = c.diff_ids.items[i];
		m->layers[i].chain_id = chain;
	}
	return 0;
}

static struct plan_image *new_image(struct planner *p, struct err *e)
{
	if (p->count == IMAGES_MAX) {
		err_set(e, ERR_BAD_REQUEST, "more than %d images", IMAGES_MAX);
		return NULL;
	}
	struct plan_image *m = &p->images[p->count];
	*m = (struct plan_image){0};
	m->names.items = ARENA_ARRAY(p->arena, struct str, NAMES_MAX);
	m->digests.items = ARENA_ARRAY(p->arena, struct str, NAMES_MAX);
	return m;
}

static struct plan_image *find_planned(struct planner *p, struct str digest)
{
	for (size_t i = 0; i < p->count; i++)
		if (str_eq(p->images[i].digest, digest))
			return &p->images[i];
	return NULL;
}

static int plan_manifest(struct planner *p, const struct oci_descriptor *d, const struct oci_descriptor *top,
			 struct str bytes, const struct oci_manifest *f, struct err *e)
{
	struct plan_image *m = new_image(p, e);
	if (!m)
		return -1;
	m->digest = d->digest;
	m->target = top->digest;
	m->manifest = bytes;
	m->id = f->config.digest;
	m->layer_count = f->layer_count;
	if (!str_starts(m->id, STR("sha256:")) || !str_starts(m->digest, STR("sha256:")))
		return err_set(e, ERR_BAD_REQUEST, "manifests and configs are kept by their sha256 digests only");
	if (read_blob(p, &f->config, &m->config, e) < 0)
		return err_wrap(e, "config");
	m->layers = ARENA_ARRAY(p->arena, struct plan_layer, f->layer_count + 1);
	for (size_t i = 0; i < f->layer_count; i++) {
		const struct oci_descriptor *l = &f->layers[i];
		if (!oci_layer_type_known(l->media_type))
			return err_set(e, ERR_BAD_REQUEST, "layers[%zu].mediaType: \"%.*s\" cannot be unpacked", i,
				       STR_FMT(l->media_type));
		m->layers[i] =
			(struct plan_layer){.path = blob_path(p, l->digest), .digest = l->digest, .size = l->size};
	}
	if (chain_layers(p, m, e) < 0 || name_from_layout(p, m, top, e) < 0)
		return -1;
	p->count++;
	return 0;
}

// ---- OCI layouts

static bool for_this_machine(const struct oci_descriptor *d)
{
	if (!str_empty(d->os) && !str_is(d->os, "linux"))
		return false;
	return str_empty(d->architecture) || str_eq(d->architecture, oci_architecture());
}

// `top`: the entry of index.json by which the image is named.
static int plan_descriptor(struct planner *p, const struct oci_descriptor *d, const struct oci_descriptor *top,
			   int depth, struct err *e)
{
	struct str bytes;
	struct oci_manifest f;
	struct plan_image *known = find_planned(p, d->digest);
	if (known) { // by another name
		known->target = top->digest;
		return name_from_layout(p, known, top, e);
	}
	if (depth > INDEX_DEPTH_MAX)
		return err_set(e, ERR_BAD_REQUEST, "indexes nested more than %d deep", INDEX_DEPTH_MAX);
	if (read_blob(p, d, &bytes, e) < 0 || oci_manifest_parse(p->arena, bytes, &f, e) < 0)
		return err_wrap(e, "manifest %.*s", STR_FMT(d->digest));
	if (!f.is_index)
		return plan_manifest(p, d, top, bytes, &f, e) < 0 ? err_wrap(e, "manifest %.*s", STR_FMT(d->digest))
								  : 0;
	for (size_t i = 0; i < f.manifest_count; i++)
		if (for_this_machine(&f.manifests[i])) // the first that fits, as registries' clients take it
			return plan_descriptor(p, &f.manifests[i], top, depth + 1, e);
	return err_set(e, ERR_BAD_REQUEST, "index %.*s has no image for linux/%.*s", STR_FMT(d->digest),
		       STR_FMT(oci_architecture()));
}

static int plan_layout(struct planner *p, struct str index_bytes, struct err *e)
{
	struct oci_manifest index;
	if (oci_manifest_parse(p->arena, index_bytes, &index, e) < 0)
		return err_wrap(e, "index.json");
	if (!index.is_index)
		return err_set(e, ERR_BAD_REQUEST, "index.json: not an index");
	size_t fitting = 0;
	for (size_t i = 0; i < index.manifest_count; i++) {
		if (!for_this_machine(&index.manifests[i]))
			continue;
		fitting++;
		if (plan_descriptor(p, &index.manifests[i], &index.manifests[i], 0, e) < 0)
			return -1;
	}
	if (!fitting)
		return err_set(e, ERR_BAD_REQUEST, "no image for linux/%.*s", STR_FMT(oci_architecture()));
	return 0;
}

// ---- docker archives

// Docker archives of old have no manifests: an image gets one of the layers as they lie there, so that it has a digest.
static void make_manifest(struct planner *p, struct plan_image *m)
{
	struct arena *a = p->arena;
	struct json *j = json_object(a), *config = json_object(a), *layers = json_array(a);
	json_put_int(a, j, "schemaVersion", 2);
	json_put_str(a, j, "mediaType", STR("application/vnd.oci.image.manifest.v1+json"));
	json_put_str(a, config, "mediaType", STR("application/vnd.oci.image.config.v1+json"));
	json_put_str(a, config, "digest", m->id);
	json_put_int(a, config, "size", (int64_t)m->config.n);
	json_put(j, "config", config);
	json_put(j, "layers", layers);
	for (size_t i = 0; i < m->layer_count; i++) {
		struct json *l = json_push(layers, json_object(a));
		json_put_str(a, l, "mediaType", STR("application/vnd.oci.image.layer.v1.tar"));
		json_put_str(a, l, "digest", m->layers[i].diff_id);
	}
	m->manifest = json_text(a, j);
	m->digest = m->target = oci_digest_of(a, m->manifest);
}

static int plan_docker_image(struct planner *p, const struct oci_docker_entry *d, struct err *e)
{
	struct plan_image *m = new_image(p, e);
	if (!m)
		return -1;
	m->layer_count = d->layers.count;
	if (read_text(p, arena_c(p->arena, d->config), &m->config, e) < 0)
		return err_wrap(e, "config");
	m->id = oci_digest_of(p->arena, m->config);
	struct str hex = str_from(m->id, 7);
	if (!str_starts(d->config, hex) && !str_ends(d->config, hex)) // HEX.json or blobs/sha256/HEX
		return err_set(e, ERR_BAD_REQUEST, "digest mismatch: config %.*s hashes to %.*s", STR_FMT(d->config),
			       STR_FMT(m->id));
	m->layers = ARENA_ARRAY(p->arena, struct plan_layer, d->layers.count + 1);
	for (size_t i = 0; i < d->layers.count; i++)
		m->layers[i] = (struct plan_layer){.path = arena_c(p->arena, d->layers.items[i]), .size = -1};
	if (chain_layers(p, m, e) < 0)
		return -1;
	make_manifest(p, m);
	struct plan_image *known = find_planned(p, m->digest);
	if (!known)
		p->count++;
	else
		m = known;
	return !str_empty(p->name) ? add_name(p, m, p->name, e) : add_docker_names(p, m, d, e);
}

int import_plan(struct arena *a, int dir, struct str name, size_t manifest_max, struct plan_image **out, size_t *count,
		struct err *e)
{
	struct planner p = {
		.arena = a, .dir = dir, .manifest_max = manifest_max, .left = TEXTS_MAX * manifest_max, .name = name};
	struct err none CLEAN_ERR = ERR_EMPTY;
	struct str index, docker;
	p.images = ARENA_ARRAY(a, struct plan_image, IMAGES_MAX);
	bool has_docker = read_text(&p, "manifest.json", &docker, &none) == 0;
	if (has_docker && oci_docker_parse(a, docker, &p.docker, &p.docker_count, e) < 0)
		return -1;
	err_clear(&none);
	if (read_text(&p, "index.json", &index, &none) == 0) {
		if (plan_layout(&p, index, e) < 0)
			return -1;
	} else if (has_docker) {
		for (size_t i = 0; i < p.docker_count; i++)
			if (plan_docker_image(&p, &p.docker[i], e) < 0)
				return err_wrap(e, "manifest.json[%zu]", i);
	} else {
		return err_set(e, ERR_BAD_REQUEST,
			       "neither an OCI layout (index.json) nor a docker archive (manifest.json)");
	}
	if (!str_empty(name) && p.count > 1)
		return err_set(e, ERR_BAD_REQUEST, "%zu images cannot all be called \"%.*s\"", p.count, STR_FMT(name));
	*out = p.images;
	*count = p.count;
	return 0;
}
