// SPDX-License-Identifier: Apache-2.0
// Changing a stored object by compare-and-swap: read it, make the new state from the old, write it if nobody was
// faster, else read again. Everything that writes an existing object goes through here: update, patch, the
// subresources, the marking of a deletion.
#ifndef SERVER_CHANGE_H
#define SERVER_CHANGE_H

#include "server/admission/admission.h"
#include "server/call.h"

struct change {
	struct call *call;
	const struct api_resource *resource;
	struct str namespace, name;
	bool dry_run;

	// Makes the new state from the old, which it must not touch; runs anew on each try. *now may be old itself
	// (nothing changes). `ch->snapshot` and `ch->ops` are there for it. Sets ch->remove when the object goes
	// instead.
	int (*make)(struct change *ch, const struct json *old, struct json **now, struct err *e);
	// The object is absent. NULL: 404. May make one (create on update); then *now is written if still absent.
	int (*make_absent)(struct change *ch, struct json **now, struct err *e);
	// Answers the call with what is now stored (or was removed); takes over the reference.
	void (*answer)(struct change *ch, struct blob *object);
	void (*fail)(struct change *ch, struct err *e); // NULL: respond_failure
	void *arg;

	// of the current try
	struct store_snapshot *snapshot;
	struct op_list ops;
	bool remove;   // the object goes
	bool created;  // it was made by make_absent
	bool no_retry; // the client named the revision it knows: a lost race is its conflict

	// private
	struct str key;
	int64_t revision; // of the old state
	struct json *now;
	struct blob *old; // borrowed from the snapshot
	struct str last;  // the state in which it is removed, encoded
	size_t last_hole;
	unsigned tries;
	struct timer pause;
};

// ch lives in the call's arena. Ends the call.
void change_run(struct change *ch);

// The new tree through the usual steps: admission, preparation, validation. `now` has been decoded or conformed.
int change_complete(struct change *ch, struct json *now, const struct json *old, struct err *e);

// Preconditions on the old state: ERR_CONFLICT.
int change_check_uid(struct change *ch, const struct json *old, struct str uid, struct err *e);
int change_check_revision(struct change *ch, const struct json *old, struct str revision, struct err *e);

#endif
