#include "data/added.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- the tokens --- */

int added_flags(struct added_tok *a, const struct jnode *v)
{
	a->normalized = !a->special;
	if (jt_bool(v, "special", &a->special) < 0)
		return -1;
	a->normalized = !a->special;
	return jt_bool(v, "normalized", &a->normalized) < 0 || jt_bool(v, "single_word", &a->single_word) < 0 ||
	       jt_bool(v, "lstrip", &a->lstrip) < 0 || jt_bool(v, "rstrip", &a->rstrip) < 0 ? -1 : 0;
}

void added_init(struct added *d)
{
	memset(d, 0, sizeof(*d));
	vocab_init(&d->names, 0);
	trie_init(&d->raw);
	trie_init(&d->norm);
	d->max_id = -1;
}

int32_t added_put(struct added *d, const struct added_tok *a, const struct vocab *vocab, size_t nvocab)
{
	int32_t i = vocab_find(&d->names, a->s, a->len), id;

	if (i >= 0) {
		id = d->v[i].id;
		d->v[i] = *a;
		d->v[i].id = id;
		return id;
	}
	id = vocab_find(vocab, a->s, a->len);
	if (id < 0)
		id = d->max_id >= 0 && (size_t)d->max_id >= nvocab ? d->max_id + 1 : (int32_t)nvocab;
	if (id == INT32_MAX || vocab_add(&d->names, a->s, a->len, (int32_t)d->n) < 0)
		return err_set(ST_BAD, "too many added tokens");
	if (id > d->max_id)
		d->max_id = id;
	d->v = xgrow(d->v, d->n + 1, &d->cap, sizeof(*d->v));
	d->v[d->n] = *a;
	d->v[d->n++].id = id;
	return id;
}

static int fill(struct added *d, const struct normalizer *z, struct onig_room *room, bool special)
{
	struct bytes tmp[2] = { { 0 }, { 0 } };
	int rc = 0;

	for (size_t i = 0; i < d->n && rc == 0; i++) {
		struct added_tok *a = &d->v[i];
		const char *s;
		size_t n;

		if (a->special != special)
			continue;
		a->text = a->s;
		a->ntext = a->len;
		if (!a->normalized)
			rc = trie_put(&d->raw, a->s, a->len, (int32_t)i);
		else if ((rc = normalize(z, room, tmp, a->s, a->len, &s, &n)) == 0) {
			if (n > 32 * a->len + 256)
				rc = err_set(ST_BAD, "added token '%.*s' grows to %zu bytes", clip(a->len), a->s, n);
			else {
				rc = trie_put(&d->norm, s, n, (int32_t)i);
				a->text = memcpy(arena_alloc(&d->mem, n), s, n);
				a->ntext = n;
			}
		}
	}
	bytes_free(&tmp[0]);
	bytes_free(&tmp[1]);
	return rc;
}

int added_done(struct added *d, const struct normalizer *z, struct onig_room *room)
{
	trie_free(&d->raw);
	trie_free(&d->norm);
	d->nid = (size_t)(d->max_id + 1);
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].single_word && !d->word) {
			const char *w = "[\\p{Nd}\\p{M}\\p{Pc}\\p{Alphabetic}\\x{200c}\\x{200d}]";

			d->word = onig_compile(w, strlen(w));
			if (!d->word)
				return -1;
		}
	}
	free(d->by_id);
	d->by_id = xmalloc(d->nid * sizeof(*d->by_id));
	for (size_t i = 0; i < d->nid; i++)
		d->by_id[i] = -1;
	for (size_t i = 0; i < d->n; i++)
		d->by_id[d->v[i].id] = (int32_t)i;
	/* Where two spellings are the same, a special token comes before another. */
	return fill(d, z, room, true) < 0 || fill(d, z, room, false) < 0 ? -1 : 0;
}

const struct added_tok *added_find(const struct added *d, int32_t id)
{
	if (id < 0 || (size_t)id >= d->nid || d->by_id[id] < 0)
		return NULL;
	return &d->v[d->by_id[id]];
}

void added_free(struct added *d)
{
	free(d->v);
	free(d->by_id);
	vocab_free(&d->names);
	trie_free(&d->raw);
	trie_free(&d->norm);
	onig_free(d->word);
	arena_free(&d->mem);
	memset(d, 0, sizeof(*d));
}

/* --- matching --- */

/* s need not be well-formed: SentencePiece takes any bytes. */
static size_t space_at(const char *s, size_t n, size_t at)
{
	int len;

	return utf8_seq(s + at, n - at) > 0 && cp_space(utf8_get(s + at, &len)) ? (size_t)len : 0;
}

static size_t space_before(const char *s, size_t at)
{
	size_t b = utf8_prev(s, at);

	return space_at(s, at, b) == at - b ? at - b : 0;
}

/* Whether the character at (or, `before`, ending at) s + at is one of a word; none is not. */
static bool wordy(const struct added *d, struct onig_room *room, const char *s, size_t n, size_t at, bool before)
{
	struct onig_walk w = { 0 };
	int len;

	if (before ? at == 0 : at == n)
		return false;
	if (before)
		at = utf8_prev(s, at);
	len = utf8_seq(s + at, n - at);
	if (len < 0)
		return false;
	w.s = s + at;
	w.n = (size_t)len;
	return onig_next(d->word, room, &w) > 0;
}

/* Leftmost, then longest.  The search goes on behind the spelling itself, not behind the white space that
 * a match takes along: as the reference does. */
int added_split(const struct added *d, const struct trie *t, struct onig_room *room, const char *s, size_t n,
                int (*part)(void *, const char *, size_t, int32_t), void *arg)
{
	size_t done = 0, at = 0;

	while (t->n && at < n) {
		const struct added_tok *a;
		size_t b = at, e, k;
		int32_t i = -1;

		if (!t->root[(uint8_t)s[at]] || !(k = trie_longest(t, s + at, n - at, &i))) {
			at++;
			continue;
		}
		at = e = b + k;
		a = &d->v[i];
		if (a->single_word && (wordy(d, room, s, n, b, true) || wordy(d, room, s, n, e, false)))
			continue;
		while (a->lstrip && b > done && (k = space_before(s, b)))
			b -= k;
		while (a->rstrip && e < n && (k = space_at(s, n, e)))
			e += k;
		if (b > done && part(arg, s + done, b - done, -1) < 0)
			return -1;
		if (part(arg, s + b, e - b, a->id) < 0)
			return -1;
		done = e;
	}
	return done < n ? part(arg, s + done, n - done, -1) : 0;
}
