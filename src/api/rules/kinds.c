// SPDX-License-Identifier: Apache-2.0
// Which rules each kind has.
#include "api/rules/rules.h"

static const struct kind_rules kinds[] = {
	{"", "ConfigMap", format_dns_subdomain, .create = config_map_create, .update = config_map_update},
	{"", "Secret", format_dns_subdomain, .prepare_create = secret_prepare_create,
	 .prepare_update = secret_prepare_update, .create = secret_create, .update = secret_update},
	{"", "ServiceAccount", format_dns_subdomain},
	{"", "Namespace", format_dns_label, KIND_STATUS, .prepare_create = namespace_prepare_create,
	 .prepare_update = namespace_prepare_update, .create = namespace_create, .update = namespace_create},
	{"", "Node", format_dns_subdomain, .prepare_update = node_prepare_update, .create = rules_node_create,
	 .update = node_update},
	{"", "Service", format_dns_label, KIND_STATUS, .prepare_create = service_prepare_create,
	 .prepare_update = service_prepare_update, .create = service_create, .update = service_update,
	 .status = service_status},
	{"", "Endpoints", format_dns_subdomain, .create = endpoints_create, .update = endpoints_create},
	{"discovery.k8s.io", "EndpointSlice", format_dns_subdomain, KIND_GENERATION | KIND_META_ONCE,
	 .create = endpoint_slice_create, .update = endpoint_slice_update, .changed = endpoint_slice_changed},
	{"", "Event", format_path_segment, KIND_LAX_FINALIZERS | KIND_META_ONCE, .create = event_create,
	 .update = event_update},
	{"events.k8s.io", "Event", format_dns_subdomain, .create = event_create, .update = event_update},
	{"coordination.k8s.io", "Lease", format_dns_subdomain, KIND_NEEDS_REVISION | KIND_LAX_FINALIZERS,
	 .create = lease_create, .update = lease_create},
	{"apps", "Deployment", format_dns_subdomain, KIND_STATUS | KIND_GENERATION, .create = deployment_create,
	 .update = deployment_update, .status = deployment_status, .changed = deployment_changed},
	{"apps", "ReplicaSet", format_dns_subdomain, KIND_STATUS | KIND_GENERATION, .create = replica_set_create,
	 .update = replica_set_update, .status = replica_set_status},
	{"", "PodTemplate", format_dns_subdomain, KIND_GENERATION, .create = pod_template_create,
	 .update = pod_template_create, .changed = pod_template_changed},
	{"", "Pod", format_dns_subdomain, KIND_STATUS | KIND_GENERATION, .prepare_create = pod_prepare_create,
	 .prepare_update = pod_prepare_update, .create = pod_create, .update = pod_update,
	 .status = rules_pod_status},
	{"autoscaling", "Scale", format_path_segment, KIND_REVIEW, .create = scale_create, .update = scale_create},
	{"authorization.k8s.io", "SubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = subject_access_review_create},
	{"authorization.k8s.io", "LocalSubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = local_subject_access_review_create},
	{"authorization.k8s.io", "SelfSubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = self_subject_access_review_create},
};

// Kinds without rules of their own, stored and not.
static const struct kind_rules plain = {"", "", format_dns_subdomain};
static const struct kind_rules question = {"", "", format_path_segment, KIND_REVIEW};

const struct kind_rules *kind_rules_of(const struct api_resource *r)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_is(r->kind, kinds[i].kind) && str_is(r->group, kinds[i].group))
			return &kinds[i];
	return r->ephemeral ? &question : &plain;
}
