/* GPTQ (Frantar et al., arXiv 2210.17323). */
#ifndef GPTQ_H
#define GPTQ_H

#include "quant/grid.h"
#include "run/filter.h"

extern const struct filter filter_gptq;

enum gptq_order { ORDER_ACT, ORDER_NONE };      /* columns by falling diag(H), or as they stand */
enum gptq_groups { GROUPS_STATIC, GROUPS_DYNAMIC };     /* grids from the original weights, or the compensated ones */
struct gptq_opts {
	int order, groups;              /* the two enums above */
	double damp;                    /* added to the diagonal, as a share of its mean */
	int64_t panel;                  /* columns between two trailing updates */
	double match;                   /* share of the float model's outputs in the target (gptq_aim) */
	int64_t refine;                 /* passes of coordinate descent afterwards (refine.c) */
	bool compare;                   /* gptq_loss will be asked */
};

/* The second-order data of one input, shared by all linears that read it.  In processing order, the k-th column of a
 * weight is column perm[k]. */
struct gptq_hess {
	int64_t n;
	float *u;                       /* [n, n] in processing order, upper: u^T u = H^-1; owned */
	float *h;                       /* [n, n] H itself, damped, if refining or comparing needs it; owned */
	bool ordered;                   /* h is in processing order; else as the weights' columns stand */
	float *diag;                    /* [n] undamped, as the columns stand; owned */
	int32_t *perm;                  /* [n]; owned */
	double damp;                    /* that the factorisation needed */
	bool diagonal;                  /* it failed even so: u is diagonal, the result is weighted rounding */
};

/* Takes gram [n, n] = sum of x x^T over `tokens` rows, and makes the factor in its place.  -1: error set. */
int gptq_prepare(struct gptq_hess *, struct dev *, const struct gptq_opts *, float *gram, int64_t n, int64_t tokens);
void gptq_free(struct gptq_hess *);
/* The rest works on some rows of a linear, w [rows, n] and the same rows of its record (qrec_rows): all of them where
 * they share a scale, else at best gptq_slice(n) at a time, so that no wide weight need be there whole in F32. */
int64_t gptq_slice(int64_t n);
/* Turns w [out, n] into the weights whose output on the inputs x seen comes closest to what w makes of the
 * float model's inputs x~:  w += match * w C H^-1,  C = mean of (x~ - x) x^T (cross [n, n], a sum over
 * `tokens`).  Then |w x~ - q x|^2 = |w' x - q x|^2 + const, and the solver aims at w' (Li et al., GPTAQ, arXiv
 * 2504.02692, whose objective this is).  -1: error set. */
int gptq_aim(struct dev *, const struct gptq_hess *, double match, const float *cross, int64_t tokens, float *w,
             int64_t out);
/* Fits q's grid and finds q's codes for w [out, n].  *loss = sum of squared output errors a
 * token, in the damped metric.  -1: error set. */
int gptq_solve(struct qrec *q, struct dev *, const struct gptq_opts *, const struct gptq_hess *, const float *w,
               int64_t out, double *loss);
/* Lowers the loss of codes and scales that are there, w [out, n] given, by up to `count` passes of coordinate
 * descent under h [n, n], in whose order groups are consecutive; perm: the weight's column behind each of h's,
 * NULL: the same.  *loss = what is left. */
int gptq_refine(struct qrec *q, struct dev *, const float *h, const int32_t *perm, const float *w, int64_t out, int64_t n,
                int64_t count, double *loss);
/* The same measure for codes that are there: tr(D h D^T), D = w - dequantized. */
int gptq_loss(const struct qrec *q, struct dev *, const struct gptq_hess *, const float *w, int64_t out, double *loss);

#endif
