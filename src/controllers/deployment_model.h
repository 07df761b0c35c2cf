// SPDX-License-Identifier: Apache-2.0
// A Deployment and its ReplicaSets as numbers, for deployment_plan.c and deployment_status.c.
#ifndef CONTROLLERS_DEPLOYMENT_MODEL_H
#define CONTROLLERS_DEPLOYMENT_MODEL_H

#include "controllers/conditions.h"
#include "controllers/deployment_plan.h"

#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_REVISION_HISTORY "deployment.kubernetes.io/revision-history"
#define DEPLOYMENT_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX "deployment.kubernetes.io/max-replicas"

struct set { // a ReplicaSet
	const struct json *object;
	struct str name;
	int64_t created_ns, revision;
	int64_t replicas;			    // as planned; starts as it is
	int64_t has, ready, available, terminating; // of its status
	bool has_pods;
	struct json *annotations; // to change; NULL: none
	bool min_ready_differs;
};

// Whether its status is that of what it was told last; until then it may lack pods made for what it was told before.
bool set_has_obeyed(const struct set *s);

struct rollout {
	struct arena *a;
	const struct deployment_view *view;
	struct deployment_plan *plan;
	const struct json *object, *annotations, *template;
	struct str name;
	int64_t replicas, surge, unavailable, min_ready_s;
	int64_t deadline_s; // of progress; -1: none
	bool paused, recreate;
	struct set *sets; // oldest first
	size_t set_count;
	struct set *current;	 // that of the template; NULL: there is none
	struct json *conditions; // as they will be
	int64_t collisions;
	bool collided; // one more in this step
};

void rollout_read(struct rollout *r, struct arena *a, const struct deployment_view *v, struct deployment_plan *plan);
// A number among the annotations of an object; 0 where it is absent or none.
int64_t rollout_annotation(const struct json *object, const char *name, bool *found);
int64_t rollout_planned(const struct rollout *r);   // sum of replicas
int64_t rollout_available(const struct rollout *r); // sum of available
// Pods that may still be made. What a ReplicaSet was told to delete counts until its status says that it did; while one
// of the old has not acted on what it was told last, there is no room.
int64_t rollout_room(const struct rollout *r);

// deployment_revision.c: what ties ReplicaSets to revisions.
// Whether the two pod templates are the same but for the hash label.
bool revision_same_template(struct arena *a, const struct json *x, const struct json *y);
void revision_sync(struct rollout *r);	 // annotations of the current set and of the Deployment
void revision_create(struct rollout *r); // plan->create, or a collision
void revision_resize(struct rollout *r, struct set *s, int64_t replicas); // with the annotations that remember it

// deployment_status.c
enum progress { PROGRESS_KEEP, PROGRESS_CHECK }; // whether the rollout's progress is judged in this step
void status_note_pause(struct rollout *r);
void status_note_progress(struct rollout *r, const char *reason, const char *status, struct str message);
void status_plan(struct rollout *r, enum progress progress);
bool status_is_complete(const struct rollout *r, const struct json *status);

#define each_set(s, r) for (struct set *s = (r)->sets; s < (r)->sets + (r)->set_count; s++)
#define each_old_set(s, r) each_set(s, r) if (s != (r)->current)

#endif
