/* llmc-gptq: one Gram matrix per distinct input, one staged forward pass through the compressed prefix. */
#include "algo/gptq.h"

#include "algo/linear.h"
#include "base/err.h"
#include "base/mem.h"
#include "run/calib.h"

#include <stdlib.h>
#include <string.h>

struct state {
	struct gptq_opts o;
	int scale;                      /* enum scale_opt */
	bool compare;
};

static const struct opt opts[] = {
	{ "order", 0, O_ENUM, offsetof(struct state, o.order), "HOW", "act", "act|none", 0, 0, 0,
	  "process columns by falling activation energy (act) or as they stand" },
	{ "groups", 0, O_ENUM, offsetof(struct state, o.groups), "WHEN", "static", "static|dynamic", 0, 0, 0,
	  "fit grids to the original weights, or to the compensated ones when a group begins" },
	{ "damp", 0, O_REAL, offsetof(struct state, o.damp), "X", "0.01", NULL, 0, 1, 0,
	  "add X times its mean to the Hessian's diagonal" },
	{ "panel", 0, O_INT, offsetof(struct state, o.panel), "N", "128", NULL, 1, 4096, 0,
	  "columns between two updates of those that follow" },
	{ "match", 0, O_REAL, offsetof(struct state, o.match), "X", "0", NULL, 0, 1, 0,
	  "aim at the float model's outputs, not those of the compressed layers before: 0 not at all, 1 wholly" },
	{ "refine", 0, O_INT, offsetof(struct state, o.refine), "N", "0", NULL, 0, 1000, 0,
	  "go over codes and scales again, N times at most, each time lowering the loss" },
	SCALE_OPT(struct state, scale),
	{ "compare", 0, O_FLAG, offsetof(struct state, compare), NULL, NULL, NULL, 0, 0, 0,
	  "also report the loss that rounding to nearest would have had" },
	{ .type = O_END }
};

/* One block's work, handed to the taps. */
struct work {
	struct state *st;
	struct run *run;
	struct block *b;
	float *gram[MAX_SITE];          /* [width, width], from the first micro-batch to done() */
	float *cross[MAX_SITE];         /* [width, width] sum of (twin - x) x^T, with --match */
	int64_t tokens[MAX_SITE];
};

/* Are there linears at this site that the rules want quantized? */
static bool wanted(struct work *w, const struct site *s)
{
	for (int l = 0; l < s->nlin; l++)
		if (rules_find(&w->run->rules, w->b->index, role_name(s->lin[l]))->fmt != Q_NONE)
			return true;
	return false;
}

static int see_twin(struct work *w, const struct site *s, int k, const struct tensor *x, const struct tensor *twin)
{
	int64_t m = tensor_rows(x), n = s->width;
	float *d = xmalloc(tensor_bytes(x));
	int r;

	if (!w->cross[k])
		w->cross[k] = xcalloc((size_t)n * (size_t)n, sizeof(float));
	for (int64_t i = 0; i < m * n; i++)
		d[i] = ((const float *)twin->data)[i] - ((const float *)x->data)[i];
	r = w->run->dev->ops->gemm(w->run->dev, 1, 0, n, n, m, 1, d, n, x->data, n, 1, w->cross[k], n);
	free(d);
	return r;
}

static int see(void *arg, const struct site *s, int k, const struct tensor *x, const struct tensor *twin)
{
	struct work *w = arg;
	struct tensor h;

	if (!wanted(w, s))
		return 0;
	if (!w->gram[k])
		w->gram[k] = xcalloc((size_t)s->width * (size_t)s->width, sizeof(float));
	h = tensor_view(w->gram[k], DT_F32, s->width, s->width);
	w->tokens[k] += tensor_rows(x);
	if (twin && see_twin(w, s, k, x, twin) < 0)
		return -1;
	return w->run->dev->ops->gram(w->run->dev, &h, x);
}

static void report(struct work *w, const struct linear *l, const struct gptq_hess *h, double loss, double rtn)
{
	cJSON *o = json_obj();

	json_put_num(o, "block", w->b->index);
	json_put_str(o, "linear", l->role);
	json_put_num(o, "loss", loss);
	if (w->st->compare)
		json_put_num(o, "rtn_loss", rtn);
	if (h->damp != w->st->o.damp)
		json_put_num(o, "damp", h->damp);
	if (h->diagonal) {
		json_put_bool(o, "diagonal", true);
		warn("block %d: cannot factor Hessian of '%s' even with damp %g; rounded by its diagonal alone",
		     w->b->index, l->role, h->damp);
	}
	json_push(cJSON_GetObjectItemCaseSensitive(w->run->report, "linears"), o);
	say(1, "block %d: %-9s loss %.6g", w->b->index, l->role, loss);
}

/* What rounding alone would lose on the same kind of grid. */
static int rtn_loss(struct work *w, const struct linear *l, const struct gptq_hess *h, double *loss)
{
	struct arena tmp = { 0 };
	struct qspec spec = l->q.spec;
	struct qrec q;
	int r;

	spec.range = QR_MINMAX;
	qrec_init(&q, &spec, l->out, l->in, &tmp);
	q.scale_dt = l->q.scale_dt;
	grid_fit_rows(&q, l->w, NULL, l->out, l->in);
	grid_round_rows(&q, l->w, l->out, l->in);
	r = gptq_loss(&q, w->run->dev, h, l->w, l->out, loss);
	arena_free(&tmp);
	return r;
}

static int solve(struct work *w, enum role role, const struct gptq_hess *h, int k)
{
	struct state *st = w->st;
	struct linear l;
	double loss = 0, rtn = 0;
	int r = linear_open(&l, w->run, w->b, role, (enum scale_opt)st->scale);

	if (r <= 0)
		return r;
	if (st->o.order == ORDER_ACT && st->o.groups == GROUPS_DYNAMIC && l.q.spec.gran == G_GROUP) {
		l.q.perm = arena_alloc(&w->b->mem, (size_t)h->n * sizeof(*h->perm));
		memcpy(l.q.perm, h->perm, (size_t)h->n * sizeof(*h->perm));
	}
	if ((w->cross[k] && gptq_aim(w->run->dev, h, st->o.match, w->cross[k], w->tokens[k], l.w, l.out) < 0) ||
	    gptq_solve(&l.q, w->run->dev, &st->o, h, l.w, l.out, &loss) < 0 ||
	    (st->compare && rtn_loss(w, &l, h, &rtn) < 0)) {
		linear_free(&l);
		return err_at("'%s'", role_name(role));
	}
	report(w, &l, h, loss, rtn);
	return linear_store(&l, w->b);
}

static int done(void *arg, const struct site *s, int k)
{
	struct work *w = arg;
	struct gptq_hess h;
	int r;

	if (!w->gram[k])
		return 0;
	r = gptq_prepare(&h, w->run->dev, &w->st->o, w->gram[k], s->width, w->tokens[k]);
	w->gram[k] = NULL;
	for (int l = 0; l < s->nlin && r == 0; l++)
		r = solve(w, s->lin[l], &h, k);
	gptq_free(&h);
	free(w->cross[k]);
	w->cross[k] = NULL;
	return r < 0 ? err_at("%s", s->name) : 0;
}

static int begin(void *st, struct run *run, struct model *out)
{
	struct state *s = st;

	(void)out;
	if (!run->calib)
		return err_set(ST_USAGE, "--calib is needed");
	if (s->o.match > 0)
		calib_twin(run->calib);
	json_put(run->report, "linears", json_arr());
	return 0;
}

static int block(void *st, struct run *run, struct block *b)
{
	struct work w = { .st = st, .run = run, .b = b };
	struct tap tap = { see, done, &w };
	int r;

	if (b->kind != BLK_KIND_DENSE)
		return 0;
	r = calib_block(run->calib, b, &tap);
	for (int k = 0; k < MAX_SITE; k++) {
		free(w.gram[k]);
		free(w.cross[k]);
	}
	return r;
}

const struct filter filter_gptq = {
	.tool = { "llmc-gptq", "[options] --calib FILE -w SPEC [FILE]",
	          "quantize weights with error compensation (GPTQ)",
	          OPT_IO | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_CALIB | OPT_QSPEC, opts },
	.state = sizeof(struct state),
	.begin = begin,
	.block = block,
};
