/* A row's names as JSON: what a description given to llmc-import has in "names", and a manifest of what was imported by
 * one, so that they can be restored where no family has them.
 *	"roles": {"attn.q": "model.layers.%L.self_attn.q_proj", "expert.up": "model.layers.%L.experts.%E.w3", ...,
 *		  "router.bias": a whole name}
 *	"fused": [{"name": "model.layers.%L.attn.qkv", "as": "rows", "roles": ["attn.q", "attn.k", "attn.v"]}, ...]
 */
#ifndef NAMES_H
#define NAMES_H

#include "model/family.h"

void names_json(const struct family *, cJSON *names);           /* adds both */
/* Puts the names of the object over those of the row, which borrows them.  1; 0: it has none; -1: error set (ST_BAD). */
int names_read(struct family *, const cJSON *names);

#endif
