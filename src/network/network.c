// SPDX-License-Identifier: Apache-2.0
#include "network/network.h"

#include "base/log.h"
#include "base/times.h"
#include "network/dns/server.h"
#include "network/services.h"

enum { DNS_PORT = 53, RESOLV_CONF_MAX = 64 << 10, LOOK_S = 10 };

struct network {
	struct places *places;
	struct nftables *tables;
	struct informer *service_cache, *slice_cache;
	struct services *services;
	struct dns_zone *zone;
	struct dns_forward *forward;
	struct dns_server *dns;
	struct loop *loop;
	struct timer look;
};

static struct places_config places_config_of(const struct network_config *c)
{
	return (struct places_config){
		.dir = c->dir,
		.bridge = c->bridge,
		.range = c->pod_range,
		.services = c->service_range,
	};
}

// A node may have no resolvers: then only the cluster's names are known.
static void learn_resolvers(struct network *n)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str resolv_conf = STR_NONE;
	file_read(n->loop, &a, "/etc/resolv.conf", RESOLV_CONF_MAX, &resolv_conf, NULL);
	if (dns_forward_use(n->forward, resolv_conf) && n->dns)
		dns_server_forget(n->dns);
}

// The host's resolvers change when it moves to another network; and others change its settings.
static void on_look(struct timer *t)
{
	struct network *n = CONTAINER_OF(t, struct network, look);
	learn_resolvers(n);
	if (!places_routed(n->places))
		log_warn("somebody had switched off that this machine passes packets on (ip_forward): it is on again");
	timer_start(n->loop, &n->look, LOOK_S * TIME_S);
}

static int start_dns(struct network *n, const struct network_config *config, struct err *e)
{
	struct str self = places_gateway(n->places);
	n->zone = dns_zone_create(config->zone, n->service_cache, n->slice_cache);
	n->forward = dns_forward_create(n->loop, self);
	on_look(&n->look);
	return dns_server_create(n->loop, self.p, DNS_PORT, n->zone, n->forward, &n->dns, e);
}

int network_create(struct loop *l, struct transport *t, const struct network_config *config, struct network **out,
		   struct err *e)
{
	struct network *n = MEM_NEW(struct network);
	n->loop = l;
	n->look = (struct timer){.fire = on_look, .loop = l};
	struct places_config places = places_config_of(config);
	struct nftables_config tables = {
		.table = config->table,
		.bridge = config->bridge,
		.range = config->pod_range,
		.services = config->service_range,
	};
	if (places_create(&places, &n->places, e) < 0 || nftables_open(&tables, &n->tables, e) < 0) {
		network_destroy(n);
		return err_wrap(e, "network");
	}
	n->service_cache = informer_create(t, STR("/api/v1/services"));
	n->slice_cache = informer_create(t, STR("/apis/discovery.k8s.io/v1/endpointslices"));
	if (services_create(l, n->service_cache, n->slice_cache, n->tables, config->node, &n->services, e) < 0 ||
	    start_dns(n, config, e) < 0) {
		network_destroy(n);
		return err_wrap(e, "network");
	}
	*out = n;
	return 0;
}

void network_destroy(struct network *n)
{
	if (!n)
		return;
	timer_stop(&n->look);
	dns_server_destroy(n->dns);
	dns_forward_destroy(n->forward);
	informer_destroy(n->slice_cache); // first, so that no change is told to those that go now
	informer_destroy(n->service_cache);
	services_destroy(n->services);
	dns_zone_destroy(n->zone);
	nftables_close(n->tables);
	places_destroy(n->places);
	free(n);
}

struct places *network_places(struct network *n)
{
	return n->places;
}

void network_expose(struct network *n, struct str uid, struct str ip, const struct json *pod)
{
	services_expose(n->services, uid, ip, pod);
}

void network_conceal(struct network *n, struct str uid)
{
	services_conceal(n->services, uid);
}

struct str network_dns_address(const struct network *n)
{
	return places_gateway(n->places);
}

int network_remove(const struct network_config *config, struct err *e)
{
	struct places_config places = places_config_of(config);
	struct err rules CLEAN_ERR = ERR_EMPTY;
	int kept = nftables_remove(config->table, config->bridge, &rules);
	if (places_remove_all(&places, e) < 0)
		return -1;
	if (kept < 0)
		err_move(e, &rules);
	return kept;
}
