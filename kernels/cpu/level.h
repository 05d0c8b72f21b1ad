/* What each file OP_ISA.c exports: a function that puts its kernels into the table. */
#ifndef LEVEL_H
#define LEVEL_H

#include "kernels/kern.h"

void conv_avx2(struct kern *);
void glu_avx2(struct kern *);
void norm_avx2(struct kern *);
void axpy_avx2(struct kern *);
void rope_avx2(struct kern *);
void softmax_avx2(struct kern *);
void loss_avx2(struct kern *);
void gptq_avx2(struct kern *);
void mul_avx2(struct kern *);
void conv_avx512(struct kern *);
void glu_avx512(struct kern *);
void norm_avx512(struct kern *);
void axpy_avx512(struct kern *);
void rope_avx512(struct kern *);
void softmax_avx512(struct kern *);
void loss_avx512(struct kern *);
void gptq_avx512(struct kern *);
void mul_avx512(struct kern *);
void conv_avx512_bf16(struct kern *);
void mul_avx512_bf16(struct kern *);
void softmax_avx512_bf16(struct kern *);

#endif
