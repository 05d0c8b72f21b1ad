/* Roles and their shapes, against a table written by hand; blocks, their labels, slices and quantized tensors. */
#include "tests/unit/tap.h"

#include "base/err.h"
#include "model/block.h"

#include <stdlib.h>

/* A model whose every width is another number. */
static struct model model(unsigned flags, bool gated, enum norm norm)
{
	return (struct model){ .n_layer = 2, .d_model = 10, .n_head = 3, .n_kv = 2, .d_head = 7, .d_ff = 11, .vocab = 13,
	                       .norm = norm, .gated = gated, .flags = flags };
}

/* Conditions beyond flags. */
enum { GATED = 1 << 30, LAYER = 1 << 29, HEADS = 1 << 28, ENDS = 1 << 26, AFTER = 1 << 25, TWO = 1 << 27 };

static const struct row {
	const char *name;
	enum blk_kind home;
	int64_t out, in;                /* in 0: a vector */
	unsigned flag;                  /* that the model must have; ~0: must not have MF_TIED, ~1: nor MF_NO_FINAL */
} table[] = {
	{ "embed.weight", BLK_KIND_EMBED, 13, 10, 0 },
	{ "norm.attn.weight", BLK_KIND_DENSE, 10, 0, 0 }, { "norm.attn.bias", BLK_KIND_DENSE, 10, 0, LAYER },
	{ "attn.q.weight", BLK_KIND_DENSE, 21, 10, 0 }, { "attn.q.bias", BLK_KIND_DENSE, 21, 0, MF_BIAS_QKV },
	{ "attn.k.weight", BLK_KIND_DENSE, 14, 10, 0 }, { "attn.k.bias", BLK_KIND_DENSE, 14, 0, MF_BIAS_QKV },
	{ "attn.v.weight", BLK_KIND_DENSE, 14, 10, 0 }, { "attn.v.bias", BLK_KIND_DENSE, 14, 0, MF_BIAS_QKV },
	{ "attn.o.weight", BLK_KIND_DENSE, 10, 21, 0 }, { "attn.o.bias", BLK_KIND_DENSE, 10, 0, MF_BIAS_O },
	{ "norm.mlp.weight", BLK_KIND_DENSE, 10, 0, TWO }, { "norm.mlp.bias", BLK_KIND_DENSE, 10, 0, LAYER | TWO },
	{ "mlp.gate.weight", BLK_KIND_DENSE, 11, 10, GATED }, { "mlp.gate.bias", BLK_KIND_DENSE, 11, 0, GATED | MF_BIAS_MLP },
	{ "mlp.up.weight", BLK_KIND_DENSE, 11, 10, 0 }, { "mlp.up.bias", BLK_KIND_DENSE, 11, 0, MF_BIAS_MLP },
	{ "mlp.down.weight", BLK_KIND_DENSE, 10, 11, 0 }, { "mlp.down.bias", BLK_KIND_DENSE, 10, 0, MF_BIAS_MLP },
	{ "norm.final.weight", BLK_KIND_HEAD, 10, 0, ~1u }, { "head.weight", BLK_KIND_HEAD, 13, 10, ~0u },
	{ "norm.q.weight", BLK_KIND_DENSE, 7, 0, HEADS }, { "norm.q.bias", BLK_KIND_DENSE, 7, 0, HEADS },
	{ "norm.k.weight", BLK_KIND_DENSE, 7, 0, HEADS }, { "norm.k.bias", BLK_KIND_DENSE, 7, 0, HEADS },
	{ "pos.weight", BLK_KIND_EMBED, 17, 10, ENDS },
	{ "norm.embed.weight", BLK_KIND_EMBED, 10, 0, ENDS }, { "norm.embed.bias", BLK_KIND_EMBED, 10, 0, ENDS | LAYER },
	{ "norm.attn_out.weight", BLK_KIND_DENSE, 10, 0, AFTER }, { "norm.mlp_out.weight", BLK_KIND_DENSE, 10, 0, AFTER },
};
enum { ROWS = sizeof(table) / sizeof(*table) };

/* Turns the conditions into knobs, and the other way. */
static struct model model_of(unsigned have)
{
	struct model m = model(have & 63, have & GATED, have & LAYER ? NORM_LAYER : NORM_RMS);

	m.qk_norm = have & HEADS ? QK_LAYER : QK_NONE;
	m.pos_rows = have & ENDS ? 17 : 0;
	m.embed_norm = have & ENDS;
	m.place = have & AFTER ? PLACE_SANDWICH : have & TWO ? PLACE_PRE : PLACE_PARALLEL;
	return m;
}

static bool expected(const struct row *t, unsigned have)
{
	if (t->flag == ~0u)
		return !(have & MF_TIED);
	if (t->flag == ~1u)
		return !(have & MF_NO_FINAL);
	if (have & AFTER)
		have |= TWO;
	return (have & t->flag) == t->flag;
}

static void shapes(void)
{
	int wrong = 0, tensors = 0;

	for (unsigned k = 0; k < 1 << 12; k++) {
		unsigned have = (k & 63) | (k >> 6) << 25;
		struct model m = model_of(have);

		for (int i = 0; i < ROWS; i++) {
			const struct row *t = &table[i];
			enum role r;
			enum part p;
			int64_t dim[MAXDIM];
			int nd;

			if (role_parse(t->name, &r, &p, NULL) < 0 || role_home(r) != t->home ||
			    role_shape(&m, 0, r, p, &nd, dim) != expected(t, have)) {
				wrong++;
				diag("%s, conditions %x", t->name, have);
				continue;
			}
			if (!expected(t, have))
				continue;
			tensors++;
			wrong += nd != (t->in ? 2 : 1) || dim[0] != t->out || (t->in && dim[1] != t->in);
		}
	}
	is_int(wrong, 0, "every role has its shape under every combination of knobs");
	ok(tensors > 64 * 10, "and there were some");
}

/* Shapes that go together: a narrow embedding and its projections, a norm for each head. */
static void others(void)
{
	struct model m = model(0, true, NORM_LAYER);
	int64_t dim[MAXDIM];
	int nd;

	m.d_embed = 5;
	ok(role_shape(&m, 0, R_EMBED, P_WEIGHT, &nd, dim) && dim[0] == 13 && dim[1] == 5, "a narrow embedding");
	ok(role_shape(&m, 0, R_HEAD, P_WEIGHT, &nd, dim) && dim[0] == 13 && dim[1] == 5, "and head");
	ok(role_shape(&m, 0, R_PROJ_IN, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 10 && dim[1] == 5, "made wide");
	ok(role_shape(&m, 0, R_PROJ_OUT, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 5 && dim[1] == 10, "and narrow");
	ok(!role_shape(&m, 0, R_PROJ_IN, P_BIAS, &nd, dim), "without a bias");
	m.qk_norm = QK_LAYER_EACH;
	ok(role_shape(&m, 0, R_NORM_Q, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 3 && dim[1] == 7, "a norm for each query head");
	ok(role_shape(&m, 0, R_NORM_K, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 2 && dim[1] == 7, "and each key head");
	ok(!role_shape(&m, 0, R_NORM_K, P_BIAS, &nd, dim), "without a bias");
	m.qk_norm = QK_RMS_ALL;
	ok(role_shape(&m, 0, R_NORM_Q, P_WEIGHT, &nd, dim) && nd == 1 && dim[0] == 21, "one for all query heads at once");
	ok(role_shape(&m, 0, R_NORM_K, P_WEIGHT, &nd, dim) && nd == 1 && dim[0] == 14, "and for all key heads");
	ok(!role_shape(&m, 0, R_NORM_Q, P_BIAS, &nd, dim), "without a bias");
	m.place = PLACE_BEHIND;
	ok(role_shape(&m, 0, R_NORM_ATTN_OUT, P_WEIGHT, &nd, dim) && nd == 1 && dim[0] == 10 &&
	   role_shape(&m, 0, R_NORM_MLP_OUT, P_BIAS, &nd, dim), "norms behind");
	ok(!role_shape(&m, 0, R_NORM_ATTN, P_WEIGHT, &nd, dim) && !role_shape(&m, 0, R_NORM_MLP, P_WEIGHT, &nd, dim),
	   "and none before");
	m.place = PLACE_PRE;
	m.n_layer = 2;
	m.d_cross = 4;
	m.cross[1] = true;
	m.embed_extra = 3;
	ok(role_shape(&m, 1, R_CROSS_Q, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 21 && dim[1] == 10, "queries of the text");
	ok(role_shape(&m, 1, R_CROSS_V, P_WEIGHT, &nd, dim) && nd == 2 && dim[0] == 14 && dim[1] == 4, "values of something else");
	ok(role_shape(&m, 1, R_CROSS_MLP_GATE, P_WEIGHT, &nd, dim) && nd == 1 && dim[0] == 1, "a gate");
	ok(!role_shape(&m, 1, R_Q, P_WEIGHT, &nd, dim) && !role_shape(&m, 1, R_NORM_K, P_WEIGHT, &nd, dim) &&
	   role_shape(&m, 1, R_DOWN, P_WEIGHT, &nd, dim), "in place of attention to itself");
	ok(!role_shape(&m, 0, R_CROSS_Q, P_WEIGHT, &nd, dim) && role_shape(&m, 0, R_Q, P_WEIGHT, &nd, dim), "there alone");
	ok(model_linear(&m, 0, R_DOWN) && !model_linear(&m, 1, R_DOWN) && !model_linear(&m, 0, R_NORM_MLP), "never compressed");
	ok(role_shape(&m, BLK_EMBED, R_EMBED, P_WEIGHT, &nd, dim) && dim[0] == 16, "rows that no text asks for");
	m.flags = MF_BIAS_HEAD;
	ok(role_shape(&m, 0, R_HEAD, P_BIAS, &nd, dim) && nd == 1 && dim[0] == 13, "a head's bias");
}

static void names(void)
{
	static const char *const bad[] = { "", "attn", "attn.q", "attn.q.", "attn.q.weight2", "attn.q.weight.code", "Attn.q.weight",
	                                   "attn.qweight", "head.bias.weight", "embed", ".weight", "norm.weight", "gate.weight", "expert.gate.weight",
	                                   "expert.01.gate.weight", "expert.1.attn.q.weight", "expert..up.weight" };
	int linear = 0, roles = 0, wrong = 0;
	enum role r;
	enum part p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		wrong += role_parse(bad[i], &r, &p, NULL) >= 0;
	is_int(wrong, 0, "what is no role is not parsed");
	wrong = 0;
	for (int i = 0; i < R_N; i++)
		for (int k = 0; k < P_N; k++) {
			char name[64];

			struct want w = { .role = (enum role)i, .part = (enum part)k, .expert = role_expert((enum role)i) ? 12 : 0 };
			int expert;

			wrong += role_parse(want_name(&w, name), &r, &p, &expert) < 0 || r != (enum role)i ||
			         p != (enum part)k || expert != w.expert;
			roles++;
		}
	is_int(wrong, 0, "every role's name parses to itself");
	is_int(roles, 2 * R_N, "all of them");
	for (int i = 0; i < R_N; i++)
		linear += role_linear((enum role)i);
	is_int(linear, 18, "seventeen kinds of linears are compressed, and those of a list");
	ok(!role_linear(R_HEAD) && !role_linear(R_EMBED), "the ends are not");
}

static void labels(void)
{
	struct block b;
	char buf[32];

	block_init(&b, 17, BLK_KIND_DENSE, 0);
	is_str(block_label(&b, buf), "block 17", "label of a layer");
	is_str(block_member(&b, buf), "block/0017", "member of a layer");
	b.piece = 3;
	is_str(block_label(&b, buf), "block 17.3", "label of a piece");
	is_str(block_member(&b, buf), "block/0017.3", "member of a piece");
	ok(b.note && !b.note->child && b.nt == 0, "an empty block has an empty note");
	block_free(&b);
	block_init(&b, BLK_EMBED, BLK_KIND_EMBED, 0);
	is_str(block_label(&b, buf), "embed", "label of the embedding");
	is_str(block_member(&b, buf), "embed", "member of the embedding");
	block_free(&b);
	block_init(&b, BLK_HEAD, BLK_KIND_HEAD, 0);
	is_str(block_label(&b, buf), "head", "label of the head");
	block_free(&b);
}

/* [3,4] BF16, then int2 with two groups of 2. */
static void slices(void)
{
	static const float w[12] = { 1, 2, 3, 4, 5, 6, 7, 8, -9, 10, -11, 12 };
	struct qspec spec;
	struct qrec q;
	struct block b;
	float out[12];

	block_init(&b, 0, BLK_KIND_DENSE, 2);
	b.t[1] = tensor_2d(&b.mem, DT_BF16, 3, 4);
	b.t[1].name = "attn.k.weight";
	from_f32(b.t[1].data, DT_BF16, w, 12);
	is_int(block_find(&b, R_K, P_WEIGHT), 1, "found by its role");
	is_int(block_find(&b, R_K, P_BIAS), -1, "its bias is not there");
	ok(block_get(&b, R_Q, P_WEIGHT) == NULL && block_get(&b, R_K, P_WEIGHT) == &b.t[1], "block_get");
	ok(!block_f32(&b, 1, 1, 3, out) && !memcmp(out, w + 4, 8 * sizeof(*w)), "rows of a plain tensor");
	ok(block_f32(&b, 1, 0, 4, out) < 0 && block_f32(&b, 1, -1, 2, out) < 0 && block_f32(&b, 1, 2, 1, out) < 0,
	   "rows that are not there");
	ok(!spec_parse(&spec, "int2:g2:asym"), "spec");
	qrec_init(&q, &spec, 3, 4, &b.mem);
	memcpy(q.code, (uint8_t[]){ 0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 3, 3 }, 12);
	memcpy(q.scale, (float[]){ 1, 2, 0.5f, 4, 1, 1 }, 6 * sizeof(float));
	memcpy(q.zero, (uint8_t[]){ 0, 1, 2, 3, 0, 1 }, 6);
	block_quantize(&b, 1, &q);
	ok(!b.t[1].data && b.fate[1] == FATE_QUANTIZED && b.t[1].dt == DT_BF16, "quantized: no data, its type remembered");
	ok(!block_f32(&b, 1, 0, 3, out) &&
	   !memcmp(out, (float[]){ 0, 1, 2, 4, 0.5f, 0, -8, -12, 0, 0, 2, 2 }, sizeof(out)), "(code - zero) * scale");
	ok(!block_f32(&b, 1, 2, 3, out) && out[2] == 2, "its last row alone");
	ok(block_f32(&b, 0, 0, 0, out) < 0, "a tensor that is described only");
	block_free(&b);
	ok(!b.note && !b.nt, "freed");
}

int main(void)
{
	plan(0);
	shapes();
	others();
	names();
	labels();
	slices();
	return done();
}
