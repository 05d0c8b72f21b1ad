/* A checkpoint of which nothing is known: its tensors by their names.  "layers.N.", "h.N." or "blocks.N."
 * somewhere in a name says the layer; what stands before that is the same for all layers, or the tensor lies outside
 * them. */
#ifndef GENERIC_H
#define GENERIC_H

#include "import/source.h"
#include "model/model.h"

struct generic {
	cJSON *tensors;                 /* as in a description (listed.h); owned */
	char *layers;                   /* "model.layers.%L.": what those of a layer begin with; owned */
	int *src;                       /* [nt] tensors of the source in the order of the list; owned */
	int *first;                     /* [n_layer + 2] which of them is a block's first; owned */
};

/* Fills the model, which borrows the list.  -1: error set.  Free in every case. */
int generic_map(struct generic *, const struct source *, struct model *);
void generic_free(struct generic *);
int generic_source(const struct generic *, int index, int k);   /* of the k-th tensor of a block */

#endif
