/* Inside lib/op: the device behind "ref" and "cpu", both the host, and the operators they share.
 *
 * Every operator cuts its work into items that depend on the shapes alone and hands them to the pool; a sum is
 * never split over items.  So results do not depend on the number of threads.  An operator is called by one
 * thread at a time (the pool does not nest), hence one scratch area per device is enough. */
#ifndef HOST_H
#define HOST_H

#include "base/mem.h"
#include "kernels/kern.h"
#include "op/op.h"

struct host {
	struct dev dev;                 /* first: a struct dev * is a struct host * */
	struct kern k;
	unsigned feat;                  /* CPU_* */
	int dtype;                      /* as asked for: 0 auto, 1, 2 */
	bool f32_by_dnnl;               /* see mm.h */
	bool fast_bf16;                 /* products of bf16 run in hardware, faster than f32 */
	bool panels16, panels32;        /* bf16, f32 products of linears by kernels/: see panels.c */
	int64_t wide_n;                 /* chol_inv is f64 from the start up to this size */
	void *buf;                      /* scratch; owned */
	size_t cap;
	char text[256];                 /* dev_describe */
};

static inline struct host *host(struct dev *d)
{
	return (struct host *)d;
}

/* At least n elements of `size` bytes each, 64-byte aligned, not cleared; good until the next call.  Dies when
 * there is no such memory. */
void *host_scratch(struct host *, int64_t n, size_t size);

/* Items of about this many elements for operators that touch each element once or twice. */
enum { GRAIN = 1 << 15 };

int64_t div_up(int64_t a, int64_t b);

/* Do shapes and types fit together? */
bool linear_fits(const struct tensor *y, const struct tensor *x, const struct tensor *w, const struct tensor *b);
bool gram_fits(const struct tensor *h, const struct tensor *x);
bool attn_fits(const struct tensor *o, const struct attn_args *);
bool factor_fits(const struct tensor *u, const struct tensor *h);

/* elem.c, loss.c, panel.c: shared by ref and cpu; the kernels differ */
int op_copy(struct dev *, struct tensor *, const struct tensor *);
int op_embed(struct dev *, struct tensor *, const struct tensor *, const int32_t *);
int op_norm(struct dev *, struct tensor *, const struct tensor *, enum norm, const float *, const float *, float);
int op_rope(struct dev *, float *, int64_t, int64_t, int, int, int, int, const float *, const float *, int);
int op_glu(struct dev *, struct tensor *, const struct tensor *, const struct tensor *, enum act);
int op_axpy(struct dev *, struct tensor *, const struct tensor *, float);
int op_nll(struct dev *, double *, int32_t *, const struct tensor *, const int32_t *);
int op_kl(struct dev *, double *, const struct tensor *, const struct tensor *);
int op_gptq_panel(struct dev *, int64_t, int, float *, int64_t, const float *, int64_t, const float *, const float *,
                  int64_t, const int32_t *, int, uint8_t *, int64_t, float *);

/* product.c */
enum { PAD = 16 };
int64_t round_up(int64_t a, int64_t b);                 /* to a multiple of b */
int64_t even_tile(int64_t n, int64_t most, int64_t of); /* n in as few equal parts as allowed, multiples of `of` */
/* x in bf16: itself, or rounded into y; and as f32, in y, which has room for it.  In the pool. */
const uint16_t *host_bf16(struct host *, const struct tensor *x, uint16_t *y);
const float *host_as_bf16(struct host *, const struct tensor *x, float *y);
int cpu_linear(struct dev *, struct tensor *, const struct tensor *, const struct tensor *, const struct tensor *);
int cpu_gemm(struct dev *, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t,
             float, float *, int64_t);
/* panels.c */
int64_t panel_size(int64_t k);          /* elements of a bf16 panel of k rows */
void panels_linear(struct host *, struct tensor *, const struct tensor *, const struct tensor *, const struct tensor *);
/* gram.c */
int cpu_gram(struct dev *, struct tensor *, const struct tensor *);
int op_mirror(struct dev *, struct tensor *);
/* attn.c */
void attn_panels(struct host *, struct tensor *o, const struct attn_args *);             /* attn_panel.c */
int cpu_attn(struct dev *, struct tensor *, const struct attn_args *);
/* chol.c */
int cpu_chol_inv(struct dev *, struct tensor *, const struct tensor *);

#endif
