/* Qwen1.5, Qwen2, Qwen2.5 (Yang et al., arXiv 2407.10671): LLaMA with biases on q, k and v. */
#include "model/family.h"

int qwen_window(struct model *m, const cJSON *config, int *layers)
{
	const cJSON *said = cJSON_GetObjectItemCaseSensitive(config, "sliding_window");
	int64_t win = said && cJSON_IsNull(said) ? 0 : 4096, n = 28;
	bool use = false;

	if (json_bool(config, "use_sliding_window", &use) < 0 || json_int(config, "sliding_window", 0, 1 << 30, &win) < 0 ||
	    json_int(config, "max_window_layers", 0, 1 << 30, &n) < 0)
		return -1;
	window_set(m, use ? (int)win : 0);
	*layers = (int)n;
	return 0;
}

/* The layers from max_window_layers on slide, or those that layer_types names. */
int qwen_resolve(struct model *m, const cJSON *config)
{
	int from;

	if (qwen_window(m, config, &from) < 0)
		return -1;
	if (!m->window || window_listed(m, config))
		return 0;
	for (int i = 0; i < m->n_layer; i++)
		m->slide[i] = i >= from;
	return 0;
}

const struct family family_qwen2 = {
	.name = "qwen2",
	.match = { "Qwen2ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 32768, .n_kv = 32,
	          .rope = LLAMA_ROPE, .flags = MF_BIAS_QKV },
	.resolve = qwen_resolve,
	.own = { "sliding_window" },
	.names = { LLAMA_NAMES },
	.silent = "{\"num_hidden_layers\":32,\"hidden_size\":4096,\"num_attention_heads\":32,\"intermediate_size\":22016,"
	          "\"vocab_size\":151936}",
};
