// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/node.h"
#include "node/pod/admit.h"

const char *cli_data_dir = ONGGI_DATA_DIR;
const char *cli_service_range = "10.96.0.0/16";

const struct option_spec data_dir_option[] = {
	{"data-dir", OPTION_TEXT, "DIR", "where everything is kept", &cli_data_dir},
	{0},
};

struct node_flags node_flags = {
	.pod_range = "10.244.0.0/24",
	.bridge = "onggi0",
	.table = "onggi",
	.cgroup_parent = "/onggi",
	.cluster_domain = "cluster.local",
	.listen = "0.0.0.0:10250",
	.max_pods = 250,
};

const struct option_spec node_options[] = {
	{"kubeconfig", OPTION_TEXT, "FILE", "how to reach the API; without it node.kubeconfig of the data dir",
	 &node_flags.kubeconfig},
	{"name", OPTION_TEXT, "NAME", "of this node; without it the host's name", &node_flags.name},
	{"address", OPTION_TEXT, "IP", "of this node; without it the machine's own, or the bridge's",
	 &node_flags.address},
	{"node-listen", OPTION_TEXT, "ADDR:PORT", "where the server reaches the agent, for logs and exec",
	 &node_flags.listen},
	{"pod-range", OPTION_TEXT, "RANGE", "addresses of this node's pods", &node_flags.pod_range},
	{"service-range", OPTION_TEXT, "RANGE", "addresses of Services", &cli_service_range},
	{"cluster-domain", OPTION_TEXT, "NAME", "the zone of Services' names", &node_flags.cluster_domain},
	{"max-pods", OPTION_NUMBER, "N", "pods that fit on this node", &node_flags.max_pods},
	{"pod-max-pids", OPTION_NUMBER, "N", "processes that one pod may have; 0: any number",
	 &node_flags.pod_max_pids},
	{"allowed-unsafe-sysctls", OPTION_TEXT, "LIST", "kernel parameters of namespaces that pods may set: net.core.*,...",
	 &node_flags.unsafe_sysctls},
	{"bridge", OPTION_TEXT, "NAME", "the link that joins the pods", &node_flags.bridge},
	{"table", OPTION_TEXT, "NAME", "the nftables table", &node_flags.table},
	{"cgroup-parent", OPTION_TEXT, "PATH", "the cgroup above all pods", &node_flags.cgroup_parent},
	{0},
};

// The default data dir has /run/onggi; others, which may stand beside it, one that their path tells apart.
static void choose_run_dir(char *out, size_t size)
{
	struct str dir = str_of(cli_data_dir);
	if (str_is(dir, ONGGI_DATA_DIR))
		snprintf(out, size, "/run/onggi");
	else
		snprintf(out, size, "/run/onggi-%08x", (unsigned)str_hash(dir));
}

int node_setup_read(struct node_setup *s, struct err *e)
{
	*s = (struct node_setup){.cgroup_parent = node_flags.cgroup_parent};
	if (cli_data_dir[0] != '/')
		return err_set(e, ERR_BAD_REQUEST, "--data-dir must be an absolute path, not \"%s\"", cli_data_dir);
	if (strlen(node_flags.bridge) > 12)
		return err_set(e, ERR_BAD_REQUEST, "--bridge \"%s\" is longer than 12 bytes", node_flags.bridge);
	if (node_flags.unsafe_sysctls && admit_check_sysctls(str_of(node_flags.unsafe_sysctls), e) < 0)
		return err_wrap(e, "--allowed-unsafe-sysctls");
	choose_run_dir(s->run_dir, sizeof s->run_dir);
	snprintf(s->net_dir, sizeof s->net_dir, "%s/net", s->run_dir);
	if (node_flags.name)
		str_to_c(str_of(node_flags.name), s->name, sizeof s->name);
	else if (gethostname(s->name, sizeof s->name) < 0)
		return err_set(e, ERR_INTERNAL, "this host has no name: give one by --name");
	if (node_flags.kubeconfig)
		str_to_c(str_of(node_flags.kubeconfig), s->kubeconfig, sizeof s->kubeconfig);
	else
		snprintf(s->kubeconfig, sizeof s->kubeconfig, "%s/node.kubeconfig", cli_data_dir);
	return 0;
}

int node_claim(int patience_ms, struct err *e)
{
	enum { PAUSE_MS = 50 };
	char path[4096];
	if (mkdir(cli_data_dir, 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", cli_data_dir);
	snprintf(path, sizeof path, "%s/node.lock", cli_data_dir);
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0)
		return err_errno(e, errno, "%s", path);
	for (; flock(file, LOCK_EX | LOCK_NB) < 0; patience_ms -= PAUSE_MS) {
		if (patience_ms <= 0) {
			close(file);
			return err_set(e, ERR_CONFLICT, "another agent runs on %s", cli_data_dir);
		}
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
	}
	return 0;
}

struct network_config node_setup_network(const struct node_setup *s)
{
	return (struct network_config){
		.node = s->name,
		.dir = s->net_dir,
		.bridge = node_flags.bridge,
		.table = node_flags.table,
		.pod_range = node_flags.pod_range,
		.service_range = cli_service_range,
		.zone = node_flags.cluster_domain,
	};
}

struct runtime_options node_setup_runtime(const struct node_setup *s, struct images *images)
{
	return (struct runtime_options){
		.data_dir = cli_data_dir,
		.run_dir = s->run_dir,
		.cgroup_parent = s->cgroup_parent,
		.images = images,
	};
}
