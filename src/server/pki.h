// SPDX-License-Identifier: Apache-2.0
// The server's keys and certificates, in DIR/pki: the authority (ca), the serving certificate (server), the
// administrator's (admin), the one with which the server calls nodes (node-client), and the key of ServiceAccount
// tokens (tokens).
//
// Each pair is a file of key and certificate in one, written atomically, so that no crash leaves halves. A missing or
// broken pair is made anew; the authority only while nothing that it signed has been given out (DIR/admin.kubeconfig),
// else that is an error. What expires within a quarter of its life is renewed.
#ifndef SERVER_PKI_H
#define SERVER_PKI_H

#include "sys/sys.h"
#include "wire/x509.h"

struct pki {
	struct loop *loop;
	struct arena arena;
	const char *dir; // DIR/pki
	struct x509_pair authority, server, admin, node_client;
	struct str token_key; // PEM
	struct str *names;    // of the serving certificate
	size_t name_count;
	int64_t life_ns; // of what the authority signs
	bool given_out;
};

// life_ns 0: a year.
int pki_open(struct pki *p, struct loop *l, const char *data_dir, const struct str *names, size_t name_count,
	     int64_t life_ns, struct err *e);
void pki_finish(struct pki *p);
// Renews what is due; *changed says whether anything was, also when -1 says that something else could not be.
int pki_renew(struct pki *p, bool *changed, struct err *e);

// A client and serving certificate for a node's agent.
int pki_issue_node(struct pki *p, struct str node, const struct str *names, size_t name_count, struct x509_pair *out,
		   struct err *e);

#endif
