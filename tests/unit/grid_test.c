/* Grids against numbers worked by hand (reference vectors of the published conventions). */
#include "quant/grid.h"
#include "base/rng.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

static void fitted(struct qrec *q, const char *text, const float *w, const float *imp, int64_t out, int64_t in,
                   struct arena *mem)
{
	struct qspec spec;

	spec_parse(&spec, text);
	qrec_init(q, &spec, out, in, mem);
	q->scale_dt = DT_F32;
	grid_fit_rows(q, w, imp, out, in);
	grid_round_rows(q, w, out, in);
}

static bool codes(const struct qrec *q, const int *want, int n)
{
	for (int i = 0; i < n; i++)
		if (q->code[i] != want[i])
			return false;
	return true;
}

static double error(const struct qrec *q, const float *w, const float *imp, int64_t out, int64_t in)
{
	float *row = malloc(sizeof(float) * (size_t)in);
	double sum = 0;

	for (int64_t o = 0; o < out; o++) {
		qrec_dequant(q, in, o, o + 1, row);
		for (int64_t i = 0; i < in; i++)
			sum += (imp ? imp[i] : 1) * ((double)w[o * in + i] - row[i]) * ((double)w[o * in + i] - row[i]);
	}
	free(row);
	return sum;
}

static void by_hand(struct arena *mem)
{
	const float a[] = { -.7f, -.2f, .1f, 1 }, b[] = { -7.5f, 1.5f, 6.975f }, c[] = { .5f, .6f, 1 }, z[] = { 0, 0, 0 };
	struct qrec q;

	fitted(&q, "int4:channel:asym", a, NULL, 1, 4, mem);
	is_near(q.scale[0], 1.7 / 15, 1e-7, "asymmetric scale = (max - min) / 15");
	ok(q.zero[0] == 6 && codes(&q, (int[]){ 0, 4, 7, 15 }, 4), "its zero is 6, codes 0 4 7 15");
	fitted(&q, "int4:channel:sym", b, NULL, 1, 3, mem);
	is_near(q.scale[0], 1, 0, "symmetric scale = absmax / 7.5");
	ok(!q.zero && codes(&q, (int[]){ 0, 10, 15 }, 3), "signed codes -8 2 7");
	fitted(&q, "int4:channel:asym", c, NULL, 1, 3, mem);
	ok(q.zero[0] == 0 && codes(&q, (int[]){ 7, 9, 15 }, 3), "a one-sided range still holds zero");
	fitted(&q, "int4:channel:asym", z, NULL, 1, 3, mem);
	ok(q.scale[0] == 1 && error(&q, z, NULL, 1, 3) == 0, "all zeros stay zeros");
	fitted(&q, "int8:tensor:sym", a, NULL, 2, 2, mem);
	ok(q.scale[0] == q.scale[1] && fabs(q.scale[0] - 1 / 127.5) < 1e-8, "one scale for the tensor");
}

static void ties(void)
{
	static const struct { float x; int want; } t[] = {
		{ .5f, 0 }, { 1.5f, 2 }, { 2.5f, 2 }, { -.5f, 0 }, { -1.5f, -2 }, { 2.4999998f, 2 }, { 1e30f, 930000 },
		{ -1e30f, -70000 }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		float c = grid_code(t[i].x, 1, 70000, 1e6f);

		ok(c == 70000 + t[i].want, "%g rounds to even, or clamps: %g", t[i].x, c - 70000);
	}
}

static void searched(struct arena *mem)
{
	enum { OUT = 9, IN = 70 };
	const float far[] = { 4, 3, -1, -3 };   /* -4 .. 3 the other way round */
	float w[OUT * IN], imp[IN];
	struct rng r;
	struct qrec a, b, c;

	rng_seed(&r, 3);
	for (int i = 0; i < OUT * IN; i++)
		w[i] = (float)(rng_normal(&r) * (i % 17 ? 1 : 4));
	for (int i = 0; i < IN; i++)
		imp[i] = (float)(i % 7 ? 1 : 50);
	fitted(&a, "int3:g32:asym", w, NULL, OUT, IN, mem);
	fitted(&b, "int3:g32:asym:mse", w, NULL, OUT, IN, mem);
	fitted(&c, "int3:g32:asym:mse", w, imp, OUT, IN, mem);
	ok(error(&b, w, NULL, OUT, IN) < .9 * error(&a, w, NULL, OUT, IN), "a search for the least error finds less");
	ok(error(&c, w, imp, OUT, IN) < error(&b, w, imp, OUT, IN), "importance steers it");
	fitted(&a, "int3:channel:sym:mse", far, NULL, 1, 4, mem);
	ok(a.scale[0] == -1 && error(&a, far, NULL, 1, 4) == 0, "a symmetric grid turns round where that fits");
}

static void scales(void)
{
	ok(scale_round(0.3f, DT_BF16) == 0.30078125f, "0.3 in bfloat16");
	ok(scale_round(1e-30f, DT_F16) == 0x1p-24f, "a scale never becomes zero");
	ok(f16_f32(f32_f16(scale_round(0.0123f, DT_F16))) == scale_round(0.0123f, DT_F16) &&
	   bf16_f32(f32_bf16(scale_round(0.0123f, DT_F16))) == scale_round(0.0123f, DT_F16), "F16 scales are BF16's too");
	ok(scale_round(0.3f, DT_F32) == 0.3f, "F32 stays");
}

int main(void)
{
	struct arena mem = { 0 };

	by_hand(&mem);
	ties();
	searched(&mem);
	scales();
	arena_free(&mem);
	return done();
}
