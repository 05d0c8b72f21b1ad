/* Any bytes as config.json: refused with a message, or a model that passes its own check and survives its JSON, and
 * whose tensors, by the names and in the shapes that its family has for them, are taken as a checkpoint of it. */
#include "base/err.h"
#include "base/mem.h"
#include "fuzz.h"
#include "import/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 400 };

/* The model of one input, and the tensors of a checkpoint of it. */
struct made {
	struct model *m;
	const struct family *f;
	const struct wrap *wrap;
	char trunk[256];
	struct naming as;               /* within the wrap */
	struct source s;
};

static void add(struct made *c, const struct tensor_id *id, int nd, const int64_t *dim)
{
	struct tensor *t = &c->s.t[c->s.nt++];
	char name[256];

	*t = (struct tensor){ .dt = c->m->dtype, .nd = nd };
	memcpy(t->dim, dim, (size_t)nd * sizeof(*dim));
	t->name = arena_strdup(&c->s.mem, family_tensor(c->f, id, c->wrap ? &c->as : NULL, name, sizeof(name)));
}

/* What several roles share, where w is the first of those. */
static void add_fused(struct made *c, const struct tensor_id *id, const struct fuse *fuse, const struct want *w)
{
	bool stacked = fuse->kind == FUSE_EXPERT;
	int64_t dim[MAXDIM] = { 0, w->dim[1] }, other[MAXDIM];
	int nd;

	if (id->role != fuse->role[0] || (stacked && w->expert))
		return;
	for (int i = 0; i < fuse->n; i++) {
		role_shape(c->m, id->layer, fuse->role[i], id->part, &nd, other);
		dim[0] += other[0];
	}
	if (stacked) {
		dim[2] = dim[1];
		dim[1] = dim[0];
		dim[0] = c->m->n_expert;
	}
	add(c, id, w->nd + stacked, dim);
}

/* The tensors of a block; false: they are too many to try. */
static bool add_block(struct made *c, int index)
{
	struct want w = WANT_FIRST;

	while (model_wants(c->m, index, &w)) {
		struct tensor_id id = { .role = w.role, .part = w.part, .layer = index, .head = w.expert };
		const struct fuse *fuse = family_fuse(c->f, w.role);
		bool each = !fuse && w.nd == 2 && !role_expert(w.role) && family_heads(c->f, w.role);
		int64_t n = each ? w.dim[0] : 1;

		if (n > MOST - c->s.nt)
			return false;
		if (fuse)
			add_fused(c, &id, fuse, &w);
		for (; id.head < n && each; id.head++)
			add(c, &id, 1, w.dim + 1);
		if (!fuse && !each)
			add(c, &id, w.nd, w.dim);
	}
	return true;
}

static int map(const struct made *c)
{
	struct model m = *c->m;
	struct map p;
	int r = map_source(&p, &c->s, &m, c->f, c->wrap);

	map_free(&p);
	return r;
}

static void try_checkpoint(struct model *m, const struct family *f, const struct wrap *wrap, size_t pick)
{
	struct made c = { .m = m, .f = f, .wrap = wrap };
	bool all = m->n_layer <= 16;

	if (wrap) {
		snprintf(c.trunk, sizeof(c.trunk), "%s%.*s", wrap->prefix, (int)family_prefix(f), f->names[R_EMBED]);
		c.as = (struct naming){ .trunk = c.trunk, .rest = wrap->prefix };
	}
	c.s.t = xcalloc(MOST, sizeof(*c.s.t));
	all = all && add_block(&c, BLK_EMBED);
	for (int l = 0; all && l < m->n_layer; l++)
		all = add_block(&c, l);
	if (all && add_block(&c, BLK_HEAD)) {
		err_clear();
		require(map(&c) == 0);
		c.s.nt--;
		c.s.t[pick % ((size_t)c.s.nt + 1)] = c.s.t[c.s.nt];
		require(map(&c) < 0 && err_status() == ST_BAD);
	}
	free(c.s.t);
	arena_free(&c.s.mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m, again;
	const struct family *f;
	cJSON *c, *a, *b;

	alloc_limit(size, 256, 1 << 20);
	err_clear();
	c = json_parse(data, size, "config.json");
	f = c ? family_resolve(&m, c) : NULL;
	if (!f) {
		require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
		cJSON_Delete(c);
		return 0;
	}
	require(model_check(&m) == 0 && !strcmp(f->name, m.family));
	a = json_obj();
	b = json_obj();
	model_json(&m, a);
	require(model_parse(&again, a) == 0);
	model_json(&again, b);
	require(cJSON_Compare(a, b, true));
	for (int i = 0; i < 3; i++) {
		static const int end[] = { BLK_EMBED, 0, BLK_HEAD };
		int index = i == 1 ? m.n_layer - 1 : end[i], n = 0;
		struct want w = WANT_FIRST;

		while (n++ < 200 && model_wants(&m, index, &w)) {
			struct tensor_id id = { .role = w.role, .part = w.part, .layer = index, .head = w.expert }, back;
			char name[256];

			family_tensor(f, &id, NULL, name, sizeof(name));
			require(family_role(f, name, &back) == 1 && back.part == id.part);
			require(back.fuse ? back.fuse == family_fuse(f, id.role) : back.role == id.role);
			require(i != 1 || back.layer == m.n_layer - 1);
			require(w.nd >= 1 && w.dim[0] > 0);
		}
	}
	alloc_limit(size, 256, 4 << 20);
	try_checkpoint(&m, f, family_of(c)->wrap, size);
	cJSON_Delete(a);
	cJSON_Delete(b);
	cJSON_Delete(c);
	return 0;
}
