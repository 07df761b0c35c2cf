// SPDX-License-Identifier: Apache-2.0
#include "server/access_files.h"

#include "base/encode.h"

enum { ACCESS_FILE_MAX = 1 << 20 };

#define CERTIFICATE_LINE "    client-certificate-data: "

static void add_data(struct buf *out, const char *key, struct str bytes)
{
	buf_add_c(out, key);
	encode_base64(out, bytes);
	buf_add_byte(out, '\n');
}

static void add_server(struct buf *out, struct str address)
{
	buf_fmt(out, "    server: https://%.*s\n", STR_FMT(address));
}

static void write_text(struct buf *out, const struct pki *p, struct str address, const char *user,
		       const struct x509_pair *pair)
{
	BUF_LIT(out, "apiVersion: v1\nkind: Config\ncurrent-context: onggi\nclusters:\n- name: onggi\n  cluster:\n");
	add_data(out, "    certificate-authority-data: ", buf_str(&p->authority.certificate));
	add_server(out, address);
	buf_fmt(out, "contexts:\n- name: onggi\n  context:\n    cluster: onggi\n    user: %s\n", user);
	buf_fmt(out, "users:\n- name: %s\n  user:\n", user);
	add_data(out, CERTIFICATE_LINE, buf_str(&pair->certificate));
	add_data(out, "    client-key-data: ", buf_str(&pair->key));
}

// STR_NONE: there is none that can be read.
static struct str read_text(const struct pki *p, struct arena *a, const char *path)
{
	struct err absent CLEAN_ERR = ERR_EMPTY;
	struct str text;
	return file_read(p->loop, a, path, ACCESS_FILE_MAX, &text, &absent) == 0 ? text : STR_NONE;
}

int access_file_admin(struct pki *p, struct str address, const char *path, struct err *e)
{
	struct arena scratch CLEAN_ARENA;
	struct buf text CLEAN_BUF;
	arena_init(&scratch);
	buf_init(&text);
	write_text(&text, p, address, "admin", &p->admin);
	if (str_eq(read_text(p, &scratch, path), buf_str(&text)))
		return 0;
	return file_write(p->loop, path, buf_str(&text), 0600, e);
}

// Whether the certificate of a kubeconfig is far from its end.
static bool lasts(const struct pki *p, struct arena *a, struct str text)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str line, bytes;
	struct x509_facts f;
	while (str_next(&text, '\n', &line)) {
		if (!str_starts(line, STR(CERTIFICATE_LINE)))
			continue;
		struct str encoded = str_from(line, STR(CERTIFICATE_LINE).n);
		if (decode_base64(a, encoded, &bytes) < 0 || x509_inspect(bytes, &f, &e) < 0)
			return false;
		return loop_wall(p->loop) < f.not_after_ns - (f.not_after_ns - f.not_before_ns) / 4;
	}
	return false;
}

// Whether what is there leads to this server, with a certificate that lasts.
static bool is_good(const struct pki *p, struct str address, const char *path)
{
	struct arena scratch CLEAN_ARENA;
	struct buf expected CLEAN_BUF;
	arena_init(&scratch);
	buf_init(&expected);
	add_data(&expected, "    certificate-authority-data: ", buf_str(&p->authority.certificate));
	add_server(&expected, address);
	struct str text = read_text(p, &scratch, path);
	return str_contains(text, buf_str(&expected)) && lasts(p, &scratch, text);
}

int access_file_node(struct pki *p, struct str address, struct str node, const char *path, struct err *e)
{
	if (is_good(p, address, path))
		return 0;
	struct x509_pair pair = {0};
	struct buf text CLEAN_BUF;
	buf_init(&text);
	int ok = pki_issue_node(p, node, &node, 1, &pair, e);
	if (ok == 0) {
		write_text(&text, p, address, "node", &pair);
		ok = file_write(p->loop, path, buf_str(&text), 0600, e);
	}
	x509_pair_finish(&pair);
	return ok;
}
