/* BLOOM (Le Scao et al., arXiv 2211.05100): ALiBi, a norm behind the embedding, q k v in one matrix head by head. */
#include "model/family.h"

static const struct cfg_alias words[] = {
	{ "n_layer", "num_hidden_layers" }, { "n_head", "num_attention_heads" }, { "n_embed", "hidden_size" },
	{ "layer_norm_epsilon", "rms_norm_eps" }, { NULL, NULL }
};

static int resolve(struct model *m, const cJSON *config)
{
	bool keep = false;

	m->d_ff = 4 * m->d_model;
	if (json_bool(config, "apply_residual_connection_post_layernorm", &keep) < 0)
		return -1;
	m->place = keep ? PLACE_KEEP : PLACE_PRE;
	return 0;
}

const struct family family_bloom = {
	.name = "bloom",
	.match = { "BloomForCausalLM", "BloomModel" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU_TANH, .ctx = 2048, .rope = NO_ROPE,
	          .alibi = ALIBI_SCORE, .embed_norm = true,
	          .flags = MF_TIED | MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP },
	.alias = words,
	.resolve = resolve,
	.names = {
		[R_EMBED] = "transformer.word_embeddings", [R_NORM_EMBED] = "transformer.word_embeddings_layernorm",
		[R_NORM_ATTN] = "transformer.h.%L.input_layernorm", [R_O] = "transformer.h.%L.self_attention.dense",
		[R_NORM_MLP] = "transformer.h.%L.post_attention_layernorm",
		[R_UP] = "transformer.h.%L.mlp.dense_h_to_4h", [R_DOWN] = "transformer.h.%L.mlp.dense_4h_to_h",
		[R_NORM_FINAL] = "transformer.ln_f", [R_HEAD] = "lm_head"
	},
	.fuse = { { "transformer.h.%L.self_attention.query_key_value", FUSE_GROUP, 3, { R_Q, R_K, R_V } } },
};
