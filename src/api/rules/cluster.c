// SPDX-License-Identifier: Apache-2.0
// Namespace, Lease, ServiceAccount.
#include "api/rules/rules.h"

// Namespaces carry their name as a label, so that selectors can name them.
static void label_with_name(struct api_context *c, struct json *namespace)
{
	struct json *labels = json_need_object(c->arena, namespace, "metadata.labels");
	json_put_str(c->arena, labels, "kubernetes.io/metadata.name", json_str(namespace, "metadata.name"));
}

void rules_namespace_prepare_create(struct api_context *c, struct json *namespace)
{
	struct json *finalizers = json_need_array(c->arena, json_need_object(c->arena, namespace, "spec"),
						  "finalizers");
	bool has = false;
	json_each(finalizer, finalizers)
		has = has || str_is(finalizer->text, "kubernetes");
	if (!has)
		json_push(finalizers, json_string(c->arena, STR("kubernetes")));
	json_put_str(c->arena, json_need_object(c->arena, namespace, "status"), "phase", STR("Active"));
	label_with_name(c, namespace);
}

// Only the finalize subresource changes spec.finalizers.
void rules_namespace_prepare_update(struct api_context *c, struct json *namespace, const struct json *old)
{
	const struct json *spec = json_get(old, STR("spec"));
	if (str_is(c->subresource, "finalize")) {
		json_set(namespace, STR("metadata"), json_clone(c->arena, json_get(old, STR("metadata"))));
	} else if (spec) {
		json_set(namespace, STR("spec"), json_clone(c->arena, spec));
	} else {
		json_remove(namespace, STR("spec"));
	}
	label_with_name(c, namespace);
}

// Of the finalize subresource each one is told by its place, else only the list.
void rules_namespace_create(struct check *c)
{
	const struct path *list = AT(AT(NULL, "spec"), "finalizers");
	bool by_place = str_is(c->context->subresource, "finalize");
	size_t i = 0;
	json_each(finalizer, json_at(c->object, "spec.finalizers")) {
		const struct path *p = by_place ? AT_INDEX(list, i) : list;
		check_format(c, p, finalizer->text, format_qualified_name);
		check_finalizer_domain(c, p, finalizer->text);
		i++;
	}
}

void rules_namespace_status(struct check *c)
{
	const struct path *p = AT(AT(NULL, "status"), "Phase"); // as Kubernetes writes it
	const struct json *phase = json_at(c->object, "status.phase");
	const char *right = is_set(field(c->object, "metadata"), "deletionTimestamp") ? "Terminating" : "Active";
	if (!str_is(json_str(c->object, "status.phase"), right))
		fail_invalid(c, p, phase, "must be %s", right);
}

void rules_lease_create(struct check *c)
{
	const struct path *p = AT(NULL, "spec");
	const struct json *spec = field(c->object, "spec");
	const struct json *duration = field(spec, "leaseDurationSeconds");
	if (duration && duration->integer <= 0)
		fail_invalid(c, AT(p, "leaseDurationSeconds"), duration, "must be greater than 0");
	check_not_negative(c, AT(p, "leaseTransitions"), field(spec, "leaseTransitions"));
}

// Of the Secrets that an account names, only the name is kept.
static void keep_secret_names(struct json *account)
{
	json_each(secret, json_get(account, STR("secrets")))
		for (struct json *part = json_first(secret), *next; part; part = next) {
			next = part->next;
			if (!str_is(part->key, "name"))
				json_unlink(secret, part);
		}
}

void rules_service_account_prepare_create(struct api_context *c, struct json *account)
{
	keep_secret_names(account);
}

void rules_service_account_prepare_update(struct api_context *c, struct json *account, const struct json *old)
{
	keep_secret_names(account);
}
