/* Round to nearest: every linear of every layer onto a grid fitted to its own weights. */
#include "algo/rtn.h"

#include "algo/linear.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/rng.h"
#include "run/plan.h"

#include <stdlib.h>

struct state {
	int scale;                      /* enum scale_opt */
};

static const struct opt opts[] = {
	SCALE_OPT(struct state, scale),
	{ .type = O_END }
};

/* Rows are rounded some at a time, but all at once where they share one scale. */
static int64_t slice(const struct qspec *q, int64_t out, int64_t in)
{
	enum { BYTES = 32 << 20 };
	int64_t step = BYTES / (int64_t)sizeof(float) / in + 1;

	return step > out || q->gran == G_TENSOR ? out : step;
}

static int round_linear(struct linear *l, struct block *b)
{
	int64_t step = slice(&l->q.spec, l->out, l->in);
	float *w = xmalloc((size_t)step * (size_t)l->in * sizeof(*w));
	int r = 0;

	for (int64_t r0 = 0; r0 < l->out && r == 0; r0 += step) {
		int64_t n = l->out - r0 < step ? l->out - r0 : step;
		struct qrec q = qrec_rows(&l->q, l->in, r0);

		r = linear_rows(l, b, r0, r0 + n, w);
		if (r == 0) {
			grid_fit_rows(&q, w, NULL, n, l->in);
			grid_round_rows(&q, w, n, l->in);
		}
	}
	free(w);
	return r < 0 ? -1 : linear_store(l, b, true);
}

static int block(void *st, struct run *run, struct block *b)
{
	struct state *s = st;
	struct linear l;

	if (b->kind != BLK_KIND_DENSE)
		return 0;
	for (int r = 0; r < R_N; r++) {
		int got;

		if (!role_linear((enum role)r))
			continue;
		got = linear_open(&l, run, b, (enum role)r, (enum scale_opt)s->scale);
		if (got < 0 || (got > 0 && round_linear(&l, b) < 0))
			return -1;
	}
	return 0;
}

/* Weights a second on a grid like this: a few are rounded. */
static double rate(const struct qspec *q)
{
	enum { ROWS = 256, COLS = 1024 };
	float *w = xmalloc(sizeof(float) * ROWS * COLS);
	struct arena mem = { 0 };
	struct qrec rec;
	struct rng g;
	double t;

	rng_seed(&g, 0);
	for (int i = 0; i < ROWS * COLS; i++)
		w[i] = (float)rng_normal(&g);
	qrec_init(&rec, q, ROWS, COLS, &mem);
	t = seconds();
	grid_fit_rows(&rec, w, NULL, ROWS, COLS);
	grid_round_rows(&rec, w, ROWS, COLS);
	t = seconds() - t;
	arena_free(&mem);
	free(w);
	return ROWS * COLS / (t > 1e-9 ? t : 1e-9);
}

static void plan(void *st, struct run *run, struct plan *p)
{
	const struct model *m = run->model;
	int embed = plan_stage(p, "embed"), round = plan_stage(p, "round");
	double speed = run->rules.def.fmt == Q_NONE ? 0 : rate(&run->rules.def);

	(void)st;
	plan_memory(p, embed, p->embed);
	plan_bytes(p, embed, 2 * p->embed);
	plan_output(p, embed, p->embed + head_bytes(m));
	for (int i = 0; i < m->n_layer; i++) {
		double held = p->mapped ? 0 : p->block;

		plan_bytes(p, round, 2 * p->block);
		plan_output(p, round, p->block);
		for (int r = 0; r < R_N; r++) {
			int64_t dim[MAXDIM];
			const struct qspec *q;
			double n;
			int nd;

			if (!role_linear((enum role)r) || !role_shape(m, (enum role)r, P_WEIGHT, &nd, dim))
				continue;
			q = rules_find(&run->rules, i, role_name((enum role)r));
			n = (double)dim[0] * (double)dim[1];
			held += p->mapped && q->fmt == Q_NONE ? n * (double)dtype_size(m->dtype) : 0;
			if (q->fmt == Q_NONE)
				continue;
			held += qspec_bytes(q, dim[0], dim[1]);
			plan_output(p, round, qspec_bytes(q, dim[0], dim[1]) - n * (double)dtype_size(m->dtype));
			plan_memory(p, round, held + (p->mapped ? n * (double)dtype_size(m->dtype) : 0) +
			                      4 * (double)slice(q, dim[0], dim[1]) * (double)dim[1]);
			held -= p->mapped ? 0 : n * (double)dtype_size(m->dtype);
			p->stage[round].seconds += speed > 0 ? n / speed : 0;
		}
	}
}

const struct filter filter_quant = {
	.tool = { "llmc-quant", "[options] -w SPEC [FILE]", "quantize weights without calibration",
	          OPT_IO | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_DRY | OPT_JSON | OPT_QSPEC, opts },
	.state = sizeof(struct state),
	.block = block,
	.plan = plan,
};
