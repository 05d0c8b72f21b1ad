/* Which keys of a configuration make which knobs.  No row says so: it is found out, by resolving the configuration again
 * with one value at a time another one, and looking what changes. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "import/describe.h"

/* The knobs, as "model" of a manifest has them, but flat: "rope.factor".  The caller's. */
cJSON *origin_knobs(const struct model *);
/* How a configuration is resolved: by the description, or, NULL, by the row. */
struct origin {
	const struct description *how;
	const struct family *f;
	const struct model *base;       /* knobs where it is silent */
};
/* Of each knob that depends on keys ("hidden_size", "rope_scaling.factor"), a list of those; "family" too.  Keys that
 * change nothing are added to the list `idle`.  The caller's. */
cJSON *origin_find(const struct origin *, const cJSON *config, const cJSON *knobs, cJSON *idle);
/* Knobs of `was` that are others in `is` come from `key`. */
bool origin_compare(cJSON *from, const cJSON *was, const cJSON *is, const char *key);

#endif
