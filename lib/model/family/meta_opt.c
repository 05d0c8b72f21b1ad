/* OPT (Zhang et al., arXiv 2205.01068): learned positions from row 2 on; the 350M has a narrow embedding and its norms
 * behind. */
#include "model/family.h"

static const struct cfg_alias words[] = {
	{ "ffn_dim", "intermediate_size" }, { "activation_function", "hidden_act" }, { NULL, NULL }
};
static const struct cfg_key keys[] = {
	KEY_FLAG("enable_bias", MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP),
	KEY_INT("word_embed_proj_dim", d_embed),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	bool before = true, none = false, affine = true;

	if (json_bool(config, "do_layer_norm_before", &before) < 0 ||
	    json_bool(config, "_remove_final_layer_norm", &none) < 0 ||
	    json_bool(config, "layer_norm_elementwise_affine", &affine) < 0)
		return -1;
	m->plain_norm = !affine;
	m->place = before ? PLACE_PRE : PLACE_POST;
	if (!before || none)
		m->flags |= MF_NO_FINAL;
	if (m->d_embed == m->d_model)
		m->d_embed = 0;
	m->pos_first = 2;
	m->pos_rows = m->ctx + m->pos_first;
	return 0;
}

const struct family family_opt = {
	.name = "opt",
	.match = { "OPTForCausalLM" },
	.base = { .norm = NORM_LAYER, .eps = 1e-5, .act = ACT_RELU, .ctx = 2048, .rope = NO_ROPE,
	          .flags = MF_TIED | MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP },
	.alias = words,
	.cfg = keys,
	.resolve = resolve,
	.names = {
		[R_EMBED] = "model.decoder.embed_tokens", [R_POS] = "model.decoder.embed_positions",
		[R_PROJ_IN] = "model.decoder.project_in",
		[R_NORM_ATTN] = "model.decoder.layers.%L.self_attn_layer_norm",
		[R_Q] = "model.decoder.layers.%L.self_attn.q_proj", [R_K] = "model.decoder.layers.%L.self_attn.k_proj",
		[R_V] = "model.decoder.layers.%L.self_attn.v_proj", [R_O] = "model.decoder.layers.%L.self_attn.out_proj",
		[R_NORM_MLP] = "model.decoder.layers.%L.final_layer_norm",
		[R_UP] = "model.decoder.layers.%L.fc1", [R_DOWN] = "model.decoder.layers.%L.fc2",
		[R_NORM_FINAL] = "model.decoder.final_layer_norm", [R_PROJ_OUT] = "model.decoder.project_out",
		[R_HEAD] = "lm_head"
	},
};
