// SPDX-License-Identifier: Apache-2.0
// Revisions: each ReplicaSet carries the number of the rollout that it was made for in an annotation, which moves up
// when an old template comes back; its name and selector carry a hash of the template.
#include "controllers/deployment_model.h"
#include "controllers/owner.h"

#define HASH_LABEL "pod-template-hash"
enum { HISTORY_MAX = 2000 }; // bytes of the annotation that lists earlier revisions

// ---- templates

// The template's labels without the hash.
static struct json *plain_template(struct arena *a, const struct json *template)
{
	struct json *copy = json_clone(a, template);
	struct json *labels = json_at(copy, "metadata.labels");
	if (labels)
		json_remove(labels, STR(HASH_LABEL));
	return copy;
}

bool revision_same_template(struct arena *a, const struct json *x, const struct json *y)
{
	return x && y && json_equal(plain_template(a, x), plain_template(a, y));
}

// Of the template's canonical text; FNV-1a, spelled without vowels. The same template found again is recognised by its
// content, so that this may change between versions.
static struct str template_hash(struct arena *a, const struct json *template, int64_t collisions)
{
	static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
	struct str text = json_text(a, template);
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * 16777619u;
	for (; collisions > 0; collisions /= 256)
		hash = (hash ^ (unsigned char)collisions) * 16777619u;
	char *out = arena_alloc(a, 8);
	size_t n = 0;
	for (; n < 7; hash /= 27)
		out[n++] = alphabet[hash % 27];
	return (struct str){out, n};
}

// ---- annotations

static bool is_own_annotation(struct str name)
{
	static const char *const own[] = {"kubectl.kubernetes.io/last-applied-configuration",
					  DEPLOYMENT_REVISION,
					  DEPLOYMENT_REVISION_HISTORY,
					  DEPLOYMENT_DESIRED,
					  DEPLOYMENT_MAX,
					  "deprecated.deployment.rollback.to"};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (str_is(name, own[i]))
			return true;
	}
	return false;
}

static struct str annotation(const struct json *annotations, struct str name)
{
	const struct json *value = json_get(annotations, name);
	return value && value->type == JSON_STRING ? value->text : STR_NONE;
}

// Notes a change of one annotation of the set, unless it has this value.
static bool annotate(struct rollout *r, struct set *s, struct str name, struct str value)
{
	if (str_eq(annotation(json_at(s->object, "metadata.annotations"), name), value))
		return false;
	if (!s->annotations)
		s->annotations = json_object(r->a);
	json_set(s->annotations, name, json_string(r->a, value));
	return true;
}

static struct str number(struct rollout *r, int64_t value)
{
	return arena_fmt(r->a, "%lld", (long long)value);
}

static int64_t newest_old_revision(const struct rollout *r)
{
	int64_t newest = 0;
	each_old_set(s, r) {
		if (s->revision > newest)
			newest = s->revision;
	}
	return newest;
}

// Remembers the revision that the set had before, dropping the oldest where the list grows too long.
static void extend_history(struct rollout *r, struct set *s)
{
	struct str known = annotation(json_at(s->object, "metadata.annotations"), STR(DEPLOYMENT_REVISION_HISTORY));
	struct str old = number(r, s->revision), dropped;
	while (known.n + old.n + 1 > HISTORY_MAX && str_next(&known, ',', &dropped))
		;
	annotate(r, s, STR(DEPLOYMENT_REVISION_HISTORY),
		 known.n ? arena_fmt(r->a, "%.*s,%.*s", STR_FMT(known), STR_FMT(old)) : old);
}

static void set_deployment_revision(struct rollout *r, int64_t revision)
{
	struct str text = number(r, revision);
	if (str_eq(annotation(r->annotations, STR(DEPLOYMENT_REVISION)), text))
		return;
	r->plan->annotations = json_object(r->a);
	json_put_str(r->a, r->plan->annotations, DEPLOYMENT_REVISION, text);
}

void revision_sync(struct rollout *r)
{
	struct set *s = r->current;
	json_each(value, r->annotations) {
		if (!is_own_annotation(value->key))
			annotate(r, s, value->key, value->text);
	}
	int64_t revision = newest_old_revision(r) + 1;
	if (s->revision < revision) {
		if (s->revision > 0)
			extend_history(r, s);
		annotate(r, s, STR(DEPLOYMENT_REVISION), number(r, revision));
		s->revision = revision;
	}
	s->min_ready_differs = json_i64(s->object, "spec.minReadySeconds", 0) != r->min_ready_s;
	set_deployment_revision(r, s->revision);
	if (r->deadline_s >= 0 && !condition_find(r->conditions, "Progressing"))
		status_note_progress(r, "FoundNewReplicaSet", "True",
				     arena_fmt(r->a, "Found new replica set \"%.*s\"", STR_FMT(s->name)));
}

void revision_resize(struct rollout *r, struct set *s, int64_t replicas)
{
	annotate(r, s, STR(DEPLOYMENT_DESIRED), number(r, r->replicas));
	annotate(r, s, STR(DEPLOYMENT_MAX), number(r, r->replicas + r->surge));
	s->replicas = replicas;
}

// ---- making one

static struct json *new_annotations(struct rollout *r, int64_t revision)
{
	struct json *annotations = json_object(r->a);
	json_each(value, r->annotations) {
		if (!is_own_annotation(value->key))
			json_set(annotations, value->key, json_clone(r->a, value));
	}
	json_put_str(r->a, annotations, DEPLOYMENT_REVISION, number(r, revision));
	json_put_str(r->a, annotations, DEPLOYMENT_DESIRED, number(r, r->replicas));
	json_put_str(r->a, annotations, DEPLOYMENT_MAX, number(r, r->replicas + r->surge));
	return annotations;
}

static int64_t first_size(const struct rollout *r)
{
	if (r->recreate)
		return r->replicas;
	int64_t room = rollout_room(r);
	return room < 0 ? 0 : room < r->replicas ? room : r->replicas;
}

static struct json *new_set(struct rollout *r, struct str name, struct str hash, int64_t revision)
{
	struct arena *a = r->a;
	struct json *set = json_object(a);
	json_put_str(a, set, "apiVersion", STR("apps/v1"));
	json_put_str(a, set, "kind", STR("ReplicaSet"));
	struct json *template = json_clone(a, r->template);
	json_put_str(a, json_need_object(a, template, "metadata.labels"), HASH_LABEL, hash);
	const struct json *known_selector = json_at(r->object, "spec.selector");
	struct json *selector = known_selector ? json_clone(a, known_selector) : json_object(a);
	json_put_str(a, json_need_object(a, selector, "matchLabels"), HASH_LABEL, hash);

	struct json *metadata = json_need_object(a, set, "metadata");
	json_put_str(a, metadata, "name", name);
	json_put_str(a, metadata, "namespace", json_str(r->object, "metadata.namespace"));
	json_put(metadata, "labels", json_clone(a, json_at(template, "metadata.labels")));
	json_put(metadata, "annotations", new_annotations(r, revision));
	json_push(json_need_array(a, metadata, "ownerReferences"), owner_reference(r->a, "apps/v1", "Deployment", r->object));
	struct json *spec = json_need_object(a, set, "spec");
	json_put_int(a, spec, "replicas", first_size(r));
	if (r->min_ready_s > 0)
		json_put_int(a, spec, "minReadySeconds", r->min_ready_s);
	json_put(spec, "selector", selector);
	json_put(spec, "template", template);
	return set;
}

void revision_create(struct rollout *r)
{
	struct str hash = template_hash(r->a, r->template, r->collisions);
	// A name of 253 bytes at most: what is too long loses its end, not its hash.
	struct str prefix = str_sub(r->name, 0, 253 - hash.n - 1);
	struct str name = arena_fmt(r->a, "%.*s-%.*s", STR_FMT(prefix), STR_FMT(hash));
	if (r->view->name_taken(r->view->arg, name)) {
		r->collided = true;
		return;
	}
	int64_t revision = newest_old_revision(r) + 1;
	r->plan->create = new_set(r, name, hash, revision);
	set_deployment_revision(r, revision);
	if (r->deadline_s >= 0)
		status_note_progress(r, "NewReplicaSetCreated", "True",
				     arena_fmt(r->a, "Created new replica set \"%.*s\"", STR_FMT(name)));
}
