/* Element types and their conversions.  16- and 8-bit floats round to nearest even. */
#ifndef DTYPE_H
#define DTYPE_H

#include <stddef.h>
#include <stdint.h>

enum dtype {
	DT_NONE, DT_F32, DT_F16, DT_BF16, DT_F64, DT_F8E4M3, DT_F8E5M2,
	DT_I64, DT_I32, DT_I16, DT_I8, DT_U64, DT_U32, DT_U16, DT_U8, DT_BOOL,
	DT_N
};

size_t dtype_size(enum dtype);                  /* bytes per element */
const char *dtype_name(enum dtype);             /* "BF16", as safetensors spells it */
enum dtype dtype_find(const char *name);        /* DT_NONE when unknown */

float bf16_f32(uint16_t);
uint16_t f32_bf16(float);                       /* NaN stays NaN */
float f16_f32(uint16_t);
uint16_t f32_f16(float);                        /* overflow gives Inf */
float e4m3_f32(uint8_t);                        /* E4M3FN: 0x7f is NaN, no Inf */
float e5m2_f32(uint8_t);

/* dst[i] = (F32) src[i]; src of any float type.  -1 (error set) for an integer type. */
int to_f32(float *dst, const void *src, enum dtype, size_t n);
/* The other way, to F32, F16 or BF16. */
int from_f32(void *dst, enum dtype, const float *src, size_t n);
/* Index of the first element that is Inf or NaN, or -1.  Integer types have none. */
int64_t first_nonfinite(const void *src, enum dtype, size_t n);

#endif
