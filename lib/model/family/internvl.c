/* InternVL2, InternVL2.5 (Chen et al., arXiv 2404.16821, 2412.05271) under their own names: a language model of several
 * families, which the configuration tells. */
#include "model/family.h"

static const struct wrap around = {
	.inner = "llm_config", .prefix = "language_model.",
	.carry = { "vision_model.embeddings.", "vision_model.encoder.layers.%L.", "vision_model.", "mlp1." },
};

const struct family family_internvl = {
	.name = "internvl",
	.match = { "InternVLChatModel" },
	.type = { "internvl_chat" },
	.wrap = &around,
};
