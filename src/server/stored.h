// SPDX-License-Identifier: Apache-2.0
// The form in which an object rests in the store. It is the resource's own but for events of events.k8s.io/v1, which
// rest as events of the core group: the two groups show the same events under other field names.
#ifndef SERVER_STORED_H
#define SERVER_STORED_H

#include "api/object.h"
#include "base/blob.h"
#include "store/store.h"

bool stored_differs(const struct api_resource *r);
const struct api_resource *stored_as(const struct api_resource *r); // itself where nothing differs
// The tree of a stored object as the resource shows it; its strings may point into the blob. Stored objects always
// parse.
struct json *stored_parse(struct arena *a, const struct api_resource *r, struct blob *stored);
// The bytes to store; *revision_at as api_encode has it.
void stored_encode(struct buf *out, const struct api_resource *r, const struct json *object, size_t *revision_at);
// The stored bytes as the resource shows them: the same blob where nothing differs. Takes over the reference, returns
// one.
struct blob *stored_show(const struct api_resource *r, struct blob *stored);
// The same as text, made in `scratch` (which it resets) where anything differs.
struct str stored_text(struct arena *scratch, const struct api_resource *r, struct blob *stored);

#endif
