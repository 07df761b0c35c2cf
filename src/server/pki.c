// SPDX-License-Identifier: Apache-2.0
#include "server/pki.h"

#include "base/times.h"
#include "wire/jwt.h"

enum { FILE_MAX = 256 * 1024 };
#define DAY_NS (86400 * TIME_S)
#define AUTHORITY_LIFE_NS (3650 * DAY_NS)
#define LIFE_NS (365 * DAY_NS)
#define CLOCK_LEEWAY_NS (300 * TIME_S) // clients' clocks may be behind

// ---- files

static const char *file_of(struct pki *p, const char *name)
{
	return arena_fmt(&p->arena, "%s/%s.pem", p->dir, name).p;
}

static bool read_file(struct pki *p, const char *path, struct str *out)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	return file_read(p->loop, &p->arena, path, FILE_MAX, out, &e) == 0;
}

static bool find(struct str text, const char *what, size_t *at)
{
	struct str part = str_of(what);
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (memcmp(text.p + i, part.p, part.n) == 0) {
			*at = i;
			return true;
		}
	return false;
}

// A pair's file: the key, then the certificate.
static bool read_pair(struct pki *p, const char *name, struct x509_pair *out)
{
	struct str text;
	size_t at;
	if (!read_file(p, file_of(p, name), &text) || !find(text, "-----BEGIN CERTIFICATE", &at))
		return false;
	x509_pair_finish(out);
	buf_init(&out->certificate);
	buf_init(&out->key);
	buf_add(&out->key, str_sub(text, 0, at));
	buf_add(&out->certificate, str_from(text, at));
	return true;
}

static int write_pair(struct pki *p, const char *name, const struct x509_pair *pair, struct err *e)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_add(&text, buf_str(&pair->key));
	buf_add(&text, buf_str(&pair->certificate));
	return file_write(p->loop, file_of(p, name), buf_str(&text), 0600, e);
}

// ---- what is due

static bool is_fresh(struct pki *p, const struct x509_pair *pair, const struct x509_pair *signer)
{
	struct x509_facts f;
	struct err e CLEAN_ERR = ERR_EMPTY;
	int64_t now = loop_wall(p->loop);
	if (!x509_matches(buf_str(&pair->certificate), buf_str(&pair->key), buf_str(&signer->certificate)) ||
	    x509_inspect(buf_str(&pair->certificate), &f, &e) < 0)
		return false;
	return now >= f.not_before_ns && now < f.not_after_ns - (f.not_after_ns - f.not_before_ns) / 4;
}

static int ensure_authority(struct pki *p, struct err *e)
{
	struct x509_pair *ca = &p->authority;
	bool found = read_pair(p, "ca", ca);
	if (found && x509_matches(buf_str(&ca->certificate), buf_str(&ca->key), buf_str(&ca->certificate)))
		return 0;
	if (p->given_out)
		return err_set(e, ERR_INTERNAL, "%s is missing or broken, but certificates that it signed are in use",
			       file_of(p, "ca"));
	int64_t now = loop_wall(p->loop);
	x509_pair_finish(ca);
	if (x509_make_authority(STR("onggi"), now - CLOCK_LEEWAY_NS, now + AUTHORITY_LIFE_NS, ca, e) < 0)
		return -1;
	return write_pair(p, "ca", ca, e);
}

struct wanted {
	const char *file;
	struct x509_pair *pair;
	struct str common_name, organization;
	unsigned uses;
	const struct str *names;
	size_t name_count;
};

static int issue(struct pki *p, const struct wanted *w, struct x509_pair *out, struct err *e)
{
	int64_t now = loop_wall(p->loop);
	struct x509_request r = {.common_name = w->common_name,
				 .organizations = &w->organization,
				 .organization_count = !str_empty(w->organization),
				 .names = w->names,
				 .name_count = w->name_count,
				 .uses = w->uses,
				 .not_before_ns = now - CLOCK_LEEWAY_NS,
				 .not_after_ns = now + p->life_ns};
	return x509_issue(buf_str(&p->authority.certificate), buf_str(&p->authority.key), &r, out, e);
}

// A new pair replaces the old one once it is on disk: what could not be written is due again the next time.
static int ensure_pair(struct pki *p, const struct wanted *w, bool *changed, struct err *e)
{
	bool have = w->pair->key.n || read_pair(p, w->file, w->pair);
	if (have && is_fresh(p, w->pair, &p->authority) &&
	    x509_covers(buf_str(&w->pair->certificate), w->names, w->name_count))
		return 0;
	struct x509_pair made = {0};
	if (issue(p, w, &made, e) < 0 || write_pair(p, w->file, &made, e) < 0) {
		x509_pair_finish(&made);
		return -1;
	}
	x509_pair_finish(w->pair);
	*w->pair = made;
	*changed = true;
	return 0;
}

int pki_renew(struct pki *p, bool *changed, struct err *e)
{
	const struct wanted all[] = {
		{"server", &p->server, STR("kube-apiserver"), STR_NONE, X509_USE_SERVER, p->names, p->name_count},
		{"admin", &p->admin, STR("kubernetes-admin"), STR("system:masters"), X509_USE_CLIENT, NULL, 0},
		{"node-client", &p->node_client, STR("kube-apiserver-kubelet-client"), STR("system:masters"),
		 X509_USE_CLIENT, NULL, 0},
	};
	*changed = false;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (ensure_pair(p, &all[i], changed, e) < 0)
			return -1;
	return 0;
}

static int ensure_token_key(struct pki *p, struct err *e)
{
	const char *path = file_of(p, "tokens");
	if (read_file(p, path, &p->token_key)) {
		struct jwt_key *key;
		if (jwt_key_load(p->token_key, &key, e) < 0)
			return err_wrap(e, "%s", path);
		jwt_key_destroy(key);
		return 0;
	}
	struct buf pem CLEAN_BUF;
	buf_init(&pem);
	if (jwt_key_make(&pem, e) < 0)
		return -1;
	p->token_key = arena_str(&p->arena, buf_str(&pem));
	return file_write(p->loop, path, p->token_key, 0600, e);
}

// ---- opening

int pki_open(struct pki *p, struct loop *l, const char *data_dir, const struct str *names, size_t name_count,
	     int64_t life_ns, struct err *e)
{
	struct str kubeconfig;
	bool changed;
	*p = (struct pki){.loop = l, .life_ns = life_ns ? life_ns : LIFE_NS};
	arena_init(&p->arena);
	p->dir = arena_fmt(&p->arena, "%s/pki", data_dir).p;
	p->names = ARENA_ARRAY(&p->arena, struct str, name_count);
	p->name_count = name_count;
	for (size_t i = 0; i < name_count; i++)
		p->names[i] = arena_str(&p->arena, names[i]);
	if (dir_make(l, data_dir, 0700, e) < 0 || dir_make(l, p->dir, 0700, e) < 0)
		return -1;
	p->given_out = read_file(p, arena_fmt(&p->arena, "%s/admin.kubeconfig", data_dir).p, &kubeconfig);
	if (ensure_authority(p, e) < 0 || ensure_token_key(p, e) < 0)
		return -1;
	return pki_renew(p, &changed, e);
}

void pki_finish(struct pki *p)
{
	x509_pair_finish(&p->authority);
	x509_pair_finish(&p->server);
	x509_pair_finish(&p->admin);
	x509_pair_finish(&p->node_client);
	arena_finish(&p->arena);
}

// ---- for others

int pki_issue_node(struct pki *p, struct str node, const struct str *names, size_t name_count, struct x509_pair *out,
		   struct err *e)
{
	struct wanted w = {.common_name = arena_fmt(&p->arena, "system:node:%.*s", STR_FMT(node)),
			   .organization = STR("system:nodes"),
			   .uses = X509_USE_CLIENT | X509_USE_SERVER,
			   .names = names,
			   .name_count = name_count};
	x509_pair_finish(out);
	return issue(p, &w, out, e);
}
