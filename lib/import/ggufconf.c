/* GGUF metadata of architecture llama to the config.json that the model had, and its tensor names. */
#include "import/ggufile.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tops[][2] = {
	{ "token_embd", "model.embed_tokens" }, { "output_norm", "model.norm" }, { "output", "lm_head" },
	/* what the configuration says already: dropped with its reason, like the buffers of old checkpoints */
	{ "rope_freqs", "model.rotary_emb.inv_freq" }
};
static const char *const layers[][2] = {
	{ "attn_norm", "input_layernorm" }, { "attn_q", "self_attn.q_proj" }, { "attn_k", "self_attn.k_proj" },
	{ "attn_v", "self_attn.v_proj" }, { "attn_output", "self_attn.o_proj" },
	{ "ffn_norm", "post_attention_layernorm" }, { "ffn_gate", "mlp.gate_proj" }, { "ffn_up", "mlp.up_proj" },
	{ "ffn_down", "mlp.down_proj" }, { "attn_rot_embd", "self_attn.rotary_emb.inv_freq" }
};

static const char *lookup(const char *const (*t)[2], size_t rows, const char *s, size_t n)
{
	for (size_t i = 0; i < rows; i++)
		if (strlen(t[i][0]) == n && !memcmp(t[i][0], s, n))
			return t[i][1];
	return NULL;
}

const char *gguf_hf_name(const char *name, char *buf, size_t n)
{
	const char *dot = strrchr(name, '.'), *to, *rest = name;
	size_t digits = 0;

	snprintf(buf, n, "%s", name);
	if (!dot || (strcmp(dot, ".weight") && strcmp(dot, ".bias")))
		return buf;
	if (!strncmp(name, "blk.", 4)) {
		digits = strspn(name + 4, "0123456789");
		if (!digits || digits > 6 || name[4 + digits] != '.')
			return buf;
		rest = name + 4 + digits + 1;
	}
	if (rest > dot)
		return buf;
	to = digits ? lookup(layers, sizeof(layers) / sizeof(*layers), rest, (size_t)(dot - rest))
	     : lookup(tops, sizeof(tops) / sizeof(*tops), rest, (size_t)(dot - rest));
	if (!to)
		return buf;
	if (strstr(to, ".inv_freq"))
		dot = "";
	if (digits)
		snprintf(buf, n, "model.layers.%.*s.%s%s", (int)digits, name + 4, to, dot);
	else
		snprintf(buf, n, "%s%s", to, dot);
	return buf;
}

/* The shortest decimal that is the same float: 1e-05, not 9.999999747378752e-06. */
static double shortest(double v)
{
	char buf[40];

	for (int p = 1; p <= 9; p++) {
		double w;

		snprintf(buf, sizeof(buf), "%.*g", p, v);
		w = strtod(buf, NULL);
		if ((float)w == (float)v)
			return w;
	}
	return v;
}

/* What "llama." may be followed by: keys that are read here, and keys of other models in llama's dress with the value
 * that leaves the model as it is.  Any other would compute something else, or might. */
enum { ANY, ZERO, ONE };
static const struct {
	const char *key;
	int neutral;
} known[] = {
	{ "attention.head_count", ANY }, { "attention.head_count_kv", ANY }, { "attention.key_length", ANY },
	{ "attention.layer_norm_rms_epsilon", ANY }, { "attention.value_length", ANY }, { "block_count", ANY },
	{ "context_length", ANY }, { "embedding_length", ANY }, { "feed_forward_length", ANY },
	{ "rope.dimension_count", ANY }, { "rope.freq_base", ANY }, { "rope.scale_linear", ANY },
	{ "rope.scaling.factor", ANY }, { "rope.scaling.original_context_length", ANY }, { "rope.scaling.type", ANY },
	{ "rope.scaling.finetuned", ANY }, { "vocab_size", ANY },       /* history; said by the embedding */
	{ "expert_count", ZERO }, { "expert_used_count", ZERO }, { "attention.sliding_window", ZERO },
	{ "attention.clamp_kqv", ZERO }, { "attn_logit_softcapping", ZERO }, { "final_logit_softcapping", ZERO },
	{ "use_parallel_residual", ZERO }, { "attention.scale", ZERO }, { "logit_scale", ONE }, { "residual_scale", ONE },
	{ "embedding_scale", ONE }, { "rope.scaling.attn_factor", ONE }
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

static int refuse_others(const struct gguf *g)
{
	struct gguf_str arch;
	int64_t files = 1;
	int r = gguf_string(g, "general.architecture", &arch);

	if (r < 0 || gguf_int(g, "split.count", 0, UINT16_MAX, &files) < 0)
		return -1;
	if (!r)
		return err_set(ST_BAD, "GGUF: no 'general.architecture'");
	if (arch.n != 5 || memcmp(arch.s, "llama", 5))
		return err_set(ST_UNSUP, "GGUF architecture '%.*s' is not supported; known: llama",
		               (int)(arch.n > 80 ? 80 : arch.n), arch.s);
	if (files > 1)
		return err_set(ST_UNSUP, "GGUF: one of %lld files: a model in one file is read", (long long)files);
	for (int i = 0; i < g->nkv; i++) {
		const struct gguf_kv *kv = &g->kv[i];
		size_t k = 0, n = sizeof(known) / sizeof(*known);

		if (strncmp(kv->key, "llama.", 6))
			continue;
		while (k < n && strcmp(known[k].key, kv->key + 6))
			k++;
		if (k < n && known[k].neutral == ANY)
			continue;
		r = k < n ? neutral(g, kv, known[k].neutral) : 0;
		if (r <= 0)
			return r < 0 ? -1 : err_set(ST_UNSUP, "GGUF: '%s' is not supported", kv->key);
	}
	return 0;
}

/* The factors by which llama3 scaling divides the frequencies; the file keeps them, not what made them.  All
 * published ones come from low 1, high 4 and 8192 positions: tried, and refused when they do not fit. */
static cJSON *llama3(const float *freqs, int64_t n, double base)
{
	const double low = 1, high = 4, orig = 8192;
	double factor = 1;
	cJSON *o;

	for (int64_t i = 0; i < n; i++)
		factor = freqs[i] > factor ? freqs[i] : factor;
	for (int64_t i = 0; i < n; i++) {
		double wave = 2 * M_PI * pow(base, (double)i / (double)n), f = 1,
		    s = (orig / wave - low) / (high - low);

		if (wave > orig / low)
			f = factor;
		else if (wave >= orig / high)
			f = 1 / ((1 - s) / factor + s);
		if (!(fabs(freqs[i] - f) <= 1e-4 * f)) {
			err_set(ST_UNSUP, "GGUF: 'rope_freqs.weight' is not what llama3 scaling by %g gives, at %lld",
			        factor, (long long)i);
			return NULL;
		}
	}
	o = json_obj();
	json_put_str(o, "rope_type", "llama3");
	json_put_num(o, "factor", shortest(factor));
	json_put_num(o, "low_freq_factor", low);
	json_put_num(o, "high_freq_factor", high);
	json_put_num(o, "original_max_position_embeddings", orig);
	return o;
}

static int rope(const struct gguf *g, cJSON *c, int64_t hd, const float *freqs, int64_t nfreq)
{
	struct gguf_str type = { "none", 4 };
	double base = 10000, factor = 1;
	int64_t dim = hd, orig = 0;
	cJSON *scaling = NULL;

	if (gguf_real(g, "llama.rope.freq_base", &base) < 0 || gguf_string(g, "llama.rope.scaling.type", &type) < 0 ||
	    gguf_real(g, "llama.rope.scale_linear", &factor) < 0 ||
	    gguf_real(g, "llama.rope.scaling.factor", &factor) < 0 ||
	    gguf_int(g, "llama.rope.scaling.original_context_length", 1, 1 << 30, &orig) < 0 ||
	    gguf_int(g, "llama.rope.dimension_count", 1, 1 << 16, &dim) < 0)
		return -1;
	if (!(base > 0))
		return err_set(ST_BAD, "GGUF: 'llama.rope.freq_base' is %g", base);
	json_put_num(c, "rope_theta", shortest(base));
	if (dim != hd)
		json_put_num(c, "partial_rotary_factor", (double)dim / (double)hd);
	if (freqs) {
		if (nfreq != dim / 2)
			return err_set(ST_BAD, "GGUF: 'rope_freqs.weight' has %lld elements, not %lld",
			               (long long)nfreq, (long long)(dim / 2));
		if (!(scaling = llama3(freqs, nfreq, base)))
			return -1;
	} else if ((type.n == 4 && !memcmp(type.s, "none", 4) && factor != 1 &&
	            !gguf_find(g, "llama.rope.scaling.type")) ||
	           (type.n == 6 && !memcmp(type.s, "linear", 6))) {
		scaling = json_obj();
		json_put_str(scaling, "rope_type", "linear");
		json_put_num(scaling, "factor", shortest(factor));
	} else if (type.n == 4 && !memcmp(type.s, "yarn", 4)) {
		scaling = json_obj();
		json_put_str(scaling, "rope_type", "yarn");
		json_put_num(scaling, "factor", shortest(factor));
		if (orig)
			json_put_num(scaling, "original_max_position_embeddings", (double)orig);
	} else if (type.n != 4 || memcmp(type.s, "none", 4))
		return err_set(ST_UNSUP, "GGUF: rope scaling '%.*s' is not supported",
		               (int)(type.n > 40 ? 40 : type.n), type.s);
	json_put(c, "rope_scaling", scaling ? scaling : cJSON_CreateNull());
	return 0;
}

static bool has(const struct gguf *g, const char *name)
{
	for (int i = 0; i < g->nt; i++)
		if (!strcmp(g->t[i].name, name))
			return true;
	return false;
}

static int dims(const struct gguf *g, cJSON *c, int64_t *hd)
{
	static const struct {
		const char *from, *to;
		bool need;
	} k[] = {
		{ "llama.embedding_length", "hidden_size", true }, { "llama.block_count", "num_hidden_layers", true },
		{ "llama.feed_forward_length", "intermediate_size", true },
		{ "llama.attention.head_count", "num_attention_heads", true },
		{ "llama.attention.head_count_kv", "num_key_value_heads", false },
		{ "llama.context_length", "max_position_embeddings", true }
	};
	int64_t v[sizeof(k) / sizeof(*k)] = { 0 }, len;

	for (size_t i = 0; i < sizeof(k) / sizeof(*k); i++) {
		int r = gguf_int(g, k[i].from, 1, 1 << 30, &v[i]);

		if (r < 0)
			return -1;
		if (!r && k[i].need)
			return err_set(ST_BAD, "GGUF: no '%s'", k[i].from);
		if (!r)
			v[i] = v[3];
		json_put_num(c, k[i].to, (double)v[i]);
	}
	*hd = v[0] / v[3];
	if (gguf_int(g, "llama.attention.key_length", 1, 1 << 16, hd) < 0)
		return -1;
	len = *hd;
	if (gguf_int(g, "llama.attention.value_length", 1, 1 << 16, &len) < 0)
		return -1;
	if (len != *hd)
		return err_set(ST_UNSUP, "GGUF: keys of %lld and values of %lld", (long long)*hd, (long long)len);
	json_put_num(c, "head_dim", (double)*hd);
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

cJSON *gguf_config(const struct gguf *g, enum dtype dt, const float *freqs, int64_t nfreq)
{
	static const char *const id_keys[TOK_N] = { "bos_token_id", "eos_token_id", NULL, "pad_token_id" };
	cJSON *c, *a;
	int64_t id[TOK_N], hd;
	double eps = 0;
	int r;

	if (refuse_others(g) < 0 || gguf_special(g, id) < 0 ||
	    (r = gguf_real(g, "llama.attention.layer_norm_rms_epsilon", &eps)) < 0)
		return NULL;
	if (!r) {
		err_set(ST_BAD, "GGUF: 'llama.attention.layer_norm_rms_epsilon' is missing");
		return NULL;
	}
	c = json_obj();
	a = json_arr();
	json_push(a, cJSON_CreateString("LlamaForCausalLM"));
	json_put(c, "architectures", a);
	json_put_bool(c, "attention_bias", has(g, "blk.0.attn_q.bias"));
	json_put_bool(c, "mlp_bias", has(g, "blk.0.ffn_up.bias"));
	json_put_str(c, "hidden_act", "silu");
	json_put_str(c, "model_type", "llama");
	for (int i = 0; i < TOK_N; i++)
		if (id_keys[i] && id[i] >= 0)
			json_put_num(c, id_keys[i], (double)id[i]);
	if (dims(g, c, &hd) < 0 || rope(g, c, hd, freqs, nfreq) < 0) {
		cJSON_Delete(c);
		return NULL;
	}
	json_put_num(c, "rms_norm_eps", shortest(eps));
	json_put_bool(c, "tie_word_embeddings", !has(g, "output.weight"));
	json_put_str(c, "torch_dtype", dt == DT_F32 ? "float32" : dt == DT_F16 ? "float16" : "bfloat16");
	json_put_bool(c, "use_cache", true);
	for (int i = 0; i < g->nt; i++)
		if (!strcmp(g->t[i].name, "token_embd.weight"))
			json_put_num(c, "vocab_size", (double)g->t[i].dim[0]);
	return c;
}
