/* Any bytes as tokenizer.json; what loads encodes and decodes.  A text follows the file after a NUL, if any. */
#include "base/err.h"
#include "data/tok.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void use(const struct tok *t, const char *text, size_t len)
{
	for (int special = TOK_AUTO; special <= TOK_NO; special++) {
		struct ids a = { 0 }, b = { 0 };
		size_t n;
		char *s;

		err_clear();
		if (tok_encode(t, text, len, (enum tok_special)special, &a) < 0) {
			require(err_status() == ST_BAD || err_status() == ST_UNSUP || err_status() == ST_FAIL);
			free(a.v);
			continue;
		}
		/* The second time most words come from the cache. */
		require(tok_encode(t, text, len, (enum tok_special)special, &b) == 0);
		require(a.n == b.n && (!a.n || !memcmp(a.v, b.v, a.n * sizeof(*a.v))));
		s = tok_decode(t, a.v, a.n, special == TOK_YES, &n);
		require(!s || strlen(s) <= n);
		free(s);
		free(a.v);
		free(b.v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char plain[] = "Hello  w\xc3\xb6rld\n <s>\xe2\x96\x81" "12\xff";
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct tok_files f = { .json = data, .json_len = nul ? (size_t)(nul - data) : size };
	struct tok *t;

	alloc_limit(size, 256, 8 << 20);
	verbose = -1;
	err_clear();
	t = tok_load(&f);
	if (!t) {
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		require(strstr(err_msg(), "tokenizer.json") != NULL);
		return 0;
	}
	require(tok_size(t) >= 0 && tok_eos(t) < tok_size(t));
	use(t, plain, sizeof(plain) - 1);
	if (nul)
		use(t, (const char *)nul + 1, size - f.json_len - 1);
	tok_free(t);
	return 0;
}
