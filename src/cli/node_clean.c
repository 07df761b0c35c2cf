// SPDX-License-Identifier: Apache-2.0
// onggi node clean: takes away what a stopped agent left on the machine. What is on disk in the data dir stays.
#include <unistd.h>

#include "cli/commands.h"
#include "cli/node.h"
#include "network/network.h"
#include "node/cgroup/cgroup.h"
#include "node/runtime/runtime.h"

// Each step is tried even where another failed; the first failure is told.
static int remove_all(const struct node_setup *s, struct err *e)
{
	struct err network_error CLEAN_ERR = ERR_EMPTY;
	struct images *images = NULL;
	int runtime = images_open(cli_data_dir, &images, e);
	if (runtime == 0) {
		struct runtime_options o = node_setup_runtime(s, images);
		runtime = runtime_purge(&o, e);
	}
	images_close(images);
	struct network_config c = node_setup_network(s);
	int network = network_remove(&c, &network_error);
	if (network < 0 && runtime == 0)
		err_move(e, &network_error);
	struct cgroups groups;
	if (cgroups_init(&groups, NULL, s->cgroup_parent, NULL) == 0)
		cgroups_drop(&groups);
	node_unisolate(s->run_dir);
	return runtime < 0 || network < 0 ? -1 : 0;
}

static int run_clean(int count, char **operands)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct node_setup s;
	if (count != 0) {
		options_help(&command_node_clean, stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0)
		err_set(&e, ERR_FORBIDDEN, "it needs root");
	if (e.reason || node_setup_read(&s, &e) < 0 || node_isolate(s.run_dir, &e) < 0 || remove_all(&s, &e) < 0) {
		fprintf(stderr, "onggi node clean: %s\n", err_text(&e));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

const struct command command_node_clean = {
	"node clean", "", "Removes containers, links, packet rules, mounts and cgroups that a stopped agent left.",
	"Give it the options that the agent had. Images and volumes in the data dir stay.",
	(const struct option_spec *const[]){data_dir_option, node_options, NULL}, run_clean,
};
