/* Phi-3, Phi-3.5, Phi-4 (Abdin et al., arXiv 2404.14219): LLaMA with q k v in one matrix, and gate and up. */
#include "model/family.h"

static int resolve(struct model *m, const cJSON *config)
{
	m->rope.orig_ctx = 4096;                /* where the configuration does not say it */
	return window_everywhere(m, config);
}

const struct family family_phi3 = {
	.name = "phi3",
	.match = { "Phi3ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-5, .act = ACT_SILU, .gated = true, .ctx = 4096, .rope = LLAMA_ROPE },
	.resolve = resolve,
	.own = { "sliding_window" },
	.names = { LLAMA_ENDS, LLAMA_NORMS, LLAMA_O, [R_DOWN] = "model.layers.%L.mlp.down_proj" },
	.fuse = { { "model.layers.%L.self_attn.qkv_proj", FUSE_CAT, 3, { R_Q, R_K, R_V } },
	          { "model.layers.%L.mlp.gate_up_proj", FUSE_CAT, 2, { R_GATE, R_UP } } },
};
