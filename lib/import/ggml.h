/* The element types of GGUF. */
#ifndef GGML_H
#define GGML_H

#include <stdint.h>

enum ggml_type {                        /* those we decode; a file may hold others */
	GT_F32 = 0, GT_F16 = 1, GT_Q4_0 = 2, GT_Q4_1 = 3, GT_Q5_0 = 6, GT_Q5_1 = 7, GT_Q8_0 = 8, GT_Q2_K = 10,
	GT_Q3_K = 11, GT_Q4_K = 12, GT_Q5_K = 13, GT_Q6_K = 14, GT_IQ4_NL = 20, GT_IQ4_XS = 23, GT_BF16 = 30
};

const char *ggml_type_name(uint32_t type);              /* "Q4_1"; "type 99" is the caller's business: NULL */
/* Bytes of n elements, n a multiple of the block; 0 when the type is not one of ours. */
uint64_t ggml_bytes(uint32_t type, uint64_t n);
int ggml_block(uint32_t type);                          /* elements of a block: 1, 32 or 256; 0 as above */
/* n elements to F32, n a multiple of the block. */
void ggml_f32(float *dst, const void *src, uint32_t type, uint64_t n);

/* For ggml.c and ggmlk.c alone: one block to 256 F32. */
void ggml_q2_k(float *y, const uint8_t *block);
void ggml_q3_k(float *y, const uint8_t *block);
void ggml_q4_k(float *y, const uint8_t *block);
void ggml_q5_k(float *y, const uint8_t *block);
void ggml_q6_k(float *y, const uint8_t *block);
void ggml_iq4_xs(float *y, const uint8_t *block);
extern const int8_t ggml_iq4[16];
float ggml_half(const uint8_t *p);

#endif
