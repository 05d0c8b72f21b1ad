#include "algo/diff.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/table.h"
#include "bundle/bundle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 18 };               /* elements compared at once */

struct err {
	double n, max, ee, aa;          /* elements, largest |e|, sums of e^2 and a^2 */
	bool nan;
};
struct diff {
	struct bundle_in *a, *b;
	cJSON *rows;
	struct err all;
	bool differ;
};

static void compare(struct err *r, const float *a, const float *b, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double e = (double)b[i] - a[i];

		r->nan |= isnan(e);
		r->max = fmax(r->max, fabs(e));
		r->ee += e * e;
		r->aa += (double)a[i] * a[i];
	}
	r->n += (double)n;
}

static void gather(struct err *all, const struct err *r)
{
	all->n += r->n;
	all->max = fmax(all->max, r->max);
	all->ee += r->ee;
	all->aa += r->aa;
	all->nan |= r->nan;
}

static int tensors(struct err *r, const struct block *a, int i, const struct block *b, int j)
{
	int64_t rows = tensor_rows(&a->t[i]), cols = tensor_cols(&a->t[i]), step = cols < CHUNK ? CHUNK / cols : 1;
	float *x = xmalloc((size_t)(step * cols) * 2 * sizeof(*x)), *y = x + step * cols;
	int rc = 0;

	for (int64_t r0 = 0; r0 < rows && rc == 0; r0 += step) {
		int64_t r1 = r0 + step < rows ? r0 + step : rows;

		if (block_f32(a, i, r0, r1, x) < 0 || block_f32(b, j, r0, r1, y) < 0)
			rc = -1;
		else
			compare(r, x, y, (r1 - r0) * cols);
	}
	free(x);
	return rc;
}

static void put_err(cJSON *o, const struct err *r)
{
	double rms = sqrt(r->ee / r->n), rel = sqrt(r->ee) / sqrt(r->aa);

	json_put_num(o, "elements", r->n);
	if (!r->nan && isfinite(r->max) && isfinite(rms)) {
		json_put_num(o, "max", r->max);
		json_put_num(o, "rms", rms);
	}
	if (isfinite(rel))
		json_put_num(o, "rel", rel);
	if (isfinite(rel) && rel > 0)
		json_put_num(o, "sqnr", -20 * log10(rel));
}

static void stored(cJSON *o, const char *key, const struct block *b, int i)
{
	char buf[96];

	json_put_str(o, key, b->q[i].spec.fmt == Q_NONE ? dtype_name(b->t[i].dt) :
	             spec_print(&b->q[i].spec, buf, sizeof(buf)));
}

static cJSON *row(struct diff *d, const struct block *b, const char *name)
{
	cJSON *o = json_obj();

	block_put(b, o);
	json_put_str(o, "tensor", name);
	json_push(d->rows, o);
	return o;
}

static int blocks(struct diff *d, const struct block *a, const struct block *b)
{
	for (int i = 0; i < a->nt; i++) {
		struct err r = { 0 };
		int j = 0;
		cJSON *o;

		while (j < b->nt && strcmp(a->t[i].name, b->t[j].name))
			j++;
		o = row(d, a, a->t[i].name);
		stored(o, "a", a, i);
		if (j == b->nt) {
			d->differ = true;
			continue;
		}
		stored(o, "b", b, j);
		if (!tensor_same_shape(&a->t[i], &b->t[j]))
			return err_set(ST_BAD, "'%s' has another shape in '%s'", a->t[i].name, bundle_name(d->b));
		if (tensors(&r, a, i, b, j) < 0)
			return -1;
		put_err(o, &r);
		gather(&d->all, &r);
		d->differ |= r.max > 0 || r.nan;
	}
	for (int j = 0; j < b->nt; j++) {
		int i = 0;

		while (i < a->nt && strcmp(a->t[i].name, b->t[j].name))
			i++;
		if (i == a->nt) {
			stored(row(d, b, b->t[j].name), "b", b, j);
			d->differ = true;
		}
	}
	return 0;
}

/* The next block of a bundle.  1; 0: verified end; -1. */
static int next(struct bundle_in *in, struct block *b)
{
	struct member m;
	int r;

	while ((r = bundle_next(in, &m)) > 0)
		if (m.kind == M_BLOCK)
			return bundle_get_block(in, b) < 0 ? -1 : 1;
	return r;
}

static int read_both(struct diff *d)
{
	for (;;) {
		struct block a = { 0 }, b = { 0 };
		int p = next(d->a, &a), q = p < 0 ? -1 : next(d->b, &b), r = 0;

		if (p < 0 || q < 0)
			r = -1;
		else if (p != q || (p && (a.index != b.index || a.piece != b.piece || a.kind != b.kind)))
			r = err_set(ST_BAD, "'%s' and '%s' do not hold the same blocks", bundle_name(d->a), bundle_name(d->b));
		else if (p) {
			progress_at(a.index + 1);
			r = blocks(d, &a, &b);
		}
		if (a.note)
			block_free(&a);
		if (b.note)
			block_free(&b);
		if (r < 0 || !p)
			return r;
	}
}

static const char *digest_of(const struct bundle_in *in, const char *name)
{
	const cJSON *m;
	const char *s, *d;

	cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(bundle_end(in), "members"))
		if (json_str(m, "name", &s) > 0 && !strcmp(s, name) && json_str(m, "xxh3", &d) > 0)
			return d;
	return "";
}

/* What lies beside the blocks is compared as a whole. */
static void carried(struct diff *d)
{
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(bundle_manifest(d->a), "carried");
	const cJSON *b = cJSON_GetObjectItemCaseSensitive(bundle_manifest(d->b), "carried"), *v;
	const char *name;

	if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b)) {
		warn("'%s' and '%s' do not carry the same along", bundle_name(d->a), bundle_name(d->b));
		d->differ = true;
	}
	cJSON_ArrayForEach(v, a)
		if (json_str(v, "member", &name) > 0 && strcmp(digest_of(d->a, name), digest_of(d->b, name))) {
			warn("'%s' differs", name);
			d->differ = true;
		}
}

/* Knobs of the model that are not shapes: what the same tensors would be used for. */
static void knobs(struct diff *d)
{
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(bundle_manifest(d->a), "model");
	const cJSON *b = cJSON_GetObjectItemCaseSensitive(bundle_manifest(d->b), "model");
	const cJSON *v;

	cJSON_ArrayForEach(v, a)
		if (!cJSON_Compare(v, cJSON_GetObjectItemCaseSensitive(b, v->string), true)) {
			warn("the models differ in '%s'", v->string);
			d->differ = true;
		}
}

static int open_both(struct diff *d, const char *a, const char *b)
{
	if (!strcmp(a, "-") && !strcmp(b, "-"))
		return err_set(ST_USAGE, "standard input can be read once");
	if (!(d->a = bundle_open(a)) || !(d->b = bundle_open(b)))
		return -1;
	if (!bundle_model(d->a) || !bundle_model(d->b))
		return err_set(ST_BAD, "'%s' holds %s, '%s' holds %s: models are compared", bundle_name(d->a),
		               bundle_kind(d->a), bundle_name(d->b), bundle_kind(d->b));
	if (bundle_model(d->a)->piece_experts != bundle_model(d->b)->piece_experts)
		return err_set(ST_BAD, "'%s' and '%s' have their layers in pieces of other sizes: import both with one --piece-size",
		               bundle_name(d->a), bundle_name(d->b));
	return 0;
}

static void print(struct diff *d, bool json)
{
	cJSON *o = json_obj();

	if (d->all.n > 0)
		put_err(o, &d->all);
	if (!json) {
		json_put_str(o, "block", "all");
		json_push(d->rows, o);
		table_print("block tensor a b elements max rms rel sqnr", d->rows);
		return;
	}
	json_put_bool(o, "same", !d->differ);
	json_put(o, "tensors", d->rows);
	d->rows = NULL;
	json_print(o);
	cJSON_Delete(o);
}

int diff_run(const char *a, const char *b, bool json)
{
	struct diff d = { .rows = json_arr() };
	int r = open_both(&d, a, b);

	if (r == 0) {
		progress_begin("block", bundle_model(d.a)->n_layer);
		r = read_both(&d);
		progress_end();
	}
	if (r == 0) {
		knobs(&d);
		carried(&d);
		print(&d, json);
		r = d.differ;
	}
	cJSON_Delete(d.rows);
	if (d.a)
		bundle_close(d.a);
	if (d.b)
		bundle_close(d.b);
	return r;
}
