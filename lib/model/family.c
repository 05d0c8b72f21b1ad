/* The list of families, and what all of them share: reading config.json, names with a %L in them. */
#include "model/family.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct family family_llama, family_mistral, family_qwen2;

static const struct family *const families[] = { &family_llama, &family_mistral, &family_qwen2, NULL };

const struct family *const *family_list(void)
{
	return families;
}

const struct family *family_find(const char *name)
{
	for (int i = 0; families[i]; i++)
		if (!strcmp(families[i]->name, name))
			return families[i];
	return NULL;
}

const struct family *family_match(const char *arch)
{
	for (int i = 0; families[i]; i++)
		for (int k = 0; k < 4 && families[i]->match[k]; k++)
			if (!strcmp(families[i]->match[k], arch))
				return families[i];
	return NULL;
}

#define F(f) offsetof(struct model, f)
static const struct cfg_key shared_keys[] = {
	{ "num_hidden_layers", CFG_INT, F(n_layer), 0 },
	{ "hidden_size", CFG_INT, F(d_model), 0 },
	{ "num_attention_heads", CFG_INT, F(n_head), 0 },
	{ "num_key_value_heads", CFG_INT, F(n_kv), 0 },
	{ "head_dim", CFG_INT, F(d_head), 0 },
	{ "intermediate_size", CFG_INT, F(d_ff), 0 },
	{ "vocab_size", CFG_INT, F(vocab), 0 },
	{ "max_position_embeddings", CFG_INT, F(ctx), 0 },
	{ "rms_norm_eps", CFG_REAL, F(eps), 0 },
	{ "hidden_act", CFG_ACT, F(act), 0 },
	{ "tie_word_embeddings", CFG_FLAG, F(flags), MF_TIED },
	{ NULL, 0, 0, 0 }
};

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
		case CFG_ACT:
			if ((r = json_str(config, k->key, &s)) > 0)
				r = act_parse(s, (enum act *)p);
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

/* Position scaling: `rope_parameters` of newer configurations, `rope_scaling` and `rope_theta` of older. */
static int read_rope(struct model *m, const cJSON *config)
{
	static const char *const names[] = { "", "default", "linear", "dynamic", "llama3", "yarn" };
	const cJSON *p = cJSON_GetObjectItemCaseSensitive(config, "rope_parameters");
	struct rope *r = &m->rope;
	const char *type = "default";
	double prf = 1;
	int64_t orig = m->ctx;
	int t = ROPE_YARN;

	if (!p || cJSON_IsNull(p))
		p = cJSON_GetObjectItemCaseSensitive(config, "rope_scaling");
	if (p && !cJSON_IsNull(p) && !cJSON_IsObject(p))
		return err_set(ST_BAD, "'rope_scaling' is not an object");
	if (json_str(p, "rope_type", &type) < 0 || (!cJSON_GetObjectItemCaseSensitive(p, "rope_type") &&
	    json_str(p, "type", &type) < 0))
		return -1;
	while (t > ROPE_NONE && strcmp(names[t], type))
		t--;
	if (t == ROPE_NONE)
		return err_set(ST_UNSUP, "rope scaling '%.40s' is not supported", type);
	r->type = (enum rope_type)t;
	if (json_num(config, "rope_theta", &r->base) < 0 || json_num(p, "rope_theta", &r->base) < 0 ||
	    json_num(config, "partial_rotary_factor", &prf) < 0 || json_num(p, "partial_rotary_factor", &prf) < 0 ||
	    json_num(p, "factor", &r->factor) < 0 || json_num(p, "low_freq_factor", &r->low_freq) < 0 ||
	    json_num(p, "high_freq_factor", &r->high_freq) < 0 || json_num(p, "beta_fast", &r->beta_fast) < 0 ||
	    json_num(p, "beta_slow", &r->beta_slow) < 0 || json_num(p, "mscale", &r->mscale) < 0 ||
	    json_num(p, "mscale_all_dim", &r->mscale_all_dim) < 0 ||
	    json_num(p, "attention_factor", &r->attn_factor) < 0 || json_bool(p, "truncate", &r->truncate) < 0 ||
	    json_int(p, "original_max_position_embeddings", 1, 1 << 30, &orig) < 0)
		return -1;
	if (r->type > ROPE_DEFAULT && !cJSON_GetObjectItemCaseSensitive(p, "factor"))
		return err_set(ST_BAD, "rope scaling '%s' has no 'factor'", type);
	r->orig_ctx = (int)orig;
	if (!(prf > 0 && prf <= 1))
		return err_set(ST_BAD, "'partial_rotary_factor' is %g", prf);
	r->dim = (int)(m->d_head * prf);
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
	m->dtype = DT_F32;
	for (size_t i = 0; s && i < sizeof(t) / sizeof(*t); i++)
		if (!strcmp(t[i].name, s))
			m->dtype = t[i].dt;
	return 0;
}

static const char *const *needed(void)
{
	static const char *const keys[] = { "num_hidden_layers", "hidden_size", "num_attention_heads",
	                                    "intermediate_size", "vocab_size", NULL };
	return keys;
}

static const struct family *unknown(const char *arch)
{
	char known[512] = "";
	size_t n = 0;

	for (int i = 0; families[i]; i++)
		for (int k = 0; k < 4 && families[i]->match[k] && n < sizeof(known); k++)
			n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", families[i]->match[k]);
	err_set(ST_UNSUP, "architecture '%.80s' is not supported; known: %s", arch, known);
	return NULL;
}

static int resolve(struct model *m, const struct family *f, const cJSON *config)
{
	for (const char *const *k = needed(); *k; k++)
		if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(config, *k)))
			return err_set(ST_BAD, "'%s' is missing or no number", *k);
	*m = f->base;
	snprintf(m->family, sizeof(m->family), "%s", f->name);
	if (read_keys(m, config, shared_keys) < 0 || read_keys(m, config, f->cfg) < 0)
		return -1;
	if (!m->n_kv)
		m->n_kv = m->n_head;
	if (m->n_head < 1 || m->n_layer < 1 || m->n_layer > MAX_LAYER)
		return err_set(m->n_layer > MAX_LAYER ? ST_UNSUP : ST_BAD, "%d heads and %d layers", m->n_head, m->n_layer);
	if (!m->d_head) {
		if (m->d_model % m->n_head)
			return err_set(ST_BAD, "'hidden_size' %d is not a multiple of %d heads", m->d_model, m->n_head);
		m->d_head = m->d_model / m->n_head;
	}
	if (read_rope(m, config) < 0 || read_dtype(m, config) < 0 || (f->resolve && f->resolve(m, config) < 0))
		return -1;
	if (!(m->attn_scale > 0))
		m->attn_scale = 1 / sqrt(m->d_head);
	return model_check(m);
}

const struct family *family_resolve(struct model *m, const cJSON *config)
{
	const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(config, "architectures"), 0);
	const struct family *f;

	if (!cJSON_IsString(a)) {
		err_set(ST_BAD, "no 'architectures'");
		return NULL;
	}
	f = family_match(a->valuestring);
	if (!f)
		return unknown(a->valuestring);
	return resolve(m, f, config) < 0 ? NULL : f;
}

size_t family_prefix(const struct family *f)
{
	const char *dot = strchr(f->names[R_EMBED], '.');

	return dot ? (size_t)(dot - f->names[R_EMBED]) + 1 : 0;
}

const char *family_tensor(const struct family *f, enum role role, enum part part, int layer, bool bare, char *buf,
                          size_t n)
{
	const char *p = f->names[role], *l;
	size_t skip = family_prefix(f);

	if (bare && !strncmp(p, f->names[R_EMBED], skip))       /* "lm_head" has none */
		p += skip;
	l = strstr(p, "%L");
	if (l)
		snprintf(buf, n, "%.*s%d%s.%s", (int)(l - p), p, layer, l + 2, part_name(part));
	else
		snprintf(buf, n, "%s.%s", p, part_name(part));
	return buf;
}

/* Does `name` read as pattern, a dot and a part?  Sets layer where the pattern has %L. */
static bool name_match(const char *pattern, const char *name, enum part *part, int *layer)
{
	const char *l = strstr(pattern, "%L");
	size_t n = l ? (size_t)(l - pattern) : strlen(pattern);

	if (strncmp(pattern, name, n))
		return false;
	name += n;
	if (l) {
		char *end;
		long v;

		if (*name < '0' || *name > '9' || (*name == '0' && name[1] >= '0' && name[1] <= '9'))
			return false;
		v = strtol(name, &end, 10);
		if (v >= MAX_LAYER || strncmp(end, l + 2, strlen(l + 2)))
			return false;
		*layer = (int)v;
		name = end + strlen(l + 2);
	}
	if (*name++ != '.')
		return false;
	for (int p = 0; p < P_N; p++)
		if (!strcmp(name, part_name((enum part)p))) {
			*part = (enum part)p;
			return true;
		}
	return false;
}

/* Buffers that old checkpoints carry and that are recomputed from the configuration. */
static bool ignored(const char *name)
{
	static const char *const tails[] = { ".rotary_emb.inv_freq", ".rotary_pos_emb.inv_freq", ".attn.bias",
	                                     ".attn.masked_bias", ".position_ids" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++)
		if (n > strlen(tails[i]) && !strcmp(name + n - strlen(tails[i]), tails[i]))
			return true;
	return false;
}

int family_role(const struct family *f, const char *name, enum role *role, enum part *part, int *layer)
{
	*layer = 0;
	for (int r = 0; r < R_N; r++)
		if (f->names[r] && name_match(f->names[r], name, part, layer)) {
			*role = (enum role)r;
			return 1;
		}
	return ignored(name) ? 0 : -1;
}
