/* LLaMA 1, 2, 3 (Touvron et al., arXiv 2302.13971, 2307.09288; arXiv 2407.21783) and what copies it to the
 * letter: Vicuna, SmolLM, SmolLM2. */
#include "model/family.h"

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_FLAG("mlp_bias", MF_BIAS_MLP),
	KEY_END
};

const struct family family_llama = {
	.name = "llama",
	.match = { "LlamaForCausalLM", "LLaMAForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 2048, .rope = LLAMA_ROPE },
	.cfg = keys,
	.names = { LLAMA_NAMES },
	.silent = "{\"num_hidden_layers\":32,\"hidden_size\":4096,\"num_attention_heads\":32,\"intermediate_size\":11008,"
	          "\"vocab_size\":32000}",
};
