// SPDX-License-Identifier: Apache-2.0
// Objects are made only in namespaces that exist and do not end; the system's own namespaces are not deleted.
// The namespace's revision becomes part of the transaction, so that nothing is made while it begins to end.
#include "server/admission/admission.h"
#include "server/respond.h"
#include "server/verbs/verbs.h"

static bool is_namespace(const struct api_resource *r)
{
	return str_empty(r->group) && str_is(r->plural, "namespaces");
}

static int refuse_deletion(struct admission *a, struct err *e)
{
	static const char *const immortal[] = {"default", "kube-system", "kube-public"};
	for (size_t i = 0; i < ARRAY_LEN(immortal); i++)
		if (str_is(a->name, immortal[i]))
			return err_set(e, ERR_FORBIDDEN,
				       "namespaces \"%s\" is forbidden: this namespace may not be deleted",
				       immortal[i]);
	return 0;
}

static int refuse_terminating(struct admission *a, struct err *e)
{
	struct str name = json_str(a->object, "metadata.name");
	err_cause(e, STR("metadata.namespace"), "NamespaceTerminating", "namespace %.*s is being terminated",
		  STR_FMT(a->namespace));
	e->reason = ERR_FORBIDDEN;
	free(e->text);
	e->text = mem_strdup(arena_fmt(a->call->arena,
				       "%.*s \"%.*s\" is forbidden: unable to create new content in namespace %.*s "
				       "because it is being terminated",
				       STR_FMT(status_resource_text(a->call->arena, a->resource)), STR_FMT(name),
				       STR_FMT(a->namespace))
				     .p);
	return -1;
}

int admit_namespace_lifecycle(struct admission *a, struct err *e)
{
	if (is_namespace(a->resource))
		return a->operation == OPERATION_DELETE ? refuse_deletion(a, e) : 0;
	if (a->operation != OPERATION_CREATE || !a->resource->namespaced || !str_empty(a->subresource))
		return 0;
	struct arena *arena = a->call->arena;
	const struct api_resource *namespaces = api_resource_find(STR(""), STR("v1"), STR("namespaces"));
	struct str key = object_key(arena, namespaces, STR_NONE, a->namespace);
	struct store_item item;
	if (!store_get(a->snapshot, key, &item))
		return err_set(e, ERR_NOT_FOUND, "namespaces \"%.*s\" not found", STR_FMT(a->namespace));
	if (str_contains(blob_str(item.value), STR("\"deletionTimestamp\":"))) {
		struct json *namespace = object_parse(arena, item.value);
		if (json_at(namespace, "metadata.deletionTimestamp"))
			return refuse_terminating(a, e);
	}
	return op_list_add(a->ops, STORE_CHECK, key, item.revision, STR_NONE, e);
}
