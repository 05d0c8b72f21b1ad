/* A checkpoint to a bundle. */
#ifndef IMPORT_H
#define IMPORT_H

#include "import/describe.h"
#include "import/source.h"

struct import_opts {
	enum dtype dtype;               /* of source_open */
	int64_t piece;                  /* bytes of experts that a piece of a layer holds at most; 0: any number */
	const struct description *how;  /* or NULL: by the row of its architecture */
};
/* Writes the bundle at out (NULL or "-": standard output).  -1: error set, nothing is left behind. */
int import_run(const char *path, const char *out, const struct import_opts *);
/* Cuts the experts of a layer into the fewest pieces of at most `limit` bytes, as even as they go; 0: not. */
void import_cut(struct model *, int64_t limit);
/* Writes what import_run would do, and why, on standard output, as far as it comes.  -1: error set. */
int import_explain(const char *path, const struct import_opts *, bool json);
void import_list(bool json);            /* the families and what they allow, on standard output */

#endif
