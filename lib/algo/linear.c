#include "algo/linear.h"

#include "base/err.h"

#include <string.h>

static enum dtype scale_dtype(enum scale_opt o, const struct model *m)
{
	switch (o) {
	case SCALE_F32: return DT_F32;
	case SCALE_BF16: return DT_BF16;
	case SCALE_F16: return DT_F16;
	default: return m->dtype;
	}
}

int linear_open(struct linear *l, struct run *run, struct block *b, int i, enum scale_opt so)
{
	const struct qspec *spec;

	memset(l, 0, sizeof(*l));
	if (i < 0 || !block_linear(run->model, b, i, l->role))
		return 0;
	spec = rules_find(&run->rules, b->index, l->role);
	if (spec->fmt == Q_NONE)
		return 0;
	if (b->q[i].spec.fmt != Q_NONE)
		return err_set(ST_UNSUP, "'%s' is quantized already", b->t[i].name);
	l->i = i;
	l->out = tensor_rows(&b->t[i]);
	l->in = tensor_cols(&b->t[i]);
	qrec_init(&l->q, spec, l->out, l->in, &b->mem);
	l->q.scale_dt = scale_dtype(so, run->model);
	return 1;
}

int linear_rows(const struct linear *l, const struct block *b, int64_t r0, int64_t r1, float *w)
{
	int64_t bad;

	if (block_f32(b, l->i, r0, r1, w) < 0)
		return -1;
	bad = first_nonfinite(w, DT_F32, (size_t)(r1 - r0) * (size_t)l->in);
	return bad < 0 ? 0 : err_set(ST_BAD, "'%s' is not finite at [%lld,%lld]", b->t[l->i].name,
	                             (long long)(r0 + bad / l->in), (long long)(bad % l->in));
}

int linear_store(struct linear *l, struct block *b, bool release)
{
	int64_t bad = first_nonfinite(l->q.scale, DT_F32, (size_t)l->out * (size_t)l->q.ngroup);

	if (bad >= 0)
		return err_set(ST_FAIL, "'%s': scale %lld does not fit in %s", b->t[l->i].name, (long long)bad,
		               dtype_name(l->q.scale_dt));
	if (release)
		tensor_release(&b->t[l->i]);
	block_quantize(b, l->i, &l->q);
	return 0;
}
