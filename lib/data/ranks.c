/* Rank files, the vocabularies of tiktoken: lines "BASE64 RANK", the rank being the id.  There are no merges:
 * two neighbours merge when together they are a token, the token of the lowest rank first; and a word that is
 * a token is that token.  What else belongs to the tokenizer is in programs only, so the family is told by
 * the number of ranks. */
#include "data/hf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const llama3_tokens[] = {
	"<|begin_of_text|>", "<|end_of_text|>", NULL, NULL, NULL, NULL, "<|start_header_id|>", "<|end_header_id|>",
	NULL, "<|eot_id|>",
};
static const char *const qwen_tokens[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };

static const struct family {
	size_t nrank;
	const char *name, *regex;
	bool nfc;
	const char *const *token;       /* special tokens behind the ranks; NULL: <|reserved_special_token_N|> */
	size_t ntoken, nlisted;         /* how many; how many of them in `token` */
	bool bos;                       /* the first of them begins a text; else there is none */
	size_t eos;
} families[] = {
	{ 128000, "Llama 3", REGEX_CL100K("\\p{N}{1,3}"), false, llama3_tokens, 256, 10, true, 1 },
	{ 151643, "Qwen", REGEX_CL100K("\\p{N}"), true, qwen_tokens, 3, 3, false, 0 },
};
enum { NFAMILY = sizeof(families) / sizeof(*families) };

/* The next line's token, malloc'd bytes, and rank.  1; 0 at the end; -1: error set. */
static int line(const char **at, const char *end, size_t number, void **tok, size_t *len, long *rank)
{
	const char *s = *at, *nl, *sp;
	char num[16];
	char *stop;

	while (s < end && (*s == '\n' || *s == '\r'))
		s++;
	if (s == end)
		return 0;
	nl = memchr(s, '\n', (size_t)(end - s));
	nl = nl ? nl : end;
	*at = nl;
	if (nl > s && nl[-1] == '\r')
		nl--;
	sp = memchr(s, ' ', (size_t)(nl - s));
	if (!sp || nl - sp - 1 < 1 || nl - sp - 1 > 10)
		return err_set(ST_BAD, "line %zu is not a token and a rank", number);
	memcpy(num, sp + 1, (size_t)(nl - sp - 1));
	num[nl - sp - 1] = '\0';
	*rank = strtol(num, &stop, 10);
	if (*stop || *rank < 0 || *rank > INT32_MAX / 2)
		return err_set(ST_BAD, "line %zu has a bad rank", number);
	*tok = base64_decode(s, (size_t)(sp - s), len);
	if (!*tok)
		return err_at("line %zu", number);
	if (!*len) {
		free(*tok);
		return err_set(ST_BAD, "line %zu has an empty token", number);
	}
	return 1;
}

bool is_ranks(const void *buf, size_t len)
{
	const char *s = buf, *nl = memchr(s, '\n', len < 256 ? len : 256);
	size_t n = nl ? (size_t)(nl - s) : 0, i = 0;

	while (i < n && ((s[i] >= '0' && s[i] <= '9') || ((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z') || s[i] == '+' ||
	                 s[i] == '/' || s[i] == '='))
		i++;
	if (!i || i >= n || s[i] != ' ')
		return false;
	for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++)
		;
	return i == n || (i + 1 == n && s[i] == '\r');
}

/* Tokens are spelled with the stand-ins of their bytes, all in one block. */
static int read_tokens(struct tok *t, const char *buf, size_t len)
{
	const char *at = buf, *end = buf + len;
	struct bytes text = { 0 };
	struct { size_t at, len; long rank; } *e = NULL;
	size_t n = 0, cap = 0, k;
	long rank = 0;
	void *raw = NULL;
	int rc;

	while ((rc = line(&at, end, n + 1, &raw, &k, &rank)) > 0) {
		e = xgrow(e, n + 1, &cap, sizeof(*e));
		e[n].at = text.n;
		e[n].rank = rank;
		bytes_standins(&text, raw, k);
		e[n].len = text.n - e[n].at;
		n++;
		free(raw);
	}
	vocab_init(&t->vocab, n);
	t->text[0] = text.p;
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = vocab_add(&t->vocab, text.p + e[i].at, e[i].len, (int32_t)e[i].rank);
	free(e);
	if (rc == 0 && !n)
		rc = err_set(ST_BAD, "no ranks");
	return rc < 0 ? -1 : vocab_done(&t->vocab);
}

/* Every way to split a token in two tokens is a merge, of the token's own rank. */
static void make_pairs(struct bpe *b, const struct vocab *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct vent *e = &v->e[i];
		int len;

		for (uint32_t k = 0; k < e->len; k += (uint32_t)len) {
			int32_t left, right;

			utf8_get(e->s + k, &len);
			if (k && (left = vocab_find(v, e->s, k)) >= 0 &&
			    (right = vocab_find(v, e->s + k, e->len - k)) >= 0)
				bpe_pair(b, left, right, (uint32_t)e->id, e->id);
		}
	}
}

static void put(struct bytes *b, const char *s)
{
	bytes_put(b, s, strlen(s));
}

/* The rest of a tokenizer.json. */
static void pipeline(const struct family *f, struct bytes *b)
{
	char name[64];
	size_t reserved = 0;

	put(b, f->nfc ? "{\"normalizer\":{\"type\":\"NFC\"}" : "{\"normalizer\":null");
	put(b, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",");
	put(b, "\"pattern\":{\"Regex\":");
	jt_quote(b, f->regex, strlen(f->regex));
	put(b, "},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},"
	       "\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[");
	for (size_t i = 0; i < f->ntoken; i++) {
		const char *s = i < f->nlisted ? f->token[i] : NULL;

		if (!s) {
			snprintf(name, sizeof(name), "<|reserved_special_token_%zu|>", reserved++);
			s = name;
		}
		put(b, i ? ",{\"content\":" : "{\"content\":");
		jt_quote(b, s, strlen(s));
		snprintf(name, sizeof(name), ",\"id\":%zu,\"special\":true,\"normalized\":false}", f->nrank + i);
		put(b, name);
	}
	put(b, "]}");
}

static int load(struct tok *t, const char *buf, size_t len, struct tokconf *conf)
{
	const struct family *f = NULL;
	struct hf *h = hf_new(t);
	struct bytes text = { 0 };
	struct jtree tree;
	int rc;

	if (read_tokens(t, buf, len) < 0)
		return -1;
	for (size_t i = 0; i < NFAMILY; i++)
		if (families[i].nrank == t->vocab.n)
			f = &families[i];
	if (!f)
		return err_set(ST_UNSUP, "a rank file of %zu tokens, which is of no family known", t->vocab.n);
	pipeline(f, &text);
	if (jtree_parse(&tree, text.p, text.n, f->name) < 0)
		die_err();              /* our own text */
	bytes_free(&text);
	rc = hf_parts(h, tree.v);
	if (rc == 0) {
		bpe_init(&h->bpe, &t->vocab, 2 * t->vocab.n);
		h->bpe.ignore_merges = true;
		make_pairs(&h->bpe, &t->vocab);
		hf_set_bpe(h);
		t->eos = (int32_t)(f->nrank + f->eos);
		rc = hf_done(h, t, tree.v, conf);
	}
	tok_keep(t, &tree);
	jtree_free(&tree);
	if (rc == 0 && f->bos) {
		t->bos = (int32_t)f->nrank;
		if (conf->add_bos != 0 && !t->front.n)
			ids_put(&t->front, &t->bos, 1);
	}
	say(1, "ranks of %s", f->name);
	return rc;
}

int tok_load_ranks(struct tok *t, const void *buf, size_t len, struct tokconf *conf)
{
	return load(t, buf, len, conf) < 0 ? err_at("rank file") : 0;
}
