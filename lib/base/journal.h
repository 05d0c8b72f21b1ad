/* The journal of a run with --resume: ".NAME.journal" beside its output NAME, a line for each step that is done.
 *
 *	DIGEST JSON LF          DIGEST: XXH3 of the JSON, seeded with that of the line before, 16 hex digits
 *
 * so that a line torn by a power cut, and whatever was left of an older journal, ends it.  The first line is the key:
 * what must be the same for a run to go on where another was killed.  An exclusive lock on the file keeps a second run
 * away. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "base/json.h"

struct journal;

/* What every key has: tool, version, options that can change results.  Callers add digests of what they read. */
cJSON *journal_key(void);
void key_digest(cJSON *key, const char *what, uint64_t digest);

/* Opens, or begins, the journal of `target`; key: taken.  name: of the output, for messages.  Dies: locked by another
 * run (ST_FAIL); another key, and the message says what differs (ST_USAGE: tool or
 * option, else ST_BAD). */
struct journal *journal_open(const char *target, const char *name, cJSON *key);
int journal_steps(const struct journal *);
const cJSON *journal_step(const struct journal *, int i);       /* borrows */
void journal_cut(struct journal *, int n);                      /* the first n steps stay */
/* Appends a step, which is taken.  fd: what the step speaks of, or -1.  Both go to the disk when that costs little of
 * the time that passed since they last did. */
void journal_add(struct journal *, cJSON *step, int fd);
void journal_sync(struct journal *);                            /* to the disk, now */
bool journal_due(const struct journal *);                       /* will the next one take both to the disk? */
/* ".NAME.what": a file of the run's own, which goes with the journal; borrowed. */
const char *journal_side(struct journal *, const char *what);
void journal_close(struct journal *);                           /* to be resumed; frees */
void journal_remove(struct journal *);                          /* done with; frees */

#endif
