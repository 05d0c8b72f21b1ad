/* mkctread DIR: what a reader of compressed-tensors sees in a directory: each tensor of the model in F32, as "name TAB F32
 * TAB shape TAB xxh3-64", sorted.  Written from the reader's side of the format (bits taken one by one), with nothing
 * of lib/pack in it, and strict: a quantized linear must be a target and not ignored, a float one ignored. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "golden.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static struct st file[64];
static char *bytes[64];
static int nfile;
static char *line[65536];
static int n;

static const struct tensor *find(const char *module, const char *what, enum dtype dt)
{
	char *name = xasprintf("%s.%s", module, what);
	const struct st_entry *e = NULL;

	for (int i = 0; i < nfile && !e; i++)
		e = st_find(&file[i], name);
	free(name);
	if (e && dt != DT_NONE && e->t.dt != dt)
		die(ST_NO, "%s.%s is %s", module, what, dtype_name(e->t.dt));
	return e ? &e->t : NULL;
}

static int listed(const cJSON *list, const char *s)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, list)
		if (!strcmp(v->valuestring, s))
			return 1;
	return 0;
}

/* The scheme of a module: the group that names it, or the one for all linears. */
static const cJSON *scheme(const cJSON *q, const char *module)
{
	const cJSON *g, *hit = NULL;

	if (listed(cJSON_GetObjectItem(q, "ignore"), module))
		return NULL;
	cJSON_ArrayForEach(g, cJSON_GetObjectItem(q, "config_groups")) {
		const cJSON *t = cJSON_GetObjectItem(g, "targets");

		if (listed(t, module) || (listed(t, "Linear") && !hit))
			hit = g;
	}
	return cJSON_GetObjectItem(hit, "weights");
}

/* Field j of b bits in a stream whose bit k is bit k % 32 of word[k / 32 * step]. */
static unsigned field(const int32_t *word, int64_t step, int64_t j, int b)
{
	unsigned v = 0;

	for (int k = 0; k < b; k++) {
		int64_t bit = j * b + k;

		v |= ((uint32_t)word[bit / 32 * step] >> (bit % 32) & 1) << k;
	}
	return v;
}

static void show(const char *name, const float *x, int nd, const int64_t *dim)
{
	struct tensor t = { .dt = DT_F32, .nd = nd };
	char shape[128];

	memcpy(t.dim, dim, sizeof(*dim) * (size_t)nd);
	line[n++] = xasprintf("%s\tF32\t%s\t%016llx", name, tensor_shape(&t, shape, sizeof(shape)),
	                      (unsigned long long)XXH3_64bits(x, tensor_bytes(&t)));
}

static void decode(const cJSON *q, const char *module, const struct tensor *packed)
{
	const cJSON *w = scheme(q, module);
	const struct tensor *shape = find(module, "weight_shape", DT_I64),
	    *scale = find(module, "weight_scale", DT_NONE);
	const struct tensor *zp = find(module, "weight_zero_point", DT_I32);
	int64_t out, in, G, g, dim[2];
	int b, sym;
	float *s, *x;
	char *name;

	if (!w || !shape || !scale)
		die(ST_NO, "%s: no scheme, shape or scale", module);
	b = (int)cJSON_GetObjectItem(w, "num_bits")->valuedouble;
	sym = cJSON_IsTrue(cJSON_GetObjectItem(w, "symmetric"));
	out = ((const int64_t *)shape->data)[0];
	in = ((const int64_t *)shape->data)[1];
	g = !strcmp(cJSON_GetObjectItem(w, "strategy")->valuestring, "channel") ? in
	    : (int64_t)cJSON_GetObjectItem(w, "group_size")->valuedouble;
	G = in / g;
	if (packed->nd != 2 || packed->dim[0] != out || packed->dim[1] != (in * b + 31) / 32 || scale->nd != 2 ||
	    scale->dim[0] != out || scale->dim[1] != G || sym != !zp ||
	    (zp && (zp->nd != 2 || zp->dim[0] != (out * b + 31) / 32 || zp->dim[1] != G)))
		die(ST_NO, "%s: shapes do not agree", module);
	s = xmalloc(sizeof(*s) * (size_t)(out * G));
	x = xmalloc(sizeof(*x) * (size_t)(out * in));
	if (to_f32(s, scale->data, scale->dt, (size_t)(out * G)) < 0)
		die_err();
	for (int64_t o = 0; o < out; o++)
		for (int64_t i = 0; i < in; i++) {
			int u = (int)field((const int32_t *)packed->data + o * packed->dim[1], 1, i, b);
			int z = zp ? (int)field((const int32_t *)zp->data + i / g, G, o, b) : 1 << (b - 1);

			x[o * in + i] = (float)(u - z) * s[o * G + i / g];
		}
	dim[0] = out;
	dim[1] = in;
	name = xasprintf("%s.weight", module);
	show(name, x, 2, dim);
	free(name);
	free(s);
	free(x);
}

static void plain(const cJSON *q, const struct tensor *t)
{
	float *x = xmalloc(sizeof(*x) * (size_t)tensor_count(t) + 1);
	char *module = xstrdup(t->name);

	*strrchr(module, '.') = '\0';
	if (t->nd == 2 && !strstr(module, "embed_tokens") && q && scheme(q, module))
		die(ST_NO, "%s is a target and comes as floats", module);
	if (to_f32(x, t->data, t->dt, (size_t)tensor_count(t)) < 0)
		die_err();
	show(t->name, x, t->nd, t->dim);
	free(module);
	free(x);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void one(const cJSON *q, const struct tensor *t)
{
	size_t k = strlen(t->name);
	char *module = xstrdup(t->name);

	*strrchr(module, '.') = '\0';
	if (k > 14 && !strcmp(t->name + k - 14, ".weight_packed")) {
		if (t->dt != DT_I32)
			die(ST_NO, "%s is %s", t->name, dtype_name(t->dt));
		decode(q, module, t);
	} else if (!strstr(t->name, ".weight_"))
		plain(q, t);
	free(module);
}

int main(int argc, char **argv)
{
	char *pattern;
	cJSON *c;
	const cJSON *q;
	glob_t g;

	prog = "mkctread";
	if (argc != 2)
		die(ST_USAGE, "usage: mkctread DIR");
	pattern = xasprintf("%s/config.json", argv[1]);
	c = load_json(pattern);
	if (!c)
		die_err();
	q = cJSON_GetObjectItem(c, "quantization_config");
	free(pattern);
	pattern = xasprintf("%s/*.safetensors", argv[1]);
	if (glob(pattern, 0, NULL, &g))
		die(ST_NO, "no weights");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		if (nfile == 64)
			die(ST_NO, "too many files");
		bytes[nfile] = load_tensors(&file[nfile], g.gl_pathv[i]);
		if (!cJSON_GetObjectItem(file[nfile].meta, "format"))
			die(ST_NO, "%s: no format in its metadata", g.gl_pathv[i]);
		nfile++;
	}
	for (int i = 0; i < nfile; i++)
		for (int k = 0; k < file[i].n; k++)
			one(q, &file[i].e[k].t);
	qsort(line, (size_t)n, sizeof(*line), by_text);
	for (int i = 0; i < n; i++) {
		puts(line[i]);
		free(line[i]);
	}
	for (int i = 0; i < nfile; i++) {
		st_free(&file[i]);
		free(bytes[i]);
	}
	globfree(&g);
	cJSON_Delete(c);
	free(pattern);
	return 0;
}
