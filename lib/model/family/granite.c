/* Granite 3 (Granite Team, IBM, 2024): LLaMA whose embeddings, scores, residuals and logits are scaled. */
#include "model/family.h"

#include "base/err.h"

/* A knob of 0 is off, and a factor of 0 would not be. */
static int factor(const cJSON *config, const char *key, double *out)
{
	*out = 1;
	if (json_num(config, key, out) < 0)
		return -1;
	return *out > 0 ? 0 : err_set(ST_BAD, "'%s' is %g", key, *out);
}

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_FLAG("mlp_bias", MF_BIAS_MLP),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	double divide;

	if (factor(config, "embedding_multiplier", &m->mul_embed) < 0 ||
	    factor(config, "attention_multiplier", &m->attn_scale) < 0 ||
	    factor(config, "residual_multiplier", &m->mul_resid) < 0 ||
	    factor(config, "logits_scaling", &divide) < 0)
		return -1;
	m->mul_logit = 1 / divide;
	return 0;
}

const struct family family_granite = {
	.name = "granite",
	.match = { "GraniteForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 2048, .rope = LLAMA_ROPE },
	.cfg = keys,
	.resolve = resolve,
	.own = { "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling" },
	.names = { LLAMA_NAMES },
};
