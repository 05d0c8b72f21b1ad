#include "data/unigram.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/chars.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENALTY = 10 };                  /* of an unknown character, below the worst piece */

static int load_pieces(struct unigram *u, const struct jnode *list, struct vocab *vocab)
{
	const struct jnode *p;
	double min = INFINITY;
	int32_t id = 0;

	vocab_init(vocab, list->len);
	u->score = xmalloc(list->len * sizeof(*u->score));
	JT_EACH(p, list) {
		const struct jnode *s = p + 1, *score = p + 2;

		if (p->type != JT_ARR || p->len != 2 || s->type != JT_STR || score->type != JT_NUM || !isfinite(score->num))
			return err_set(ST_BAD, "piece %d is not [text, score]", id);
		if (vocab_put(vocab, s->str, s->len, id) < 0)
			return -1;
		u->score[id++] = score->num;
		if (score->num < min)
			min = score->num;
	}
	for (size_t i = vocab->n; i-- > 0;)     /* the first of equals stays in the trie: begin with the last */
		if (trie_put(&u->trie, vocab->e[i].s, vocab->e[i].len, vocab->e[i].id) < 0)
			return -1;
	u->unk_score = min - PENALTY;
	return vocab_done(vocab);
}

int unigram_load(struct unigram *u, const struct jnode *model, struct vocab *vocab)
{
	const struct jnode *list;
	int64_t unk = -1;
	char hex[8];

	memset(u, 0, sizeof(*u));
	trie_init(&u->trie);
	if (jt_arr(model, "vocab", &list) <= 0)
		return err_set(ST_BAD, "model without a 'vocab' list");
	if (jt_bool(model, "byte_fallback", &u->byte_fallback) < 0 || load_pieces(u, list, vocab) < 0 ||
	    jt_int(model, "unk_id", 0, (int64_t)list->len - 1, &unk) < 0)
		return -1;
	u->unk = (int32_t)unk;
	for (int i = 0; i < 256; i++) {
		snprintf(hex, sizeof(hex), "<0x%02X>", i);
		u->fallback[i] = vocab_find(vocab, hex, 6);
	}
	return 0;
}

void unigram_free(struct unigram *u)
{
	trie_free(&u->trie);
	free(u->score);
	memset(u, 0, sizeof(*u));
}

static void reach(struct step *to, double score, int32_t id, size_t len, bool single)
{
	if (to->len && !(score > to->score))
		return;
	to->score = single ? (float)score : score;
	to->id = id;
	to->len = (uint32_t)len;
}

/* Ties stay with the first found; starts go from left to right, so it is the longer last piece. */
int unigram_search(const struct unigram *u, struct unigram_room *r, const char *s, size_t n)
{
	if (n >= UINT32_MAX)
		return err_set(ST_UNSUP, "a word of %zu bytes is too long", n);
	r->best = xgrow(r->best, n + 1, &r->cap, sizeof(*r->best));
	memset(r->best, 0, (n + 1) * sizeof(*r->best));
	for (size_t at = 0; at < n;) {
		double here = r->best[at].score;
		bool whole = false;             /* a piece that is just this character */
		int32_t node = 0;
		size_t len = (size_t)utf8_seq(s + at, n - at);

		for (size_t i = at; i < n && (node = trie_child(&u->trie, node, (uint8_t)s[i])); i++) {
			int32_t id = u->trie.value[node];

			if (id < 0)
				continue;
			reach(&r->best[i + 1], u->score[id] + here, id, i + 1 - at, u->single);
			whole |= i + 1 - at == len;
		}
		if (!whole) {
			double sum = u->unk_score + here;

			if (u->unk < 0)
				return err_set(ST_BAD, "the model knows no token for '%.*s', and none for the unknown",
				               (int)len, s + at);
			reach(&r->best[at + len], u->single ? (float)sum : sum, u->unk, len, u->single);
		}
		at += len;
	}
	return 0;
}

/* Text that was found unknown may yet be a piece, when it is several characters together. */
static void put(const struct unigram *u, const struct vocab *vocab, const char *s, size_t n, struct ids *out)
{
	int32_t id = vocab_find(vocab, s, n);
	bool bytes = id < 0 && u->byte_fallback;

	for (size_t i = 0; i < n && bytes; i++)
		bytes = u->fallback[(uint8_t)s[i]] >= 0;
	if (bytes) {
		for (size_t i = n; i-- > 0;)
			ids_put(out, &u->fallback[(uint8_t)s[i]], 1);
		return;
	}
	if (id < 0)
		id = u->unk;
	ids_put(out, &id, 1);
}

/* The pieces come out last to first, the bytes of one too, and all are turned round in the end. */
int unigram_word(const struct unigram *u, const struct vocab *vocab, struct unigram_room *r, const char *s, size_t n,
                 struct ids *out)
{
	size_t from = out->n, end = n, unk_end = 0;

	if (unigram_search(u, r, s, n) < 0)
		return -1;
	while (end) {
		const struct step *b = &r->best[end];

		if (b->id == u->unk) {
			if (!unk_end)
				unk_end = end;
		} else {
			if (unk_end)
				put(u, vocab, s + end, unk_end - end, out);
			unk_end = 0;
			put(u, vocab, s + end - b->len, b->len, out);
		}
		end -= b->len;
	}
	if (unk_end)
		put(u, vocab, s, unk_end, out);
	for (size_t a = from, b = out->n; a + 1 < b; a++) {
		int32_t t = out->v[a];

		out->v[a] = out->v[--b];
		out->v[b] = t;
	}
	return 0;
}
