// SPDX-License-Identifier: Apache-2.0
// Which patch a request brings, and the merge patch of RFC 7386. JSON patch is in patch_json.c, strategic merge in
// patch_strategic.c.
#include "api/patch.h"

#include "api/members.h"

int api_patch_of(struct str content_type, enum api_patch *out, struct err *e)
{
	static const struct {
		struct str media;
		enum api_patch patch;
	} patches[] = {
		{STR_INIT("application/json-patch+json"), API_PATCH_JSON},
		{STR_INIT("application/merge-patch+json"), API_PATCH_MERGE},
		{STR_INIT("application/strategic-merge-patch+json"), API_PATCH_STRATEGIC},
		{STR_INIT("application/apply-patch+yaml"), API_PATCH_APPLY},
	};
	struct str media, parameters;
	str_cut(content_type, ';', &media, &parameters);
	media = str_trim(media);
	for (size_t i = 0; i < ARRAY_LEN(patches); i++)
		if (str_eq_nocase(media, patches[i].media)) {
			*out = patches[i].patch;
			return 0;
		}
	return err_set(
		e, ERR_UNSUPPORTED_MEDIA,
		"a patch of type \"%.*s\" is not known: use application/json-patch+json, application/merge-patch+json, "
		"application/strategic-merge-patch+json or application/apply-patch+yaml",
		STR_FMT(media));
}

// Merges `patch`, an object, into the object `into`.
static void merge_object(struct arena *a, struct json *into, const struct json *patch)
{
	struct members members CLEAN_MEMBERS;
	members_init(&members, into);
	json_each(change, patch) {
		if (change->type == JSON_NULL) {
			members_remove(&members, change->key);
			continue;
		}
		if (change->type != JSON_OBJECT) {
			members_set(&members, change->key, json_clone(a, change));
			continue;
		}
		struct json *child = members_get(&members, change->key);
		if (!child || child->type != JSON_OBJECT) { // nulls inside still remove
			members_set(&members, change->key, json_object(a));
			child = members_get(&members, change->key);
		}
		merge_object(a, child, change);
	}
}

void api_patch_merge(struct arena *a, struct json **object, const struct json *patch)
{
	if (!patch || patch->type != JSON_OBJECT) {
		*object = json_clone(a, patch);
		return;
	}
	if (!*object || (*object)->type != JSON_OBJECT)
		*object = json_object(a);
	merge_object(a, *object, patch);
}
