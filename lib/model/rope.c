/* Rotary position tables (Su et al., arXiv 2104.09864) and the ways their frequencies are stretched. */
#include "model/model.h"

#include <math.h>

#define PI 3.14159265358979323846

/* YaRN (Peng et al., arXiv 2309.00071, section 3.4): the dimension whose wave turns `rot` times in the
 * original context. */
static double yarn_dim(const struct rope *r, double rot)
{
	return r->dim * log(r->orig_ctx / (rot * 2 * PI)) / (2 * log(r->base));
}

static double yarn_gain(double s, double m)
{
	return s <= 1 ? 1 : 0.1 * m * log(s) + 1;
}

/* Frequency of pair i at sequence length T.  In float where the reference implementation is, so that angles
 * at high positions agree. */
static float freq(const struct model *m, int T, int i)
{
	const struct rope *r = &m->rope;
	double base = r->base, f, t, lo, hi;

	if (r->type == ROPE_DYNAMIC && T > m->ctx && r->dim > 2)
		base *= pow(r->factor * T / m->ctx - (r->factor - 1), r->dim / (double)(r->dim - 2));
	f = 1 / pow(base, 2.0 * i / r->dim);
	switch (r->type) {
	case ROPE_LINEAR:
		return (float)(f / r->factor);
	case ROPE_LLAMA3:
		t = r->orig_ctx * f / (2 * PI);         /* turns in the original context */
		if (t > r->high_freq)
			return (float)f;
		if (t < r->low_freq)
			return (float)(f / r->factor);
		t = (t - r->low_freq) / (r->high_freq - r->low_freq);
		return (float)((1 - t) * f / r->factor + t * f);
	case ROPE_YARN:
		lo = yarn_dim(r, r->beta_fast);
		hi = yarn_dim(r, r->beta_slow);
		if (r->truncate) {
			lo = floor(lo);
			hi = ceil(hi);
		}
		lo = fmax(lo, 0);
		hi = fmin(hi, r->dim - 1);
		if (lo == hi)
			hi += 0.001;
		t = fmin(fmax((i - lo) / (hi - lo), 0), 1);
		return (float)(f / r->factor * t + f * (1 - t));
	case ROPE_LONG:
		return (float)(1 / ((T > r->orig_ctx ? r->far : r->near)[i] * pow(base, 2.0 * i / r->dim)));
	default:
		return (float)f;
	}
}

/* What cos and sin are multiplied by.  LongRoPE: Ding et al., arXiv 2402.13753. */
static double gain(const struct rope *r)
{
	if (r->type != ROPE_YARN && r->type != ROPE_LONG)
		return 1;
	if (r->attn_factor > 0)
		return r->attn_factor;
	if (r->type == ROPE_LONG)
		return r->factor <= 1 ? 1 : sqrt(1 + log(r->factor) / log(r->orig_ctx));
	if (r->mscale > 0 && r->mscale_all_dim > 0)
		return yarn_gain(r->factor, r->mscale) / yarn_gain(r->factor, r->mscale_all_dim);
	return yarn_gain(r->factor, 1);
}

void rope_table(const struct model *m, int T, float *cs, float *sn)
{
	const struct rope *r = &m->rope;
	int half = r->dim / 2;
	double g = gain(r);

	for (int i = 0; i < half; i++) {
		float f = freq(m, T, i);

		for (int t = 0; t < T; t++) {
			float a = (float)t * f;

			cs[(int64_t)t * half + i] = (float)(cos(a) * g);
			sn[(int64_t)t * half + i] = (float)(sin(a) * g);
		}
	}
}

/* Press et al., arXiv 2108.12409: powers of 2^(-8/n) for the largest power of two n within the heads, and for those
 * left the odd ones of the series for 2n. */
void alibi_slopes(int n_head, float *slope)
{
	int n = 1;

	while (2 * n <= n_head)
		n *= 2;
	for (int h = 0; h < n_head; h++)
		slope[h] = (float)(h < n ? pow(2, -8.0 * (h + 1) / n) : pow(2, -4.0 * (2 * (h - n) + 1) / n));
}
