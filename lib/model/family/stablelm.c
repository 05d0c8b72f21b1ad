/* StableLM 3B and 2 (Bellagente et al., arXiv 2402.17834): LLaMA's matrices under layer norms; the 12B has attention
 * and MLP side by side, and a norm for each head of q and k. */
#include "model/family.h"

static const struct cfg_alias words[] = { { "layer_norm_eps", "rms_norm_eps" }, { NULL, NULL } };
static const struct cfg_key keys[] = {
	KEY_FLAG("use_qkv_bias", MF_BIAS_QKV),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	bool parallel = false, qk = false;

	if (json_bool(config, "use_parallel_residual", &parallel) < 0 || json_bool(config, "qk_layernorm", &qk) < 0)
		return -1;
	m->place = parallel ? PLACE_PARALLEL : PLACE_PRE;
	m->qk_norm = qk ? QK_LAYER_EACH : QK_NONE;
	return 0;
}

const struct family family_stablelm = {
	.name = "stablelm",
	.match = { "StableLmForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_SILU, .gated = true, .ctx = 4096, .n_kv = 32,
	          .rope = LLAMA_ROPE },
	.rotary = 0.25,
	.alias = words,
	.cfg = keys,
	.resolve = resolve,
	.own = { "use_parallel_residual", "qk_layernorm" },
	.names = {
		LLAMA_NAMES, [R_NORM_Q] = "model.layers.%L.self_attn.q_layernorm.norms.%H",
		[R_NORM_K] = "model.layers.%L.self_attn.k_layernorm.norms.%H"
	},
};
