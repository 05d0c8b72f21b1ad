/* From roles to the tensors of a checkpoint: those that the family keeps in one matrix are joined, those of which each
 * head has its own are taken apart. */
#include "pack/pack.h"

#include "base/err.h"
#include "base/mem.h"
#include "pack/ctconf.h"

#include <string.h>

/* The members of a fused tensor, as indices into the block. */
struct join {
	const struct block *b;
	const struct fuse *f;
	int i[3];
	int spans;                      /* pieces that each member is cut into, to take turns */
};

static int find(struct join *j, const struct pack *p, const struct block *b, const struct fuse *f, enum part part)
{
	char label[64];

	j->b = b;
	j->f = f;
	j->spans = f->kind == FUSE_GROUP ? p->m->n_kv : 1;
	for (int k = 0; k < f->n; k++)
		if ((j->i[k] = block_find(b, f->role[k], part)) < 0)
			return err_set(ST_BAD, "'%s.%s' is missing, which is fused with others",
			               role_label(f->role[k], 0, label), part_name(part));
	return 0;
}

/* All members' rows of `row` bytes each, member k's at from[k], in the order of the fused tensor. */
static void turns(const struct join *j, const void *const *from, size_t row, char *to)
{
	for (int s = 0; s < j->spans; s++)
		for (int k = 0; k < j->f->n; k++) {
			size_t n = (size_t)(j->b->t[j->i[k]].dim[0] / j->spans) * row;

			memcpy(to, (const char *)from[k] + (size_t)s * n, n);
			to += n;
		}
}

static int join_codes(const struct join *j, struct block *out, int at)
{
	const struct qrec *q = &j->b->q[j->i[0]];
	struct tensor *t = &out->t[at];
	size_t in = (size_t)tensor_cols(t), rows = (size_t)t->dim[0], G = (size_t)q->ngroup;
	const void *code[3], *scale[3], *zero[3];

	for (int k = 0; k < j->f->n; k++) {
		const struct qrec *o = &j->b->q[j->i[k]];

		if (!ctconf_same(q, o) || !q->perm != !o->perm || (q->perm && memcmp(q->perm, o->perm, in * sizeof(*q->perm))))
			return err_set(ST_UNSUP, "'%s' and '%s' are quantized differently, and the checkpoint has them in one tensor",
			               j->b->t[j->i[0]].name, j->b->t[j->i[k]].name);
		code[k] = o->code;
		scale[k] = o->scale;
		zero[k] = o->zero;
	}
	out->q[at] = *q;
	out->q[at].code = arena_alloc(&out->mem, rows * in);
	turns(j, code, in, (char *)out->q[at].code);
	out->q[at].scale = arena_alloc(&out->mem, rows * G * sizeof(*q->scale));
	turns(j, scale, G * sizeof(*q->scale), (char *)out->q[at].scale);
	if (q->zero) {
		out->q[at].zero = arena_alloc(&out->mem, rows * G * sizeof(*q->zero));
		turns(j, zero, G * sizeof(*q->zero), (char *)out->q[at].zero);
	}
	return 0;
}

/* Members as floats of one type; those that are quantized, where the packer wants floats, dequantized. */
static int join_floats(const struct join *j, const struct pack *p, struct block *out, int at)
{
	struct tensor *t = &out->t[at];
	const void *from[3];

	for (int k = 0; k < j->f->n; k++) {
		const struct tensor *o = &j->b->t[j->i[k]];
		size_t n = (size_t)tensor_count(o);
		float *f;
		char *own;

		from[k] = o->data;
		if (j->b->q[j->i[k]].spec.fmt == Q_NONE && o->dt == t->dt)
			continue;
		if (j->b->q[j->i[k]].spec.fmt != Q_NONE && !p->o->dequantize)
			return err_set(ST_UNSUP, "'%s' is quantized, and not all that the checkpoint has in one tensor with it",
			               o->name);
		f = arena_alloc(&out->mem, n * sizeof(*f));
		own = arena_alloc(&out->mem, n * dtype_size(t->dt));
		if (block_f32(j->b, j->i[k], 0, tensor_rows(o), f) < 0 || from_f32(own, t->dt, f, n) < 0)
			return -1;
		from[k] = own;
	}
	t->data = arena_alloc(&out->mem, tensor_bytes(t));
	turns(j, from, t->nd == 1 ? dtype_size(t->dt) : (size_t)tensor_cols(t) * dtype_size(t->dt), t->data);
	return 0;
}

static int join(const struct pack *p, const struct join *j, struct block *out)
{
	struct tensor *t = &out->t[out->nt];
	int n = 0;

	*t = j->b->t[j->i[0]];
	t->dim[0] = 0;
	for (int k = 0; k < j->f->n; k++) {
		t->dim[0] += j->b->t[j->i[k]].dim[0];
		n += j->b->q[j->i[k]].spec.fmt != Q_NONE;
	}
	if (n)
		t->dt = p->o->dtype == DT_NONE ? p->m->dtype : p->o->dtype;
	if (n == j->f->n && !p->o->dequantize) {
		t->data = NULL;
		if (join_codes(j, out, out->nt) < 0)
			return -1;
	} else if (join_floats(j, p, out, out->nt) < 0)
		return -1;
	out->nt++;
	return 0;
}

/* Experts stacked in one tensor [experts, rows of their roles, columns]: floats alone.  Of a piece, its own. */
static int join_experts(const struct pack *p, const struct block *b, const struct fuse *f, struct block *out)
{
	struct join j = { .b = b, .f = f, .spans = 1 };
	struct tensor *t = &out->t[out->nt];
	size_t one = 0;
	char *all = NULL;
	int from, to;

	piece_experts(p->m, b->index, b->piece, &from, &to);
	for (int e = from; e < to; e++) {
		struct tensor *part = &out->t[out->nt];

		for (int k = 0; k < f->n; k++) {
			j.i[k] = block_find_expert(b, f->role[k], P_WEIGHT, e);
			if (j.i[k] < 0 || (b->q[j.i[k]].spec.fmt != Q_NONE && !p->o->dequantize))
				return err_set(ST_UNSUP, "experts are stacked in this checkpoint, which holds floats: some are quantized");
		}
		/* one expert's after the other, through the tensor's own place */
		if (join(p, &j, out) < 0)
			return -1;
		out->nt--;
		if (!all) {
			one = tensor_bytes(part);
			all = arena_alloc(&out->mem, one * (size_t)(to - from));
		}
		memcpy(all + (size_t)(e - from) * one, part->data, one);
	}
	t->nd = 3;
	t->dim[2] = t->dim[1];
	t->dim[1] = t->dim[0];
	t->dim[0] = to - from;
	t->data = all;
	out->nt++;
	return 0;
}

static void split_heads(const struct tensor *t, struct block *out)
{
	for (int64_t h = 0; h < t->dim[0]; h++) {
		struct tensor *o = &out->t[out->nt++];

		*o = *t;
		o->nd = 1;
		o->dim[0] = t->dim[1];
		o->data = (char *)t->data + (size_t)(h * t->dim[1]) * dtype_size(t->dt);
	}
}

/* How many tensors the block may become. */
static int room(const struct pack *p, const struct block *b)
{
	int n = 0;
	enum role r;
	enum part part;

	for (int i = 0; i < b->nt; i++)
		n += role_parse(b->t[i].name, &r, &part, NULL) == 0 && !role_expert(r) && family_heads(p->f, r) ?
		     (int)b->t[i].dim[0] : 1;
	return n;
}

int pack_join(const struct pack *p, const struct block *b, struct block *out)
{
	struct join j;
	enum role r;
	enum part part;
	int expert, from, to;

	block_init(out, b->index, b->kind, room(p, b));
	out->piece = b->piece;
	out->nt = 0;
	piece_experts(p->m, b->index, b->piece, &from, &to);
	for (int i = 0; i < b->nt; i++) {
		const struct fuse *f = NULL;

		if (!p->m->listed && role_parse(b->t[i].name, &r, &part, &expert) == 0) {
			f = family_fuse(p->f, r);
			if (f && (r != f->role[0] || (role_expert(r) && expert > from)))
				continue;               /* joined with the first */
			if (f && f->kind == FUSE_EXPERT) {
				if (join_experts(p, b, f, out) < 0)
					return -1;
				continue;
			}
			if (!role_expert(r) && family_heads(p->f, r) && b->t[i].nd == 2) {
				split_heads(&b->t[i], out);
				continue;
			}
		}
		if (f && (find(&j, p, b, f, part) < 0 || join(p, &j, out) < 0))
			return -1;
		if (f)
			continue;
		out->t[out->nt] = b->t[i];
		out->q[out->nt++] = b->q[i];
	}
	return 0;
}
