/* BPE in SentencePiece's manner: no list of merges; two symbols may merge when together they spell a piece,
 * the piece of the highest score first. */
#include "data/spm.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct spm_sym {
	uint32_t at, len;               /* bytes; len 0: absorbed */
	int32_t prev, next;             /* -1: none */
	int32_t id;                     /* of the piece it spells; -1: none, or not looked up yet */
	bool frozen;                    /* USER_DEFINED: never merges */
};

struct job {
	const struct spm *m;
	const struct vocab *vocab;
	struct spm_room *r;
	const char *s;
};

void spm_room_free(struct spm_room *r)
{
	free(r->sym);
	free(r->left);
	heap_free(&r->heap);
	memset(r, 0, sizeof(*r));
}

/* Least first: a high score is a low order.  The usual trick makes float bits sort as integers. */
static uint32_t order(float score)
{
	uint32_t u;

	if (score == 0)
		score = 0;              /* -0 */
	memcpy(&u, &score, 4);
	return u & 0x80000000 ? u : ~(u | 0x80000000);
}

static int32_t piece_of(const struct job *j, uint32_t at, uint32_t len)
{
	int32_t id = vocab_find(j->vocab, j->s + at, len);

	if (id < 0 || (size_t)id >= j->m->n)
		return -1;
	switch (j->m->piece[id].type) {
	case SPM_NORMAL: case SPM_USER: case SPM_UNUSED:
		return id;
	default:
		return -1;
	}
}

static void offer(const struct job *j, int32_t l, int32_t r)
{
	const struct spm_sym *a, *b;
	int32_t id;

	if (l < 0 || r < 0)
		return;
	a = &j->r->sym[l];
	b = &j->r->sym[r];
	if (a->frozen || b->frozen || (id = piece_of(j, a->at, a->len + b->len)) < 0)
		return;
	heap_push(&j->r->heap, (struct cand){ (uint64_t)order(j->m->piece[id].score) << 32 | (uint32_t)l,
	                                      (int64_t)(a->len + b->len) });
	if (j->m->piece[id].type == SPM_UNUSED)
		j->r->left[id] = a->len;
}

static size_t symbols(const struct job *j, size_t n)
{
	struct spm_room *r = j->r;
	size_t k = 0;

	for (size_t at = 0; at < n;) {
		int32_t id = -1;
		size_t len = trie_longest(&j->m->user, j->s + at, n - at, &id);
		bool frozen = len > 0;

		if (!len) {
			int c = utf8_seq(j->s + at, n - at);

			len = c > 0 ? (size_t)c : 1;
		}
		r->sym = xgrow(r->sym, k + 1, &r->nsym, sizeof(*r->sym));
		r->sym[k] = (struct spm_sym){ (uint32_t)at, (uint32_t)len, (int32_t)k - 1, (int32_t)k + 1, id, frozen };
		at += len;
		k++;
	}
	if (k)
		r->sym[k - 1].next = -1;
	return k;
}

void spm_put_unknown(const struct spm *m, const char *s, size_t n, bool *prev, struct ids *out)
{
	bool bytes = m->byte_fallback;

	for (size_t i = 0; i < n && bytes; i++)
		bytes = m->byte_id[(uint8_t)s[i]] >= 0;
	if (bytes)
		for (size_t i = 0; i < n; i++)
			ids_put(out, &m->byte_id[(uint8_t)s[i]], 1);
	else if (!*prev)
		ids_put(out, &m->unk, 1);
	*prev = !bytes;
}

/* An UNUSED piece is given back as the two parts that were last about to become it. */
static void put(const struct job *j, uint32_t at, uint32_t len, int depth, bool *unk, struct ids *out)
{
	int32_t id = piece_of(j, at, len);

	if (id < 0) {
		spm_put_unknown(j->m, j->s + at, len, unk, out);
		return;
	}
	if (j->m->piece[id].type == SPM_UNUSED && j->r->left[id] && j->r->left[id] < len && depth < 64) {
		uint32_t left = j->r->left[id];

		put(j, at, left, depth + 1, unk, out);
		put(j, at + left, len - left, depth + 1, unk, out);
		return;
	}
	*unk = false;
	ids_put(out, &id, 1);
}

int spm_bpe(const struct spm *m, const struct vocab *vocab, struct spm_room *r, const char *s, size_t n,
            struct ids *out)
{
	struct job j = { m, vocab, r, s };
	bool unk = false;
	size_t k;

	if (n > INT32_MAX)
		return err_set(ST_UNSUP, "%zu bytes without a cut are too long", n);
	if (m->unused) {
		if (!r->left)
			r->left = xmalloc(m->n * sizeof(*r->left));
		memset(r->left, 0, m->n * sizeof(*r->left));
	}
	k = symbols(&j, n);
	r->heap.n = 0;
	for (size_t i = 0; i + 1 < k; i++)
		offer(&j, (int32_t)i, (int32_t)i + 1);
	while (r->heap.n) {
		struct cand c = heap_pop(&r->heap);
		int32_t at = (int32_t)(uint32_t)c.key;
		struct spm_sym *a = &r->sym[at], *b;

		if (!a->len || a->next < 0)
			continue;
		b = &r->sym[a->next];
		if ((int64_t)a->len + b->len != c.val)
			continue;               /* one of the two has grown since */
		a->len += b->len;
		b->len = 0;
		a->next = b->next;
		if (a->next >= 0)
			r->sym[a->next].prev = at;
		offer(&j, a->prev, at);
		offer(&j, at, a->next);
	}
	for (int32_t i = k ? 0 : -1; i >= 0; i = r->sym[i].next)
		put(&j, r->sym[i].at, r->sym[i].len, 0, &unk, out);
	return 0;
}
