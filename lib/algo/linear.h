/* A linear on its way to being quantized: what round-to-nearest and GPTQ share. */
#ifndef LINEAR_H
#define LINEAR_H

#include "quant/grid.h"
#include "run/filter.h"

struct linear {
	int i;                          /* tensor of the block */
	char role[LABEL];                 /* "attn.q", "expert.3.gate" */
	int64_t out, in;
	struct qrec q;                  /* arrays in the block's arena; grid not yet fitted */
};

enum scale_opt { SCALE_AUTO, SCALE_F32, SCALE_BF16, SCALE_F16 };
#define SCALE_OPT(type, field) \
	{ "scale-dtype", 0, O_ENUM, offsetof(type, field), "TYPE", "auto", "auto|f32|bf16|f16", 0, 0, 0, \
	  "type that scales are rounded to; auto: the checkpoint's" }

/* Tensor i, when it is the weight of a linear and the rules give it a spec: 1, *l filled; 0: not to be quantized; -1:
 * error set. */
int linear_open(struct linear *l, struct run *, struct block *, int i, enum scale_opt);
/* Its rows [r0, r1) in F32, finite, into w.  -1: error set. */
int linear_rows(const struct linear *l, const struct block *, int64_t r0, int64_t r1, float *w);
/* Puts l->q into the block in its place; `release`: nobody reads the weight any more, its memory goes back.  -1: error
 * set, a scale overflowed its type. */
int linear_store(struct linear *l, struct block *, bool release);

#endif
