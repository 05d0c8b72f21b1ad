/* The memory, operations and time of GPTQ, counted along the walk that calib.c, gptq_filter.c, gptq.c, refine.c and
 * aim.c take through a block.  Whoever changes what they hold changes this; a test holds it against what they take. */
#include "algo/gptq_plan.h"

#include "base/opt.h"
#include "base/pool.h"
#include "op/op.h"
#include "run/calib.h"

#include <string.h>

/* Shares of the rate of large products that the stages reach, about. */
#define FORWARD 0.75
#define GRAM 0.7
#define FACTOR 0.35                     /* half of it in F64 where the matrix is small */
#define COLUMNS 0.5

/* Where the walk is. */
struct walk {
	struct plan *p;
	struct run *run;
	const struct gptq_opts *o;
	const struct model *m;
	struct calib_need need;
	double held;                    /* states, and what of the block stays: codes made so far, floats that are kept */
	double mm;                      /* bytes of an element of dev->mm */
	bool twin;
	int forward, gram, factor, columns;
};

/* A linear: its weights, and bytes as stored. */
static double weights(const struct walk *w, int layer, enum role r, int64_t dim[MAXDIM])
{
	int nd;

	return role_shape(w->m, layer, r, P_WEIGHT, &nd, dim) ? (double)dim[0] * (double)dim[1] : 0;
}

static double stored(const struct walk *w, double n)
{
	return n * (double)dtype_size(w->m->dtype);
}

static const struct qspec *spec_of(const struct walk *w, int layer, enum role r, int expert)
{
	char label[64];

	return rules_find(&w->run->rules, layer, role_label(r, expert, label));
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

/* Working memory of a step, which the next one of the stage finds there. */
static double scratch(const struct walk *w, const struct step *s, double rows)
{
	const struct model *m = w->m;
	double q = (double)m->n_head * m->d_head, kv = (double)m->n_kv * m->d_head, C = m->d_model, F = m->d_ff;

	switch (s->op) {
	case DO_ATTN: return rows * (C * w->mm + (q + 2 * kv) * 4 + (w->mm < 4 ? 4 * kv : 0));
	case DO_MLP: return rows * (C * w->mm + F * (m->gated ? 8 : 4));
	case DO_ADD: return rows * C * 4;
	case DO_NORM: break;
	}
	return 0;
}

/* Stage s makes the products of the sites that stage s - 1 fed. */
static void forward(struct walk *w, int layer, int s, const struct program *prog)
{
	const struct model *m = w->m;
	const struct site *site = prog->site;
	double copy = 0, touched = 0, work = 0;
	bool attends = false;

	for (int i = 0; i < prog->nstep; i++)
		attends |= prog->step[i].stage == s && prog->step[i].op == DO_ATTN;
	for (int i = 0; i < prog->nstep; i++)
		if (prog->step[i].stage == s)
			work += scratch(w, &prog->step[i], (double)(attends ? w->need.batch : w->need.wide));
	for (int k = 0; k < prog->nsite; k++)
		for (int l = 0; l < site[k].nlin && site[k].stage == s - 1; l++) {
			int64_t dim[MAXDIM];
			double n = weights(w, layer, site[k].lin[l], dim);

			if (spec_of(w, layer, site[k].lin[l], 0)->fmt != Q_NONE || m->dtype != w->run->dev->mm)
				copy += n * w->mm;
			if ((spec_of(w, layer, site[k].lin[l], 0)->fmt == Q_NONE || w->twin) && w->p->mapped)
				touched += stored(w, n);
		}
	w->held += touched;
	plan_memory(w->p, w->forward, w->held + copy + work + (double)w->need.buffers);
}

/* The factor of one site's matrix, and its linears one after the other. */
static void solve(struct walk *w, int layer, const struct site *s)
{
	const struct gptq_opts *o = w->o;
	double n = s->width, square = n * n * 4, kept = o->refine || o->compare ? square : 0, cross = w->twin ? square : 0;
	double work = (double)chol_inv_bytes(w->run->dev, s->width);

	plan_memory(w->p, w->factor, w->held + square + kept + cross + work);
	plan_flops(w->p, w->factor, 2.0 / 3 * n * n * n, false, FACTOR);
	for (int l = 0; l < s->nlin; l++) {
		const struct qspec *q = spec_of(w, layer, s->lin[l], s->expert);
		int64_t dim[MAXDIM];
		double all = weights(w, layer, s->lin[l], dim), rows, more, group;

		if (q->fmt == Q_NONE)
			continue;
		rows = q->gran == G_TENSOR ? (double)dim[0] : most(1, (double)gptq_slice(s->width));
		rows = rows < (double)dim[0] ? rows : (double)dim[0];
		group = q->gran == G_GROUP && q->group < s->width ? q->group : n;
		/* beside the rows themselves: a copy in order, codes, errors of a panel; or what comes before or after */
		more = rows * (n * 5 + (double)o->panel * 4);
		more = most(more, o->refine ? rows * (n * 8 + group * 12) : 0);
		more = most(more, o->compare ? rows * n * 9 : 0);
		more = most(more, w->twin ? rows * n * 8 : 0);
		w->held += qspec_bytes(q, dim[0], dim[1]);
		plan_output(w->p, w->columns, qspec_bytes(q, dim[0], dim[1]) - stored(w, all));
		plan_memory(w->p, w->columns, w->held + (w->p->mapped ? stored(w, all) : 0) + square + kept + cross +
		                              rows * n * 4 + more);
		if (w->p->mapped && w->twin)
			w->held += stored(w, all);
		else if (!w->p->mapped && !w->twin)
			w->held -= stored(w, all);
		plan_flops(w->p, w->columns, (double)dim[0] * n * n, false, COLUMNS);
		plan_flops(w->p, w->columns, (double)dim[0] * n * n * (w->twin ? 6 : 0), false, COLUMNS);
		plan_flops(w->p, w->columns, (double)dim[0] * n * n * 2 * (double)(o->refine ? o->refine + 1 : 0), false,
		           COLUMNS);
		plan_flops(w->p, w->columns, o->compare ? (double)dim[0] * n * n * 2 : 0, false, COLUMNS);
	}
}

static void site_of(struct walk *w, int layer, const struct site *s)
{
	double n = s->width, tokens = (double)w->need.tokens, see, twin = 0;
	bool wanted = false;

	for (int l = 0; l < s->nlin; l++)
		wanted |= spec_of(w, layer, s->lin[l], s->expert)->fmt != Q_NONE;
	if (!wanted)
		return;
	see = s->of_x || w->need.buffers ? (double)calib_see_bytes(w->run->calib, s) : 0;
	if (w->twin)
		twin = n * n * 4 + 1024 * n * 8;
	/* operands that are rounded first */
	if (w->twin && s->of_x && w->mm < 4)
		see += (double)calib_see_bytes(w->run->calib, s) / 4;
	plan_memory(w->p, w->gram, w->held + n * n * 4 + see + twin + (double)w->need.buffers);
	plan_flops(w->p, w->gram, tokens * n * n, true, GRAM);
	plan_flops(w->p, w->gram, w->twin ? 2 * tokens * n * n : 0, false, COLUMNS);
	solve(w, layer, s);
}

/* The rows that go to an expert are taken to be its share. */
static void expert(struct walk *w, int layer, int e)
{
	struct walk one = *w;
	struct site in, out;

	if (e != SHARED && !common.all_experts)
		one.need.tokens = w->need.tokens * w->m->top_k / w->m->n_expert;
	expert_sites(w->m, e, &in, &out);
	site_of(&one, layer, &in);
	site_of(&one, layer, &out);
	w->held = one.held;
}

void gptq_plan(struct plan *p, struct run *run, const struct gptq_opts *o)
{
	struct walk w = { .p = p, .run = run, .o = o, .m = run->model };
	struct program prog;
	int read = plan_stage(p, "embed"), from, to;
	double states;

	w.need = calib_need(run->calib, true);
	w.twin = calib_has_twin(run->calib);
	w.mm = (double)dtype_size(run->dev->mm);
	w.forward = plan_stage(p, "forward");
	w.gram = plan_stage(p, "gram");
	w.factor = plan_stage(p, "factor");
	w.columns = plan_stage(p, "columns");
	states = (double)w.need.memory;
	plan_memory(p, read, p->embed + (double)calib_need(run->calib, false).memory);
	plan_bytes(p, read, 2 * p->embed);
	plan_output(p, read, p->embed + head_bytes(w.m));
	for (int i = 0; i < w.m->n_layer; i++) {
		w.held = states + (p->mapped ? 0 : plan_piece(p, w.m, i, 0));
		model_program(w.m, i, &prog);
		for (int s = 0; s < prog.nstage; s++) {
			forward(&w, i, s, &prog);
			for (int k = 0; k < prog.nsite; k++)
				if (prog.site[k].stage == s)
					site_of(&w, i, &prog.site[k]);
		}
		for (int k = 0; prog.moe && k < layer_pieces(w.m, i); k++) {
			if (k)
				w.held = states + (p->mapped ? 0 : plan_piece(p, w.m, i, k));
			piece_experts(w.m, i, k, &from, &to);
			for (int e = !k && w.m->d_shared ? SHARED : from; e < to; e++)
				expert(&w, i, e);
		}
		plan_flops(p, w.forward, (double)w.need.tokens * layer_flops(w.m, i, calib_seqlen(run->calib)) *
		                         (w.twin ? 2 : 1), true, FORWARD);
		plan_bytes(p, read, 2 * plan_layer(p, w.m, i));
		plan_output(p, w.columns, plan_layer(p, w.m, i));
	}
	p->stage[w.forward].disk += (double)w.need.disk;
}
