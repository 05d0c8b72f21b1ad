/* Any bytes as a GGUF file: refused with a message, or tables that lie in the file, a configuration and tokenizer
 * files that are JSON, tensors that can be read. */
#include "base/err.h"
#include "fuzz.h"
#include "import/ggufile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void refused(void)
{
	require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
}

static void tensors(const struct gguf *g, const uint8_t *data, size_t size)
{
	float f[32];

	for (int i = 0; i < g->nt; i++) {
		const struct gguf_tensor *t = &g->t[i];

		require(t->at <= size && t->bytes <= size - t->at && t->at >= g->head);
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

static void config(const struct gguf *g, const struct gguf_arch *a, const struct gguf_vec *vec)
{
	char *text = gguf_config(g, a, DT_BF16, vec);
	struct model m;
	cJSON *v;

	if (!text) {
		refused();
		return;
	}
	v = json_parse(text, strlen(text), "config.json");
	require(v != NULL);
	if (!family_resolve(&m, v))
		refused();
	cJSON_Delete(v);
	free(text);
}

/* The same from a file in memory, tensors and all. */
static void source(const uint8_t *data, size_t size)
{
	int fd = memfd_create("gguf", MFD_CLOEXEC);
	struct source *s = xcalloc(1, sizeof(*s));
	char path[64];

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s->path = path;
	if (ggufile_open(s, path, DT_NONE) < 0)
		refused();
	else
		for (int i = 0; i < s->nt; i++) {
			void *p = xmalloc(tensor_bytes(&s->t[i]));

			if (source_read(s, i, p) < 0)
				refused();
			free(p);
		}
	source_close(s);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source *s = xcalloc(1, sizeof(*s));
	float freqs[4] = { 1, 1, 2, 8 };
	const struct gguf_vec none[VEC_N] = { { NULL, 0 } }, some[VEC_N] = { [VEC_FREQS] = { freqs, 4 } },
	                      two[VEC_N] = { [VEC_SHORT] = { freqs, 4 }, [VEC_LONG] = { freqs, 4 } };
	const struct gguf_arch *a;
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
		a = gguf_arch(&g);
		if (!a)
			refused();
		else {
			config(&g, a, none);
			config(&g, a, some);
			config(&g, a, two);
			if (gguf_tokenizer(&g, a, s) < 0)
				refused();
			side_files(s);
		}
	}
	gguf_free(&g);
	source_close(s);
	source(data, size);
	return 0;
}
