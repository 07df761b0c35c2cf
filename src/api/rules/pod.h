// SPDX-License-Identifier: Apache-2.0
// The parts of a pod's rules, which pods and the templates of workloads share.
#ifndef API_RULES_POD_H
#define API_RULES_POD_H

#include "api/rules/rules.h"

// What the rules of a container need to know of its pod.
struct pod_scope {
	const struct json *spec;
	struct seen volumes;   // names of those that are valid themselves
	struct str pod_name; // empty in templates
	int64_t grace_s;     // termination grace period
};

// spec.c: the spec of a pod or of a template
void check_pod_spec(struct check *c, const struct path *p, const struct json *spec, struct str pod_name);

// container.c
void check_containers(struct check *c, const struct path *spec, const struct pod_scope *pod); // all three lists

// mount.c
void check_container_volumes(struct check *c, const struct path *p, const struct json *container,
			     const struct pod_scope *pod);

// env.c
void check_env(struct check *c, const struct path *p, const struct json *env);
void check_env_from(struct check *c, const struct path *p, const struct json *sources);
// Downward API: what of the pod a text is taken from. In a volume other fields are allowed than in the environment.
void check_field_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume);
void check_resource_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume);

// handler.c: probes and lifecycle hooks
void check_probes(struct check *c, const struct path *p, const struct json *container, const struct pod_scope *pod);

// resources.c
void check_container_resources(struct check *c, const struct path *p, const struct json *resources);
void check_pod_resources(struct check *c, const struct path *p, const struct json *spec);

// volume.c: notes the valid ones in pod->volumes
void check_volumes(struct check *c, const struct path *p, const struct json *volumes, struct pod_scope *pod);
// A relative path that does not climb.
void check_descending_path(struct check *c, const struct path *p, struct str path);

// security.c
void check_pod_security(struct check *c, const struct path *p, const struct json *spec);
void check_container_security(struct check *c, const struct path *p, const struct json *context,
			      const struct json *spec);

// placement.c: where a pod may run
void check_placement(struct check *c, const struct path *p, const struct json *spec);
void check_tolerations(struct check *c, const struct path *p, const struct json *tolerations);

// pod_prepare.c
struct str pod_qos_class(const struct json *spec);

#endif
