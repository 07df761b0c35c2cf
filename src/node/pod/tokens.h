// SPDX-License-Identifier: Apache-2.0
// ServiceAccount tokens for pods: asked of the API (TokenRequest, bound to the pod) when first wanted, renewed when
// four fifths of their life are over.
#ifndef NODE_POD_TOKENS_H
#define NODE_POD_TOKENS_H

#include "client/client.h"
#include "node/volume/gather.h"

struct tokens;

// on_change: a token of the pod came or was renewed; error set: it could not be had (asked again in a while).
typedef void tokens_changed(void *arg, struct str uid, const struct err *error);

struct tokens *tokens_create(struct transport *t, tokens_changed *on_change, void *arg);
void tokens_destroy(struct tokens *k);
void tokens_want(struct tokens *k, const struct pod_spec *pod, const struct volume_token *t); // again: nothing
void tokens_drop(struct tokens *k, struct str uid);					      // all of the pod
bool tokens_get(const struct tokens *k, struct str uid, const struct volume_token *t, struct str *value);

#endif
