/* Perplexity: exp of the mean negative log-likelihood of each token given those before it in its row. */
#include "eval/save.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/progress.h"
#include "op/meter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct state {
	struct eval_opts e;
	bool rows;
};

static const struct opt opts[] = {
	EVAL_OPTS(struct state, e),
	{ "rows", 0, O_FLAG, offsetof(struct state, rows), NULL, NULL, NULL, 0, 0, 0,
	  "also print each row's sum of negative log-likelihoods" },
	{ .type = O_END }
};
static const struct opt_tool tool = { "llmc-eval", "ppl [options] --tokens FILE [BUNDLE]", "perplexity",
                                      OPT_OUT | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_RAM | OPT_DRY | OPT_JSON, opts };

/* Losses of all scored positions, row by row: loss [N, T-1]. */
static int losses(struct pass *p, const struct tokens *t, double *loss)
{
	int64_t chunk = pass_chunk(p), T = t->T, total = t->N * T;
	float *logits = xmalloc((size_t)chunk * (size_t)p->m->vocab * sizeof(*logits));
	int32_t *label = xmalloc((size_t)chunk * sizeof(*label));
	double *l = xmalloc((size_t)chunk * sizeof(*l));
	int r = 0;

	progress_begin("position", total);
	for (int64_t r0 = 0; r0 < total && r == 0; r0 += chunk) {
		int64_t n = total - r0 < chunk ? total - r0 : chunk;
		struct tensor lt = tensor_view(logits, DT_F32, n, p->m->vocab);

		pass_labels(t, r0, n, label);
		if ((r = pass_logits(p, r0, n, logits)) == 0)
			r = calib_dev(p->c)->ops->nll(calib_dev(p->c), l, NULL, &lt, label);
		for (int64_t i = 0; i < n && r == 0; i++)
			if (scored(t, r0 + i))
				loss[(r0 + i) / T * (T - 1) + (r0 + i) % T] = l[i];
		progress_at(r0 + n);
	}
	progress_end();
	free(logits);
	free(label);
	free(l);
	return r;
}

/* Of sequence i, all its predictions together. */
static double row_sum(const struct tokens *t, const double *loss, int64_t i)
{
	double sum = 0;

	for (int64_t k = 0; k < t->T - 1; k++)
		sum += loss[i * (t->T - 1) + k];
	return sum;
}

static void print(struct out *out, const struct state *s, const struct tokens *t, const double *loss,
                  const char *protocol)
{
	int64_t n = t->N * (t->T - 1);
	double nll, err;

	mean_error(loss, n, &nll, &err);
	if (common.json) {
		cJSON *o = json_obj(), *rows = json_arr();
		char *text;

		json_put_num(o, "ppl", exp(nll));
		json_put_num(o, "nll", nll);
		json_put_num(o, "stderr", exp(nll) * err);
		json_put_num(o, "tokens", (double)n);
		json_put_str(o, "protocol", protocol);
		for (int64_t i = 0; i < t->N && s->rows; i++)
			json_push(rows, cJSON_CreateNumber(row_sum(t, loss, i)));
		if (s->rows)
			json_put(o, "rows", rows);
		else
			cJSON_Delete(rows);
		text = json_text(o, false);
		out_printf(out, "%s\n", text);
		free(text);
		cJSON_Delete(o);
		return;
	}
	if (s->rows) {
		out_printf(out, "#row\ttokens\tnll_sum\n");
		for (int64_t i = 0; i < t->N; i++)
			out_printf(out, "%lld\t%lld\t%.6f\n", (long long)i, (long long)t->T - 1, row_sum(t, loss, i));
	}
	out_printf(out, "#ppl\tnll\tstderr\ttokens\tprotocol\n%.6f\t%.6f\t%.6f\t%lld\t%s\n", exp(nll), nll,
	           exp(nll) * err, (long long)n, protocol);
}

int eval_ppl(int argc, char **argv)
{
	struct state s = { 0 };
	int at = opt_parse(&tool, &s, argc, argv), r;
	struct tokens t;
	struct pass p;
	struct save save;
	double *loss;
	char *protocol;

	if (argc - at > 1)
		die(ST_USAGE, "more than one bundle; see llmc-eval(1)");
	if (eval_inputs(argv[at], s.e.tokens, NULL) < 0 || eval_tokens(&t, &s.e) < 0 ||
	    pass_open(&p, argv[at], common.device, common.dtype, &t) < 0)
		die_err();
	if (t.T < 2)
		die(ST_BAD, "'%s': rows of one token predict nothing", s.e.tokens);
	if (common.dry) {
		eval_plan((struct pass *[]){ &p }, 1, &t, sizeof(double));
		return ST_OK;
	}
	progress_begin("block", p.m->n_layer);
	r = save_open(&save, "ppl", &t, &p, NULL, false) < 0 ? -1 : 1;
	while (r > 0 && (r = pass_step(&p)) > 0)
		if (save_step(&save) < 0)
			r = -1;
	progress_end();
	loss = xmalloc((size_t)(t.N * (t.T - 1)) * sizeof(*loss));
	if (r < 0 || losses(&p, &t, loss) < 0) {
		out_abort(save.out);
		die_err();
	}
	protocol = eval_protocol(&t, &p);
	print(save.out, &s, &t, loss, protocol);
	out_commit(save.out);
	meter_report(calib_dev(p.c));
	free(protocol);
	free(loss);
	pass_close(&p);
	tokens_free(&t);
	stdout_close();
	return ST_OK;
}
