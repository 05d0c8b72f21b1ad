#include "bundle/blockio.h"

#include "base/err.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 160 };                    /* "norm.attn.weight.scale", or one of a list, and to spare */
static const char *const kinds[] = {
	[BLK_KIND_EMBED] = "embed", [BLK_KIND_DENSE] = "dense", [BLK_KIND_HEAD] = "head"
};

struct decode {
	struct st st;
	bool *used;                     /* [st.n] */
	const cJSON *q;                 /* records, or NULL */
	struct block *b;
};

/* The stored tensor NAME or NAME.suffix, of that type and shape, into *out.  1, 0 when it is not there, -1. */
static int fetch(struct decode *d, const char *name, const char *suffix, enum dtype dt, const struct tensor *shape,
                 void **out)
{
	char full[NAME], a[96], c[96];
	struct st_entry *e;

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	e = st_find(&d->st, full);
	if (!e)
		return 0;
	d->used[e - d->st.e] = true;
	if (e->t.dt != dt)
		return err_set(ST_BAD, "tensor '%s' is %s instead of %s", full, dtype_name(e->t.dt), dtype_name(dt));
	if (!tensor_same_shape(&e->t, shape))
		return err_set(ST_BAD, "tensor '%s' is %s, the model makes it %s", full, tensor_shape(&e->t, a, sizeof(a)),
		               tensor_shape(shape, c, sizeof(c)));
	*out = e->t.data;
	if ((uintptr_t)*out % dtype_size(dt)) {         /* of another writer, who pads less */
		*out = arena_alloc(&d->b->mem, tensor_bytes(shape));
		memcpy(*out, e->t.data, tensor_bytes(shape));
	}
	return 1;
}

/* NAME.suffix must be there. */
static int need(struct decode *d, const char *name, const char *suffix, enum dtype dt, int64_t rows, int64_t cols,
                void *out)
{
	struct tensor shape = tensor_view(NULL, dt, rows, cols);
	void *p = NULL;
	int r = fetch(d, name, suffix, dt, &shape, &p);

	if (!r)
		return err_set(ST_BAD, "tensor '%s%s' is missing", name, suffix);
	memcpy(out, &p, sizeof(p));
	return r;
}

static bool same_shape(const cJSON *shape, const struct tensor *t)
{
	const cJSON *v;
	int k = 0;

	if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) != t->nd)
		return false;
	cJSON_ArrayForEach(v, shape)
		if (!cJSON_IsNumber(v) || v->valuedouble != (double)t->dim[k++])
			return false;
	return true;
}

/* The words of a record. */
static int record(const cJSON *rec, struct tensor *t, struct qrec *q)
{
	const char *spec, *scale, *dt;

	if (!cJSON_IsObject(rec) || json_str(rec, "spec", &spec) <= 0 || json_str(rec, "scale_dtype", &scale) <= 0 ||
	    json_str(rec, "dtype", &dt) <= 0)
		return err_set(ST_BAD, "record of '%s': no proper 'spec', 'scale_dtype' or 'dtype'", t->name);
	if (spec_parse(&q->spec, spec) < 0) {
		if (err_status() == ST_USAGE)
			err_set(ST_BAD, "%s", err_msg());
		return err_at("record of '%s'", t->name);
	}
	t->dt = dtype_find(dt);
	if (t->dt != DT_F32 && t->dt != DT_F16 && t->dt != DT_BF16)
		return err_set(ST_BAD, "record of '%s': dtype '%.20s'", t->name, dt);
	if (!same_shape(cJSON_GetObjectItemCaseSensitive(rec, "shape"), t))
		return err_set(ST_BAD, "record of '%s': no proper 'shape'", t->name);
	q->scale_dt = dtype_find(scale);
	if (q->spec.fmt == Q_NONE || t->nd != 2)
		return err_set(ST_BAD, "record of '%s': nothing that is quantized", t->name);
	return 0;
}

static int quantized(struct decode *d, const cJSON *rec, struct tensor *t, struct qrec *q)
{
	int64_t out = t->dim[0], in = t->dim[1];
	struct tensor cols = { .dt = DT_I32, .nd = 1, .dim = { in } };
	void *perm = NULL;

	if (record(rec, t, q) < 0)
		return -1;
	q->group = q->spec.gran == G_GROUP && q->spec.group < in ? q->spec.group : (int)in;
	q->ngroup = (int)((in + q->group - 1) / q->group);
	if (need(d, t->name, ".code", DT_U8, out, in, &q->code) < 0 ||
	    need(d, t->name, ".scale", DT_F32, out, q->ngroup, &q->scale) < 0 ||
	    (!q->spec.sym && need(d, t->name, ".zero", DT_U8, out, q->ngroup, &q->zero) < 0) ||
	    fetch(d, t->name, ".perm", DT_I32, &cols, &perm) < 0)
		return -1;
	q->perm = perm;
	return qrec_check(q, out, in) < 0 ? err_at("'%s'", t->name) : 0;
}

static int plain(struct decode *d, struct tensor *t)
{
	struct st_entry *e = st_find(&d->st, t->name);

	if (!e)
		return err_set(ST_BAD, "tensor '%s' is missing", t->name);
	t->dt = e->t.dt;
	if (t->dt != DT_F32 && t->dt != DT_F16 && t->dt != DT_BF16)
		return err_set(ST_UNSUP, "tensor '%s' is %s", t->name, dtype_name(t->dt));
	return fetch(d, t->name, "", t->dt, t, &t->data);
}

/* Nothing is left over, neither tensors nor records. */
static int left_over(const struct decode *d)
{
	const cJSON *rec;

	for (int i = 0; i < d->st.n; i++)
		if (!d->used[i])
			return err_set(ST_BAD, "unknown tensor '%.200s'", d->st.e[i].t.name);
	cJSON_ArrayForEach(rec, d->q) {
		int i = 0;

		while (i < d->b->nt && strcmp(d->b->t[i].name, rec->string))
			i++;
		if (i == d->b->nt)
			return err_set(ST_BAD, "a record of '%.200s', which is not there", rec->string);
	}
	return 0;
}

static int decode(struct decode *d, const struct model *m)
{
	struct block *b = d->b;
	struct want w = WANT_FIRST;
	char name[64];
	int nt = 0, r = 0;

	while (r >= 0 && piece_wants(m, b->index, b->piece, &w)) {
		struct tensor *t = &b->t[nt];
		const cJSON *rec;

		t->name = arena_strdup(&b->mem, want_name(&w, name));
		t->nd = w.nd;
		memcpy(t->dim, w.dim, sizeof(t->dim));
		rec = cJSON_GetObjectItemCaseSensitive(d->q, t->name);
		r = rec ? quantized(d, rec, t, &b->q[nt]) : plain(d, t);
		nt++;
	}
	b->nt = nt;
	return r < 0 ? -1 : left_over(d);
}

int block_decode(struct block *b, const struct model *m, cJSON *note, void *buf, size_t len)
{
	struct decode d = { .b = b };
	const char *word = NULL;
	int r;

	if (note) {
		cJSON_Delete(b->note);
		b->note = note;
	}
	d.q = cJSON_GetObjectItemCaseSensitive(b->note, "q");
	if (json_str(b->note, "kind", &word) < 0)
		return -1;
	if (word && strcmp(word, kinds[b->kind]))
		return err_set(ST_UNSUP, "a block of kind '%.40s'", word);
	if (d.q && !cJSON_IsObject(d.q))
		return err_set(ST_BAD, "'q' of the note is not an object");
	if (len < 8)
		return err_set(ST_BAD, "tensors: %zu bytes", len);
	if (st_parse(&d.st, buf, len, "tensors") < 0)
		return -1;
	st_bind(&d.st, (char *)buf + d.st.head);
	d.used = xcalloc((size_t)d.st.n, sizeof(*d.used));
	/* each that the model wants takes one of those that are there, or ends it */
	block_room(b, d.st.n + 1);
	r = decode(&d, m);
	free(d.used);
	st_free(&d.st);
	return r;
}

static struct tensor part_of(struct arena *mem, const struct block *b, int i, const char *suffix, enum dtype dt,
                             int64_t rows, int64_t cols, void *p)
{
	struct tensor t = tensor_view(p, dt, rows, cols);

	t.name = arena_printf(mem, "%s%s", b->t[i].name, suffix);
	return t;
}

static int expand(struct arena *mem, const struct block *b, int i, struct tensor *t)
{
	const struct qrec *q = &b->q[i];
	int64_t out, in;
	int n = 0;

	if (q->spec.fmt == Q_NONE) {
		t[0] = b->t[i];
		return 1;
	}
	out = tensor_rows(&b->t[i]);
	in = tensor_cols(&b->t[i]);
	t[n++] = part_of(mem, b, i, ".code", DT_U8, out, in, q->code);
	t[n++] = part_of(mem, b, i, ".scale", DT_F32, out, q->ngroup, q->scale);
	if (q->zero)
		t[n++] = part_of(mem, b, i, ".zero", DT_U8, out, q->ngroup, q->zero);
	if (q->perm) {
		t[n] = part_of(mem, b, i, ".perm", DT_I32, 1, in, q->perm);
		t[n].nd = 1;
		t[n++].dim[0] = in;
	}
	return n;
}

/* Where a tensor stands in the order that model_wants has. */
struct place_of {
	enum role role;
	int expert, i;
	enum part part;
};

static int in_order(const void *a, const void *b)
{
	const struct place_of *x = a, *y = b;

	return x->role != y->role ? (x->role > y->role) - (x->role < y->role) :
	       x->expert != y->expert ? (x->expert > y->expert) - (x->expert < y->expert) :
	       x->part != y->part ? (x->part > y->part) - (x->part < y->part) : (x->i > y->i) - (x->i < y->i);
}

struct tensor *block_encode(const struct block *b, struct arena *mem, int *n)
{
	struct tensor *t = arena_alloc(mem, (size_t)b->nt * 4 * sizeof(*t));
	struct place_of *p = xcalloc((size_t)b->nt + 1, sizeof(*p));
	int k = 0;

	*n = 0;
	for (int i = 0; i < b->nt; i++)
		if (b->t[i].name) {
			if (role_parse(b->t[i].name, &p[k].role, &p[k].part, &p[k].expert) < 0)
				p[k].role = R_OTHER;    /* of a list: as they stand there */
			p[k++].i = i;
		}
	qsort(p, (size_t)k, sizeof(*p), in_order);
	for (int i = 0; i < k; i++)
		*n += expand(mem, b, p[i].i, t + *n);
	free(p);
	return t;
}

static cJSON *records(const struct block *b)
{
	const cJSON *old = cJSON_GetObjectItemCaseSensitive(b->note, "q");
	cJSON *q = json_obj();
	char buf[96];

	for (int i = 0; i < b->nt; i++) {
		const struct tensor *t = &b->t[i];
		const cJSON *was = cJSON_GetObjectItemCaseSensitive(old, t->name);
		cJSON *rec, *shape;

		if (b->q[i].spec.fmt == Q_NONE)
			continue;
		rec = was ? cJSON_Duplicate(was, 1) : json_obj();
		json_put_str(rec, "spec", spec_print(&b->q[i].spec, buf, sizeof(buf)));
		json_put_str(rec, "scale_dtype", dtype_name(b->q[i].scale_dt));
		json_put(rec, "shape", shape = json_arr());
		for (int k = 0; k < t->nd; k++)
			json_push(shape, cJSON_CreateNumber((double)t->dim[k]));
		json_put_str(rec, "dtype", dtype_name(t->dt));
		json_put(q, t->name, rec);
	}
	return q;
}

cJSON *block_note(const struct block *b)
{
	cJSON *note = json_obj(), *q = records(b);
	const cJSON *v;
	bool more = q->child != NULL;

	json_put_str(note, "kind", kinds[b->kind]);
	if (more || b->kind == BLK_KIND_DENSE)
		json_put(note, "q", q);
	else
		cJSON_Delete(q);
	cJSON_ArrayForEach(v, b->note)
		if (strcmp(v->string, "kind") && strcmp(v->string, "q")) {
			json_add(note, v->string, cJSON_Duplicate(v, 1));
			more = true;
		}
	if (more || b->kind == BLK_KIND_DENSE)
		return note;
	cJSON_Delete(note);
	return NULL;
}
