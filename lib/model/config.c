/* config.json to knobs.  What changes the computation and has no knob here is refused, never passed over: the
 * result would be a model that looks right and is another. */
#include "base/err.h"
#include "base/near.h"
#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct cfg_key shared_keys[] = {
	KEY_INT("num_hidden_layers", n_layer),
	KEY_INT("hidden_size", d_model),
	KEY_INT("num_attention_heads", n_head),
	KEY_INT("num_key_value_heads", n_kv),
	KEY_INT("head_dim", d_head),
	KEY_INT("intermediate_size", d_ff),
	KEY_INT("vocab_size", vocab),
	KEY_INT("max_position_embeddings", ctx),
	KEY_REAL("rms_norm_eps", eps),
	KEY_ACT("hidden_act", act),
	KEY_FLAG("tie_word_embeddings", MF_TIED),
	KEY_END
};

/* Keys by which other models, or later ones under a name that is known here, compute something else.  Null, false, an
 * empty list and the number given leave the model as it is; so does any value where the family reads the key. */
static const struct {
	const char *key;
	double neutral;
} changes[] = {
	/* attention */
	{ "alibi", 0 }, { "attention_bias", 0 }, { "attention_chunk_size", 0 }, { "attention_multiplier", 0 },
	{ "attention_sinks", 0 }, { "attn_logit_softcapping", 0 }, { "attn_temperature_tuning", 0 },
	{ "clip_qkv", 0 }, { "cross_attention_layers", 0 }, { "dual_chunk_attention_config", 0 },
	{ "add_cross_attention", 0 }, { "is_encoder_decoder", 0 }, { "kv_lora_rank", 0 }, { "q_lora_rank", 0 },
	{ "no_rope_layers", 0 }, { "no_rope_layer_interval", 0 }, { "qk_layernorm", 0 }, { "qk_norm", 0 },
	{ "use_qk_norm", 0 }, { "qkv_bias", 0 }, { "query_pre_attn_scalar", 0 }, { "sliding_window", 0 },
	{ "sliding_window_pattern", 0 }, { "use_bidirectional_attention", 0 }, { "use_logn_attn", 0 },
	/* positions */
	{ "rope_interleave", 0 }, { "rope_interleaved", 0 }, { "rope_local_base_freq", 0 }, { "rope_ratio", 1 },
	{ "rotary_dim", 0 }, { "rotary_emb_base", 0 }, { "rotary_pct", 1 }, { "use_dynamic_ntk", 0 }, { "use_mrope", 0 },
	/* the other half of a block, and how the halves meet */
	{ "hidden_activation", 0 }, { "mlp_bias", 0 }, { "num_experts", 0 }, { "num_local_experts", 0 },
	{ "n_routed_experts", 0 }, { "parallel_attn", 0 }, { "use_parallel_residual", 0 }, { "residual_multiplier", 1 },
	{ "scale_depth", 0 },
	/* both ends */
	{ "embedding_multiplier", 1 }, { "scale_emb", 1 }, { "dim_model_base", 0 }, { "final_logit_softcapping", 0 },
	{ "logit_scale", 1 }, { "logits_scaling", 1 }, { "word_embed_proj_dim", 0 }, { "lm_head_bias", 0 }
};

static bool reads(const struct family *f, const char *key)
{
	for (const struct cfg_key *k = f->cfg; k && k->key; k++)
		if (!strcmp(k->key, key))
			return true;
	for (int i = 0; i < CFG_OWN && f->own[i]; i++)
		if (!strcmp(f->own[i], key))
			return true;
	for (const struct cfg_alias *a = f->alias; a && a->key; a++)
		if (!strcmp(a->key, key))
			return true;
	return false;
}

static bool neutral(const cJSON *v, double n)
{
	return !v || cJSON_IsNull(v) || cJSON_IsFalse(v) || (cJSON_IsNumber(v) && v->valuedouble == n) ||
	       ((cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child);
}

static int refuse_changes(const struct family *f, const cJSON *config)
{
	bool slides = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "use_sliding_window"));

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		if (!neutral(cJSON_GetObjectItemCaseSensitive(config, changes[i].key), changes[i].neutral) &&
		    !reads(f, changes[i].key) && (slides || strcmp(changes[i].key, "sliding_window")))
			return err_set(ST_UNSUP, "'%s' is not supported in a model of family '%s'", changes[i].key, f->name);
	return 0;
}

static int act_parse(const char *s, enum act *out)
{
	static const struct {
		const char *name;
		enum act act;
	} t[] = {
		{ "silu", ACT_SILU }, { "swish", ACT_SILU }, { "gelu", ACT_GELU }, { "relu", ACT_RELU },
		{ "gelu_new", ACT_GELU_TANH }, { "gelu_pytorch_tanh", ACT_GELU_TANH }, { "gelu_fast", ACT_GELU_TANH },
		{ "quick_gelu", ACT_QUICK_GELU }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		if (!strcmp(t[i].name, s)) {
			*out = t[i].act;
			return 0;
		}
	return err_set(ST_UNSUP, "activation '%.40s' is not supported", s);
}

static int read_keys(struct model *m, const cJSON *config, const struct cfg_key *k)
{
	for (; k && k->key; k++) {
		char *p = (char *)m + k->off;
		const char *s;
		int64_t i;
		bool b;
		int r = 0;

		switch (k->type) {
		case CFG_INT:
			if ((r = json_int(config, k->key, 0, 1 << 30, &i)) > 0)
				*(int *)p = (int)i;
			break;
		case CFG_REAL:
			r = json_num(config, k->key, (double *)p);
			break;
		case CFG_FACTOR:
			if ((r = json_num(config, k->key, (double *)p)) > 0 && !(*(double *)p > 0))
				r = err_set(ST_BAD, "'%s' is %g", k->key, *(double *)p);
			break;
		case CFG_ACT:
			if ((r = json_str(config, k->key, &s)) > 0)
				r = act_parse(s, (enum act *)p);
			break;
		case CFG_BOOL:
			r = json_bool(config, k->key, (bool *)p);
			break;
		case CFG_FLAG:
			if ((r = json_bool(config, k->key, &b)) > 0)
				*(unsigned *)p = b ? *(unsigned *)p | k->arg : *(unsigned *)p & ~k->arg;
			break;
		}
		if (r < 0)
			return -1;
	}
	return 0;
}

static int read_dtype(struct model *m, const cJSON *config)
{
	static const struct {
		const char *name;
		enum dtype dt;
	} t[] = { { "float32", DT_F32 }, { "float16", DT_F16 }, { "bfloat16", DT_BF16 } };
	const char *s = NULL;

	if (json_str(config, "dtype", &s) < 0 || (!s && json_str(config, "torch_dtype", &s) < 0))
		return -1;
	m->dtype = s ? DT_NONE : DT_F32;
	for (size_t i = 0; s && i < sizeof(t) / sizeof(*t); i++)
		if (!strcmp(t[i].name, s + (strncmp(s, "torch.", 6) ? 0 : 6)))
			m->dtype = t[i].dt;
	return m->dtype != DT_NONE ? 0 : err_set(ST_UNSUP, "dtype '%.40s' is not supported", s);
}

void window_set(struct model *m, int window)
{
	m->window = window;
	for (int i = 0; i < m->n_layer; i++)
		m->slide[i] = window > 0;
}

bool window_listed(struct model *m, const cJSON *config)
{
	const cJSON *types = cJSON_GetObjectItemCaseSensitive(config, "layer_types");

	for (int i = 0; cJSON_IsArray(types) && i < m->n_layer; i++) {
		const cJSON *t = cJSON_GetArrayItem(types, i);

		m->slide[i] = cJSON_IsString(t) && !strcmp(t->valuestring, "sliding_attention");
	}
	return cJSON_IsArray(types);
}

int window_everywhere(struct model *m, const cJSON *config)
{
	int64_t win = 0;

	if (json_int(config, "sliding_window", 1, 1 << 30, &win) < 0)
		return -1;
	window_set(m, (int)win);
	return 0;
}

/* Layers that slide, said once more: by newer configurations, for every layer. */
static int check_layer_types(const struct model *m, const cJSON *config)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(config, "layer_types"), *v;
	int i = 0;

	if (!list || cJSON_IsNull(list))
		return 0;
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != m->n_layer)
		return err_set(ST_BAD, "'layer_types' is not a list of %d layers", m->n_layer);
	cJSON_ArrayForEach(v, list) {
		const char *want = m->window && m->slide[i] ? "sliding_attention" : "full_attention";

		if (!cJSON_IsString(v))
			return err_set(ST_BAD, "'layer_types' is not a list of words");
		if (strcmp(v->valuestring, want))
			return err_set(ST_UNSUP, "'layer_types' has '%.40s' for layer %d, where '%s' is supported", v->valuestring, i,
			               want);
		i++;
	}
	return 0;
}

/* What a model cannot be without. */
static int check_needed(const struct model *m)
{
	const struct {
		const char *key;
		int v;
	} need[] = {
		{ "num_hidden_layers", m->n_layer }, { "hidden_size", m->d_model }, { "num_attention_heads", m->n_head },
		{ "intermediate_size", m->d_ff }, { "vocab_size", m->vocab }
	};

	for (size_t i = 0; i < sizeof(need) / sizeof(*need); i++)
		if (need[i].v < 1)
			return err_set(ST_BAD, "'%s' is missing or zero", need[i].key);
	return 0;
}

/* A copy in the words that all families share. */
static cJSON *shared_words(const struct family *f, const cJSON *config)
{
	cJSON *c = cJSON_Duplicate(config, 1);

	if (!c)
		die(ST_FAIL, "out of memory for JSON");
	for (const struct cfg_alias *a = f->alias; a && a->key; a++) {
		cJSON *v = cJSON_DetachItemFromObjectCaseSensitive(c, a->key);

		if (v && !cJSON_GetObjectItemCaseSensitive(c, a->is))
			cJSON_AddItemToObject(c, a->is, v);
		else
			cJSON_Delete(v);
	}
	return c;
}

static bool type_fits(const struct family *f, const char *type)
{
	for (int i = 0; i < CFG_MATCH && f->type[i]; i++)
		if (!strcmp(f->type[i], type))
			return true;
	return !f->type[0] && !strcmp(f->name, type);
}

static const struct family *unknown(const char *arch)
{
	struct near near = { .word = arch };
	const char *tail;
	char known[1024] = "";
	bool like;
	size_t n = 0;

	for (const struct family *const *f = family_list(); *f; f++)
		for (int k = 0; k < CFG_MATCH && (*f)->match[k]; k++) {
			const char *name = (*f)->match[k];

			near_try(&near, name);
			if (!(*f)->when && n < sizeof(known))   /* else another row has the same */
				n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", name);
		}
	say(1, "known architectures: %s", known);
	/* What all classes end in makes none of them near. */
	tail = strstr(arch, "For");
	like = near_enough(&near, tail ? (size_t)(tail - arch) : strlen(arch));
	err_set(ST_UNSUP, "architecture '%.80s' is not supported%s%s%s; a way out is --as or --model, see llmc-import(1)", arch,
	        like ? "; the nearest known is '" : "", like ? near.best : "", like ? "'" : "");
	return NULL;
}

/* Latent attention's scores grow with the context, too (DeepSeek-AI, arXiv 2405.04434). */
static double latent_gain(const struct model *m)
{
	const struct rope *r = &m->rope;
	double g = 1;

	if (m->kv_rank && r->type != ROPE_DEFAULT && r->factor > 1 && r->mscale_all_dim > 0)
		g = 0.1 * r->mscale_all_dim * log(r->factor) + 1;
	return g * g;
}

static int check_type(const struct family *f, const cJSON *config)
{
	const char *type = f->type[0] ? f->type[0] : f->name;

	if (json_str(config, "model_type", &type) < 0)
		return -1;
	return type_fits(f, type) ? 0 :
	       err_set(ST_UNSUP, "'model_type' is '%.40s', where the architecture is of family '%s'", type, f->name);
}

static int resolve(struct model *m, const struct family *f, const cJSON *config)
{
	if (check_type(f, config) < 0 || refuse_changes(f, config) < 0)
		return -1;
	*m = f->base;
	snprintf(m->family, sizeof(m->family), "%s", f->name);
	if (read_keys(m, config, shared_keys) < 0 || read_keys(m, config, f->cfg) < 0)
		return -1;
	if (!m->n_kv || cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(config, "num_key_value_heads")))
		m->n_kv = m->n_head;
	if (m->d_model > 1 << 20)               /* families multiply it */
		return err_set(ST_BAD, "'d_model' is %d, outside 1..%d", m->d_model, 1 << 20);
	if (m->n_layer > MAX_LAYER)
		return err_set(ST_UNSUP, "%d layers are more than %d", m->n_layer, MAX_LAYER);
	if (!m->d_head && m->n_head > 0) {
		if (m->d_model % m->n_head)
			return err_set(ST_BAD, "'hidden_size' %d is not a multiple of %d heads", m->d_model, m->n_head);
		m->d_head = m->d_model / m->n_head;
	}
	if ((f->resolve && f->resolve(m, config) < 0) || check_needed(m) < 0 || rope_read(m, config, f->rotary) < 0 ||
	    read_dtype(m, config) < 0 || check_layer_types(m, config) < 0)
		return -1;
	if (!(m->attn_scale > 0))
		m->attn_scale = latent_gain(m) / sqrt(m->d_head);
	return model_check(m);
}

/* The row that has this architecture. */
static const struct family *by_architecture(const char *name, const cJSON *config)
{
	for (const struct family *const *f = family_list(); *f; f++)
		if (family_answers(*f, name) && (!(*f)->when || (*f)->when(config)))
			return *f;
	return NULL;
}

static const struct family *by_type(const char *type, const cJSON *config)
{
	for (const struct family *const *f = family_list(); *f; f++)
		if (type_fits(*f, type) && (!(*f)->when || (*f)->when(config)))
			return *f;
	return NULL;
}

static const char *architecture(const cJSON *config)
{
	const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(config, "architectures"), 0);

	return cJSON_IsString(a) ? a->valuestring : NULL;
}

/* The family of the language model that `inner` describes, whose word for that goes where it is the wrapper's. */
static const struct family *language(const struct wrap *w, cJSON *inner)
{
	const struct family *f = NULL;
	const char *type = NULL, *arch = architecture(inner);

	if (json_str(inner, "model_type", &type) < 0)
		return NULL;
	for (int i = 0; i < CFG_MATCH && w->type[i] && type; i++)
		if (!strcmp(w->type[i], type)) {
			cJSON_DeleteItemFromObjectCaseSensitive(inner, "model_type");
			return w->language;
		}
	if (arch && !(f = by_architecture(arch, inner)))
		return unknown(arch);
	if (f && f->wrap)                       /* some say there what the whole is */
		f = NULL;
	if (!f && type && !(f = by_type(type, inner)))
		return unknown(type);
	if (!f)
		f = w->language;
	if (f && !f->wrap)
		return f;
	err_set(f ? ST_UNSUP : ST_BAD, f ? "'%s' describes a model around another" :
	        "'%s' says neither 'architectures' nor 'model_type'", w->inner);
	return NULL;
}

/* What `inner` is silent about, from an object that lies around or behind it. */
static void complete(cJSON *inner, const cJSON *from, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(from, key), *was = cJSON_GetObjectItemCaseSensitive(inner, key);

	if (v && (!was || cJSON_IsNull(was)))
		json_put(inner, key, cJSON_Duplicate(v, 1));
}

/* The configuration of the language model, whole; the caller's.  NULL: error set. */
static cJSON *inner_config(const struct wrap *w, const cJSON *config, const struct family **f)
{
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(config, w->inner), *v;
	bool flat = w->flat && (!o || cJSON_IsNull(o));
	cJSON *inner, *silent;

	if (!flat && !cJSON_IsObject(o)) {
		err_set(ST_BAD, o ? "'%s' is not an object" : "no '%s', which would describe the language model", w->inner);
		return NULL;
	}
	inner = cJSON_Duplicate(flat ? config : o, 1);
	if (!inner)
		die(ST_FAIL, "out of memory for JSON");
	if (flat)                               /* that of the whole */
		cJSON_DeleteItemFromObjectCaseSensitive(inner, "architectures");
	*f = language(w, inner);
	if (!*f) {
		cJSON_Delete(inner);
		return NULL;
	}
	complete(inner, config, "torch_dtype");
	complete(inner, config, "dtype");
	/* either may say so; a head that is there counts for more than both */
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "tie_word_embeddings")))
		json_put_bool(inner, "tie_word_embeddings", true);
	silent = (*f)->silent ? cJSON_Parse((*f)->silent) : NULL;
	cJSON_ArrayForEach(v, silent)
		complete(inner, silent, v->string);
	cJSON_Delete(silent);
	return inner;
}

const struct family *family_of(const cJSON *config)
{
	const char *arch = architecture(config);
	const struct family *f = arch ? by_architecture(arch, config) : NULL;

	if (!arch)
		err_set(ST_BAD, "no 'architectures'");
	return f || !arch ? f : unknown(arch);
}

int family_knobs(struct model *m, const struct family *f, const cJSON *config)
{
	cJSON *inner = NULL, *c;
	int r;

	if (f->wrap && (check_type(f, config) < 0 || !(inner = inner_config(f->wrap, config, &f))))
		return -1;
	c = shared_words(f, inner ? inner : config);
	r = resolve(m, f, c);
	cJSON_Delete(c);
	cJSON_Delete(inner);
	return r;
}

const struct family *family_resolve(struct model *m, const cJSON *config)
{
	const struct family *f = family_of(config);

	if (!f || family_knobs(m, f, config) < 0)
		return NULL;
	return f->wrap ? family_find(m->family) : f;
}

bool family_ties(const cJSON *config)
{
	const char *arch = architecture(config);
	struct model m;
	bool ties = false;

	if (arch && by_architecture(arch, config))
		ties = family_resolve(&m, config) && m.flags & MF_TIED;
	else
		ties = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "tie_word_embeddings"));
	err_clear();
	return ties;
}

void family_sample(struct model *m, const struct family *f)
{
	static const struct {
		const char *key;
		int v;
	} said[] = {
		{ "num_hidden_layers", 4 }, { "hidden_size", 512 }, { "num_attention_heads", 8 }, { "num_key_value_heads", 8 },
		{ "intermediate_size", 1024 }, { "vocab_size", 64 }
	};
	cJSON *c = json_obj();
	int talk = verbose;

	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++)
		json_put_num(c, said[i].key, said[i].v);
	verbose = -1;
	if (family_knobs(m, f, c) < 0)
		*m = f->base;
	verbose = talk;
	err_clear();
	cJSON_Delete(c);
}
