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
		if ((p->type == SPM_NORMAL || p->type == SPM_USER) && trie_put(&u->trie, p->s, p->len, (int32_t)i) < 0)
			return -1;
	}
	u->unk_score = min - 10.0f;
	u->unk = m->unk;
	u->single = true;
	return 0;
}

/* best[] tells of every place which piece ends there.  Going back along it, each entry is turned into the
 * piece that begins at its place. */
int spm_unigram(const struct spm *m, struct unigram_room *r, const char *s, size_t n, struct ids *out)
{
	struct step cur, before;
	bool unk = false;

	if (!n)
		return 0;
	if (unigram_search(&m->unigram, r, s, n) < 0)
		return -1;
	cur = r->best[n];
	for (size_t end = n; end; cur = before) {
		end -= cur.len;
		before = r->best[end];
		r->best[end] = cur;
	}
	for (size_t at = 0; at < n; at += cur.len) {
		cur = r->best[at];
		if (cur.id == m->unk)
			spm_put_unknown(m, s + at, cur.len, &unk, out);
		else {
			unk = false;
			ids_put(out, &cur.id, 1);
		}
	}
	return 0;
}
