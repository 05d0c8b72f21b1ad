/* Losses of rows of logits: a row an item. */
#include "op/host.h"

#include "base/err.h"
#include "base/pool.h"

struct loss {
	struct host *h;
	const float *p, *q;
	int64_t V;
	double *out;
	int32_t *top;
	const int32_t *label;
};

static void nll_item(void *arg, int64_t i, int worker)
{
	const struct loss *l = arg;
	const float *x = l->p + i * l->V;
	int32_t top;
	double lse = l->h->k.lse(x, l->V, &top);

	(void)worker;
	if (l->out)
		l->out[i] = lse - x[l->label[i]];
	if (l->top)
		l->top[i] = top;
}

int op_nll(struct dev *d, double *out, int32_t *top, const struct tensor *logits, const int32_t *label)
{
	struct loss l = { .h = host(d), .p = logits->data, .V = tensor_cols(logits), .out = out, .top = top,
	                  .label = label };
	int64_t m = tensor_rows(logits);

	if (logits->dt != DT_F32 || l.V < 1 || l.V > INT32_MAX)
		return err_set(ST_FAIL, "nll: shapes or types do not fit");
	for (int64_t i = 0; out && i < m; i++)
		if (label[i] < 0 || label[i] >= l.V)
			return err_set(ST_BAD, "label %d is outside the vocabulary of %lld", label[i], (long long)l.V);
	pool_for(m, nll_item, &l);
	return 0;
}

static void kl_item(void *arg, int64_t i, int worker)
{
	const struct loss *l = arg;
	const float *p = l->p + i * l->V, *q = l->q + i * l->V;
	int32_t top;
	double lp = l->h->k.lse(p, l->V, &top), lq = l->h->k.lse(q, l->V, &top);

	(void)worker;
	l->out[i] = l->h->k.kl(p, q, l->V, lp, lq);
}

int op_kl(struct dev *d, double *out, const struct tensor *p, const struct tensor *q)
{
	struct loss l = { .h = host(d), .p = p->data, .q = q->data, .V = tensor_cols(p), .out = out };

	if (p->dt != DT_F32 || q->dt != DT_F32 || l.V < 1 || l.V > INT32_MAX || tensor_cols(q) != l.V ||
	    tensor_rows(q) != tensor_rows(p))
		return err_set(ST_FAIL, "kl: shapes or types do not fit");
	pool_for(tensor_rows(p), kl_item, &l);
	return 0;
}
