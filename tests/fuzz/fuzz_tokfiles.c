/* Any bytes as the files beside tokenizer.json: the first byte says which, a NUL parts one from the next.
 *	r ranks; c tokenizer_config.json; v vocab.json, merges.txt, tokenizer_config.json, added_tokens.json;
 *	w vocab.txt, tokenizer_config.json, special_tokens_map.json */
#include "base/err.h"
#include "data/tok.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* A byte-level model of two tokens, for a configuration to work on. */
static const char small[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<s>\":2},\"merges\":[]},"
                            "\"added_tokens\":[{\"id\":2,\"content\":\"<s>\",\"special\":true}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "Hello  w\xc3\xb6rld\n <s>[UNK] 12\xff";
	static const struct { char kind; const char *name[4]; } slot[] = {
		{ 'r', { "x.tiktoken" } }, { 'c', { "tokenizer_config.json" } },
		{ 'v', { "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json" } },
		{ 'w', { "vocab.txt", "tokenizer_config.json", "special_tokens_map.json" } },
	};
	struct tok_files f = { 0 };
	struct ids v = { 0 };
	struct tok *t;
	size_t n;
	char *s;

	alloc_limit(size, 256, 8 << 20);
	verbose = -1;
	for (size_t i = 0; size && i < sizeof(slot) / sizeof(*slot); i++) {
		size_t at = 1;

		if (data[0] != slot[i].kind)
			continue;
		for (int k = 0; k < 4 && slot[i].name[k] && at <= size; k++) {
			const uint8_t *p = data + at, *nul = memchr(p, 0, size - at);
			size_t len = nul ? (size_t)(nul - p) : size - at;

			tok_files_set(&f, slot[i].name[k], p, len);
			at += len + 1;
		}
		if (data[0] == 'c')
			tok_files_set(&f, "tokenizer.json", small, sizeof(small) - 1);
	}
	err_clear();
	t = tok_load(&f);
	if (!t) {
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		return 0;
	}
	if (tok_encode(t, text, sizeof(text) - 1, TOK_AUTO, &v) == 0) {
		s = tok_decode(t, v.v, v.n, false, &n);
		require(!s || strlen(s) <= n);
		free(s);
	}
	free(v.v);
	tok_free(t);
	return 0;
}
