/* Tokenizer files against the golden vectors that the reference libraries wrote. */
#include "tok_help.h"

#define D "data/tokenizers/"

static const struct jnode *input;       /* cases.json: "cases" */

/* The bytes of a case: malformed ones as they are, whatever the engine. */
static char *case_bytes(const char *name, size_t *n)
{
	const struct jnode *c;

	JT_EACH(c, input)
		if (jt_is(jt_get(c, "name"), name))
			return unhex(jt_get(c, "bytes_hex") ? jt_get(c, "bytes_hex") : jt_get(c, "utf8_hex"), n);
	printf("Bail out! no case '%s'\n", name);
	exit(1);
}

static bool check_decode(const struct tok *t, const struct ids *v, bool skip, const struct jnode *want)
{
	size_t n;
	char *s = tok_decode(t, v->v, v->n, skip, &n);
	bool same = text_is(s, n, want);

	if (!same)
		diag("decoded '%s', want '%s'", s ? s : err_msg(), want ? want->str : "?");
	free(s);
	return same;
}

static bool check_case(const struct tok *t, const char *name, const struct jnode *c, bool spm)
{
	const struct jnode *special = jt_get(c, "ids_special"), *skip = jt_get(c, "decoded_skip_special");
	struct ids v = { 0 }, w = { 0 };
	size_t n;
	char *s = case_bytes(name, &n);
	bool pass = tok_encode(t, s, n, TOK_NO, &v) == 0 && ids_are(&v, jt_get(c, "ids"));

	if (!pass)
		ids_diag(&v);
	if (!spm) {
		if (tok_encode(t, s, n, TOK_AUTO, &w) < 0 || !ids_are(&w, special ? special : jt_get(c, "ids"))) {
			diag("with special tokens:");
			ids_diag(&w);
			pass = false;
		}
	}
	pass &= check_decode(t, &v, false, jt_get(c, "decoded"));
	if (!spm)
		pass &= check_decode(t, &w, true, skip ? skip : jt_get(c, "decoded"));
	if (!pass)
		diag("case %s", name);
	free(s);
	free(v.v);
	free(w.v);
	return pass;
}

static void check_file(const struct tok *t, const char *golden, bool spm, bool here)
{
	char *path = xasprintf(here ? "tests/golden/tok/%s.json" : "reference/golden/tokenizers/%s.json", golden);
	struct jtree g = slurp_json(path);
	const struct jnode *cases = jt_get(g.v, "cases"), *wiki = jt_get(g.v, "wikitext2_test"), *k;
	struct ids v = { 0 };
	size_t n, good = 0, len;
	char *text;

	JT_PAIRS(k, cases)
		good += check_case(t, k->str, k + 1, spm);
	ok(good == cases->len && good > 80, "%s: %zu of %zu strings, both ways", golden, good, cases->len);
	if (here) {
		free(path);
		jtree_free(&g);
		return;
	}
	text = slurp("data/wikitext-2/test.txt", &len);
	n = (size_t)jt_get(wiki, "tokens")->num;
	ok(tok_encode(t, text, len, TOK_NO, &v) == 0 && v.n == n && ids_sha(&v, n, jt_get(wiki, "sha256_le_u32")->str),
	   "%s: WikiText-2, %zu tokens", golden, n);
	if (v.n != n)
		diag("got %zu", v.n);
	free(v.v);
	free(text);
	free(path);
	jtree_free(&g);
}

struct row {
	const char *golden, *file;
	const char *more, *config;
};

static void check_row(const struct row *r, bool here)
{
	bool spm = !strncmp(r->golden, "spm", 3);
	struct tok *t = tok_from(r->file, r->more, r->config);

	if (ok(t != NULL, "%s: loads", r->golden))
		check_file(t, r->golden, spm, here);
	else
		diag("%s", err_msg());
	tok_free(t);
}

int main(void)
{
	static const struct row here[] = {
		{ "hf_stories260K", "tests/golden/tok/stories260K.json", NULL, NULL },
		{ "spm_stories260K", "tests/golden/tok/stories260K.model", NULL, NULL },
		{ "spm_mini_bpe_bytefallback_identity", "tests/golden/tok/mini_bpe.model", NULL, NULL },
	};
	static const struct row row[] = {
		{ "hf_llama2", D "llama2/tokenizer.json", NULL, NULL },
		{ "hf_phi-3", D "phi-3/tokenizer.json", NULL, NULL },
		{ "hf_stories260K", "models/stories260K/tokenizer.json", NULL, NULL },
		{ "hf_gpt2", D "gpt2/vocab.json", D "gpt2/merges.txt", NULL },
		{ "hf_opt", D "opt/vocab.json", D "opt/merges.txt",
		  "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":true,\"bos_token\":\"</s>\","
		  "\"eos_token\":\"</s>\","
		  "\"pad_token\":\"<pad>\",\"unk_token\":\"</s>\",\"additional_special_tokens\":[\"<s>\",\"<unk>\"]}" },
		{ "hf_roberta", D "opt/vocab.json", D "opt/merges.txt", ROBERTA },
		{ "hf_llama3", D "llama3/tokenizer.model", NULL, NULL },
		{ "hf_qwen2", D "qwen2/qwen.tiktoken", NULL, D "qwen2/tokenizer_config.json" },
		{ "hf_bert", D "bert/vocab.txt", NULL, NULL },
		{ "hf_falcon", D "falcon/tokenizer.json", NULL, NULL },
		{ "hf_gpt-neox", D "gpt-neox/tokenizer.json", NULL, NULL },
		{ "hf_phi-2", D "phi-2/tokenizer.json", NULL, NULL },
		{ "hf_granite", D "granite/tokenizer.json", NULL, NULL },
		{ "spm_llama2", D "llama2/tokenizer.model", NULL, NULL },
		{ "spm_mistral-v1", D "mistral/tokenizer.v1.model", NULL, NULL },
		{ "spm_mistral-v3", D "mistral/tokenizer.v3.model", NULL, NULL },
		{ "spm_internlm2", D "internlm2/tokenizer.model", NULL, NULL },
		{ "spm_stories260K", "models/stories260K/tokenizer.model", NULL, NULL },
		{ "spm_mini_bpe_bytefallback_identity", D "spm-mini/bpe_bytefallback_identity.model", NULL, NULL },
		{ "spm_mini_unigram_nmt_nfkc", D "spm-mini/unigram_nmt_nfkc.model", NULL, NULL },
		{ "spm_mini_unigram_bytefallback_nfkc_cf_noprefix",
		  D "spm-mini/unigram_bytefallback_nfkc_cf_noprefix.model", NULL, NULL },
		{ "hf_t5-small", D "t5-small/tokenizer.json", NULL, NULL },
		{ "spm_mini_bpe_suffix_userdef", D "spm-mini/bpe_suffix_userdef.model", NULL, NULL },
	};
	struct jtree cases = slurp_json("tests/golden/tok/cases.json");

	input = jt_get(cases.v, "cases");
	for (size_t i = 0; i < sizeof(here) / sizeof(*here); i++)
		check_row(&here[i], true);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row) && have_shared("data/tokenizers"); i++)
		check_row(&row[i], false);
	jtree_free(&cases);
	return done();
}
