/* Phi-1, Phi-1.5, Phi-2 (Li et al., arXiv 2309.05463): attention and MLP side by side behind one norm, biases
 * everywhere, the head's too. */
#include "model/family.h"

static const struct cfg_alias words[] = { { "layer_norm_eps", "rms_norm_eps" }, { NULL, NULL } };

static int resolve(struct model *m, const cJSON *config)
{
	bool qk = false;

	if (json_bool(config, "qk_layernorm", &qk) < 0)
		return -1;
	m->qk_norm = qk ? QK_LAYER : QK_NONE;
	return 0;
}

const struct family family_phi = {
	.name = "phi",
	.match = { "PhiForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU_TANH, .place = PLACE_PARALLEL, .ctx = 2048,
	          .rope = LLAMA_ROPE, .flags = MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP | MF_BIAS_HEAD },
	.rotary = 0.5,
	.alias = words,
	.resolve = resolve,
	.own = { "qk_layernorm" },
	.names = {
		LLAMA_QKV, [R_EMBED] = "model.embed_tokens", [R_HEAD] = "lm_head",
		[R_NORM_ATTN] = "model.layers.%L.input_layernorm", [R_O] = "model.layers.%L.self_attn.dense",
		[R_NORM_Q] = "model.layers.%L.self_attn.q_layernorm", [R_NORM_K] = "model.layers.%L.self_attn.k_layernorm",
		[R_UP] = "model.layers.%L.mlp.fc1", [R_DOWN] = "model.layers.%L.mlp.fc2",
		[R_NORM_FINAL] = "model.final_layernorm"
	},
};
