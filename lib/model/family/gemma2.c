/* Gemma 2 (Gemma Team, arXiv 2408.00118): norms before and behind attention and MLP, capped scores and logits, a
 * window in every other layer. */
#include "model/family.h"

#include "base/err.h"

#include <math.h>

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_ACT("hidden_activation", act),
	KEY_END
};

/* A number, or null for none. */
static int cap(const cJSON *config, const char *key, double *out)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(config, key);

	if (v && cJSON_IsNull(v))
		*out = 0;
	return json_num(config, key, out);
}

static int resolve(struct model *m, const cJSON *config)
{
	const cJSON *act = cJSON_GetObjectItemCaseSensitive(config, "hidden_activation");
	double scalar = 256;
	int64_t win = 4096;

	m->cap_attn = 50;
	m->cap_logit = 30;
	if (cap(config, "attn_logit_softcapping", &m->cap_attn) < 0 ||
	    cap(config, "final_logit_softcapping", &m->cap_logit) < 0 ||
	    json_num(config, "query_pre_attn_scalar", &scalar) < 0 ||
	    json_int(config, "sliding_window", 1, 1 << 30, &win) < 0)
		return -1;
	if (!(scalar > 0))
		return err_set(ST_BAD, "'query_pre_attn_scalar' is %g", scalar);
	m->attn_scale = 1 / sqrt(scalar);
	m->mul_embed = sqrt(m->d_model);
	if (!act || cJSON_IsNull(act))
		m->act = ACT_GELU_TANH;         /* whatever "hidden_act" says */
	m->window = (int)win;
	if (!window_listed(m, config))
		for (int i = 0; i < m->n_layer; i++)
			m->slide[i] = i % 2 == 0;
	return 0;
}

const struct family family_gemma2 = {
	.name = "gemma2",
	.match = { "Gemma2ForCausalLM" },
	.base = { .norm = NORM_RMS1, .eps = 1e-6, .act = ACT_GELU_TANH, .gated = true, .ctx = 8192, .n_kv = 4,
	          .d_head = 256, .place = PLACE_SANDWICH, .rope = LLAMA_ROPE, .flags = MF_TIED },
	.cfg = keys,
	.resolve = resolve,
	.own = { "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "sliding_window" },
	.names = {
		LLAMA_ENDS, LLAMA_QKV, LLAMA_O, LLAMA_GLU,
		[R_NORM_ATTN] = "model.layers.%L.input_layernorm",
		[R_NORM_ATTN_OUT] = "model.layers.%L.post_attention_layernorm",
		[R_NORM_MLP] = "model.layers.%L.pre_feedforward_layernorm",
		[R_NORM_MLP_OUT] = "model.layers.%L.post_feedforward_layernorm"
	},
};
