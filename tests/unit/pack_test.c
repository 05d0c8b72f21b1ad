/* Packing: bit streams and whole tensors against what the compressed-tensors library packed, the edit of a JSON text, and
 * what is refused. */
#include "golden.h"
#include "tap.h"

#include "base/err.h"
#include "base/out.h"
#include "bundle/ledger.h"
#include "import/import.h"
#include "pack/bits.h"
#include "pack/pack.h"
#include "tensor/safetensors.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOLDEN "tests/golden/vectors/"
static char tmp[] = "/tmp/pack_test.XXXXXX";

static bool is_fnv(const cJSON *file, const char *key, const void *p, size_t n)
{
	const cJSON *v = cJSON_GetObjectItem(cJSON_GetObjectItem(file, key), "fnv1a64");

	return v && strtoull(v->valuestring, NULL, 16) == fnv(p, n);
}

/* The formulas of the golden files: code = ((o*in + i + 1) * 2654435761 mod 2^32) >> (32 - b). */
static uint8_t code(int64_t o, int64_t in, int64_t i, int b)
{
	return (uint8_t)((uint32_t)((uint64_t)(o * in + i + 1) * 2654435761u) >> (32 - b));
}

static void test_bits(void)
{
	cJSON *v = load_json(GOLDEN "w3_variants.json");
	uint32_t w[32 * 3] = { 0 }, one[8] = { 0 };
	uint8_t u[32], back[40];
	int bad = 0;

	for (int o = 0; o < 32; o++) {
		for (int i = 0; i < 32; i++)
			u[i] = code(o, 32, i, 3);
		bits_pack(w + 3 * o, 1, u, 1, 32, 3);
	}
	ok(is_fnv(v, "ct_weight_packed_dense", w, sizeof(w)), "3 bits cross words as the library has them");
	for (int b = 2; b <= 8; b++) {
		memset(one, 0, sizeof(one));
		for (int i = 0; i < 29; i++)
			back[i] = (uint8_t)((i * 37 + 11) & ((1 << b) - 1));
		bits_pack(one, 1, back, 1, 29, b);
		for (int i = 0; i < 29; i++)
			for (int k = 0; k < b; k++)
				bad += (one[(i * b + k) / 32] >> ((i * b + k) % 32) & 1) != (unsigned)(back[i] >> k & 1);
		for (size_t k = 29 * (size_t)b; k < 256; k++)
			bad += one[k / 32] >> (k % 32) & 1;
	}
	is_int(bad, 0, "every width: each bit in its place, none behind the last field");
	cJSON_Delete(v);
}

static void test_edit(void)
{
	static const struct {
		const char *text, *key, *value, *want;
	} t[] = {
		{ "{}", "a", "1", "{\n  \"a\": 1\n}" },
		{ "{\"a\": 1}", "a", "22", "{\"a\": 22}" },
		{ "{\"a\":[1,{\"b\":2}] , \"b\" : 1e-05 }", "b", "null", "{\"a\":[1,{\"b\":2}] , \"b\" : null }" },
		{ "{\n  \"x\": \"},{\\\"\",\n  \"a\": {\"q\": 1}\n}\n", "q", "7",
		  "{\n  \"x\": \"},{\\\"\",\n  \"a\": {\"q\": 1},\n  \"q\": 7\n}\n" },
		{ "{\"a\": 1, \"b\": 2, \"c\": 3}", "a", NULL, "{\"b\": 2, \"c\": 3}" },
		{ "{\"a\": 1, \"b\": 2, \"c\": 3}", "b", NULL, "{\"a\": 1, \"c\": 3}" },
		{ "{\"a\": 1, \"b\": 2, \"c\": 3}", "c", NULL, "{\"a\": 1, \"b\": 2}" },
		{ "{\"a\": 1}", "a", NULL, "{}" }, { "{\"a\": 1}", "b", NULL, "{\"a\": 1}" }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *got = json_edit(t[i].text, t[i].key, t[i].value);

		is_str(got, t[i].want, "edit");
		free(got);
	}
}

/* ---- a model of one block, 64 wide, whose query projection is the golden example ---- */

struct make {
	int bits, group;                /* group 0: channel */
	bool sym, perm;
	bool gate_float;                /* gate plain, up quantized */
	float scale;                    /* added to the first scale of the query */
	bool quantize;
	enum dtype dt;
	enum { NO_HEAD, SAME_HEAD, OWN_HEAD } head;     /* the configuration says "tied" */
};

static void quantize(struct block *b, int i, const struct make *m)
{
	struct qspec s = { .fmt = Q_INT, .bits = m->bits, .gran = m->group ? G_GROUP : G_CHANNEL, .group = m->group,
	                   .sym = m->sym };
	int64_t out = tensor_rows(&b->t[i]), in = tensor_cols(&b->t[i]);
	struct qrec q;

	qrec_init(&q, &s, out, in, &b->mem);
	q.scale_dt = m->scale ? DT_F32 : m->dt;
	for (int64_t o = 0; o < out; o++) {
		for (int64_t k = 0; k < in; k++)
			q.code[o * in + k] = code(o, in, k, m->bits);
		for (int g = 0; g < q.ngroup; g++) {
			q.scale[o * q.ngroup + g] = (1 + (float)((2 * o + g) % 8) / 8) / 64;
			if (!m->sym)
				q.zero[o * q.ngroup + g] = (uint8_t)(1 + (o + 5 * g + 3) % 15);
		}
	}
	if (i == 1)
		q.scale[0] += m->scale;
	if (m->perm) {
		q.perm = arena_alloc(&b->mem, (size_t)in * sizeof(*q.perm));
		for (int k = 0; k < in; k++)
			q.perm[k] = (int32_t)in - 1 - k;
	}
	block_quantize(b, i, &q);
}

static struct ledger books;

static int put(struct bundle_out *o, const struct model *md, const struct make *m, enum blk_kind kind, int index)
{
	struct block b;
	struct want w = WANT_FIRST;
	char name[64];
	int n = 0, r;

	while (model_wants(md, index, &w))
		n += w.part == P_WEIGHT;
	block_init(&b, index, kind, n);
	n = 0;
	for (w = (struct want)WANT_FIRST; model_wants(md, index, &w);) {
		int i = w.role;

		if (w.part != P_WEIGHT)
			continue;
		b.t[n] = tensor_new(&b.mem, m->dt, w.nd, w.dim);
		b.t[n].name = arena_strdup(&b.mem, want_name(&w, name));
		memset(b.t[n].data, 0, tensor_bytes(&b.t[n]));
		((uint8_t *)b.t[n].data)[1] = i == R_HEAD && m->head == SAME_HEAD ? R_EMBED : (uint8_t)i;
		if (m->quantize && role_linear((enum role)i) && !(i == R_GATE && m->gate_float))
			quantize(&b, n, m);
		n++;
	}
	ledger_block(&books, &b);
	r = bundle_put_block(o, &b);
	block_free(&b);
	return r;
}

static const char config[] = "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64, \"num_hidden_layers\": 1, "
	"\"num_attention_heads\": 2, \"num_key_value_heads\": 2, \"head_dim\": 16, \"intermediate_size\": 64, "
	"\"vocab_size\": 32, \"tie_word_embeddings\": true, \"rms_norm_eps\": 1.0e-5, \"torch_dtype\": \"float16\"}";

static const char *bundle(const struct make *m)
{
	static char path[64];
	cJSON *c = json_parse(config, strlen(config), "config"), *man = json_obj(), *model = json_obj();
	struct bundle_out *o;
	struct model md;

	snprintf(path, sizeof(path), "%s/in.llmc", tmp);
	if (!family_resolve(&md, c))
		die_err();
	md.dtype = m->dt;
	if (m->head)
		md.flags &= ~(unsigned)MF_TIED;
	model_json(&md, model);
	json_put_str(man, "kind", "model");
	json_put(man, "requires", json_arr());
	json_put(man, "model", model);
	json_put(man, "pg", json_arr());
	cJSON_Delete(c);
	o = bundle_create(path, man);
	ledger_begin(&books, "test");
	if (!o || bundle_put(o, "extra/config.json", config, strlen(config)) < 0 ||
	    bundle_put(o, "tokenizer/tokenizer.json", "{}\n", 3) < 0 || put(o, &md, m, BLK_KIND_EMBED, BLK_EMBED) < 0 ||
	    put(o, &md, m, BLK_KIND_DENSE, 0) < 0 || put(o, &md, m, BLK_KIND_HEAD, BLK_HEAD) < 0 ||
	    bundle_finish(o, ledger_end(&books, NULL), NULL) < 0)
		die_err();
	return path;
}

static void clean(const char *dir)
{
	struct dirent **e;
	char *p;
	int n = scandir(dir, &e, NULL, NULL);

	for (int i = 0; i < n; i++) {
		p = xasprintf("%s/%s", dir, e[i]->d_name);
		unlink(p);
		free(p);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
	rmdir(dir);
}

static const char *out_dir(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/out", tmp);
	return path;
}

/* The weights just packed, to be freed after s; NULL, a failed test, when they do not parse. */
static char *packed(struct st *s)
{
	size_t len;
	char *p = xasprintf("%s/model.safetensors", out_dir()), *buf = source_slurp(p, 1 << 24, &len);

	free(p);
	if (!ok(buf && st_parse(s, buf, len, "it") == 0, "its weights parse"))
		return NULL;
	st_bind(s, buf + s->head);
	return buf;
}

static void pack(const struct packer *p, const struct make *m, bool dequantize, bool force, enum dtype dt)
{
	struct pack_opt o = { .in = bundle(m), .out = out_dir(), .dequantize = dequantize, .force = force, .dtype = dt,
	                      .shard = 1 << 30 };

	clean(out_dir());
	pack_run(p, &o);
}

static void test_golden(void)
{
	const struct make m = { .bits = 4, .group = 32, .quantize = true, .dt = DT_F16 };
	cJSON *v = load_json(GOLDEN "ct_pack_w4_asym.json"), *c, *q;
	struct st s;
	struct st_entry *e;
	char *p, *buf;

	pack(&packer_vllm, &m, false, false, DT_NONE);
	buf = packed(&s);
	if (!buf)
		return;
	for (int i = 0; i < 3; i++) {
		static const char *const what[] = { "weight_packed", "weight_zero_point", "weight_scale" };
		static const enum dtype dt[] = { DT_I32, DT_I32, DT_F16 };

		p = xasprintf("model.layers.0.self_attn.q_proj.%s", what[i]);
		e = st_find(&s, p);
		ok(e && e->t.dt == dt[i] && is_fnv(v, what[i], e->t.data, tensor_bytes(&e->t)),
		   "%s has the library's bytes", what[i]);
		free(p);
	}
	e = st_find(&s, "model.layers.0.self_attn.q_proj.weight_shape");
	ok(e && e->t.dt == DT_I64 && e->t.nd == 1 && ((int64_t *)e->t.data)[0] == 32 && ((int64_t *)e->t.data)[1] == 64,
	   "weight_shape is out, in");
	ok(!st_find(&s, "model.layers.0.self_attn.q_proj.weight"), "no float weight beside them");
	ok(!st_find(&s, "lm_head.weight"), "no head: it is tied");
	p = xasprintf("%s/config.json", out_dir());
	c = load_json(p);
	q = cJSON_GetObjectItem(c, "quantization_config");
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(q, "quant_method")), "compressed-tensors", "quant_method");
	is_str(cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(q, "ignore"), 0)), "lm_head",
	       "the head is ignored");
	q = cJSON_GetObjectItem(cJSON_GetObjectItem(q, "config_groups"), "group_0");
	ok(cJSON_GetObjectItem(cJSON_GetObjectItem(q, "weights"), "group_size")->valueint == 32 &&
	   cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetObjectItem(q, "weights"), "symmetric")), "group and symmetry");
	free(p);
	cJSON_Delete(c);
	cJSON_Delete(v);
	st_free(&s);
	free(buf);
}

/* The object that the reference gives for this scheme, key by key. */
static void test_config(void)
{
	const struct make m = { .bits = 8, .sym = true, .quantize = true, .dt = DT_BF16 };
	cJSON *v = load_json(GOLDEN "quantization_configs.json"), *want, *c;
	char *p = xasprintf("%s/config.json", out_dir());

	pack(&packer_vllm, &m, false, false, DT_NONE);
	c = load_json(p);
	want = cJSON_GetObjectItem(cJSON_GetObjectItem(v, "configs"), "ct_w8a16_channel");
	json_put_str(want, "version", "0.17.0");
	ok(cJSON_Compare(cJSON_GetObjectItem(c, "quantization_config"), want, true),
	   "quantization_config is the reference's");
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(c, "torch_dtype")), "bfloat16",
	       "the type engines allocate scales in");
	free(p);
	cJSON_Delete(c);
	cJSON_Delete(v);
}

static void test_refusals(void)
{
	static const struct {
		const char *word, *what;
		struct make m;
		bool hf, forced;        /* forced: --force lets it through */
	} t[] = {
		{ "groups of 16", "a group of 16", { .bits = 4, .group = 16, .quantize = true, .dt = DT_F16 }, false,
		    true },
		{ "bits: 3", "3 bits", { .bits = 3, .group = 32, .sym = true, .quantize = true, .dt = DT_F16 }, false,
		    true },
		{ "perm", "scattered groups", { .bits = 4, .group = 32, .perm = true, .quantize = true,
		  .dt = DT_F16 }, false, false },
		{ "group: ", "a ragged group", { .bits = 4, .group = 48, .quantize = true, .dt = DT_F16 }, false,
		    false },
		{ "fuses", "unequal members", { .bits = 4, .group = 32, .gate_float = true, .quantize = true,
		  .dt = DT_F16 }, false, false },
		{ "scale", "a scale beyond F16", { .bits = 4, .group = 32, .scale = 1e-7f, .quantize = true,
		  .dt = DT_F16 }, false, false },
		{ "--dequantize", "plain from quantized", { .bits = 4, .group = 32, .quantize = true, .dt = DT_F16 },
		    true, false }
	};
	char log[64], *said;
	struct stat sb;
	size_t len;

	snprintf(log, sizeof(log), "%s/log", tmp);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		for (int force = 0; force < 2; force++) {
			/* forced, a group of 48 still does not divide 64 */
			const struct packer *p = t[i].hf ? &packer_hf : &packer_vllm;
			int status = 0;
			pid_t pid;

			fflush(stdout);
			/* in a child, since it dies, and what it leaves behind is seen after that */
			pid = fork();
			if (!pid) {
				if (!freopen(log, "w", stderr))
					exit(9);
				pack(p, &t[i].m, false, force, DT_NONE);
				exit(0);
			}
			waitpid(pid, &status, 0);
			is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, force && t[i].forced ? 0 : ST_UNSUP,
			       t[i].what);
			said = source_slurp(log, 1 << 16, &len);
			said[strcspn(said, "\n")] = '\0';
			ok(force ? t[i].forced == !*said : strstr(said, t[i].word) != NULL, "says '%s'", said);
			free(said);
			ok((stat(out_dir(), &sb) == 0) == (force && t[i].forced),
			   "and the directory is there only if it was packed");
			clean(out_dir());
		}
	unlink(log);
}

static void test_dequantize(void)
{
	const struct make m = { .bits = 4, .group = 32, .quantize = true, .dt = DT_F16 };
	cJSON *v = load_json(GOLDEN "base_asym_g32.json");
	struct st s;
	struct st_entry *e;
	char *p, *buf;

	pack(&packer_hf, &m, true, false, DT_F32);
	buf = packed(&s);
	if (!buf)
		return;
	e = st_find(&s, "model.layers.0.self_attn.q_proj.weight");
	ok(e && e->t.dt == DT_F32 && fnv(e->t.data, tensor_bytes(&e->t)) ==
	   strtoull(cJSON_GetObjectItem(v, "weights_f32_fnv1a64")->valuestring, NULL, 16),
	   "weights are the golden file's");
	p = xasprintf("%s/config.json", out_dir());
	cJSON_Delete(v);
	v = load_json(p);
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(v, "torch_dtype")), "float32", "the configuration says F32");
	free(p);
	cJSON_Delete(v);
	st_free(&s);
	free(buf);
}

static char *read_out(const char *name, size_t *len)
{
	char *p = xasprintf("%s/%s", out_dir(), name), *buf = source_slurp(p, 1 << 24, len);

	free(p);
	return buf;
}

/* A head in the bundle of a model whose configuration ties it. */
static void test_head(void)
{
	for (int head = SAME_HEAD; head <= OWN_HEAD; head++)
		for (int vllm = 0; vllm < 2; vllm++) {
			const struct make m = { .dt = DT_BF16, .head = head == SAME_HEAD ? SAME_HEAD : OWN_HEAD };
			const char *what = head == SAME_HEAD ? "the embedding again" : "its own";
			size_t len = 0, n = 0;
			char *c, *w;
			struct st s;

			pack(vllm ? &packer_vllm : &packer_hf, &m, false, false, DT_NONE);
			c = read_out("config.json", &n);
			w = read_out("model.safetensors", &len);
			if (!ok(c && w && st_parse(&s, w, len, "it") == 0, "a head that is %s packs", what))
				return;
			ok(strstr(c, "\"tie_word_embeddings\": false") ? head == OWN_HEAD : head == SAME_HEAD,
			   "%s: tied in the configuration only if it is", what);
			is_int(st_find(&s, "lm_head.weight") != NULL, head == OWN_HEAD || !vllm,
			       "and left out only where the engine makes it anew");
			st_free(&s);
			free(c);
			if (head == SAME_HEAD && !vllm) {
				/* and through import once more: the head stays, byte for byte */
				char *in = xasprintf("%s/in.llmc", tmp), *again;
				struct pack_opt o = { .in = in, .out = out_dir(), .shard = 1 << 30 };

				if (import_run(out_dir(), in, &(struct import_opts){ 0 }) < 0)
					die_err();
				clean(out_dir());
				pack_run(&packer_hf, &o);
				again = read_out("model.safetensors", &n);
				ok(again && n == len && !memcmp(again, w, n), "a round trip keeps it");
				free(again);
				free(in);
			}
			free(w);
		}
}

int main(void)
{
	char *p;

	verbose = -1;
	plan(0);
	if (!mkdtemp(tmp))
		return 1;
	test_bits();
	test_edit();
	test_golden();
	test_config();
	test_refusals();
	test_dequantize();
	test_head();
	clean(out_dir());
	p = xasprintf("%s/in.llmc", tmp);
	unlink(p);
	free(p);
	rmdir(tmp);
	return done();
}
