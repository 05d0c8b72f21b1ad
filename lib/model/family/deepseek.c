/* DeepSeek-V2, V2.5 (arXiv 2405.04434), V3 (arXiv 2412.19437): latent attention, many small experts. */
#include "model/family.h"

#include "base/err.h"

#include <string.h>

static const struct cfg_key keys[] = {
	KEY_INT("n_routed_experts", n_expert),
	KEY_INT("num_experts_per_tok", top_k),
	KEY_INT("moe_intermediate_size", d_expert),
	KEY_BOOL("norm_topk_prob", norm_topk),
	KEY_FACTOR("routed_scaling_factor", route_scale),
	KEY_INT("kv_lora_rank", kv_rank),
	KEY_INT("q_lora_rank", q_rank),
	KEY_INT("v_head_dim", d_v),
	KEY_ATTENTION_BIAS,
	KEY_END
};

static int attention(struct model *m, const cJSON *config)
{
	int64_t plain = 128, rotated = 64;
	bool interleaved = true;

	if (json_int(config, "qk_nope_head_dim", 1, 1 << 16, &plain) < 0 ||
	    json_int(config, "qk_rope_head_dim", 2, 1 << 16, &rotated) < 0 ||
	    json_bool(config, "rope_interleave", &interleaved) < 0)
		return -1;
	if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(config, "q_lora_rank")))
		m->q_rank = 0;
	m->n_kv = m->n_head;
	m->d_head = (int)(plain + rotated);
	m->rope.dim = (int)rotated;
	m->rope.interleaved = interleaved;
	return 0;
}

static int experts(struct model *m, const cJSON *config, bool v3)
{
	const cJSON *routed = cJSON_GetObjectItemCaseSensitive(config, "n_routed_experts");
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(config, "n_shared_experts");
	int64_t shared = v3 && !cJSON_IsNull(n) ? 1 : 0, first = v3 ? 3 : 0, freq = 1, groups = v3 ? 8 : 0, top = v3 ? 4 : 0;
	const char *method = v3 ? "noaux_tc" : "", *score = v3 ? "sigmoid" : "softmax";

	if (json_int(config, "n_shared_experts", 0, 1 << 10, &shared) < 0 ||
	    json_int(config, "first_k_dense_replace", 0, MAX_LAYER, &first) < 0 ||
	    json_int(config, "moe_layer_freq", 1, MAX_LAYER, &freq) < 0 ||
	    json_int(config, "n_group", 1, 1 << 14, &groups) < 0 || json_int(config, "topk_group", 1, 1 << 14, &top) < 0 ||
	    json_str(config, "topk_method", &method) < 0 || json_str(config, "scoring_func", &score) < 0)
		return -1;
	if (cJSON_IsNull(routed))
		m->n_expert = 0;
	if (!m->n_expert)
		return 0;
	if (!strcmp(method, "group_limited_greedy") || !strcmp(method, "noaux_tc")) {
		m->n_group = (int)groups;
		m->topk_group = (int)top;
	} else if (strcmp(method, "greedy"))
		return err_set(ST_UNSUP, "'topk_method' is '%.40s'", method);
	if (strcmp(score, v3 ? "sigmoid" : "softmax"))
		return err_set(ST_UNSUP, "'scoring_func' is '%.40s'", score);
	m->router = v3 ? (m->n_group ? ROUTER_SIGMOID_TOP2 : ROUTER_SIGMOID) :
	            m->n_group ? ROUTER_SOFTMAX_MAX : ROUTER_SOFTMAX;
	m->router_bias = v3;
	if (!v3 && m->norm_topk && m->top_k > 1)
		m->route_scale = 0;                     /* the one or the other */
	if (!v3 && m->top_k == 1)
		m->norm_topk = false;
	if (!(m->route_scale > 0) && (v3 || !m->norm_topk))
		return err_set(ST_BAD, "'routed_scaling_factor' is %g", m->route_scale);
	if (shared * m->d_expert > 1 << 20)
		return err_set(ST_BAD, "%lld shared experts of %d", (long long)shared, m->d_expert);
	m->d_shared = (int)shared * m->d_expert;
	for (int i = (int)first; i < m->n_layer; i++)
		m->moe[i] = i % freq == 0;
	return 0;
}

static int resolve2(struct model *m, const cJSON *config)
{
	return attention(m, config) < 0 ? -1 : experts(m, config, false);
}

static int resolve3(struct model *m, const cJSON *config)
{
	return attention(m, config) < 0 ? -1 : experts(m, config, true);
}

#define DEEPSEEK_NAMES \
	LLAMA_ENDS, LLAMA_NORMS, LLAMA_O, LLAMA_GLU, [R_Q] = "model.layers.%L.self_attn.q_proj", \
	[R_QA] = "model.layers.%L.self_attn.q_a_proj", [R_NORM_QA] = "model.layers.%L.self_attn.q_a_layernorm", \
	[R_QB] = "model.layers.%L.self_attn.q_b_proj", [R_KVA] = "model.layers.%L.self_attn.kv_a_proj_with_mqa", \
	[R_NORM_KVA] = "model.layers.%L.self_attn.kv_a_layernorm", [R_KVB] = "model.layers.%L.self_attn.kv_b_proj", \
	[R_ROUTER] = "model.layers.%L.mlp.gate", \
	[R_SHARED_GATE] = "model.layers.%L.mlp.shared_experts.gate_proj", \
	[R_SHARED_UP] = "model.layers.%L.mlp.shared_experts.up_proj", \
	[R_SHARED_DOWN] = "model.layers.%L.mlp.shared_experts.down_proj"
#define EXPERTS \
	[R_EXPERT_GATE] = "model.layers.%L.mlp.experts.%E.gate_proj", \
	[R_EXPERT_UP] = "model.layers.%L.mlp.experts.%E.up_proj", \
	[R_EXPERT_DOWN] = "model.layers.%L.mlp.experts.%E.down_proj"
#define DEEPSEEK_BASE .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .kv_rank = 512, \
	.d_v = 128, .eps_latent = 1e-6, .rope = LLAMA_ROPE, .q_rank = 1536
#define V2 \
	.type = { "deepseek_v2" }, .cfg = keys, .resolve = resolve2, \
	.base = { DEEPSEEK_BASE, .ctx = 2048, .d_expert = 1407, .route_scale = 1 }
#define V3 \
	.type = { "deepseek_v3" }, .cfg = keys, .resolve = resolve3, .own = { "rope_interleave" }, \
	.base = { DEEPSEEK_BASE, .ctx = 4096, .d_expert = 2048, .n_expert = 256, .top_k = 8, .norm_topk = true, \
	          .route_scale = 2.5 }, \
	.router_bias = "model.layers.%L.mlp.gate.e_score_correction_bias"

static const struct family stacked2 = {
	.name = "deepseek_v2_stacked", V2, .names = { DEEPSEEK_NAMES }, STACKED_EXPERTS
};
static const struct family stacked3 = {
	.name = "deepseek_v3_stacked", V3, .names = { DEEPSEEK_NAMES }, STACKED_EXPERTS
};
const struct family family_deepseek_v2 = {
	.name = "deepseek_v2",
	.match = { "DeepseekV2ForCausalLM" },
	V2,
	.names = { DEEPSEEK_NAMES, EXPERTS },
	.other = &stacked2,
};
const struct family family_deepseek_v3 = {
	.name = "deepseek_v3",
	.match = { "DeepseekV3ForCausalLM" },
	V3,
	.names = { DEEPSEEK_NAMES, EXPERTS },
	.other = &stacked3,
};
