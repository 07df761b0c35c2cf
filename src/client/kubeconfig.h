// SPDX-License-Identifier: Apache-2.0
// Kubeconfig files (clientcmd v1): where the server is and who we are there. Of the ways to log in, client
// certificates and bearer tokens are known, inline or in files beside it; helper programs are not run.
#ifndef CLIENT_KUBECONFIG_H
#define CLIENT_KUBECONFIG_H

#include "client/https.h"

// context NULL: the file's current one. What *out points to lives in the arena.
int kubeconfig_load(struct arena *a, struct loop *l, const char *path, const char *context, struct https_config *out,
		    struct err *e);
// The same of a text; files that it names are sought from `directory`.
int kubeconfig_parse(struct arena *a, struct loop *l, struct str text, const char *directory, const char *context,
		     struct https_config *out, struct err *e);

#endif
