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

		if (p->type != JT_ARR || p->len != 2 || s->type != JT_STR || score->type != JT_NUM ||
		    !isfinite(jt_scaled(score)))
			return err_set(ST_BAD, "piece %d is not [text, score]", id);
		if (vocab_put(vocab, s->str, s->len, id) < 0)
			return -1;
		u->score[id] = jt_scaled(score);
		u->longest = s->len > u->longest ? s->len : u->longest;
		if (u->score[id] < min)
			min = u->score[id];
		id++;
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

/* The pieces that begin at `at` of a part of n bytes.  Returns how far they reach; 0: error set. */
static size_t begin_at(const struct unigram *u, struct step *best, const char *s, size_t at, size_t n)
{
	double here = best[at].score;
	bool whole = false;                     /* a piece that is just this character */
	int32_t node = 0;
	size_t len = (size_t)utf8_seq(s + at, n - at), far = at + len;

	for (size_t i = at; i < n && (node = trie_child(&u->trie, node, (uint8_t)s[i])); i++) {
		int32_t id = u->trie.value[node];

		if (id < 0)
			continue;
		reach(&best[i + 1], u->score[id] + here, id, i + 1 - at, u->single);
		whole |= i + 1 - at == len;
		if (i + 1 > far)
			far = i + 1;
	}
	if (!whole) {
		double sum = u->unk_score + here;

		if (u->unk < 0) {
			err_set(ST_BAD, "the model knows no token for '%.*s', and none for the unknown", (int)len, s + at);
			return 0;
		}
		reach(&best[at + len], u->single ? (float)sum : sum, u->unk, len, u->single);
	}
	return far;
}

/* Ties stay with the first found; starts go from left to right, so it is the longer last piece.  Sums run on from
 * part to part, for where they are rounded depends on them. */
int unigram_search(const struct unigram *u, struct unigram_room *r, const char *s, size_t n,
                   int (*part)(void *, const char *, size_t), void *arg)
{
	enum { PART = 1024 };
	size_t far = 0, to, clear = 0;          /* best[] is cleared up to here */

	if (n >= UINT32_MAX)
		return err_set(ST_UNSUP, "a word of %zu bytes is too long", n);
	for (size_t at = 0; at < n;) {
		if (at >= PART && at == far && r->best[at].id != u->unk) {
			double score = r->best[at].score;

			if (part(arg, s, at) < 0)
				return -1;
			s += at;
			n -= at;
			memset(r->best, 0, (at + 1) * sizeof(*r->best));
			at = far = 0;
			r->best[0].score = score;
		}
		if (clear <= n && clear <= at + u->longest) {
			size_t more = at + u->longest + PART < n ? at + u->longest + PART : n + 1;

			r->best = xgrow(r->best, more, &r->cap, sizeof(*r->best));
			memset(r->best + clear, 0, (more - clear) * sizeof(*r->best));
			clear = more;
		}
		to = begin_at(u, r->best, s, at, n);
		if (!to)
			return -1;
		far = to > far ? to : far;
		at += (size_t)utf8_seq(s + at, n - at);
	}
	return n ? part(arg, s, n) : 0;
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

struct word {
	const struct unigram *u;
	const struct vocab *vocab;
	const struct unigram_room *r;
	struct ids *out;
};

/* The pieces come out last to first, the bytes of one too, and all are turned round in the end. */
static int put_part(void *arg, const char *s, size_t n)
{
	const struct word *w = arg;
	struct ids *out = w->out;
	size_t from = out->n, end = n, unk_end = 0;

	while (end) {
		const struct step *b = &w->r->best[end];

		if (b->id == w->u->unk) {
			if (!unk_end)
				unk_end = end;
		} else {
			if (unk_end)
				put(w->u, w->vocab, s + end, unk_end - end, out);
			unk_end = 0;
			put(w->u, w->vocab, s + end - b->len, b->len, out);
		}
		end -= b->len;
	}
	if (unk_end)
		put(w->u, w->vocab, s, unk_end, out);
	for (size_t a = from, b = out->n; a + 1 < b; a++) {
		int32_t t = out->v[a];

		out->v[a] = out->v[--b];
		out->v[b] = t;
	}
	return 0;
}

int unigram_word(const struct unigram *u, const struct vocab *vocab, struct unigram_room *r, const char *s, size_t n,
                 struct ids *out)
{
	struct word w = { u, vocab, r, out };

	return unigram_search(u, r, s, n, put_part, &w);
}
