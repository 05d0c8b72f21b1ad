/* Falcon (Almazrouei et al., arXiv 2311.16867): attention and MLP side by side, behind one norm (7B, 11B) or two
 * (40B, 180B), or after each other with ALiBi (RefinedWeb). */
#include "model/family.h"

#include <string.h>

static const struct cfg_alias words[] = {
	{ "n_embed", "hidden_size" }, { "n_layer", "num_hidden_layers" }, { "n_head", "num_attention_heads" },
	{ "n_head_kv", "num_kv_heads" },
	{ "layer_norm_epsilon", "rms_norm_eps" }, { "ffn_hidden_size", "intermediate_size" },
	{ "activation", "hidden_act" }, { NULL, NULL }
};
static const struct cfg_key keys[] = {
	KEY_FLAG("bias", MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP),
	KEY_END
};

static bool newer(const cJSON *config)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(config, "model_type");

	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "new_decoder_architecture")) ||
	       (cJSON_IsString(type) && !strcmp(type->valuestring, "RefinedWeb"));
}

static bool two_norms(const cJSON *config)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(config, "num_ln_in_parallel_attn");

	return newer(config) && !(cJSON_IsNumber(n) && n->valuedouble == 1);
}

static int resolve(struct model *m, const cJSON *config)
{
	bool many = true, parallel = true, alibi = false;
	int64_t kv = m->n_head;

	if (json_bool(config, "multi_query", &many) < 0 || json_bool(config, "parallel_attn", &parallel) < 0 ||
	    json_bool(config, "alibi", &alibi) < 0 || json_int(config, "num_kv_heads", 1, 1 << 16, &kv) < 0)
		return -1;
	m->n_kv = newer(config) ? (int)kv : many ? 1 : m->n_head;
	m->place = two_norms(config) ? PLACE_PARALLEL_2 : newer(config) || parallel ? PLACE_PARALLEL : PLACE_PRE;
	if (alibi) {
		m->alibi = ALIBI_BF16;
		m->rope.type = ROPE_NONE;
	}
	if (!m->d_ff)
		m->d_ff = 4 * m->d_model;
	return 0;
}

#define FALCON(...) \
	.match = { "FalconForCausalLM", "RWForCausalLM" }, .type = { "falcon", "RefinedWeb", "RefinedWebModel" }, \
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_GELU, .ctx = 2048, .rope = LLAMA_ROPE, .flags = MF_TIED }, \
	.alias = words, .cfg = keys, .resolve = resolve, .own = { "alibi", "parallel_attn" }, \
	.names = { \
		[R_EMBED] = "transformer.word_embeddings", __VA_ARGS__, \
		[R_O] = "transformer.h.%L.self_attention.dense", \
		[R_UP] = "transformer.h.%L.mlp.dense_h_to_4h", [R_DOWN] = "transformer.h.%L.mlp.dense_4h_to_h", \
		[R_NORM_FINAL] = "transformer.ln_f", [R_HEAD] = "lm_head" \
	}, \
	.fuse = { { "transformer.h.%L.self_attention.query_key_value", FUSE_GROUP, 3, { R_Q, R_K, R_V } } }

const struct family family_falcon_2 = {
	.name = "falcon_2", .when = two_norms,
	FALCON([R_NORM_ATTN] = "transformer.h.%L.ln_attn", [R_NORM_MLP] = "transformer.h.%L.ln_mlp")
};
const struct family family_falcon = {
	.name = "falcon",
	FALCON([R_NORM_ATTN] = "transformer.h.%L.input_layernorm",
	       [R_NORM_MLP] = "transformer.h.%L.post_attention_layernorm")
};
