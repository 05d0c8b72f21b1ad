/* Unigram in SentencePiece's manner: sums in single precision, pieces that users defined as good as chosen. */
#include "data/spm.h"

#include "base/err.h"
#include "base/mem.h"

#include <float.h>

int spm_unigram_init(struct spm *m)
{
	struct unigram *u = &m->unigram;
	float min = FLT_MAX, max = FLT_MIN;

	u->score = xmalloc(m->n * sizeof(*u->score));
	for (size_t i = 0; i < m->n; i++)
		if (m->piece[i].type == SPM_NORMAL) {
			min = m->piece[i].score < min ? m->piece[i].score : min;
			max = m->piece[i].score > max ? m->piece[i].score : max;
		}
	for (size_t i = 0; i < m->n; i++) {
		const struct spm_piece *p = &m->piece[i];

		u->score[i] = p->score;
		if (p->type == SPM_USER)
			u->score[i] = (double)((float)p->len * max) - 0.1;
		u->longest = p->len > u->longest ? p->len : u->longest;
		if ((p->type == SPM_NORMAL || p->type == SPM_USER) && trie_put(&u->trie, p->s, p->len, (int32_t)i) < 0)
			return -1;
	}
	u->unk_score = min - 10.0f;
	u->unk = m->unk;
	u->single = true;
	return 0;
}

struct text {
	const struct spm *m;
	struct unigram_room *r;
	struct ids *out;
	bool unk;                       /* the piece before was unknown */
};

/* best[] tells of every place which piece ends there.  Going back along it, each entry is turned into the
 * piece that begins at its place. */
static int put_part(void *arg, const char *s, size_t n)
{
	struct text *t = arg;
	struct step *best = t->r->best, cur = best[n], before;

	for (size_t end = n; end; cur = before) {
		end -= cur.len;
		before = best[end];
		best[end] = cur;
	}
	for (size_t at = 0; at < n; at += cur.len) {
		cur = best[at];
		if (cur.id == t->m->unk)
			spm_put_unknown(t->m, s + at, cur.len, &t->unk, t->out);
		else {
			t->unk = false;
			ids_put(t->out, &cur.id, 1);
		}
	}
	return 0;
}

int spm_unigram(const struct spm *m, struct unigram_room *r, const char *s, size_t n, struct ids *out)
{
	struct text t = { .m = m, .r = r, .out = out };

	return unigram_search(&m->unigram, r, s, n, put_part, &t);
}
