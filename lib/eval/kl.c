/* Kullback-Leibler divergence of a model's next-token distribution from a reference's (reference first,
 * nats), and how often both have the same most likely token. */
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
	const char *ref;
};

static const struct opt opts[] = {
	EVAL_OPTS(struct state, e),
	{ "ref", 0, O_FILE, offsetof(struct state, ref), "BUNDLE", NULL, NULL, 0, 0, 0, "the reference model" },
	{ .type = O_END }
};
static const struct opt_tool tool = { "llmc-eval", "kl [options] --ref BUNDLE --tokens FILE [BUNDLE]",
                                      "divergence from a reference model",
                                      OPT_OUT | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_RAM | OPT_DRY | OPT_JSON, opts };

struct result {
	double *kl, *p, *q;             /* [N * (T-1)]: divergence, loss of the reference, loss of the other */
	int64_t n, same;                /* positions; equal argmax */
};

static int compare(struct pass *ref, struct pass *other, const struct tokens *t, struct result *res)
{
	int64_t chunk = pass_chunk(ref), total = t->N * t->T, V = ref->m->vocab;
	size_t size = (size_t)chunk * (size_t)V * sizeof(float);
	struct dev *dev = calib_dev(ref->c);
	float *lp = xmalloc(size), *lq = xmalloc(size);
	int32_t *label = xmalloc((size_t)chunk * sizeof(*label)), *tp = xmalloc((size_t)chunk * sizeof(*tp));
	int32_t *tq = xmalloc((size_t)chunk * sizeof(*tq));
	double *v = xmalloc((size_t)chunk * 3 * sizeof(*v));
	int r = 0;

	progress_begin("position", total);
	for (int64_t r0 = 0; r0 < total && r == 0; r0 += chunk) {
		int64_t n = total - r0 < chunk ? total - r0 : chunk;
		struct tensor p = tensor_view(lp, DT_F32, n, V), q = tensor_view(lq, DT_F32, n, V);

		pass_labels(t, r0, n, label);
		if (pass_logits(ref, r0, n, lp) < 0 || pass_logits(other, r0, n, lq) < 0 ||
		    dev->ops->kl(dev, v, &p, &q) < 0 || dev->ops->nll(dev, v + chunk, tp, &p, label) < 0 ||
		    dev->ops->nll(dev, v + 2 * chunk, tq, &q, label) < 0) {
			r = -1;
			break;
		}
		for (int64_t i = 0; i < n; i++) {
			if (!scored(t, r0 + i))
				continue;
			res->kl[res->n] = v[i];
			res->p[res->n] = v[chunk + i];
			res->q[res->n] = v[2 * chunk + i];
			res->same += tp[i] == tq[i];
			res->n++;
		}
		progress_at(r0 + n);
	}
	progress_end();
	free(lp);
	free(lq);
	free(label);
	free(tp);
	free(tq);
	free(v);
	return r;
}

static int rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Linear interpolation at f * (n-1) of sorted values. */
static double percentile(const double *v, int64_t n, double f)
{
	double at = f * (double)(n - 1);
	int64_t i = (int64_t)at;

	return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

static void print(struct out *out, struct result *res, const char *protocol)
{
	static const struct {
		const char *name;
		double f;
	} pct[] = { { "kld_max", 1 }, { "kld_p999", .999 }, { "kld_p99", .99 }, { "kld_p95", .95 }, { "kld_p90", .90 },
	            { "kld_median", .5 }, { "kld_p10", .1 }, { "kld_p5", .05 }, { "kld_p1", .01 }, { "kld_min", 0 } };
	double n = (double)res->n, kl, kle, p, pe, q, qe, d, de, top = (double)res->same / n;
	double *diff = xmalloc((size_t)res->n * sizeof(*diff));
	cJSON *o = json_obj();
	const cJSON *c;
	char *text;

	for (int64_t i = 0; i < res->n; i++)
		diff[i] = res->q[i] - res->p[i];
	mean_error(res->kl, res->n, &kl, &kle);
	mean_error(res->p, res->n, &p, &pe);
	mean_error(res->q, res->n, &q, &qe);
	mean_error(diff, res->n, &d, &de);
	qsort(res->kl, (size_t)res->n, sizeof(*res->kl), rising);
	json_put_num(o, "kld", kl);
	json_put_num(o, "kld_stderr", kle);
	for (size_t i = 0; i < sizeof(pct) / sizeof(*pct); i++)
		json_put_num(o, pct[i].name, percentile(res->kl, res->n, pct[i].f));
	json_put_num(o, "top1", top);
	json_put_num(o, "top1_stderr", n > 1 ? sqrt(top * (1 - top) / (n - 1)) : 0);
	json_put_num(o, "ppl_ref", exp(p));
	json_put_num(o, "ppl", exp(q));
	json_put_num(o, "ln_ppl_ratio", d);
	json_put_num(o, "ln_ppl_ratio_stderr", de);
	json_put_num(o, "tokens", n);
	if (common.json) {
		json_put_str(o, "protocol", protocol);
		text = json_text(o, false);
		out_printf(out, "%s\n", text);
		free(text);
	} else {
		out_printf(out, "#name\tvalue\n");
		cJSON_ArrayForEach(c, o)
			out_printf(out, "%s\t%.8g\n", c->string, c->valuedouble);
		out_printf(out, "protocol\t%s\n", protocol);
	}
	cJSON_Delete(o);
	free(diff);
}

/* Both models advance together, so that one block of each is in memory. */
static int run(struct pass *ref, struct pass *other, const struct tokens *t, struct save *save)
{
	int a = 1, b = 1;

	progress_begin("block", ref->m->n_layer);
	if (save_open(save, "kl", t, ref, other, false) < 0)
		return -1;
	while (a > 0 || b > 0) {
		if (a > 0 && (a = pass_step(ref)) < 0)
			return -1;
		if (b > 0 && (b = pass_step(other)) < 0)
			return -1;
		if (save_step(save) < 0)
			return -1;
	}
	progress_end();
	return 0;
}

int eval_kl(int argc, char **argv)
{
	struct state s = { 0 };
	int at = opt_parse(&tool, &s, argc, argv);
	struct result res = { 0 };
	struct tokens t;
	struct pass ref, other;
	struct save save;
	size_t size;
	char *protocol;

	if (argc - at > 1)
		die(ST_USAGE, "more than one bundle; see llmc-eval(1)");
	if (!s.ref)
		die(ST_USAGE, "--ref is needed");
	if (eval_inputs(argv[at], s.e.tokens, s.ref) < 0 || eval_tokens(&t, &s.e) < 0 ||
	    pass_open(&ref, s.ref, common.device, common.dtype, &t) < 0 ||
	    pass_open(&other, argv[at], common.device, common.dtype, &t) < 0)
		die_err();
	if (t.T < 2)
		die(ST_BAD, "'%s': rows of one token predict nothing", s.e.tokens);
	if (ref.m->vocab != other.m->vocab)
		die(ST_BAD, "vocabularies of %d and %d: the models cannot be compared", ref.m->vocab, other.m->vocab);
	if (common.dry) {
		eval_plan((struct pass *[]){ &ref, &other }, 2, &t, 4 * sizeof(double));
		return ST_OK;
	}
	if (run(&ref, &other, &t, &save) < 0) {
		out_abort(save.out);
		die_err();
	}
	size = (size_t)(t.N * (t.T - 1)) * sizeof(double);
	res.kl = xmalloc(size);
	res.p = xmalloc(size);
	res.q = xmalloc(size);
	if (compare(&ref, &other, &t, &res) < 0) {
		out_abort(save.out);
		die_err();
	}
	protocol = eval_protocol(&t, &ref);
	print(save.out, &res, protocol);
	out_commit(save.out);
	meter_report(calib_dev(ref.c));
	free(protocol);
	free(res.kl);
	free(res.p);
	free(res.q);
	pass_close(&ref);
	pass_close(&other);
	tokens_free(&t);
	stdout_close();
	return ST_OK;
}
