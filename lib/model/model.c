/* struct model to and from JSON: one table of fields serves both directions. */
#include "model/listed.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

static const char *const norm_words[] = { "rms", "rms1", "layer", NULL };
static const char *const act_words[] = { "none", "silu", "gelu", "gelu_tanh", "relu", "quick_gelu", NULL };
static const char *const rope_words[] = { "none", "default", "linear", "dynamic", "llama3", "yarn", "long", NULL };
static const char *const place_words[] = { "pre", "keep", "post", "sandwich", "parallel", "parallel2", "behind", NULL };
static const char *const qk_words[] = { "none", "rms", "layer", "layer_each", "rms_all", NULL };
static const char *const router_words[] = { "softmax", "sigmoid", "softmax_max", "sigmoid_top2", NULL };
static const char *const alibi_words[] = { "none", "score", "bf16", NULL };

/* Knobs of the first version stand in every bundle.  One that came later is optional: absent, it is off, which is
 * zero, false or the first word.  A bundle in which it is on lists its key in "requires", so that a program of before
 * refuses what it would compute wrongly; with it off, the same bundle is read by all. */
enum type { INT, REAL, BOOL, WORD };
enum since { FIRST, LATER };
struct field {
	const char *key;
	enum type type;
	size_t off;
	double min, max;                /* INT, REAL */
	const char *const *words;       /* WORD: an enum */
	enum since since;
};

#define M(f) offsetof(struct model, f)
/* A million wide, a thousand layers: nothing real comes near, and products of three stay in 64 bits. */
static const struct field fields[] = {
	{ "n_layer", INT, M(n_layer), 1, MAX_LAYER, NULL, FIRST },
	{ "d_model", INT, M(d_model), 1, 1 << 20, NULL, FIRST },
	{ "n_head", INT, M(n_head), 1, 1 << 16, NULL, FIRST },
	{ "n_kv", INT, M(n_kv), 1, 1 << 16, NULL, FIRST },
	{ "d_head", INT, M(d_head), 1, 1 << 16, NULL, FIRST },
	{ "d_ff", INT, M(d_ff), 1, 1 << 20, NULL, FIRST },
	{ "vocab", INT, M(vocab), 1, 1 << 24, NULL, FIRST },
	{ "ctx", INT, M(ctx), 1, 1 << 30, NULL, FIRST },
	{ "norm", WORD, M(norm), 0, 0, norm_words, FIRST },
	{ "eps", REAL, M(eps), 0, 1, NULL, FIRST },
	{ "act", WORD, M(act), 0, 0, act_words, FIRST },
	{ "gated", BOOL, M(gated), 0, 0, NULL, FIRST },
	{ "attn_scale", REAL, M(attn_scale), 1e-6, 1e6, NULL, FIRST },
	{ "cap_attn", REAL, M(cap_attn), 0, 1e6, NULL, LATER },
	{ "cap_logit", REAL, M(cap_logit), 0, 1e6, NULL, LATER },
	{ "window", INT, M(window), 0, 1 << 30, NULL, FIRST },
	{ "place", WORD, M(place), 0, 0, place_words, LATER },
	{ "qk_norm", WORD, M(qk_norm), 0, 0, qk_words, LATER },
	{ "alibi", WORD, M(alibi), 0, 0, alibi_words, LATER },
	{ "d_embed", INT, M(d_embed), 0, 1 << 20, NULL, LATER },
	{ "kv_rank", INT, M(kv_rank), 0, 1 << 20, NULL, LATER },
	{ "q_rank", INT, M(q_rank), 0, 1 << 20, NULL, LATER },
	{ "d_v", INT, M(d_v), 0, 1 << 16, NULL, LATER },
	{ "eps_latent", REAL, M(eps_latent), 0, 1, NULL, LATER },
	{ "n_expert", INT, M(n_expert), 0, 1 << 14, NULL, LATER },
	{ "top_k", INT, M(top_k), 0, 1 << 10, NULL, LATER },
	{ "d_expert", INT, M(d_expert), 0, 1 << 20, NULL, LATER },
	{ "d_shared", INT, M(d_shared), 0, 1 << 20, NULL, LATER },
	{ "piece_experts", INT, M(piece_experts), 0, 1 << 14, NULL, LATER },
	{ "shared_gate", BOOL, M(shared_gate), 0, 0, NULL, LATER },
	{ "norm_topk", BOOL, M(norm_topk), 0, 0, NULL, LATER },
	{ "router", WORD, M(router), 0, 0, router_words, LATER },
	{ "router_bias", BOOL, M(router_bias), 0, 0, NULL, LATER },
	{ "n_group", INT, M(n_group), 0, 1 << 14, NULL, LATER },
	{ "topk_group", INT, M(topk_group), 0, 1 << 14, NULL, LATER },
	{ "route_scale", REAL, M(route_scale), 0, 1e6, NULL, LATER },
	{ "d_cross", INT, M(d_cross), 0, 1 << 20, NULL, LATER },
	{ "embed_extra", INT, M(embed_extra), 0, 1 << 16, NULL, LATER },
	{ "plain_norm", BOOL, M(plain_norm), 0, 0, NULL, LATER },
	{ "embed_norm", BOOL, M(embed_norm), 0, 0, NULL, LATER },
	{ "pos_rows", INT, M(pos_rows), 0, 1 << 24, NULL, LATER },
	{ "pos_first", INT, M(pos_first), 0, 1 << 10, NULL, LATER },
	{ "mul_embed", REAL, M(mul_embed), 0, 1e6, NULL, LATER },
	{ "mul_resid", REAL, M(mul_resid), 0, 1e6, NULL, LATER },
	{ "mul_logit", REAL, M(mul_logit), 0, 1e6, NULL, LATER },
	{ NULL, INT, 0, 0, 0, NULL, FIRST }
};
static const struct field rope_fields[] = {
	{ "type", WORD, M(rope.type), 0, 0, rope_words, FIRST },
	{ "interleaved", BOOL, M(rope.interleaved), 0, 0, NULL, FIRST },
	{ "dim", INT, M(rope.dim), 0, 1 << 16, NULL, FIRST },
	{ "base", REAL, M(rope.base), 1e-3, 1e15, NULL, FIRST },
	{ "factor", REAL, M(rope.factor), 1e-6, 1e6, NULL, FIRST },
	{ "low_freq", REAL, M(rope.low_freq), 1e-6, 1e6, NULL, FIRST },
	{ "high_freq", REAL, M(rope.high_freq), 1e-6, 1e6, NULL, FIRST },
	{ "beta_fast", REAL, M(rope.beta_fast), 1e-6, 1e6, NULL, FIRST },
	{ "beta_slow", REAL, M(rope.beta_slow), 1e-6, 1e6, NULL, FIRST },
	{ "mscale", REAL, M(rope.mscale), 0, 1e6, NULL, FIRST },
	{ "mscale_all_dim", REAL, M(rope.mscale_all_dim), 0, 1e6, NULL, FIRST },
	{ "attn_factor", REAL, M(rope.attn_factor), 0, 1e6, NULL, FIRST },
	{ "truncate", BOOL, M(rope.truncate), 0, 0, NULL, FIRST },
	{ "orig_ctx", INT, M(rope.orig_ctx), 1, 1 << 30, NULL, FIRST },
	{ NULL, INT, 0, 0, 0, NULL, FIRST }
};
static const struct {
	const char *name;
	unsigned bit;
} flag_names[] = {
	{ "tied", MF_TIED }, { "bias_qkv", MF_BIAS_QKV }, { "bias_o", MF_BIAS_O }, { "bias_mlp", MF_BIAS_MLP },
	{ "bias_head", MF_BIAS_HEAD }, { "no_final_norm", MF_NO_FINAL }
};
enum { NFLAG = sizeof(flag_names) / sizeof(*flag_names) };

static int parse_word(const struct field *f, const cJSON *obj, int *out)
{
	const char *s;
	int r = json_str(obj, f->key, &s);

	if (r <= 0)
		return r;
	for (int i = 0; f->words[i]; i++)
		if (!strcmp(f->words[i], s)) {
			*out = i;
			return 1;
		}
	return err_set(ST_UNSUP, "'%s' is '%.40s', which this version does not know", f->key, s);
}

/* The description is resolved: nothing is left to a default but what came later than the first version. */
static int parse_fields(const struct field *f, struct model *m, const cJSON *obj)
{
	for (; f->key; f++) {
		char *p = (char *)m + f->off;
		int64_t i = 0;
		int r = 0;

		switch (f->type) {
		case INT:
			if ((r = json_int(obj, f->key, (int64_t)f->min, (int64_t)f->max, &i)) > 0)
				*(int *)p = (int)i;
			break;
		case REAL:
			r = json_num(obj, f->key, (double *)p);
			if (r > 0 && !(*(double *)p >= f->min && *(double *)p <= f->max))
				r = err_set(ST_BAD, "'%s' is out of range", f->key);
			break;
		case BOOL:
			r = json_bool(obj, f->key, (bool *)p);
			break;
		case WORD:
			r = parse_word(f, obj, (int *)p);
			break;
		}
		if (r < 0)
			return err_at("model");
		if (!r && f->since == FIRST)
			return err_set(ST_BAD, "model: '%s' is missing", f->key);
	}
	return 0;
}

/* An array or nothing. */
static int list(const cJSON *obj, const char *key, const cJSON **out)
{
	*out = cJSON_GetObjectItemCaseSensitive(obj, key);
	return !*out || cJSON_IsArray(*out) ? 0 : err_set(ST_BAD, "model: '%s' is not a list", key);
}

static int parse_flags(struct model *m, const cJSON *obj)
{
	const cJSON *arr, *v;

	if (list(obj, "flags", &arr) < 0)
		return -1;
	cJSON_ArrayForEach(v, arr) {
		int i = 0;

		while (i < NFLAG && !(cJSON_IsString(v) && !strcmp(flag_names[i].name, v->valuestring)))
			i++;
		if (i == NFLAG)
			return err_set(ST_UNSUP, "model: flag '%.40s' is not known to this version",
			               cJSON_IsString(v) ? v->valuestring : "?");
		m->flags |= flag_names[i].bit;
	}
	return 0;
}

/* The factors of each rotated pair. */
static int parse_stretch(const cJSON *rope, const char *key, int n, double *out)
{
	const cJSON *arr, *v;
	int i = 0;

	if (list(rope, key, &arr) < 0)
		return -1;
	if (!arr || cJSON_GetArraySize(arr) != n)
		return err_set(ST_BAD, "model: '%s' is not a list of %d", key, n);
	cJSON_ArrayForEach(v, arr)
		out[i++] = cJSON_IsNumber(v) ? v->valuedouble : 0;
	return 0;
}

static int parse_long(struct model *m, const cJSON *obj)
{
	const cJSON *rope = cJSON_GetObjectItemCaseSensitive(obj, "rope");
	int n = m->rope.dim / 2;

	if (m->rope.type != ROPE_LONG)
		return 0;
	if (n > MAX_STRETCH)
		return err_set(ST_UNSUP, "model: %d rotated pairs of long scaling are more than %d", n, MAX_STRETCH);
	return parse_stretch(rope, "near", n, m->rope.near) < 0 ? -1 : parse_stretch(rope, "far", n, m->rope.far);
}

/* A list of layers, as flags of each. */
static int parse_layers(const struct model *m, const cJSON *obj, const char *key, bool *set)
{
	const cJSON *arr, *v;

	if (list(obj, key, &arr) < 0)
		return -1;
	cJSON_ArrayForEach(v, arr) {
		double d = cJSON_IsNumber(v) ? v->valuedouble : -1;

		if (!(d >= 0 && d < m->n_layer && d == floor(d)))
			return err_set(ST_BAD, "model: '%s' holds something that is no layer", key);
		set[(int)d] = true;
	}
	return 0;
}

static void put_layers(const struct model *m, cJSON *obj, const char *key, const bool *set)
{
	cJSON *a = json_arr();

	for (int i = 0; i < m->n_layer; i++)
		if (set[i])
			json_push(a, cJSON_CreateNumber(i));
	json_put(obj, key, a);
}

static int parse_listed(struct model *m, const cJSON *obj)
{
	m->listed = cJSON_GetObjectItemCaseSensitive(obj, "tensors");
	return m->listed ? listed_check(m->listed, m->n_layer) : 0;
}

int model_parse(struct model *m, const cJSON *obj)
{
	const char *s;
	int r;

	memset(m, 0, sizeof(*m));
	if (!cJSON_IsObject(obj))
		return err_set(ST_BAD, "model: the manifest has no description");
	if ((r = json_str(obj, "family", &s)) <= 0 || strlen(s) >= sizeof(m->family))
		return err_set(ST_BAD, "model: no proper 'family'");
	strcpy(m->family, s);
	if ((r = json_str(obj, "dtype", &s)) <= 0)
		return err_set(ST_BAD, "model: no proper 'dtype'");
	m->dtype = dtype_find(s);
	if (parse_fields(fields, m, obj) < 0 || parse_listed(m, obj) < 0 ||
	    parse_fields(rope_fields, m, cJSON_GetObjectItemCaseSensitive(obj, "rope")) < 0 ||
	    parse_flags(m, obj) < 0 || parse_layers(m, obj, "window_layers", m->slide) < 0 ||
	    parse_layers(m, obj, "moe_layers", m->moe) < 0 || parse_layers(m, obj, "cross_layers", m->cross) < 0 ||
	    parse_long(m, obj) < 0)
		return -1;
	return model_check(m);
}

static void put_fields(const struct field *f, const struct model *m, cJSON *obj)
{
	for (; f->key; f++) {
		const char *p = (const char *)m + f->off;

		switch (f->type) {
		case INT: json_put_num(obj, f->key, *(const int *)p); break;
		case REAL: json_put_num(obj, f->key, *(const double *)p); break;
		case BOOL: json_put_bool(obj, f->key, *(const bool *)p); break;
		case WORD: json_put_str(obj, f->key, f->words[*(const int *)p]); break;
		}
	}
}

static void put_stretch(cJSON *rope, const char *key, int n, const double *v)
{
	cJSON *a = json_arr();

	for (int i = 0; i < n; i++)
		json_push(a, cJSON_CreateNumber(v[i]));
	json_put(rope, key, a);
}

void model_json(const struct model *m, cJSON *obj)
{
	cJSON *rope = cJSON_GetObjectItemCaseSensitive(obj, "rope"), *a;

	json_put_str(obj, "family", m->family);
	put_fields(fields, m, obj);
	if (!cJSON_IsObject(rope))
		json_put(obj, "rope", rope = json_obj());
	put_fields(rope_fields, m, rope);
	if (m->rope.type == ROPE_LONG) {
		put_stretch(rope, "near", m->rope.dim / 2, m->rope.near);
		put_stretch(rope, "far", m->rope.dim / 2, m->rope.far);
	}
	put_layers(m, obj, "window_layers", m->slide);
	if (m->n_expert)
		put_layers(m, obj, "moe_layers", m->moe);
	if (m->d_cross)
		put_layers(m, obj, "cross_layers", m->cross);
	a = json_arr();
	for (int i = 0; i < NFLAG; i++)
		if (m->flags & flag_names[i].bit)
			json_push(a, cJSON_CreateString(flag_names[i].name));
	json_put(obj, "flags", a);
	json_put_str(obj, "dtype", dtype_name(m->dtype));
}

/* Is the knob, as JSON, something else than off? */
static bool on(const struct field *f, const cJSON *v)
{
	switch (f->type) {
	case BOOL: return cJSON_IsTrue(v);
	case WORD: return cJSON_IsString(v) && strcmp(v->valuestring, f->words[0]);
	default: return cJSON_IsNumber(v) && v->valuedouble != 0;
	}
}

static cJSON *find_word(const cJSON *list, const char *word)
{
	cJSON *v;

	cJSON_ArrayForEach(v, list)
		if (cJSON_IsString(v) && !strcmp(v->valuestring, word))
			return v;
	return NULL;
}

void model_requires(cJSON *manifest)
{
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(manifest, "model");
	cJSON *words = cJSON_GetObjectItemCaseSensitive(manifest, "requires");

	if (!cJSON_IsArray(words))
		json_put(manifest, "requires", words = json_arr());
	for (const struct field *f = fields; f->key; f++) {
		bool want = on(f, cJSON_GetObjectItemCaseSensitive(model, f->key));
		cJSON *v = find_word(words, f->key);

		if (f->since == FIRST || want == (v != NULL))
			continue;
		if (want)
			json_push(words, cJSON_CreateString(f->key));
		else
			cJSON_Delete(cJSON_DetachItemViaPointer(words, v));
	}
}

bool model_knows(const char *word)
{
	const struct field *f = fields;

	while (f->key && (f->since == FIRST || strcmp(f->key, word)))
		f++;
	return f->key || !strcmp(word, "names");
}

static int check_fields(const struct field *f, const struct model *m)
{
	for (; f->key; f++) {
		const char *p = (const char *)m + f->off;
		double v = f->type == INT ? *(const int *)p : f->type == REAL ? *(const double *)p : 0;

		if ((f->type == INT || f->type == REAL) && !(v >= f->min && v <= f->max))
			return err_set(ST_BAD, "model: '%s' is %.10g, outside %.10g..%.10g", f->key, v, f->min, f->max);
	}
	return 0;
}

int model_runs(const struct model *m)
{
	return !m->listed ? 0 : err_set(ST_UNSUP, "of this model nothing is known but its tensors: without a forward pass "
	                                "there is no calibration and no evaluation; rounding and packing work");
}

int model_check(const struct model *m)
{
	if (check_fields(fields, m) < 0 || check_fields(rope_fields, m) < 0)
		return -1;
	if (m->n_head % m->n_kv)
		return err_set(ST_BAD, "model: %d heads are not a multiple of %d key/value heads", m->n_head, m->n_kv);
	if ((int64_t)m->n_head * m->d_head > 1 << 20)
		return err_set(ST_BAD, "model: %d heads of %d are too wide", m->n_head, m->d_head);
	if (m->rope.type != ROPE_NONE && (m->rope.dim < 2 || m->rope.dim % 2 || m->rope.dim > m->d_head))
		return err_set(ST_BAD, "model: %d rotated elements in a head of %d", m->rope.dim, m->d_head);
	if (m->dtype != DT_F32 && m->dtype != DT_F16 && m->dtype != DT_BF16)
		return err_set(ST_BAD, "model: dtype is neither F32 nor F16 nor BF16");
	for (int i = 0; m->rope.type == ROPE_LONG && i < m->rope.dim / 2; i++)
		if (i >= MAX_STRETCH || !(m->rope.near[i] > 1e-6 && m->rope.near[i] < 1e6 && m->rope.far[i] > 1e-6 &&
		                          m->rope.far[i] < 1e6))
			return err_set(i >= MAX_STRETCH ? ST_UNSUP : ST_BAD, "model: factor %d of long scaling is none", i);
	for (int i = 0; !m->n_expert && i < m->n_layer; i++)
		if (m->moe[i])
			return err_set(ST_BAD, "model: layer %d has no experts to be of", i);
	if (m->n_expert && (m->top_k < 1 || m->top_k > m->n_expert || m->d_expert < 1 || !m->gated))
		return err_set(ST_BAD, "model: %d of %d experts of width %d", m->top_k, m->n_expert, m->d_expert);
	if ((int64_t)m->n_layer * m->n_expert > 1 << 18)
		return err_set(ST_UNSUP, "model: %d layers of %d experts are too many", m->n_layer, m->n_expert);
	if (m->n_group && (m->n_expert % m->n_group || m->topk_group < 1 || m->topk_group > m->n_group ||
	                   m->top_k > m->topk_group * (m->n_expert / m->n_group) ||
	                   (m->router == ROUTER_SIGMOID_TOP2 && m->n_expert / m->n_group < 2)))
		return err_set(ST_BAD, "model: %d of %d groups of %d experts", m->topk_group, m->n_group, m->n_expert);
	if (m->n_group ? m->router < ROUTER_SOFTMAX_MAX : m->router > ROUTER_SIGMOID)
		return err_set(ST_BAD, "model: groups of experts, and a router without, or the other way");
	for (int i = 0; i < m->n_layer; i++)
		if (m->cross[i] && (!m->d_cross || m->moe[i]))
			return err_set(ST_BAD, "model: layer %d attends to nothing, or has experts", i);
	if (m->d_cross && (m->place != PLACE_PRE || m->norm != NORM_RMS || m->kv_rank || m->d_v))
		return err_set(ST_UNSUP, "model: cross-attention in this arrangement");
	if (m->embed_extra && m->flags & MF_TIED)
		return err_set(ST_UNSUP, "model: a head tied to an embedding with rows beyond the vocabulary");
	if (m->n_expert && m->place != PLACE_PRE)
		return err_set(ST_UNSUP, "model: experts in this arrangement");
	if (m->plain_norm && m->norm != NORM_LAYER)
		return err_set(ST_BAD, "model: norms without weights that are not layer norms");
	if (m->q_rank && !m->kv_rank)
		return err_set(ST_BAD, "model: a latent of the queries alone");
	if (m->kv_rank && (m->rope.type == ROPE_NONE || m->rope.dim >= m->d_head || m->n_kv != m->n_head))
		return err_set(ST_BAD, "model: latent attention with %d of %d rotated, %d heads of %d", m->rope.dim, m->d_head,
		               m->n_kv, m->n_head);
	if (m->kv_rank && (m->qk_norm != QK_NONE || m->alibi != ALIBI_NONE || m->place == PLACE_PARALLEL ||
	                   m->place == PLACE_PARALLEL_2))
		return err_set(ST_UNSUP, "model: latent attention of this arrangement");
	if ((int64_t)m->n_head * model_dv(m) > 1 << 20)
		return err_set(ST_BAD, "model: %d heads of %d values are too wide", m->n_head, m->d_v);
	if (m->pos_rows && m->pos_first >= m->pos_rows)
		return err_set(ST_BAD, "model: position 0 is row %d of %d", m->pos_first, m->pos_rows);
	if (m->rope.type == ROPE_LLAMA3 && m->rope.high_freq <= m->rope.low_freq)
		return err_set(ST_BAD, "model: rope high_freq %g is not above low_freq %g", m->rope.high_freq,
		               m->rope.low_freq);
	return 0;
}
