// SPDX-License-Identifier: Apache-2.0
// onggi server: the control plane. One loop decides (store, controllers, scheduler), two more do HTTPS.
#include "server/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/address.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/local_transport.h"
#include "controllers/controllers.h"
#include "scheduler/scheduler.h"
#include "store/sqlite.h"
#include "sys/real.h"

enum { IO_LOOPS = 2 };

const char *cli_advertise_address, *cli_listen_address = "0.0.0.0:6443";
static const char *token_file, *selection = "*", *node_name;

const struct option_spec server_options[] = {
	{"listen", OPTION_TEXT, "ADDR:PORT", "where the API is served; port 0 picks one", &cli_listen_address},
	{"advertise-address", OPTION_TEXT, "IP",
	 "where pods and clients reach a server that listens on every address; without it the machine's own",
	 &cli_advertise_address},
	{"token-auth-file", OPTION_TEXT, "FILE", "users by token: lines of token,user,uid,\"group1,group2\"",
	 &token_file},
	{"controllers", OPTION_TEXT, "LIST",
	 "which run: *, -name, none; the scheduler is one; a wrong name lists them all", &selection},
	{"service-range", OPTION_TEXT, "RANGE", "addresses of Services", &cli_service_range},
	{"node", OPTION_TEXT, "NAME", "also keep DIR/node.kubeconfig for the agent of this node", &node_name},
	{0},
};

struct control_plane {
	struct loop *core, *io[IO_LOOPS];
	struct store *store;
	struct server *server;
	struct transport *transport; // of the controllers and the scheduler
	struct controllers *controllers;
	struct scheduler *scheduler;
	bool failed;
};

static void stop(struct control_plane *p)
{
	scheduler_stop(p->scheduler);
	controllers_stop(p->controllers);
	client_destroy(p->transport);
	p->scheduler = NULL;
	p->controllers = NULL;
	p->transport = NULL;
}

static void on_stopped(void *arg)
{
	struct control_plane *p = arg;
	loop_real_stop(p->core);
}

static void on_signal(void *arg, int number)
{
	struct control_plane *p = arg;
	log_info("stopping");
	stop(p);
	server_stop(p->server, on_stopped, p);
}

static int start_controllers(struct control_plane *p, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct str masters = STR("system:masters");
	struct user user = user_make(&a, STR("system:kube-controller-manager"), STR_NONE, &masters, 1);
	p->transport = local_transport_create(p->server, p->core, &user);
	struct controllers_options o = {.selection = str_of(selection), .root_ca = server_authority(p->server)};
	p->controllers = controllers_start(p->transport, &o, e);
	if (!p->controllers)
		return -1;
	if (controllers_selected(str_of(selection), "scheduler"))
		p->scheduler = scheduler_start(p->transport, STR_NONE);
	return 0;
}

static void on_ready(void *arg, const struct err *e)
{
	struct control_plane *p = arg;
	struct err failure CLEAN_ERR = ERR_EMPTY;
	if (!e && start_controllers(p, &failure) < 0)
		e = &failure;
	if (e) {
		log_error("%s", err_text(e));
		p->failed = true;
		on_signal(p, 0);
		return;
	}
	struct str address = server_address(p->server);
	printf("serving https://%.*s\n", STR_FMT(address));
	fflush(stdout);
}

static int open_all(struct control_plane *p, struct err *e)
{
	static char own[INET_ADDRSTRLEN];
	char path[4096], host[256];
	if (mkdir(cli_data_dir, 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", cli_data_dir);
	snprintf(path, sizeof path, "%s/state.db", cli_data_dir);
	if (store_sqlite_open(p->core, path, &p->store, e) < 0)
		return -1;
	for (int i = 0; i < IO_LOOPS; i++)
		p->io[i] = loop_real_thread("onggi-io");
	if (!cli_advertise_address && address_of_machine(own, sizeof own))
		cli_advertise_address = own;
	const char *names[] = {cli_advertise_address};
	struct server_config c = {
		.core = p->core,
		.io = p->io,
		.io_count = IO_LOOPS,
		.store = p->store,
		.data_dir = cli_data_dir,
		.listen = cli_listen_address,
		.advertise = cli_advertise_address,
		.names = names,
		.name_count = cli_advertise_address ? 1 : 0,
		.host_name = gethostname(host, sizeof host) == 0 ? host : NULL,
		.node = node_name,
		.token_file = token_file,
		.service_range = cli_service_range,
	};
	p->server = server_create(&c, e);
	return p->server ? 0 : -1;
}

static int run_server(int count, char **operands)
{
	struct control_plane p = {0};
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (count != 0) {
		options_help(&command_server, stderr);
		return EXIT_USAGE;
	}
	if (controllers_check(str_of(selection), &e) < 0) {
		fprintf(stderr, "onggi server: --controllers: %s\n", err_text(&e));
		return EXIT_USAGE;
	}
	log_set_name("server");
	daemon_prepare();
	umask(077); // everything it writes is its own: state, keys
	signal(SIGPIPE, SIG_IGN);
	p.core = loop_real_create();
	loop_real_on_signal(p.core, SIGTERM, on_signal, &p);
	loop_real_on_signal(p.core, SIGINT, on_signal, &p);
	int status = EXIT_FAILURE;
	if (open_all(&p, &e) < 0) {
		fprintf(stderr, "onggi server: %s\n", err_text(&e));
	} else {
		server_start(p.server, on_ready, &p);
		loop_real_run(p.core);
		status = p.failed ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	for (int i = 0; i < IO_LOOPS; i++)
		if (p.io[i])
			loop_real_thread_destroy(p.io[i]);
	server_destroy(p.server);
	store_destroy(p.store);
	loop_real_destroy(p.core);
	return status;
}

const struct command command_server = {
	"server", "", "Runs the control plane alone; needs no root.",
	"On first start it makes its own certificates; DIR/admin.kubeconfig is the administrator's access.",
	(const struct option_spec *const[]){data_dir_option, server_options, NULL}, run_server,
};
