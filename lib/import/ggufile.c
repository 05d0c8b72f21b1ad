/* A GGUF file of architecture llama as a source: tensors come out dequantized, under the names and in the row
 * order that they had on the hub.
 *
 * The digest that goes into provenance is XXH3-64 over the file's size, its metadata and tensor table, and the
 * first 4 KiB of every tensor. */
#include "import/ggufile.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SAMPLE = 4096, FIRST = 1 << 20, MAX_HEAD = 256 << 20 };        /* the largest metadata seen have 20 MB */

struct ggufile {
	struct rfile f;
	struct gguf g;
	void *head;                     /* metadata, from which g borrows */
	int64_t heads[2];               /* query, key: the row permutation differs */
};

/* Reads as much of the file's head as its metadata take: twice the buffer until it parses. */
static int read_head(struct ggufile *q)
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

static struct gguf_tensor *find(struct gguf *g, const char *name)
{
	for (int i = 0; i < g->nt; i++)
		if (!strcmp(g->t[i].name, name))
			return &g->t[i];
	return NULL;
}

/* Heads whose rows a tensor holds in the interleaved order, or 0. */
static int64_t permuted(const struct ggufile *q, const char *name)
{
	const char *p = strncmp(name, "blk.", 4) ? NULL : strchr(name + 4, '.');

	if (p && (!strcmp(p, ".attn_q.weight") || !strcmp(p, ".attn_q.bias")))
		return q->heads[0];
	if (p && (!strcmp(p, ".attn_k.weight") || !strcmp(p, ".attn_k.bias")))
		return q->heads[1];
	return 0;
}

/* Row r of the checkpoint in the file: within a head of 2h rows, p * h + i was written at 2 * i + p, since
 * that side rotates neighbours where the hub's rotates element i with element i + h. */
static int64_t file_row(int64_t r, int64_t head_rows)
{
	int64_t h = head_rows / 2, in = r % head_rows;

	return r - in + 2 * (in % h) + in / h;
}

/* Rows whose order in the file is another come out of all of it. */
static int read_rows(struct source *s, int i, int64_t row, int64_t rows, void *dst)
{
	struct ggufile *q = s->priv;
	const struct gguf_tensor *t = &q->g.t[i];
	const struct tensor *o = &s->t[i];
	int64_t all = tensor_rows(o), cols = tensor_cols(o), heads = permuted(q, t->name);
	int64_t first = heads ? 0 : row, held = heads ? all : rows;
	uint64_t at = ggml_bytes(t->type, (uint64_t)(first * cols)), bytes = ggml_bytes(t->type, (uint64_t)(held * cols));
	uint8_t *raw = xmalloc((size_t)bytes);
	float *f;
	int r;

	r = rfile_read(&q->f, t->at + at, raw, bytes);
	if (r == 0 && t->nd == 1 && heads) {            /* a bias: its elements are the rows */
		rows = all = cols;
		cols = 1;
	}
	f = xmalloc((size_t)cols * sizeof(*f));
	for (int64_t k = 0; k < rows && r == 0; k++) {
		int64_t from = heads ? file_row(row + k, all / heads) : k;

		ggml_f32(f, raw + ggml_bytes(t->type, (uint64_t)(from * cols)), t->type, (uint64_t)cols);
		r = from_f32((char *)dst + (size_t)(k * cols) * dtype_size(o->dt), o->dt, f, (size_t)cols);
	}
	free(f);
	free(raw);
	return r;
}

static void close_file(struct source *s)
{
	struct ggufile *q = s->priv;

	gguf_free(&q->g);
	rfile_close(&q->f);
	free(q->head);
	free(q);
}

/* What tensors become: as the matrices are stored, BF16 where those are quantized. */
static enum dtype choose(const struct gguf *g)
{
	for (int i = 0; i < g->nt; i++)
		if (g->t[i].nd == 2 && strcmp(g->t[i].name, "token_embd.weight"))
			return g->t[i].type == GT_F32 ? DT_F32 : g->t[i].type == GT_F16 ? DT_F16 : DT_BF16;
	return DT_BF16;
}

static int list(struct source *s, struct ggufile *q, enum dtype dt)
{
	char buf[512];

	s->t = xcalloc((size_t)q->g.nt + 1, sizeof(*s->t));
	for (; s->nt < q->g.nt; s->nt++) {
		const struct gguf_tensor *t = &q->g.t[s->nt];
		struct tensor *o = &s->t[s->nt];
		int64_t heads = permuted(q, t->name);

		if (!ggml_block(t->type)) {
			const char *n = ggml_type_name(t->type);

			return err_set(ST_UNSUP, "GGUF: tensor '%s' has type %s%.0u, which is not read",
			               t->name, n ? n : "number ", n ? 0 : t->type);
		}
		o->name = arena_strdup(&s->mem, gguf_hf_name(t->name, buf, sizeof(buf)));
		o->dt = dt;
		o->nd = t->nd;
		memcpy(o->dim, t->dim, sizeof(t->dim));
		if (heads && (t->dim[0] % heads || t->dim[0] / heads % 2 || t->nd > 2 ||
		              (t->nd == 1 && ggml_block(t->type) > 1)))
			return err_set(ST_BAD, "GGUF: tensor '%s' does not hold %lld heads", t->name, (long long)heads);
	}
	return 0;
}

static int digest(struct source *s, const struct ggufile *q)
{
	XXH3_state_t *x = XXH3_createState();
	char sample[SAMPLE];
	int r = 0;

	if (!x)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(x);
	XXH3_64bits_update(x, &q->f.size, sizeof(q->f.size));
	XXH3_64bits_update(x, q->head, (size_t)q->g.head);
	for (int i = 0; i < q->g.nt && r == 0; i++) {
		uint64_t n = q->g.t[i].bytes < SAMPLE ? q->g.t[i].bytes : SAMPLE;

		r = rfile_read(&q->f, q->g.t[i].at, sample, n);
		XXH3_64bits_update(x, sample, (size_t)n);
	}
	s->digest = XXH3_64bits_digest(x);
	XXH3_freeState(x);
	return r;
}

static int config(struct source *s, struct ggufile *q, enum dtype dt)
{
	const struct gguf_tensor *rf = find(&q->g, "rope_freqs.weight");
	float *freqs = NULL;
	char *text;
	cJSON *gen;
	int r = 0;

	if (rf && rf->type != GT_F32)
		return err_set(ST_UNSUP, "GGUF: 'rope_freqs.weight' is not F32");
	if (rf) {
		freqs = xmalloc((size_t)rf->bytes);
		r = rfile_read(&q->f, rf->at, freqs, rf->bytes);
	}
	if (r == 0)
		s->config = gguf_config(&q->g, dt, freqs, rf ? (int64_t)(rf->bytes / sizeof(float)) : 0);
	free(freqs);
	if (!s->config)
		return -1;
	if (gguf_int(&q->g, "llama.attention.head_count", 1, 1 << 16, &q->heads[0]) < 0)
		return -1;
	q->heads[1] = q->heads[0];
	if (gguf_int(&q->g, "llama.attention.head_count_kv", 1, 1 << 16, &q->heads[1]) < 0)
		return -1;
	text = json_text(s->config, true);
	source_add_file(s, "extra/config.json", text, strlen(text));
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

	q->f.fd = -1;
	s->priv = q;
	s->close = close_file;
	s->read = read_rows;
	s->decoded = true;
	if (rfile_open(&q->f, arena_strdup(&s->mem, path)) < 0 || read_head(q) < 0)
		return -1;
	source_stamp(s, &q->f.mark);
	if (dt == DT_NONE)
		dt = choose(&q->g);
	if (config(s, q, dt) < 0 || list(s, q, dt) < 0 || gguf_tokenizer(&q->g, s) < 0)
		return -1;
	return digest(s, q);
}
