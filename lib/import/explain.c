/* Why a checkpoint becomes the model that it becomes: its row, where each knob comes from, what each tensor is. */
#include "import/import.h"

#include "base/err.h"
#include "base/out.h"
#include "base/table.h"
#include "import/generic.h"
#include "import/map.h"
#include "import/origin.h"
#include "model/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct explain {
	const struct import_opts *o;
	struct source *s;
	const struct description *how;  /* or NULL */
	struct model m, base;           /* base: the family's, where the configuration is silent */
	const struct family *f;         /* the row, */
	const struct family *language;  /* and that of the language model, if it is one around such; else the same */
	struct map map;
	cJSON *row, *knobs, *tensors, *idle;    /* as far as they are known; rows of tables, but the first, which is one */
};

static void put_can(cJSON *o, const char *what, const char *not)
{
	char buf[128];

	snprintf(buf, sizeof(buf), "%s%s", not ? "no: " : "yes", not ? not : "");
	json_put_str(o, what, buf);
}

/* Rows of the same architecture. */
static int namesakes(const char *arch)
{
	int n = 0;

	for (const struct family *const *f = family_list(); *f; f++)
		n += family_answers(*f, arch);
	return n;
}

static void put_family(struct explain *e)
{
	const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(e->s->config, "architectures"), 0);
	int n = cJSON_IsString(a) ? namesakes(a->valuestring) : 0;
	char why[128];

	if (e->how)
		snprintf(why, sizeof(why), "%s says so", e->how->word);
	else if (n == 1)
		snprintf(why, sizeof(why), "the one with that architecture");
	else
		snprintf(why, sizeof(why), "of %d with that architecture, %s", n,
		         e->f->when ? "the configuration has what it asks for" : "the one that asks for nothing more");
	if (cJSON_IsString(a))
		json_put_str(e->row, "architecture", a->valuestring);
	json_put_str(e->row, "family", e->how ? e->how->row.name : e->f->name);
	json_put_str(e->row, "why", why);
}

static void list_tensors(struct explain *e)
{
	char shape[96];

	for (int i = 0; i < e->s->nt; i++) {
		const struct tensor *t = &e->s->t[i];
		cJSON *o = json_obj();

		json_put_str(o, "tensor", t->name);
		json_put_str(o, "shape", tensor_shape(t, shape, sizeof(shape)));
		json_put_str(o, "stored", dtype_name(t->dt));
		json_push(e->tensors, o);
	}
}

static void how(const struct slot *s, char *buf, size_t n)
{
	if (!s->fuse) {
		snprintf(buf, n, "whole");
		return;
	}
	switch (s->fuse->kind) {
	case FUSE_CAT: snprintf(buf, n, s->fuse->n > 1 ? "fused: one after the other" : "whole"); break;
	case FUSE_GROUP: snprintf(buf, n, "fused: in turns of a key/value head"); break;
	case FUSE_EXPERT: snprintf(buf, n, "fused: experts stacked"); break;
	}
}

/* Tensor `row` is the role, or a part of it; or the role of all experts. */
static void put_role(cJSON *row, const struct tensor_id *id, bool all, const char *how)
{
	cJSON *roles = cJSON_GetObjectItemCaseSensitive(row, "roles");
	char label[64], name[80], block[16];

	role_label(id->role, id->head, label);
	if (all)
		snprintf(name, sizeof(name), "expert.*%s.%s", strrchr(label, '.'), part_name(id->part));
	else
		snprintf(name, sizeof(name), "%s.%s", label, part_name(id->part));
	snprintf(block, sizeof(block), "%d", id->layer);
	json_put_str(row, "block", role_home(id->role) == BLK_KIND_EMBED ? "embed" :
	                           role_home(id->role) == BLK_KIND_HEAD ? "head" : block);
	if (!roles)
		json_put(row, "roles", roles = json_arr());
	json_push(roles, cJSON_CreateString(name));
	json_put_str(row, "how", how);
}

static void put_slot(cJSON *const *row, const struct map *p, struct tensor_id id)
{
	const struct slot *s = &p->layer[id.layer][id.role][id.part];
	char buf[64];
	int64_t dim[MAXDIM], n = s->heads ? map_pieces(p, &id, dim) : 1;

	for (int h = 0; h < n && s->n; h++) {
		int i = s->heads ? s->heads[h] : s->src;

		if (i < 0)
			continue;
		id.head = role_expert(id.role) ? h : 0;
		if (s->heads && !role_expert(id.role))
			snprintf(buf, sizeof(buf), "head %d", h);
		else
			how(s, buf, sizeof(buf));
		put_role(row[i], &id, s->fuse && s->fuse->kind == FUSE_EXPERT, buf);
	}
}

/* [nt] of the table; the caller's. */
static cJSON **table_rows(const struct explain *e)
{
	cJSON **row = xcalloc((size_t)e->s->nt + 1, sizeof(*row)), *v;
	int n = 0;

	cJSON_ArrayForEach(v, e->tensors)
		row[n++] = v;
	return row;
}

static void put_tensors(struct explain *e)
{
	cJSON **row = table_rows(e);

	for (int l = 0; e->map.layer && l < e->m.n_layer; l++)
		for (int r = 0; r < R_N; r++)
			for (int k = 0; k < P_N; k++)
				put_slot(row, &e->map, (struct tensor_id){ .role = (enum role)r, .part = (enum part)k, .layer = l });
	for (int i = 0; e->map.why && i < e->s->nt; i++)
		if (e->map.why[i]) {
			char why[128];

			snprintf(why, sizeof(why), "left out: %s", e->map.why[i]);
			json_put_str(row[i], "how", why);
		}
	for (int i = 0; i < e->map.ncarry; i++)
		json_put_str(row[e->map.carry[i]], "how", "carried along");
	free(row);
}

static void put_source(cJSON *from, const char *knob, const char *what)
{
	cJSON *list = json_arr();

	json_push(list, cJSON_CreateString(what));
	json_put(from, knob, list);
}

/* What the tensors say overrules the configuration. */
static void put_knobs(struct explain *e, cJSON *was, cJSON *from)
{
	cJSON *is = origin_knobs(&e->m), *base = origin_knobs(&e->base), *v;

	cJSON_ArrayForEach(v, was)
		if (!cJSON_Compare(v, cJSON_GetObjectItemCaseSensitive(is, v->string), true))
			cJSON_DeleteItemFromObjectCaseSensitive(from, v->string);
	origin_compare(from, was, is, "tensors");
	while ((v = cJSON_DetachItemFromArray(is, 0))) {
		cJSON *o = json_obj(), *list = cJSON_DetachItemFromObjectCaseSensitive(from, v->string);

		json_put_str(o, "knob", v->string);
		if (list)
			json_put(o, "from", list);
		else
			put_source(o, "from", cJSON_Compare(v, cJSON_GetObjectItemCaseSensitive(base, v->string), true) ? "default" :
			                                                                                                  "derived");
		json_put(o, "value", v);
		json_push(e->knobs, o);
	}
	cJSON_Delete(is);
	cJSON_Delete(base);
}

/* What a description says overrules it, too. */
static void put_described(const struct explain *e, cJSON *from)
{
	const cJSON *v, *w;
	char key[64];

	if (!e->how)
		return;
	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(e->how->json, "model")) {
		if (!cJSON_IsObject(v))
			put_source(from, v->string, e->how->word);
		cJSON_ArrayForEach(w, v)
			if (cJSON_IsObject(v)) {
				snprintf(key, sizeof(key), "%s.%s", v->string, w->string);
				put_source(from, key, e->how->word);
			}
	}
	if (!cJSON_GetObjectItemCaseSensitive(from, "family"))
		put_source(from, "family", e->how->word);
}

static int list_generic(struct explain *e)
{
	struct generic g = { 0 };
	int r = source_floats(e->s) < 0 ? -1 : generic_map(&g, e->s, &e->m);
	cJSON **row = table_rows(e);

	json_put_str(e->row, "family", "generic");
	json_put_str(e->row, "why", "--as says so");
	for (int i = -1; r == 0 && i <= e->m.n_layer; i++) {
		struct block b = { .index = i < 0 ? BLK_EMBED : i == e->m.n_layer ? BLK_HEAD : i };
		struct want w = WANT_FIRST;
		char buf[32];

		b.kind = block_kind(b.index);
		for (int k = 0; model_wants(&e->m, b.index, &w); k++) {
			cJSON *o = row[generic_source(&g, b.index, k)], *roles = json_arr();

			json_push(roles, cJSON_CreateString(want_name(&w, buf)));
			json_put_str(o, "block", block_label(&b, buf) + (i < 0 || i == e->m.n_layer ? 0 : strlen("block ")));
			json_put(o, "roles", roles);
			json_put_str(o, "how", w.role == R_LINEAR ? "a linear" : "kept as it is");
		}
	}
	free(row);
	generic_free(&g);
	return r;
}

static int resolve(struct explain *e)
{
	cJSON *was, *from;
	enum dtype dt;
	int r;

	if (e->how && e->how->generic)
		return list_generic(e);
	if (!(e->f = e->how ? e->how->f : family_of(e->s->config)))
		return -1;
	put_family(e);
	if ((e->how ? description_knobs(e->how, &e->m, e->s->config) : family_knobs(&e->m, e->f, e->s->config)) < 0)
		return -1;
	e->language = e->f->wrap ? family_find(e->m.family) : e->f;
	e->base = !e->how ? e->language->base : e->how->like ? e->how->like->base : (struct model){ .dtype = DT_F32 };
	was = origin_knobs(&e->m);
	from = origin_find(&(struct origin){ e->how, e->f, &e->base }, e->s->config, was, e->idle);
	put_described(e, from);
	dt = e->m.dtype;
	r = source_floats(e->s);
	if (r == 0) {
		e->m.dtype = DT_NONE;           /* it is what the tensors are, even if the configuration says the same */
		r = map_source(&e->map, e->s, &e->m, e->language, e->f->wrap);
		json_put_str(was, "dtype", "");
	}
	if (e->m.dtype == DT_NONE) {
		e->m.dtype = dt;
		json_put_str(was, "dtype", dtype_name(dt));
	}
	if (r == 0 && e->map.f != e->language) {
		json_put_str(e->row, "family", e->map.f->name);
		json_put_str(e->row, "why", "of the rows of these models, the one that knows the names of most tensors");
	}
	put_tensors(e);
	if (r == 0) {
		import_cut(&e->m, e->o->piece);
		json_put_num(was, "piece_experts", e->m.piece_experts);
		if (e->m.piece_experts)
			put_source(from, "piece_experts", "--piece-size");
	}
	put_knobs(e, was, from);
	put_can(e->row, "rotate", e->f->wrap ? "a projector writes into the stream" : fold_rotation(&e->m));
	put_can(e->row, "shift", fold_shift(&e->m));
	cJSON_Delete(was);
	cJSON_Delete(from);
	return r;
}

static void print_text(struct explain *e)
{
	cJSON *one = json_arr(), *v;

	if (e->row->child) {
		json_push(one, cJSON_Duplicate(e->row, 1));
		table_print("architecture family why rotate shift", one);
	}
	cJSON_Delete(one);
	if (e->knobs->child) {
		table_join(e->knobs, "from");
		table_print("knob value from", e->knobs);
	}
	if (e->idle->child) {
		puts("#idle_key");
		cJSON_ArrayForEach(v, e->idle)
			puts(v->valuestring);
	}
	if (e->tensors->child) {
		table_join(e->tensors, "roles");
		table_print("tensor shape stored block roles how", e->tensors);
	}
}

static void print_json(struct explain *e, int r)
{
	json_put(e->row, "knobs", e->knobs);
	json_put(e->row, "idle", e->idle);
	json_put(e->row, "tensors", e->tensors);
	e->knobs = e->idle = e->tensors = NULL;
	if (r < 0) {
		cJSON *o = json_obj();

		json_put_num(o, "status", err_status());
		json_put_str(o, "message", err_msg());
		json_put(e->row, "error", o);
	}
	json_print(e->row);
}

int import_explain(const char *path, const struct import_opts *o, bool json)
{
	struct explain e = { .o = o, .s = source_open(path, o->dtype), .how = o->how, .row = json_obj(),
	                     .knobs = json_arr(), .tensors = json_arr(), .idle = json_arr() };
	int r = -1;

	if (e.s) {
		list_tensors(&e);
		r = resolve(&e);
	}
	if (json)
		print_json(&e, r);
	else
		print_text(&e);
	stdout_close();
	map_free(&e.map);
	if (e.s)
		source_close(e.s);
	cJSON_Delete(e.row);
	cJSON_Delete(e.knobs);
	cJSON_Delete(e.tensors);
	cJSON_Delete(e.idle);
	return r;
}
