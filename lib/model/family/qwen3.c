/* Qwen3 (Yang et al., arXiv 2505.09388): Qwen2 without biases, with norms of the heads of q and k. */
#include "model/family.h"

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_END
};

const struct family family_qwen3 = {
	.name = "qwen3",
	.match = { "Qwen3ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 32768, .n_kv = 32, .d_head = 128,
	          .qk_norm = QK_RMS, .rope = LLAMA_ROPE },
	.cfg = keys,
	.resolve = qwen_resolve,
	.own = { "sliding_window" },
	.names = {
		LLAMA_NAMES, [R_NORM_Q] = "model.layers.%L.self_attn.q_norm",
		[R_NORM_K] = "model.layers.%L.self_attn.k_norm"
	},
};
