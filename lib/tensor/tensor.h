/* A tensor: a row-major, contiguous view of typed bytes. */
#ifndef TENSOR_H
#define TENSOR_H

#include "base/mem.h"
#include "tensor/dtype.h"

#include <stdbool.h>

struct dev;

enum { MAXDIM = 6 };

struct tensor {
	const char *name;               /* "attn.q.weight"; borrowed from the arena */
	enum dtype dt;
	int nd;                         /* 0..MAXDIM */
	int64_t dim[MAXDIM];            /* elements, outermost first; a linear weight is [out, in] */
	void *data;                     /* tensor_bytes() bytes on `dev`; NULL: described, not held */
	struct dev *dev;                /* NULL = host; storage belongs to the block's arena or map */
};

int64_t tensor_count(const struct tensor *);            /* elements */
size_t tensor_bytes(const struct tensor *);
int64_t tensor_rows(const struct tensor *);             /* product of all but the last dimension */
int64_t tensor_cols(const struct tensor *);             /* last dimension; 1 for a scalar */
bool tensor_same_shape(const struct tensor *, const struct tensor *);
/* A host tensor whose bytes come from the arena (not cleared). */
struct tensor tensor_new(struct arena *, enum dtype, int nd, const int64_t *dim);
struct tensor tensor_2d(struct arena *, enum dtype, int64_t rows, int64_t cols);
struct tensor tensor_view(void *data, enum dtype, int64_t rows, int64_t cols);     /* borrows data */
/* What it holds is void from now on: whole pages of it go back to the system. */
void tensor_release(struct tensor *);
const char *tensor_shape(const struct tensor *, char *buf, size_t n);               /* "[576,1536]" */

#endif
