/* Conversions of 16- and 8-bit floats, against a second formula in doubles and against PyTorch.
 *
 * Digests are FNV-1a 64 over little-endian results; the PyTorch ones (2.x, NaN replaced by zero) come from
 *	x = torch.arange(n).to(uint).view(dtype).float()                 decode, all codes
 *	(i * 2654435761 mod 2^32 as f32, i < 2^18).to(dtype)             encode */
#include "tensor/dtype.h"

#include "base/err.h"
#include "golden.h"
#include "tap.h"

#include <stdlib.h>

static float as_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static uint32_t as_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* Value of a code with e exponent and m mantissa bits, IEEE with Inf and NaN. */
static double ieee(unsigned code, int e, int m)
{
	int bias = (1 << (e - 1)) - 1, exp = (int)(code >> m & ((1u << e) - 1));
	double frac = (double)(code & ((1u << m) - 1)), s = code >> (e + m) & 1 ? -1 : 1;

	if (exp == (1 << e) - 1)
		return frac != 0 ? NAN : s * INFINITY;
	return exp ? s * ldexp(1 + ldexp(frac, -m), exp - bias) : s * ldexp(frac, 1 - bias - m);
}

static bool same(float got, double want)
{
	return isnan(want) ? isnan(got) : got == want && !signbit(got) == !signbit(want);
}

/* Nearest code, ties to even, by search among the finite magnitudes; limit: where Inf begins. */
static unsigned nearest(float f, int e, int m)
{
	unsigned lo = 0, hi = ((1u << e) - 1) << m, sign = signbit(f) ? 1u << (e + m) : 0;
	double x = fabs((double)f), below, above;

	if (isinf(f))
		return sign | hi;
	while (hi - lo > 1) {           /* value(lo) <= x < value(hi), Inf counting as a binade's next value */
		unsigned mid = (lo + hi) / 2;

		if (ieee(mid, e, m) <= x)
			lo = mid;
		else
			hi = mid;
	}
	below = ieee(lo, e, m);
	above = hi == ((1u << e) - 1) << m ? ldexp(1, 1 << (e - 1)) : ieee(hi, e, m);
	if (x - below > above - x || (x - below == above - x && (lo & 1)))
		lo++;
	return sign | lo;
}

static void test_decode(void)
{
	static float v[65536];
	static uint16_t code[65536];
	bool h = true, b = true, bulk = true;

	for (unsigned i = 0; i < 65536; i++) {
		code[i] = (uint16_t)i;
		h &= same(f16_f32((uint16_t)i), ieee(i, 5, 10));
		b &= same(bf16_f32((uint16_t)i), ieee(i, 8, 7));
	}
	ok(h, "f16: all 65536 codes by formula");
	ok(b, "bf16: all 65536 codes by formula");
	to_f32(v, code, DT_F16, 65536);
	for (unsigned i = 0; i < 65536; i++) {
		bulk &= as_bits(v[i]) == as_bits(f16_f32((uint16_t)i));
		v[i] = isnan(v[i]) ? 0 : v[i];
	}
	ok(fnv(v, sizeof(v)) == 0x00a0750411cb2745, "f16: in bulk, as PyTorch");
	to_f32(v, code, DT_BF16, 65536);
	for (unsigned i = 0; i < 65536; i++) {
		bulk &= as_bits(v[i]) == as_bits(bf16_f32((uint16_t)i));
		v[i] = isnan(v[i]) ? 0 : v[i];
	}
	ok(fnv(v, sizeof(v)) == 0x159471259d56b7a5, "bf16: in bulk, as PyTorch");
	ok(bulk, "bulk and single agree in every bit");
}

static void test_encode(int e, int m, uint16_t (*down)(float), enum dtype dt, const char *name, uint64_t torch)
{
	enum { N = 1 << 18 };
	float *f = malloc(N * sizeof(*f));
	uint16_t *r = malloc(N * sizeof(*r)), inf = (uint16_t)(((1u << e) - 1) << m);
	bool back = true, ties = true, around = true, random = true, nan = true, bulk = true;

	for (unsigned i = 0; i < inf; i++) {
		float x = (float)ieee(i, e, m), half;
		double next = i + 1 == inf ? ldexp(1, 1 << (e - 1)) : ieee(i + 1, e, m);

		back &= down(x) == i && down(-x) == (0x8000u | i);
		half = (float)((x + next) / 2);         /* exact in f32: one more bit */
		if (isinf(half))
			continue;                       /* the largest bf16 and an f32 */
		ties &= down(half) == i + (i & 1);
		around &= down(nextafterf(half, 0)) == i && down(nextafterf(half, INFINITY)) == i + 1;
	}
	ok(back, "%s: every value comes back, of either sign", name);
	ok(ties, "%s: half way goes to even, overflow included", name);
	ok(around, "%s: and a hair beside it to the nearer", name);
	for (unsigned i = 0; i < N; i++) {
		f[i] = as_float(i * 2654435761u);
		if (isnan(f[i]))
			nan &= (down(f[i]) & 0x7fff) > inf && !(down(f[i]) & 0x8000) == !signbit(f[i]);
		else
			random &= down(f[i]) == nearest(f[i], e, m);
	}
	ok(random, "%s: nearest of all, by search", name);
	ok(nan && (down(as_float(0x7f800001)) & 0x7fff) > inf && (down(as_float(0xffffffff)) & 0x7fff) > inf,
	   "%s: NaN stays NaN and keeps its sign", name);
	ok(down(INFINITY) == inf && down(-INFINITY) == (0x8000 | inf), "%s: infinities", name);
	from_f32(r, dt, f, N);
	for (unsigned i = 0; i < N; i++) {
		bulk &= r[i] == down(f[i]);
		r[i] = isnan(f[i]) ? 0 : r[i];
	}
	ok(bulk, "%s: bulk and single agree", name);
	ok(fnv(r, N * sizeof(*r)) == torch, "%s: as PyTorch", name);
	free(f);
	free(r);
}

/* algorithms-1 section 9 and golden/fp8.json: some values of the table, and the whole by digest. */
static void test_fp8(void)
{
	static const struct {
		uint8_t code;
		float v;
	} t[] = {
		{ 0x01, 0.001953125f }, { 0x07, 0.013671875f }, { 0x08, 0.015625f }, { 0x38, 1 }, { 0x40, 2 },
		{ 0x7e, 448 }, { 0xb8, -1 },
	};
	uint8_t code[256];
	float v[256];
	bool good = true;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		good &= e4m3_f32(t[i].code) == t[i].v;
	ok(good && isnan(e4m3_f32(0x7f)) && isnan(e4m3_f32(0xff)) && signbit(e4m3_f32(0x80)),
	   "e4m3: the golden values");
	for (int i = 0; i < 256; i++)
		code[i] = (uint8_t)i;
	to_f32(v, code, DT_F8E4M3, 256);
	for (int i = 0; i < 256; i++)
		v[i] = isnan(v[i]) ? 0 : v[i];
	ok(fnv(v, sizeof(v)) == 0x854cabd1defe4645, "e4m3: all 256 as PyTorch");
	good = true;
	for (unsigned i = 0; i < 256; i++)
		good &= same(e5m2_f32((uint8_t)i), ieee(i, 5, 2));
	ok(good, "e5m2: all 256 by formula");
	to_f32(v, code, DT_F8E5M2, 256);
	for (int i = 0; i < 256; i++)
		v[i] = isnan(v[i]) ? 0 : v[i];
	ok(fnv(v, sizeof(v)) == 0xa5377db4cd98b445, "e5m2: all 256 as PyTorch");
}

/* Lengths around the size of a run, sources on odd addresses. */
static void test_runs(void)
{
	static uint8_t raw[2 * 1100 + 1];
	static float v[1100];
	bool good = true;
	double d[3] = { 0.1, 1e300, -1e-300 };
	uint8_t odd[sizeof(d) + 1];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i * 37);
	for (size_t n = 0; n <= 1090; n += n < 260 ? 1 : 83) {
		memset(v, 0xff, sizeof(v));
		to_f32(v, raw + 1, DT_BF16, n);
		for (size_t i = 0; i < n; i++)
			good &= as_bits(v[i]) == (uint32_t)(raw[2 * i + 1] | raw[2 * i + 2] << 8) << 16;
		good &= as_bits(v[n]) == 0xffffffff;
	}
	ok(good, "any length, any alignment, not an element more");
	memcpy(odd + 1, d, sizeof(d));
	to_f32(v, odd + 1, DT_F64, 3);
	ok(v[0] == 0.1f && isinf(v[1]) && v[2] == 0 && signbit(v[2]), "F64 is rounded to F32");
	ok(to_f32(v, raw, DT_I32, 4) == -1 && err_status() == ST_UNSUP, "an integer type is refused");
	ok(from_f32(raw, DT_F8E4M3, v, 4) == -1 && err_status() == ST_UNSUP, "as is a target without encoder");
}

static void test_nonfinite(void)
{
	static const struct {
		enum dtype dt;
		uint64_t big, inf;              /* the largest finite value, and what comes after it */
	} t[] = {
		{ DT_F32, 0xff7fffff, 0x7f800000 }, { DT_F16, 0xfbff, 0xfc00 }, { DT_BF16, 0xff7f, 0x7f80 },
		{ DT_F64, 0x7fefffffffffffff, 0xfff0000000000000 },
		{ DT_F8E4M3, 0xfe, 0xff }, { DT_F8E5M2, 0xfb, 0x7c },
	};
	static uint8_t buf[8 * 700 + 1];
	bool good = true;

	for (size_t k = 0; k < sizeof(t) / sizeof(*t); k++) {
		size_t size = dtype_size(t[k].dt);

		for (int i = 0; i < 700; i++)
			memcpy(buf + 1 + (size_t)i * size, &t[k].big, size);
		good &= first_nonfinite(buf + 1, t[k].dt, 700) == -1;
		for (int at = 699; at >= 0; at -= 17) {
			memcpy(buf + 1 + (size_t)at * size, &t[k].inf, size);
			good &= first_nonfinite(buf + 1, t[k].dt, 700) == at;
			good &= first_nonfinite(buf + 1, t[k].dt, (size_t)at) == -1;
		}
	}
	ok(good, "the first Inf or NaN of every float type, wherever it stands");
	memset(buf, 0xff, sizeof(buf));
	ok(first_nonfinite(buf, DT_I32, 100) == -1 && first_nonfinite(buf, DT_F32, 0) == -1, "integers have none");
}

static void test_names(void)
{
	bool good = true;

	for (int i = 1; i < DT_N; i++)
		good &= dtype_find(dtype_name((enum dtype)i)) == (enum dtype)i && dtype_size((enum dtype)i) > 0;
	ok(good, "names lead back to their types");
	ok(dtype_find("F8_E4M3") == DT_F8E4M3 && dtype_find("none") == DT_NONE && dtype_find("f32") == DT_NONE,
	   "only theirs");
}

int main(void)
{
	plan(0);
	test_decode();
	test_encode(5, 10, f32_f16, DT_F16, "f16", 0x24493fb64aca71ff);
	test_encode(8, 7, f32_bf16, DT_BF16, "bf16", 0xde5f7c4b388e913c);
	test_fp8();
	test_runs();
	test_nonfinite();
	test_names();
	return done();
}
