/* A progress line on stderr, for a person: only on a terminal and after a second (--progress auto). */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

void progress_begin(const char *what, int64_t total);   /* "block", 30 */
void progress_at(int64_t done);
void progress_end(void);                                /* erases the line */
double seconds(void);                                   /* monotonic clock */

#endif
