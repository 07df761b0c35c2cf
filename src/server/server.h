// SPDX-License-Identifier: Apache-2.0
// The API server: everything between a request and the store.
//
// It keeps its keys and certificates in a directory of its own (pki.h), listens on an I/O loop, and renews what
// expires by itself. Handlers run on the loop that a request came in on and share only what never changes; state is in
// the store. Requests from inside the process: local.h.
//
//	server_create -> server_start(on_ready) -> loops run -> server_stop(on_stopped) -> loops end -> server_destroy
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "store/store.h"
#include "sys/sys.h"

struct server;

struct server_config {
	struct loop *core; // timers, bootstrap; server_* are called on it
	struct loop *const
		*io;	 // loops that may serve, with threads of their own, or the core loop itself; the first listens
	size_t io_count; // 0: nothing listens, only requests in process
	struct store *store;	  // lives longer than the server
	const char *data_dir;	  // made where absent, mode 0700
	const char *listen;	  // "127.0.0.1:6443"; port 0 picks one. NULL: nothing listens
	const char *advertise;	  // the address at which others reach us where `listen` is a wildcard; NULL: 127.0.0.1
	const char *const *names; // more names and addresses of the server's certificate
	size_t name_count;
	const char *host_name;		     // this machine's, for the certificate; NULL: none
	const char *node;		     // whose agent gets DATA_DIR/node.kubeconfig; NULL: none
	const char *token_file;		     // --token-auth-file; NULL: none
	const char *client_authority;	     // file of a further authority whose client certificates count; NULL: none
	const char *service_range;	     // of cluster IPs; NULL: "10.96.0.0/16"
	int node_port_first, node_port_last; // 0: 30000, 32767
	int64_t certificate_life_ns;	     // 0: a year; renewed when a quarter of it is left
	bool refuse_loopback_nodes; // nodes at loopback or link-local addresses are not reached: set it where agents
				    // run on other machines only
	unsigned reads_max, writes_max, watches_max; // under way on one loop; 0: 2000, 1000, 20000. Beyond: 429
};

// Reads or makes keys and certificates. NULL and e.
struct server *server_create(const struct server_config *c, struct err *e);
// Makes what every cluster has, then listens. on_ready once, on the core loop; e NULL: ready.
void server_start(struct server *s, void (*on_ready)(void *arg, const struct err *e), void *arg);
// Takes no more connections, closes those there are, ends requests in process, waits for what is being written;
// on_stopped on the core loop when no loop has anything of the server's left.
void server_stop(struct server *s, void (*on_stopped)(void *arg), void *arg);
// Stopped, or never started.
void server_destroy(struct server *s);

// "127.0.0.1:6443": where clients reach it. Empty before on_ready.
struct str server_address(const struct server *s);

// The authority's certificate as PEM: kube-root-ca.crt. Lives as long as the server.
struct str server_authority(const struct server *s);

#endif
