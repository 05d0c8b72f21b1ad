/* A checkpoint whose weights are FP8 in blocks, seen as one of floats. */
#ifndef FP8_H
#define FP8_H

#include "import/source.h"

/* Does the configuration say so? */
bool fp8_is(const struct source *);
/* Takes `in`.  dt: what the weights become; DT_NONE: F32, which holds them exactly.  NULL: error set, `in` closed. */
struct source *fp8_open(struct source *in, enum dtype dt);

#endif
