/* Gemma (Gemma Team, arXiv 2403.08295): norms that multiply by 1 + w, embeddings times the root of the width. */
#include "model/family.h"

#include <math.h>

/* The first configurations say "gelu" and mean its tanh form; hidden_activation came to say what is meant. */
static int resolve(struct model *m, const cJSON *config)
{
	const cJSON *act = cJSON_GetObjectItemCaseSensitive(config, "hidden_activation");

	if ((!act || cJSON_IsNull(act)) && m->act == ACT_GELU)
		m->act = ACT_GELU_TANH;
	m->mul_embed = sqrt(m->d_model);
	return 0;
}

static const struct cfg_key keys[] = {
	KEY_ATTENTION_BIAS,
	KEY_ACT("hidden_activation", act),
	KEY_END
};

const struct family family_gemma = {
	.name = "gemma",
	.match = { "GemmaForCausalLM" },
	.base = { .norm = NORM_RMS1, .eps = 1e-6, .act = ACT_GELU_TANH, .gated = true, .ctx = 8192, .n_kv = 16,
	          .d_head = 256, .rope = LLAMA_ROPE, .flags = MF_TIED },
	.cfg = keys,
	.resolve = resolve,
	.names = { LLAMA_NAMES },
};
