/* LLaVA (Liu et al., arXiv 2304.08485, 2310.03744) and LLaVA-OneVision (Li et al., arXiv 2408.03326), in the layout of
 * transformers: a language model that reads what a tower and a projector make of images as if it were text. */
#include "model/family.h"

extern const struct family family_llama, family_qwen2;

#define CARRY { \
	"vision_tower.vision_model.embeddings.", "vision_tower.vision_model.pre_layrnorm.", \
	"vision_tower.vision_model.encoder.layers.%L.", "vision_tower.", "multi_modal_projector.", "image_newline" }

static const struct wrap llava = {
	.inner = "text_config", .language = &family_llama, .prefix = "language_model.", .carry = CARRY
};
static const struct wrap onevision = {
	.inner = "text_config", .language = &family_qwen2, .prefix = "language_model.", .carry = CARRY
};

const struct family family_llava = {
	.name = "llava",
	.match = { "LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration" },
	.type = { "llava", "llava_next" },
	.wrap = &llava,
};
const struct family family_llava_onevision = {
	.name = "llava_onevision",
	.match = { "LlavaOnevisionForConditionalGeneration" },
	.wrap = &onevision,
};
