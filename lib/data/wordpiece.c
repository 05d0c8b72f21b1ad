#include "data/wordpiece.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int wordpiece_load(struct wordpiece *w, const struct jnode *model, const struct vocab *vocab, bool level)
{
	const struct jnode *s;
	const char *prefix = "##";
	size_t nprefix = 2;
	int64_t max = 100;
	int rc;

	memset(w, 0, sizeof(*w));
	trie_init(&w->first);
	trie_init(&w->rest);
	w->level = level;
	if ((rc = jt_str(model, "unk_token", &s)) < 0)
		return -1;
	w->unk = rc ? vocab_find(vocab, s->str, s->len)
	            : vocab_find(vocab, level ? "<unk>" : "[UNK]", 5);
	if (level)
		return 0;
	if ((rc = jt_str(model, "continuing_subword_prefix", &s)) < 0 ||
	    jt_int(model, "max_input_chars_per_word", 0, INT32_MAX, &max) < 0)
		return -1;
	if (rc) {
		prefix = s->str;
		nprefix = s->len;
	}
	w->max_chars = (size_t)max;
	for (size_t i = 0; i < vocab->n; i++) {
		const struct vent *e = &vocab->e[i];

		if (trie_put(&w->first, e->s, e->len, e->id) < 0)
			return -1;
		if (e->len > nprefix && !memcmp(e->s, prefix, nprefix) &&
		    trie_put(&w->rest, e->s + nprefix, e->len - nprefix, e->id) < 0)
			return -1;
	}
	return 0;
}

void wordpiece_free(struct wordpiece *w)
{
	trie_free(&w->first);
	trie_free(&w->rest);
	memset(w, 0, sizeof(*w));
}

static int unknown(const struct wordpiece *w, const char *s, size_t n, struct ids *out)
{
	if (w->unk < 0)
		return err_set(ST_BAD, "the model knows no token for '%.*s', and none for the unknown",
		               (int)(n < 60 ? n : 60), s);
	ids_put(out, &w->unk, 1);
	return 0;
}

int wordpiece_word(const struct wordpiece *w, const struct vocab *vocab, const char *s, size_t n, struct ids *out)
{
	size_t from = out->n, chars = 0, len;
	int32_t id;

	if (w->level) {
		id = vocab_find(vocab, s, n);
		if (id < 0)
			return unknown(w, s, n, out);
		ids_put(out, &id, 1);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		chars += ((uint8_t)s[i] & 0xc0) != 0x80;
	if (chars > w->max_chars)
		return unknown(w, s, n, out);
	for (size_t at = 0; at < n; at += len) {
		len = trie_longest(at ? &w->rest : &w->first, s + at, n - at, &id);
		if (!len) {
			out->n = from;
			return unknown(w, s, n, out);
		}
		ids_put(out, &id, 1);
	}
	return 0;
}
