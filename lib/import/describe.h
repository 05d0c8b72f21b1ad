/* A model described by hand, where no row is its family's: --model FILE, or --as FAMILY, which is {"like": FAMILY}.
 *	"like"    the family whose rules read the configuration; without it, "model" and "keys" say all
 *	"keys"    {KEY: KNOB, KEY: [KNOB, ...], KEY: null}: what keys of the configuration are that the family does not
 *	          know; null: nothing
 *	"model"   knobs as they are in "model" of a manifest, over all that
 *	"names"   names of tensors, as in "names" of a manifest, over those of the family
 * So the manifest of a bundle is one. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "model/family.h"

struct description {
	cJSON *json;                    /* owned */
	const char *word;               /* "--model" or "--as": who says so */
	bool generic;                   /* nothing is known: generic.h */
	const struct family *like;      /* or NULL */
	const struct family *f;         /* whose names the tensors have: a family's, or */
	struct family row;              /* its own: a description is not moved */
	uint64_t digest;                /* of the file */
};

/* -1: error set.  Close in every case. */
int description_open(struct description *, const char *path);
int description_as(struct description *, const char *family);   /* or "generic" */
int description_knobs(const struct description *, struct model *, const cJSON *config);
void description_close(struct description *);

#endif
