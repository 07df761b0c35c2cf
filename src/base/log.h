// SPDX-License-Identifier: Apache-2.0
// One line an event on stderr, as key=value behind a level; control characters are escaped. No secret is ever logged.
// Libraries below `server`, `node` and `network` do not log: they return errors.
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level least);
// Where lines go instead of stderr (the simulation records them); NULL for stderr. `line` has no newline.
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line), void *arg);
void log_set_name(const char *name); // "server", "node": stands in each line; kept by pointer

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
