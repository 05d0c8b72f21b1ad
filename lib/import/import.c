/* Import: the tensors of a source, by the roles that map.c found for them, leave as blocks in execution order, one in
 * memory at a time. */
#include "import/import.h"

#include "base/aside.h"
#include "base/err.h"
#include "base/journal.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/tally.h"
#include "bundle/members.h"
#include "bundle/pg.h"
#include "import/carry.h"
#include "import/generic.h"
#include "model/names.h"
#include "op/meter.h"
#include "run/memo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct import {
	const struct import_opts *o;
	struct source *s;
	struct model m;
	const struct family *f;
	struct map map;
	struct generic generic;         /* instead of all that, of a model of which nothing is known */
	cJSON *carried;                 /* members of what is not the language model's, or NULL */
	int fused;                      /* source tensor that is in `whole`, of which roles take their rows */
	char *whole;
	struct bundle_out *out;
	struct ledger ledger;
	struct memo memo;
};

void import_cut(struct model *m, int64_t limit)
{
	double one = 3.0 * m->d_expert * m->d_model * (double)dtype_size(m->dtype), all = one * m->n_expert;
	int pieces;

	m->piece_experts = 0;
	if (!limit || all <= (double)limit)
		return;
	m->piece_experts = one < (double)limit ? (int)((double)limit / one) : 1;
	pieces = (m->n_expert + m->piece_experts - 1) / m->piece_experts;
	m->piece_experts = (m->n_expert + pieces - 1) / pieces;
}

static int resolve(struct import *im)
{
	const struct family *row;
	const struct wrap *wrap = NULL;

	if (im->o->how && im->o->how->generic)
		return source_floats(im->s) < 0 ? -1 : generic_map(&im->generic, im->s, &im->m);
	if (im->o->how) {
		if (description_knobs(im->o->how, &im->m, im->s->config) < 0)
			return -1;
		im->f = im->o->how->f;
	} else {
		if (!(row = family_of(im->s->config)) || family_knobs(&im->m, row, im->s->config) < 0)
			return -1;
		wrap = row->wrap;
		im->f = wrap ? family_find(im->m.family) : row;
	}
	if (source_floats(im->s) < 0 || map_source(&im->map, im->s, &im->m, im->f, wrap) < 0)
		return -1;
	carry_sort(&im->map);
	import_cut(&im->m, im->o->piece);
	return !im->map.ncarry || (im->carried = carry_list(&im->map)) ? 0 : -1;
}

static int read_tensor(struct import *im, int i, void *data)
{
	return source_read(im->s, i, data) < 0 ? err_at("tensor '%s'", im->s->t[i].name) : 0;
}

/* The role's rows of an expert, among those of all. */
static int load_stacked(struct import *im, const struct slot *s, const struct want *w, int layer, struct tensor *t)
{
	int64_t from, n;

	map_span(&im->map, s, layer, w->part, w->expert, &from, &n);
	return im->s->read(im->s, s->src, from, n, t->data) < 0 ? err_at("tensor '%s'", im->s->t[s->src].name) : 0;
}

/* The role's rows of a fused tensor, which is read once for all of its roles. */
static int load_rows(struct import *im, const struct slot *s, const struct want *w, int layer, struct tensor *t)
{
	const struct tensor *src = &im->s->t[s->src];
	size_t row = (size_t)tensor_cols(t) * dtype_size(t->dt);
	char *to = t->data;
	int64_t from, n;

	if (w->part == P_BIAS)
		row = dtype_size(t->dt);
	if (im->fused != s->src) {
		free(im->whole);
		im->whole = xmalloc(tensor_bytes(src));
		im->fused = -1;
		if (read_tensor(im, s->src, im->whole) < 0)
			return -1;
		im->fused = s->src;
	}
	for (int k = 0; k < map_spans(&im->map, s); k++) {
		map_span(&im->map, s, layer, w->part, k, &from, &n);
		memcpy(to, im->whole + (size_t)from * row, (size_t)n * row);
		to += (size_t)n * row;
	}
	return 0;
}

static int load_heads(struct import *im, const struct slot *s, struct tensor *t)
{
	size_t n = tensor_bytes(t) / (size_t)s->n;

	for (int h = 0; h < s->n; h++)
		if (read_tensor(im, s->heads[h], (char *)t->data + (size_t)h * n) < 0)
			return -1;
	return 0;
}

static int check_finite(const char *name, const struct tensor *t)
{
	int64_t bad = first_nonfinite(t->data, t->dt, (size_t)tensor_count(t));

	return bad < 0 ? 0 : err_set(ST_BAD, "tensor '%s' is not finite at element %lld", name, (long long)bad);
}

/* The source's tensor that holds it. */
static int slot_source(const struct slot *s, const struct want *w)
{
	return s->heads && role_expert(w->role) ? s->heads[w->expert] : s->src;
}

static int load(struct import *im, struct block *b, int k, const struct slot *s, const struct want *w)
{
	char name[64];
	struct tensor *t = &b->t[k];
	int src = slot_source(s, w), r;

	t->dt = im->s->t[src].dt;
	memcpy(t->dim, w->dim, sizeof(t->dim));
	t->nd = w->nd;
	t->name = arena_strdup(&b->mem, want_name(w, name));
	t->data = arena_alloc(&b->mem, tensor_bytes(t));
	if (s->fuse)
		r = (s->fuse->kind == FUSE_EXPERT ? load_stacked : load_rows)(im, s, w, b->index, t);
	else
		r = s->heads && !role_expert(w->role) ? load_heads(im, s, t) : read_tensor(im, src, t->data);
	return r < 0 ? -1 : check_finite(im->s->t[src].name, t);
}

static int load_listed(struct import *im, struct block *b, int k, const struct want *w)
{
	struct slot s = { .n = 1, .src = generic_source(&im->generic, b->index, k) };

	return load(im, b, k, &s, w);
}

/* The next step of the output, when a run that was stopped has done it: 1. */
static int redone(struct import *im, uint64_t sum)
{
	const cJSON *step;
	int r = bundle_redo(im->out, &step, NULL);

	return r > 0 && memo_restore(&im->memo, step, sum) < 0 ? -1 : r;
}

static int put_file(struct import *im, const struct source_file *f)
{
	uint64_t sum = XXH3_64bits(f->data, f->len);
	int r = redone(im, sum);

	if (r)
		return r < 0 ? err_at("'%s'", f->name) : 0;
	if (bundle_put(im->out, f->name, f->data, f->len) < 0)
		return -1;
	bundle_step(im->out, memo_step(&im->memo, sum));
	return 0;
}

/* carry[at .. at + n) as the k-th member. */
static int put_carried(struct import *im, int k, int at, int n)
{
	struct arena mem = { 0 };
	struct tensor *t = arena_alloc(&mem, (size_t)n * sizeof(*t));
	char name[32];
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		t[i] = im->s->t[im->map.carry[at + i]];
		t[i].data = arena_alloc(&mem, tensor_bytes(&t[i]));
		r = read_tensor(im, im->map.carry[at + i], t[i].data);
		r = r < 0 ? r : check_finite(t[i].name, &t[i]);
	}
	if (r == 0)
		r = bundle_put_tensors(im->out, carry_member(&im->map, at, k, name), t, n, NULL);
	if (r == 0)
		bundle_step(im->out, memo_step(&im->memo, 0));
	arena_free(&mem);
	return r;
}

static int put_all_carried(struct import *im)
{
	for (int at = 0, n, k = 0; at < im->map.ncarry; at += n, k++) {
		int r = redone(im, 0);

		n = carry_some(&im->map, at);
		if (r < 0 || (r == 0 && put_carried(im, k, at, n) < 0))
			return -1;
	}
	return 0;
}

/* A block on its way from the source. */
struct coming {
	struct import *im;
	enum blk_kind kind;
	int index, piece;
	struct block b;
};

static int load_block(void *arg)
{
	struct coming *c = arg;
	struct import *im = c->im;
	slots *s = im->m.listed ? NULL : &im->map.layer[c->kind == BLK_KIND_DENSE ? c->index : 0];
	const struct want first = WANT_FIRST;
	struct want w = first;
	int n = 0, r = 0;

	while (piece_wants(&im->m, c->index, c->piece, &w))
		n++;
	block_init(&c->b, c->index, c->kind, n);
	c->b.piece = c->piece;
	n = 0;
	for (w = first; r == 0 && piece_wants(&im->m, c->index, c->piece, &w); n++)
		r = s ? load(im, &c->b, n, &(*s)[w.role][w.part], &w) : load_listed(im, &c->b, n, &w);
	free(im->whole);
	im->whole = NULL;
	im->fused = -1;
	if (r < 0)
		block_free(&c->b);
	return r;
}

/* The next in the order of execution; false: there is none. */
static bool next_piece(struct sequence *seq, struct import *im, struct coming *c)
{
	if (seq->at == seq->n)
		return false;
	*c = (struct coming){ .im = im, .kind = block_kind(seq->index[seq->at]), .index = seq->index[seq->at],
	                      .piece = seq->piece };
	sequence_next(seq, c->index, c->piece);
	return true;
}

static int put_block(struct import *im, struct block *b)
{
	ledger_block(&im->ledger, b);
	if (bundle_put_block(im->out, b) < 0)
		return -1;
	bundle_step(im->out, memo_step(&im->memo, 0));  /* the key of the run stands for the weights files */
	return 0;
}

/* While one block is written, the next is read. */
static int put_sequence(struct import *im, struct sequence *seq)
{
	struct aside reader = { 0 };
	struct coming c[2];
	bool more;
	int i = 0, r;

	while ((more = next_piece(seq, im, &c[0])) && (r = redone(im, 0)) != 0)
		if (r < 0)
			return -1;
	if (more)
		aside_start(&reader, load_block, &c[0]);
	for (r = 0; r == 0 && more; i++) {
		progress_at(c[i % 2].kind == BLK_KIND_HEAD ? im->m.n_layer : c[i % 2].index < 0 ? 0 : c[i % 2].index);
		tally_enter(&tally_read);
		r = aside_wait(&reader);
		tally_leave(&tally_read, 0);
		if (r < 0)
			break;
		more = next_piece(seq, im, &c[(i + 1) % 2]);
		if (more)
			aside_start(&reader, load_block, &c[(i + 1) % 2]);
		r = put_block(im, &c[i % 2].b);
		block_free(&c[i % 2].b);
	}
	if (r < 0 && reader.begun) {
		aside_drop(&reader);
		if (reader.r == 0)
			block_free(&c[i % 2].b);
	}
	return r;
}

static int put_blocks(struct import *im)
{
	struct sequence seq;
	int r = sequence_init(&seq, NULL, &im->m) < 0 ? -1 : put_sequence(im, &seq);

	sequence_free(&seq);
	return r;
}

static int put_all(struct import *im)
{
	const struct source *s = im->s;

	for (int i = 0; i < s->nfile; i++)
		if (put_file(im, &s->file[i]) < 0)
			return -1;
	if (put_all_carried(im) < 0)
		return -1;
	progress_begin("block", im->m.n_layer);
	if (put_blocks(im) < 0)
		return -1;
	progress_end();
	return 0;
}

static cJSON *manifest(const struct import *im, const char **stage)
{
	cJSON *man = json_obj(), *model = json_obj(), *in = json_obj(), *names = json_obj();
	char hex[32];

	json_put_str(man, "kind", "model");
	json_put(man, "requires", json_arr());
	model_json(&im->m, model);
	json_put(man, "model", model);
	if (im->map.as && *im->map.as->trunk) {
		json_put_str(names, "trunk", im->map.as->trunk);
		json_put_str(names, "rest", im->map.as->rest);
		json_push(cJSON_GetObjectItemCaseSensitive(man, "requires"), cJSON_CreateString("names"));
	} else if (im->map.as)
		json_put_bool(names, "bare", true);
	if (im->m.listed) {
		json_put(model, "tensors", cJSON_Duplicate(im->m.listed, 1));
		json_put_str(names, "layers", im->generic.layers);
		json_push(cJSON_GetObjectItemCaseSensitive(man, "requires"), cJSON_CreateString("tensors"));
	} else if (family_find(im->m.family) != im->map.f) {
		names_json(im->map.f, names);
		json_push(cJSON_GetObjectItemCaseSensitive(man, "requires"), cJSON_CreateString("roles"));
	}
	if (names->child)
		json_put(man, "names", names);
	else
		cJSON_Delete(names);
	if (im->carried) {
		json_push(cJSON_GetObjectItemCaseSensitive(man, "requires"), cJSON_CreateString("carried"));
		json_put(man, "carried", cJSON_Duplicate(im->carried, 1));
	}
	snprintf(hex, sizeof(hex), "xxh3:%016llx", (unsigned long long)im->s->digest);
	json_put_str(in, "source", hex);
	if (im->o->how && im->o->how->digest) {
		snprintf(hex, sizeof(hex), "xxh3:%016llx", (unsigned long long)im->o->how->digest);
		json_put_str(in, "model", hex);
	}
	*stage = pg_append(man, in);
	return man;
}

static struct bundle_out *create(const struct import *im, const char *path, cJSON *man)
{
	cJSON *key;

	if (!common.resume)
		return bundle_create(path, man);
	key = journal_key();
	key_digest(key, "source", XXH3_64bits_withSeed(&im->s->digest, sizeof(im->s->digest), im->s->stamp));
	if (im->o->how)
		key_digest(key, "model", im->o->how->digest);
	return bundle_resume(path, man, key);
}

static int write_bundle(struct import *im, const char *path)
{
	const struct source *s = im->s;
	const char *id;
	cJSON *man = manifest(im, &id), *books, *none = json_obj();
	char *stage = xstrdup(*id ? id : "import");
	int r = -1;

	im->out = create(im, path, man);
	if (im->out) {
		ledger_begin(&im->ledger, stage);
		for (int i = 0; i < s->nt; i++)
			if (im->map.why && im->map.why[i])
				ledger_drop(&im->ledger, s->t[i].name, im->map.why[i]);
		for (int i = 0; i < im->map.ncarry; i++)
			ledger_carry(&im->ledger, s->t[im->map.carry[i]].name);
		memo_init(&im->memo, &im->ledger, none);
		r = put_all(im);
		memo_free(&im->memo);
		books = ledger_end(&im->ledger, NULL);
		if (r < 0 || !books) {
			cJSON_Delete(books);
			bundle_abort(im->out);
			r = -1;
		} else
			r = bundle_finish(im->out, books, NULL);
	}
	cJSON_Delete(none);
	free(stage);
	return r;
}

int import_run(const char *path, const char *out, const struct import_opts *o)
{
	struct import im = { .s = source_open(path, o->dtype), .o = o, .fused = -1 };
	int r;

	if (!im.s)
		return -1;
	r = resolve(&im) < 0 ? -1 : write_bundle(&im, out);
	if (r == 0)
		meter_report(NULL);
	cJSON_Delete(im.carried);
	map_free(&im.map);
	generic_free(&im.generic);
	source_close(im.s);
	return r;
}
