/* GGUF: the parser on the file that gguf-tools verified, on every prefix of it and on lies; the block decoders on
 * ggml's blocks; a whole model written by the gguf package; the published SmolLM2. */
#include "golden.h"
#include "tap.h"

#include "base/err.h"
#include "import/ggufile.h"
#include "tensor/safetensors.h"

#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#define GOLDEN "tests/golden/vectors/"
#define SMOLLM "../shared/models/smollm2-135m-instruct/"

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(s, "%2x", &v) == 1; s += 2)
		out[n++] = (uint8_t)v;
	return n;
}

/* Parses a copy of exactly `have` bytes, so that a sanitizer sees any step beyond. */
static int parse(const uint8_t *file, size_t have, size_t size)
{
	uint8_t *p = malloc(have ? have : 1);
	struct gguf g;
	int r;

	memcpy(p, file, have);
	r = gguf_parse(&g, p, have, size);
	gguf_free(&g);
	free(p);
	return r;
}

static void test_parser(void)
{
	cJSON *v = load_json(GOLDEN "gguf_file.json"), *row;
	uint8_t file[1024], bad[1024];
	size_t n = 0, more = 0, cut = 0, head = 419, worse = 0;
	int64_t i = 0;
	double d = 0;
	bool b = false;
	struct gguf_str s = { "", 0 };
	const struct gguf_kv *kv;
	struct gguf g;

	cJSON_ArrayForEach(row, cJSON_GetObjectItem(v, "file_hex"))
		n += unhex(row->valuestring, file + n);
	is_int((long long)n, 800, "golden file has 800 bytes");
	is_int(gguf_parse(&g, file, n, n), 0, "golden file parses");
	is_int(g.version, 3, "version");
	is_int((long long)g.head, (long long)head, "header ends where the document says");
	ok(g.nt == 2 && g.nkv == 6, "two tensors, six keys");
	ok(gguf_string(&g, "general.architecture", &s) == 1 && s.n == 5 && !memcmp(s.s, "llama", 5), "a string");
	ok(gguf_int(&g, "general.alignment", 0, 100, &i) == 1 && i == 32, "an integer");
	ok(gguf_real(&g, "llama.attention.layer_norm_rms_epsilon", &d) == 1 && (float)d == 1e-5f, "a float");
	ok(gguf_bool(&g, "tokenizer.ggml.add_bos_token", &b) == 1 && b, "a bool");
	ok(gguf_array(&g, "tokenizer.ggml.tokens", GV_STR, &kv) == 1 && kv->n == 3, "an array of strings");
	is_int(gguf_int(&g, "general.alignment", 0, 31, &i), -1, "an integer out of range is an error");
	is_int(gguf_int(&g, "general.architecture", 0, 31, &i), -1, "a string is no integer");
	is_int(gguf_int(&g, "absent", 0, 31, &i), 0, "an absent key is no error");
	is_str(g.t[0].name, "blk.0.attn_q.weight", "name of the first tensor");
	ok(g.t[0].nd == 2 && g.t[0].dim[0] == 2 && g.t[0].dim[1] == 64 && g.t[0].type == GT_Q4_0 && g.t[0].at == 448 &&
	   g.t[0].bytes == 72, "its shape, type and place");
	ok(g.t[1].at == 448 + 96 && g.t[1].type == GT_F32 && g.t[1].bytes == 256, "place of the second");
	gguf_free(&g);
	for (size_t k = 0; k < n; k++) {
		more += parse(file, k, n) == (k < head);
		cut += parse(file, k, k) == -1;
	}
	is_int((long long)more, (long long)n, "every part of the header asks for more, the whole is enough");
	is_int((long long)cut, (long long)n, "a file cut anywhere is refused");
	for (size_t k = 0; k < head; k++)
		for (int x = 0; x < 3; x++) {
			memcpy(bad, file, n);
			bad[k] = x == 0 ? 0xff : x == 1 ? 0x80 : (uint8_t)(bad[k] ^ 1);
			worse += parse(bad, n, n) <= 1;
		}
	is_int((long long)worse, (long long)head * 3, "no changed byte of the header upsets the parser");
	memcpy(bad, file, n);
	bad[4] = 1;
	ok(parse(bad, n, n) < 0 && err_status() == ST_UNSUP, "version 1 is unsupported");
	bad[4] = 0;
	bad[7] = 3;
	ok(parse(bad, n, n) < 0 && err_status() == ST_UNSUP && strstr(err_msg(), "endian"),
	   "so is the other byte order");
	memset(bad + 8, 0xff, 8);
	bad[4] = 3;
	bad[7] = 0;
	ok(parse(bad, n, n) < 0 && err_status() == ST_BAD, "2^64-1 tensors are bad");
	cJSON_Delete(v);
}

/* Values from the codes that the block was built of: the formulas of export-formats.md 8.2. */
static void test_blocks(void)
{
	static const struct {
		const char *name;
		uint32_t type;
	} t[] = { { "Q4_0", GT_Q4_0 }, { "Q4_1", GT_Q4_1 }, { "Q5_0", GT_Q5_0 }, { "Q5_1", GT_Q5_1 },
	{ "Q8_0", GT_Q8_0 } };
	cJSON *v = load_json(GOLDEN "gguf_blocks.json"), *all = cJSON_GetObjectItem(v, "blocks");
	/* Q4_1 says "the same codes", Q5_1 that and the same d */
	const cJSON *four = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "Q4_0"), "codes");
	const cJSON *five = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "Q5_0"), "codes");

	for (size_t k = 0; k < sizeof(t) / sizeof(*t); k++) {
		const cJSON *b = cJSON_GetObjectItem(all, t[k].name), *m = cJSON_GetObjectItem(b, "m");
		const cJSON *dv = cJSON_GetObjectItem(k == 3 ? cJSON_GetObjectItem(all, "Q5_0") : b, "d");
		double d = dv->valuedouble, worst = 0;
		uint8_t raw[64];
		float got[32];
		size_t n = unhex(cJSON_GetObjectItem(b, "block_hex")->valuestring, raw);

		is_int((long long)n, (long long)ggml_bytes(t[k].type, 32), t[k].name);
		ggml_f32(got, raw, t[k].type, 32);
		for (int i = 0; i < 32; i++) {
			char hex[2] = { four->valuestring[i], '\0' };
			double u = k == 4 ? cJSON_GetArrayItem(cJSON_GetObjectItem(b, "codes_signed"), i)->valuedouble
			           : k >= 2 ? cJSON_GetArrayItem(five, i)->valuedouble : (double)strtol(hex, NULL, 16);
			double want = m ? u * d + m->valuedouble : k == 4 ? u * d : (u - (k == 0 ? 8 : 16)) * d;

			worst = fmax(worst, fabs(want - (double)got[i]));
		}
		is_near(worst, 0, 0, "decodes to its codes' values");
	}
	cJSON_Delete(v);
}

static double number(const cJSON *c, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(c, key);

	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* Blocks of 256, decoded by ggml: byte k is 37 k + 11 mod 256, but for the fields given. */
static void test_k_blocks(void)
{
	static const struct {
		const char *name;
		uint32_t type;
	} t[] = { { "Q2_K", GT_Q2_K }, { "Q3_K", GT_Q3_K }, { "Q4_K", GT_Q4_K }, { "Q5_K", GT_Q5_K },
	{ "Q6_K", GT_Q6_K }, { "IQ4_XS", GT_IQ4_XS } };
	cJSON *v = load_json(GOLDEN "gguf_blocks.json"), *all = cJSON_GetObjectItem(v, "blocks");

	for (size_t k = 0; k < sizeof(t) / sizeof(*t); k++) {
		const cJSON *b = cJSON_GetObjectItem(all, t[k].name), *f;
		uint8_t raw[256];
		float got[256];
		char hex[24];

		is_int((long long)ggml_bytes(t[k].type, 256), (long long)number(b, "bytes"), t[k].name);
		for (int i = 0; i < 256; i++)
			raw[i] = (uint8_t)(37 * i + 11);
		cJSON_ArrayForEach(f, cJSON_GetObjectItem(b, "f16_fields")) {
			int at = atoi(strchr(f->string, '_') + 1);
			uint16_t h = f32_f16((float)f->valuedouble);

			raw[at] = (uint8_t)h;
			raw[at + 1] = (uint8_t)(h >> 8);
		}
		ggml_f32(got, raw, t[k].type, 256);
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)fnv(got, sizeof(got)));
		is_str(hex, cJSON_GetStringValue(cJSON_GetObjectItem(b, "decoded_f32_fnv1a64")), "decodes to ggml's bits");
	}
	cJSON_Delete(v);
}

static const struct source_file *side(const struct source *s, const char *name)
{
	for (int i = 0; i < s->nfile; i++)
		if (!strcmp(s->file[i].name, name))
			return &s->file[i];
	return NULL;
}

/* The tensor that the hub's LLaMA calls so. */
static int find(const struct source *s, const char *name)
{
	char buf[256];
	struct tensor_id id;

	for (int i = 0; i < s->nt; i++)
		if (family_role(s->names, s->t[i].name, &id) > 0 &&
		    !strcmp(family_tensor(family_find("llama"), &id, false, buf, sizeof(buf)), name))
			return i;
	return -1;
}

/* Names, shapes and bits of every tensor that the gguf package wrote, as it reads them back itself. */
static struct source *same_values(const char *name, int count)
{
	char *path = xasprintf("tests/golden/gguf/%s.gguf", name),
	    *ref = xasprintf("tests/golden/gguf/%s.safetensors", name);
	struct source *s = source_open(path, DT_F32);
	size_t len = 0;
	char *buf = source_slurp(ref, 1 << 20, &len);
	struct st want;
	int same = 0;

	if (!ok(s && buf && st_parse(&want, buf, len, ref) == 0, "'%s' and what it must give open", path)) {
		diag("%s", err_msg());
		exit(1);
	}
	st_bind(&want, buf + want.head);
	for (int i = 0; i < want.n; i++) {
		int k = find(s, want.e[i].t.name);
		void *got = malloc(tensor_bytes(&want.e[i].t));

		if (k >= 0 && tensor_same_shape(&s->t[k], &want.e[i].t) && s->t[k].dt == DT_F32 &&
		    source_read(s, k, got) == 0 && !memcmp(got, want.e[i].t.data, tensor_bytes(&want.e[i].t)))
			same++;
		else
			diag("'%s' differs", want.e[i].t.name);
		free(got);
	}
	is_int(same, count, "names, shapes and bits are those of the gguf package, rows of q and k put back");
	st_free(&want);
	free(buf);
	free(path);
	free(ref);
	return s;
}

static cJSON *side_json(const struct source *s, const char *name)
{
	const struct source_file *f = side(s, name);

	return f ? json_parse(f->data, f->len, name) : NULL;
}

static void test_tiny(void)
{
	struct source *s = same_values("tiny", 20);
	const struct source_file *f;
	size_t len;
	char *spm;
	cJSON *c;

	ok(number(s->config, "hidden_size") == 32 && number(s->config, "head_dim") == 16 &&
	   number(s->config, "num_key_value_heads") == 1 && number(s->config, "vocab_size") == 512 &&
	   number(s->config, "rope_theta") == 20000 && number(s->config, "rms_norm_eps") == 1e-5,
	   "the configuration's numbers");
	ok(cJSON_IsTrue(cJSON_GetObjectItem(s->config, "tie_word_embeddings")), "no output tensor: tied");
	f = side(s, "tokenizer/tokenizer.model");
	spm = source_slurp("tests/golden/tok/stories260K.model", 1 << 20, &len);
	/* the pieces come first, in one encoding; what follows says how it was trained */
	ok(f && spm && f->len > 7300 && !memcmp(f->data, spm, 7300),
	   "tokenizer.model has the pieces it came from, byte for byte");
	c = side_json(s, "tokenizer/tokenizer_config.json");
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(c, "chat_template")),
	       "{{ messages[0]['content'] }}\n\t\"done\"", "the chat template survives");
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(c, "bos_token")), "<s>", "the BOS");
	cJSON_Delete(c);
	free(spm);
	source_close(s);
}

static void test_llama3(void)
{
	struct source *s = same_values("llama3", 16);
	const cJSON *r = cJSON_GetObjectItem(s->config, "rope_scaling"), *v;
	cJSON *c;

	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(r, "rope_type")), "llama3", "the factors are recognised");
	ok(number(r, "factor") == 32 && number(r, "low_freq_factor") == 1 && number(r, "high_freq_factor") == 4 &&
	   number(r, "original_max_position_embeddings") == 8192, "and what made them");
	ok(cJSON_IsFalse(cJSON_GetObjectItem(s->config, "tie_word_embeddings")), "an output tensor: not tied");
	ok(cJSON_IsTrue(cJSON_GetObjectItem(s->config, "attention_bias")) &&
	   cJSON_IsFalse(cJSON_GetObjectItem(s->config, "mlp_bias")), "biases of the attention alone");
	c = side_json(s, "tokenizer/tokenizer.json");
	v = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(c, "post_processor"), "single"), 0);
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(v, "SpecialToken"), "id")), "<|begin|>",
	       "llama-bpe begins with BOS when the file does not say");
	v = cJSON_GetArrayItem(cJSON_GetObjectItem(c, "added_tokens"), 2);
	ok(number(v, "id") == 7 && cJSON_IsFalse(cJSON_GetObjectItem(v, "special")),
	   "a user's token is added, not special");
	cJSON_Delete(c);
	source_close(s);
}

/* What happens before BPE, against the tokenizers that the hub's own files describe. */
static void test_pretokenizers(void)
{
	static const char *const names[][2] = { { "llama-bpe", "llama3" }, { "qwen2", "qwen2" }, { "gpt-2", "gpt2" },
	                                        { "starcoder", "starcoder" }, { "deepseek-coder", "deepseek-coder" },
	                                        { "deepseek-llm", "deepseek-llm" }, { "falcon", "falcon" },
	                                        { "olmo", "gpt-neox" } };
	cJSON *v = load_json(GOLDEN "pipelines.json"), *all = cJSON_GetObjectItem(v, "tokenizers");
	size_t len;
	uint8_t *file = source_slurp("tests/golden/gguf/llama3.gguf", 1 << 20, &len), *at;

	/* the name in the file gives way to another */
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t n = strlen(names[i][0]), old = strlen("llama-bpe");
		uint8_t *p = malloc(len + 32);
		struct source *s = xcalloc(1, sizeof(*s));
		const cJSON *want = cJSON_GetObjectItem(all, names[i][1]);
		struct gguf g;
		cJSON *c;

		at = memmem(file, len, "llama-bpe", old);
		memcpy(p, file, (size_t)(at - file));
		p[at - file - 8] = (uint8_t)n;
		memcpy(p + (at - file), names[i][0], n);
		memcpy(p + (at - file) + n, at + old, len - (size_t)(at - file) - old);
		s->path = "it";
		/* the data have moved: that they lie within the file is all that the parser asks */
		ok(gguf_parse(&g, p, len + 32, len + 32) == 0 && gguf_tokenizer(&g, gguf_arch(&g), s) == 0,
		   "pre-tokenizer '%s'", names[i][0]);
		c = side_json(s, "tokenizer/tokenizer.json");
		ok(cJSON_Compare(cJSON_GetObjectItem(c, "pre_tokenizer"), cJSON_GetObjectItem(want, "pre_tokenizer"),
		                 true) &&
		   cJSON_Compare(cJSON_GetObjectItem(c, "normalizer"), cJSON_GetObjectItem(want, "normalizer"), true),
		   "splits as '%s' does", names[i][1]);
		is_int(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(c, "model"), "ignore_merges")),
		       cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(want, "model_options"), "ignore_merges")),
		       "and treats whole words alike");
		cJSON_Delete(c);
		gguf_free(&g);
		source_close(s);
		free(p);
	}
	free(file);
	cJSON_Delete(v);
}

/* "name TAB dtype TAB shape TAB xxh3" of the directory that transformers made of the same file (make_hf.py). */
static void test_smollm(void)
{
	struct source *s = source_open(SMOLLM "SmolLM2-135M-Instruct.Q4_1.gguf", DT_NONE);
	FILE *f = fopen("tests/golden/gguf/smollm2_bf16.tsv", "r");
	char line[256], name[128], dt[16], shape[64];
	int same = 0, all = 0;
	unsigned long long hash;

	if (!ok(s && f, "SmolLM2 opens")) {
		diag("%s", err_msg());
		if (f)
			fclose(f);
		return;
	}
	is_int(s->nt, 272, "272 tensors");
	while (fgets(line, sizeof(line), f)) {
		char have[64];
		void *p;
		int k;

		if (sscanf(line, "%127s %15s %63s %llx", name, dt, shape, &hash) != 4)
			continue;
		all++;
		k = find(s, name);
		if (k < 0 || strcmp(dtype_name(s->t[k].dt), dt) ||
		    strcmp(tensor_shape(&s->t[k], have, sizeof(have)), shape)) {
			diag("'%s' differs", name);
			continue;
		}
		p = malloc(tensor_bytes(&s->t[k]));
		if (source_read(s, k, p) == 0 && XXH3_64bits(p, tensor_bytes(&s->t[k])) == hash)
			same++;
		else
			diag("'%s' differs", name);
		free(p);
	}
	fclose(f);
	ok(all == 29 && same == all, "%d of %d tensors are bit for bit what transformers makes of them", same, all);
	source_close(s);
}

static bool same_list(const cJSON *a, const cJSON *b)
{
	for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
		if (!cJSON_Compare(a, b, true) || (a->string && strcmp(a->string, b->string)))
			return false;
	return !a && !b;
}

static void test_tokenizer(void)
{
	struct source *s = source_open(SMOLLM "SmolLM2-135M-Instruct.Q4_1.gguf", DT_NONE);
	const struct source_file *f = s ? side(s, "tokenizer/tokenizer.json") : NULL;
	cJSON *want = load_json(SMOLLM "tokenizer.json"), *got, *c;
	size_t len;
	char *chat;

	if (!ok(f && want, "SmolLM2's tokenizer.json is made"))
		return;
	got = json_parse(f->data, f->len, "tokenizer.json");
	ok(got && same_list(cJSON_GetObjectItem(cJSON_GetObjectItem(got, "model"), "vocab"),
	                    cJSON_GetObjectItem(cJSON_GetObjectItem(want, "model"), "vocab")),
	                    "its vocabulary is the original's");
	ok(same_list(cJSON_GetObjectItem(cJSON_GetObjectItem(got, "model"), "merges"),
	             cJSON_GetObjectItem(cJSON_GetObjectItem(want, "model"), "merges")), "so are its merges");
	for (int i = 0; i < 4; i++) {
		static const char *const keys[] = { "added_tokens", "normalizer", "pre_tokenizer", "post_processor" };

		ok(cJSON_Compare(cJSON_GetObjectItem(got, keys[i]), cJSON_GetObjectItem(want, keys[i]), true),
		   "and its %s", keys[i]);
	}
	f = side(s, "tokenizer/tokenizer_config.json");
	c = json_parse(f->data, f->len, "tokenizer_config.json");
	chat = source_slurp(SMOLLM "chat_template.jinja", 1 << 20, &len);
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(c, "chat_template")), chat,
	       "the chat template is the original's");
	free(chat);
	cJSON_Delete(c);
	cJSON_Delete(got);
	cJSON_Delete(want);
	source_close(s);
}

/* Any rows are those of the whole: of heads that are put back, of halves that are joined, of stacks. */
static void test_rows(const char *path)
{
	struct source *s = source_open(path, DT_F32);
	int bad = 0;

	if (!ok(s != NULL, "'%s' opens", path)) {
		diag("%s", err_msg());
		return;
	}
	for (int i = 0; i < s->nt; i++) {
		size_t row = (size_t)tensor_cols(&s->t[i]) * sizeof(float);
		int64_t rows = tensor_rows(&s->t[i]);
		char *all = malloc(tensor_bytes(&s->t[i])), *some = malloc(tensor_bytes(&s->t[i]));

		bad += source_read(s, i, all) < 0;
		for (int64_t at = 0, n; at < rows; at += n) {
			n = least(rows - at, 1 + at % 5);
			bad += s->read(s, i, at, n, some) < 0 || memcmp(some, all + (size_t)at * row, (size_t)n * row);
		}
		free(all);
		free(some);
	}
	ok(bad == 0, "rows of '%s' are those of whole tensors", path);
	source_close(s);
}

static void test_refusals(void)
{
	static const struct {
		const char *file, *word;
		int status;
	} t[] = {
		{ "tests/golden/gguf/tiny.safetensors", "config.json", ST_BAD },
		{ "tests/golden/gguf/absent.gguf", "absent", ST_BAD },
		{ "/dev/null", "regular", ST_BAD }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		ok(!source_open(t[i].file, DT_NONE) && err_status() == t[i].status && strstr(err_msg(), t[i].word),
		   "'%s' is refused: %s",
		   t[i].file, err_msg());
}

int main(void)
{
	verbose = -1;
	plan(0);
	test_parser();
	test_blocks();
	test_k_blocks();
	test_tiny();
	test_llama3();
	test_rows("tests/golden/gguf/tiny.gguf");
	test_rows("tests/golden/gguf/families/llama.gguf");
	test_rows("tests/golden/gguf/families/deepseek3.gguf");
	test_rows("tests/golden/gguf/families/qwen3-00001-of-00003.gguf");
	test_pretokenizers();
	if (have_file(SMOLLM)) {
		test_smollm();
		test_tokenizer();
	}
	test_refusals();
	return done();
}
