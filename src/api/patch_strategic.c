// SPDX-License-Identifier: Apache-2.0
// Strategic merge: a merge patch that knows from the schema which lists merge, and by what key.
//
// A map is merged field by field, null removes. A list that merges takes each patch element into the element of the
// same key (or adds it); other lists are replaced. Directives stand inside the patch:
//   $patch: replace | delete | merge        in a map: what becomes of it; in a list's element: of that element, or
//                                           (replace) of the whole list
//   $retainKeys: [k, ...]                   fields of this map that stay, all others go
//   $deleteFromPrimitiveList/f: [v, ...]    values to take out of list f
//   $setElementOrder/f: [...]               the order of list f
// The order of a merged list: patch elements as the patch has them, the others between them where they stood before.
#include "api/members.h"
#include "api/patch.h"

#define PATCH_KEY STR("$patch")
#define RETAIN_KEY STR("$retainKeys")
#define DELETE_PREFIX STR("$deleteFromPrimitiveList/")
#define ORDER_PREFIX STR("$setElementOrder/")

enum { ORDERS_MAX = 200 }; // no type has as many lists

struct merging {
	struct arena *arena;
	struct err *e;
};

static int merge_map(struct merging *m, const struct api_type *type, struct json **into, struct json *patch);

static bool is_directive(struct str key)
{
	return str_eq(key, PATCH_KEY) || str_eq(key, RETAIN_KEY) || str_starts(key, DELETE_PREFIX) ||
	       str_starts(key, ORDER_PREFIX);
}

// {"$patch": "replace"} among the elements of a list.
static bool is_list_directive(const struct json *element)
{
	return element->type == JSON_OBJECT && element->count == 1 && json_get(element, PATCH_KEY);
}

// A patch value that has nothing to merge into: itself without directives and nulls. Returns whether it says of
// itself that it should go ($patch: delete).
static bool strip(struct json *value);

static bool strip_child(struct json *child, void *arg)
{
	const struct json *parent = arg;
	bool drop = parent->type == JSON_OBJECT && (child->type == JSON_NULL || is_directive(child->key));
	return drop || (parent->type == JSON_ARRAY && is_list_directive(child)) || strip(child);
}

static bool strip(struct json *value)
{
	if (json_str_is(value, "$patch", "delete"))
		return true;
	json_sweep(value, strip_child, value);
	return false;
}

// Which element stands where: from the text of its key (or of itself, in lists of scalars) to its index + 1.
struct places {
	struct map map;
	const struct merging *m;
	struct str key; // the merge key; empty for scalars
};

static struct str identity(const struct places *p, const struct json *element)
{
	const struct json *value = p->key.n ? json_get(element, p->key) : element;
	return value ? json_text(p->m->arena, value) : STR_NONE;
}

static void places_of(struct places *p, const struct merging *m, struct str key, const struct json *list)
{
	map_init(&p->map);
	p->m = m;
	p->key = key;
	uintptr_t index = 0;
	json_each(element, list) {
		struct str id = identity(p, element);
		index++;
		if (id.n && !map_has(&p->map, id))
			map_set(&p->map, id, (void *)index);
	}
}

static uintptr_t place(const struct places *p, const struct json *element) // 0: not there
{
	struct str id = identity(p, element);
	return id.n ? (uintptr_t)map_get(&p->map, id) : 0;
}

static void places_finish(struct places *p)
{
	map_finish(&p->map);
}
#define CLEAN_PLACES __attribute__((cleanup(places_finish)))

// Puts `merged` into order: what `order` names in its order, the rest in between, before the first element that
// follows it in `before` (the list as it was).
static struct json *arrange(const struct merging *m, struct str key, struct json *merged, const struct json *order,
			    const struct json *before)
{
	struct places wanted CLEAN_PLACES, were CLEAN_PLACES;
	places_of(&wanted, m, key, order);
	places_of(&were, m, key, before);
	size_t slots = order ? order->count : 0;
	struct json **named = ARENA_ARRAY(m->arena, struct json *, slots + 1), *rest = json_array(m->arena);
	while (merged->first) {
		struct json *element = merged->first;
		json_unlink(merged, element);
		uintptr_t at = place(&wanted, element);
		if (at && !named[at - 1])
			named[at - 1] = element;
		else
			json_push(rest, element);
	}
	struct json *out = json_array(m->arena);
	for (size_t i = 0; i < slots; i++) {
		if (!named[i])
			continue;
		uintptr_t right = place(&were, named[i]);
		while (rest->first && right && place(&were, rest->first) && place(&were, rest->first) < right) {
			struct json *element = rest->first;
			json_unlink(rest, element);
			json_push(out, element);
		}
		json_push(out, named[i]);
	}
	while (rest->first) {
		struct json *element = rest->first;
		json_unlink(rest, element);
		json_push(out, element);
	}
	return out;
}

static int no_key(struct merging *m, const struct json *element, struct str key)
{
	return err_set(m->e, ERR_BAD_REQUEST, "an element of the patch, %.200s, lacks its list's merge key \"%.*s\"",
		       arena_c(m->arena, json_text(m->arena, element)), STR_FMT(key));
}

static bool is_placed(struct json *element, void *arg)
{
	return place(arg, element) != 0;
}

static bool is_special(struct json *element, void *arg)
{
	return json_get(element, PATCH_KEY) != NULL;
}

// Carries out the elements of `patch` that hold $patch and takes them out of it. *replaced: the list is to be
// replaced by what is left.
static int special_elements(struct merging *m, struct str key, struct json *list, struct json *patch, bool *replaced)
{
	struct json *deleted = json_array(m->arena);
	*replaced = false;
	json_each(element, patch) {
		if (!json_get(element, PATCH_KEY))
			continue;
		bool replace = json_str_is(element, "$patch", "replace");
		if (!replace && !json_str_is(element, "$patch", "delete"))
			return err_set(m->e, ERR_BAD_REQUEST,
				       "$patch in a list's element is \"replace\" or \"delete\"");
		if (!replace && !json_get(element, key))
			return no_key(m, element, key);
		if (!replace)
			json_push(deleted, json_clone(m->arena, element));
		*replaced = *replaced || replace;
	}
	struct places gone CLEAN_PLACES;
	places_of(&gone, m, key, deleted);
	json_sweep(list, is_placed, &gone);
	json_sweep(patch, is_special, NULL);
	return 0;
}

static int merge_elements(struct merging *m, const struct api_field *field, struct json *list, struct json *patch)
{
	struct places there CLEAN_PLACES;
	places_of(&there, m, field->merge_key, list);
	struct json **elements = ARENA_ARRAY(m->arena, struct json *, list->count + 1);
	size_t n = 0;
	json_each(element, list)
		elements[n++] = element;
	json_each(change, patch) {
		if (!json_get(change, field->merge_key))
			return no_key(m, change, field->merge_key);
		uintptr_t at = place(&there, change);
		if (!at) {
			struct json *added = json_clone(m->arena, change);
			if (!strip(added))
				json_push(list, added);
			continue;
		}
		struct json *merged = elements[at - 1];
		if (merge_map(m, field->type, &merged, json_clone(m->arena, change)))
			return -1;
		if (merged != elements[at - 1]) { // became another node: it takes the old one's place
			elements[at - 1]->first = merged->first;
			elements[at - 1]->last = merged->last;
			elements[at - 1]->count = merged->count;
		}
	}
	return 0;
}

static int merge_scalars(struct merging *m, struct json *list, const struct json *patch)
{
	struct places there CLEAN_PLACES;
	places_of(&there, m, STR_NONE, list);
	json_each(value, patch)
		if (!place(&there, value))
			json_push(list, json_clone(m->arena, value));
	return 0;
}

static void take_out_scalars(struct merging *m, struct json *list, const struct json *values)
{
	struct places gone CLEAN_PLACES;
	places_of(&gone, m, STR_NONE, values);
	json_sweep(list, is_placed, &gone);
}

static bool has_maps(const struct json *list)
{
	json_each(element, list)
		if (element->type == JSON_OBJECT)
			return true;
	return false;
}

// *list becomes itself merged with `patch`, which is used up.
static int merge_list(struct merging *m, const struct api_field *field, struct json **list, struct json *patch)
{
	if (!field || !field->patch_merge) {
		*list = patch;
		return 0;
	}
	bool maps = has_maps(patch) || has_maps(*list), replaced = false;
	if (maps && field->merge_key.n == 0)
		return err_set(m->e, ERR_BAD_REQUEST, "the list \"%.*s\" has no merge key", STR_FMT(field->name));
	struct json *before = json_clone(m->arena, *list);
	if (maps && special_elements(m, field->merge_key, *list, patch, &replaced))
		return -1;
	if (replaced) {
		*list = patch;
		return 0;
	}
	if (maps ? merge_elements(m, field, *list, patch) : merge_scalars(m, *list, patch))
		return -1;
	*list = arrange(m, maps ? field->merge_key : STR_NONE, *list, patch, before);
	return 0;
}

static bool is_not_kept(struct json *field, void *arg)
{
	return !map_has(arg, field->key);
}

// $retainKeys: fields of `into` that the list does not name go; what the patch sets it must name.
static int retain_keys(struct merging *m, struct json *into, struct json *patch)
{
	struct json *keep = json_get(patch, RETAIN_KEY);
	if (!keep)
		return 0;
	if (keep->type != JSON_ARRAY)
		return err_set(m->e, ERR_BAD_REQUEST, "$retainKeys is a list of field names");
	struct map kept CLEAN_MAP;
	map_init(&kept);
	json_each(name, keep) {
		if (name->type != JSON_STRING)
			return err_set(m->e, ERR_BAD_REQUEST, "$retainKeys is a list of field names");
		map_set(&kept, name->text, keep);
	}
	json_unlink(patch, keep);
	json_each(field, patch)
		if (!is_directive(field->key) && field->type != JSON_NULL && !map_has(&kept, field->key))
			return err_set(m->e, ERR_BAD_REQUEST,
				       "the patch sets \"%.*s\", which its $retainKeys does not name",
				       STR_FMT(field->key));
	json_sweep(into, is_not_kept, &kept);
	return 0;
}

// The elements of the patch's list must stand in the order that $setElementOrder gives.
static int check_order(struct merging *m, struct str key, const struct json *patch, const struct json *order)
{
	struct places wanted CLEAN_PLACES;
	places_of(&wanted, m, key, order);
	uintptr_t last = 0;
	json_each(element, patch) {
		if (json_get(element, PATCH_KEY))
			continue;
		uintptr_t at = place(&wanted, element);
		if (at <= last)
			return err_set(m->e, ERR_BAD_REQUEST,
				       "the elements of the patch do not follow its $setElementOrder");
		last = at;
	}
	return 0;
}

// One "$setElementOrder/f": merges list f of the patch, where there is one, and orders the result.
static int set_order(struct merging *m, const struct api_type *type, struct json *into, struct json *patch,
		     const struct json *order)
{
	struct str name = str_from(order->key, ORDER_PREFIX.n);
	const struct api_field *field = type ? api_field_find(type, name) : NULL;
	struct str key = field ? field->merge_key : STR_NONE;
	struct json *list = json_get(into, name), *changes = json_get(patch, name);
	if (order->type != JSON_ARRAY || (changes && changes->type != JSON_ARRAY && changes->type != JSON_NULL) ||
	    (list && list->type != JSON_ARRAY))
		return err_set(m->e, ERR_BAD_REQUEST, "$setElementOrder/%.*s: both it and the field are lists",
			       STR_FMT(name));
	if (changes && changes->type == JSON_NULL)
		return 0;
	if (check_order(m, key, changes, order))
		return -1;
	if (!list && !changes)
		return 0;
	struct json *before = json_clone(m->arena, list);
	struct json *merged = list;
	if (changes)
		json_unlink(patch, changes);
	if (!list) {
		strip(changes);
		merged = changes;
	} else if (changes && merge_list(m, field, &merged, changes)) {
		return -1;
	}
	json_set(into, name, arrange(m, key, merged, order, before));
	return 0;
}

static int set_orders(struct merging *m, const struct api_type *type, struct json *into, struct json *patch)
{
	size_t orders = 0;
	for (struct json *entry = json_first(patch), *next; entry; entry = next) {
		next = entry->next;
		if (!str_starts(entry->key, ORDER_PREFIX))
			continue;
		if (++orders > ORDERS_MAX)
			return err_set(m->e, ERR_BAD_REQUEST, "more than %d $setElementOrder in one map", ORDERS_MAX);
		if (set_order(m, type, into, patch, entry))
			return -1;
		next = entry->next; // set_order may have taken the list out
		json_unlink(patch, entry);
	}
	return 0;
}

static int merge_field(struct merging *m, const struct api_type *type, struct members *into, struct json *change)
{
	struct str name = change->key;
	struct json *there = members_get(into, name);
	if (change->type == JSON_NULL) {
		members_remove(into, name);
		return 0;
	}
	if (str_starts(name, DELETE_PREFIX)) {
		if (change->type != JSON_ARRAY)
			return err_set(m->e, ERR_BAD_REQUEST, "%.*s is a list of values", STR_FMT(name));
		take_out_scalars(m, members_get(into, str_from(name, DELETE_PREFIX.n)), change);
		return 0;
	}
	if (!there || there->type != change->type) {
		strip(change);
		members_set(into, name, change);
		return 0;
	}
	const struct api_field *field = type ? api_field_find(type, name) : NULL;
	struct json *merged = there;
	int failed = 0;
	if (change->type == JSON_OBJECT)
		failed = merge_map(m, field && field->shape == API_ONE ? field->type : NULL, &merged, change);
	else if (change->type == JSON_ARRAY)
		failed = merge_list(m, field, &merged, change);
	else
		merged = change;
	if (!failed && merged != there)
		members_set(into, name, merged);
	return failed;
}

static int merge_map(struct merging *m, const struct api_type *type, struct json **into, struct json *patch)
{
	struct json *directive = json_get(patch, PATCH_KEY);
	if (directive) {
		bool delete = json_str_is(patch, "$patch", "delete");
		if (!delete && !json_str_is(patch, "$patch", "replace"))
			return err_set(m->e, ERR_BAD_REQUEST, "$patch is \"replace\" or \"delete\"");
		json_unlink(patch, directive);
		*into = delete ? json_object(m->arena) : patch;
		return 0;
	}
	if (retain_keys(m, *into, patch) || set_orders(m, type, *into, patch))
		return -1;
	struct members members CLEAN_MEMBERS;
	members_init(&members, *into);
	for (struct json *change = json_first(patch), *next; change; change = next) {
		next = change->next;
		json_unlink(patch, change);
		if (merge_field(m, type, &members, change))
			return -1;
	}
	return 0;
}

int api_patch_strategic(struct arena *a, const struct api_type *type, struct json **object, const struct json *patch,
			struct err *e)
{
	if (!patch || patch->type != JSON_OBJECT)
		return err_set(e, ERR_BAD_REQUEST, "a strategic merge patch is an object");
	struct merging m = {.arena = a, .e = e};
	return merge_map(&m, type, object, json_clone(a, patch));
}
