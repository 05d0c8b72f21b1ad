/* Granite 3 (Granite Team, IBM, 2024): LLaMA whose embeddings, scores, residuals and logits are scaled. */
#include "model/family.h"

#include "base/err.h"

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_FLAG("mlp_bias", MF_BIAS_MLP),
	KEY_FACTOR("embedding_multiplier", mul_embed),
	KEY_FACTOR("attention_multiplier", attn_scale),
	KEY_FACTOR("residual_multiplier", mul_resid),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	double divide = 1;

	if (json_num(config, "logits_scaling", &divide) < 0)
		return -1;
	if (!(divide > 0))
		return err_set(ST_BAD, "'logits_scaling' is %g", divide);
	m->mul_logit = 1 / divide;
	return 0;
}

const struct family family_granite = {
	.name = "granite",
	.match = { "GraniteForCausalLM" },
	/* scores are multiplied by 1, not by the root of the width below it, where the configuration is silent */
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 2048, .attn_scale = 1,
	          .rope = LLAMA_ROPE },
	.cfg = keys,
	.resolve = resolve,
	.own = { "logits_scaling" },
	.names = { LLAMA_NAMES },
};
