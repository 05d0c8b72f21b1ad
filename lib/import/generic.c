#include "import/generic.h"

#include "base/err.h"
#include "base/mem.h"
#include "model/listed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a tensor goes: its block's place in the order of execution, and its name there. */
struct spot {
	int block, i;
	const char *name;
};

/* The length of what stands before the layer's number, where the name has one; *rest: what follows it. */
static size_t layer_of(const char *name, int *layer, const char **rest)
{
	static const char *const words[] = { "layers.", "h.", "blocks." };

	for (const char *p = name; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL)
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			const char *s = p + strlen(words[i]), *e = s;
			int v = 0;

			if (strncmp(p, words[i], strlen(words[i])))
				continue;
			for (; *e >= '0' && *e <= '9' && v < 1 << 20; e++)
				v = 10 * v + *e - '0';
			if (e == s || (*s == '0' && e > s + 1) || *e != '.' || !e[1])       /* "00" would come back as "0" */
				continue;
			*layer = v;
			*rest = e + 1;
			return (size_t)(s - name);
		}
	return 0;
}

/* The beginning that most tensors have. */
static char *find_layers(const struct source *s)
{
	enum { KINDS = 64 };
	const char *of[KINDS], *rest;
	size_t len[KINDS];
	int count[KINDS], n = 0, best = 0, layer;

	for (int i = 0; i < s->nt; i++) {
		size_t k = layer_of(s->t[i].name, &layer, &rest);
		int j = 0;

		while (j < n && (len[j] != k || strncmp(of[j], s->t[i].name, k)))
			j++;
		if (!k || j == KINDS)
			continue;
		if (j == n) {
			of[n] = s->t[i].name;
			len[n] = k;
			count[n++] = 0;
		}
		count[j]++;
	}
	for (int j = 1; j < n; j++)
		if (count[j] > count[best])
			best = j;
	return n ? xasprintf("%.*s%%L.", (int)len[best], of[best]) : NULL;
}

static int in_order(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	return x->block != y->block ? x->block - y->block : strcmp(x->name, y->name);
}

static bool is_embedding(const char *name)
{
	return strstr(name, "emb") || strstr(name, "wte") || strstr(name, "wpe");
}

static int takes(const char *name)
{
	return listed_name(name) == 0 ? 0 : err_set(ST_UNSUP, "tensor '%.130s': a name that is not taken: at most %d "
	                                            "printable ASCII characters without spaces are", name, MAX_LISTED);
}

static int check_tensor(const struct tensor *t, const char *name)
{
	if (t->dt != DT_F32 && t->dt != DT_F16 && t->dt != DT_BF16)
		return err_set(ST_UNSUP, "tensor '%s' is %s; F32, F16 and BF16 are read", t->name, dtype_name(t->dt));
	if (t->nd < 1)
		return err_set(ST_UNSUP, "tensor '%s' is a single number", t->name);
	return takes(name);
}

static int place(struct generic *g, const struct source *s, struct spot *spot, int *n_layer)
{
	size_t before = strlen(g->layers) - strlen("%L.");

	*n_layer = 0;
	for (int i = 0; i < s->nt; i++) {
		const char *name = s->t[i].name, *rest;
		int layer;

		spot[i] = (struct spot){ .i = i, .name = name, .block = is_embedding(name) ? 0 : MAX_LAYER + 1 };
		if (layer_of(name, &layer, &rest) == before && !strncmp(name, g->layers, before)) {
			if (layer >= MAX_LAYER)
				return err_set(ST_UNSUP, "tensor '%s': %d layers are more than %d", name, layer + 1, MAX_LAYER);
			spot[i].name = rest;
			spot[i].block = layer + 1;
			*n_layer = layer + 1 > *n_layer ? layer + 1 : *n_layer;
		}
		if (check_tensor(&s->t[i], spot[i].name) < 0)
			return -1;
	}
	return 0;
}

static cJSON *entry(const struct tensor *t, const char *name)
{
	cJSON *e = json_arr(), *shape = json_arr();

	for (int k = 0; k < t->nd; k++)
		json_push(shape, cJSON_CreateNumber((double)t->dim[k]));
	json_push(e, cJSON_CreateString(name));
	json_push(e, shape);
	return e;
}

/* Every layer has something: a gap is a name that was misread. */
static int list(struct generic *g, const struct source *s, const struct spot *spot, int n_layer)
{
	int at = 0;

	g->tensors = json_arr();
	g->src = xcalloc((size_t)s->nt + 1, sizeof(*g->src));
	g->first = xcalloc((size_t)n_layer + 2, sizeof(*g->first));
	for (int b = 0; b < n_layer + 2; b++) {
		cJSON *block = json_arr();
		int from = at;

		json_push(g->tensors, block);
		g->first[b] = at;
		for (; at < s->nt && spot[at].block == (b == n_layer + 1 ? MAX_LAYER + 1 : b); at++) {
			if (at > from && !strcmp(spot[at].name, spot[at - 1].name))
				return err_set(ST_BAD, "tensor '%s' comes twice", s->t[spot[at].i].name);
			g->src[at] = spot[at].i;
			json_push(block, entry(&s->t[spot[at].i], spot[at].name));
		}
		if (at == from && b > 0 && b <= n_layer)
			return err_set(ST_BAD, "layer %d of %d has no tensors", b - 1, n_layer);
	}
	return 0;
}

/* What is needed for a description; nobody computes with it. */
static void describe(struct model *m, const struct generic *g, const struct source *s, int n_layer)
{
	*m = (struct model){ .family = "generic", .n_layer = n_layer, .d_model = 1, .n_head = 1, .n_kv = 1, .d_head = 1,
	                     .d_ff = 1, .vocab = 1, .ctx = 1, .attn_scale = 1, .listed = g->tensors,
	                     .dtype = s->t[g->src[g->first[1]]].dt,
	                     .rope = { .base = 1, .factor = 1, .low_freq = 1, .high_freq = 1, .beta_fast = 1, .beta_slow = 1,
	                               .orig_ctx = 1 } };
	for (int i = g->first[1]; i < g->first[n_layer + 1]; i++)
		if (s->t[g->src[i]].nd == 2) {
			m->dtype = s->t[g->src[i]].dt;
			break;
		}
}

int generic_map(struct generic *g, const struct source *s, struct model *m)
{
	struct spot *spot;
	int n_layer, r;

	*g = (struct generic){ 0 };
	if (s->names)
		return err_set(ST_UNSUP, "GGUF: the tensors' names are none that a directory has, which is what --as generic takes");
	g->layers = find_layers(s);
	if (!g->layers)
		return err_set(ST_UNSUP, "no tensor is named '*.layers.N.*', '*.h.N.*' or '*.blocks.N.*': no layers to be seen");
	if (takes(g->layers) < 0)
		return -1;
	spot = xcalloc((size_t)s->nt + 1, sizeof(*spot));
	r = place(g, s, spot, &n_layer);
	if (r == 0) {
		qsort(spot, (size_t)s->nt, sizeof(*spot), in_order);
		r = list(g, s, spot, n_layer);
	}
	if (r == 0)
		describe(m, g, s, n_layer);
	free(spot);
	return r < 0 ? -1 : model_check(m);
}

void generic_free(struct generic *g)
{
	cJSON_Delete(g->tensors);
	free(g->layers);
	free(g->src);
	free(g->first);
	*g = (struct generic){ 0 };
}

int generic_source(const struct generic *g, int index, int k)
{
	int b = index == BLK_EMBED ? 0 : index == BLK_HEAD ? cJSON_GetArraySize(g->tensors) - 1 : index + 1;

	return g->src[g->first[b] + k];
}
