/* Qwen1.5-MoE, Qwen2-MoE (arXiv 2407.10671), with an expert that all tokens share, and Qwen3-MoE (arXiv 2505.09388),
 * without. */
#include "model/family.h"

#include "base/err.h"

/* As versions of the library that hold the experts stacked write it. */
static const struct cfg_alias words[] = { { "num_local_experts", "num_experts" }, { NULL, NULL } };

#define EXPERT_KEYS \
	KEY_INT("num_experts", n_expert), \
	KEY_INT("num_experts_per_tok", top_k), \
	KEY_INT("moe_intermediate_size", d_expert), \
	KEY_BOOL("norm_topk_prob", norm_topk)

static const struct cfg_key keys2[] = {
	EXPERT_KEYS,
	KEY_INT("shared_expert_intermediate_size", d_shared),
	KEY_FLAG("qkv_bias", MF_BIAS_QKV),
	KEY_END
};
static const struct cfg_key keys3[] = {
	EXPERT_KEYS,
	KEY_ATTENTION_BIAS,
	KEY_END
};

/* Every decoder_sparse_step-th layer has experts, but for those of mlp_only_layers. */
static int experts(struct model *m, const cJSON *config)
{
	const cJSON *dense = cJSON_GetObjectItemCaseSensitive(config, "mlp_only_layers"), *v;
	int64_t step = 1;

	if (json_int(config, "decoder_sparse_step", 1, 1 << 20, &step) < 0)
		return -1;
	for (int i = 0; i < m->n_layer; i++)
		m->moe[i] = m->n_expert > 0 && (i + 1) % step == 0;
	if (dense && !cJSON_IsNull(dense) && !cJSON_IsArray(dense))
		return err_set(ST_BAD, "'mlp_only_layers' is not a list");
	cJSON_ArrayForEach(v, dense) {
		if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble < MAX_LAYER) ||
		    v->valuedouble != (int)v->valuedouble)
			return err_set(ST_BAD, "'mlp_only_layers' is not a list of layers");
		m->moe[(int)v->valuedouble] = false;
	}
	return 0;
}

/* Every other of the first max_window_layers slides, or those that layer_types names. */
static int resolve2(struct model *m, const cJSON *config)
{
	int n;

	if (experts(m, config) < 0 || qwen_window(m, config, &n) < 0)
		return -1;
	if (!m->window || window_listed(m, config))
		return 0;
	for (int i = 0; i < m->n_layer; i++)
		m->slide[i] = i % 2 == 0 && i < n;
	return 0;
}

/* All slide. */
static int resolve3(struct model *m, const cJSON *config)
{
	int unused;

	return experts(m, config) < 0 ? -1 : qwen_window(m, config, &unused);
}

#define EXPERTS \
	[R_EXPERT_GATE] = "model.layers.%L.mlp.experts.%E.gate_proj", \
	[R_EXPERT_UP] = "model.layers.%L.mlp.experts.%E.up_proj", \
	[R_EXPERT_DOWN] = "model.layers.%L.mlp.experts.%E.down_proj"

#define QWEN2_MOE \
	.type = { "qwen2_moe" }, \
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 32768, .n_kv = 16, \
	          .n_expert = 60, .top_k = 4, .d_expert = 1408, .d_shared = 5632, .shared_gate = true, \
	          .rope = LLAMA_ROPE, .flags = MF_BIAS_QKV }, \
	.alias = words, .cfg = keys2, .resolve = resolve2, .own = { "sliding_window" }
#define QWEN2_MOE_NAMES \
	LLAMA_NAMES, [R_ROUTER] = "model.layers.%L.mlp.gate", \
	[R_SHARED_ROUTER] = "model.layers.%L.mlp.shared_expert_gate", \
	[R_SHARED_GATE] = "model.layers.%L.mlp.shared_expert.gate_proj", \
	[R_SHARED_UP] = "model.layers.%L.mlp.shared_expert.up_proj", \
	[R_SHARED_DOWN] = "model.layers.%L.mlp.shared_expert.down_proj"
#define QWEN3_MOE \
	.type = { "qwen3_moe" }, \
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 32768, .n_kv = 4, \
	          .n_expert = 128, .top_k = 8, .d_expert = 768, .qk_norm = QK_RMS, .rope = LLAMA_ROPE }, \
	.alias = words, .cfg = keys3, .resolve = resolve3, .own = { "sliding_window" }
#define QWEN3_MOE_NAMES \
	LLAMA_NAMES, [R_ROUTER] = "model.layers.%L.mlp.gate", [R_NORM_Q] = "model.layers.%L.self_attn.q_norm", \
	[R_NORM_K] = "model.layers.%L.self_attn.k_norm"

static const struct family stacked2 = {
	.name = "qwen2_moe_stacked", QWEN2_MOE, .names = { QWEN2_MOE_NAMES }, STACKED_EXPERTS
};
static const struct family stacked3 = {
	.name = "qwen3_moe_stacked", QWEN3_MOE, .names = { QWEN3_MOE_NAMES }, STACKED_EXPERTS
};
const struct family family_qwen2_moe = {
	.name = "qwen2_moe",
	.match = { "Qwen2MoeForCausalLM" },
	QWEN2_MOE,
	.names = { QWEN2_MOE_NAMES, EXPERTS },
	.other = &stacked2,
};
const struct family family_qwen3_moe = {
	.name = "qwen3_moe",
	.match = { "Qwen3MoeForCausalLM" },
	QWEN3_MOE,
	.names = { QWEN3_MOE_NAMES, EXPERTS },
	.other = &stacked3,
};
