#include "data/bpe.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/tok.h"
#include "data/chars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many symbols the least rank is found by looking at all: quicker than keeping a heap. */
enum { SHORT = 32 };

#define MARK "\xe2\x96\x81"             /* U+2581, the space of SentencePiece */

/* --- loading --- */

static size_t slot_of(const struct bpe *b, uint64_t key)
{
	return (size_t)(key * 0x9e3779b97f4a7c15u >> b->shift);
}

static void table_new(struct bpe *b, size_t expect)
{
	b->npair = 64;
	b->shift = 58;
	while (b->npair < 2 * expect) {
		b->npair *= 2;
		b->shift--;
	}
	b->pair = xmalloc(b->npair * sizeof(*b->pair));
	for (size_t i = 0; i < b->npair; i++)
		b->pair[i].rank = UINT32_MAX;
}

static struct pair *pair_slot(const struct bpe *b, uint64_t key)
{
	size_t k = slot_of(b, key);

	while (b->pair[k].rank != UINT32_MAX && b->pair[k].key != key)
		k = (k + 1) & (b->npair - 1);
	return &b->pair[k];
}

static void grow_table(struct bpe *b)
{
	struct pair *old = b->pair;
	size_t n = b->npair;

	table_new(b, n);                /* twice as many */
	for (size_t i = 0; i < n; i++)
		if (old[i].rank != UINT32_MAX)
			*pair_slot(b, old[i].key) = old[i];
	free(old);
}

static uint64_t pair_key(int32_t l, int32_t r)
{
	return (uint64_t)(uint32_t)l << 32 | (uint32_t)r;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_fallback(const struct bpe *b, const char *s, size_t n, int32_t id)
{
	int hi, lo;

	if (n != 6 || s[0] != '<' || (hi = nibble(s[3])) < 0 || (lo = nibble(s[4])) < 0)
		return false;
	return b->fallback[hi << 4 | lo] == id;
}

/* Tokens that stand for other text than they spell: a merge of those ends all cutting. */
static void note_pair(struct bpe *b, int32_t left, int32_t right, const char *l, size_t nl, const char *r, size_t nr)
{
	int len;

	if (!nl || !nr || left == b->unk || right == b->unk ||
	    is_fallback(b, l, nl, left) || is_fallback(b, r, nr, right))
		b->cut.on = false;
	else
		cutset_pair(&b->cut, utf8_get(l + utf8_prev(l, nl), &len), utf8_get(r, &len));
}

void bpe_pair(struct bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t both)
{
	if (2 * (b->nmerge + 1) > b->npair)
		grow_table(b);
	*pair_slot(b, pair_key(left, right)) = (struct pair){ pair_key(left, right), rank, both };
	b->nmerge++;
}

int bpe_merge(struct bpe *b, const char *l, size_t nl, const char *r, size_t nr)
{
	int32_t left = vocab_find(b->vocab, l, nl), right = vocab_find(b->vocab, r, nr), both;

	if (left < 0 || right < 0)
		return err_set(ST_BAD, "'%.*s' is no token", clip(left < 0 ? nl : nr), left < 0 ? l : r);
	if (nr < b->nprefix)
		return err_set(ST_BAD, "'%.*s' lacks the prefix '%s'", clip(nr), r, b->prefix);
	b->whole.n = 0;
	bytes_need(&b->whole, 1);
	bytes_put(&b->whole, l, nl);
	bytes_put(&b->whole, r + b->nprefix, nr - b->nprefix);
	both = vocab_find(b->vocab, b->whole.p, b->whole.n);
	if (both < 0)
		return err_set(ST_BAD, "'%.*s' is no token", clip(b->whole.n), b->whole.p);
	bpe_pair(b, left, right, (uint32_t)b->nmerge, both);
	note_pair(b, left, right, l, nl, r, nr);
	return 0;
}

static int load_merges(struct bpe *b, const struct jnode *list)
{
	const struct jnode *m;
	size_t i = 0;

	JT_EACH(m, list) {
		const char *sp;
		int rc;

		if (m->type == JT_ARR && m->len == 2 && m[1].type == JT_STR && m[2].type == JT_STR)
			rc = bpe_merge(b, m[1].str, m[1].len, m[2].str, m[2].len);
		else if (m->type == JT_STR && (sp = memchr(m->str, ' ', m->len)) &&
		         !memchr(sp + 1, ' ', (size_t)(m->str + m->len - sp) - 1))
			rc = bpe_merge(b, m->str, (size_t)(sp - m->str), sp + 1, (size_t)(m->str + m->len - sp) - 1);
		else
			rc = err_set(ST_BAD, "not two parts");
		if (rc < 0)
			return err_at("merge %zu", i);
		i++;
	}
	return 0;
}

static int load_text(const struct jnode *model, const char *key, const char **s, size_t *n)
{
	const struct jnode *v;
	int rc = jt_str(model, key, &v);

	if (rc > 0) {
		*s = v->str;
		*n = v->len;
	}
	return rc < 0 ? -1 : 0;
}

void bpe_init(struct bpe *b, const struct vocab *vocab, size_t expect)
{
	char hex[8];

	memset(b, 0, sizeof(*b));
	b->vocab = vocab;
	b->unk = -1;
	b->prefix = b->suffix = "";
	cutset_init(&b->cut);
	table_new(b, expect);
	for (int i = 0; i < 256; i++) {
		snprintf(hex, sizeof(hex), "<0x%02X>", i);
		b->fallback[i] = vocab_find(vocab, hex, 6);
	}
	b->ascii = xmalloc(128 * sizeof(*b->ascii));
	for (int i = 0; i < 128; i++)
		b->ascii[i] = vocab_find(vocab, &(char){ (char)i }, 1);
}

int bpe_load(struct bpe *b, const struct jnode *model, const struct vocab *vocab)
{
	const struct jnode *merges = NULL;
	const char *unk = NULL;
	size_t nunk = 0;

	if (jt_arr(model, "merges", &merges) < 0)
		return -1;
	bpe_init(b, vocab, merges ? merges->len : 0);
	if (jt_bool(model, "fuse_unk", &b->fuse_unk) < 0 || jt_bool(model, "byte_fallback", &b->byte_fallback) < 0 ||
	    jt_bool(model, "ignore_merges", &b->ignore_merges) < 0 || load_text(model, "unk_token", &unk, &nunk) < 0 ||
	    load_text(model, "continuing_subword_prefix", &b->prefix, &b->nprefix) < 0 ||
	    load_text(model, "end_of_word_suffix", &b->suffix, &b->nsuffix) < 0)
		return -1;
	if (unk && (b->unk = vocab_find(vocab, unk, nunk)) < 0)
		return err_set(ST_BAD, "unk_token '%.40s' is no token", unk);
	if (merges && load_merges(b, merges) < 0)
		return -1;
	if (b->nprefix || b->nsuffix || b->ignore_merges || vocab_find(vocab, MARK, 3) < 0)
		b->cut.on = false;
	return 0;
}

/* Bytes that never occur in UTF-8 need no token. */
static bool possible(int byte)
{
	return byte != 0xc0 && byte != 0xc1 && byte < 0xf5;
}

bool bpe_use_bytes(struct bpe *b)
{
	char s[4];

	if (b->nprefix || b->nsuffix)
		return false;
	for (int i = 0; i < 256; i++) {
		b->byte_id[i] = vocab_find(b->vocab, s, (size_t)utf8_put(s, byte_standin((uint8_t)i)));
		if (b->byte_id[i] < 0 && possible(i))
			return false;
	}
	b->bytes = true;
	b->cut.on = false;
	return true;
}

void bpe_free(struct bpe *b)
{
	free(b->pair);
	free(b->ascii);
	cutset_free(&b->cut);
	bytes_free(&b->whole);
	memset(b, 0, sizeof(*b));
}

/* --- one word --- */

struct sym {
	int32_t id;                     /* -1: absorbed by the symbol before */
	int32_t prev, next;             /* -1: none */
};

void bpe_room_free(struct bpe_room *r)
{
	free(r->sym);
	heap_free(&r->heap);
	if (r->spell)
		bytes_free(r->spell);
	free(r->spell);
	memset(r, 0, sizeof(*r));
}

static struct bytes *spelling(struct bpe_room *r)
{
	if (!r->spell)
		r->spell = xcalloc(1, sizeof(*r->spell));
	r->spell->n = 0;
	return r->spell;
}

static void add(struct bpe_room *r, size_t *n, int32_t id)
{
	r->sym = xgrow(r->sym, *n + 1, &r->nsym, sizeof(*r->sym));
	r->sym[(*n)++].id = id;
}

/* The ids of s's bytes, when each has one. */
static bool add_fallback(const struct bpe *b, struct bpe_room *r, size_t *n, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (b->fallback[(uint8_t)s[i]] < 0)
			return false;
	for (size_t i = 0; i < len; i++)
		add(r, n, b->fallback[(uint8_t)s[i]]);
	return true;
}

static int32_t find_char(const struct bpe *b, struct bpe_room *r, const char *s, size_t len, bool first, bool last,
                         const char **key, size_t *nkey)
{
	struct bytes *t;

	*key = s;
	*nkey = len;
	if ((first || !b->nprefix) && (!last || !b->nsuffix))
		return len == 1 ? b->ascii[*s & 127] : vocab_find(b->vocab, s, len);
	t = spelling(r);
	if (!first)
		bytes_put(t, b->prefix, b->nprefix);
	bytes_put(t, s, len);
	if (last)
		bytes_put(t, b->suffix, b->nsuffix);
	*key = t->p;
	*nkey = t->n;
	return vocab_find(b->vocab, t->p, t->n);
}

/* Characters to symbols.  An unknown one waits, for it may be fused with the next; it goes out before the
 * next *known* one, so that bytes in between overtake it: that is how the reference does it. */
static size_t symbols(const struct bpe *b, struct bpe_room *r, const char *w, size_t n)
{
	bool waiting = false;
	size_t k = 0;

	for (size_t i = 0; i < n;) {
		const char *key;
		size_t nkey;
		int len;
		int32_t id;

		utf8_get(w + i, &len);
		id = find_char(b, r, w + i, (size_t)len, i == 0, i + (size_t)len == n, &key, &nkey);
		i += (size_t)len;
		if (id >= 0) {
			if (waiting)
				add(r, &k, b->unk);
			waiting = false;
			add(r, &k, id);
		} else if (b->byte_fallback && add_fallback(b, r, &k, key, nkey)) {
			continue;
		} else if (b->unk >= 0) {
			if (waiting && !b->fuse_unk)
				add(r, &k, b->unk);
			waiting = true;
		}
	}
	if (waiting)
		add(r, &k, b->unk);
	return k;
}

static const struct pair *find_pair(const struct bpe *b, int32_t l, int32_t r)
{
	const struct pair *p = pair_slot(b, pair_key(l, r));

	return p->rank == UINT32_MAX ? NULL : p;
}

/* rank[i] belongs to the pair (i, i + 1). */
static void merge_short(const struct bpe *b, const int32_t *sym, size_t n, struct ids *out)
{
	int32_t id[SHORT], to[SHORT];
	uint32_t rank[SHORT];

	for (size_t i = 0; i < n; i++)
		id[i] = sym[i];
	for (size_t i = 0; i + 1 < n; i++) {
		const struct pair *p = find_pair(b, id[i], id[i + 1]);

		rank[i] = p ? p->rank : UINT32_MAX;
		to[i] = p ? p->id : -1;
	}
	while (n > 1) {
		size_t best = 0, tail;

		for (size_t i = 1; i + 1 < n; i++)
			if (rank[i] < rank[best])
				best = i;
		if (rank[best] == UINT32_MAX)
			break;
		id[best] = to[best];
		tail = n - best - 2;
		memmove(id + best + 1, id + best + 2, tail * sizeof(*id));
		if (tail) {
			memmove(rank + best, rank + best + 1, tail * sizeof(*rank));
			memmove(to + best, to + best + 1, tail * sizeof(*to));
		}
		n--;
		for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
			const struct pair *p = find_pair(b, id[i], id[i + 1]);

			rank[i] = p ? p->rank : UINT32_MAX;
			to[i] = p ? p->id : -1;
		}
	}
	ids_put(out, id, n);
}

static void offer(const struct bpe *b, struct bpe_room *r, int32_t left, int32_t right)
{
	const struct pair *p = find_pair(b, r->sym[left].id, r->sym[right].id);

	if (p)
		heap_push(&r->heap, (struct cand){ (uint64_t)p->rank << 32 | (uint32_t)left, p->id });
}

static void merge_long(const struct bpe *b, struct bpe_room *r, size_t n, struct ids *out)
{
	struct sym *s = r->sym;

	r->heap.n = 0;
	for (size_t i = 0; i < n; i++) {
		s[i].prev = (int32_t)i - 1;
		s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
	}
	for (size_t i = 0; i + 1 < n; i++)
		offer(b, r, (int32_t)i, (int32_t)i + 1);
	while (r->heap.n) {
		struct cand c = heap_pop(&r->heap);
		int32_t at = (int32_t)(uint32_t)c.key, next;
		const struct pair *p;

		if (s[at].id < 0 || (next = s[at].next) < 0)
			continue;
		p = find_pair(b, s[at].id, s[next].id);
		if (!p || p->id != (int32_t)c.val)
			continue;               /* one of the two has changed since */
		s[at].id = p->id;
		s[at].next = s[next].next;
		s[next].id = -1;
		if (s[at].next >= 0) {
			s[s[at].next].prev = at;
			offer(b, r, at, s[at].next);
		}
		if (s[at].prev >= 0)
			offer(b, r, s[at].prev, at);
	}
	for (int32_t i = n ? 0 : -1; i >= 0; i = s[i].next)
		ids_put(out, &s[i].id, 1);
}

int bpe_word(const struct bpe *b, struct bpe_room *r, const char *w, size_t n, struct ids *out)
{
	size_t k = 0;

	if (n > INT32_MAX / 8)
		return err_set(ST_UNSUP, "a word of %zu bytes is too long", n);
	if (b->ignore_merges) {
		int32_t id;

		if (b->bytes) {
			struct bytes *t = spelling(r);

			bytes_standins(t, w, n);
			id = vocab_find(b->vocab, t->p ? t->p : "", t->n);
		} else
			id = vocab_find(b->vocab, w, n);
		if (id >= 0) {
			ids_put(out, &id, 1);
			return 0;
		}
	}
	if (b->bytes && n <= SHORT) {
		int32_t id[SHORT];

		for (size_t i = 0; i < n; i++)
			id[i] = b->byte_id[(uint8_t)w[i]];
		merge_short(b, id, n, out);
		return 0;
	}
	if (b->bytes)
		for (size_t i = 0; i < n; i++)
			add(r, &k, b->byte_id[(uint8_t)w[i]]);
	else
		k = symbols(b, r, w, n);
	if (k <= SHORT) {
		int32_t id[SHORT];

		for (size_t i = 0; i < k; i++)
			id[i] = r->sym[i].id;
		merge_short(b, id, k, out);
	} else
		merge_long(b, r, k, out);
	return 0;
}
