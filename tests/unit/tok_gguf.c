/* Pipelines whose vocabularies are at hand only inside GGUF files: StarCoder and DeepSeek.  A tokenizer.json is
 * put together from the vocabulary and the pipeline that the golden vectors were made with. */
#include "tok_help.h"

struct reader {
	const char *p, *end;
};

static uint64_t number(struct reader *r, int bytes)
{
	uint64_t v = 0;

	if (r->end - r->p < bytes) {
		printf("Bail out! GGUF file too short\n");
		exit(1);
	}
	memcpy(&v, r->p, (size_t)bytes);
	r->p += bytes;
	return v;
}

static const char *string(struct reader *r, size_t *n)
{
	const char *s;

	*n = number(r, 8);
	s = r->p;
	if (*n > (size_t)(r->end - r->p))
		exit(1);
	r->p += *n;
	return s;
}

static const int width[] = { 1, 1, 2, 2, 4, 4, 4, 1, -1, -2, 8, 8, 8 };        /* -1 string, -2 array */

/* Leaves the wanted array's reader at its first element; its length, 0 when there is none. */
static uint64_t find(const char *buf, size_t len, const char *key, struct reader *at)
{
	struct reader r = { buf + 16, buf + len };
	uint64_t n = number(&r, 8), count;

	while (n--) {
		size_t k;
		const char *s = string(&r, &k);
		int type = (int)number(&r, 4);
		bool hit = k == strlen(key) && !memcmp(s, key, k);

		if (width[type] > 0)
			r.p += width[type];
		else if (width[type] == -1)
			string(&r, &k);
		else {
			type = (int)number(&r, 4);
			count = number(&r, 8);
			if (hit) {
				*at = r;
				return count;
			}
			while (count--)
				if (width[type] > 0)
					r.p += width[type];
				else
					string(&r, &k);
		}
	}
	return 0;
}

static void put(struct bytes *b, const char *s)
{
	bytes_put(b, s, strlen(s));
}

static void emit(struct bytes *b, const struct jnode *v)
{
	const struct jnode *c;
	char num[32];
	bool first = true;

	switch (v->type) {
	case JT_STR:
		jt_quote(b, v->str, v->len);
		break;
	case JT_NUM:
		snprintf(num, sizeof(num), "%.17g", v->num);
		put(b, num);
		break;
	case JT_ARR:
		put(b, "[");
		for (c = v + 1; c < v + v->span; c += c->span, first = false) {
			put(b, first ? "" : ",");
			emit(b, c);
		}
		put(b, "]");
		break;
	case JT_OBJ:
		put(b, "{");
		for (c = v + 1; c < v + v->span; c += 1 + c[1].span, first = false) {
			put(b, first ? "" : ",");
			jt_quote(b, c->str, c->len);
			put(b, ":");
			emit(b, c + 1);
		}
		put(b, "}");
		break;
	default:
		put(b, v->type == JT_TRUE ? "true" : v->type == JT_FALSE ? "false" : "null");
	}
}

/* "added_tokens" are those of the types control (3) and user defined (4), and they alone: the vectors were made
 * so, and where such a token is not behind all others (StarCoder), the library gave it an id of its own. */
static struct bytes assemble(const char *gguf, size_t len, const struct jnode *pipe)
{
	static const char *const part[] = { "normalizer", "pre_tokenizer", "post_processor", "decoder" };
	struct reader tok, type, merge;
	uint64_t n = find(gguf, len, "tokenizer.ggml.tokens", &tok);
	uint64_t m = find(gguf, len, "tokenizer.ggml.merges", &merge);
	struct bytes b = { 0 }, added = { 0 };
	char num[64];
	size_t k;

	find(gguf, len, "tokenizer.ggml.token_type", &type);
	put(&b, "{\"model\":{\"type\":\"BPE\",\"vocab\":{");
	for (uint64_t i = 0; i < n; i++) {
		const char *s = string(&tok, &k);
		int t = (int)number(&type, 4);

		if (t != 3 && t != 4) {
			put(&b, b.p[b.n - 1] == '{' ? "" : ",");
			jt_quote(&b, s, k);
			snprintf(num, sizeof(num), ":%d", (int)i);
			put(&b, num);
			continue;
		}
		put(&added, added.n ? ",{\"content\":" : "{\"content\":");
		jt_quote(&added, s, k);
		snprintf(num, sizeof(num), ",\"id\":%d,\"normalized\":false,\"special\":%s}", (int)i,
		         t == 3 ? "true" : "false");
		put(&added, num);
	}
	put(&b, "},\"merges\":[");
	for (uint64_t i = 0; i < m; i++) {
		const char *s = string(&merge, &k);

		put(&b, i ? "," : "");
		jt_quote(&b, s, k);
	}
	put(&b, "]},\"added_tokens\":[");
	bytes_put(&b, added.p, added.n);
	put(&b, "]");
	for (int i = 0; i < 4; i++) {
		put(&b, ",\"");
		put(&b, part[i]);
		put(&b, "\":");
		if (jt_get(pipe, part[i]))
			emit(&b, jt_get(pipe, part[i]));
		else
			put(&b, "null");
	}
	put(&b, "}");
	bytes_free(&added);
	return b;
}

static void check(const char *name, const struct jnode *pipes, const struct jnode *cases)
{
	char *path = xasprintf("data/tokenizers/%s/ggml-vocab-%s.gguf", name, name), *s;
	char *gold = xasprintf("reference/golden/tokenizers/hf_%s.json", name);
	struct jtree g = slurp_json(gold);
	size_t len, n, good = 0;
	char *gguf = slurp(path, &len);
	struct bytes json = assemble(gguf, len, jt_get(pipes, name));
	struct tok_files f = { .json = json.p, .json_len = json.n };
	struct tok *t = tok_load(&f);
	const struct jnode *c, *wiki = jt_get(g.v, "wikitext2_test");
	struct ids v = { 0 };

	if (!ok(t != NULL, "%s: loads", name)) {
		diag("%s", err_msg());
		exit(done());
	}
	JT_EACH(c, cases) {
		const struct jnode *want = jt_get(jt_get(g.v, "cases"), jt_get(c, "name")->str);
		struct ids w = { 0 };

		s = unhex(jt_get(c, "bytes_hex") ? jt_get(c, "bytes_hex") : jt_get(c, "utf8_hex"), &n);
		if (tok_encode(t, s, n, TOK_NO, &w) == 0 && ids_are(&w, jt_get(want, "ids")))
			good++;
		else
			diag("case %s", jt_get(c, "name")->str);
		free(s);
		free(w.v);
	}
	ok(good == cases->len && good > 80, "%s: %zu of %zu strings", name, good, cases->len);
	s = slurp("data/wikitext-2/test.txt", &n);
	ok(tok_encode(t, s, n, TOK_NO, &v) == 0 && v.n == (size_t)jt_get(wiki, "tokens")->num &&
	   ids_sha(&v, v.n, jt_get(wiki, "sha256_le_u32")->str), "%s: WikiText-2", name);
	free(v.v);
	free(s);
	free(path);
	free(gold);
	free(gguf);
	bytes_free(&json);
	jtree_free(&g);
	tok_free(t);
}

int main(void)
{
	struct jtree pipes, cases;

	verbose = -1;                   /* which we would be warned of */
	if (!have_shared("data/tokenizers"))
		return done();
	pipes = slurp_json("reference/golden/tokenizers/pipelines.json");
	cases = slurp_json("tests/golden/tok/cases.json");
	check("starcoder", jt_get(pipes.v, "tokenizers"), jt_get(cases.v, "cases"));
	check("deepseek-llm", jt_get(pipes.v, "tokenizers"), jt_get(cases.v, "cases"));
	check("deepseek-coder", jt_get(pipes.v, "tokenizers"), jt_get(cases.v, "cases"));
	jtree_free(&pipes);
	jtree_free(&cases);
	return done();
}
