/* llmc-gptq: one Gram matrix per distinct input, one staged forward pass through the compressed prefix. */
#include "algo/gptq.h"

#include "algo/gptq_plan.h"
#include "algo/linear.h"
#include "base/err.h"
#include "base/mem.h"
#include "run/calib.h"

#include <stdlib.h>
#include <string.h>

struct state {
	struct gptq_opts o;
	int scale;                      /* enum scale_opt */
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
	{ "compare", 0, O_FLAG, offsetof(struct state, o.compare), NULL, NULL, NULL, 0, 0, 0,
	  "also report the loss that rounding to nearest would have had" },
	{ .type = O_END }
};

/* One block's work, handed to the taps. */
struct work {
	struct state *st;
	struct run *run;
	struct block *b;
	/* of the site that is seen */
	float *gram;                    /* [width, width], from the first micro-batch to done() */
	float *cross;                   /* [width, width] sum of (twin - x) x^T, with --match */
	int64_t tokens;
	const struct site *site;
	char *few;                      /* "3 (12), 17 (0)": experts that few tokens go to, for a message; or NULL */
	int last;                       /* the last of them */
};

/* Are there linears at this site that the rules want quantized? */
static bool wants(void *arg, const struct site *s)
{
	struct work *w = arg;
	char label[64];

	for (int l = 0; l < s->nlin; l++)
		if (rules_find(&w->run->rules, w->b->index, role_label(s->lin[l], s->expert, label))->fmt != Q_NONE)
			return true;
	return false;
}

/* cross += (twin - x)^T x, some rows at a time in F32 */
static int see_twin(struct work *w, const struct site *s, const struct tensor *x, const struct tensor *twin)
{
	enum { ROWS = 1024 };
	struct dev *dev = w->run->dev;
	int64_t rows = tensor_rows(x), n = s->width;
	size_t e = dtype_size(x->dt), size = (size_t)(ROWS * n);
	float *f = xmalloc(2 * size * sizeof(*f)), *d = f + size;
	int r = 0;

	if (!w->cross)
		w->cross = xcalloc((size_t)n * (size_t)n, sizeof(float));
	for (int64_t i = 0; i < rows && r == 0; i += ROWS) {
		int64_t m = rows - i < ROWS ? rows - i : ROWS;
		size_t at = (size_t)(i * n) * e, count = (size_t)(m * n);

		if (to_f32(f, (char *)x->data + at, x->dt, count) < 0 || to_f32(d, (char *)twin->data + at, twin->dt, count) < 0)
			r = -1;
		for (size_t j = 0; j < count && r == 0; j++)
			d[j] -= f[j];
		if (r == 0)
			r = dev->ops->gemm(dev, 1, 0, n, n, m, 1, d, n, f, n, 1, w->cross, n);
	}
	free(f);
	return r;
}

static int see(void *arg, const struct site *s, const struct tensor *x, const struct tensor *twin)
{
	struct work *w = arg;
	struct tensor h;

	if (!w->gram)
		w->gram = xcalloc((size_t)s->width * (size_t)s->width, sizeof(float));
	h = tensor_view(w->gram, DT_F32, s->width, s->width);
	w->tokens += tensor_rows(x);
	if (twin && see_twin(w, s, x, twin) < 0)
		return -1;
	return w->run->dev->ops->gram(w->run->dev, &h, x);
}

static void report(struct work *w, const struct linear *l, const struct gptq_hess *h, double loss, double rtn)
{
	cJSON *o = json_obj();

	json_put_num(o, "block", w->b->index);
	json_put_str(o, "linear", l->role);
	json_put_num(o, "loss", loss);
	if (w->st->o.compare)
		json_put_num(o, "rtn_loss", rtn);
	if (role_expert(w->site->lin[0])) {
		json_put_num(o, "tokens", (double)w->site->routed);
		json_put_bool(o, "all_tokens", w->site->all);
	}
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

/* What rounding alone would lose on the same kind of grid; the record's own range and codes are not touched. */
static int rtn_loss(struct work *w, const struct qrec *like, const struct gptq_hess *h, const float *rows, int64_t n,
                    double *loss)
{
	struct arena tmp = { 0 };
	struct qspec spec = like->spec;
	struct qrec q;
	int r;

	spec.range = QR_MINMAX;
	qrec_init(&q, &spec, n, h->n, &tmp);
	q.scale_dt = like->scale_dt;
	grid_fit_rows(&q, rows, NULL, n, h->n);
	grid_round_rows(&q, rows, n, h->n);
	r = gptq_loss(&q, w->run->dev, h, rows, n, loss);
	arena_free(&tmp);
	return r;
}

/* Rows [r0, r0 + n) of a linear, whose floats go into buf; losses are added up. */
static int solve_rows(struct work *w, struct linear *l, const struct gptq_hess *h, int64_t r0, int64_t n,
                      float *buf, double loss[2])
{
	const struct gptq_opts *o = &w->st->o;
	struct dev *dev = w->run->dev;
	struct qrec q = qrec_rows(&l->q, l->in, r0);
	double some = 0, rtn = 0;

	if (linear_rows(l, w->b, r0, r0 + n, buf) < 0 ||
	    (w->cross && gptq_aim(dev, h, o->match, w->cross, w->tokens, buf, n) < 0) ||
	    gptq_solve(&q, dev, o, h, buf, n, &some) < 0 || (o->compare && rtn_loss(w, &q, h, buf, n, &rtn) < 0))
		return -1;
	loss[0] += some;
	loss[1] += rtn;
	return 0;
}

static int solve(struct work *w, int i, const struct gptq_hess *h)
{
	struct state *st = w->st;
	struct linear l;
	double loss[2] = { 0, 0 };
	int64_t step = gptq_slice(h->n);
	float *buf;
	int r = linear_open(&l, w->run, w->b, i, (enum scale_opt)st->scale);

	if (r <= 0)
		return r;
	if (st->o.order == ORDER_ACT && st->o.groups == GROUPS_DYNAMIC && l.q.spec.gran == G_GROUP) {
		l.q.perm = arena_alloc(&w->b->mem, (size_t)h->n * sizeof(*h->perm));
		memcpy(l.q.perm, h->perm, (size_t)h->n * sizeof(*h->perm));
	}
	if (step > l.out || l.q.spec.gran == G_TENSOR)
		step = l.out;
	buf = xmalloc((size_t)step * (size_t)l.in * sizeof(*buf));
	r = 0;
	for (int64_t r0 = 0; r0 < l.out && r == 0; r0 += step)
		r = solve_rows(w, &l, h, r0, l.out - r0 < step ? l.out - r0 : step, buf, loss);
	free(buf);
	if (r < 0)
		return err_at("'%s'", l.role);
	report(w, &l, h, loss[0], loss[1]);
	return linear_store(&l, w->b, !calib_has_twin(w->run->calib));
}

/* An expert that was shown all tokens, since those sent to it are few. */
static void note_few(struct work *w, const struct site *s)
{
	char *more;

	if (!s->all || common.all_experts || (w->few && w->last == s->expert))
		return;
	more = xasprintf("%s%s%d (%lld)", w->few ? w->few : "", w->few ? ", " : "", s->expert, (long long)s->routed);
	free(w->few);
	w->few = more;
	w->last = s->expert;
}

static int done(void *arg, const struct site *s)
{
	struct work *w = arg;
	struct gptq_hess h;
	int r;

	w->site = s;
	note_few(w, s);
	r = gptq_prepare(&h, w->run->dev, &w->st->o, w->gram, s->width, w->tokens);
	w->gram = NULL;
	for (int l = 0; l < s->nlin && r == 0; l++)
		r = solve(w, block_find_expert(w->b, s->lin[l], P_WEIGHT, s->expert), &h);
	gptq_free(&h);
	free(w->cross);
	w->cross = NULL;
	w->tokens = 0;
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
	struct tap tap = { wants, see, done, &w };
	char label[32];
	int r;

	if (b->kind != BLK_KIND_DENSE)
		return 0;
	r = calib_block(run->calib, b, &tap);
	if (r == 0 && w.few)
		say(0, "%s: experts that few tokens go to (how many), shown all of them instead: %s", block_label(b, label), w.few);
	free(w.few);
	free(w.gram);
	free(w.cross);
	return r;
}

static void plan(void *st, struct run *run, struct plan *p)
{
	struct state *s = st;

	gptq_plan(p, run, &s->o);
}

const struct filter filter_gptq = {
	.tool = { "llmc-gptq", "[options] --calib FILE -w SPEC [FILE]",
	          "quantize weights with error compensation (GPTQ)",
	          OPT_IO | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_CALIB | OPT_RAM | OPT_DRY | OPT_JSON | OPT_QSPEC, opts },
	.state = sizeof(struct state),
	.begin = begin,
	.block = block,
	.plan = plan,
};
