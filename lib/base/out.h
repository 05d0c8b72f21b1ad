/* Output that appears whole or not at all.  A file is written as a temporary beside its target and renamed
 * by out_commit; a directory likewise.  Temporaries are removed at exit and on the fatal signals, which are
 * then raised again; but those of a run with --resume stay, for the next one to go on with. */
#ifndef OUT_H
#define OUT_H

#include "base/json.h"

struct out;
struct journal;

/* NULL or "-" is stdout; refuses a terminal when `binary`.  A symbolic link is followed; a device or a named
 * pipe is written in place.  Dies when it cannot be opened. */
struct out *out_open(const char *path, bool binary);
void out_write(struct out *, const void *buf, size_t n);        /* buffered; dies (ST_FAIL) naming the target */
/* As write(2) on the buffer's own terms, but returns -1 with the error state set: for callbacks. */
int out_try_write(struct out *, const void *buf, size_t n);
/* Hands the buffer on: after each block, or the next stage of a pipe would wait for its tail.  -1: as above. */
int out_flush(struct out *);
void out_printf(struct out *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *out_name(const struct out *);                       /* for messages */
void out_commit(struct out *);          /* flush, fsync, rename; dies; frees */
void out_abort(struct out *);           /* removes the temporary; frees */

/* --resume: ".NAME.part" is written, and beside it a journal (journal.h) whose key this is; key: taken.  Steps whose
 * bytes are there as they were written are kept, what follows them is cut off, and writing goes on behind.  Dies: no
 * regular file, or the journal refuses. */
struct out *out_resume(const char *path, cJSON *key);
struct journal *out_journal(struct out *);      /* borrows; NULL without --resume */
const char *out_part(const struct out *);       /* path of the temporary, for reading it back */
uint64_t out_at(const struct out *);            /* bytes written, those that were kept among them */
void out_keep(struct out *, int n);             /* keeps the first n steps alone */
void out_step(struct out *, cJSON *step);       /* what was written so far is whole; dies; step: taken */

/* A directory that must not exist yet, or be empty; else dies with ST_USAGE.  Files are made in its temporary
 * by dir_file(), which dies (ST_BAD) on a name with a slash and on one that comes twice. */
struct out_dir;
struct out_dir *dir_open(const char *path);
struct out *dir_file(struct out_dir *, const char *name);       /* out_commit() closes it inside the directory */
void dir_commit(struct out_dir *);      /* when all files are: fsync, rename to the final name; dies; frees */
void dir_abort(struct out_dir *);       /* removes it; frees */

/* --resume: ".NAME.part/" and a journal, likewise.  A step is a whole file; files of no step are removed.  NULL: the run
 * was stopped so late that NAME is complete. */
struct out_dir *dir_resume(const char *path, cJSON *key);
struct journal *dir_journal(struct out_dir *);  /* borrows; NULL without --resume */
void dir_step(struct out_dir *, struct out *, cJSON *step);     /* out_commit, and a step where there is a journal */

/* stdout of a tool that prints results: flushes, checks and closes; dies with ST_FAIL on a full
 * disk.  The last thing before exit. */
void stdout_close(void);

#endif
