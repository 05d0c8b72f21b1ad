/* MiniCPM (Hu et al., arXiv 2404.06395): LLaMA with scaled embeddings, residuals and logits. */
#include "model/family.h"

#include "base/err.h"

#include <math.h>

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_FACTOR("scale_emb", mul_embed),
	KEY_END
};

static int resolve(struct model *m, const cJSON *config)
{
	double depth = 1, base = 1;

	if (json_num(config, "scale_depth", &depth) < 0 || json_num(config, "dim_model_base", &base) < 0)
		return -1;
	if (depth < 0 || base < 0)
		return err_set(ST_BAD, "'scale_depth' %g, 'dim_model_base' %g", depth, base);
	m->mul_resid = m->n_layer > 0 ? depth / sqrt(m->n_layer) : 0;
	m->mul_logit = m->d_model > 0 ? base / m->d_model : 0;
	return 0;
}

const struct family family_minicpm = {
	.name = "minicpm",
	.match = { "MiniCPMForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 2048, .rope = LLAMA_ROPE,
	          .flags = MF_TIED },
	.cfg = keys,
	.resolve = resolve,
	.own = { "scale_depth", "dim_model_base" },
	.names = { LLAMA_NAMES },
};
