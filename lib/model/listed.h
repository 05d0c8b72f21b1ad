/* A model of which nothing is known but its tensors: its description lists them, by block and by their own names.  They
 * are stored, rounded and handed on; what the model computes nobody can say.
 *	"tensors": [[["name", [shape]], ...] of the embedding's block, of each layer, of the head's]
 * Names of a block are in order.  Matrices of a layer whose names end in ".weight" are taken for linears. */
#ifndef LISTED_H
#define LISTED_H

#include "model/block.h"

enum { MAX_LISTED = 120 };              /* bytes of a name */

int listed_check(const cJSON *tensors, int n_layer);    /* -1: error set (ST_BAD) */
int listed_name(const char *name);                      /* may it stand there?  -1: error set (ST_BAD) */
bool listed_linear(const char *name, int nd, enum blk_kind);
bool listed_next(const struct model *, int index, struct want *);       /* as model_wants */

#endif
