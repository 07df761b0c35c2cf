// SPDX-License-Identifier: Apache-2.0
// Questions about identity and rights, answered by the same code that decides on requests. Nothing is stored.
#ifndef SERVER_REVIEW_H
#define SERVER_REVIEW_H

#include "server/call.h"

// POST of an ephemeral kind: SelfSubjectAccessReview, SubjectAccessReview, LocalSubjectAccessReview,
// SelfSubjectRulesReview, SelfSubjectReview, TokenReview.
void review_create(struct call *c);

#endif
