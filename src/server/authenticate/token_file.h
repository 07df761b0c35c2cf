// SPDX-License-Identifier: Apache-2.0
// The static token file: CSV lines of token,user,uid[,"group1,group2"], quotes as RFC 4180 has them, '#' lines are
// comments. Read once, immutable then.
#ifndef SERVER_TOKEN_FILE_H
#define SERVER_TOKEN_FILE_H

#include "base/map.h"
#include "server/user.h"

struct token_file {
	struct map users; // by token
	struct arena arena;
};

void token_file_init(struct token_file *f);
void token_file_finish(struct token_file *f);
int token_file_read(struct token_file *f, struct str text, struct err *e); // names the line, never the token
const struct user *token_file_find(const struct token_file *f, struct str token);

#endif
