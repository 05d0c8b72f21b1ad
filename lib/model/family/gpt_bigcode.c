/* StarCoder (Li et al., arXiv 2305.06161), SantaCoder in the same classes: GPT-2 with one key/value head. */
#include "model/family.h"

#include "base/err.h"

static const struct cfg_alias words[] = {
	{ "n_layer", "num_hidden_layers" }, { "n_head", "num_attention_heads" }, { "n_embd", "hidden_size" },
	{ "n_inner", "intermediate_size" }, { "n_positions", "max_position_embeddings" },
	{ "layer_norm_epsilon", "rms_norm_eps" }, { "activation_function", "hidden_act" }, { NULL, NULL }
};

static int resolve(struct model *m, const cJSON *config)
{
	bool one = true, scaled = true;

	if (json_bool(config, "multi_query", &one) < 0 || json_bool(config, "scale_attn_weights", &scaled) < 0)
		return -1;
	m->n_kv = one ? 1 : m->n_head;
	m->attn_scale = scaled ? 0 : 1;
	m->pos_rows = m->ctx;
	if (!m->d_ff)
		m->d_ff = 4 * m->d_model;
	return 0;
}

const struct family family_gpt_bigcode = {
	.name = "gpt_bigcode",
	.match = { "GPTBigCodeForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU_TANH, .ctx = 1024, .rope = NO_ROPE,
	          .flags = MF_TIED | MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP },
	.alias = words,
	.resolve = resolve,
	.names = {
		[R_EMBED] = "transformer.wte", [R_POS] = "transformer.wpe",
		[R_NORM_ATTN] = "transformer.h.%L.ln_1", [R_O] = "transformer.h.%L.attn.c_proj",
		[R_NORM_MLP] = "transformer.h.%L.ln_2", [R_UP] = "transformer.h.%L.mlp.c_fc",
		[R_DOWN] = "transformer.h.%L.mlp.c_proj", [R_NORM_FINAL] = "transformer.ln_f", [R_HEAD] = "lm_head"
	},
	.fuse = { { "transformer.h.%L.attn.c_attn", FUSE_GROUP, 3, { R_Q, R_K, R_V } } },
};
