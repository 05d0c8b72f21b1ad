/* Grids: the scale and zero of a group of weights, and rounding onto them. */
#ifndef GRID_H
#define GRID_H

#include "tensor/qrec.h"

/* Nearest value that dt holds; a scale that would become 0 stays the smallest of its sign.  For DT_F16 the
 * mantissa is also cut to BF16's 8 bits, so that the number is the same in both formats. */
float scale_round(float s, enum dtype dt);

/* Round to nearest even for |x| < 2^22, exact and without a library call: adding 1.5 * 2^23 leaves no fraction bits.
 * What is further out stays far out. */
static inline float grid_rne(float x)
{
	return (x + 12582912.0f) - 12582912.0f;
}

/* code = clamp(rne(w / scale) + zero, 0, maxq), as a float.  One bound at a time: each is an instruction of vectors. */
static inline float grid_code(float w, float scale, float zero, float maxq)
{
	float c = grid_rne(w / scale) + zero;

	c = c < 0 ? 0 : c;
	return c > maxq ? maxq : c;
}

/* Fits scales and zeros to weights (finite); rows in parallel.  A zero is a whole number in [0, 2^bits).
 * Symmetric: scale = absmax / ((2^bits - 1) / 2), as compressed-tensors; asymmetric: the range is widened to
 * hold 0, scale = (max - min) / (2^bits - 1), zero = rne(-min / scale).  QR_MSE tries shrunk ranges,
 * neighbouring zeros and, when symmetric, negative scales, and keeps the least sum of imp[i] * e^2 (imp NULL: all 1).  Everything is evaluated with
 * the scale as it will be stored, in q->scale_dt.
 * grid_fit_rows: every group of w [out, in].  grid_fit: group g alone, from w [out, n] of row stride ld. */
void grid_fit_rows(struct qrec *q, const float *w, const float *imp, int64_t out, int64_t in);
void grid_fit(struct qrec *q, int g, const float *w, int64_t ld, const float *imp, int64_t out, int n);
/* Rounds w [out, in] onto q's grid into q's codes; rows in parallel. */
void grid_round_rows(struct qrec *q, const float *w, int64_t out, int64_t in);
/* Both, of a few rows and in the thread that calls; not for a scale that a tensor shares. */
void grid_rows(struct qrec *q, const float *w, int64_t rows, int64_t in);
/* Zero of group g of row o: the stored one, or the middle of the range. */
float grid_zero(const struct qrec *q, int64_t o, int64_t g);

#endif
