/* Round to nearest: every linear of every layer onto a grid fitted to its own weights. */
#include "algo/rtn.h"

#include "algo/linear.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/tally.h"
#include "run/plan.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct tally rounding = { .name = "rounding" };

struct state {
	int scale;                      /* enum scale_opt */
};

static const struct opt opts[] = {
	SCALE_OPT(struct state, scale),
	{ .type = O_END }
};

/* Rows go through a thread's cache some at a time, but all at once where they share one scale. */
static int64_t tile_rows(const struct qspec *q, int64_t out, int64_t in)
{
	enum { BYTES = 256 << 10 };
	int64_t step = BYTES / (int64_t)sizeof(float) / in + 1;

	return step > out || q->gran == G_TENSOR ? out : step;
}

static int64_t scratch(const struct qspec *q, int64_t out, int64_t in)
{
	return (q->gran == G_TENSOR ? 1 : pool_threads()) * tile_rows(q, out, in) * in;
}

struct tiles {
	const struct linear *l;
	const struct block *b;
	int64_t step;                   /* rows of a tile */
	float *w;                       /* [threads, step, in] */
	atomic_int_fast64_t bad;        /* the first tile that could not be read */
};

static int64_t end_of(const struct tiles *t, int64_t k)
{
	return (k + 1) * t->step < t->l->out ? (k + 1) * t->step : t->l->out;
}

static void round_tile(void *arg, int64_t k, int worker)
{
	struct tiles *t = arg;
	int64_t r0 = k * t->step, in = t->l->in;
	struct qrec q = qrec_rows(&t->l->q, in, r0);
	float *w = t->w + worker * t->step * in;

	if (linear_rows(t->l, t->b, r0, end_of(t, k), w) == 0) {
		grid_rows(&q, w, end_of(t, k) - r0, in);
		return;
	}
	for (int64_t was = t->bad; k < was && !atomic_compare_exchange_weak(&t->bad, &was, k);)
		;
}

static int round_whole(struct linear *l, const struct block *b, float *w)
{
	if (linear_rows(l, b, 0, l->out, w) < 0)
		return -1;
	grid_fit_rows(&l->q, w, NULL, l->out, l->in);
	grid_round_rows(&l->q, w, l->out, l->in);
	return 0;
}

static int round_tiles(struct linear *l, const struct block *b, float *w)
{
	struct tiles t = { .l = l, .b = b, .step = tile_rows(&l->q.spec, l->out, l->in), .w = w, .bad = INT64_MAX };

	tally_enter(&rounding);
	pool_for((l->out + t.step - 1) / t.step, round_tile, &t);
	tally_leave(&rounding, (double)tensor_bytes(&b->t[l->i]));
	/* again, for what to say: messages are a thread's own */
	return t.bad == INT64_MAX ? 0 : linear_rows(l, b, t.bad * t.step, end_of(&t, t.bad), w);
}

static int round_linear(struct linear *l, struct block *b)
{
	float *w = xmalloc((size_t)scratch(&l->q.spec, l->out, l->in) * sizeof(*w));
	int r = (l->q.spec.gran == G_TENSOR ? round_whole : round_tiles)(l, b, w);

	free(w);
	return r < 0 ? -1 : linear_store(l, b, true);
}

static int block(void *st, struct run *run, struct block *b)
{
	struct state *s = st;
	struct linear l;

	if (b->kind != BLK_KIND_DENSE)
		return 0;
	for (int i = 0; i < b->nt; i++) {
		int got = linear_open(&l, run, b, i, (enum scale_opt)s->scale);

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
	for (int i = 0, k = 0; i < m->n_layer; k + 1 < layer_pieces(m, i) ? k++ : (k = 0, i++)) {
		double stored = plan_piece(p, m, i, k), held = p->mapped ? 0 : stored;
		struct want w = WANT_FIRST;

		plan_bytes(p, round, 2 * stored);
		plan_output(p, round, stored);
		while (piece_wants(m, i, k, &w)) {
			const int64_t *dim = w.dim;
			const struct qspec *q;
			char label[LABEL];
			double n;

			if (!model_linear(m, i, w.role) || w.part != P_WEIGHT)
				continue;
			q = rules_find(&run->rules, i, want_label(&w, label));
			n = (double)dim[0] * (double)dim[1];
			held += p->mapped && q->fmt == Q_NONE ? n * (double)dtype_size(m->dtype) : 0;
			if (q->fmt == Q_NONE)
				continue;
			held += qspec_bytes(q, dim[0], dim[1]);
			plan_output(p, round, qspec_bytes(q, dim[0], dim[1]) - n * (double)dtype_size(m->dtype));
			plan_memory(p, round, held + (p->mapped ? n * (double)dtype_size(m->dtype) : 0) +
			                      4 * (double)scratch(q, dim[0], dim[1]));
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
