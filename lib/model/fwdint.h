/* Inside the forward pass: what forward.c, attend.c, ends.c and mixture.c share. */
#ifndef FWDINT_H
#define FWDINT_H

#include "model/forward.h"

struct prepared {
	struct tensor t;                /* F32 or BF16; data NULL: not yet prepared */
	void *own;                      /* storage, or NULL where t borrows the block's */
};

struct buf {
	void *p;
	size_t cap;                     /* bytes */
};

struct fwd {
	struct dev *dev;
	const struct model *m;
	struct program prog;
	int T;
	float *cos, *sin;               /* [T, rope.dim/2] */
	float *slope, *bias;            /* ALiBi: [n_head], or [n_head, T]; or NULL */
	float *plain;                   /* norms without weights: [2, d_model], ones and zeros; or NULL */
	struct block *blk;              /* the layer bound, or the head */
	struct block *embed;            /* of a tied head */
	int expert;                     /* whose weights are prepared, of those that there are many of */
	struct prepared w[R_N][P_N];
	struct buf n, q, k, v, g, u, part;
};

/* Scratch of rows x cols, kept from call to call. */
struct tensor fwd_scratch(struct buf *, enum dtype, int64_t rows, int64_t cols);
/* The tensor of a role of a block in type dt; NULL, error set, when there is none. */
const struct tensor *fwd_prepared(struct fwd *, struct block *, enum role, enum part, enum dtype);
void fwd_forget(struct fwd *, enum role);
/* y = x w^T + b, of a role of the block; y = norm(x) of a role of the block bound. */
int fwd_linear(struct fwd *, struct block *, enum role, struct tensor *y, const struct tensor *x);
int fwd_norm(struct fwd *, enum role, struct tensor *y, const struct tensor *x);
/* The input of the products of site k, in scratch. */
int fwd_read(struct fwd *, int k, int64_t rows, const float *x, struct tensor *in);
/* attend.c */
int fwd_attend(struct fwd *, const struct step *, int64_t rows, const float *x, struct tensor *out);
int fwd_latent(struct fwd *, enum role from, const struct tensor *w, struct tensor *y);
float *fwd_coarse_bias(int H, int T, const float *slope);

#endif
