/* Mixtral (Jiang et al., arXiv 2401.04088): Mistral, each token's MLP two of eight experts. */
#include "model/family.h"

static const struct cfg_key keys[] = {
	KEY_INT("num_local_experts", n_expert),
	KEY_INT("num_experts_per_tok", top_k),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	m->d_expert = m->d_ff;
	for (int i = 0; i < m->n_layer; i++)
		m->moe[i] = true;
	return window_everywhere(m, config);
}

#define MIXTRAL \
	.type = { "mixtral" }, \
	.base = { .norm = NORM_RMS, .eps = 1e-5, .act = ACT_SILU, .gated = true, .ctx = 131072, .n_kv = 8, \
	          .n_expert = 8, .top_k = 2, .norm_topk = true, \
	          .rope = { .type = ROPE_DEFAULT, ROPE_OTHERS, .base = 1000000 } }, \
	.cfg = keys, .resolve = resolve, .own = { "sliding_window" }
#define MIXTRAL_NAMES LLAMA_ENDS, LLAMA_NORMS, LLAMA_QKV, LLAMA_O

static const struct family stacked = {
	.name = "mixtral_stacked",
	MIXTRAL,
	.names = { MIXTRAL_NAMES, [R_ROUTER] = "model.layers.%L.mlp.gate" },
	STACKED_EXPERTS,
};
const struct family family_mixtral = {
	.name = "mixtral",
	.match = { "MixtralForCausalLM" },
	MIXTRAL,
	.names = {
		MIXTRAL_NAMES, [R_ROUTER] = "model.layers.%L.block_sparse_moe.gate",
		[R_EXPERT_GATE] = "model.layers.%L.block_sparse_moe.experts.%E.w1",
		[R_EXPERT_UP] = "model.layers.%L.block_sparse_moe.experts.%E.w3",
		[R_EXPERT_DOWN] = "model.layers.%L.block_sparse_moe.experts.%E.w2"
	},
	.other = &stacked,
};
