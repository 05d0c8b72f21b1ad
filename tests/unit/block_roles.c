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

static const struct row {
	const char *name;
	enum blk_kind home;
	int64_t out, in;                /* in 0: a vector */
	unsigned flag;                  /* that the model must have; ~0: must not have MF_TIED; 1 << 30: gated; 1 << 29: LayerNorm */
} table[] = {
	{ "embed.weight", BLK_KIND_EMBED, 13, 10, 0 },
	{ "norm.attn.weight", BLK_KIND_DENSE, 10, 0, 0 }, { "norm.attn.bias", BLK_KIND_DENSE, 10, 0, 1 << 29 },
	{ "attn.q.weight", BLK_KIND_DENSE, 21, 10, 0 }, { "attn.q.bias", BLK_KIND_DENSE, 21, 0, MF_BIAS_QKV },
	{ "attn.k.weight", BLK_KIND_DENSE, 14, 10, 0 }, { "attn.k.bias", BLK_KIND_DENSE, 14, 0, MF_BIAS_QKV },
	{ "attn.v.weight", BLK_KIND_DENSE, 14, 10, 0 }, { "attn.v.bias", BLK_KIND_DENSE, 14, 0, MF_BIAS_QKV },
	{ "attn.o.weight", BLK_KIND_DENSE, 10, 21, 0 }, { "attn.o.bias", BLK_KIND_DENSE, 10, 0, MF_BIAS_O },
	{ "norm.mlp.weight", BLK_KIND_DENSE, 10, 0, 0 }, { "norm.mlp.bias", BLK_KIND_DENSE, 10, 0, 1 << 29 },
	{ "mlp.gate.weight", BLK_KIND_DENSE, 11, 10, 1 << 30 }, { "mlp.gate.bias", BLK_KIND_DENSE, 11, 0, 1 << 30 | MF_BIAS_MLP },
	{ "mlp.up.weight", BLK_KIND_DENSE, 11, 10, 0 }, { "mlp.up.bias", BLK_KIND_DENSE, 11, 0, MF_BIAS_MLP },
	{ "mlp.down.weight", BLK_KIND_DENSE, 10, 11, 0 }, { "mlp.down.bias", BLK_KIND_DENSE, 10, 0, MF_BIAS_MLP },
	{ "norm.final.weight", BLK_KIND_HEAD, 10, 0, 0 }, { "norm.final.bias", BLK_KIND_HEAD, 10, 0, 1 << 29 },
	{ "head.weight", BLK_KIND_HEAD, 13, 10, ~0u },
};
enum { ROWS = sizeof(table) / sizeof(*table) };

static bool expected(const struct row *t, unsigned flags, bool gated, enum norm norm)
{
	unsigned have = flags | (gated ? 1u << 30 : 0) | (norm == NORM_LAYER ? 1u << 29 : 0);

	return t->flag == ~0u ? !(flags & MF_TIED) : (have & t->flag) == t->flag;
}

static void shapes(void)
{
	int wrong = 0, tensors = 0;

	for (unsigned flags = 0; flags < 16; flags++)
		for (int gated = 0; gated < 2; gated++)
			for (int norm = 0; norm < 2; norm++) {
				enum norm kind = norm ? NORM_LAYER : NORM_RMS;
				struct model m = model(flags, gated, kind);

				for (int i = 0; i < ROWS; i++) {
					const struct row *t = &table[i];
					enum role r;
					enum part p;
					int64_t dim[MAXDIM];
					int nd;

					if (role_parse(t->name, &r, &p) < 0 || role_home(r) != t->home ||
					    role_shape(&m, r, p, &nd, dim) != expected(t, flags, gated, kind)) {
						wrong++;
						diag("%s, flags %u, gated %d, norm %d", t->name, flags, gated, norm);
						continue;
					}
					if (!expected(t, flags, gated, kind))
						continue;
					tensors++;
					wrong += nd != (t->in ? 2 : 1) || dim[0] != t->out || (t->in && dim[1] != t->in);
				}
			}
	is_int(wrong, 0, "every role has its shape under every combination of knobs");
	ok(tensors > 64 * 10, "and there were some");
}

static void names(void)
{
	static const char *const bad[] = { "", "attn", "attn.q", "attn.q.", "attn.q.weight2", "attn.q.weight.code", "Attn.q.weight",
	                                   "attn.qweight", "head.bias.weight", "embed", ".weight", "norm.weight" };
	int linear = 0, roles = 0, wrong = 0;
	enum role r;
	enum part p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		wrong += role_parse(bad[i], &r, &p) >= 0;
	is_int(wrong, 0, "what is no role is not parsed");
	wrong = 0;
	for (int i = 0; i < R_N; i++)
		for (int k = 0; k < P_N; k++) {
			char name[64];

			snprintf(name, sizeof(name), "%s.%s", role_name((enum role)i), part_name((enum part)k));
			wrong += role_parse(name, &r, &p) < 0 || r != (enum role)i || p != (enum part)k;
			roles++;
		}
	is_int(wrong, 0, "every role's name parses to itself");
	is_int(roles, 24, "there are 24");
	for (int i = 0; i < R_N; i++)
		linear += role_linear((enum role)i);
	is_int(linear, 7, "seven linears are compressed");
	ok(!role_linear(R_HEAD) && !role_linear(R_EMBED), "the ends are not");
}

static void labels(void)
{
	struct block b;
	char buf[32];

	block_init(&b, 17, BLK_KIND_DENSE, 0);
	is_str(block_label(&b, buf), "block 17", "label of a layer");
	is_str(block_member(&b, buf), "block/0017", "member of a layer");
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
	names();
	labels();
	slices();
	return done();
}
