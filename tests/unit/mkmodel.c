/* mkmodel DIR [KEY=VALUE...]: a checkpoint in Hugging Face's layout (Llama's) with random weights, of any size: it is
 * written as it is made.  Keys: hidden ffn heads kv head_dim layers vocab seed tied (0, 1), dtype (f32, f16, bf16);
 * experts (Mixtral's then, each ffn wide) and top, of them.
 * mkmodel -t FILE [rows= seqlen= vocab= seed=]: rows of random token ids instead, as safetensors, for --calib.
 * For the benchmarks and the tests of memory. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct {
	int64_t hidden, ffn, heads, kv, head_dim, layers, vocab, seed, tied, experts, top, rows, seqlen;
	enum dtype dt;
} o = { 64, 192, 4, 2, 0, 2, 256, 1, 0, 0, 2, 8, 128, DT_BF16 };

static void set(const char *arg)
{
	static const struct {
		const char *key;
		int64_t *to;
	} keys[] = {
		{ "hidden", &o.hidden }, { "ffn", &o.ffn }, { "heads", &o.heads }, { "kv", &o.kv },
		{ "head_dim", &o.head_dim }, { "layers", &o.layers }, { "vocab", &o.vocab }, { "seed", &o.seed },
		{ "tied", &o.tied }, { "experts", &o.experts }, { "top", &o.top }, { "rows", &o.rows }, { "seqlen", &o.seqlen },
	};
	const char *v = strchr(arg, '=');
	char *end;

	if (!v)
		die(ST_USAGE, "'%s' is not KEY=VALUE", arg);
	v++;
	if (!strncmp(arg, "dtype=", 6)) {
		o.dt = !strcmp(v, "f32") ? DT_F32 : !strcmp(v, "f16") ? DT_F16 : !strcmp(v, "bf16") ? DT_BF16 : DT_NONE;
		if (o.dt == DT_NONE)
			die(ST_USAGE, "dtype is f32, f16 or bf16, not '%s'", v);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strncmp(arg, keys[i].key, strlen(keys[i].key)) && arg[strlen(keys[i].key)] == '=') {
			*keys[i].to = strtoll(v, &end, 10);
			if (end == v || *end || *keys[i].to < 0 || *keys[i].to > 1 << 30)
				die(ST_USAGE, "'%s' is no number", arg);
			return;
		}
	die(ST_USAGE, "there is no key '%s'", arg);
}

struct plan {
	struct tensor *t;
	size_t n, cap;
};

static void add(struct plan *p, char *name, int64_t rows, int64_t cols)
{
	struct tensor t = { .name = name, .dt = o.dt, .nd = cols ? 2 : 1, .dim = { rows, cols ? cols : 0 } };

	p->t = xgrow(p->t, p->n + 1, &p->cap, sizeof(t));
	p->t[p->n++] = t;
}

static struct plan tensors(void)
{
	const int64_t q = o.heads * o.head_dim, k = o.kv * o.head_dim;
	const struct {
		const char *name;
		int64_t rows, cols;
	} layer[] = {
		{ "input_layernorm", o.hidden, 0 }, { "self_attn.q_proj", q, o.hidden }, { "self_attn.k_proj", k, o.hidden },
		{ "self_attn.v_proj", k, o.hidden }, { "self_attn.o_proj", o.hidden, q },
		{ "post_attention_layernorm", o.hidden, 0 },
	}, dense[] = {
		{ "mlp.gate_proj", o.ffn, o.hidden }, { "mlp.up_proj", o.ffn, o.hidden },
		{ "mlp.down_proj", o.hidden, o.ffn },
	};
	static const char expert[] = "block_sparse_moe.experts";
	struct plan p = { 0 };

	add(&p, xstrdup("model.embed_tokens.weight"), o.vocab, o.hidden);
	for (long long l = 0; l < o.layers; l++) {
		for (size_t i = 0; i < sizeof(layer) / sizeof(*layer); i++)
			add(&p, xasprintf("model.layers.%lld.%s.weight", l, layer[i].name), layer[i].rows, layer[i].cols);
		for (size_t i = 0; i < 3 && !o.experts; i++)
			add(&p, xasprintf("model.layers.%lld.%s.weight", l, dense[i].name), dense[i].rows, dense[i].cols);
		for (long long e = 0; e < o.experts; e++)
			for (size_t i = 0; i < 3; i++)  /* w1: gate, w3: up, w2: down */
				add(&p, xasprintf("model.layers.%lld.%s.%lld.w%d.weight", l, expert, e, i == 0 ? 1 : i == 1 ? 3 : 2),
				    dense[i].rows, dense[i].cols);
		if (o.experts)
			add(&p, xasprintf("model.layers.%lld.block_sparse_moe.gate.weight", l), o.experts, o.hidden);
	}
	add(&p, xstrdup("model.norm.weight"), o.hidden, 0);
	if (!o.tied)
		add(&p, xstrdup("lm_head.weight"), o.vocab, o.hidden);
	return p;
}

static FILE *create(const char *dir, const char *name)
{
	char *path = dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
	FILE *f = fopen(path, "wb");

	if (!f)
		die(ST_FAIL, "cannot write '%s': %m", path);
	free(path);
	return f;
}

static void put(FILE *f, const void *buf, size_t n)
{
	if (fwrite(buf, 1, n, f) != n)
		die(ST_FAIL, "cannot write: %m");
}

/* Sixteen bits each of four numbers in one: their sum is nearly normal, variance 1/3 after scaling to [-1, 1]. */
static float bell(struct rng *r)
{
	uint64_t x = rng_next(r);
	int64_t s = (int64_t)(x & 0xffff) + (int64_t)(x >> 16 & 0xffff) + (int64_t)(x >> 32 & 0xffff) + (int64_t)(x >> 48);

	return (float)(s - 2 * 65535) / 65535;
}

/* Gains about one; weights that keep the size of what they multiply, but that few channels are larger, as in trained
 * models. */
static void fill(FILE *f, const struct tensor *t, struct rng *r)
{
	enum { N = 1 << 16 };
	static float x[N];
	static char y[N * sizeof(float)];
	int64_t cols = t->nd == 2 ? t->dim[1] : 1, n = tensor_count(t), at = 0;
	float gain = strstr(t->name, "embed") ? 1 : sqrtf(3 / (float)cols);

	while (at < n) {
		size_t k = (size_t)(n - at < N ? n - at : N);

		for (size_t i = 0; i < k; i++, at++) {
			x[i] = bell(r);
			x[i] = t->nd == 1 ? 1 + 0.1f * x[i] : x[i] * gain * (at % cols % 97 ? 1 : 4);
		}
		from_f32(y, t->dt, x, k);
		put(f, y, k * dtype_size(t->dt));
	}
}

static void config(const char *dir)
{
	cJSON *c = json_obj(), *a = json_arr();
	FILE *f = create(dir, "config.json");
	char *text;

	json_push(a, cJSON_CreateString(o.experts ? "MixtralForCausalLM" : "LlamaForCausalLM"));
	json_put(c, "architectures", a);
	json_put_str(c, "model_type", o.experts ? "mixtral" : "llama");
	if (o.experts) {
		json_put_num(c, "num_local_experts", (double)o.experts);
		json_put_num(c, "num_experts_per_tok", (double)o.top);
	}
	json_put_num(c, "hidden_size", (double)o.hidden);
	json_put_num(c, "intermediate_size", (double)o.ffn);
	json_put_num(c, "num_attention_heads", (double)o.heads);
	json_put_num(c, "num_key_value_heads", (double)o.kv);
	json_put_num(c, "head_dim", (double)o.head_dim);
	json_put_num(c, "num_hidden_layers", (double)o.layers);
	json_put_num(c, "vocab_size", (double)o.vocab);
	json_put_num(c, "max_position_embeddings", 8192);
	json_put_str(c, "hidden_act", "silu");
	json_put_num(c, "rms_norm_eps", 1e-5);
	json_put_num(c, "rope_theta", 500000);
	json_put_num(c, "bos_token_id", 0);
	json_put_num(c, "eos_token_id", 1);
	json_put_bool(c, "tie_word_embeddings", o.tied);
	json_put_str(c, "torch_dtype", o.dt == DT_F32 ? "float32" : o.dt == DT_F16 ? "float16" : "bfloat16");
	text = json_text(c, true);
	put(f, text, strlen(text));
	put(f, "\n", 1);
	free(text);
	cJSON_Delete(c);
	if (fclose(f))
		die(ST_FAIL, "cannot write: %m");
}

static void model(const char *dir)
{
	struct plan p;
	struct rng r;
	int *order;
	size_t len;
	void *head;
	FILE *f;

	if (!o.head_dim && o.heads)
		o.head_dim = o.hidden / o.heads;
	if (mkdir(dir, 0777) < 0)
		die(ST_FAIL, "cannot make '%s': %m", dir);
	p = tensors();
	order = xmalloc(p.n * sizeof(*order));
	head = st_header(p.t, (int)p.n, NULL, order, &len);
	f = create(dir, "model.safetensors");
	put(f, head, len);
	rng_seed(&r, (uint64_t)o.seed);
	for (size_t i = 0; i < p.n; i++)
		fill(f, &p.t[order[i]], &r);
	if (fclose(f))
		die(ST_FAIL, "cannot write: %m");
	config(dir);
	for (size_t i = 0; i < p.n; i++)
		free((void *)(uintptr_t)p.t[i].name);
	free(p.t);
	free(order);
	free(head);
}

static void tokens(const char *path)
{
	struct tensor t = { .name = "input_ids", .dt = DT_I32, .nd = 2, .dim = { o.rows, o.seqlen } };
	FILE *f = create(NULL, path);
	struct rng r;
	size_t len;
	int order;
	void *head = st_header(&t, 1, NULL, &order, &len);

	put(f, head, len);
	free(head);
	rng_seed(&r, (uint64_t)o.seed);
	for (int64_t i = 0; i < o.rows * o.seqlen; i++) {
		int32_t id = (int32_t)rng_below(&r, (uint64_t)o.vocab);

		put(f, &id, sizeof(id));
	}
	if (fclose(f))
		die(ST_FAIL, "cannot write: %m");
}

int main(int argc, char **argv)
{
	bool ids = argc > 1 && !strcmp(argv[1], "-t");

	prog = "mkmodel";
	if (argc < 2 + ids)
		die(ST_USAGE, "usage: mkmodel DIR [KEY=VALUE...] | mkmodel -t FILE [KEY=VALUE...]");
	for (int i = 2 + ids; i < argc; i++)
		set(argv[i]);
	if (ids)
		tokens(argv[2]);
	else
		model(argv[1]);
	return 0;
}
