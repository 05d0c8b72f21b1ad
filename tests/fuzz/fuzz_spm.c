/* Any bytes as a SentencePiece model; what loads encodes and decodes.  The last 16 bytes are a text, too. */
#include "base/err.h"
#include "data/tok.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void use(const struct tok *t, const char *text, size_t len)
{
	struct ids a = { 0 }, b = { 0 };
	size_t n;
	char *s;

	err_clear();
	if (tok_encode(t, text, len, TOK_AUTO, &a) < 0) {
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		free(a.v);
		return;
	}
	require(tok_encode(t, text, len, TOK_AUTO, &b) == 0);
	require(a.n == b.n && (!a.n || !memcmp(a.v, b.v, a.n * sizeof(*a.v))));
	for (size_t i = 0; i < a.n; i++)
		require(a.v[i] >= 0 && a.v[i] < tok_size(t));
	s = tok_decode(t, a.v, a.n, false, &n);
	require(s && strlen(s) <= n);
	free(s);
	free(a.v);
	free(b.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char plain[] = "  Hello  w\xc3\xb6rld\n <s>\xe2\x96\x81" "12\xff \xef\xac\x81";
	struct tok_files f = { .spm = data, .spm_len = size };
	size_t tail = size < 16 ? size : 16;
	struct tok *t;

	alloc_limit(size, 256, 8 << 20);
	verbose = -1;
	err_clear();
	t = tok_load(&f);
	if (!t) {
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		return 0;
	}
	use(t, plain, sizeof(plain) - 1);
	use(t, (const char *)data + size - tail, tail);
	tok_free(t);
	return 0;
}
