/* StarCoder2 (Lozhkov et al., arXiv 2402.19173): LLaMA's attention with biases, GPT's MLP, a window in every layer. */
#include "model/family.h"

static const struct cfg_alias words[] = { { "norm_epsilon", "rms_norm_eps" }, { NULL, NULL } };
static const struct cfg_key keys[] = {
	KEY_FLAG("use_bias", MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP),
	KEY_END
};

const struct family family_starcoder2 = {
	.name = "starcoder2",
	.match = { "Starcoder2ForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU_TANH, .ctx = 4096, .n_kv = 2, .rope = LLAMA_ROPE,
	          .flags = MF_TIED | MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP },
	.alias = words,
	.cfg = keys,
	.resolve = window_everywhere,
	.own = { "sliding_window" },
	.names = {
		LLAMA_ENDS, LLAMA_NORMS, LLAMA_QKV, LLAMA_O,
		[R_UP] = "model.layers.%L.mlp.c_fc", [R_DOWN] = "model.layers.%L.mlp.c_proj"
	},
};
