/* Any bytes as a chat template, a NUL, and a line of chat jsonl. */
#include "base/err.h"
#include "data/chat.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static const char model[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
static const char config[] = "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char hello[] = "{\"messages\":[{\"role\":\"user\",\"content\":\" Hi\\n\",\"n\":[1,2.5,null,{\"a\":true}]},"
	                            "{\"role\":\"assistant\",\"content\":\"<x>\"}],\"tools\":[{\"name\":\"f\"}]}";
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	struct tok_files f = { .json = model, .json_len = sizeof(model) - 1, .config = config, .config_len = sizeof(config) - 1,
	                       .chat = data, .chat_len = n };
	struct bytes out = { 0 };
	struct jtree row;
	struct chat *c;
	struct tok *t;

	/* the template's own memory is bounded by itself */
	alloc_limit(size, 1024, 400 << 20);
	verbose = -1;
	err_clear();
	t = tok_load(&f);
	require(t != NULL);
	c = chat_new(t, "2024-07-26");
	if (!c)
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
	else if ((nul ? jtree_parse(&row, nul + 1, size - n - 1, "row") : jtree_parse(&row, hello, sizeof(hello) - 1, "row")) == 0) {
		if (chat_render(c, row.v, "messages", &out) < 0)
			require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		else
			require(utf8_valid(out.n ? out.p : "", out.n) == out.n);
		jtree_free(&row);
	}
	bytes_free(&out);
	chat_free(c);
	tok_free(t);
	return 0;
}
