/* OLMo 2 (OLMo Team, arXiv 2501.00656): LLaMA with its norms behind attention and MLP, and one over all heads of q, k. */
#include "model/family.h"

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_END
};

const struct family family_olmo2 = {
	.name = "olmo2",
	.match = { "Olmo2ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-5, .act = ACT_SILU, .gated = true, .ctx = 2048, .place = PLACE_BEHIND,
	          .qk_norm = QK_RMS_ALL, .rope = LLAMA_ROPE },
	.cfg = keys,
	.names = {
		LLAMA_ENDS, LLAMA_QKV, LLAMA_O, LLAMA_GLU,
		[R_NORM_Q] = "model.layers.%L.self_attn.q_norm", [R_NORM_K] = "model.layers.%L.self_attn.k_norm",
		[R_NORM_ATTN_OUT] = "model.layers.%L.post_attention_layernorm",
		[R_NORM_MLP_OUT] = "model.layers.%L.post_feedforward_layernorm"
	},
};
