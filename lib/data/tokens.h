/* Token sets: ids [N,T], from a token bundle or a safetensors file. */
#ifndef TOKENS_H
#define TOKENS_H

#include "base/json.h"

#include <stdint.h>

#define TOKENS_MEMBER "tokens.safetensors"          /* in a token bundle */

struct tokens {
	int32_t *ids;                   /* [N, T]; owned */
	int64_t N, T;
	uint64_t digest;                /* XXH3 of N, T and the ids, little-endian */
	cJSON *how;                     /* how they were made, from the manifest; owned; may be NULL */
};

/* Path of a token bundle ("-" = stdin) or of a safetensors file with an integer tensor "input_ids" [N,T]
 * (or [T]); other tensors are ignored.  -1: error set. */
int tokens_load(struct tokens *, const char *path);
/* Ids of the tensor "input_ids" in a safetensors file that is wholly in memory; no digest.  -1: error set (ST_BAD). */
int tokens_parse(struct tokens *, const void *file, size_t len);
/* Keeps the first n rows (0 = all) and cuts each to its first T tokens (0 = all).  -1: fewer there. */
int tokens_limit(struct tokens *, int64_t n, int64_t T);
int tokens_save(const struct tokens *, const char *path, cJSON *how);           /* token bundle; how taken */
int tokens_save_st(const struct tokens *, const char *path);                    /* safetensors, I32 */
/* Ids are within [0, vocab); -1: error set (ST_BAD) naming row and column. */
int tokens_check(const struct tokens *, int64_t vocab);
void tokens_free(struct tokens *);

#endif
