#include "data/spm.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\xe2\x96\x81"

/* --- text to normalised text --- */

/* One unit of the text: how it reads, and how many bytes it took. */
static size_t unit(const struct spm *m, const char *s, size_t n, const char **to, size_t *to_len)
{
	int32_t id;
	size_t len = trie_longest(&m->user, s, n, &id);
	int c;

	*to = s;
	*to_len = len;
	if (len)
		return len;
	len = charsmap_find(&m->map, s, n, 0, to, to_len);
	if (len)
		return len;
	c = utf8_seq(s, n);
	*to_len = c > 0 ? (size_t)c : 3;
	if (c <= 0)
		*to = "\xef\xbf\xbd";
	return c > 0 ? (size_t)c : 1;
}

static void put(const struct spm *m, struct bytes *out, const char *s, size_t n)
{
	const char *sp;

	while (m->escape && n && (sp = memchr(s, ' ', n))) {
		bytes_put(out, s, (size_t)(sp - s));
		bytes_put(out, MARK, 3);
		n -= (size_t)(sp + 1 - s);
		s = sp + 1;
	}
	bytes_put(out, s, n);
}

static bool ends_in(const struct bytes *b, size_t from, const char *s, size_t n)
{
	return b->n - from >= n && !memcmp(b->p + b->n - n, s, n);
}

/* Appends the normal form of s to out. */
static int normal(const struct spm *m, const char *s, size_t n, struct bytes *out)
{
	const char *space = m->escape ? MARK : " ", *to;
	size_t nspace = m->escape ? 3 : 1, from = out->n, k, len, first = n;
	bool after_space = m->squeeze;

	while (m->squeeze && n) {
		k = unit(m, s, n, &to, &len);
		if (len != 1 || *to != ' ')
			break;
		s += k;
		n -= k;
	}
	if (!n)
		return 0;
	if (m->dummy_prefix && !m->suffix)
		bytes_put(out, space, nspace);
	while (n) {
		for (k = 0; k < n && !(s[k] & 0x80) && m->plain[(unsigned char)s[k]]; k++)
			;
		k -= k && k < n && s[k] & 0x80;         /* it may be part of a key with what follows */
		if (k) {
			bytes_put(out, s, k);
			s += k;
			n -= k;
			after_space = false;
			continue;
		}
		k = unit(m, s, n, &to, &len);
		s += k;
		n -= k;
		while (after_space && len && *to == ' ') {
			to++;
			len--;
		}
		if (!len)
			continue;
		put(m, out, to, len);
		if (m->squeeze)
			after_space = to[len - 1] == ' ';
		if (out->n / 64 > first + (1 << 14))
			return err_set(ST_BAD, "character map makes more than %zu bytes of %zu", out->n, first);
	}
	while (m->squeeze && ends_in(out, from, space, nspace))
		out->n -= nspace;
	if (m->dummy_prefix && m->suffix)
		bytes_put(out, space, nspace);
	return 0;
}

/* --- engine --- */

static struct spm_room *room_of(struct scratch *s)
{
	if (!s->engine)
		s->engine = xcalloc(1, sizeof(struct spm_room));
	return s->engine;
}

static int cached(const struct tok *t, struct scratch *s, const char *w, size_t n, struct ids *out)
{
	const struct spm *m = t->own;
	size_t nid, before = out->n;
	const int32_t *ids;
	struct wkey key;

	if (n > WORD_MAX)
		return spm_bpe(m, &t->vocab, room_of(s), w, n, out);
	ids = word_find(&s->cache, w, n, &key, &nid);
	if (ids) {
		ids_put(out, ids, nid);
		return 0;
	}
	if (spm_bpe(m, &t->vocab, room_of(s), w, n, out) < 0)
		return -1;
	word_keep(&s->cache, &key, w, n, out, before);
	return 0;
}

struct run {
	const struct tok *t;
	struct scratch *s;
	struct ids *out;
};

static int segment(void *arg, const char *text, size_t len, int32_t id)
{
	struct run *r = arg;
	const struct spm *m = r->t->own;
	struct bytes *b = &r->s->norm[0];
	const char *w;

	if (id >= 0) {
		ids_put(r->out, &id, 1);
		return 0;
	}
	b->n = 0;
	bytes_need(b, 1);
	if (normal(m, text, len, b) < 0)
		return -1;
	if (m->model == SPM_UNIGRAM)
		return spm_unigram(m, &r->s->unigram, b->p, b->n, r->out);
	w = b->p;
	for (size_t n = b->n, k; n; n -= k, w += k) {
		k = cutset_next(&m->cut, w, n);
		if (cached(r->t, r->s, w, k, r->out) < 0)
			return -1;
	}
	return 0;
}

static int spm_encode(const struct tok *t, struct scratch *s, const char *text, size_t len, struct ids *out)
{
	struct run r = { t, s, out };

	return added_split(&t->added, &t->added.raw, s->onig, text, len, segment, &r);
}

static void put_run(struct bytes *out, struct bytes *run)
{
	for (size_t i = 0; i < run->n;) {
		int c = utf8_seq(run->p + i, run->n - i);

		if (c > 0)
			bytes_put(out, run->p + i, (size_t)c);
		else
			bytes_put(out, "\xef\xbf\xbd", 3);
		i += c > 0 ? (size_t)c : 1;
	}
	run->n = 0;
}

/* One leading space goes, the one that encoding put there. */
static void put_piece(const struct spm *m, const struct spm_piece *p, bool first, bool *seen, struct bytes *out)
{
	const char *s = p->s, *end = p->s + p->len, *at;

	*seen = false;
	if (p->type == SPM_CONTROL)
		return;
	if (p->type == SPM_UNKNOWN) {
		bytes_put(out, m->unk_text, m->unk_len);
		return;
	}
	if (first && (m->dummy_prefix || m->squeeze) && p->len >= 3 && !memcmp(s, MARK, 3)) {
		s += 3;
		*seen = !m->squeeze;
	}
	while ((at = memmem(s, (size_t)(end - s), MARK, 3))) {
		bytes_put(out, s, (size_t)(at - s));
		bytes_put(out, " ", 1);
		s = at + 3;
	}
	bytes_put(out, s, (size_t)(end - s));
}

static int spm_decode(const struct tok *t, struct scratch *s, const int32_t *ids, size_t n, bool skip_special,
                      struct bytes *out)
{
	const struct spm *m = t->own;
	struct bytes run = { 0 };
	bool first = true, seen = false;

	(void)s;
	for (size_t i = 0; i < n; i++) {
		const struct added_tok *a = added_find(&t->added, ids[i]);
		const struct spm_piece *p = ids[i] >= 0 && (size_t)ids[i] < m->n ? &m->piece[ids[i]] : NULL;

		if (p && p->type == SPM_BYTE) {
			const char *d = "0123456789ABCDEF";

			bytes_put(&run, &(char){ (char)((strchr(d, p->s[3]) - d) << 4 | (strchr(d, p->s[4]) - d)) }, 1);
			continue;
		}
		put_run(out, &run);
		if (seen || out->n)
			first = false;
		if (p)
			put_piece(m, p, first, &seen, out);
		else if (a && !(a->special && skip_special))
			bytes_put(out, a->text, a->ntext);
	}
	put_run(out, &run);
	bytes_free(&run);
	return 0;
}

static void engine_free(struct tok *t)
{
	spm_free(t->own);
	free(t->own);
}

static void room_free(void *r)
{
	spm_room_free(r);
	free(r);
}

static const struct engine engine_spm = { spm_encode, spm_decode, engine_free, room_free };

/* Only tokens that the model does not know itself are cut out of the text: what it spells with several
 * pieces, it goes on spelling so. */
static void drop_known(struct tok *t)
{
	struct added all = t->added;

	added_init(&t->added);
	for (size_t i = 0; i < all.n; i++) {
		all.v[i].normalized = false;    /* there is no text but the raw one */
		if (vocab_find(&t->vocab, all.v[i].s, all.v[i].len) < 0)
			added_put(&t->added, &all.v[i], &t->vocab, t->vocab.n);
	}
	added_free(&all);
}

static int load(struct tok *t, struct spm *m, size_t len, struct tokconf *conf)
{
	static const char *const kind[] = { "", "Unigram", "BPE", "word", "char" };
	static const struct normalizer nothing = { 0 };

	if (spm_parse(m, t->text[0], len) < 0)
		return -1;
	for (int c = 0; c < 128; c++)
		m->plain[c] = m->map.plain[c] && c != ' ' && !m->user.root[c];
	if (m->model == SPM_UNIGRAM && spm_unigram_init(m) < 0)
		return -1;
	if (m->model != SPM_BPE && m->model != SPM_UNIGRAM)
		return err_set(ST_UNSUP, "a SentencePiece model of type %s is not supported", kind[m->model]);
	vocab_init(&t->vocab, m->n);
	for (size_t i = 0; i < m->n; i++)
		if (vocab_add(&t->vocab, m->piece[i].s, m->piece[i].len, (int32_t)i) < 0)
			return -1;
	if (vocab_done(&t->vocab) < 0 || tokconf_add(conf, t) < 0)
		return -1;
	drop_known(t);
	if (added_done(&t->added, &nothing, NULL) < 0)
		return -1;
	t->bos = m->bos >= 0 && (size_t)m->bos < m->n ? m->bos : -1;
	t->eos = m->eos >= 0 && (size_t)m->eos < m->n ? m->eos : -1;
	return tokconf_edges(conf, t, true);
}

int tok_load_spm(struct tok *t, const void *buf, size_t len, struct tokconf *conf)
{
	struct spm *m = xcalloc(1, sizeof(*m));

	t->own = m;
	t->eng = &engine_spm;
	trie_init(&m->user);
	t->text[0] = xmalloc(len + 1);
	memcpy(t->text[0], buf, len);
	t->text[0][len] = '\0';
	return load(t, m, len, conf) < 0 ? err_at("tokenizer.model") : 0;
}
