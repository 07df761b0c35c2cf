// SPDX-License-Identifier: Apache-2.0
// Which rules each kind has.
#include "api/rules/rules.h"

static const struct kind_rules kinds[] = {
	{"", "ConfigMap", format_dns_subdomain, KIND_META_AGAIN, .create = rules_config_map_create,
	 .update = rules_config_map_update},
	{"", "Secret", format_dns_subdomain, KIND_META_AGAIN, .prepare_create = rules_secret_prepare_create,
	 .prepare_update = rules_secret_prepare_update, .create = rules_secret_create,
	 .update = rules_secret_update},
	{"", "ServiceAccount", format_dns_subdomain, KIND_META_AGAIN, .prepare_create = rules_service_account_prepare_create,
	 .prepare_update = rules_service_account_prepare_update, .warn = rules_service_account_warn},
	{"", "Namespace", format_dns_label, KIND_STATUS | KIND_STATUS_LABELS | KIND_META_AGAIN,
	 .prepare_create = rules_namespace_prepare_create,
	 .prepare_update = rules_namespace_prepare_update, .create = rules_namespace_create,
	 .update = rules_namespace_create, .status = rules_namespace_status},
	{"", "Node", format_dns_subdomain, KIND_STATUS_LABELS | KIND_META_AGAIN,
	 .prepare_update = rules_node_prepare_update,
	 .create = rules_node_create, .update = rules_node_update, .status = rules_node_status,
	 .warn = rules_node_warn},
	{"", "Service", format_dns_label, KIND_STATUS | KIND_STATUS_LABELS,
	 .prepare_create = rules_service_prepare_create,
	 .prepare_update = rules_service_prepare_update, .create = rules_service_create,
	 .update = rules_service_update, .status = rules_service_status,
	 .warn = rules_service_warn, .warn_status = rules_service_status_warn},
	{"", "Endpoints", format_dns_subdomain, KIND_META_AGAIN, .create = rules_endpoints_create, .update = rules_endpoints_create,
	 .warn = rules_endpoints_warn},
	{"discovery.k8s.io", "EndpointSlice", format_dns_subdomain, KIND_GENERATION | KIND_META_ONCE | KIND_META_AGAIN,
	 .prepare_create = rules_endpoint_slice_prepare_create,
	 .prepare_update = rules_endpoint_slice_prepare_update,
	 .create = rules_endpoint_slice_create, .update = rules_endpoint_slice_update,
	 .changed = rules_endpoint_slice_changed, .warn = rules_endpoint_slice_warn},
	{"", "Event", format_path_segment, KIND_LAX_FINALIZERS | KIND_META_ONCE, .create = rules_event_create,
	 .update = rules_event_update},
	{"events.k8s.io", "Event", format_dns_subdomain, .create = rules_event_create,
	 .update = rules_event_update},
	{"coordination.k8s.io", "Lease", format_dns_subdomain, KIND_NEEDS_REVISION | KIND_LAX_FINALIZERS,
	 .create = rules_lease_create, .update = rules_lease_create},
	{"apps", "Deployment", format_dns_subdomain, KIND_STATUS | KIND_GENERATION,
	 .create = rules_deployment_create, .update = rules_deployment_update, .status = rules_deployment_status,
	 .changed = rules_deployment_changed, .warn = rules_workload_warn},
	{"apps", "ReplicaSet", format_dns_subdomain, KIND_STATUS | KIND_GENERATION | KIND_STATUS_LABELS,
	 .create = rules_replica_set_create, .update = rules_replica_set_update,
	 .status = rules_replica_set_status, .warn = rules_workload_warn},
	{"", "PodTemplate", format_dns_subdomain, KIND_GENERATION, .create = rules_pod_template_create,
	 .update = rules_pod_template_create, .changed = rules_pod_template_changed,
	 .warn = rules_pod_template_warn},
	{"", "Pod", format_dns_subdomain, KIND_STATUS | KIND_GENERATION | KIND_STATUS_LABELS,
	 .prepare_create = rules_pod_prepare_create, .prepare_update = rules_pod_prepare_update,
	 .prepare_status = rules_pod_prepare_status,
	 .create = rules_pod_create, .update = rules_pod_update, .status = rules_pod_status,
	 .warn = rules_pod_warn, .warn_status = rules_pod_status_warn},
	{"autoscaling", "Scale", format_path_segment, KIND_REVIEW, .create = rules_scale_create,
	 .update = rules_scale_create},
	{"authorization.k8s.io", "SubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = rules_subject_access_review_create},
	{"authorization.k8s.io", "LocalSubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = rules_local_subject_access_review_create},
	{"authorization.k8s.io", "SelfSubjectAccessReview", format_path_segment, KIND_REVIEW,
	 .create = rules_self_subject_access_review_create},
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
