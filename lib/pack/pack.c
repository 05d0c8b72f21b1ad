/* Packing: the loop over the bundle, names, and the files that travel along. */
#include "pack/pack.h"

#include "base/err.h"
#include "base/journal.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/progress.h"
#include "bundle/members.h"
#include "model/listed.h"
#include "model/names.h"
#include "op/meter.h"
#include "pack/shard.h"
#include "run/memo.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const struct packer *const packers[] = { &packer_hf, &packer_vllm, NULL };
#define MAX_SIDE (1u << 30)             /* a tokenizer file */

const struct packer *const *packer_list(void)
{
	return packers;
}

const struct packer *packer_find(const char *name)
{
	for (int i = 0; packers[i]; i++)
		if (!strcmp(packers[i]->name, name))
			return packers[i];
	return NULL;
}

int pack_name(const struct pack *p, const struct block *b, int i, bool full, char *buf, size_t n)
{
	struct tensor_id id = { .layer = b->index };
	char where[32];

	if (p->m->listed) {             /* its own, behind what all of a layer begin with */
		if (b->kind == BLK_KIND_DENSE)
			snprintf(buf, n, "%.*s%d.%s", (int)(strlen(p->layers) - strlen("%L.")), p->layers, b->index, b->t[i].name);
		else
			snprintf(buf, n, "%s", b->t[i].name);
		return 0;
	}
	if (role_parse(b->t[i].name, &id.role, &id.part, &id.head) < 0)
		return err_set(ST_UNSUP, "%s: '%s' is no tensor that family '%s' has a name for", block_label(b, where),
		               b->t[i].name, p->f->name);
	/* heads come in order, under the name of their role */
	for (int k = i - 1; k >= 0 && !role_expert(id.role) && family_heads(p->f, id.role) && !strcmp(b->t[k].name, b->t[i].name); k--)
		id.head++;
	family_tensor(p->f, &id, p->bare && full ? NULL : p->as, buf, n);
	return strlen(buf) + 1 < n ? 0 : err_set(ST_BAD, "%s: '%s' has a name of more than %zu bytes", block_label(b, where),
	                                         b->t[i].name, n - 2);
}

void pack_put(struct pack *p, const char *name, enum dtype dt, int nd, const int64_t *dim, const void *data)
{
	struct tensor t = { .dt = dt, .nd = nd };

	memcpy(t.dim, dim, (size_t)nd * sizeof(*dim));
	shards_begin(p->sh, name, dt, nd, dim);
	shards_write(p->sh, data, tensor_bytes(&t));
}

/* Tensor t of block b follows; of stacked experts those of a piece, behind those of the pieces before. */
static void begin_tensor(struct pack *p, const struct block *b, const struct tensor *t, const char *name, enum dtype dt)
{
	int64_t dim[MAXDIM];

	memcpy(dim, t->dim, sizeof(dim));
	if (b->piece && t->nd == 3)
		dim[0] = p->m->n_expert;
	shards_begin(p->sh, name, dt, t->nd, dim);
}

int pack_float(struct pack *p, const struct block *b, int i, const char *name, enum dtype dt)
{
	enum { ROWS = 64 };
	const struct tensor *t = &b->t[i];
	bool quant = b->q[i].spec.fmt != Q_NONE;
	int64_t rows = tensor_rows(t), cols = tensor_cols(t), bad = -1;
	float *f;
	char *o;
	int r = 0;

	if (!quant && (dt == DT_NONE || dt == t->dt)) {
		begin_tensor(p, b, t, name, t->dt);
		shards_write(p->sh, t->data, tensor_bytes(t));
		return 0;
	}
	if (dt == DT_NONE)
		dt = p->m->dtype;
	f = xmalloc((size_t)(ROWS * cols) * sizeof(*f));
	o = xmalloc((size_t)(ROWS * cols) * dtype_size(dt));
	begin_tensor(p, b, t, name, dt);
	for (int64_t k = 0; k < rows && r == 0 && bad < 0; k += ROWS) {
		int64_t end = k + ROWS < rows ? k + ROWS : rows;
		size_t n = (size_t)((end - k) * cols);

		r = block_f32(b, i, k, end, f);
		if (r == 0)
			r = from_f32(o, dt, f, n);
		if (r == 0)
			bad = first_nonfinite(o, dt, n);
		if (r == 0)
			shards_write(p->sh, o, n * dtype_size(dt));
	}
	free(f);
	free(o);
	if (bad >= 0)
		return err_set(ST_UNSUP, "'%s' has values that %s cannot hold; try --dtype f32", name, dtype_name(dt));
	return r;
}

void pack_config(struct pack *p, const char *key, const char *value)
{
	char *next = json_edit(p->config, key, value);

	free(p->config);
	p->config = next;
}

void pack_config_both(struct pack *p, const char *key, const char *value)
{
	cJSON *c = cJSON_Parse(p->config);

	pack_config(p, key, value);
	if (p->inner && cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(c, p->inner), key)) {
		char *next = json_edit_in(p->config, p->inner, key, value);

		free(p->config);
		p->config = next;
	}
	cJSON_Delete(c);
}

void pack_dtype(struct pack *p, enum dtype dt)
{
	cJSON *c = cJSON_Parse(p->config);
	const char *word = dt == DT_F32 ? "\"float32\"" : dt == DT_F16 ? "\"float16\"" : "\"bfloat16\"";

	pack_config_both(p, cJSON_GetObjectItemCaseSensitive(c, "dtype") ? "dtype" : "torch_dtype", word);
	cJSON_Delete(c);
}

void pack_file(struct pack *p, const char *name, const void *data, size_t len)
{
	struct out *o = dir_file(p->dir, name);

	out_write(o, data, len);
	out_commit(o);
}

/* Names that packing gives to files of its own. */
static bool ours(const char *name)
{
	size_t n = strlen(name);

	return !strcmp(name, "README.md") || !strcmp(name, "model.safetensors.index.json") ||
	       (n > 12 && !strcmp(name + n - 12, ".safetensors"));
}

/* tokenizer/X and extra/X become X; the configuration waits for the packer's edit. */
static int side_file(struct pack *p, struct bundle_in *in, const struct member *m)
{
	const char *base = !strncmp(m->name, "tokenizer/", 10) ? m->name + 10 :
	                   !strncmp(m->name, "extra/", 6) ? m->name + 6 : NULL;
	const struct family *row;
	struct arena mem = { 0 };
	cJSON *c;
	void *buf;
	size_t len;
	int r = 0;

	if (!base) {
		say(1, "'%s' has no place in the directory: left out", m->name);
		return 0;
	}
	if (ours(base) || *base == '.')
		return err_set(ST_BAD, "member '%s' would take the place of another file", m->name);
	if (bundle_get_bytes(in, &mem, MAX_SIDE, &buf, &len) < 0)
		r = -1;
	else if (strcmp(m->name, "extra/config.json"))
		pack_file(p, base, buf, len);
	else if (p->config)
		r = err_set(ST_BAD, "member '%s' comes twice", m->name);
	else if (!(c = json_parse(buf, len, m->name)))
		r = -1;
	else {
		p->config = xasprintf("%.*s", (int)len, (char *)buf);
		p->tied = family_ties(c);
		if (p->ncarried && (row = family_of(c)) && row->wrap)
			p->inner = row->wrap->inner;
		err_clear();
		if (!cJSON_IsObject(c) || strlen(p->config) != len)
			r = err_set(ST_BAD, "member '%s' is not a JSON object", m->name);
		cJSON_Delete(c);
	}
	arena_free(&mem);
	return r;
}

static uint64_t digest(const struct block *b, int i)
{
	return XXH3_64bits(b->t[i].data, tensor_bytes(&b->t[i]));
}

/* Is the head the embedding again?  Then "tied" in the configuration stays true of what we write. */
static void compare_head(struct pack *p, const struct block *b, uint64_t *embed)
{
	int i = block_find(b, b->kind == BLK_KIND_EMBED ? R_EMBED : R_HEAD, P_WEIGHT);
	bool plain = i >= 0 && b->q[i].spec.fmt == Q_NONE;

	if (b->kind == BLK_KIND_EMBED)
		*embed = plain ? digest(b, i) : 0;
	else if (b->kind == BLK_KIND_HEAD)
		p->head = i < 0 ? HEAD_NONE : plain && digest(b, i) == *embed ? HEAD_SAME : HEAD_OWN;
}

/* No name of the language model's, and none that came already. */
static int check_name(struct pack *p, const char *name)
{
	struct tensor_id id;
	char own[600];
	const char *known = p->as ? family_own(p->f, p->as, name, own, sizeof(own)) : name;

	if ((known && family_role(p->f, known, &id) > 0 && id.layer < p->m->n_layer) || cJSON_GetObjectItemCaseSensitive(p->seen, name))
		return err_set(ST_BAD, "tensor '%s' comes twice", name);
	json_put_bool(p->seen, name, true);
	return 0;
}

static int put_carried(struct pack *p, const struct packer *pk, const struct st *st)
{
	for (int i = 0; i < st->n; i++) {
		const struct tensor *t = &st->e[i].t;

		if (check_name(p, t->name) < 0 || (pk->carried && pk->carried(p, t) < 0))
			return -1;
		pack_put(p, t->name, t->dt, t->nd, t->dim, t->data);
	}
	return 0;
}

/* A member of tensors that no block has, when it is the one that the manifest says.  1; 0: it is something else; -1. */
static int carried(struct pack *p, const struct packer *pk, struct bundle_in *in, const struct member *m, int blocks)
{
	const char *name = "";
	struct arena mem = { 0 };
	struct st st;
	int64_t tensors = 0;
	void *buf;
	size_t len;
	int r;

	if (!p->carried || json_str(p->carried, "member", &name) <= 0 || strcmp(name, m->name))
		return 0;
	if (blocks)
		return err_set(ST_BAD, "member '%s' comes after blocks", name);
	r = bundle_get_bytes(in, &mem, UINT64_MAX, &buf, &len);
	if (r == 0 && (len < 8 || json_int(p->carried, "tensors", 1, INT32_MAX, &tensors) <= 0))
		r = err_set(ST_BAD, "member '%s' is not what the manifest says", name);
	if (r == 0 && (r = st_parse(&st, buf, len, name)) == 0) {
		st_bind(&st, (char *)buf + st.head);
		if (st.n != tensors || (int64_t)st.data != p->carried_bytes[p->taken])
			r = err_set(ST_BAD, "member '%s' is not what the manifest says", name);
		shards_carried(p->sh, p->taken++);
		if (r == 0)
			r = put_carried(p, pk, &st);
		st_free(&st);
	}
	p->carried = p->carried->next;
	arena_free(&mem);
	return r < 0 ? -1 : 1;
}

static int one_block(struct pack *p, const struct packer *pk, struct bundle_in *in, struct sequence *seq, uint64_t *embed)
{
	struct block b, own = { 0 };
	int r;

	if (bundle_get_block(in, &b) < 0)
		return -1;
	r = sequence_next(seq, b.index, b.piece);
	if (r == 0)
		r = pack_join(p, &b, &own);
	if (r == 0) {
		compare_head(p, &b, embed);
		shards_block(p->sh, b.index, b.piece);
		r = pk->accept(p, &own) < 0 ? -1 : pk->block(p, &own);
	}
	block_free(&own);
	block_free(&b);
	return r;
}

/* What the ledger says that import carried along was there. */
static int check_carried(const struct pack *p)
{
	const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(bundle_end(p->in), "ledger"), 0), *v;
	int n = 0;

	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(first, "carried")) {
		if (!cJSON_IsString(v) || !cJSON_GetObjectItemCaseSensitive(p->seen, v->valuestring))
			return err_set(ST_BAD, "'%s' lacks '%.200s', which the ledger says is carried along", bundle_name(p->in),
			               cJSON_IsString(v) ? v->valuestring : "?");
		n++;
	}
	return n == cJSON_GetArraySize(p->seen) ? 0 :
	       err_set(ST_BAD, "'%s' carries %d tensors along, %d by its ledger", bundle_name(p->in),
	               cJSON_GetArraySize(p->seen), n);
}

static int read_members(struct pack *p, const struct packer *pk, struct bundle_in *in, struct sequence *seq)
{
	uint64_t embed = 0;
	struct member m;
	int r;

	progress_begin("block", p->m->n_layer);
	while ((r = bundle_next(in, &m)) > 0) {
		if (m.kind == M_BLOCK)
			r = one_block(p, pk, in, seq, &embed);
		else if (!(r = carried(p, pk, in, &m, seq->at)))
			r = side_file(p, in, &m);
		if (r < 0)
			return -1;
		progress_at(seq->at - 1);
	}
	progress_end();
	if (r < 0)
		return -1;
	if (seq->at < seq->n)
		return err_set(ST_BAD, "'%s' has %d of the model's %d blocks", bundle_name(in), seq->at, seq->n);
	if (p->carried)
		return err_set(ST_BAD, "'%s' has %d of %d members of what is carried", bundle_name(in), p->taken, p->ncarried);
	if (!p->config)
		return err_set(ST_BAD, "'%s' has no extra/config.json", bundle_name(in));
	return check_carried(p);
}

/* Every block of the model, once, in order. */
static int read_all(struct pack *p, const struct packer *pk, struct bundle_in *in)
{
	struct sequence seq;
	int r = sequence_init(&seq, NULL, p->m) < 0 ? -1 : read_members(p, pk, in, &seq);

	sequence_free(&seq);
	return r;
}

/* "model.layers.%L.": the layer comes last, whatever else a name has. */
static bool proper_layers(const char *s)
{
	size_t n = strlen(s), end = strlen("%L.");

	return listed_name(s) == 0 && n >= end && !strcmp(s + n - end, "%L.");
}

/* "names" of the manifest. */
static int read_names(struct pack *p, const cJSON *names)
{
	struct naming *n = &p->naming;
	int trunk;

	if (json_bool(names, "bare", &p->bare) < 0 || (trunk = json_str(names, "trunk", &n->trunk)) < 0)
		return -1;
	if (p->m->listed && (json_str(names, "layers", &p->layers) <= 0 || !proper_layers(p->layers)))
		return err_set(ST_BAD, "'names' of the manifest: no proper 'layers'");
	if (p->bare)
		*n = (struct naming){ "", "" };
	else if (trunk && (json_str(names, "rest", &n->rest) <= 0 || strlen(n->trunk) > 64 || strlen(n->rest) > 64))
		return err_set(ST_BAD, "'names' of the manifest: no proper 'trunk' and 'rest'");
	p->as = p->bare || trunk ? n : NULL;
	return 0;
}

static int read_carried(struct pack *p, const cJSON *list)
{
	const cJSON *o;

	if (list && !cJSON_IsArray(list))
		return err_set(ST_BAD, "'carried' of the manifest is not a list");
	p->carried = list ? list->child : NULL;
	p->carried_bytes = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*p->carried_bytes));
	p->seen = json_obj();
	cJSON_ArrayForEach(o, list) {
		int64_t *to = &p->carried_bytes[p->ncarried++];
		int r = json_int(o, "bytes", 0, (int64_t)1 << 50, to);

		if (r <= 0)
			return r < 0 ? err_at("'carried' of the manifest") :
			       err_set(ST_BAD, "'carried' of the manifest: no proper 'bytes'");
	}
	return 0;
}

static int start(struct pack *p, struct bundle_in *in)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(bundle_manifest(in), "names");
	int r;

	p->in = in;
	p->m = bundle_model(in);
	if (!p->m)
		return err_set(ST_BAD, "'%s' is a bundle of kind '%s', not 'model'", bundle_name(in), bundle_kind(in));
	p->own.name = p->m->family;
	r = names_read(&p->own, names);
	if (r < 0)
		return err_at("%s", bundle_name(in));
	p->f = r || p->m->listed ? &p->own : family_find(p->m->family);
	if (!p->f)
		return err_set(ST_UNSUP, "family '%s' is not known to this version", p->m->family);
	if (family_fits(p->f, p->m) < 0 || read_names(p, names) < 0)
		return err_at("%s", bundle_name(in));
	return read_carried(p, cJSON_GetObjectItemCaseSensitive(bundle_manifest(in), "carried"));
}

static struct out_dir *open_dir(const struct pack *p)
{
	cJSON *key;

	if (!common.resume)
		return dir_open(p->o->out);
	key = journal_key();
	key_manifest(key, "model", bundle_manifest(p->in));
	return dir_resume(p->o->out, key);
}

/* So that who writes into our pipe is not stopped. */
static int skip_all(struct bundle_in *in)
{
	struct member m;
	int r;

	while ((r = bundle_next(in, &m)) > 0)
		;
	return r;
}

/* Does the family keep experts in one tensor, which is then in one file? */
static bool stacks(const struct family *f)
{
	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++)
		if (f->fuse[i].kind == FUSE_EXPERT)
			return true;
	return false;
}

void pack_run(const struct packer *pk, const struct pack_opt *o)
{
	struct bundle_in *in = bundle_open(o->in);
	struct pack p = { .o = o };
	struct shard_plan plan = { .dt = o->dtype, .limit = o->shard };

	if (!in || start(&p, in) < 0 || (pk->begin && pk->begin(&p) < 0))
		die_err();
	if (common.dry) {
		if (pack_plan(&p, pk, in) < 0)
			die_err();
		bundle_close(in);
		return;
	}
	p.dir = open_dir(&p);
	if (!p.dir) {
		say(0, "'%s' is complete already", o->out);
		if (skip_all(in) < 0)
			die_err();
		bundle_close(in);
		return;
	}
	plan.whole = stacks(p.f);
	plan.carried = p.carried_bytes;
	plan.ncarried = p.ncarried;
	p.sh = shards_new(p.dir, o->out, p.m, &plan);
	if (read_all(&p, pk, in) < 0 || pk->end(&p) < 0) {
		dir_abort(p.dir);
		die_err();
	}
	pack_file(&p, "config.json", p.config, strlen(p.config));
	shards_finish(p.sh);
	dir_commit(p.dir);
	meter_report(NULL);
	if (pk->free)
		pk->free(&p);
	free(p.config);
	free(p.carried_bytes);
	cJSON_Delete(p.seen);
	bundle_close(in);
}
