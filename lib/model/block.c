/* Blocks: what they may hold (the roles) and what they hold. */
#include "model/block.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum blk_kind home;
	bool linear;                    /* methods compress it */
} roles[R_N] = {
	[R_EMBED] = { "embed", BLK_KIND_EMBED, false },
	[R_NORM_ATTN] = { "norm.attn", BLK_KIND_DENSE, false },
	[R_Q] = { "attn.q", BLK_KIND_DENSE, true },
	[R_K] = { "attn.k", BLK_KIND_DENSE, true },
	[R_V] = { "attn.v", BLK_KIND_DENSE, true },
	[R_O] = { "attn.o", BLK_KIND_DENSE, true },
	[R_NORM_MLP] = { "norm.mlp", BLK_KIND_DENSE, false },
	[R_GATE] = { "mlp.gate", BLK_KIND_DENSE, true },
	[R_UP] = { "mlp.up", BLK_KIND_DENSE, true },
	[R_DOWN] = { "mlp.down", BLK_KIND_DENSE, true },
	[R_NORM_FINAL] = { "norm.final", BLK_KIND_HEAD, false },
	[R_HEAD] = { "head", BLK_KIND_HEAD, false },
};
static const char *const parts[P_N] = { [P_WEIGHT] = "weight", [P_BIAS] = "bias" };

enum blk_kind block_kind(int index)
{
	return index == BLK_EMBED ? BLK_KIND_EMBED : index == BLK_HEAD ? BLK_KIND_HEAD : BLK_KIND_DENSE;
}

const char *role_name(enum role r)
{
	return roles[r].name;
}

const char *part_name(enum part p)
{
	return parts[p];
}

int role_parse(const char *name, enum role *role, enum part *part)
{
	for (int r = 0; r < R_N; r++) {
		size_t n = strlen(roles[r].name);

		if (strncmp(name, roles[r].name, n) || name[n] != '.')
			continue;
		for (int p = 0; p < P_N; p++)
			if (!strcmp(name + n + 1, parts[p])) {
				*role = (enum role)r;
				*part = (enum part)p;
				return 0;
			}
	}
	return -1;
}

bool role_linear(enum role r)
{
	return roles[r].linear;
}

enum blk_kind role_home(enum role r)
{
	return roles[r].home;
}

/* [out, in] of a role's weight; in 0: a vector of `out`. */
static bool weight_shape(const struct model *m, enum role r, int64_t *out, int64_t *in)
{
	int64_t C = m->d_model, q = (int64_t)m->n_head * m->d_head, kv = (int64_t)m->n_kv * m->d_head;

	*in = C;
	switch (r) {
	case R_EMBED: *out = m->vocab; return true;
	case R_HEAD: *out = m->vocab; return !(m->flags & MF_TIED);
	case R_Q: *out = q; return true;
	case R_K: case R_V: *out = kv; return true;
	case R_O: *out = C; *in = q; return true;
	case R_GATE: *out = m->d_ff; return m->gated;
	case R_UP: *out = m->d_ff; return true;
	case R_DOWN: *out = C; *in = m->d_ff; return true;
	default: *out = C; *in = 0; return true;        /* a norm */
	}
}

static bool has_bias(const struct model *m, enum role r)
{
	switch (r) {
	case R_EMBED: case R_HEAD: return false;
	case R_Q: case R_K: case R_V: return m->flags & MF_BIAS_QKV;
	case R_O: return m->flags & MF_BIAS_O;
	case R_GATE: case R_UP: case R_DOWN: return m->flags & MF_BIAS_MLP;
	default: return m->norm == NORM_LAYER;
	}
}

bool role_shape(const struct model *m, enum role r, enum part p, int *nd, int64_t *dim)
{
	int64_t out, in;
	bool has = weight_shape(m, r, &out, &in) && (p == P_WEIGHT || has_bias(m, r));

	*nd = p == P_WEIGHT && in ? 2 : 1;
	dim[0] = out;
	dim[1] = in;
	return has;
}

int block_find(const struct block *b, enum role role, enum part part)
{
	enum role r;
	enum part p;

	for (int i = 0; i < b->nt; i++)
		if (b->t[i].name && !role_parse(b->t[i].name, &r, &p) && r == role && p == part)
			return i;
	return -1;
}

struct tensor *block_get(const struct block *b, enum role role, enum part part)
{
	int i = block_find(b, role, part);

	return i < 0 ? NULL : &b->t[i];
}

static void *cleared(struct arena *a, int n, size_t size)
{
	void *p = arena_alloc(a, (size_t)n * size);

	return n ? memset(p, 0, (size_t)n * size) : p;
}

void block_init(struct block *b, int index, enum blk_kind kind, int nt)
{
	memset(b, 0, sizeof(*b));
	b->index = index;
	b->kind = kind;
	b->nt = nt;
	b->t = cleared(&b->mem, nt, sizeof(*b->t));
	b->q = cleared(&b->mem, nt, sizeof(*b->q));
	b->fate = cleared(&b->mem, nt, sizeof(*b->fate));
	b->note = json_obj();
}

int block_f32(const struct block *b, int i, int64_t r0, int64_t r1, float *w)
{
	const struct tensor *t = &b->t[i];
	int64_t cols = tensor_cols(t);

	if (r0 < 0 || r1 < r0 || r1 > tensor_rows(t))
		return err_set(ST_FAIL, "rows %lld..%lld of '%s', which has %lld", (long long)r0, (long long)r1, t->name,
		               (long long)tensor_rows(t));
	if (b->q[i].spec.fmt != Q_NONE) {
		qrec_dequant(&b->q[i], cols, r0, r1, w);
		return 0;
	}
	if (!t->data)
		return err_set(ST_FAIL, "tensor '%s' is described, not held", t->name);
	return to_f32(w, (const char *)t->data + (size_t)(r0 * cols) * dtype_size(t->dt), t->dt,
	              (size_t)((r1 - r0) * cols));
}

void block_quantize(struct block *b, int i, const struct qrec *q)
{
	b->q[i] = *q;
	b->t[i].data = NULL;
	b->fate[i] = FATE_QUANTIZED;
}

void block_free(struct block *b)
{
	cJSON_Delete(b->note);
	arena_free(&b->mem);
	memset(b, 0, sizeof(*b));
}

const char *block_label(const struct block *b, char *buf)
{
	if (b->kind == BLK_KIND_DENSE)
		snprintf(buf, 32, "block %d", b->index);
	else
		snprintf(buf, 32, "%s", b->kind == BLK_KIND_EMBED ? "embed" : "head");
	return buf;
}

const char *block_member(const struct block *b, char *buf)
{
	if (b->kind == BLK_KIND_DENSE)
		snprintf(buf, 32, "block/%04d", b->index);
	else
		snprintf(buf, 32, "%s", b->kind == BLK_KIND_EMBED ? "embed" : "head");
	return buf;
}
