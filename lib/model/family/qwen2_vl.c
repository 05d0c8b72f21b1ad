/* Qwen2-VL (Wang et al., arXiv 2409.12191) and Qwen2.5-VL (arXiv 2502.13923): Qwen2, whose rotary positions are
 * triples; those of text are thrice the same. */
#include "model/family.h"

extern const struct family family_qwen2;

static const struct wrap around = {
	.inner = "text_config", .flat = true, .language = &family_qwen2,
	.type = { "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text" }, .prefix = "",
	.carry = { "visual.patch_embed.", "visual.blocks.%L.", "visual." },
};

const struct family family_qwen2_vl = {
	.name = "qwen2_vl",
	.match = { "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration" },
	.type = { "qwen2_vl", "qwen2_5_vl" },
	.wrap = &around,
};
