#include "tensor/qrec.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns per group: a group that would reach past the row is the whole row. */
static int resolve(const struct qspec *q, int64_t in)
{
	return q->gran == G_GROUP && q->group < in ? q->group : (int)in;
}

void qrec_init(struct qrec *q, const struct qspec *spec, int64_t out, int64_t in, struct arena *a)
{
	uint64_t codes, scales;

	memset(q, 0, sizeof(*q));
	q->spec = *spec;
	q->scale_dt = DT_F32;
	if (out < 0 || in < 1 || in > INT32_MAX || !size_mul((uint64_t)out, (uint64_t)in, &codes) ||
	    codes > PTRDIFF_MAX / 4)
		die(ST_FAIL, "cannot quantize a weight of %lld x %lld", (long long)out, (long long)in);
	q->group = resolve(spec, in);
	q->ngroup = (int)((in + q->group - 1) / q->group);
	scales = (uint64_t)out * (uint64_t)q->ngroup;
	q->code = arena_alloc(a, (size_t)codes);
	q->scale = arena_alloc(a, (size_t)scales * sizeof(*q->scale));
	if (!spec->sym)
		q->zero = arena_alloc(a, (size_t)scales);
}

double qspec_bytes(const struct qspec *q, int64_t out, int64_t in)
{
	int group = resolve(q, in);

	return (double)out * (double)in + (double)out * (double)((in + group - 1) / group) * (q->sym ? 4 : 5);
}

struct qrec qrec_rows(const struct qrec *q, int64_t in, int64_t r0)
{
	struct qrec s = *q;

	s.code += r0 * in;
	s.scale += r0 * q->ngroup;
	if (s.zero)
		s.zero += r0 * q->ngroup;
	return s;
}

void qrec_dequant(const struct qrec *q, int64_t in, int64_t r0, int64_t r1, float *w)
{
	const int mid = 1 << (q->spec.bits - 1);

	for (int64_t r = r0; r < r1; r++, w += in) {
		const uint8_t *code = q->code + r * in;
		const float *scale = q->scale + r * q->ngroup;
		const uint8_t *zero = q->zero ? q->zero + r * q->ngroup : NULL;

		for (int g = 0; g < q->ngroup; g++) {
			int64_t i = (int64_t)g * q->group, end = i + q->group < in ? i + q->group : in;
			float s = scale[g];
			int z = zero ? zero[g] : mid;

			if (q->perm)
				for (; i < end; i++)
					w[q->perm[i]] = (float)(code[q->perm[i]] - z) * s;
			else
				for (; i < end; i++)
					w[i] = (float)(code[i] - z) * s;
		}
	}
}

double qrec_bits(const struct qrec *q, int64_t out, int64_t in)
{
	/* The rows of a per-tensor record repeat one scale and one zero. */
	double groups = q->spec.gran == G_TENSOR ? 1 : (double)out * q->ngroup;

	return (double)out * (double)in * q->spec.bits + groups * 8 * (double)dtype_size(q->scale_dt)
	       + (q->zero ? groups * q->spec.bits : 0) + (q->perm ? 32 * (double)in : 0);
}

/* Index of the first byte above max, or -1.  Whole runs without a branch: the compiler uses vectors. */
static int64_t above(const uint8_t *v, uint64_t n, uint8_t max)
{
	enum { RUN = 256 };
	uint64_t i = 0;

	for (; i + RUN <= n; i += RUN) {
		unsigned char bad = 0;

		for (int k = 0; k < RUN; k++)
			bad |= v[i + (uint64_t)k] > max;
		if (bad)
			break;
	}
	for (; i < n; i++)
		if (v[i] > max)
			return (int64_t)i;
	return -1;
}

static int check_perm(const int32_t *perm, int64_t in)
{
	uint8_t *seen = xcalloc((size_t)in, 1);
	int64_t i;

	for (i = 0; i < in; i++) {
		if (perm[i] < 0 || perm[i] >= in || seen[perm[i]])
			break;
		seen[perm[i]] = 1;
	}
	free(seen);
	if (i < in)
		return err_set(ST_BAD, "perm[%lld] is %d: not a permutation of %lld columns", (long long)i,
		               (int)perm[i], (long long)in);
	return 0;
}

static int check_scales(const struct qrec *q, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		float s = q->scale[i], r = s;

		if (q->scale_dt == DT_BF16)
			r = bf16_f32(f32_bf16(s));
		else if (q->scale_dt == DT_F16)
			r = f16_f32(f32_f16(s));
		if (!isfinite(s) || s == 0 || (s < 0 && q->zero))
			return err_set(ST_BAD, "scale %llu is %g", (unsigned long long)i, (double)s);
		if (r != s)
			return err_set(ST_BAD, "scale %llu, %g, is not a value of %s", (unsigned long long)i, (double)s,
			               dtype_name(q->scale_dt));
	}
	return 0;
}

int qrec_check(const struct qrec *q, int64_t out, int64_t in)
{
	const struct qspec *s = &q->spec;
	uint64_t codes, scales;
	uint8_t max;
	int64_t at;

	if (s->fmt != Q_INT || s->bits < 2 || s->bits > 8)
		return err_set(ST_BAD, "a record of format %d, %d bits", (int)s->fmt, s->bits);
	if (s->gran != G_TENSOR && s->gran != G_CHANNEL && (s->gran != G_GROUP || s->group < 1))
		return err_set(ST_BAD, "a record of granularity %d, group %d", (int)s->gran, s->group);
	if (out < 1 || in < 1 || in > INT32_MAX || !size_mul((uint64_t)out, (uint64_t)in, &codes))
		return err_set(ST_BAD, "a record of %lld x %lld", (long long)out, (long long)in);
	if (q->group != resolve(s, in) || q->ngroup != (int)((in + q->group - 1) / q->group))
		return err_set(ST_BAD, "%d groups of %d columns do not fit %lld columns", q->ngroup, q->group,
		               (long long)in);
	if (!q->code || !q->scale)
		return err_set(ST_BAD, "a record without %s", q->code ? "scales" : "codes");
	if (!q->zero != s->sym)
		return err_set(ST_BAD, "%s record %s zeros", s->sym ? "a symmetric" : "an asymmetric",
		               q->zero ? "with" : "without");
	if (q->scale_dt != DT_F32 && q->scale_dt != DT_F16 && q->scale_dt != DT_BF16)
		return err_set(ST_BAD, "scales of type %d", (int)q->scale_dt);
	max = (uint8_t)((1 << s->bits) - 1);
	scales = (uint64_t)out * (uint64_t)q->ngroup;
	if (s->bits < 8 && (at = above(q->code, codes, max)) >= 0)
		return err_set(ST_BAD, "code %lld is %d, above %d", (long long)at, q->code[at], max);
	if (q->zero && s->bits < 8 && (at = above(q->zero, scales, max)) >= 0)
		return err_set(ST_BAD, "zero %lld is %d, above %d", (long long)at, q->zero[at], max);
	if (check_scales(q, scales))
		return -1;
	if (s->gran == G_TENSOR)
		for (uint64_t i = 1; i < scales; i++)
			if (q->scale[i] != q->scale[0] || (q->zero && q->zero[i] != q->zero[0]))
				return err_set(ST_BAD, "a per-tensor record whose row %llu differs",
				               (unsigned long long)i);
	return q->perm ? check_perm(q->perm, in) : 0;
}
