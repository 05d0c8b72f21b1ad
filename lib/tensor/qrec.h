/* A quantized tensor as it travels: unpacked codes, one truth for evaluation and for every export.
 *   w[o][i] = (code[o][i] - zero[o][g]) * scale[o][g],   g = group of column i
 * Codes are unsigned; without stored zeros (symmetric) zero = 2^(bits-1). */
#ifndef QREC_H
#define QREC_H

#include "tensor/spec.h"
#include "tensor/tensor.h"

struct qrec {
	struct qspec spec;              /* fmt == Q_NONE: the tensor is plain float */
	int group;                      /* columns per group, resolved: in for channel and tensor */
	int ngroup;                     /* ceil(in / group): scales per row */
	uint8_t *code;                  /* [out, in] */
	float *scale;                   /* [out, ngroup], already rounded to scale_dt */
	uint8_t *zero;                  /* [out, ngroup] or NULL */
	int32_t *perm;                  /* [in] or NULL: column perm[k] is in group k / group (act-order, dynamic) */
	enum dtype scale_dt;            /* BF16, F16 or F32: what the scales were rounded to */
};

/* Resolves group and ngroup for a weight [out, in], and allocates code, scale and (asym) zero from the arena. */
void qrec_init(struct qrec *, const struct qspec *, int64_t out, int64_t in, struct arena *);
/* The record of rows from r0 on: borrows the arrays. */
struct qrec qrec_rows(const struct qrec *, int64_t in, int64_t r0);
/* Bytes of the arrays that qrec_init allocates. */
double qspec_bytes(const struct qspec *, int64_t out, int64_t in);
/* Rows [r0, r1) of [out, in] into w (row r0 first). */
void qrec_dequant(const struct qrec *, int64_t in, int64_t r0, int64_t r1, float *w);
/* Bits that the tensor's stored numbers take: codes, scales at scale_dt, zeros at `bits`, perm at 32. */
double qrec_bits(const struct qrec *, int64_t out, int64_t in);
/* Everything a reader may rely on: shapes agree, codes and zeros < 2^bits, scales finite and not 0 (negative
 * only without zeros: a symmetric grid turned round), perm a permutation.  -1: error set (ST_BAD). */
int qrec_check(const struct qrec *, int64_t out, int64_t in);

#endif
