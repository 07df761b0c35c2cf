// SPDX-License-Identifier: Apache-2.0
#include "node/pod/names.h"

enum { HOSTNAME_MAX = 63, SEARCHES_MAX = 32, NAMESERVERS_MAX = 3, OPTIONS_MAX = 64 };

static struct str short_name(const struct pod_spec *s)
{
	struct str override = json_str(s->object, "spec.hostnameOverride");
	if (override.n)
		return override;
	struct str own = json_str(s->object, "spec.hostname");
	struct str name = own.n ? own : str_sub(s->name, 0, HOSTNAME_MAX);
	while (name.n && (name.p[name.n - 1] == '-' || name.p[name.n - 1] == '.'))
		name.n--; // the cut may have left a name that is none
	return name;
}

// "alpha.beta.ns.svc.cluster.local" where the pod has a subdomain, else empty.
static struct str full_name(struct arena *a, const struct pod_spec *s, const struct names_config *c)
{
	struct str subdomain = json_str(s->object, "spec.subdomain");
	if (!subdomain.n || json_at(s->object, "spec.hostnameOverride"))
		return STR_NONE;
	return arena_fmt(a, "%.*s.%.*s.%.*s.svc.%.*s", STR_FMT(short_name(s)), STR_FMT(subdomain),
			 STR_FMT(s->namespace), STR_FMT(c->cluster_domain));
}

struct str names_hostname(struct arena *a, const struct pod_spec *s, const struct names_config *c)
{
	if (s->host_network && !json_at(s->object, "spec.hostnameOverride"))
		return c->host_name;
	struct str full = json_is_true(s->object, "spec.setHostnameAsFQDN") ? full_name(a, s, c) : STR_NONE;
	return full.n ? full : short_name(s);
}

struct str names_hosts(struct arena *a, const struct pod_spec *s, const struct names_config *c, struct str ip)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (s->host_network) {
		BUF_LIT(&out, "# Kubernetes-managed hosts file (host network).\n");
		buf_add(&out, c->host_hosts);
	} else {
		struct str full = full_name(a, s, c);
		BUF_LIT(&out, "# Kubernetes-managed hosts file.\n"
			      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
			      "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
		buf_fmt(&out, "%.*s\t%.*s%s%.*s\n", STR_FMT(ip), STR_FMT(full), full.n ? "\t" : "",
			STR_FMT(short_name(s)));
	}
	const struct json *aliases = json_at(s->object, "spec.hostAliases");
	if (aliases && aliases->count)
		BUF_LIT(&out, "\n# Entries added by HostAliases.\n");
	json_each(alias, aliases) {
		buf_add(&out, json_str(alias, "ip"));
		json_each(name, json_get(alias, STR("hostnames")))
			buf_fmt(&out, "\t%.*s", STR_FMT(name->text));
		buf_add_byte(&out, '\n');
	}
	return arena_str(a, buf_str(&out));
}

// ---- resolv.conf

struct resolv {
	struct str servers[NAMESERVERS_MAX], searches[SEARCHES_MAX], options[OPTIONS_MAX];
	size_t server_count, search_count, option_count;
};

static void add_unique(struct str *list, size_t *count, size_t max, struct str item)
{
	for (size_t i = 0; i < *count; i++) {
		if (str_eq(list[i], item))
			return;
	}
	if (*count < max && item.n)
		list[(*count)++] = item;
}

static void add_server(struct resolv *r, struct str s)
{
	add_unique(r->servers, &r->server_count, NAMESERVERS_MAX, s);
}
static void add_search(struct resolv *r, struct str s)
{
	add_unique(r->searches, &r->search_count, SEARCHES_MAX, s);
}

// An option of the same name ("ndots:5" over "ndots:2") takes the place of the one before.
static void add_option(struct resolv *r, struct str option)
{
	struct str name, value, other;
	str_cut(option, ':', &name, &value);
	for (size_t i = 0; i < r->option_count; i++) {
		str_cut(r->options[i], ':', &other, &value);
		if (str_eq(name, other)) {
			r->options[i] = option;
			return;
		}
	}
	if (r->option_count < OPTIONS_MAX && option.n)
		r->options[r->option_count++] = option;
}

// The next of the words of a line, which blanks and tabs part and a comment ends; false: there is none.
static bool next_word(struct str *line, struct str *word)
{
	*line = str_trim(*line);
	size_t n = 0;
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	*word = str_sub(*line, 0, n);
	*line = str_from(*line, n);
	return n && word->p[0] != '#' && word->p[0] != ';';
}

static struct str without_dot(struct str domain)
{
	return domain.n > 1 && str_ends(domain, STR(".")) ? str_sub(domain, 0, domain.n - 1) : domain;
}

// As the C library reads it: of several lines "search" the last counts.
static void read_host(struct resolv *r, struct str text)
{
	struct str line, keyword, word;
	while (str_next(&text, '\n', &line)) {
		if (!next_word(&line, &keyword))
			continue;
		if (str_is(keyword, "search"))
			r->search_count = 0;
		if (str_is(keyword, "nameserver") && next_word(&line, &word))
			add_server(r, word);
		while (str_is(keyword, "search") && next_word(&line, &word))
			add_search(r, without_dot(word));
		while (str_is(keyword, "options") && next_word(&line, &word))
			add_option(r, word);
	}
}

static void use_cluster(struct arena *a, struct resolv *r, const struct pod_spec *s, const struct names_config *c)
{
	add_server(r, c->nameserver);
	add_search(r, arena_fmt(a, "%.*s.svc.%.*s", STR_FMT(s->namespace), STR_FMT(c->cluster_domain)));
	add_search(r, arena_fmt(a, "svc.%.*s", STR_FMT(c->cluster_domain)));
	add_search(r, c->cluster_domain);
	struct resolv host = {0};
	read_host(&host, c->host_resolv);
	for (size_t i = 0; i < host.search_count; i++)
		add_search(r, host.searches[i]);
	add_option(r, STR("ndots:5"));
}

static void add_config(struct arena *a, struct resolv *r, const struct json *config)
{
	json_each(server, json_get(config, STR("nameservers")))
		add_server(r, server->text);
	json_each(search, json_get(config, STR("searches")))
		add_search(r, search->text);
	json_each(option, json_get(config, STR("options"))) {
		struct str name = json_str(option, "name"), value = json_str(option, "value");
		add_option(r, value.n ? arena_fmt(a, "%.*s:%.*s", STR_FMT(name), STR_FMT(value)) : name);
	}
}

static void write_words(struct buf *out, const char *keyword, const struct str *words, size_t count)
{
	if (!count)
		return;
	buf_add_c(out, keyword);
	for (size_t i = 0; i < count; i++)
		buf_fmt(out, " %.*s", STR_FMT(words[i]));
	buf_add_byte(out, '\n');
}

struct str names_resolv(struct arena *a, const struct pod_spec *s, const struct names_config *c)
{
	struct str policy = json_str(s->object, "spec.dnsPolicy");
	bool cluster = str_is(policy, "ClusterFirstWithHostNet") || (!s->host_network && !str_is(policy, "Default"));
	struct resolv r = {0};
	if (!str_is(policy, "None")) {
		if (cluster && c->nameserver.n)
			use_cluster(a, &r, s, c);
		else
			read_host(&r, c->host_resolv);
	}
	add_config(a, &r, json_at(s->object, "spec.dnsConfig"));
	struct buf out CLEAN_BUF;
	buf_init(&out);
	write_words(&out, "search", r.searches, r.search_count);
	for (size_t i = 0; i < r.server_count; i++)
		buf_fmt(&out, "nameserver %.*s\n", STR_FMT(r.servers[i]));
	write_words(&out, "options", r.options, r.option_count);
	return arena_str(a, buf_str(&out));
}
