/* Logits, and hidden states, as safetensors: how fixtures and other programs are compared. */
#include "eval/save.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/progress.h"
#include "op/meter.h"
#include "tensor/safetensors.h"

#include <stdlib.h>

struct state {
	struct eval_opts e;
	bool hidden;
};

static const struct opt opts[] = {
	EVAL_OPTS(struct state, e),
	{ "hidden", 0, O_FLAG, offsetof(struct state, hidden), NULL, NULL, NULL, 0, 0, 0,
	  "also write the hidden states: hidden [L+1,N,T,C], the last after the final norm; "
	  "of layers that attend to images none" },
	{ .type = O_END }
};
static const struct opt_tool tool = { "llmc-eval", "logits [options] --tokens FILE -o FILE [BUNDLE]",
                                      "logits as safetensors",
                                      OPT_OUT | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_RAM | OPT_DRY | OPT_JSON, opts };

/* Layers that make something of text; *last: the last of them. */
static int counted(const struct model *m, int *last)
{
	int n = 0;

	for (int i = 0; i < m->n_layer; i++)
		if (!m->cross[i]) {
			*last = i;
			n++;
		}
	return n;
}

/* Sizes are known before the model runs, so the file is written in the order in which its parts arise:
 * hidden states first. */
static void head(struct out *o, const struct state *s, const struct pass *p, const struct tokens *t)
{
	int last = 0;
	struct tensor v[2] = {
		{ .name = "hidden", .dt = DT_F32, .nd = 4, .dim = { counted(p->m, &last) + 1, t->N, t->T, p->m->d_model } },
		{ .name = "logits", .dt = DT_F32, .nd = 3, .dim = { t->N, t->T, p->m->vocab } },
	};
	int order[2];
	size_t len;
	void *h = s->hidden ? st_header(v, 2, NULL, order, &len) : st_header(v + 1, 1, NULL, order, &len);

	out_write(o, h, len);
	free(h);
}

static int write_logits(struct out *o, struct pass *p, const struct tokens *t, bool hidden)
{
	int64_t chunk = pass_chunk(p), total = t->N * t->T, C = p->m->d_model;
	float *l = xmalloc((size_t)chunk * (size_t)p->m->vocab * sizeof(*l)), *y = xmalloc((size_t)(chunk * C) * sizeof(*y));
	int r = 0;

	for (int64_t r0 = 0; hidden && r0 < total && r == 0; r0 += chunk) {
		int64_t n = total - r0 < chunk ? total - r0 : chunk;

		const float *x = calib_rows(p->c, r0, n);

		r = x ? fwd_final(calib_fwd(p->c), n, x, y) : -1;
		if (r == 0)
			out_write(o, y, (size_t)(n * C) * sizeof(*y));
	}
	progress_begin("position", total);
	for (int64_t r0 = 0; r0 < total && r == 0; r0 += chunk) {
		int64_t n = total - r0 < chunk ? total - r0 : chunk;

		if ((r = pass_logits(p, r0, n, l)) == 0)
			out_write(o, l, (size_t)n * (size_t)p->m->vocab * sizeof(*l));
		progress_at(r0 + n);
	}
	progress_end();
	free(l);
	free(y);
	return r;
}

/* What the last layer done made of every row; what the last of all made comes after its norm. */
static int write_hidden(struct out *o, struct pass *p, const struct tokens *t)
{
	int64_t chunk = pass_chunk(p), total = t->N * t->T;
	int done = p->blocks - 1, last = -1;

	counted(p->m, &last);
	if (p->have_head || done == last || (done >= 0 && p->m->cross[done]))
		return 0;
	for (int64_t r0 = 0; r0 < total; r0 += chunk) {
		int64_t n = total - r0 < chunk ? total - r0 : chunk;
		const float *x = calib_rows(p->c, r0, n);

		if (!x)
			return -1;
		out_write(o, x, (size_t)n * (size_t)p->m->d_model * sizeof(*x));
	}
	return 0;
}

int eval_logits(int argc, char **argv)
{
	struct state s = { 0 };
	int at = opt_parse(&tool, &s, argc, argv), r;
	struct tokens t;
	struct pass p;
	struct save save;

	if (argc - at > 1)
		die(ST_USAGE, "more than one bundle; see llmc-eval(1)");
	if (eval_inputs(argv[at], s.e.tokens, NULL) < 0 || eval_tokens(&t, &s.e) < 0 ||
	    pass_open(&p, argv[at], common.device, common.dtype, &t) < 0)
		die_err();
	if (common.dry) {
		eval_plan((struct pass *[]){ &p }, 1, &t, 0);
		return ST_OK;
	}
	r = save_open(&save, "logits", &t, &p, NULL, true) < 0 ? -1 : 1;
	if (r > 0 && !out_at(save.out))
		head(save.out, &s, &p, &t);
	/* The head is the last step, and what stands before it is the output of the last layer. */
	progress_begin("block", p.m->n_layer);
	while (r > 0 && (r = pass_step(&p)) > 0)
		if ((s.hidden && write_hidden(save.out, &p, &t) < 0) || save_step(&save) < 0)
			r = -1;
	if (r < 0 || write_logits(save.out, &p, &t, s.hidden) < 0) {
		out_abort(save.out);
		die_err();
	}
	out_commit(save.out);
	meter_report(calib_dev(p.c));
	pass_close(&p);
	tokens_free(&t);
	return ST_OK;
}
