/* A member as it lies in the bundle: between the reader and the writer, for passing it on. */
#ifndef RAW_H
#define RAW_H

#include "bundle/bundle.h"

/* The member that bundle_next returned last; NULL when it was fetched already. */
const struct member *bundle_current(const struct bundle_in *);
/* The text of its note, borrowed; NULL when it has none. */
const char *bundle_note_text(const struct bundle_in *, const char **name, size_t *len);
/* Its next bytes, borrowed until the next call.  1; 0 at its end; -1, error set. */
int bundle_raw(struct bundle_in *, const void **buf, size_t *n);
/* Digest of the current member, and of its note, read to its end whether it was fetched or not.  -1: error set. */
int bundle_sum(struct bundle_in *, uint64_t *sum);

#endif
