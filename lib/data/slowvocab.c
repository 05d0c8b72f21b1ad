/* The files from before tokenizer.json: vocab.json with merges.txt, and vocab.txt.  They hold the model alone;
 * the rest is what the class named in tokenizer_config.json does in its program.  So the text of a
 * tokenizer.json is put together from them, and read. */
#include "data/hf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct bytes *b, const char *s)
{
	bytes_put(b, s, strlen(s));
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* --- added tokens --- */

/* v: the token or an object with its "content"; the configuration has been looked through.  id: -1, not said. */
static int put_added(struct bytes *b, const struct jnode *v, bool lstrip, int64_t id)
{
	const struct jnode *s = v && v->type == JT_OBJ ? jt_get(v, "content") : v;
	bool left = lstrip, right = false, single = false;
	char num[40];

	if (!s || s->type != JT_STR || !s->len)
		return 0;
	if (v->type == JT_OBJ && (jt_bool(v, "lstrip", &left) < 0 || jt_bool(v, "rstrip", &right) < 0 ||
	                          jt_bool(v, "single_word", &single) < 0))
		return -1;
	put(b, b->p[b->n - 1] == '[' ? "{\"content\":" : ",{\"content\":");
	jt_quote(b, s->str, s->len);
	put(b, ",\"special\":true,\"normalized\":false");
	put(b, left ? ",\"lstrip\":true" : "");
	put(b, right ? ",\"rstrip\":true" : "");
	put(b, single ? ",\"single_word\":true" : "");
	if (id >= 0) {
		snprintf(num, sizeof(num), ",\"id\":%lld", (long long)id);
		put(b, num);
	}
	put(b, "}");
	return 0;
}

static const struct jnode *said(const struct tokconf *c, const char *key)
{
	const struct jnode *v = jt_raw(c->tree.v, key);

	return v ? v : jt_raw(c->map.v, key);
}

static int by_number(const void *a, const void *b)
{
	double x = (*(const struct jnode *const *)a)[1].num, y = (*(const struct jnode *const *)b)[1].num;

	return (x > y) - (x < y);
}

/* {"content": id} */
static int put_listed(struct bytes *b, const struct jnode *list)
{
	const struct jnode *k, **by_id;
	size_t n = 0;

	if (list->type != JT_OBJ)
		return err_set(ST_BAD, "not an object");
	JT_PAIRS(k, list)
		if (k[1].type != JT_NUM || !k[1].whole || !(k[1].num >= 0 && k[1].num < INT32_MAX))
			return err_set(ST_BAD, "token '%.*s' has a bad id", clip(k->len), k->str);
	by_id = xmalloc((list->len + 1) * sizeof(*by_id));
	JT_PAIRS(k, list)
		by_id[n++] = k;
	qsort(by_id, n, sizeof(*by_id), by_number);
	for (size_t i = 0; i < n; i++)
		put_added(b, by_id[i], false, (int64_t)by_id[i][1].len);        /* it has no flags */
	free(by_id);
	return 0;
}

/* Every token that the configuration names for a purpose, then those of added_tokens.json in order of id. */
static int put_all_added(struct bytes *b, const struct tok_files *f, const struct tokconf *c,
                         const char *const *def, struct jtree *added)
{
	const struct jnode *v, *more;

	put(b, ",\"added_tokens\":[");
	for (size_t i = 0; i < TOK_PURPOSES; i++) {
		struct jnode name = { .type = JT_STR, .span = 1 };

		v = said(c, tok_purpose[i]);
		if (!v && def[i]) {
			name.str = def[i];
			name.len = strlen(def[i]);
			v = &name;
		}
		if (put_added(b, v, i == 6, -1) < 0)
			return -1;
	}
	if (jt_arr(c->tree.v, "additional_special_tokens", &more) > 0 ||
	    jt_arr(c->map.v, "additional_special_tokens", &more) > 0)
		JT_EACH(v, more)
			if (put_added(b, v, false, -1) < 0)
				return -1;
	if (f->added) {
		if (jtree_parse(added, f->added, f->added_len, "added_tokens.json") < 0)
			return -1;
		if (put_listed(b, added->v) < 0)
			return err_at("added_tokens.json");
	}
	put(b, "]");
	return 0;
}

/* --- vocab.json and merges.txt --- */

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"use_regex\":%s}"

static void put_merges(struct bytes *b, const char *s, size_t n)
{
	const char *end = s + n;
	bool first = true;

	put(b, ",\"merges\":[");
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s)), *e = nl ? nl : end;
		size_t k = (size_t)(e - s);

		if (k && s[k - 1] == '\r')
			k--;
		if (k && !(k >= 8 && !memcmp(s, "#version", 8))) {
			put(b, first ? "" : ",");
			jt_quote(b, s, k);
			first = false;
		}
		s = nl ? nl + 1 : end;
	}
	put(b, "]");
}

int tok_load_vocab(struct tok *t, const struct tok_files *f, struct tokconf *c)
{
	static const char *const known[] = {
		"GPT2", "Qwen2", "Roberta", "OPT", "CodeGen", "Bart", "PreTrainedTokenizerFast",
	};
	static const char qwen2[] = REGEX_CL100K("\\p{N}");
	static const char *const gpt2[7] = { "<|endoftext|>", "<|endoftext|>" }, *const none[7] = { 0 };
	const char *const *def = none;
	bool qwen = begins(c->class, "Qwen2"), pairs = begins(c->class, "Roberta") || begins(c->class, "Bart");
	bool space = false, listed = !*c->class;
	struct jtree added = { 0 };
	struct bytes b = { 0 };
	char tmp[128];
	int rc;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		listed |= begins(c->class, known[i]);
	if (!listed)
		return err_set(ST_UNSUP, "vocab.json and merges.txt of a %.40s are not supported", c->class);
	if (jt_bool(c->tree.v, "add_prefix_space", &space) < 0)
		return err_at("tokenizer_config.json");
	if (utf8_valid(f->merges, f->merges_len) != f->merges_len || utf8_valid(f->vocab, f->vocab_len) != f->vocab_len)
		return err_set(ST_BAD, "vocab.json or merges.txt is not UTF-8");
	/* by itself: what is put into another text must not end it */
	if (jtree_parse(&added, f->vocab, f->vocab_len, "vocab.json") < 0)
		return -1;
	jtree_free(&added);
	put(&b, qwen ? "{\"normalizer\":{\"type\":\"NFC\"}" : "{\"normalizer\":null");
	put(&b, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
	if (qwen) {
		put(&b, "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":");
		jt_quote(&b, qwen2, strlen(qwen2));
		put(&b, "}},");
	}
	snprintf(tmp, sizeof(tmp), BYTES, space ? "true" : "false", qwen ? "false" : "true");
	put(&b, tmp);
	put(&b, "]},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":");
	bytes_put(&b, f->vocab, f->vocab_len);
	put_merges(&b, f->merges, f->merges_len);
	put(&b, "}");
	/* Without a configuration it is GPT-2's, whose one special token is in its vocabulary. */
	if (!*c->class && memmem(f->vocab, f->vocab_len, "\"<|endoftext|>\"", 15))
		def = gpt2;
	rc = put_all_added(&b, f, c, def, &added);
	jtree_free(&added);
	put(&b, "}");
	if (rc == 0)
		rc = tok_load_json(t, b.p, b.n, c, "vocab.json and merges.txt");
	bytes_free(&b);
	if (rc < 0)
		return -1;
	if (t->bos >= 0 && (pairs || c->add_bos == 1))
		ids_put(&t->front, &t->bos, 1);
	if (t->eos >= 0 && (pairs || c->add_eos == 1))
		ids_put(&t->back, &t->eos, 1);
	return 0;
}

/* --- vocab.txt --- */

static void put_words(struct bytes *b, const char *s, size_t n)
{
	const char *end = s + n;
	char num[32];

	put(b, "{");
	for (int id = 0; s < end; id++) {
		const char *nl = memchr(s, '\n', (size_t)(end - s)), *e = nl ? nl : end;
		size_t k = (size_t)(e - s);

		if (k && s[k - 1] == '\r')
			k--;
		put(b, id ? "," : "");
		jt_quote(b, s, k);
		snprintf(num, sizeof(num), ":%d", id);
		put(b, num);
		s = nl ? nl + 1 : end;
	}
	put(b, "}");
}

int tok_load_words(struct tok *t, const struct tok_files *f, struct tokconf *c)
{
	static const char *const known[] = { "Bert", "DistilBert", "Electra", "PreTrainedTokenizerFast" };
	static const char *const bert[7] = { NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" };
	const char *const *def = bert;
	bool lower = true, chinese = true, strip, listed = !*c->class;
	struct jtree added = { 0 };
	struct bytes b = { 0 };
	int32_t cls, sep;
	int rc;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		listed |= begins(c->class, known[i]);
	if (!listed)
		return err_set(ST_UNSUP, "vocab.txt of a %.40s is not supported", c->class);
	if (utf8_valid(f->words, f->words_len) != f->words_len)
		return err_set(ST_BAD, "vocab.txt is not UTF-8");
	if (jt_bool(c->tree.v, "do_lower_case", &lower) < 0 ||
	    jt_bool(c->tree.v, "tokenize_chinese_chars", &chinese) < 0)
		return err_at("tokenizer_config.json");
	strip = lower;
	if (jt_bool(c->tree.v, "strip_accents", &strip) < 0)
		return err_at("tokenizer_config.json");
	put(&b, "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":");
	put(&b, lower ? "true" : "false");
	put(&b, strip ? ",\"strip_accents\":true" : ",\"strip_accents\":false");
	put(&b, chinese ? "" : ",\"handle_chinese_chars\":false");
	put(&b, "},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\"},"
	        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":");
	put_words(&b, f->words, f->words_len);
	put(&b, "}");
	rc = put_all_added(&b, f, c, def, &added);
	jtree_free(&added);
	put(&b, "}");
	if (rc == 0)
		rc = tok_load_json(t, b.p, b.n, c, "vocab.txt");
	bytes_free(&b);
	if (rc < 0)
		return -1;
	cls = tok_find(t, "[CLS]", 5);
	sep = tok_find(t, "[SEP]", 5);
	if (cls >= 0 && sep >= 0) {
		ids_put(&t->front, &cls, 1);
		ids_put(&t->back, &sep, 1);
	}
	return 0;
}
