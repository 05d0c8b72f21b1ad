/* Qwen1.5, Qwen2, Qwen2.5 (Yang et al., arXiv 2407.10671): LLaMA with biases on q, k and v. */
#include "model/family.h"

#include "base/err.h"

#include <string.h>

/* The window counts only when use_sliding_window says so; then for the layers from max_window_layers on,
 * or those that layer_types names. */
int qwen_window(struct model *m, const cJSON *config)
{
	const cJSON *types = cJSON_GetObjectItemCaseSensitive(config, "layer_types");
	int64_t win = 4096, from = 28;
	bool use = false;

	if (json_bool(config, "use_sliding_window", &use) < 0 || json_int(config, "sliding_window", 1, 1 << 30, &win) < 0 ||
	    json_int(config, "max_window_layers", 0, 1 << 30, &from) < 0)
		return -1;
	if (!use)
		return 0;
	m->window = (int)win;
	for (int i = 0; i < m->n_layer; i++) {
		const cJSON *t = cJSON_GetArrayItem(types, i);

		m->slide[i] = cJSON_IsString(t) ? !strcmp(t->valuestring, "sliding_attention") : i >= from;
	}
	return 0;
}

const struct family family_qwen2 = {
	.name = "qwen2",
	.match = { "Qwen2ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 32768, .n_kv = 32,
	          .rope = LLAMA_ROPE, .flags = MF_BIAS_QKV },
	.resolve = qwen_window,
	.own = { "sliding_window" },
	.names = { LLAMA_NAMES },
	.silent = "{\"num_hidden_layers\":32,\"hidden_size\":4096,\"num_attention_heads\":32,\"intermediate_size\":22016,"
	          "\"vocab_size\":151936}",
};
