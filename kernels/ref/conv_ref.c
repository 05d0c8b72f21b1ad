/* Conversions between F32 and the 16-bit floats, by the value of each number. */
#include "kernels/kern.h"

#include <math.h>
#include <string.h>

static uint32_t bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static float value(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

void bf16_f32_ref(float *y, const uint16_t *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = value((uint32_t)x[i] << 16);
}

void f32_bf16_ref(uint16_t *y, const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t u = bits(x[i]), down = u >> 16, rest = u & 0xffff;

		if (isnan(x[i]))
			down |= 0x40;
		else if (rest > 0x8000 || (rest == 0x8000 && (down & 1)))
			down++;
		y[i] = (uint16_t)down;
	}
}

void f16_f32_ref(float *y, const uint16_t *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		int e = x[i] >> 10 & 31, m = x[i] & 0x3ff;
		float v = e ? ldexpf((float)(m + 1024), e - 25) : ldexpf((float)m, -24);

		if (e == 31)
			v = m ? value(0x7fc00000 | (uint32_t)m << 13) : INFINITY;
		y[i] = x[i] & 0x8000 ? -v : v;
	}
}

/* |x| counted in the last place of its binade in f16, which the double holds exactly.  A normal number counts
 * to 1024 + m, so that the exponent's field takes the 1024, and a carry out of m moves on to the next binade. */
void f32_f16_ref(uint16_t *y, const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t sign = bits(x[i]) >> 16 & 0x8000, r;
		double a = fabs((double)x[i]);
		int e;

		if (isnan(x[i])) {
			r = 0x7e00 | (bits(x[i]) >> 13 & 0x3ff);
		} else if (a >= 65520) {
			r = 0x7c00;
		} else {
			frexp(a, &e);                           /* 2^(e-1) <= a < 2^e */
			e = a > 0 && e > -13 ? e : -13;         /* subnormals share the ulp of the least normals */
			r = ((uint32_t)(e + 13) << 10) + (uint32_t)nearbyint(ldexp(a, 11 - e));
		}
		y[i] = (uint16_t)(sign | r);
	}
}
