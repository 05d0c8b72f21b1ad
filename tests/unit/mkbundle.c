/* mkbundle: a small LLaMA of random weights as a bundle, for the bats files.  Everything follows from --seed. */
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/rng.h"
#include "bundle/bundle.h"
#include "bundle/ledger.h"
#include "bundle/pg.h"
#include "quant/grid.h"

#include <stdlib.h>
#include <string.h>

static struct {
	int64_t layers, width, seed, vocab, experts;
	bool tied;
	const char *quant, *kind, *dtype, *plant;
	double noise;
} o;

#define AT(f) offsetof(__typeof__(o), f)
static const struct opt own[] = {
	{ .name = "layers", .type = O_INT, .off = AT(layers), .arg = "N", .def = "3", .min = 1, .max = 64, .help = "layers" },
	{ .name = "width", .type = O_INT, .off = AT(width), .arg = "N", .def = "64", .min = 16, .max = 4096, .help = "d_model" },
	{ .name = "vocab", .type = O_INT, .off = AT(vocab), .arg = "N", .def = "256", .min = 1, .max = 100000, .help = "tokens" },
	{ .name = "experts", .type = O_INT, .off = AT(experts), .arg = "N", .def = "0", .max = 1000, .help = "in each layer" },
	{ .name = "seed", .type = O_INT, .off = AT(seed), .arg = "N", .def = "0", .max = 1e9, .help = "of the weights" },
	{ .name = "tied", .type = O_FLAG, .off = AT(tied), .help = "no head of its own" },
	{ .name = "quant", .type = O_STR, .off = AT(quant), .arg = "SPEC", .help = "round the linears to this grid" },
	{ .name = "kind", .type = O_STR, .off = AT(kind), .arg = "WORD", .def = "model", .help = "of the manifest" },
	{ .name = "type", .type = O_STR, .off = AT(dtype), .arg = "TYPE", .def = "BF16", .help = "F32, F16 or BF16" },
	{ .name = "noise", .type = O_REAL, .off = AT(noise), .arg = "X", .def = "0", .max = 1, .help = "added to mlp.up of block 1" },
	{ .name = "plant", .type = O_STR, .off = AT(plant), .arg = "X", .help = "first weight of attn.q of block 0: a number, nan, inf" },
	{ .type = O_END }
};
static const struct opt_tool tool = {
	.name = "llmc-mkbundle", .usage = "[options]", .about = "a random bundle", .groups = OPT_IO | OPT_TALK, .own = own
};

static void fill(struct block *b, struct tensor *t, struct rng *r, double noise, const char *plant)
{
	size_t n = (size_t)tensor_count(t);
	float *x = xmalloc(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = (float)((t->nd == 1) + 0.05 * rng_normal(r));
	for (size_t i = 0; i < n && noise > 0; i++)
		x[i] += (float)noise * (i % 2 ? 1 : -1);
	if (plant)
		x[0] = strtof(plant, NULL);
	t->data = arena_alloc(&b->mem, tensor_bytes(t));
	if (from_f32(t->data, t->dt, x, n) < 0)
		die_err();
	free(x);
}

static void quantize(struct block *b, int i)
{
	struct qspec spec;
	struct qrec q;
	int64_t out = b->t[i].dim[0], in = b->t[i].dim[1];
	float *w = xmalloc((size_t)(out * in) * sizeof(*w));

	if (spec_parse(&spec, o.quant) < 0 || block_f32(b, i, 0, out, w) < 0)
		die_err();
	qrec_init(&q, &spec, out, in, &b->mem);
	q.scale_dt = DT_BF16;
	grid_fit_rows(&q, w, NULL, out, in);
	grid_round_rows(&q, w, out, in);
	block_quantize(b, i, &q);
	free(w);
}

static void put(struct bundle_out *out, struct ledger *l, const struct model *m, int index, enum blk_kind kind, struct rng *r)
{
	struct want w = WANT_FIRST;
	struct block b;
	char name[64];
	int n = 0;

	while (model_wants(m, index, &w))
		n++;
	block_init(&b, index, kind, n);
	n = 0;
	w = (struct want)WANT_FIRST;
	while (model_wants(m, index, &w)) {
		struct tensor *t = &b.t[n];

		t->nd = w.nd;
		memcpy(t->dim, w.dim, sizeof(t->dim));
		t->name = arena_strdup(&b.mem, want_name(&w, name));
		t->dt = m->dtype;
		fill(&b, t, r, index == 1 && w.role == R_UP ? o.noise : 0, index == 0 && w.role == R_Q ? o.plant : NULL);
		if (o.quant && role_linear(w.role) && w.part == P_WEIGHT)
			quantize(&b, n);
		n++;
	}
	b.nt = n;
	ledger_block(l, &b);
	if (bundle_put_block(out, &b) < 0)
		die_err();
	block_free(&b);
}

static cJSON *manifest(struct model *m, const char **stage)
{
	cJSON *man = json_obj(), *model = json_obj();
	int C = (int)o.width;

	*m = (struct model){
		.family = "llama", .n_layer = (int)o.layers, .d_model = C, .n_head = 4, .n_kv = 2, .d_head = C / 4,
		.d_ff = 2 * C, .vocab = (int)o.vocab, .ctx = 128, .norm = NORM_RMS, .eps = 1e-5, .act = ACT_SILU, .gated = true,
		.rope = { .type = ROPE_DEFAULT, .dim = C / 4, .base = 10000, .factor = 1, .low_freq = 1, .high_freq = 4,
		          .beta_fast = 32, .beta_slow = 1, .truncate = true, .orig_ctx = 128 },
		.attn_scale = 0.25, .flags = o.tied ? MF_TIED : 0, .dtype = dtype_find(o.dtype)
	};
	if (o.experts) {
		m->n_expert = (int)o.experts;
		m->top_k = 2;
		m->d_expert = C;
		for (int i = 0; i < m->n_layer; i++)
			m->moe[i] = true;
	}
	if (model_check(m) < 0)
		die_err();
	json_put_str(man, "kind", o.kind);
	json_put(man, "requires", json_arr());
	model_json(m, model);
	json_put(man, "model", model);
	model_requires(man);
	*stage = pg_append(man, NULL);
	return man;
}

int main(int argc, char **argv)
{
	static const char text[] = "{\"hello\": 1}\n";
	struct bundle_out *out;
	struct ledger l;
	struct model m;
	struct rng r;
	const char *id;
	char *stage;
	cJSON *man;

	opt_parse(&tool, &o, argc, argv);
	man = manifest(&m, &id);
	stage = xstrdup(*id ? id : "mkbundle");
	if (!(out = bundle_create(common.output, man)))
		die_err();
	rng_seed(&r, (uint64_t)o.seed);
	ledger_begin(&l, stage);
	if (bundle_put(out, "tokenizer/tokenizer.json", text, sizeof(text) - 1) < 0 ||
	    bundle_put(out, "extra/config.json", text, sizeof(text) - 1) < 0)
		die_err();
	if (!strcmp(o.kind, "model")) {
		put(out, &l, &m, BLK_EMBED, BLK_KIND_EMBED, &r);
		for (int i = 0; i < m.n_layer; i++)
			put(out, &l, &m, i, BLK_KIND_DENSE, &r);
		put(out, &l, &m, BLK_HEAD, BLK_KIND_HEAD, &r);
	}
	if (bundle_finish(out, ledger_end(&l, NULL), NULL) < 0)
		die_err();
	free(stage);
	return 0;
}
