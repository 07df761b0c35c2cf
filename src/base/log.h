// SPDX-License-Identifier: Apache-2.0
// One line an event on stderr, behind the program and a level; control characters are escaped. No secret is ever
// logged. Libraries below `server`, `node` and `network` do not log: they return errors.
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_name(const char *name); // "server", "node": stands in each line; kept by pointer

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
