/* A progress line on stderr, for a person: what is done, the kind of work, its rate, the time left.  Only on a
 * terminal and after a second (--progress auto).  Programs that share a terminal agree on one that shows its line. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

void progress_begin(const char *what, int64_t total);   /* "block", 30; total 0: not known */
void progress_at(int64_t done);
void progress_expect(double flops);                     /* of all of it: tells the time left before the first is done */
void progress_end(void);                                /* erases the line */
/* What must precede a message, in the same write, for it not to stand behind the line of this program or of another
 * on the same terminal: "" or a control sequence. */
const char *progress_erase(void);
double seconds(void);                                   /* monotonic clock */

#endif
