/* The reference device: the formulas, in double where a sum is long.  What numbers ought to be, not fast. */
#include "op/host.h"

#include "base/err.h"
#include "base/pool.h"

#include <math.h>

/* Rows of a product that make an item. */
enum { REF_ROWS = 16 };

struct product {
	struct host *h;
	int ta, tb;
	int64_t m, n, k, lda, ldb, ldc;
	float alpha, beta;
	const float *a, *b, *bias;
	float *c;
};

static void product_item(void *arg, int64_t i, int worker)
{
	const struct product *p = arg;
	int64_t r = i * REF_ROWS, m = least(REF_ROWS, p->m - r);

	(void)worker;
	p->h->k.gemm(p->ta, p->tb, m, p->n, p->k, p->alpha, p->a + (p->ta ? r : r * p->lda), p->lda, p->b, p->ldb,
	             p->beta, p->c + r * p->ldc, p->ldc);
	for (int64_t j = 0; p->bias && j < m; j++)
		p->h->k.axpy(p->c + (r + j) * p->ldc, p->bias, 1, p->n);
}

static int ref_gemm(struct dev *d, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                    int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	struct product p = { .h = host(d), .ta = ta, .tb = tb, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb,
	                     .ldc = ldc, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c };

	pool_for(div_up(m, REF_ROWS), product_item, &p);
	return 0;
}

/* y = x as bf16 holds it */
static void as_bf16(const struct kern *k, float *y, const struct tensor *t)
{
	const float *x = t->data;
	int64_t n = tensor_count(t);
	uint16_t tmp[256];

	if (t->dt == DT_BF16) {
		k->bf16_f32(y, t->data, n);
		return;
	}
	for (int64_t i = 0; i < n; i += 256) {
		k->f32_bf16(tmp, x + i, least(256, n - i));
		k->bf16_f32(y + i, tmp, least(256, n - i));
	}
}

static int ref_linear(struct dev *d, struct tensor *y, const struct tensor *x, const struct tensor *w,
                      const struct tensor *b)
{
	struct host *h = host(d);
	int64_t m = tensor_rows(x), k = tensor_cols(x), n = tensor_rows(w);
	struct product p = { .h = h, .tb = 1, .m = m, .n = n, .k = k, .lda = k, .ldb = k, .ldc = n, .alpha = 1,
	                     .a = x->data, .b = w->data, .bias = b ? b->data : NULL, .c = y->data };

	if (!linear_fits(y, x, w, b))
		return err_set(ST_FAIL, "linear: shapes or types do not fit");
	if (w->dt == DT_BF16) {
		float *s = host_scratch(h, m * k + n * k, sizeof(*s));

		as_bf16(&h->k, s, x);
		h->k.bf16_f32(s + m * k, w->data, n * k);
		p.a = s;
		p.b = s + m * k;
	}
	pool_for(div_up(m, REF_ROWS), product_item, &p);
	return 0;
}

static int ref_gram(struct dev *d, struct tensor *h, const struct tensor *x)
{
	int64_t m = tensor_rows(x), k = tensor_cols(x);
	const float *a = x->data;
	float *s;

	if (!gram_fits(h, x))
		return err_set(ST_FAIL, "gram: shapes or types do not fit");
	if (d->mm == DT_BF16 || x->dt == DT_BF16) {
		a = s = host_scratch(host(d), m * k, sizeof(*s));
		as_bf16(&host(d)->k, s, x);
	}
	return ref_gemm(d, 1, 0, k, k, m, 1, a, k, a, k, 1, h->data, k);
}

struct attn {
	struct host *h;
	const struct attn_args *a;
	struct tensor *o;
	double *s;                      /* per worker, [T] */
	float *row;                     /* per worker, [Dv]: for o in BF16 */
};

static void attn_item(void *arg, int64_t i, int worker)
{
	const struct attn *t = arg;
	const struct attn_args *a = t->a;
	int64_t row = i / a->H, head = i % a->H, kv = head / (a->H / a->K), pos = row % a->T, first = row - pos;
	int64_t lo = a->window > 0 && pos >= a->window ? pos - a->window + 1 : 0;
	int64_t to = (row * a->H + head) * a->Dv;
	float *o = t->o->dt == DT_F32 ? (float *)t->o->data + to : t->row + (int64_t)worker * a->Dv;

	/* A slope times the first visible key is the same for all keys, and the softmax does not see it. */
	t->h->k.attn(o, a->q + row * a->ldq + head * a->D,
	             a->k + (first + lo) * a->ldk + kv * a->D, a->ldk, a->v + (first + lo) * a->ldv + kv * a->Dv,
	             a->ldv, pos - lo + 1, a->D, a->Dv, a->scale, a->cap, a->slope ? a->slope[head] : 0,
	             a->bias ? a->bias + head * a->T + lo : NULL, t->s + (int64_t)worker * a->T);
	if (t->o->dt != DT_F32)
		t->h->k.f32_bf16((uint16_t *)t->o->data + to, o, a->Dv);
}

static int ref_attn(struct dev *d, struct tensor *o, const struct attn_args *a)
{
	struct attn t = { .h = host(d), .a = a, .o = o };
	int64_t n = pool_threads();

	if (!attn_fits(o, a))
		return err_set(ST_FAIL, "attn: shapes or types do not fit");
	t.s = host_scratch(t.h, n * (a->T + a->Dv), sizeof(double));
	t.row = (float *)(void *)(t.s + n * a->T);
	pool_for((int64_t)a->n * a->T * a->H, attn_item, &t);
	return 0;
}

/* H = R R^T with R upper triangular, from the last column to the first; then U = R^-1, for
 * U^T U = R^-T R^-1 = H^-1.  a: [n,n], in place, the strict lower part ignored. */
static int factor(double *a, int64_t n)
{
	for (int64_t j = n - 1; j >= 0; j--) {
		for (int64_t i = j; i >= 0; i--) {
			double s = a[i * n + j];

			for (int64_t k = j + 1; k < n; k++)
				s -= a[i * n + k] * a[j * n + k];
			if (i == j && !(s > 0 && isfinite(s)))
				return 1;
			a[i * n + j] = i == j ? sqrt(s) : s / a[j * n + j];
		}
	}
	for (int64_t j = 0; j < n; j++) {       /* column j of the inverse from the inverse of what is before it */
		a[j * n + j] = 1 / a[j * n + j];
		for (int64_t i = 0; i < j; i++) {
			double s = 0;

			for (int64_t k = i; k < j; k++)
				s += a[i * n + k] * a[k * n + j];
			a[i * n + j] = -s * a[j * n + j];
		}
	}
	return 0;
}

static int ref_chol_inv(struct dev *d, struct tensor *u, const struct tensor *h)
{
	int64_t n = tensor_cols(h);
	const float *from = h->data;
	float *to = u->data;
	double *a;

	if (!factor_fits(u, h))
		return err_set(ST_FAIL, "chol_inv: shapes or types do not fit");
	a = host_scratch(host(d), n * n, sizeof(*a));
	for (int64_t i = 0; i < n * n; i++)
		a[i] = from[i];
	if (factor(a, n))
		return 1;
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < n; j++)
			to[i * n + j] = j < i ? 0 : (float)a[i * n + j];
	return 0;
}

const struct ops ops_ref = {
	.name = "ref",
	.copy = op_copy,
	.embed = op_embed,
	.linear = ref_linear,
	.gemm = ref_gemm,
	.norm = op_norm,
	.rope = op_rope,
	.attn = ref_attn,
	.glu = op_glu,
	.axpy = op_axpy,
	.gram = ref_gram,
	.mirror = op_mirror,
	.chol_inv = ref_chol_inv,
	.gptq_panel = op_gptq_panel,
	.nll = op_nll,
	.kl = op_kl,
};
