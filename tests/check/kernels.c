/* Each slot of the table of kernels, against its formula. */
#include "tests/check/check.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_float(float a, float b)
{
	return !memcmp(&a, &b, sizeof(a)) || (isnan(a) && isnan(b));
}

/* 2^16 upper halves with each of these lower halves: every binade, every tie, every NaN */
void check_conversions(const struct level *l)
{
	static const uint16_t low[] = { 0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff };
	enum { NLOW = sizeof(low) / sizeof(*low), ALL = 65536 };
	uint16_t *h = guarded(ALL, 2, 1), *back = guarded(ALL, 2, 0);
	float *x = floats(ALL, 0);

	for (int i = 0; i < ALL; i++)
		h[i] = (uint16_t)i;
	test_begin("%s: bf16_f32, f16_f32: all values", l->name);
	where("bf16");
	l->k.bf16_f32(x, h, ALL);
	for (int i = 0; i < ALL; i++)
		expect(same_float(x[i], bf16_f32((uint16_t)i)), "bf16_f32 of each value");
	where("f16");
	l->k.f16_f32(x, h, ALL);
	for (int i = 0; i < ALL; i++)
		expect(same_float(x[i], f16_f32((uint16_t)i)), "f16_f32 of each value");
	clean(x, "y");
	test_end();
	test_begin("%s: f32_bf16, f32_f16: every upper half, ties and their neighbours", l->name);
	for (int k = 0; k < NLOW; k++) {
		where("lower half %04x", low[k]);
		for (int i = 0; i < ALL; i++)
			memcpy(x + i, &(uint32_t){ (uint32_t)i << 16 | low[k] }, 4);
		l->k.f32_bf16(back, x, ALL);
		for (int i = 0; i < ALL; i++)
			expect(back[i] == f32_bf16(x[i]), "f32_bf16");
		l->k.f32_f16(back, x, ALL);
		for (int i = 0; i < ALL; i++)
			expect(back[i] == f32_f16(x[i]), "f32_f16");
	}
	for (int n = 0; n < 50; n++) {
		uint16_t *y = guarded(n, 2, n % 3);
		float *f = floats(n, n % 5), *z = floats(n, n % 2);

		where("length %d", n);
		fill(f, n, FILL_NORMAL);
		l->k.f32_bf16(y, f, n);
		clean(y, "f32_bf16");
		l->k.bf16_f32(z, y, n);
		for (int i = 0; i < n; i++)
			expect(same_float(z[i], bf16_f32(f32_bf16(f[i]))), "there and back");
		l->k.f32_f16(y, f, n);
		clean(y, "f32_f16");
		l->k.f16_f32(z, y, n);
		for (int i = 0; i < n; i++)
			expect(same_float(z[i], f16_f32(f32_f16(f[i]))), "there and back");
		clean(z, "to f32");
		release(y);
		release(f);
		release(z);
	}
	test_end();
	release(h);
	release(back);
	release(x);
}

static void check_norm(const struct level *l, int center, int plus)
{
	test_begin("%s: norm%s%s", l->name, center ? ", centered" : "", plus ? ", gain 1 + w" : "");
	for (int s = 0; s < nodd; s++) {
		for (int f = 0; f < FILL_LAST; f++) {
			int n = odd_size[s], off = s % 4, bare = s % 5 == 4, in_place = s % 3 == 1;
			float *x = floats(n, off), *y = floats(n, (off + 1) % 4), *w = floats(n, 1), *b = floats(n, 2);
			double mean = 0, var = 0, top = 0, eps = 1e-5f;

			seed((uint64_t)(s * 100 + f));
			fill(x, n, (enum fill)f);
			fill(w, n, FILL_NORMAL);
			fill(b, n, FILL_NORMAL);
			where("C %d, %s%s", n, fill_name[f], in_place ? ", in place" : "");
			for (int i = 0; i < n; i++) {
				mean += center ? x[i] / (double)n : 0;
				top = fmax(top, fabs((double)x[i]));
			}
			for (int i = 0; i < n; i++)
				var += (x[i] - mean) * (x[i] - mean) / n;
			memcpy(y, x, (size_t)n * sizeof(*y));
			l->k.norm(y, in_place ? y : x, n, bare ? NULL : w, bare ? NULL : b, (float)eps, center, plus);
			for (int i = 0; i < n; i++) {
				double g = (bare ? !plus : w[i]) + (plus ? 1.0 : 0.0), r = 1 / sqrt(var + eps);
				double a = bare ? 0 : b[i];

				near(y[i], (x[i] - mean) * r * g + a,
				     (fabs((double)x[i]) + fabs(mean)) * r * (fabs(g) + plus) + fabs(a), TOL_F32);
			}
			clean(y, "y");
			release(x);
			release(y);
			release(w);
			release(b);
		}
	}
	test_end();
}

static void check_rope(const struct level *l, int interleaved)
{
	static const struct { int nh, D, rot; } shape[] = {
		{ 1, 2, 2 }, { 3, 6, 6 }, { 2, 17, 10 }, { 9, 64, 64 }, { 4, 128, 32 }, { 2, 80, 72 }, { 1, 64, 0 },
	};

	test_begin("%s: rope%s", l->name, interleaved ? ", interleaved" : "");
	for (size_t s = 0; s < sizeof(shape) / sizeof(*shape); s++) {
		for (int f = 0; f < FILL_LAST; f++) {
			int nh = shape[s].nh, D = shape[s].D, rot = shape[s].rot, half = rot / 2;
			float *x = floats(nh * D, f), *old = floats(nh * D, 0);
			float *c = floats(half, 1), *sn = floats(half, 3);

			seed(s * 100 + (uint64_t)f);
			fill(old, nh * D, (enum fill)f);
			memcpy(x, old, (size_t)(nh * D) * sizeof(*x));
			for (int i = 0; i < half; i++) {
				double a = uniform() * 100;

				c[i] = (float)cos(a);
				sn[i] = (float)sin(a);
			}
			where("%d heads of %d, %d turning, %s", nh, D, rot, fill_name[f]);
			l->k.rope(x, nh, D, rot, c, sn, interleaved);
			for (int h = 0; h < nh; h++) {
				for (int i = 0; i < D; i++) {
					int j = interleaved ? i ^ 1 : i < half ? i + half : i - half;
					int k = interleaved ? i / 2 : i % (half ? half : 1);
					int second = interleaved ? i % 2 : i >= half;
					double a = old[h * D + i], b;

					if (i >= rot) {
						near(x[h * D + i], a, 1, TOL_EXACT);
						continue;
					}
					b = old[h * D + j];
					near(x[h * D + i], a * c[k] + (second ? b : -b) * sn[k],
					     fabs(a) + fabs(b), TOL_F32);
				}
			}
			clean(x, "x");
			release(x);
			release(old);
			release(c);
			release(sn);
		}
	}
	test_end();
}

/* The activation, and how much an error of an exponent of one ulp is magnified in it */
static double act(int a, double x, double *cond)
{
	double z;

	*cond = 1;
	switch (a) {
	case K_NONE: return x;
	case K_RELU: return x > 0 ? x : 0;
	case K_SILU: z = x; break;
	case K_QUICK_GELU: z = 1.702 * x; break;
	case K_GELU_TANH:
		z = 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
		break;
	default:
		*cond = 1 + (x < 0 ? fmin(x * x / 2, 100) : 0);
		return x * (x < 0 ? erfc(-x / sqrt(2)) / 2 : 1 - erfc(x / sqrt(2)) / 2);
	}
	*cond = 1 + (z < 0 ? fmin(-z, 100) : 0);
	return x / (1 + exp(-z));
}

static void check_glu(const struct level *l)
{
	static const char *const name[K_ACTS] = { "none", "silu", "gelu", "gelu_tanh", "relu", "quick_gelu" };

	for (int a = 0; a < K_ACTS; a++) {
		test_begin("%s: glu %s", l->name, name[a]);
		for (int s = 0; s < nodd; s++) {
			for (int f = 0; f < FILL_LAST + 1; f++) {
				int n = odd_size[s], gated = (s + f) % 2, in_place = s % 3 == 0;
				float *g = floats(n, s % 4), *u = floats(n, f % 4), *y = floats(n, 3);

				seed((uint64_t)(s * 100 + f));
				fill(g, n, f < FILL_LAST ? (enum fill)f : FILL_NORMAL);
				for (int i = 0; f == FILL_LAST && i < n; i++)
					g[i] = (float)(i - n / 2) * 0.25f;      /* through the tails */
				fill(u, n, FILL_NORMAL);
				where("n %d, %s%s", n, f < FILL_LAST ? fill_name[f] : "ramp", gated ? ", gated" : "");
				memcpy(y, g, (size_t)n * sizeof(*y));
				l->k.glu[a](y, in_place ? y : g, gated ? u : NULL, n);
				for (int i = 0; i < n; i++) {
					double cond, want = act(a, g[i], &cond) * (gated ? u[i] : 1);

					near(y[i], want, fabs(want) * cond, TOL_F32);
				}
				clean(y, "y");
				release(g);
				release(u);
				release(y);
			}
		}
		test_end();
	}
}

static void check_axpy(const struct level *l)
{
	test_begin("%s: axpy, scal: the same numbers everywhere", l->name);
	for (int s = 0; s < nodd; s++) {
		for (int f = 0; f < FILL_LAST; f++) {
			int n = odd_size[s];
			float *x = floats(n, s % 4), *y = floats(n, f % 4), *old = floats(n, 0), a = f % 2 ? 1 : 0.3f;

			seed((uint64_t)(s * 100 + f));
			fill(x, n, (enum fill)f);
			fill(old, n, FILL_NORMAL);
			memcpy(y, old, (size_t)n * sizeof(*y));
			where("n %d, %s", n, fill_name[f]);
			l->k.axpy(y, x, a, n);
			for (int i = 0; i < n; i++) {
				volatile float t = a * x[i];    /* rounded before it is added */

				near(y[i], old[i] + t, 1, TOL_EXACT);
			}
			memcpy(y, x, (size_t)n * sizeof(*y));
			l->k.scal(y, a, n);
			for (int i = 0; i < n; i++)
				near(y[i], a * x[i], 1, TOL_EXACT);
			clean(y, "y");
			release(x);
			release(y);
			release(old);
		}
	}
	test_end();
}

/* s of a row of scores at [lo, hi) of tile t; the whole row is a softmax */
static void softmax_case(const struct level *l, int n, enum fill f, float cap, float slope, bool half)
{
	float *raw = floats(2 * n, 1), *s = floats(2 * n, 2), max = -INFINITY, sum = 0, scale = 0.125f, shrink[2];
	uint16_t *p16 = guarded(2 * n, 2, 1);
	int lo[2] = { n / 3, 0 }, hi[2] = { n, n - n / 4 }, j0 = -2 * n;
	double *t = malloc((size_t)(2 * n) * sizeof(*t)), top = -INFINITY, total = 0, z = 0;

	fill(raw, 2 * n, f);
	memcpy(s, raw, (size_t)(2 * n) * sizeof(*s));
	where("n %d, %s, cap %g, slope %g%s", n, fill_name[f], (double)cap, (double)slope, half ? ", to bf16" : "");
	for (int k = 0; k < 2; k++)
		shrink[k] = half ? l->k.softmax16(p16 + k * n, s + k * n, n, lo[k], hi[k], scale, &max, &sum) :
		                   l->k.softmax(s + k * n, n, lo[k], hi[k], j0 + k * n, scale, cap, slope, &max, &sum);
	if (half) {
		expect(!memcmp(s, raw, (size_t)(2 * n) * sizeof(*s)), "the scores are left alone");
		clean(p16, "p");
	}
	for (int i = 0; i < 2 * n; i++) {
		double x = (double)raw[i] * scale;

		t[i] = (cap > 0 ? cap * tanh(x / cap) : x) + (double)slope * (j0 + i);
		if (i % n < lo[i / n] || i % n >= hi[i / n])
			t[i] = -INFINITY;
		top = fmax(top, t[i]);
	}
	for (int i = 0; i < 2 * n; i++)
		total += exp(t[i] - top);
	near(max, top, fabs(top), TOL_F32);
	expect(shrink[0] == 0, "nothing came before the first tile");
	/* Scores are rounded once they are scaled and biased: what e^t feels of that is |t| ulps. */
	for (int i = 0; i < 2 * n; i++) {
		double p = exp(t[i] - top) / total, cond = 1 + fabs(top) + (isinf(t[i]) ? 0 : fabs(t[i])) + cap;

		if (half)
			near(bf16_f32(p16[i]) * (i < n ? (double)shrink[1] : 1) / sum, p,
			     p + fmin(cond, 1e4) * 1e-4 * (p + 1e-9), TOL_BF16);
		else
			near(s[i] * (i < n ? (double)shrink[1] : 1) / sum, p, fmin(cond, 1e4) * (p + 1e-9), TOL_F32);
		z += (half ? exp(t[i] - top) : s[i] * (i < n ? (double)shrink[1] : 1));
	}
	near(sum, z, fmin(1 + fabs(top), 1e4) * z, TOL_F32);
	clean(s, "s");
	free(t);
	release(raw);
	release(p16);
	release(s);
}

static void check_softmax(const struct level *l)
{
	test_begin("%s: softmax by tiles", l->name);
	for (int s = 0; s < nodd; s++)
		for (int f = 0; f < FILL_LAST; f++)
			for (int k = 0; k < 4; k++) {
				seed((uint64_t)(s * 100 + f * 10 + k));
				softmax_case(l, odd_size[s], (enum fill)f, k & 1 ? 30 : 0, k & 2 ? 0.25f : 0, false);
				if (k == 0)
					softmax_case(l, odd_size[s], (enum fill)f, 0, 0, true);
			}
	test_end();
}

static void check_loss(const struct level *l)
{
	test_begin("%s: lse, kl", l->name);
	for (int s = 0; s <= nodd; s++) {
		for (int f = 0; f < FILL_LAST; f++) {
			int n = s < nodd ? odd_size[s] : 4099, best = 0;
			float *p = floats(n, s % 4), *q = floats(n, f % 4);
			double zp = 0, zq = 0, lp, lq, kl = 0, size = 0, d;
			int32_t top;

			seed((uint64_t)(s * 100 + f));
			fill(p, n, (enum fill)f);
			for (int i = 0; i < n; i++)
				q[i] = (float)(p[i] + (f == FILL_LARGE ? 1 : 0.1) * normal());
			if (n > 20)
				p[n / 2] = p[n / 2 + 9] = 12;   /* a tie: the lower index wins */
			for (int i = 0; i < n; i++)
				best = p[i] > p[best] ? i : best;
			where("V %d, %s", n, fill_name[f]);
			for (int i = 0; i < n; i++) {
				zp += exp((double)p[i] - p[best]);
				zq += exp((double)q[i] - p[best]);
			}
			lp = p[best] + log(zp);
			lq = p[best] + log(zq);
			d = l->k.lse(p, n, &top);
			near(d, lp, fmax(1, fabs(lp)), TOL_LOSS);
			expect(top == best, "the greatest, the first of equals");
			for (int i = 0; i < n; i++) {
				double w = exp(p[i] - lp);

				kl += w * (((double)p[i] - q[i]) - (lp - lq));
				size += w * fabs((double)p[i] - q[i]);
			}
			near(l->k.kl(p, q, n, lp, lq), kl, size + 0.01 * (1 + fabs(lp)), TOL_KL);
			release(p);
			release(q);
		}
	}
	test_end();
}

static void check_attn(const struct level *l)
{
	test_begin("%s: attn, one query", l->name);
	for (int T = 1; T < 40; T += 7) {
		int D = 5, Dv = 3;
		float *q = floats(D, 1), *k = floats(T * 8, 0), *v = floats(T * 4, 2), *o = floats(Dv, 3);
		float *bias = floats(T, 4);
		double *s = guarded(T, sizeof(*s), 0), p[40], z = 0;

		seed((uint64_t)T);
		fill(q, D, FILL_NORMAL);
		fill(k, T * 8, FILL_NORMAL);
		fill(v, T * 4, FILL_NORMAL);
		fill(bias, T, FILL_NORMAL);
		where("T %d", T);
		l->k.attn(o, q, k, 8, v, 4, T, D, Dv, 0.4f, 3, 0.1f, bias, s);
		for (int j = 0; j < T; j++) {
			double t = 0;

			for (int d = 0; d < D; d++)
				t += (double)q[d] * k[j * 8 + d];
			t += (double)bias[j];
			z += p[j] = exp(3 * tanh(t * 0.4f / 3) + 0.1f * (double)j);
		}
		for (int d = 0; d < Dv; d++) {
			double a = 0, size = 0;

			for (int j = 0; j < T; j++) {
				a += p[j] / z * v[j * 4 + d];
				size += p[j] / z * fabs((double)v[j * 4 + d]);
			}
			near(o[d], a, size, TOL_F32);
		}
		clean(o, "o");
		clean(s, "s");
		release(q);
		release(k);
		release(v);
		release(o);
		release(bias);
		release(s);
	}
	test_end();
}

void check_kernels(const struct level *l)
{
	check_norm(l, 0, 0);
	check_norm(l, 0, 1);
	check_norm(l, 1, 0);
	check_rope(l, 0);
	check_rope(l, 1);
	check_glu(l);
	check_axpy(l);
	check_softmax(l);
	check_attn(l);
	check_loss(l);
}
