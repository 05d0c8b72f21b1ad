/* InternLM2, InternLM2.5 (Cai et al., arXiv 2403.17297): LLaMA's mathematics under other names, q k v in one matrix
 * key/value head by key/value head. */
#include "model/family.h"

static const struct cfg_key keys[] = {
	KEY_FLAG("bias", MF_BIAS_QKV | MF_BIAS_O),
	KEY_END
};

const struct family family_internlm2 = {
	.name = "internlm2",
	.match = { "InternLM2ForCausalLM" },
	.base = { .norm = NORM_RMS, .eps = 1e-6, .act = ACT_SILU, .gated = true, .ctx = 2048, .rope = LLAMA_ROPE,
	          .flags = MF_BIAS_QKV | MF_BIAS_O },
	.cfg = keys,
	.names = {
		[R_EMBED] = "model.tok_embeddings", [R_NORM_ATTN] = "model.layers.%L.attention_norm",
		[R_O] = "model.layers.%L.attention.wo", [R_NORM_MLP] = "model.layers.%L.ffn_norm",
		[R_GATE] = "model.layers.%L.feed_forward.w1", [R_UP] = "model.layers.%L.feed_forward.w3",
		[R_DOWN] = "model.layers.%L.feed_forward.w2", [R_NORM_FINAL] = "model.norm", [R_HEAD] = "output"
	},
	.fuse = { { "model.layers.%L.attention.wqkv", FUSE_GROUP, 3, { R_Q, R_K, R_V } } },
};
