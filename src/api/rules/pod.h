// SPDX-License-Identifier: Apache-2.0
// The parts of a pod's rules, which pods and the templates of workloads share.
#ifndef API_RULES_POD_H
#define API_RULES_POD_H

#include "api/rules/rules.h"

// What the rules of a container need to know of its pod.
struct pod_scope {
	const struct json *spec;
	bool is_pod;	     // not a template
	struct str pod_name; // empty in templates
	struct seen volumes; // names of those that are valid themselves
	struct seen claimed; // and of those of them that are claims of storage
	struct seen claims;  // names of its resource claims
	int64_t grace_s;     // termination grace period
};

// pod.c: the pod as a whole, but for its metadata and status
void check_pod(struct check *c);

// pod_resize.c
void check_resize(struct check *c);

// spec.c: the spec of a pod or of a template
void check_pod_spec(struct check *c, const struct path *p, const struct json *spec, bool is_pod, struct str pod_name);
// Calls `check` for each container of any sort: `p` leads to it.
void each_container(struct check *c, const struct path *spec_path, const struct json *spec,
		    void (*check)(struct check *c, const struct path *p, const struct json *container, void *arg),
		    void *arg);

// container.c
void check_containers(struct check *c, const struct path *spec, const struct pod_scope *pod); // all three lists

// mount.c
void check_container_volumes(struct check *c, const struct path *p, const struct json *container,
			     const struct pod_scope *pod);

// env.c
void check_env(struct check *c, const struct path *p, const struct json *env);
// Files of variables are in emptyDirs of the pod.
void check_env_files(struct check *c, const struct path *p, const struct json *spec);
void check_env_from(struct check *c, const struct path *p, const struct json *sources);
// Downward API: what of the pod a text is taken from. In a volume other fields are allowed than in the environment.
void check_field_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume);
void check_resource_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume);

// handler.c: probes and lifecycle hooks
void check_probes(struct check *c, const struct path *p, const struct json *container, const struct pod_scope *pod);

// resources.c
void check_container_resources(struct check *c, const struct path *p, const struct json *resources,
			       const struct pod_scope *pod);
// What the pod takes without any of its containers, as limits.
void check_overhead(struct check *c, const struct path *p, const struct json *overhead);
void check_pod_resources(struct check *c, const struct path *p, const struct pod_scope *pod);

// device_claims.c: notes their names in pod->claims
void check_device_claims(struct check *c, const struct path *p, const struct json *claims, struct pod_scope *pod);
// Which of them a container uses.
void check_used_claims(struct check *c, const struct path *p, const struct json *uses, const struct pod_scope *pod);

// volume.c: notes the valid ones in pod->volumes
void check_volumes(struct check *c, const struct path *p, const struct json *volumes, struct pod_scope *pod);
// A relative path that does not climb.
void check_descending_path(struct check *c, const struct path *p, struct str path);
bool path_climbs(struct str path); // has ".." in it

// security.c
void check_pod_security(struct check *c, const struct path *p, const struct json *spec);
void check_container_security(struct check *c, const struct path *p, const struct json *context,
			      const struct json *spec);

// windows.c: what is for pods of one system only
void check_windows_options(struct check *c, const struct path *p, const struct json *options);
void check_system(struct check *c, const struct path *p, const struct json *spec);

// pod_annotations.c: annotations that mean something to pods
void check_pod_annotations(struct check *c, const struct path *p, const struct json *pod, const struct json *old);
// Older annotations say the same as the fields that replaced them; `p` leads to the pod or template.
void check_profile_annotations(struct check *c, const struct path *p, const struct json *pod);
// A new pod's AppArmor annotations, where they are good and no field speaks, become fields.
void pod_take_armor(struct api_context *c, struct json *pod);
// Which may not come, go or change.
void check_kept_annotations(struct check *c);

// placement.c: where a pod may run
void check_placement(struct check *c, const struct path *p, const struct json *spec);
void check_tolerations(struct check *c, const struct path *p, const struct json *tolerations);

// pod_prepare.c
struct str pod_qos_class(const struct json *spec);

#endif
