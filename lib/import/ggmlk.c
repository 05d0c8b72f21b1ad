/* GGUF's blocks of 256 elements.  d and dmin are F16; d * scale is multiplied first, then by the code, then what
 * dmin makes is taken off, all in F32.
 *
 *          bytes  layout                                   value
 *   Q2_K      84  sc[16] qs[64] d dmin                     d (sc & 15) q - dmin (sc >> 4)
 *   Q3_K     110  hmask[32] qs[64] sc[12] d                d (S - 32) (q - (h ? 0 : 4))
 *   Q4_K     144  d dmin sc[12] qs[128]                    d a q - dmin b
 *   Q5_K     176  d dmin sc[12] qh[32] qs[128]             d a q - dmin b
 *   Q6_K     210  ql[128] qh[64] i8 sc[16] d               d sc (q - 32)
 *   IQ4_XS   136  d sh[2] sl[4] qs[128]                    d (S - 32) K[q]
 *
 * Scales are of 16 elements (Q2_K, Q3_K, Q6_K) or of 32.  See each function for where its bits lie. */
#include "import/ggml.h"

/* Two bits each, 128 elements to 32 bytes: element r of a half is in byte r % 32. */
static int two_bits(const uint8_t *qs, int n)
{
	int half = n / 128, r = n % 128;

	return qs[32 * half + r % 32] >> (2 * (r / 32)) & 3;
}

void ggml_q2_k(float *y, const uint8_t *p)
{
	const uint8_t *sc = p, *qs = p + 16;
	float d = ggml_half(p + 80), dmin = ggml_half(p + 82);

	for (int n = 0; n < 256; n++) {
		uint8_t s = sc[n / 16];

		y[n] = d * (float)(s & 15) * (float)two_bits(qs, n) - dmin * (float)(s >> 4);
	}
}

/* Scale j of 16: four bits in the first eight bytes, two more in the last four. */
static int q3_scale(const uint8_t *sc, int j)
{
	int low = j < 8 ? sc[j] & 15 : sc[j - 8] >> 4;

	return (low | (sc[8 + j % 4] >> (2 * (j / 4)) & 3) << 4) - 32;
}

void ggml_q3_k(float *y, const uint8_t *p)
{
	const uint8_t *hmask = p, *qs = p + 32, *sc = p + 96;
	float d = ggml_half(p + 108);

	for (int n = 0; n < 256; n++) {
		int q = two_bits(qs, n) - (hmask[n % 32] >> (n / 32) & 1 ? 0 : 4);

		y[n] = d * (float)q3_scale(sc, n / 16) * (float)q;
	}
}

/* Scale a and minimum b j of 8, six bits each in twelve bytes. */
static void six_bits(const uint8_t *sc, int j, float *a, float *b)
{
	if (j < 4) {
		*a = (float)(sc[j] & 63);
		*b = (float)(sc[j + 4] & 63);
	} else {
		*a = (float)((sc[j + 4] & 15) | sc[j - 4] >> 6 << 4);
		*b = (float)(sc[j + 4] >> 4 | sc[j] >> 6 << 4);
	}
}

/* Q4_K and, with qh, Q5_K: 64 elements to 32 bytes, the first 32 in the low halves; bit j of qh[i] is the fifth
 * bit of element i of the 32 that share scale j. */
static void four_bits(float *y, float d, float dmin, const uint8_t *sc, const uint8_t *qh, const uint8_t *qs)
{
	float a, b;

	for (int j = 0; j < 8; j++) {
		six_bits(sc, j, &a, &b);
		for (int i = 0; i < 32; i++) {
			uint8_t byte = qs[32 * (j / 2) + i];
			int q = (j % 2 ? byte >> 4 : byte & 15) | (qh ? (qh[i] >> j & 1) << 4 : 0);

			y[32 * j + i] = d * a * (float)q - dmin * b;
		}
	}
}

void ggml_q4_k(float *y, const uint8_t *p)
{
	four_bits(y, ggml_half(p), ggml_half(p + 2), p + 4, 0, p + 16);
}

void ggml_q5_k(float *y, const uint8_t *p)
{
	four_bits(y, ggml_half(p), ggml_half(p + 2), p + 4, p + 16, p + 48);
}

void ggml_q6_k(float *y, const uint8_t *p)
{
	const uint8_t *ql = p, *qh = p + 128, *sc = p + 192;
	float d = ggml_half(p + 208);

	for (int n = 0; n < 256; n++) {
		int half = n / 128, k = n % 128 / 32, i = n % 32;
		uint8_t byte = ql[64 * half + 32 * (k & 1) + i];
		int q = (k >= 2 ? byte >> 4 : byte & 15) | (qh[32 * half + i] >> (2 * k) & 3) << 4;

		y[n] = d * (float)(int8_t)sc[n / 16] * (float)(q - 32);
	}
}

void ggml_iq4_xs(float *y, const uint8_t *p)
{
	const uint8_t *sl = p + 4, *qs = p + 8;
	int sh = p[2] | p[3] << 8;
	float d = ggml_half(p);

	for (int k = 0; k < 8; k++) {
		int s = (sl[k / 2] >> (4 * (k % 2)) & 15) | (sh >> (2 * k) & 3) << 4;
		float scale = d * (float)(s - 32);

		for (int i = 0; i < 16; i++) {
			y[32 * k + i] = scale * (float)ggml_iq4[qs[16 * k + i] & 15];
			y[32 * k + 16 + i] = scale * (float)ggml_iq4[qs[16 * k + i] >> 4];
		}
	}
}
