/* A block to and from its two members: a note (JSON) and tensors (safetensors).
 *
 * A plain tensor is stored under its own name.  A quantized one, NAME, is a record in the note's "q" and
 *	NAME.code  U8  [out,in]         NAME.zero U8 [out,G], asymmetric only
 *	NAME.scale F32 [out,G]          NAME.perm I32 [in], where columns are grouped in another order
 * Tensors are written in the order of the roles, then sorted by falling element size: one block, one text. */
#ifndef BLOCKIO_H
#define BLOCKIO_H

#include "bundle/bundle.h"

/* Fills *b, made by block_init with any room, from its note (taken; NULL = none) and the bytes of its tensors,
 * borrowed as long as the block lives.  Every tensor that the model demands, nothing else, of the right shape.
 * -1: error set, and *b may be freed. */
int block_decode(struct block *b, const struct model *, cJSON *note, void *buf, size_t len);
/* The tensors as they are stored, *n of them: array and names from the arena, data borrowed from the block. */
struct tensor *block_encode(const struct block *b, struct arena *, int *n);
/* The note as it is stored: kind, q, whatever else it holds.  NULL where there is nothing to say. */
cJSON *block_note(const struct block *b);

#endif
