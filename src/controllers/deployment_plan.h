// SPDX-License-Identifier: Apache-2.0
// The next step of a Deployment, decided from a snapshot of it and its ReplicaSets. Pure. A rollout is many such steps:
// each change that the step makes comes back through the caches and asks for the next one.
//
//	the template's ReplicaSet is missing    -> create it, as large as maxSurge allows
//	the Deployment was scaled, or is paused -> resize the active ReplicaSets in proportion
//	RollingUpdate -> grow the new one up to maxSurge; else shrink the old ones, unhealthy pods first, as far as
//			 maxUnavailable allows
//	Recreate      -> shrink the old ones to nothing, wait for their pods, grow the new one
//
// Rules, annotations, conditions and reasons are those of upstream's deployment controller, so that `kubectl rollout`
// reads them.
#ifndef CONTROLLERS_DEPLOYMENT_PLAN_H
#define CONTROLLERS_DEPLOYMENT_PLAN_H

#include "base/json.h"

struct deployment_view {
	const struct json *deployment;
	const struct json *const *replicasets; // that it manages
	const bool *has_pods;		       // of each: whether pods that have not ended are there, leaving ones too
	size_t replicaset_count;
	bool (*name_taken)(void *arg, struct str name); // whether the namespace has a ReplicaSet of this name
	void *arg;
	int64_t now_ns;
};

struct deployment_change { // of one ReplicaSet
	const struct json *replicaset;
	struct json *patch; // merge patch: annotations, replicas, minReadySeconds
	int64_t from, to;   // replicas; equal when only annotations change
};

struct deployment_plan {
	struct json *create; // a ReplicaSet, or NULL
	struct deployment_change *changes;
	size_t change_count;
	const struct json **delete; // ReplicaSets beyond the history limit
	size_t delete_count;
	struct json *annotations; // to merge into the Deployment's, or NULL
	struct json *status;	  // whole, or NULL: as it stands
	bool selects_everything;  // nothing is done, but told in an event
	int64_t again_ns;	  // when the progress deadline ends; 0: nothing to wait for
};

void deployment_plan(struct arena *a, const struct deployment_view *v, struct deployment_plan *plan);
// The status after `create` of the plan was refused.
struct json *deployment_create_failed(struct arena *a, const struct json *deployment, struct str name, const char *why,
				      int64_t now_ns);

#endif
