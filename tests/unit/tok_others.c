/* Vectors that third parties made: llama.cpp's 46 strings, and the 18 of the transformers library. */
#include "tok_help.h"

#define D "data/tokenizers/"
#define MARK "\n__ggml_vocab_test__\n"

static const struct row {
	const char *name, *file, *more, *config;
} llamacpp[] = {
	{ "llama-spm", D "llama2/tokenizer.json", NULL, NULL },
	{ "phi-3", D "phi-3/tokenizer.json", NULL, NULL },
	{ "falcon", D "falcon/tokenizer.json", NULL, NULL },
	{ "mpt", D "gpt-neox/tokenizer.json", NULL, NULL },
	{ "gpt-2", D "gpt2/vocab.json", D "gpt2/merges.txt", NULL },
	{ "roberta-bpe", D "opt/vocab.json", D "opt/merges.txt", ROBERTA },
	{ "llama-bpe", D "llama3/tokenizer.model", NULL, NULL },
	{ "qwen2", D "qwen2/qwen.tiktoken", NULL, D "qwen2/tokenizer_config.json" },
	{ "bert-bge", D "bert/vocab.txt", NULL, NULL },
}, hf[] = {
	{ "coreml-projects/Llama-2-7b-chat-coreml", D "llama2/tokenizer.json", NULL, D "llama2/tokenizer_config.json" },
	{ "distilgpt2", D "gpt2/vocab.json", D "gpt2/merges.txt", NULL },
	{ "tiiuae/falcon-7b", D "falcon/tokenizer.json", NULL, NULL },
	{ "t5-base", D "t5-small/tokenizer.json", NULL, D "t5-small/tokenizer_config.json" },
	{ "pcuenq/Llama-3.2-1B-Instruct-tokenizer", D "llama3/tokenizer.model", NULL, NULL },
	{ "bert-base-uncased", D "bert/vocab.txt", NULL, NULL },
	{ "google-bert/bert-base-uncased", D "bert/vocab.txt", NULL, NULL },
};

static void check_llamacpp(const struct row *r)
{
	char *path = xasprintf("reference/golden/llama.cpp/%s.out", r->name);
	size_t nin, nout, good = 0, all = 0;
	char *in = slurp("reference/golden/llama.cpp/all.inp", &nin), *out = slurp(path, &nout);
	const char *s = in, *o = out;
	struct tok *t = tok_from(r->file, r->more, r->config);

	while (t && *o) {
		const char *e = strstr(s, MARK), *line = strchr(o, '\n');
		size_t len = e ? (size_t)(e - s) : strlen(s), i = 0;
		struct ids v = { 0 };
		bool same = tok_encode(t, s, len, TOK_NO, &v) == 0;

		/* Each line of ids: numbers with blanks between. */
		for (char *stop; o < line; o = stop) {
			long id = strtol(o, &stop, 10);

			if (stop == o || stop > line)
				break;
			same &= i < v.n && v.v[i] == id;
			i++;
		}
		same &= i == v.n;
		good += same;
		all++;
		if (!same)
			ids_diag(&v);
		free(v.v);
		o = line + 1;
		s = e ? e + strlen(MARK) : s + strlen(s);
	}
	ok(t && good == all && all == 46, "llama.cpp's %s: %zu of %zu", r->name, good, all);
	tok_free(t);
	free(in);
	free(out);
	free(path);
}

static void check_hf(const struct row *r, const struct jnode *rows)
{
	struct tok *t = tok_from(r->file, r->more, r->config);
	const struct jnode *c;
	size_t good = 0;

	if (!t || !rows) {
		ok(false, "transformers' %s", r->name);
		return;
	}
	JT_EACH(c, rows) {
		const struct jnode *in = jt_get(c, "input");
		struct ids v = { 0 };
		bool same = tok_encode(t, in->str, in->len, TOK_AUTO, &v) == 0 &&
		            ids_are(&v, jt_get(jt_get(c, "encoded"), "input_ids"));

		if (!same) {
			diag("'%s'", in->str);
			ids_diag(&v);
		}
		good += same;
		free(v.v);
	}
	ok(good == rows->len, "transformers' %s: %zu of %zu", r->name, good, rows->len);
	tok_free(t);
}

int main(void)
{
	struct jtree t;

	if (!have_shared("data/tokenizers"))
		return done();
	for (size_t i = 0; i < sizeof(llamacpp) / sizeof(*llamacpp); i++)
		check_llamacpp(&llamacpp[i]);
	t = slurp_json("reference/golden/transformers_tokenizer_tests.json");
	for (size_t i = 0; i < sizeof(hf) / sizeof(*hf); i++)
		check_hf(&hf[i], jt_get(t.v, hf[i].name));
	jtree_free(&t);
	return done();
}
