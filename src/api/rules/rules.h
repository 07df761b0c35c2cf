// SPDX-License-Identifier: Apache-2.0
// The rules of each kind: what happens to its objects before they are checked, and the checks. A kind that is not in
// the table (kinds.c) has only the rules that all share (metadata.c).
// Source: the behaviour of Kubernetes v1.36.
#ifndef API_RULES_RULES_H
#define API_RULES_RULES_H

#include "api/rules/rule.h"

enum kind_trait { // bits
	KIND_STATUS = 1,	  // only the status subresource writes the status
	KIND_GENERATION = 2,	  // metadata.generation counts the changes of the spec
	KIND_NEEDS_REVISION = 4,  // an update must say which resourceVersion it changes
	KIND_REVIEW = 8,	  // answered, never stored: it has no name
	KIND_LAX_FINALIZERS = 16, // a finalizer's name needs no domain
	KIND_META_ONCE = 32,	  // what update may not change in the metadata is reported once; else the generic layer
				  // and the kind report it each
	KIND_STATUS_LABELS = 64,	  // the status subresource writes the labels too
	KIND_META_AGAIN = 128,		  // an update's metadata is checked as that of a new object, too
};

struct kind_rules {
	const char *group, *kind;
	format_check *name; // form of metadata.name
	unsigned traits;    // of enum kind_trait
	// Each of these may be NULL.
	void (*prepare_create)(struct api_context *c, struct json *object);
	void (*prepare_update)(struct api_context *c, struct json *object, const struct json *old);
	void (*prepare_status)(struct api_context *c, struct json *object, const struct json *old);
	void (*create)(struct check *c); // checks a new object
	void (*update)(struct check *c); // checks the whole object, and against c->old
	void (*status)(struct check *c); // checks what the status subresource wrote
	bool (*changed)(const struct json *object, const struct json *old); // for the generation; NULL: the spec
	void (*warn)(struct check *c);	      // what to say of an object that broke no rule
	void (*warn_status)(struct check *c); // and of a status
};

const struct kind_rules *kind_rules_of(const struct api_resource *r); // never NULL

// prepare.c: a stored object in the shape of new ones, so that the two can be compared (see same()): the caller may
// have parsed it plainly, with empty values that mean absence.
const struct json *rules_comparable(struct api_context *c, const struct api_resource *r, const struct json *old);

// metadata.c
void check_metadata(struct check *c, const struct path *p, const struct json *metadata, bool namespaced,
		    format_check *name);
void check_metadata_update(struct check *c, const struct path *p, const struct json *metadata, const struct json *old);
// A finalizer that is not of Kubernetes itself has a domain before its name.
void check_finalizer_domain(struct check *c, const struct path *p, struct str name);
void check_finalizer_domains(struct check *c); // of all finalizers, unless the kind is lax about them

// config.c
void rules_secret_prepare_create(struct api_context *c, struct json *secret);
void rules_secret_prepare_update(struct api_context *c, struct json *secret, const struct json *old);
void rules_config_map_create(struct check *c);
void rules_config_map_update(struct check *c);
void rules_secret_create(struct check *c);
void rules_secret_update(struct check *c);

// cluster.c: Namespace, Lease, ServiceAccount
void rules_namespace_prepare_create(struct api_context *c, struct json *namespace);
void rules_namespace_prepare_update(struct api_context *c, struct json *namespace, const struct json *old);
void rules_namespace_create(struct check *c);
void rules_namespace_status(struct check *c);
void rules_lease_create(struct check *c);
void rules_service_account_prepare_create(struct api_context *c, struct json *account);
void rules_service_account_prepare_update(struct api_context *c, struct json *account, const struct json *old);

// node.c
void rules_node_prepare_update(struct api_context *c, struct json *node, const struct json *old);
void rules_node_create(struct check *c);
void rules_node_update(struct check *c);
void rules_node_status(struct check *c);

// service.c
void rules_service_prepare_update(struct api_context *c, struct json *service, const struct json *old);
void rules_service_prepare_create(struct api_context *c, struct json *service);
void rules_service_create(struct check *c);
void rules_service_update(struct check *c);
void rules_service_status(struct check *c);

// endpoints.c
void rules_endpoints_create(struct check *c);
void rules_endpoint_slice_prepare_create(struct api_context *c, struct json *slice);
void rules_endpoint_slice_prepare_update(struct api_context *c, struct json *slice, const struct json *old);
bool rules_endpoint_slice_changed(const struct json *slice, const struct json *old);
void rules_endpoint_slice_create(struct check *c);
void rules_endpoint_slice_update(struct check *c);

// event.c
void rules_event_create(struct check *c);
void rules_event_update(struct check *c);

// workload.c: Deployment, ReplicaSet, PodTemplate, Scale
bool rules_deployment_changed(const struct json *deployment, const struct json *old);
void rules_deployment_create(struct check *c);
void rules_deployment_update(struct check *c);
void rules_deployment_status(struct check *c);
void rules_replica_set_create(struct check *c);
void rules_replica_set_update(struct check *c);
void rules_replica_set_status(struct check *c);
bool rules_pod_template_changed(const struct json *template, const struct json *old);
void rules_pod_template_create(struct check *c);
void rules_scale_create(struct check *c);

// review.c
void rules_subject_access_review_create(struct check *c);
void rules_local_subject_access_review_create(struct check *c);
void rules_self_subject_access_review_create(struct check *c);

// warnings.c
void rules_pod_warn(struct check *c);
void rules_pod_status_warn(struct check *c);
void rules_workload_warn(struct check *c); // Deployment, ReplicaSet
void rules_pod_template_warn(struct check *c);
void rules_service_warn(struct check *c);
void rules_service_status_warn(struct check *c);
void rules_endpoints_warn(struct check *c);
void rules_endpoint_slice_warn(struct check *c);
void rules_node_warn(struct check *c);
void rules_service_account_warn(struct check *c);

// pod.c, pod_prepare.c, pod_status.c, spec.c
void rules_pod_prepare_create(struct api_context *c, struct json *pod);
void rules_pod_prepare_update(struct api_context *c, struct json *pod, const struct json *old);
void rules_pod_prepare_status(struct api_context *c, struct json *pod, const struct json *old);
void rules_pod_create(struct check *c);
void rules_pod_update(struct check *c);
void rules_pod_status(struct check *c);
// metadata.labels, annotations and the spec of a pod template.
void check_pod_template(struct check *c, const struct path *p, const struct json *template);

#endif
