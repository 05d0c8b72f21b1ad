/* Checkpoints of FP8 blocks (DeepSeek-AI, arXiv 2412.19437, section 3.3): X.weight in E4M3, and in F32 for each block of
 * it a factor, X.weight_scale_inv, that multiplies, whatever its name says.  Behind this source they are floats,
 * F32 or what was asked for. */
#include "import/fp8.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define SUFFIX "_scale_inv"

struct fp8 {
	struct source *in;
	int *from, *scale;              /* [nt] of ours, indices into in->t; scale -1: passed as it is */
	int64_t rows, cols;             /* of a block */
	enum dtype dt;                  /* what they become */
};

/* A band of rows that share their factors. */
static void scale_rows(const struct fp8 *p, const float *f, int64_t n, int64_t in, float *w)
{
	for (int64_t r = 0; r < n; r++)
		for (int64_t c = 0; c < in; c++)
			w[r * in + c] *= f[c / p->cols];
}

static int read_scaled(struct source *s, int i, int64_t row, int64_t rows, void *dst)
{
	const struct fp8 *p = s->priv;
	int64_t in = tensor_cols(&s->t[i]), band = rows < p->rows ? rows : p->rows, across = (in + p->cols - 1) / p->cols;
	uint8_t *raw;
	float *f, *w;
	int r;

	if (p->scale[i] < 0)
		return p->in->read(p->in, p->from[i], row, rows, dst);
	raw = xmalloc((size_t)(rows * in));
	f = xmalloc(tensor_bytes(&p->in->t[p->scale[i]]));
	w = xmalloc((size_t)(band * in) * sizeof(*w));
	r = p->in->read(p->in, p->from[i], row, rows, raw) < 0 || source_read(p->in, p->scale[i], f) < 0 ? -1 : 0;
	for (int64_t k = 0, n; k < rows && r == 0; k += n) {
		n = least(rows - k, p->rows - (row + k) % p->rows);
		r = to_f32(w, raw + k * in, DT_F8E4M3, (size_t)(n * in));
		scale_rows(p, f + (row + k) / p->rows * across, n, in, w);
		if (r == 0)
			r = from_f32((char *)dst + (size_t)(k * in) * dtype_size(p->dt), p->dt, w, (size_t)(n * in));
	}
	free(raw);
	free(f);
	free(w);
	return r;
}

static void close_fp8(struct source *s)
{
	struct fp8 *p = s->priv;

	source_close(p->in);
	free(p->from);
	free(p->scale);
	free(p);
	s->config = NULL;                       /* the inner one's, gone with it, like the files */
	s->nfile = 0;
	s->file = NULL;
}

static int block_size(const cJSON *q, struct fp8 *p)
{
	const cJSON *size = cJSON_GetObjectItemCaseSensitive(q, "weight_block_size");
	const cJSON *a = cJSON_GetArrayItem(size, 0), *b = cJSON_GetArrayItem(size, 1);
	const char *fmt = "e4m3";

	if (json_str(q, "fmt", &fmt) < 0)
		return -1;
	if (strcmp(fmt, "e4m3"))
		return err_set(ST_UNSUP, "FP8 of format '%.20s'", fmt);
	if (cJSON_GetArraySize(size) != 2 || !cJSON_IsNumber(a) || !cJSON_IsNumber(b) ||
	    !(a->valuedouble >= 1 && a->valuedouble <= 1 << 16 && b->valuedouble >= 1 && b->valuedouble <= 1 << 16))
		return err_set(ST_UNSUP, "FP8 without a proper 'weight_block_size'");
	p->rows = (int64_t)a->valuedouble;
	p->cols = (int64_t)b->valuedouble;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct tensor *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* The tensor of that name among the sorted ones; -1. */
static int find(const struct source *in, struct tensor **sorted, const char *name)
{
	struct tensor key = { .name = name }, *k = &key, **at;

	at = bsearch(&k, sorted, (size_t)in->nt, sizeof(k), by_name);
	return at ? (int)(*at - in->t) : -1;
}

/* The factors of tensor i, of the shape that its blocks make. */
static int factors(struct fp8 *p, struct tensor **sorted, int i, int *scale)
{
	const struct tensor *t = &p->in->t[i];
	struct tensor want = { .nd = 2 };
	char *name = xasprintf("%s" SUFFIX, t->name), a[96], b[96];

	*scale = find(p->in, sorted, name);
	free(name);
	if (*scale < 0 || t->nd != 2)
		return err_set(ST_BAD, "tensor '%s' is FP8 without factors for its blocks", t->name);
	want.dim[0] = (t->dim[0] + p->rows - 1) / p->rows;
	want.dim[1] = (t->dim[1] + p->cols - 1) / p->cols;
	if (p->in->t[*scale].dt != DT_F32 || !tensor_same_shape(&want, &p->in->t[*scale]))
		return err_set(ST_BAD, "tensor '%s' is %s %s, the blocks of '%s' make it F32 %s", p->in->t[*scale].name,
		               dtype_name(p->in->t[*scale].dt), tensor_shape(&p->in->t[*scale], a, sizeof(a)), t->name,
		               tensor_shape(&want, b, sizeof(b)));
	return 0;
}

static int list(struct source *s, struct fp8 *p)
{
	const struct source *in = p->in;
	struct tensor **sorted = xcalloc((size_t)in->nt + 1, sizeof(*sorted));
	size_t n;
	int r = 0;

	for (int i = 0; i < in->nt; i++)
		sorted[i] = &in->t[i];
	qsort(sorted, (size_t)in->nt, sizeof(*sorted), by_name);
	p->from = xcalloc((size_t)in->nt + 1, sizeof(*p->from));
	p->scale = xcalloc((size_t)in->nt + 1, sizeof(*p->scale));
	s->t = xcalloc((size_t)in->nt + 1, sizeof(*s->t));
	for (int i = 0; i < in->nt && r == 0; i++) {
		n = strlen(in->t[i].name);
		if (n > strlen(SUFFIX) && !strcmp(in->t[i].name + n - strlen(SUFFIX), SUFFIX)) {
			char *of = xasprintf("%.*s", (int)(n - strlen(SUFFIX)), in->t[i].name);
			int k = find(in, sorted, of);

			free(of);
			if (k < 0 || in->t[k].dt != DT_F8E4M3)
				r = err_set(ST_BAD, "tensor '%s' holds factors of nothing", in->t[i].name);
			continue;
		}
		p->from[s->nt] = i;
		p->scale[s->nt] = -1;
		s->t[s->nt] = in->t[i];
		if (in->t[i].dt == DT_F8E4M3) {
			r = factors(p, sorted, i, &p->scale[s->nt]);
			s->t[s->nt].dt = p->dt;
		}
		s->nt++;
	}
	free(sorted);
	return r;
}

bool fp8_is(const struct source *s)
{
	const cJSON *q = cJSON_GetObjectItemCaseSensitive(s->config, "quantization_config");
	const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(q, "quant_method"));

	return method && !strcmp(method, "fp8");
}

struct source *fp8_open(struct source *in, enum dtype dt)
{
	const cJSON *q = cJSON_GetObjectItemCaseSensitive(in->config, "quantization_config");
	struct source *s = xcalloc(1, sizeof(*s));
	struct fp8 *p = xcalloc(1, sizeof(*p));

	p->in = in;
	p->dt = dt == DT_NONE ? DT_F32 : dt;
	s->priv = p;
	s->path = in->path;
	s->config = in->config;
	s->file = in->file;
	s->nfile = in->nfile;
	s->digest = in->digest;
	s->stamp = in->stamp;
	s->read = read_scaled;
	s->decoded = true;
	s->close = close_fp8;
	if (block_size(q, p) == 0 && list(s, p) == 0)
		return s;
	source_close(s);
	return NULL;
}
