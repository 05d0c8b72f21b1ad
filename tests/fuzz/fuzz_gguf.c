/* Any bytes as a GGUF file: refused with a message, or tables that lie in the file, a configuration and tokenizer
 * files that are JSON. */
#include "base/err.h"
#include "fuzz.h"
#include "import/ggufile.h"

#include <stdlib.h>
#include <string.h>

static void refused(void)
{
	require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
}

static void tensors(const struct gguf *g, const uint8_t *data, size_t size)
{
	char name[512];
	float f[32];

	for (int i = 0; i < g->nt; i++) {
		const struct gguf_tensor *t = &g->t[i];

		require(t->at <= size && t->bytes <= size - t->at && t->at >= g->head);
		require(strlen(gguf_hf_name(t->name, name, sizeof(name))) > 0);
		if (ggml_block(t->type))
			require(t->bytes >= ggml_bytes(t->type, (uint64_t)ggml_block(t->type)));
		if (t->bytes && ggml_bytes(t->type, 32) <= t->bytes)
			ggml_f32(f, data + t->at, t->type, 32);
	}
}

static void side_files(struct source *s)
{
	for (int i = 0; i < s->nfile; i++) {
		const char *n = s->file[i].name;
		cJSON *v;

		if (strcmp(n + strlen(n) - 5, ".json"))
			continue;
		v = json_parse(s->file[i].data, s->file[i].len, n);
		/* all that a vocabulary may do to its JSON is to hold a token twice */
		require(v || strstr(err_msg(), "twice"));
		cJSON_Delete(v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source *s = xcalloc(1, sizeof(*s));
	const float freqs[4] = { 1, 1, 2, 8 };
	struct gguf g;
	int r;

	alloc_limit(size, 256, 1 << 20);
	verbose = -1;
	s->path = "f";
	err_clear();
	r = gguf_parse(&g, data, size, size);
	require(r <= 0);                /* nothing more to ask for */
	if (r < 0)
		refused();
	else {
		tensors(&g, data, size);
		s->config = gguf_config(&g, DT_BF16, NULL, 0);
		if (!s->config)
			refused();
		cJSON_Delete(s->config);
		s->config = gguf_config(&g, DT_BF16, freqs, 4);
		if (gguf_tokenizer(&g, s) < 0)
			refused();
		side_files(s);
	}
	gguf_free(&g);
	source_close(s);
	return 0;
}
