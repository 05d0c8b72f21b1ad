/* Temporaries: files and directories beside the target that they will be renamed to.  They are removed at exit
 * and on the fatal signals, which are then raised again, unless they became what they were for. */
#ifndef TEMP_H
#define TEMP_H

#include <stdbool.h>

struct temp;

/* ".NAME.XXXXXX" beside NAME, with the umask's mode.  *fd: the file opened for writing; untouched for a directory.
 * NULL: errno says why. */
struct temp *temp_create(const char *target, bool dir, int *fd);
/* Something that will be made at `path` (taken), inside a temporary directory. */
struct temp *temp_enlist(char *path);
const char *temp_path(const struct temp *);
void temp_keep(struct temp *);          /* it is none any more: renamed */
void temp_drop(struct temp *);          /* removes it */
void temp_clear(void);                  /* removes all; async-signal-safe */
void temp_arm(void);                    /* from now on at exit and on signals; temp_create does it by itself */

/* A file without a name in `dir`, for reading and writing.  -1: errno says why. */
int temp_nameless(const char *dir);

/* ".NAME.SUFFIX" beside NAME; malloc'd. */
char *beside(const char *target, const char *suffix);
/* Where `path` leads: through symbolic links, which a rename would replace, to the file itself; malloc'd.  Dies, on a
 * link to nothing too. */
char *resolve_path(const char *path);
char *parent_of(const char *path);      /* the directory that it is in; malloc'd */
void sync_parent(const char *path);     /* likewise */

#endif
