#include "import/map.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct naming bare = { "", "" };

/* As family_role, of a language model inside another. */
static int inner_role(const struct map *p, const char *name, struct tensor_id *id)
{
	char own[600];
	const char *known = p->as ? family_own(p->names, p->as, name, own, sizeof(own)) : name;

	return known ? family_role(p->names, known, id) : -1;
}

/* As family_role, of a name that may lack the prefix. */
static int any_role(const struct family *f, const char *name, struct tensor_id *id, bool *lacks)
{
	size_t n = family_prefix(f);
	char full[600];
	int r = family_role(f, name, id);

	*lacks = r < 0;
	if (r >= 0 || !n || strlen(name) > 512)
		return r;
	snprintf(full, sizeof(full), "%.*s%s", (int)n, f->names[R_EMBED], name);
	return family_role(f, full, id);
}

/* As family_role; -2: error set. */
static int find_role(struct map *p, const char *name, struct tensor_id *id)
{
	size_t n = family_prefix(p->names);
	const char *embed = p->names->names[R_EMBED];
	bool lacks;
	int r;

	if (p->wrap)
		return inner_role(p, name, id);
	r = any_role(p->names, name, id, &lacks);
	if (r <= 0 || (!lacks && strncmp(name, embed, n)))
		return r;                       /* "lm_head": the same in both */
	if (p->prefixed++ && lacks != (p->as == &bare)) {
		err_set(ST_BAD, "tensor '%s' is named with%s the prefix '%.*s', others are not", name,
		        lacks ? "out" : "", (int)n, embed);
		return -2;
	}
	p->as = lacks ? &bare : NULL;
	return r;
}

static int twice(const char *name)
{
	return err_set(ST_BAD, "tensor '%s' comes twice", name);
}

int64_t map_pieces(const struct map *p, const struct tensor_id *id, int64_t *dim)
{
	int nd;

	if (!role_shape(p->m, id->layer, id->role, id->part, &nd, dim))
		return 0;
	return role_expert(id->role) ? p->m->n_expert : nd == 2 ? dim[0] : 0;
}

/* Head h of `heads`, one of as many as the model says. */
static int put_head(struct map *p, struct slot *s, const struct tensor_id *id, int i)
{
	int64_t dim[MAXDIM], n;

	n = map_pieces(p, id, dim);
	if (id->head >= n)
		return err_set(ST_BAD, "unknown tensor '%s': the configuration says that the model has none", p->s->t[i].name);
	if (s->fuse)
		return twice(p->s->t[i].name);
	if (!s->heads) {
		s->heads = xmalloc((size_t)n * sizeof(*s->heads));
		memset(s->heads, 0xff, (size_t)n * sizeof(*s->heads));
		s->src = i;
	}
	if (s->heads[id->head] >= 0)
		return twice(p->s->t[i].name);
	s->heads[id->head] = i;
	s->n++;
	return 0;
}

static int put(struct map *p, const struct tensor_id *id, int i)
{
	int n = id->fuse ? id->fuse->n : 1;

	if (!id->fuse && family_heads(p->names, id->role))
		return put_head(p, &p->layer[id->layer][id->role][id->part], id, i);
	for (int k = 0; k < n; k++) {
		struct slot *s = &p->layer[id->layer][id->fuse ? id->fuse->role[k] : id->role][id->part];

		if (s->n)
			return twice(p->s->t[i].name);
		*s = (struct slot){ .n = 1, .src = i, .fuse = id->fuse, .nth = k };
	}
	return 0;
}

int map_step(const struct map *p, const char *name, int *layer)
{
	int step = p->wrap ? wrap_step(p->wrap, p->before, name, layer) : -1;
	char own[600];

	if (step >= 0 || !p->further)
		return step;
	if (p->as)
		name = family_own(p->names, p->as, name, own, sizeof(own));
	*layer = name ? family_layer(p->names, name) : -1;
	return *layer >= p->m->n_layer && *layer < p->m->n_layer + p->further ? MAX_CARRY : -1;
}

static int map_tensor(struct map *p, int i)
{
	const struct tensor *t = &p->s->t[i];
	struct tensor_id id;
	int layer, r;

	if (map_step(p, t->name, &layer) >= 0) {
		p->carry[p->ncarry++] = i;
		return 0;
	}
	r = find_role(p, t->name, &id);
	if (r < -1)
		return -1;
	if (r < 0)
		return err_set(ST_BAD, "unknown tensor '%s': family '%s' has no role for it", t->name, p->m->family);
	if (r == 0) {
		p->why[i] = "a buffer that the configuration says already";
		return 0;
	}
	if (id.layer >= p->m->n_layer)
		return err_set(ST_BAD, "unknown tensor '%s': the configuration has %d layers", t->name, p->m->n_layer);
	if (t->dt != DT_F32 && t->dt != DT_F16 && t->dt != DT_BF16)
		return err_set(ST_UNSUP, "tensor '%s' is %s; F32, F16 and BF16 are read", t->name, dtype_name(t->dt));
	return put(p, &id, i);
}

/* The head that is there is the head: a configuration that says "tied" then speaks of how training went. */
static void settle_head(struct map *p)
{
	if (p->layer[0][R_HEAD][P_WEIGHT].n && p->m->flags & MF_TIED) {
		p->m->flags &= ~(unsigned)MF_TIED;
		say(1, "the configuration ties the head to the embedding, and the checkpoint has a head of its own: kept");
	}
}

static int shape_fits(const struct map *p, int i, int nd, const int64_t *dim)
{
	struct tensor want = { .nd = nd };
	char a[96], b[96];

	memcpy(want.dim, dim, sizeof(*dim) * (size_t)nd);
	if (tensor_same_shape(&want, &p->s->t[i]))
		return 0;
	return err_set(ST_BAD, "tensor '%s' is %s, the configuration makes it %s", p->s->t[i].name,
	               tensor_shape(&p->s->t[i], a, sizeof(a)), tensor_shape(&want, b, sizeof(b)));
}

static int missing(const struct map *p, const struct tensor_id *id)
{
	char name[TENSOR_NAME];

	if (!p->names->names[id->role] && !family_fuse(p->names, id->role))
		return err_set(ST_BAD, "the model has a tensor '%s', which family '%s' does not name",
		               family_tensor(p->names, id, p->as, name, sizeof(name)), p->names->name);
	return err_set(ST_BAD, "tensor '%s' is missing", family_tensor(p->names, id, p->as, name, sizeof(name)));
}

static int check_heads(const struct map *p, const struct slot *s, const struct tensor_id *id, const int64_t *dim)
{
	bool expert = role_expert(id->role);
	int64_t n = expert ? p->m->n_expert : dim[0];

	for (int h = 0; h < n; h++) {
		struct tensor_id one = *id;

		one.head = h;
		if (s->heads[h] < 0)
			return missing(p, &one);
		if (shape_fits(p, s->heads[h], expert ? 2 : 1, expert ? dim : dim + 1) < 0)
			return -1;
		if (!expert && p->s->t[s->heads[h]].dt != p->s->t[s->src].dt)
			return err_set(ST_UNSUP, "tensor '%s' is of another type than the other heads'", p->s->t[s->heads[h]].name);
	}
	return 0;
}

static int check_slot(const struct map *p, struct tensor_id *id)
{
	const struct slot *s = &p->layer[id->layer][id->role][id->part];
	int64_t dim[MAXDIM], other[MAXDIM];
	int nd, n;
	bool has = role_shape(p->m, id->layer, id->role, id->part, &nd, dim);

	if (!has && !s->n)
		return 0;
	if (!has)
		return err_set(ST_BAD, "unknown tensor '%s': the configuration says that the model has none",
		               p->s->t[s->src].name);
	if (!s->n)
		return missing(p, id);
	if (s->heads)
		return check_heads(p, s, id, dim);
	if (s->fuse && s->fuse->kind == FUSE_EXPERT) {
		dim[2] = dim[1];
		dim[1] = dim[0] * s->fuse->n;
		dim[0] = p->m->n_expert;
		return shape_fits(p, s->src, 3, dim);
	}
	for (int k = 0; s->fuse && k < s->fuse->n; k++)
		if (k != s->nth) {
			role_shape(p->m, id->layer, s->fuse->role[k], id->part, &n, other);
			dim[0] += other[0];
		}
	return shape_fits(p, s->src, nd, dim);
}

static int check_all(struct map *p)
{
	for (int l = 0; l < p->m->n_layer; l++)
		for (int r = 0; r < R_N; r++)
			for (int k = 0; k < P_N; k++) {
				struct tensor_id id = { .role = (enum role)r, .part = (enum part)k, .layer = l };

				if ((l == 0 || role_home(id.role) == BLK_KIND_DENSE) && check_slot(p, &id) < 0)
					return -1;
			}
	return 0;
}

/* Tensors that have a role by the names of f. */
static int known(struct map *p, const struct family *f)
{
	const struct family *was = p->names;
	struct tensor_id id;
	bool lacks;
	int n = 0;

	p->names = f;
	for (int i = 0; i < p->s->nt; i++)
		n += (p->wrap ? inner_role(p, p->s->t[i].name, &id) : any_role(f, p->s->t[i].name, &id, &lacks)) > 0;
	p->names = was;
	return n;
}

/* How names go that stand in a model around the language model: as they were published, or as transformers has them
 * since version 5 in memory, where the inner model comes first in all of them. */
static void settle_names(struct map *p)
{
	static const char later[] = "model.language_model.";
	const char *prefix;

	p->before = "";
	if (!p->wrap)
		return;
	prefix = p->wrap->prefix;
	for (int i = 0; i < p->s->nt && !p->trunk; i++)
		if (!strncmp(p->s->t[i].name, later, strlen(later)))
			p->trunk = xstrdup(later);
	p->before = p->trunk ? "model." : "";
	p->naming.rest = p->trunk ? "" : prefix;
	if (!p->trunk)
		p->trunk = xasprintf("%s%.*s", prefix, (int)family_prefix(p->names), p->names->names[R_EMBED]);
	p->naming.trunk = p->trunk;
	if (*prefix || *p->before)
		p->as = &p->naming;
}

int map_source(struct map *p, const struct source *s, struct model *m, const struct family *f,
               const struct wrap *wrap)
{
	*p = (struct map){ .s = s, .m = m, .f = f, .names = s->names ? s->names : f, .wrap = wrap };
	settle_names(p);
	if (json_int(s->config, "num_nextn_predict_layers", 0, MAX_LAYER, &p->further) < 0)
		return -1;
	if (p->names == f && f->other && known(p, f->other) > known(p, f)) {
		p->f = p->names = f = f->other;
		snprintf(m->family, sizeof(m->family), "%s", f->name);
	}
	if (family_fits(p->names, m) < 0 || family_fits(p->f, m) < 0)
		return -1;
	p->layer = xcalloc((size_t)m->n_layer, sizeof(*p->layer));
	p->why = xcalloc((size_t)s->nt + 1, sizeof(*p->why));
	p->carry = xcalloc((size_t)s->nt + 1, sizeof(*p->carry));
	for (int i = 0; i < s->nt; i++)
		if (map_tensor(p, i) < 0)
			return -1;
	settle_head(p);
	if (check_all(p) < 0)
		return -1;
	/* what lies there, whatever the configuration calls it */
	for (int l = 0; l < m->n_layer; l++)
		for (int r = 0; r < R_N; r++)
			if (role_linear((enum role)r) && p->layer[l][r][P_WEIGHT].n) {
				m->dtype = s->t[p->layer[l][r][P_WEIGHT].src].dt;
				return 0;
			}
	return 0;
}

void map_free(struct map *p)
{
	for (int l = 0; p->layer && l < p->m->n_layer; l++)
		for (int r = 0; r < R_N; r++)
			for (int k = 0; k < P_N; k++)
				free(p->layer[l][r][k].heads);
	free(p->layer);
	free(p->why);
	free(p->carry);
	free(p->trunk);
}

int map_spans(const struct map *p, const struct slot *s)
{
	switch (s->fuse->kind) {
	case FUSE_GROUP: return p->m->n_kv;
	case FUSE_EXPERT: return p->m->n_expert;
	case FUSE_CAT: break;
	}
	return 1;
}

void map_span(const struct map *p, const struct slot *s, int layer, enum part part, int k, int64_t *from, int64_t *rows)
{
	int64_t dim[MAXDIM], total = 0, before = 0;
	int nd, n = s->fuse->kind == FUSE_GROUP ? p->m->n_kv : 1;

	*rows = 0;
	for (int i = 0; i < s->fuse->n; i++) {
		role_shape(p->m, layer, s->fuse->role[i], part, &nd, dim);
		if (i < s->nth)
			before += dim[0] / n;
		if (i == s->nth)
			*rows = dim[0] / n;
		total += dim[0] / n;
	}
	*from = k * total + before;
}
