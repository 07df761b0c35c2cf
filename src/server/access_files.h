// SPDX-License-Identifier: Apache-2.0
// The kubeconfig files (mode 0600) by which the administrator and this machine's agent reach the server. Both are
// written again when the address or a certificate has changed, and left alone otherwise.
#ifndef SERVER_ACCESS_FILES_H
#define SERVER_ACCESS_FILES_H

#include "server/pki.h"

// address: "127.0.0.1:6443". With the administrator's certificate of the pki.
int access_file_admin(struct pki *p, struct str address, const char *path, struct err *e);
// With a certificate of its own for the agent of a node (system:node:NAME of system:nodes), which serves the agent's
// own port too. It is made anew when a quarter of its life is left.
int access_file_node(struct pki *p, struct str address, struct str node, const char *path, struct err *e);

#endif
