/* GGUF metadata to the config.json that the model had. */
#include "import/ggufile.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gguf_vec_names[VEC_N] = { "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight" };

double gguf_decimal(double v, double by)
{
	char buf[40];

	for (int p = 1; p <= 9; p++) {
		double w;

		snprintf(buf, sizeof(buf), "%.*g", p, v * by);
		w = strtod(buf, NULL);
		if ((float)(w / by) == (float)v)
			return w;
	}
	return v * by;
}

/* "llama.block_count"; a key longer than any that is written is none. */
static const char *full(const struct gguf_arch *a, const char *key, char *buf)
{
	snprintf(buf, 128, "%s.%s", a->name, key);
	return buf;
}

int arch_int(const struct gguf *g, const struct gguf_arch *a, const char *key, int64_t min, int64_t max, int64_t *out)
{
	char buf[128];

	return gguf_int(g, full(a, key, buf), min, max, out);
}

int arch_real(const struct gguf *g, const struct gguf_arch *a, const char *key, double *out)
{
	char buf[128];

	return gguf_real(g, full(a, key, buf), out);
}

static int missing(const struct gguf_arch *a, const char *key)
{
	return err_set(ST_BAD, "GGUF: no '%s.%s'", a->name, key);
}

int gguf_at(const struct gguf *g, const char *tensor)
{
	for (int i = 0; i < g->nt; i++)
		if (!strcmp(g->t[i].name, tensor))
			return i;
	return -1;
}

bool gguf_has(const struct gguf *g, const char *tensor)
{
	return gguf_at(g, tensor) >= 0;
}

/* The family's word for what most call `key`; NULL: it has none. */
static const char *word(const struct gguf_arch *a, const char *key)
{
	for (int i = 0; i < GA_WORDS && a->word[i].a; i++)
		if (!strcmp(a->word[i].a, key))
			return *a->word[i].b ? a->word[i].b : NULL;
	return key;
}

static void put_int(const struct gguf_arch *a, cJSON *c, const char *key, int64_t v)
{
	if (word(a, key))
		json_put_num(c, word(a, key), (double)v);
}

cJSON *gguf_number(double v)
{
	char buf[40];

	snprintf(buf, sizeof(buf), "%.15g", v);
	if (strtod(buf, NULL) < v || strtod(buf, NULL) > v)
		snprintf(buf, sizeof(buf), "%.17g", v);
	if (!buf[strcspn(buf, ".e")])
		strcat(buf, ".0");
	return cJSON_CreateRaw(buf);
}

static void put_real(const struct gguf_arch *a, cJSON *c, const char *key, double v)
{
	if (word(a, key))
		json_put(c, word(a, key), gguf_number(v));
}

/* What the architecture's name may be followed by: keys that are read here, and keys of other models with the value that
 * leaves the model as it is.  Any other would compute something else, or might. */
enum { ANY, ZERO, ONE };
static const struct {
	const char *key;
	int neutral;
} known[] = {
	{ "attention.head_count", ANY }, { "attention.head_count_kv", ANY }, { "attention.key_length", ANY },
	{ "attention.layer_norm_epsilon", ANY }, { "attention.layer_norm_rms_epsilon", ANY },
	{ "attention.value_length", ANY }, { "block_count", ANY }, { "context_length", ANY }, { "embedding_length", ANY },
	{ "feed_forward_length", ANY }, { "rope.dimension_count", ANY }, { "rope.freq_base", ANY },
	{ "rope.scale_linear", ANY }, { "rope.scaling.factor", ANY }, { "rope.scaling.original_context_length", ANY },
	{ "rope.scaling.type", ANY }, { "rope.scaling.attn_factor", ANY }, { "rope.scaling.yarn_attn_factor", ANY },
	{ "rope.scaling.yarn_beta_fast", ANY }, { "rope.scaling.yarn_beta_slow", ANY },
	{ "rope.scaling.finetuned", ANY }, { "vocab_size", ANY },       /* history; said by the embedding */
	{ "tensor_data_layout", ANY },                                  /* the only one there is */
	{ "expert_count", ZERO }, { "expert_used_count", ZERO }, { "expert_shared_count", ZERO },
	{ "expert_group_count", ZERO }, { "expert_group_used_count", ZERO }, { "expert_gating_func", ONE },
	{ "expert_weights_scale", ONE }, { "leading_dense_block_count", ZERO }, { "nextn_predict_layers", ZERO },
	{ "attention.sliding_window", ZERO }, { "attention.causal", ONE }, { "attention.clamp_kqv", ZERO },
	{ "attn_logit_softcapping", ZERO }, { "final_logit_softcapping", ZERO }, { "use_parallel_residual", ZERO },
	{ "attention.scale", ZERO }, { "logit_scale", ONE }, { "residual_scale", ONE }, { "embedding_scale", ONE },
	{ "rope.scaling.yarn_ext_factor", ONE }
};

static int neutral(const struct gguf *g, const struct gguf_kv *kv, int want)
{
	int64_t v = 0;
	double d = 0;
	bool b = false;
	int r;

	if (kv->array)
		return err_set(ST_UNSUP, "GGUF: '%s' is an array", kv->key);
	if (kv->type == GV_STR)
		return 0;
	if (kv->type == GV_F32 || kv->type == GV_F64)
		r = gguf_real(g, kv->key, &d);
	else if (kv->type == GV_BOOL)
		r = gguf_bool(g, kv->key, &b);
	else
		r = gguf_int(g, kv->key, INT64_MIN, INT64_MAX, &v);
	return r < 0 ? -1 : d + (double)v + b == (want == ONE);
}

static bool reads(const struct gguf_arch *a, const char *key)
{
	for (int i = 0; i < GA_KEYS && a->key[i].from; i++)
		if (!strcmp(a->key[i].from, key))
			return true;
	return false;
}

static int refuse_others(const struct gguf *g, const struct gguf_arch *a)
{
	size_t len = strlen(a->name);

	for (int i = 0; i < g->nkv; i++) {
		const struct gguf_kv *kv = &g->kv[i];
		size_t k = 0, n = sizeof(known) / sizeof(*known);
		int r;

		if (strncmp(kv->key, a->name, len) || kv->key[len] != '.' || reads(a, kv->key + len + 1))
			continue;
		while (k < n && strcmp(known[k].key, kv->key + len + 1))
			k++;
		if (k < n && known[k].neutral == ANY)
			continue;
		r = k < n ? neutral(g, kv, known[k].neutral) : 0;
		if (r <= 0)
			return r < 0 ? -1 : err_set(ST_UNSUP, "GGUF: '%s' is not supported", kv->key);
	}
	return 0;
}

/* Did llama3 scaling by `factor`, of `orig` positions in pre-training, make the factors? */
static bool llama3_fits(const struct gguf_vec *f, double base, double factor, double orig)
{
	const double low = 1, high = 4;

	for (int64_t i = 0; i < f->n; i++) {
		double wave = 2 * M_PI * pow(base, (double)i / (double)f->n), want = 1, s = (orig / wave - low) / (high - low);

		if (wave > orig / low)
			want = factor;
		else if (wave >= orig / high)
			want = 1 / ((1 - s) / factor + s);
		if (!(fabs(f->v[i] - want) <= 1e-4 * want))
			return false;
	}
	return true;
}

/* The file keeps the factors by which llama3 scaling divides the frequencies, not what made them.  All published ones
 * come from low 1, high 4 and 8192 positions; those and other powers of two are tried. */
static cJSON *llama3(const struct gguf_vec *f, double base)
{
	double factor = 1, orig = 8192;
	cJSON *o;

	for (int64_t i = 0; i < f->n; i++)
		factor = f->v[i] > factor ? f->v[i] : factor;
	if (!llama3_fits(f, base, factor, orig))
		for (orig = 16; orig < 1 << 22 && !llama3_fits(f, base, factor, orig);)
			orig *= 2;
	if (orig >= 1 << 22) {
		err_set(ST_UNSUP, "GGUF: 'rope_freqs.weight' is not what llama3 scaling by %g gives", factor);
		return NULL;
	}
	o = json_obj();
	json_put_str(o, "rope_type", "llama3");
	json_put(o, "factor", gguf_number(gguf_decimal(factor, 1)));
	json_put(o, "low_freq_factor", gguf_number(1));
	json_put(o, "high_freq_factor", gguf_number(4));
	json_put_num(o, "original_max_position_embeddings", orig);
	return o;
}

static cJSON *decimals(const struct gguf_vec *f)
{
	cJSON *a = json_arr();

	for (int64_t i = 0; i < f->n; i++)
		json_push(a, gguf_number(isfinite(f->v[i]) ? gguf_decimal(f->v[i], 1) : 0));
	return a;
}

/* Two lists of factors, and a gain that follows from how much longer the context became. */
static cJSON *longrope(const struct gguf_vec *vec, cJSON *c, double ctx, double orig, double gain)
{
	double own = ctx > orig && orig > 1 ? sqrt(1 + log(ctx / orig) / log(orig)) : 1;
	cJSON *o = json_obj();

	json_put_num(c, "original_max_position_embeddings", orig);
	json_put_str(o, "type", "longrope");
	json_put(o, "short_factor", decimals(&vec[VEC_SHORT]));
	json_put(o, "long_factor", decimals(&vec[VEC_LONG]));
	if (gain > 0 && fabs(gain - own) > 1e-5 * own)
		json_put(o, "attention_factor", gguf_number(gguf_decimal(gain, 1)));
	return o;
}

static int yarn(const struct gguf *g, const struct gguf_arch *a, cJSON *o)
{
	static const struct gguf_pair k[] = {
		{ "rope.scaling.yarn_attn_factor", "attention_factor" }, { "rope.scaling.yarn_beta_fast", "beta_fast" },
		{ "rope.scaling.yarn_beta_slow", "beta_slow" }
	};

	for (size_t i = 0; i < sizeof(k) / sizeof(*k); i++) {
		double v;
		int r = arch_real(g, a, k[i].a, &v);

		if (r < 0)
			return -1;
		if (r)
			json_put(o, k[i].b, gguf_number(gguf_decimal(v, 1)));
	}
	return 0;
}

/* Scaling, or NULL for none. */
static int scaling(const struct gguf *g, const struct gguf_arch *a, cJSON *c, double base, const struct gguf_vec *vec,
                   cJSON **out)
{
	struct gguf_str type = { "none", 4 };
	double factor = 1, gain = 0;
	int64_t orig = 0, ctx = 0;
	char key[128];
	bool said = gguf_find(g, full(a, "rope.scaling.type", key));

	*out = NULL;
	if (gguf_string(g, key, &type) < 0 || arch_real(g, a, "rope.scale_linear", &factor) < 0 ||
	    arch_real(g, a, "rope.scaling.factor", &factor) < 0 || arch_real(g, a, "rope.scaling.attn_factor", &gain) < 0 ||
	    arch_int(g, a, "rope.scaling.original_context_length", 1, 1 << 30, &orig) < 0 ||
	    arch_int(g, a, "context_length", 1, 1 << 30, &ctx) < 0)
		return -1;
	if (vec[VEC_FREQS].v)
		return (*out = llama3(&vec[VEC_FREQS], base)) ? 0 : -1;
	if (vec[VEC_SHORT].v || vec[VEC_LONG].v) {
		if (!vec[VEC_SHORT].v || !vec[VEC_LONG].v || !orig)
			return err_set(ST_BAD, "GGUF: long rope wants '%s', '%s' and '%s.rope.scaling.original_context_length'",
			               gguf_vec_names[VEC_SHORT], gguf_vec_names[VEC_LONG], a->name);
		*out = longrope(vec, c, (double)ctx, (double)orig, gain);
		return 0;
	}
	if (gain > 0 && gain != 1)
		return err_set(ST_UNSUP, "GGUF: '%s.rope.scaling.attn_factor' is not supported with this scaling", a->name);
	if ((!said && factor != 1) || (type.n == 6 && !memcmp(type.s, "linear", 6))) {
		*out = json_obj();
		json_put_str(*out, "rope_type", "linear");
		json_put(*out, "factor", gguf_number(gguf_decimal(factor, 1)));
	} else if (type.n == 4 && !memcmp(type.s, "yarn", 4)) {
		*out = json_obj();
		json_put_str(*out, "rope_type", "yarn");
		json_put(*out, "factor", gguf_number(gguf_decimal(factor, 1)));
		if (orig)
			json_put_num(*out, "original_max_position_embeddings", (double)orig);
		if (yarn(g, a, *out) < 0) {
			cJSON_Delete(*out);
			return -1;
		}
	} else if (type.n != 4 || memcmp(type.s, "none", 4))
		return err_set(ST_UNSUP, "GGUF: rope scaling '%.*s' is not supported", (int)(type.n > 40 ? 40 : type.n), type.s);
	return 0;
}

/* The share of a head of hd by which a reader, who cuts hd * share, gets dim. */
static double share(int64_t dim, int64_t hd)
{
	double s = (double)dim / (double)hd;

	return (int64_t)((double)hd * s) < dim ? nextafter(s, 1) : s;
}

static int rope(const struct gguf *g, const struct gguf_arch *a, cJSON *c, int64_t hd, const struct gguf_vec *vec)
{
	double base = 10000;
	int64_t dim = hd;
	cJSON *s;

	if (arch_real(g, a, "rope.freq_base", &base) < 0 || arch_int(g, a, "rope.dimension_count", 1, 1 << 16, &dim) < 0)
		return -1;
	if (!(base > 0))
		return err_set(ST_BAD, "GGUF: '%s.rope.freq_base' is %g", a->name, base);
	put_real(a, c, "rope_theta", gguf_decimal(base, 1));
	if (!(a->flags & GA_LATENT) && (dim != hd || a->flags & GA_PARTIAL))
		put_real(a, c, "partial_rotary_factor", share(dim, hd));
	for (int i = 0; i < VEC_N; i++)
		if (vec[i].v && vec[i].n != dim / 2)
			return err_set(ST_BAD, "GGUF: '%s' has %lld elements, not %lld", gguf_vec_names[i], (long long)vec[i].n,
			               (long long)(dim / 2));
	if (scaling(g, a, c, base, vec, &s) < 0)
		return -1;
	json_put(c, "rope_scaling", s ? s : cJSON_CreateNull());
	return 0;
}

/* Width of a head. */
static int head(const struct gguf *g, const struct gguf_arch *a, cJSON *c, int64_t plain, int64_t *hd)
{
	int64_t len;

	*hd = plain;
	if (a->flags & GA_LATENT)
		return 0;
	if (arch_int(g, a, "attention.key_length", 1, 1 << 16, hd) < 0)
		return -1;
	len = *hd;
	if (arch_int(g, a, "attention.value_length", 1, 1 << 16, &len) < 0)
		return -1;
	if (*hd < 1)
		return err_set(ST_BAD, "GGUF: '%s.attention.head_count' is more than the width", a->name);
	if (len != *hd)
		return err_set(ST_UNSUP, "GGUF: keys of %lld and values of %lld", (long long)*hd, (long long)len);
	if (*hd != plain && !word(a, "head_dim"))
		return err_set(ST_UNSUP, "GGUF: heads of %lld where the width makes them %lld", (long long)*hd, (long long)plain);
	put_int(a, c, "head_dim", *hd);
	return 0;
}

static int dims(const struct gguf *g, const struct gguf_arch *a, cJSON *c, int64_t *hd)
{
	static const struct {
		const char *from, *to;
		bool need;
	} k[] = {
		{ "embedding_length", "hidden_size", true }, { "block_count", "num_hidden_layers", true },
		{ "feed_forward_length", "intermediate_size", true }, { "attention.head_count", "num_attention_heads", true },
		{ "attention.head_count_kv", "num_key_value_heads", false }, { "context_length", "max_position_embeddings", true }
	};
	int64_t v[sizeof(k) / sizeof(*k)] = { 0 };

	for (size_t i = 0; i < sizeof(k) / sizeof(*k); i++) {
		int r = arch_int(g, a, k[i].from, 1, 1 << 30, &v[i]);

		if (r < 0)
			return -1;
		if (!r && k[i].need)
			return missing(a, k[i].from);
		put_int(a, c, k[i].to, r ? v[i] : v[3]);
	}
	return head(g, a, c, v[0] / v[3], hd);
}

static int put_key(const struct gguf *g, const struct gguf_arch *a, cJSON *c, const struct gguf_key *k)
{
	char name[128];
	int64_t i = 0;
	double d = 0;
	bool b = false;
	int r;

	full(a, k->from, name);
	r = k->kind == GK_INT ? gguf_int(g, name, 0, 1 << 30, &i) : k->kind == GK_REAL ? gguf_real(g, name, &d) :
	    gguf_bool(g, name, &b);
	if (r < 0)
		return -1;
	if (k->absent && (!r || (k->kind != GK_BOOL && !i && d == 0)))          /* 0 says "none" too */
		json_put(c, k->to, cJSON_CreateRaw(k->absent));
	else if (!r)
		return missing(a, k->from);
	else if (k->kind == GK_BOOL)
		json_put_bool(c, k->to, b);
	else if (k->kind == GK_INT)
		json_put_num(c, k->to, (double)i);
	else
		json_put(c, k->to, gguf_number(gguf_decimal(d, 1)));
	return 0;
}

/* What rows say beyond the keys that all have. */
static int own(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	for (int i = 0; i < GA_WORDS && a->set[i].a; i++)
		if (!cJSON_GetObjectItemCaseSensitive(c, a->set[i].a))
			json_put(c, a->set[i].a, cJSON_CreateRaw(a->set[i].b));
	for (int i = 0; i < GA_TELLS && a->tell[i].a; i++) {
		bool not = *a->tell[i].b == '!';

		json_put_bool(c, a->tell[i].a, gguf_has(g, a->tell[i].b + not) != not);
	}
	for (int i = 0; i < GA_KEYS && a->key[i].from; i++)
		if (a->key[i].to && put_key(g, a, c, &a->key[i]) < 0)
			return -1;
	return 0;
}

int gguf_special(const struct gguf *g, int64_t id[TOK_N])
{
	static const char *const keys[TOK_N] = { "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
	                                         "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id" };
	const struct gguf_kv *tok = gguf_find(g, "tokenizer.ggml.tokens");

	for (int i = 0; i < TOK_N; i++) {
		id[i] = -1;
		if (gguf_int(g, keys[i], 0, UINT32_MAX, &id[i]) < 0)
			return -1;
		if (id[i] == UINT32_MAX)                /* how some writers say "none" */
			id[i] = -1;
		if (tok && id[i] >= (int64_t)tok->n)
			return err_set(ST_BAD, "GGUF: '%s' is %lld, of %llu tokens", keys[i], (long long)id[i],
			               (unsigned long long)tok->n);
	}
	return 0;
}

static int fill(const struct gguf *g, const struct gguf_arch *a, cJSON *c, const struct gguf_vec *vec)
{
	static const char *const id_keys[TOK_N] = { "bos_token_id", "eos_token_id", NULL, "pad_token_id" };
	const char *eps_key = a->flags & GA_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
	int64_t id[TOK_N], hd;
	double eps = 0;
	int r;

	if (refuse_others(g, a) < 0 || gguf_special(g, id) < 0 || (r = arch_real(g, a, eps_key, &eps)) < 0)
		return -1;
	if (!r)
		return missing(a, eps_key);
	for (int i = 0; i < TOK_N; i++)
		if (id_keys[i] && id[i] >= 0)
			json_put_num(c, id_keys[i], (double)id[i]);
	if (dims(g, a, c, &hd) < 0 || (!(a->flags & GA_NO_ROPE) && rope(g, a, c, hd, vec) < 0))
		return -1;
	put_real(a, c, "rms_norm_eps", gguf_decimal(eps, 1));
	json_put_bool(c, "tie_word_embeddings", !gguf_has(g, "output.weight"));
	return own(g, a, c) < 0 || (a->more && a->more(g, a, c) < 0) ? -1 : 0;
}

char *gguf_config(const struct gguf *g, const struct gguf_arch *a, enum dtype dt, const struct gguf_vec vec[VEC_N])
{
	cJSON *c = json_obj(), *list = json_arr();
	char *text;

	json_push(list, cJSON_CreateString(a->class));
	json_put(c, "architectures", list);
	json_put_str(c, "model_type", a->type);
	if (fill(g, a, c, vec) < 0) {
		cJSON_Delete(c);
		return NULL;
	}
	json_put_str(c, "torch_dtype", dt == DT_F32 ? "float32" : dt == DT_F16 ? "float16" : "bfloat16");
	json_put_bool(c, "use_cache", true);
	for (int i = 0; i < g->nt; i++)
		if (!strcmp(g->t[i].name, "token_embd.weight"))
			json_put_num(c, "vocab_size", (double)g->t[i].dim[0]);
	text = json_text(c, true);
	cJSON_Delete(c);
	return text;
}
