/* Which tensors of a source make up which role's tensor: the tensor itself, rows of a fused one, or one for each head.
 * Every tensor of the source finds its role, or is named and refused; every role that the model has finds its tensor. */
#ifndef MAP_H
#define MAP_H

#include "import/source.h"
#include "model/family.h"

struct slot {
	int n;                          /* tensors of the source; 0: the role has none */
	int src;                        /* the first, an index in source.t */
	int *heads;                     /* [n] all of them, where each head has its own; owned */
	const struct fuse *fuse;        /* or src holds several roles, of which this is the nth */
	int nth;
};
typedef struct slot slots[R_N][P_N];

struct map {
	const struct source *s;
	struct model *m;
	const struct family *f;
	const struct family *names;     /* the row whose names the source has: f, or the source's own */
	slots *layer;                   /* [n_layer]; the ends of the model are in layer 0 */
	const char **why;               /* [nt]: reason of a tensor that is dropped */
	const struct wrap *wrap;        /* what the language model stands in, or NULL */
	const struct naming *as;        /* its names are others than the family's, or NULL */
	struct naming naming;           /* when it stands in another */
	char *trunk;
	const char *before;             /* names of what is carried */
	int *carry;                     /* [ncarry] tensors that are carried, sorted */
	int ncarry;
	int64_t further;                /* layers behind the model's, which foretell further tokens (DeepSeek-V3) */
	int prefixed;                   /* tensors met whose name shows which; for refusing a mixture */
};

/* m's flags learn whether there is a head, its dtype what the linears are stored in.  -1: error set.  Free in every
 * case. */
int map_source(struct map *, const struct source *, struct model *m, const struct family *, const struct wrap *);
void map_free(struct map *);
/* Where a tensor stands that is carried, in the order of execution: the step, and its layer (-1: none); -1: it is not. */
int map_step(const struct map *, const char *name, int *layer);
/* Of how many tensors the role's is made where each head or expert has its own, and their shape; 0: the model has none. */
int64_t map_pieces(const struct map *, const struct tensor_id *, int64_t *dim);
/* Rows of the slot's tensor, in order, as (row of the fused one, how many): span k of map_spans. */
int map_spans(const struct map *, const struct slot *);
void map_span(const struct map *, const struct slot *, int layer, enum part, int k, int64_t *from, int64_t *rows);

#endif
