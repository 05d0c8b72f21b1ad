/* A checkpoint to a bundle. */
#ifndef IMPORT_H
#define IMPORT_H

#include "import/describe.h"
#include "import/source.h"

/* Writes the bundle at out (NULL or "-": standard output).  -1: error set, nothing is left behind. */
int import_run(const char *path, const char *out, enum dtype dtype, const struct description *);    /* or NULL */
/* Writes what import_run would do, and why, on standard output, as far as it comes.  -1: error set. */
int import_explain(const char *path, enum dtype dtype, const struct description *, bool json);
void import_list(bool json);            /* the families and what they allow, on standard output */

#endif
