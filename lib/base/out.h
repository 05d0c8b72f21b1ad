/* Output that appears whole or not at all.  A file is written as a temporary beside its target and renamed
 * by out_commit; a directory likewise.  Temporaries are removed at exit and on the fatal signals, which are
 * then raised again. */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;

/* NULL or "-" is stdout; refuses a terminal when `binary`.  Dies when it cannot be opened. */
struct out *out_open(const char *path, bool binary);
void out_write(struct out *, const void *buf, size_t n);        /* buffered; dies (ST_FAIL) naming the target */
/* As write(2) on the buffer's own terms, but returns -1 with the error state set: for callbacks. */
int out_try_write(struct out *, const void *buf, size_t n);
void out_printf(struct out *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *out_name(const struct out *);                       /* for messages */
void out_commit(struct out *);          /* flush, fsync, rename; dies; frees */
void out_abort(struct out *);           /* removes the temporary; frees */

/* A directory OUT that must not exist yet (or be empty).  Returns the temporary's path, owned by the
 * object; files are made in it with dir_file(), which registers them for removal. */
struct out_dir;
struct out_dir *dir_open(const char *path);
struct out *dir_file(struct out_dir *, const char *name);       /* out_commit() closes it inside the directory */
void dir_commit(struct out_dir *);      /* fsync, rename to the final name; dies; frees */

/* stdout of a tool that prints results: flushes and checks; dies with ST_FAIL on a full disk. */
void stdout_close(void);

#endif
