/* Packers: a bundle to a directory that an engine loads.  A packer never requantizes: it moves codes,
 * scales and zeros. */
#ifndef PACK_H
#define PACK_H

#include "bundle/bundle.h"
#include "model/family.h"

struct pack;                            /* the directory being written: pack.c */

struct packer {
	const char *name;               /* "vllm" */
	const char *about;
	/* Before work starts, and again for each block as its records become known: can this tensor be held?
	 * -1: error set (ST_UNSUP), naming the tensor and the field, and the way out. */
	int (*accept)(const struct model *, const struct block *, int i, const char *name);
	/* Emits tensor i of the block under its checkpoint name (without ".weight"/".bias"): calls pack_tensor. */
	int (*tensor)(struct pack *, const struct model *, const struct block *, int i, const char *module);
	/* Edits the original config.json on its way out. */
	int (*config)(struct pack *, const struct model *, cJSON *config);
};
extern const struct packer packer_hf, packer_vllm;
const struct packer *packer_find(const char *name);
const struct packer *const *packer_list(void);

#endif
