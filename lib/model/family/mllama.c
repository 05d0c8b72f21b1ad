/* Llama 3.2 Vision (arXiv 2407.21783, section 7): between the layers of LLaMA such that attend to images, gated. */
#include "model/family.h"

#include "base/err.h"

extern const struct family family_mllama_text;

static int resolve(struct model *m, const cJSON *config)
{
	static const int where[] = { 3, 8, 13, 18, 23, 28, 33, 38 };
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(config, "cross_attention_layers"), *v;

	m->d_cross = m->d_model;
	m->embed_extra = 8;                     /* the image's token among them */
	if (!list || cJSON_IsNull(list)) {
		for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++)
			if (where[i] < m->n_layer)
				m->cross[where[i]] = true;
		return 0;
	}
	if (!cJSON_IsArray(list))
		return err_set(ST_BAD, "'cross_attention_layers' is not a list");
	cJSON_ArrayForEach(v, list) {
		if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble < m->n_layer) ||
		    v->valuedouble != (int)v->valuedouble)
			return err_set(ST_BAD, "'cross_attention_layers' holds something that is no layer");
		m->cross[(int)v->valuedouble] = true;
	}
	return 0;
}

static const struct wrap around = {
	.inner = "text_config", .language = &family_mllama_text, .prefix = "language_model.",
	.carry = { "vision_model.class_embedding", "vision_model.patch_embedding.", "vision_model.gated_positional_embedding.",
	           "vision_model.pre_tile_positional_embedding.", "vision_model.layernorm_pre.",
	           "vision_model.transformer.layers.%L.", "vision_model.layernorm_post.",
	           "vision_model.post_tile_positional_embedding.", "vision_model.global_transformer.layers.%L.",
	           "vision_model.", "multi_modal_projector." },
};

const struct family family_mllama = {
	.name = "mllama",
	.match = { "MllamaForConditionalGeneration" },
	.wrap = &around,
};
const struct family family_mllama_text = {
	.name = "mllama_text",
	.match = { "MllamaForCausalLM" },
	.type = { "mllama_text_model" },
	.base = { .norm = NORM_RMS, .eps = 1e-5, .act = ACT_SILU, .gated = true, .ctx = 131072, .n_kv = 8,
	          .rope = { .type = ROPE_DEFAULT, .base = 500000, ROPE_OTHERS } },
	.resolve = resolve,
	.own = { "cross_attention_layers" },
	.names = {
		LLAMA_NAMES,
		[R_CROSS_Q] = "model.layers.%L.cross_attn.q_proj", [R_CROSS_K] = "model.layers.%L.cross_attn.k_proj",
		[R_CROSS_V] = "model.layers.%L.cross_attn.v_proj", [R_CROSS_O] = "model.layers.%L.cross_attn.o_proj",
		[R_NORM_CROSS_Q] = "model.layers.%L.cross_attn.q_norm",
		[R_NORM_CROSS_K] = "model.layers.%L.cross_attn.k_norm",
		[R_CROSS_ATTN_GATE] = "model.layers.%L.cross_attn_attn_gate$",
		[R_CROSS_MLP_GATE] = "model.layers.%L.cross_attn_mlp_gate$",
	},
	.silent = "{\"num_hidden_layers\":40,\"hidden_size\":4096,\"num_attention_heads\":32,\"intermediate_size\":14336,"
	          "\"vocab_size\":128256}",
};
