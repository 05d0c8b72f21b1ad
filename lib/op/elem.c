/* Operators that touch each element once or twice: rows in the pool, a kernel per row. */
#include "op/host.h"

#include "base/err.h"
#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

_Static_assert(ACT_NONE == (int)K_NONE && ACT_SILU == (int)K_SILU && ACT_GELU == (int)K_GELU &&
               ACT_GELU_TANH == (int)K_GELU_TANH && ACT_RELU == (int)K_RELU && ACT_QUICK_GELU == (int)K_QUICK_GELU,
               "kern.h numbers the activations as op.h does");

static bool is_f32(const struct tensor *t)
{
	return t->dt == DT_F32;
}

/* What an operator that computes in f32 may write. */
static bool is_out(const struct tensor *t)
{
	return t->dt == DT_F32 || t->dt == DT_BF16;
}

static int shape_error(const char *op)
{
	return err_set(ST_FAIL, "%s: shapes or types do not fit", op);
}

/* n bytes from one address to another, and elements between types.  Unaligned sources are legal in a file, so
 * what the kernels cannot be given goes through lib/tensor. */
struct copy {
	struct host *h;
	char *dst;
	const char *src;
	enum dtype to, from;
	int64_t n;
	atomic_int bad;
};

static bool aligned(const void *p, size_t size)
{
	return (uintptr_t)p % size == 0;
}

static void copy_run(struct copy *c, char *d, const char *s, int64_t n)
{
	const struct kern *k = &c->h->k;

	if (c->to == c->from)
		memcpy(d, s, (size_t)n * dtype_size(c->to));
	else if (c->to == DT_F32 && c->from == DT_BF16 && aligned(s, 2) && aligned(d, 4))
		k->bf16_f32((float *)d, (const uint16_t *)s, n);
	else if (c->to == DT_F32 && c->from == DT_F16 && aligned(s, 2) && aligned(d, 4))
		k->f16_f32((float *)d, (const uint16_t *)s, n);
	else if (c->to == DT_BF16 && c->from == DT_F32 && aligned(s, 4) && aligned(d, 2))
		k->f32_bf16((uint16_t *)d, (const float *)s, n);
	else if (c->to == DT_F16 && c->from == DT_F32 && aligned(s, 4) && aligned(d, 2))
		k->f32_f16((uint16_t *)d, (const float *)s, n);
	else if (c->to == DT_F32 ? to_f32((float *)d, s, c->from, (size_t)n) < 0 : 1)
		atomic_store(&c->bad, 1);
}

/* Elements that pass through a buffer on the stack at a time. */
enum { VIA = 1024 };

static void copy_item(void *arg, int64_t i, int worker)
{
	struct copy *c = arg;
	int64_t a = i * GRAIN, b = least(a + GRAIN, c->n), k;
	size_t ds = dtype_size(c->to), ss = dtype_size(c->from);
	float tmp[VIA];

	(void)worker;
	if (c->to == c->from || c->to == DT_F32 || c->from == DT_F32) {
		copy_run(c, c->dst + (size_t)a * ds, c->src + (size_t)a * ss, b - a);
		return;
	}
	for (; a < b; a += k) {                 /* between two 16-bit types: F32 holds both */
		k = least(VIA, b - a);
		if (to_f32(tmp, c->src + (size_t)a * ss, c->from, (size_t)k) < 0 ||
		    from_f32(c->dst + (size_t)a * ds, c->to, tmp, (size_t)k) < 0)
			atomic_store(&c->bad, 1);
	}
}

int op_copy(struct dev *d, struct tensor *dst, const struct tensor *src)
{
	struct copy c = { .h = host(d), .dst = dst->data, .src = src->data, .to = dst->dt, .from = src->dt,
	                  .n = tensor_count(src) };

	if (tensor_count(dst) != c.n)
		return shape_error("copy");
	pool_for(div_up(c.n, GRAIN), copy_item, &c);
	if (c.bad)
		return err_set(ST_UNSUP, "cannot copy %s to %s", dtype_name(c.from), dtype_name(c.to));
	return 0;
}

/* Rows of y[m,C]: `per` of them make an item. */
struct rows {
	struct host *h;
	const struct tensor *y, *x, *u;
	int64_t m, C, per;
	const int32_t *ids;
	enum norm kind;
	enum act act;
	const float *w, *b;
	float eps, *tmp;                /* tmp: a row per worker, for y in BF16 */
	/* rope */
	float *p;
	int64_t ld;
	int nh, D, rot, T, interleaved;
	const float *cos, *sin;
	atomic_int bad;
};

static void for_rows(struct rows *r, void (*fn)(void *, int64_t, int))
{
	r->per = r->C < GRAIN ? GRAIN / (r->C > 0 ? r->C : 1) : 1;
	pool_for(div_up(r->m, r->per), fn, r);
}

static void embed_item(void *arg, int64_t item, int worker)
{
	struct rows *r = arg;
	size_t size = dtype_size(r->x->dt);

	(void)worker;
	for (int64_t i = item * r->per; i < least((item + 1) * r->per, r->m); i++)
		if (to_f32((float *)r->y->data + i * r->C, (const char *)r->x->data + (size_t)(r->ids[i] * r->C) * size,
		           r->x->dt, (size_t)r->C) < 0)
			atomic_store(&r->bad, 1);
}

int op_embed(struct dev *d, struct tensor *y, const struct tensor *table, const int32_t *ids)
{
	struct rows r = { .h = host(d), .y = y, .x = table, .m = tensor_rows(y), .C = tensor_cols(y), .ids = ids };

	if (!is_f32(y) || tensor_cols(table) != r.C)
		return shape_error("embed");
	for_rows(&r, embed_item);
	return r.bad ? err_set(ST_UNSUP, "embed: a table of %s", dtype_name(table->dt)) : 0;
}

static void norm_item(void *arg, int64_t item, int worker)
{
	const struct rows *r = arg;
	float *tmp = r->tmp + worker * r->C;

	for (int64_t i = item * r->per; i < least((item + 1) * r->per, r->m); i++) {
		float *y = is_f32(r->y) ? (float *)r->y->data + i * r->C : tmp;

		r->h->k.norm(y, (const float *)r->x->data + i * r->C, r->C, r->w, r->b, r->eps, r->kind == NORM_LAYER,
		             r->kind == NORM_RMS1);
		if (y == tmp)
			r->h->k.f32_bf16((uint16_t *)r->y->data + i * r->C, tmp, r->C);
	}
}

int op_norm(struct dev *d, struct tensor *y, const struct tensor *x, enum norm kind, const float *w, const float *b,
            float eps)
{
	struct rows r = { .h = host(d), .y = y, .x = x, .m = tensor_rows(x), .C = tensor_cols(x), .kind = kind, .w = w,
	                  .b = b, .eps = eps };

	if (!is_out(y) || !is_f32(x) || tensor_count(y) != r.m * r.C)
		return shape_error("norm");
	r.tmp = host_scratch(r.h, pool_threads() * r.C, sizeof(*r.tmp));
	for_rows(&r, norm_item);
	return 0;
}

static void rope_item(void *arg, int64_t item, int worker)
{
	const struct rows *r = arg;

	(void)worker;
	for (int64_t i = item * r->per; i < least((item + 1) * r->per, r->m); i++) {
		int64_t at = i % r->T * (r->rot / 2);

		r->h->k.rope(r->p + i * r->ld, r->nh, r->D, r->rot, r->cos + at, r->sin + at, r->interleaved);
	}
}

int op_rope(struct dev *d, float *x, int64_t rows, int64_t ld, int nh, int D, int rot, int T, const float *cos,
            const float *sin, int interleaved)
{
	struct rows r = { .h = host(d), .m = rows, .C = (int64_t)nh * rot, .p = x, .ld = ld, .nh = nh, .D = D,
	                  .rot = rot, .T = T, .cos = cos, .sin = sin, .interleaved = interleaved };

	if (rot % 2 || rot < 0 || rot > D || T <= 0)
		return shape_error("rope");
	for_rows(&r, rope_item);
	return 0;
}

static void glu_item(void *arg, int64_t item, int worker)
{
	const struct rows *r = arg;
	const float *g = r->x->data, *u = r->u ? r->u->data : NULL;
	int64_t a = item * GRAIN, end = least(a + GRAIN, r->m), n;
	float tmp[VIA];

	(void)worker;
	if (is_f32(r->y)) {
		r->h->k.glu[r->act]((float *)r->y->data + a, g + a, u ? u + a : NULL, end - a);
		return;
	}
	for (; a < end; a += n) {
		n = least(VIA, end - a);
		r->h->k.glu[r->act](tmp, g + a, u ? u + a : NULL, n);
		r->h->k.f32_bf16((uint16_t *)r->y->data + a, tmp, n);
	}
}

int op_glu(struct dev *d, struct tensor *y, const struct tensor *g, const struct tensor *u, enum act act)
{
	struct rows r = { .h = host(d), .y = y, .x = g, .u = u, .m = tensor_count(g), .act = act };

	if (!is_out(y) || !is_f32(g) || tensor_count(y) != r.m || (u && (!is_f32(u) || tensor_count(u) != r.m)) ||
	    (int)act < 0 || (int)act >= K_ACTS)
		return shape_error("glu");
	pool_for(div_up(r.m, GRAIN), glu_item, &r);
	return 0;
}

static void axpy_item(void *arg, int64_t item, int worker)
{
	const struct rows *r = arg;
	int64_t a = item * GRAIN, n = least(GRAIN, r->m - a);

	(void)worker;
	r->h->k.axpy((float *)r->y->data + a, (const float *)r->x->data + a, r->eps, n);
}

int op_axpy(struct dev *d, struct tensor *y, const struct tensor *x, float alpha)
{
	struct rows r = { .h = host(d), .y = y, .x = x, .m = tensor_count(x), .eps = alpha };

	if (!is_f32(y) || !is_f32(x) || tensor_count(y) != r.m)
		return shape_error("axpy");
	pool_for(div_up(r.m, GRAIN), axpy_item, &r);
	return 0;
}
