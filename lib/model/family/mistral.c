/* Mistral (Jiang et al., arXiv 2310.06825): LLaMA with a sliding window. */
#include "model/family.h"

#include "base/err.h"

/* An absent key means the 4096 of the first release; null means none. */
static int resolve(struct model *m, const cJSON *config)
{
	if (cJSON_GetObjectItemCaseSensitive(config, "sliding_window"))
		return window_everywhere(m, config);
	window_set(m, 4096);
	return 0;
}

const struct family family_mistral = {
	.name = "mistral",
	.match = { "MistralForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 131072, .n_kv = 8,
	          .rope = LLAMA_ROPE },
	.resolve = resolve,
	.own = { "sliding_window" },
	.names = { LLAMA_NAMES },
	.silent = "{\"num_hidden_layers\":32,\"hidden_size\":4096,\"num_attention_heads\":32,\"intermediate_size\":14336,"
	          "\"vocab_size\":32000}",
};
