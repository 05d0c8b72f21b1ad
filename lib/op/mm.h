/* Products of one tile by one thread: OpenBLAS in f32, oneDNN in bf16.  Internal to lib/op. */
#ifndef MM_H
#define MM_H

#include <stdbool.h>
#include <stdint.h>

/* c[m,n] = alpha op(a) op(b) + beta c, row-major; dnnl: by oneDNN, as mm_f32_by_dnnl said */
void mm_f32(bool dnnl, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
            const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
/* c[m,n] = op(a) op(b), or added to c, bf16 with f32 sums.  -1 (error set) when oneDNN fails. */
int mm_bf16(int ta, int tb, int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b,
            int64_t ldb, bool add, float *c, int64_t ldc);
bool mm_have_bf16(void);                /* compiled in */
const char *mm_dnnl_isa(void);          /* what oneDNN's kernels use, "avx512_core_bf16"; "none": not compiled in */
bool mm_f32_by_dnnl(unsigned feat);     /* is it to be had, and better on a processor with these CPU_* */

#endif
