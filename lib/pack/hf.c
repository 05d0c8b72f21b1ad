/* A plain Hugging Face directory: names, types and bytes as import found them, or codes made floats again. */
#include "pack/pack.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static int accept(const struct pack *p, const struct block *b)
{
	char name[TENSOR_NAME], spec[64];

	for (int i = 0; i < b->nt; i++) {
		if (pack_name(p, b, i, false, name, sizeof(name)) < 0)
			return -1;
		if (b->q[i].spec.fmt != Q_NONE && !p->o->dequantize)
			return err_set(ST_UNSUP, "'%s' is %s, and a plain directory holds floats; give --dequantize, or -f vllm",
			               name, spec_print(&b->q[i].spec, spec, sizeof(spec)));
	}
	return 0;
}

static int block(struct pack *p, const struct block *b)
{
	char name[TENSOR_NAME];

	for (int i = 0; i < b->nt; i++) {
		if (pack_name(p, b, i, false, name, sizeof(name)) < 0)
			return -1;
		if (pack_float(p, b, i, name, p->o->dtype) < 0)
			return -1;
	}
	return 0;
}

static int end(struct pack *p)
{
	if (p->o->dtype != DT_NONE)
		pack_dtype(p, p->o->dtype);
	pack_config(p, "quantization_config", NULL);    /* what was FP8 is not any more */
	if (p->tied && p->head == HEAD_OWN)
		pack_config_both(p, "tie_word_embeddings", "false");
	return 0;
}

const struct packer packer_hf = {
	.name = "hf", .about = "plain Hugging Face directory; quantized weights with --dequantize",
	.accept = accept, .block = block, .end = end
};
