#include "tensor/dtype.h"

#include "base/clones.h"
#include "base/err.h"

#include <stdbool.h>
#include <string.h>

/* Conversions run over buffers of this many elements: a constant trip count lets the compiler use vectors, and copying into the buffer first makes any alignment of the source good enough (a tensor of a
 * checkpoint may start on an odd byte). */
enum { RUN = 256 };

static const struct {
	const char *name;
	size_t size;
} type[DT_N] = {
	[DT_NONE]   = { "none",    0 },
	[DT_F32]    = { "F32",     4 },
	[DT_F16]    = { "F16",     2 },
	[DT_BF16]   = { "BF16",    2 },
	[DT_F64]    = { "F64",     8 },
	[DT_F8E4M3] = { "F8_E4M3", 1 },
	[DT_F8E5M2] = { "F8_E5M2", 1 },
	[DT_I64]    = { "I64",     8 },
	[DT_I32]    = { "I32",     4 },
	[DT_I16]    = { "I16",     2 },
	[DT_I8]     = { "I8",      1 },
	[DT_U64]    = { "U64",     8 },
	[DT_U32]    = { "U32",     4 },
	[DT_U16]    = { "U16",     2 },
	[DT_U8]     = { "U8",      1 },
	[DT_BOOL]   = { "BOOL",    1 },
};

size_t dtype_size(enum dtype dt)
{
	return type[dt].size;
}

const char *dtype_name(enum dtype dt)
{
	return type[dt].name;
}

enum dtype dtype_find(const char *name)
{
	for (int i = 1; i < DT_N; i++)
		if (!strcmp(type[i].name, name))
			return (enum dtype)i;
	return DT_NONE;
}

static inline uint32_t bits_of(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static inline float float_of(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* bf16 is the upper half of an f32. */
static inline float bf16_up(uint16_t h)
{
	return float_of((uint32_t)h << 16);
}

/* Half an ulp, less one when the last kept bit is even, carries into it.  A NaN's payload may lie wholly in
 * the lower half: the quiet bit keeps it a NaN. */
static inline uint16_t bf16_down(float f)
{
	uint32_t u = bits_of(f), r = (u + 0x7fff + (u >> 16 & 1)) >> 16;

	return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : r);
}

/*   f16  s eeeee mmmmmmmmmm     bias 15; e = 0: m * 2^-24; e = 31: Inf or NaN
 *   f32  s eeeeeeee m...(23)    bias 127, so the exponent grows by 112 and the mantissa by 13 bits */
static inline float f16_up(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, em = h & 0x7fff;
	uint32_t sub = bits_of((float)(int32_t)em * 0x1p-24f);          /* exact */
	uint32_t u = (em << 13) + (em >= 0x7c00 ? (255u - 31u) << 23 : 112u << 23);

	return float_of(sign | (em < 0x400 ? sub : u));
}

static inline uint16_t f16_down(float f)
{
	uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
	/* Below 2^-14 the result is a multiple of 2^-24, which is the ulp of 0.5: the addition rounds. */
	uint32_t sub = bits_of(float_of(a < 0x38800000 ? a : 0) + 0.5f) - 0x3f000000;
	uint32_t nor = (a - (112u << 23) + 0xfff + (a >> 13 & 1)) >> 13;
	uint32_t r = a < 0x38800000 ? sub : nor;

	if (a >= 0x477ff000)            /* 65520, half way between 65504 and what would be 65536 */
		r = 0x7c00;
	if (a > 0x7f800000)
		r = 0x7e00 | (a >> 13 & 0x3ff);
	return (uint16_t)(sign | r);
}

float bf16_f32(uint16_t h)
{
	return bf16_up(h);
}

uint16_t f32_bf16(float f)
{
	return bf16_down(f);
}

float f16_f32(uint16_t h)
{
	return f16_up(h);
}

uint16_t f32_f16(float f)
{
	return f16_down(f);
}

/* s eeee mmm, bias 7; e = 0: m * 2^-9; 0x7f and 0xff are NaN, there is no Inf. */
float e4m3_f32(uint8_t b)
{
	uint32_t sign = (uint32_t)(b & 0x80) << 24, em = b & 0x7f;

	if (em == 0x7f)
		return float_of(sign | 0x7fc00000);
	if (em < 8)
		return float_of(sign | bits_of((float)em * 0x1p-9f));
	return float_of(sign | ((em << 20) + (120u << 23)));
}

/* s eeeee mm: the upper half of an f16. */
float e5m2_f32(uint8_t b)
{
	return f16_up((uint16_t)(b << 8));
}

/* Each loop below handles RUN elements through an aligned buffer, and then the rest with the same code. */
#define BULK(SRC, DST, EXPR) do {                                               \
	const char *s_ = src;                                                   \
	char *d_ = dst;                                                         \
	SRC in[RUN];                                                            \
	DST out[RUN];                                                           \
	for (; n >= RUN; n -= RUN, s_ += sizeof(in), d_ += sizeof(out)) {       \
		memcpy(in, s_, sizeof(in));                                     \
		for (int i = 0; i < RUN; i++)                                   \
			out[i] = (EXPR);                                        \
		memcpy(d_, out, sizeof(out));                                   \
	}                                                                       \
	memcpy(in, s_, n * sizeof(*in));                                        \
	for (int i = 0; i < (int)n; i++)                                        \
		out[i] = (EXPR);                                                \
	memcpy(d_, out, n * sizeof(*out));                                      \
} while (0)

CLONES static void bf16_up_n(void *dst, const void *src, size_t n)
{
	BULK(uint16_t, float, bf16_up(in[i]));
}

CLONES static void f16_up_n(void *dst, const void *src, size_t n)
{
	BULK(uint16_t, float, f16_up(in[i]));
}

static void f64_n(void *dst, const void *src, size_t n)
{
	BULK(double, float, (float)in[i]);
}

static void e4m3_n(void *dst, const void *src, size_t n)
{
	BULK(uint8_t, float, e4m3_f32(in[i]));
}

static void e5m2_n(void *dst, const void *src, size_t n)
{
	BULK(uint8_t, float, f16_up((uint16_t)(in[i] << 8)));
}

CLONES static void bf16_down_n(void *dst, const void *src, size_t n)
{
	BULK(float, uint16_t, bf16_down(in[i]));
}

CLONES static void f16_down_n(void *dst, const void *src, size_t n)
{
	BULK(float, uint16_t, f16_down(in[i]));
}

int to_f32(float *dst, const void *src, enum dtype dt, size_t n)
{
	if (!n)
		return 0;
	switch (dt) {
	case DT_F32:
		memmove(dst, src, n * sizeof(*dst));
		return 0;
	case DT_F16:
		f16_up_n(dst, src, n);
		return 0;
	case DT_BF16:
		bf16_up_n(dst, src, n);
		return 0;
	case DT_F64:
		f64_n(dst, src, n);
		return 0;
	case DT_F8E4M3:
		e4m3_n(dst, src, n);
		return 0;
	case DT_F8E5M2:
		e5m2_n(dst, src, n);
		return 0;
	default:
		return err_set(ST_UNSUP, "cannot read %s as floating point", dtype_name(dt));
	}
}

int from_f32(void *dst, enum dtype dt, const float *src, size_t n)
{
	if (!n)
		return 0;
	switch (dt) {
	case DT_F32:
		memmove(dst, src, n * sizeof(*src));
		return 0;
	case DT_F16:
		f16_down_n(dst, src, n);
		return 0;
	case DT_BF16:
		bf16_down_n(dst, src, n);
		return 0;
	default:
		return err_set(ST_UNSUP, "cannot write %s from F32", dtype_name(dt));
	}
}

/* An element is Inf or NaN when all bits of the exponent are set; for e4m3, when all but the sign are. */
#define SCAN(TYPE, MASK) do {                                                   \
	const char *s_ = src;                                                   \
	const TYPE mask = (MASK);                                               \
	TYPE in[RUN];                                                           \
	for (size_t at = 0; at < n; at += RUN) {                                \
		size_t k = n - at < RUN ? n - at : RUN;                         \
		unsigned bad = 0;                                               \
		memset(in, 0, sizeof(in));                                      \
		memcpy(in, s_ + at * sizeof(*in), k * sizeof(*in));             \
		for (int i = 0; i < RUN; i++)                                   \
			bad |= (in[i] & mask) == mask;                          \
		for (size_t i = 0; bad && i < k; i++)                           \
			if ((in[i] & mask) == mask)                             \
				return (int64_t)(at + i);                       \
	}                                                                       \
	return -1;                                                              \
} while (0)

static int64_t scan8(const void *src, size_t n, uint8_t m)
{
	SCAN(uint8_t, m);
}

CLONES static int64_t scan16(const void *src, size_t n, uint16_t m)
{
	SCAN(uint16_t, m);
}

CLONES static int64_t scan32(const void *src, size_t n, uint32_t m)
{
	SCAN(uint32_t, m);
}

static int64_t scan64(const void *src, size_t n, uint64_t m)
{
	SCAN(uint64_t, m);
}

int64_t first_nonfinite(const void *src, enum dtype dt, size_t n)
{
	switch (dt) {
	case DT_F32:
		return scan32(src, n, 0x7f800000);
	case DT_F16:
		return scan16(src, n, 0x7c00);
	case DT_BF16:
		return scan16(src, n, 0x7f80);
	case DT_F64:
		return scan64(src, n, 0x7ff0000000000000);
	case DT_F8E4M3:
		return scan8(src, n, 0x7f);
	case DT_F8E5M2:
		return scan8(src, n, 0x7c);
	default:
		return -1;
	}
}
