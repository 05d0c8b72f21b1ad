/* GPT-NeoX (Black et al., arXiv 2204.06745), Pythia: attention and MLP side by side behind two norms. */
#include "model/family.h"

static const struct cfg_alias words[] = {
	{ "layer_norm_eps", "rms_norm_eps" }, { "rotary_pct", "partial_rotary_factor" },
	{ "rotary_emb_base", "rope_theta" }, { NULL, NULL }
};

static int resolve(struct model *m, const cJSON *config)
{
	bool parallel = true, bias = true;

	if (json_bool(config, "use_parallel_residual", &parallel) < 0 || json_bool(config, "attention_bias", &bias) < 0)
		return -1;
	m->place = parallel ? PLACE_PARALLEL_2 : PLACE_PRE;
	if (!bias)
		m->flags &= ~(unsigned)(MF_BIAS_QKV | MF_BIAS_O);
	return 0;
}

const struct family family_gpt_neox = {
	.name = "gpt_neox",
	.match = { "GPTNeoXForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU, .ctx = 2048, .rope = LLAMA_ROPE,
	          .flags = MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP },
	.rotary = 0.25,
	.alias = words,
	.resolve = resolve,
	.own = { "use_parallel_residual", "attention_bias" },
	.names = {
		[R_EMBED] = "gpt_neox.embed_in", [R_NORM_ATTN] = "gpt_neox.layers.%L.input_layernorm",
		[R_O] = "gpt_neox.layers.%L.attention.dense",
		[R_NORM_MLP] = "gpt_neox.layers.%L.post_attention_layernorm",
		[R_UP] = "gpt_neox.layers.%L.mlp.dense_h_to_4h", [R_DOWN] = "gpt_neox.layers.%L.mlp.dense_4h_to_h",
		[R_NORM_FINAL] = "gpt_neox.final_layer_norm", [R_HEAD] = "embed_out"
	},
	.fuse = { { "gpt_neox.layers.%L.attention.query_key_value", FUSE_GROUP, 3, { R_Q, R_K, R_V } } },
};
