// SPDX-License-Identifier: Apache-2.0
// onggi node: the agent. Its pieces, from the kernel up: images and containers, the network, the pods, and the endpoint
// at which the server reaches it.
#include "cli/node.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/times.h"
#include "cli/address.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "client/kubeconfig.h"
#include "node/node.h"
#include "node/pod_network.h"
#include "node/stream/stream_server.h"
#include "sys/real.h"

enum { KUBECONFIG_PATIENCE_S = 60, RENEWAL_S = 600, LOOK_S = 10 };

struct agent {
	struct node_setup setup;
	struct arena arena;
	struct loop *loop;
	struct https_config access;
	struct transport *transport;
	struct images *images;
	struct runtime *runtime;
	struct network *network;
	struct pod_network pods; // the network as the node sees it
	struct node *node;
	struct stream_server *streams;
	struct log_rotation *rotation;
	struct timer renewal, whereabouts;
	char address[INET6_ADDRSTRLEN];
	bool homeless; // it is the bridge's, for want of another
};

// ---- the network as the node sees it

static struct places *places_of(struct pod_network *n)
{
	return network_places(CONTAINER_OF(n, struct agent, pods)->network);
}

static int attach(struct pod_network *n, struct arena *a, struct str uid, struct str *ns_path, struct str *ip,
		  struct err *e)
{
	return places_attach(places_of(n), a, uid, ns_path, ip, e);
}

static int detach(struct pod_network *n, struct str uid, struct err *e)
{
	return places_detach(places_of(n), uid, e);
}

static void expose(struct pod_network *n, struct str uid, struct str ip, const struct json *pod)
{
	network_expose(CONTAINER_OF(n, struct agent, pods)->network, uid, ip, pod);
}

static void conceal(struct pod_network *n, struct str uid)
{
	network_conceal(CONTAINER_OF(n, struct agent, pods)->network, uid);
}

static int list(struct pod_network *n, struct arena *a, struct str **uids, size_t *count, struct err *e)
{
	return places_list(places_of(n), a, uids, count, e);
}

static const struct pod_network_ops pod_network_ops = {attach, detach, expose, conceal, list};

// ---- the node's address

static void choose_address(struct agent *x)
{
	struct str bridge = network_dns_address(x->network);
	if (node_flags.address)
		str_to_c(str_of(node_flags.address), x->address, sizeof x->address);
	else if (!address_of_machine(x->address, sizeof x->address))
		str_to_c(bridge, x->address, sizeof x->address);
	x->homeless = str_is(bridge, x->address);
	if (x->homeless && !node_flags.address)
		log_warn("this machine has no IPv4 address: the node goes by its bridge's, %s", x->address);
}

// The machine may get its first address while we run, or another one instead. Beside a new one the old one stays good.
static void look_for_address(struct timer *t)
{
	struct agent *x = CONTAINER_OF(t, struct agent, whereabouts);
	char now[INET6_ADDRSTRLEN];
	timer_start(x->loop, t, LOOK_S * TIME_S);
	if ((!x->homeless && address_is_here(x->address)) || !address_of_default_route(now, sizeof now))
		return;
	log_info("the address of this machine is %s now, no longer %s", now, x->address);
	str_to_c(str_of(now), x->address, sizeof x->address);
	x->homeless = false;
	node_move(x->node, x->address);
}

// ---- starting and stopping

// `onggi up` starts both halves at once: the server writes the file a moment later.
static int load_access(struct agent *x, struct err *e)
{
	struct timespec pause = {.tv_nsec = 10 * TIME_MS};
	for (int i = 0; i < KUBECONFIG_PATIENCE_S * 100 && access(x->setup.kubeconfig, R_OK) < 0; i++) {
		if (i == 0)
			log_info("waiting for %s", x->setup.kubeconfig);
		nanosleep(&pause, NULL);
	}
	return kubeconfig_load(&x->arena, x->loop, x->setup.kubeconfig, NULL, &x->access, e);
}

static struct stream_server_options stream_options(struct agent *x)
{
	return (struct stream_server_options){
		.listen = node_flags.listen,
		.certificate = x->access.certificate,
		.key = x->access.key,
		.client_ca = x->access.authorities,
		.allowed_name = STR("kube-apiserver-kubelet-client"),
		.node_name = str_of(x->setup.name),
		.runtime = x->runtime,
		.pods = node_stream_pods(x->node),
		.pods_arg = node_stream_arg(x->node),
	};
}

static int start_streams(struct agent *x, struct err *e)
{
	struct stream_server_options o = stream_options(x);
	return stream_server_open(x->loop, &o, &x->streams, e);
}

static int port_of(const char *address)
{
	int64_t port = 0;
	ptrdiff_t colon = str_find_last(str_of(address), ':');
	str_to_i64(str_from(str_of(address), (size_t)(colon + 1)), &port);
	return (int)port;
}

static int start_node(struct agent *x, struct err *e)
{
	struct node_config c = {
		.loop = x->loop,
		.transport = x->transport,
		.runtime = x->runtime,
		.network = &x->pods,
		.name = x->setup.name,
		.address = x->address,
		.data_dir = cli_data_dir,
		.run_dir = x->setup.run_dir,
		.cluster_domain = node_flags.cluster_domain,
		.nameserver = arena_c(&x->arena, network_dns_address(x->network)),
		.pods_max = (int)node_flags.max_pods,
		.pod_processes_max = node_flags.pod_max_pids,
		.unsafe_sysctls = node_flags.unsafe_sysctls,
		.port = port_of(node_flags.listen),
	};
	return node_create(&c, &x->node, e);
}

// Whether the kubeconfig holds another certificate by now: the server renews it long before it ends.
static bool access_changed(struct agent *x, struct err *e)
{
	struct arena scratch CLEAN_ARENA;
	struct https_config now;
	arena_init(&scratch);
	return kubeconfig_load(&scratch, x->loop, x->setup.kubeconfig, NULL, &now, e) == 0 &&
	       !(str_eq(now.certificate, x->access.certificate) && str_eq(now.authorities, x->access.authorities));
}

static int take_up_access(struct agent *x, struct err *e)
{
	struct https_config before = x->access;
	if (kubeconfig_load(&x->arena, x->loop, x->setup.kubeconfig, NULL, &x->access, e) < 0)
		return -1;
	struct stream_server_options o = stream_options(x);
	if (transport_https_renew(x->transport, &x->access, e) < 0 || stream_server_renew(x->streams, &o, e) < 0) {
		x->access = before; // to be tried again
		return -1;
	}
	log_info("goes on with the renewed certificate of %s", x->setup.kubeconfig);
	return 0;
}

static void renew(struct timer *t)
{
	struct agent *x = CONTAINER_OF(t, struct agent, renewal);
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (access_changed(x, &e))
		take_up_access(x, &e);
	if (e.reason)
		log_warn("the access to the server stays as it was: %s", err_text(&e));
	timer_start(x->loop, &x->renewal, RENEWAL_S * TIME_S);
}

static int open_all(struct agent *x, struct err *e)
{
	if (images_open(cli_data_dir, &x->images, e) < 0)
		return -1;
	struct runtime_options runtime = node_setup_runtime(&x->setup, x->images);
	if (runtime_open(x->loop, &runtime, &x->runtime, e) < 0 || load_access(x, e) < 0)
		return -1;
	struct https_config access = x->access;
	access.user_agent = "onggi-node";
	x->transport = transport_https_create(x->loop, &access, e);
	struct network_config network = node_setup_network(&x->setup);
	if (!x->transport || network_create(x->loop, x->transport, &network, &x->network, e) < 0)
		return -1;
	x->pods.ops = &pod_network_ops;
	choose_address(x);
	if (start_node(x, e) < 0 || start_streams(x, e) < 0)
		return -1;
	x->rotation = log_rotation_create(x->runtime, LOG_ROTATE_BYTES, LOG_ROTATE_FILES, LOG_ROTATE_EVERY_S * TIME_S);
	x->renewal.fire = renew;
	timer_start(x->loop, &x->renewal, RENEWAL_S * TIME_S);
	x->whereabouts.fire = look_for_address;
	if (!node_flags.address)
		timer_start(x->loop, &x->whereabouts, LOOK_S * TIME_S);
	return 0;
}

static void close_all(struct agent *x)
{
	timer_stop(&x->renewal);
	timer_stop(&x->whereabouts);
	log_rotation_destroy(x->rotation);
	stream_server_close(x->streams);
	node_destroy(x->node);
	runtime_close(x->runtime);
	loop_real_settle(x->loop); // what is under way in the pool uses the network and the images
	network_destroy(x->network);
	client_destroy(x->transport);
	images_close(x->images);
}

static void on_signal(void *arg, int number)
{
	struct agent *x = arg;
	log_info("stopping; containers go on");
	loop_real_stop(x->loop);
}

static int run_node(int count, char **operands)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct agent x = {0};
	if (count != 0) {
		options_help(&command_node, stderr);
		return EXIT_USAGE;
	}
	log_set_name("node");
	daemon_prepare();
	signal(SIGPIPE, SIG_IGN);
	arena_init(&x.arena);
	if (geteuid() != 0)
		err_set(&e, ERR_FORBIDDEN, "it needs root");
	if (e.reason || node_setup_read(&x.setup, &e) < 0 || node_claim(0, &e) < 0 ||
	    node_isolate(x.setup.run_dir, &e) < 0) {
		fprintf(stderr, "onggi node: %s\n", err_text(&e));
		return EXIT_FAILURE;
	}
	x.loop = loop_real_create();
	loop_real_on_signal(x.loop, SIGTERM, on_signal, &x);
	loop_real_on_signal(x.loop, SIGINT, on_signal, &x);
	bool opened = open_all(&x, &e) == 0;
	if (opened)
		loop_real_run(x.loop);
	else
		log_error("%s", err_text(&e));
	close_all(&x);
	loop_real_destroy(x.loop);
	arena_finish(&x.arena);
	return opened ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_node = {
	"node", "", "Runs the node agent; as root.",
	"Containers live on when it ends, also by kill -9, and are found again.",
	(const struct option_spec *const[]){data_dir_option, node_options, NULL}, run_node,
};
