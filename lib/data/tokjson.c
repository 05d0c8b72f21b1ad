/* tokenizer.json: added tokens, normaliser, pre-tokenizer, model, post-processor, decoder. */
#include "data/hf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- models --- */

static int load_vocab(struct tok *t, const struct jnode *model)
{
	const struct jnode *vocab, *k;

	if (jt_obj(model, "vocab", &vocab) <= 0)
		return err_set(ST_BAD, "model without a 'vocab' object");
	vocab_init(&t->vocab, vocab->len);
	JT_PAIRS(k, vocab) {
		const struct jnode *id = k + 1;

		if (id->type != JT_NUM || !(id->num >= 0 && id->num < INT32_MAX) || id->num != (double)(int32_t)id->num)
			return err_set(ST_BAD, "token '%.*s' has a bad id", clip(k->len), k->str);
		if (vocab_add(&t->vocab, k->str, k->len, (int32_t)id->num) < 0)
			return -1;
	}
	return vocab_done(&t->vocab);
}

static int load_bpe(struct hf *h, struct tok *t, const struct jnode *model)
{
	if (load_vocab(t, model) < 0 || bpe_load(&h->bpe, model, &t->vocab) < 0)
		return -1;
	hf_set_bpe(h);
	return 0;
}

static int word_bpe(const struct hf *h, const struct tok *t, struct scratch *s, const char *w, size_t n,
                    struct ids *out)
{
	(void)t;
	return bpe_word(&h->bpe, &s->bpe, w, n, out);
}

static int load_unigram(struct hf *h, struct tok *t, const struct jnode *model)
{
	return unigram_load(&h->unigram, model, &t->vocab);
}

static int word_unigram(const struct hf *h, const struct tok *t, struct scratch *s, const char *w, size_t n,
                        struct ids *out)
{
	return unigram_word(&h->unigram, &t->vocab, &s->unigram, w, n, out);
}

static int load_wordpiece(struct hf *h, struct tok *t, const struct jnode *model)
{
	return load_vocab(t, model) < 0 ? -1 : wordpiece_load(&h->wordpiece, model, &t->vocab, false);
}

static int load_wordlevel(struct hf *h, struct tok *t, const struct jnode *model)
{
	return load_vocab(t, model) < 0 ? -1 : wordpiece_load(&h->wordpiece, model, &t->vocab, true);
}

static int word_wordpiece(const struct hf *h, const struct tok *t, struct scratch *s, const char *w, size_t n,
                          struct ids *out)
{
	(void)s;
	return wordpiece_word(&h->wordpiece, &t->vocab, w, n, out);
}

static const struct hf_model models[] = {
	{ "BPE", load_bpe, word_bpe },
	{ "Unigram", load_unigram, word_unigram },
	{ "WordPiece", load_wordpiece, word_wordpiece },
	{ "WordLevel", load_wordlevel, word_wordpiece },
};

void hf_set_bpe(struct hf *h)
{
	h->model = &models[0];
	if (pretok_ends_in_bytes(&h->pre) && bpe_use_bytes(&h->bpe))
		pretok_set_raw(&h->pre);
}

/* Old files do not name the type. */
static const char *model_type(const struct jnode *model)
{
	const struct jnode *s;

	if (jt_str(model, "type", &s) > 0)
		return s->str;
	if (jt_get(model, "merges"))
		return "BPE";
	if (jt_arr(model, "vocab", &s) > 0)
		return "Unigram";
	if (jt_get(model, "continuing_subword_prefix") || jt_get(model, "max_input_chars_per_word"))
		return "WordPiece";
	return "WordLevel";
}

static int load_model(struct hf *h, struct tok *t, const struct jnode *root)
{
	const struct jnode *model;
	const char *type;

	if (jt_obj(root, "model", &model) <= 0)
		return err_set(ST_BAD, "no 'model' object");
	type = model_type(model);
	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
		if (!strcmp(models[i].type, type)) {
			h->model = &models[i];
			return models[i].load(h, t, model);
		}
	return err_set(ST_UNSUP, "model of type '%.40s' is not supported", type);
}

/* --- loading --- */

static int load_added(struct tok *t, const struct jnode *root)
{
	const struct jnode *list, *v, *s;
	int rc = jt_arr(root, "added_tokens", &list);

	if (rc <= 0)
		return rc;
	JT_EACH(v, list) {
		struct added_tok a = { 0 };
		int64_t id = -1;
		int32_t got;

		if (jt_str(v, "content", &s) <= 0)
			return err_set(ST_BAD, "an added token has no 'content'");
		a.s = s->str;
		a.len = s->len;
		if (!a.len)
			continue;
		if (jt_int(v, "id", 0, INT32_MAX, &id) < 0 || added_flags(&a, v) < 0 ||
		    (got = added_put(&t->added, &a, &t->vocab, t->vocab.n)) < 0)
			return -1;
		if (id >= 0 && got != id)
			warn("tokenizer.json gives '%.*s' the id %lld, it is %d", clip(a.len), a.s, (long long)id, got);
	}
	return 0;
}

int hf_parts(struct hf *h, const struct jnode *root)
{
	return normalizer_parse(&h->norm, jt_get(root, "normalizer")) < 0 ||
	       pretok_parse(&h->pre, jt_get(root, "pre_tokenizer")) < 0 ||
	       decoder_parse(&h->dec, jt_get(root, "decoder")) < 0 ? -1 : 0;
}

int hf_done(struct hf *h, struct tok *t, const struct jnode *root, struct tokconf *conf)
{
	struct onig_room *room;
	struct post post;
	int rc;

	if (load_added(t, root) < 0 || tokconf_add(conf, t) < 0)
		return -1;
	room = onig_room_new();
	rc = added_done(&t->added, &h->norm, room);
	onig_room_free(room);
	if (rc < 0)
		return -1;
	rc = post_parse(&post, jt_get(root, "post_processor"));
	t->front = post.front;
	t->back = post.back;
	return rc < 0 ? -1 : tokconf_edges(conf, t, false);
}

/* --- encoding --- */

struct run {
	const struct tok *t;
	const struct hf *h;
	struct scratch *s;
	struct ids *out;
	const char *text;               /* the whole text, well-formed */
	bool at_start;                  /* the segment begins it */
	const char *seg;                /* the segment after normalising */
};

static int cached_word(const struct run *r, const char *w, size_t n)
{
	size_t nid, before = r->out->n;
	const int32_t *ids;
	struct wkey key;

	if (n > WORD_MAX)
		return r->h->model->word(r->h, r->t, r->s, w, n, r->out);
	ids = word_find(&r->s->cache, w, n, &key, &nid);
	if (ids) {
		ids_put(r->out, ids, nid);
		return 0;
	}
	if (r->h->model->word(r->h, r->t, r->s, w, n, r->out) < 0)
		return -1;
	word_keep(&r->s->cache, &key, w, n, r->out, before);
	return 0;
}

static int word(void *arg, const char *w, size_t n)
{
	const struct run *r = arg;

	while (n) {
		size_t k = cutset_next(&r->h->bpe.cut, w, n);

		if (cached_word(r, w, k) < 0)
			return -1;
		w += k;
		n -= k;
	}
	return 0;
}

static int normal_part(void *arg, const char *s, size_t n, int32_t id)
{
	struct run *r = arg;

	if (id >= 0) {
		ids_put(r->out, &id, 1);
		return 0;
	}
	return pretok_run(&r->h->pre, r->s->onig, &r->s->pre, s, n, r->at_start && s == r->seg, word, r);
}

static int raw_part(void *arg, const char *s, size_t n, int32_t id)
{
	struct run *r = arg;
	size_t len;

	if (id >= 0) {
		ids_put(r->out, &id, 1);
		return 0;
	}
	if (normalize(&r->h->norm, r->s->onig, r->s->norm, s, n, &r->seg, &len) < 0)
		return -1;
	r->at_start = s == r->text;
	return added_split(&r->t->added, &r->t->added.norm, r->s->onig, r->seg, len, normal_part, r);
}

static int hf_encode(const struct tok *t, struct scratch *s, const char *text, size_t len, struct ids *out)
{
	struct run r = { .t = t, .h = t->own, .s = s, .out = out, .text = text };

	if (utf8_valid(text, len) != len) {
		s->clean.n = 0;
		utf8_lossy(&s->clean, text, len);
		r.text = s->clean.p;
		len = s->clean.n;
	}
	return added_split(&t->added, &t->added.raw, s->onig, r.text, len, raw_part, &r);
}

static int hf_decode(const struct tok *t, struct scratch *s, const int32_t *ids, size_t n, bool skip_special,
                     struct bytes *out)
{
	const struct hf *h = t->own;
	struct spells list = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++) {
		const struct added_tok *a = added_find(&t->added, ids[i]);
		const struct vent *e = a ? NULL : vocab_entry(&t->vocab, ids[i]);

		if (a && !(a->special && skip_special))
			spells_put(&list, a->text, a->ntext);
		else if (e)
			spells_put(&list, e->s, e->len);
	}
	rc = decoder_run(&h->dec, s->onig, &list, out);
	spells_free(&list);
	return rc;
}

static void hf_free(struct tok *t)
{
	struct hf *h = t->own;

	normalizer_free(&h->norm);
	pretok_free(&h->pre);
	decoder_free(&h->dec);
	bpe_free(&h->bpe);
	unigram_free(&h->unigram);
	wordpiece_free(&h->wordpiece);
	free(h);
}

static const struct engine engine_json = { hf_encode, hf_decode, hf_free, NULL };

struct hf *hf_new(struct tok *t)
{
	struct hf *h = xcalloc(1, sizeof(*h));

	t->own = h;
	t->eng = &engine_json;
	return h;
}

static int load(struct tok *t, const struct jnode *root, struct tokconf *conf)
{
	struct hf *h = hf_new(t);

	if (root->type != JT_OBJ)
		return err_set(ST_BAD, "not an object");
	return hf_parts(h, root) < 0 || load_model(h, t, root) < 0 ? -1 : hf_done(h, t, root, conf);
}

int tok_load_json(struct tok *t, const void *buf, size_t len, struct tokconf *conf, const char *what)
{
	struct jtree tree;
	int rc;

	if (jtree_parse(&tree, buf, len, what) < 0)
		return -1;
	rc = load(t, tree.v, conf);
	tok_keep(t, &tree);
	jtree_free(&tree);
	return rc < 0 ? err_at("%s", what) : 0;
}
