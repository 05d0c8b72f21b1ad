/* Blocks: what they may hold (the roles) and what they hold. */
#include "model/listed.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum blk_kind home;
	bool linear;                    /* methods compress it */
} roles[R_N] = {
	[R_EMBED] = { "embed", BLK_KIND_EMBED, false },
	[R_POS] = { "pos", BLK_KIND_EMBED, false },
	[R_PROJ_IN] = { "proj.in", BLK_KIND_EMBED, false },
	[R_NORM_EMBED] = { "norm.embed", BLK_KIND_EMBED, false },
	[R_NORM_ATTN] = { "norm.attn", BLK_KIND_DENSE, false },
	[R_Q] = { "attn.q", BLK_KIND_DENSE, true },
	[R_QA] = { "attn.q_a", BLK_KIND_DENSE, true },
	[R_NORM_QA] = { "norm.q_a", BLK_KIND_DENSE, false },
	[R_QB] = { "attn.q_b", BLK_KIND_DENSE, true },
	[R_KVA] = { "attn.kv_a", BLK_KIND_DENSE, true },
	[R_NORM_KVA] = { "norm.kv_a", BLK_KIND_DENSE, false },
	[R_KVB] = { "attn.kv_b", BLK_KIND_DENSE, true },
	[R_K] = { "attn.k", BLK_KIND_DENSE, true },
	[R_V] = { "attn.v", BLK_KIND_DENSE, true },
	[R_NORM_Q] = { "norm.q", BLK_KIND_DENSE, false },
	[R_NORM_K] = { "norm.k", BLK_KIND_DENSE, false },
	[R_O] = { "attn.o", BLK_KIND_DENSE, true },
	[R_NORM_ATTN_OUT] = { "norm.attn_out", BLK_KIND_DENSE, false },
	[R_CROSS_Q] = { "cross.q", BLK_KIND_DENSE, false },
	[R_CROSS_K] = { "cross.k", BLK_KIND_DENSE, false },
	[R_CROSS_V] = { "cross.v", BLK_KIND_DENSE, false },
	[R_NORM_CROSS_Q] = { "norm.cross_q", BLK_KIND_DENSE, false },
	[R_NORM_CROSS_K] = { "norm.cross_k", BLK_KIND_DENSE, false },
	[R_CROSS_O] = { "cross.o", BLK_KIND_DENSE, false },
	[R_CROSS_ATTN_GATE] = { "cross.attn_gate", BLK_KIND_DENSE, false },
	[R_NORM_MLP] = { "norm.mlp", BLK_KIND_DENSE, false },
	[R_GATE] = { "mlp.gate", BLK_KIND_DENSE, true },
	[R_UP] = { "mlp.up", BLK_KIND_DENSE, true },
	[R_DOWN] = { "mlp.down", BLK_KIND_DENSE, true },
	[R_NORM_MLP_OUT] = { "norm.mlp_out", BLK_KIND_DENSE, false },
	[R_CROSS_MLP_GATE] = { "cross.mlp_gate", BLK_KIND_DENSE, false },
	[R_ROUTER] = { "router", BLK_KIND_DENSE, false },
	[R_SHARED_ROUTER] = { "shared.router", BLK_KIND_DENSE, false },
	[R_SHARED_GATE] = { "shared.gate", BLK_KIND_DENSE, true },
	[R_SHARED_UP] = { "shared.up", BLK_KIND_DENSE, true },
	[R_SHARED_DOWN] = { "shared.down", BLK_KIND_DENSE, true },
	[R_EXPERT_GATE] = { "gate", BLK_KIND_DENSE, true },     /* "expert.N." before it */
	[R_EXPERT_UP] = { "up", BLK_KIND_DENSE, true },
	[R_EXPERT_DOWN] = { "down", BLK_KIND_DENSE, true },
	[R_NORM_FINAL] = { "norm.final", BLK_KIND_HEAD, false },
	[R_PROJ_OUT] = { "proj.out", BLK_KIND_HEAD, false },
	[R_HEAD] = { "head", BLK_KIND_HEAD, false },
	[R_LINEAR] = { "linear", BLK_KIND_DENSE, true },
	[R_OTHER] = { "other", BLK_KIND_DENSE, false },
};
static const char *const parts[P_N] = { [P_WEIGHT] = "weight", [P_BIAS] = "bias" };

enum blk_kind block_kind(int index)
{
	return index == BLK_EMBED ? BLK_KIND_EMBED : index == BLK_HEAD ? BLK_KIND_HEAD : BLK_KIND_DENSE;
}

bool role_expert(enum role r)
{
	return r == R_EXPERT_GATE || r == R_EXPERT_UP || r == R_EXPERT_DOWN;
}

const char *role_label(enum role r, int expert, char *buf)
{
	if (role_expert(r))
		snprintf(buf, 64, "expert.%d.%s", expert, roles[r].name);
	else
		snprintf(buf, 64, "%s", roles[r].name);
	return buf;
}

const char *part_name(enum part p)
{
	return parts[p];
}

int role_parse(const char *name, enum role *role, enum part *part, int *expert)
{
	bool one = !strncmp(name, "expert.", 7);
	int number = 0;

	if (one) {
		const char *s = name += 7;

		for (; *name >= '0' && *name <= '9' && number < 1 << 20; name++)
			number = 10 * number + *name - '0';
		if (name == s || (*s == '0' && name > s + 1) || *name++ != '.')
			return -1;
	}
	for (int r = 0; r < R_N; r++) {
		size_t n = strlen(roles[r].name);

		if (role_expert((enum role)r) != one || strncmp(name, roles[r].name, n) || name[n] != '.')
			continue;
		for (int p = 0; p < P_N; p++)
			if (!strcmp(name + n + 1, parts[p])) {
				*role = (enum role)r;
				*part = (enum part)p;
				if (expert)
					*expert = number;
				return 0;
			}
	}
	return -1;
}

bool role_linear(enum role r)
{
	return roles[r].linear;
}

static bool crosses(const struct model *m, int index)
{
	return index >= 0 && index < m->n_layer && m->cross[index];
}

bool model_linear(const struct model *m, int index, enum role r)
{
	return role_linear(r) && !crosses(m, index);
}

enum blk_kind role_home(enum role r)
{
	return roles[r].home;
}

/* Norms of n heads: one weight for all, or for each of them one; a single norm has one as long as they are together. */
static bool head_norm(const struct model *m, int n, int64_t *out, int64_t *in)
{
	*out = m->qk_norm == QK_LAYER_EACH ? n : m->qk_norm == QK_RMS_ALL ? (int64_t)n * m->d_head : m->d_head;
	*in = m->qk_norm == QK_LAYER_EACH ? m->d_head : 0;
	return m->qk_norm != QK_NONE;
}

/* As weight_shape, of the roles that only layers have which attend to something else than the text. */
static bool cross_shape(const struct model *m, enum role r, int64_t *out, int64_t *in)
{
	switch (r) {
	case R_CROSS_Q: *out = (int64_t)m->n_head * m->d_head; return true;
	case R_CROSS_K: case R_CROSS_V: *out = (int64_t)m->n_kv * m->d_head; *in = m->d_cross; return true;
	case R_CROSS_O: *in = (int64_t)m->n_head * m->d_head; return true;
	case R_NORM_CROSS_Q: case R_NORM_CROSS_K: *out = m->d_head; *in = 0; return true;
	case R_CROSS_ATTN_GATE: case R_CROSS_MLP_GATE: *out = 1; *in = 0; return true;
	default: return false;
	}
}

/* What they have instead of. */
static bool of_self_attention(enum role r)
{
	switch (r) {
	case R_Q: case R_K: case R_V: case R_O: case R_NORM_Q: case R_NORM_K: return true;
	default: return false;
	}
}

/* [out, in] of a role's weight; in 0: a vector of `out`. */
static bool weight_shape(const struct model *m, int index, enum role r, int64_t *out, int64_t *in)
{
	bool moe = index >= 0 && index < m->n_layer && m->moe[index];
	int64_t C = m->d_model, q = (int64_t)m->n_head * m->d_head, kv = (int64_t)m->n_kv * m->d_head;

	*in = C;
	*out = C;
	if (crosses(m, index) && of_self_attention(r))
		return false;
	switch (r) {
	case R_CROSS_Q: case R_CROSS_K: case R_CROSS_V: case R_CROSS_O: case R_NORM_CROSS_Q: case R_NORM_CROSS_K:
	case R_CROSS_ATTN_GATE: case R_CROSS_MLP_GATE: return crosses(m, index) && cross_shape(m, r, out, in);
	case R_EMBED: *out = m->vocab + m->embed_extra; *in = m->d_embed ? m->d_embed : C; return true;
	case R_POS: *out = m->pos_rows; return m->pos_rows > 0;
	case R_PROJ_IN: *in = m->d_embed; return m->d_embed > 0;
	case R_PROJ_OUT: *out = m->d_embed; return m->d_embed > 0;
	case R_HEAD: *out = m->vocab; *in = m->d_embed ? m->d_embed : C; return !(m->flags & MF_TIED);
	case R_Q: *out = q; return !m->q_rank;
	case R_QA: *out = m->q_rank; return m->q_rank > 0;
	case R_NORM_QA: *out = m->q_rank; *in = 0; return m->q_rank > 0;
	case R_QB: *out = q; *in = m->q_rank; return m->q_rank > 0;
	case R_KVA: *out = m->kv_rank + m->rope.dim; return m->kv_rank > 0;
	case R_NORM_KVA: *out = m->kv_rank; *in = 0; return m->kv_rank > 0;
	case R_KVB: *out = (int64_t)m->n_head * (m->d_head - m->rope.dim + model_dv(m)); *in = m->kv_rank; return m->kv_rank > 0;
	case R_K: *out = kv; return !m->kv_rank;
	case R_V: *out = (int64_t)m->n_kv * model_dv(m); return !m->kv_rank;
	case R_O: *in = (int64_t)m->n_head * model_dv(m); return true;
	case R_GATE: *out = m->d_ff; return m->gated && !moe;
	case R_UP: *out = m->d_ff; return !moe;
	case R_DOWN: *in = m->d_ff; return !moe;
	case R_ROUTER: *out = m->n_expert; return moe;
	case R_SHARED_ROUTER: *out = 1; return moe && m->shared_gate;
	case R_SHARED_GATE: case R_SHARED_UP: *out = m->d_shared; return moe && m->d_shared;
	case R_SHARED_DOWN: *in = m->d_shared; return moe && m->d_shared;
	case R_EXPERT_GATE: case R_EXPERT_UP: *out = m->d_expert; return moe;
	case R_EXPERT_DOWN: *in = m->d_expert; return moe;
	case R_NORM_Q: return head_norm(m, m->n_head, out, in);
	case R_NORM_K: return head_norm(m, m->n_kv, out, in);
	case R_NORM_EMBED: *in = 0; return m->embed_norm && !m->plain_norm;
	case R_NORM_ATTN_OUT: case R_NORM_MLP_OUT: *in = 0;
		return (m->place == PLACE_SANDWICH || m->place == PLACE_BEHIND) && !m->plain_norm;
	case R_NORM_MLP: *in = 0; return m->place != PLACE_PARALLEL && m->place != PLACE_BEHIND && !m->plain_norm;
	case R_NORM_FINAL: *in = 0; return !(m->flags & MF_NO_FINAL) && !m->plain_norm;
	case R_NORM_ATTN: *in = 0; return m->place != PLACE_BEHIND && !m->plain_norm;
	case R_LINEAR: case R_OTHER: case R_N: break;
	}
	return false;
}

static bool has_bias(const struct model *m, enum role r)
{
	switch (r) {
	case R_EMBED: case R_POS: case R_PROJ_IN: case R_PROJ_OUT: case R_NORM_QA: case R_QB: case R_NORM_KVA: case R_KVB:
	case R_SHARED_ROUTER: case R_SHARED_GATE: case R_SHARED_UP: case R_SHARED_DOWN:
	case R_CROSS_Q: case R_CROSS_K: case R_CROSS_V: case R_CROSS_O: case R_NORM_CROSS_Q: case R_NORM_CROSS_K:
	case R_CROSS_ATTN_GATE: case R_CROSS_MLP_GATE:
	case R_EXPERT_GATE: case R_EXPERT_UP: case R_EXPERT_DOWN: case R_LINEAR: case R_OTHER: case R_N: return false;
	case R_ROUTER: return m->router_bias;
	case R_QA: case R_KVA: return m->flags & MF_BIAS_QKV;
	case R_HEAD: return m->flags & MF_BIAS_HEAD;
	case R_Q: return m->flags & MF_BIAS_QKV && !m->kv_rank;
	case R_K: case R_V: return m->flags & MF_BIAS_QKV;
	case R_O: return m->flags & MF_BIAS_O;
	case R_GATE: case R_UP: case R_DOWN: return m->flags & MF_BIAS_MLP;
	case R_NORM_Q: case R_NORM_K: return m->qk_norm == QK_LAYER;
	case R_NORM_EMBED: case R_NORM_ATTN: case R_NORM_ATTN_OUT: case R_NORM_MLP: case R_NORM_MLP_OUT:
	case R_NORM_FINAL: return m->norm == NORM_LAYER;
	}
	return false;
}

bool role_shape(const struct model *m, int index, enum role r, enum part p, int *nd, int64_t *dim)
{
	int64_t out = 0, in = 0;
	bool has = weight_shape(m, index, r, &out, &in);

	/* a head that is the embedding may have a bias of its own */
	has = !m->listed && (p == P_WEIGHT ? has : (has || r == R_HEAD) && has_bias(m, r));
	*nd = p == P_WEIGHT && in ? 2 : 1;
	dim[0] = out;
	dim[1] = in;
	return has;
}

int layer_pieces(const struct model *m, int index)
{
	if (!m->piece_experts || m->listed || index < 0 || index >= m->n_layer || !m->moe[index])
		return 1;
	return 1 + (m->n_expert + m->piece_experts - 1) / m->piece_experts;
}

void piece_experts(const struct model *m, int index, int piece, int *from, int *to)
{
	int n = m->n_expert;

	*from = 0;
	*to = layer_pieces(m, index) == 1 ? n : 0;
	if (piece > 0) {
		*from = (piece - 1) * m->piece_experts;
		*to = n - *from < m->piece_experts ? n : *from + m->piece_experts;
	}
}

/* The next one, of the experts those in [from, to); without `rest` nothing but experts'. */
static bool next_want(const struct model *m, int index, int from, int to, bool rest, struct want *w)
{
	enum blk_kind kind = block_kind(index);

	if (m->listed)
		return listed_next(m, index, w);
	for (;;) {
		if (w->part == P_N)                             /* before the first */
			w->part = P_WEIGHT;
		else if (w->part + 1 < P_N)
			w->part++;
		else if (role_expert(w->role) && w->expert + 1 < to) {
			w->expert++;
			w->part = P_WEIGHT;
		} else {
			w->role++;
			w->expert = role_expert(w->role) ? from : 0;
			w->part = P_WEIGHT;
		}
		if (w->role >= R_N)
			return false;
		if (roles[w->role].home == kind && (role_expert(w->role) ? w->expert < to : rest) &&
		    role_shape(m, index, w->role, w->part, &w->nd, w->dim))
			return true;
	}
}

bool model_wants(const struct model *m, int index, struct want *w)
{
	return next_want(m, index, 0, m->n_expert, true, w);
}

bool piece_wants(const struct model *m, int index, int piece, struct want *w)
{
	int from, to;

	piece_experts(m, index, piece, &from, &to);
	return next_want(m, index, from, to, piece == 0, w);
}

const char *want_name(const struct want *w, char *buf)
{
	size_t n;

	if (w->listed)
		return w->listed->child->valuestring;
	role_label(w->role, w->expert, buf);
	n = strlen(buf);
	snprintf(buf + n, 64 - n, ".%s", parts[w->part]);
	return buf;
}

int64_t want_count(const struct want *w)
{
	int64_t n = 1;

	for (int i = 0; i < w->nd; i++)
		n *= w->dim[i];
	return n;
}

static const char *less_part(const char *name, char *buf)
{
	snprintf(buf, LABEL, "%.*s", (int)(strrchr(name, '.') - name), name);
	return buf;
}

const char *want_label(const struct want *w, char *buf)
{
	return w->listed && w->role == R_LINEAR ? less_part(w->listed->child->valuestring, buf) :
	                                          role_label(w->role, w->expert, buf);
}

bool block_linear(const struct model *m, const struct block *b, int i, char *label)
{
	const struct tensor *t = &b->t[i];
	enum role r;
	enum part p;
	int expert;

	if (m->listed) {
		if (!listed_linear(t->name, t->nd, b->kind))
			return false;
		less_part(t->name, label);
		return true;
	}
	if (role_parse(t->name, &r, &p, &expert) < 0 || p != P_WEIGHT || !model_linear(m, b->index, r))
		return false;
	role_label(r, expert, label);
	return true;
}

int block_find_expert(const struct block *b, enum role role, enum part part, int expert)
{
	struct want w = { .role = role, .part = part, .expert = expert };
	char name[64];

	want_name(&w, name);
	for (int i = 0; i < b->nt; i++)
		if (b->t[i].name && !strcmp(b->t[i].name, name))
			return i;
	return -1;
}

int block_find(const struct block *b, enum role role, enum part part)
{
	return block_find_expert(b, role, part, 0);
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

void block_room(struct block *b, int nt)
{
	b->nt = nt;
	b->t = cleared(&b->mem, nt, sizeof(*b->t));
	b->q = cleared(&b->mem, nt, sizeof(*b->q));
	b->fate = cleared(&b->mem, nt, sizeof(*b->fate));
}

void block_init(struct block *b, int index, enum blk_kind kind, int nt)
{
	memset(b, 0, sizeof(*b));
	b->index = index;
	b->kind = kind;
	block_room(b, nt);
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

void block_append(struct block *b, struct block *piece)
{
	struct block was = *b;
	int n = was.nt;

	block_room(b, n + piece->nt);
	for (int i = 0; i < b->nt; i++) {
		const struct block *from = i < n ? &was : piece;
		int k = i < n ? i : i - n;

		b->t[i] = from->t[k];
		b->q[i] = from->q[k];
		b->fate[i] = from->fate[k];
	}
	arena_join(&b->mem, &piece->mem);
	block_free(piece);
}

void block_free(struct block *b)
{
	cJSON_Delete(b->note);
	arena_free(&b->mem);
	memset(b, 0, sizeof(*b));
}

const char *block_label(const struct block *b, char *buf)
{
	if (b->kind == BLK_KIND_DENSE && b->piece)
		snprintf(buf, 32, "block %d.%d", b->index, b->piece);
	else if (b->kind == BLK_KIND_DENSE)
		snprintf(buf, 32, "block %d", b->index);
	else
		snprintf(buf, 32, "%s", b->kind == BLK_KIND_EMBED ? "embed" : "head");
	return buf;
}

void block_put(const struct block *b, cJSON *row)
{
	char buf[32];

	if (b->kind == BLK_KIND_DENSE && !b->piece)
		json_put_num(row, "block", b->index);
	else
		json_put_str(row, "block", block_label(b, buf) + (b->piece ? strlen("block ") : 0));
}

const char *block_member(const struct block *b, char *buf)
{
	if (b->kind == BLK_KIND_DENSE && b->piece)
		snprintf(buf, 32, "block/%04d.%d", b->index, b->piece);
	else if (b->kind == BLK_KIND_DENSE)
		snprintf(buf, 32, "block/%04d", b->index);
	else
		snprintf(buf, 32, "%s", b->kind == BLK_KIND_EMBED ? "embed" : "head");
	return buf;
}
