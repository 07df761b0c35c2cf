// SPDX-License-Identifier: Apache-2.0
#include "node/images/images.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "node/images/store.h"
#include "node/images/tree.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/reference.h"

enum { SHORT_ID_MIN = 6 };

static struct image_strings strings_of(struct arena *a, const struct json *list)
{
	struct image_strings out = {ARENA_ARRAY(a, struct str, (list ? list->count : 0) + 1), 0};
	json_each(j, list)
		out.items[out.count++] = j->text;
	return out;
}

static struct image_strings strings_from(struct oci_strings s)
{
	return (struct image_strings){s.items, s.count};
}

static int describe(struct images *s, struct arena *a, const struct json *entry, struct image *out, struct err *e)
{
	struct str id = json_str(entry, "id"), text, kind, hex;
	struct oci_config c;
	str_cut(id, ':', &kind, &hex);
	const char *path = store_path(s, a, "images/blobs/sha256/%.*s", STR_FMT(hex));
	if (store_read_file(a, AT_FDCWD, path, s->limits.manifest_bytes, &text, e) < 0 ||
	    oci_config_parse(a, text, &c, e) < 0)
		return err_wrap(e, "image %.*s", STR_FMT(id));
	*out = (struct image){
		.id = id,
		.digest = json_str(entry, "manifest"),
		.names = strings_of(a, json_get(entry, STR("names"))),
		.digests = strings_of(a, json_get(entry, STR("digests"))),
		.layers = strings_of(a, json_get(entry, STR("layers"))),
		.size = (uint64_t)json_i64(entry, "size", 0),
		.created = c.created,
		.architecture = c.architecture,
		.os = c.os,
		.entrypoint = strings_from(c.entrypoint),
		.command = strings_from(c.command),
		.env = strings_from(c.env),
		.user = c.user,
		.working_dir = c.working_dir,
		.stop_signal = c.stop_signal,
		.volumes = strings_from(c.volumes),
		.labels = strings_from(c.labels),
	};
	return 0;
}

static bool has_string(const struct json *list, struct str what)
{
	json_each(j, list)
		if (str_eq(j->text, what))
			return true;
	return false;
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef", s.p[i]))
			return false;
	return s.n > 0;
}

static struct json *find_by_name(struct arena *a, const struct json *images, const struct oci_reference *r)
{
	struct str tagged = str_empty(r->tag) ? STR_NONE : oci_reference_tagged(a, r);
	struct str pinned = str_empty(r->digest) ? STR_NONE : oci_reference_pinned(a, r);
	json_each(entry, images) {
		if (!str_empty(pinned) ? has_string(json_get(entry, STR("digests")), pinned)
				       : has_string(json_get(entry, STR("names")), tagged))
			return entry;
	}
	return NULL;
}

// By "sha256:..." or the start of its digits. *count says how many match.
static struct json *find_by_id(const struct json *images, struct str id, size_t *count)
{
	struct json *found = NULL;
	struct str digits = str_starts(id, STR("sha256:")) ? str_from(id, 7) : id;
	*count = 0;
	if (digits.n < SHORT_ID_MIN || !is_hex(digits))
		return NULL;
	json_each(entry, images) {
		if (str_starts(str_from(json_str(entry, "id"), 7), digits)) {
			found = entry;
			++*count;
		}
	}
	return found;
}

// The entry of an image; *by_id says whether an ID was meant rather than a name.
static struct json *find_entry(struct arena *a, const struct json *index, struct str name, bool *by_id, struct err *e)
{
	const struct json *images = json_get(index, STR("images"));
	struct oci_reference r;
	size_t matches;
	*by_id = str_starts(name, STR("sha256:"));
	if (!*by_id) {
		if (oci_reference_parse(a, name, &r, e) < 0)
			return NULL;
		struct json *named = find_by_name(a, images, &r);
		if (named)
			return named;
	}
	struct json *found = find_by_id(images, name, &matches);
	if (matches > 1)
		err_set(e, ERR_BAD_REQUEST, "\"%.*s\" is the start of %zu images' IDs", STR_FMT(name), matches);
	else if (!found)
		err_set(e, ERR_NOT_FOUND, "image \"%.*s\" is not on this node", STR_FMT(name));
	*by_id = true;
	return matches > 1 ? NULL : found;
}

int images_find(struct images *s, struct arena *a, struct str name, struct image *out, struct err *e)
{
	struct json *index;
	bool by_id;
	if (store_index(s, a, &index, e) < 0)
		return -1;
	struct json *entry = find_entry(a, index, name, &by_id, e);
	return entry ? describe(s, a, entry, out, e) : -1;
}

static int by_first_name(const void *x, const void *y)
{
	const struct image *p = x, *q = y;
	struct str pn = p->names.count ? p->names.items[0] : p->id, qn = q->names.count ? q->names.items[0] : q->id;
	return str_cmp(pn, qn);
}

int images_list(struct images *s, struct arena *a, struct image **out, size_t *count, struct err *e)
{
	struct json *index;
	if (store_index(s, a, &index, e) < 0)
		return -1;
	const struct json *images = json_get(index, STR("images"));
	struct image *list = ARENA_ARRAY(a, struct image, (images ? images->count : 0) + 1);
	size_t n = 0;
	json_each(entry, images) {
		struct err why CLEAN_ERR = ERR_EMPTY;
		if (describe(s, a, entry, &list[n], &why) == 0)
			n++;
		else
			log_warn("%s", err_text(&why));
	}
	qsort(list, n, sizeof *list, by_first_name);
	*out = list;
	*count = n;
	return 0;
}

int images_remove(struct images *s, struct str name, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *index;
	bool by_id;
	int lock CLEAN_FD = store_lock(s, true, e);
	if (lock < 0 || store_index(s, &a, &index, e) < 0)
		return -1;
	struct json *entry = find_entry(&a, index, name, &by_id, e);
	if (!entry)
		return -1;
	struct json *names = json_get(entry, STR("names"));
	struct oci_reference r;
	if (!by_id && oci_reference_parse(&a, name, &r, e) == 0 && !str_empty(r.tag) && names->count > 1) {
		store_remove_name(names, oci_reference_tagged(&a, &r));
		return store_write_index(s, &a, index, e);
	}
	if (store_in_use(s, json_str(entry, "id")))
		return err_set(e, ERR_CONFLICT, "image \"%.*s\" is in use by a container", STR_FMT(name));
	json_unlink(json_get(index, STR("images")), entry);
	if (store_write_index(s, &a, index, e) < 0)
		return -1;
	store_collect(s, index);
	return 0;
}

int images_tag(struct images *s, struct str name, struct str new_name, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *index;
	struct oci_reference r;
	bool by_id;
	int lock CLEAN_FD = store_lock(s, true, e);
	if (lock < 0 || store_index(s, &a, &index, e) < 0 || oci_reference_parse(&a, new_name, &r, e) < 0)
		return -1;
	if (str_empty(r.tag))
		return err_set(e, ERR_BAD_REQUEST, "\"%.*s\" has no tag", STR_FMT(new_name));
	struct json *entry = find_entry(&a, index, name, &by_id, e);
	if (!entry)
		return -1;
	struct str full = oci_reference_tagged(&a, &r);
	json_each(other, json_get(index, STR("images")))
		store_remove_name(json_get(other, STR("names")), full);
	store_add_sorted(&a, json_need_array(&a, entry, "names"), full);
	r.digest = json_str(entry, "manifest");
	store_add_sorted(&a, json_need_array(&a, entry, "digests"), oci_reference_pinned(&a, &r));
	return store_write_index(s, &a, index, e);
}
