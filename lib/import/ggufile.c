/* GGUF files as a source: one, or the parts of a model that was split.  Tensors come out dequantized, under GGUF's
 * names, in the row order that they had on the hub.
 *
 * The digest that goes into provenance is XXH3-64 over, for each file, its size, its metadata and tensor table, and the
 * first 4 KiB of every tensor. */
#include "import/ggufile.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SAMPLE = 4096, FIRST = 1 << 20, MAX_HEAD = 256 << 20 };        /* the largest metadata seen have 20 MB */
enum { MAX_FILES = 9999, MAX_VEC = 1 << 15 };

struct file {
	struct rfile f;
	struct gguf g;
	void *head;                     /* metadata, from which g borrows */
};
/* What tensor i of the source is made of. */
struct item {
	int t, t2;                      /* in `all`; t2: values beside the keys of a latent, or -1 */
	int64_t heads;                  /* whose rows lie in the interleaved order; 0: none */
	bool shifted;                   /* the weight of a norm with 1 added */
};
struct ggufile {
	const struct gguf_arch *a;
	struct file *file;              /* [n] */
	int n;
	struct gguf all;                /* metadata of the first, tensors of all */
	int *of;                        /* [all.nt] which file has it */
	struct item *item;
};

/* Reads as much of the file's head as its metadata take: twice the buffer until it parses. */
static int read_head(struct file *q)
{
	uint64_t have = q->f.size < FIRST ? q->f.size : FIRST;
	int r;

	for (;;) {
		q->head = xrealloc(q->head, (size_t)have + 1);
		if (rfile_read(&q->f, 0, q->head, have) < 0)
			return -1;
		gguf_free(&q->g);
		r = gguf_parse(&q->g, q->head, have, q->f.size);
		if (r <= 0)
			return r;
		if (have >= MAX_HEAD)
			return err_set(ST_BAD, "GGUF: metadata of more than %d bytes", MAX_HEAD);
		have = have > q->f.size / 2 ? q->f.size : have * 2;
	}
}

static int open_file(struct source *s, struct ggufile *q, const char *path)
{
	struct file *f = &q->file[q->n];

	memset(f, 0, sizeof(*f));
	f->f.fd = -1;
	q->n++;
	if (rfile_open(&f->f, arena_strdup(&s->mem, path)) < 0 || read_head(f) < 0)
		return -1;
	source_stamp(s, &f->f.mark);
	return 0;
}

/* How many files the model is in, and which of them this one is. */
static int split(const struct file *f, int64_t *count, int64_t *no)
{
	*count = 1;
	*no = 0;
	return gguf_int(&f->g, "split.count", 0, MAX_FILES, count) < 0 ? -1 : gguf_int(&f->g, "split.no", 0, MAX_FILES, no);
}

/* The others of a model that was split: "NAME-00001-of-00003.gguf" tells their names. */
static int open_others(struct source *s, struct ggufile *q, const char *path)
{
	size_t len = strlen(path);
	int64_t count, no, total = 0, want = -1;
	char tail[64], *name;
	int r = 0;

	if (split(&q->file[0], &count, &no) < 0)
		return -1;
	if (count > 1 || no > 0) {
		if (no > 0)
			return err_set(ST_BAD, "'%s' is file %lld of %lld of a model: the first is to be named", path,
			               (long long)no + 1, (long long)count);
		snprintf(tail, sizeof(tail), "-00001-of-%05d.gguf", (int)count);
		if (len < strlen(tail) || strcmp(path + len - strlen(tail), tail))
			return err_set(ST_BAD, "'%s' is the first of %lld files, and its name does not end in '%s'", path,
			               (long long)count, tail);
		q->file = xrealloc(q->file, (size_t)count * sizeof(*q->file));
	}
	for (int64_t k = 1; k < count && r == 0; k++) {
		int64_t other, which;

		name = xasprintf("%.*s-%05d-of-%05d.gguf", (int)(len - strlen(tail)), path, (int)k + 1, (int)count);
		r = open_file(s, q, name);
		if (r == 0 && (r = split(&q->file[k], &other, &which) < 0 ? -1 : 0) == 0 && (other != count || which != k))
			r = err_set(ST_BAD, "'%s' says that it is file %lld of %lld", name, (long long)which + 1, (long long)other);
		free(name);
	}
	for (int k = 0; k < q->n && r == 0; k++)
		total += q->file[k].g.nt;
	if (r == 0 && gguf_int(&q->file[0].g, "split.tensors.count", 0, INT32_MAX, &want) < 0)
		return -1;
	if (r == 0 && want >= 0 && want != total)
		return err_set(ST_BAD, "GGUF: %lld tensors where 'split.tensors.count' is %lld", (long long)total, (long long)want);
	return r;
}

static void join(struct source *s, struct ggufile *q)
{
	struct gguf *all = &q->all;
	size_t n = 0;

	*all = q->file[0].g;
	memset(&all->mem, 0, sizeof(all->mem));
	for (int k = 0; k < q->n; k++)
		n += (size_t)q->file[k].g.nt;
	all->t = arena_alloc(&s->mem, (n + 1) * sizeof(*all->t));
	q->of = arena_alloc(&s->mem, (n + 1) * sizeof(*q->of));
	q->item = arena_alloc(&s->mem, (n + 1) * sizeof(*q->item));
	all->nt = 0;
	for (int k = 0; k < q->n; k++)
		for (int i = 0; i < q->file[k].g.nt; i++) {
			q->of[all->nt] = k;
			all->t[all->nt++] = q->file[k].g.t[i];
		}
}

/* Rows [from, from + n) of a tensor, of `cols` elements each, as they are stored.  NULL: error set. */
static uint8_t *raw_rows(const struct ggufile *q, int t, int64_t cols, int64_t from, int64_t n)
{
	const struct gguf_tensor *g = &q->all.t[t];
	uint64_t row = ggml_bytes(g->type, (uint64_t)cols);
	uint8_t *raw = xmalloc((size_t)((uint64_t)n * row));

	if (rfile_read(&q->file[q->of[t]].f, g->at + (uint64_t)from * row, raw, (uint64_t)n * row) == 0)
		return raw;
	free(raw);
	return NULL;
}

/* Row r of the checkpoint in the file: within a head of 2h rows, p * h + i was written at 2 * i + p, since
 * that side rotates neighbours where the hub's rotates element i with element i + h. */
static int64_t file_row(int64_t r, int64_t head_rows)
{
	int64_t h = head_rows / 2, in = r % head_rows;

	return r - in + 2 * (in % h) + in / h;
}

/* Rows whose order in the file is another come out of their whole heads. */
static int read_one(const struct source *s, const struct ggufile *q, int i, int64_t row, int64_t rows, void *dst)
{
	const struct item *it = &q->item[i];
	const struct gguf_tensor *t = &q->all.t[it->t];
	const struct tensor *o = &s->t[i];
	int64_t all = tensor_rows(o), cols = tensor_cols(o), head = 1, first, end;
	uint8_t *raw;
	float *f;
	int r = 0;

	if (o->nd == 1 && it->heads) {                  /* a bias: its elements are the rows */
		rows = all = cols;
		cols = 1;
	}
	if (it->heads)
		head = all / it->heads;
	first = row / head * head;
	end = (row + rows + head - 1) / head * head;
	raw = raw_rows(q, it->t, cols, first, end - first);
	if (!raw)
		return -1;
	f = xmalloc((size_t)cols * sizeof(*f));
	for (int64_t k = 0; k < rows && r == 0; k++) {
		int64_t from = (it->heads ? file_row(row + k, head) : row + k) - first;

		ggml_f32(f, raw + ggml_bytes(t->type, (uint64_t)(from * cols)), t->type, (uint64_t)cols);
		for (int64_t c = 0; it->shifted && c < cols; c++)
			f[c] -= 1;
		r = from_f32((char *)dst + (size_t)(k * cols) * dtype_size(o->dt), o->dt, f, (size_t)cols);
	}
	free(f);
	free(raw);
	return r;
}

/* One head of a latent: keys [rank, nk] of the file, turned, and then its values [nv, rank], into f [nk + nv, rank]. */
static int latent_head(const struct ggufile *q, const struct item *it, int64_t h, float *f)
{
	const struct gguf_tensor *k = &q->all.t[it->t], *v = &q->all.t[it->t2];
	int64_t rank = k->dim[1], nk = k->dim[2], nv = v->dim[1];
	uint8_t *rk = raw_rows(q, it->t, nk, h * rank, rank), *rv = rk ? raw_rows(q, it->t2, rank, h * nv, nv) : NULL;
	float *keys = xmalloc((size_t)(rank * nk) * sizeof(*keys));

	if (rv) {
		ggml_f32(keys, rk, k->type, (uint64_t)(rank * nk));
		for (int64_t a = 0; a < rank; a++)
			for (int64_t b = 0; b < nk; b++)
				f[b * rank + a] = keys[a * nk + b];
		ggml_f32(f + nk * rank, rv, v->type, (uint64_t)(rank * nv));
	}
	free(keys);
	free(rk);
	free(rv);
	return rv ? 0 : -1;
}

static int read_latent(const struct source *s, const struct ggufile *q, int i, int64_t row, int64_t rows, void *dst)
{
	const struct item *it = &q->item[i];
	int64_t rank = s->t[i].dim[1], head = s->t[i].dim[0] / q->all.t[it->t].dim[0], n;
	float *f = xmalloc((size_t)(head * rank) * sizeof(*f));
	char *to = dst;
	int r = 0;

	for (; rows && r == 0; row += n, rows -= n) {
		n = least(rows, head - row % head);
		r = latent_head(q, it, row / head, f);
		r = r < 0 ? r : from_f32(to, s->t[i].dt, f + row % head * rank, (size_t)(n * rank));
		to += (size_t)(n * rank) * dtype_size(s->t[i].dt);
	}
	free(f);
	return r;
}

static int read_rows(struct source *s, int i, int64_t row, int64_t rows, void *dst)
{
	const struct ggufile *q = s->priv;

	return q->item[i].t2 < 0 ? read_one(s, q, i, row, rows, dst) : read_latent(s, q, i, row, rows, dst);
}

static void close_file(struct source *s)
{
	struct ggufile *q = s->priv;

	for (int k = 0; k < q->n; k++) {
		gguf_free(&q->file[k].g);
		rfile_close(&q->file[k].f);
		free(q->file[k].head);
	}
	free(q->file);
	free(q);
}

/* What tensors become: as the matrices are stored, but for routers, which are F32 in every file; BF16 where those are
 * quantized. */
static enum dtype choose(const struct gguf *g)
{
	enum dtype dt = DT_NONE;

	for (int i = 0; i < g->nt; i++)
		if (g->t[i].nd >= 2 && strcmp(g->t[i].name, "token_embd.weight")) {
			if (g->t[i].type != GT_F32)
				return g->t[i].type == GT_F16 ? DT_F16 : DT_BF16;
			dt = DT_F32;
		}
	return dt == DT_NONE ? DT_BF16 : dt;
}

/* The layer of "blk.N.TAIL", or -1. */
static int layer_of(const char *name, const char *tail)
{
	size_t n;

	if (strncmp(name, "blk.", 4))
		return -1;
	n = strspn(name + 4, "0123456789");
	if (!n || n > 4 || (n > 1 && name[4] == '0') || name[4 + n] != '.' || strcmp(name + 5 + n, tail))
		return -1;
	return atoi(name + 4);
}

/* The halves of what the checkpoint has in one.  1: done; 0: it is another tensor. */
static int list_latent(struct source *s, struct ggufile *q, int i)
{
	const struct gguf_tensor *k = &q->all.t[i], *v;
	struct tensor *o = &s->t[s->nt];
	int l = layer_of(k->name, "attn_k_b.weight");
	char name[64];

	if (!(q->a->flags & GA_LATENT) || l < 0) {
		l = q->a->flags & GA_LATENT ? layer_of(k->name, "attn_v_b.weight") : -1;
		snprintf(name, sizeof(name), "blk.%d.attn_k_b.weight", l);
		return l >= 0 && gguf_has(&q->all, name);
	}
	snprintf(name, sizeof(name), "blk.%d.attn_v_b.weight", l);
	q->item[s->nt].t2 = gguf_at(&q->all, name);
	if (q->item[s->nt].t2 < 0)
		return err_set(ST_BAD, "tensor '%s' is missing", name);
	v = &q->all.t[q->item[s->nt].t2];
	if (k->nd != 3 || v->nd != 3 || k->dim[0] != v->dim[0] || k->dim[1] != v->dim[2])
		return err_set(ST_BAD, "GGUF: tensors '%s' and '%s' do not fit each other", k->name, v->name);
	snprintf(name, sizeof(name), "blk.%d.attn_kv_b.weight", l);
	o->name = arena_strdup(&s->mem, name);
	o->nd = 2;
	o->dim[0] = k->dim[0] * (k->dim[2] + v->dim[1]);
	o->dim[1] = k->dim[1];
	s->nt++;
	return 1;
}

static int64_t heads_of(const struct gguf_arch *a, const struct gguf *g, enum role role)
{
	int64_t n = 1;

	if (!(a->flags & GA_PERMUTED) || (role != R_Q && role != R_K) ||
	    arch_int(g, a, "attention.head_count", 1, 1 << 16, &n) < 0 ||
	    (role == R_K && arch_int(g, a, "attention.head_count_kv", 1, 1 << 16, &n) < 0))
		return 0;
	return n;
}

static int list_one(struct source *s, struct ggufile *q, int i)
{
	const struct gguf_tensor *t = &q->all.t[i];
	struct item *it = &q->item[s->nt];
	struct tensor *o = &s->t[s->nt];
	struct tensor_id id;
	bool known = family_role(q->a->names, t->name, &id) > 0;

	o->name = t->name;
	o->nd = t->nd;
	memcpy(o->dim, t->dim, sizeof(t->dim));
	if (known)
		it->heads = heads_of(q->a, &q->all, id.role);
	if (it->heads && id.fuse)                       /* no writer is known, nor which of its rows moved */
		return err_set(ST_UNSUP, "GGUF: tensor '%s' fuses q, k and v in architecture '%s', which reorders the rows of q and k",
		               t->name, q->a->name);
	if (it->heads && (t->dim[0] % it->heads || t->dim[0] / it->heads % 2 || t->nd > 2 ||
	                  (t->nd == 1 && ggml_block(t->type) > 1)))
		return err_set(ST_BAD, "GGUF: tensor '%s' does not hold %lld heads", t->name, (long long)it->heads);
	it->shifted = known && q->a->flags & GA_NORM1 && t->nd == 1 && id.part == P_WEIGHT;
	if (known && id.role == R_SHARED_ROUTER && t->nd == 1) {        /* a matrix of one row was written as that row */
		o->nd = 2;
		o->dim[1] = o->dim[0];
		o->dim[0] = 1;
	}
	if (known && id.role == R_ROUTER && id.part == P_BIAS)         /* by whose last bits experts are chosen */
		o->dt = DT_F32;
	s->nt++;
	return 0;
}

static int list(struct source *s, struct ggufile *q, enum dtype dt)
{
	int r = 0;

	s->t = xcalloc((size_t)q->all.nt + 1, sizeof(*s->t));
	for (int i = 0; i < q->all.nt && r == 0; i++) {
		const struct gguf_tensor *t = &q->all.t[i];

		if (!ggml_block(t->type)) {
			const char *n = ggml_type_name(t->type);

			return err_set(ST_UNSUP, "GGUF: tensor '%s' has type %s%.0u, which is not read",
			               t->name, n ? n : "number ", n ? 0 : t->type);
		}
		q->item[s->nt] = (struct item){ .t = i, .t2 = -1 };
		s->t[s->nt].dt = dt;
		r = list_latent(s, q, i);
		r = r ? r < 0 ? r : 0 : list_one(s, q, i);
	}
	return r;
}

static int digest(struct source *s, const struct ggufile *q)
{
	XXH3_state_t *x = XXH3_createState();
	char sample[SAMPLE];
	int r = 0;

	if (!x)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(x);
	for (int k = 0; k < q->n; k++) {
		const struct file *f = &q->file[k];

		XXH3_64bits_update(x, &f->f.size, sizeof(f->f.size));
		XXH3_64bits_update(x, f->head, (size_t)f->g.head);
		for (int i = 0; i < f->g.nt && r == 0; i++) {
			uint64_t n = f->g.t[i].bytes < SAMPLE ? f->g.t[i].bytes : SAMPLE;

			r = rfile_read(&f->f, f->g.t[i].at, sample, n);
			XXH3_64bits_update(x, sample, (size_t)n);
		}
	}
	s->digest = XXH3_64bits_digest(x);
	XXH3_freeState(x);
	return r;
}

/* Factors of rotary positions: what the configuration is to say. */
static int read_vecs(const struct ggufile *q, struct gguf_vec *vec)
{
	for (int k = 0; k < VEC_N; k++) {
		int i = gguf_at(&q->all, gguf_vec_names[k]);
		const struct gguf_tensor *t = &q->all.t[i < 0 ? 0 : i];

		if (i < 0)
			continue;
		if (t->type != GT_F32 || t->nd != 1 || t->dim[0] > MAX_VEC)
			return err_set(ST_UNSUP, "GGUF: '%s' is not a vector of F32", t->name);
		vec[k].n = t->dim[0];
		vec[k].v = xmalloc((size_t)t->bytes);
		if (rfile_read(&q->file[q->of[i]].f, t->at, vec[k].v, t->bytes) < 0)
			return -1;
	}
	return 0;
}

static int config(struct source *s, struct ggufile *q, enum dtype dt)
{
	struct gguf_vec vec[VEC_N] = { { NULL, 0 } };
	char *text = NULL;
	cJSON *gen;

	if (read_vecs(q, vec) == 0)
		text = gguf_config(&q->all, q->a, dt, vec);
	for (int k = 0; k < VEC_N; k++)
		free(vec[k].v);
	if (!text)
		return -1;
	source_add_file(s, "extra/config.json", text, strlen(text));
	s->config = json_parse(text, strlen(text), "config.json");
	if (!s->config)
		return -1;
	gen = json_obj();
	for (int i = 0; i < 3; i++) {
		static const char *const keys[] = { "bos_token_id", "eos_token_id", "pad_token_id" };
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(s->config, keys[i]);

		if (v)
			json_put_num(gen, keys[i], v->valuedouble);
	}
	text = json_text(gen, true);
	cJSON_Delete(gen);
	source_add_file(s, "extra/generation_config.json", text, strlen(text));
	return 0;
}

int ggufile_open(struct source *s, const char *path, enum dtype dt)
{
	struct ggufile *q = xcalloc(1, sizeof(*q));

	s->priv = q;
	s->close = close_file;
	s->read = read_rows;
	s->decoded = true;
	q->file = xcalloc(1, sizeof(*q->file));
	if (open_file(s, q, path) < 0 || open_others(s, q, path) < 0)
		return -1;
	join(s, q);
	q->a = gguf_arch(&q->all);
	if (!q->a)
		return -1;
	s->names = q->a->names;
	if (dt == DT_NONE)
		dt = choose(&q->all);
	if (config(s, q, dt) < 0 || list(s, q, dt) < 0 || gguf_tokenizer(&q->all, q->a, s) < 0)
		return -1;
	return digest(s, q);
}
