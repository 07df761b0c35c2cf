// SPDX-License-Identifier: Apache-2.0
// Asks the rules of an object's kind (see rules/), and those of metadata that all kinds share. On update, what the
// metadata may not change is told by the generic layer and, of most kinds, by the kind again, as Kubernetes does.
#include "api/rules/rules.h"

static struct check check_of(struct api_context *context, const struct api_resource *r, const struct json *object,
			     const struct json *old, struct err *e)
{
	return (struct check){
		.context = context, .resource = r, .object = object, .old = old, .arena = context->arena, .e = e};
}

// Wraps the causes into one sentence that names the object.
static int verdict(struct check *c)
{
	if (!c->failures)
		return 0;
	struct str name = json_str(c->object, "metadata.name");
	const struct api_resource *r = c->resource;
	return err_wrap(c->e, "%.*s%s%.*s \"%.*s\" is invalid", STR_FMT(r->kind), r->group.n ? "." : "",
			STR_FMT(r->group), STR_FMT(name));
}

static void check_new_metadata(struct check *c, const struct kind_rules *rules)
{
	check_metadata(c, AT(NULL, "metadata"), field(c->object, "metadata"), c->resource->namespaced, rules->name);
	check_finalizer_domains(c);
}

int api_validate_create(struct api_context *context, const struct api_resource *r, const struct json *object,
			struct err *e)
{
	const struct kind_rules *rules = kind_rules_of(r);
	struct err found CLEAN_ERR = ERR_EMPTY;
	struct check c = check_of(context, r, object, NULL, &found);
	if (!(rules->traits & KIND_REVIEW))
		check_new_metadata(&c, rules);
	if (rules->create)
		rules->create(&c);
	int failed = verdict(&c);
	if (!failed && rules->warn)
		rules->warn(&c);
	if (failed)
		err_move(e, &found);
	return failed;
}

static void check_update(struct check *c, const struct kind_rules *rules)
{
	const struct path *p = AT(NULL, "metadata");
	const struct json *now = field(c->object, "metadata"), *old = field(c->old, "metadata");
	check_metadata(c, p, now, c->resource->namespaced, format_path_segment);
	check_metadata_update(c, p, now, old);
	if (!(rules->traits & KIND_META_ONCE)) {
		check_metadata_update(c, p, now, old);
		check_finalizer_domains(c);
	}
	if (rules->traits & KIND_NEEDS_REVISION && !text_of(now, "resourceVersion").n)
		fail_invalid(c, AT(p, "resourceVersion"), field(now, "resourceVersion"), "must be given for an update");
	if (str_is(c->context->subresource, "status")) {
		if (rules->status)
			rules->status(c);
	} else {
		if (rules->traits & KIND_META_AGAIN && !c->context->subresource.n)
			check_new_metadata(c, rules);
		if (rules->update)
			rules->update(c);
	}
}

static void (*update_warning(const struct kind_rules *rules, struct str subresource))(struct check *)
{
	return !subresource.n ? rules->warn : str_is(subresource, "status") ? rules->warn_status : NULL;
}

int api_validate_update(struct api_context *context, const struct api_resource *r, const struct json *object,
			const struct json *old, struct err *e)
{
	const struct kind_rules *rules = kind_rules_of(r);
	struct err found CLEAN_ERR = ERR_EMPTY;
	struct check c = check_of(context, r, object, old, &found);
	if (!str_is(context->subresource, "status"))
		c.old = rules_comparable(context, r, old);
	if (!(rules->traits & KIND_REVIEW))
		check_update(&c, rules);
	else if (rules->update)
		rules->update(&c);
	int failed = verdict(&c);
	void (*warn)(struct check *) = update_warning(rules, context->subresource);
	if (!failed && warn)
		warn(&c);
	if (failed)
		err_move(e, &found);
	return failed;
}
