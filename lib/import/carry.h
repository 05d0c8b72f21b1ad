/* Tensors of a checkpoint that are none of its language model: towers, projectors; layers that foretell further tokens.
 * They go into members of their own before the blocks, in the order of execution, under their own names. */
#ifndef CARRY_H
#define CARRY_H

#include "import/map.h"

enum { CARRY_MAX = 10000 };             /* members */

/* Sorts what the map found to be carried: by step, layer, and name, whose numbers count as such. */
void carry_sort(struct map *);
/* How many tensors go together from the at-th on: a layer, or what lies between layers; so much that they are no more
 * than a layer of any model there is, unless one alone is. */
int carry_some(const struct map *, int at);
/* The name of the kth member, of the tensors from the at-th on.  buf of 32. */
const char *carry_member(const struct map *, int at, int k, char *buf);
/* The members, as a manifest lists them: [{"member","tensors","bytes"}].  NULL, error set: there are too many. */
cJSON *carry_list(const struct map *);

#endif
