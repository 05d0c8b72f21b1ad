/* What an evaluation would need (-n): the walk of pass.c and the subcommands, counted. */
#include "eval/eval.h"

#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"
#include "op/op.h"
#include "run/plan.h"

/* Shares of the rate of large products that the stages reach, about. */
#define FORWARD 0.75
#define HEAD 0.5

/* One model, beside what `other` bytes the others hold. */
static double one(struct plan *p, struct pass *e, int T, double other)
{
	const struct model *m = e->m;
	struct calib_need need = calib_need(e->c, false);
	int embed = plan_stage(p, "embed"), forward = plan_stage(p, "forward"), head = plan_stage(p, "head");
	enum dtype mm = calib_dev(e->c)->mm;
	double C = m->d_model, F = m->d_ff, q = (double)m->n_head * m->d_head, kv = (double)m->n_kv * m->d_head;
	double element = (double)dtype_size(mm), batch = (double)need.batch, states = other + (double)need.memory;
	double weights = 0, table;
	bool tied = m->flags & MF_TIED, twice = p->element < 0.9 * (double)dtype_size(m->dtype) || m->dtype != mm;

	plan_memory(p, embed, states + p->embed);
	plan_bytes(p, embed, p->embed);
	/* weights that are codes, or of another type than products, are there twice; experts come one by one */
	for (int i = 0; i < m->n_layer; i++)
		for (int k = 0; k < layer_pieces(m, i); k++) {
			double n = plan_piece(p, m, i, k), at_once = p->element > 0 ? n / p->element : 0;
			int from, to;

			piece_experts(m, i, k, &from, &to);
			if (m->moe[i] && to > from)
				at_once -= 3.0 * m->d_expert * C * (to - from - 1);
			n += twice ? at_once * element : 0;
			weights = n > weights ? n : weights;
		}
	plan_memory(p, forward, states + (tied && !p->mapped ? p->embed : 0) + weights + (double)need.buffers +
	                        batch * (C * element + (q + 2 * kv) * 4 + (element < 4 ? 4 * kv : 0)) +
	                        (double)need.wide * F * (m->gated ? 8 : 4) + batch * model_width(m) * element);
	for (int i = 0; i < m->n_layer; i++) {
		plan_bytes(p, forward, plan_layer(p, m, i));
		plan_flops(p, forward, (double)need.tokens * layer_flops(m, i, T), true, FORWARD);
	}
	p->stage[forward].disk += (double)need.disk;
	table = tied ? p->embed : head_bytes(m);
	table += m->dtype == mm ? 0 : (double)m->vocab * C * element;
	plan_flops(p, head, 2.0 * (double)need.tokens * C * m->vocab, true, HEAD);
	return states + table;
}

void eval_plan(struct pass *const *e, int n, const struct tokens *t, double results)
{
	struct plan p = { 0 }, more;
	double held = 0;

	for (int i = 0; i < n; i++) {
		if (plan_begin(i ? &more : &p, e[i]->in) < 0)
			die_err();
		if (i == 0)
			plan_device(&p, calib_dev(e[i]->c));
		else {                  /* its sizes, not its measures */
			p.mapped = more.mapped;
			p.embed = more.embed;
			p.element = more.element;
		}
		held = one(&p, e[i], (int)t->T, held);
	}
	held += n * ((double)pass_chunk(e[0]) * (e[0]->m->vocab + e[0]->m->d_model * 1.5) * sizeof(float)) +
	        results * (double)(t->N * t->T);
	plan_memory(&p, plan_stage(&p, "head"), held);
	plan_print(&p);
	stdout_close();
}
