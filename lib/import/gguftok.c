/* The tokenizer that a GGUF carries, as the files a Hugging Face directory has: byte-level BPE ("gpt2") becomes
 * tokenizer.json, SentencePiece ("llama") becomes tokenizer.model; tokenizer_config.json and
 * special_tokens_map.json for both. */
#include "import/ggufile.h"

#include "base/err.h"
#include "data/chars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4 };        /* token_type, as SentencePiece numbers them */

static bool is_text(struct gguf_str s)                  /* UTF-8 without NUL */
{
	return utf8_valid(s.s, (size_t)s.n) == s.n && !memchr(s.s, 0, (size_t)s.n);
}

static int type_at(const struct gguf_kv *types, uint64_t i)
{
	return types ? types->data[4 * i] : NORMAL;
}

/* The texts of some ids; s[k].s stays NULL for an id of -1. */
static void texts(const struct gguf_kv *tok, const int64_t *id, int n, struct gguf_str *s)
{
	const uint8_t *p = tok->data;

	for (uint64_t i = 0; i < tok->n; i++) {
		struct gguf_str t = gguf_next(&p);

		for (int k = 0; k < n; k++)
			if (id[k] == (int64_t)i)
				s[k] = t;
	}
}

static void added(struct text *t, int64_t id, struct gguf_str s, bool special)
{
	text_fmt(t, "{\"id\": %lld, \"content\": ", (long long)id);
	text_quote(t, s);
	text_fmt(t, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
	         "\"special\": %s}", special ? "true" : "false");
}

static void template(struct text *t, const char *name, struct gguf_str bos, struct gguf_str eos, int pair)
{
	text_fmt(t, "\"%s\": [", name);
	for (int k = 0; k <= pair; k++) {
		if (bos.s) {
			text_fmt(t, "%s{\"SpecialToken\": {\"id\": ", k ? ", " : "");
			text_quote(t, bos);
			text_fmt(t, ", \"type_id\": %d}}", k);
		}
		text_fmt(t, "%s{\"Sequence\": {\"id\": \"%c\", \"type_id\": %d}}", bos.s || k ? ", " : "", 'A' + k, k);
		if (eos.s) {
			text_fmt(t, ", {\"SpecialToken\": {\"id\": ");
			text_quote(t, eos);
			text_fmt(t, ", \"type_id\": %d}}", k);
		}
	}
	text_fmt(t, "]");
}

static void post(struct text *t, const int64_t *id, const struct gguf_str *s, bool bos, bool eos)
{
	const struct gguf_str none = { NULL, 0 };

	if (!bos && !eos) {
		text_fmt(t, "null");
		return;
	}
	text_fmt(t, "{\"type\": \"TemplateProcessing\", ");
	template(t, "single", bos ? s[TOK_BOS] : none, eos ? s[TOK_EOS] : none, 0);
	text_fmt(t, ", ");
	template(t, "pair", bos ? s[TOK_BOS] : none, eos ? s[TOK_EOS] : none, 1);
	text_fmt(t, ", \"special_tokens\": {");
	for (int k = TOK_BOS; k <= TOK_EOS; k++) {
		if (!(k == TOK_BOS ? bos : eos) || (k == TOK_EOS && bos && id[TOK_BOS] == id[TOK_EOS]))
			continue;
		text_fmt(t, "%s", k == TOK_EOS && bos ? ", " : "");
		text_quote(t, s[k]);
		text_fmt(t, ": {\"id\": ");
		text_quote(t, s[k]);
		text_fmt(t, ", \"ids\": [%lld], \"tokens\": [", (long long)id[k]);
		text_quote(t, s[k]);
		text_fmt(t, "]}");
	}
	text_fmt(t, "}}");
}

static int bpe(const struct gguf *g, struct source *src, const struct gguf_kv *tok, const struct gguf_kv *types,
               const struct gguf_pre *pre, const int64_t *id, const struct gguf_str *s, bool bos, bool eos)
{
	const struct gguf_kv *merges;
	struct text t = { 0 };
	const uint8_t *p = tok->data;
	int r = gguf_array(g, "tokenizer.ggml.merges", GV_STR, &merges), n = 0;

	if (r <= 0)
		return r < 0 ? r : err_set(ST_BAD, "GGUF: no 'tokenizer.ggml.merges'");
	text_fmt(&t, "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [\n");
	for (uint64_t i = 0; i < tok->n; i++) {
		struct gguf_str x = gguf_next(&p);
		int type = type_at(types, i);

		if (type != CONTROL && type != USER && type != UNKNOWN)
			continue;
		text_fmt(&t, "%s", n++ ? ",\n" : "");
		added(&t, (int64_t)i, x, type != USER);
	}
	text_fmt(&t, "],\n\"normalizer\": %s,\n\"pre_tokenizer\": ", pre->normalizer);
	text_add(&t, pre->split, strlen(pre->split));
	text_fmt(&t, ",\n\"post_processor\": ");
	post(&t, id, s, bos, eos);
	text_fmt(&t, ",\n\"decoder\": " BYTE_LEVEL("true") ",\n\"model\": {\"type\": \"BPE\", \"dropout\": null, "
	         "\"unk_token\": null, \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
	         "\"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": %s,\n\"vocab\": {\n",
	         pre->whole ? "true" : "false");
	p = tok->data;
	for (uint64_t i = 0; i < tok->n; i++) {
		text_quote(&t, gguf_next(&p));
		text_fmt(&t, ": %llu%s\n", (unsigned long long)i, i + 1 < tok->n ? "," : "");
	}
	text_fmt(&t, "},\n\"merges\": [\n");
	p = merges->data;
	for (uint64_t i = 0; i < merges->n; i++) {
		struct gguf_str m = gguf_next(&p);

		if (!is_text(m)) {
			free(t.s);
			return err_set(ST_BAD, "GGUF: merge %llu is not UTF-8", (unsigned long long)i);
		}
		text_quote(&t, m);
		text_fmt(&t, "%s\n", i + 1 < merges->n ? "," : "");
	}
	text_fmt(&t, "]\n}\n}\n");
	source_add_file(src, "tokenizer/tokenizer.json", t.s, t.n);
	return 0;
}

static void special_map(struct source *src, const struct gguf_str *s, struct text *config)
{
	static const char *const names[TOK_N] = { "bos_token", "eos_token", "unk_token", "pad_token" };
	struct text t = { 0 };
	int n = 0;

	text_fmt(&t, "{");
	for (int k = 0; k < TOK_N; k++) {
		if (!s[k].s)
			continue;
		text_fmt(&t, "%s\n  \"%s\": ", n++ ? "," : "", names[k]);
		text_quote(&t, s[k]);
		text_fmt(config, ",\n  \"%s\": ", names[k]);
		text_quote(config, s[k]);
	}
	text_fmt(&t, "\n}\n");
	source_add_file(src, "tokenizer/special_tokens_map.json", t.s, t.n);
}

static int side_files(const struct gguf *g, const struct gguf_arch *a, struct source *src, const struct gguf_kv *tok,
                      const struct gguf_kv *types, bool spm, const struct gguf_str *s, bool bos, bool eos)
{
	struct gguf_str chat = { NULL, 0 };
	struct text t = { 0 };
	const uint8_t *p = tok->data;
	int64_t ctx = 0;
	int n = 0;

	if (gguf_string(g, "tokenizer.chat_template", &chat) < 0 ||
	    arch_int(g, a, "context_length", 1, 1 << 30, &ctx) < 0)
		return -1;
	if (chat.s && !is_text(chat))
		return err_set(ST_BAD, "GGUF: 'tokenizer.chat_template' is not UTF-8");
	text_fmt(&t, "{\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s,\n  \"added_tokens_decoder\": {",
	         bos ? "true" : "false", eos ? "true" : "false");
	for (uint64_t i = 0; i < tok->n; i++) {
		struct gguf_str x = gguf_next(&p);
		int type = type_at(types, i);

		if (type != CONTROL && type != USER && type != UNKNOWN)
			continue;
		text_fmt(&t, "%s\n    \"%llu\": {\"content\": ", n++ ? "," : "", (unsigned long long)i);
		text_quote(&t, x);
		text_fmt(&t, ", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, \"single_word\": false, "
		         "\"special\": %s}", type != USER ? "true" : "false");
	}
	text_fmt(&t, "\n  }");
	special_map(src, s, &t);
	if (chat.s) {
		text_fmt(&t, ",\n  \"chat_template\": ");
		text_quote(&t, chat);
	}
	text_fmt(&t, ",\n  \"clean_up_tokenization_spaces\": false,\n  \"model_max_length\": %lld,\n%s"
	         "  \"tokenizer_class\": \"%s\"\n}\n", (long long)ctx, spm ? "  \"legacy\": true,\n" : "",
	         !spm ? "PreTrainedTokenizerFast" : a->tokenizer ? a->tokenizer : "LlamaTokenizer");
	source_add_file(src, "tokenizer/tokenizer_config.json", t.s, t.n);
	return 0;
}

/* Tokens, their types and the specials, checked. */
static int read_vocab(const struct gguf *g, const struct gguf_kv **tok, const struct gguf_kv **types, int64_t *id,
                      struct gguf_str *s)
{
	const uint8_t *p;

	if (gguf_array(g, "tokenizer.ggml.tokens", GV_STR, tok) < 0 ||
	    gguf_array(g, "tokenizer.ggml.token_type", GV_I32, types) < 0 || gguf_special(g, id) < 0)
		return -1;
	if (!*tok || !(*tok)->n)
		return err_set(ST_BAD, "GGUF: no 'tokenizer.ggml.tokens'");
	if (*types && (*types)->n != (*tok)->n)
		return err_set(ST_BAD, "GGUF: %llu token types for %llu tokens", (unsigned long long)(*types)->n,
		               (unsigned long long)(*tok)->n);
	p = (*tok)->data;
	for (uint64_t i = 0; i < (*tok)->n; i++) {
		struct gguf_str x = gguf_next(&p);

		if (!is_text(x))
			return err_set(ST_BAD, "GGUF: token %llu is not UTF-8", (unsigned long long)i);
	}
	texts(*tok, id, TOK_N, s);
	return 0;
}

static int unknown(struct gguf_str name)
{
	char known[256] = "";
	size_t n = 0;

	for (size_t i = 0; gguf_pre_name(i) && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, " %s", gguf_pre_name(i));
	return err_set(ST_UNSUP, "GGUF: pre-tokenizer '%.*s' is not known here; known:%s",
	               (int)(name.n > 40 ? 40 : name.n), name.s, known);
}

int gguf_tokenizer(const struct gguf *g, const struct gguf_arch *a, struct source *src)
{
	const struct gguf_kv *tok = NULL, *types = NULL;
	struct gguf_str model, name = { "", 0 }, s[TOK_N] = { { NULL, 0 } };
	const struct gguf_pre *pre = NULL;
	bool bos, eos = false, spm;
	int64_t id[TOK_N];
	int r = gguf_string(g, "tokenizer.ggml.model", &model);

	if (r <= 0) {
		if (!r)
			warn("'%s' has no tokenizer", src->path);
		return r;
	}
	spm = model.n == 5 && !memcmp(model.s, "llama", 5);
	if (!spm && (model.n != 4 || memcmp(model.s, "gpt2", 4)))
		return err_set(ST_UNSUP, "GGUF: tokenizer '%.*s' is not supported; known: gpt2, llama",
		               (int)(model.n > 40 ? 40 : model.n), model.s);
	if (!spm) {
		if (gguf_string(g, "tokenizer.ggml.pre", &name) < 0)
			return -1;
		pre = gguf_pre(name);
		if (!pre)
			return unknown(name);
	}
	bos = spm || pre->bos;
	if (read_vocab(g, &tok, &types, id, s) < 0 || gguf_bool(g, "tokenizer.ggml.add_bos_token", &bos) < 0 ||
	    gguf_bool(g, "tokenizer.ggml.add_eos_token", &eos) < 0)
		return -1;
	bos = bos && s[TOK_BOS].s;
	eos = eos && s[TOK_EOS].s;
	r = spm ? gguf_spm(g, src) : bpe(g, src, tok, types, pre, id, s, bos, eos);
	return r < 0 ? -1 : side_files(g, a, src, tok, types, spm, s, bos, eos);
}
